// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_CAP_SYNC_REGS: registers through the run page instead of ioctls.
 *
 * User space can change the page at any moment, so everything is copied out of it before it is
 * validated, and what is written to it is never read back.
 */
#include <linux/string.h>

#include "x86/event.h"
#include "x86/regs.h"
#include "x86/sync_regs.h"

static int dirty_regs_take(struct hv_vcpu *vcpu)
{
	struct kvm_regs regs;

	memcpy(&regs, &vcpu->run->s.regs.regs, sizeof(regs));
	barrier_data(&regs);
	return hv_regs_set(vcpu, &regs);
}

static int dirty_sregs_take(struct hv_vcpu *vcpu)
{
	struct kvm_sregs sregs;

	memcpy(&sregs, &vcpu->run->s.regs.sregs, sizeof(sregs));
	barrier_data(&sregs);
	return hv_sregs_set(vcpu, &sregs);
}

static int dirty_events_take(struct hv_vcpu *vcpu)
{
	struct kvm_vcpu_events events;

	memcpy(&events, &vcpu->run->s.regs.events, sizeof(events));
	barrier_data(&events);
	return hv_vcpu_events_set(vcpu, &events);
}

int hv_sync_regs_take(struct hv_vcpu *vcpu, u64 dirty)
{
	int ret = 0;

	if (dirty & ~(u64)KVM_SYNC_X86_VALID_FIELDS)
		return -EINVAL;
	if (dirty & KVM_SYNC_X86_REGS)
		ret = dirty_regs_take(vcpu);
	if (!ret && (dirty & KVM_SYNC_X86_SREGS))
		ret = dirty_sregs_take(vcpu);
	if (!ret && (dirty & KVM_SYNC_X86_EVENTS))
		ret = dirty_events_take(vcpu);
	/* Taken: the next KVM_RUN takes them again only if user space says so again. */
	if (!ret)
		WRITE_ONCE(vcpu->run->kvm_dirty_regs, 0);
	return ret;
}

void hv_sync_regs_give(struct hv_vcpu *vcpu, u64 valid)
{
	struct kvm_sync_regs *to = &vcpu->run->s.regs;
	struct kvm_vcpu_events events;
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (valid & KVM_SYNC_X86_REGS) {
		hv_regs_get(vcpu, &regs);
		memcpy(&to->regs, &regs, sizeof(regs));
	}
	if (valid & KVM_SYNC_X86_SREGS) {
		hv_sregs_get(vcpu, &sregs);
		memcpy(&to->sregs, &sregs, sizeof(sregs));
	}
	if (valid & KVM_SYNC_X86_EVENTS) {
		hv_vcpu_events_get(vcpu, &events);
		memcpy(&to->events, &events, sizeof(events));
	}
}
