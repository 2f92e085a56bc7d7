/* SPDX-License-Identifier: GPL-2.0-only */
/* Register access for shared code, and the ioctls that get and set registers. */
#ifndef VELLUM_X86_REGS_H
#define VELLUM_X86_REGS_H

#include <asm/debugreg.h>
#include <asm/processor-flags.h>

#include "core/ops.h"
#include "core/vcpu.h"

/* Bits that exist; the others read as zero (SDM volume 1, "EFLAGS Register"). */
#define HV_RFLAGS_KNOWN (X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF |	\
		      X86_EFLAGS_SF | X86_EFLAGS_TF | X86_EFLAGS_IF | X86_EFLAGS_DF |	\
		      X86_EFLAGS_OF | X86_EFLAGS_IOPL | X86_EFLAGS_NT | X86_EFLAGS_RF |	\
		      X86_EFLAGS_VM | X86_EFLAGS_AC | X86_EFLAGS_VIF | X86_EFLAGS_VIP |	\
		      X86_EFLAGS_ID)

static inline void hv_reg_need(struct hv_vcpu *vcpu, enum hv_reg reg)
{
	if (!(vcpu->avail & BIT(reg)))
		static_call(hv_cache_reg)(vcpu, reg);
}

static inline u64 hv_gpr(struct hv_vcpu *vcpu, unsigned int n)
{
	if (n == HV_RSP)
		hv_reg_need(vcpu, HV_REG_RSP);
	return vcpu->gpr[n];
}

static inline void hv_set_gpr(struct hv_vcpu *vcpu, unsigned int n, u64 value)
{
	vcpu->gpr[n] = value;
	if (n == HV_RSP) {
		vcpu->avail |= BIT(HV_REG_RSP);
		vcpu->dirty |= BIT(HV_REG_RSP);
	}
}

static inline u64 hv_rip(struct hv_vcpu *vcpu)
{
	hv_reg_need(vcpu, HV_REG_RIP);
	return vcpu->rip;
}

static inline void hv_set_rip(struct hv_vcpu *vcpu, u64 rip)
{
	vcpu->rip = rip;
	vcpu->avail |= BIT(HV_REG_RIP);
	vcpu->dirty |= BIT(HV_REG_RIP);
}

/* as the guest sees them: without a TF that belongs to guest debugging */
u64 hv_rflags(struct hv_vcpu *vcpu);
void hv_set_rflags(struct hv_vcpu *vcpu, u64 rflags);

static inline u64 hv_cr0(struct hv_vcpu *vcpu)
{
	hv_reg_need(vcpu, HV_REG_CR0);
	return vcpu->cr0;
}

static inline u64 hv_cr3(struct hv_vcpu *vcpu)
{
	hv_reg_need(vcpu, HV_REG_CR3);
	return vcpu->cr3;
}

static inline u64 hv_cr4(struct hv_vcpu *vcpu)
{
	hv_reg_need(vcpu, HV_REG_CR4);
	return vcpu->cr4;
}

static inline bool hv_long_mode(struct hv_vcpu *vcpu)	/* EFER.LMA */
{
	return vcpu->efer & BIT_ULL(10);
}

/* LMA and CS.L. A back end's set_segment() of CS or SS drops HV_REG_CS_SS from avail. */
static inline bool hv_is_64bit(struct hv_vcpu *vcpu)
{
	if (!hv_long_mode(vcpu))
		return false;
	hv_reg_need(vcpu, HV_REG_CS_SS);
	return vcpu->cs_l;
}

static inline u8 hv_cpl(struct hv_vcpu *vcpu)
{
	hv_reg_need(vcpu, HV_REG_CS_SS);
	return vcpu->cpl;
}

/* a register operand as the current mode reads it: truncated to 32 bits outside 64-bit mode */
u64 hv_gpr_mode(struct hv_vcpu *vcpu, unsigned int n);
/*
 * rip += len (wrapped to the mode), interrupt shadow cleared, single-step trap
 * queued if due: HV_RESUME or HV_USERSPACE
 */
int hv_skip_insn_slow(struct hv_vcpu *vcpu, unsigned int len);

static inline int hv_skip_insn(struct hv_vcpu *vcpu, unsigned int len)
{
	const unsigned long known = BIT(HV_REG_RIP) | BIT(HV_REG_RFLAGS);
	u64 next = vcpu->rip + len;

	if (unlikely((vcpu->avail & known) != known || vcpu->shadow ||
		     (vcpu->rflags & X86_EFLAGS_TF) || (vcpu->rip ^ next) >> 32))
		return hv_skip_insn_slow(vcpu, len);
	vcpu->rip = next;
	vcpu->dirty |= BIT(HV_REG_RIP);
	return HV_RESUME;
}

/* ioctls; @vcpu loaded. 0 or -errno. The set_ ones validate all, then act. */
void hv_regs_get(struct hv_vcpu *vcpu, struct kvm_regs *regs);
int hv_regs_set(struct hv_vcpu *vcpu, const struct kvm_regs *regs);
void hv_sregs_get(struct hv_vcpu *vcpu, struct kvm_sregs *sregs);
int hv_sregs_set(struct hv_vcpu *vcpu, const struct kvm_sregs *sregs);
void hv_sregs2_get(struct hv_vcpu *vcpu, struct kvm_sregs2 *sregs);
int hv_sregs2_set(struct hv_vcpu *vcpu, const struct kvm_sregs2 *sregs);
void hv_debugregs_get(struct hv_vcpu *vcpu, struct kvm_debugregs *regs);
int hv_debugregs_set(struct hv_vcpu *vcpu, const struct kvm_debugregs *regs);
int hv_guest_debug_set(struct hv_vcpu *vcpu, const struct kvm_guest_debug *dbg);
int hv_translate(struct hv_vcpu *vcpu, struct kvm_translation *tr);

/* RESET (false) or INIT (true): shared state, then hv_ops->vcpu_reset. Loaded. */
void hv_vcpu_reset(struct hv_vcpu *vcpu, bool init);

/* exits */
int hv_handle_dr(struct hv_vcpu *vcpu, const struct hv_dr *dr, unsigned int len);
/* fill run->debug for KVM_EXIT_DEBUG: HV_USERSPACE */
int hv_debug_exit(struct hv_vcpu *vcpu, u8 vector, u64 dr6_bits);
/* recompute eff_db/eff_dr7/want after DR7 or guest_debug changed */
void hv_debug_update(struct hv_vcpu *vcpu);

#endif /* VELLUM_X86_REGS_H */
