// SPDX-License-Identifier: GPL-2.0-only
/* Finding the device behind a port. Ports nobody owns read as all ones and swallow writes. */
#include "devices/bus.h"

#include <assert.h>
#include <string.h>

void pio_bus_add(struct pio_bus *bus, struct pio_range range)
{
	assert(bus->count < PIO_RANGES_MAX);
	bus->ranges[bus->count++] = range;
}

static void range_access(const struct pio_range *r, u16 offset, u8 *data, u32 len, bool write)
{
	u32 value = 0;

	if (write) {
		memcpy(&value, data, len);
		r->ops->out(r->dev, offset, len, value);
	} else {
		value = r->ops->in(r->dev, offset, len);
		memcpy(data, &value, len);
	}
}

/**
 * pio_bus_access() - carry out one port access
 * @bus: the bus
 * @port: first port
 * @data: bytes to write or read
 * @len: 1, 2 or 4
 * @write: direction
 */
void pio_bus_access(const struct pio_bus *bus, u16 port, u8 *data, u32 len, bool write)
{
	const struct pio_range *r;
	u32 i, n;

	for (r = bus->ranges; r < bus->ranges + bus->count; r++) {
		u16 offset = port - r->base;

		if (offset >= r->len)
			continue;
		n = (u32)min_u64(len, r->len - offset);
		if (n == len && !(r->bytewise && len > 1)) {
			range_access(r, offset, data, len, write);
			return;
		}
		for (i = 0; i < n; i++)
			range_access(r, (u16)(offset + i), data + i, 1, write);
		data += n;
		len -= n;
		break;
	}
	if (!write)
		memset(data, 0xff, len);
}
