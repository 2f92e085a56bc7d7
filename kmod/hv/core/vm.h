/* SPDX-License-Identifier: GPL-2.0-only */
/* A virtual machine: what all its vCPUs share. */
#ifndef VELLUM_CORE_VM_H
#define VELLUM_CORE_VM_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/wait.h>

#include "compat/compat.h"
#include "core/hv.h"
#include "core/iobus.h"

struct file;
struct hv_memslots;
struct maple_tree;
struct hv_zones;
struct hv_tdp_table;
struct hv_irqchip;
struct hv_routing;
struct hv_msr_filter;
struct hv_apic_map;

/**
 * struct hv_tdp - the second-level translation of one VM, a tree for each address space
 *
 * Faults hold @lock for reading and install leaves by cmpxchg; whoever removes
 * or restricts a mapping holds it for writing and flushes before it lets go.
 */
struct hv_tdp {
	rwlock_t lock;
	u64 *root[HV_ADDRESS_SPACES];	/* top-level tables, 4 KiB */
	u64 root_pa[HV_ADDRESS_SPACES];	/* their physical addresses */
	unsigned int levels;		/* 4, or 5 for NPT on a host with LA57 */
	/* written under lock (write), tested by faults under lock (read) */
	long notifier_count;		/* invalidations in progress */
	unsigned long notifier_start, notifier_end;	/* their hull, hva */
	atomic64_t pages_4k, pages_2m, pages_1g, tables;
};

/** struct hv_clock - the VM-wide kvmclock reference, @lock protects what does not say otherwise */
struct hv_clock {
	struct mutex pages_lock;	/* who writes kvmclock pages or says where they are */
	bool tscs_agree;		/* of all vCPUs, as the pages say; pages_lock */
	raw_spinlock_t lock;
	u64 tsc_ref;			/* host TSC at the reference point */
	s64 boot_ns;			/* host CLOCK_MONOTONIC_RAW at it */
	s64 offset_ns;			/* kvmclock = raw - boot_ns + offset */
	u64 wall_clock_gpa;
	u64 last_tsc_khz, last_tsc_offset, last_tsc_write, last_tsc_ns;
	bool last_tsc_by_user;		/* user space wrote it, not creation or a guest */
	u64 generation;
};

/**
 * struct hv_vm - a virtual machine
 *
 * Lock order: vcpu->mutex > lock > slots_lock > irq_lock; srcu read sections nest inside any of
 * them; tdp.lock is innermost. Documentation/locking.md has the others.
 */
struct hv_vm {
	struct kref ref;		/* the VM fd, vCPU and stats fds, async page faults */
	struct mm_struct *mm;		/* of the creator; mmgrab()ed */
	struct mmu_notifier notifier;
	bool dead;			/* KVM_RUN and ioctls answer -EIO; set once */

	struct mutex lock;		/* vCPU creation, VM-wide settings */
	struct hv_vcpu *vcpus[HV_MAX_VCPUS];	/* by index; published with release */
	int nr_vcpus;			/* online ones: smp_load_acquire() */
	u32 bsp_id;
	u32 max_vcpu_id;		/* KVM_CAP_MAX_VCPU_ID: ids are below it; 0: not set */

	struct srcu_struct srcu;	/* memslots, zones, MSR filter; readers may sleep */
	struct mutex slots_lock;	/* writers of memslots and buses */
	struct hv_memslots __rcu *slots[HV_ADDRESS_SPACES];	/* srcu; memory/memslot.c */
	struct hv_tdp tdp;
	u64 serial;			/* of this VM alone, as long as the module lives */
	struct maple_tree *attributes;	/* by gfn, KVM_X86_SW_PROTECTED_VM only; memory/attrs.c */

	struct hv_iobus __rcu *pio_bus, *mmio_bus;	/* RCU */
	struct hv_zones __rcu *zones;	/* srcu; core/coalesced.c */
	struct kvm_coalesced_mmio_ring *ring;	/* a page shared with user space */
	spinlock_t ring_lock;		/* writers of the ring, among vCPUs */

