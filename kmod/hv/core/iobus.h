/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The buses on which in-kernel devices answer port and MMIO accesses.
 *
 * A bus is an immutable sorted array under RCU; writers hold vm->slots_lock and
 * publish a new array. So a device's handlers may not sleep.
 */
#ifndef VELLUM_CORE_IOBUS_H
#define VELLUM_CORE_IOBUS_H

#include <linux/rcupdate.h>
#include <linux/types.h>

struct hv_vm;
struct hv_vcpu;
struct hv_iodev;

enum hv_bus { HV_PIO_BUS, HV_MMIO_BUS, HV_NR_BUSES };

/**
 * struct hv_iodev_ops - what an in-kernel device does
 * @read: fill @val (@len bytes, 1-8, and no more); 0, or -EOPNOTSUPP: not mine after
 *	all, and @val is as it was
 * @write: the same the other way
 * @destroy: the bus dropped its last reference (may be NULL)
 * @shared: its ranges may overlap those of other shared devices (ioeventfds)
 *
 * NULL for @read or @write: the device does not answer such accesses.
 * @addr is the bus address. Called by a vCPU's task inside an RCU read-side section.
 */
struct hv_iodev_ops {
	int (*read)(struct hv_vcpu *vcpu, struct hv_iodev *dev, u64 addr,
		    unsigned int len, void *val);
	int (*write)(struct hv_vcpu *vcpu, struct hv_iodev *dev, u64 addr,
		     unsigned int len, const void *val);
	void (*destroy)(struct hv_iodev *dev);
	bool shared;
};

struct hv_iodev {
	const struct hv_iodev_ops *ops;
};

struct hv_iorange {
	u64 addr;
	u64 len;		/* bytes; 0: matches an access of any length at addr */
	struct hv_iodev *dev;
};

struct hv_iobus {
	struct rcu_head rcu;
	int count;
	struct hv_iorange range[];	/* a sentinel, @count by addr, then len, a sentinel */
};

#define HV_IOBUS_MAX	1000
#define HV_IOBUS_SHARED_LEN_MAX	8	/* bytes, of a range of a shared device */

/* Under vm->slots_lock. -EEXIST on an overlap unless both are shared, -ENOSPC, -ENOMEM. */
int hv_iobus_add(struct hv_vm *vm, enum hv_bus bus, u64 addr, u64 len, struct hv_iodev *dev);
/* Under vm->slots_lock; waits for readers, then calls @dev->ops->destroy. */
void hv_iobus_remove(struct hv_vm *vm, enum hv_bus bus, struct hv_iodev *dev);
void hv_iobus_destroy(struct hv_vm *vm);

/*
 * 0 if a device, or for a write a coalesced-I/O zone, took it; -EOPNOTSUPP if none did.
 * A write with @len 0 and @val NULL asks only ranges of length 0 at @addr: a
 * doorbell can ring before anybody decodes the instruction.
 */
int hv_iobus_read(struct hv_vcpu *vcpu, enum hv_bus bus, u64 addr, unsigned int len, void *val);
int hv_iobus_write(struct hv_vcpu *vcpu, enum hv_bus bus, u64 addr, unsigned int len,
		   const void *val);

#endif /* VELLUM_CORE_IOBUS_H */
