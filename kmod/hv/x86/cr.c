// SPDX-License-Identifier: GPL-2.0-only
/*
 * Control registers and EFER: what is legal and what a change entails (SDM
 * volume 3, "Control Registers", "Initializing IA-32e Mode", "Invalidation of
 * TLBs and Paging-Structure Caches").
 */
#include <linux/kernel.h>
#include <linux/mm_types.h>
#include <asm/msr-index.h>
#include <asm/fpu/types.h>

#include "core/request.h"
#include "irqchip/lapic.h"
#include "memory/guest.h"
#include "x86/cpuid.h"
#include "x86/cr.h"
#include "x86/event.h"
#include "x86/fpu.h"
#include "x86/regs.h"

#define CR0_KNOWN (X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET |	\
		   X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | X86_CR0_NW | X86_CR0_CD | X86_CR0_PG)
/* Changes that make the CPU read the PDPTEs again in PAE paging. */
#define CR0_PDPTR_BITS	(X86_CR0_CD | X86_CR0_NW | X86_CR0_PG)
#define CR4_PDPTR_BITS	(X86_CR4_PAE | X86_CR4_PGE | X86_CR4_PSE | X86_CR4_SMEP)
#define CR4_FLUSH_BITS	(CR4_PDPTR_BITS | X86_CR4_PCIDE | X86_CR4_SMAP | X86_CR4_LA57)
#define CR4_CPUID_BITS	(X86_CR4_OSXSAVE | X86_CR4_PKE)
#define CR3_NOFLUSH	BIT_ULL(63)
#define CR3_PCID	GENMASK_ULL(11, 0)
#define CR3_PAE_BASE	GENMASK_ULL(31, 5)
#define CR8_KNOWN	GENMASK_ULL(3, 0)
#define LMSW_BITS	(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS)
#define TSS_BUSY_64	11
#define PDPTE_PRESENT	BIT_ULL(0)
#define PDPTE_ACCESSED	BIT_ULL(5)
#define PDPTE_RESERVED	(GENMASK_ULL(2, 1) | GENMASK_ULL(8, 5))

bool hv_cr0_valid(struct hv_vcpu *vcpu, u64 value)
{
	if (value >> 32)
		return false;
	if ((value & X86_CR0_PG) && !(value & X86_CR0_PE))
		return false;
	return !(value & X86_CR0_NW) || (value & X86_CR0_CD);
}

bool hv_cr4_valid(struct hv_vcpu *vcpu, u64 value)
{
	return !(value & vcpu->cr4_reserved);
}

/* The host may set what the CPU has: VMMs do so before they set CPUID. */
bool hv_efer_valid(struct hv_vcpu *vcpu, u64 value)
{
	u64 known = EFER_SCE | EFER_LME | EFER_LMA;

	if (boot_cpu_has(X86_FEATURE_NX))
		known |= EFER_NX;
	if (boot_cpu_has(X86_FEATURE_FXSR_OPT))
		known |= EFER_FFXSR;
	return !(value & ~known);
}

bool hv_efer_valid_for_guest(const struct hv_vcpu *vcpu, u64 value)
{
	if ((value & (EFER_LME | EFER_LMA)) && !hv_cpuid_has(vcpu, HV_F_LM))
		return false;
	if ((value & EFER_NX) && !hv_cpuid_has(vcpu, HV_F_NX))
		return false;
	return !(value & EFER_FFXSR) || hv_cpuid_has(vcpu, HV_F_FXSR_OPT);
}

u64 hv_cr3_mask(struct hv_vcpu *vcpu, u64 cr4)
{
	u64 frames = GENMASK_ULL(vcpu->maxphyaddr - 1, 0);

	return frames | (cr4 & X86_CR4_PCIDE ? CR3_NOFLUSH : 0);
}

bool hv_pdptr_valid(struct hv_vcpu *vcpu, u64 pdptr)
{
	u64 reserved = PDPTE_RESERVED | ~GENMASK_ULL(vcpu->maxphyaddr - 1, 0);

	return !(pdptr & PDPTE_PRESENT) || !(pdptr & reserved);
}

