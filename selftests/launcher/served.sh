#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Guards disks and network cards in real guests, whoever serves them: every byte a guest has synced survives its launcher's
# SIGKILL; guests on one bridge, and a guest and its host, exchange data whole; interrupts work with MSI-X and without;
# a driver may come again; no bridge stays behind. SERVED_BLK and SERVED_NET are what vhost= is to be, SERVED_PACKED what packed= is,
# MIB how much is moved, PARTS (disk, pair, host, pins, stuck) what is tried. Runs in a machine of the lab as root.
. "$(dirname "$0")/../lib/tap.sh"
: "${SERVED_BLK:=on}"
: "${SERVED_NET:=on}"
: "${SERVED_PACKED:=off}"
: "${MIB:=64}"
: "${PARTS:=disk pair host pins stuck}"
: "${WAIT:=900}"
GUEST_INITRD=/tests/bin/served-initrd
CHUNKS=8

# What a guest finds in its driver's features: VIRTIO_F_RING_PACKED is the 35th digit.
case $SERVED_PACKED in on) packed=1 ;; *) packed=0 ;; esac

# wait_for SECONDS COMMAND...: until the command succeeds
wait_for() {
	read -r up rest </proc/uptime
	end=$((${up%.*} + $1))
	shift
	until "$@"; do
		read -r up rest </proc/uptime
		[ "${up%.*}" -lt $end ] || return 1
		usleep 100000
	done
}

# start NAME COMMAND OPTION...: a guest in the background: its output in $tmp/NAME, its launcher in $tmp/NAME.pid
start() {
	name=$1 command=$(echo "$2" | tr -s '\n\t' ' ')
	shift 2
	"$VELLUM" run --device "$VELLUM_DEVICE" --kernel "$GUEST_KERNEL" --initrd "$GUEST_INITRD" \
		--append "$fast guest.cmd=\"$command\"" "$@" >"$tmp/$name" 2>"$tmp/$name.err" </dev/null &
	echo $! >"$tmp/$name.pid"
}

pid_of() {
	cat "$tmp/$1.pid"
}

gone() {
	! kill -0 "$(pid_of "$1")" 2>/dev/null
}

said() {
	tr -d '\r' <"$tmp/$1" | grep -q "$2"
}

said_or_gone() {
	said "$1" "$2" || gone "$1"
}

# done_well NAME: it ends by itself, with status 0
done_well() {
	wait_for "$WAIT" gone "$1" && wait "$(pid_of "$1")"
}

# check NAME GUEST COMMAND...
check() {
	title=$1 of=$2
	shift 2
	"$@" >"$tmp/check" 2>&1
	tap_result $? "$title" "$tmp/$of" "$tmp/$of.err" "$tmp/check"
}

