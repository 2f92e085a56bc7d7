#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Guards against leaks: 20 VMs are started, killed by SIGKILL at random moments and started again; afterwards no process,
# no VM, no page may be left (MemFree and slab before and after) and the module unloads. LEAK_ROUNDS and LEAK_KB (the
# tolerance for the rest of the system) may be set. Needs the vm_worker program next to it.
set -u
. "$(dirname "$0")/../lib/tap.sh"

dir=$(dirname "$0")
worker=$dir/vm_worker
rounds=${LEAK_ROUNDS:-20}
tolerance=${LEAK_KB:-3072}
device=${VELLUM_DEVICE:-/dev/vellum}
export VELLUM_DEVICE="$device"

meminfo() {
	sed -n "s/^$1: *\([0-9]*\) kB/\1/p" /proc/meminfo
}

# Free pages that a CPU keeps for itself do not count in MemFree: tens of MiB, where the list grows by itself (since 6.7).
keep_lists_short() {
	echo 100000 >/proc/sys/vm/percpu_pagelist_high_fraction
}

# Compaction empties those lists.
settle() {
	sync
	sleep 1
	echo 3 >/proc/sys/vm/drop_caches
	echo 1 >/proc/sys/vm/compact_memory
}

# A worker is killed after 0 to 150 ms; the numbers are from a fixed list, so that a run can be repeated.
delay() {
	set -- 0 3 7 150 20 60 1 90 35 12
	shift $(($1 % 10))
	echo "$1"
}

one_round() {
	"$worker" forever >/dev/null &
	pid=$!
	usleep "$(($(delay "$1") * 1000))"
	kill -9 $pid
	wait $pid 2>/dev/null
	return 0
}

if [ ! -x "$worker" ] || [ ! -c "$device" ]; then
	echo "Bail out! $worker or $device is missing"
	exit 1
fi

keep_lists_short
# Warm caches and slabs first: what is allocated once is no leak.
i=0
while [ $i -lt 5 ]; do
	one_round $((i * 3))
	i=$((i + 1))
done

# What the rest of the system does may look like a leak once, a leak shows every time.
series=0
while [ $series -lt 2 ]; do
	series=$((series + 1))
	settle
	free_before=$(meminfo MemFree)
	slab_before=$(meminfo Slab)
	i=0
	while [ $i -lt "$rounds" ]; do
		one_round $i
		i=$((i + 1))
	done
	settle
	free_after=$(meminfo MemFree)
	slab_after=$(meminfo Slab)
	lost=$((free_before - free_after))
	echo "# MemFree $free_before -> $free_after kB, Slab $slab_before -> $slab_after kB"
	[ $lost -gt "$tolerance" ] || [ $((slab_after - slab_before)) -gt "$tolerance" ] || break
done

left=$(pidof vm_worker | wc -w)
tap_result "$left" "no process is left"
tap_result $((lost > tolerance)) "no memory is lost in $rounds rounds"
tap_result $((slab_after - slab_before > tolerance)) "no slab memory is lost"

unload() {
	if [ "$device" = /dev/kvm ]; then
		rmmod kvm_intel 2>/dev/null || rmmod kvm_amd || return 1
		rmmod kvm
	else
		rmmod vellum
	fi
}

reload() {
	if [ "$device" = /dev/kvm ]; then
		modprobe kvm-intel 2>/dev/null || modprobe kvm-amd
	else
		modprobe vellum
	fi
}

unload && reload && [ -c "$device" ]
tap_result $? "the module unloads and loads again"
tap_end
