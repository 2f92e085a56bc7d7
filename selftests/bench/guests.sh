#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Runs in the machine: what four idle guests save when their memory is merged, and after how long. Ours has their RAM in
# shared files, which KSM does not merge at all: so the peer's guests have anonymous memory, all of it given to KSM.
# usage: guests.sh ours DIR | guests.sh peer      prints "merge.guests_saved KIB KiB" and "merge.guests_time MS ms"
set -eu

guests=4
mib=128
tmp=$(mktemp -d)

fail() {
	echo "guests: $*" >&2
	exit 1
}

if [ "$1" = ours ]; then
	stat=/sys/fs/vellumfs zero=zero_pages
	run="vellum run --mem-path $2"
	[ ! -e $stat/advisor_mode ] || echo none >$stat/advisor_mode
else
	stat=/sys/kernel/mm/ksm zero=ksm_zero_pages
	run="ksm_exec vellum run"
fi
echo 0 >$stat/run
echo 2000 >$stat/pages_to_scan
echo 1 >$stat/sleep_millisecs

saved() {
	echo $((($(cat $stat/pages_sharing) + $(cat $stat/$zero)) * 4))
}

now() {
	read -r up rest </proc/uptime
	echo $((${up%.*} * 1000 + ${up#*.}0))
}

all_up() {
	[ "$(cat "$tmp"/out* | grep -c 'guest-42')" -eq $guests ]
}

wait_up() {
	n=0
	until all_up; do
		n=$((n + 1))
		[ $n -lt 1200 ] || fail "the guests do not come up"
		sleep 1
	done
	# Until they have nothing left to do.
	sleep 10
}

scans() {
	cat $stat/full_scans
}

# A time after which a merger that still finds pages has found some: KSM wants to see a page unchanged in a second scan.
window() {
	sleep 10
	[ $stat = /sys/kernel/mm/ksm ] || return 0
	first=$(scans)
	n=0
	until [ $(($(scans) - first)) -ge 2 ]; do
		n=$((n + 1))
		[ $n -lt 1200 ] || fail "no two scans of KSM in 20 minutes"
		sleep 1
	done
}

# Until a window brings no more than a hundredth.
wait_merged() {
	last=0
	while :; do
		window
		k=$(saved)
		[ "$k" -gt 0 ] || fail "nothing was merged"
		[ $((k - last)) -gt $((k / 100)) ] || break
		last=$k
	done
}

# When nine tenths of the end's figure were there
watch_time() {
	while :; do
		echo "$(now) $(saved)"
		usleep 100000
	done >"$tmp/times"
}

pids=
for n in $(seq $guests); do
	# shellcheck disable=SC2016
	$run --device /dev/vellum --kernel /lab/guest/vmlinuz --initrd /lab/guest/initrd --mem ${mib}M \
		--append 'quiet nokaslr guest.cmd="echo guest-$((40+2)); sleep 1000000"' >"$tmp/out$n" 2>&1 </dev/null &
	pids="$pids $!"
done
wait_up
begin=$(now)
watch_time &
watcher=$!
echo 1 >$stat/run
wait_merged
end=$(saved)
kill $watcher
echo "merge.guests_saved $end KiB"
awk -v begin="$begin" -v end="$end" '$2 >= end * 0.9 { print "merge.guests_time", $1 - begin, "ms"; exit }' "$tmp/times"
# shellcheck disable=SC2086
kill $pids
wait
