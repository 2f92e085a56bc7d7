// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exceptions, NMIs and interrupts on their way into the guest (SDM volume 3,
 * "Interrupt and Exception Handling").
 */
#include <linux/kernel.h>

#include "core/request.h"
#include "irqchip/irqchip.h"
#include "x86/debug.h"
#include "x86/event.h"
#include "x86/regs.h"
#include "x86/smm.h"

#define HV_NMI_MAX	2	/* one being handled, one latched behind it */

static bool is_contributory(u8 vector)
{
	const u32 contributory = BIT(HV_DE) | BIT(HV_TS) | BIT(HV_NP) | BIT(HV_SS_FAULT) |
				 BIT(HV_GP) | BIT(HV_CP);

	return contributory & BIT(vector & 31);
}

/* SDM, "Double Fault Exception", table "Conditions for Generating a Double Fault" */
static bool makes_double_fault(u8 first, u8 second)
{
	if (is_contributory(first))
		return is_contributory(second);
	if (first == HV_PF || first == HV_VE)
		return is_contributory(second) || second == HV_PF || second == HV_VE;
	return false;
}

static bool makes_triple_fault(u8 first, u8 second)
{
	return first == HV_DF &&
	       (is_contributory(second) || second == HV_PF || second == HV_VE);
}

struct exception {
	u8 vector;
	bool has_error, has_payload;
	u32 error;
	u64 payload;
};

static void exception_set(struct hv_vcpu *vcpu, const struct exception *e)
{
	struct hv_events *ev = &vcpu->events;

	ev->exception.pending = true;
	ev->exception.injected = false;
	ev->exception.vector = e->vector;
	/* Real-address mode pushes no error codes. */
	ev->exception.has_error = e->has_error && (hv_cr0(vcpu) & X86_CR0_PE);
	ev->exception.error = ev->exception.has_error ? e->error : 0;
	ev->exception.has_payload = e->has_payload;
	ev->exception.payload = e->payload;
	hv_request(vcpu, HV_REQ_EVENT);
}

static void queue(struct hv_vcpu *vcpu, const struct exception *e)
{
	static const struct exception double_fault = { .vector = HV_DF, .has_error = true };
	struct hv_events *ev = &vcpu->events;
	u8 first = ev->exception.vector;

	if (likely(!ev->exception.pending && !ev->exception.injected)) {
		exception_set(vcpu, e);
	} else if (makes_triple_fault(first, e->vector)) {
		ev->exception.pending = false;
		ev->exception.injected = false;
		hv_request(vcpu, HV_REQ_TRIPLE_FAULT);
	} else if (makes_double_fault(first, e->vector)) {
		exception_set(vcpu, &double_fault);
	} else {
		/* Benign: the second is handled, the first comes again with its instruction. */
		exception_set(vcpu, e);
	}
}

void hv_queue_exception(struct hv_vcpu *vcpu, u8 vector)
{
	queue(vcpu, &(struct exception){ .vector = vector });
}

void hv_queue_exception_error(struct hv_vcpu *vcpu, u8 vector, u32 error)
{
	queue(vcpu, &(struct exception){ .vector = vector, .has_error = true, .error = error });
}

void hv_queue_page_fault(struct hv_vcpu *vcpu, u64 address, u32 error)
{
	struct exception e = {
		.vector = HV_PF,
		.has_error = true,
		.error = error,
		.has_payload = true,
		.payload = address,
	};

	queue(vcpu, &e);
}

void hv_queue_db(struct hv_vcpu *vcpu, u64 dr6_bits)
{
	struct exception e = { .vector = HV_DB, .has_payload = true, .payload = dr6_bits };

	queue(vcpu, &e);
}

int hv_inject_gp(struct hv_vcpu *vcpu)
{
	hv_queue_exception_error(vcpu, HV_GP, 0);
	return HV_RESUME;
}

int hv_inject_ud(struct hv_vcpu *vcpu)
{
	hv_queue_exception(vcpu, HV_UD);
	return HV_RESUME;
}

/* CR2 and DR6 change at delivery, not when the exception is found. */
static void payload_deliver(struct hv_vcpu *vcpu)
{
	struct hv_events *ev = &vcpu->events;
	u64 payload = ev->exception.payload;

	if (!ev->exception.has_payload)
		return;
	if (ev->exception.vector == HV_PF) {
		vcpu->cr2 = payload;
	} else if (ev->exception.vector == HV_DB) {
		/* B0-B3 are replaced, the others accumulate; RTM is active low. */
		vcpu->debug.dr6 &= ~(u64)DR_TRAP_BITS;
		vcpu->debug.dr6 |= (payload & HV_DR6_EVENTS) | HV_DR6_INIT;
		vcpu->debug.dr6 &= ~(payload & HV_DR6_RTM);
	}
	ev->exception.has_payload = false;
	ev->exception.payload = 0;
}

void hv_exception_payload_sync(struct hv_vcpu *vcpu)
{
	if (vcpu->events.exception.pending && !vcpu->vm->exception_payload)
		payload_deliver(vcpu);
}

/* All but traps and aborts push RFLAGS.RF = 1 (SDM, "Resume Flag in RFLAGS"). */
static bool is_fault(u8 vector)
{
	switch (vector) {
	case HV_DB:
	case HV_BP:
	case HV_OF:
	case HV_DF:
	case HV_MC:
		return false;
	default:
		return true;
	}
}

bool hv_interrupt_goes(struct hv_vcpu *vcpu)
{
	const struct hv_events *ev = &vcpu->events;

	return ev->interrupt.injected && (ev->interrupt.soft || hv_ops->interrupt_allowed(vcpu));
}

