// SPDX-License-Identifier: GPL-2.0-only
/*
 * Second-level faults: from a guest-physical address to a leaf.
 *
 * The usual fault costs two table walks and nothing else: tdp.lock is taken for
 * reading, the host's page table says what backs the address, and a leaf is
 * installed with cmpxchg. No page is pinned, because an invalidation cannot
 * complete while the lock is held. Whatever needs more (the host must fault
 * the page in, spare tables ran out, something of another size is in the way)
 * is done with the lock dropped, and then all of it is tried again.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <asm/apicdef.h>

#include "core/ops.h"
#include "core/vcpu.h"
#include "memory/dirty.h"
#include "memory/gmem.h"
#include "memory/hostpt.h"
#include "memory/memslot.h"
#include "memory/tdp.h"
#include "memory/tdp_int.h"

/* After so many rounds the guest simply runs into the fault again. */
#define TDP_MAX_TRIES	16

/* What an attempt under the lock came to. */
enum tdp_step {
	TDP_DONE,
	TDP_AGAIN,		/* nothing in the way, just look again */
	TDP_NO_SLOT,
	TDP_DYING,		/* the slot is being changed */
	TDP_HOST,		/* the host does not map the page so, or is changing it */
	TDP_TABLES,		/* out of spare tables */
	TDP_PRIVATE,		/* private, and no guest_memfd has it */
	TDP_CONFLICT,		/* something else is at tdp_fault.conflict */
};

struct tdp_fault {
	u64 gfn;
	unsigned long hva;
	u64 slots;		/* generation of the set that named @hva */
	unsigned int conflict;	/* level */
	unsigned int level;	/* of the leaf that was installed */
	bool write, exec, present;
	bool private;		/* the guest_memfd backs it, not @hva */
	bool ahead;		/* nobody accessed it yet */
	bool nowait;		/* give up rather than wait for the host */
};

static bool tdp_allows(u64 entry, const struct tdp_fault *f)
{
	if (f->write && !(entry & hv_tdp_bits.write))
		return false;
	return !f->exec || !hv_tdp_bits.exec || entry & hv_tdp_bits.exec;
}

/*
 * A leaf was there when the CPU faulted: another vCPU may have widened it since,
 * or only the dirty log holds the write back.
 */
static bool tdp_fix_leaf(struct hv_vcpu *vcpu, struct hv_memslot *slot, const struct tdp_fault *f)
{
	struct hv_tdp *tdp = &vcpu->vm->tdp;
	unsigned int level = tdp->levels;
	u64 *entry = tdp_entry(tdp->root[slot->as], f->gfn, level);
	u64 old = READ_ONCE(*entry), new;

	for (; tdp_present(old) && !tdp_is_leaf(old, level); old = READ_ONCE(*entry)) {
		level--;
		entry = tdp_entry(tdp_table(old), f->gfn, level);
	}
	if (!tdp_present(old))
		return false;
	if (tdp_allows(old, f))
		return true;
	new = old | hv_tdp_bits.write | hv_tdp_bits.dirty | hv_tdp_bits.accessed;
	if (level > 1 || !(old & hv_tdp_bits.soft_writable) || !tdp_allows(new, f))
		return false;
	if (!try_cmpxchg64(entry, &old, new))
		return false;
	hv_dirty_page(vcpu, slot, f->gfn);
	return true;
}

/* Largest leaf: as the host maps it, inside the slot, aligned alike on both sides, all shared. */
static unsigned int tdp_leaf_level(struct hv_vm *vm, const struct hv_memslot *slot,
				   const struct tdp_fault *f, const struct hv_host_page *host)
{
	unsigned int level = min(host->level, hv_caps.max_page_level);

	if (slot->dirty || (f->exec && hv_tdp_bits.nx_huge))
		return 1;
	for (; level > 1; level--) {
		u64 mask = tdp_pages(level) - 1, first = f->gfn & ~mask;

		if (first >= slot->base_gfn &&
		    first + mask < slot->base_gfn + slot->npages &&
		    !((f->gfn ^ (f->hva >> PAGE_SHIFT)) & mask) &&
		    !hv_gfns_private(vm, first, first + mask))
			return level;
	}
	return 1;
}

/* An invalidation that is under way touches what the leaf would map. */
static bool tdp_invalidating(const struct hv_tdp *tdp, unsigned long hva, unsigned int level)
{
	unsigned long size = tdp_pages(level) << PAGE_SHIFT, start = hva & ~(size - 1);

	return tdp->notifier_count && start < tdp->notifier_end &&
	       start + size > tdp->notifier_start;
}

