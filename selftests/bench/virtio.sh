#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Runs in the machine, where no hypervisor is loaded: measures disks or cards from inside a guest and prints "SIDE
# AREA.NAME TICKS NANOSECONDS PEER_IS". usage: virtio.sh net|blk|queues SIDE...   (SIDE: ours, peer)
set -eu

: "${FRAMES:=8192}"	# a multiple of 64
: "${ROUNDS:=1000}"
: "${REQUESTS:=4000}"
: "${DISK_MIB:=64}"
area=$1
shift
out=/tmp/figures.console
# Without the self-tests of the guest's crypto library, which take a CPU for minutes after the boot.
append="quiet nokaslr cryptomgr.notests=1"

fail() {
	echo "bench: $*" >&2
	[ ! -s $out ] || tail -n 20 $out >&2
	exit 1
}

modprobe_all() {
	for m in "$@"; do
		modprobe "$m" || fail "$m does not load"
	done
}

# guest COMMAND OPTION...: on Vellum; what it says is in $out
guest() {
	command=$(echo "$1" | tr -s '\n\t' ' ')
	shift
	vellum run --device /dev/vellum --kernel /lab/guest/vmlinuz --initrd /bench/initrd --mem 192M --cpus "${CPUS:-1}" \
		--append "$append guest.cmd=\"$command\"" "$@" >$out 2>&1 </dev/null
}

# qemu_guest COMMAND OPTION...: the same on stock QEMU and KVM
qemu_guest() {
	command=$1
	shift
	vendor=kvm_intel
	! grep -q '^flags.* svm' /proc/cpuinfo || vendor=kvm_amd
	modprobe_all $vendor
	qemu-system-x86_64 -accel kvm -cpu host -m 192 -smp "${CPUS:-1}" -nodefaults -no-user-config -display none \
		-serial stdio -kernel /lab/guest/vmlinuz -initrd /bench/initrd \
		-append "console=ttyS0 $append guest.cmd=\"$command\"" "$@" >$out 2>&1 </dev/null || fail "QEMU failed"
	rmmod $vendor kvm
}

# figures TAG: of the guest, as "NAME TICKS NANOSECONDS"
figures() {
	tr -d '\r' <$out | sed -n "s/^figure $1\.//p"
}

# serve TAP: the other end of a card, once there is one
serve() {
	while ! ip link set "$1" up 2>/dev/null; do
		usleep 100000
	done
	virtio_bench serve "$1" "$FRAMES" "$ROUNDS"
}

# card TAG INTERFACE: the guest's commands for one card
card() {
	echo "ip link set $2 up; sleep 1; virtio_bench tx $1.net.tx $2 $FRAMES; virtio_bench rx $1.net.rx $2 $FRAMES;" \
		"virtio_bench rr $1.net.rr $2 $ROUNDS;"
}

# On the AMD-V machine guests of stock KVM sleep and crash now and then (Documentation/testing.md).
stock_kvm_is_sound() {
	! grep -q '^flags.* svm' /proc/cpuinfo
}

# One guest has a card of each kind: the same kernel in the same state drives all of them.
net_ours() {
	modprobe_all vhost_net vellum vellum_vhost
	for i in 0 1 2; do
		serve bench$i &
	done
	guest "$(card ours eth0) $(card stock eth1) $(card user eth2)" \
		--net tap=bench0,vhost=on --net tap=bench1,vhost=/dev/vhost-net --net tap=bench2,vhost=off ||
		fail "the guest failed"
	figures ours | sed 's/.*/ours & vhost-net/'
	figures stock | sed 's/.*/peer & vhost-net/'
	figures ours | grep -v '\.rr ' | sed 's/^\([^ ]*\)\(.*\)/ours \1_user\2 user-space-tap/'
	figures user | grep -v '\.rr ' | sed 's/^\([^ ]*\)\(.*\)/peer \1_user\2 user-space-tap/'
	if stock_kvm_is_sound; then
		figures ours | sed 's/^\([^ ]*\)\(.*\)/ours \1_kvm\2 qemu-kvm-vhost-net/'
		figures ours | grep -v '\.rr ' | sed 's/^\([^ ]*\)\(.*\)/ours \1_kvm_user\2 qemu-kvm-tap/'
	fi
	rmmod vellum_vhost vellum
}

