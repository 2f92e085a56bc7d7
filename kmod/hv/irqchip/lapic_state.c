// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_LAPIC and KVM_SET_LAPIC: the register page, by KVM's rules. APIC_ID is
 * in xAPIC format unless KVM_CAP_X2APIC_API asks for the mode's own; the upper
 * half of a 64-bit ICR travels in ICR2.
 */
#include <linux/string.h>

#include "core/request.h"
#include "irqchip/lapic_int.h"

static u32 state_reg(const struct kvm_lapic_state *s, u32 offset)
{
	u32 value;

	memcpy(&value, s->regs + offset, sizeof(value));
	return value;
}

static void set_state_reg(struct kvm_lapic_state *s, u32 offset, u32 value)
{
	memcpy(s->regs + offset, &value, sizeof(value));
}

int hv_lapic_get(struct hv_vcpu *vcpu, struct kvm_lapic_state *s)
{
	struct hv_lapic *lapic = vcpu->lapic;

	/* an expiry that waits for the next entry is not lost on the way */
	lapic_timer_catch_up(lapic);
	hv_request(vcpu, HV_REQ_EVENT);
	lapic_collect(lapic);
	lapic_update_ppr(lapic);
	memcpy(s->regs, lapic->regs, sizeof(s->regs));
	set_state_reg(s, APIC_TMCCT, lapic_timer_current(lapic));
	if (!lapic->x2apic)
		return 0;
	if (!vcpu->vm->x2apic_format)
		set_state_reg(s, APIC_ID, SET_XAPIC_DEST_FIELD(vcpu->id));
	set_state_reg(s, APIC_ICR2, lapic_reg(lapic, APIC_ICR + sizeof(u32)));
	return 0;
}

static void set_naming(struct hv_lapic *lapic, const struct kvm_lapic_state *s)
{
	lapic_set_id_regs(lapic);
	if (lapic->x2apic)
		return;
	lapic_set_reg(lapic, APIC_ID, state_reg(s, APIC_ID) & APIC_LDR_MASK);
	lapic_set_reg(lapic, APIC_LDR, state_reg(s, APIC_LDR) & APIC_LDR_MASK);
	lapic_set_reg(lapic, APIC_DFR, state_reg(s, APIC_DFR) | APIC_DFR_CLUSTER);
}

static void set_icr(struct hv_lapic *lapic, const struct kvm_lapic_state *s)
{
	u32 icr = state_reg(s, APIC_ICR) & ~APIC_ICR_BUSY;
	u32 icr2 = state_reg(s, APIC_ICR2);

	lapic_set_reg(lapic, APIC_ICR, icr);
	lapic_set_reg(lapic, APIC_ICR + sizeof(u32), lapic->x2apic ? icr2 : 0);
	lapic_set_reg(lapic, APIC_ICR2, lapic->x2apic ? 0 : icr2);
}

/* IRR, ISR and TMR. Bits of vectors that cannot be stay: they are of class 0, above no PPR. */
static void set_vectors(struct hv_lapic *lapic, const struct kvm_lapic_state *s, u32 group)
{
	u32 i, offset;

	for (i = 0; i < APIC_ISR_NR; i++) {
		offset = group + i * HV_LAPIC_REG_STRIDE;
		lapic_set_reg(lapic, offset, state_reg(s, offset));
	}
}

static void set_lvts(struct hv_lapic *lapic, const struct kvm_lapic_state *s)
{
	u32 masked = lapic->sw_enabled ? 0 : APIC_LVT_MASKED;
	u32 lvt, mask;

	for (lvt = APIC_LVTT; lvt <= APIC_LVTERR; lvt += HV_LAPIC_REG_STRIDE) {
		mask = lapic_lvt_mask(lapic, lvt);
		/* CPUID, which allows TSC-deadline mode, may come later */
		if (lvt == APIC_LVTT)
			mask |= HV_LVT_TIMER_MODE;
		lapic_set_reg(lapic, lvt, (state_reg(s, lvt) & mask) | masked);
	}
	if (lapic->cmci) {
		mask = lapic_lvt_mask(lapic, APIC_LVTCMCI);
		lapic_set_reg(lapic, APIC_LVTCMCI, (state_reg(s, APIC_LVTCMCI) & mask) | masked);
	}
}

int hv_lapic_set(struct hv_vcpu *vcpu, const struct kvm_lapic_state *s)
{
	struct hv_lapic *lapic = vcpu->lapic;

	if (lapic->x2apic && vcpu->vm->x2apic_format && state_reg(s, APIC_ID) != vcpu->id)
		return -EINVAL;
	lapic_timer_stop(lapic);
	set_naming(lapic, s);
	lapic_set_reg(lapic, APIC_TASKPRI, state_reg(s, APIC_TASKPRI) & APIC_TPRI_MASK);
	lapic_set_spiv(lapic, state_reg(s, APIC_SPIV));
	lapic_set_reg(lapic, APIC_ESR, state_reg(s, APIC_ESR));
	bitmap_zero(lapic->incoming, KVM_NR_INTERRUPTS);
	set_vectors(lapic, s, APIC_ISR);
	set_vectors(lapic, s, APIC_TMR);
	set_vectors(lapic, s, APIC_IRR);
	lapic_update_eoi_exits(lapic);
	set_icr(lapic, s);
	set_lvts(lapic, s);
	lapic_set_reg(lapic, APIC_TMICT, state_reg(s, APIC_TMICT));
	lapic_set_reg(lapic, APIC_TDCR, state_reg(s, APIC_TDCR));
	lapic_timer_restore(lapic, state_reg(s, APIC_TMCCT));

	lapic->highest_isr = lapic_highest(lapic, APIC_ISR);
	lapic_update_ppr(lapic);
	atomic_set(&lapic->irr_pending, 1);
	lapic_map_changed(lapic);
	lapic_tell_back_end(lapic);
	hv_request(vcpu, HV_REQ_EVENT);
	return 0;
}
