// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtual machine's life, and messages to all its vCPUs.
 *
 * struct hv_vm lives as long as its fd, any vCPU or stats fd of it and any asynchronous page
 * fault that waits; irqfds end with the VM fd. vCPUs live as long as their VM, so an interrupt
 * controller may always touch them.
 */
#include <linux/anon_inodes.h>
#include <linux/cpumask.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "core/coalesced.h"
#include "core/eventfd.h"
#include "core/hw.h"
#include "core/ops.h"
#include "core/request.h"
#include "core/stats.h"
#include "core/vcpu.h"
#include "core/vm.h"
#include "irqchip/irqchip.h"
#include "irqchip/lapic.h"
#include "memory/gmem.h"
#include "memory/memslot.h"
#include "memory/tdp.h"
#include "x86/msr_filter.h"
#include "x86/tsc.h"

static struct hv_vm *vm_alloc(void)
{
	static atomic64_t serial;
	struct hv_vm *vm = kvzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);

	if (!vm)
		return NULL;
	kref_init(&vm->ref);
	mutex_init(&vm->lock);
	mutex_init(&vm->slots_lock);
	mutex_init(&vm->irq_lock);
	mutex_init(&vm->resample_lock);
	spin_lock_init(&vm->irqfds_lock);
	INIT_LIST_HEAD(&vm->irqfds);
	INIT_LIST_HEAD(&vm->ioeventfds);
	INIT_LIST_HEAD(&vm->resamplers);
	vm->apic_bus_cycle_ns = HV_APIC_BUS_CYCLE_NS;
	vm->serial = atomic64_inc_return(&serial);
	vm->mm = current->mm;
	mmgrab(vm->mm);
	return vm;
}

static void vm_free(struct hv_vm *vm)
{
	hv_attributes_destroy(vm);
	mmdrop(vm->mm);
	kvfree(vm);
}

static struct hv_vm *vm_create(unsigned long type)
{
	struct hv_vm *vm = vm_alloc();
	int ret = -ENOMEM;

	if (!vm)
		return ERR_PTR(ret);
	ret = type == KVM_X86_SW_PROTECTED_VM ? hv_attributes_init(vm) : 0;
	if (ret)
		goto free;
	ret = init_srcu_struct(&vm->srcu);
	if (ret)
		goto free;
	ret = init_srcu_struct(&vm->irq_srcu);
	if (ret)
		goto srcu;
	ret = hv_coalesced_init(vm);
	if (ret)
		goto irq_srcu;
	ret = hv_memslots_init(vm);
	if (ret)
		goto coalesced;
	ret = hv_tdp_init(vm);
	if (ret)
		goto memslots;
	ret = hv_hw_get(vm);
	if (ret)
		goto tdp;
	vm->dirty_by_cpu = hv_caps.logs_writes;
	hv_clock_init(vm);
	ret = hv_notifier_register(vm);
	if (ret)
		goto hw;
	hv_stats_add(vm);
	return vm;
hw:
	hv_hw_put(vm);
tdp:
	hv_tdp_destroy(vm);
memslots:
	hv_memslots_destroy(vm);
coalesced:
	hv_coalesced_destroy(vm);
irq_srcu:
	cleanup_srcu_struct(&vm->irq_srcu);
srcu:
	cleanup_srcu_struct(&vm->srcu);
free:
	vm_free(vm);
	return ERR_PTR(ret);
}

static void vm_destroy(struct kref *ref)
{
	struct hv_vm *vm = container_of(ref, struct hv_vm, ref);
	int i;

	/* A reboot looks at the vCPUs of all VMs. */
	hv_hw_hide(vm);
	hv_stats_remove(vm);
	hv_irqfd_release_all(vm);
	hv_notifier_unregister(vm);
	/* Its timers deliver to vCPUs: it goes first. */
	hv_irqchip_destroy(vm);
	/* A hole in a guest_memfd reaches second-level tables and vCPUs through a slot. */
	hv_memslots_destroy(vm);
	for (i = 0; i < vm->nr_vcpus; i++)
		hv_vcpu_destroy(vm->vcpus[i]);
	hv_ioeventfd_release_all(vm);
	hv_iobus_destroy(vm);
	hv_coalesced_destroy(vm);
	hv_routing_destroy(vm);
	hv_tdp_destroy(vm);
	if (hv_ops->vm_destroy)
		hv_ops->vm_destroy(vm);
	hv_hw_put(vm);
	hv_msr_filter_free(vm);
	cleanup_srcu_struct(&vm->irq_srcu);
	cleanup_srcu_struct(&vm->srcu);
	vm_free(vm);
}

