#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Guards that stock QEMU boots a stock kernel on the hypervisor, for each MACHINES x CPUS: all CPUs come up and take
# interrupts, the guest knows its hypervisor and clock, its power-off ends QEMU.
: "${GUEST_APPEND:=console=ttyS0 quiet mitigations=off panic=-1}"
. "$(dirname "$0")/tap.sh"
. "$(dirname "$0")/lib.sh"
: "${MACHINES:=pc q35 microvm}"
: "${CPUS:=1 2 4}"

counted() {
	[ "$(tr -d '\r' <"$tmp/vm/serial" | sed -n 's/^cpus=//p')" = "$1" ]
}

# All of the first N counts of local timer interrupts are numbers but 0.
all_tick() {
	tr -d '\r' <"$tmp/vm/serial" | awk -v n="$1" '$1 == "LOC:" { for (i = 2; i < n + 2; i++) good += $i > 0 }
		END { exit good != n }'
}

for machine in $MACHINES; do
	for cpus in $CPUS; do
		t="$machine, $cpus CPUs"
		vm_guest vm 'echo cpus=$(nproc); dmesg; cat /proc/interrupts; cat /sys/bus/clocksource/devices/clocksource0/current_clocksource' \
			-machine "$machine" -cpu host -smp "$cpus" -m 256 -no-reboot
		check "$t: power-off ends QEMU" vm vm_wait vm "$WAIT"
		check "$t: all CPUs are up" vm counted "$cpus"
		check "$t: all take timer interrupts" vm all_tick "$cpus"
		check "$t: the guest knows its hypervisor" vm said vm 'Hypervisor detected: KVM'
		check "$t: and its clock" vm said vm '^kvm-clock'
		vm_kill vm
	done
done
tap_end
