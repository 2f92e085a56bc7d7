#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Guards LAPICs that the CPU does not run, and such as it runs in full, where neither is the default:
# the same tests pass. Reloads the module. On AMD-V the parameter changes nothing, and so must not the
# result. (irq_blocked is no test of apicv=2: it shows why Bochs is not trusted with it, see vmx/apic.c.)
here=$(dirname "$0")
n=0

result() {
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $n $2"
	else
		echo "not ok $n $2"
		failed=1
	fi
}

# with LEVEL TEST...
with() {
	level=$1
	shift
	rmmod vellum && modprobe vellum apicv="$level"
	result $? "the module loads with apicv=$level"
	for t in "$@"; do
		"$here/$t" >/tmp/apicv.log 2>&1
		status=$?
		[ $status -eq 0 ] || sed 's/^/# /' /tmp/apicv.log
		result $status "$t with apicv=$level"
	done
}

failed=0
echo "TAP version 13"
echo "1..9"
with 0 apic_modes irq_delivery irq_blocked
with 2 apic_modes irq_delivery split_irqchip
rmmod vellum && modprobe vellum
result $? "the module is back as it was"
exit $failed
