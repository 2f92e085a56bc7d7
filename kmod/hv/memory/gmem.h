/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private guest memory: which frames are private (attrs.c), and the guest_memfd files that
 * hold what is in them (gmem.c).
 */
#ifndef VELLUM_MEMORY_GMEM_H
#define VELLUM_MEMORY_GMEM_H

#include <linux/maple_tree.h>

#include "compat/kvm_abi.h"
#include "core/vm.h"

struct hv_host_page;
struct hv_memslot;

/* gmem.c */
int hv_gmem_init(void);		/* with the module */
void hv_gmem_exit(void);
long hv_gmem_create(struct hv_vm *vm, const struct kvm_create_guest_memfd *args);
/* For KVM_SET_USER_MEMORY_REGION2; under slots_lock. unbind: NULL-safe, when nobody uses @slot. */
int hv_gmem_bind(struct hv_vm *vm, struct hv_memslot *slot, int fd, u64 offset);
void hv_gmem_unbind(struct hv_memslot *slot);
/* Under tdp.lock (read): what is behind @gfn, until the lock is dropped. false: nothing yet */
bool hv_gmem_lookup(const struct hv_memslot *slot, u64 gfn, struct hv_host_page *page);
int hv_gmem_populate(const struct hv_memslot *slot, u64 gfn);	/* 0 or -errno */
/* Within one page; 0 or -errno. cmpxchg: 1 if it differed, and @old is what was there. */
int hv_gmem_copy(const struct hv_memslot *slot, u64 gpa, void *buf, unsigned int len, bool write);
int hv_gmem_cmpxchg(const struct hv_memslot *slot, u64 gpa, u64 *old, u64 new, unsigned int len);

/* attrs.c */
int hv_attributes_init(struct hv_vm *vm);	/* 0 or -ENOMEM; else there is no private memory */
void hv_attributes_destroy(struct hv_vm *vm);
int hv_attributes_set(struct hv_vm *vm, const struct kvm_memory_attributes *args);
u64 hv_attributes_supported(const struct hv_vm *vm);	/* NULL: by any VM */

static inline bool hv_gfn_private(struct hv_vm *vm, u64 gfn)
{
	return unlikely(vm->attributes) && mtree_load(vm->attributes, gfn);
}

/* Is any frame from @first to @last private? */
static inline bool hv_gfns_private(struct hv_vm *vm, u64 first, u64 last)
{
	unsigned long at = first;

	return unlikely(vm->attributes) && mt_find(vm->attributes, &at, last);
}

#endif /* VELLUM_MEMORY_GMEM_H */
