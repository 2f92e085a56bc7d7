/* SPDX-License-Identifier: GPL-2.0-only */
/* ACPI tables of the machine. */
#ifndef VELLUM_BOOT_ACPI_H
#define VELLUM_BOOT_ACPI_H

#include "util/buf.h"
#include "vm/ram.h"

/**
 * struct acpi_config - what the tables describe
 * @cpus: vCPUs; APIC ids are 0 to @cpus - 1
 * @pci64_first: first address of the 64-bit PCI window
 * @pci64_last: last address of it; below @pci64_first when there is none
 * @pci_slots: device numbers in use on PCI bus 0 are below this
 */
struct acpi_config {
	u32 cpus;
	u64 pci64_first;
	u64 pci64_last;
	u32 pci_slots;
};

int acpi_build(const struct guest_ram *ram, const struct acpi_config *config, u64 *rsdp,
	       struct error *err);
void acpi_dsdt(struct buf *b, const struct acpi_config *config);

#endif
