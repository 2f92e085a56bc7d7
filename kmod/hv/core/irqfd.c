// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfd: a write to an eventfd raises a GSI.
 *
 * The interrupt is delivered from the eventfd's wake-up, with interrupts off:
 * no thread, no work item. An irqfd holds its eventfd's context. It ends by
 * deassignment, by the eventfd's last close (EPOLLHUP, in a context that must
 * not sleep) or with its VM; whoever takes it off vm->irqfds queues its
 * shutdown on our workqueue, exactly once, and whoever frees the VM flushes that.
 *
 * With a resamplefd the GSI stays up until the guest acknowledges it; then all
 * irqfds of that GSI are told (struct hv_resampler, one for each such GSI).
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/kvm.h>
#include <linux/poll.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "compat/compat.h"
#include "core/eventfd.h"
#include "core/vm.h"
#include "irqchip/irqchip.h"

#define HV_IRQFD_FLAGS	(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE)

/* Of all VMs: nothing in it waits for what user space can hold up. */
static struct workqueue_struct *shutdown_wq;

/**
 * struct hv_resampler - a GSI with irqfds that want to hear of acknowledgments
 * @link: in vm->resamplers; written under vm->resample_lock, read under vm->irq_srcu
 * @irqfds: the same
 * @gsi: its number
 */
struct hv_resampler {
	struct list_head link;
	struct list_head irqfds;
	u32 gsi;
};

/**
 * struct hv_irqfd - an eventfd bound to a GSI
 * @vm: the VM, which outlives it
 * @gsi: what it raises
 * @eventfd: what raises it; a reference
 * @resamplefd: what its acknowledgment signals; a reference, or NULL
 * @resampler: whom to ask for that; NULL without @resamplefd
 * @resampler_link: in its list
 * @link: in vm->irqfds, under vm->irqfds_lock; empty once somebody queued @shutdown
 * @wait: our place at the eventfd
 * @poll: how it got there
 * @shutdown: takes it away and frees it
 */
struct hv_irqfd {
	struct hv_vm *vm;
	u32 gsi;
	struct eventfd_ctx *eventfd;
	struct eventfd_ctx *resamplefd;
	struct hv_resampler *resampler;
	struct list_head resampler_link;
	struct list_head link;
	wait_queue_entry_t wait;
	poll_table poll;
	struct work_struct shutdown;
};

static void raise(struct hv_irqfd *irqfd)
{
	if (irqfd->resampler)
		hv_gsi_set_level(irqfd->vm, HV_IRQ_SOURCE_RESAMPLE, irqfd->gsi, 1);
	else
		hv_gsi_pulse(irqfd->vm, HV_IRQ_SOURCE_IRQFD, irqfd->gsi);
}

void hv_irqfd_resample(struct hv_vm *vm, u32 gsi)
{
	struct hv_resampler *resampler;
	struct hv_irqfd *irqfd;

	list_for_each_entry_srcu(resampler, &vm->resamplers, link,
				 srcu_read_lock_held(&vm->irq_srcu)) {
		if (resampler->gsi != gsi)
			continue;
		hv_gsi_set_level(vm, HV_IRQ_SOURCE_RESAMPLE, gsi, 0);
		list_for_each_entry_srcu(irqfd, &resampler->irqfds, resampler_link,
					 srcu_read_lock_held(&vm->irq_srcu))
			hv_eventfd_signal(irqfd->resamplefd);
	}
}

static struct hv_resampler *resampler_get(struct hv_vm *vm, u32 gsi)
{
	struct hv_resampler *resampler;

	lockdep_assert_held(&vm->resample_lock);
	list_for_each_entry(resampler, &vm->resamplers, link)
		if (resampler->gsi == gsi)
			return resampler;
	resampler = kzalloc(sizeof(*resampler), GFP_KERNEL_ACCOUNT);
	if (!resampler)
		return NULL;
	resampler->gsi = gsi;
	INIT_LIST_HEAD(&resampler->irqfds);
	list_add_rcu(&resampler->link, &vm->resamplers);
	return resampler;
}

static int resampler_join(struct hv_irqfd *irqfd)
{
	struct hv_vm *vm = irqfd->vm;

	mutex_lock(&vm->resample_lock);
	irqfd->resampler = resampler_get(vm, irqfd->gsi);
	if (irqfd->resampler)
		list_add_rcu(&irqfd->resampler_link, &irqfd->resampler->irqfds);
	mutex_unlock(&vm->resample_lock);
	return irqfd->resampler ? 0 : -ENOMEM;
}

