// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioeventfd: a guest's write at an address signals an eventfd instead of going
 * to user space. Each is a shared device on a bus; a write costs one look-up.
 */
#include <linux/eventfd.h>
#include <linux/kvm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "compat/compat.h"
#include "core/eventfd.h"
#include "core/iobus.h"
#include "core/vm.h"

#define HV_IOEVENTFD_FLAGS	(KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO | \
				 KVM_IOEVENTFD_FLAG_DEASSIGN)

/**
 * struct hv_ioeventfd - one doorbell
 * @dev: on the bus
 * @link: in vm->ioeventfds, under vm->slots_lock
 * @ctx: what it rings; a reference
 * @bus: ports or MMIO
 * @addr: the address that rings
 * @datamatch: the value that rings
 * @len: 1, 2, 4 or 8; 0: a write of any length rings
 * @any_value: any value rings, else @datamatch alone
 */
struct hv_ioeventfd {
	struct hv_iodev dev;
	struct list_head link;
	struct eventfd_ctx *ctx;
	enum hv_bus bus;
	u64 addr;
	u64 datamatch;
	u32 len;
	bool any_value;
};

static bool value_rings(const struct hv_ioeventfd *e, unsigned int len, const void *val)
{
	u64 value = 0;

	if (!e->len)
		return true;
	if (len != e->len)
		return false;
	if (e->any_value)
		return true;
	memcpy(&value, val, len);
	return value == e->datamatch;
}

static int ioeventfd_write(struct hv_vcpu *vcpu, struct hv_iodev *dev, u64 addr,
			   unsigned int len, const void *val)
{
	struct hv_ioeventfd *e = container_of(dev, struct hv_ioeventfd, dev);

	if (addr != e->addr || !value_rings(e, len, val))
		return -EOPNOTSUPP;
	hv_eventfd_signal(e->ctx);
	return 0;
}

static void ioeventfd_destroy(struct hv_iodev *dev)
{
	struct hv_ioeventfd *e = container_of(dev, struct hv_ioeventfd, dev);

	eventfd_ctx_put(e->ctx);
	kfree(e);
}

static const struct hv_iodev_ops ioeventfd_ops = {
	.write = ioeventfd_write,
	.destroy = ioeventfd_destroy,
	.shared = true,
};

static bool len_valid(u32 len)
{
	return len == 0 || len == 1 || len == 2 || len == 4 || len == 8;
}

static bool args_valid(const struct kvm_ioeventfd *args)
{
	if (args->flags & ~HV_IOEVENTFD_FLAGS || !len_valid(args->len))
		return false;
	if (args->addr + args->len < args->addr)
		return false;
	/* without a length there is no value to compare */
	return args->len || !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH);
}

static struct hv_ioeventfd *ioeventfd_new(const struct kvm_ioeventfd *args,
					  struct eventfd_ctx *ctx)
{
	struct hv_ioeventfd *e = kzalloc(sizeof(*e), GFP_KERNEL_ACCOUNT);

	if (!e)
		return NULL;
	e->dev.ops = &ioeventfd_ops;
	e->ctx = ctx;
	e->bus = args->flags & KVM_IOEVENTFD_FLAG_PIO ? HV_PIO_BUS : HV_MMIO_BUS;
	e->addr = args->addr;
	e->len = args->len;
	e->any_value = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH);
	e->datamatch = e->any_value ? 0 : args->datamatch;
	return e;
}

/* Is there a write that would ring both? */
static bool collide(const struct hv_ioeventfd *a, const struct hv_ioeventfd *b)
{
	if (a->bus != b->bus || a->addr != b->addr)
		return false;
	if (!a->len || !b->len)
		return true;
	return a->len == b->len &&
	       (a->any_value || b->any_value || a->datamatch == b->datamatch);
}

static int assign_locked(struct hv_vm *vm, struct hv_ioeventfd *new)
{
	struct hv_ioeventfd *e;
	int ret;

	lockdep_assert_held(&vm->slots_lock);
	list_for_each_entry(e, &vm->ioeventfds, link)
		if (collide(e, new))
			return -EEXIST;
	ret = hv_iobus_add(vm, new->bus, new->addr, new->len, &new->dev);
	if (!ret)
		list_add_tail(&new->link, &vm->ioeventfds);
	return ret;
}

static int assign(struct hv_vm *vm, const struct kvm_ioeventfd *args, struct eventfd_ctx *ctx)
{
	struct hv_ioeventfd *e = ioeventfd_new(args, ctx);
	int ret;

	if (!e)
		return -ENOMEM;
	mutex_lock(&vm->slots_lock);
	ret = assign_locked(vm, e);
	mutex_unlock(&vm->slots_lock);
	if (ret)
		kfree(e);
	return ret;
}

static bool is_same(const struct hv_ioeventfd *e, const struct kvm_ioeventfd *args,
		    const struct eventfd_ctx *ctx)
{
	bool any_value = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH);
	enum hv_bus bus = args->flags & KVM_IOEVENTFD_FLAG_PIO ? HV_PIO_BUS : HV_MMIO_BUS;

	return e->ctx == ctx && e->bus == bus && e->addr == args->addr && e->len == args->len &&
	       e->any_value == any_value && (any_value || e->datamatch == args->datamatch);
}

static int deassign(struct hv_vm *vm, const struct kvm_ioeventfd *args,
		    const struct eventfd_ctx *ctx)
{
	struct hv_ioeventfd *e;
	int ret = -ENOENT;

	mutex_lock(&vm->slots_lock);
	list_for_each_entry(e, &vm->ioeventfds, link) {
		if (!is_same(e, args, ctx))
			continue;
		list_del(&e->link);
		hv_iobus_remove(vm, e->bus, &e->dev);
		ret = 0;
		break;
	}
	mutex_unlock(&vm->slots_lock);
	return ret;
}

/**
 * hv_ioeventfd() - KVM_IOEVENTFD
 * @vm: the VM
 * @args: from user space
 *
 * Return: 0; -EINVAL for unknown flags, a bad length, an address that wraps, or
 * DATAMATCH without a length; -EBADF, -EINVAL if the fd is no eventfd; -EEXIST for
 * one that would ring together with another or lies over an in-kernel device;
 * -ENOENT if there is none such to deassign; -ENOSPC, -ENOMEM.
 */
int hv_ioeventfd(struct hv_vm *vm, const struct kvm_ioeventfd *args)
{
	struct eventfd_ctx *ctx;
	int ret;

	if (!args_valid(args))
		return -EINVAL;
	ctx = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	if (args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN) {
		ret = deassign(vm, args, ctx);
		eventfd_ctx_put(ctx);
		return ret;
	}
	ret = assign(vm, args, ctx);
	if (ret)
		eventfd_ctx_put(ctx);
	return ret;
}

void hv_ioeventfd_release_all(struct hv_vm *vm)
{
	struct hv_ioeventfd *e, *next;

	mutex_lock(&vm->slots_lock);
	list_for_each_entry_safe(e, next, &vm->ioeventfds, link) {
		list_del(&e->link);
		hv_iobus_remove(vm, e->bus, &e->dev);
	}
	mutex_unlock(&vm->slots_lock);
}
