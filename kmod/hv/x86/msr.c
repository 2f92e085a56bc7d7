// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model-specific registers: the exits and the dispatch. What guests touch often
 * comes first and costs a few compares; the rest is in msr_misc.c.
 */
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/apicdef.h>
#include <asm/msr-index.h>
#include <asm/tsc.h>

#include "core/request.h"
#include "irqchip/lapic.h"
#include "x86/cpuid.h"
#include "x86/cr.h"
#include "x86/event.h"
#include "x86/msr.h"
#include "x86/msr_filter.h"
#include "x86/msr_int.h"
#include "x86/regs.h"
#include "x86/tsc.h"

#define X2APIC_MSRS		0x100
#define APIC_BASE_X2APIC	BIT_ULL(10)
#define APIC_BASE_MODE		(MSR_IA32_APICBASE_ENABLE | APIC_BASE_X2APIC)
#define APIC_BASE_RESERVED	(GENMASK_ULL(7, 0) | BIT_ULL(9))
#define MSRS_MAX		256	/* entries one KVM_GET_MSRS may have */

static bool is_x2apic(u32 msr)
{
	return msr - APIC_BASE_MSR < X2APIC_MSRS;
}

bool hv_apic_base_valid(struct hv_vcpu *vcpu, u64 value, bool host)
{
	u64 old = vcpu->msr.apic_base & APIC_BASE_MODE, new = value & APIC_BASE_MODE;

	if (value & (APIC_BASE_RESERVED | ~GENMASK_ULL(vcpu->maxphyaddr - 1, 0)))
		return false;
	if (new == APIC_BASE_X2APIC)
		return false;
	if (new == APIC_BASE_MODE && (!vcpu->lapic || !hv_cpuid_has(vcpu, HV_F_X2APIC)))
		return false;
	if (host)
		return true;
	/* SDM, "x2APIC State Transitions": in from xAPIC only, out to disabled only */
	if (old == APIC_BASE_MODE && new == MSR_IA32_APICBASE_ENABLE)
		return false;
	return old || new != APIC_BASE_MODE;
}

void hv_apic_base_set(struct hv_vcpu *vcpu, u64 value)
{
	if (value != vcpu->msr.apic_base)
		hv_lapic_base_write(vcpu, value, true);
}

static int apic_base_write(struct hv_vcpu *vcpu, u64 value, bool host)
{
	if (!hv_apic_base_valid(vcpu, value, host))
		return HV_MSR_INVALID;
	return hv_lapic_base_write(vcpu, value, host);
}

static int deadline_write(struct hv_vcpu *vcpu, u64 value)
{
	if (vcpu->lapic)
		hv_lapic_deadline_write(vcpu, value);
	return HV_MSR_OK;
}

/* @host: KVM_GET/SET_MSRS, which stop at a failure, not the guest. enum hv_msr_result */
static int read_msr(struct hv_vcpu *vcpu, u32 msr, u64 *value, bool host)
{
	if (is_x2apic(msr))
		return vcpu->lapic ? hv_lapic_x2apic_read(vcpu, msr, value) : HV_MSR_INVALID;
	switch (msr) {
	case MSR_IA32_APICBASE:
		*value = vcpu->msr.apic_base;
		return HV_MSR_OK;
	case MSR_IA32_TSC:
		*value = hv_tsc_guest(vcpu, rdtsc());
		return HV_MSR_OK;
	case MSR_IA32_TSC_ADJUST:
		*value = vcpu->tsc.adjust;
		return HV_MSR_OK;
	case MSR_IA32_TSC_DEADLINE:
		*value = vcpu->lapic ? hv_lapic_deadline_read(vcpu) : 0;
		return HV_MSR_OK;
	case MSR_EFER:
		*value = vcpu->efer;
		return HV_MSR_OK;
	default:
		return hv_msr_misc_read(vcpu, msr, value, host);
	}
}

static int write_msr(struct hv_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	if (is_x2apic(msr))
		return vcpu->lapic ? hv_lapic_x2apic_write(vcpu, msr, value) : HV_MSR_INVALID;
	switch (msr) {
	case MSR_IA32_TSC_DEADLINE:
		return deadline_write(vcpu, value);
	case MSR_IA32_TSC_ADJUST:
		hv_tsc_adjust_write(vcpu, value, host);
		return HV_MSR_OK;
	case MSR_IA32_TSC:
		hv_tsc_write(vcpu, value, host);
		return HV_MSR_OK;
	case MSR_IA32_APICBASE:
		return apic_base_write(vcpu, value, host);
	case MSR_EFER:
		return hv_efer_write(vcpu, value, host);
	default:
		return hv_msr_misc_write(vcpu, msr, value, host);
	}
}

static int finish_rdmsr(struct hv_vcpu *vcpu, u64 value, unsigned int len)
{
	vcpu->gpr[HV_RAX] = (u32)value;
	vcpu->gpr[HV_RDX] = value >> 32;
	return hv_skip_insn(vcpu, len);
}

/* KVM_RUN is back. A changed RIP: user space replaced the vCPU, nothing is left to finish. */
static int complete_rdmsr(struct hv_vcpu *vcpu)
{
	if (hv_rip(vcpu) != vcpu->owed.rip)
		return HV_RESUME;
	if (READ_ONCE(vcpu->run->msr.error))
		return hv_inject_gp(vcpu);
	return finish_rdmsr(vcpu, READ_ONCE(vcpu->run->msr.data), vcpu->owed.len);
}

