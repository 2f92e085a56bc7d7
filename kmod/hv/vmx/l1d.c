// SPDX-License-Identifier: GPL-2.0-only
/*
 * L1 terminal fault: on affected CPUs a guest can read what the L1 data cache
 * holds (Documentation/admin-guide/hw-vuln/l1tf.rst), so secrets are flushed out of it
 * before an entry: before each with l1tf=full, by default only if code ran since the
 * last one that handles data of others.
 */
#include <linux/gfp.h>
#include <linux/hardirq.h>
#include <linux/jump_label.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/processor.h>

#include "vmx/vmx.h"

DEFINE_STATIC_KEY_FALSE(vmx_l1d_needed);

#define L1D_ORDER	4	/* 64 KiB: twice the largest L1 data cache of an affected CPU */
#define L1D_SIZE	(PAGE_SIZE << L1D_ORDER)
#define L1D_LINE	64

static u8 *l1d_pages;		/* NULL: flush by MSR */
static bool l1d_always;

static bool affected(void)
{
	u64 caps = 0;

	if (!boot_cpu_has_bug(X86_BUG_L1TF) || l1tf_mitigation == L1TF_MITIGATION_OFF)
		return false;
	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrl(MSR_IA32_ARCH_CAPABILITIES, caps);
	return !(caps & ARCH_CAP_SKIP_VMENTRY_L1DFLUSH);
}

int vmx_l1d_init(void)
{
	if (!affected())
		return 0;
	l1d_always = l1tf_mitigation == L1TF_MITIGATION_FULL ||
		     l1tf_mitigation == L1TF_MITIGATION_FULL_FORCE;
	if (!boot_cpu_has(X86_FEATURE_FLUSH_L1D)) {
		l1d_pages = (u8 *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, L1D_ORDER);
		if (!l1d_pages)
			return -ENOMEM;
	}
	static_branch_enable(&vmx_l1d_needed);
	return 0;
}

void vmx_l1d_exit(void)
{
	if (static_key_enabled(&vmx_l1d_needed))
		static_branch_disable(&vmx_l1d_needed);
	free_pages((unsigned long)l1d_pages, L1D_ORDER);
	l1d_pages = NULL;
}

/* Reads enough to replace every line; first each page, so that the TLB does not miss later. */
static void flush_by_reading(void)
{
	unsigned long i;

	for (i = 0; i < L1D_SIZE; i += PAGE_SIZE)
		(void)READ_ONCE(l1d_pages[i]);
	barrier_nospec();
	for (i = 0; i < L1D_SIZE; i += L1D_LINE)
		(void)READ_ONCE(l1d_pages[i]);
	barrier_nospec();
}

void vmx_l1d_before_entry(struct hv_vmx *vmx)
{
	/* Interrupt handlers set the kernel's flag. */
	bool needed = l1d_always || vmx->flush_l1d || kvm_get_cpu_l1tf_flush_l1d();

	if (!needed)
		return;
	vmx->flush_l1d = false;
	kvm_clear_cpu_l1tf_flush_l1d();
	if (l1d_pages)
		flush_by_reading();
	else
		native_wrmsrl(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
}
