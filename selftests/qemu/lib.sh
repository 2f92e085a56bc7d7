# SPDX-License-Identifier: GPL-2.0-only
# For the scripts that run QEMU in a machine of the lab; busybox sh. Source it after tap.sh.
# A virtual machine of QEMU's is a folder, $tmp/NAME: fifos to its QMP monitor and serial port, and what they said.
: "${GUEST_APPEND:=console=ttyS0 quiet mitigations=off panic=-1}"
: "${WAIT:=120}"

# The name under which QEMU looks for a hypervisor.
[ -e /dev/kvm ] || ln -s vellum /dev/kvm

# wait_for SECONDS COMMAND...: until the command succeeds
wait_for() {
	left=$(($1 * 5))
	shift
	until "$@"; do
		left=$((left - 1))
		[ $left -gt 0 ] || return 1
		usleep 200000
	done
}

# vm_start NAME OPTION...: QEMU with nothing but what is asked for.
vm_start() {
	vm=$tmp/$1
	name=$1
	shift
	rm -rf "$vm"
	mkdir -p "$vm"
	mkfifo "$vm/qmp.in" "$vm/qmp.out" "$vm/serial.in" "$vm/serial.out"
	cat "$vm/serial.out" >"$vm/serial" &
	cat "$vm/qmp.out" >"$vm/qmp" &
	qemu-system-x86_64 -accel kvm -nodefaults -no-user-config -display none -serial "pipe:$vm/serial" \
		-qmp "pipe:$vm/qmp" "$@" >"$vm/log" 2>&1 </dev/null &
	echo $! >"$vm/pid"
	wait_for 60 grep -q '"QMP"' "$vm/qmp" || return 1
	qmp "$name" qmp_capabilities
}

# guest_options COMMAND: the options for the lab's small guest, in $@ of the caller by eval
guest_options() {
	printf '%s ' -kernel /lab/guest/vmlinuz -initrd "${QEMU_INITRD:-/lab/guest/initrd}"
	printf "%s " -append "'$GUEST_APPEND guest.cmd=\"$1\"'"
}

# vm_guest NAME COMMAND OPTION...: the lab's small guest
vm_guest() {
	name=$1
	options=$(guest_options "$2")
	shift 2
	eval "vm_start '$name' $options \"\$@\""
}

# qmp NAME COMMAND [ARGUMENTS]: waits for the answer, which is left in $answer; fails on an error
qmp() {
	vm=$tmp/$1
	qmp_id=$((${qmp_id:-0} + 1))
	echo "{\"execute\":\"$2\",\"arguments\":{${3-}},\"id\":$qmp_id}" >"$vm/qmp.in"
	wait_for "$WAIT" grep -q "\"id\": $qmp_id[,}]" "$vm/qmp" || return 1
	answer=$(grep "\"id\": $qmp_id[,}]" "$vm/qmp")
	case $answer in *'"error"'*) return 1 ;; esac
}

vm_alive() {
	kill -0 "$(cat "$tmp/$1/pid")" 2>/dev/null
}

vm_dead() {
	! vm_alive "$1"
}

# vm_wait NAME SECONDS: until QEMU ends by itself
vm_wait() {
	wait_for "$2" vm_dead "$1" && wait "$(cat "$tmp/$1/pid")"
}

# vm_kill NAME: as a crash would; forgets the files
vm_kill() {
	[ -e "$tmp/$1/pid" ] || return 0
	kill -KILL "$(cat "$tmp/$1/pid")" 2>/dev/null
	wait "$(cat "$tmp/$1/pid")" 2>/dev/null
	rm -rf "${tmp:?}/$1"
}

# said NAME PATTERN: on its serial port
said() {
	tr -d '\r' <"$tmp/$1/serial" | grep -q -E "$2"
}

# check NAME VM COMMAND...: a failure shows what QEMU and the guest said
check() {
	title=$1
	of=$2
	shift 2
	"$@" >"$tmp/check" 2>&1
	tap_result $? "$title" "$tmp/$of/log" "$tmp/$of/serial" "$tmp/$of/qmp" "$tmp/check"
}
