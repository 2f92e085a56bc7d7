#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Guards that stock QEMU starts a Debian disk by its firmware on the hypervisor, up to a login, with the devices people
# use, and that each of them works: disks are read and written (checksums on both sides), networks give an address and
# answer, what is typed and pointed at arrives, the screen shows it. BOOTS says what is started:
# MACHINE:FIRMWARE:CPUS:DISK, where DISK is how the system disk is attached.
# shellcheck shell=dash
. "$(dirname "$0")/tap.sh"
. "$(dirname "$0")/lib.sh"
: "${BOOTS:=q35:bios:2:virtio-blk pc:bios:2:ahci q35:bios:4:nvme pc:bios:4:virtio-scsi q35:efi:2:ahci}"
: "${SYSTEM:=/lab/disk0}"
: "${KEPT:=/lab/disk1}"
buses='virtio-blk virtio-scsi nvme ahci'
half=$((16 * 65536))

# attach BUS DRIVE [PROPERTY]: the device that shows a drive to the guest. q35's own AHCI is left alone.
attach() {
	case $1 in
	virtio-blk) echo "-device virtio-blk-pci,drive=$2,serial=$2${3-}" ;;
	virtio-scsi) echo "-device scsi-hd,bus=scsi.0,drive=$2,serial=$2${3-}" ;;
	nvme) echo "-device nvme,drive=$2,serial=$2${3-}" ;;
	ahci) echo "-device ide-hd,bus=ahci.$ports,drive=$2,serial=$2${3-}" ;;
	esac
}

# drive ID FILE [OPTION]
drive() {
	echo "-drive if=none,format=raw,id=$1,file=$2${3-}"
}

disks() {
	local bus
	ports=0
	echo "-device virtio-scsi-pci,id=scsi -device ahci,id=ahci"
	drive system "$SYSTEM" ,snapshot=on
	attach "$disk" system ,bootindex=0
	drive check "$tmp/check.raw" ,readonly=on
	attach virtio-blk check
	ports=1
	for bus in $buses; do
		drive "data-$bus" "$tmp/data-$bus"
		attach "$bus" "data-$bus"
	done
}

# networks NIC...: each a network of its own
networks() {
	local n=0 nic
	for nic in "$@"; do
		echo "-netdev user,id=net$n,restrict=on,net=10.0.$((n + 2)).0/24 -device $nic,netdev=net$n"
		n=$((n + 1))
	done
}

firmware() {
	[ "$1" = efi ] || return 0
	cp /usr/share/OVMF/OVMF_VARS_4M.fd "$tmp/vars"
	echo "-drive if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd"
	echo "-drive if=pflash,format=raw,file=$tmp/vars"
}

# boot: fresh data disks, and the machine
boot() {
	local bus
	for bus in $buses; do
		dd if=/dev/urandom of="$tmp/data-$bus" bs=$((half * 2)) count=1 2>/dev/null
	done
	# shellcheck disable=SC2046
	vm_start vm -machine "$machine" -cpu host -smp "$cpus" -m 512 -no-reboot $(firmware "$firmware") \
		-device VGA -vnc 127.0.0.1:1 -device qemu-xhci -device usb-tablet $(disks) \
		$(networks virtio-net-pci e1000)
}

prompt() {
	tr -d '\r' <"$tmp/vm/serial" | tail -n 1 | grep -q -E "$1"
}

prompt_or_dead() {
	prompt "$1" || said vm 'Kernel panic' || vm_dead vm
}

# asks PATTERN: the serial port waits for input
asks() {
	wait_for "$WAIT" prompt_or_dead "$1" && prompt "$1"
}

# press KEY...: on the keyboard
press() {
	local k
	for k in "$@"; do
		hmp vm sendkey "$k" || return 1
		usleep 200000
	done
}

screendump() {
	qmp vm screendump "\"filename\":\"$tmp/screens/$1.png\",\"format\":\"png\"" && [ -s "$tmp/screens/$1.png" ]
}

