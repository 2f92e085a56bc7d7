/* SPDX-License-Identifier: GPL-2.0-only */
/* Control registers and EFER: what is legal, and what a change entails. */
#ifndef VELLUM_X86_CR_H
#define VELLUM_X86_CR_H

#include "core/vcpu.h"

/* 0, or 1: the write raises #GP(0) (SDM volume 3, "Control Registers"). Act only on 0. */
int hv_cr0_write(struct hv_vcpu *vcpu, u64 value);
int hv_cr8_write(struct hv_vcpu *vcpu, u64 value);
u64 hv_cr8_read(struct hv_vcpu *vcpu);
int hv_xcr_write(struct hv_vcpu *vcpu, u32 index, u64 value);
int hv_efer_write(struct hv_vcpu *vcpu, u64 value, bool host);	/* enum hv_msr_result */

bool hv_cr0_valid(struct hv_vcpu *vcpu, u64 value);	/* bits alone */
bool hv_cr4_valid(struct hv_vcpu *vcpu, u64 value);
bool hv_efer_valid(struct hv_vcpu *vcpu, u64 value);
/* what the guest's CPUID allows of it */
bool hv_efer_valid_for_guest(const struct hv_vcpu *vcpu, u64 value);

/* bits CR3 may have in long mode */
u64 hv_cr3_mask(struct hv_vcpu *vcpu, u64 cr4);
/* PAE paging: 0, or 1 if an entry has reserved bits or the table is not in memory */
int hv_pdptrs_load(struct hv_vcpu *vcpu, u64 cr3);
bool hv_pdptr_valid(struct hv_vcpu *vcpu, u64 pdptr);

/* exits: enum hv_disposition; skip @len bytes when done */
int hv_handle_cr(struct hv_vcpu *vcpu, const struct hv_cr *cr, unsigned int len);
int hv_handle_xsetbv(struct hv_vcpu *vcpu, unsigned int len);

#endif /* VELLUM_X86_CR_H */
