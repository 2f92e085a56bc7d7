// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MSRs off every hot path: system-call and speculation registers (the back
 * end's where it keeps them in hardware), paravirtual ones, and those that
 * guests only probe.
 */
#include <linux/bsearch.h>
#include <linux/kernel.h>
#include <uapi/linux/kvm_para.h>
#include <asm/apicdef.h>
#include <asm/cpufeature.h>
#include <asm/msr-index.h>

#include "core/ops.h"
#include "core/request.h"
#include "irqchip/lapic.h"
#include "x86/async_pf.h"
#include "x86/cpuid.h"
#include "x86/fpu.h"
#include "x86/msr.h"
#include "x86/msr_int.h"
#include "x86/mtrr.h"
#include "x86/pv_eoi.h"
#include "x86/regs.h"
#include "x86/tsc.h"

#define PAT_RESET	0x0007040600070406ULL
#define MCG_BANKS_RESET	32

/* AMD's HWCR: bits systems set and nothing depends on; bits that are kept */
#define HWCR_IGNORED	(BIT_ULL(3) | BIT_ULL(6) | BIT_ULL(8))
#define HWCR_KEPT	(BIT_ULL(18) | BIT_ULL(24))
#define DE_CFG_SERIALIZE BIT_ULL(1)	/* LFENCE is dispatch-serialising, always */

/* Registers that read as zero and swallow writes: what systems probe without asking CPUID. */
struct msr_range {
	u32 first, last;
};

static const struct msr_range quiet[] = {		/* ascending */
	{ MSR_IA32_P5_MC_ADDR, MSR_IA32_P5_MC_TYPE },
	{ MSR_IA32_PLATFORM_ID, MSR_IA32_PLATFORM_ID },
	{ MSR_IA32_EBL_CR_POWERON, MSR_IA32_EBL_CR_POWERON },
	{ MSR_EBC_FREQUENCY_ID, MSR_EBC_FREQUENCY_ID },
	{ MSR_IA32_UCODE_WRITE, MSR_IA32_UCODE_WRITE },
	{ MSR_IA32_PERFCTR0, MSR_IA32_PERFCTR1 },
	{ MSR_PKG_CST_CONFIG_CONTROL, MSR_PKG_CST_CONFIG_CONTROL },
	{ MSR_IA32_BBL_CR_CTL, MSR_IA32_BBL_CR_CTL },
	{ MSR_IA32_BBL_CR_CTL3, MSR_IA32_BBL_CR_CTL3 },
	{ MSR_P6_EVNTSEL0, MSR_P6_EVNTSEL1 },
	{ MSR_IA32_PERF_STATUS, MSR_IA32_PERF_CTL },
	{ MSR_IA32_THERM_CONTROL, MSR_IA32_THERM_STATUS },
	{ MSR_IA32_TEMPERATURE_TARGET, MSR_IA32_TEMPERATURE_TARGET },
	{ MSR_IA32_ENERGY_PERF_BIAS, MSR_IA32_ENERGY_PERF_BIAS },
	{ MSR_IA32_LASTBRANCHFROMIP, MSR_IA32_LASTINTTOIP },
	{ MSR_IA32_POWER_CTL, MSR_IA32_POWER_CTL },
	{ MSR_CORE_PERF_FIXED_CTR0, MSR_CORE_PERF_FIXED_CTR3 },
	{ MSR_IA32_PERF_CAPABILITIES, MSR_IA32_PERF_CAPABILITIES },
	{ MSR_CORE_PERF_FIXED_CTR_CTRL, MSR_CORE_PERF_GLOBAL_OVF_CTRL },
	{ MSR_RAPL_POWER_UNIT, MSR_RAPL_POWER_UNIT },
	{ MSR_PKG_ENERGY_STATUS, MSR_PKG_ENERGY_STATUS },
	{ MSR_DRAM_ENERGY_STATUS, MSR_DRAM_ENERGY_STATUS },
	{ MSR_PP0_ENERGY_STATUS, MSR_PP0_ENERGY_STATUS },
	{ MSR_PP1_ENERGY_STATUS, MSR_PP1_ENERGY_STATUS },
	{ MSR_K7_EVNTSEL0, MSR_K7_PERFCTR3 },
	{ MSR_AMD64_SYSCFG, MSR_AMD64_SYSCFG },
	{ MSR_K7_CLK_CTL, MSR_K7_CLK_CTL },
	{ MSR_AMD64_NB_CFG, MSR_AMD64_PATCH_LOADER },
	{ MSR_K8_INT_PENDING_MSG, MSR_K8_INT_PENDING_MSG },
	{ MSR_FAM10H_MMIO_CONF_BASE, MSR_FAM10H_MMIO_CONF_BASE },
	{ MSR_K8_TSEG_ADDR, MSR_K8_TSEG_MASK },
	{ MSR_VM_CR, MSR_VM_IGNNE },
	{ MSR_VM_HSAVE_PA, MSR_VM_HSAVE_PA },
	{ MSR_AMD64_OSVW_ID_LENGTH, MSR_AMD64_OSVW_STATUS },
	{ MSR_F15H_PERF_CTL0, MSR_F15H_PERF_CTR5 },
	{ MSR_AMD64_LS_CFG, MSR_AMD64_DC_CFG },
	{ MSR_AMD64_BU_CFG2, MSR_AMD64_BU_CFG2 },
	{ MSR_F15H_EX_CFG, MSR_F15H_EX_CFG },
};

