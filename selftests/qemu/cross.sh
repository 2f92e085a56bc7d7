#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# Guards that a running guest moves between stock KVM and Vellum, ROUNDS times in each direction: only one of the two can
# have the CPU, so the guest goes by a file while one module is unloaded and the other loaded. All its CPUs verify their
# memory on both sides (memwork.c). The CPU model is one that both can be: with "enforce" QEMU refuses to lack a feature.
# Bad input too: a state of another machine type is refused. The machine must have neither loaded (lab --none).
. "$(dirname "$0")/tap.sh"
# On stock KVM in the AMD-V machine an idle guest may sleep on with work to do (Documentation/testing.md): it polls.
: "${GUEST_APPEND:=console=ttyS0 panic=-1 idle=poll $fast}"
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/work.sh"
: "${STATE_MACHINES:=pc q35}"
: "${CPUS:=2}"
: "${ROUNDS:=20}"
: "${MODEL:=qemu64,-svm,+xsave,enforce}"
kvm=kvm_intel
! grep -q '^flags.* svm' /proc/cpuinfo || kvm=kvm_amd
model=$MODEL

# give_cpu_to kvm|vellum: the other one goes first. Both offer /dev/kvm.
give_cpu_to() {
	case $1 in
	kvm) { [ ! -e /dev/vellum ] || rmmod vellum; } && modprobe $kvm ;;
	vellum) { [ ! -e /sys/module/kvm ] || rmmod $kvm kvm; } && modprobe vellum kvm_node=1 ;;
	esac && wait_for 30 [ -c /dev/kvm ]
}

# carry TO: by a file to the other hypervisor
carry() {
	migrate_to a "exec:cat >$tmp/moved" && sent_again a && vm_quit a || return 1
	vm_kill a
	give_cpu_to "$1" && vm_expect b "exec:cat $tmp/moved" || return 1
	mv "$tmp/b" "$tmp/a"
	wait_for "$WAIT" running a && works a
}

there_and_back() {
	local i=0
	while [ $i -lt "$ROUNDS" ]; do
		carry kvm || { echo "round $i, to KVM, after $answer"; return 1; }
		carry vellum || { echo "round $i, back to Vellum, after $answer"; return 1; }
		i=$((i + 1))
	done
}

# The state that is left is of $machine.
other_machine() {
	local machine=microvm
	vm_expect b "exec:cat $tmp/moved"
	wait_for 60 vm_dead b && ! vm_wait b 1
}

for machine in $STATE_MACHINES; do
	for cpus in $CPUS; do
		t="$machine, $cpus CPUs, $model"
		check "$t: Vellum has the CPU" a give_cpu_to vellum
		check "$t: QEMU starts" a vm_work a
		vm_alive a && check "$t: the guest works on Vellum" a works a
		if vm_alive a; then
			check "$t: $ROUNDS rounds to KVM and back" a there_and_back
			vm_kill b
			check "$t: another machine type's state is refused" b other_machine
			vm_kill b
		fi
		vm_kill a
	done
done
tap_end
