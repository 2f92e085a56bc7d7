// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtual CPU's life: creation, its fd and mapped pages, on and off a
 * physical CPU, kicks.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <uapi/linux/kvm_para.h>

#include "core/hw.h"
#include "core/ops.h"
#include "core/request.h"
#include "core/vcpu.h"
#include "irqchip/lapic.h"
#include "memory/dirty.h"
#include "memory/tdp.h"
#include "x86/async_pf.h"
#include "x86/cpuid.h"
#include "x86/emulate.h"
#include "x86/fpu.h"
#include "x86/regs.h"
#include "x86/tsc.h"

static void load_here(struct hv_vcpu *vcpu, int cpu)
{
	WRITE_ONCE(vcpu->cpu, cpu);
	/* Not on: hotplug or reboot in progress; run.c will not enter. */
	if (unlikely(!this_cpu_read(hv_cpu_on)))
		return;
	hv_ops->vcpu_load(vcpu, cpu);
	vcpu->last_cpu = cpu;
	vcpu->loaded = true;
	if (vcpu->pv.steal_msr & KVM_MSR_ENABLED)
		hv_steal_load(vcpu);
}

static void put_here(struct hv_vcpu *vcpu)
{
	if (vcpu->loaded)
		hv_ops->vcpu_put(vcpu);
	vcpu->loaded = false;
	WRITE_ONCE(vcpu->cpu, -1);
}

static void sched_in(struct preempt_notifier *notifier, int cpu)
{
	struct hv_vcpu *vcpu = container_of(notifier, struct hv_vcpu, preempt);

	WRITE_ONCE(vcpu->preempted, false);
	load_here(vcpu, cpu);
}

static void sched_out(struct preempt_notifier *notifier, struct task_struct *next)
{
	struct hv_vcpu *vcpu = container_of(notifier, struct hv_vcpu, preempt);

	if (task_is_running(current))
		WRITE_ONCE(vcpu->preempted, true);
	if (vcpu->pv.steal_msr & KVM_MSR_ENABLED)
		hv_steal_preempted(vcpu);
	put_here(vcpu);
}

static struct preempt_ops preempt_ops = {
	.sched_in = sched_in,
	.sched_out = sched_out,
};

void hv_vcpu_load(struct hv_vcpu *vcpu)
{
	int cpu = get_cpu();

	preempt_notifier_register(&vcpu->preempt);
	load_here(vcpu, cpu);
	put_cpu();
}

void hv_vcpu_put(struct hv_vcpu *vcpu)
{
	preempt_disable();
	put_here(vcpu);
	preempt_notifier_unregister(&vcpu->preempt);
	preempt_enable();
}

void hv_vcpu_wake(struct hv_vcpu *vcpu)
{
	rcuwait_wake_up(&vcpu->wait);
}

void hv_vcpu_kick(struct hv_vcpu *vcpu)
{
	int cpu;

	hv_vcpu_wake(vcpu);
	/* One IPI is enough to bring it out: the winner of the exchange sends it. */
	if (atomic_cmpxchg(&vcpu->mode, HV_IN_GUEST, HV_EXITING_GUEST) != HV_IN_GUEST)
		return;
	cpu = READ_ONCE(vcpu->cpu);
	if (cpu >= 0 && cpu != raw_smp_processor_id())
		hv_send_reschedule(cpu);
}

void hv_vcpu_nmi(struct hv_vcpu *vcpu)
{
	atomic_inc(&vcpu->events.nmi_queued);
	hv_request(vcpu, HV_REQ_EVENT);
	hv_vcpu_kick(vcpu);
}

static vm_fault_t vcpu_fault(struct vm_fault *vmf)
{
	struct hv_vcpu *vcpu = vmf->vma->vm_file->private_data;
	struct page *page;

	if (vmf->pgoff == 0)
		page = virt_to_page(vcpu->run);
	else if (vmf->pgoff == KVM_PIO_PAGE_OFFSET)
		page = virt_to_page(vcpu->pio_data);
	else if (vmf->pgoff == KVM_COALESCED_MMIO_PAGE_OFFSET)
		page = virt_to_page(vcpu->vm->ring);
	else
		page = hv_dirty_ring_page(vcpu, vmf->pgoff);
	if (!page)
		return VM_FAULT_SIGBUS;
	get_page(page);
	vmf->page = page;
	return 0;
}

static const struct vm_operations_struct vcpu_vm_ops = {
	.fault = vcpu_fault,
};

static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct hv_vcpu *vcpu = file->private_data;

	if (vma->vm_pgoff + vma_pages(vma) > HV_RUN_MMAP_SIZE >> PAGE_SHIFT &&
	    hv_dirty_ring_mmap(vcpu, vma))
		return -EINVAL;
	vma->vm_ops = &vcpu_vm_ops;
	return 0;
}

static int vcpu_release(struct inode *inode, struct file *file)
{
	struct hv_vcpu *vcpu = file->private_data;

	hv_vm_put(vcpu->vm);
	return 0;
}

static const struct file_operations vcpu_fops = {
	.owner = THIS_MODULE,
	.release = vcpu_release,
	.unlocked_ioctl = hv_vcpu_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = vcpu_mmap,
	.llseek = noop_llseek,
};

static void vcpu_init(struct hv_vcpu *vcpu, struct hv_vm *vm, u32 id)
{
	vcpu->vm = vm;
	vcpu->index = vm->nr_vcpus;	/* vm->lock is held until it is published */
	vcpu->id = id;
	vcpu->cpu = -1;
	vcpu->last_cpu = -1;
	mutex_init(&vcpu->mutex);
	rcuwait_init(&vcpu->wait);
	hv_async_pf_create(vcpu);
	preempt_notifier_init(&vcpu->preempt, &preempt_ops);
}

