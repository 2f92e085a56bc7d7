#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Guards that a running guest survives being saved and moved: ROUNDS times each savevm and loadvm, migration to a file
# and from it, and live migration to another QEMU, while all its CPUs rewrite and verify memory (memwork.c). Bad input
# too: what cannot be loaded or reached is refused, and the guest that was to move works on.
# shellcheck shell=dash
. "$(dirname "$0")/tap.sh"
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/work.sh"
: "${STATE_MACHINES:=pc q35}"
: "${CPUS:=2}"
: "${ROUNDS:=20}"
: "${KINDS:=snapshot file live}"

snapshot_round() {
	hmp a savevm "s$1" && works a && hmp a loadvm "s$1" && works a && hmp a delvm "s$1"
}

file_round() {
	migrate_to a "exec:cat >$tmp/moved" && sent_again a &&
		vm_expect b "exec:cat $tmp/moved" && replace && works a
}

live_round() {
	vm_expect b "unix:$tmp/socket" && migrate_to a "unix:$tmp/socket" && sent_again a && replace && works a
}

# rounds NAME: "NAME_round N" so many times, ending at the first that fails
rounds() {
	local i=0
	while [ $i -lt "$ROUNDS" ]; do
		"$1_round" $i || { echo "round $i, after $answer"; return 1; }
		i=$((i + 1))
	done
}

# QEMU leaves its guest stopped then.
missing_snapshot() {
	! hmp a loadvm nothing && case $answer in *"does not exist"*) qmp a cont && works a ;; *) false ;; esac
}

# Nobody listens there.
closed_port() {
	! migrate_to a "unix:$tmp/nobody" && running a && works a
}

# begin_slowly: a migration from a to b that does not end
begin_slowly() {
	qmp a migrate-set-parameters '"max-bandwidth":1000000' && vm_expect b "unix:$tmp/socket" &&
		qmp a migrate "\"uri\":\"unix:$tmp/socket\"" && wait_for 30 migration a active && works a
}

lost_destination() {
	begin_slowly || return 1
	vm_kill b
	wait_for 30 migration a failed && running a && works a
}

cancelled() {
	begin_slowly && qmp a migrate_cancel && wait_for 30 migration a cancelled || return 1
	vm_kill b
	running a && works a
}

# bad_file FILE: QEMU takes it for no state
bad_file() {
	vm_expect b "exec:cat $1"
	wait_for 60 vm_dead b && ! vm_wait b 1
}

bad_input() {
	check "$1: a snapshot that does not exist is not loaded" a missing_snapshot
	check "$1: nobody at the other end, the guest stays" a closed_port
	check "$1: the other end dies, the guest stays" a lost_destination
	vm_kill b
	check "$1: a cancelled migration, the guest stays" a cancelled
	vm_kill b
	migrate_to a "exec:cat >$tmp/moved"
	head -c 1000000 "$tmp/moved" >"$tmp/short"
	{ head -c 4 "$tmp/moved"; head -c 4096 /dev/urandom; tail -c +4101 "$tmp/moved"; } >"$tmp/damaged"
	for file in short damaged; do
		check "$1: a $file state is refused" b bad_file "$tmp/$file"
		vm_kill b
	done
	check "$1: the guest goes on where it was" a qmp a cont
	check "$1: and works" a works a
}

for machine in $STATE_MACHINES; do
	for cpus in $CPUS; do
		t="$machine, $cpus CPUs"
		vm_work a
		check "$t: the guest works" a works a
		[ "$tap_failed" -eq 0 ] || break
		for kind in $KINDS; do
			check "$t: $ROUNDS rounds: $kind" a rounds $kind
			vm_kill b
		done
		bad_input "$t"
		check "$t: QEMU ends when told to" a vm_quit a
		vm_kill a
	done
done
tap_end