static int complete_wrmsr(struct hv_vcpu *vcpu)
{
	if (hv_rip(vcpu) != vcpu->owed.rip)
		return HV_RESUME;
	if (READ_ONCE(vcpu->run->msr.error))
		return hv_inject_gp(vcpu);
	return hv_skip_insn(vcpu, vcpu->owed.len);
}

/* An access that is #GP, unless user space asked (KVM_CAP_X86_USER_SPACE_MSR) to decide itself. */
static int refused(struct hv_vcpu *vcpu, u32 reason, bool write, u64 value, unsigned int len)
{
	struct kvm_run *run = vcpu->run;

	if (!(READ_ONCE(vcpu->vm->user_space_msr) & reason))
		return hv_inject_gp(vcpu);
	run->exit_reason = write ? KVM_EXIT_X86_WRMSR : KVM_EXIT_X86_RDMSR;
	run->msr.error = 0;
	memset(run->msr.pad, 0, sizeof(run->msr.pad));
	run->msr.reason = reason;
	run->msr.index = vcpu->gpr[HV_RCX];
	run->msr.data = value;
	vcpu->owed.rip = hv_rip(vcpu);
	vcpu->owed.len = len;
	vcpu->complete = write ? complete_wrmsr : complete_rdmsr;
	return HV_USERSPACE;
}

static u32 reason_of(int result)
{
	return result == HV_MSR_UNKNOWN ? KVM_MSR_EXIT_REASON_UNKNOWN : KVM_MSR_EXIT_REASON_INVAL;
}

static bool filtered(const struct hv_vcpu *vcpu, u32 msr, u32 access)
{
	return static_branch_unlikely(&hv_msr_filter_used.key) &&
	       !hv_msr_filter_allows(vcpu, msr, access);
}

int hv_handle_rdmsr(struct hv_vcpu *vcpu, unsigned int len)
{
	u32 msr = vcpu->gpr[HV_RCX];
	u64 value;
	int ret;

	if (filtered(vcpu, msr, KVM_MSR_FILTER_READ))
		return refused(vcpu, KVM_MSR_EXIT_REASON_FILTER, false, 0, len);
	ret = read_msr(vcpu, msr, &value, false);
	if (unlikely(ret))
		return refused(vcpu, reason_of(ret), false, 0, len);
	return finish_rdmsr(vcpu, value, len);
}

int hv_handle_wrmsr(struct hv_vcpu *vcpu, unsigned int len)
{
	u64 value = (u32)vcpu->gpr[HV_RAX] | vcpu->gpr[HV_RDX] << 32;
	u32 msr = vcpu->gpr[HV_RCX];
	int ret;

	if (filtered(vcpu, msr, KVM_MSR_FILTER_WRITE))
		return refused(vcpu, KVM_MSR_EXIT_REASON_FILTER, true, value, len);
	ret = write_msr(vcpu, msr, value, false);
	if (unlikely(ret == HV_MSR_AGAIN))
		return HV_RESUME;
	if (unlikely(ret))
		return refused(vcpu, reason_of(ret), true, value, len);
	return hv_skip_insn(vcpu, len);
}

/* The entries of a struct kvm_msrs in user space: a kernel copy, or an ERR_PTR */
static struct kvm_msr_entry *entries_copy(struct kvm_msrs __user *u, u32 *n)
{
	if (get_user(*n, &u->nmsrs))
		return ERR_PTR(-EFAULT);
	if (*n > MSRS_MAX)
		return ERR_PTR(-E2BIG);
	return vmemdup_user(u->entries, array_size(*n, sizeof(struct kvm_msr_entry)));
}

static int entries_return(struct kvm_msrs __user *u, struct kvm_msr_entry *entry, u32 n, int done)
{
	int ret = done;

	if (copy_to_user(u->entries, entry, array_size(n, sizeof(*entry))))
		ret = -EFAULT;
	kvfree(entry);
	return ret;
}

int hv_msrs_get(struct hv_vcpu *vcpu, struct kvm_msrs __user *u)
{
	struct kvm_msr_entry *entry;
	u32 n, i;

	entry = entries_copy(u, &n);
	if (IS_ERR(entry))
		return PTR_ERR(entry);
	for (i = 0; i < n; i++)
		if (read_msr(vcpu, entry[i].index, &entry[i].data, true))
			break;
	return entries_return(u, entry, n, i);
}

int hv_msrs_set(struct hv_vcpu *vcpu, struct kvm_msrs __user *u)
{
	struct kvm_msr_entry *entry;
	u32 n, i;

	entry = entries_copy(u, &n);
	if (IS_ERR(entry))
		return PTR_ERR(entry);
	for (i = 0; i < n; i++)
		if (write_msr(vcpu, entry[i].index, entry[i].data, true))
			break;
	kvfree(entry);
	return i;
}

int hv_msrs_get_feature(struct kvm_msrs __user *u)
{
	struct kvm_msr_entry *entry;
	u32 n, i;

	entry = entries_copy(u, &n);
	if (IS_ERR(entry))
		return PTR_ERR(entry);
	for (i = 0; i < n; i++)
		if (hv_msr_feature(entry[i].index, &entry[i].data))
			break;
	return entries_return(u, entry, n, i);
}
