// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first 4 GiB are mapped one to one with 2 MiB pages (SDM "4-Level Paging"), which covers the
 * kernel, the initrd, boot_params and the command line; 1 GiB pages would need a CPU feature.
 */
#include "boot/entry.h"

#include "boot/layout.h"

#define PTE_PRESENT	BIT(0)
#define PTE_WRITE	BIT(1)
#define PDE_LARGE	BIT(7)
#define TABLE_SIZE	0x1000
#define TABLE_ENTRIES	512
#define DIRECTORIES	4

/* Flat 4 GiB descriptors (SDM "Segment Descriptors"): __BOOT_CS is 64-bit code, __BOOT_DS data. */
#define GDT_CODE64	0x00af9b000000ffffULL
#define GDT_DATA	0x00cf93000000ffffULL
#define GDT_ENTRIES	4
#define GDT_CS_INDEX	2
#define GDT_DS_INDEX	3

static u64 *table_at(const struct guest_ram *ram, unsigned int n)
{
	return ram_ptr(ram, LAYOUT_PAGE_TABLES + n * TABLE_SIZE, TABLE_SIZE);
}

static u64 table_entry(unsigned int n)
{
	return (LAYOUT_PAGE_TABLES + n * TABLE_SIZE) | PTE_PRESENT | PTE_WRITE;
}

static void build_page_tables(const struct guest_ram *ram)
{
	enum { PML4, PDPT, FIRST_PD };
	unsigned int i, j;

	table_at(ram, PML4)[0] = table_entry(PDPT);
	for (i = 0; i < DIRECTORIES; i++) {
		u64 *pd = table_at(ram, FIRST_PD + i);

		table_at(ram, PDPT)[i] = table_entry(FIRST_PD + i);
		for (j = 0; j < TABLE_ENTRIES; j++)
			pd[j] = i * GIB + j * 2 * MIB + (PTE_PRESENT | PTE_WRITE | PDE_LARGE);
	}
}

/* RAM is fresh, that is zero: only entries in use are written. */
void entry_tables(const struct guest_ram *ram, struct boot_state *state)
{
	u64 *gdt = ram_ptr(ram, LAYOUT_GDT, GDT_ENTRIES * sizeof(u64));

	gdt[GDT_CS_INDEX] = GDT_CODE64;
	gdt[GDT_DS_INDEX] = GDT_DATA;
	build_page_tables(ram);
	state->gdt = LAYOUT_GDT;
	state->gdt_limit = GDT_ENTRIES * sizeof(u64) - 1;
	state->page_tables = LAYOUT_PAGE_TABLES;
}