/* The last one to leave lowers the line: nobody would after it. */
static void resampler_leave(struct hv_irqfd *irqfd)
{
	struct hv_resampler *resampler = irqfd->resampler;
	struct hv_vm *vm = irqfd->vm;
	bool last;

	mutex_lock(&vm->resample_lock);
	list_del_rcu(&irqfd->resampler_link);
	last = list_empty(&resampler->irqfds);
	if (last)
		list_del_rcu(&resampler->link);
	synchronize_srcu(&vm->irq_srcu);
	if (last)
		hv_gsi_set_level(vm, HV_IRQ_SOURCE_RESAMPLE, resampler->gsi, 0);
	mutex_unlock(&vm->resample_lock);
	if (last)
		kfree(resampler);
}

static void irqfd_free(struct hv_irqfd *irqfd)
{
	if (irqfd->resamplefd)
		eventfd_ctx_put(irqfd->resamplefd);
	eventfd_ctx_put(irqfd->eventfd);
	kfree(irqfd);
}

static void irqfd_shutdown(struct work_struct *work)
{
	struct hv_irqfd *irqfd = container_of(work, struct hv_irqfd, shutdown);
	u64 count;

	/* takes the wait queue's lock: no wake-up of ours runs after it */
	eventfd_ctx_remove_wait_queue(irqfd->eventfd, &irqfd->wait, &count);
	if (irqfd->resampler)
		resampler_leave(irqfd);
	irqfd_free(irqfd);
}

/* Under vm->irqfds_lock. */
static void deactivate(struct hv_irqfd *irqfd)
{
	lockdep_assert_held(&irqfd->vm->irqfds_lock);
	list_del_init(&irqfd->link);
	queue_work(shutdown_wq, &irqfd->shutdown);
}

static void hangup(struct hv_irqfd *irqfd)
{
	struct hv_vm *vm = irqfd->vm;
	unsigned long flags;

	spin_lock_irqsave(&vm->irqfds_lock, flags);
	if (!list_empty(&irqfd->link))
		deactivate(irqfd);
	spin_unlock_irqrestore(&vm->irqfds_lock, flags);
}

/* Under the eventfd's wait-queue lock, interrupts off. */
static int irqfd_wakeup(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct hv_irqfd *irqfd = container_of(wait, struct hv_irqfd, wait);
	__poll_t events = key_to_poll(key);
	int consumed = 0;
	u64 count;

	if (events & EPOLLIN) {
		/* the counter is ours: other waiters do not see what we took */
		eventfd_ctx_do_read(irqfd->eventfd, &count);
		raise(irqfd);
		consumed = 1;
	}
	if (events & EPOLLHUP)
		hangup(irqfd);
	return consumed;
}

static void irqfd_queue(struct file *file, wait_queue_head_t *wqh, poll_table *poll)
{
	struct hv_irqfd *irqfd = container_of(poll, struct hv_irqfd, poll);

	add_wait_queue_priority(wqh, &irqfd->wait);
}

/* An eventfd serves one irqfd of a VM. */
static int irqfd_insert(struct hv_irqfd *irqfd)
{
	struct hv_vm *vm = irqfd->vm;
	struct hv_irqfd *other;
	int ret = 0;

	spin_lock_irq(&vm->irqfds_lock);
	list_for_each_entry(other, &vm->irqfds, link)
		if (other->eventfd == irqfd->eventfd)
			ret = -EBUSY;
	if (!ret)
		list_add_tail(&irqfd->link, &vm->irqfds);
	spin_unlock_irq(&vm->irqfds_lock);
	return ret;
}

static struct hv_irqfd *irqfd_new(struct hv_vm *vm, u32 gsi)
{
	struct hv_irqfd *irqfd = kzalloc(sizeof(*irqfd), GFP_KERNEL_ACCOUNT);

	if (!irqfd)
		return NULL;
	irqfd->vm = vm;
	irqfd->gsi = gsi;
	INIT_LIST_HEAD(&irqfd->link);
	INIT_WORK(&irqfd->shutdown, irqfd_shutdown);
	init_waitqueue_func_entry(&irqfd->wait, irqfd_wakeup);
	init_poll_funcptr(&irqfd->poll, irqfd_queue);
	return irqfd;
}

