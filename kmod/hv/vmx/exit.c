// SPDX-License-Identifier: GPL-2.0-only
/*
 * VM exits, by reason. A handler reads its own fields, fills the neutral struct
 * and calls shared code, which decides. Each returns enum hv_disposition or a
 * negative errno.
 */
#include <linux/nospec.h>
#include <asm/cpu.h>
#include <asm/cpufeature.h>
#include <asm/tsc.h>

#include "core/request.h"
#include "core/trace.h"
#include "irqchip/lapic.h"
#include "memory/tdp.h"
#include "vmx/vmx.h"
#include "x86/cpuid.h"
#include "x86/cr.h"
#include "x86/emulate.h"
#include "x86/event.h"
#include "x86/fpu.h"
#include "x86/msr.h"
#include "x86/regs.h"
#include "x86/ud.h"

/* In the exit reason (SDM "Basic VM-Exit Information"): the guest locked the bus before. */
#define REASON_BUS_LOCK	BIT(26)

/*
 * Basic exit reasons of SEAMCALL and TDCALL (SDM appendix "VMX Basic Exit Reasons"), which
 * asm/vmx.h does not have.
 */
#define REASON_SEAMCALL	76
#define REASON_TDCALL	77

/* Exit qualification of I/O instructions (SDM table of that name). */
#define IO_SIZE		GENMASK(2, 0)	/* bytes - 1 */
#define IO_IN		BIT(3)
#define IO_STRING	BIT(4)
#define IO_PORT_SHIFT	16

/* Exit qualification of control-register accesses: bits 5:4. */
enum { CR_MOV_TO, CR_MOV_FROM, CR_CLTS, CR_LMSW };

typedef int (*exit_handler)(struct hv_vmx *vmx);

/* The interrupt itself was taken when the run loop enabled interrupts. */
static int handle_external_interrupt(struct hv_vmx *vmx)
{
	vmx->vcpu.stat.irq_exits++;
	return HV_RESUME;
}

/* A fault while IRET unblocked NMIs: they are blocked again (SDM "NMI Unblocking Due to IRET"). */
static void reblock_nmi(struct hv_vmx *vmx)
{
	u8 vector = vmx->intr_info & INTR_INFO_VECTOR_MASK;

	if ((vmx->intr_info & INTR_INFO_UNBLOCK_NMI) && vector != HV_DF && !vmx->vectoring)
		vmx_set_nmi_mask(&vmx->vcpu, true);
}

static int unexpected_exit(struct hv_vmx *vmx)
{
	pr_err_ratelimited(pr_hv_fmt("unexpected VM exit 0x%x\n"), vmx->exit_reason);
	vmcs_dump(vmx);
	return hv_internal_error(&vmx->vcpu, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON);
}

/*
 * Whether an access that is not aligned faults by the guest's own choice (SDM "Alignment Check
 * Exception"). Else it locked two cache lines at once, and the host has that forbidden.
 */
static bool checks_alignment(struct hv_vcpu *vcpu)
{
	return (hv_cr0(vcpu) & X86_CR0_AM) && (hv_rflags(vcpu) & X86_EFLAGS_AC) &&
	       hv_cpl(vcpu) == 3;
}

/* The kernel decides as it does about its own tasks: it slows this one down, or sends SIGBUS. */
static int handle_ac(struct hv_vcpu *vcpu)
{
	u32 error = vmcs_read32(VM_EXIT_INTR_ERROR_CODE);

	if (!boot_cpu_has(X86_FEATURE_SPLIT_LOCK_DETECT) || checks_alignment(vcpu)) {
		hv_queue_exception_error(vcpu, HV_AC, error);
		return HV_RESUME;
	}
	if (handle_guest_split_lock(hv_rip(vcpu)))
		return HV_RESUME;
	vcpu->run->exit_reason = KVM_EXIT_EXCEPTION;
	vcpu->run->ex.exception = HV_AC;
	vcpu->run->ex.error_code = error;
	return HV_USERSPACE;
}

