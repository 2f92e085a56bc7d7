// SPDX-License-Identifier: GPL-2.0-only
/*
 * RSDP, XSDT, FADT with FACS, MADT and DSDT, one after another in the BIOS area.
 * The machine is always in ACPI mode: there is no SMI command port.
 */
#include "boot/acpi.h"

#include <assert.h>
#include <string.h>

#include "boot/acpi_format.h"
#include "boot/layout.h"
#include "devices/ports.h"

#define OEM_ID		"VELLUM"
#define OEM_TABLE_ID	"VELLUM01"
#define CREATOR_ID	"VLLM"
#define FACS_ALIGN	64
#define DSDT_REVISION	2
#define RTC_CENTURY	0x32

/**
 * struct acpi_area - tables being laid out
 * @host: the area in the launcher
 * @base: its physical address
 * @used: bytes in use
 * @size: bytes in all
 */
struct acpi_area {
	u8 *host;
	u64 base;
	u64 used;
	u64 size;
};

static u8 checksum(const void *data, size_t len)
{
	const u8 *p = data;
	u8 sum = 0;

	while (len--)
		sum += *p++;
	return (u8)-sum;
}

static void fill_header(struct acpi_header *h, const char *signature, u8 revision, size_t length)
{
	memcpy(h->signature, signature, sizeof(h->signature));
	h->length = (u32)length;
	h->revision = revision;
	memcpy(h->oem_id, OEM_ID, sizeof(h->oem_id));
	memcpy(h->oem_table_id, OEM_TABLE_ID, sizeof(h->oem_table_id));
	h->oem_revision = 1;
	memcpy(h->creator_id, CREATOR_ID, sizeof(h->creator_id));
	h->creator_revision = 1;
}

/* Return: physical address of the copy, or 0 when the area is full. */
static u64 place(struct acpi_area *area, const void *table, size_t len)
{
	u64 at = align_up(area->used, FACS_ALIGN);

	if (at > area->size || len > area->size - at)
		return 0;
	memcpy(area->host + at, table, len);
	area->used = at + len;
	return area->base + at;
}

/* Place a table whose header is still blank. */
static u64 place_table(struct acpi_area *area, void *table, size_t len, const char *signature,
		       u8 revision)
{
	struct acpi_header *h = table;

	fill_header(h, signature, revision, len);
	h->checksum = 0;
	h->checksum = checksum(table, len);
	return place(area, table, len);
}

static u64 build_dsdt(struct acpi_area *area, const struct acpi_config *config)
{
	struct buf b = { .len = sizeof(struct acpi_header) };

	acpi_dsdt(&b, config);
	return b.overflow ? 0 : place_table(area, b.data, b.len, "DSDT", DSDT_REVISION);
}

static u64 build_facs(struct acpi_area *area)
{
	struct acpi_facs facs = {
		.signature = { 'F', 'A', 'C', 'S' },
		.length = sizeof(facs),
		.version = 2,
	};

	return place(area, &facs, sizeof(facs));
}

static struct acpi_address io_address(u16 port, u8 bytes, u8 access)
{
	return (struct acpi_address){
		.space = ACPI_SPACE_IO,
		.bit_width = (u8)(bytes * 8),
		.access_size = access,
		.address = port,
	};
}

static void fill_fadt_registers(struct acpi_fadt *fadt)
{
	fadt->sci_int = GSI_SCI;
	fadt->pm1a_evt_blk = PORT_PM1_EVT;
	fadt->pm1_evt_len = PORT_PM1_EVT_LEN;
	fadt->pm1a_cnt_blk = PORT_PM1_CNT;
	fadt->pm1_cnt_len = PORT_PM1_CNT_LEN;
	fadt->pm_tmr_blk = PORT_PM_TIMER;
	fadt->pm_tmr_len = PORT_PM_TIMER_LEN;
	fadt->x_pm1a_evt_blk = io_address(PORT_PM1_EVT, PORT_PM1_EVT_LEN, ACPI_ACCESS_WORD);
	fadt->x_pm1a_cnt_blk = io_address(PORT_PM1_CNT, PORT_PM1_CNT_LEN, ACPI_ACCESS_WORD);
	fadt->x_pm_tmr_blk = io_address(PORT_PM_TIMER, PORT_PM_TIMER_LEN, ACPI_ACCESS_DWORD);
	fadt->reset_reg = io_address(PORT_RESET, 1, ACPI_ACCESS_BYTE);
	fadt->reset_value = RESET_FULL;
}

