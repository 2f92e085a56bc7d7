/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's physical address map, in one place.
 *
 *   0x00000500  GDT                       0x000a0000  hole of the PC (plain RAM, not in E820)
 *   0x00007000  boot_params               0x000e0000  ACPI tables
 *   0x00009000  page tables               0x00100000  RAM up to LAYOUT_LOW_MAX
 *   0x00020000  command line              0xc0000000  PCI window, 32 bit
 *   0xfec00000  IOAPIC                    0xfee00000  local APIC
 *   0xfffbc000  pages VT-x may need       4 GiB       rest of RAM, then the 64-bit PCI window
 */
#ifndef VELLUM_BOOT_LAYOUT_H
#define VELLUM_BOOT_LAYOUT_H

#include "util/types.h"

#define LAYOUT_GDT		0x500ULL
#define LAYOUT_BOOT_PARAMS	0x7000ULL
#define LAYOUT_PAGE_TABLES	0x9000ULL
#define LAYOUT_CMDLINE		0x20000ULL
#define LAYOUT_CMDLINE_MAX	0x10000ULL
#define LAYOUT_EBDA		0x9fc00ULL
#define LAYOUT_ACPI		0xe0000ULL
#define LAYOUT_ACPI_END		0x100000ULL
#define LAYOUT_HIGH_RAM		0x100000ULL

#define LAYOUT_LOW_MAX		(3 * GIB)
#define LAYOUT_PCI32		LAYOUT_LOW_MAX
#define LAYOUT_PCI32_END	0xfec00000ULL
#define LAYOUT_IOAPIC		0xfec00000ULL
#define LAYOUT_LAPIC		0xfee00000ULL
#define LAYOUT_IDENTITY_MAP	0xfffbc000ULL
#define LAYOUT_TSS		0xfffbd000ULL
#define LAYOUT_4G		(4 * GIB)
#define LAYOUT_PCI64_SIZE	(4 * GIB)

/* Guest RAM must at least hold the first megabyte and something of a kernel. */
#define LAYOUT_RAM_MIN		(4 * MIB)

#endif