static int range_compare(const void *key, const void *element)
{
	const struct msr_range *range = element;
	u32 msr = *(const u32 *)key;

	if (msr < range->first)
		return -1;
	return msr > range->last;
}

static bool is_quiet(u32 msr)
{
	return bsearch(&msr, quiet, ARRAY_SIZE(quiet), sizeof(quiet[0]), range_compare);
}

/* The CPU's own registers take these addresses: CPUID cannot make them wider than its are. */
static bool canonical(const struct hv_vcpu *vcpu, u64 address)
{
	bool wide = hv_cpuid_has(vcpu, HV_F_LA57) && boot_cpu_has(X86_FEATURE_LA57);
	unsigned int bits = wide ? 57 : 48;

	return sign_extend64(address, bits - 1) == address;
}

/* Kept here unless the back end keeps it in hardware; NULL: neither */
static u64 *stored(struct hv_vcpu *vcpu, u32 msr)
{
	switch (msr) {
	case MSR_STAR:
		return &vcpu->msr.star;
	case MSR_LSTAR:
		return &vcpu->msr.lstar;
	case MSR_CSTAR:
		return &vcpu->msr.cstar;
	case MSR_SYSCALL_MASK:
		return &vcpu->msr.sfmask;
	case MSR_TSC_AUX:
		return &vcpu->msr.tsc_aux;
	case MSR_IA32_SPEC_CTRL:
		return &vcpu->msr.spec_ctrl;
	case MSR_IA32_MISC_ENABLE:
		return &vcpu->msr.misc_enable;
	case MSR_IA32_UCODE_REV:
		return &vcpu->msr.bios_sign;
	case MSR_PLATFORM_INFO:
		return &vcpu->msr.platform_info;
	case MSR_MISC_FEATURES_ENABLES:
		return &vcpu->msr.misc_features;
	case MSR_IA32_ARCH_CAPABILITIES:
		return &vcpu->msr.arch_capabilities;
	case MSR_K7_HWCR:
		return &vcpu->msr.hwcr;
	case MSR_IA32_XSS:
		return &vcpu->fpu.xss;
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW:
		return &vcpu->pv.system_time_msr;
	case MSR_KVM_STEAL_TIME:
		return &vcpu->pv.steal_msr;
	case MSR_KVM_POLL_CONTROL:
		return &vcpu->pv.poll_control_msr;
	case MSR_KVM_PV_EOI_EN:
		return &vcpu->pv.eoi_msr;
	case MSR_KVM_ASYNC_PF_EN:
		return &vcpu->apf.enable_msr;
	case MSR_KVM_ASYNC_PF_INT:
		return &vcpu->apf.vector_msr;
	default:
		return NULL;
	}
}

