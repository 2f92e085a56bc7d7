/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests: one-bit messages to a vCPU, drained before each entry (core/request.c). */
#ifndef VELLUM_CORE_REQUEST_H
#define VELLUM_CORE_REQUEST_H

#include <linux/bitops.h>

#include "core/vcpu.h"

enum hv_request {
	HV_REQ_EVENT,		/* something may have become injectable */
	HV_REQ_TDP_FLUSH,	/* second-level translations changed: flush this vCPU's */
	HV_REQ_GUEST_FLUSH,	/* guest (VPID/ASID) TLB flush */
	HV_REQ_CLOCK_UPDATE,	/* write the kvmclock page */
	HV_REQ_STEAL_UPDATE,
	HV_REQ_TRIPLE_FAULT,	/* KVM_EXIT_SHUTDOWN */
	HV_REQ_VM_DEAD,		/* -EIO */
	HV_REQ_IOAPIC_EOI,	/* split irqchip: KVM_EXIT_IOAPIC_EOI, hv_lapic_eoi_exit() */
	HV_REQ_APIC_EVENT,	/* INIT or SIPI arrived */
	HV_REQ_DEBUG_UPDATE,	/* effective debug registers changed */
	HV_REQ_INTERCEPTS,	/* what exits changed */
	HV_REQ_OUT_OF_MEMORY,
	HV_REQ_DIRTY_RING,	/* the dirty ring may be full: KVM_EXIT_DIRTY_RING_FULL */
	HV_REQ_ASYNC_PF,	/* a page that the guest waits for may be ready: tell it */
	HV_REQ_MSR_FILTER,	/* the VM's filter changed: hv_ops->update_msr_maps() */
};

/** hv_request() - post @req; the caller kicks if the vCPU must see it soon. Any context. */
static inline void hv_request(struct hv_vcpu *vcpu, enum hv_request req)
{
	/* what the request refers to is visible before the bit */
	smp_mb__before_atomic();
	set_bit(req, &vcpu->requests);
}

/** hv_request_take() - test and clear @req; reads after it see what was posted */
static inline bool hv_request_take(struct hv_vcpu *vcpu, enum hv_request req)
{
	if (!test_bit(req, &vcpu->requests))
		return false;
	clear_bit(req, &vcpu->requests);
	/* the bit before what it refers to; pairs with hv_request() */
	smp_mb__after_atomic();
	return true;
}

/* HV_RESUME, HV_USERSPACE or -errno */
int hv_requests_drain(struct hv_vcpu *vcpu);

#endif /* VELLUM_CORE_REQUEST_H */
