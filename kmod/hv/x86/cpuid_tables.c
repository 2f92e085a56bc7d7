// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_SUPPORTED_CPUID: the host's CPUID, leaf by leaf, masked with what we
 * emulate or switch for a guest and with what the host kernel itself uses. A
 * feature not named here is not offered.
 */
#include <linux/kernel.h>
#include <linux/sched/stat.h>
#include <linux/string.h>
#include <uapi/linux/kvm_para.h>
#include <asm/cpufeature.h>
#include <asm/fpu/xstate.h>
#include <asm/processor.h>

#include "core/ops.h"
#include "x86/cpuid.h"
#include "x86/fpu.h"

#define BASIC_LEAF_MAX		0x1f
#define EXT_LEAF_BASE		0x80000000
#define EXT_LEAF_MAX_INTEL	0x80000008
#define EXT_LEAF_MAX_AMD	0x80000021
#define XSTATE_FIRST_EXTENDED	2
#define CACHE_SUBLEAVES_MAX	16

/* The bit a feature has in its CPUID register; cpufeatures.h counts 32 to a word. */
#define F(name)		BIT(X86_FEATURE_##name & 31)

/** struct out - the table being written */
struct out {
	struct kvm_cpuid_entry2 *entry;
	int count, max;
};

/* The next entry, with the host's values, or NULL: full (and count beyond max says so) */
static struct kvm_cpuid_entry2 *add(struct out *out, u32 function, u32 index, u32 flags)
{
	struct kvm_cpuid_entry2 *e;

	if (out->count >= out->max) {
		out->count = out->max + 1;
		return NULL;
	}
	e = &out->entry[out->count++];
	memset(e, 0, sizeof(*e));
	e->function = function;
	e->index = index;
	e->flags = flags;
	return e;
}

static struct kvm_cpuid_entry2 *add_host(struct out *out, u32 function, u32 index, u32 flags)
{
	struct kvm_cpuid_entry2 *e = add(out, function, index, flags);

	if (e)
		cpuid_count(function, index, &e->eax, &e->ebx, &e->ecx, &e->edx);
	return e;
}

/* Features of a word that CPU and kernel have: boot options and errata may have taken some away. */
static u32 host_word(enum cpuid_leafs word)
{
	return boot_cpu_data.x86_capability[word];
}

static u32 leaf1_edx(void)
{
	return host_word(CPUID_1_EDX) &
	       (F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(PAE) | F(MCE) | F(CX8) |
		F(APIC) | F(SEP) | F(MTRR) | F(PGE) | F(MCA) | F(CMOV) | F(PAT) | F(PSE36) |
		F(CLFLUSH) | F(MMX) | F(FXSR) | F(XMM) | F(XMM2) | F(SELFSNOOP));
}

static u32 leaf1_ecx(void)
{
	u32 host = host_word(CPUID_1_ECX) &
		   (F(XMM3) | F(PCLMULQDQ) | F(SSSE3) | F(FMA) | F(CX16) | F(PCID) | F(XMM4_1) |
		    F(XMM4_2) | F(MOVBE) | F(POPCNT) | F(AES) | F(XSAVE) | F(AVX) | F(F16C) |
		    F(RDRAND));

	/* MMIO and MSR interfaces of ours, whatever the host's APIC can do. */
	return host | F(X2APIC) | F(HYPERVISOR);
}

static u32 leaf7_ebx(void)
{
	u32 host = host_word(CPUID_7_0_EBX) &
		   (F(FSGSBASE) | F(BMI1) | F(HLE) | F(AVX2) | F(FDP_EXCPTN_ONLY) | F(SMEP) |
		    F(BMI2) | F(ERMS) | F(INVPCID) | F(RTM) | F(ZERO_FCS_FDS) | F(AVX512F) |
		    F(AVX512DQ) | F(RDSEED) | F(ADX) | F(SMAP) | F(AVX512IFMA) | F(CLFLUSHOPT) |
		    F(CLWB) | F(AVX512PF) | F(AVX512ER) | F(AVX512CD) | F(SHA_NI) | F(AVX512BW) |
		    F(AVX512VL));

	if (!hv_caps.has_invpcid)
		host &= ~F(INVPCID);
	return host | F(TSC_ADJUST);
}

static u32 leaf7_ecx(void)
{
	u32 host = host_word(CPUID_7_ECX) &
		   (F(AVX512VBMI) | F(PKU) | F(AVX512_VBMI2) | F(GFNI) | F(VAES) | F(VPCLMULQDQ) |
		    F(AVX512_VNNI) | F(AVX512_BITALG) | F(AVX512_VPOPCNTDQ) | F(LA57) | F(RDPID) |
		    F(CLDEMOTE) | F(MOVDIRI) | F(MOVDIR64B));

	if (!hv_caps.has_pku || !boot_cpu_has(X86_FEATURE_OSPKE))
		host &= ~F(PKU);
	if (!hv_caps.has_rdtscp)
		host &= ~F(RDPID);
	if (hv_caps.has_umip)
		host |= F(UMIP);
	return host;
}