/* Frames without a struct page of their own may be RAM or a device. */
static bool tdp_uncached(const struct hv_host_page *host)
{
	if (host->uncached)
		return true;
	if (!host->special || is_zero_pfn(host->pfn))
		return false;
	if (pfn_valid(host->pfn) && !PageReserved(pfn_to_page(host->pfn)))
		return false;
	return !page_is_ram(host->pfn);
}

/* May a page that is only read be written, too, without this log being told? */
static bool tdp_write_ahead(const struct hv_vm *vm, const struct hv_memslot *slot, u64 gfn)
{
	return !slot->dirty || hv_dirty_by_cpu(vm) || test_bit(gfn - slot->base_gfn, slot->dirty);
}

static u64 tdp_leaf(const struct hv_vm *vm, const struct hv_memslot *slot,
		    const struct tdp_fault *f, const struct hv_host_page *host,
		    unsigned int level)
{
	u64 leaf = (host->pfn & ~(tdp_pages(level) - 1)) << PAGE_SHIFT;

	leaf |= hv_tdp_bits.read_exec;
	if (!f->ahead)
		leaf |= hv_tdp_bits.accessed;
	leaf |= tdp_uncached(host) ? hv_tdp_bits.uc : hv_tdp_bits.wb | hv_tdp_bits.encrypt;
	if (level > 1) {
		leaf |= hv_tdp_bits.huge;
		if (hv_tdp_bits.nx_huge)
			leaf &= ~hv_tdp_bits.exec;
	}
	if (!host->writable || slot->flags & KVM_MEM_READONLY)
		return leaf;
	leaf |= hv_tdp_bits.soft_writable;
	if (f->write)
		leaf |= hv_tdp_bits.write | hv_tdp_bits.dirty;
	else if (tdp_write_ahead(vm, slot, f->gfn))
		leaf |= hv_tdp_bits.write;
	return leaf;
}

/* Hang a spare table under @entry, which was 0. Return: what is there now, 0 without a spare. */
static u64 tdp_add_table(struct hv_vcpu *vcpu, u64 *entry)
{
	u64 new, old = 0;

	if (!vcpu->tdp_cached)
		return 0;
	new = __pa(vcpu->tdp_cache[vcpu->tdp_cached - 1]);
	new |= hv_tdp_bits.table | hv_tdp_bits.encrypt;
	if (!try_cmpxchg64(entry, &old, new))
		return old;
	vcpu->tdp_cached--;
	atomic64_inc(&vcpu->vm->tdp.tables);
	return new;
}

/* Does @large, a leaf of @level, map @gfn to where @leaf, a smaller one, would? */
static bool tdp_covers(u64 large, unsigned int level, u64 gfn, u64 leaf, unsigned int leaf_level)
{
	u64 inside = gfn & (tdp_pages(level) - 1) & ~(tdp_pages(leaf_level) - 1);

	return tdp_frame(large) + (inside << PAGE_SHIFT) == tdp_frame(leaf);
}

/*
 * Put a spare table of smaller leaves in the place of @large: they map the same, so nothing is
 * flushed. The other pages of a large one in which code runs need no fault each then. Does
 * nothing if somebody changed the entry meanwhile, the CPU's accessed and dirty bits included.
 */
static void tdp_split(struct hv_vcpu *vcpu, u64 *entry, u64 large, unsigned int level)
{
	struct hv_tdp *tdp = &vcpu->vm->tdp;
	u64 *table = vcpu->tdp_cache[vcpu->tdp_cached - 1];
	u64 small = level == 2 ? large & ~hv_tdp_bits.huge : large;
	unsigned int i;

	for (i = 0; i < PTRS_PER_PTE; i++)
		table[i] = small + i * (tdp_pages(level - 1) << PAGE_SHIFT);
	if (!try_cmpxchg64(entry, &large,
			   __pa(table) | hv_tdp_bits.table | hv_tdp_bits.encrypt)) {
		clear_page(table);
		return;
	}
	vcpu->tdp_cached--;
	atomic64_inc(&tdp->tables);
	tdp_count(tdp, level, -1);
	tdp_count(tdp, level - 1, PTRS_PER_PTE);
}