	struct mutex irq_lock;		/* writers of routing and of the LAPIC map */
	struct hv_irqchip *irqchip;	/* NULL or set once before vCPUs run */
	struct srcu_struct irq_srcu;	/* routing, resamplers; no reader sleeps */
	struct hv_routing __rcu *routing;	/* irq_srcu */
	struct hv_apic_map __rcu *apic_map;	/* rcu; irqchip/apic_map.c */
	void *apic_page;		/* back end: what 0xfee00000 is mapped to; vm->lock */
	atomic_t apic_inhibits;		/* LAPICs that must not be reached through it */
	bool split_irqchip;
	spinlock_t irqfds_lock;		/* irqfds; interrupts off */
	struct list_head irqfds;	/* irqfds_lock */
	struct list_head ioeventfds;	/* slots_lock */
	struct mutex resample_lock;
	struct list_head resamplers;	/* resample_lock; read under irq_srcu */

	struct hv_clock clock;
	atomic_t apf_count;		/* pages waited for, or ready and not told: async_pf.c */
	u64 disabled_quirks;		/* KVM_X86_QUIRK_*: see hv_quirk_off() */
	u64 disabled_exits;		/* KVM_X86_DISABLE_EXITS_* */
	bool bus_lock_exits;		/* KVM_CAP_X86_BUS_LOCK_EXIT */
	u32 notify_flags, notify_window; /* KVM_CAP_X86_NOTIFY_VMEXIT; set before vCPUs are made */
	u64 hypercall_exits;		/* KVM_CAP_EXIT_HYPERCALL: BIT(KVM_HC_*) */
	bool halt_poll_set;		/* KVM_CAP_HALT_POLL: then this, not the module's */
	u32 halt_poll_ns;
	u32 apic_bus_cycle_ns;		/* the LAPIC timers' clock */
	u64 default_tsc_khz;
	bool x2apic_format, x2apic_broadcast_quirk_off;	/* KVM_CAP_X2APIC_API */
	bool exception_payload;
	bool triple_fault_event;	/* KVM_CAP_X86_TRIPLE_FAULT_EVENT */
	bool platform_info_hidden;	/* KVM_CAP_MSR_PLATFORM_INFO 0 */
	bool exit_on_emulation_failure;
	u32 dirty_ring_entries;		/* of each vCPU's ring, 0: bitmaps; set once, under lock */
	struct hv_msr_filter __rcu *msr_filter;	/* srcu; x86/msr_filter.c */
	u32 user_space_msr;		/* KVM_MSR_EXIT_REASON_*: exits rather than #GP */
	bool dirty_by_cpu;		/* memory/dirty.h; set before vCPUs run */
	unsigned int logged_slots;	/* slots with a log; slots_lock, read without */
	bool dirty_manual_protect, dirty_initially_set;
	bool created_vcpus;		/* caps that must come first check it */

	struct list_head link;		/* all VMs; core/hw.c's lock */
	struct list_head stats_link;	/* core/stats.c's lock */
};

void hv_vm_get(struct hv_vm *vm);
void hv_vm_put(struct hv_vm *vm);

/** hv_vm_irqchip_in_kernel() - whether vCPUs have a LAPIC of ours */
static inline bool hv_vm_irqchip_in_kernel(const struct hv_vm *vm)
{
	/* pairs with the release that publishes a finished irqchip */
	return smp_load_acquire(&vm->irqchip) || READ_ONCE(vm->split_irqchip);
}

/** hv_vm_nr_vcpus() - vCPUs that are there: whoever sees one counted sees all of it */
static inline int hv_vm_nr_vcpus(const struct hv_vm *vm)
{
	/* pairs with the release in core/vcpu.c */
	return smp_load_acquire(&vm->nr_vcpus);
}

/** hv_quirk_off() - whether user space wants documented behaviour rather than quirk @quirk */
static inline bool hv_quirk_off(const struct hv_vm *vm, u64 quirk)
{
	return READ_ONCE(vm->disabled_quirks) & quirk;
}

#define hv_for_each_vcpu(i, vcpu, vm)			\
	for ((i) = 0; (i) < hv_vm_nr_vcpus(vm) &&	\
	     ((vcpu) = (vm)->vcpus[(i)], true); (i)++)

struct hv_vcpu *hv_vm_vcpu_by_id(struct hv_vm *vm, u32 id);

/* Ask every vCPU for @req; _wait: and return only when none runs without having seen it. */
void hv_vm_request_all(struct hv_vm *vm, unsigned int req);
void hv_vm_request_all_wait(struct hv_vm *vm, unsigned int req);
void hv_vm_kill(struct hv_vm *vm);	/* no vCPU of it runs again */

long hv_vm_create(unsigned long type);	/* KVM_CREATE_VM: an fd or -errno */
long hv_vm_ioctl(struct file *file, unsigned int cmd, unsigned long arg);	/* vm_ioctl.c */

#endif /* VELLUM_CORE_VM_H */
