// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which in-kernel device answers at an address.
 *
 * Ranges of devices overlap nothing; only doorbells (shared devices, at most
 * HV_IOBUS_SHARED_LEN_MAX bytes) may lie over each other. So a look-up is one
 * binary search, then the few neighbours that begin within that distance.
 */
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/srcu.h>

#include "core/coalesced.h"
#include "core/iobus.h"
#include "core/vcpu.h"
#include "core/vm.h"

/* Takes the place of a device that went while there was no memory for a new array. */
static const struct hv_iodev_ops gone_ops = { .shared = true };
static struct hv_iodev gone_dev = { .ops = &gone_ops };

static struct hv_iobus __rcu **bus_slot(struct hv_vm *vm, enum hv_bus bus)
{
	return bus == HV_PIO_BUS ? &vm->pio_bus : &vm->mmio_bus;
}

static struct hv_iobus *bus_locked(struct hv_vm *vm, enum hv_bus bus)
{
	return rcu_dereference_protected(*bus_slot(vm, bus), lockdep_is_held(&vm->slots_lock));
}

/* The last range that begins at or below @addr; if there is none, the first. The bus has some. */
static const struct hv_iorange *last_up_to(const struct hv_iobus *bus, u64 addr)
{
	const struct hv_iorange *r = bus->range;
	unsigned int n = bus->count;

	while (n > 1) {
		unsigned int half = n / 2;

		if (r[half].addr <= addr)
			r += half;
		n -= half;
	}
	return r;
}

static bool range_matches(const struct hv_iorange *r, u64 addr, unsigned int len)
{
	if (!r->len)
		return addr == r->addr;
	return len && len <= r->len && addr - r->addr <= r->len - len;
}

static __always_inline int dev_access(struct hv_vcpu *vcpu, struct hv_iodev *dev, u64 addr,
				      unsigned int len, void *val, bool write)
{
	const struct hv_iodev_ops *ops = dev->ops;

	if (!write)
		return ops->read ? ops->read(vcpu, dev, addr, len, val) : -EOPNOTSUPP;
	return ops->write ? ops->write(vcpu, dev, addr, len, val) : -EOPNOTSUPP;
}

/* The nearest range first; those before it may reach as far, and may answer if it does not. */
static __always_inline int bus_access(struct hv_vcpu *vcpu, const struct hv_iobus *bus, u64 addr,
				      unsigned int len, void *val, bool write)
{
	const struct hv_iorange *r = bus && bus->count ? last_up_to(bus, addr) : NULL;
	int ret = -EOPNOTSUPP;

	while (r && r->addr <= addr) {
		if (range_matches(r, addr, len)) {
			ret = dev_access(vcpu, READ_ONCE(r->dev), addr, len, val, write);
			if (ret != -EOPNOTSUPP)
				break;
		}
		if (addr - r->addr >= HV_IOBUS_SHARED_LEN_MAX || r == bus->range)
			break;
		r--;
	}
	return ret;
}

int hv_iobus_read(struct hv_vcpu *vcpu, enum hv_bus bus, u64 addr, unsigned int len, void *val)
{
	struct hv_vm *vm = vcpu->vm;
	int idx = srcu_read_lock(&vm->srcu), ret;

	ret = bus_access(vcpu, srcu_dereference(*bus_slot(vm, bus), &vm->srcu), addr, len, val,
			 false);
	srcu_read_unlock(&vm->srcu, idx);
	return ret;
}

int hv_iobus_write(struct hv_vcpu *vcpu, enum hv_bus bus, u64 addr, unsigned int len,
		   const void *val)
{
	struct hv_vm *vm = vcpu->vm;
	int idx = srcu_read_lock(&vm->srcu), ret;

	ret = bus_access(vcpu, srcu_dereference(*bus_slot(vm, bus), &vm->srcu), addr, len,
			 (void *)val, true);
	srcu_read_unlock(&vm->srcu, idx);

	if (ret == -EOPNOTSUPP && len && unlikely(rcu_access_pointer(vm->zones)))
		ret = hv_coalesced_write(vm, bus, addr, len, val);
	return ret;
}

/* A range of length 0 takes up its address. */
static bool overlaps(const struct hv_iorange *r, u64 addr, u64 len)
{
	return r->addr <= addr ? addr - r->addr < max(r->len, 1ULL) :
				 r->addr - addr < max(len, 1ULL);
}

