// SPDX-License-Identifier: GPL-2.0-only
/* KVM_GET/SET_SREGS and their second version: segments, control registers, modes. */
#include <linux/bitops.h>
#include <linux/kernel.h>

#include "core/request.h"
#include "irqchip/lapic.h"
#include "x86/cpuid.h"
#include "x86/cr.h"
#include "x86/event.h"
#include "x86/fpu.h"
#include "x86/msr.h"
#include "x86/regs.h"
#include "x86/walk.h"

/* Both versions begin with the same members, up to apic_base. */
static_assert(offsetof(struct kvm_sregs, apic_base) == offsetof(struct kvm_sregs2, apic_base));

static void dtable_get(struct hv_vcpu *vcpu, enum hv_dtable which, struct kvm_dtable *out)
{
	struct hv_dtable_reg reg;

	hv_ops->get_dtable(vcpu, which, &reg);
	out->base = reg.base;
	out->limit = reg.limit;
}

static void segments_get(struct hv_vcpu *vcpu, struct kvm_sregs2 *s)
{
	hv_ops->get_segment(vcpu, HV_CS, &s->cs);
	hv_ops->get_segment(vcpu, HV_DS, &s->ds);
	hv_ops->get_segment(vcpu, HV_ES, &s->es);
	hv_ops->get_segment(vcpu, HV_FS, &s->fs);
	hv_ops->get_segment(vcpu, HV_GS, &s->gs);
	hv_ops->get_segment(vcpu, HV_SS, &s->ss);
	hv_ops->get_segment(vcpu, HV_TR, &s->tr);
	hv_ops->get_segment(vcpu, HV_LDTR, &s->ldt);
	dtable_get(vcpu, HV_GDTR, &s->gdt);
	dtable_get(vcpu, HV_IDTR, &s->idt);
}

static void common_get(struct hv_vcpu *vcpu, struct kvm_sregs2 *s)
{
	memset(s, 0, sizeof(*s));
	hv_exception_payload_sync(vcpu);
	segments_get(vcpu, s);
	s->cr0 = hv_cr0(vcpu);
	s->cr2 = vcpu->cr2;
	s->cr3 = hv_cr3(vcpu);
	s->cr4 = hv_cr4(vcpu);
	s->cr8 = hv_cr8_read(vcpu);
	s->efer = vcpu->efer;
	s->apic_base = vcpu->msr.apic_base;
}

void hv_sregs_get(struct hv_vcpu *vcpu, struct kvm_sregs *sregs)
{
	const struct hv_events *ev = &vcpu->events;
	struct kvm_sregs2 s;

	common_get(vcpu, &s);
	memset(sregs, 0, sizeof(*sregs));
	memcpy(sregs, &s, offsetofend(struct kvm_sregs, apic_base));
	if (ev->interrupt.injected && !ev->interrupt.soft)
		sregs->interrupt_bitmap[ev->interrupt.vector / 64] |=
			BIT_ULL(ev->interrupt.vector % 64);
}

static bool pae_paging(u64 cr0, u64 cr4, u64 efer)
{
	return (cr0 & X86_CR0_PG) && (cr4 & X86_CR4_PAE) && !(efer & EFER_LMA);
}

void hv_sregs2_get(struct hv_vcpu *vcpu, struct kvm_sregs2 *sregs)
{
	common_get(vcpu, sregs);
	if (!pae_paging(sregs->cr0, sregs->cr4, sregs->efer))
		return;
	hv_reg_need(vcpu, HV_REG_PDPTR);
	memcpy(sregs->pdptrs, vcpu->pdptr, sizeof(sregs->pdptrs));
	sregs->flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
}

static bool canonical(u64 address, u64 cr4)
{
	unsigned int bits = cr4 & X86_CR4_LA57 ? 57 : 48;

	return sign_extend64(address, bits - 1) == address;
}

/* Segment registers that hold 64-bit bases: VM entry refuses others. */
static bool bases_valid(const struct kvm_sregs2 *s)
{
	return canonical(s->fs.base, s->cr4) && canonical(s->gs.base, s->cr4) &&
	       canonical(s->tr.base, s->cr4) && canonical(s->gdt.base, s->cr4) &&
	       canonical(s->idt.base, s->cr4) &&
	       (s->ldt.unusable || canonical(s->ldt.base, s->cr4));
}

static bool modes_valid(struct hv_vcpu *vcpu, const struct kvm_sregs2 *s)
{
	if ((s->efer & EFER_LME) && (s->cr0 & X86_CR0_PG)) {
		/* Long mode: LMA follows from LME and PG, and wants PAE. */
		if (!(s->cr4 & X86_CR4_PAE) || !(s->efer & EFER_LMA))
			return false;
		/* Bit 63 is an operand of MOV, not part of the register. */
		if (s->cr3 & ~hv_cr3_mask(vcpu, 0))
			return false;
		return true;
	}
	if (s->efer & EFER_LMA)
		return false;
	return !s->cs.l;
}

static bool common_valid(struct hv_vcpu *vcpu, const struct kvm_sregs2 *s)
{
	return hv_cr0_valid(vcpu, s->cr0) && hv_cr4_valid(vcpu, s->cr4) &&
	       hv_efer_valid(vcpu, s->efer) && !(s->cr8 >> 4) &&
	       hv_apic_base_valid(vcpu, s->apic_base, true) &&
	       modes_valid(vcpu, s) && bases_valid(s);
}

