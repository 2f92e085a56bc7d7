#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# Guards that guests survive what a host does under their feet, all of it at once: GUESTS guests of VCPUS vCPUs and MEM
# MiB in a machine with less memory than that, so that their memory is swapped out and in, merged by KSM, parted again,
# gathered into huge pages and split, while CPUs go and come. Each guest rewrites and verifies MIB MiB, of them QUIET
# that look alike in all guests (memwork.c). After DURATION seconds every guest must have made progress and have found
# no wrong byte, and all of the above must have happened. They may take BOOT_SECONDS to begin. Runs in the lab, with swap space on /lab/disk0.
. "$(dirname "$0")/tap.sh"

ksm=/sys/kernel/mm/ksm
thp=/sys/kernel/mm/transparent_hugepage
# Starved guests are slow, not stuck: whether they stand still is seen by their sweeps.
slow='nosoftlockup rcupdate.rcu_cpu_stall_suppress=1'
trouble='BAD|Oops|BUG|WARNING|segfault|panic|Call Trace'
guests=$(seq "$GUESTS")
cpus=$(ls -d /sys/devices/system/cpu/cpu[1-9]*)

uptime() {
	cut -d . -f 1 /proc/uptime
}

vmstat() {
	awk -v name="$1" '$1 == name { print $2 }' /proc/vmstat
}

# Linux 6.12 takes its fair server, which a busy CPU has, for a task that was left behind when that CPU goes, and warns.
no_fair_server() {
	local server
	for server in /sys/kernel/debug/sched/fair_server/*/runtime; do
		[ ! -e "$server" ] || echo 0 >"$server" || return 1
	done
}

prepare() {
	no_fair_server || return 1
	mkswap /lab/disk0 && swapon /lab/disk0 || return 1
	echo always >$thp/enabled && echo 1000 >$thp/khugepaged/scan_sleep_millisecs || return 1
	echo 1 >$ksm/use_zero_pages && ksm_pace 100 100 && echo 1 >$ksm/run
}

# ksm_pace PAGES MS: gentle while guests boot, which it would slow down, then fast
ksm_pace() {
	echo "$1" >$ksm/pages_to_scan && echo "$2" >$ksm/sleep_millisecs
}

too_small() {
	awk -v guests=$((GUESTS * MEM)) '$1 == "MemTotal:" { exit $2 / 1024 >= guests * 3 / 4 }' /proc/meminfo
}

start() {
	mkdir "$tmp/$1"
	"$VELLUM" run --device "$VELLUM_DEVICE" --kernel "$GUEST_KERNEL" --initrd /load/initrd --cpus "$VCPUS" --mem "${MEM}M" \
		--mem-merge --append "$fast $slow nokaslr guest.cmd=\"memwork $MIB $QUIET\"" \
		>"$tmp/$1/out" 2>"$tmp/$1/err" </dev/null &
	echo $! >"$tmp/$1/pid"
}

sweeps() {
	grep -c 'memwork: sweep' "$tmp/$1/out"
}

all_sweeps() {
	local g
	for g in $guests; do
		sweeps "$g"
	done | tr '\n' ' '
}

# healthy GUEST: its launcher runs, and it has nothing to complain of
healthy() {
	kill -0 "$(cat "$tmp/$1/pid")" && ! grep -m 1 -A 40 -E "$trouble" "$tmp/$1/out"
}

all_healthy() {
	local g
	for g in $guests; do
		healthy "$g" >/dev/null 2>&1 || return 1
	done
}

# all_swept N: every guest has done so many sweeps since $tmp/GUEST/from
all_swept() {
	local g
	for g in $guests; do
		[ $(($(sweeps "$g") - $(cat "$tmp/$g/from"))) -ge "$1" ] || return 1
	done
}

# count_from: sweeps count from now
count_from() {
	local g
	for g in $guests; do
		sweeps "$g" >"$tmp/$g/from"
	done
}

# look_on SECONDS COMMAND...: until the command succeeds, or a guest is in trouble; says twice a minute how it goes
look_on() {
	local end=$(($(uptime) + $1)) next=0
	shift
	until "$@"; do
		if [ "$(uptime)" -ge $end ] || ! all_healthy; then
			return 1
		fi
		if [ "$(uptime)" -ge $next ]; then
			next=$(($(uptime) + 30))
			figures
		fi
		sleep 1
	done
}

figures() {
	echo "# $(uptime) s: sweeps $(all_sweeps)swapped out $(vmstat pswpout) in $(vmstat pswpin)," \
		"merged $(cat $ksm/pages_sharing), huge $(vmstat thp_fault_alloc) gathered $(vmstat thp_collapse_alloc)" \
		"split $(vmstat thp_split_page), CPU went $(grep -c went "$tmp/hotplug")"
}

# remember: counters that must move from here on
remember() {
	for counter in $moving; do
		vmstat "$counter" >"$tmp/$counter"
	done
}

moved() {
	[ "$(vmstat "$1")" -gt "$(cat "$tmp/$1")" ]
}

merged_much() {
	[ "$(cat $ksm/pages_sharing)" -gt "$((GUESTS * 256))" ]
}

switch() {
	if echo "$2" >"$1/online"; then
		echo "${1##*/} $3"
	else
		echo "${1##*/} failed"
	fi
}

