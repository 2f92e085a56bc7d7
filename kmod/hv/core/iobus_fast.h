/* SPDX-License-Identifier: GPL-2.0-only */
/* The part of a bus access that is worth inlining where guests wait for it. */
#ifndef VELLUM_CORE_IOBUS_FAST_H
#define VELLUM_CORE_IOBUS_FAST_H

#include <linux/errno.h>
#include <linux/rcupdate.h>

#include "core/iobus.h"
#include "core/vcpu.h"
#include "core/vm.h"

static __always_inline struct hv_iobus __rcu **hv_iobus_slot(struct hv_vm *vm, enum hv_bus bus)
{
	return bus == HV_PIO_BUS ? &vm->pio_bus : &vm->mmio_bus;
}

static __always_inline bool hv_iorange_matches(const struct hv_iorange *r, u64 addr,
					       unsigned int len)
{
	if (unlikely(!r->len))
		return addr == r->addr;
	/* An access of no bytes becomes longer than any range. */
	return (u64)len - 1 < r->len && addr - r->addr <= r->len - len;
}

static __always_inline int hv_iorange_access(struct hv_vcpu *vcpu, const struct hv_iorange *r,
					     u64 addr, unsigned int len, void *val, bool write)
{
	struct hv_iodev *dev = READ_ONCE(r->dev);
	const struct hv_iodev_ops *ops = dev->ops;

	if (!hv_iorange_matches(r, addr, len))
		return -EOPNOTSUPP;
	if (!write)
		return ops->read ? ops->read(vcpu, dev, addr, len, val) : -EOPNOTSUPP;
	return ops->write ? ops->write(vcpu, dev, addr, len, val) : -EOPNOTSUPP;
}

/* The last range that begins at or below @addr, and remember it. */
const struct hv_iorange *hv_iobus_search(struct hv_vcpu *vcpu, const struct hv_iobus *bus,
					 enum hv_bus which, u64 addr);
/* Ask the ranges before @r that may reach as far as @addr. As hv_iobus_read(). */
int hv_iobus_ask_before(struct hv_vcpu *vcpu, const struct hv_iobus *bus,
			const struct hv_iorange *r, u64 addr, unsigned int len, void *val,
			bool write);

/* A guest goes on with the device that it used last, or with none: that saves the search. */
static __always_inline const struct hv_iorange *
hv_iobus_find(struct hv_vcpu *vcpu, const struct hv_iobus *bus, enum hv_bus which, u64 addr)
{
	const struct hv_iorange *r = &bus->range[vcpu->bus_hint[which]];

	if (likely(vcpu->bus_hint[which] <= bus->count && r[0].addr <= addr && addr < r[1].addr))
		return r;
	return hv_iobus_search(vcpu, bus, which, addr);
}

/* What hv_iobus_read() and hv_iobus_write() do, but for coalesced I/O. */
static __always_inline int hv_iobus_access(struct hv_vcpu *vcpu, enum hv_bus which, u64 addr,
					   unsigned int len, void *val, bool write)
{
	const struct hv_iorange *r;
	const struct hv_iobus *bus;
	int ret = -EOPNOTSUPP;

	rcu_read_lock();
	bus = rcu_dereference(*hv_iobus_slot(vcpu->vm, which));
	if (likely(bus)) {
		r = hv_iobus_find(vcpu, bus, which, addr);
		ret = hv_iorange_access(vcpu, r, addr, len, val, write);
		if (ret == -EOPNOTSUPP && addr - r->addr < HV_IOBUS_SHARED_LEN_MAX)
			ret = hv_iobus_ask_before(vcpu, bus, r, addr, len, val, write);
	}
	rcu_read_unlock();
	return ret;
}

#endif /* VELLUM_CORE_IOBUS_FAST_H */
