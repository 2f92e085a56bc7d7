// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mmu notifier: second-level tables follow the host's page tables.
 *
 * While an invalidation is in progress its range is in the hull
 * [notifier_start, notifier_end) and faults inside the hull map nothing. Start
 * zaps what is mapped under the same hold of tdp.lock, so after it returns
 * nothing in the range is, or can be, mapped until end.
 *
 * The count does not depend on which slots exist: slots may come and go between
 * start and end, and the two must pair.
 */
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/srcu.h>

#include "core/request.h"
#include "core/vcpu.h"
#include "memory/memslot.h"
#include "memory/tdp.h"
#include "memory/tdp_int.h"

/* Frames of @slot whose user addresses meet [start, end). */
static bool notifier_overlap(const struct hv_memslot *slot, unsigned long start,
			     unsigned long end, u64 *gfn, u64 *gfn_end)
{
	unsigned long slot_end = slot->hva + (slot->npages << PAGE_SHIFT);

	if (start >= slot_end || end <= slot->hva)
		return false;
	start = max(start, slot->hva);
	end = min(end, slot_end);
	*gfn = slot->base_gfn + ((start - slot->hva) >> PAGE_SHIFT);
	*gfn_end = slot->base_gfn + ((end - slot->hva + PAGE_SIZE - 1) >> PAGE_SHIFT);
	return true;
}

/*
 * Both locks are held: no slot that has mappings is missing from the set
 * (memslot.c). Return: something was mapped.
 */
static bool notifier_zap(struct hv_vm *vm, unsigned long start, unsigned long end, bool may_sleep)
{
	struct tdp_zap z = { .vm = vm, .may_sleep = may_sleep };
	unsigned int i;
	u64 gfn, gfn_end;

	INIT_LIST_HEAD(&z.freed);
	for (z.as = 0; z.as < HV_ADDRESS_SPACES; z.as++) {
		struct hv_memslots *slots = hv_memslots(vm, z.as);

		for (i = 0; i < slots->count; i++)
			if (notifier_overlap(slots->slot[i], start, end, &gfn, &gfn_end))
				tdp_zap_range(&z, gfn, gfn_end);
	}
	tdp_zap_finish(&z);
	return z.zapped;
}

static int notifier_start(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct hv_vm *vm = container_of(mn, struct hv_vm, notifier);
	struct hv_tdp *tdp = &vm->tdp;
	int idx = srcu_read_lock(&vm->srcu);

	write_lock(&tdp->lock);
	if (!tdp->notifier_count++) {
		tdp->notifier_start = range->start;
		tdp->notifier_end = range->end;
	} else {
		tdp->notifier_start = min(tdp->notifier_start, range->start);
		tdp->notifier_end = max(tdp->notifier_end, range->end);
	}
	notifier_zap(vm, range->start, range->end, mmu_notifier_range_blockable(range));
	write_unlock(&tdp->lock);
	srcu_read_unlock(&vm->srcu, idx);
	return 0;
}

static void notifier_end(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct hv_vm *vm = container_of(mn, struct hv_vm, notifier);

	write_lock(&vm->tdp.lock);
	WARN_ON_ONCE(--vm->tdp.notifier_count < 0);
	write_unlock(&vm->tdp.lock);
}

/* Is a leaf in [gfn, end) accessed; with @clear, no longer. tdp.lock held for reading. */
static bool tdp_young(struct hv_tdp *tdp, unsigned int as, u64 gfn, u64 end, bool clear)
{
	bool young = false;

	while (gfn < end) {
		unsigned int level = tdp->levels;
		u64 *entry = tdp_entry(tdp->root[as], gfn, level);
		u64 old = READ_ONCE(*entry);

		while (tdp_present(old) && !tdp_is_leaf(old, level)) {
			level--;
			entry = tdp_entry(tdp_table(old), gfn, level);
			old = READ_ONCE(*entry);
		}
		if (tdp_present(old) && (!hv_tdp_bits.accessed || old & hv_tdp_bits.accessed)) {
			young = true;
			/* losing the race to a fault leaves the page young, as it is */
			if (clear)
				try_cmpxchg64(entry, &old, old & ~hv_tdp_bits.accessed);
		}
		gfn = tdp_next(gfn, level);
	}
	return young;
}