static bool may_add(const struct hv_iobus *bus, u64 addr, u64 len, const struct hv_iodev *dev)
{
	int i;

	for (i = 0; bus && i < bus->count; i++)
		if (overlaps(&bus->range[i], addr, len) &&
		    !(dev->ops->shared && bus->range[i].dev->ops->shared))
			return false;
	return true;
}

static bool sorts_before(const struct hv_iorange *a, u64 addr, u64 len)
{
	return a->addr < addr || (a->addr == addr && a->len <= len);
}

static void bus_publish(struct hv_vm *vm, enum hv_bus which, struct hv_iobus *new)
{
	struct hv_iobus *old = bus_locked(vm, which);

	rcu_assign_pointer(*bus_slot(vm, which), new);
	synchronize_srcu_expedited(&vm->srcu);
	kfree(old);
}

int hv_iobus_add(struct hv_vm *vm, enum hv_bus which, u64 addr, u64 len, struct hv_iodev *dev)
{
	const struct hv_iobus *old = bus_locked(vm, which);
	int count = old ? old->count : 0, at = 0;
	struct hv_iobus *new;

	if (!may_add(old, addr, len, dev))
		return -EEXIST;
	if (count >= HV_IOBUS_MAX)
		return -ENOSPC;
	new = kmalloc(struct_size(new, range, count + 1), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	while (at < count && sorts_before(&old->range[at], addr, len))
		at++;
	new->count = count + 1;
	if (old) {
		memcpy(new->range, old->range, at * sizeof(new->range[0]));
		memcpy(new->range + at + 1, old->range + at,
		       (count - at) * sizeof(new->range[0]));
	}
	new->range[at] = (struct hv_iorange){ .addr = addr, .len = len, .dev = dev };
	bus_publish(vm, which, new);
	return 0;
}

static int ranges_of(const struct hv_iobus *bus, const struct hv_iodev *dev)
{
	int i, n = 0;

	for (i = 0; bus && i < bus->count; i++)
		n += bus->range[i].dev == dev;
	return n;
}

static void bus_blank(struct hv_vm *vm, struct hv_iobus *bus, const struct hv_iodev *dev)
{
	int i;

	for (i = 0; i < bus->count; i++)
		if (bus->range[i].dev == dev)
			WRITE_ONCE(bus->range[i].dev, &gone_dev);
	synchronize_srcu_expedited(&vm->srcu);
}

static void bus_shrink(struct hv_vm *vm, enum hv_bus which, const struct hv_iodev *dev, int by)
{
	struct hv_iobus *old = bus_locked(vm, which), *new;
	int i;

	new = kmalloc(struct_size(new, range, old->count - by), GFP_KERNEL_ACCOUNT);
	if (!new) {
		bus_blank(vm, old, dev);
		return;
	}
	new->count = 0;
	for (i = 0; i < old->count; i++)
		if (old->range[i].dev != dev)
			new->range[new->count++] = old->range[i];
	bus_publish(vm, which, new);
}

void hv_iobus_remove(struct hv_vm *vm, enum hv_bus which, struct hv_iodev *dev)
{
	int n = ranges_of(bus_locked(vm, which), dev);

	if (!n)
		return;
	bus_shrink(vm, which, dev, n);
	if (dev->ops->destroy)
		dev->ops->destroy(dev);
}

/* Devices whose ranges have an owner elsewhere are gone by now; the rest is told once each. */
static void bus_destroy(struct hv_vm *vm, enum hv_bus which)
{
	struct hv_iobus *bus;

	while ((bus = bus_locked(vm, which)) && bus->count) {
		struct hv_iodev *dev = bus->range[0].dev;

		if (dev == &gone_dev)
			bus_shrink(vm, which, dev, ranges_of(bus, dev));
		else
			hv_iobus_remove(vm, which, dev);
	}
	RCU_INIT_POINTER(*bus_slot(vm, which), NULL);
	kfree(bus);
}

void hv_iobus_destroy(struct hv_vm *vm)
{
	mutex_lock(&vm->slots_lock);
	bus_destroy(vm, HV_PIO_BUS);
	bus_destroy(vm, HV_MMIO_BUS);
	mutex_unlock(&vm->slots_lock);
}
