# SPDX-License-Identifier: GPL-2.0-only
# TAP, and guests of the launcher, for the shell tests of all folders, which run in dash and in busybox sh. Source it, end with tap_end.
: "${VELLUM_DEVICE:=/dev/vellum}"
: "${VELLUM:=vellum}"
: "${GUEST_KERNEL:=/lab/guest/vmlinuz}"
: "${GUEST_INITRD:=/lab/guest/initrd}"

tap_count=0
tap_failed=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# tap_result STATUS NAME [FILE...]: a failure shows the files
tap_result() {
	tap_count=$((tap_count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $tap_count $2"
		return
	fi
	tap_failed=$((tap_failed + 1))
	echo "not ok $tap_count $2"
	shift 2
	for f in "$@"; do
		[ -f "$f" ] || continue
		echo "# $f:"
		tail -n 60 "$f" | cut -c1-200 | sed 's/^/#   /'
	done
}

# expect NAME COMMAND...: passes when the command succeeds; $out and $err are shown otherwise
expect() {
	name=$1
	shift
	"$@" >>"$tmp/expect" 2>&1
	tap_result $? "$name" "$tmp/out" "$tmp/err" "$tmp/expect"
	: >"$tmp/expect"
}

tap_skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count # SKIP $1"
}

tap_end() {
	echo "1..$tap_count"
	echo "# Totals: pass:$((tap_count - tap_failed)) fail:$tap_failed"
	[ "$tap_failed" -eq 0 ]
	exit
}

# one_line PATTERN: stderr is one line that begins with "vellum: " and contains the pattern
one_line() {
	[ "$(wc -l <"$tmp/err")" -eq 1 ] && grep -q "^vellum: .*$1" "$tmp/err"
}

# What only costs time in an emulator: guests that are not about booting do without, also without what the lab spares its
# own kernel.
fast="quiet rodata=off mitigations=off $(grep -o -E '(initcall_blacklist|cryptomgr.notests)=[^ ]*' /proc/cmdline | tr '\n' ' ')"

# guest COMMAND [OPTION...]: run a guest; its output is in $tmp/out, the launcher's line in $tmp/err
guest() {
	command=$1
	shift
	"$VELLUM" run --device "$VELLUM_DEVICE" --kernel "$GUEST_KERNEL" --initrd "$GUEST_INITRD" \
		--append "$fast guest.cmd=\"$command\"" "$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
	tr -d '\r' <"$tmp/out" >"$tmp/out.unix"
	mv "$tmp/out.unix" "$tmp/out"
	return $status
}
