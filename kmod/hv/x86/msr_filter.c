// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MSR filter of a VM: bitmaps over ranges of MSRs, in which a 0 denies.
 *
 * Readers find a complete filter through an SRCU pointer. After a change each vCPU recomputes
 * which MSRs its guest reaches without an exit (hv_ops->update_msr_maps).
 */
#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/uaccess.h>
#include <asm/apicdef.h>

#include "core/request.h"
#include "x86/msr_filter.h"

#define X2APIC_MSRS	0x100
#define FILTER_FLAGS	KVM_MSR_FILTER_DEFAULT_DENY
#define RANGE_FLAGS	(KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE)

/* Each change patches the code of all CPUs: user space must not set the pace. */
DEFINE_STATIC_KEY_DEFERRED_FALSE(hv_msr_filter_used, HZ);

struct msr_range {
	u32 base, nmsrs;
	u32 access;			/* KVM_MSR_FILTER_READ, _WRITE */
	unsigned long *allowed;
};

/**
 * struct hv_msr_filter - immutable once published
 * @deny: what no range covers is denied
 * @count: ranges in use
 * @range: the first that covers MSR and kind of access decides
 */
struct hv_msr_filter {
	bool deny;
	unsigned int count;
	struct msr_range range[KVM_MSR_FILTER_MAX_RANGES];
};

static bool filter_allows(const struct hv_msr_filter *filter, u32 msr, u32 access)
{
	unsigned int i;

	for (i = 0; i < filter->count; i++) {
		const struct msr_range *range = &filter->range[i];

		if (!(range->access & access) || msr < range->base)
			continue;
		if (msr - range->base < range->nmsrs)
			return test_bit(msr - range->base, range->allowed);
	}
	return !filter->deny;
}

bool hv_msr_filter_allows(const struct hv_vcpu *vcpu, u32 msr, u32 access)
{
	struct hv_vm *vm = vcpu->vm;
	const struct hv_msr_filter *filter;
	bool allows;
	int idx;

	/* The local APIC's registers cannot be filtered. */
	if (msr - APIC_BASE_MSR < X2APIC_MSRS)
		return true;
	idx = srcu_read_lock(&vm->srcu);
	filter = srcu_dereference(vm->msr_filter, &vm->srcu);
	allows = !filter || filter_allows(filter, msr, access);
	srcu_read_unlock(&vm->srcu, idx);
	return allows;
}

static void filter_destroy(struct hv_msr_filter *filter)
{
	unsigned int i;

	if (!filter)
		return;
	for (i = 0; i < filter->count; i++)
		kfree(filter->range[i].allowed);
	kfree(filter);
	static_branch_slow_dec_deferred(&hv_msr_filter_used);
}

static int range_add(struct hv_msr_filter *filter, const struct kvm_msr_filter_range *in)
{
	struct msr_range *range = &filter->range[filter->count];
	size_t size = BITS_TO_LONGS((size_t)in->nmsrs) * sizeof(long);

	if (!in->nmsrs)
		return 0;
	if (in->flags & ~(u32)RANGE_FLAGS)
		return -EINVAL;
	if (size > KVM_MSR_FILTER_MAX_BITMAP_SIZE)
		return -EINVAL;
	range->allowed = kmalloc(size, GFP_KERNEL_ACCOUNT);
	if (!range->allowed)
		return -ENOMEM;
	if (copy_from_user(range->allowed, (const void __user *)in->bitmap, size)) {
		kfree(range->allowed);
		return -EFAULT;
	}
	range->base = in->base;
	range->nmsrs = in->nmsrs;
	range->access = in->flags;
	filter->count++;
	return 0;
}

static struct hv_msr_filter *filter_create(const struct kvm_msr_filter *in)
{
	struct hv_msr_filter *filter = kzalloc(sizeof(*filter), GFP_KERNEL_ACCOUNT);
	unsigned int i;
	int ret = 0;

	if (!filter)
		return ERR_PTR(-ENOMEM);
	static_branch_deferred_inc(&hv_msr_filter_used);
	filter->deny = in->flags & KVM_MSR_FILTER_DEFAULT_DENY;
	for (i = 0; !ret && i < ARRAY_SIZE(in->ranges); i++)
		ret = range_add(filter, &in->ranges[i]);
	if (!ret)
		return filter;
	filter_destroy(filter);
	return ERR_PTR(ret);
}

/* The new filter, NULL if it would filter nothing, or an ERR_PTR */
static struct hv_msr_filter *filter_decode(const struct kvm_msr_filter *in)
{
	bool empty = true;
	unsigned int i;

	if (in->flags & ~(u32)FILTER_FLAGS)
		return ERR_PTR(-EINVAL);
	for (i = 0; i < ARRAY_SIZE(in->ranges); i++)
		empty &= !in->ranges[i].nmsrs;
	if (!empty)
		return filter_create(in);
	return in->flags & KVM_MSR_FILTER_DEFAULT_DENY ? ERR_PTR(-EINVAL) : NULL;
}

int hv_msr_filter_set(struct hv_vm *vm, const struct kvm_msr_filter *in)
{
	struct hv_msr_filter *filter = filter_decode(in);

	if (IS_ERR(filter))
		return PTR_ERR(filter);
	mutex_lock(&vm->lock);
	filter = rcu_replace_pointer(vm->msr_filter, filter, lockdep_is_held(&vm->lock));
	mutex_unlock(&vm->lock);
	synchronize_srcu(&vm->srcu);
	hv_vm_request_all(vm, HV_REQ_MSR_FILTER);
	filter_destroy(filter);
	return 0;
}

void hv_msr_filter_free(struct hv_vm *vm)
{
	filter_destroy(rcu_dereference_protected(vm->msr_filter, true));
}

void hv_msr_filter_exit(void)
{
	static_key_deferred_flush(&hv_msr_filter_used);
}
