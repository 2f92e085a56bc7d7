// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a CPUID table means for its vCPU: feature bits, address width, legal CR4
 * and XCR0 bits; and, the other way, the bits CPUID mirrors from registers.
 */
#include <linux/kernel.h>
#include <linux/mm_types.h>
#include <linux/string.h>
#include <uapi/linux/kvm_para.h>
#include <asm/cpufeature.h>
#include <asm/fpu/types.h>
#include <asm/msr-index.h>

#include "core/ops.h"
#include "x86/cpuid.h"
#include "x86/fpu.h"
#include "x86/regs.h"

#define MAXPHYADDR_DEFAULT	36	/* SDM, "MAXPHYADDR", without leaf 0x80000008 */
#define MAXPHYADDR_MIN		32
#define MAXPHYADDR_MAX		52

enum reg { EAX, EBX, ECX, EDX };

/** struct feature - where CPUID says whether @feature is there */
struct feature {
	u32 function;
	u8 index;
	u8 reg;
	u8 bit;
	u8 feature;
};

#define F1(r, b, f)	{ 1, 0, r, b, f }
#define F7(r, b, f)	{ 7, 0, r, b, f }
#define FX(r, b, f)	{ 0x80000001, 0, r, b, f }
#define FX8(r, b, f)	{ 0x80000008, 0, r, b, f }
#define FKVM(b, f)	{ KVM_CPUID_FEATURES, 0, EAX, b, f }

static const struct feature features[] = {
	F1(EDX, 1, HV_F_VME), F1(EDX, 2, HV_F_DE), F1(EDX, 3, HV_F_PSE), F1(EDX, 7, HV_F_MCE),
	F1(EDX, 11, HV_F_SEP), F1(EDX, 12, HV_F_MTRR), F1(EDX, 13, HV_F_PGE),
	F1(EDX, 14, HV_F_MCA), F1(EDX, 16, HV_F_PAT), F1(EDX, 24, HV_F_FXSR),
	F1(EDX, 25, HV_F_XMM), F1(EDX, 25, HV_F_OSXMMEXCPT),
	F1(ECX, 3, HV_F_MWAIT), F1(ECX, 13, HV_F_CMPXCHG16B), F1(ECX, 15, HV_F_PDCM),
	F1(ECX, 17, HV_F_PCID), F1(ECX, 21, HV_F_X2APIC), F1(ECX, 22, HV_F_MOVBE),
	F1(ECX, 24, HV_F_TSC_DEADLINE), F1(ECX, 26, HV_F_XSAVE),
	F7(EBX, 0, HV_F_FSGSBASE), F7(EBX, 1, HV_F_TSC_ADJUST), F7(EBX, 7, HV_F_SMEP),
	F7(EBX, 10, HV_F_INVPCID), F7(EBX, 11, HV_F_RTM), F7(EBX, 20, HV_F_SMAP),
	F7(ECX, 2, HV_F_UMIP), F7(ECX, 3, HV_F_PKU), F7(ECX, 5, HV_F_WAITPKG),
	F7(ECX, 16, HV_F_LA57), F7(ECX, 22, HV_F_RDPID),
	F7(EDX, 26, HV_F_SPEC_CTRL), F7(EDX, 26, HV_F_IBPB), F7(EDX, 27, HV_F_STIBP),
	F7(EDX, 28, HV_F_FLUSH_L1D), F7(EDX, 29, HV_F_ARCH_CAPABILITIES), F7(EDX, 31, HV_F_SSBD),
	{ 7, 1, EAX, 26, HV_F_LAM },
	{ 0xd, 1, EAX, 3, HV_F_XSAVES },
	FX(EDX, 11, HV_F_SYSCALL), FX(EDX, 20, HV_F_NX), FX(EDX, 25, HV_F_FXSR_OPT),
	FX(EDX, 26, HV_F_GBPAGES), FX(EDX, 27, HV_F_RDTSCP), FX(EDX, 29, HV_F_LM),
	FX8(EBX, 12, HV_F_IBPB), FX8(EBX, 14, HV_F_SPEC_CTRL), FX8(EBX, 15, HV_F_STIBP),
	FX8(EBX, 24, HV_F_SSBD),
	FKVM(KVM_FEATURE_CLOCKSOURCE, HV_F_KVM_CLOCK),
	FKVM(KVM_FEATURE_CLOCKSOURCE2, HV_F_KVM_CLOCK2),
	FKVM(KVM_FEATURE_STEAL_TIME, HV_F_KVM_STEAL),
	FKVM(KVM_FEATURE_PV_EOI, HV_F_KVM_PV_EOI),
	FKVM(KVM_FEATURE_POLL_CONTROL, HV_F_KVM_POLL_CONTROL),
	FKVM(KVM_FEATURE_MSI_EXT_DEST_ID, HV_F_KVM_MSI_EXT_DEST_ID),
	FKVM(KVM_FEATURE_PV_SEND_IPI, HV_F_KVM_SEND_IPI),
	FKVM(KVM_FEATURE_PV_UNHALT, HV_F_KVM_UNHALT),
	FKVM(KVM_FEATURE_PV_SCHED_YIELD, HV_F_KVM_YIELD),
	FKVM(KVM_FEATURE_ASYNC_PF, HV_F_KVM_ASYNC_PF),
	FKVM(KVM_FEATURE_ASYNC_PF_INT, HV_F_KVM_ASYNC_PF_INT),
};

