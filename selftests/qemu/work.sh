# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# A guest that works (memwork.c) and can be saved and moved; for the scripts that do. Source it after lib.sh.
: "${MIB:=16}"

sweeps() {
	grep -c 'memwork: sweep' "$tmp/$1/serial"
}

swept_since() {
	[ "$(sweeps "$1")" -gt "$2" ]
}

swept_or_dead() {
	swept_since "$1" "$2" || vm_dead "$1"
}

# works VM: the guest sweeps on, twice, with nothing bad
works() {
	local n
	n=$(sweeps "$1")
	wait_for "$WAIT" swept_or_dead "$1" $((n + 1)) && swept_since "$1" $((n + 1)) || { echo "no sweep since the ${n}th"; return 1; }
	! said "$1" 'BAD|Oops|BUG|WARNING|stall'
}

# vm_work NAME OPTION...: on $machine with $cpus. Without an image QEMU has nowhere to save snapshots to; it keeps the
# name it began with when the machine is renamed.
vm_work() {
	local name=$1
	shift
	images=$((${images:-0} + 1))
	cp /qemu/state.qcow2 "$tmp/image.$images"
	vm_guest "$name" "memwork $MIB" -machine "$machine" -cpu "${model:-host}" -smp "$cpus" -m $((MIB + 96)) -no-reboot \
		-drive "if=none,id=state,format=qcow2,file=$tmp/image.$images" "$@"
}

# vm_expect NAME URI: one that waits for a migration
vm_expect() {
	vm_work "$1" -incoming defer && qmp "$1" migrate-incoming "\"uri\":\"$2\""
}

# migration VM STATE: is it in that state?
migration() {
	qmp "$1" query-migrate
	case $answer in *"\"status\": \"$2\""*) return 0 ;; esac
	return 1
}

migration_over() {
	migration "$1" completed || migration "$1" failed || vm_dead "$1"
}

# migrate_to FROM URI: to the end. The guest writes faster than an emulated machine copies: what it wrote during the
# first pass must be small enough for the last.
migrate_to() {
	qmp "$1" migrate-set-parameters '"max-bandwidth":1000000000,"downtime-limit":20000' || return 1
	qmp "$1" migrate "\"uri\":\"$2\"" && wait_for "$WAIT" migration_over "$1" && migration "$1" completed
}

# sent_again VM: the migration that is over sent pages that the guest wrote meanwhile, so the dirty log was asked
sent_again() {
	qmp "$1" query-migrate
	passes=${answer#*\"dirty-sync-count\": }
	[ "${passes%%[,\}]*}" -gt 1 ]
}

running() {
	qmp "$1" query-status
	case $answer in *'"running": true'*) return 0 ;; esac
	return 1
}

# replace: the guest goes on in b, which becomes a.
replace() {
	vm_quit a || return 1
	vm_kill a
	mv "$tmp/b" "$tmp/a"
	wait_for 60 running a
}
