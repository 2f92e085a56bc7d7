#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Guards that guests run with their RAM on vellumfs, under each KIND: GUESTS of them boot, their memory is merged while they
# idle for HOLD seconds, they go on and power off, and nothing is left. A filesystem that is too small is refused by name.
# usage: inside.sh KIND...    (KIND: qemu, launcher)
# shellcheck shell=dash
: "${WAIT:=900}"
. "$(dirname "$0")/tap.sh"
. "$(dirname "$0")/lib.sh"
: "${GUESTS:=4}"
: "${MIB:=128}"
: "${HOLD:=60}"
: "${HUGE:=never}"
# A guest of the lab has some 6,000 pages that another one has too; many more are zero. This is far below both.
: "${MERGED:=2000}"

files=/tmp/guests
stat=/sys/fs/vellumfs
command="echo guest-is-up; sleep $HOLD; echo guest-\$((40+2)); exit 5"

counter() {
	cat "$stat/$1"
}

saved() {
	echo $(($(counter pages_sharing) + $(counter zero_pages)))
}

# pace PAGES: gentle while guests boot, whose writes would have to part again what was merged, then fast
pace() {
	echo none >"$stat/advisor_mode"
	echo 100 >"$stat/advisor_max_cpu"
	echo "$1" >"$stat/pages_to_scan"
	echo 5 >"$stat/sleep_millisecs"
	echo 1 >"$stat/run"
} 2>/dev/null

start_launcher() {
	mkdir -p "$tmp/$1"
	"$VELLUM" run --device "$VELLUM_DEVICE" --kernel "$GUEST_KERNEL" --initrd "$GUEST_INITRD" --mem-path "$files" \
		--mem "${MIB}M" --append "$fast guest.cmd=\"$command\"" >"$tmp/$1/serial" 2>"$tmp/$1/log" </dev/null &
	echo $! >"$tmp/$1/pid"
}

start_qemu() {
	vm_guest "$1" "$command" -machine pc,memory-backend=ram -cpu host -m "$MIB" -no-reboot \
		-object "memory-backend-file,id=ram,size=${MIB}M,mem-path=$files,share=on"
}

all() {
	local n=0
	while [ $n -lt "$GUESTS" ]; do
		"$@" "g$n" || return 1
		n=$((n + 1))
	done
}

up() {
	said "$1" '^guest-is-up'
}

last_line() {
	echo "# $1 after $(cut -d . -f 1 /proc/uptime) s: $(tr -d '\r' <"$tmp/$1/serial" | tail -n 1)"
}

done_well() {
	said "$1" '^guest-42' && ! said "$1" 'Oops|BUG|WARNING|stall'
}

# The launcher gives the guest's own status; QEMU has no such device.
ended() {
	vm_wait "$1" "$WAIT"
	local status=$?
	[ $status -eq "$expected" ] || { echo "$1 ends with $status"; return 1; }
}

enough() {
	[ "$(saved)" -ge "$MERGED" ] && [ "$(counter pages_sharing)" -ge $((MERGED / 4)) ]
}

empty() {
	[ "$(saved)" -eq 0 ] && [ "$(counter pages_shared)" -eq 0 ]
}

too_small() {
	mount -t vellumfs -o size=16M guests "$files" || return 1
	"$VELLUM" run --device "$VELLUM_DEVICE" --kernel "$GUEST_KERNEL" --mem-path "$files" --mem 64M >"$tmp/out" 2>"$tmp/err"
	[ $? -eq 71 ] && one_line "--mem-path $files: only 1[0-9] MiB are free"
	local status=$?
	umount "$files"
	return $status
}

run_kind() {
	expected=0
	[ "$1" = qemu ] || expected=5
	mount -t vellumfs -o "size=$((GUESTS * MIB + 16))M,huge=$HUGE" guests "$files"
	tap_result $? "$1: the filesystem is mounted, huge=$HUGE"
	pace 20
	check "$1: $GUESTS guests start" g0 all "start_$1"
	check "$1: they are up" g0 wait_for "$WAIT" all up
	all last_line
	pace 2000
	check "$1: their pages merge" g0 wait_for "$WAIT" enough
	echo "# $1: $(counter pages_sharing) pages sharing $(counter pages_shared) and $(counter zero_pages) zero: $(($(saved) / 256)) MiB saved"
	check "$1: they power off" g0 all ended
	check "$1: each did what it was told" g0 all done_well
	umount "$files"
	tap_result $? "$1: unmounting"
	wait_for 30 empty
	tap_result $? "$1: every page is returned"
	all vm_kill
}

mkdir "$files"
modprobe vellumfs || { echo "Bail out! vellumfs.ko does not load"; exit 1; }
expect 'the launcher names a filesystem that is too small' too_small
for kind in "$@"; do
	run_kind "$kind"
done
rmmod vellumfs
tap_result $? 'the module unloads'
tap_end