# All of it stock: the hypervisor, the VMM, and its card, by vhost-net and by itself.
net_peer() {
	stock_kvm_is_sound || return 0
	modprobe_all vhost_net
	for i in 3 4; do
		serve bench$i &
	done
	qemu_guest "$(card peer eth0) $(card user eth1)" \
		-netdev tap,id=n,ifname=bench3,script=no,downscript=no,vhost=on -device virtio-net-pci,netdev=n \
		-netdev tap,id=u,ifname=bench4,script=no,downscript=no,vhost=off -device virtio-net-pci,netdev=u
	figures peer | sed 's/^\([^ ]*\)\(.*\)/peer \1_kvm\2 qemu-kvm-vhost-net/'
	figures user | grep -v '\.rr ' | sed 's/^\([^ ]*\)\(.*\)/peer \1_kvm_user\2 qemu-kvm-tap/'
}

net() {
	modprobe_all tun
	for side in "$@"; do
		"net_$side"
	done
}

# disk TAG DEVICE: the guest's commands for one disk. What the guest spends of its own is the least there is.
disk() {
	b=virtio_bench n=$REQUESTS
	echo "echo none >/sys/block/${2#/dev/}/queue/scheduler;" \
		"$b blk $1.blk.randread $2 read rand 4096 32 $n; $b blk $1.blk.randwrite $2 write rand 4096 32 $n;" \
		"$b blk $1.blk.randread_qd1 $2 read rand 4096 1 $((n / 4));" \
		"$b blk $1.blk.seqread $2 read seq 131072 4 $((n / 8)); $b blk $1.blk.seqwrite $2 write seq 131072 4 $((n / 8));"
}

# ram_disks COUNT: their pages exist once they were written.
ram_disks() {
	modprobe brd "rd_nr=$1" rd_size=$((DISK_MIB * 1024)) || fail "brd does not load"
	for d in /dev/ram[0-9]*; do
		dd if=/dev/zero of="$d" bs=1M count="$DISK_MIB" 2>/dev/null
	done
}

blk_ours() {
	modprobe_all vellum vellum_vhost
	guest "$(disk ours /dev/vda) $(disk user /dev/vdb)" --disk /dev/ram0,vhost=on --disk /dev/ram1,vhost=off ||
		fail "the guest failed"
	figures ours | sed 's/.*/ours & qemu-iothread/'
	figures ours | sed 's/^\([^ ]*\)\(.*\)/ours \1_user\2 vellum-user-space/'
	figures user | sed 's/^\([^ ]*\)\(.*\)/peer \1_user\2 vellum-user-space/'
	rmmod vellum_vhost vellum
}

blk_peer() {
	qemu_guest "$(disk peer /dev/vda)" -object iothread,id=io \
		-drive if=none,id=d,file=/dev/ram0,format=raw,cache=none,aio=native \
		-device virtio-blk-pci,drive=d,iothread=io,num-queues="${CPUS:-1}"
	figures peer | sed 's/.*/peer & qemu-iothread/'
}

blk() {
	ram_disks 2
	for side in "$@"; do
		"blk_$side"
	done
}

# reads TAG CPUS: so many CPUs of the guest read at once. Long enough that how it begins does not count.
reads() {
	b="virtio_bench blk $1.blk.queues2" n=$((REQUESTS * 4))
	[ "$2" -gt 1 ] || b="taskset 1 $b"
	echo "$b /dev/vda read rand 4096 32 $n $2; ${b}_64k /dev/vda read rand 65536 32 $((n / 8)) $2;"
}

queues_ours() {
	figures ours | sed 's/.*/ours & one-queue/'
	figures ours | sed 's/^\([^ ]*\)\(.*\)/ours \1_cpu\2 one-cpu/'
}

queues_peer() {
	figures queue | sed 's/.*/peer & one-queue/'
	figures cpu | sed 's/^\([^ ]*\)\(.*\)/peer \1_cpu\2 one-cpu/'
}

# Two CPUs of a guest read from one disk, by a queue for each; then one of them by its own queue, and last both by one queue.
queues() {
	CPUS=2
	ram_disks 1
	modprobe_all vellum vellum_vhost
	scheduler="echo none >/sys/block/vda/queue/scheduler;"
	guest "$scheduler $(reads ours 2) $(reads cpu 1) rmmod virtio_blk; insmod /modules/\$(uname -r)/virtio_blk.ko num_request_queues=1;
		$scheduler $(reads queue 2)" --disk /dev/ram0,vhost=on || fail "the guest failed"
	for side in "$@"; do
		"queues_$side"
	done
	rmmod vellum_vhost vellum
}

"$area" "$@"