/* May a guest see @msr at all? */
static bool guest_has(const struct hv_vcpu *vcpu, u32 msr)
{
	switch (msr) {
	case MSR_TSC_AUX:
		return hv_cpuid_has(vcpu, HV_F_RDTSCP) || hv_cpuid_has(vcpu, HV_F_RDPID);
	case MSR_IA32_SPEC_CTRL:
		return hv_cpuid_has(vcpu, HV_F_SPEC_CTRL) || hv_cpuid_has(vcpu, HV_F_STIBP) ||
		       hv_cpuid_has(vcpu, HV_F_SSBD);
	case MSR_IA32_ARCH_CAPABILITIES:
		return hv_cpuid_has(vcpu, HV_F_ARCH_CAPABILITIES);
	case MSR_IA32_XSS:
		return hv_cpuid_has(vcpu, HV_F_XSAVES);
	case MSR_IA32_SMBASE:
		return vcpu->smm.active;
	case MSR_PLATFORM_INFO:
		return !vcpu->vm->platform_info_hidden;
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_SYSTEM_TIME:
		return hv_pv_has(vcpu, HV_F_KVM_CLOCK);
	case MSR_KVM_WALL_CLOCK_NEW:
	case MSR_KVM_SYSTEM_TIME_NEW:
		return hv_pv_has(vcpu, HV_F_KVM_CLOCK2);
	case MSR_KVM_STEAL_TIME:
		return hv_pv_has(vcpu, HV_F_KVM_STEAL);
	case MSR_KVM_POLL_CONTROL:
		return hv_pv_has(vcpu, HV_F_KVM_POLL_CONTROL);
	case MSR_KVM_PV_EOI_EN:
		return hv_pv_has(vcpu, HV_F_KVM_PV_EOI);
	case MSR_KVM_ASYNC_PF_EN:
		return hv_pv_has(vcpu, HV_F_KVM_ASYNC_PF);
	case MSR_KVM_ASYNC_PF_INT:
	case MSR_KVM_ASYNC_PF_ACK:
		return hv_pv_has(vcpu, HV_F_KVM_ASYNC_PF_INT);
	default:
		return true;
	}
}

static int fixed_read(struct hv_vcpu *vcpu, u32 msr, u64 *value)
{
	switch (msr) {
	case MSR_IA32_SMBASE:
		*value = vcpu->smm.base;
		return HV_MSR_OK;
	case MSR_SMI_COUNT:
		*value = vcpu->smm.count;
		return HV_MSR_OK;
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_WALL_CLOCK_NEW:
		*value = vcpu->vm->clock.wall_clock_gpa;
		return HV_MSR_OK;
	case MSR_AMD64_DE_CFG:
		*value = DE_CFG_SERIALIZE;
		return HV_MSR_OK;
	case MSR_KVM_ASYNC_PF_ACK:
		*value = 0;
		return HV_MSR_OK;
	default:
		*value = 0;
		return is_quiet(msr) ? HV_MSR_OK : HV_MSR_UNKNOWN;
	}
}

int hv_msr_misc_read(struct hv_vcpu *vcpu, u32 msr, u64 *value, bool host)
{
	const u64 *kept;
	int ret;

	if (!host && !guest_has(vcpu, msr))
		return HV_MSR_INVALID;
	if (msr == MSR_IA32_CR_PAT) {
		*value = vcpu->msr.pat;
		return HV_MSR_OK;
	}
	if (hv_mtrr_owns(msr))
		return hv_mtrr_read(vcpu, msr, value);
	if (hv_mce_owns(vcpu, msr))
		return hv_mce_read(vcpu, msr, value);
	ret = hv_ops->get_msr(vcpu, msr, value);
	if (ret != HV_MSR_UNKNOWN)
		return ret;
	kept = stored(vcpu, msr);
	if (!kept)
		return fixed_read(vcpu, msr, value);
	*value = *kept;
	return HV_MSR_OK;
}

static int pat_write(struct hv_vcpu *vcpu, u64 value)
{
	if (!hv_pat_valid(value))
		return HV_MSR_INVALID;
	vcpu->msr.pat = value;
	hv_ops->update(vcpu);
	return HV_MSR_OK;
}

static int arch_capabilities_write(struct hv_vcpu *vcpu, u64 value, bool host)
{
	u64 supported;

	if (!host || hv_msr_feature(MSR_IA32_ARCH_CAPABILITIES, &supported) ||
	    (value & ~supported))
		return HV_MSR_INVALID;
	vcpu->msr.arch_capabilities = value;
	return HV_MSR_OK;
}