/* Put @leaf at @entry, or widen the leaf of the same frame that is there. */
static enum tdp_step tdp_set_leaf(struct hv_tdp *tdp, struct tdp_fault *f, u64 *entry, u64 leaf,
				  unsigned int level)
{
	u64 new, old = READ_ONCE(*entry);

	do {
		new = leaf;
		if (!tdp_present(old))
			continue;
		if (!tdp_is_leaf(old, level) || tdp_frame(old) != tdp_frame(leaf)) {
			f->conflict = level;
			return TDP_CONFLICT;
		}
		new |= old;
	} while (!try_cmpxchg64(entry, &old, new));
	if (!tdp_present(old))
		tdp_count(tdp, level, 1);
	f->level = level;
	return TDP_DONE;
}

static enum tdp_step tdp_install(struct hv_vcpu *vcpu, struct tdp_fault *f, u64 leaf,
				 unsigned int leaf_level)
{
	struct hv_tdp *tdp = &vcpu->vm->tdp;
	unsigned int level = tdp->levels;
	u64 *entry = tdp_entry(tdp->root[vcpu->as], f->gfn, level);

	while (level > leaf_level) {
		u64 e = READ_ONCE(*entry);

		if (!tdp_present(e)) {
			e = tdp_add_table(vcpu, entry);
			if (!e)
				return TDP_TABLES;
		}
		if (tdp_is_leaf(e, level)) {
			if (!tdp_covers(e, level, f->gfn, leaf, leaf_level)) {
				f->conflict = level;
				return TDP_CONFLICT;
			}
			if (!vcpu->tdp_cached)
				return TDP_TABLES;
			tdp_split(vcpu, entry, e, level);
			continue;
		}
		level--;
		entry = tdp_entry(tdp_table(e), f->gfn, level);
	}
	return tdp_set_leaf(tdp, f, entry, leaf, level);
}

/*
 * A page the guest may write is dirtied now: when it is unmapped nobody asks
 * the leaf. An entry of the host that is dirty already takes care of it.
 */
static void tdp_dirty_host_page(const struct hv_host_page *host, u64 leaf)
{
	if (!(leaf & hv_tdp_bits.soft_writable) || host->dirty || host->special)
		return;
	if (pfn_valid(host->pfn))
		set_page_dirty(pfn_to_page(host->pfn));
}

/* What backs the frame at this moment; false: nothing does, or not so. */
static bool tdp_backing(struct hv_vm *vm, const struct hv_memslot *slot,
			const struct tdp_fault *f, struct hv_host_page *host)
{
	if (f->private)
		return hv_gmem_lookup(slot, f->gfn, host);
	return hv_host_lookup(vm->mm, f->hva, host) && (!f->write || host->writable);
}

/* One attempt; tdp.lock held for reading. */
static enum tdp_step tdp_try(struct hv_vcpu *vcpu, struct hv_memslot *slot, struct tdp_fault *f)
{
	struct hv_vm *vm = vcpu->vm;
	struct hv_host_page host;
	unsigned int level;
	enum tdp_step step;
	u64 leaf;

	if (slot->dying)
		return TDP_DYING;
	/* Became private, or shared, a moment ago: whoever changed that waits for the lock. */
	if (hv_gfn_private(vm, f->gfn) != f->private)
		return TDP_AGAIN;
	/* The write must wait until user space made room: it has been asked to. */
	if (f->write && slot->dirty && !hv_dirty_ring_room(vcpu, 1))
		return TDP_DONE;
	if (f->present && tdp_fix_leaf(vcpu, slot, f))
		return TDP_DONE;
	if (!tdp_backing(vm, slot, f, &host))
		return TDP_HOST;
	level = tdp_leaf_level(vm, slot, f, &host);
	if (!f->private && tdp_invalidating(&vm->tdp, f->hva, level))
		return TDP_HOST;
	leaf = tdp_leaf(vm, slot, f, &host, level);
	step = tdp_install(vcpu, f, leaf, level);
	if (step == TDP_CONFLICT && level > 1 && hv_tdp_bits.nx_huge) {
		/* small pages are there because code runs in them: stay with them */
		leaf = tdp_leaf(vm, slot, f, &host, 1);
		step = tdp_install(vcpu, f, leaf, 1);
	}
	if (step != TDP_DONE)
		return step;
	tdp_dirty_host_page(&host, leaf);
	if (f->write)
		hv_dirty_page(vcpu, slot, f->gfn);
	return TDP_DONE;
}

