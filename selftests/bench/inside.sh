#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Runs in the machine, where no hypervisor is loaded: measures each SIDE in turn and prints its figures as
# "SIDE AREA.NAME VALUE [UNIT]". usage: inside.sh AREA SIDE...   (SIDE: ours, peer)
set -eu

area=$1
shift

fail() {
	echo "bench: $*" >&2
	exit 1
}

# A folder of the filesystem that the side keeps files in
mount_files() {
	files=/tmp/files
	mkdir -p $files
	if [ "$1" = peer ]; then
		mount -t tmpfs -o size=1G bench $files
	else
		modprobe vellumfs || fail "vellumfs.ko does not load: $(dmesg | tail -n 1)"
		mount -t vellumfs -o size=1G bench $files
	fi
}

unmount_files() {
	umount $files
	[ "$1" = peer ] || rmmod vellumfs || fail "vellumfs.ko does not unload"
}

load() {
	case $area in
	merge | clone)
		mount_files "$1"
		return
		;;
	guests)
		mount_files "$1"
		modprobe vellum || fail "vellum.ko does not load"
		return
		;;
	esac
	if [ "$1" = peer ]; then
		modprobe kvm-intel || fail "kvm-intel does not load"
		device=/dev/kvm
	else
		modprobe vellum kvm_node=1 || fail "vellum.ko does not load: $(dmesg | tail -n 1)"
		device=/dev/vellum
	fi
	[ -c "$device" ] || fail "$device is not there"
}

unload() {
	case $area in
	merge | clone)
		unmount_files "$1"
		return
		;;
	guests)
		unmount_files "$1"
		rmmod vellum
		return
		;;
	esac
	if [ "$1" = peer ]; then
		rmmod kvm_intel kvm || fail "kvm-intel does not unload"
	else
		rmmod vellum || fail "vellum.ko does not unload"
	fi
}

measure() {
	case $area in
	exit)
		VELLUM_DEVICE=$device exit_bench
		;;
	boot)
		# shellcheck disable=SC2016
		boot_bench launcher vellum run --device "$device" --kernel /lab/guest/vmlinuz --initrd /lab/guest/initrd \
			--mem 256M --append 'quiet nokaslr guest.cmd="echo vellum-bench-$((40+2))"' &&
			boot_bench qemu qemu-system-x86_64 -accel kvm -machine pc -cpu host -m 256 -nodefaults -no-user-config \
				-display none -serial stdio -no-reboot -kernel /lab/guest/vmlinuz -initrd /lab/guest/initrd \
				-append 'console=ttyS0 quiet nokaslr panic=-1 guest.cmd="echo vellum-bench-$((40+2))"'
		;;
	merge)
		if [ "$1" = peer ]; then
			merge_bench peer
		else
			merge_bench ours "$files"
		fi
		;;
	guests)
		guests.sh "$1" "$files"
		;;
	clone)
		clone_bench "$1" "$files"
		;;
	*)
		fail "no area '$area'"
		;;
	esac
}

# Neither side pays for the first read of what both use; without KASLR the guest does the same work each time.
cat /lab/guest/vmlinuz /lab/guest/initrd "$(command -v vellum)" >/dev/null
vellum version >/dev/null
if [ "$area" = boot ]; then
	qemu-system-x86_64 -machine help >/dev/null
	find /usr/share/seabios /usr/share/qemu -type f -exec cat {} + >/dev/null
fi

for side in "$@"; do
	load "$side"
	measure "$side" >/tmp/figures || fail "measuring $side failed: $(cat /tmp/figures)"
	unload "$side"
	sed "s/^/$side /" /tmp/figures
done
