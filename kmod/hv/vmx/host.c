// SPDX-License-Identifier: GPL-2.0-only
/*
 * Host state that VM exits do not bring back as it was.
 *
 * A VM exit loads null selectors into DS, ES, FS, GS and LDTR, GDT and TSS limits
 * that are too large, and leaves KERNEL_GS_BASE alone. Kernel code does not
 * notice, so all of it is put right once, when the vCPU leaves the CPU, and not
 * at each exit. User mode may have changed its bases and selectors before each
 * KVM_RUN, so they are read at the first entry after a load.
 */
#include <linux/jump_label.h>
#include <asm/cpufeature.h>
#include <asm/desc.h>
#include <asm/fsgsbase.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <asm/segment.h>

#include "compat/compat.h"
#include "vmx/vmx.h"

/*
 * The CPU has processor event-based sampling: it writes records to a linear
 * address of the host whatever page tables are in force, so none may run while
 * the guest's are.
 */
DEFINE_STATIC_KEY_FALSE(vmx_pebs);

void vmx_host_init(void)
{
	if (boot_cpu_has(X86_FEATURE_PEBS))
		static_branch_enable(&vmx_pebs);
}

static u16 read_ldt(void)
{
	u16 selector;

	asm volatile("sldt %0" : "=m" (selector));
	return selector;
}

static void load_ldt_selector(u16 selector)
{
	asm volatile("lldt %w0" : : "r" (selector));
}

static void save_selectors(struct vmx_host *host)
{
	savesegment(ds, host->ds);
	savesegment(es, host->es);
	savesegment(fs, host->fs);
	savesegment(gs, host->gs);
	host->ldt = read_ldt();
	host->selectors = host->ds | host->es | host->fs | host->gs | host->ldt;
}

/* 32-bit programs, and those with an LDT. The bases may differ from the descriptors'. */
static void restore_selectors(const struct vmx_host *host)
{
	load_ldt_selector(host->ldt);
	loadsegment(ds, host->ds);
	loadsegment(es, host->es);
	if (host->fs) {
		loadsegment(fs, host->fs);
		x86_fsbase_write_cpu(host->fs_base);
	}
	if (host->gs)
		load_gs_index(host->gs);
	native_wrmsrl(MSR_KERNEL_GS_BASE, host->kernel_gs_base);
}

static void save_bases(struct hv_vmx *vmx)
{
	struct vmx_host *host = &vmx->host;
	u64 fs_base = x86_fsbase_read_cpu();

	if (fs_base != host->fs_base) {
		host->fs_base = fs_base;
		vmcs_writel(HOST_FS_BASE, fs_base);
	}
	host->kernel_gs_base = __rdmsr(MSR_KERNEL_GS_BASE);
	if (vmx->guest_kernel_gs_base != host->kernel_gs_base)
		native_wrmsrl(MSR_KERNEL_GS_BASE, vmx->guest_kernel_gs_base);
}

void vmx_host_enter(struct hv_vmx *vmx)
{
	lockdep_assert_irqs_disabled();
	vmx->extra.host = false;
	if (vmx->user_msrs)
		vmx_msr_load_user(vmx);
	if (vmx->pat != vmx->vcpu.msr.pat) {
		vmx->pat = vmx->vcpu.msr.pat;
		vmcs_write64(GUEST_IA32_PAT, vmx->pat);
	}
	if (vmx->host.saved)
		return;
	vmx->host.saved = true;
	vmx->vcpu.stat.host_state_reloads++;
	save_selectors(&vmx->host);
	save_bases(vmx);
	/* A VM exit clears it; the host's perf or block-step tracing may use it. */
	vmx->host.debugctl = __rdmsr(MSR_IA32_DEBUGCTLMSR);
	vmx->extra.debugctl = vmx->host.debugctl;
}

void vmx_host_leave(struct hv_vmx *vmx)
{
	struct vmx_host *host = &vmx->host;

	if (!host->saved)
		return;
	host->saved = false;
	vmx->extra.host = true;
	vmx->guest_kernel_gs_base = __rdmsr(MSR_KERNEL_GS_BASE);
	if (vmx->guest_kernel_gs_base != host->kernel_gs_base)
		native_wrmsrl(MSR_KERNEL_GS_BASE, host->kernel_gs_base);
	if (unlikely(host->selectors))
		restore_selectors(host);
	invalidate_tss_limit();
	native_load_gdt(this_cpu_ptr(&vmx_cpu.gdt));
	hv_ibpb_before_user();
}