static enum tdp_step tdp_attempt(struct hv_vcpu *vcpu, struct tdp_fault *f)
{
	struct hv_vm *vm = vcpu->vm;
	int idx = srcu_read_lock(&vm->srcu);
	struct hv_memslot *slot = hv_vcpu_memslot(vcpu, f->gfn);
	enum tdp_step step = TDP_NO_SLOT;

	f->private = hv_gfn_private(vm, f->gfn);
	if (f->private && !(slot && slot->gmem)) {
		step = TDP_PRIVATE;
	} else if (slot && !(f->write && slot->flags & KVM_MEM_READONLY)) {
		f->hva = hv_memslot_hva(slot, f->gfn);
		f->slots = hv_memslots(vm, vcpu->as)->generation;
		read_lock(&vm->tdp.lock);
		step = tdp_try(vcpu, slot, f);
		read_unlock(&vm->tdp.lock);
	}
	srcu_read_unlock(&vm->srcu, idx);
	return step;
}

/* Below: the lock is not held. Each returns HV_TDP_MAPPED to try again. */

static enum hv_tdp_result tdp_refill(struct hv_vcpu *vcpu)
{
	while (vcpu->tdp_cached < vcpu->vm->tdp.levels - 1) {
		u64 *table = tdp_table_alloc();

		if (!table)
			return HV_TDP_NO_MEMORY;
		vcpu->tdp_cache[vcpu->tdp_cached++] = table;
	}
	return HV_TDP_MAPPED;
}

static int tdp_fault_in_private(struct hv_vcpu *vcpu, const struct tdp_fault *f)
{
	struct hv_vm *vm = vcpu->vm;
	int err = 0, idx = srcu_read_lock(&vm->srcu);
	struct hv_memslot *slot = hv_vcpu_memslot(vcpu, f->gfn);

	if (slot && slot->gmem)
		err = hv_gmem_populate(slot, f->gfn);
	srcu_read_unlock(&vm->srcu, idx);
	return err;
}

static int tdp_fault_in_shared(const struct tdp_fault *f)
{
	if (unlikely(f->nowait)) {
		int err = hv_host_fault_in_nowait(f->hva, f->write);

		if (!err || err == -EBUSY)
			return err;
	}
	return hv_host_fault_in(f->hva, f->write);
}

/* What is behind no slot any more, or behind a private frame, user space may have unmapped. */
static bool tdp_backing_changed(struct hv_vcpu *vcpu, const struct tdp_fault *f)
{
	return hv_vcpu_slots_generation(vcpu) != f->slots ||
	       hv_gfn_private(vcpu->vm, f->gfn) != f->private;
}

static enum hv_tdp_result tdp_fault_in(struct hv_vcpu *vcpu, const struct tdp_fault *f)
{
	int err = f->private ? tdp_fault_in_private(vcpu, f) : tdp_fault_in_shared(f);

	if (err == -EFAULT && !f->private && tdp_backing_changed(vcpu, f))
		return HV_TDP_MAPPED;
	switch (err) {
	case -EBUSY:
		return HV_TDP_WAITS;
	case 0:
	case -EAGAIN:
		return HV_TDP_MAPPED;
	case -EINTR:
		return HV_TDP_SIGNAL;
	case -ENOMEM:
		return HV_TDP_NO_MEMORY;
	case -EHWPOISON:
		/* as an access from user space: SIGBUS, with the address */
		send_sig_mceerr(BUS_MCEERR_AR, (void __user *)f->hva, PAGE_SHIFT, current);
		return HV_TDP_SIGNAL;
	}
	return HV_TDP_ERROR;
}

/* Whoever changes the slot holds slots_lock until the new set is published. */
static enum hv_tdp_result tdp_wait_for_slot(struct hv_vm *vm)
{
	if (mutex_lock_interruptible(&vm->slots_lock))
		return HV_TDP_SIGNAL;
	mutex_unlock(&vm->slots_lock);
	return HV_TDP_MAPPED;
}

static enum hv_tdp_result tdp_overcome(struct hv_vcpu *vcpu, const struct tdp_fault *f,
				       enum tdp_step step)
{
	switch (step) {
	case TDP_AGAIN:
		return HV_TDP_MAPPED;
	case TDP_DYING:
		return tdp_wait_for_slot(vcpu->vm);
	case TDP_HOST:
		return tdp_fault_in(vcpu, f);
	case TDP_TABLES:
		return tdp_refill(vcpu);
	case TDP_CONFLICT:
		tdp_drop(vcpu->vm, vcpu->as, f->gfn, f->conflict);
		return HV_TDP_MAPPED;
	default:
		return HV_TDP_ERROR;
	}
}

