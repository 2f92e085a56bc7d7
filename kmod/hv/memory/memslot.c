// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory slots: KVM_SET_USER_MEMORY_REGION and _REGION2.
 *
 * The set of slots of an address space is immutable. A change builds a new set and a new slot
 * object, publishes the set and waits for the readers of the old one. All that
 * can fail happens before the first visible step.
 *
 * Deleting or moving takes one step more. The mmu notifier finds what to zap
 * through the published set, so a slot must not leave it while anything is
 * still mapped: it is marked dying (faults then map nothing through it), its
 * mappings are zapped, and only then does the new set replace the old.
 */
#include <linux/nospec.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "core/request.h"
#include "core/vcpu.h"
#include "memory/dirty.h"
#include "memory/gmem.h"
#include "memory/memslot.h"
#include "memory/tdp.h"

/* As KVM: a page number inside a slot fits an int. */
#define MEMSLOT_MAX_PAGES	((1ULL << 31) - 1)

#define MEMSLOT_ID_MASK		GENMASK(HV_MEMSLOT_ID_BITS - 1, 0)

enum memslot_op {
	MEMSLOT_SAME,		/* nothing to do */
	MEMSLOT_CREATE,
	MEMSLOT_DELETE,
	MEMSLOT_MOVE,
	MEMSLOT_FLAGS,
};

/* struct memslot_change - one call of hv_memslot_set(), prepared */
struct memslot_change {
	enum memslot_op op;
	unsigned int as;
	struct hv_memslot *old;		/* NULL: created */
	struct hv_memslot *new;		/* NULL: deleted */
	struct hv_memslots *set;	/* the set to publish */
};

