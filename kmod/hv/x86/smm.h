/* SPDX-License-Identifier: GPL-2.0-only */
/* System management mode. */
#ifndef VELLUM_X86_SMM_H
#define VELLUM_X86_SMM_H

#include "core/vcpu.h"

void hv_smm_reset(struct hv_vcpu *vcpu);	/* RESET; loaded */

/* The SMI line: one waits. Any context. */
void hv_vcpu_smi(struct hv_vcpu *vcpu);

static inline bool hv_smi_pending(const struct hv_vcpu *vcpu)
{
	return atomic_read(&vcpu->smm.pending) && !vcpu->smm.active;
}

/* Take a pending SMI: registers to SMRAM, the handler's in their place. Loaded, may sleep. */
void hv_smm_enter(struct hv_vcpu *vcpu);
/* RSM: enum hv_disposition */
int hv_handle_rsm(struct hv_vcpu *vcpu);
/* KVM_SET_VCPU_EVENTS: in SMM or not, registers as they are */
void hv_smm_set_active(struct hv_vcpu *vcpu, bool active);

#endif /* VELLUM_X86_SMM_H */