static void segment_set(struct hv_vcpu *vcpu, enum hv_seg seg, const struct kvm_segment *s)
{
	struct kvm_segment clean = *s;

	/* Only the bits a descriptor has. */
	clean.type &= 15;
	clean.dpl &= 3;
	clean.present &= 1;
	clean.db &= 1;
	clean.s &= 1;
	clean.l &= 1;
	clean.g &= 1;
	clean.avl &= 1;
	clean.unusable = clean.unusable || !clean.present;
	hv_ops->set_segment(vcpu, seg, &clean);
}

static void dtable_set(struct hv_vcpu *vcpu, enum hv_dtable which, const struct kvm_dtable *in)
{
	struct hv_dtable_reg reg = { .base = in->base, .limit = in->limit };

	hv_ops->set_dtable(vcpu, which, &reg);
}

static void segments_set(struct hv_vcpu *vcpu, const struct kvm_sregs2 *s)
{
	segment_set(vcpu, HV_CS, &s->cs);
	segment_set(vcpu, HV_DS, &s->ds);
	segment_set(vcpu, HV_ES, &s->es);
	segment_set(vcpu, HV_FS, &s->fs);
	segment_set(vcpu, HV_GS, &s->gs);
	segment_set(vcpu, HV_SS, &s->ss);
	segment_set(vcpu, HV_TR, &s->tr);
	segment_set(vcpu, HV_LDTR, &s->ldt);
	dtable_set(vcpu, HV_GDTR, &s->gdt);
	dtable_set(vcpu, HV_IDTR, &s->idt);
}

/* Everything is valid: nothing below fails. */
static void common_set(struct hv_vcpu *vcpu, const struct kvm_sregs2 *s)
{
	hv_apic_base_set(vcpu, s->apic_base);
	vcpu->cr2 = s->cr2;
	hv_ops->set_efer(vcpu, s->efer);
	hv_ops->set_cr0(vcpu, s->cr0 | X86_CR0_ET);
	hv_ops->set_cr4(vcpu, s->cr4);
	hv_fpu_update(vcpu);
	hv_ops->set_cr3(vcpu, s->cr3);
	segments_set(vcpu, s);
	hv_cr8_write(vcpu, s->cr8);
	hv_cpuid_refresh(vcpu);
	hv_request(vcpu, HV_REQ_GUEST_FLUSH);
	hv_request(vcpu, HV_REQ_EVENT);
}

static void pdptrs_set(struct hv_vcpu *vcpu, const u64 *pdptrs)
{
	memcpy(vcpu->pdptr, pdptrs, sizeof(vcpu->pdptr));
	vcpu->avail |= BIT(HV_REG_PDPTR);
	/* Back ends take them when CR3 is set. */
	hv_ops->set_cr3(vcpu, vcpu->cr3);
}

static void pdptrs_load(struct hv_vcpu *vcpu)
{
	if (!hv_pdptrs_load(vcpu, vcpu->cr3))
		hv_ops->set_cr3(vcpu, vcpu->cr3);
}

/* At most one interrupt is on its way: its vector, -1 for none, -EINVAL for more. */
static int bitmap_vector(const struct kvm_sregs *sregs)
{
	unsigned int i, weight = 0;
	int vector = -1;

	for (i = 0; i < ARRAY_SIZE(sregs->interrupt_bitmap); i++) {
		u64 word = sregs->interrupt_bitmap[i];

		if (!word)
			continue;
		weight += hweight64(word);
		vector = i * 64 + __ffs64(word);
	}
	return weight > 1 ? -EINVAL : vector;
}

int hv_sregs_set(struct hv_vcpu *vcpu, const struct kvm_sregs *sregs)
{
	struct hv_events *ev = &vcpu->events;
	int vector = bitmap_vector(sregs);
	struct kvm_sregs2 s = {};

	memcpy(&s, sregs, offsetofend(struct kvm_sregs, apic_base));
	if (vector == -EINVAL || !common_valid(vcpu, &s))
		return -EINVAL;
	common_set(vcpu, &s);
	/* Tables that are not in memory yet come with KVM_SET_SREGS2 or the next MOV to CR3. */
	if (pae_paging(s.cr0, s.cr4, s.efer))
		pdptrs_load(vcpu);
	if (vector >= 0) {
		ev->interrupt.injected = true;
		ev->interrupt.soft = false;
		ev->interrupt.vector = vector;
	}
	return 0;
}

int hv_sregs2_set(struct hv_vcpu *vcpu, const struct kvm_sregs2 *s)
{
	bool given = s->flags & KVM_SREGS2_FLAGS_PDPTRS_VALID;
	bool pae = pae_paging(s->cr0, s->cr4, s->efer);
	unsigned int i;

	if (s->flags & ~(u64)KVM_SREGS2_FLAGS_PDPTRS_VALID || (given && !pae))
		return -EINVAL;
	for (i = 0; given && i < ARRAY_SIZE(s->pdptrs); i++)
		if (!hv_pdptr_valid(vcpu, s->pdptrs[i]))
			return -EINVAL;
	if (!common_valid(vcpu, s))
		return -EINVAL;
	common_set(vcpu, s);
	if (given)
		pdptrs_set(vcpu, s->pdptrs);
	else if (pae)
		pdptrs_load(vcpu);
	return 0;
}

int hv_translate(struct hv_vcpu *vcpu, struct kvm_translation *tr)
{
	struct hv_walk walk = {};
	int ret = hv_walk(vcpu, tr->linear_address, HV_ACCESS_PROBE | HV_ACCESS_IMPLICIT, &walk);

	tr->valid = !ret;
	tr->physical_address = ret ? ~0ULL : walk.gpa;
	tr->writeable = !ret && walk.writable;
	tr->usermode = !ret && walk.user;
	return 0;
}
