#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Guards the launcher's words: every wrong command line and every bad file ends in its documented exit
# status and one line on stderr that names the culprit. Needs no hypervisor; runs anywhere.
. "$(dirname "$0")/../lib/tap.sh"
PATH=$PATH:/usr/sbin:/sbin

# bad STATUS PATTERN ARGUMENT...
bad() {
	want=$1 pattern=$2
	shift 2
	"$VELLUM" "$@" </dev/null >"$tmp/out" 2>"$tmp/err"
	got=$?
	if [ $got -eq "$want" ] && one_line "$pattern" && [ ! -s "$tmp/out" ]; then
		tap_result 0 "$pattern"
	else
		echo "# exit status $got, expected $want: vellum $*"
		tap_result 1 "$pattern" "$tmp/err"
	fi
}

run() {
	want=$1 pattern=$2
	shift 2
	bad "$want" "$pattern" run --kernel "$GUEST_KERNEL" --device "$tmp/no-device" "$@"
}

kernel() {
	bad "$1" "$2" run --kernel "$3" --device "$tmp/no-device"
}

bad 64 'no command'
bad 64 'frobnicate: unknown command' frobnicate
bad 64 '--kernel: missing' run
bad 64 '--kernel: needs a value' run --kernel
bad 64 '--nonsense: unknown option' run --nonsense
bad 64 '-xy: unknown option' run -xy
bad 64 '-xy: unknown option' run --kernel x -xy --help
bad 64 '--json=no: unknown option' info --json=no
bad 64 'extra: unexpected argument' run --kernel x extra
bad 64 'extra: unexpected argument' run extra --kernel x
bad 64 '--nonsense: unknown argument' version --nonsense
bad 69 '--device .*/no-device: no such' info --device "$tmp/no-device"

run 64 '--mem : not a size' --mem ''
run 64 '--mem -1: not a size' --mem -1
run 64 '--mem 1X: not a size' --mem 1X
run 64 '--mem 99999999999G: not a size' --mem 99999999999G
run 64 '--mem 0: too little' --mem 0
run 64 '--mem 1M: too little' --mem 1M
run 64 '--mem 16M: too little for this kernel' --mem 16M
run 71 '--mem .*lower --mem' --mem 200000G
run 64 '--cpus 0: not a number of CPUs' --cpus 0
run 64 '--cpus 256: not a number of CPUs' --cpus 256
run 64 '--cpus two: not a number of CPUs' --cpus two
run 64 '--cpus 1x: not a number of CPUs' --cpus 1x
run 64 '--console vga: unknown' --console vga
run 64 '--sandbox maybe: unknown' --sandbox maybe
run 64 '--append: .* bytes, the kernel takes' --append "$(head -c 5000 /dev/zero | tr '\0' x)"
run 69 '--device .*/no-device: no such hypervisor'
run 69 '--device /dev/null: not a hypervisor' --device /dev/null
run 69 "--device $GUEST_KERNEL: not a device" --device "$GUEST_KERNEL"
run 66 '--mem-path /nowhere: No such file' --mem-path /nowhere
run 66 "--mem-path $GUEST_KERNEL" --mem-path "$GUEST_KERNEL"
run 64 '--mem-merge: not with --mem-path' --mem-merge --mem-path /tmp
run 64 '--mem-merge=yes: unknown option' --mem-merge=yes
run 69 '--device .*/no-device' --mem-merge