static int handle_exception(struct hv_vmx *vmx)
{
	struct hv_vcpu *vcpu = &vmx->vcpu;

	if ((vmx->intr_info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_NMI_INTR)
		return HV_RESUME;
	reblock_nmi(vmx);
	switch (vmx->intr_info & INTR_INFO_VECTOR_MASK) {
	case HV_DB:
		return hv_handle_db(vcpu, vmcs_readl(EXIT_QUALIFICATION));
	case HV_BP:
		return hv_handle_bp(vcpu, vmx_insn_len());
	case HV_NM:
		return hv_handle_nm(vcpu);
	case HV_UD:
		return hv_handle_ud(vcpu);
	case HV_AC:
		return handle_ac(vcpu);
	case HV_MC:
		return HV_RESUME;
	default:
		return unexpected_exit(vmx);
	}
}

static int handle_triple_fault(struct hv_vmx *vmx)
{
	hv_request(&vmx->vcpu, HV_REQ_TRIPLE_FAULT);
	return HV_RESUME;
}

static int handle_interrupt_window(struct hv_vmx *vmx)
{
	vmx->nmi_after_sti = false;
	vmx_want_interrupt_window(&vmx->vcpu, false);
	hv_request(&vmx->vcpu, HV_REQ_EVENT);
	return HV_RESUME;
}

static int handle_nmi_window(struct hv_vmx *vmx)
{
	vmx_want_nmi_window(&vmx->vcpu, false);
	hv_request(&vmx->vcpu, HV_REQ_EVENT);
	return HV_RESUME;
}

static int handle_cpuid(struct hv_vmx *vmx)
{
	return hv_handle_cpuid(&vmx->vcpu, vmx_insn_len());
}

static int handle_hlt(struct hv_vmx *vmx)
{
	return hv_handle_hlt(&vmx->vcpu, vmx_insn_len());
}

/* INVD would lose the host's data, WBINVD is pointless without device memory. */
static int handle_skip(struct hv_vmx *vmx)
{
	return hv_skip_insn(&vmx->vcpu, vmx_insn_len());
}

static int handle_gp(struct hv_vmx *vmx)
{
	return hv_inject_gp(&vmx->vcpu);
}

/* Instructions that this machine, as its guest sees it, does not have. */
static int handle_ud(struct hv_vmx *vmx)
{
	return hv_inject_ud(&vmx->vcpu);
}

static int handle_mwait(struct hv_vmx *vmx)
{
	return hv_handle_mwait(&vmx->vcpu, vmx_insn_len());
}

static int handle_vmcall(struct hv_vmx *vmx)
{
	return hv_handle_hypercall(&vmx->vcpu, vmx_insn_len());
}

static int handle_cr(struct hv_vmx *vmx)
{
	static const enum hv_cr_op op[] = {
		[CR_MOV_TO]   = HV_CR_WRITE,
		[CR_MOV_FROM] = HV_CR_READ,
		[CR_CLTS]     = HV_CR_CLTS,
		[CR_LMSW]     = HV_CR_LMSW,
	};
	unsigned long qual = vmcs_readl(EXIT_QUALIFICATION);
	struct hv_cr cr = {
		.op = op[(qual & CONTROL_REG_ACCESS_TYPE) >> 4],
		.cr = qual & 15,
		.gpr = (qual >> 8) & 15,
		.lmsw = qual >> LMSW_SOURCE_DATA_SHIFT,
	};

	return hv_handle_cr(&vmx->vcpu, &cr, vmx_insn_len());
}

static int handle_dr(struct hv_vmx *vmx)
{
	unsigned long qual = vmcs_readl(EXIT_QUALIFICATION);
	struct hv_dr dr = {
		.dr = qual & DEBUG_REG_ACCESS_NUM,
		.gpr = DEBUG_REG_ACCESS_REG(qual),
		.read = qual & DEBUG_REG_ACCESS_TYPE,
	};

	return hv_handle_dr(&vmx->vcpu, &dr, vmx_insn_len());
}

static int handle_io(struct hv_vmx *vmx)
{
	unsigned long qual = vmcs_readl(EXIT_QUALIFICATION);
	struct hv_pio pio = {
		.port = qual >> IO_PORT_SHIFT,
		.size = (qual & IO_SIZE) + 1,
		.in = qual & IO_IN,
	};

	if (unlikely(qual & IO_STRING))
		return hv_handle_string_pio(&vmx->vcpu);
	return hv_handle_pio(&vmx->vcpu, pio, vmx_insn_len());
}

static int handle_rdmsr(struct hv_vmx *vmx)
{
	return hv_handle_rdmsr(&vmx->vcpu, vmx_insn_len());
}

static int handle_wrmsr(struct hv_vmx *vmx)
{
	return hv_handle_wrmsr(&vmx->vcpu, vmx_insn_len());
}

static int handle_xsetbv(struct hv_vmx *vmx)
{
	return hv_handle_xsetbv(&vmx->vcpu, vmx_insn_len());
}

/* A vCPU spins: whoever holds what it waits for may need this CPU. */
static int handle_pause(struct hv_vmx *vmx)
{
	int ret = hv_skip_insn(&vmx->vcpu, vmx_insn_len());

	hv_vcpu_spins(&vmx->vcpu);
	return ret;
}

/* A deadline, or only the bound on a stay: then the visit itself was the purpose. */
static int handle_preemption_timer(struct hv_vmx *vmx)
{
	if (vmx->deadline > rdtsc())
		return HV_RESUME;
	vmx_set_deadline(&vmx->vcpu, U64_MAX);
	hv_lapic_deadline_hit(&vmx->vcpu);
	return HV_RESUME;
}

/* A bus lock ends the stay, and is told along with whatever else ended it. */
static int report_bus_lock(struct kvm_run *run, int ret)
{
	run->flags |= KVM_RUN_X86_BUS_LOCK;
	if (ret != HV_RESUME)
		return ret;
	run->exit_reason = KVM_EXIT_X86_BUS_LOCK;
	return HV_USERSPACE;
}

static int handle_bus_lock_exit(struct hv_vmx *vmx)
{
	return report_bus_lock(vmx->vcpu.run, HV_RESUME);
}

/* For too long nothing could interrupt the guest. Without its context it cannot go on. */
static int handle_notify(struct hv_vmx *vmx)
{
	unsigned long qual = vmcs_readl(EXIT_QUALIFICATION);
	bool lost = qual & NOTIFY_VM_CONTEXT_INVALID;
	struct hv_vcpu *vcpu = &vmx->vcpu;

	vcpu->stat.notify_window_exits++;
	vmx_reblock_nmi(vmx, qual);
	if (!lost && !(vcpu->vm->notify_flags & KVM_X86_NOTIFY_VMEXIT_USER))
		return HV_RESUME;
	vcpu->run->exit_reason = KVM_EXIT_NOTIFY;
	vcpu->run->notify.flags = lost ? KVM_NOTIFY_CONTEXT_INVALID : 0;
	return HV_USERSPACE;
}

static const exit_handler handlers[] = {
	[EXIT_REASON_EXCEPTION_NMI]	   = handle_exception,
	[EXIT_REASON_EXTERNAL_INTERRUPT]   = handle_external_interrupt,
	[EXIT_REASON_TRIPLE_FAULT]	   = handle_triple_fault,
	[EXIT_REASON_INTERRUPT_WINDOW]	   = handle_interrupt_window,
	[EXIT_REASON_NMI_WINDOW]	   = handle_nmi_window,
	[EXIT_REASON_CPUID]		   = handle_cpuid,
	[EXIT_REASON_HLT]		   = handle_hlt,
	[EXIT_REASON_INVD]		   = handle_skip,
	[EXIT_REASON_RDPMC]		   = handle_gp,
	[EXIT_REASON_VMCALL]		   = handle_vmcall,
	[EXIT_REASON_VMCLEAR]		   = handle_ud,
	[EXIT_REASON_VMLAUNCH]		   = handle_ud,
	[EXIT_REASON_VMPTRLD]		   = handle_ud,
	[EXIT_REASON_VMPTRST]		   = handle_ud,
	[EXIT_REASON_VMREAD]		   = handle_ud,
	[EXIT_REASON_VMRESUME]		   = handle_ud,
	[EXIT_REASON_VMWRITE]		   = handle_ud,
	[EXIT_REASON_VMOFF]		   = handle_ud,
	[EXIT_REASON_VMON]		   = handle_ud,
	[EXIT_REASON_CR_ACCESS]		   = handle_cr,
	[EXIT_REASON_DR_ACCESS]		   = handle_dr,
	[EXIT_REASON_IO_INSTRUCTION]	   = handle_io,
	[EXIT_REASON_MSR_READ]		   = handle_rdmsr,
	[EXIT_REASON_MSR_WRITE]		   = handle_wrmsr,
	[EXIT_REASON_MWAIT_INSTRUCTION]	   = handle_mwait,
	[EXIT_REASON_MONITOR_INSTRUCTION]  = handle_mwait,
	[EXIT_REASON_PAUSE_INSTRUCTION]	   = handle_pause,
	[EXIT_REASON_TPR_BELOW_THRESHOLD]  = vmx_handle_tpr,
	[EXIT_REASON_APIC_ACCESS]	   = vmx_handle_apic_access,
	[EXIT_REASON_EOI_INDUCED]	   = vmx_handle_eoi,
	[EXIT_REASON_EPT_VIOLATION]	   = vmx_handle_ept_violation,
	[EXIT_REASON_EPT_MISCONFIG]	   = vmx_handle_ept_misconfig,
	[EXIT_REASON_INVEPT]		   = handle_ud,
	[EXIT_REASON_PREEMPTION_TIMER]	   = handle_preemption_timer,
	[EXIT_REASON_INVVPID]		   = handle_ud,
	[EXIT_REASON_WBINVD]		   = handle_skip,
	[EXIT_REASON_XSETBV]		   = handle_xsetbv,
	[EXIT_REASON_APIC_WRITE]	   = vmx_handle_apic_write,
	[EXIT_REASON_ENCLS]		   = handle_ud,
	[EXIT_REASON_PML_FULL]		   = vmx_handle_pml_full,
	[EXIT_REASON_VMFUNC]		   = handle_ud,
	[EXIT_REASON_BUS_LOCK]		   = handle_bus_lock_exit,
	[EXIT_REASON_NOTIFY]		   = handle_notify,
	[REASON_SEAMCALL]		   = handle_ud,
	[REASON_TDCALL]			   = handle_ud,
};

/* Exits whose handling touches no data but this guest's: L1D flush not needed after them. */
#define TOUCHES_NO_SECRETS (BIT_ULL(EXIT_REASON_EXTERNAL_INTERRUPT) |				\
			    BIT_ULL(EXIT_REASON_INTERRUPT_WINDOW) |				\
			    BIT_ULL(EXIT_REASON_NMI_WINDOW) | BIT_ULL(EXIT_REASON_CPUID) |	\
			    BIT_ULL(EXIT_REASON_CR_ACCESS) | BIT_ULL(EXIT_REASON_DR_ACCESS) |	\
			    BIT_ULL(EXIT_REASON_MSR_READ) | BIT_ULL(EXIT_REASON_MSR_WRITE) |	\
			    BIT_ULL(EXIT_REASON_WBINVD) | BIT_ULL(EXIT_REASON_PREEMPTION_TIMER))