static int vcpu_alloc_pages(struct hv_vcpu *vcpu)
{
	vcpu->run = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	vcpu->pio_data = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	return vcpu->run && vcpu->pio_data ? hv_dirty_ring_create(vcpu) : -ENOMEM;
}

static void vcpu_free(struct hv_vcpu *vcpu)
{
	put_pid(rcu_dereference_protected(vcpu->pid, true));
	hv_tdp_vcpu_destroy(vcpu);
	hv_dirty_ring_destroy(vcpu);
	free_page((unsigned long)vcpu->pio_data);
	free_page((unsigned long)vcpu->run);
	kfree(vcpu);
}

static void vcpu_first_reset(struct hv_vcpu *vcpu)
{
	struct hv_vm *vm = vcpu->vm;

	hv_vcpu_load(vcpu);
	hv_vcpu_reset(vcpu, false);
	hv_tsc_init(vcpu);
	hv_vcpu_put(vcpu);
	/* A dirty log may begin before anybody else sees this vCPU. */
	hv_request(vcpu, HV_REQ_INTERCEPTS);
	vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
	if (hv_vm_irqchip_in_kernel(vm) && vcpu->id != vm->bsp_id)
		vcpu->mp_state = KVM_MP_STATE_UNINITIALIZED;
}

static struct hv_vcpu *vcpu_new(struct hv_vm *vm, u32 id)
{
	struct hv_vcpu *vcpu = kzalloc(hv_ops->vcpu_size, GFP_KERNEL_ACCOUNT);
	int ret;

	if (!vcpu)
		return ERR_PTR(-ENOMEM);
	vcpu_init(vcpu, vm, id);
	ret = vcpu_alloc_pages(vcpu);
	if (ret)
		goto free;
	ret = hv_cpuid_init(vcpu);
	if (ret)
		goto free;
	ret = hv_fpu_init(vcpu);
	if (ret)
		goto cpuid;
	ret = hv_emul_init(vcpu);
	if (ret)
		goto fpu;
	if (hv_vm_irqchip_in_kernel(vm)) {
		ret = hv_lapic_create(vcpu);
		if (ret)
			goto emul;
	}
	ret = hv_ops->vcpu_create(vcpu);
	if (ret)
		goto lapic;
	vcpu_first_reset(vcpu);
	return vcpu;
lapic:
	hv_lapic_destroy(vcpu);
emul:
	hv_emul_destroy(vcpu);
fpu:
	hv_fpu_destroy(vcpu);
cpuid:
	hv_cpuid_free(vcpu);
free:
	vcpu_free(vcpu);
	return ERR_PTR(ret);
}

void hv_vcpu_destroy(struct hv_vcpu *vcpu)
{
	hv_async_pf_reset(vcpu);
	hv_lapic_destroy(vcpu);
	hv_ops->vcpu_destroy(vcpu);
	hv_emul_destroy(vcpu);
	hv_fpu_destroy(vcpu);
	hv_cpuid_free(vcpu);
	vcpu_free(vcpu);
}

static int vcpu_publish(struct hv_vcpu *vcpu)
{
	struct hv_vm *vm = vcpu->vm;
	struct file *file;
	int fd = get_unused_fd_flags(O_CLOEXEC);

	if (fd < 0)
		return fd;
	hv_vm_get(vm);
	file = anon_inode_getfile("vellum-vcpu", &vcpu_fops, vcpu, O_RDWR);
	if (IS_ERR(file)) {
		hv_vm_put(vm);
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	vm->created_vcpus = true;
	vm->vcpus[vcpu->index] = vcpu;
	/* whoever sees the count sees the pointer and what it points to */
	smp_store_release(&vm->nr_vcpus, vcpu->index + 1);
	/* Last: with the descriptor it can run, and then a flush must find it. */
	fd_install(fd, file);
	return fd;
}

static int vcpu_create_locked(struct hv_vm *vm, u32 id)
{
	struct hv_vcpu *vcpu;
	int fd;

	lockdep_assert_held(&vm->lock);
	if (vm->nr_vcpus >= HV_MAX_VCPUS || (vm->max_vcpu_id && id >= vm->max_vcpu_id))
		return -EINVAL;
	if (hv_vm_vcpu_by_id(vm, id))
		return -EEXIST;
	vcpu = vcpu_new(vm, id);
	if (IS_ERR(vcpu))
		return PTR_ERR(vcpu);
	fd = vcpu_publish(vcpu);
	if (fd < 0)
		hv_vcpu_destroy(vcpu);
	return fd;
}

/**
 * hv_vcpu_create() - KVM_CREATE_VCPU
 * @vm: the VM
 * @id: vCPU and initial APIC id, below HV_MAX_VCPU_ID and what KVM_CAP_MAX_VCPU_ID said
 *
 * Return: a file descriptor; -EINVAL for an id out of range or one vCPU too
 * many; -EEXIST for an id in use; -EMFILE, -ENOMEM.
 */
long hv_vcpu_create(struct hv_vm *vm, unsigned long id)
{
	long ret;

	if (id >= HV_MAX_VCPU_ID)
		return -EINVAL;
	mutex_lock(&vm->lock);
	ret = vcpu_create_locked(vm, id);
	mutex_unlock(&vm->lock);
	return ret;
}