int hv_pdptrs_load(struct hv_vcpu *vcpu, u64 cr3)
{
	u64 pdptr[ARRAY_SIZE(vcpu->pdptr)];
	unsigned int i;

	if (hv_guest_read(vcpu, cr3 & CR3_PAE_BASE, pdptr, sizeof(pdptr)))
		return 1;
	for (i = 0; i < ARRAY_SIZE(pdptr); i++) {
		if (hv_caps.pdptes_in_memory)
			pdptr[i] &= ~PDPTE_ACCESSED;
		if (!hv_pdptr_valid(vcpu, pdptr[i]))
			return 1;
	}
	memcpy(vcpu->pdptr, pdptr, sizeof(pdptr));
	vcpu->avail |= BIT(HV_REG_PDPTR);
	return 0;
}

/* Back ends take vcpu->pdptr when CR3 is set in PAE paging. */
static void pdptrs_follow(struct hv_vcpu *vcpu)
{
	if ((hv_cr0(vcpu) & X86_CR0_PG) && (hv_cr4(vcpu) & X86_CR4_PAE) && !hv_long_mode(vcpu))
		hv_ops->set_cr3(vcpu, hv_cr3(vcpu));
}

static bool cs_is_64bit_code(struct hv_vcpu *vcpu)
{
	hv_reg_need(vcpu, HV_REG_CS_SS);
	return vcpu->cs_l;
}

/* LMA = 1 wants a busy 64-bit TSS in TR; a real CPU checks that in LTR only. */
static void tr_for_long_mode(struct hv_vcpu *vcpu)
{
	struct kvm_segment tr;

	hv_ops->get_segment(vcpu, HV_TR, &tr);
	if (tr.type == TSS_BUSY_64)
		return;
	tr.type = TSS_BUSY_64;
	hv_ops->set_segment(vcpu, HV_TR, &tr);
}

static int paging_on_check(struct hv_vcpu *vcpu)
{
	u64 cr4 = hv_cr4(vcpu);

	if (vcpu->efer & EFER_LME)
		return !(cr4 & X86_CR4_PAE) || cs_is_64bit_code(vcpu);
	return cr4 & X86_CR4_PAE ? hv_pdptrs_load(vcpu, hv_cr3(vcpu)) : 0;
}

/* What a new CR0.PG or other bit demands: 0, or 1 for #GP(0). */
static int cr0_check(struct hv_vcpu *vcpu, u64 value, u64 changed)
{
	if ((changed & X86_CR0_PG) && (value & X86_CR0_PG))
		return paging_on_check(vcpu);
	if (changed & X86_CR0_PG)
		return hv_cr4(vcpu) & X86_CR4_PCIDE || hv_is_64bit(vcpu);
	if ((value & X86_CR0_PG) && (changed & CR0_PDPTR_BITS) && !hv_long_mode(vcpu) &&
	    (hv_cr4(vcpu) & X86_CR4_PAE))
		return hv_pdptrs_load(vcpu, hv_cr3(vcpu));
	return 0;
}

/* EFER.LMA is LME and PG. */
static void long_mode_follow(struct hv_vcpu *vcpu, u64 cr0)
{
	bool lma = (vcpu->efer & EFER_LME) && (cr0 & X86_CR0_PG);

	if (lma == hv_long_mode(vcpu))
		return;
	if (lma)
		tr_for_long_mode(vcpu);
	hv_ops->set_efer(vcpu, vcpu->efer ^ EFER_LMA);
}

int hv_cr0_write(struct hv_vcpu *vcpu, u64 value)
{
	u64 changed;

	if (!hv_cr0_valid(vcpu, value))
		return 1;
	value = (value & CR0_KNOWN) | X86_CR0_ET;
	changed = value ^ hv_cr0(vcpu);
	if (!changed)
		return 0;
	if (cr0_check(vcpu, value, changed))
		return 1;
	if (changed & X86_CR0_PG) {
		long_mode_follow(vcpu, value);
		hv_request(vcpu, HV_REQ_GUEST_FLUSH);
	}
	hv_ops->set_cr0(vcpu, value);
	if (changed & CR0_PDPTR_BITS)
		pdptrs_follow(vcpu);
	return 0;
}