/* After HV_TDP_MAPPED @f->level is that of the leaf, 0 if it takes another fault to have one. */
static enum hv_tdp_result tdp_resolve(struct hv_vcpu *vcpu, struct tdp_fault *f)
{
	int tries;

	for (tries = 0; tries < TDP_MAX_TRIES; tries++) {
		enum tdp_step step = tdp_attempt(vcpu, f);
		enum hv_tdp_result result;

		if (step == TDP_DONE)
			return HV_TDP_MAPPED;
		if (step == TDP_NO_SLOT)
			return HV_TDP_MMIO;
		result = tdp_overcome(vcpu, f, step);
		if (result != HV_TDP_MAPPED)
			return result;
		cond_resched();
	}
	f->level = 0;
	return HV_TDP_MAPPED;
}

void hv_memory_fault_exit(struct hv_vcpu *vcpu, u64 gpa, u64 flags)
{
	struct hv_memory_fault *fault = hv_run_memory_fault(vcpu->run);

	vcpu->run->exit_reason = KVM_EXIT_MEMORY_FAULT;
	fault->flags = flags;
	fault->gpa = gpa & PAGE_MASK;
	fault->size = PAGE_SIZE;
}

/**
 * hv_tdp_fault() - resolve a second-level violation
 * @vcpu: the vCPU that faulted, loaded; its task is the caller
 * @v: what the CPU reported
 * @nowait: HV_TDP_WAITS rather than wait for the host's page
 *
 * May sleep. Must not be called inside a read section of vm->srcu.
 *
 * Return: enum hv_tdp_result. HV_TDP_MAPPED does not promise a mapping, only
 * that entering the guest again is the right thing to do.
 */
enum hv_tdp_result hv_tdp_fault(struct hv_vcpu *vcpu, const struct hv_tdp_violation *v,
				bool nowait)
{
	struct tdp_fault f = {
		.gfn = v->gpa >> PAGE_SHIFT,
		.write = v->write,
		.exec = v->exec,
		.present = v->present,
		.nowait = nowait,
	};
	enum hv_tdp_result result;

	vcpu->stat.tdp_faults++;
	result = tdp_resolve(vcpu, &f);
	if (result == HV_TDP_ERROR)
		hv_memory_fault_exit(vcpu, v->gpa,
				     f.private ? KVM_MEMORY_EXIT_FLAG_PRIVATE : 0);
	return result;
}

enum hv_tdp_result hv_tdp_populate(struct hv_vcpu *vcpu, u64 gfn, u64 *next)
{
	struct tdp_fault f = { .gfn = gfn, .ahead = true };
	enum hv_tdp_result result = tdp_resolve(vcpu, &f);

	*next = f.level ? tdp_next(gfn, f.level) : gfn;
	return result;
}

#define APIC_GFN	(APIC_DEFAULT_PHYS_BASE >> PAGE_SHIFT)

static enum tdp_step tdp_try_apic_page(struct hv_vcpu *vcpu, struct tdp_fault *f)
{
	u64 leaf = __pa(vcpu->vm->apic_page) | hv_tdp_bits.read_exec | hv_tdp_bits.write |
		   hv_tdp_bits.accessed | hv_tdp_bits.dirty | hv_tdp_bits.wb;

	if (atomic_read(&vcpu->vm->apic_inhibits))
		return TDP_NO_SLOT;
	return tdp_install(vcpu, f, leaf, 1);
}

bool hv_tdp_map_apic_page(struct hv_vcpu *vcpu)
{
	struct tdp_fault f = { .gfn = APIC_GFN, .write = true };
	enum tdp_step step;

	/* whoever inhibits it drops the leaf, with the lock held for writing, after that */
	read_lock(&vcpu->vm->tdp.lock);
	step = tdp_try_apic_page(vcpu, &f);
	read_unlock(&vcpu->vm->tdp.lock);
	if (step == TDP_DONE)
		return true;
	return step != TDP_NO_SLOT && tdp_overcome(vcpu, &f, step) == HV_TDP_MAPPED;
}

void hv_tdp_unmap_apic_page(struct hv_vm *vm)
{
	unsigned int as;

	for (as = 0; as < HV_ADDRESS_SPACES; as++)
		tdp_drop(vm, as, APIC_GFN, 1);
}
