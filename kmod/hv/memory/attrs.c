// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_SET_MEMORY_ATTRIBUTES: which guest frames are private.
 *
 * A map of ranges, not of frames: one call stores one entry, whatever the size. Faults read it
 * under tdp.lock and every change is followed by a zap under the same lock held for writing,
 * so what is mapped agrees with it.
 */
#include <linux/maple_tree.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "memory/gmem.h"
#include "memory/tdp.h"
#include "memory/tdp_int.h"

int hv_attributes_init(struct hv_vm *vm)
{
	vm->attributes = kzalloc(sizeof(*vm->attributes), GFP_KERNEL_ACCOUNT);
	if (!vm->attributes)
		return -ENOMEM;
	mt_init_flags(vm->attributes, MT_FLAGS_USE_RCU);
	return 0;
}

void hv_attributes_destroy(struct hv_vm *vm)
{
	if (vm->attributes) {
		/* No reader is left; in RCU mode the kernel falls over a deep tree. */
		mt_clear_in_rcu(vm->attributes);
		mtree_destroy(vm->attributes);
	}
	kfree(vm->attributes);
	vm->attributes = NULL;
}

u64 hv_attributes_supported(const struct hv_vm *vm)
{
	return !vm || vm->attributes ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0;
}

static int attributes_check(const struct hv_vm *vm, const struct kvm_memory_attributes *a)
{
	if (a->flags || a->attributes & ~hv_attributes_supported(vm))
		return -EINVAL;
	if (!a->size || a->address + a->size < a->address)
		return -EINVAL;
	return PAGE_ALIGNED(a->address) && PAGE_ALIGNED(a->size) ? 0 : -EINVAL;
}

/**
 * hv_attributes_set() - KVM_SET_MEMORY_ATTRIBUTES
 * @vm: the VM
 * @a: range in bytes, and the attributes of all of it from now on
 *
 * Return: 0; -EINVAL for flags, attributes this VM does not have, or a misaligned, empty or
 * overflowing range; -ENOMEM. On error nothing has changed.
 */
int hv_attributes_set(struct hv_vm *vm, const struct kvm_memory_attributes *a)
{
	int err = attributes_check(vm, a);
	u64 first, end;

	if (err || !vm->attributes)
		return err;
	first = a->address >> PAGE_SHIFT;
	end = first + (a->size >> PAGE_SHIFT);
	mutex_lock(&vm->slots_lock);
	err = mtree_store_range(vm->attributes, first, end - 1,
				a->attributes ? xa_mk_value(a->attributes) : NULL,
				GFP_KERNEL_ACCOUNT);
	if (!err)
		tdp_zap_frames(vm, HV_AS_NORMAL, first, min(end, hv_tdp_gfn_limit()));
	if (!err)
		tdp_zap_frames(vm, HV_AS_SMM, first, min(end, hv_tdp_gfn_limit()));
	mutex_unlock(&vm->slots_lock);
	return err;
}
