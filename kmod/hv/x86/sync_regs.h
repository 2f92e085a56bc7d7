/* SPDX-License-Identifier: GPL-2.0-only */
/* Registers in the run page (KVM_CAP_SYNC_REGS). */
#ifndef VELLUM_X86_SYNC_REGS_H
#define VELLUM_X86_SYNC_REGS_H

#include "core/vcpu.h"

/* before KVM_RUN acts: KVM_SYNC_X86_* in @dirty from the page; 0, or -EINVAL */
int hv_sync_regs_take(struct hv_vcpu *vcpu, u64 dirty);
/* when KVM_RUN returns: KVM_SYNC_X86_* in @valid to the page */
void hv_sync_regs_give(struct hv_vcpu *vcpu, u64 valid);

#endif /* VELLUM_X86_SYNC_REGS_H */
