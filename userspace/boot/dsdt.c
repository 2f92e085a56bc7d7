// SPDX-License-Identifier: GPL-2.0-only
/*
 * The DSDT: \_S5, the PCI host bridge with its windows and interrupt routing, the serial port and
 * the clock. Built here rather than compiled by iasl, because windows depend on the size of RAM.
 */
#include "boot/acpi.h"

#include "boot/aml.h"
#include "boot/layout.h"
#include "devices/ports.h"

#define PRT_ANY_FUNCTION	0xffff
#define PRT_ELEMENTS		4

static void add_s5(struct buf *b)
{
	size_t package;

	aml_name(b, "\\_S5_");
	package = aml_package(b, 4);
	aml_int(b, PM_SLP_TYP_S5);
	aml_int(b, 0);
	aml_int(b, 0);
	aml_int(b, 0);
	aml_close(b, package);
}

static void add_host_windows(struct buf *b, const struct acpi_config *config)
{
	struct aml_range pci64 = { config->pci64_first, config->pci64_last };
	struct buf r = { .len = 0 };

	res_bus_window(&r, (struct aml_range){ 0, 0 });
	res_io(&r, PORT_PCI_CONFIG, PORT_PCI_CONFIG_LEN);
	res_io_window(&r, (struct aml_range){ 0, PORT_PCI_CONFIG - 1 });
	res_io_window(&r, (struct aml_range){ PORT_PCI_CONFIG + PORT_PCI_CONFIG_LEN, 0xffff });
	res_mem32_window(&r, (struct aml_range){ LAYOUT_PCI32, LAYOUT_PCI32_END - 1 });
	if (config->pci64_last > config->pci64_first)
		res_mem64_window(&r, pci64);
	aml_name(b, "_CRS");
	aml_resources(b, &r);
}

/* Every device uses INTA, wired straight to an IOAPIC input. */
static void add_interrupt_routing(struct buf *b, u32 slots)
{
	size_t table, row;
	u32 slot;

	aml_name(b, "_PRT");
	table = aml_package(b, (u8)slots);
	for (slot = 0; slot < slots; slot++) {
		row = aml_package(b, PRT_ELEMENTS);
		aml_int(b, slot << 16 | PRT_ANY_FUNCTION);
		aml_int(b, 0);					/* pin INTA */
		aml_int(b, 0);					/* no link device */
		aml_int(b, GSI_PCI_FIRST + slot % GSI_PCI_COUNT);
		aml_close(b, row);
	}
	aml_close(b, table);
}

static void add_host_bridge(struct buf *b, const struct acpi_config *config)
{
	size_t device = aml_device(b, "PCI0");

	aml_name(b, "_HID");
	aml_eisa_id(b, "PNP0A03");
	aml_name(b, "_UID");
	aml_int(b, 0);
	aml_name(b, "_BBN");
	aml_int(b, 0);
	add_host_windows(b, config);
	add_interrupt_routing(b, config->pci_slots);
	aml_close(b, device);
}

static void add_serial(struct buf *b)
{
	size_t device = aml_device(b, "COM1");
	struct buf r = { .len = 0 };

	aml_name(b, "_HID");
	aml_eisa_id(b, "PNP0501");
	aml_name(b, "_UID");
	aml_int(b, 1);
	res_io(&r, PORT_COM1, PORT_COM1_LEN);
	res_irq(&r, GSI_COM1);
	aml_name(b, "_CRS");
	aml_resources(b, &r);
	aml_close(b, device);
}

static void add_rtc(struct buf *b)
{
	size_t device = aml_device(b, "RTC_");
	struct buf r = { .len = 0 };

	aml_name(b, "_HID");
	aml_eisa_id(b, "PNP0B00");
	res_io(&r, PORT_RTC, PORT_RTC_LEN);
	res_irq(&r, GSI_RTC);
	aml_name(b, "_CRS");
	aml_resources(b, &r);
	aml_close(b, device);
}

/**
 * acpi_dsdt() - write the definition block, without its table header
 * @b: where to
 * @config: what to describe
 */
void acpi_dsdt(struct buf *b, const struct acpi_config *config)
{
	size_t scope;

	add_s5(b);
	scope = aml_scope(b, "\\_SB_");
	add_host_bridge(b, config);
	add_serial(b);
	add_rtc(b);
	aml_close(b, scope);
}
