// SPDX-License-Identifier: GPL-2.0-only
/* Events into the guest (APM volume 2, "Event Injection" and "Virtual Interrupts"). */
#include <asm/segment.h>

#include "core/request.h"
#include "svm/svm.h"
#include "x86/event.h"
#include "x86/regs.h"

static void inject(struct hv_vcpu *vcpu, u32 type, u8 vector)
{
	svm_control(vcpu)->event_inj = SVM_EVTINJ_VALID | type | vector;
}

void svm_inject_exception(struct hv_vcpu *vcpu)
{
	const struct hv_events *ev = &vcpu->events;

	inject(vcpu, SVM_EVTINJ_TYPE_EXEPT, ev->exception.vector);
	if (ev->exception.has_error) {
		svm_control(vcpu)->event_inj |= SVM_EVTINJ_VALID_ERR;
		svm_control(vcpu)->event_inj_err = ev->exception.error;
	}
	/* INT3 and INTO push the address behind them; no next-RIP field says where that is. */
	if (ev->soft_insn_len && (ev->exception.vector == HV_BP || ev->exception.vector == HV_OF)) {
		hv_set_rip(vcpu, hv_rip(vcpu) + ev->soft_insn_len);
		vcpu->events.soft_insn_len = 0;
	}
}

/*
 * V_IRQ has two uses. With a vector it is an interrupt that VMRUN takes first of all, the guest
 * being open for it. Without, its interception tells when the guest opens.
 */
static void program_virq(struct hv_vcpu *vcpu)
{
	struct vmcb_control_area *control = svm_control(vcpu);
	struct hv_svm *svm = to_svm(vcpu);

	control->int_ctl &= ~(V_IRQ_MASK | V_IGN_TPR_MASK);
	if (svm->virq || svm->irq_window)
		control->int_ctl |= V_IRQ_MASK | V_IGN_TPR_MASK;
	control->int_vector = svm->virq ? vcpu->events.interrupt.vector : 0;
	svm_intercept(vcpu, INTERCEPT_VINTR, svm->irq_window);
	svm_mark_dirty(vcpu, SVM_CLEAN_INTR);
}

/*
 * The interrupt that was programmed for an entry that did not happen is gone since, or waits. A
 * window that waited for it is open from now on.
 */
void svm_forget_interrupt(struct hv_vcpu *vcpu)
{
	struct hv_svm *svm = to_svm(vcpu);

	svm->virq = false;
	svm->irq_window |= svm->window_later;
	svm->window_later = false;
	program_virq(vcpu);
}

/*
 * EVENTINJ only for INT n, or if an NMI waits behind (nmi.c): QEMU's emulation delivers an
 * interrupt from there twice if its CPU thread is kicked before the next exception or exit.
 */
void svm_inject_interrupt(struct hv_vcpu *vcpu)
{
	struct hv_svm *svm = to_svm(vcpu);

	if (vcpu->events.interrupt.soft) {
		svm_forget_interrupt(vcpu);
		inject(vcpu, SVM_EVTINJ_TYPE_SOFT, vcpu->events.interrupt.vector);
		return;
	}
	svm_control(vcpu)->event_inj = 0;
	svm->virq = true;
	svm->irq_window = false;
	program_virq(vcpu);
}

bool svm_interrupt_allowed(struct hv_vcpu *vcpu)
{
	return (hv_rflags(vcpu) & X86_EFLAGS_IF) &&
	       !(svm_control(vcpu)->int_state & SVM_INTERRUPT_SHADOW_MASK);
}

/* The interrupt that is programmed as V_IRQ, by EVENTINJ instead. */
void svm_inject_by_event(struct hv_vcpu *vcpu)
{
	svm_forget_interrupt(vcpu);
	inject(vcpu, SVM_EVTINJ_TYPE_INTR, vcpu->events.interrupt.vector);
}

/*
 * A virtual interrupt that outranks every TPR, and whose acceptance is intercepted. Where V_IRQ
 * is an interrupt already, the window waits for the exit after it: its EOI, at the latest.
 */
