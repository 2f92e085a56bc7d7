// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty ring: KVM_CAP_DIRTY_LOG_RING and KVM_RESET_DIRTY_RINGS.
 *
 * The slot's bitmap stays, as the set of pages that are in some ring: whoever sets a bit puts
 * the page into his vCPU's ring, and a reset clears the bit before it takes the permission to write
 * away. So a page is in the rings once, and a bit that is clear still means "not writable".
 *
 * User space maps the ring writable. Nothing in it is trusted: both indices are ours, a
 * reset stops at the newest entry whatever the flags say, and slot and offset are read once and
 * then looked up like any user's. Who forges entries loses pages of his own log.
 *
 * Pages are logged on the way to the guest, where nothing can wait. Hence the reserve: the vCPU is
 * sent to user space while there is still room for what one exit can write.
 */
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/vmalloc.h>

#include "core/request.h"
#include "memory/dirty.h"
#include "memory/tdp.h"

/* An emulated instruction writes at most four pages, and their page tables' accessed bits. */
#define RING_RESERVE	64
/* What the CPU may have logged when the guest is left. */
#define RING_RESERVE_CPU 512
/* With fewer entries than this the CPU's log would leave no room for a guest to run. */
#define RING_MIN_CPU	(4 * RING_RESERVE_CPU)

/* Write protection looks through a batch's bitmap with preemption off. */
#define BATCH_PAGES	32768

/* struct ring_batch - harvested pages of one slot that are near each other */
struct ring_batch {
	struct hv_memslot *slot;	/* NULL: empty */
	u64 first, end;			/* pages of @slot; @first a multiple of BITS_PER_LONG */
};

static u32 ring_used(const struct hv_dirty_ring *ring)
{
	/* pairs with the release in ring_harvest(): an entry that is free is cleared */
	return ring->head - smp_load_acquire(&ring->tail);
}

static bool ring_full(const struct hv_vcpu *vcpu)
{
	const struct hv_vm *vm = vcpu->vm;
	u32 reserve = RING_RESERVE + (hv_dirty_by_cpu(vm) ? RING_RESERVE_CPU : 0);

	return ring_used(&vcpu->ring) >= vm->dirty_ring_entries - reserve;
}

int hv_dirty_ring_check(struct hv_vcpu *vcpu)
{
	if (!ring_full(vcpu))
		return HV_RESUME;
	hv_request(vcpu, HV_REQ_DIRTY_RING);
	vcpu->run->exit_reason = KVM_EXIT_DIRTY_RING_FULL;
	return HV_USERSPACE;
}

bool hv_dirty_ring_room(struct hv_vcpu *vcpu, unsigned long pages)
{
	if (!vcpu->ring.gfns || vcpu->vm->dirty_ring_entries - ring_used(&vcpu->ring) >= pages)
		return true;
	hv_request(vcpu, HV_REQ_DIRTY_RING);
	return false;
}

void hv_dirty_ring_push(struct hv_vcpu *vcpu, const struct hv_memslot *slot, u64 gfn)
{
	struct hv_dirty_ring *ring = &vcpu->ring;
	struct kvm_dirty_gfn *entry = &ring->gfns[ring->head & (vcpu->vm->dirty_ring_entries - 1)];

	entry->slot = hv_memslot_number(slot);
	entry->offset = gfn - slot->base_gfn;
	/* user space reads the flags first */
	smp_store_release(&entry->flags, KVM_DIRTY_GFN_F_DIRTY);
	WRITE_ONCE(ring->head, ring->head + 1);
	if (ring_full(vcpu))
		hv_request(vcpu, HV_REQ_DIRTY_RING);
}

static unsigned long *batch_bitmap(const struct ring_batch *b)
{
	return hv_memslot_scratch(b->slot) + b->first / BITS_PER_LONG;
}

static void batch_flush(struct hv_vm *vm, struct ring_batch *b)
{
	u64 npages = b->end - b->first;

	if (!b->slot)
		return;
	hv_tdp_write_protect(vm, b->slot, b->first, npages, batch_bitmap(b));
	bitmap_clear(batch_bitmap(b), 0, npages);
	b->slot = NULL;
}

/* The scratch half of the bitmap is all zero between two batches. */
static void batch_add(struct hv_vm *vm, struct ring_batch *b, struct hv_memslot *slot, u64 page)
{
	if (b->slot != slot || page < b->first || page - b->first >= BATCH_PAGES) {
		batch_flush(vm, b);
		b->slot = slot;
		b->first = round_down(page, BITS_PER_LONG);
		b->end = b->first;
	}
	b->end = max(b->end, page + 1);
	set_bit(page, hv_memslot_scratch(slot));
}

/* Whatever user space left in the entry. */
static void ring_clean(struct hv_vm *vm, struct ring_batch *b, u32 number, u64 page)
{
	struct hv_memslot *slot = hv_memslot_by_number(vm, number);

	if (IS_ERR_OR_NULL(slot) || !slot->dirty || page >= slot->npages)
		return;
	page = array_index_nospec(page, slot->npages);
	if (test_and_clear_bit(page, slot->dirty))
		batch_add(vm, b, slot, page);
}

