#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Guards the module's life: it does not unload while a device is open, it unloads clean afterwards, and it loads again.
set -u
. "$(dirname "$0")/../lib/tap.sh"

loaded() {
	grep -q '^vellum_vhost ' /proc/modules
}

loaded || modprobe vellum_vhost
for device in net blk; do
	[ -c /dev/vellum-vhost-$device ]
	tap_result $? "/dev/vellum-vhost-$device is there"
	exec 5<>/dev/vellum-vhost-$device
	! rmmod vellum_vhost 2>/dev/null && loaded
	tap_result $? "the module stays while /dev/vellum-vhost-$device is open"
	exec 5>&-
done
rounds=0
while [ $rounds -lt 10 ] && rmmod vellum_vhost && ! loaded && [ ! -c /dev/vellum-vhost-net ] &&
	[ ! -d /sys/kernel/debug/vellum-vhost ] && modprobe vellum_vhost; do
	rounds=$((rounds + 1))
done
tap_result $((rounds != 10)) "it unloads clean and loads again, ten times"
tap_end
