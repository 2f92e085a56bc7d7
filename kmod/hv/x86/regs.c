// SPDX-License-Identifier: GPL-2.0-only
/* General registers: what one means in the current mode, and KVM_GET/SET_REGS. */
#include <linux/kernel.h>

#include "core/request.h"
#include "x86/event.h"
#include "x86/regs.h"

u64 hv_rflags(struct hv_vcpu *vcpu)
{
	hv_reg_need(vcpu, HV_REG_RFLAGS);
	if (unlikely(vcpu->rflags_tf_debug))
		return vcpu->rflags & ~(u64)X86_EFLAGS_TF;
	return vcpu->rflags;
}

void hv_set_rflags(struct hv_vcpu *vcpu, u64 rflags)
{
	if (unlikely(vcpu->rflags_tf_debug))
		rflags |= X86_EFLAGS_TF;
	vcpu->rflags = rflags;
	vcpu->avail |= BIT(HV_REG_RFLAGS);
	vcpu->dirty |= BIT(HV_REG_RFLAGS);
}

u64 hv_gpr_mode(struct hv_vcpu *vcpu, unsigned int n)
{
	u64 value = hv_gpr(vcpu, n);

	return hv_is_64bit(vcpu) ? value : (u32)value;
}

/* The trap that follows an instruction executed in software while TF is set. */
static int single_step(struct hv_vcpu *vcpu)
{
	if (vcpu->debug.guest_debug & KVM_GUESTDBG_SINGLESTEP)
		return hv_debug_exit(vcpu, HV_DB, DR_STEP);
	hv_queue_db(vcpu, DR_STEP);
	return HV_RESUME;
}

/* What hv_skip_insn() did not find to be the ordinary case. */
int hv_skip_insn_slow(struct hv_vcpu *vcpu, unsigned int len)
{
	u64 rip = hv_rip(vcpu), next = rip + len;

	/* Only a change above bit 31 can need wrapping: the mode is not read otherwise. */
	if (unlikely((rip ^ next) >> 32) && !hv_is_64bit(vcpu))
		next = (u32)next;
	hv_set_rip(vcpu, next);
	if (unlikely(vcpu->shadow)) {
		hv_ops->set_interrupt_shadow(vcpu, 0);
		hv_request(vcpu, HV_REQ_EVENT);
	}
	hv_reg_need(vcpu, HV_REG_RFLAGS);
	if (unlikely(vcpu->rflags & X86_EFLAGS_TF))
		return single_step(vcpu);
	return HV_RESUME;
}

void hv_regs_get(struct hv_vcpu *vcpu, struct kvm_regs *regs)
{
	regs->rax = vcpu->gpr[HV_RAX];
	regs->rbx = vcpu->gpr[HV_RBX];
	regs->rcx = vcpu->gpr[HV_RCX];
	regs->rdx = vcpu->gpr[HV_RDX];
	regs->rsi = vcpu->gpr[HV_RSI];
	regs->rdi = vcpu->gpr[HV_RDI];
	regs->rsp = hv_gpr(vcpu, HV_RSP);
	regs->rbp = vcpu->gpr[HV_RBP];
	regs->r8 = vcpu->gpr[HV_R8];
	regs->r9 = vcpu->gpr[HV_R9];
	regs->r10 = vcpu->gpr[HV_R10];
	regs->r11 = vcpu->gpr[HV_R11];
	regs->r12 = vcpu->gpr[HV_R12];
	regs->r13 = vcpu->gpr[HV_R13];
	regs->r14 = vcpu->gpr[HV_R14];
	regs->r15 = vcpu->gpr[HV_R15];
	regs->rip = hv_rip(vcpu);
	regs->rflags = hv_rflags(vcpu);
}

int hv_regs_set(struct hv_vcpu *vcpu, const struct kvm_regs *regs)
{
	vcpu->gpr[HV_RAX] = regs->rax;
	vcpu->gpr[HV_RBX] = regs->rbx;
	vcpu->gpr[HV_RCX] = regs->rcx;
	vcpu->gpr[HV_RDX] = regs->rdx;
	vcpu->gpr[HV_RSI] = regs->rsi;
	vcpu->gpr[HV_RDI] = regs->rdi;
	hv_set_gpr(vcpu, HV_RSP, regs->rsp);
	vcpu->gpr[HV_RBP] = regs->rbp;
	vcpu->gpr[HV_R8] = regs->r8;
	vcpu->gpr[HV_R9] = regs->r9;
	vcpu->gpr[HV_R10] = regs->r10;
	vcpu->gpr[HV_R11] = regs->r11;
	vcpu->gpr[HV_R12] = regs->r12;
	vcpu->gpr[HV_R13] = regs->r13;
	vcpu->gpr[HV_R14] = regs->r14;
	vcpu->gpr[HV_R15] = regs->r15;
	hv_set_rip(vcpu, regs->rip);
	hv_set_rflags(vcpu, (regs->rflags & HV_RFLAGS_KNOWN) | X86_EFLAGS_FIXED);
	/* An exception of the instruction that was left behind no longer applies. */
	vcpu->events.exception.pending = false;
	hv_request(vcpu, HV_REQ_EVENT);
	return 0;
}
