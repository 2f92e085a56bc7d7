// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_RUN.
 *
 * The loop does the least that one stay in the guest needs: look whether
 * anybody posted a request, enter, handle the exit. Whatever can be computed when
 * its cause changes (what to inject, which registers are intercepted, TLB
 * flushes) is posted as a request by who changes it and never looked at here.
 */
#include <linux/hw_breakpoint.h>
#include <linux/sched/signal.h>
#include <linux/static_call.h>
#include <asm/debugreg.h>

#include "compat/compat.h"
#include "core/hw.h"
#include "core/ops.h"
#include "core/poll.h"
#include "core/request.h"
#include "core/trace.h"
#include "irqchip/irqchip.h"
#include "irqchip/lapic.h"
#include "x86/cr.h"
#include "x86/event.h"
#include "x86/fpu.h"
#include "x86/pv_eoi.h"
#include "x86/regs.h"
#include "x86/sync_regs.h"

/* On every exit: calls through a table would each pass a retpoline. */
DEFINE_STATIC_CALL_NULL(hv_enter, *hv_ops->enter);
DEFINE_STATIC_CALL_NULL(hv_handle_exit, *hv_ops->handle_exit);
DEFINE_STATIC_CALL_NULL(hv_cache_reg, *hv_ops->cache_reg);

/* The back end is chosen, and no vCPU is there yet. */
void hv_run_init(void)
{
	static_call_update(hv_enter, hv_ops->enter);
	static_call_update(hv_handle_exit, hv_ops->handle_exit);
	static_call_update(hv_cache_reg, hv_ops->cache_reg);
}

static int interrupted(struct hv_vcpu *vcpu)
{
	vcpu->run->exit_reason = KVM_EXIT_INTR;
	vcpu->stat.signal_exits++;
	return -EINTR;
}

static void load_debug_registers(struct hv_vcpu *vcpu)
{
	struct hv_debug *debug = &vcpu->debug;

	/* Disarmed while half written. */
	set_debugreg(0, 7);
	set_debugreg(debug->eff_db[0], 0);
	set_debugreg(debug->eff_db[1], 1);
	set_debugreg(debug->eff_db[2], 2);
	set_debugreg(debug->eff_db[3], 3);
	set_debugreg(debug->dr6, 6);
	debug->loaded = true;
}

static void put_debug_registers(struct hv_vcpu *vcpu)
{
	struct hv_debug *debug = &vcpu->debug;
	unsigned long dr6;

	if (unlikely(debug->loaded)) {
		get_debugreg(dr6, 6);
		if (!(debug->guest_debug & KVM_GUESTDBG_USE_HW_BP))
			debug->dr6 = dr6;
		/* The kernel expects no event there that its own tasks did not cause. */
		if (dr6 != DR6_RESERVED)
			set_debugreg(DR6_RESERVED, 6);
		debug->loaded = false;
	}
	/* A VM exit clears DR7: the host's own breakpoints come back here. */
	if (unlikely(hw_breakpoint_active()))
		hw_breakpoint_restore();
}

/*
 * Interrupts are off. Once the mode says "in guest", whoever posts a request
 * sends an IPI, which stays pending until the guest runs and then ends its stay:
 * so a request not seen here is never slept on.
 */
static bool may_enter(struct hv_vcpu *vcpu)
{
	/* A full barrier: the mode is out before the requests are looked at. */
	atomic_xchg(&vcpu->mode, HV_IN_GUEST);
	return likely(!READ_ONCE(vcpu->requests) && !hv_task_work_pending() && vcpu->loaded &&
		      this_cpu_read(hv_cpu_on));
}

/* Signals, and other tasks' turn. */
static int away(struct hv_vcpu *vcpu)
{
	int ret;

	vcpu->pv.at_boundary = true;
	ret = hv_handle_task_work();
	vcpu->pv.at_boundary = false;
	return ret ? interrupted(vcpu) : HV_RESUME;
}

static int cancel_entry(struct hv_vcpu *vcpu)
{
	/* Reboot, or a CPU that could not be brought into virtualization mode. */
	bool gone = !vcpu->loaded || !this_cpu_read(hv_cpu_on);

	atomic_set(&vcpu->mode, HV_OUTSIDE_GUEST);
	local_irq_enable();
	/* What was programmed says "again before anything else": it is, after this request. */
	hv_request(vcpu, HV_REQ_EVENT);
	if (gone)
		return -EIO;
	return hv_task_work_pending() ? away(vcpu) : HV_RESUME;
}

