/* SPDX-License-Identifier: GPL-2.0-only */
/* PCI bus 0 behind a host bridge: configuration mechanism #1 and memory BARs. */
#ifndef VELLUM_DEVICES_PCI_H
#define VELLUM_DEVICES_PCI_H

#include "devices/bus.h"
#include "devices/ports.h"
#include "devices/power.h"
#include "vm/irq.h"

#include <pthread.h>

#define PCI_CONFIG_SIZE	256
#define PCI_SLOTS	32

struct pci_device;

/**
 * struct pci_ops - a PCI function's behaviour; NULL members are not called
 * @bar_read: read @len bytes (1 to 8) at @offset in BAR 0
 * @bar_write: write them
 * @config_read: config space at @offset is about to be read
 * @config_written: config space was written; BARs may have moved
 *
 * All run with the function's lock held, and may take their time: other functions go on.
 */
struct pci_ops {
	u64 (*bar_read)(struct pci_device *dev, u64 offset, u32 len);
	void (*bar_write)(struct pci_device *dev, u64 offset, u32 len, u64 value);
	void (*config_read)(struct pci_device *dev, u32 offset);
	void (*config_written)(struct pci_device *dev, u32 offset, u32 len);
};

/**
 * struct pci_device - one function
 * @ops: behaviour
 * @lock: held while @ops run; taken outside the bus lock
 * @config: configuration space, little endian; command and BARs change with the bus lock held, too
 * @writable: bits of it the guest can change
 * @bar_size: size of BAR 0, a power of two, or 0 without one; it is a 64-bit memory BAR
 * @cap_end: first free byte after the capabilities, 0 before the first one
 */
struct pci_device {
	const struct pci_ops *ops;
	pthread_mutex_t lock;
	u8 config[PCI_CONFIG_SIZE];
	u8 writable[PCI_CONFIG_SIZE];
	u64 bar_size;
	u8 cap_end;
};

/**
 * struct pci_bus - bus 0
 * @lock: protects @address, and what decides which function an address is decoded by
 * @power: owner of the reset register at PORT_RESET
 * @address: value of the configuration address port
 * @next_bar: where the next BAR is placed
 * @pins: interrupt inputs, of which each slot is wired to one
 * @slots: functions, in slot order; fixed before vCPUs run
 * @used: slots in use
 * @host_bridge: the function in slot 0
 */
struct pci_bus {
	pthread_mutex_t lock;
	struct power *power;
	u32 address;
	u64 next_bar;
	struct irq_pin pins[GSI_PCI_COUNT];
	struct pci_device *slots[PCI_SLOTS];
	u32 used;
	struct pci_device host_bridge;
};

/**
 * struct pci_identity - who a function is
 * @vendor: PCI vendor
 * @device: PCI device
 * @class_code: base class, subclass and interface in one
 * @revision: revision
 * @subsystem: subsystem id; the subsystem vendor is @vendor
 */
struct pci_identity {
	u16 vendor;
	u16 device;
	u32 class_code;
	u8 revision;
	u16 subsystem;
};

extern const struct pio_ops pci_config_ops;

void pci_bus_init(struct pci_bus *bus, struct power *power);
void pci_device_init(struct pci_device *dev, const struct pci_ops *ops,
		     const struct pci_identity *id);
int pci_bus_add(struct pci_bus *bus, struct pci_device *dev);
bool pci_mmio(struct pci_bus *bus, u64 addr, u8 *data, u32 len, bool write);

u64 pci_bar_address(const struct pci_device *dev);
void pci_set(struct pci_device *dev, u32 offset, u32 len, u32 value);
u32 pci_get(const struct pci_device *dev, u32 offset, u32 len);
u8 pci_add_capability(struct pci_device *dev, u8 id, u8 len);

#endif
