#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Runs in the machine: the tests named, each with its own TAP plan.
failed=0
for t in $1; do
	echo "# $t"
	sh "/qemu/$t.sh" || failed=1
done
exit $failed