static int misc_features_write(struct hv_vcpu *vcpu, u64 value, bool host)
{
	if (value & ~MSR_MISC_FEATURES_ENABLES_CPUID_FAULT)
		return HV_MSR_INVALID;
	if (!host && value && !(vcpu->msr.platform_info & MSR_PLATFORM_INFO_CPUID_FAULT))
		return HV_MSR_INVALID;
	vcpu->msr.misc_features = value;
	return HV_MSR_OK;
}

static int xss_write(struct hv_vcpu *vcpu, u64 value)
{
	if (!hv_caps.has_xsaves || (value & ~hv_caps.supported_xss))
		return HV_MSR_INVALID;
	vcpu->fpu.xss = value;
	hv_fpu_update(vcpu);
	hv_cpuid_refresh(vcpu);
	return HV_MSR_OK;
}

static int hwcr_write(struct hv_vcpu *vcpu, u64 value)
{
	if (value & ~(HWCR_IGNORED | HWCR_KEPT))
		return HV_MSR_INVALID;
	vcpu->msr.hwcr = value & HWCR_KEPT;
	return HV_MSR_OK;
}

static int poll_control_write(struct hv_vcpu *vcpu, u64 value)
{
	if (value & ~(u64)KVM_MSR_ENABLED)
		return HV_MSR_INVALID;
	vcpu->pv.poll_control_msr = value;
	return HV_MSR_OK;
}

/* A guest moves SMBASE in its save area; here user space restores it. */
static int smm_write(struct hv_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	if (!host || (msr == MSR_IA32_SMBASE && value >> 32))
		return HV_MSR_INVALID;
	if (msr == MSR_IA32_SMBASE)
		vcpu->smm.base = value;
	else
		vcpu->smm.count = value;
	return HV_MSR_OK;
}

static int paravirtual_write(struct hv_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	switch (msr) {
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_WALL_CLOCK_NEW:
		return hv_clock_wall_write(vcpu, value);
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW:
		return hv_clock_system_time_write(vcpu, value, host);
	case MSR_KVM_STEAL_TIME:
		return hv_steal_write(vcpu, value);
	case MSR_KVM_PV_EOI_EN:
		return hv_pv_eoi_write(vcpu, value);
	case MSR_KVM_ASYNC_PF_EN:
		return hv_async_pf_enable_write(vcpu, value, host);
	case MSR_KVM_ASYNC_PF_INT:
		return hv_async_pf_vector_write(vcpu, value);
	case MSR_KVM_ASYNC_PF_ACK:
		return hv_async_pf_ack(vcpu, value);
	default:
		return poll_control_write(vcpu, value);
	}
}

/* Some bits only tell what the CPU has: the VMM decides about them, the guest cannot. */
static int misc_enable_write(struct hv_vcpu *vcpu, u64 value, bool host)
{
	const u64 fixed = MSR_IA32_MISC_ENABLE_EMON | MSR_IA32_MISC_ENABLE_BTS_UNAVAIL |
			  MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL;

	if (!host)
		value = (value & ~fixed) | (vcpu->msr.misc_enable & fixed);
	vcpu->msr.misc_enable = value;
	hv_cpuid_refresh(vcpu);
	return HV_MSR_OK;
}

/* Values that name addresses, or are 32 bits wide. */
static bool value_valid(const struct hv_vcpu *vcpu, u32 msr, u64 value)
{
	switch (msr) {
	case MSR_LSTAR:
	case MSR_CSTAR:
	case MSR_FS_BASE:
	case MSR_GS_BASE:
	case MSR_KERNEL_GS_BASE:
	case MSR_IA32_SYSENTER_ESP:
	case MSR_IA32_SYSENTER_EIP:
		return canonical(vcpu, value);
	case MSR_SYSCALL_MASK:
	case MSR_TSC_AUX:
		return !(value >> 32);
	default:
		return true;
	}
}