static int fail_entry(struct hv_vmx *vmx)
{
	struct kvm_run *run = vmx->vcpu.run;

	vmcs_dump(vmx);
	run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	run->fail_entry.hardware_entry_failure_reason = vmx->entry_failure;
	run->fail_entry.cpu = vmx->vcpu.last_cpu;
	return HV_USERSPACE;
}

static int handle_by_table(struct hv_vmx *vmx, u16 reason)
{
	exit_handler handler;

	if (unlikely(reason >= ARRAY_SIZE(handlers)))
		return unexpected_exit(vmx);
	handler = handlers[array_index_nospec(reason, ARRAY_SIZE(handlers))];
	if (unlikely(!handler))
		return unexpected_exit(vmx);
	return handler(vmx);
}

/* More than its number is in the reason. */
static noinline int handle_flagged(struct hv_vmx *vmx, u32 reason)
{
	int ret;

	if (reason & VMX_EXIT_REASONS_FAILED_VMENTRY)
		return fail_entry(vmx);
	ret = handle_by_table(vmx, reason);
	return reason & REASON_BUS_LOCK ? report_bus_lock(vmx->vcpu.run, ret) : ret;
}

/* Apart, or every exit would save the registers that it uses. */
static noinline void trace_exit(struct hv_vmx *vmx)
{
	struct hv_vcpu *vcpu = &vmx->vcpu;

	trace_vellum_exit(vcpu->id, vmx->exit_reason, hv_rip(vcpu),
			  vmcs_readl(EXIT_QUALIFICATION));
}

