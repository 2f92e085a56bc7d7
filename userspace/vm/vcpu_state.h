/* SPDX-License-Identifier: GPL-2.0-only */
/* The register state the first vCPU starts the kernel with. */
#ifndef VELLUM_VM_VCPU_STATE_H
#define VELLUM_VM_VCPU_STATE_H

#include "vm/vcpu.h"

/**
 * struct boot_state - what the 64-bit boot protocol asks of the CPU
 * @entry: first instruction
 * @boot_params: physical address of struct boot_params, passed in RSI
 * @page_tables: physical address of the top-level page table
 * @gdt: physical address of the GDT
 * @gdt_limit: its limit
 */
struct boot_state {
	u64 entry;
	u64 boot_params;
	u64 page_tables;
	u64 gdt;
	u16 gdt_limit;
};

int vcpu_set_boot_state(struct vcpu *vcpu, const struct boot_state *boot, struct error *err);
int vcpu_set_reset_msrs(struct vcpu *vcpu, struct error *err);
int vcpu_set_lapic(struct vcpu *vcpu, struct error *err);

#endif
