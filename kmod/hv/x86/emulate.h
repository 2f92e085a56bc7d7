/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exits that need an instruction executed in software, and port I/O.
 *
 * An instruction whose device is in user space is re-executed from unchanged
 * registers after each KVM_EXIT_MMIO/IO: struct hv_emul records the accesses
 * that are complete, and replays them in order.
 */
#ifndef VELLUM_X86_EMULATE_H
#define VELLUM_X86_EMULATE_H

#include "core/hv.h"
#include "core/vcpu.h"

struct emul_insn;

int hv_emul_init(struct hv_vcpu *vcpu);
void hv_emul_destroy(struct hv_vcpu *vcpu);

/* exits: enum hv_disposition */
int hv_handle_pio(struct hv_vcpu *vcpu, struct hv_pio pio, unsigned int len);
int hv_handle_string_pio(struct hv_vcpu *vcpu);		/* INS, OUTS: via the emulator */
/* hv_tdp_fault(), then LAPIC or MMIO emulation, or a documented error */
int hv_handle_tdp_violation(struct hv_vcpu *vcpu, const struct hv_tdp_violation *v);
/* execute the instruction at RIP; the accesses it makes decide the rest */
int hv_emulate_insn(struct hv_vcpu *vcpu);
/* decode only, for back ends without decode assists; NULL: unknown. Valid until the next use */
const struct emul_insn *hv_emul_decode(struct hv_vcpu *vcpu);
/* KVM_EXIT_INTERNAL_ERROR */
int hv_internal_error(struct hv_vcpu *vcpu, u32 suberror);

/* exits that have no better home */
int hv_handle_hypercall(struct hv_vcpu *vcpu, unsigned int len);	/* x86/hypercall.c */
int hv_handle_hlt(struct hv_vcpu *vcpu, unsigned int len);

#endif /* VELLUM_X86_EMULATE_H */