# The login on the screen, before and after a name is typed at it.
login_on_screen() {
	screendump "$name-login" && press r o o t ret && sleep 10 && press i d ret && sleep 2 &&
		screendump "$name-shell" && ! cmp -s "$tmp/screens/$name-login.png" "$tmp/screens/$name-shell.png"
}

vnc_greets() {
	nc -w 5 127.0.0.1 5901 </dev/null 2>/dev/null | head -c 12 | grep -q '^RFB 003'
}

moved_or_done() {
	qmp vm input-send-event '"events":[{"type":"abs","data":{"axis":"x","value":'$((qmp_id * 64 % 32768))'}},
		{"type":"abs","data":{"axis":"y","value":4096}}]'
	said vm '^check: (tablet (moved|still|none)|end)'
}

guest_checks() {
	vm_type vm "sh /dev/disk/by-id/virtio-check"
	wait_for "$WAIT" said vm '^check: tablet (waits|none)' && wait_for "$WAIT" moved_or_done &&
		wait_for 60 said vm '^check: end'
}

# disk_works BUS DRIVER: the guest has read what the file holds, and written it once more
disk_works() {
	local sum
	sum=$(head -c $half "$tmp/data-$1" | sha256sum)
	[ "$sum" = "$(tail -c $half "$tmp/data-$1" | sha256sum)" ] &&
		said vm "^check: disk $1 $2 ${sum%% *}"
}

all_disks() {
	disk_works virtio-blk virtio_blk && disk_works virtio-scsi virtio_scsi && disk_works nvme nvme &&
		disk_works ahci ahci
}

root_driver() {
	echo "$disk" | tr - _
}

report() {
	check "$t: all CPUs are up" vm said vm "^check: cpus $cpus\$"
	check "$t: the guest knows its hypervisor" vm said vm '^check: virt KVM'
	check "$t: and its clock" vm said vm '^check: clock kvm-clock'
	check "$t: started by $firmware" vm said vm "^check: firmware $firmware"
	check "$t: from that disk" vm said vm "^check: root $(root_driver)\$"
	check "$t: virtio-net gets an address and an answer" vm said vm '^check: net virtio_net 10.0.2.2 lost 0%'
	check "$t: e1000 gets an address and an answer" vm said vm '^check: net e1000 10.0.3.2 lost 0%'
	check "$t: the tablet moves" vm said vm '^check: tablet moved'
	check "$t: VGA is there" vm said vm '^check: vga'
	check "$t: who typed on the keyboard is logged in" vm said vm '^check: terminal bash'
}

visit() {
	check "$t: login on the serial port" vm asks 'vellum-guest login: $'
	prompt login: || return
	check "$t: VNC greets" vm vnc_greets
	check "$t: login on the screen" vm login_on_screen
	vm_type vm root
	check "$t: a shell on the serial port" vm asks 'root@vellum-guest:~# $'
	check "$t: the guest's checks come to an end" vm guest_checks
	report
	vm_type vm poweroff
	check "$t: power-off ends QEMU" vm vm_wait vm "$WAIT"
	check "$t: all disks are read and written" vm all_disks
	check "$t: the guest has nothing to complain of" vm complains_not
}

complains_not() {
	! said vm '^check: trouble'
}

# Where QEMU keeps what is written to the system disk.
export TMPDIR="$tmp"
mkdir "$tmp/screens"
{ cat "$(dirname "$0")/guest-check"; head -c 65536 /dev/zero; } | head -c 65536 >"$tmp/check.raw"
for b in $BOOTS; do
	IFS=: read -r machine firmware cpus disk <<-END
	$b
	END
	t="$machine, $firmware, $cpus CPUs, $disk"
	name=$machine-$firmware-$cpus-$disk
	read -r started rest </proc/uptime
	boot || tap_result 1 "$t: QEMU starts" "$tmp/vm/log"
	! vm_alive vm || visit
	read -r ended rest </proc/uptime
	echo "# $t: $((${ended%.*} - ${started%.*})) s"
	cp "$tmp/vm/serial" "$tmp/screens/$name.serial"
	vm_kill vm
done
tar -c -f "$KEPT" -C "$tmp/screens" .
tap_end
