#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Guards the AML and the fixed tables against the reference compiler: iasl must disassemble what the
# launcher builds, and compile the result again without an error. UNIT_ACPI names the writer.
. "$(dirname "$0")/../lib/tap.sh"
: "${UNIT_ACPI:=$(dirname "$0")/../../build/selftests/launcher/unit_acpi}"

if ! command -v iasl >/dev/null; then
	tap_skip "no iasl here (apt-get install acpica-tools)"
	tap_end
fi
expect 'tables can be written' "$UNIT_ACPI" "$tmp"
for table in FACP APIC DSDT; do
	(cd "$tmp" && iasl -d $table.dat) >"$tmp/out" 2>&1
	expect "$table disassembles" test -s "$tmp/$table.dsl"
	expect "$table raises no complaint" sh -c "! grep -Ei 'error|warning|invalid|unknown' $tmp/out"
done
(cd "$tmp" && iasl -p again DSDT.dsl) >"$tmp/out" 2>&1
expect 'DSDT compiles again' grep -q ' 0 Errors' "$tmp/out"
expect 'DSDT has S5' grep -q '_S5' "$tmp/DSDT.dsl"
expect 'DSDT has the 64-bit window' grep -q '0x0000000200000000, // Range Minimum' "$tmp/DSDT.dsl"
expect 'DSDT routes interrupts' grep -q 'Name (_PRT' "$tmp/DSDT.dsl"
tap_end
