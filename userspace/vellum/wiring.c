// SPDX-License-Identifier: GPL-2.0-only
/* The machine's buses and the console's two ends. */
#include "vellum/wiring.h"

#include <string.h>
#include <sys/eventfd.h>

#include "devices/ports.h"
#include "vellum/nets.h"

static void vcpu_pio(void *ctx, u16 port, u8 *data, u32 len, bool write)
{
	struct machine *m = ctx;

	pio_bus_access(&m->pio, port, data, len, write);
}

/* Addresses nobody decodes behave as on a PC: ones are read, writes are lost. */
static void vcpu_mmio(void *ctx, u64 addr, u8 *data, u32 len, bool write)
{
	struct machine *m = ctx;

	if (!pci_mmio(&m->pci, addr, data, len, write) && !write)
		memset(data, 0xff, len);
}

const struct vcpu_io machine_vcpu_io = { vcpu_pio, vcpu_mmio };

static void transmit_byte(void *ctx, u8 byte)
{
	struct machine *m = ctx;

	output_write(&m->output, &byte, 1);
}

static void transmit(void *ctx, const u8 *data, size_t len)
{
	struct machine *m = ctx;

	output_write(&m->output, data, len);
}

static void want_input(void *ctx)
{
	struct machine *m = ctx;

	eventfd_write(m->want_input_fd, 1);
}

static const struct serial_port serial_port = { transmit_byte, want_input };
static const struct console_port console_port = { transmit, want_input };

static void wire_ports(struct machine *m)
{
	const struct pio_range ranges[] = {
		{ PORT_COM1, PORT_COM1_LEN, true, &serial_ops, &m->serial },
		{ PORT_PCI_CONFIG, PORT_PCI_CONFIG_LEN, false, &pci_config_ops, &m->pci },
		{ PORT_PM_TIMER, PORT_PM_TIMER_LEN, false, &pm_timer_ops, &m->power },
		{ PORT_RTC, PORT_RTC_LEN, true, &rtc_ops, &m->rtc },
		{ PORT_PM1_EVT, PORT_PM1_EVT_LEN, false, &pm1_event_ops, &m->power },
		{ PORT_PM1_CNT, PORT_PM1_CNT_LEN, false, &pm1_control_ops, &m->power },
		{ PORT_I8042, 1, true, &i8042_ops, &m->power },
		{ PORT_EXIT_STATUS, 1, true, &exit_status_ops, &m->power },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		pio_bus_add(&m->pio, ranges[i]);
}

static int wire_disks(struct machine *m, struct error *err)
{
	u32 i;

	for (i = 0; i < m->options->disk_count; i++) {
		m->disks[i].vhost.routes = &m->routes;
		if (blk_init(&m->disks[i], &m->kvm, &m->ram, m->options->cpus, err) ||
		    virtio_plug(&m->disks[i].dev, &m->pci, err))
			return -1;
	}
	return 0;
}

/* Slot 0 is the host bridge, then come entropy, console, the disks and the cards. */
int machine_wire(struct machine *m, struct error *err)
{
	power_init(&m->power, &m->stop);
	routes_init(&m->routes, &m->kvm);
	rtc_init(&m->rtc, &m->kvm);
	serial_init(&m->serial, &m->kvm, &serial_port, m);
	pci_bus_init(&m->pci, &m->power);
	wire_ports(m);
	if (rng_init(&m->rng, &m->kvm, &m->ram, err) ||
	    virtio_plug(&m->rng.dev, &m->pci, err) ||
	    console_init(&m->console, &console_port, m, &m->kvm, &m->ram, err) ||
	    virtio_plug(&m->console.dev, &m->pci, err))
		return -1;
	return wire_disks(m, err) || nets_wire(m, err) ? -1 : 0;
}

/* Return: bytes the guest's console can take, or -1 to be asked again soon. */
int machine_input_room(struct machine *m)
{
	if (m->options->console == CONSOLE_VIRTIO)
		return console_room(&m->console);
	return (int)serial_room(&m->serial);
}

bool machine_input(struct machine *m, const u8 *data, u32 len)
{
	if (m->options->console == CONSOLE_VIRTIO)
		return console_receive(&m->console, data, len);
	serial_receive(&m->serial, data, len);
	return true;
}
