// SPDX-License-Identifier: GPL-2.0-only
/* The ioctls of a VM fd: decode, validate, hand to who acts. */
#include <linux/fs.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/tsc.h>

#include "core/caps.h"
#include "core/coalesced.h"
#include "core/eventfd.h"
#include "core/ioctl.h"
#include "core/ops.h"
#include "core/stats.h"
#include "core/vcpu.h"
#include "core/vm.h"
#include "irqchip/irqchip.h"
#include "memory/dirty.h"
#include "memory/gmem.h"
#include "memory/memslot.h"
#include "memory/tdp.h"
#include "x86/msr_filter.h"
#include "x86/tsc.h"

#define MIN_MMU_PAGES	64	/* KVM_SET_NR_MMU_PAGES: as in KVM */

static long create_vcpu(void *vm, void *id)
{
	return hv_vcpu_create(vm, (unsigned long)id);
}

static long check_extension(void *vm, void *cap)
{
	return hv_check_extension(vm, (unsigned long)cap);
}

static long enable_cap(void *vm, void *arg)
{
	return hv_vm_enable_cap(vm, arg);
}

static long set_memory_region(void *vm, void *arg)
{
	const struct kvm_userspace_memory_region *r = arg;
	struct kvm_userspace_memory_region2 r2 = {
		.slot = r->slot,
		.flags = r->flags,
		.guest_phys_addr = r->guest_phys_addr,
		.memory_size = r->memory_size,
		.userspace_addr = r->userspace_addr,
	};

	/* What only the longer structure can say is unknown here. */
	if (r->flags & KVM_MEM_GUEST_MEMFD)
		return -EINVAL;
	return hv_memslot_set(vm, &r2);
}

static long set_memory_region2(void *vm, void *arg)
{
	return hv_memslot_set(vm, arg);
}

static long get_dirty_log(void *vm, void *arg)
{
	return hv_dirty_get_log(vm, arg);
}

static long clear_dirty_log(void *vm, void *arg)
{
	return hv_dirty_clear_log(vm, arg);
}

/* There are no shadow pages: any limit on their number that KVM would take holds. */
static long set_nr_mmu_pages(void *vm, void *pages)
{
	return (unsigned long)pages < MIN_MMU_PAGES ? -EINVAL : 0;
}

static long set_memory_attributes(void *vm, void *arg)
{
	return hv_attributes_set(vm, arg);
}

static long create_guest_memfd(void *vm, void *arg)
{
	return hv_gmem_create(vm, arg);
}

static long reset_dirty_rings(void *vm, void *unused)
{
	return hv_dirty_ring_reset(vm);
}

static long irqfd(void *vm, void *arg)
{
	return hv_irqfd(vm, arg);
}

static long ioeventfd(void *vm, void *arg)
{
	return hv_ioeventfd(vm, arg);
}

static long register_coalesced(void *vm, void *arg)
{
	return hv_coalesced_register(vm, arg);
}

static long unregister_coalesced(void *vm, void *arg)
{
	return hv_coalesced_unregister(vm, arg);
}

static long signal_msi(void *vm, void *arg)
{
	return hv_signal_msi(vm, arg);
}

/* KVM_IRQ_LINE and KVM_IRQ_LINE_STATUS differ only in what user space is told. */
static long irq_line_status(void *object, void *arg)
{
	struct hv_vm *vm = object;
	struct kvm_irq_level *line = arg;

	if (!hv_vm_irqchip_in_kernel(vm))
		return -ENXIO;
	line->status = hv_gsi_set_level(vm, HV_IRQ_SOURCE_USER, line->irq,
					!!line->level);
	return 0;
}

static long set_gsi_routing(void *object, void *arg)
{
	struct hv_vm *vm = object;
	struct kvm_irq_routing __user *u = (void __user *)arg;
	struct kvm_irq_routing_entry *entries = NULL;
	struct kvm_irq_routing head;
	int ret;

	if (copy_from_user(&head, u, sizeof(head)))
		return -EFAULT;
	if (!hv_vm_irqchip_in_kernel(vm) || head.nr > HV_MAX_IRQ_ROUTES || head.flags)
		return -EINVAL;
	if (head.nr) {
		entries = vmemdup_user(u->entries, array_size(head.nr, sizeof(*entries)));
		if (IS_ERR(entries))
			return PTR_ERR(entries);
	}
	ret = hv_routing_set(vm, entries, head.nr, head.flags);
	kvfree(entries);
	return ret;
}

