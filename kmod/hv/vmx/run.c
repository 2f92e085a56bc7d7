// SPDX-License-Identifier: GPL-2.0-only
/*
 * One stay in the guest. Everything here runs on every exit: a line added to
 * vmx_enter() is paid for by every guest.
 */
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <asm/special_insns.h>
#include <asm/tsc.h>

#include "core/machine_check.h"
#include "vmx/vmx.h"
#include "x86/event.h"

#define NO_DEADLINE	U64_MAX

/*
 * Exits that can come in the middle of an event's delivery (SDM "Information for
 * VM Exits During Event Delivery"). Any other follows a delivery that is complete.
 */
#define MAY_VECTOR	(BIT_ULL(EXIT_REASON_EXCEPTION_NMI) | BIT_ULL(EXIT_REASON_TASK_SWITCH) | \
			 BIT_ULL(EXIT_REASON_APIC_ACCESS) | BIT_ULL(EXIT_REASON_EPT_VIOLATION) | \
			 BIT_ULL(EXIT_REASON_EPT_MISCONFIG) | BIT_ULL(EXIT_REASON_PML_FULL) | \
			 BIT_ULL(EXIT_REASON_NOTIFY % 64))

static noinline void write_timer(struct hv_vmx *vmx, u64 deadline)
{
	u64 now = rdtsc(), ticks = 0;

	/* One tick more: an exit before the deadline would have to wait again. */
	if (deadline > now)
		ticks = ((deadline - now) >> vmx_caps.timer_shift) + 1;
	vmcs_write32(VMX_PREEMPTION_TIMER_VALUE, min_t(u64, ticks, vmx_caps.timer_bound));
}

/**
 * vmx_set_deadline() - leave the guest at a time
 * @vcpu: loaded
 * @deadline: host TSC; U64_MAX: no more
 *
 * The timer in the VMCS is loaded anew at each entry, so a deadline costs a
 * write per entry; without one the constant bound stays there.
 */
int vmx_set_deadline(struct hv_vcpu *vcpu, u64 deadline)
{
	struct hv_vmx *vmx = to_vmx(vcpu);

	if (!vmx_has_timer())
		return -EOPNOTSUPP;
	vmx->deadline = deadline;
	if (deadline == NO_DEADLINE && vmx->extra.deadline)
		vmcs_write32(VMX_PREEMPTION_TIMER_VALUE, vmx_caps.timer_bound);
	vmx->extra.deadline = deadline != NO_DEADLINE;
	return 0;
}

/* The event that was programmed for an entry that did not happen may be gone since. */
static noinline void recheck_injection(struct hv_vmx *vmx)
{
	const struct hv_events *ev = &vmx->vcpu.events;

	if (ev->exception.injected || ev->nmi_injected || hv_interrupt_goes(&vmx->vcpu))
		return;
	vmcs_write32(VM_ENTRY_INTR_INFO_FIELD, 0);
	vmx->extra.injecting = false;
}

static noinline void set_host_cr(struct hv_vmx *vmx, unsigned long cr3, unsigned long cr4)
{
	vmcs_writel(HOST_CR3, cr3);
	vmcs_writel(HOST_CR4, cr4);
	vmx->host_cr3 = cr3;
	vmx->host_cr4 = cr4;
}

static __always_inline void sync_host_cr(struct hv_vmx *vmx)
{
	unsigned long cr3 = __native_read_cr3(), cr4 = native_read_cr4();

	if (unlikely(cr3 != vmx->host_cr3 || cr4 != vmx->host_cr4))
		set_host_cr(vmx, cr3, cr4);
}

static __always_inline void stop_pebs(struct hv_vmx *vmx)
{
	vmx->host.pebs = __rdmsr(MSR_IA32_PEBS_ENABLE);
	if (unlikely(vmx->host.pebs))
		native_wrmsrl(MSR_IA32_PEBS_ENABLE, 0);
}

static __always_inline void start_pebs(struct hv_vmx *vmx)
{
	if (unlikely(vmx->host.pebs))
		native_wrmsrl(MSR_IA32_PEBS_ENABLE, vmx->host.pebs);
}

