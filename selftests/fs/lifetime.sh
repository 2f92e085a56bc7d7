#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Guards lifetimes: a mount in use is busy, the module stays while anything of it is used, goes when nothing is, comes
# back, and the memory of deleted files returns.
set -u
. "$(dirname "$0")/../lib/tap.sh"

m=$tmp/m
mkdir "$m"

free_kb() {
	echo 3 >/proc/sys/vm/drop_caches
	awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo
}

modprobe vellumfs
expect "the module loads" test -c /dev/vellumfs
expect "it mounts" mount -t vellumfs -o size=200m none "$m"
expect "the module stays while mounted" sh -c '! rmmod vellumfs'
exec 9>"$m/open"
expect "a mount with an open file is busy" sh -c "! umount '$m'"
expect "a lazy unmount works" umount -l "$m"
expect "the module stays while a file is open" sh -c '! rmmod vellumfs'
exec 9>&-
expect "the module goes when nothing is used" rmmod vellumfs
expect "no device is left" test ! -e /dev/vellumfs
expect "no counters are left" test ! -e /sys/fs/vellumfs

# 35 MB of files, a part of them merged
round() {
	mount -t vellumfs -o size=200m none "$m" || return
	dd if=/dev/zero of="$m/zero" bs=64k count=400 2>/dev/null
	dd if=/dev/urandom of="$m/a" bs=64k count=80 2>/dev/null
	cp "$m/a" "$m/b"
	sleep 1
	cmp "$m/a" "$m/b" && umount "$m"
}

modprobe vellumfs
expect "fill, merge, unmount" round
before=$(free_kb)
expect "a second time" round
expect "a third time" round
after=$(free_kb)
# What a checking kernel keeps back is less than one of the rounds.
echo "# $before KiB available before, $after after"
tap_result $((before - after > 30000)) "the memory is back"
expect "the module goes again" rmmod vellumfs
modprobe vellumfs
tap_end