void hv_vm_get(struct hv_vm *vm)
{
	kref_get(&vm->ref);
}

void hv_vm_put(struct hv_vm *vm)
{
	kref_put(&vm->ref, vm_destroy);
}

static int vm_release(struct inode *inode, struct file *file)
{
	struct hv_vm *vm = file->private_data;

	/* An irqfd must not keep its VM alive through itself. */
	hv_irqfd_release_all(vm);
	hv_vm_put(vm);
	return 0;
}

static const struct file_operations vm_fops = {
	.owner = THIS_MODULE,
	.release = vm_release,
	.unlocked_ioctl = hv_vm_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

/**
 * hv_vm_create() - KVM_CREATE_VM
 * @type: KVM_X86_DEFAULT_VM or, with private memory, KVM_X86_SW_PROTECTED_VM
 *
 * Return: a file descriptor; -EINVAL for another type; -EBUSY if another
 * hypervisor has the CPUs; -EMFILE, -ENOMEM.
 */
long hv_vm_create(unsigned long type)
{
	struct hv_vm *vm;
	int fd;

	if (type != KVM_X86_DEFAULT_VM && type != KVM_X86_SW_PROTECTED_VM)
		return -EINVAL;
	vm = vm_create(type);
	if (IS_ERR(vm))
		return PTR_ERR(vm);
	fd = anon_inode_getfd("vellum-vm", &vm_fops, vm, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		hv_vm_put(vm);
	return fd;
}

struct hv_vcpu *hv_vm_vcpu_by_id(struct hv_vm *vm, u32 id)
{
	struct hv_vcpu *vcpu;
	int i;

	/* most VMMs create them in the order of their ids */
	if (id < hv_vm_nr_vcpus(vm)) {
		vcpu = vm->vcpus[array_index_nospec(id, HV_MAX_VCPUS)];
		if (vcpu->id == id)
			return vcpu;
	}
	hv_for_each_vcpu(i, vcpu, vm)
		if (vcpu->id == id)
			return vcpu;
	return NULL;
}

void hv_vm_request_all(struct hv_vm *vm, unsigned int req)
{
	struct hv_vcpu *vcpu;
	int i;

	hv_for_each_vcpu(i, vcpu, vm) {
		hv_request(vcpu, req);
		hv_vcpu_kick(vcpu);
	}
}

static void saw_request(void *unused)
{
}

/*
 * A vCPU sets its mode before it looks at requests, we post before we look at
 * modes: so one found outside will see the request before it enters. The IPI
 * returns only when its CPU has left the guest.
 */
void hv_vm_request_all_wait(struct hv_vm *vm, unsigned int req)
{
	struct hv_vcpu *vcpu;
	int i;

	hv_for_each_vcpu(i, vcpu, vm)
		hv_request(vcpu, req);
	smp_mb();	/* requests before modes; pairs with the exchange in may_enter() */
	hv_for_each_vcpu(i, vcpu, vm) {
		int cpu = READ_ONCE(vcpu->cpu);

		if (cpu >= 0 && atomic_read(&vcpu->mode) != HV_OUTSIDE_GUEST)
			smp_call_function_single(cpu, saw_request, NULL, 1);
	}
}

/* The VM's state can no longer be trusted: nothing of it runs again. */
void hv_vm_kill(struct hv_vm *vm)
{
	WRITE_ONCE(vm->dead, true);
	hv_vm_request_all(vm, HV_REQ_VM_DEAD);
}
