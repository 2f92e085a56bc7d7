// SPDX-License-Identifier: GPL-2.0-only
/* The VMCB and the permission maps: what is intercepted from the start. */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <asm/msr-index.h>

#include "svm/svm.h"
#include "x86/msr_filter.h"

#define IOPM_ORDER	2	/* 12 KiB of bits, 16 allocated */
#define MSRPM_ORDER	1	/* two bits an MSR for three ranges of 8192 */
#define MSRPM_RANGE	0x2000
#define MSRPM_BYTES(n)	((n) * MSRPM_RANGE / 4)

#define PAUSE_COUNT	3000	/* PAUSEs in a tight loop before the guest yields */
#define PAUSE_THRESHOLD	128	/* TSC ticks between two that still make a loop */

static void *svm_iopm;		/* all ones, shared by all VMs */

int svm_vmcb_init_maps(void)
{
	svm_iopm = (void *)__get_free_pages(GFP_KERNEL, IOPM_ORDER);
	if (!svm_iopm)
		return -ENOMEM;
	memset(svm_iopm, 0xff, PAGE_SIZE << IOPM_ORDER);
	return 0;
}

void svm_vmcb_free_maps(void)
{
	free_pages((unsigned long)svm_iopm, IOPM_ORDER);
	svm_iopm = NULL;
}

/* The bit of reads of @msr; the next one is for writes. */
static unsigned long msrpm_bit(u32 msr)
{
	static const u32 base[] = { 0, 0xc0000000, 0xc0010000 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(base); i++)
		if (msr >= base[i] && msr < base[i] + MSRPM_RANGE)
			return MSRPM_BYTES(i) * 8 + (msr - base[i]) * 2;
	return 0;
}

/* These live in the VMCB and are switched by VMLOAD and VMSAVE: the guest may have them. */
static const u32 passed_msrs[] = {
	MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE,
	MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK,
	MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
};

static void pass_msr(struct hv_svm *svm, u32 msr)
{
	const struct hv_vcpu *vcpu = &svm->vcpu;
	unsigned long bit = msrpm_bit(msr);

	__assign_bit(bit, svm->msrpm, !hv_msr_filter_allows(vcpu, msr, KVM_MSR_FILTER_READ));
	__assign_bit(bit + 1, svm->msrpm, !hv_msr_filter_allows(vcpu, msr, KVM_MSR_FILTER_WRITE));
}

void svm_update_msr_maps(struct hv_vcpu *vcpu)
{
	struct hv_svm *svm = to_svm(vcpu);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(passed_msrs); i++)
		pass_msr(svm, passed_msrs[i]);
	svm_mark_dirty(vcpu, SVM_CLEAN_PERM_MAP);
}

int svm_vmcb_create(struct hv_svm *svm)
{
	svm->vmcb = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!svm->vmcb)
		return -ENOMEM;
	svm->msrpm = (void *)__get_free_pages(GFP_KERNEL_ACCOUNT, MSRPM_ORDER);
	if (!svm->msrpm) {
		free_page((unsigned long)svm->vmcb);
		return -ENOMEM;
	}
	memset(svm->msrpm, 0xff, PAGE_SIZE << MSRPM_ORDER);
	svm_update_msr_maps(&svm->vcpu);
	svm->vmcb_pa = __pa(svm->vmcb);
	return 0;
}

void svm_vmcb_destroy(struct hv_svm *svm)
{
	free_pages((unsigned long)svm->msrpm, MSRPM_ORDER);
	free_page((unsigned long)svm->vmcb);
}

static const u8 intercepts[] = {
	INTERCEPT_CR0_READ, INTERCEPT_CR0_WRITE, INTERCEPT_CR4_WRITE,
	INTERCEPT_CR8_READ, INTERCEPT_CR8_WRITE,
	INTERCEPT_DR0_READ, INTERCEPT_DR1_READ, INTERCEPT_DR2_READ, INTERCEPT_DR3_READ,
	INTERCEPT_DR4_READ, INTERCEPT_DR5_READ, INTERCEPT_DR6_READ, INTERCEPT_DR7_READ,
	INTERCEPT_DR0_WRITE, INTERCEPT_DR1_WRITE, INTERCEPT_DR2_WRITE, INTERCEPT_DR3_WRITE,
	INTERCEPT_DR4_WRITE, INTERCEPT_DR5_WRITE, INTERCEPT_DR6_WRITE, INTERCEPT_DR7_WRITE,
	INTERCEPT_INTR, INTERCEPT_NMI, INTERCEPT_SMI, INTERCEPT_INIT,
	INTERCEPT_SELECTIVE_CR0, INTERCEPT_RDPMC, INTERCEPT_CPUID, INTERCEPT_INVD,
	INTERCEPT_INVLPGA, INTERCEPT_IOIO_PROT, INTERCEPT_MSR_PROT,
	INTERCEPT_SHUTDOWN, INTERCEPT_VMRUN, INTERCEPT_VMMCALL, INTERCEPT_VMLOAD,
	INTERCEPT_VMSAVE, INTERCEPT_STGI, INTERCEPT_CLGI, INTERCEPT_SKINIT,
	INTERCEPT_WBINVD, INTERCEPT_XSETBV, INTERCEPT_RDPRU, INTERCEPT_RSM,
};

/*
 * Exceptions: a machine check is the host's; #DB and #AC can loop inside delivery for ever; #UD may
 * be the other vendor's hypercall.
 */
static const u8 intercepted_exceptions[] = { HV_DB, HV_UD, HV_AC, HV_MC };

/* KVM_CAP_X86_DISABLE_EXITS */
void svm_update_exits(struct hv_svm *svm)
{
	struct hv_vcpu *vcpu = &svm->vcpu;
	u64 disabled = vcpu->vm->disabled_exits;

	svm_intercept(vcpu, INTERCEPT_HLT, !(disabled & KVM_X86_DISABLE_EXITS_HLT));
	svm_intercept(vcpu, INTERCEPT_MONITOR, !(disabled & KVM_X86_DISABLE_EXITS_MWAIT));
	svm_intercept(vcpu, INTERCEPT_MWAIT, !(disabled & KVM_X86_DISABLE_EXITS_MWAIT));
	svm_intercept(vcpu, INTERCEPT_PAUSE,
		      svm_has_pause_filter && !(disabled & KVM_X86_DISABLE_EXITS_PAUSE));
}

void svm_vmcb_init(struct hv_svm *svm)
{
	struct vmcb_control_area *control = &svm->vmcb->control;
	struct hv_vcpu *vcpu = &svm->vcpu;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(intercepts); i++)
		svm_intercept(vcpu, intercepts[i], true);
	for (i = 0; i < ARRAY_SIZE(intercepted_exceptions); i++)
		svm_intercept(vcpu, INTERCEPT_EXCEPTION_OFFSET + intercepted_exceptions[i], true);
	svm_update_exits(svm);
	if (svm_has_pause_filter) {
		control->pause_filter_count = PAUSE_COUNT;
		if (boot_cpu_has(X86_FEATURE_PFTHRESHOLD))
			control->pause_filter_thresh = PAUSE_THRESHOLD;
	}
	control->iopm_base_pa = __pa(svm_iopm);
	control->msrpm_base_pa = __pa(svm->msrpm);
	control->int_ctl = V_INTR_MASKING_MASK;
	control->nested_ctl = SVM_NESTED_CTL_NP_ENABLE;
	control->nested_cr3 = vcpu->vm->tdp.root_pa[vcpu->as];
	svm->vmcb->save.g_pat = vcpu->msr.pat;
	control->clean = 0;
}
