// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PCI bus (PCI Local Bus Specification 3.0, "Configuration Space"). Single-function devices
 * with at most one 64-bit memory BAR each. BARs get addresses here, since there is no firmware to
 * do it; the guest may move them anywhere, also above 4 GiB.
 */
#include "devices/pci.h"

#include <linux/pci_regs.h>
#include <string.h>

#include "boot/layout.h"
#include "devices/ports.h"

#define CONFIG_ENABLE		BIT(31)
#define CONFIG_BUS_SHIFT	16
#define CONFIG_BUS_MASK		0xff
#define CONFIG_SLOT_SHIFT	11
#define CONFIG_SLOT_MASK	0x1f
#define CONFIG_FUNCTION_MASK	0x700
#define CONFIG_REGISTER_MASK	0xfc
#define CONFIG_DATA		4	/* offset of the data port from the address port */
#define COMMAND_WRITABLE	(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE)

/* Host bridge: any id will do, drivers go by the class. */
#define HOST_BRIDGE_VENDOR	0x1b36
#define HOST_BRIDGE_DEVICE	0x0008
#define HOST_BRIDGE_CLASS	0x060000

void pci_set(struct pci_device *dev, u32 offset, u32 len, u32 value)
{
	memcpy(dev->config + offset, &value, len);
}

u32 pci_get(const struct pci_device *dev, u32 offset, u32 len)
{
	u32 value = 0;

	memcpy(&value, dev->config + offset, len);
	return value;
}

static void set_writable(struct pci_device *dev, u32 offset, u32 len, u32 mask)
{
	memcpy(dev->writable + offset, &mask, len);
}

void pci_device_init(struct pci_device *dev, const struct pci_ops *ops,
		     const struct pci_identity *id)
{
	memset(dev, 0, sizeof(*dev));
	pthread_mutex_init(&dev->lock, NULL);
	dev->ops = ops;
	pci_set(dev, PCI_VENDOR_ID, 2, id->vendor);
	pci_set(dev, PCI_DEVICE_ID, 2, id->device);
	pci_set(dev, PCI_CLASS_REVISION, 4, id->class_code << 8 | id->revision);
	pci_set(dev, PCI_SUBSYSTEM_VENDOR_ID, 2, id->vendor);
	pci_set(dev, PCI_SUBSYSTEM_ID, 2, id->subsystem);
	set_writable(dev, PCI_COMMAND, 2, COMMAND_WRITABLE);
	set_writable(dev, PCI_INTERRUPT_LINE, 1, 0xff);
	set_writable(dev, PCI_CACHE_LINE_SIZE, 1, 0xff);
}

/* Append a capability of @len bytes at the next free dword; return its offset. */
u8 pci_add_capability(struct pci_device *dev, u8 id, u8 len)
{
	u8 at = dev->cap_end ? dev->cap_end : PCI_STD_HEADER_SIZEOF;

	dev->cap_end = (u8)align_up(at + len, 4);
	pci_set(dev, at + PCI_CAP_LIST_ID, 1, id);
	pci_set(dev, at + PCI_CAP_LIST_NEXT, 1, dev->config[PCI_CAPABILITY_LIST]);
	pci_set(dev, PCI_CAPABILITY_LIST, 1, at);
	pci_set(dev, PCI_STATUS, 2, pci_get(dev, PCI_STATUS, 2) | PCI_STATUS_CAP_LIST);
	return at;
}

static void place_bar(struct pci_bus *bus, struct pci_device *dev)
{
	if (!dev->bar_size)
		return;
	bus->next_bar = align_up(bus->next_bar, dev->bar_size);
	pci_set(dev, PCI_BASE_ADDRESS_0, 4, (u32)bus->next_bar | PCI_BASE_ADDRESS_MEM_TYPE_64);
	set_writable(dev, PCI_BASE_ADDRESS_0, 4, (u32)~(dev->bar_size - 1));
	set_writable(dev, PCI_BASE_ADDRESS_1, 4, (u32)(~(dev->bar_size - 1) >> 32));
	bus->next_bar += dev->bar_size;
}

/**
 * pci_bus_add() - plug a function into the next slot
 * @bus: the bus
 * @dev: an initialised function, kept by reference
 *
 * Return: slot number, or -1 when all are taken.
 */
int pci_bus_add(struct pci_bus *bus, struct pci_device *dev)
{
	if (bus->used == PCI_SLOTS)
		return -1;
	place_bar(bus, dev);
	bus->slots[bus->used] = dev;
	return (int)bus->used++;
}

void pci_bus_init(struct pci_bus *bus, struct power *power)
{
	static const struct pci_ops no_ops;
	static const struct pci_identity identity = {
		.vendor = HOST_BRIDGE_VENDOR,
		.device = HOST_BRIDGE_DEVICE,
		.class_code = HOST_BRIDGE_CLASS,
	};
	u32 i;

	memset(bus, 0, sizeof(*bus));
	pthread_mutex_init(&bus->lock, NULL);
	for (i = 0; i < GSI_PCI_COUNT; i++)
		pthread_mutex_init(&bus->pins[i].lock, NULL);
	bus->power = power;
	bus->next_bar = LAYOUT_PCI32;
	pci_device_init(&bus->host_bridge, &no_ops, &identity);
	pci_bus_add(bus, &bus->host_bridge);
}

