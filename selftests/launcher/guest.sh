#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Guards what a guest sees of the launcher, that it is shut in, and what the launcher says of the guest's end. Runs in a
# machine of the lab as root, on the hypervisor VELLUM_DEVICE. Each guest boot serves several checks.
. "$(dirname "$0")/../lib/tap.sh"

in_out() {
	grep -q "$1" "$tmp/out"
}

sum_of() {
	sha256sum "$1" | cut -d' ' -f1
}

: >"$tmp/out"
# One vCPU: identity, console, exit status.
look='cat /proc/cpuinfo /proc/interrupts'
saved=$fast fast=
rng='head -c 64 /dev/hwrng | wc -c; cat /sys/class/misc/hw_random/rng_current'
guest "uname -r; nproc; $rng; $look; exit 37" --cpus 1
status=$?
fast=$saved
expect 'exit status is passed through' test $status -eq 37
expect 'nothing is said when all is well' test ! -s "$tmp/err"
expect 'one CPU' in_out '^1$'
expect 'cpuinfo has no second CPU' sh -c "! grep -q 'processor.*: 1' $tmp/out"
expect 'the kernel tells its release' in_out '^6\.'
expect 'the entropy device delivers' in_out '^64$'
expect 'the entropy device is virtio' in_out '^virtio_rng'
expect 'the serial port has its interrupt' in_out '4:.*IO-APIC.*ttyS0'
expect 'ACPI has its interrupt' in_out '9:.*IO-APIC.*acpi'
expect 'virtio uses MSI-X' in_out 'PCI-MSIX.*virtio0'

# Two vCPUs, disks: contents, writing, read-only, full.
mkdir "$tmp/small"
mount -t tmpfs -o size=1M tmpfs "$tmp/small"
head -c 3000000 /dev/urandom >"$tmp/a"
truncate -s 3000320 "$tmp/a"
head -c 65536 /dev/urandom >"$tmp/b"
truncate -s 8M "$tmp/small/full"
a=$(sum_of "$tmp/a")
b=$(sum_of "$tmp/b")
read='sha256sum /dev/vda /dev/vdb; cat /sys/block/vda/serial; echo'
write='dd if=/dev/vda of=/dev/vda skip=1 seek=3 count=1000 conv=fsync; sha256sum /dev/vda'
ro='dd if=/dev/zero of=/dev/vdb count=1 conv=fsync; echo ro=$?'
full='dd if=/dev/zero of=/dev/vdc bs=64k count=100 conv=fsync; echo full=$?'
guest "nproc; $look; $read; $write; $ro; $full; dd if=/dev/vdc of=/dev/null count=8; echo alive=\$?" \
	--cpus 2 --disk "$tmp/a" --disk "$tmp/b,readonly" --disk "$tmp/small/full"
expect 'two CPUs end well' test $? -eq 0
expect 'two CPUs' in_out '^2$'
expect 'cpuinfo lists the second CPU' in_out '^processor.*: 1$'
expect 'both CPUs take timer interrupts' in_out 'LOC: *[1-9][0-9]* *[1-9]'
expect 'the disk reads right' in_out "$a  /dev/vda"
expect 'the read-only disk reads right' in_out "$b  /dev/vdb"
expect 'the serial number is the file name' in_out '^a$'
expect 'writes reach the file' in_out "$(sum_of "$tmp/a")  /dev/vda"
expect 'something was written' test "$a" != "$(sum_of "$tmp/a")"
expect 'a read-only disk refuses' in_out '^ro=1'
expect 'a read-only disk is unchanged' test "$b" = "$(sum_of "$tmp/b")"
expect 'a full disk is an I/O error' in_out '^full=1'
expect 'the guest goes on after it' in_out '^alive=0'
umount "$tmp/small"

# Input, virtio console, memory file.
mkdir "$tmp/mem"
mount -t tmpfs -o size=300M tmpfs "$tmp/mem"
echo 'typed early' | guest 'read line; echo got:$line' --mem-path "$tmp/mem" --mem 200M
expect 'input typed before the driver was up arrives' in_out '^got:typed early'
expect 'the memory file is gone' test -z "$(ls "$tmp/mem")"
umount "$tmp/mem"
# A virtio console drops what comes before somebody opens it: wait to be asked.
{
	while ! grep -q '^ready' "$tmp/out" 2>/dev/null; do
		usleep 100000
	done
	cat /proc/"$(pidof "${VELLUM##*/}")"/task/*/status >"$tmp/threads"
	echo hello
} | guest 'echo ready; read line; echo got:$line; exit 3' --console virtio
expect 'status with the virtio console' test $? -eq 3
expect 'virtio console carries both ways' in_out '^got:hello'
# The main loop, the vCPU, two devices and the output.
threads=$(grep -c '^Name:' "$tmp/threads")
expect 'all threads are shut in' test "$threads" -ge 5 -a "$(grep -c '^Seccomp:.2' "$tmp/threads")" = "$threads"
expect 'and go by their names' grep -q '^Name:.vcpu0' "$tmp/threads"

# Standard input closed, standard output closed.
guest 'echo fine' <&-
expect 'a closed stdin harms nobody' in_out '^fine'
(
	"$VELLUM" run --device "$VELLUM_DEVICE" --kernel "$GUEST_KERNEL" --initrd "$GUEST_INITRD" \
		--append "$fast"' guest.cmd="while :; do echo x; done"' 2>"$tmp/err"
	echo $? >"$tmp/out"
) </dev/null | head -n 3 >/dev/null
expect 'a closed stdout ends it' test "$(cat "$tmp/out")" = 74
expect 'a closed stdout is named' one_line 'stdout: '

# Ends that are no power-off.
guest 'reboot -f'
expect 'a reset has its own status' test $? -eq 75
expect 'a reset is named' one_line 'guest: asked for a reset'
guest 'reboot -f' --append 'reboot=t' --sandbox off
expect 'a triple fault has its own status' test $? -eq 70
expect 'a triple fault is named' one_line 'guest: vCPU 0: triple fault'

# The launcher stays in the foreground: what a script puts into the background ignores SIGINT.
kill_soon() {
	while ! pidof "${VELLUM##*/}" >/dev/null; do
		usleep 100000
	done
	usleep 500000
	kill -"$1" "$(pidof "${VELLUM##*/}")"
}
for signal in INT:130 TERM:143 HUP:129; do
	kill_soon "${signal%:*}" &
	guest 'sleep 1000' </dev/null
	expect "SIG${signal%:*} has its status" test $? -eq "${signal#*:}"
	expect "SIG${signal%:*} is named" one_line "SIG${signal%:*}: guest stopped"
done
kill_soon HUP &
(trap '' HUP; guest 'exit 5' </dev/null)
expect 'a SIGHUP that is ignored harms nobody' test $? -eq 5
tap_end
