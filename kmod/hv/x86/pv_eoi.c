// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paravirtual end of interrupt (Documentation/virt/kvm/x86/msr.rst, MSR_KVM_EOI_EN).
 *
 * While a handler runs whose end concerns nobody but its own LAPIC, and nothing waits for that end,
 * a bit in guest memory says that the guest may clear it rather than write EOI, which would exit.
 * What the guest did is looked at, and the bit taken back, before anything else looks at the
 * LAPIC: before events are injected, before the guest's accesses to registers and its HLT,
 * and when KVM_RUN returns. So neither saved registers nor saved memory know of an offer.
 *
 * Where hardware ends interrupts by itself there is no exit to save, and no offer.
 */
#include <linux/uaccess.h>
#include <uapi/linux/kvm_para.h>

#include "irqchip/lapic.h"
#include "memory/guest.h"
#include "x86/pv_eoi.h"

#define EOI_AREA_LEN	4
#define EOI_FLAGS	(EOI_AREA_LEN - 1)	/* the bits below the address */

static u64 area(const struct hv_vcpu *vcpu)
{
	return vcpu->pv.eoi_msr & ~(u64)EOI_FLAGS;
}

static int put_bit(void __user *area, void *bit)
{
	return put_user(*(u8 *)bit, (u8 __user *)area);
}

/* Only the lowest bit of the area is ours, and the guest keeps the others 0. */
static bool write_bit(struct hv_vcpu *vcpu, u8 bit)
{
	return !hv_guest_update(vcpu, area(vcpu), sizeof(bit), put_bit, &bit);
}

void hv_pv_eoi_take_back(struct hv_vcpu *vcpu)
{
	u64 bits;

	vcpu->pv.eoi_offered = false;
	/* If the memory is gone nobody can have answered there. */
	if (hv_guest_read_once(vcpu, area(vcpu), &bits, EOI_AREA_LEN))
		return;
	if (bits & KVM_PV_EOI_MASK)
		write_bit(vcpu, KVM_PV_EOI_DISABLED);
	else
		hv_lapic_eoi(vcpu);
}

void hv_pv_eoi_offer(struct hv_vcpu *vcpu)
{
	if (likely(!(vcpu->pv.eoi_msr & KVM_PV_EOI_ENABLED)) || vcpu->smm.active)
		return;
	if (hv_lapic_eoi_is_local(vcpu))
		vcpu->pv.eoi_offered = write_bit(vcpu, KVM_PV_EOI_ENABLED);
}

int hv_pv_eoi_write(struct hv_vcpu *vcpu, u64 value)
{
	if (!vcpu->lapic)
		return value ? HV_MSR_INVALID : HV_MSR_OK;
	if (value & EOI_FLAGS & ~(u64)KVM_PV_EOI_ENABLED)
		return HV_MSR_INVALID;
	if ((value & KVM_PV_EOI_ENABLED) &&
	    !hv_guest_backed(vcpu, value & ~(u64)EOI_FLAGS, EOI_AREA_LEN, true))
		return HV_MSR_INVALID;
	hv_pv_eoi_sync(vcpu);
	vcpu->pv.eoi_msr = value;
	return HV_MSR_OK;
}