/* Registers whose writes do more than keep a value; HV_MSR_UNKNOWN: not one of them */
static int special_write(struct hv_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	switch (msr) {
	case MSR_IA32_CR_PAT:
		return pat_write(vcpu, value);
	case MSR_IA32_MISC_ENABLE:
		return misc_enable_write(vcpu, value, host);
	case MSR_IA32_UCODE_REV:
		/* A guest writes it before it reads the revision: nothing changes. */
		if (host)
			vcpu->msr.bios_sign = value;
		return HV_MSR_OK;
	case MSR_PLATFORM_INFO:
		if (!host)
			return HV_MSR_INVALID;
		vcpu->msr.platform_info = value;
		return HV_MSR_OK;
	case MSR_IA32_SMBASE:
	case MSR_SMI_COUNT:
		return smm_write(vcpu, msr, value, host);
	case MSR_MISC_FEATURES_ENABLES:
		return misc_features_write(vcpu, value, host);
	case MSR_IA32_ARCH_CAPABILITIES:
		return arch_capabilities_write(vcpu, value, host);
	case MSR_IA32_XSS:
		return xss_write(vcpu, value);
	case MSR_K7_HWCR:
		return hwcr_write(vcpu, value);
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_WALL_CLOCK_NEW:
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW:
	case MSR_KVM_STEAL_TIME:
	case MSR_KVM_PV_EOI_EN:
	case MSR_KVM_POLL_CONTROL:
	case MSR_KVM_ASYNC_PF_EN:
	case MSR_KVM_ASYNC_PF_INT:
	case MSR_KVM_ASYNC_PF_ACK:
		return paravirtual_write(vcpu, msr, value, host);
	case MSR_AMD64_DE_CFG:
		return HV_MSR_OK;
	default:
		return HV_MSR_UNKNOWN;
	}
}

/* Back end first: only what it does not keep is kept here. */
static int kept_write(struct hv_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	int ret = hv_ops->set_msr(vcpu, msr, value, host);

	if (ret != HV_MSR_UNKNOWN)
		return ret;
	switch (msr) {
	case MSR_STAR:
	case MSR_LSTAR:
	case MSR_CSTAR:
	case MSR_SYSCALL_MASK:
	case MSR_TSC_AUX:
		*stored(vcpu, msr) = value;
		return HV_MSR_OK;
	default:
		return is_quiet(msr) ? HV_MSR_OK : HV_MSR_UNKNOWN;
	}
}

int hv_msr_misc_write(struct hv_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	int ret;

	if ((!host && !guest_has(vcpu, msr)) || !value_valid(vcpu, msr, value))
		return HV_MSR_INVALID;
	ret = special_write(vcpu, msr, value, host);
	if (ret != HV_MSR_UNKNOWN)
		return ret;
	if (hv_mtrr_owns(msr))
		return hv_mtrr_write(vcpu, msr, value);
	if (hv_mce_owns(vcpu, msr))
		return hv_mce_write(vcpu, msr, value, host);
	return kept_write(vcpu, msr, value, host);
}

/* The SDM's table leaves MSRs as they are on INIT, machine-check and system-call ones too. */
void hv_msr_reset(struct hv_vcpu *vcpu, bool init)
{
	struct hv_msr_state *msr = &vcpu->msr;
	u64 bsp = vcpu->id == vcpu->vm->bsp_id ? MSR_IA32_APICBASE_BSP : 0;
	u64 apic_base = msr->apic_base;

	if (init)
		return;
	memset(msr, 0, sizeof(*msr));
	/* Zero before the first reset, and for ever where user space has the LAPIC. */
	msr->apic_base = apic_base ?: APIC_DEFAULT_PHYS_BASE | MSR_IA32_APICBASE_ENABLE | bsp;
	msr->pat = PAT_RESET;
	msr->misc_enable = MSR_IA32_MISC_ENABLE_FAST_STRING |
			   MSR_IA32_MISC_ENABLE_BTS_UNAVAIL | MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL;
	msr->mcg_cap = MCG_BANKS_RESET;
	msr->platform_info = MSR_PLATFORM_INFO_CPUID_FAULT;
	msr->bios_sign = hv_caps.bios_sign;
	hv_msr_feature(MSR_IA32_ARCH_CAPABILITIES, &msr->arch_capabilities);
	memset(&vcpu->pv, 0, sizeof(vcpu->pv));
	vcpu->pv.poll_control_msr = KVM_MSR_ENABLED;
	vcpu->tsc.adjust = 0;
}