kernel 66 '--kernel /nowhere: No such file' /nowhere
kernel 66 '--kernel /: not a regular file' /
kernel 66 '--kernel /dev/zero: not a regular file' /dev/zero
mkfifo "$tmp/fifo"
kernel 66 '--kernel .*/fifo: not a regular file' "$tmp/fifo"
: >"$tmp/empty"
kernel 65 '--kernel .*/empty: the file is empty' "$tmp/empty"
echo tiny >"$tmp/tiny"
kernel 65 '--kernel .*/tiny: too short' "$tmp/tiny"
head -c 100000 /dev/zero >"$tmp/zeros"
kernel 65 '--kernel .*/zeros: not a Linux kernel' "$tmp/zeros"
kernel 65 '--kernel .*/program: not a Linux kernel' "$(d=$tmp/program; cp "$(command -v "$VELLUM")" "$d"; echo "$d")"
for n in 700 20000 1000000; do
	head -c $n "$GUEST_KERNEL" >"$tmp/cut"
	kernel 65 '--kernel .*/cut: cut off' "$tmp/cut"
done
newline=$(printf 'a\nb')
kernel 66 '--kernel a?b: No such file' "$newline"

# poke OFFSET OCTAL: the kernel with one byte changed
poke() {
	cp "$GUEST_KERNEL" "$tmp/poked"
	printf "$2" | dd of="$tmp/poked" bs=1 seek="$1" conv=notrunc 2>/dev/null
}
poke 510 '\000'
kernel 65 '--kernel .*/poked: not a Linux kernel' "$tmp/poked"
poke 566 '\000'		# xloadflags
kernel 65 '--kernel .*/poked: a kernel without a 64-bit entry' "$tmp/poked"
poke 603 '\377'		# pref_address, bits 24-31
kernel 65 '--kernel .*/poked: asks for an impossible load address' "$tmp/poked"
poke 610 '\000\000'	# init_size, bits 16-31
kernel 65 '--kernel .*/poked: larger than its own init_size' "$tmp/poked"

run 66 '--initrd /nowhere: No such file' --initrd /nowhere
run 65 '--initrd .*/empty: the file is empty' --initrd "$tmp/empty"
truncate -s 300M "$tmp/huge"
run 64 '--mem 256M: too little for this kernel and initrd' --initrd "$tmp/huge"
truncate -s 5G "$tmp/huge"
run 65 '--initrd .*/huge: too large' --initrd "$tmp/huge"

run 66 '--disk /nowhere: No such file' --disk /nowhere
run 66 '--disk /nowhere: No such file' --disk /nowhere,readonly
run 65 '--disk .*/empty: the disk is empty' --disk "$tmp/empty"
run 65 '--disk .*/tiny: truncated' --disk "$tmp/tiny"
run 66 '--disk /dev/zero: not a disk' --disk /dev/zero
run 66 '--disk /: ' --disk /
truncate -s 1M "$tmp/disk"
run 66 '--disk .*/disk: in use' --disk "$tmp/disk" --disk "$tmp/disk"
run 69 '--device .*/no-device' --disk "$tmp/disk,readonly" --disk "$tmp/disk,readonly"

run 66 '--disk /nowhere: No such file' --disk /nowhere,ro,vhost=off
run 66 '--disk /nowhere,vhost: No such file' --disk /nowhere,vhost
run 64 '--disk: vhost=maybe: unknown' --disk "$tmp/disk,vhost=maybe"
run 64 '--disk: vhost=: unknown' --disk "$tmp/disk,vhost="
run 64 '--disk: packed=maybe: unknown' --disk "$tmp/disk,packed=maybe"
run 69 '--disk .*/disk: packed=on: only the kernel' --disk "$tmp/disk,ro,packed=on,vhost=off"
run 69 '--disk .*/disk: /nowhere: no such device' --disk "$tmp/disk,vhost=/nowhere"
run 69 '--disk .*/disk: /dev/null: not a vhost device' --disk "$tmp/disk,ro,vhost=/dev/null"
[ -e /dev/vellum-vhost-blk ] || run 69 'vellum-vhost-blk: no such device' --disk "$tmp/disk,vhost=on"

