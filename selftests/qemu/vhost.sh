#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Guards vellum_vhost under stock QEMU: a card whose vhost device is handed to it as a descriptor (vhostfd=) carries a guest's
# data whole, after a stop and a continuation too. VHOST_DEVICE names the device, MIB how much is moved.
. /qemu/tap.sh
. /qemu/lib.sh
: "${VHOST_DEVICE:=/dev/vellum-vhost-net}"
: "${MIB:=16}"

modprobe tun
modprobe vellum_vhost || modprobe vhost_net
mkfifo "$tmp/hold"
# shellcheck disable=SC2016
send='mkfifo /f; sha256sum </f & head -c $n /dev/urandom | tee /f | nc 10.9.2.1 6000; wait'
exec 8<>"$VHOST_DEVICE" 9<>"$tmp/hold"
nc -l -p 6000 <"$tmp/hold" >"$tmp/received" &
listener=$!
command="ip addr add 10.9.2.2/24 dev eth0; ip link set eth0 up; until ping -c 1 -W 1 10.9.2.1; do sleep 1; done;
echo talks; sleep 3; n=$((MIB * 1048576)); $send; echo sent"
vm_guest card "$(echo "$command" | tr '\n' ' ')" -m 192 -smp 2 \
	-netdev tap,id=net,ifname=vlqemu,script=no,downscript=no,vhost=on,vhostfd=8 \
	-device virtio-net-pci,netdev=net,romfile=
ip addr add 10.9.2.1/24 dev vlqemu
ip link set vlqemu up
talks_or_dead() {
	said card '^talks' || vm_dead card
}
wait_for 600 talks_or_dead card
check 'a guest of QEMU talks to its host by vhostfd' card said card '^talks'
check 'it is stopped' card hmp card stop
check 'it goes on' card hmp card cont
check 'it ends well' card vm_wait card 600
check 'it sent all' card said card '^sent'
wait $listener
sum=$(sha256sum <"$tmp/received" | cut -d' ' -f1)
check 'the host got it whole' card said card "^$sum  -"
exec 8<&- 9<&-
tap_end
