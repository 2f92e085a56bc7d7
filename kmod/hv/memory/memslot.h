/* SPDX-License-Identifier: GPL-2.0-only */
/* Guest-physical memory: which user address backs which frame. */
#ifndef VELLUM_MEMORY_MEMSLOT_H
#define VELLUM_MEMORY_MEMSLOT_H

#include <linux/kvm.h>
#include <linux/mm.h>
#include <linux/srcu.h>

#include "compat/kvm_abi.h"
#include "core/vcpu.h"
#include "core/vm.h"

#define HV_MEMSLOT_ID_BITS	16

/**
 * struct hv_memslot - a run of guest frames backed by a run of user addresses
 * @base_gfn: first guest frame number
 * @npages: length, 4 KiB pages
 * @hva: user address of the first page, in vm->mm
 * @flags: KVM_MEM_*
 * @id: KVM's slot number, without the address space
 * @as: enum hv_address_space
 * @dying: being deleted or moved: nothing may be mapped through it any more.
 *	Set once under tdp.lock (write), tested under it (read)
 * @gmem: guest_memfd behind the private pages, or NULL; a reference
 * @gmem_index: its page behind the first
 * @gmem_link: in the file's list
 * @dirty: one bit a page, with KVM_MEM_LOG_DIRTY_PAGES; set with set_bit().
 *	As many words follow, scratch space under vm->slots_lock
 */
struct hv_memslot {
	u64 base_gfn;
	u64 npages;
	unsigned long hva;
	u32 flags;
	u16 id;
	u8 as;
	bool dying;
	struct file *gmem;
	u64 gmem_index;
	struct list_head gmem_link;
	unsigned long *dirty;
};

/** struct hv_memslots - an immutable set, ascending by base_gfn, under vm->srcu */
struct hv_memslots {
	u64 generation;
	unsigned int count;
	struct hv_memslot *slot[] __counted_by(count);
};

int hv_memslots_init(struct hv_vm *vm);
void hv_memslots_destroy(struct hv_vm *vm);

/* KVM_SET_USER_MEMORY_REGION2. Takes vm->slots_lock. Errors as Documentation/virt/kvm/api.rst. */
int hv_memslot_set(struct hv_vm *vm, const struct kvm_userspace_memory_region2 *region);

/* All below: inside srcu_read_lock(&vm->srcu) or under vm->slots_lock. */
static inline struct hv_memslots *hv_memslots(struct hv_vm *vm, unsigned int as)
{
	return srcu_dereference_check(vm->slots[as], &vm->srcu,
				      lockdep_is_held(&vm->slots_lock));
}

/* In the address space the vCPU is in, with a hint; only for the vCPU's own task. */
struct hv_memslot *hv_vcpu_memslot(struct hv_vcpu *vcpu, u64 gfn);

/* Another number: other slots than before. Not inside a read section of vm->srcu. */
static inline u64 hv_vcpu_slots_generation(struct hv_vcpu *vcpu)
{
	struct hv_vm *vm = vcpu->vm;
	int idx = srcu_read_lock(&vm->srcu);
	u64 generation = hv_memslots(vm, vcpu->as)->generation;

	srcu_read_unlock(&vm->srcu, idx);
	return generation;
}

/*
 * The slot that a user's number (address space in bits 31:16) names.
 * ERR_PTR(-EINVAL): no such number or address space; NULL: not in use.
 */
struct hv_memslot *hv_memslot_by_number(struct hv_vm *vm, u32 number);

/* The number as the ABI packs it: address space above, id below. */
static inline u32 hv_memslot_number(const struct hv_memslot *slot)
{
	return slot->as << HV_MEMSLOT_ID_BITS | slot->id;
}

/*
 * The vCPU enters or leaves system management mode: from its next entry on it sees the
 * memory of @as. Its own task, loaded.
 */
void hv_vcpu_set_address_space(struct hv_vcpu *vcpu, enum hv_address_space as);

static inline bool hv_memslot_holds(const struct hv_memslot *slot, u64 gfn)
{
	return gfn - slot->base_gfn < slot->npages;
}

static inline unsigned long hv_memslot_hva(const struct hv_memslot *slot, u64 gfn)
{
	return slot->hva + ((gfn - slot->base_gfn) << PAGE_SHIFT);
}

/* Words of one copy of @slot's dirty bitmap. */
static inline size_t hv_memslot_dirty_words(const struct hv_memslot *slot)
{
	return BITS_TO_LONGS(slot->npages);
}

/* The second half of the bitmap, for who holds vm->slots_lock. */
static inline unsigned long *hv_memslot_scratch(const struct hv_memslot *slot)
{
	return slot->dirty + hv_memslot_dirty_words(slot);
}

#endif /* VELLUM_MEMORY_MEMSLOT_H */