run 64 '--net: : unknown' --net ''
run 64 '--net: : unknown' --net ',tap=x'
run 64 '--net: no tap and no bridge' --net vhost=off
run 64 '--net: user: unknown' --net user
run 64 '--net: tap=: not the name of a link' --net tap=
run 64 '--net: tap=a/b: not the name of a link' --net tap=a/b
run 64 '--net: tap=x%d: not the name of a link' --net tap=x%d
run 64 '--net: bridge=..: not the name of a link' --net bridge=..
run 64 '--net: bridge=sixteen-and-more: not the name' --net bridge=sixteen-and-more
run 64 '--net: bridge=b: a second tap or bridge' --net tap=a,bridge=b
for mac in '' 0 02:00:00:00:00 02:00:00:00:00:1 02:00:00:00:00:0g 02:00:00:00:00:01:02 03:00:00:00:00:01; do
	run 64 "--net: mac=$mac: not the address" --net "tap=a,mac=$mac"
done
run 64 '--net: vhost=maybe: unknown' --net tap=a,vhost=maybe
run 64 '--net: packed=: unknown' --net tap=a,packed=
run 64 '--net tap=a: too many cards' --net tap=a --net tap=a --net tap=a --net tap=a --net tap=a
run 64 '--net: needs a value' --net
# Nothing is made when the tap cannot be: here "lo" is there, and is no tap.
if [ "$(id -u)" -eq 0 ] && [ -c /dev/net/tun ] && : 2>/dev/null <>/dev/net/tun; then
	run 66 '--net tap=lo: exists and is no tap' --net tap=lo,vhost=off
	run 69 '--net tap=vlt0: /nowhere: no such device' --net tap=vlt0,vhost=/nowhere
	expect 'the tap is gone' test ! -e /sys/class/net/vlt0
	run 66 '--net bridge=lo: not a bridge' --net bridge=lo,vhost=off
	run 69 '--device .*/no-device' --net bridge=vltbr,vhost=off
	expect 'the bridge is gone' test ! -e /sys/class/net/vltbr
	# Else the last guest of a bridge would remove it while another one joins.
	flock /run/vellum-bridge.lock sh -c "touch $tmp/held; sleep 1; rm $tmp/held" &
	while [ ! -e "$tmp/held" ]; do
		sleep 0.1
	done
	run 69 '--device .*/no-device' --net bridge=vltbr,vhost=off
	expect 'bridges are joined by one at a time' test ! -e "$tmp/held"
	# Whoever keeps the lock keeps no launcher that cannot be stopped.
	flock /run/vellum-bridge.lock sh -c "touch $tmp/held; while [ -e $tmp/held ]; do sleep 0.1; done" &
	while [ ! -e "$tmp/held" ]; do
		sleep 0.1
	done
	run 71 '--net bridge=vltbr: /run/vellum-bridge.lock: somebody keeps it' --net bridge=vltbr,vhost=off
	rm "$tmp/held"
else
	tap_skip 'no taps here'
fi

# Somebody who may not open the device; only root can become such.
nobody=65534
chmod 755 "$tmp"
cp "$GUEST_KERNEL" "$tmp/kernel"
chmod 644 "$tmp/kernel"
if command -v setpriv >/dev/null && mknod -m 600 "$tmp/locked" c 1 3 2>/dev/null &&
   setpriv --reuid $nobody --clear-groups test -x "$(command -v "$VELLUM")"; then
	setpriv --reuid $nobody --clear-groups "$VELLUM" run --kernel "$tmp/kernel" \
		--device "$tmp/locked" </dev/null >"$tmp/out" 2>"$tmp/err"
	expect 'a forbidden device has its status' test $? -eq 77
	expect 'a forbidden device is named' one_line '--device .*/locked: Permission denied'
else
	tap_skip 'cannot become nobody here'
fi

expect 'version' sh -c "$VELLUM version | grep -q '^vellum [0-9]'"
expect 'version --json' sh -c "$VELLUM version --json | grep -q '\"version\": *\"'"
expect 'help' sh -c "$VELLUM help | grep -q run && $VELLUM run --help | grep -q -- --net"
tap_end
