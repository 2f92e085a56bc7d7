/* SPDX-License-Identifier: GPL-2.0-only */
/* Placing a Linux kernel, its initrd and its parameters in guest RAM. */
#ifndef VELLUM_BOOT_LINUX_H
#define VELLUM_BOOT_LINUX_H

#include "vm/ram.h"
#include "vm/vcpu_state.h"

/**
 * struct linux_config - what to boot
 * @kernel: bzImage
 * @initrd: initial RAM disk, or NULL
 * @cmdline: whole kernel command line
 * @rsdp: physical address of the ACPI root pointer
 */
struct linux_config {
	const char *kernel;
	const char *initrd;
	const char *cmdline;
	u64 rsdp;
};

int linux_load(const struct guest_ram *ram, const struct linux_config *config,
	       struct boot_state *state, struct error *err);

#endif
