/* SPDX-License-Identifier: GPL-2.0-only */
/* Port I/O dispatch. */
#ifndef VELLUM_DEVICES_BUS_H
#define VELLUM_DEVICES_BUS_H

#include "util/types.h"

#define PIO_RANGES_MAX	12

/**
 * struct pio_ops - a device's ports
 * @in: read @len bytes at @offset from the range's start
 * @out: write them
 *
 * @len is 1, 2 or 4 and never reaches beyond the range; both run on any vCPU's thread.
 */
struct pio_ops {
	u32 (*in)(void *dev, u16 offset, u32 len);
	void (*out)(void *dev, u16 offset, u32 len, u32 value);
};

/**
 * struct pio_range - ports of one device
 * @base: first port
 * @len: ports
 * @bytewise: wide accesses are split into bytes, as an 8-bit device sees them
 * @ops: handlers
 * @dev: their first argument
 */
struct pio_range {
	u16 base;
	u16 len;
	bool bytewise;
	const struct pio_ops *ops;
	void *dev;
};

/**
 * struct pio_bus - all ranges, in order of how often they are used; fixed before vCPUs run
 * @count: ranges in use
 * @ranges: the ranges, disjoint
 */
struct pio_bus {
	u32 count;
	struct pio_range ranges[PIO_RANGES_MAX];
};

void pio_bus_add(struct pio_bus *bus, struct pio_range range);
void pio_bus_access(const struct pio_bus *bus, u16 port, u8 *data, u32 len, bool write);

#endif
