/* SPDX-License-Identifier: GPL-2.0-only */
/* Which pages were written: a bitmap for each slot, or a ring for each vCPU. */
#ifndef VELLUM_MEMORY_DIRTY_H
#define VELLUM_MEMORY_DIRTY_H

#include <linux/mm_types.h>

#include "core/vcpu.h"
#include "memory/memslot.h"

/* dirty.c */
int hv_dirty_get_log(struct hv_vm *vm, const struct kvm_dirty_log *log);
int hv_dirty_clear_log(struct hv_vm *vm, const struct kvm_clear_dirty_log *log);

/*
 * Note that @vcpu wrote, or may from now on write, @gfn; no effect without a log. After
 * the write, where it is the hypervisor's own. In the vCPU's task.
 */
void hv_dirty_page(struct hv_vcpu *vcpu, struct hv_memslot *slot, u64 gfn);

/*
 * The CPU logs writes: then a page with a clear bit in the log is writable, and its leaf is not
 * dirty, or the write that made it so is in the CPU's log.
 */
static inline bool hv_dirty_by_cpu(const struct hv_vm *vm)
{
	return vm->dirty_by_cpu;
}

/* Is there a log at all? */
static inline bool hv_dirty_logging(const struct hv_vm *vm)
{
	return READ_ONCE(vm->logged_slots);
}

/* What the CPU logged while @vcpu was in the guest. irqs off */
void hv_dirty_logged(struct hv_vcpu *vcpu, const u64 *gpas, unsigned int n);
/* Under vm->slots_lock: a slot has a log from now on, or no more. */
void hv_dirty_count_slot(struct hv_vm *vm, const struct hv_memslot *slot, int delta);

/* A slot whose log is switched on counts as written all over, and nothing is protected. */
static inline bool hv_dirty_starts_full(const struct hv_vm *vm)
{
	return vm->dirty_initially_set && !vm->dirty_ring_entries;
}

/* dirty_ring.c */
#define HV_DIRTY_RING_MAX_BYTES	(65536 * sizeof(struct kvm_dirty_gfn))

int hv_dirty_ring_enable(struct hv_vm *vm, u64 bytes);	/* under vm->lock */
int hv_dirty_ring_create(struct hv_vcpu *vcpu);
void hv_dirty_ring_destroy(struct hv_vcpu *vcpu);
int hv_dirty_ring_mmap(struct hv_vcpu *vcpu, struct vm_area_struct *vma);
struct page *hv_dirty_ring_page(struct hv_vcpu *vcpu, unsigned long pgoff);	/* NULL: none */
void hv_dirty_ring_push(struct hv_vcpu *vcpu, const struct hv_memslot *slot, u64 gfn);
/* Can @pages more be logged? If not, KVM_EXIT_DIRTY_RING_FULL is on its way. */
bool hv_dirty_ring_room(struct hv_vcpu *vcpu, unsigned long pages);
int hv_dirty_ring_check(struct hv_vcpu *vcpu);	/* HV_REQ_DIRTY_RING; enum hv_disposition */
long hv_dirty_ring_reset(struct hv_vm *vm);	/* KVM_RESET_DIRTY_RINGS */

#endif /* VELLUM_MEMORY_DIRTY_H */
