// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events into the guest: VM-entry event injection, windows, and what an exit
 * interrupted (SDM volume 3, "Event Injection", "Information for VM Exits During
 * Event Delivery").
 */
#include "core/request.h"
#include "vmx/vmx.h"
#include "x86/event.h"

/* Exceptions that push an error code in protected mode. */
#define HAS_ERROR_CODE	(BIT(HV_DF) | BIT(HV_TS) | BIT(HV_NP) | BIT(HV_SS_FAULT) | BIT(HV_GP) | \
			 BIT(HV_PF) | BIT(HV_AC) | BIT(HV_CP))
#define ERROR_CODE_BITS	GENMASK(14, 0)	/* others must be 0 in the VMCS */

#define MAX_INSN_LEN	15

static void inject(struct hv_vmx *vmx, u32 info)
{
	vmcs_write32(VM_ENTRY_INTR_INFO_FIELD, info | INTR_INFO_VALID_MASK);
	vmx->extra.injecting = true;
	/* In HLT state only some events may be injected; whichever it is, it wakes the guest. */
	if (!(vmx->cpu_exec & CPU_BASED_HLT_EXITING))
		vmcs_write32(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
}

static void write_insn_len(const struct hv_vcpu *vcpu)
{
	u8 len = vcpu->events.soft_insn_len;

	vmcs_write32(VM_ENTRY_INSTRUCTION_LEN, len && len <= MAX_INSN_LEN ? len : 1);
}

void vmx_inject_exception(struct hv_vcpu *vcpu)
{
	u8 vector = vcpu->events.exception.vector;
	u32 info = vector | INTR_TYPE_HARD_EXCEPTION;

	if (vcpu->events.exception.vector == HV_BP || vector == HV_OF) {
		info = vector | INTR_TYPE_SOFT_EXCEPTION;
		write_insn_len(vcpu);
	} else if (vector < 32 && (HAS_ERROR_CODE & BIT(vector))) {
		if (!(vcpu->avail & BIT(HV_REG_CR0)))
			vmx_cache_reg(vcpu, HV_REG_CR0);
		/* Real mode pushes none, and VM entry refuses the combination. */
		if (vcpu->cr0 & X86_CR0_PE) {
			info |= INTR_INFO_DELIVER_CODE_MASK;
			vmcs_write32(VM_ENTRY_EXCEPTION_ERROR_CODE,
				     vcpu->events.exception.error & ERROR_CODE_BITS);
		}
	}
	inject(to_vmx(vcpu), info);
}

void vmx_inject_interrupt(struct hv_vcpu *vcpu)
{
	u32 info = vcpu->events.interrupt.vector;

	if (vcpu->events.interrupt.soft) {
		info |= INTR_TYPE_SOFT_INTR;
		write_insn_len(vcpu);
	} else {
		info |= INTR_TYPE_EXT_INTR;
	}
	inject(to_vmx(vcpu), info);
}

void vmx_inject_nmi(struct hv_vcpu *vcpu)
{
	inject(to_vmx(vcpu), HV_NMI | INTR_TYPE_NMI_INTR);
}

bool vmx_interrupt_allowed(struct hv_vcpu *vcpu)
{
	/* RFLAGS is read at each exit (run.c). */
	return (vcpu->rflags & X86_EFLAGS_IF) &&
	       !(to_vmx(vcpu)->interruptibility & VMX_SHADOW_BITS);
}

bool vmx_nmi_allowed(struct hv_vcpu *vcpu)
{
	return !(to_vmx(vcpu)->interruptibility & (VMX_SHADOW_BITS | GUEST_INTR_STATE_NMI));
}

/* Shared code has looked at what is pending: what TPR holds back has a window of its own. */
void vmx_want_interrupt_window(struct hv_vcpu *vcpu, bool on)
{
	struct hv_vmx *vmx = to_vmx(vcpu);

	vmcs_control_cpu(vmx, CPU_BASED_INTR_WINDOW_EXITING, on || vmx->nmi_after_sti);
	vmx_apic_threshold(vmx);
}

/*
 * STI's shadow does not hold the NMI window back, so waiting for it that way
 * would exit for ever; the shadow ends where the interrupt window opens. An
 * event that is delivered first ends it, too.
 */
void vmx_want_nmi_window(struct hv_vcpu *vcpu, bool on)
{
	struct hv_vmx *vmx = to_vmx(vcpu);

	if (on && (vmx->interruptibility & GUEST_INTR_STATE_STI) && !vmx->extra.injecting) {
		vmx->nmi_after_sti = true;
		vmcs_control_cpu(vmx, CPU_BASED_INTR_WINDOW_EXITING, true);
	} else {
		vmcs_control_cpu(vmx, CPU_BASED_NMI_WINDOW_EXITING, on);
	}
}

void vmx_set_interruptibility(struct hv_vmx *vmx, u32 state)
{
	vmx->interruptibility = state;
	vmx->vcpu.shadow = state & VMX_SHADOW_BITS;
	vmcs_write32(GUEST_INTERRUPTIBILITY_INFO, state);
}

u32 vmx_get_interrupt_shadow(struct hv_vcpu *vcpu)
{
	u32 state = to_vmx(vcpu)->interruptibility;

	return (state & GUEST_INTR_STATE_STI ? KVM_X86_SHADOW_INT_STI : 0) |
	       (state & GUEST_INTR_STATE_MOV_SS ? KVM_X86_SHADOW_INT_MOV_SS : 0);
}

void vmx_set_interrupt_shadow(struct hv_vcpu *vcpu, u32 shadow)
{
	struct hv_vmx *vmx = to_vmx(vcpu);
	u32 state = vmx->interruptibility & ~VMX_SHADOW_BITS;

	/* Both at once is not a legal state: MOV SS is the stronger one. */
	if (shadow & KVM_X86_SHADOW_INT_MOV_SS)
		state |= GUEST_INTR_STATE_MOV_SS;
	else if (shadow & KVM_X86_SHADOW_INT_STI)
		state |= GUEST_INTR_STATE_STI;
	if (state != vmx->interruptibility)
		vmx_set_interruptibility(vmx, state);
}

bool vmx_get_nmi_mask(struct hv_vcpu *vcpu)
{
	return to_vmx(vcpu)->interruptibility & GUEST_INTR_STATE_NMI;
}

void vmx_set_nmi_mask(struct hv_vcpu *vcpu, bool masked)
{
	struct hv_vmx *vmx = to_vmx(vcpu);
	u32 old = vmx->interruptibility;
	u32 new = masked ? old | GUEST_INTR_STATE_NMI : old & ~GUEST_INTR_STATE_NMI;

	if (new != old)
		vmx_set_interruptibility(vmx, new);
}

static void requeue_exception(struct hv_vmx *vmx, u32 info)
{
	struct hv_events *ev = &vmx->vcpu.events;

	ev->exception.injected = true;
	ev->exception.pending = false;
	ev->exception.vector = info & VECTORING_INFO_VECTOR_MASK;
	ev->exception.has_error = info & VECTORING_INFO_DELIVER_CODE_MASK;
	ev->exception.error = ev->exception.has_error ?
			      vmcs_read32(IDT_VECTORING_ERROR_CODE) : 0;
	ev->exception.has_payload = false;
}

static void requeue_interrupt(struct hv_vmx *vmx, u32 info, bool soft)
{
	struct hv_events *ev = &vmx->vcpu.events;

	ev->interrupt.injected = true;
	ev->interrupt.soft = soft;
	ev->interrupt.vector = info & VECTORING_INFO_VECTOR_MASK;
}

/* Delivery of an event was cut short by this exit: it goes again. */
static void requeue(struct hv_vmx *vmx, u32 info)
{
	struct hv_events *ev = &vmx->vcpu.events;

	hv_request(&vmx->vcpu, HV_REQ_EVENT);
	switch (info & VECTORING_INFO_TYPE_MASK) {
	case INTR_TYPE_NMI_INTR:
		ev->nmi_injected = true;
		/* It counts as delivered and blocks NMIs: an injection would be refused. */
		vmx_set_nmi_mask(&vmx->vcpu, false);
		break;
	case INTR_TYPE_PRIV_SW_EXCEPTION:
		/* INT1: RIP is still at it, and it has no injection of its own kind. */
		break;
	case INTR_TYPE_SOFT_EXCEPTION:
		ev->soft_insn_len = vmx_insn_len();
		fallthrough;
	case INTR_TYPE_HARD_EXCEPTION:
		requeue_exception(vmx, info);
		break;
	case INTR_TYPE_SOFT_INTR:
		ev->soft_insn_len = vmx_insn_len();
		requeue_interrupt(vmx, info, true);
		break;
	case INTR_TYPE_EXT_INTR:
		requeue_interrupt(vmx, info, false);
		break;
	}
}

/*
 * After an exit that may have interrupted the delivery of an event, or an entry
 * that injected one: it was delivered, or is queued again.
 */
void vmx_requeue(struct hv_vmx *vmx)
{
	bool injected = vmx->extra.injecting;

	if (injected) {
		vmx->extra.injecting = false;
		hv_event_delivered(&vmx->vcpu);
	}
	vmx->vectoring = vmcs_read32(IDT_VECTORING_INFO_FIELD);
	vmx->vcpu.events.delivering = vmx->vectoring & VECTORING_INFO_VALID_MASK;
	if (likely(!vmx->vcpu.events.delivering)) {
		vmx->vectoring = 0;
		return;
	}
	if (vmx_caps.stale_vectoring && !injected)
		vmx->vectoring = vmx_apic_vectoring(vmx, vmx->vectoring);
	requeue(vmx, vmx->vectoring);
}