static u32 leaf7_edx(void)
{
	u32 host = host_word(CPUID_7_EDX) &
		   (F(AVX512_4VNNIW) | F(AVX512_4FMAPS) | F(FSRM) | F(AVX512_VP2INTERSECT) |
		    F(MD_CLEAR) | F(SERIALIZE) | F(TSXLDTRK) | F(AVX512_FP16) | F(SPEC_CTRL) |
		    F(INTEL_STIBP) | F(FLUSH_L1D) | F(SPEC_CTRL_SSBD));

	/* An MSR of ours, with what the host says of itself. */
	if (hv_caps.has_arch_capabilities)
		host |= F(ARCH_CAPABILITIES);
	return host;
}

/* AVX and what builds on it need their state to be switched. */
static void drop_without_xstate(struct kvm_cpuid_entry2 *e)
{
	u64 xcr0 = hv_fpu_supported_xcr0();

	if (e->function == 1 && !(xcr0 & XFEATURE_MASK_SSE))
		e->ecx &= ~F(XSAVE);
	if (e->function == 1 && !(xcr0 & XFEATURE_MASK_YMM))
		e->ecx &= ~(F(AVX) | F(FMA) | F(F16C));
	if (e->function != 7 || e->index)
		return;
	if (!(xcr0 & XFEATURE_MASK_YMM)) {
		e->ebx &= ~F(AVX2);
		e->ecx &= ~(F(VAES) | F(VPCLMULQDQ));
	}
	if ((xcr0 & XFEATURE_MASK_AVX512) != XFEATURE_MASK_AVX512) {
		e->ebx &= ~(F(AVX512F) | F(AVX512DQ) | F(AVX512IFMA) | F(AVX512PF) | F(AVX512ER) |
			    F(AVX512CD) | F(AVX512BW) | F(AVX512VL));
		e->ecx &= ~(F(AVX512VBMI) | F(AVX512_VBMI2) | F(AVX512_VNNI) | F(AVX512_BITALG) |
			    F(AVX512_VPOPCNTDQ));
		e->edx &= ~(F(AVX512_4VNNIW) | F(AVX512_4FMAPS) | F(AVX512_VP2INTERSECT) |
			    F(AVX512_FP16));
	}
	if (!(xcr0 & XFEATURE_MASK_PKRU))
		e->ecx &= ~F(PKU);
}

static void leaf_1(struct out *out)
{
	struct kvm_cpuid_entry2 *e = add_host(out, 1, 0, 0);

	if (!e)
		return;
	/* APIC id and thread count are the VMM's to fill in; CLFLUSH line size stays. */
	e->ebx &= GENMASK(15, 8);
	e->ecx = leaf1_ecx();
	e->edx = leaf1_edx();
	drop_without_xstate(e);
}