/* With interrupts off the task stays on this CPU. */
static int enter_guest(struct hv_vcpu *vcpu)
{
	local_irq_disable();
	if (unlikely(!may_enter(vcpu)))
		return cancel_entry(vcpu);
	if (unlikely(hv_fpu_switches(vcpu)))
		hv_fpu_enter(vcpu);
	if (unlikely(vcpu->debug.want))
		load_debug_registers(vcpu);
	trace_vellum_entry(vcpu->id);

	/* Ticks taken below, when interrupts come on, are the guest's time. */
	current->flags |= PF_VCPU;
	static_call(hv_enter)(vcpu);
	put_debug_registers(vcpu);
	if (unlikely(vcpu->fpu.special))
		hv_fpu_exit(vcpu);
	atomic_set(&vcpu->mode, HV_OUTSIDE_GUEST);
	vcpu->stat.exits++;
	local_irq_enable();
	current->flags &= ~PF_VCPU;
	return static_call(hv_handle_exit)(vcpu);
}

/* Without a PIC here, user space waits for a moment when it can inject. */
static bool window_open(struct hv_vcpu *vcpu)
{
	return hv_irq_accepts_external(vcpu) && !vcpu->events.interrupt.injected &&
	       !vcpu->events.exception.pending && !vcpu->events.exception.injected &&
	       !vcpu->events.nmi_injected && hv_ops->interrupt_allowed(vcpu);
}

static int offer_window(struct hv_vcpu *vcpu)
{
	if (window_open(vcpu)) {
		vcpu->run->exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
		return HV_USERSPACE;
	}
	/* A LAPIC that takes none is programmed first, which exits. */
	if (hv_irq_accepts_external(vcpu))
		hv_ops->want_interrupt_window(vcpu, true);
	return HV_RESUME;
}

static bool wants_window(struct hv_vcpu *vcpu)
{
	return !vcpu->vm->irqchip && READ_ONCE(vcpu->run->request_interrupt_window);
}

static int run_runnable(struct hv_vcpu *vcpu)
{
	int ret;

	if (READ_ONCE(vcpu->requests)) {
		ret = hv_requests_drain(vcpu);
		if (ret <= 0)
			return ret;
		if (vcpu->mp_state != KVM_MP_STATE_RUNNABLE)
			return HV_RESUME;
	}
	if (unlikely(wants_window(vcpu))) {
		ret = offer_window(vcpu);
		if (ret <= 0)
			return ret;
	}
	return enter_guest(vcpu);
}

/* The news of a page comes by interrupt, once the vCPU's own task has seen the request. */
static bool interrupt_wakes(struct hv_vcpu *vcpu)
{
	return (hv_irq_pending(vcpu) || test_bit(HV_REQ_ASYNC_PF, &vcpu->requests)) &&
	       hv_ops->interrupt_allowed(vcpu);
}

/* System management mode holds INIT off, and start-up with it: neither wakes before RSM. */
static bool apic_event_wakes(const struct hv_vcpu *vcpu)
{
	return vcpu->lapic && vcpu->lapic->pending_events && !vcpu->smm.active;
}

bool hv_vcpu_runnable(struct hv_vcpu *vcpu)
{
	switch (vcpu->mp_state) {
	case KVM_MP_STATE_RUNNABLE:
		return true;
	case KVM_MP_STATE_HALTED:
		return hv_event_pending(vcpu) || READ_ONCE(vcpu->pv.unhalted) ||
		       apic_event_wakes(vcpu) ||
		       (vcpu->lapic && hv_lapic_timer_expired(vcpu)) || interrupt_wakes(vcpu);
	default:
		return apic_event_wakes(vcpu);
	}
}

static int sleep_until_runnable(struct hv_vcpu *vcpu)
{
	int ret = HV_RESUME;

	if (vcpu->lapic)
		hv_lapic_timer_block(vcpu);
	prepare_to_rcuwait(&vcpu->wait);
	if (vcpu->mp_state == KVM_MP_STATE_HALTED)
		hv_poll_begin(vcpu);
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (hv_vcpu_runnable(vcpu) || test_bit(HV_REQ_VM_DEAD, &vcpu->requests))
			break;
		if (signal_pending(current)) {
			ret = interrupted(vcpu);
			break;
		}
		vcpu->pv.at_boundary = true;
		schedule();
		vcpu->pv.at_boundary = false;
	}
	finish_rcuwait(&vcpu->wait);
	if (vcpu->mp_state == KVM_MP_STATE_HALTED)
		hv_poll_end(vcpu);
	if (vcpu->lapic)
		hv_lapic_timer_unblock(vcpu);
	return ret;
}

static int run_stopped(struct hv_vcpu *vcpu)
{
	int ret;

	if (vcpu->mp_state == KVM_MP_STATE_HALTED && wants_window(vcpu) && window_open(vcpu)) {
		vcpu->run->exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
		return HV_USERSPACE;
	}
	ret = sleep_until_runnable(vcpu);
	if (ret <= 0)
		return ret;
	if (vcpu->lapic && vcpu->lapic->pending_events)
		hv_request(vcpu, HV_REQ_APIC_EVENT);
	vcpu->smm.from_halt = vcpu->mp_state == KVM_MP_STATE_HALTED;
	if (vcpu->smm.from_halt) {
		vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
		/* Whatever ended the HLT: the guest looks again at what it waits for. */
		WRITE_ONCE(vcpu->pv.unhalted, false);
	}
	hv_request(vcpu, HV_REQ_EVENT);
	ret = hv_requests_drain(vcpu);
	vcpu->smm.from_halt = false;
	/* Others may wake it for nothing, again and again: first signals and other tasks. */
	if (ret == HV_RESUME && vcpu->mp_state != KVM_MP_STATE_RUNNABLE && hv_task_work_pending())
		return away(vcpu);
	return ret;
}