/* CR4 bits that exist if a feature does (SDM volume 3, "Control Registers"). */
static const struct {
	u64 bits;
	u8 feature;
} cr4_features[] = {
	{ X86_CR4_VME | X86_CR4_PVI, HV_F_VME },
	{ X86_CR4_DE, HV_F_DE },
	{ X86_CR4_PSE, HV_F_PSE },
	{ X86_CR4_MCE, HV_F_MCE },
	{ X86_CR4_PGE, HV_F_PGE },
	{ X86_CR4_OSFXSR, HV_F_FXSR },
	{ X86_CR4_OSXMMEXCPT, HV_F_XMM },
	{ X86_CR4_UMIP, HV_F_UMIP },
	{ X86_CR4_LA57, HV_F_LA57 },
	{ X86_CR4_FSGSBASE, HV_F_FSGSBASE },
	{ X86_CR4_PCIDE, HV_F_PCID },
	{ X86_CR4_OSXSAVE, HV_F_XSAVE },
	{ X86_CR4_SMEP, HV_F_SMEP },
	{ X86_CR4_SMAP, HV_F_SMAP },
	{ X86_CR4_PKE, HV_F_PKU },
};

static u32 register_of(const struct kvm_cpuid_entry2 *e, enum reg reg)
{
	switch (reg) {
	case EAX:
		return e->eax;
	case EBX:
		return e->ebx;
	case ECX:
		return e->ecx;
	default:
		return e->edx;
	}
}

/* Is the hypervisor leaf the KVM one? Another VMM interface has other meanings there. */
static bool kvm_signature(struct hv_cpuid *cpuid)
{
	const struct kvm_cpuid_entry2 *e = hv_cpuid_find(cpuid, KVM_CPUID_SIGNATURE, 0);
	u32 signature[3];

	if (!e)
		return false;
	signature[0] = e->ebx;
	signature[1] = e->ecx;
	signature[2] = e->edx;
	return !memcmp(signature, KVM_SIGNATURE, sizeof(signature));
}

static void features_derive(struct hv_cpuid *cpuid)
{
	bool kvm = kvm_signature(cpuid);
	unsigned int i;

	memset(cpuid->features, 0, sizeof(cpuid->features));
	for (i = 0; i < ARRAY_SIZE(features); i++) {
		const struct feature *f = &features[i];
		const struct kvm_cpuid_entry2 *e = hv_cpuid_find(cpuid, f->function, f->index);

		if (!e || !(register_of(e, f->reg) & BIT(f->bit)))
			continue;
		if (f->function == KVM_CPUID_FEATURES && !kvm)
			continue;
		cpuid->features[f->feature / 64] |= BIT_ULL(f->feature % 64);
	}
}

/* What CPUID says does not help if VM entry refuses the bit or nobody switches the state. */
static u64 cr4_host_lacks(void)
{
	u64 lacks = 0;

	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		lacks |= X86_CR4_OSXSAVE;
	if (!boot_cpu_has(X86_FEATURE_PCID))
		lacks |= X86_CR4_PCIDE;
	if (!boot_cpu_has(X86_FEATURE_SMEP))
		lacks |= X86_CR4_SMEP;
	if (!boot_cpu_has(X86_FEATURE_SMAP))
		lacks |= X86_CR4_SMAP;
	if (!boot_cpu_has(X86_FEATURE_FSGSBASE))
		lacks |= X86_CR4_FSGSBASE;
	if (!boot_cpu_has(X86_FEATURE_LA57))
		lacks |= X86_CR4_LA57;
	if (!hv_caps.has_umip)
		lacks |= X86_CR4_UMIP;
	if (!hv_caps.has_pku || !boot_cpu_has(X86_FEATURE_OSPKE))
		lacks |= X86_CR4_PKE;
	return lacks;
}

static void cr4_derive(struct hv_vcpu *vcpu)
{
	u64 legal = X86_CR4_TSD | X86_CR4_PAE | X86_CR4_PCE;
	unsigned int i;

	/* VMMs may set registers before CPUID: until then all that this host has is legal. */
	for (i = 0; i < ARRAY_SIZE(cr4_features); i++)
		if (!vcpu->cpuid->count || hv_cpuid_has(vcpu, cr4_features[i].feature))
			legal |= cr4_features[i].bits;
	vcpu->cr4_reserved = ~(legal & ~cr4_host_lacks());
}