/* Caches, with their sharing between CPUs taken out: that is the VMM's topology. */
static void leaf_4(struct out *out)
{
	struct kvm_cpuid_entry2 *e;
	u32 i;

	for (i = 0; i < CACHE_SUBLEAVES_MAX; i++) {
		e = add_host(out, 4, i, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
		if (!e)
			return;
		e->eax &= GENMASK(13, 0);
		if (!(e->eax & GENMASK(4, 0)))
			return;
	}
}

static void leaf_6(struct out *out)
{
	struct kvm_cpuid_entry2 *e = add(out, 6, 0, 0);

	if (e)
		e->eax = BIT(2);	/* ARAT: our APIC timer never stops */
}

static void leaf_7(struct out *out)
{
	struct kvm_cpuid_entry2 *e = add_host(out, 7, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
	u32 last;

	if (!e)
		return;
	last = min(e->eax, 1U);
	e->eax = last;
	e->ebx = leaf7_ebx();
	e->ecx = leaf7_ecx();
	e->edx = leaf7_edx();
	drop_without_xstate(e);
	if (!last)
		return;
	e = add_host(out, 7, 1, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
	if (!e)
		return;
	e->eax &= host_word(CPUID_7_1_EAX);
	e->eax &= BIT(10) | BIT(11) | BIT(12);	/* fast short REP MOVSB, STOSB, CMPSB */
	e->ebx = 0;
	e->ecx = 0;
	e->edx = 0;
}

u32 hv_xstate_size(u64 xfeatures, bool compacted)
{
	u32 size = FXSAVE_SIZE + XSAVE_HDR_SIZE, eax, ebx, ecx, edx;
	unsigned int i;

	for (i = XSTATE_FIRST_EXTENDED; i < 63; i++) {
		if (!(xfeatures & BIT_ULL(i)))
			continue;
		cpuid_count(XSTATE_CPUID, i, &eax, &ebx, &ecx, &edx);
		if (!compacted)
			size = max(size, ebx + eax);
		else
			size = (ecx & BIT(1) ? ALIGN(size, XSAVE_ALIGNMENT) : size) + eax;
	}
	return size;
}

static void leaf_xstate_0(struct out *out, u64 xcr0)
{
	struct kvm_cpuid_entry2 *e = add(out, XSTATE_CPUID, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);

	if (!e)
		return;
	e->eax = xcr0;
	e->edx = xcr0 >> 32;
	e->ebx = hv_xstate_size(xcr0, false);
	e->ecx = e->ebx;
}

static void leaf_xstate_1(struct out *out, u64 xcr0)
{
	struct kvm_cpuid_entry2 *e = add(out, XSTATE_CPUID, 1, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);

	if (!e)
		return;
	e->eax = host_word(CPUID_D_1_EAX) & (F(XSAVEOPT) | F(XSAVEC) | F(XGETBV1) | F(XSAVES));
	if (!hv_caps.has_xsaves)
		e->eax &= ~F(XSAVES);
	if (e->eax & (F(XSAVEC) | F(XSAVES)))
		e->ebx = hv_xstate_size(xcr0, true);
}

static void leaf_d(struct out *out)
{
	u64 xcr0 = hv_fpu_supported_xcr0();
	struct kvm_cpuid_entry2 *e;
	unsigned int i;

	if (!xcr0)
		return;
	leaf_xstate_0(out, xcr0);
	leaf_xstate_1(out, xcr0);
	for (i = XSTATE_FIRST_EXTENDED; i < 63; i++) {
		if (!(xcr0 & BIT_ULL(i)))
			continue;
		e = add_host(out, XSTATE_CPUID, i, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
		if (!e)
			return;
		e->ecx &= BIT(1);	/* alignment; a user component, no XFD */
		e->edx = 0;
	}
}

static void basic_leaves(struct out *out)
{
	struct kvm_cpuid_entry2 *e = add_host(out, 0, 0, 0);
	u32 leaf, last;

	if (!e)
		return;
	last = min_t(u32, e->eax, BASIC_LEAF_MAX);
	e->eax = last;
	for (leaf = 1; leaf <= last; leaf++) {
		if (leaf == 1)
			leaf_1(out);
		else if (leaf == 2)
			add_host(out, leaf, 0, 0);
		else if (leaf == 4 && !hv_caps.amd_leaves)
			leaf_4(out);
		else if (leaf == 6)
			leaf_6(out);
		else if (leaf == 7)
			leaf_7(out);
		else if (leaf == 0xb || leaf == BASIC_LEAF_MAX)
			add(out, leaf, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
		else if (leaf == XSTATE_CPUID)
			leaf_d(out);
		else
			add(out, leaf, 0, 0);	/* not offered: zeros */
	}
}

static void hypervisor_leaves(struct out *out)
{
	struct kvm_cpuid_entry2 *e = add(out, KVM_CPUID_SIGNATURE, 0, 0);
	u32 signature[3];

	if (!e)
		return;
	memcpy(signature, KVM_SIGNATURE, sizeof(signature));
	e->eax = KVM_CPUID_FEATURES;
	e->ebx = signature[0];
	e->ecx = signature[1];
	e->edx = signature[2];
	e = add(out, KVM_CPUID_FEATURES, 0, 0);
	if (!e)
		return;
	e->eax = BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_NOP_IO_DELAY) |
		 BIT(KVM_FEATURE_CLOCKSOURCE2) | BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT) |
		 BIT(KVM_FEATURE_PV_UNHALT) | BIT(KVM_FEATURE_PV_SEND_IPI) |
		 BIT(KVM_FEATURE_POLL_CONTROL) | BIT(KVM_FEATURE_PV_SCHED_YIELD) |
		 BIT(KVM_FEATURE_PV_EOI) | BIT(KVM_FEATURE_ASYNC_PF) |
		 BIT(KVM_FEATURE_ASYNC_PF_INT);
	if (sched_info_on())
		e->eax |= BIT(KVM_FEATURE_STEAL_TIME) | BIT(KVM_FEATURE_PV_TLB_FLUSH);
}

static void leaf_ext_1(struct out *out)
{
	struct kvm_cpuid_entry2 *e = add(out, 0x80000001, 0, 0);

	if (!e)
		return;
	e->edx = host_word(CPUID_8000_0001_EDX) &
		 (F(SYSCALL) | F(NX) | F(MMXEXT) | F(FXSR_OPT) | F(GBPAGES) | F(RDTSCP) | F(LM) |
		  F(3DNOWEXT) | F(3DNOW));
	/* AMD CPUs repeat leaf 1 here. */
	if (hv_caps.amd_leaves)
		e->edx |= leaf1_edx() &
			  (F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(PAE) | F(MCE) |
			   F(CX8) | F(APIC) | F(MTRR) | F(PGE) | F(MCA) | F(CMOV) | F(PAT) |
			   F(PSE36) | F(MMX) | F(FXSR));
	if (!hv_caps.has_rdtscp)
		e->edx &= ~F(RDTSCP);
	if (hv_caps.max_page_level < 3)
		e->edx &= ~F(GBPAGES);
	e->ecx = host_word(CPUID_8000_0001_ECX) &
		 (F(LAHF_LM) | F(CR8_LEGACY) | F(ABM) | F(SSE4A) | F(MISALIGNSSE) |
		  F(3DNOWPREFETCH) | F(TBM));
	if (hv_fpu_supported_xcr0() & XFEATURE_MASK_YMM)
		e->ecx |= host_word(CPUID_8000_0001_ECX) & (F(XOP) | F(FMA4));
}

static void leaf_ext_8(struct out *out)
{
	struct kvm_cpuid_entry2 *e = add_host(out, 0x80000008, 0, 0);
	u32 physical = boot_cpu_data.x86_phys_bits;

	if (!e)
		return;
	/* Four levels of second-level tables translate 48 bits. */
	physical = min(physical, 48U);
	e->eax = (e->eax & GENMASK(15, 8)) | physical;
	e->ebx = host_word(CPUID_8000_0008_EBX) &
		 (F(CLZERO) | F(XSAVEERPTR) | F(WBNOINVD) | F(AMD_IBPB) | F(AMD_IBRS) |
		  F(AMD_STIBP) | F(AMD_STIBP_ALWAYS_ON) | F(AMD_SSBD) | F(AMD_SSB_NO) |
		  F(BTC_NO) | F(AMD_IBPB_RET));
	e->ecx = 0;
	e->edx = 0;
}

static void leaf_ext_21(struct out *out)
{
	struct kvm_cpuid_entry2 *e = add(out, 0x80000021, 0, 0);

	if (e)
		e->eax = host_word(CPUID_8000_0021_EAX) &
			 (BIT(0) | BIT(2) | BIT(6) |	/* nested data bp, LFENCE, null base */
			  F(SRSO_NO));
}

static void extended_leaves(struct out *out)
{
	struct kvm_cpuid_entry2 *e = add_host(out, EXT_LEAF_BASE, 0, 0);
	u32 leaf, last;

	if (!e)
		return;
	last = min_t(u32, e->eax, hv_caps.amd_leaves ? EXT_LEAF_MAX_AMD : EXT_LEAF_MAX_INTEL);
	e->eax = last;
	for (leaf = EXT_LEAF_BASE + 1; leaf <= last; leaf++) {
		switch (leaf & U8_MAX) {
		case 0x01:
			leaf_ext_1(out);
			break;
		case 0x02 ... 0x06:	/* brand string, caches */
		case 0x19:
			add_host(out, leaf, 0, 0);
			break;
		case 0x07:
			e = add(out, leaf, 0, 0);
			if (e && boot_cpu_has(X86_FEATURE_CONSTANT_TSC) &&
			    boot_cpu_has(X86_FEATURE_NONSTOP_TSC))
				e->edx = BIT(8);	/* invariant TSC */
			break;
		case 0x08:
			leaf_ext_8(out);
			break;
		case 0x21:
			leaf_ext_21(out);
			break;
		default:
			break;		/* absent leaves read as zeros */
		}
	}
}

int hv_cpuid_tables_supported(struct kvm_cpuid_entry2 *entry, int max)
{
	struct out out = { .entry = entry, .max = max };

	basic_leaves(&out);
	hypervisor_leaves(&out);
	extended_leaves(&out);
	return out.count > max ? -E2BIG : out.count;
}

/*
 * Features an instruction emulator adds to hardware that lacks them. Ours runs
 * only what touches devices, so it adds none: the leaves say so.
 */
int hv_cpuid_tables_emulated(struct kvm_cpuid_entry2 *entry, int max)
{
	struct out out = { .entry = entry, .max = max };
	struct kvm_cpuid_entry2 *e = add(&out, 0, 0, 0);

	if (e)
		e->eax = 7;
	add(&out, 1, 0, 0);
	add(&out, 7, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
	return out.count > max ? -E2BIG : out.count;
}
