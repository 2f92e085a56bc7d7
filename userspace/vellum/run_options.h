/* SPDX-License-Identifier: GPL-2.0-only */
/* The command line of "vellum run". */
#ifndef VELLUM_VELLUM_RUN_OPTIONS_H
#define VELLUM_VELLUM_RUN_OPTIONS_H

#include "util/error.h"
#include "util/types.h"

#define RUN_DISKS_MAX	24
#define RUN_CPUS_MAX	255	/* 8-bit APIC ids, of which the last is broadcast */
#define RUN_CMDLINE_MAX	65536

/* Where the terminal's input goes and what the kernel's default console is. */
enum run_console {
	CONSOLE_SERIAL,
	CONSOLE_VIRTIO,
};

/**
 * struct run_disk - one --disk
 * @path: its file
 * @readonly: ",readonly" was given
 */
struct run_disk {
	char *path;
	bool readonly;
};

/**
 * struct run_options - a virtual machine as asked for
 * @kernel: bzImage
 * @initrd: initial RAM disk or NULL
 * @append: what to add to the kernel command line
 * @mem: bytes of RAM
 * @cpus: vCPUs
 * @disks: disks, @disk_count of them
 * @device: hypervisor
 * @mem_path: directory for the file behind guest RAM, or NULL
 * @mem_merge: equal pages of RAM may be merged by KSM
 * @console: console of the terminal
 * @help: only the usage is wanted
 */
struct run_options {
	const char *kernel;
	const char *initrd;
	char append[RUN_CMDLINE_MAX];
	u64 mem;
	u32 cpus;
	struct run_disk disks[RUN_DISKS_MAX];
	u32 disk_count;
	const char *device;
	const char *mem_path;
	bool mem_merge;
	enum run_console console;
	bool help;
};

int run_options_parse(struct run_options *o, int argc, char **argv, struct error *err);
void run_options_usage(void);

#endif