static __always_inline void before_entry(struct hv_vmx *vmx)
{
	struct hv_vcpu *vcpu = &vmx->vcpu;

	if (unlikely(vmx->extra.any)) {
		if (vmx->extra.host)
			vmx_host_enter(vmx);
		if (vmx->extra.deadline)
			write_timer(vmx, vmx->deadline);
		if (vmx->extra.injecting)
			recheck_injection(vmx);
	}
	if (likely(vcpu->dirty == BIT(HV_REG_RIP))) {
		vmcs_writel(GUEST_RIP, vcpu->rip);
		vcpu->dirty = 0;
	} else if (vcpu->dirty) {
		vmx_flush_regs(vmx);
	}
	sync_host_cr(vmx);
	if (unlikely(vcpu->cr2 != native_read_cr2()))
		native_write_cr2(vcpu->cr2);
	if (static_branch_unlikely(&vmx_l1d_needed))
		vmx_l1d_before_entry(vmx);
	if (static_branch_likely(&vmx_pebs))
		stop_pebs(vmx);
	/*
	 * MMIO stale data, on CPUs that have no other reason to empty their buffers (enter.S). A
	 * guest whose memory slot is a device's can read what is in them.
	 */
	if (static_branch_unlikely(&mmio_stale_data_clear))
		x86_clear_cpu_buffers();
}

static __always_inline void after_exit(struct hv_vmx *vmx)
{
	struct hv_vcpu *vcpu = &vmx->vcpu;

	if (static_branch_likely(&vmx_pebs))
		start_pebs(vmx);
	vcpu->cr2 = native_read_cr2();
	if (unlikely(vmx->extra.any)) {
		if (vmx->extra.debugctl)
			native_wrmsrl(MSR_IA32_DEBUGCTLMSR, vmx->host.debugctl);
		if (vmx->extra.pml)
			vmx_pml_flush(vmx);
	}
	/* What nearly every handler asks for, without a call for each. */
	vcpu->rip = vmcs_readl(GUEST_RIP);
	vcpu->rflags = vmcs_readl(GUEST_RFLAGS);
	vcpu->avail = BIT(HV_REG_RIP) | BIT(HV_REG_RFLAGS);
	vmx->interruptibility = vmcs_read32(GUEST_INTERRUPTIBILITY_INFO);
	vcpu->shadow = vmx->interruptibility & VMX_SHADOW_BITS;
}

/*
 * The exit was the host's NMI or machine check: hand it on before anything
 * else. The exit itself blocked further NMIs; the IRET of the handler that INT 2
 * reaches ends that.
 */
static void host_exception(struct hv_vmx *vmx)
{
	u32 info = vmcs_read32(VM_EXIT_INTR_INFO);

	vmx->intr_info = info;
	if ((info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_NMI_INTR)
		asm volatile("int $2" : : : "memory");
	else if ((info & INTR_INFO_VECTOR_MASK) == HV_MC)
		hv_host_machine_check();
}

static noinline void entry_failed(struct hv_vmx *vmx, u32 reason)
{
	vmx->exit_reason = VMX_EXIT_REASONS_FAILED_VMENTRY;
	vmx->entry_failure = reason;
	if ((u16)reason == EXIT_REASON_MCE_DURING_VMENTRY)
		hv_host_machine_check();
}

/* The instruction itself failed: there was no exit. */
static noinline void entry_refused(struct hv_vmx *vmx)
{
	after_exit(vmx);
	entry_failed(vmx, vmcs_read32(VM_INSTRUCTION_ERROR));
}

static noinline void after_delivery(struct hv_vmx *vmx)
{
	if ((u16)vmx->exit_reason == EXIT_REASON_EXCEPTION_NMI)
		host_exception(vmx);
	vmx_requeue(vmx);
}

void vmx_enter(struct hv_vcpu *vcpu)
{
	struct hv_vmx *vmx = to_vmx(vcpu);
	u32 reason;

	before_entry(vmx);
	if (unlikely(vmx_enter_guest(vcpu->gpr, &vmx->entry)))
		return entry_refused(vmx);
	after_exit(vmx);
	reason = vmcs_read32(VM_EXIT_REASON);
	if (unlikely(reason & VMX_EXIT_REASONS_FAILED_VMENTRY))
		return entry_failed(vmx, reason);
	vmx->entry.flags |= VMX_ENTRY_LAUNCHED;
	vmx->exit_reason = reason;
	/* A reason above 63 passes for one below: then the look is in vain. */
	if (unlikely(vmx->extra.injecting || (MAY_VECTOR & BIT_ULL(reason % 64))))
		after_delivery(vmx);
}
