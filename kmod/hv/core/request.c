// SPDX-License-Identifier: GPL-2.0-only
/* What each request makes a vCPU do before it enters the guest. */
#include "core/ops.h"
#include "core/request.h"
#include "irqchip/lapic.h"
#include "memory/dirty.h"
#include "x86/async_pf.h"
#include "x86/cpuid.h"
#include "x86/event.h"
#include "x86/pv_eoi.h"
#include "x86/regs.h"
#include "x86/tsc.h"

static int shutdown(struct hv_vcpu *vcpu)
{
	vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
	return HV_USERSPACE;
}

/* Requests that end this KVM_RUN. */
static int drain_fatal(struct hv_vcpu *vcpu)
{
	if (test_bit(HV_REQ_VM_DEAD, &vcpu->requests))
		return -EIO;
	if (hv_request_take(vcpu, HV_REQ_OUT_OF_MEMORY))
		return -ENOMEM;
	if (hv_request_take(vcpu, HV_REQ_TRIPLE_FAULT))
		return shutdown(vcpu);
	return HV_RESUME;
}

static void drain_flushes(struct hv_vcpu *vcpu)
{
	if (hv_request_take(vcpu, HV_REQ_TDP_FLUSH))
		hv_ops->flush_tdp(vcpu);
	if (hv_request_take(vcpu, HV_REQ_GUEST_FLUSH))
		hv_ops->flush_guest(vcpu);
}

static void drain_updates(struct hv_vcpu *vcpu)
{
	if (hv_request_take(vcpu, HV_REQ_CLOCK_UPDATE))
		hv_clock_update(vcpu);
	if (hv_request_take(vcpu, HV_REQ_STEAL_UPDATE))
		hv_steal_update(vcpu);
	if (hv_request_take(vcpu, HV_REQ_ASYNC_PF))
		hv_async_pf_ready(vcpu);
	if (hv_request_take(vcpu, HV_REQ_DEBUG_UPDATE))
		hv_debug_update(vcpu);
	if (hv_request_take(vcpu, HV_REQ_MSR_FILTER))
		hv_ops->update_msr_maps(vcpu);
	if (hv_request_take(vcpu, HV_REQ_INTERCEPTS)) {
		hv_cpuid_exits_changed(vcpu);
		hv_ops->update(vcpu);
	}
}

static void drain_interrupts(struct hv_vcpu *vcpu)
{
	if (vcpu->lapic && hv_request_take(vcpu, HV_REQ_APIC_EVENT))
		hv_lapic_events(vcpu);
	if (!test_bit(HV_REQ_EVENT, &vcpu->requests))
		return;
	/* The end of an interrupt is an event, too, and comes with this request. */
	hv_pv_eoi_sync(vcpu);
	hv_request_take(vcpu, HV_REQ_EVENT);
	if (vcpu->lapic)
		hv_lapic_timer_sync(vcpu);
	/* An INIT may have stopped this vCPU: then there is nothing to enter with. */
	if (vcpu->mp_state == KVM_MP_STATE_RUNNABLE) {
		hv_events_inject(vcpu);
		hv_pv_eoi_offer(vcpu);
	}
}

int hv_requests_drain(struct hv_vcpu *vcpu)
{
	int ret = drain_fatal(vcpu);

	if (ret != HV_RESUME)
		return ret;
	if (hv_request_take(vcpu, HV_REQ_DIRTY_RING)) {
		ret = hv_dirty_ring_check(vcpu);
		if (ret != HV_RESUME)
			return ret;
	}
	/* The IOAPIC in user space must know before the guest goes on. */
	if (hv_request_take(vcpu, HV_REQ_IOAPIC_EOI))
		return hv_lapic_eoi_exit(vcpu);
	vcpu->stat.requests++;
	drain_flushes(vcpu);
	drain_updates(vcpu);
	drain_interrupts(vcpu);
	/* Injection itself may end in a triple fault. */
	return drain_fatal(vcpu);
}