/* Index of the first slot that ends above @gfn, or count. */
static unsigned int memslots_search(const struct hv_memslots *slots, u64 gfn)
{
	unsigned int low = 0, high = slots->count;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;
		const struct hv_memslot *slot = slots->slot[mid];

		if (slot->base_gfn + slot->npages <= gfn)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct hv_memslot *memslot_find(struct hv_memslots *slots, u64 gfn)
{
	unsigned int i = memslots_search(slots, gfn);

	if (i == slots->count || !hv_memslot_holds(slots->slot[i], gfn))
		return NULL;
	return slots->slot[i];
}

struct hv_memslot *hv_vcpu_memslot(struct hv_vcpu *vcpu, u64 gfn)
{
	struct hv_memslots *slots = hv_memslots(vcpu->vm, vcpu->as);
	struct hv_memslot *slot;

	/* The hint belongs to this set, so its slot is alive as long as the set is. */
	if (vcpu->slots_generation == slots->generation &&
	    hv_memslot_holds(vcpu->last_slot, gfn))
		return vcpu->last_slot;
	slot = memslot_find(slots, gfn);
	if (slot) {
		vcpu->last_slot = slot;
		vcpu->slots_generation = slots->generation;
	}
	return slot;
}

void hv_vcpu_set_address_space(struct hv_vcpu *vcpu, enum hv_address_space as)
{
	if (vcpu->as == as)
		return;
	vcpu->as = as;
	vcpu->slots_generation = 0;	/* the hint is a slot of the other space */
	/* Takes the other root. Its translations were not kept up to date meanwhile. */
	hv_request(vcpu, HV_REQ_TDP_FLUSH);
}

struct hv_memslot *hv_memslot_by_number(struct hv_vm *vm, u32 number)
{
	unsigned int i, as = number >> HV_MEMSLOT_ID_BITS, id = number & MEMSLOT_ID_MASK;
	struct hv_memslots *slots;

	if (as >= HV_ADDRESS_SPACES || id >= HV_MAX_MEMSLOTS)
		return ERR_PTR(-EINVAL);
	slots = hv_memslots(vm, array_index_nospec(as, HV_ADDRESS_SPACES));
	for (i = 0; i < slots->count; i++)
		if (slots->slot[i]->id == id)
			return slots->slot[i];
	return NULL;
}

static bool memslot_user_range_ok(unsigned long hva, u64 size)
{
	return size <= TASK_SIZE_MAX && hva <= TASK_SIZE_MAX - size &&
	       access_ok((void __user *)hva, size);
}

/* Private pages have no log, and no way to be read-only. */
static u32 memslot_valid_flags(const struct hv_vm *vm, u32 flags)
{
	if (!vm->attributes)
		return KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY;
	if (flags & KVM_MEM_GUEST_MEMFD)
		return KVM_MEM_GUEST_MEMFD;
	return KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY;
}

/* What can be said of @r without looking at the slots that exist. */
static int memslot_check(const struct hv_vm *vm, const struct kvm_userspace_memory_region2 *r)
{
	u64 limit = hv_tdp_gfn_limit() << PAGE_SHIFT;

	if (r->flags & ~memslot_valid_flags(vm, r->flags))
		return -EINVAL;
	if (!PAGE_ALIGNED(r->guest_phys_addr) || !PAGE_ALIGNED(r->memory_size) ||
	    !PAGE_ALIGNED(r->userspace_addr))
		return -EINVAL;
	if (r->memory_size >> PAGE_SHIFT > MEMSLOT_MAX_PAGES)
		return -EINVAL;
	if (r->guest_phys_addr > limit || r->memory_size > limit - r->guest_phys_addr)
		return -EINVAL;
	return memslot_user_range_ok(r->userspace_addr, r->memory_size) ? 0 : -EINVAL;
}

/* enum memslot_op, or -errno */
static int memslot_classify(const struct hv_memslot *old,
			    const struct kvm_userspace_memory_region2 *r)
{
	u64 npages = r->memory_size >> PAGE_SHIFT;

	if (!npages)
		return old ? MEMSLOT_DELETE : -EINVAL;
	if (!old)
		return MEMSLOT_CREATE;
	/* What has private memory can only be deleted. */
	if ((r->flags | old->flags) & KVM_MEM_GUEST_MEMFD)
		return -EINVAL;
	if (npages != old->npages || r->userspace_addr != old->hva ||
	    (r->flags ^ old->flags) & KVM_MEM_READONLY)
		return -EINVAL;
	if (r->guest_phys_addr >> PAGE_SHIFT != old->base_gfn)
		return MEMSLOT_MOVE;
	return r->flags == old->flags ? MEMSLOT_SAME : MEMSLOT_FLAGS;
}

static bool memslot_overlaps(const struct hv_memslots *slots, const struct hv_memslot *old,
			     u64 gfn, u64 npages)
{
	unsigned int i = memslots_search(slots, gfn);

	if (i < slots->count && slots->slot[i] == old)
		i++;
	return i < slots->count && slots->slot[i]->base_gfn < gfn + npages;
}

/* Two bitmaps in one piece: the log, and scratch space for reading it out. */
static unsigned long *memslot_alloc_dirty(const struct hv_vm *vm, u64 npages)
{
	size_t words = BITS_TO_LONGS(npages);
	unsigned long *dirty = kvcalloc(2 * words, sizeof(long), GFP_KERNEL_ACCOUNT);

	if (dirty && hv_dirty_starts_full(vm))
		bitmap_set(dirty, 0, npages);
	return dirty;
}

/* The bitmap, or the file; 0 or -errno */
static int memslot_attach(struct hv_vm *vm, const struct hv_memslot *old, struct hv_memslot *slot,
			  const struct kvm_userspace_memory_region2 *r)
{
	if (slot->flags & KVM_MEM_GUEST_MEMFD)
		return hv_gmem_bind(vm, slot, r->guest_memfd, r->guest_memfd_offset);
	if (!(slot->flags & KVM_MEM_LOG_DIRTY_PAGES))
		return 0;
	/* A slot that moves keeps its log. */
	slot->dirty = old && old->dirty ? old->dirty : memslot_alloc_dirty(vm, slot->npages);
	return slot->dirty ? 0 : -ENOMEM;
}

static struct hv_memslot *memslot_alloc(struct hv_vm *vm, const struct hv_memslot *old,
					const struct kvm_userspace_memory_region2 *r)
{
	struct hv_memslot *slot = kzalloc(sizeof(*slot), GFP_KERNEL_ACCOUNT);
	int err;

	if (!slot)
		return ERR_PTR(-ENOMEM);
	slot->base_gfn = r->guest_phys_addr >> PAGE_SHIFT;
	slot->npages = r->memory_size >> PAGE_SHIFT;
	slot->hva = r->userspace_addr;
	slot->flags = r->flags;
	slot->id = r->slot & MEMSLOT_ID_MASK;
	slot->as = r->slot >> HV_MEMSLOT_ID_BITS;
	err = memslot_attach(vm, old, slot, r);
	if (!err)
		return slot;
	kfree(slot);
	return ERR_PTR(err);
}

/* @other: the slot that may share the bitmap of @slot, or NULL */
static void memslot_free(struct hv_memslot *slot, const struct hv_memslot *other)
{
	if (!slot)
		return;
	if (!other || other->dirty != slot->dirty)
		kvfree(slot->dirty);
	hv_gmem_unbind(slot);
	kfree(slot);
}

static struct hv_memslots *memslots_alloc(unsigned int count)
{
	struct hv_memslots *set;

	set = kvzalloc(struct_size(set, slot, count), GFP_KERNEL_ACCOUNT);
	if (set)
		set->count = count;
	return set;
}

/* A copy of @from without @old, with @new in its place by base_gfn. */
static struct hv_memslots *memslots_rebuild(const struct hv_memslots *from,
					    const struct hv_memslot *old,
					    struct hv_memslot *new)
{
	struct hv_memslots *set = memslots_alloc(from->count - !!old + !!new);
	struct hv_memslot *insert = new;
	unsigned int i, n = 0;

	if (!set)
		return NULL;
	set->generation = from->generation + 1;
	for (i = 0; i < from->count; i++) {
		struct hv_memslot *slot = from->slot[i];

		if (slot == old)
			continue;
		if (insert && insert->base_gfn < slot->base_gfn) {
			set->slot[n++] = insert;
			insert = NULL;
		}
		set->slot[n++] = slot;
	}
	if (insert)
		set->slot[n] = insert;
	return set;
}

/* Decide and allocate; changes nothing that others see. */
static int memslot_prepare(struct hv_vm *vm, const struct kvm_userspace_memory_region2 *r,
			   struct memslot_change *c)
{
	struct hv_memslots *slots;
	int op;

	c->old = hv_memslot_by_number(vm, r->slot);
	if (IS_ERR(c->old))
		return PTR_ERR(c->old);
	c->as = array_index_nospec(r->slot >> HV_MEMSLOT_ID_BITS, HV_ADDRESS_SPACES);
	slots = hv_memslots(vm, c->as);
	op = memslot_classify(c->old, r);
	if (op < 0)
		return op;
	c->op = op;
	if (op == MEMSLOT_SAME)
		return 0;
	if ((op == MEMSLOT_CREATE || op == MEMSLOT_MOVE) &&
	    memslot_overlaps(slots, c->old, r->guest_phys_addr >> PAGE_SHIFT,
			     r->memory_size >> PAGE_SHIFT))
		return -EEXIST;
	if (op != MEMSLOT_DELETE) {
		c->new = memslot_alloc(vm, c->old, r);
		if (IS_ERR(c->new))
			return PTR_ERR(c->new);
	}
	c->set = memslots_rebuild(slots, c->old, c->new);
	if (c->set)
		return 0;
	memslot_free(c->new, c->old);
	return -ENOMEM;
}

static void memslot_kill(struct hv_vm *vm, struct hv_memslot *slot)
{
	write_lock(&vm->tdp.lock);
	slot->dying = true;
	write_unlock(&vm->tdp.lock);
	hv_tdp_zap_slot(vm, slot);
}

/* The dirty log was switched; every fault uses @new already. */
static void memslot_log_switched(struct hv_vm *vm, const struct hv_memslot *new)
{
	if (!new->dirty)	/* large pages may come back */
		hv_tdp_zap_slot(vm, new);
	else if (!hv_dirty_starts_full(vm))
		hv_tdp_write_protect(vm, new, 0, new->npages, NULL);
}

/* Cannot fail. */
static void memslot_commit(struct hv_vm *vm, struct memslot_change *c)
{
	struct hv_memslots *old_set = hv_memslots(vm, c->as);

	if (c->op == MEMSLOT_DELETE || c->op == MEMSLOT_MOVE)
		memslot_kill(vm, c->old);
	hv_dirty_count_slot(vm, c->new, 1);
	rcu_assign_pointer(vm->slots[c->as], c->set);
	synchronize_srcu_expedited(&vm->srcu);
	hv_dirty_count_slot(vm, c->old, -1);
	if (c->op == MEMSLOT_FLAGS)
		memslot_log_switched(vm, c->new);
	memslot_free(c->old, c->new);
	kvfree(old_set);
}

/**
 * hv_memslot_set() - KVM_SET_USER_MEMORY_REGION2: create, move, delete, change flags
 * @vm: the VM, alive, of the caller's mm
 * @region: as user space gave it
 *
 * Takes vm->slots_lock and waits for the readers of vm->srcu.
 *
 * Return: 0; -EINVAL for unknown flags, a misaligned, overflowing or too large
 * range, a slot or address space out of range, a resize, a change of
 * userspace_addr or KVM_MEM_READONLY, any change of a slot with a guest_memfd, a file that
 * is not a guest_memfd of this VM, or deletion of what is not there; -EEXIST if the range
 * overlaps another slot, here or in the guest_memfd; -EBADF; -ENOMEM. On error nothing has
 * changed.
 */
int hv_memslot_set(struct hv_vm *vm, const struct kvm_userspace_memory_region2 *region)
{
	struct memslot_change change = { .op = MEMSLOT_SAME };
	int err = memslot_check(vm, region);

	if (err)
		return err;
	mutex_lock(&vm->slots_lock);
	err = memslot_prepare(vm, region, &change);
	if (!err && change.op != MEMSLOT_SAME)
		memslot_commit(vm, &change);
	mutex_unlock(&vm->slots_lock);
	return err;
}

/* Empty sets; generation 0 is what a vCPU without a hint has. */
int hv_memslots_init(struct hv_vm *vm)
{
	unsigned int as;

	for (as = 0; as < HV_ADDRESS_SPACES; as++) {
		struct hv_memslots *set = memslots_alloc(0);

		if (!set) {
			hv_memslots_destroy(vm);
			return -ENOMEM;
		}
		set->generation = 1;
		RCU_INIT_POINTER(vm->slots[as], set);
	}
	return 0;
}

static void memslots_destroy(struct hv_vm *vm, unsigned int as)
{
	struct hv_memslots *set = rcu_dereference_protected(vm->slots[as], true);
	unsigned int i;

	if (!set)
		return;
	for (i = 0; i < set->count; i++)
		memslot_free(set->slot[i], NULL);
	kvfree(set);
	RCU_INIT_POINTER(vm->slots[as], NULL);
}

/* No vCPU, notifier or ioctl can look any more. */
void hv_memslots_destroy(struct hv_vm *vm)
{
	unsigned int as;

	for (as = 0; as < HV_ADDRESS_SPACES; as++)
		memslots_destroy(vm, as);
}
