// SPDX-License-Identifier: GPL-2.0-only
/* Which MSRs a VMM saves and restores, and which describe the host. */
#include <linux/kernel.h>
#include <linux/uaccess.h>
#include <uapi/linux/kvm_para.h>
#include <asm/cpufeature.h>
#include <asm/msr-index.h>

#include "core/ops.h"
#include "x86/fpu.h"
#include "x86/mce.h"
#include "x86/msr.h"
#include "x86/msr_int.h"

/* On every CPU we run on. */
static const u32 common_msrs[] = {
	MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP, MSR_STAR, MSR_LSTAR,
	MSR_CSTAR, MSR_SYSCALL_MASK, MSR_KERNEL_GS_BASE, MSR_FS_BASE, MSR_GS_BASE, MSR_EFER,
	MSR_IA32_TSC, MSR_IA32_TSC_ADJUST, MSR_IA32_TSC_DEADLINE, MSR_IA32_CR_PAT,
	MSR_IA32_APICBASE, MSR_IA32_MISC_ENABLE, MSR_IA32_UCODE_REV, MSR_PLATFORM_INFO,
	MSR_MISC_FEATURES_ENABLES, MSR_IA32_DEBUGCTLMSR,
	MSR_MTRRdefType,
	0x200, 0x201, 0x202, 0x203, 0x204, 0x205, 0x206, 0x207,	/* variable MTRR pairs */
	0x208, 0x209, 0x20a, 0x20b, 0x20c, 0x20d, 0x20e, 0x20f,
	MSR_MTRRfix64K_00000, MSR_MTRRfix16K_80000, MSR_MTRRfix16K_A0000,
	MSR_MTRRfix4K_C0000, MSR_MTRRfix4K_C8000, MSR_MTRRfix4K_D0000, MSR_MTRRfix4K_D8000,
	MSR_MTRRfix4K_E0000, MSR_MTRRfix4K_E8000, MSR_MTRRfix4K_F0000, MSR_MTRRfix4K_F8000,
	MSR_IA32_SMBASE, MSR_SMI_COUNT, MSR_IA32_MCG_STATUS, MSR_K7_HWCR,
	MSR_KVM_WALL_CLOCK, MSR_KVM_SYSTEM_TIME, MSR_KVM_WALL_CLOCK_NEW, MSR_KVM_SYSTEM_TIME_NEW,
	MSR_KVM_STEAL_TIME, MSR_KVM_POLL_CONTROL, MSR_KVM_PV_EOI_EN,
	MSR_KVM_ASYNC_PF_EN, MSR_KVM_ASYNC_PF_INT, MSR_KVM_ASYNC_PF_ACK,
};

static const u32 feature_msrs[] = {
	MSR_IA32_UCODE_REV, MSR_PLATFORM_INFO, MSR_IA32_ARCH_CAPABILITIES,
};

#define OPTIONAL_MAX	8

static u32 optional_msrs[OPTIONAL_MAX];
static unsigned int nr_optional;
static u64 arch_capabilities;

/* Immunities and behaviours that hold for a guest as they do for its host. */
#define ARCH_CAP_PASSED (ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL | ARCH_CAP_RSBA |		\
	ARCH_CAP_SKIP_VMENTRY_L1DFLUSH | ARCH_CAP_SSB_NO | ARCH_CAP_MDS_NO |		\
	ARCH_CAP_TAA_NO | ARCH_CAP_SBDR_SSDP_NO | ARCH_CAP_FBSDP_NO | ARCH_CAP_PSDP_NO |	\
	ARCH_CAP_FB_CLEAR | ARCH_CAP_RRSBA | ARCH_CAP_BHI_NO | ARCH_CAP_PBRSB_NO |	\
	ARCH_CAP_GDS_NO | ARCH_CAP_RFDS_NO | ARCH_CAP_RFDS_CLEAR | ARCH_CAP_ITS_NO)

/* CPUs that are immune without saying so: the kernel knows them by model. */
static const struct {
	u32 bug;
	u64 immune;
} immunities[] = {
	{ X86_BUG_CPU_MELTDOWN, ARCH_CAP_RDCL_NO },
	{ X86_BUG_SPEC_STORE_BYPASS, ARCH_CAP_SSB_NO },
	{ X86_BUG_MDS, ARCH_CAP_MDS_NO },
	{ X86_BUG_TAA, ARCH_CAP_TAA_NO },
	{ X86_BUG_GDS, ARCH_CAP_GDS_NO },
	{ X86_BUG_RFDS, ARCH_CAP_RFDS_NO },
};

static u64 arch_capabilities_probe(void)
{
	u64 value = 0;
	unsigned int i;

	if (!hv_caps.has_arch_capabilities)
		return 0;
	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrl(MSR_IA32_ARCH_CAPABILITIES, value);
	value &= ARCH_CAP_PASSED;
	for (i = 0; i < ARRAY_SIZE(immunities); i++)
		if (!boot_cpu_has_bug(immunities[i].bug))
			value |= immunities[i].immune;
	/* Guests' page sizes are of no concern: the second-level tables are ours. */
	return value | ARCH_CAP_PSCHANGE_MC_NO;
}

static void optional_add(u32 msr)
{
	if (!WARN_ON_ONCE(nr_optional >= OPTIONAL_MAX))
		optional_msrs[nr_optional++] = msr;
}

int hv_msr_init(void)
{
	hv_fpu_probe();
	arch_capabilities = arch_capabilities_probe();
	nr_optional = 0;
	if (hv_caps.has_rdtscp)
		optional_add(MSR_TSC_AUX);
	if (boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL))
		optional_add(MSR_IA32_SPEC_CTRL);
	if (hv_caps.has_arch_capabilities)
		optional_add(MSR_IA32_ARCH_CAPABILITIES);
	if (hv_caps.has_xsaves)
		optional_add(MSR_IA32_XSS);
	return 0;
}

int hv_msr_feature(u32 msr, u64 *value)
{
	switch (msr) {
	case MSR_IA32_ARCH_CAPABILITIES:
		*value = arch_capabilities;
		return HV_MSR_OK;
	case MSR_PLATFORM_INFO:
		*value = MSR_PLATFORM_INFO_CPUID_FAULT;
		return HV_MSR_OK;
	case MSR_IA32_UCODE_REV:
		/* In the half of the register where the vendor has it. */
		*value = (u64)boot_cpu_data.microcode << (hv_caps.bios_sign > U32_MAX ? 32 : 0);
		return HV_MSR_OK;
	default:
		return HV_MSR_UNKNOWN;
	}
}

/* Two runs of indices to a user's list: -E2BIG with the number needed if it is too short. */
static int list_copy(struct kvm_msr_list __user *u, const u32 *a, u32 na, const u32 *b, u32 nb)
{
	u32 room;

	if (get_user(room, &u->nmsrs))
		return -EFAULT;
	if (put_user(na + nb, &u->nmsrs))
		return -EFAULT;
	if (room < na + nb)
		return -E2BIG;
	if (copy_to_user(u->indices, a, na * sizeof(*a)) ||
	    copy_to_user(u->indices + na, b, nb * sizeof(*b)))
		return -EFAULT;
	return 0;
}

int hv_msr_index_list(struct kvm_msr_list __user *u)
{
	return list_copy(u, common_msrs, ARRAY_SIZE(common_msrs), optional_msrs, nr_optional);
}

int hv_msr_feature_index_list(struct kvm_msr_list __user *u)
{
	return list_copy(u, feature_msrs, ARRAY_SIZE(feature_msrs), NULL, 0);
}
