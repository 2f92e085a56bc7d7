/* SPDX-License-Identifier: GPL-2.0-only */
/* The virtual machine: every part in one struct, wired in visible order. */
#ifndef VELLUM_VELLUM_MACHINE_H
#define VELLUM_VELLUM_MACHINE_H

#include "devices/pci.h"
#include "devices/power.h"
#include "devices/rtc.h"
#include "devices/serial.h"
#include "vellum/output.h"
#include "vellum/run_options.h"
#include "virtio/blk.h"
#include "virtio/console.h"
#include "virtio/net.h"
#include "virtio/rng.h"
#include "vm/ram.h"
#include "vm/vcpu_state.h"

/**
 * struct machine - all of it
 * @options: what was asked for
 * @stop: why it ends
 * @want_input_fd: readable when the guest became ready for console input
 * @boot: entry state of the first vCPU
 * @vcpus: options->cpus of them
 *
 * The other members are the parts.
 */
struct machine {
	const struct run_options *options;
	struct stopper stop;
	int want_input_fd;
	struct boot_state boot;
	struct kvm kvm;
	struct guest_ram ram;
	struct irq_routes routes;
	struct pio_bus pio;
	struct pci_bus pci;
	struct power power;
	struct serial serial;
	struct rtc rtc;
	struct virtio_rng rng;
	struct virtio_console console;
	struct virtio_blk disks[RUN_DISKS_MAX];
	struct virtio_net nets[RUN_NETS_MAX];
	struct vcpu *vcpus;
	struct output output;
};

int machine_create(struct machine *m, const struct run_options *options, struct error *err);
int machine_start(struct machine *m, struct error *err);
bool machine_stop(struct machine *m);
void machine_destroy(struct machine *m);

/* Console input, for the main loop. */
int machine_input_room(struct machine *m);
bool machine_input(struct machine *m, const u8 *data, u32 len);

#endif