static int cr3_write(struct hv_vcpu *vcpu, u64 value)
{
	bool keep = value & CR3_NOFLUSH && hv_cr4(vcpu) & X86_CR4_PCIDE;

	if (hv_long_mode(vcpu)) {
		if (value & ~hv_cr3_mask(vcpu, hv_cr4(vcpu)))
			return 1;
	} else if ((hv_cr0(vcpu) & X86_CR0_PG) && (hv_cr4(vcpu) & X86_CR4_PAE)) {
		if (hv_pdptrs_load(vcpu, value))
			return 1;
	}
	hv_ops->set_cr3(vcpu, value & ~CR3_NOFLUSH);
	if (!keep)
		hv_request(vcpu, HV_REQ_GUEST_FLUSH);
	return 0;
}

/* The combinations that depend on the current mode: 0, or 1 for #GP(0). */
static int cr4_check(struct hv_vcpu *vcpu, u64 value, u64 changed)
{
	if ((changed & X86_CR4_PCIDE) && (value & X86_CR4_PCIDE) &&
	    (!hv_long_mode(vcpu) || hv_cr3(vcpu) & CR3_PCID))
		return 1;
	if (hv_long_mode(vcpu))
		return !(value & X86_CR4_PAE) || (changed & X86_CR4_LA57);
	if ((hv_cr0(vcpu) & X86_CR0_PG) && (value & X86_CR4_PAE) &&
	    (changed & CR4_PDPTR_BITS))
		return hv_pdptrs_load(vcpu, hv_cr3(vcpu));
	return 0;
}

static int cr4_write(struct hv_vcpu *vcpu, u64 value)
{
	u64 changed = value ^ hv_cr4(vcpu);

	if (!hv_cr4_valid(vcpu, value) || cr4_check(vcpu, value, changed))
		return 1;
	hv_ops->set_cr4(vcpu, value);
	hv_fpu_update(vcpu);
	if (changed & CR4_PDPTR_BITS)
		pdptrs_follow(vcpu);
	if (changed & CR4_FLUSH_BITS)
		hv_request(vcpu, HV_REQ_GUEST_FLUSH);
	if (changed & CR4_CPUID_BITS)
		hv_cpuid_refresh(vcpu);
	return 0;
}

int hv_cr8_write(struct hv_vcpu *vcpu, u64 value)
{
	if (value & ~CR8_KNOWN)
		return 1;
	if (vcpu->lapic)
		hv_lapic_set_tpr(vcpu, value);
	else
		vcpu->cr8 = value;
	return 0;
}

u64 hv_cr8_read(struct hv_vcpu *vcpu)
{
	return vcpu->lapic ? hv_lapic_tpr(vcpu) : vcpu->cr8;
}

int hv_efer_write(struct hv_vcpu *vcpu, u64 value, bool host)
{
	u64 changed;

	/* LMA is the CPU's: a write of it changes nothing. */
	if (!hv_efer_valid(vcpu, value) || (!host && !hv_efer_valid_for_guest(vcpu, value)))
		return HV_MSR_INVALID;
	value = (value & ~(u64)EFER_LMA) | (vcpu->efer & EFER_LMA);
	changed = value ^ vcpu->efer;
	if (!host && (changed & EFER_LME) && (hv_cr0(vcpu) & X86_CR0_PG))
		return HV_MSR_INVALID;
	if (!changed)
		return HV_MSR_OK;
	hv_ops->set_efer(vcpu, value);
	if (changed & EFER_NX)
		hv_request(vcpu, HV_REQ_GUEST_FLUSH);
	return HV_MSR_OK;
}

/* SDM volume 1, "Enabling the XSAVE Feature Set and XSAVE-Enabled Features" */
static bool xcr0_valid(const struct hv_vcpu *vcpu, u64 value)
{
	const u64 bnd = XFEATURE_MASK_BNDREGS | XFEATURE_MASK_BNDCSR;

	if (value & ~vcpu->fpu.xcr0_allowed || !(value & XFEATURE_MASK_FP))
		return false;
	if ((value & XFEATURE_MASK_YMM) && !(value & XFEATURE_MASK_SSE))
		return false;
	if ((value & bnd) && (value & bnd) != bnd)
		return false;
	if (!(value & XFEATURE_MASK_AVX512))
		return true;
	return (value & XFEATURE_MASK_YMM) &&
	       (value & XFEATURE_MASK_AVX512) == XFEATURE_MASK_AVX512;
}