static long ring_harvest(struct hv_vm *vm, struct hv_dirty_ring *ring, struct ring_batch *b)
{
	long n = 0;

	while (ring->tail != READ_ONCE(ring->head) && !fatal_signal_pending(current)) {
		struct kvm_dirty_gfn *entry = &ring->gfns[ring->tail &
							  (vm->dirty_ring_entries - 1)];

		/* what the flag says is harvested was read before */
		if (!(smp_load_acquire(&entry->flags) & KVM_DIRTY_GFN_F_RESET))
			break;
		ring_clean(vm, b, READ_ONCE(entry->slot), READ_ONCE(entry->offset));
		WRITE_ONCE(entry->flags, 0);
		/* cleared before the vCPU may use it again */
		smp_store_release(&ring->tail, ring->tail + 1);
		n++;
		cond_resched();
	}
	return n;
}

/**
 * hv_dirty_ring_reset() - KVM_RESET_DIRTY_RINGS
 * @vm: the VM, of the caller's mm
 *
 * Return: how many entries user space had harvested; -EINVAL without dirty rings.
 */
long hv_dirty_ring_reset(struct hv_vm *vm)
{
	struct ring_batch batch = {};
	struct hv_vcpu *vcpu;
	long n = 0;
	int i;

	if (!READ_ONCE(vm->dirty_ring_entries))
		return -EINVAL;
	mutex_lock(&vm->slots_lock);
	hv_for_each_vcpu(i, vcpu, vm)
		n += ring_harvest(vm, &vcpu->ring, &batch);
	batch_flush(vm, &batch);
	mutex_unlock(&vm->slots_lock);
	return n;
}

/* A log that exists already may have bits set that are in no ring. */
static bool logged_slot_exists(struct hv_vm *vm)
{
	unsigned int as, i;

	for (as = 0; as < HV_ADDRESS_SPACES; as++) {
		const struct hv_memslots *slots = hv_memslots(vm, as);

		for (i = 0; i < slots->count; i++)
			if (slots->slot[i]->dirty)
				return true;
	}
	return false;
}

/**
 * hv_dirty_ring_enable() - KVM_CAP_DIRTY_LOG_RING, KVM_CAP_DIRTY_LOG_RING_ACQ_REL
 * @vm: the VM, vm->lock held
 * @bytes: size of each vCPU's ring
 *
 * Return: 0; -EINVAL for a size that is no power of two or less than a page, with vCPUs or
 * a dirty log already there, or if it was enabled before; -E2BIG.
 */
int hv_dirty_ring_enable(struct hv_vm *vm, u64 bytes)
{
	int err = 0;

	lockdep_assert_held(&vm->lock);
	if (!is_power_of_2(bytes) || bytes < PAGE_SIZE)
		return -EINVAL;
	if (bytes > HV_DIRTY_RING_MAX_BYTES)
		return -E2BIG;
	if (vm->dirty_ring_entries || vm->created_vcpus)
		return -EINVAL;
	mutex_lock(&vm->slots_lock);
	if (logged_slot_exists(vm)) {
		err = -EINVAL;
	} else {
		if (bytes / sizeof(struct kvm_dirty_gfn) < RING_MIN_CPU)
			vm->dirty_by_cpu = false;
		WRITE_ONCE(vm->dirty_ring_entries, bytes / sizeof(struct kvm_dirty_gfn));
	}
	mutex_unlock(&vm->slots_lock);
	return err;
}

int hv_dirty_ring_create(struct hv_vcpu *vcpu)
{
	size_t bytes = vcpu->vm->dirty_ring_entries * sizeof(struct kvm_dirty_gfn);

	if (!bytes)
		return 0;
	vcpu->ring.gfns = __vmalloc(bytes, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	return vcpu->ring.gfns ? 0 : -ENOMEM;
}

void hv_dirty_ring_destroy(struct hv_vcpu *vcpu)
{
	vfree(vcpu->ring.gfns);
}

static unsigned long ring_pages(const struct hv_vcpu *vcpu)
{
	if (!vcpu->ring.gfns)
		return 0;
	return (vcpu->vm->dirty_ring_entries * sizeof(struct kvm_dirty_gfn)) >> PAGE_SHIFT;
}

/* May @vma, behind the run page's, be mapped? A private copy of a ring would tell nothing. */
int hv_dirty_ring_mmap(struct hv_vcpu *vcpu, struct vm_area_struct *vma)
{
	unsigned long first = vma->vm_pgoff - KVM_DIRTY_LOG_PAGE_OFFSET, n = ring_pages(vcpu);

	if (vma->vm_pgoff < KVM_DIRTY_LOG_PAGE_OFFSET || first >= n ||
	    vma_pages(vma) > n - first)
		return -EINVAL;
	return !(vma->vm_flags & VM_SHARED) || vma->vm_flags & VM_EXEC ? -EINVAL : 0;
}

struct page *hv_dirty_ring_page(struct hv_vcpu *vcpu, unsigned long pgoff)
{
	unsigned long index = pgoff - KVM_DIRTY_LOG_PAGE_OFFSET;

	if (pgoff < KVM_DIRTY_LOG_PAGE_OFFSET || index >= ring_pages(vcpu))
		return NULL;
	return vmalloc_to_page((void *)vcpu->ring.gfns + (index << PAGE_SHIFT));
}
