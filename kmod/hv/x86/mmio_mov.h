/* SPDX-License-Identifier: GPL-2.0-only */
/* Moves between a register and a device, carried out again without decoding them again. */
#ifndef VELLUM_X86_MMIO_MOV_H
#define VELLUM_X86_MMIO_MOV_H

#include "core/hv.h"
#include "core/vcpu.h"
#include "memory/witness.h"
#include "x86/emul_mov.h"

#define HV_MMIO_MOV_BITS	4
#define HV_MMIO_MOVS		BIT(HV_MMIO_MOV_BITS)

/**
 * struct hv_mmio_mov - one instruction and all that says it is still there
 * @rip: where
 * @cr3: with @cr4, @efer, @cpl and @maxphyaddr what a walk to the code depends on
 * @seen: the page-table entries that lead to the code, and the code
 * @mov: the instruction
 */
struct hv_mmio_mov {
	u64 rip;
	u64 cr3, cr4, efer;
	u8 cpl, maxphyaddr;
	struct hv_witness seen;
	struct emul_mov mov;
};

/* After a decode for an access that hardware reported: keep it if it is such a move. */
void hv_mmio_mov_remember(struct hv_vcpu *vcpu);

/*
 * The instruction at RIP made the access @v to a device: carry it out.
 * enum hv_disposition; -EAGAIN: it is not known, and nothing was done.
 */
int hv_mmio_mov(struct hv_vcpu *vcpu, const struct hv_tdp_violation *v);

#endif /* VELLUM_X86_MMIO_MOV_H */
