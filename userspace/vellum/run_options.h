/* SPDX-License-Identifier: GPL-2.0-only */
/* The command line of "vellum run". */
#ifndef VELLUM_VELLUM_RUN_OPTIONS_H
#define VELLUM_VELLUM_RUN_OPTIONS_H

#include "util/error.h"
#include "util/types.h"

#define RUN_DISKS_MAX	24
#define RUN_NETS_MAX	4
#define RUN_NET_NAME_MAX	15	/* IFNAMSIZ less its NUL */
#define RUN_MAC_SIZE	6
#define RUN_CPUS_MAX	255	/* 8-bit APIC ids, of which the last is broadcast */
#define RUN_CMDLINE_MAX	65536

/* Where the terminal's input goes and what the kernel's default console is. */
enum run_console {
	CONSOLE_SERIAL,
	CONSOLE_VIRTIO,
};

enum run_vhost_mode {
	VHOST_AUTO,
	VHOST_OFF,
	VHOST_ON,
};

/**
 * struct run_vhost - who is to serve a device: the kernel or the launcher
 * @mode: VHOST_AUTO is the kernel if it can
 * @path: the vhost device, or NULL for Vellum's
 * @packed: by packed rings
 */
struct run_vhost {
	enum run_vhost_mode mode;
	const char *path;
	bool packed;
};

/**
 * struct run_disk - one --disk
 * @path: its file
 * @readonly: ",readonly" was given
 * @vhost: who serves it
 */
struct run_disk {
	char *path;
	bool readonly;
	struct run_vhost vhost;
};

/**
 * struct run_net - one --net
 * @option: "--net tap=NAME" or "--net bridge=NAME", for messages
 * @name: of the tap or bridge, within @option
 * @is_bridge: which of them
 * @has_mac: @mac was given
 * @mac: the guest's address
 * @vhost: who serves it
 */
struct run_net {
	char option[sizeof("--net bridge=") + RUN_NET_NAME_MAX];
	const char *name;
	bool is_bridge;
	bool has_mac;
	u8 mac[RUN_MAC_SIZE];
	struct run_vhost vhost;
};

/**
 * struct run_options - a virtual machine as asked for
 * @kernel: bzImage
 * @initrd: initial RAM disk or NULL
 * @append: what to add to the kernel command line
 * @mem: bytes of RAM
 * @cpus: vCPUs
 * @disks: disks, @disk_count of them
 * @nets: network cards, @net_count of them
 * @device: hypervisor
 * @mem_path: directory for the file behind guest RAM, or NULL
 * @mem_merge: equal pages of RAM may be merged by KSM
 * @console: console of the terminal
 * @sandbox: the launcher shuts itself in before the guest runs
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
	struct run_net nets[RUN_NETS_MAX];
	u32 net_count;
	const char *device;
	const char *mem_path;
	bool mem_merge;
	enum run_console console;
	bool sandbox;
	bool help;
};

int run_options_parse(struct run_options *o, int argc, char **argv, struct error *err);
void run_options_usage(void);

/* Options of devices, in vellum/device_options.c. */
int device_options_disk(struct run_options *o, char *text, struct error *err);
int device_options_net(struct run_options *o, char *text, struct error *err);

#endif