# hotplug: one CPU after the other goes and comes, then all but the first at once, until told to end
hotplug() {
	local cpu
	while [ -e "$tmp/go" ]; do
		for cpu in $cpus; do
			switch "$cpu" 0 went
			usleep 500000
			switch "$cpu" 1 came
			usleep 500000
		done
		for cpu in $cpus; do switch "$cpu" 0 went; done
		usleep 500000
		for cpu in $cpus; do switch "$cpu" 1 came; done
		sleep 2
	done >>"$tmp/hotplug" 2>&1
}

mergeable() {
	grep -q '^VmFlags:.* mg' "/proc/$(cat "$tmp/1/pid")/smaps"
}

# ended GUEST: by a signal, after which nothing is left to say but that
ended() {
	kill "$(cat "$tmp/$1/pid")"
	wait "$(cat "$tmp/$1/pid")"
	[ $? -eq 143 ]
}

moving='pswpout pswpin thp_split_page'
: >"$tmp/hotplug"
expect 'swap, KSM and huge pages are on' prepare
expect 'the guests have more memory than the machine' too_small
for g in $guests; do
	start "$g"
	echo 0 >"$tmp/$g/from"
done
look_on "$BOOT_SECONDS" all_swept 1
tap_result $? "$GUESTS guests of $VCPUS vCPUs work" "$tmp"/[0-9]*/out
expect 'their memory may be merged' mergeable
expect 'they were given huge pages' test "$(vmstat thp_fault_alloc)" -gt "$GUESTS"

expect 'KSM is told to hurry' ksm_pace 300 20
remember
count_from
: >"$tmp/go"
hotplug &
plugger=$!
look_on "$DURATION" false
look_on "${LAST_SECONDS:-600}" all_swept 2
tap_result $? "every guest makes progress" "$tmp/hotplug"
look_on 60 merged_much
tap_result $? 'pages were merged'
rm "$tmp/go"
wait $plugger
figures
for g in $guests; do
	healthy "$g" >"$tmp/healthy" 2>&1
	tap_result $? "guest $g found nothing wrong in $(($(sweeps "$g") - $(cat "$tmp/$g/from"))) sweeps" "$tmp/$g/err"
	sed 's/^/#   /' "$tmp/healthy"
done
for counter in $moving; do
	expect "it happened: $counter" moved "$counter"
done
expect 'CPUs went and came' grep -q came "$tmp/hotplug"
expect 'none refused' sh -c "! grep -q failed $tmp/hotplug"
for g in $guests; do
	ended "$g"
	tap_result $? "guest $g ends when told to" "$tmp/$g/err"
done
expect 'swap is given back' swapoff /lab/disk0
echo 2 >$ksm/run
expect 'so is what was merged' test "$(cat $ksm/pages_shared)" -eq 0
tap_end
