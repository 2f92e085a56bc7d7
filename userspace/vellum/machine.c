// SPDX-License-Identifier: GPL-2.0-only
/*
 * Building the machine. Everything the user may have got wrong is found before the first vCPU runs,
 * files before the hypervisor. Threads: the main loop, one per vCPU, one per virtio device, and one
 * for output; signals are blocked in all of them but the kick of the vCPUs.
 */
#include "vellum/machine.h"

#include <errno.h>
#include <linux/vhost_blk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "boot/acpi.h"
#include "boot/layout.h"
#include "boot/linux.h"
#include "devices/ports.h"
#include "vellum/nets.h"
#include "vellum/sandbox.h"
#include "vellum/vhost_choice.h"
#include "vellum/wiring.h"
#include "vm/cpuid.h"

#define CMDLINE_SERIAL	"console=ttyS0"
#define CMDLINE_VIRTIO	"console=hvc0"

/* For all threads together; a slow disk may need some for what it is at. */
#define STOP_SECONDS	10

static int load_linux(struct machine *m, struct error *err)
{
	static const char * const consoles[] = {
		[CONSOLE_SERIAL] = CMDLINE_SERIAL, [CONSOLE_VIRTIO] = CMDLINE_VIRTIO,
	};
	struct linux_config config = {
		.kernel = m->options->kernel,
		.initrd = m->options->initrd,
		.rsdp = LAYOUT_ACPI,
	};
	char *cmdline;
	int r;

	if (asprintf(&cmdline, "%s%s%s", consoles[m->options->console],
		     *m->options->append ? " " : "", m->options->append) < 0)
		return error_set(err, STATUS_OS, "--append: out of memory");
	config.cmdline = cmdline;
	r = linux_load(&m->ram, &config, &m->boot, err);
	free(cmdline);
	return r;
}

static int open_disks(struct machine *m, struct error *err)
{
	const struct run_options *o = m->options;
	u32 i;

	for (i = 0; i < o->disk_count; i++) {
		struct virtio_blk *blk = &m->disks[i];

		if (blk_open(blk, o->disks[i].path, o->disks[i].readonly, err) ||
		    vhost_choose(&blk->vhost, &o->disks[i].vhost, VHOST_BLK_DEVICE_PATH,
				 blk->option, err))
			return -1;
	}
	return 0;
}

static int open_hypervisor(struct machine *m, struct error *err)
{
	if (kvm_open(&m->kvm, m->options->device, err))
		return -1;
	if (m->options->cpus > m->kvm.max_vcpus)
		return error_set(err, STATUS_USAGE, "--cpus %u: %s has at most %u (give fewer)",
				 m->options->cpus, m->kvm.path, m->kvm.max_vcpus);
	if (kvm_create_vm(&m->kvm, err))
		return -1;
	return ram_attach(&m->ram, &m->kvm, err);
}

/* The 64-bit PCI window lies above RAM and below what the CPU can address. */
static int describe(struct machine *m, u32 phys_bits, struct error *err)
{
	u64 limit = 1ULL << phys_bits;
	u64 end = ram_end(&m->ram);
	u64 first = align_up(end > LAYOUT_4G ? end : LAYOUT_4G, GIB);
	struct acpi_config config = {
		.cpus = m->options->cpus,
		.pci64_first = first,
		.pci64_last = min_u64(first + LAYOUT_PCI64_SIZE, limit) - 1,
		.pci_slots = m->pci.used,
	};
	u64 rsdp;

	if (end > limit)
		return error_set(err, STATUS_USAGE,
				 "--mem %lluM: the CPU addresses only %u bits (give less)",
				 m->ram.size / MIB, phys_bits);
	return acpi_build(&m->ram, &config, &rsdp, err);
}

static int create_vcpus(struct machine *m, struct kvm_cpuid2 *cpuid, struct error *err)
{
	u32 i, cpus = m->options->cpus;

	for (i = 0; i < cpus; i++) {
		if (vcpu_create(&m->vcpus[i], &m->kvm, i, err) ||
		    vcpu_setup(&m->vcpus[i], cpuid, cpus, err))
			return -1;
		m->vcpus[i].io = &machine_vcpu_io;
		m->vcpus[i].io_ctx = m;
		m->vcpus[i].stop = &m->stop;
	}
	return vcpu_set_boot_state(&m->vcpus[0], &m->boot, err);
}

