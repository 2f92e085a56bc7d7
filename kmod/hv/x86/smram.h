/* SPDX-License-Identifier: GPL-2.0-only */
/* The save area of system management mode, in the layout of the CPU that the guest sees. */
#ifndef VELLUM_X86_SMRAM_H
#define VELLUM_X86_SMRAM_H

#include "core/vcpu.h"

#define HV_SMRAM_SIZE	0x200	/* bytes, the end of SMRAM's 64 KiB */

/**
 * struct hv_smm_state - what an SMI saves and RSM brings back
 * @sregs: segments, descriptor tables, CR0, CR3, CR4 and EFER; the rest is not saved
 * @gpr: in the order of enum hv_gpr
 * @rip, @rflags, @dr6, @dr7: as their names say
 * @smbase: where SMRAM is, from the next SMI on
 * @halted: the SMI interrupted a HLT, and RSM is to go on with it
 */
struct hv_smm_state {
	struct kvm_sregs2 sregs;
	u64 gpr[HV_NR_GPRS];
	u64 rip, rflags, dr6, dr7;
	u32 smbase;
	bool halted;
};

/* @area: HV_SMRAM_SIZE bytes. Load takes what it finds: its caller asks whether a CPU can be so. */
void hv_smram_save(const struct hv_vcpu *vcpu, void *area, const struct hv_smm_state *state);
void hv_smram_load(const struct hv_vcpu *vcpu, struct hv_smm_state *state, const void *area);

/* smram64.c, smram32.c: the layouts */
void hv_smram64_save(void *area, const struct hv_smm_state *state);
void hv_smram64_load(struct hv_smm_state *state, const void *area);
void hv_smram32_save(void *area, const struct hv_smm_state *state);
void hv_smram32_load(struct hv_smm_state *state, const void *area);

/* A segment's attributes as in its descriptor, without the limit between them; 0: unusable. */
u16 hv_smram_attributes(const struct kvm_segment *s);
void hv_smram_set_attributes(struct kvm_segment *s, u16 attributes);

#endif /* VELLUM_X86_SMRAM_H */
