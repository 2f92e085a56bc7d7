// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty log: KVM_GET_DIRTY_LOG and KVM_CLEAR_DIRTY_LOG.
 *
 * A page with a clear bit is not writable in the second-level tables. A write
 * faults, and under tdp.lock (read) the leaf becomes writable and the bit is
 * set. Reading the log clears bits first and then takes write permission away
 * under tdp.lock (write), so a write in between is either in what is returned or
 * sets its bit again.
 *
 * Where the CPU logs writes by itself (PML) the page stays writable and its leaf is
 * made clean instead; what the CPU logged sets bits after each exit.
 */
#include <linux/kvm.h>
#include <linux/uaccess.h>

#include "core/request.h"
#include "memory/dirty.h"
#include "memory/tdp.h"

/* KVM_CLEAR_DIRTY_LOG works in runs of this many pages, whatever the size of a long. */
#define DIRTY_RUN	64

void hv_dirty_page(struct hv_vcpu *vcpu, struct hv_memslot *slot, u64 gfn)
{
	/*
	 * Atomic even if the bit is set: a reader of the log that clears it later sees
	 * what was written before.
	 */
	if (slot->dirty && !test_and_set_bit(gfn - slot->base_gfn, slot->dirty) &&
	    vcpu->ring.gfns)
		hv_dirty_ring_push(vcpu, slot, gfn);
}

void hv_dirty_logged(struct hv_vcpu *vcpu, const u64 *gpas, unsigned int n)
{
	int idx = srcu_read_lock(&vcpu->vm->srcu);

	vcpu->stat.dirty_logged += n;
	for (; n; n--, gpas++) {
		u64 gfn = *gpas >> PAGE_SHIFT;
		struct hv_memslot *slot = hv_vcpu_memslot(vcpu, gfn);

		if (slot)
			hv_dirty_page(vcpu, slot, gfn);
	}
	srcu_read_unlock(&vcpu->vm->srcu, idx);
}

void hv_dirty_count_slot(struct hv_vm *vm, const struct hv_memslot *slot, int delta)
{
	bool was = vm->logged_slots;

	lockdep_assert_held(&vm->slots_lock);
	if (!slot || !slot->dirty)
		return;
	WRITE_ONCE(vm->logged_slots, vm->logged_slots + delta);
	/* No vCPU is in the guest with its CPU's logging as it was. */
	if (vm->dirty_by_cpu && was != !!vm->logged_slots)
		hv_vm_request_all_wait(vm, HV_REQ_INTERCEPTS);
}

/* What running vCPUs wrote until now may be in their CPUs' logs: any request brings it out. */
static void dirty_sync(struct hv_vm *vm)
{
	if (hv_dirty_by_cpu(vm))
		hv_vm_request_all_wait(vm, HV_REQ_EVENT);
}

/*
 * The slot that has a log, or ERR_PTR: -ENXIO the log is in rings, -EINVAL no such number,
 * -ENOENT none or no log.
 */
static struct hv_memslot *dirty_slot(struct hv_vm *vm, u32 number)
{
	struct hv_memslot *slot;

	if (vm->dirty_ring_entries)
		return ERR_PTR(-ENXIO);
	slot = hv_memslot_by_number(vm, number);
	if (IS_ERR(slot))
		return slot;
	return slot && slot->dirty ? slot : ERR_PTR(-ENOENT);
}

/* Move the log to the scratch bitmap. true: a bit was set */
static bool dirty_take(struct hv_memslot *slot)
{
	unsigned long *taken = hv_memslot_scratch(slot);
	size_t i, words = hv_memslot_dirty_words(slot);
	bool any = false;

	for (i = 0; i < words; i++) {
		taken[i] = READ_ONCE(slot->dirty[i]) ? xchg(&slot->dirty[i], 0) : 0;
		any |= taken[i];
	}
	return any;
}

/* The caller could not be told: the pages stay dirty. */
static void dirty_give_back(struct hv_memslot *slot)
{
	const unsigned long *taken = hv_memslot_scratch(slot);
	size_t i, words = hv_memslot_dirty_words(slot);

	for (i = 0; i < words; i++)
		if (taken[i])
			atomic_long_or(taken[i], (atomic_long_t *)&slot->dirty[i]);
}