static long create_irqchip(void *vm, void *unused)
{
	return hv_irqchip_create(vm);
}

static long get_irqchip(void *vm, void *arg)
{
	return hv_irqchip_get(vm, arg);
}

static long set_irqchip(void *vm, void *arg)
{
	return hv_irqchip_set(vm, arg);
}

static long create_pit(void *vm, void *unused)
{
	struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };

	return hv_pit_create(vm, &config);
}

static long create_pit2(void *vm, void *arg)
{
	return hv_pit_create(vm, arg);
}

static long get_pit2(void *vm, void *arg)
{
	return hv_pit_get2(vm, arg);
}

static long set_pit2(void *vm, void *arg)
{
	return hv_pit_set2(vm, arg);
}

/* The old form has the channels only. */
static long get_pit(void *vm, void *arg)
{
	struct kvm_pit_state *state = arg;
	struct kvm_pit_state2 state2;
	int ret = hv_pit_get2(vm, &state2);

	if (!ret)
		memcpy(state->channels, state2.channels, sizeof(state->channels));
	return ret;
}

static long set_pit(void *vm, void *arg)
{
	const struct kvm_pit_state *state = arg;
	struct kvm_pit_state2 state2;
	int ret = hv_pit_get2(vm, &state2);

	if (ret)
		return ret;
	memcpy(state2.channels, state->channels, sizeof(state->channels));
	return hv_pit_set2(vm, &state2);
}

static long reinject_control(void *vm, void *arg)
{
	struct kvm_reinject_control control;

	if (copy_from_user(&control, (void __user *)arg, sizeof(control)))
		return -EFAULT;
	return hv_pit_reinject(vm, control.pit_reinject);
}

/* The three TSS pages and the identity map served real mode without unrestricted guest. */
static long set_tss_addr(void *object, void *addr)
{
	return (unsigned long)addr > U32_MAX - 3 * PAGE_SIZE ? -EINVAL : 0;
}

static long set_identity_map_addr(void *object, void *arg)
{
	struct hv_vm *vm = object;

	guard(mutex)(&vm->lock);
	return vm->created_vcpus ? -EINVAL : 0;
}

static long set_boot_cpu_id(void *object, void *id)
{
	struct hv_vm *vm = object;

	scoped_guard(mutex, &vm->lock) {
		if (vm->created_vcpus)
			return -EBUSY;
		if ((unsigned long)id >= HV_MAX_VCPU_ID)
			return -EINVAL;
		vm->bsp_id = (unsigned long)id;
	}
	return 0;
}

static long set_msr_filter(void *vm, void *arg)
{
	return hv_msr_filter_set(vm, arg);
}

static long get_clock(void *vm, void *arg)
{
	hv_clock_get(vm, arg);
	return 0;
}

static long set_clock(void *vm, void *arg)
{
	return hv_clock_set(vm, arg);
}

/* The rate of vCPUs created from now on; it can differ from the host's only by scaling. */
static long set_tsc_khz(void *object, void *khz)
{
	struct hv_vm *vm = object;
	u64 max = min_t(u64, U32_MAX, (hv_caps.max_tsc_ratio >> hv_caps.tsc_ratio_frac_bits) *
				      tsc_khz);

	if (!hv_caps.has_tsc_scaling || (unsigned long)khz > max)
		return -EINVAL;
	scoped_guard(mutex, &vm->lock) {
		if (vm->created_vcpus)
			return -EINVAL;
		vm->default_tsc_khz = (unsigned long)khz;
	}
	return 0;
}

static long get_tsc_khz(void *object, void *unused)
{
	struct hv_vm *vm = object;

	return vm->default_tsc_khz ?: tsc_khz;
}

static long get_stats_fd(void *vm, void *unused)
{
	return hv_stats_vm_fd(vm);
}

