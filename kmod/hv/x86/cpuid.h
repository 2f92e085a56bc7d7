/* SPDX-License-Identifier: GPL-2.0-only */
/* What CPUID tells the guest. */
#ifndef VELLUM_X86_CPUID_H
#define VELLUM_X86_CPUID_H

#include <linux/kvm.h>

#include "core/vcpu.h"

#define HV_CPUID_MAX	256
/* bits that follow CR4 and the APIC base */
#define HV_CPUID_1_ECX_OSXSAVE	BIT(27)
#define HV_CPUID_1_ECX_MWAIT	BIT(3)
#define HV_CPUID_1_EDX_APIC	BIT(9)
#define HV_CPUID_7_ECX_OSPKE	BIT(4)

#define HV_CPUID_NONE	U16_MAX

/* The ranges of leaves; a leaf's low byte indexes into its range. */
enum hv_cpuid_range { HV_CPUID_BASIC, HV_CPUID_HYPERVISOR, HV_CPUID_EXTENDED, HV_CPUID_RANGES };

#define HV_CPUID_RANGE_LEAVES	48

/* features shared code asks about on hot or security-relevant paths; bit numbers in features[] */
enum hv_feature {
	HV_F_XSAVE, HV_F_X2APIC, HV_F_TSC_DEADLINE, HV_F_RDTSCP, HV_F_RDPID, HV_F_PCID, HV_F_SMEP,
	HV_F_SMAP, HV_F_FSGSBASE, HV_F_UMIP, HV_F_PKU, HV_F_LA57, HV_F_NX, HV_F_LM, HV_F_SYSCALL,
	HV_F_PGE, HV_F_PSE, HV_F_MTRR, HV_F_PAT, HV_F_TSC_ADJUST, HV_F_SPEC_CTRL, HV_F_STIBP,
	HV_F_IBPB, HV_F_SSBD, HV_F_ARCH_CAPABILITIES, HV_F_FLUSH_L1D, HV_F_XSAVES, HV_F_INVPCID,
	HV_F_MWAIT, HV_F_GBPAGES, HV_F_FXSR_OPT, HV_F_VME, HV_F_DE, HV_F_MCE, HV_F_OSXMMEXCPT,
	HV_F_KVM_CLOCK, HV_F_KVM_CLOCK2, HV_F_KVM_STEAL, HV_F_KVM_PV_EOI, HV_F_KVM_POLL_CONTROL,
	HV_F_KVM_MSI_EXT_DEST_ID, HV_F_KVM_SEND_IPI, HV_F_KVM_UNHALT, HV_F_KVM_YIELD,
	HV_F_KVM_ASYNC_PF, HV_F_KVM_ASYNC_PF_INT,
	HV_F_RTM, HV_F_MCA, HV_F_PDCM, HV_F_FXSR, HV_F_XMM, HV_F_CMPXCHG16B, HV_F_MOVBE, HV_F_SEP,
	HV_F_WAITPKG, HV_F_LAM,
	HV_NR_FEATURES,
};

/**
 * struct hv_cpuid - a vCPU's CPUID table, and what is derived from it when it is set
 * @count: entries in use
 * @amd: reads beyond the last leaf return zeros (AMD) rather than the last leaf (Intel)
 * @features: hv_cpuid_has()'s bits
 * @last: entry of the last exit, or NULL: who asks for a leaf often asks for it again
 * @first: entry of the leaf, HV_CPUID_NONE: no such leaf
 * @next: next entry of the same leaf (another subleaf), HV_CPUID_NONE: last
 * @entry: as KVM_SET_CPUID2 gave them, in its order
 *
 * Allocated once at its full size, so that it never moves under a reader.
 */
struct hv_cpuid {
	int count;
	bool amd;
	u64 features[DIV_ROUND_UP(HV_NR_FEATURES, 64)];
	struct kvm_cpuid_entry2 *last;
	u16 first[HV_CPUID_RANGES][HV_CPUID_RANGE_LEAVES];
	u16 next[HV_CPUID_MAX];
	struct kvm_cpuid_entry2 entry[HV_CPUID_MAX];
};

static inline bool hv_cpuid_has(const struct hv_vcpu *vcpu, enum hv_feature f)
{
	return vcpu->cpuid->features[f / 64] & BIT_ULL(f % 64);
}

/* A paravirtual feature: there for all, unless KVM_CAP_ENFORCE_PV_FEATURE_CPUID says to look. */
static inline bool hv_pv_has(const struct hv_vcpu *vcpu, enum hv_feature f)
{
	return !vcpu->pv.enforce || hv_cpuid_has(vcpu, f);
}

int hv_cpuid_init(struct hv_vcpu *vcpu);		/* an empty table */
void hv_cpuid_free(struct hv_vcpu *vcpu);
/* ioctl bodies: user pointers */
int hv_cpuid_set(struct hv_vcpu *vcpu, struct kvm_cpuid __user *u);
int hv_cpuid_set2(struct hv_vcpu *vcpu, struct kvm_cpuid2 __user *u);
int hv_cpuid_get2(struct hv_vcpu *vcpu, struct kvm_cpuid2 __user *u);
/* emulated: KVM_GET_EMULATED_CPUID, else KVM_GET_SUPPORTED_CPUID */
int hv_cpuid_supported(struct kvm_cpuid2 __user *u, bool emulated);

/* exit: executes CPUID with the registers of @vcpu, skips @len */
int hv_handle_cpuid(struct hv_vcpu *vcpu, unsigned int len);
void hv_cpuid_query(struct hv_vcpu *vcpu, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx);
struct kvm_cpuid_entry2 *hv_cpuid_find(struct hv_cpuid *cpuid, u32 function, u32 index);
/* CR4.OSXSAVE, APIC enable, XCR0, MISC_ENABLE are mirrored in CPUID: call when they change */
void hv_cpuid_refresh(struct hv_vcpu *vcpu);

/* x86/cpuid_tables.c: what this host and we can offer; entries written, or -E2BIG */
int hv_cpuid_tables_supported(struct kvm_cpuid_entry2 *entry, int max);
int hv_cpuid_tables_emulated(struct kvm_cpuid_entry2 *entry, int max);
/* x86/cpuid_derive.c: what a new table means for the vCPU */
void hv_cpuid_derive(struct hv_vcpu *vcpu);
void hv_cpuid_exits_changed(struct hv_vcpu *vcpu);
/* bytes of an XSAVE area for the components in @xfeatures */
u32 hv_xstate_size(u64 xfeatures, bool compacted);

#endif /* VELLUM_X86_CPUID_H */
