// SPDX-License-Identifier: GPL-2.0-only
/*
 * When an NMI can be taken (APM volume 2, "Interrupt Shadows", "Non-Maskable Interrupts").
 *
 * Without virtual NMIs hardware does not say when the guest opens for one. There are three reasons
 * why it may not be open, and each has its own way of noticing the end:
 *
 *   another NMI is handled   the intercept of IRET, then one step over it;
 *   an interrupt shadow      one step;
 *   another event goes first an exit at the first instruction of its handler.
 *
 * A step is an entry with RFLAGS.TF set. The flag is in the VMCB for that one entry only:
 * whatever could show it to the guest (exceptions, PUSHF, INT n) is intercepted meanwhile, and
 * vcpu->rflags, which all others read, never has it. An entry that injects an event is not a step,
 * for delivery pushes the flags.
 */
#include "compat/compat.h"
#include "core/request.h"
#include "svm/svm.h"
#include "x86/debug.h"
#include "x86/emulate.h"
#include "x86/regs.h"

/* Any exception would push the flags; the NMI is the host's own. */
#define STEP_EXCEPTIONS	(~(u32)BIT(HV_NMI))

/* These show the flags or replace them. */
static const u8 step_intercepts[] = {
	INTERCEPT_PUSHF, INTERCEPT_POPF, INTERCEPT_INTn, INTERCEPT_ICEBP,
};

static void step_intercept(struct hv_vcpu *vcpu, bool on)
{
	struct hv_svm *svm = to_svm(vcpu);
	u32 *exceptions = &svm_control(vcpu)->intercepts[INTERCEPT_EXCEPTION];
	bool iret = on || vcpu->events.nmi_masked;
	unsigned int i;

	if (on)
		svm->step.exceptions = *exceptions;
	*exceptions = on ? STEP_EXCEPTIONS : svm->step.exceptions;
	for (i = 0; i < ARRAY_SIZE(step_intercepts); i++)
		svm_intercept(vcpu, step_intercepts[i], on);
	svm_intercept(vcpu, INTERCEPT_IRET, iret && !svm->iret_begun);
	svm_mark_dirty(vcpu, SVM_CLEAN_INTERCEPTS);
}

static void begin_step(struct hv_vcpu *vcpu)
{
	struct hv_svm *svm = to_svm(vcpu);

	svm->step.active = true;
	svm->step.rip = vcpu->rip;
	svm->step.tf = vcpu->rflags & X86_EFLAGS_TF;
	svm_save(vcpu)->rflags |= X86_EFLAGS_TF;
	step_intercept(vcpu, true);
}

/* The host interrupt that this raises ends the stay as soon as the event is delivered. */
static void leave_after_delivery(struct hv_vcpu *vcpu)
{
	/* It would go before a virtual interrupt, too, again and again; not before an event. */
	if (to_svm(vcpu)->virq && !svm_control(vcpu)->event_inj)
		svm_inject_by_event(vcpu);
	hv_send_reschedule(raw_smp_processor_id());
}

/*
 * Interrupts off, the VMCB is complete: somebody waits for an NMI window, or the next instruction
 * is the IRET that ends the NMI handler.
 */
void svm_nmi_before_entry(struct hv_vcpu *vcpu)
{
	struct hv_svm *svm = to_svm(vcpu);
	bool busy = svm_control(vcpu)->event_inj || svm->virq;
	bool shadow = svm_control(vcpu)->int_state & SVM_INTERRUPT_SHADOW_MASK;

	/* The guest goes elsewhere: the next IRET is the one that counts. */
	if (svm->iret_begun && (busy || vcpu->rip != svm->iret_rip)) {
		svm->iret_begun = false;
		svm_intercept(vcpu, INTERCEPT_IRET, true);
	}
	if (busy && svm->nmi_wanted)
		leave_after_delivery(vcpu);
	else if (!busy && !svm->step.refused && (svm->iret_begun || shadow))
		begin_step(vcpu);
	if (busy || svm->iret_begun || shadow)
		hv_request(vcpu, HV_REQ_EVENT);
	svm->step.refused = false;
	svm->nmi_wanted = false;
}

