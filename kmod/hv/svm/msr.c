// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs of the guest that hardware holds: most live in the VMCB's save area and
 * are switched by VMRUN or VMLOAD; SPEC_CTRL is switched in svm.c.
 */
#include <asm/msr-index.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>

#include "svm/svm.h"
#include "x86/cpuid.h"

static u64 *save_area_msr(struct hv_vcpu *vcpu, u32 msr)
{
	struct vmcb_save_area *save = svm_save(vcpu);

	switch (msr) {
	case MSR_FS_BASE:
		return &save->fs.base;
	case MSR_GS_BASE:
		return &save->gs.base;
	case MSR_KERNEL_GS_BASE:
		return &save->kernel_gs_base;
	case MSR_STAR:
		return &save->star;
	case MSR_LSTAR:
		return &save->lstar;
	case MSR_CSTAR:
		return &save->cstar;
	case MSR_SYSCALL_MASK:
		return &save->sfmask;
	case MSR_IA32_SYSENTER_CS:
		return &save->sysenter_cs;
	case MSR_IA32_SYSENTER_ESP:
		return &save->sysenter_esp;
	case MSR_IA32_SYSENTER_EIP:
		return &save->sysenter_eip;
	default:
		return NULL;
	}
}

int svm_get_msr(struct hv_vcpu *vcpu, u32 msr, u64 *value)
{
	const u64 *field = save_area_msr(vcpu, msr);

	if (field) {
		*value = *field;
		return HV_MSR_OK;
	}
	switch (msr) {
	case MSR_IA32_SPEC_CTRL:
		*value = vcpu->msr.spec_ctrl;
		return HV_MSR_OK;
	case MSR_IA32_DEBUGCTLMSR:
		*value = svm_save(vcpu)->dbgctl;
		return HV_MSR_OK;
	default:
		return HV_MSR_UNKNOWN;
	}
}

static int set_spec_ctrl(struct hv_vcpu *vcpu, u64 value, bool host)
{
	u64 known = 0;

	if (boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL)) {
		if (hv_cpuid_has(vcpu, HV_F_SPEC_CTRL))
			known |= SPEC_CTRL_IBRS;
		if (hv_cpuid_has(vcpu, HV_F_STIBP))
			known |= SPEC_CTRL_STIBP;
		if (hv_cpuid_has(vcpu, HV_F_SSBD))
			known |= SPEC_CTRL_SSBD;
	}
	/* The MSR exists with any of them; user space may always write what RESET left there. */
	if ((value & ~known) || (!known && !host))
		return HV_MSR_INVALID;
	vcpu->msr.spec_ctrl = value;
	return HV_MSR_OK;
}

static int set_pred_cmd(struct hv_vcpu *vcpu, u64 value)
{
	if (!boot_cpu_has(X86_FEATURE_IBPB) || !hv_cpuid_has(vcpu, HV_F_IBPB))
		return HV_MSR_INVALID;
	if (value & ~(u64)PRED_CMD_IBPB)
		return HV_MSR_INVALID;
	if (value)
		wrmsrl(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
	return HV_MSR_OK;
}

static int set_debugctl(struct hv_vcpu *vcpu, u64 value)
{
	/* Last-branch records are not offered: branch single-stepping is all there is. */
	if (value & ~(u64)DEBUGCTLMSR_BTF)
		return HV_MSR_INVALID;
	svm_save(vcpu)->dbgctl = value;
	return HV_MSR_OK;
}

/* Addresses are canonical: x86/msr_misc.c looked. */
int svm_set_msr(struct hv_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	u64 *field = save_area_msr(vcpu, msr);

	if (field) {
		*field = value;
		svm_control(vcpu)->clean = 0;
		return HV_MSR_OK;
	}
	switch (msr) {
	case MSR_IA32_SPEC_CTRL:
		return set_spec_ctrl(vcpu, value, host);
	case MSR_IA32_PRED_CMD:
		return set_pred_cmd(vcpu, value);
	case MSR_IA32_DEBUGCTLMSR:
		return set_debugctl(vcpu, value);
	default:
		return HV_MSR_UNKNOWN;
	}
}
