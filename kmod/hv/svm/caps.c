// SPDX-License-Identifier: GPL-2.0-only
/* What this CPU's AMD-V can do (APM volume 2, "SVM Feature Identification"). */
#include <asm/cpufeature.h>
#include <asm/fpu/xcr.h>
#include <asm/fpu/types.h>
#include <asm/msr.h>

#include "memory/tdp_format.h"
#include "svm/svm.h"

u32 svm_max_asid;
bool svm_has_nrips, svm_has_decode_assists, svm_has_pause_filter;

#define VM_CR_SVM_DISABLE	BIT_ULL(4)
#define MIN_ASIDS		8	/* ASID 0 is the host's */
#define BIOS_SIGN		0x01000065

static int unsupported(const char *what)
{
	pr_err(pr_hv_fmt("this CPU lacks %s, which Vellum needs on AMD-V\n"), what);
	return -EOPNOTSUPP;
}

static bool disabled_by_firmware(void)
{
	u64 vm_cr;

	return rdmsrl_safe(MSR_VM_CR, &vm_cr) || (vm_cr & VM_CR_SVM_DISABLE);
}

/**
 * svm_probe() - does this machine have AMD-V, with what we need?
 * @caps: filled
 *
 * Return: 0; -ENODEV without AMD-V; -EOPNOTSUPP after naming what is missing.
 */
int svm_probe(struct hv_caps *caps)
{
	u32 eax, ebx, ecx, edx;

	if (!boot_cpu_has(X86_FEATURE_SVM))
		return -ENODEV;
	if (disabled_by_firmware())
		return unsupported("AMD-V switched on in the firmware (VM_CR.SVMDIS)");
	if (!boot_cpu_has(X86_FEATURE_NPT))
		return unsupported("nested paging (NPT)");
	cpuid(SVM_CPUID_FUNC, &eax, &ebx, &ecx, &edx);
	if (ebx < MIN_ASIDS)
		return unsupported("address space identifiers");
	svm_max_asid = ebx - 1;
	svm_has_nrips = boot_cpu_has(X86_FEATURE_NRIPS);
	svm_has_decode_assists = boot_cpu_has(X86_FEATURE_DECODEASSISTS);
	svm_has_pause_filter = boot_cpu_has(X86_FEATURE_PAUSEFILTER);

	*caps = (struct hv_caps) {
		.hypercall_insn = { 0x0f, 0x01, 0xd9 },		/* VMMCALL */
		/*
		 * AMD does not forward registers past a device-not-available fault. QEMU's own
		 * AMD-V has XSAVE and XRSTOR not even raise it: there the guest would switch
		 * tasks with the VMM's registers.
		 */
		.lazy_fpu = !boot_cpu_has(X86_FEATURE_HYPERVISOR),
		/* QEMU's own AMD-V does not know the intercept of XSETBV. */
		.xsetbv_passes = boot_cpu_has(X86_FEATURE_HYPERVISOR),
		.max_page_level = boot_cpu_has(X86_FEATURE_GBPAGES) ? 3 : 2,
		.pdptes_in_memory = true,
		.has_rdtscp = boot_cpu_has(X86_FEATURE_RDTSCP),
		.has_invpcid = boot_cpu_has(X86_FEATURE_INVPCID),
		.has_umip = boot_cpu_has(X86_FEATURE_UMIP),
		.has_pku = boot_cpu_has(X86_FEATURE_PKU),
		.amd_leaves = true,
		.bios_sign = BIOS_SIGN,
	};
	if (boot_cpu_has(X86_FEATURE_XSAVE))
		caps->supported_xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK) &
				       (XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM |
					XFEATURE_MASK_AVX512 | XFEATURE_MASK_PKRU);
	hv_tdp_set_format(HV_TDP_NPT, true);
	return 0;
}