int vmx_handle_exit(struct hv_vcpu *vcpu)
{
	struct hv_vmx *vmx = to_vmx(vcpu);
	u32 reason;

	if (trace_vellum_exit_enabled())
		trace_exit(vmx);
	/* not before: it would have to survive the call */
	reason = vmx->exit_reason;
	if (static_branch_unlikely(&vmx_l1d_needed) &&
	    (reason >= 64 || !(TOUCHES_NO_SECRETS & BIT_ULL(reason))))
		vmx->flush_l1d = true;
	/* The commonest ones without an indirect branch, which retpolines make dear. */
	switch (reason) {
	case EXIT_REASON_EXTERNAL_INTERRUPT:
		return handle_external_interrupt(vmx);
	case EXIT_REASON_CPUID:
		return handle_cpuid(vmx);
	case EXIT_REASON_IO_INSTRUCTION:
		return handle_io(vmx);
	case EXIT_REASON_MSR_READ:
		return handle_rdmsr(vmx);
	case EXIT_REASON_MSR_WRITE:
		return handle_wrmsr(vmx);
	case EXIT_REASON_VMCALL:
		return handle_vmcall(vmx);
	case EXIT_REASON_EPT_VIOLATION:
		return vmx_handle_ept_violation(vmx);
	default:
		return unlikely(reason >> 16) ? handle_flagged(vmx, reason) :
						handle_by_table(vmx, reason);
	}
}

unsigned int vmx_describe_exit(struct hv_vcpu *vcpu, u64 *data)
{
	struct hv_vmx *vmx = to_vmx(vcpu);

	data[0] = vmx->exit_reason;
	data[1] = vcpu->last_cpu;
	data[2] = vmcs_readl(EXIT_QUALIFICATION);
	data[3] = vmcs_read64(GUEST_PHYSICAL_ADDRESS);
	data[4] = vmcs_read32(VM_EXIT_INTR_INFO);
	data[5] = vmx->vectoring;
	return 6;
}
