#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Guards LAPICs that the CPU runs, which is not the default: with apicv=1 the same tests pass. Reloads
# the module. On AMD-V the parameter changes nothing, and so must not the result.
here=$(dirname "$0")
tests="apic_modes irq_delivery"
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

failed=0
echo "TAP version 13"
echo "1..4"
rmmod vellum && modprobe vellum apicv=1
result $? "the module loads with apicv=1"
for t in $tests; do
	"$here/$t" >/tmp/apicv.log 2>&1
	status=$?
	[ $status -eq 0 ] || sed 's/^/# /' /tmp/apicv.log
	result $status "$t"
done
rmmod vellum && modprobe vellum
result $? "the module is back as it was"
exit $failed
