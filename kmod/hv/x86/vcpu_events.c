// SPDX-License-Identifier: GPL-2.0-only
/* KVM_GET_VCPU_EVENTS and KVM_SET_VCPU_EVENTS. */
#include <linux/kernel.h>

#include "core/request.h"
#include "irqchip/lapic.h"
#include "x86/event.h"
#include "x86/regs.h"
#include "x86/smm.h"

#define EVENTS_KNOWN (KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR |	\
		      KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_SMM |		\
		      KVM_VCPUEVENT_VALID_PAYLOAD | KVM_VCPUEVENT_VALID_TRIPLE_FAULT)
#define SHADOW_KNOWN (KVM_X86_SHADOW_INT_MOV_SS | KVM_X86_SHADOW_INT_STI)
#define NR_EXCEPTIONS	32
#define HV_NMI_MAX	2

static void exception_get(struct hv_vcpu *vcpu, struct kvm_vcpu_events *out)
{
	const struct hv_events *ev = &vcpu->events;

	/* Without payloads user space knows one state only: it must be delivered. */
	if (vcpu->vm->exception_payload) {
		out->exception.injected = ev->exception.injected;
		out->exception.pending = ev->exception.pending;
		out->exception_has_payload = ev->exception.pending && ev->exception.has_payload;
		if (out->exception_has_payload)
			out->exception_payload = ev->exception.payload;
		out->flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	} else {
		hv_exception_payload_sync(vcpu);
		out->exception.injected = ev->exception.injected || ev->exception.pending;
	}
	out->exception.nr = ev->exception.vector;
	out->exception.has_error_code = ev->exception.has_error;
	out->exception.error_code = ev->exception.error;
}

static void smi_get(struct hv_vcpu *vcpu, struct kvm_vcpu_events *out)
{
	out->smi.smm = vcpu->smm.active;
	out->smi.pending = atomic_read(&vcpu->smm.pending);
	out->smi.smm_inside_nmi = vcpu->smm.inside_nmi;
	out->smi.latched_init = vcpu->smm.active && vcpu->lapic &&
				test_bit(HV_APIC_INIT, &vcpu->lapic->pending_events);
	out->flags |= KVM_VCPUEVENT_VALID_SMM;
}

void hv_vcpu_events_get(struct hv_vcpu *vcpu, struct kvm_vcpu_events *out)
{
	struct hv_events *ev = &vcpu->events;
	unsigned int nmis = ev->nmi_pending + atomic_read(&ev->nmi_queued);

	memset(out, 0, sizeof(*out));
	out->flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	exception_get(vcpu, out);
	out->interrupt.injected = ev->interrupt.injected && !ev->interrupt.soft;
	out->interrupt.nr = ev->interrupt.vector;
	out->interrupt.shadow = hv_ops->get_interrupt_shadow(vcpu);
	out->nmi.injected = ev->nmi_injected;
	out->nmi.pending = min_t(unsigned int, nmis, HV_NMI_MAX);
	out->nmi.masked = hv_ops->get_nmi_mask(vcpu);
	smi_get(vcpu, out);
	if (vcpu->vm->triple_fault_event) {
		out->triple_fault.pending = test_bit(HV_REQ_TRIPLE_FAULT, &vcpu->requests);
		out->flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	}
}

static bool exception_valid(const struct hv_vcpu *vcpu, const struct kvm_vcpu_events *in)
{
	bool payload = in->flags & KVM_VCPUEVENT_VALID_PAYLOAD;

	if (payload && !vcpu->vm->exception_payload)
		return false;
	if (payload && in->exception.pending && in->exception.injected)
		return false;
	if (!in->exception.injected && !(payload && in->exception.pending))
		return true;
	return in->exception.nr < NR_EXCEPTIONS && in->exception.nr != HV_NMI;
}

static bool events_valid(const struct hv_vcpu *vcpu, const struct kvm_vcpu_events *in)
{
	if (in->flags & ~(u32)EVENTS_KNOWN)
		return false;
	if ((in->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) && !vcpu->vm->triple_fault_event)
		return false;
	if ((in->flags & KVM_VCPUEVENT_VALID_SHADOW) && (in->interrupt.shadow & ~SHADOW_KNOWN))
		return false;
	if ((in->flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR) && in->sipi_vector > U8_MAX)
		return false;
	return exception_valid(vcpu, in);
}

static void exception_set(struct hv_vcpu *vcpu, const struct kvm_vcpu_events *in)
{
	struct hv_events *ev = &vcpu->events;
	bool payload = in->flags & KVM_VCPUEVENT_VALID_PAYLOAD;

	ev->exception.injected = in->exception.injected;
	ev->exception.pending = payload && in->exception.pending;
	ev->exception.vector = in->exception.nr;
	ev->exception.has_error = in->exception.has_error_code;
	ev->exception.error = in->exception.error_code;
	ev->exception.has_payload = payload && in->exception_has_payload;
	ev->exception.payload = payload ? in->exception_payload : 0;
}

static void nmi_set(struct hv_vcpu *vcpu, const struct kvm_vcpu_events *in)
{
	struct hv_events *ev = &vcpu->events;

	ev->nmi_injected = in->nmi.injected;
	if (in->flags & KVM_VCPUEVENT_VALID_NMI_PENDING) {
		ev->nmi_pending = min_t(u8, in->nmi.pending, HV_NMI_MAX);
		atomic_set(&ev->nmi_queued, 0);
	}
	hv_ops->set_nmi_mask(vcpu, in->nmi.masked);
}

static void smi_set(struct hv_vcpu *vcpu, const struct kvm_vcpu_events *in)
{
	hv_smm_set_active(vcpu, in->smi.smm);
	vcpu->smm.inside_nmi = in->smi.smm && in->smi.smm_inside_nmi;
	atomic_set(&vcpu->smm.pending, !!in->smi.pending);
	if (!in->smi.smm || !vcpu->lapic)
		return;
	if (in->smi.latched_init)
		set_bit(HV_APIC_INIT, &vcpu->lapic->pending_events);
	else
		clear_bit(HV_APIC_INIT, &vcpu->lapic->pending_events);
}

static void triple_fault_set(struct hv_vcpu *vcpu, bool pending)
{
	if (pending)
		hv_request(vcpu, HV_REQ_TRIPLE_FAULT);
	else
		hv_request_take(vcpu, HV_REQ_TRIPLE_FAULT);
}

int hv_vcpu_events_set(struct hv_vcpu *vcpu, const struct kvm_vcpu_events *in)
{
	struct hv_events *ev = &vcpu->events;

	if (!events_valid(vcpu, in))
		return -EINVAL;
	exception_set(vcpu, in);
	ev->interrupt.injected = in->interrupt.injected;
	ev->interrupt.vector = in->interrupt.nr;
	ev->interrupt.soft = in->interrupt.soft;
	if (in->flags & KVM_VCPUEVENT_VALID_SHADOW)
		hv_ops->set_interrupt_shadow(vcpu, in->interrupt.shadow);
	nmi_set(vcpu, in);
	if ((in->flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR) && vcpu->lapic)
		vcpu->lapic->sipi_vector = in->sipi_vector;
	if (in->flags & KVM_VCPUEVENT_VALID_SMM)
		smi_set(vcpu, in);
	if (in->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT)
		triple_fault_set(vcpu, in->triple_fault.pending);
	hv_request(vcpu, HV_REQ_EVENT);
	return 0;
}