/* @file is open all the while, so EPOLLHUP comes only after the irqfd is complete. */
static int irqfd_bind(struct hv_irqfd *irqfd, struct file *file)
{
	int ret;

	lockdep_assert_held(&irqfd->vm->irq_lock);
	if (irqfd->resamplefd) {
		ret = resampler_join(irqfd);
		if (ret)
			return ret;
	}
	ret = irqfd_insert(irqfd);
	if (ret) {
		if (irqfd->resampler)
			resampler_leave(irqfd);
		return ret;
	}
	/* What was written before is an interrupt too. */
	if (vfs_poll(file, &irqfd->poll) & EPOLLIN)
		raise(irqfd);
	return 0;
}

static int take_contexts(struct hv_irqfd *irqfd, struct file *file, const struct kvm_irqfd *args)
{
	struct eventfd_ctx *ctx = eventfd_ctx_fileget(file);

	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	irqfd->eventfd = ctx;
	if (!(args->flags & KVM_IRQFD_FLAG_RESAMPLE))
		return 0;
	ctx = eventfd_ctx_fdget(args->resamplefd);
	if (IS_ERR(ctx)) {
		eventfd_ctx_put(irqfd->eventfd);
		return PTR_ERR(ctx);
	}
	irqfd->resamplefd = ctx;
	return 0;
}

static int assign_file(struct hv_vm *vm, const struct kvm_irqfd *args, struct file *file)
{
	struct hv_irqfd *irqfd = irqfd_new(vm, args->gsi);
	int ret;

	if (!irqfd)
		return -ENOMEM;
	ret = take_contexts(irqfd, file, args);
	if (ret) {
		kfree(irqfd);
		return ret;
	}
	/* keeps a deassignment from ending it before it is complete */
	mutex_lock(&vm->irq_lock);
	ret = irqfd_bind(irqfd, file);
	mutex_unlock(&vm->irq_lock);
	if (ret)
		irqfd_free(irqfd);
	return ret;
}

static int assign(struct hv_vm *vm, const struct kvm_irqfd *args)
{
	struct file *file = fget(args->fd);
	int ret;

	if (!file)
		return -EBADF;
	ret = assign_file(vm, args, file);
	fput(file);
	return ret;
}

static int deassign(struct hv_vm *vm, const struct kvm_irqfd *args)
{
	struct eventfd_ctx *ctx = eventfd_ctx_fdget(args->fd);
	struct hv_irqfd *irqfd, *next;

	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	mutex_lock(&vm->irq_lock);
	spin_lock_irq(&vm->irqfds_lock);
	list_for_each_entry_safe(irqfd, next, &vm->irqfds, link)
		if (irqfd->eventfd == ctx && irqfd->gsi == args->gsi)
			deactivate(irqfd);
	spin_unlock_irq(&vm->irqfds_lock);
	mutex_unlock(&vm->irq_lock);
	eventfd_ctx_put(ctx);
	/* after this ioctl the fd raises nothing */
	flush_workqueue(shutdown_wq);
	return 0;
}

/**
 * hv_irqfd() - KVM_IRQFD
 * @vm: the VM
 * @args: from user space
 *
 * Return: 0, also for a deassignment that finds nothing; -EINVAL for unknown flags,
 * a GSI that cannot exist, without an in-kernel irqchip, for a resamplefd without a
 * full one, and for fds that are no eventfds; -EBUSY if the eventfd serves an irqfd
 * of this VM; -EBADF, -ENOMEM.
 */
int hv_irqfd(struct hv_vm *vm, const struct kvm_irqfd *args)
{
	if (args->flags & ~HV_IRQFD_FLAGS || args->gsi >= HV_MAX_IRQ_ROUTES)
		return -EINVAL;
	if (args->flags & KVM_IRQFD_FLAG_DEASSIGN)
		return deassign(vm, args);
	if (!hv_vm_irqchip_in_kernel(vm))
		return -EINVAL;
	if ((args->flags & KVM_IRQFD_FLAG_RESAMPLE) && vm->split_irqchip)
		return -EINVAL;
	return assign(vm, args);
}

void hv_irqfd_release_all(struct hv_vm *vm)
{
	struct hv_irqfd *irqfd, *next;

	spin_lock_irq(&vm->irqfds_lock);
	list_for_each_entry_safe(irqfd, next, &vm->irqfds, link)
		deactivate(irqfd);
	spin_unlock_irq(&vm->irqfds_lock);
	/* those that hung up by themselves, too */
	flush_workqueue(shutdown_wq);
}

int hv_irqfd_init(void)
{
	shutdown_wq = alloc_workqueue("vellum-irqfd", 0, 0);
	return shutdown_wq ? 0 : -ENOMEM;
}

void hv_irqfd_exit(void)
{
	destroy_workqueue(shutdown_wq);
}