static void address_derive(struct hv_vcpu *vcpu)
{
	const struct kvm_cpuid_entry2 *e = hv_cpuid_find(vcpu->cpuid, 0x80000008, 0);
	u32 bits = e ? e->eax & U8_MAX : 0;

	if (!bits)
		bits = MAXPHYADDR_DEFAULT;
	vcpu->maxphyaddr = clamp_t(u32, bits, MAXPHYADDR_MIN, MAXPHYADDR_MAX);
}

static void xstate_derive(struct hv_vcpu *vcpu)
{
	const struct kvm_cpuid_entry2 *e = hv_cpuid_find(vcpu->cpuid, 0xd, 0);
	u64 told = e ? e->eax | (u64)e->edx << 32 : 0;

	vcpu->fpu.xcr0_allowed = told & hv_fpu_supported_xcr0();
}

static void vendor_derive(struct hv_cpuid *cpuid)
{
	const struct kvm_cpuid_entry2 *e = hv_cpuid_find(cpuid, 0, 0);

	cpuid->amd = e && ((e->ebx == 0x68747541 && e->edx == 0x69746e65) ||	/* AuthenticAMD */
			   (e->ebx == 0x6f677948 && e->edx == 0x6e65476e));	/* HygonGenuine */
}

/* Who halts without an exit cannot be woken by KVM_HC_KICK_CPU. */
static void unhalt_derive(struct hv_vcpu *vcpu)
{
	struct kvm_cpuid_entry2 *e = hv_cpuid_find(vcpu->cpuid, KVM_CPUID_FEATURES, 0);

	if (e && (vcpu->vm->disabled_exits & KVM_X86_DISABLE_EXITS_HLT) &&
	    kvm_signature(vcpu->cpuid))
		e->eax &= ~BIT(KVM_FEATURE_PV_UNHALT);
}

void hv_cpuid_derive(struct hv_vcpu *vcpu)
{
	unhalt_derive(vcpu);
	vendor_derive(vcpu->cpuid);
	features_derive(vcpu->cpuid);
	address_derive(vcpu);
	cr4_derive(vcpu);
	xstate_derive(vcpu);
}

static void set_bit_to(u32 *reg, u32 bit, bool on)
{
	*reg = on ? *reg | bit : *reg & ~bit;
}

/* MISC_ENABLE[18] switches MONITOR and MWAIT on and off, unless the VMM leaves that to CPUID. */
static void mwait_refresh(struct hv_vcpu *vcpu, struct kvm_cpuid_entry2 *leaf1)
{
	u64 *word = &vcpu->cpuid->features[HV_F_MWAIT / 64];

	if (!hv_quirk_off(vcpu->vm, KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT))
		return;
	set_bit_to(&leaf1->ecx, HV_CPUID_1_ECX_MWAIT,
		   vcpu->msr.misc_enable & MSR_IA32_MISC_ENABLE_MWAIT);
	if (leaf1->ecx & HV_CPUID_1_ECX_MWAIT)
		*word |= BIT_ULL(HV_F_MWAIT % 64);
	else
		*word &= ~BIT_ULL(HV_F_MWAIT % 64);
}

void hv_cpuid_refresh(struct hv_vcpu *vcpu)
{
	struct hv_cpuid *cpuid = vcpu->cpuid;
	struct kvm_cpuid_entry2 *e;

	e = hv_cpuid_find(cpuid, 1, 0);
	if (e) {
		set_bit_to(&e->ecx, HV_CPUID_1_ECX_OSXSAVE, vcpu->cr4 & X86_CR4_OSXSAVE);
		mwait_refresh(vcpu, e);
		/* without a LAPIC of ours, user space says whether there is one */
		if (vcpu->lapic)
			set_bit_to(&e->edx, HV_CPUID_1_EDX_APIC,
				   vcpu->msr.apic_base & MSR_IA32_APICBASE_ENABLE);
	}
	e = hv_cpuid_find(cpuid, 7, 0);
	if (e)
		set_bit_to(&e->ecx, HV_CPUID_7_ECX_OSPKE, vcpu->cr4 & X86_CR4_PKE);
	e = hv_cpuid_find(cpuid, 0xd, 0);
	if (e)
		e->ebx = hv_xstate_size(vcpu->fpu.xcr0, false);
	e = hv_cpuid_find(cpuid, 0xd, 1);
	if (e && (e->eax & (BIT(1) | BIT(3))))	/* XSAVEC, XSAVES */
		e->ebx = hv_xstate_size(vcpu->fpu.xcr0 | vcpu->fpu.xss, true);
}

/* The exits may have been chosen after the table. */
void hv_cpuid_exits_changed(struct hv_vcpu *vcpu)
{
	if (!(vcpu->vm->disabled_exits & KVM_X86_DISABLE_EXITS_HLT))
		return;
	hv_cpuid_derive(vcpu);
	hv_cpuid_refresh(vcpu);
}