# served_by NAME THREAD HOW: the launcher's thread for the device tells who serves it
served_by() {
	case $3 in off) want=virtio-$2 ;; *) want=vhost-$2 ;; esac
	cat /proc/"$(pid_of "$1")"/task/*/comm | grep -qx "$want"
}

sums_of() {
	tr -d '\r' <"$tmp/$1" | grep '^[0-9a-f]\{64\}  /mnt/' | sort
}

same_sums() {
	sums_of "$1" >"$tmp/sums1"
	sums_of "$2" >"$tmp/sums2"
	[ "$(wc -l <"$tmp/sums1")" -eq $CHUNKS ] && cmp "$tmp/sums1" "$tmp/sums2"
}

test_disk() {
	# In a memory file system, or on a RAM disk: DISK says.
	disk=${DISK-$tmp/disk}
	[ -b "$disk" ] || truncate -s $((MIB * 2 + 16))M "$disk"
	size=$((MIB * 1048576 / CHUNKS))
	# By its path: busybox has an applet of that name, which makes no ext4.
	start writer ". /more/load; mkdir /mnt; /bin/mke2fs -t ext4 -q /dev/vda && mount -t ext4 /dev/vda /mnt || exit 1; n=0;
		while [ \$n -lt $CHUNKS ]; do head -c $size /dev/urandom >/mnt/\$n; n=\$((n + 1)); done; sync;
		sha256sum /mnt/*; echo all synced; while :; do head -c $size /dev/urandom >/mnt/more; done" \
		--cpus 2 --disk "$disk,vhost=$SERVED_BLK,packed=$SERVED_PACKED"
	wait_for "$WAIT" said_or_gone writer '^all synced'
	check "a guest formats and writes $MIB MiB" writer said writer '^all synced'
	check 'the disk is served as asked' writer served_by writer blk "$SERVED_BLK"
	usleep 300000
	kill -KILL "$(pid_of writer)"
	wait "$(pid_of writer)" 2>/dev/null
	start reader ". /more/load; mkdir /mnt; mount -t ext4 /dev/vda /mnt || exit 1; rm -f /mnt/more; sha256sum /mnt/*;
		dmesg | grep EXT4; ls /sys/block/vda/mq; echo ring \$(cut -c35 /sys/block/vda/device/features)" \
		--cpus 2 --disk "$disk,vhost=$SERVED_BLK,packed=$SERVED_PACKED"
	check 'the next guest ends well' reader done_well reader
	check 'every byte that was synced is there' reader same_sums writer reader
	check 'its rings are as asked' reader said reader "^ring $packed"
	# Then by a driver that has fewer queues than the one before it.
	start refused "dd if=/dev/vda of=/dev/null bs=64k count=16 && ! dd if=/dev/zero of=/dev/vda count=1 conv=fsync || exit 1;
		rmmod virtio_blk && insmod /modules/\$(uname -r)/virtio_blk.ko num_request_queues=1 || exit 2;
		dd if=/dev/vda of=/dev/null bs=64k count=64 && ls /sys/block/vda/mq" \
		--cpus 2 --disk "$disk,ro,vhost=$SERVED_BLK,packed=$SERVED_PACKED"
	check 'a read-only disk reads, refuses writes, and takes another driver' refused done_well refused
	check 'nothing is complained of' refused test ! -s "$tmp/refused.err"
	[ -b "$disk" ] || rm "$disk"
}

# For guests: send TO PORT BYTES prints the sum of what it sends.
# shellcheck disable=SC2016
send='send() { mkfifo /f$2; sha256sum </f$2 & head -c $3 /dev/urandom | tee /f$2 | nc $1 $2; wait; }'

sum_in() {
	tr -d '\r' <"$tmp/$1" | sed -n 's/^\([0-9a-f]\{64\}\)  -$/\1/p' | tail -n 1
}

equal_sums() {
	[ -n "$1" ] && [ "$1" = "$2" ]
}

# Two guests on one bridge.
test_pair() {
	bytes=$((MIB * 1048576))
	start sink "nc -l -p 5000 </dev/console | sha256sum & sleep 1; ip addr add 10.9.0.3/24 dev eth0;
		ip link set eth0 up; wait" --net "bridge=vlbr,mac=02:00:00:00:00:03,vhost=$SERVED_NET,packed=$SERVED_PACKED"
	start source "$send; ip addr add 10.9.0.2/24 dev eth0; ip link set eth0 up;
		until ping -c 1 -W 1 10.9.0.3; do sleep 1; done; sleep 1; send 10.9.0.3 5000 $bytes" \
		--net "bridge=vlbr,mac=02:00:00:00:00:02,vhost=$SERVED_NET,packed=$SERVED_PACKED"
	check "a guest sends $MIB MiB to another" source done_well source
	check 'the other guest ends well' sink done_well sink
	check 'all of it arrived' sink equal_sums "$(sum_in source)" "$(sum_in sink)"
	expect 'the bridge made for them is gone' wait_for 10 test ! -e /sys/class/net/vlbr
}

# A guest and its host, both ways; then its driver is unbound and bound again.
talk() {
	mkfifo "$tmp/hold"
	exec 9<>"$tmp/hold"
	nc -l -p 6000 <"$tmp/hold" >"$tmp/from-guest" &
	listener=$!
	# shellcheck disable=SC2016
	again='d=/sys/bus/virtio/drivers/virtio_net; v=$(basename $d/virtio*); echo $v >$d/unbind; echo $v >$d/bind'
	start talker "$send; up() { ip addr add 10.9.1.2/24 dev eth0; ip link set eth0 up; }; up;
		until ping -c 1 -W 1 10.9.1.1; do sleep 1; done; send 10.9.1.1 6000 $((MIB * 65536));
		$again; up; until ping -c 1 -W 1 10.9.1.1; do sleep 1; done; echo twice;
		echo ring \$(cut -c35 /sys/class/net/eth0/device/features)" \
		$1 --net "tap=vltap,vhost=$SERVED_NET,packed=$SERVED_PACKED"
	wait_for "$WAIT" test -e /sys/class/net/vltap
	ip addr add 10.9.1.1/24 dev vltap
	check 'the card is served as asked' talker wait_for 30 served_by talker net "$SERVED_NET"
	check 'a guest talks to its host' talker done_well talker
	wait $listener
	check 'the host got it whole' talker equal_sums "$(sum_in talker)" "$(sha256sum <"$tmp/from-guest" | cut -d' ' -f1)"
	check 'a card whose driver came again works' talker said talker '^twice'
	check 'its rings are as asked' talker said talker "^ring $packed"
	check 'nothing is complained of' talker test ! -s "$tmp/talker.err"
	expect 'the tap made for it is gone' wait_for 10 test ! -e /sys/class/net/vltap
	exec 9<&-
	rm "$tmp/hold"
}

test_host() {
	talk ''
}

# The same without MSI-X: the guest's interrupts are pins.
test_pins() {
	talk '--append pci=nomsi'
	disk=$tmp/disk
	truncate -s 8M "$disk"
	head -c 8388608 /dev/urandom >"$disk"
	start pins 'sha256sum </dev/vda; grep -c MSI /proc/interrupts' --append pci=nomsi --disk "$disk,vhost=$SERVED_BLK,packed=$SERVED_PACKED"
	check 'a disk with a pin interrupt' pins wait_for "$WAIT" gone pins
	check 'it reads right' pins equal_sums "$(sum_in pins)" "$(sha256sum <"$disk" | cut -d' ' -f1)"
	rm "$disk"
}

is_stuck() {
	grep -q pipe_write /proc/"$(pid_of stuck)"/task/*/wchan
}

# Nobody reads what a guest says: its launcher gives that up, not its bridge.
test_stuck() {
	mkfifo "$tmp/stuck"
	exec 9<>"$tmp/stuck"
	start stuck 'while :; do cat /proc/cpuinfo; done' --net "bridge=vlbr,vhost=$SERVED_NET"
	check 'the console is stuck' stuck.err wait_for "$WAIT" is_stuck
	kill -TERM "$(pid_of stuck)"
	check 'the launcher ends' stuck.err wait_for 60 gone stuck
	expect 'the bridge of a guest with a stuck console is gone' test ! -e /sys/class/net/vlbr
	exec 9<&-
	rm "$tmp/stuck"
}

modprobe tun
modprobe bridge
for m in $SERVED_MODULES; do
	modprobe "$m" || expect "$m loads" false
done
for part in $PARTS; do
	"test_$part"
done
for m in $SERVED_MODULES; do
	expect "$m unloads" rmmod "$m"
done
tap_end
