#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Guards the clean end of everything when the launcher dies: guests killed with SIGKILL at random
# moments leave no process, no user of the module and no memory. KILLS says how many.
. "$(dirname "$0")/../lib/tap.sh"
: "${KILLS:=20}"

# The module behind the device, if it is one.
case $VELLUM_DEVICE in
*/kvm) modules='kvm_intel kvm_amd' ;;
*) modules=vellum ;;
esac

users() {
	for m in $modules; do
		sed -n "s/^$m [0-9]* \\([0-9]*\\) .*/\\1/p" /proc/modules
	done
}

# Memory that is neither free nor cache, in kB.
used_memory() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	awk '/^(MemFree|Cached|Buffers):/ { free += $2 } /^MemTotal:/ { total = $2 }
	     END { print total - free }' /proc/meminfo
}

# Milliseconds from 0 to 4000
random_pause() {
	n=$(od -An -N2 -tu2 /dev/urandom)
	usleep $((n * 4000 / 65536 * 1000))
}

kill_one() {
	"$VELLUM" run --device "$VELLUM_DEVICE" --kernel "$GUEST_KERNEL" --initrd "$GUEST_INITRD" \
		--cpus 2 --append 'guest.cmd="sleep 1000"' </dev/null >/dev/null 2>"$tmp/err" &
	pid=$!
	random_pause
	kill -KILL $pid
	wait $pid 2>/dev/null
	[ $? -eq 137 ]
}

# Free pages that a CPU keeps for itself do not count in MemFree: tens of MiB, where the list grows by itself (since 6.7).
echo 100000 >/proc/sys/vm/percpu_pagelist_high_fraction
# The first ones fill caches of the kernel that stay.
kill_one
kill_one
before=$(used_memory)
users_before=$(users)
i=0
alive=0
while [ $i -lt "$KILLS" ]; do
	kill_one || alive=$((alive + 1))
	i=$((i + 1))
done
expect "$KILLS guests ran until they were killed" test $alive -eq 0
usleep 500000
expect 'no launcher is left' sh -c "! pidof ${VELLUM##*/}"
expect 'the module has no new user' test "$(users)" = "$users_before"
after=$(used_memory)
echo "# memory in use: $before kB before, $after kB after"
# One leaked guest would be tens of MiB; a leaked page per guest is below the noise of a whole system (stock
# KVM has shown 8 MiB), and selftests/hv/leak.sh is there for it.
expect 'memory came back' test $((after - before)) -lt 16384
guest 'echo once more'
expect 'the next guest runs' grep -q '^once more' "$tmp/out"
if [ -n "$(users)" ] && [ "${VELLUM_DEVICE}" = /dev/vellum ]; then
	expect 'the module unloads' rmmod vellum
	modprobe vellum || insmod /lib/modules/"$(uname -r)"/extra/vellum.ko
fi
tap_end