/* The order is that of reinject(): one entry injects one event, and the others stand behind it. */
void hv_event_delivered(struct hv_vcpu *vcpu)
{
	struct hv_events *ev = &vcpu->events;

	if (ev->exception.injected)
		ev->exception.injected = false;
	else if (ev->nmi_injected)
		ev->nmi_injected = false;
	else
		ev->interrupt.injected = false;
	if (ev->nmi_injected || ev->interrupt.injected)
		hv_request(vcpu, HV_REQ_EVENT);
}

static void exception_inject(struct hv_vcpu *vcpu)
{
	struct hv_events *ev = &vcpu->events;

	if (is_fault(ev->exception.vector))
		hv_set_rflags(vcpu, hv_rflags(vcpu) | X86_EFLAGS_RF);
	payload_deliver(vcpu);
	if (ev->exception.vector == HV_DB && (vcpu->debug.dr7 & HV_DR7_GD)) {
		vcpu->debug.dr7 &= ~HV_DR7_GD;
		hv_debug_update(vcpu);
	}
	ev->exception.pending = false;
	ev->exception.injected = true;
	/* INT n, whose delivery met it, comes again with its instruction. */
	if (ev->interrupt.soft)
		ev->interrupt.injected = false;
	hv_ops->inject_exception(vcpu);
}

/* What was on its way goes again. true: this entry's one injection is used up. */
static bool reinject(struct hv_vcpu *vcpu)
{
	struct hv_events *ev = &vcpu->events;

	if (ev->exception.injected) {
		hv_ops->inject_exception(vcpu);
		return true;
	}
	/* An exception met while an NMI or interrupt was delivered is handled first. */
	if (ev->exception.pending)
		return false;
	if (ev->nmi_injected) {
		hv_ops->inject_nmi(vcpu);
		return true;
	}
	/* The handler of what went before it may have interrupts off. */
	if (hv_interrupt_goes(vcpu)) {
		hv_ops->inject_interrupt(vcpu);
		return true;
	}
	return false;
}

/* One on its way that this entry does not inject. */
static bool interrupt_waits(struct hv_vcpu *vcpu)
{
	const struct hv_events *ev = &vcpu->events;

	if (!ev->interrupt.injected)
		return false;
	return ev->exception.injected || ev->nmi_injected || !hv_interrupt_goes(vcpu);
}

static void nmi_collect(struct hv_vcpu *vcpu)
{
	struct hv_events *ev = &vcpu->events;
	unsigned int limit = HV_NMI_MAX, queued;

	if (!atomic_read(&ev->nmi_queued))
		return;
	queued = atomic_xchg(&ev->nmi_queued, 0);
	if (ev->nmi_injected || hv_ops->get_nmi_mask(vcpu))
		limit = HV_NMI_MAX - 1;
	ev->nmi_pending = min(ev->nmi_pending + queued, limit);
}

static bool nmi_inject(struct hv_vcpu *vcpu, bool busy)
{
	struct hv_events *ev = &vcpu->events;

	nmi_collect(vcpu);
	if (!ev->nmi_pending)
		return busy;
	if (!busy && !ev->nmi_injected && hv_ops->nmi_allowed(vcpu)) {
		ev->nmi_pending--;
		ev->nmi_injected = true;
		hv_ops->inject_nmi(vcpu);
		busy = true;
	}
	if (ev->nmi_pending)
		hv_ops->want_nmi_window(vcpu, true);
	return busy;
}

static void interrupt_inject(struct hv_vcpu *vcpu, bool busy)
{
	struct hv_events *ev = &vcpu->events;
	int vector = -1;

	if (!busy && !ev->interrupt.injected && hv_ops->interrupt_allowed(vcpu))
		vector = hv_irq_ack(vcpu);
	if (vector >= 0) {
		ev->interrupt.vector = vector;
		ev->interrupt.soft = false;
		ev->interrupt.injected = true;
		hv_ops->inject_interrupt(vcpu);
	}
	hv_ops->want_interrupt_window(vcpu, interrupt_waits(vcpu) || hv_irq_injectable(vcpu));
}

/* The window of an NMI is where an SMI that must wait is taken, too. true: SMM was entered. */
static bool smi_inject(struct hv_vcpu *vcpu, bool busy)
{
	if (busy || hv_ops->get_interrupt_shadow(vcpu)) {
		hv_ops->want_nmi_window(vcpu, true);
		return false;
	}
	hv_smm_enter(vcpu);
	return true;
}

void hv_events_inject(struct hv_vcpu *vcpu)
{
	bool busy = reinject(vcpu);

	vcpu->stat.injections++;
	if (!busy && vcpu->events.exception.pending) {
		exception_inject(vcpu);
		busy = true;
	}
	/* An SMI comes between two instructions, before NMIs; its handler has both off. */
	if (unlikely(hv_smi_pending(vcpu)) && smi_inject(vcpu, busy))
		return;
	/* The debugger steps through its own code, not through handlers. */
	if (vcpu->debug.guest_debug & KVM_GUESTDBG_BLOCKIRQ)
		return;
	busy = nmi_inject(vcpu, busy);
	interrupt_inject(vcpu, busy);
}

bool hv_event_pending(struct hv_vcpu *vcpu)
{
	const struct hv_events *ev = &vcpu->events;

	if (ev->exception.pending || ev->exception.injected || ev->nmi_injected ||
	    hv_interrupt_goes(vcpu) || hv_smi_pending(vcpu))
		return true;
	return (ev->nmi_pending || atomic_read(&ev->nmi_queued)) && !hv_ops->get_nmi_mask(vcpu);
}