static int dirty_copy_out(const struct hv_memslot *slot, void __user *bitmap,
			  const unsigned long *from)
{
	size_t bytes = hv_memslot_dirty_words(slot) * sizeof(long);

	return copy_to_user(bitmap, from, bytes) ? -EFAULT : 0;
}

static int dirty_get(struct hv_vm *vm, struct hv_memslot *slot, void __user *bitmap)
{
	int err;

	dirty_sync(vm);
	/* With manual protection reading does not clear. */
	if (vm->dirty_manual_protect)
		return dirty_copy_out(slot, bitmap, slot->dirty);
	if (dirty_take(slot))
		hv_tdp_write_protect(vm, slot, 0, slot->npages, hv_memslot_scratch(slot));
	err = dirty_copy_out(slot, bitmap, hv_memslot_scratch(slot));
	if (err)
		dirty_give_back(slot);
	return err;
}

/**
 * hv_dirty_get_log() - KVM_GET_DIRTY_LOG
 * @vm: the VM, of the caller's mm
 * @log: slot, and the user's bitmap of one bit a page, in whole 64-bit words
 *
 * Return: 0; -EINVAL slot or address space out of range; -ENOENT the slot does
 * not exist or has no log; -ENXIO with dirty rings; -EFAULT (the log is as before).
 */
int hv_dirty_get_log(struct hv_vm *vm, const struct kvm_dirty_log *log)
{
	struct hv_memslot *slot;
	int err;

	mutex_lock(&vm->slots_lock);
	slot = dirty_slot(vm, log->slot);
	err = IS_ERR(slot) ? PTR_ERR(slot) : dirty_get(vm, slot, log->dirty_bitmap);
	mutex_unlock(&vm->slots_lock);
	return err;
}

static int dirty_clear_check(const struct hv_memslot *slot, const struct kvm_clear_dirty_log *log)
{
	if (log->first_page % DIRTY_RUN || log->first_page > slot->npages ||
	    log->num_pages > slot->npages - log->first_page)
		return -EINVAL;
	/* a partial run only at the end of the slot */
	if (log->num_pages % DIRTY_RUN && log->first_page + log->num_pages != slot->npages)
		return -EINVAL;
	return 0;
}

/* Clear in the log what is set in @mask, and leave in @mask what was cleared. */
static bool dirty_clear_bits(unsigned long *log, unsigned long *mask, u64 npages)
{
	size_t i, words = BITS_TO_LONGS(npages);
	bool any = false;

	if (npages % BITS_PER_LONG)
		mask[words - 1] &= BITMAP_LAST_WORD_MASK(npages);
	for (i = 0; i < words; i++) {
		if (mask[i])
			mask[i] &= atomic_long_fetch_andnot(mask[i], (atomic_long_t *)&log[i]);
		any |= mask[i];
	}
	return any;
}

static int dirty_clear(struct hv_vm *vm, struct hv_memslot *slot,
		       const struct kvm_clear_dirty_log *log)
{
	size_t first = log->first_page / BITS_PER_LONG;
	unsigned long *mask = hv_memslot_scratch(slot);
	int err = dirty_clear_check(slot, log);

	if (err)
		return err;
	if (copy_from_user(mask, log->dirty_bitmap, BITS_TO_LONGS(log->num_pages) * sizeof(long)))
		return -EFAULT;
	if (dirty_clear_bits(slot->dirty + first, mask, log->num_pages))
		hv_tdp_write_protect(vm, slot, log->first_page, log->num_pages, mask);
	return 0;
}

/**
 * hv_dirty_clear_log() - KVM_CLEAR_DIRTY_LOG
 * @vm: the VM, of the caller's mm
 * @log: slot, range in pages, and the user's bitmap of what to clear
 *
 * Return: 0; -EINVAL slot, address space or range; -ENOENT the slot does not
 * exist or has no log; -EFAULT. On error nothing has changed.
 */
int hv_dirty_clear_log(struct hv_vm *vm, const struct kvm_clear_dirty_log *log)
{
	struct hv_memslot *slot;
	int err;

	mutex_lock(&vm->slots_lock);
	slot = dirty_slot(vm, log->slot);
	err = IS_ERR(slot) ? PTR_ERR(slot) : dirty_clear(vm, slot, log);
	mutex_unlock(&vm->slots_lock);
	return err;
}
