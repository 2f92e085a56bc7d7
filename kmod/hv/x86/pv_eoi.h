/* SPDX-License-Identifier: GPL-2.0-only */
/* Paravirtual end of interrupt: EOI by a bit in guest memory (x86/pv_eoi.c). */
#ifndef VELLUM_X86_PV_EOI_H
#define VELLUM_X86_PV_EOI_H

#include "core/vcpu.h"

int hv_pv_eoi_write(struct hv_vcpu *vcpu, u64 value);	/* MSR_KVM_PV_EOI_EN: enum hv_msr_result */
void hv_pv_eoi_offer(struct hv_vcpu *vcpu);		/* before an entry, events are injected */
void hv_pv_eoi_take_back(struct hv_vcpu *vcpu);

/* The LAPIC is looked at, by whomever: what the guest did with the bit comes first. May sleep. */
static inline void hv_pv_eoi_sync(struct hv_vcpu *vcpu)
{
	if (unlikely(vcpu->pv.eoi_offered))
		hv_pv_eoi_take_back(vcpu);
}

#endif /* VELLUM_X86_PV_EOI_H */