/* Return: where BAR 0 is decoded now, or 0 when it is not. */
u64 pci_bar_address(const struct pci_device *dev)
{
	u64 low = pci_get(dev, PCI_BASE_ADDRESS_0, 4) & (u32)PCI_BASE_ADDRESS_MEM_MASK;
	u64 high = pci_get(dev, PCI_BASE_ADDRESS_1, 4);

	if (!dev->bar_size || !(pci_get(dev, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY))
		return 0;
	return high << 32 | low;
}

static void config_write(struct pci_bus *bus, struct pci_device *dev, u32 offset, u32 len,
			 u32 value)
{
	u32 i;

	pthread_mutex_lock(&dev->lock);
	pthread_mutex_lock(&bus->lock);
	for (i = 0; i < len; i++, value >>= 8) {
		u8 mask = dev->writable[offset + i];

		dev->config[offset + i] = (u8)((dev->config[offset + i] & ~mask) | (value & mask));
	}
	pthread_mutex_unlock(&bus->lock);
	if (dev->ops->config_written)
		dev->ops->config_written(dev, offset, len);
	pthread_mutex_unlock(&dev->lock);
}

static u32 config_read(struct pci_device *dev, u32 offset, u32 len)
{
	u32 value;

	pthread_mutex_lock(&dev->lock);
	if (dev->ops->config_read)
		dev->ops->config_read(dev, offset);
	value = pci_get(dev, offset, len);
	pthread_mutex_unlock(&dev->lock);
	return value;
}

static u32 read_address(struct pci_bus *bus)
{
	u32 address;

	pthread_mutex_lock(&bus->lock);
	address = bus->address;
	pthread_mutex_unlock(&bus->lock);
	return address;
}

/* The function that the address port's value selects, or NULL. */
static struct pci_device *selected(const struct pci_bus *bus, u32 address)
{
	if (!(address & CONFIG_ENABLE) || (address & CONFIG_FUNCTION_MASK) ||
	    ((address >> CONFIG_BUS_SHIFT) & CONFIG_BUS_MASK))
		return NULL;
	return bus->slots[(address >> CONFIG_SLOT_SHIFT) & CONFIG_SLOT_MASK];
}

/* The register stays inside its dword: the data port is four bytes wide. */
static u32 selected_register(u32 address, u16 offset)
{
	return (address & CONFIG_REGISTER_MASK) + offset - CONFIG_DATA;
}

static u32 pci_config_in(void *ctx, u16 offset, u32 len)
{
	struct pci_bus *bus = ctx;
	u32 address = read_address(bus);
	struct pci_device *dev;

	if (offset < CONFIG_DATA)
		return address >> (offset * 8);
	dev = selected(bus, address);
	return dev ? config_read(dev, selected_register(address, offset), len) : ~0U;
}

/* Only a dword write reaches the address port; a byte at PORT_RESET is the reset register. */
static void address_out(struct pci_bus *bus, u16 offset, u32 len, u32 value)
{
	if (len == 4) {
		pthread_mutex_lock(&bus->lock);
		bus->address = value;
		pthread_mutex_unlock(&bus->lock);
	} else if (len == 1 && offset == PORT_RESET - PORT_PCI_CONFIG) {
		power_reset_register(bus->power, (u8)value);
	}
}

static void pci_config_out(void *ctx, u16 offset, u32 len, u32 value)
{
	struct pci_bus *bus = ctx;
	struct pci_device *dev;
	u32 address;

	if (offset < CONFIG_DATA) {
		address_out(bus, offset, len, value);
		return;
	}
	address = read_address(bus);
	dev = selected(bus, address);
	if (dev)
		config_write(bus, dev, selected_register(address, offset), len, value);
}

const struct pio_ops pci_config_ops = { pci_config_in, pci_config_out };

static struct pci_device *find_bar(const struct pci_bus *bus, u64 addr, u32 len, u64 *offset)
{
	u32 slot;

	for (slot = 0; slot < bus->used; slot++) {
		struct pci_device *dev = bus->slots[slot];
		u64 base = pci_bar_address(dev);

		if (!base || addr < base || addr - base >= dev->bar_size)
			continue;
		*offset = addr - base;
		return len <= dev->bar_size - *offset ? dev : NULL;
	}
	return NULL;
}

/**
 * pci_mmio() - carry out a memory access
 * @bus: the bus
 * @addr: physical address
 * @data: bytes to write or read
 * @len: 1 to 8
 * @write: direction
 *
 * Return: false when no function decodes the address.
 */
bool pci_mmio(struct pci_bus *bus, u64 addr, u8 *data, u32 len, bool write)
{
	struct pci_device *dev;
	u64 offset, value = 0;

	pthread_mutex_lock(&bus->lock);
	dev = find_bar(bus, addr, len, &offset);
	pthread_mutex_unlock(&bus->lock);
	if (!dev)
		return false;
	pthread_mutex_lock(&dev->lock);
	if (write) {
		memcpy(&value, data, len);
		dev->ops->bar_write(dev, offset, len, value);
	} else {
		value = dev->ops->bar_read(dev, offset, len);
		memcpy(data, &value, len);
	}
	pthread_mutex_unlock(&dev->lock);
	return true;
}