int hv_xcr_write(struct hv_vcpu *vcpu, u32 index, u64 value)
{
	if (index)
		return 1;
	/* A vCPU whose CPUID has no XSAVE has the XCR0 of reset, and may be told to keep it. */
	if (vcpu->fpu.xcr0 == value)
		return 0;
	if (!xcr0_valid(vcpu, value))
		return 1;
	vcpu->fpu.xcr0 = value;
	hv_fpu_update(vcpu);
	hv_cpuid_refresh(vcpu);
	return 0;
}

int hv_handle_xsetbv(struct hv_vcpu *vcpu, unsigned int len)
{
	u64 value = (u32)vcpu->gpr[HV_RAX] | vcpu->gpr[HV_RDX] << 32;

	if (!(vcpu->cr4 & X86_CR4_OSXSAVE))
		return hv_inject_ud(vcpu);
	if (hv_cpl(vcpu) || hv_xcr_write(vcpu, vcpu->gpr[HV_RCX], value))
		return hv_inject_gp(vcpu);
	return hv_skip_insn(vcpu, len);
}

static u64 cr_read(struct hv_vcpu *vcpu, unsigned int cr)
{
	switch (cr) {
	case 0:
		return hv_cr0(vcpu);
	case 3:
		return hv_cr3(vcpu);
	case 4:
		return hv_cr4(vcpu);
	default:
		return hv_cr8_read(vcpu);
	}
}

static int cr_write(struct hv_vcpu *vcpu, unsigned int cr, u64 value)
{
	switch (cr) {
	case 0:
		return hv_cr0_write(vcpu, value);
	case 3:
		return cr3_write(vcpu, value);
	case 4:
		return cr4_write(vcpu, value);
	default:
		return hv_cr8_write(vcpu, value);
	}
}

/* A VMM that keeps the APIC itself hears of a lower TPR: it may unblock an interrupt. */
static int cr8_lowered(struct hv_vcpu *vcpu, unsigned int len)
{
	int ret = hv_skip_insn(vcpu, len);

	if (ret != HV_RESUME)
		return ret;
	vcpu->run->exit_reason = KVM_EXIT_SET_TPR;
	return HV_USERSPACE;
}

static int mov_to_cr(struct hv_vcpu *vcpu, const struct hv_cr *cr, unsigned int len)
{
	u64 before = cr->cr == 8 && !vcpu->lapic ? vcpu->cr8 : 0;

	if (cr_write(vcpu, cr->cr, hv_gpr_mode(vcpu, cr->gpr)))
		return hv_inject_gp(vcpu);
	if (before && vcpu->cr8 < before)
		return cr8_lowered(vcpu, len);
	return hv_skip_insn(vcpu, len);
}

/* LMSW sets PE but never clears it. */
static u64 lmsw_value(struct hv_vcpu *vcpu, u16 source)
{
	u64 cr0 = hv_cr0(vcpu);

	return (cr0 & ~(u64)(LMSW_BITS & ~X86_CR0_PE)) | (source & LMSW_BITS);
}

int hv_handle_cr(struct hv_vcpu *vcpu, const struct hv_cr *cr, unsigned int len)
{
	int fault = 0;

	switch (cr->op) {
	case HV_CR_READ:
		hv_set_gpr(vcpu, cr->gpr, cr_read(vcpu, cr->cr));
		break;
	case HV_CR_WRITE:
		return mov_to_cr(vcpu, cr, len);
	case HV_CR_CLTS:
		fault = hv_cr0_write(vcpu, hv_cr0(vcpu) & ~(u64)X86_CR0_TS);
		break;
	case HV_CR_LMSW:
		fault = hv_cr0_write(vcpu, lmsw_value(vcpu, cr->lmsw));
		break;
	}
	return fault ? hv_inject_gp(vcpu) : hv_skip_insn(vcpu, len);
}