static bool notifier_age(struct hv_vm *vm, unsigned long start, unsigned long end, bool clear)
{
	int idx = srcu_read_lock(&vm->srcu);
	bool young = false;
	unsigned int i, as;
	u64 gfn, gfn_end;

	read_lock(&vm->tdp.lock);
	for (as = 0; as < HV_ADDRESS_SPACES; as++) {
		struct hv_memslots *slots = hv_memslots(vm, as);

		for (i = 0; i < slots->count; i++)
			if (notifier_overlap(slots->slot[i], start, end, &gfn, &gfn_end))
				young |= tdp_young(&vm->tdp, as, gfn, gfn_end, clear);
	}
	read_unlock(&vm->tdp.lock);
	srcu_read_unlock(&vm->srcu, idx);
	return young;
}

/* Without accessed bits a page is young while it is mapped; clearing means unmapping. */
static bool notifier_age_by_zap(struct hv_vm *vm, unsigned long start, unsigned long end)
{
	int idx = srcu_read_lock(&vm->srcu);
	bool young;

	write_lock(&vm->tdp.lock);
	young = notifier_zap(vm, start, end, false);
	write_unlock(&vm->tdp.lock);
	srcu_read_unlock(&vm->srcu, idx);
	return young;
}

static bool notifier_clear(struct hv_vm *vm, unsigned long start, unsigned long end)
{
	if (!hv_tdp_bits.accessed)
		return notifier_age_by_zap(vm, start, end);
	return notifier_age(vm, start, end, true);
}

static int notifier_clear_young(struct mmu_notifier *mn, struct mm_struct *mm,
				unsigned long start, unsigned long end)
{
	return notifier_clear(container_of(mn, struct hv_vm, notifier), start, end);
}

/*
 * Reclaim asks for a flush so that the next use sets the bit again. It is posted,
 * not waited for: each vCPU flushes at its next entry, and a page that looks
 * idle a little longer is no error.
 */
static int notifier_clear_flush_young(struct mmu_notifier *mn, struct mm_struct *mm,
				      unsigned long start, unsigned long end)
{
	struct hv_vm *vm = container_of(mn, struct hv_vm, notifier);
	bool young = notifier_clear(vm, start, end);
	struct hv_vcpu *vcpu;
	int i;

	if (young)
		hv_for_each_vcpu(i, vcpu, vm)
			hv_request(vcpu, HV_REQ_TDP_FLUSH);
	return young;
}

static int notifier_test_young(struct mmu_notifier *mn, struct mm_struct *mm,
			       unsigned long address)
{
	struct hv_vm *vm = container_of(mn, struct hv_vm, notifier);

	return notifier_age(vm, address, address + PAGE_SIZE, false);
}

/* The address space goes: its last thread has left, so no vCPU runs or will. */
static void notifier_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	tdp_zap_all(container_of(mn, struct hv_vm, notifier));
}

static const struct mmu_notifier_ops notifier_ops = {
	.invalidate_range_start = notifier_start,
	.invalidate_range_end = notifier_end,
	.clear_flush_young = notifier_clear_flush_young,
	.clear_young = notifier_clear_young,
	.test_young = notifier_test_young,
	.release = notifier_release,
};

/**
 * hv_notifier_register() - start to follow vm->mm
 * @vm: the VM; its memslots, tdp and srcu are initialised; vm->mm is current's
 *
 * Return: 0 or -errno.
 */
int hv_notifier_register(struct hv_vm *vm)
{
	vm->notifier.ops = &notifier_ops;
	return mmu_notifier_register(&vm->notifier, vm->mm);
}

/* Waits for callbacks that run; all mappings are gone after it. */
void hv_notifier_unregister(struct hv_vm *vm)
{
	mmu_notifier_unregister(&vm->notifier, vm->mm);
}