/* Interrupts off, right after the exit that ended a step or came in its midst. */
void svm_step_exited(struct hv_vcpu *vcpu)
{
	struct hv_svm *svm = to_svm(vcpu);
	bool trapped = svm_control(vcpu)->exit_code == SVM_EXIT_EXCP_BASE + HV_DB &&
		       (svm_save(vcpu)->dr6 & DR_STEP);
	bool done = trapped || vcpu->rip != svm->step.rip;

	svm->step.active = false;
	svm->step.own_trap = trapped && !svm->step.tf;
	/* IRET has brought flags of the guest's own. */
	if (!(done && svm->iret_begun) && !svm->step.tf)
		vcpu->rflags &= ~(u64)X86_EFLAGS_TF;
	step_intercept(vcpu, false);
	if (done && svm->iret_begun)
		svm_set_nmi_mask(vcpu, false);
}

/* #DB: takes the trap of our own step out of @dr6. true: there was nothing else in it. */
bool svm_step_trapped(struct hv_vcpu *vcpu, u64 *dr6)
{
	struct hv_svm *svm = to_svm(vcpu);

	if (!svm->step.own_trap)
		return false;
	svm->step.own_trap = false;
	*dr6 &= ~(u64)DR_STEP;
	return !(*dr6 & HV_DR6_EVENTS);
}

/* An instruction that would show our flag runs without a step; any exit after it will do. */
int svm_refuse_step(struct hv_vcpu *vcpu)
{
	to_svm(vcpu)->step.refused = true;
	return HV_RESUME;
}

int svm_handle_pushf(struct hv_vcpu *vcpu)
{
	/* In virtual-8086 mode it may fault, or know another IF. */
	if (hv_rflags(vcpu) & X86_EFLAGS_VM)
		return svm_refuse_step(vcpu);
	return hv_emulate_insn(vcpu);
}

int svm_handle_iret(struct hv_vcpu *vcpu)
{
	struct hv_svm *svm = to_svm(vcpu);

	if (!vcpu->events.nmi_masked)
		return svm_refuse_step(vcpu);
	svm_intercept(vcpu, INTERCEPT_IRET, false);
	svm->iret_begun = true;
	svm->iret_rip = hv_rip(vcpu);
	return HV_RESUME;
}

void svm_want_nmi_window(struct hv_vcpu *vcpu, bool on)
{
	to_svm(vcpu)->nmi_wanted = on;
}

bool svm_nmi_allowed(struct hv_vcpu *vcpu)
{
	return !vcpu->events.nmi_masked &&
	       !(svm_control(vcpu)->int_state & SVM_INTERRUPT_SHADOW_MASK);
}

bool svm_get_nmi_mask(struct hv_vcpu *vcpu)
{
	return vcpu->events.nmi_masked;
}

void svm_set_nmi_mask(struct hv_vcpu *vcpu, bool masked)
{
	vcpu->events.nmi_masked = masked;
	to_svm(vcpu)->iret_begun = false;
	svm_intercept(vcpu, INTERCEPT_IRET, masked);
}

void svm_inject_nmi(struct hv_vcpu *vcpu)
{
	svm_control(vcpu)->event_inj = SVM_EVTINJ_VALID | SVM_EVTINJ_TYPE_NMI | HV_NMI;
	svm_set_nmi_mask(vcpu, true);
}

void svm_nmi_reset(struct hv_vcpu *vcpu)
{
	struct hv_svm *svm = to_svm(vcpu);

	svm->nmi_wanted = false;
	memset(&svm->step, 0, sizeof(svm->step));
	svm_set_nmi_mask(vcpu, false);
}