int hv_vcpu_halt(struct hv_vcpu *vcpu)
{
	vcpu->stat.halt_exits++;
	if (vcpu->lapic) {
		hv_pv_eoi_sync(vcpu);
		vcpu->mp_state = KVM_MP_STATE_HALTED;
		return HV_RESUME;
	}
	vcpu->run->exit_reason = KVM_EXIT_HLT;
	return HV_USERSPACE;
}

static int run_loop(struct hv_vcpu *vcpu)
{
	int ret;

	do {
		if (likely(vcpu->mp_state == KVM_MP_STATE_RUNNABLE))
			ret = run_runnable(vcpu);
		else
			ret = run_stopped(vcpu);
	} while (ret > 0);
	return ret;
}

/* Unused bits of both masks are refused before anything of the guest changes. */
static int sync_masks_check(struct kvm_run *run)
{
	u64 asked = READ_ONCE(run->kvm_valid_regs) | READ_ONCE(run->kvm_dirty_regs);

	return unlikely(asked & ~(u64)KVM_SYNC_X86_VALID_FIELDS) ? -EINVAL : 0;
}

/* What user space may have changed in the run page, and what the last exit still owes. */
static int before_run(struct hv_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	hv_complete_fn complete = vcpu->complete;
	int ret;

	run->flags = 0;
	ret = sync_masks_check(run);
	if (ret)
		return ret;
	if (unlikely(READ_ONCE(run->kvm_dirty_regs))) {
		ret = hv_sync_regs_take(vcpu, READ_ONCE(run->kvm_dirty_regs));
		if (ret)
			return ret;
	}
	if (!vcpu->lapic) {
		u64 cr8 = READ_ONCE(run->cr8);

		if (cr8 != vcpu->cr8 && hv_cr8_write(vcpu, cr8))
			return -EINVAL;
	}
	if (complete) {
		vcpu->complete = NULL;
		ret = complete(vcpu);
		if (ret <= 0)
			return ret;
	}
	/* As in KVM, run->exit_reason stays what it was: the exit that this call completed. */
	if (READ_ONCE(run->hv_immediate_exit))
		return -EINTR;
	return HV_RESUME;
}

static void after_run(struct hv_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 valid = READ_ONCE(run->kvm_valid_regs);

	hv_pv_eoi_sync(vcpu);
	if (unlikely(vcpu->smm.active))
		run->flags |= KVM_RUN_X86_SMM;
	run->if_flag = !!(hv_rflags(vcpu) & X86_EFLAGS_IF);
	run->cr8 = hv_cr8_read(vcpu);
	run->apic_base = vcpu->msr.apic_base;
	run->ready_for_interrupt_injection = vcpu->vm->irqchip || window_open(vcpu);
	if (unlikely(valid))
		hv_sync_regs_give(vcpu, valid);
}

static int run_with_mask(struct hv_vcpu *vcpu)
{
	int ret;

	hv_fpu_run_begin(vcpu);
	ret = before_run(vcpu);
	if (ret > 0)
		ret = run_loop(vcpu);
	hv_fpu_run_end(vcpu);
	after_run(vcpu);
	return ret;
}

/* Whom hv_vcpu_spins() yields to when it wants this vCPU to run. */
static void remember_task(struct hv_vcpu *vcpu)
{
	struct pid *old = rcu_dereference_protected(vcpu->pid, lockdep_is_held(&vcpu->mutex));

	if (likely(old == task_pid(current)))
		return;
	rcu_assign_pointer(vcpu->pid, get_task_pid(current, PIDTYPE_PID));
	if (old)
		synchronize_rcu();
	put_pid(old);
}

/**
 * hv_vcpu_run() - KVM_RUN
 * @vcpu: loaded, its mutex held
 *
 * Return: 0 with run->exit_reason filled; -EINTR after a signal or with
 * immediate_exit; -EFAULT for guest memory whose user address is not mapped; -EIO
 * if the VM is dead or this CPU has left virtualization mode; -EINVAL for a bad CR8.
 */
int hv_vcpu_run(struct hv_vcpu *vcpu)
{
	sigset_t own;
	int ret;

	remember_task(vcpu);
	if (likely(!vcpu->sigset_active))
		return run_with_mask(vcpu);
	/* What the task blocks otherwise ends the call, never the process. */
	own = current->blocked;
	current->real_blocked = own;
	sigprocmask(SIG_SETMASK, &vcpu->sigset, NULL);
	ret = run_with_mask(vcpu);
	sigprocmask(SIG_SETMASK, &own, NULL);
	sigemptyset(&current->real_blocked);
	return ret;
}