static const struct hv_ioctl vm_ioctls[] = {
	{ KVM_IRQ_LINE, HV_ARG_IN, irq_line_status },
	{ KVM_IRQ_LINE_STATUS, HV_ARG_IN | HV_ARG_OUT, irq_line_status },
	{ KVM_SIGNAL_MSI, HV_ARG_IN, signal_msi },
	{ KVM_GET_DIRTY_LOG, HV_ARG_IN, get_dirty_log },
	{ KVM_CLEAR_DIRTY_LOG, HV_ARG_IN, clear_dirty_log },
	{ KVM_SET_NR_MMU_PAGES, HV_ARG_VALUE, set_nr_mmu_pages },
	{ KVM_SET_MEMORY_ATTRIBUTES, HV_ARG_IN, set_memory_attributes },
	{ KVM_CREATE_GUEST_MEMFD, HV_ARG_IN, create_guest_memfd },
	{ KVM_RESET_DIRTY_RINGS, HV_ARG_VALUE, reset_dirty_rings },
	{ KVM_SET_USER_MEMORY_REGION, HV_ARG_IN, set_memory_region },
	{ KVM_SET_USER_MEMORY_REGION2, HV_ARG_IN, set_memory_region2 },
	{ KVM_CREATE_VCPU, HV_ARG_VALUE, create_vcpu },
	{ KVM_CHECK_EXTENSION, HV_ARG_VALUE, check_extension },
	{ KVM_ENABLE_CAP, HV_ARG_IN, enable_cap },
	{ KVM_IRQFD, HV_ARG_IN, irqfd },
	{ KVM_IOEVENTFD, HV_ARG_IN, ioeventfd },
	{ KVM_REGISTER_COALESCED_MMIO, HV_ARG_IN, register_coalesced },
	{ KVM_UNREGISTER_COALESCED_MMIO, HV_ARG_IN, unregister_coalesced },
	{ KVM_SET_GSI_ROUTING, HV_ARG_USER, set_gsi_routing },
	{ KVM_CREATE_IRQCHIP, HV_ARG_VALUE, create_irqchip },
	{ KVM_GET_IRQCHIP, HV_ARG_IN | HV_ARG_OUT, get_irqchip },
	{ KVM_SET_IRQCHIP, HV_ARG_IN, set_irqchip },
	{ KVM_CREATE_PIT, HV_ARG_VALUE, create_pit },
	{ KVM_CREATE_PIT2, HV_ARG_IN, create_pit2 },
	{ KVM_GET_PIT, HV_ARG_OUT, get_pit },
	{ KVM_SET_PIT, HV_ARG_IN, set_pit },
	{ KVM_GET_PIT2, HV_ARG_OUT, get_pit2 },
	{ KVM_SET_PIT2, HV_ARG_IN, set_pit2 },
	{ KVM_REINJECT_CONTROL, HV_ARG_USER, reinject_control },
	{ KVM_SET_TSS_ADDR, HV_ARG_VALUE, set_tss_addr },
	{ KVM_SET_IDENTITY_MAP_ADDR, HV_ARG_IN, set_identity_map_addr },
	{ KVM_SET_BOOT_CPU_ID, HV_ARG_VALUE, set_boot_cpu_id },
	{ KVM_GET_CLOCK, HV_ARG_OUT, get_clock },
	{ KVM_SET_TSC_KHZ, HV_ARG_VALUE, set_tsc_khz },
	{ KVM_GET_TSC_KHZ, HV_ARG_VALUE, get_tsc_khz },
	{ KVM_X86_SET_MSR_FILTER, HV_ARG_IN, set_msr_filter },
	{ KVM_SET_CLOCK, HV_ARG_IN, set_clock },
	{ KVM_GET_STATS_FD, HV_ARG_NONE, get_stats_fd },
};

long hv_vm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct hv_vm *vm = file->private_data;

	/* Memory slots name addresses of the creator: nobody else may drive the VM. */
	if (current->mm != vm->mm || READ_ONCE(vm->dead))
		return -EIO;
	return hv_ioctl_dispatch(vm_ioctls, ARRAY_SIZE(vm_ioctls), vm, cmd, arg);
}
