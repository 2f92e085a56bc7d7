// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which in-kernel device answers at an address.
 *
 * Ranges of devices overlap nothing; only doorbells (shared devices, at most
 * HV_IOBUS_SHARED_LEN_MAX bytes) may lie over each other. So a look-up is one
 * binary search, then the few neighbours that begin within that distance. What it
 * found last time is tried first (iobus_fast.h).
 */
#include <linux/overflow.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "core/coalesced.h"
#include "core/iobus_fast.h"

/* Takes the place of a device that went while there was no memory for a new array. */
static const struct hv_iodev_ops gone_ops = { .shared = true };
static struct hv_iodev gone_dev = { .ops = &gone_ops };

static struct hv_iobus *bus_locked(struct hv_vm *vm, enum hv_bus bus)
{
	return rcu_dereference_protected(*hv_iobus_slot(vm, bus), lockdep_is_held(&vm->slots_lock));
}

static struct hv_iobus *bus_alloc(unsigned int count)
{
	struct hv_iobus *bus = kmalloc(struct_size(bus, range, count + 2), GFP_KERNEL_ACCOUNT);

	if (!bus)
		return NULL;
	bus->count = count;
	/* Every address is at or above the one and below the other. */
	bus->range[0] = (struct hv_iorange){ .addr = 0, .dev = &gone_dev };
	bus->range[count + 1] = (struct hv_iorange){ .addr = U64_MAX, .dev = &gone_dev };
	return bus;
}

const struct hv_iorange *hv_iobus_search(struct hv_vcpu *vcpu, const struct hv_iobus *bus,
					 enum hv_bus which, u64 addr)
{
	const struct hv_iorange *r = bus->range;
	unsigned int n = bus->count + 1;

	while (n > 1) {
		unsigned int half = n / 2;

		if (r[half].addr <= addr)
			r += half;
		n -= half;
	}
	vcpu->bus_hint[which] = r - bus->range;
	return r;
}

int hv_iobus_ask_before(struct hv_vcpu *vcpu, const struct hv_iobus *bus,
			const struct hv_iorange *r, u64 addr, unsigned int len, void *val,
			bool write)
{
	int ret = -EOPNOTSUPP;

	while (ret == -EOPNOTSUPP && r > bus->range && addr - r->addr < HV_IOBUS_SHARED_LEN_MAX)
		ret = hv_iorange_access(vcpu, --r, addr, len, val, write);
	return ret;
}

int hv_iobus_read(struct hv_vcpu *vcpu, enum hv_bus bus, u64 addr, unsigned int len, void *val)
{
	return hv_iobus_access(vcpu, bus, addr, len, val, false);
}

int hv_iobus_write(struct hv_vcpu *vcpu, enum hv_bus bus, u64 addr, unsigned int len,
		   const void *val)
{
	int ret = hv_iobus_access(vcpu, bus, addr, len, (void *)val, true);

	if (ret == -EOPNOTSUPP && len && unlikely(rcu_access_pointer(vcpu->vm->zones)))
		ret = hv_coalesced_write(vcpu->vm, bus, addr, len, val);
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

	for (i = 1; bus && i <= bus->count; i++)
		if (overlaps(&bus->range[i], addr, len) &&
		    !(dev->ops->shared && bus->range[i].dev->ops->shared))
			return false;
	return true;
}

static bool sorts_before(const struct hv_iorange *a, u64 addr, u64 len)
{
	return a->addr < addr || (a->addr == addr && a->len <= len);
}

/* Who looks things up meanwhile may still use the old array. */
static void bus_publish(struct hv_vm *vm, enum hv_bus which, struct hv_iobus *new)
{
	struct hv_iobus *old = bus_locked(vm, which);

	rcu_assign_pointer(*hv_iobus_slot(vm, which), new);
	if (old)
		kfree_rcu(old, rcu);
}

int hv_iobus_add(struct hv_vm *vm, enum hv_bus which, u64 addr, u64 len, struct hv_iodev *dev)
{
	const struct hv_iobus *old = bus_locked(vm, which);
	int count = old ? old->count : 0, at = 1;
	struct hv_iobus *new;

	if (!may_add(old, addr, len, dev))
		return -EEXIST;
	if (count >= HV_IOBUS_MAX)
		return -ENOSPC;
	new = bus_alloc(count + 1);
	if (!new)
		return -ENOMEM;
	while (at <= count && sorts_before(&old->range[at], addr, len))
		at++;
	if (old) {
		memcpy(new->range + 1, old->range + 1, (at - 1) * sizeof(new->range[0]));
		memcpy(new->range + at + 1, old->range + at,
		       (count + 1 - at) * sizeof(new->range[0]));
	}
	new->range[at] = (struct hv_iorange){ .addr = addr, .len = len, .dev = dev };
	bus_publish(vm, which, new);
	return 0;
}

static int ranges_of(const struct hv_iobus *bus, const struct hv_iodev *dev)
{
	int i, n = 0;

	for (i = 1; bus && i <= bus->count; i++)
		n += bus->range[i].dev == dev;
	return n;
}

static void bus_blank(struct hv_iobus *bus, const struct hv_iodev *dev)
{
	int i;

	for (i = 1; i <= bus->count; i++)
		if (bus->range[i].dev == dev)
			WRITE_ONCE(bus->range[i].dev, &gone_dev);
}

/* With it go ranges that an earlier shrinking had to leave behind. */
static void bus_shrink(struct hv_vm *vm, enum hv_bus which, const struct hv_iodev *dev)
{
	struct hv_iobus *old = bus_locked(vm, which), *new;
	int i, n = 1;

	new = bus_alloc(old->count - ranges_of(old, dev) - ranges_of(old, &gone_dev));
	if (!new) {
		bus_blank(old, dev);
		return;
	}
	for (i = 1; i <= old->count; i++)
		if (old->range[i].dev != dev && old->range[i].dev != &gone_dev)
			new->range[n++] = old->range[i];
	bus_publish(vm, which, new);
}

void hv_iobus_remove(struct hv_vm *vm, enum hv_bus which, struct hv_iodev *dev)
{
	if (!ranges_of(bus_locked(vm, which), dev))
		return;
	bus_shrink(vm, which, dev);
	synchronize_rcu_expedited();
	if (dev->ops->destroy)
		dev->ops->destroy(dev);
}

/*
 * Devices whose ranges have an owner elsewhere are gone by now; the rest is told once each. Nobody
 * reads the bus any more, so that it takes no memory to empty it.
 */
static void bus_destroy(struct hv_vm *vm, enum hv_bus which)
{
	struct hv_iobus *bus = bus_locked(vm, which);
	struct hv_iodev *dev;
	int i;

	for (i = 1; bus && i <= bus->count; i++) {
		dev = bus->range[i].dev;
		if (dev == &gone_dev)
			continue;
		bus_blank(bus, dev);
		if (dev->ops->destroy)
			dev->ops->destroy(dev);
	}
	RCU_INIT_POINTER(*hv_iobus_slot(vm, which), NULL);
	kfree(bus);
}

void hv_iobus_destroy(struct hv_vm *vm)
{
	mutex_lock(&vm->slots_lock);
	bus_destroy(vm, HV_PIO_BUS);
	bus_destroy(vm, HV_MMIO_BUS);
	mutex_unlock(&vm->slots_lock);
}
