// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_PRE_FAULT_MEMORY: second-level mappings before the guest asks for them.
 *
 * Each step is a read fault that no access caused: it faults the host's page in, but copies
 * nothing that is shared, and leaves the accessed bit clear.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "core/vcpu.h"
#include "memory/tdp.h"

static int prefault_check(const struct kvm_pre_fault_memory *r)
{
	if (r->flags || !r->size || !PAGE_ALIGNED(r->gpa) || !PAGE_ALIGNED(r->size))
		return -EINVAL;
	return r->gpa + r->size <= r->gpa ? -EINVAL : 0;
}

static int prefault_step(struct hv_vcpu *vcpu, u64 gfn, u64 *next)
{
	if (signal_pending(current))
		return -EINTR;
	switch (hv_tdp_populate(vcpu, gfn, next)) {
	case HV_TDP_MAPPED:
		return 0;
	case HV_TDP_MMIO:
		return -ENOENT;
	case HV_TDP_SIGNAL:
		return -EINTR;
	case HV_TDP_NO_MEMORY:
		return -ENOMEM;
	default:
		return -EFAULT;
	}
}

/**
 * hv_pre_fault() - KVM_PRE_FAULT_MEMORY
 * @vcpu: whose view of memory counts, loaded; its task is the caller
 * @r: guest-physical range, bytes; on return what is left of it
 *
 * Return: 0 if anything was mapped, even if the range did not end; -EINVAL for flags, a
 * misaligned, empty or overflowing range; -ENOENT without a slot at its start; -EINTR;
 * -EFAULT if nothing is behind the user address; -ENOMEM.
 */
int hv_pre_fault(struct hv_vcpu *vcpu, struct kvm_pre_fault_memory *r)
{
	int err = prefault_check(r);
	u64 first, gfn, end, next;

	if (err)
		return err;
	first = r->gpa >> PAGE_SHIFT;
	end = first + (r->size >> PAGE_SHIFT);
	for (gfn = first; gfn < end; gfn = min(next, end)) {
		err = prefault_step(vcpu, gfn, &next);
		if (err)
			break;
		cond_resched();
	}
	r->gpa = gfn << PAGE_SHIFT;
	r->size = (end - gfn) << PAGE_SHIFT;
	return gfn > first ? 0 : err;
}