static int create_cpus_and_tables(struct machine *m, struct error *err)
{
	struct kvm_cpuid2 *cpuid = cpuid_supported(&m->kvm, err);
	int r;

	if (!cpuid)
		return -1;
	r = describe(m, cpuid_phys_bits(cpuid), err);
	if (!r)
		r = create_vcpus(m, cpuid, err);
	free(cpuid);
	return r;
}

/**
 * machine_create() - build a machine
 * @m: zeroed; machine_destroy() is to be called even after an error
 * @options: what to build, kept by reference
 * @err: filled in on failure
 *
 * Return: 0 or -1.
 */
int machine_create(struct machine *m, const struct run_options *options, struct error *err)
{
	m->options = options;
	m->kvm.dev_fd = -1;
	m->kvm.vm_fd = -1;
	m->rtc.timer_fd = -1;
	m->want_input_fd = -1;
	if (stop_init(&m->stop, err))
		return -1;
	m->want_input_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	m->vcpus = calloc(options->cpus, sizeof(*m->vcpus));
	if (m->want_input_fd < 0 || !m->vcpus)
		return error_set(err, STATUS_OS, "memory: %s (free some)", strerror(errno));
	if (ram_create(&m->ram, options->mem, options->mem_path, err) ||
	    (options->mem_merge && ram_merge(&m->ram, err)) || load_linux(m, err) ||
	    open_disks(m, err) || nets_open(m, err) || open_hypervisor(m, err) ||
	    machine_wire(m, err))
		return -1;
	return create_cpus_and_tables(m, err);
}

/* The virtio devices in the order of their slots, then NULL. */
static struct virtio_device *device_at(struct machine *m, u32 i)
{
	struct virtio_device *first[] = { &m->rng.dev, &m->console.dev };

	if (i < ARRAY_SIZE(first))
		return first[i];
	i -= ARRAY_SIZE(first);
	if (i < m->options->disk_count)
		return &m->disks[i].dev;
	i -= m->options->disk_count;
	return i < m->options->net_count ? &m->nets[i].dev : NULL;
}

int machine_start(struct machine *m, struct error *err)
{
	struct virtio_device *dev;
	u32 i;

	if (m->options->sandbox && sandbox_enter(err))
		return -1;
	if (output_start(&m->output, &m->stop, err))
		return -1;
	for (i = 0; (dev = device_at(m, i)); i++)
		if (virtio_start(dev, err))
			return -1;
	for (i = 0; i < m->options->cpus; i++)
		if (vcpu_start(&m->vcpus[i], err))
			return -1;
	return 0;
}

/* All at once: one that goes on may keep another from ending. */
static void end_threads(struct machine *m)
{
	struct virtio_device *dev;
	u32 i;

	for (i = 0; (dev = device_at(m, i)); i++)
		virtio_end(dev);
	for (i = 0; m->vcpus && i < m->options->cpus; i++)
		vcpu_end(&m->vcpus[i]);
}

/* A disk that is stuck keeps no card from ending; a vCPU that is may still use any device. */
static bool join_threads(struct machine *m)
{
	struct virtio_device *dev;
	struct timespec until;
	bool ended = true;
	u32 i;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += STOP_SECONDS;
	for (i = 0; m->vcpus && i < m->options->cpus; i++)
		if (!vcpu_join(&m->vcpus[i], &until))
			return false;
	for (i = 0; (dev = device_at(m, i)); i++)
		ended &= virtio_join(dev, &until);
	return ended;
}

/**
 * machine_stop() - stop all threads; harmless before machine_start()
 * @m: the machine
 *
 * Return: false when a thread is stuck at a stopped terminal or a slow disk; the machine must not
 * be destroyed then, the process is to exit.
 */
bool machine_stop(struct machine *m)
{
	bool ended;

	output_close(&m->output);
	end_threads(m);
	ended = join_threads(m);
	return output_finish(&m->output) && ended;
}

void machine_destroy(struct machine *m)
{
	u32 i;

	if (m->vcpus)
		for (i = 0; i < m->options->cpus; i++)
			vcpu_destroy(&m->vcpus[i]);
	free(m->vcpus);
	for (i = 0; i < m->options->disk_count; i++) {
		virtio_destroy(&m->disks[i].dev);
		blk_close(&m->disks[i]);
	}
	nets_destroy(m);
	virtio_destroy(&m->console.dev);
	virtio_destroy(&m->rng.dev);
	rtc_destroy(&m->rtc);
	kvm_close(&m->kvm);
	ram_destroy(&m->ram);
	if (m->want_input_fd >= 0)
		close(m->want_input_fd);
	stop_destroy(&m->stop);
}
