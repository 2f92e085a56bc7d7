# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# For the scripts that run QEMU in a machine of the lab; busybox sh. Source it after tap.sh.
# A virtual machine of QEMU's is a folder, $tmp/NAME: qmp.in and qmp.out are its monitor, serial is what its serial port
# said and serial.in what it hears, log what QEMU said. Nothing here waits for a QEMU that is dead.
: "${GUEST_APPEND:=console=ttyS0 panic=-1 $fast}"
: "${WAIT:=120}"
qmp_id=0

# The name under which QEMU looks for a hypervisor.
[ -e /dev/kvm ] || [ ! -e /dev/vellum ] || ln -s vellum /dev/kvm

# wait_for SECONDS COMMAND...: until the command succeeds
wait_for() {
	local up rest end
	read -r up rest </proc/uptime
	end=$((${up%.*} + $1))
	shift
	until "$@"; do
		read -r up rest </proc/uptime
		[ "${up%.*}" -lt $end ] || return 1
		usleep 100000
	done
}

vm_alive() {
	kill -0 "$(cat "$tmp/$1/pid")" 2>/dev/null
}

vm_dead() {
	! vm_alive "$1"
}

greeted_or_dead() {
	grep -q '"QMP"' "$tmp/$1/qmp.out" || vm_dead "$1"
}

# vm_start NAME OPTION...: QEMU with nothing but what is asked for.
vm_start() {
	local name=$1 vm=$tmp/$1
	shift
	mkdir -p "$vm"
	mkfifo "$vm/qmp.in" "$vm/serial.in"
	: >"$vm/qmp.out"
	: >"$vm/serial"
	ln -s serial "$vm/serial.out"
	qemu-system-x86_64 -accel kvm -nodefaults -no-user-config -display none -serial "pipe:$vm/serial" \
		-qmp "pipe:$vm/qmp" "$@" >"$vm/log" 2>&1 </dev/null &
	echo $! >"$vm/pid"
	wait_for 60 greeted_or_dead "$name" && qmp "$name" qmp_capabilities
}

# vm_guest NAME COMMAND OPTION...: the lab's small guest
vm_guest() {
	local name=$1 command=$2
	shift 2
	vm_start "$name" -kernel /lab/guest/vmlinuz -initrd "${QEMU_INITRD:-/lab/guest/initrd}" \
		-append "$GUEST_APPEND guest.cmd=\"$command\"" "$@"
}

answered_or_dead() {
	grep -q "\"id\": ${qmp_id}[,}]" "$tmp/$1/qmp.out" || vm_dead "$1"
}

# qmp NAME COMMAND [ARGUMENTS]: waits for the answer, which is left in $answer; fails on an error. The fifo is opened for
# reading too, because opening it for writing alone waits for a reader.
qmp() {
	qmp_id=$((qmp_id + 1))
	answer=''
	echo "{\"execute\":\"$2\",\"arguments\":{${3-}},\"id\":$qmp_id}" 1<>"$tmp/$1/qmp.in"
	wait_for "$WAIT" answered_or_dead "$1" || return 1
	answer=$(grep "\"id\": ${qmp_id}[,}]" "$tmp/$1/qmp.out") || return 1
	case $answer in *'"error"'*) return 1 ;; esac
}

# hmp NAME COMMAND...: a command of the human monitor; whatever it says is an error
hmp() {
	local name=$1
	shift
	qmp "$name" human-monitor-command "\"command-line\":\"$*\"" || return 1
	case $answer in *'"return": ""'*) ;; *) return 1 ;; esac
}

# vm_type NAME LINE: on its serial port; see qmp
vm_type() {
	echo "$2" 1<>"$tmp/$1/serial.in"
}

# vm_wait NAME SECONDS: until QEMU ends by itself; with its status
vm_wait() {
	wait_for "$2" vm_dead "$1" && wait "$(cat "$tmp/$1/pid")"
}

# vm_quit NAME: QEMU ends as it is told to, and well
vm_quit() {
	qmp "$1" quit && vm_wait "$1" 30
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
	local title=$1 of=$2
	shift 2
	"$@" >"$tmp/check" 2>&1
	tap_result $? "$title" "$tmp/$of/log" "$tmp/$of/serial" "$tmp/$of/qmp.out" "$tmp/check"
}
