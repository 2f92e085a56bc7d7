#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Guards CPU hotplug (lab -c 2): a CPU goes offline and comes back while a VM runs, several times, with the VM's threads
# free to run on it; the VM goes on, a new one works on every CPU, and the module unloads with a CPU offline.
set -u
. "$(dirname "$0")/../lib/tap.sh"

dir=$(dirname "$0")
cpu1=/sys/devices/system/cpu/cpu1/online
device=${VELLUM_DEVICE:-/dev/vellum}
export VELLUM_DEVICE="$device"

if [ ! -w $cpu1 ]; then
	echo '1..0 # SKIP one CPU'
	exit 4
fi
"$dir/vm_worker" 400 >/dev/null &
pid=$!
failed=0
i=0
while [ $i -lt 5 ]; do
	i=$((i + 1))
	echo 0 >$cpu1 || failed=1
	usleep 100000
	echo 1 >$cpu1 || failed=1
	usleep 100000
done
tap_result $failed "CPU 1 goes and comes under a running VM"
wait $pid
tap_result $? "the VM goes on"

taskset 2 "$dir/hypercall" >/tmp/hotplug.log 2>&1
tap_result $? "a new VM works on the CPU that came back"

echo 0 >$cpu1
if [ "$device" = /dev/kvm ]; then
	(rmmod kvm_intel 2>/dev/null || rmmod kvm_amd) && rmmod kvm
else
	rmmod vellum
fi
unloaded=$?
echo 1 >$cpu1
if [ "$device" = /dev/kvm ]; then
	modprobe kvm-intel 2>/dev/null || modprobe kvm-amd
else
	modprobe vellum
fi
"$dir/hypercall" >/tmp/hotplug.log 2>&1 && [ $unloaded -eq 0 ]
tap_result $? "the module unloads with a CPU offline and works after"
[ "$tap_failed" -eq 0 ] || sed 's/^/# /' /tmp/hotplug.log
tap_end
