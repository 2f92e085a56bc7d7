/* SPDX-License-Identifier: GPL-2.0-only */
/* Two-dimensional paging: the second-level tables (EPT or NPT) of a VM. */
#ifndef VELLUM_MEMORY_TDP_H
#define VELLUM_MEMORY_TDP_H

#include "compat/kvm_abi.h"
#include "core/hv.h"
#include "core/vm.h"

struct hv_memslot;

int hv_tdp_init(struct hv_vm *vm);
void hv_tdp_destroy(struct hv_vm *vm);			/* NULL-safe; no vCPU can run any more */
void hv_tdp_vcpu_destroy(struct hv_vcpu *vcpu);		/* frees the vCPU's spare tables */

/* First guest frame number that no slot may reach. */
u64 hv_tdp_gfn_limit(void);

/* What a violation turned out to be. */
enum hv_tdp_result {
	HV_TDP_MAPPED,		/* enter again */
	HV_TDP_MMIO,		/* no slot, or a write to a read-only one: emulate */
	HV_TDP_SIGNAL,		/* interrupted: -EINTR */
	HV_TDP_ERROR,		/* -EFAULT: nothing behind the user address; fills run */
	HV_TDP_NO_MEMORY,	/* -ENOMEM: no table to be had, or no page for the host */
	HV_TDP_WAITS,		/* the host would have to wait for the page, and was not to */
};

/*
 * Resolve @v for @vcpu: the shared half of an EPT violation or nested page
 * fault. May sleep, but with @nowait not until I/O or another task is done; takes vm->srcu and
 * must not be called inside it.
 */
enum hv_tdp_result hv_tdp_fault(struct hv_vcpu *vcpu, const struct hv_tdp_violation *v,
				bool nowait);

/* Fill the run page for an access to @gpa that fails with -EFAULT. KVM_MEMORY_EXIT_FLAG_* */
void hv_memory_fault_exit(struct hv_vcpu *vcpu, u64 gpa, u64 flags);

/*
 * Map @gfn as a read would. HV_TDP_MAPPED: done, *@next is the first frame behind the
 * mapping; HV_TDP_MMIO: no slot. The run page stays as it is.
 */
enum hv_tdp_result hv_tdp_populate(struct hv_vcpu *vcpu, u64 gfn, u64 *next);

/* memory/prefault.c: KVM_PRE_FAULT_MEMORY; @range is updated. 0 or -errno */
int hv_pre_fault(struct hv_vcpu *vcpu, struct kvm_pre_fault_memory *range);

/*
 * Map vm->apic_page at the xAPIC's default address, unless vm->apic_inhibits; true: it is
 * mapped, or will be when the guest tries again. Unmap it, after an increment of that.
 */
bool hv_tdp_map_apic_page(struct hv_vcpu *vcpu);
void hv_tdp_unmap_apic_page(struct hv_vm *vm);

/* Under vm->slots_lock; each flushes before it returns. */
void hv_tdp_zap_slot(struct hv_vm *vm, const struct hv_memslot *slot);
/*
 * Pages [@first, @first + @npages) of @slot. @bitmap: only those whose bit is set (bit 0:
 * @first); NULL: all. Drops huge leaves.
 */
void hv_tdp_write_protect(struct hv_vm *vm, const struct hv_memslot *slot, u64 first,
			  u64 npages, const unsigned long *bitmap);

/* memory/notifier.c: follow the host's page tables of vm->mm. */
int hv_notifier_register(struct hv_vm *vm);
void hv_notifier_unregister(struct hv_vm *vm);

#endif /* VELLUM_MEMORY_TDP_H */