/* The boot flags deny a keyboard controller, so that no kernel spends its boot looking for keys. */
static u64 build_fadt(struct acpi_area *area, u64 dsdt)
{
	struct acpi_fadt fadt = {
		.p_lvl2_lat = FADT_LATENCY_NO_C2,
		.p_lvl3_lat = FADT_LATENCY_NO_C3,
		.century = RTC_CENTURY,
		.iapc_boot_arch = FADT_BOOT_LEGACY_DEVICES | FADT_BOOT_VGA_ABSENT,
		.flags = FADT_WBINVD | FADT_PROC_C1 | FADT_PWR_BUTTON | FADT_SLP_BUTTON |
			 FADT_FIX_RTC | FADT_TMR_VAL_EXT | FADT_RESET_REG_SUP,
	};
	u64 facs = build_facs(area);

	static_assert(sizeof(fadt) == FADT_LENGTH, "FADT of revision 6");
	fadt.dsdt = (u32)dsdt;
	fadt.x_dsdt = dsdt;
	fadt.facs = (u32)facs;
	fill_fadt_registers(&fadt);
	return place_table(area, &fadt, sizeof(fadt), "FACP", FADT_REVISION);
}

static void add_madt_interrupts(struct buf *b)
{
	struct acpi_madt_ioapic ioapic = {
		MADT_IOAPIC, sizeof(ioapic), 0, 0, LAYOUT_IOAPIC, 0
	};
	struct acpi_madt_override sci = {
		MADT_OVERRIDE, sizeof(sci), 0, GSI_SCI, GSI_SCI, MADT_ACTIVE_HIGH | MADT_LEVEL
	};
	struct acpi_madt_lapic_nmi nmi = {
		MADT_LAPIC_NMI, sizeof(nmi), MADT_ALL_CPUS, 0, 1
	};

	buf_add(b, &ioapic, sizeof(ioapic));
	buf_add(b, &sci, sizeof(sci));
	buf_add(b, &nmi, sizeof(nmi));
}

static u64 build_madt(struct acpi_area *area, u32 cpus)
{
	struct acpi_madt madt = { .lapic_address = LAYOUT_LAPIC, .flags = MADT_PCAT_COMPAT };
	struct buf b = { .len = 0 };
	u32 cpu;

	buf_add(&b, &madt, sizeof(madt));
	for (cpu = 0; cpu < cpus; cpu++) {
		struct acpi_madt_lapic lapic = {
			MADT_LAPIC, sizeof(lapic), (u8)cpu, (u8)cpu, MADT_LAPIC_ENABLED
		};

		buf_add(&b, &lapic, sizeof(lapic));
	}
	add_madt_interrupts(&b);
	return b.overflow ? 0 : place_table(area, b.data, b.len, "APIC", MADT_REVISION);
}

static void build_rsdp(struct acpi_rsdp *rsdp, u64 xsdt)
{
	memset(rsdp, 0, sizeof(*rsdp));
	memcpy(rsdp->signature, "RSD PTR ", sizeof(rsdp->signature));
	memcpy(rsdp->oem_id, OEM_ID, sizeof(rsdp->oem_id));
	rsdp->revision = 2;
	rsdp->length = sizeof(*rsdp);
	rsdp->xsdt = xsdt;
	rsdp->checksum = checksum(rsdp, ACPI_RSDP_V1_LENGTH);
	rsdp->extended_checksum = checksum(rsdp, sizeof(*rsdp));
}

/**
 * acpi_build() - write all tables into guest RAM
 * @ram: guest RAM
 * @config: what to describe
 * @rsdp: physical address of the root pointer
 * @err: filled in on failure
 *
 * Return: 0 or -1.
 */
int acpi_build(const struct guest_ram *ram, const struct acpi_config *config, u64 *rsdp,
	       struct error *err)
{
	struct acpi_area area = {
		.host = ram_ptr(ram, LAYOUT_ACPI, LAYOUT_ACPI_END - LAYOUT_ACPI),
		.base = LAYOUT_ACPI,
		.used = sizeof(struct acpi_rsdp),
		.size = LAYOUT_ACPI_END - LAYOUT_ACPI,
	};
	struct acpi_xsdt xsdt = { 0 };
	u64 dsdt = build_dsdt(&area, config);

	xsdt.tables[0] = build_fadt(&area, dsdt);
	xsdt.tables[1] = build_madt(&area, config->cpus);
	*rsdp = LAYOUT_ACPI;
	build_rsdp((struct acpi_rsdp *)area.host,
		   place_table(&area, &xsdt, sizeof(xsdt), "XSDT", 1));
	if (!dsdt || !xsdt.tables[0] || !xsdt.tables[1])
		return error_set(err, STATUS_OS, "ACPI tables do not fit (lower --cpus)");
	return 0;
}