void svm_want_interrupt_window(struct hv_vcpu *vcpu, bool on)
{
	struct hv_svm *svm = to_svm(vcpu);

	if (svm->irq_window == on)
		return;
	if (svm->virq) {
		svm->window_later = on;
		return;
	}
	svm->irq_window = on;
	program_virq(vcpu);
}

u32 svm_get_interrupt_shadow(struct hv_vcpu *vcpu)
{
	/* One bit for both kinds; the ABI lets us answer with both. */
	if (svm_control(vcpu)->int_state & SVM_INTERRUPT_SHADOW_MASK)
		return KVM_X86_SHADOW_INT_STI | KVM_X86_SHADOW_INT_MOV_SS;
	return 0;
}

void svm_set_interrupt_shadow(struct hv_vcpu *vcpu, u32 shadow)
{
	if (shadow)
		svm_control(vcpu)->int_state |= SVM_INTERRUPT_SHADOW_MASK;
	else
		svm_control(vcpu)->int_state &= ~SVM_INTERRUPT_SHADOW_MASK;
	vcpu->shadow = shadow;
}

/*
 * INT3 and INTO come again with their instruction. One that @event has injected does not: RIP is
 * behind it, and has not moved since.
 */
static bool comes_again(u32 info, u32 event, bool moved)
{
	u8 vector = info & SVM_EXITINTINFO_VEC_MASK;

	if (vector != HV_BP && vector != HV_OF)
		return false;
	return moved || !(event & SVM_EVTINJ_VALID) || (event & SVM_EVTINJ_VEC_MASK) != vector;
}

static void requeue_exception(struct hv_vcpu *vcpu, u32 info)
{
	struct hv_events *ev = &vcpu->events;

	ev->exception.injected = true;
	ev->exception.pending = false;
	ev->exception.vector = info & SVM_EXITINTINFO_VEC_MASK;
	ev->exception.has_error = info & SVM_EXITINTINFO_VALID_ERR;
	ev->exception.error = svm_control(vcpu)->exit_int_info_err;
}

/* The virtual interrupt that VMRUN was to take. true: an exit came first, or in the midst of it. */
static bool virq_waits(struct hv_vcpu *vcpu)
{
	struct hv_svm *svm = to_svm(vcpu);
	bool waits = svm_control(vcpu)->int_ctl & V_IRQ_MASK;

	svm->virq = false;
	program_virq(vcpu);
	if (waits || svm->window_later)
		hv_request(vcpu, HV_REQ_EVENT);
	svm->window_later = false;
	return waits;
}

static u32 interrupted_type(u32 info)
{
	/* QEMU calls a virtual interrupt an exception. */
	if ((info & SVM_EXITINTINFO_VEC_MASK) >= NUM_EXCEPTION_VECTORS &&
	    (info & SVM_EXITINTINFO_TYPE_MASK) == SVM_EXITINTINFO_TYPE_EXEPT)
		return SVM_EXITINTINFO_TYPE_INTR;
	return info & SVM_EXITINTINFO_TYPE_MASK;
}

/* Delivery that an exit interrupted starts again (APM "EXITINTINFO"). */
void svm_requeue(struct hv_vcpu *vcpu, u32 event, bool moved)
{
	u32 info = svm_control(vcpu)->exit_int_info;
	struct hv_events *ev = &vcpu->events;

	if (event)
		hv_event_delivered(vcpu);
	/* Perhaps programmed behind it. */
	if (to_svm(vcpu)->virq)
		ev->interrupt.injected = virq_waits(vcpu);
	ev->delivering = info & SVM_EXITINTINFO_VALID;
	if (likely(!ev->delivering))
		return;
	switch (interrupted_type(info)) {
	case SVM_EXITINTINFO_TYPE_NMI:
		ev->nmi_injected = true;
		break;
	case SVM_EXITINTINFO_TYPE_EXEPT:
		if (comes_again(info, event, moved))
			return;
		requeue_exception(vcpu, info);
		break;
	case SVM_EXITINTINFO_TYPE_INTR:
		ev->interrupt.injected = true;
		ev->interrupt.soft = false;
		ev->interrupt.vector = info & SVM_EXITINTINFO_VEC_MASK;
		break;
	default:
		/* INT n starts over from its instruction. */
		return;
	}
	hv_request(vcpu, HV_REQ_EVENT);
}
