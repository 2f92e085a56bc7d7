/* SPDX-License-Identifier: GPL-2.0-only */
/* Page tables and GDT for entering the kernel in 64-bit mode. */
#ifndef VELLUM_BOOT_ENTRY_H
#define VELLUM_BOOT_ENTRY_H

#include "vm/ram.h"
#include "vm/vcpu_state.h"

void entry_tables(const struct guest_ram *ram, struct boot_state *state);

#endif
