// SPDX-License-Identifier: GPL-2.0-only
/* Parsing and checking the options of "vellum run". */
#include "vellum/run_options.h"

#include <getopt.h>
#include <linux/vellum.h>
#include <stdio.h>
#include <string.h>

#include "boot/layout.h"
#include "util/parse.h"
#include "vellum/getopt.h"
#include "vm/kvm.h"

#define MEM_DEFAULT	(256 * MIB)
#define MEM_UNIT	(2 * MIB)

enum {
	OPT_KERNEL = 1,
	OPT_INITRD,
	OPT_APPEND,
	OPT_MEM,
	OPT_CPUS,
	OPT_DISK,
	OPT_NET,
	OPT_DEVICE,
	OPT_MEM_PATH,
	OPT_MEM_MERGE,
	OPT_CONSOLE,
	OPT_SANDBOX,
	OPT_HELP,
};

static const struct option options[] = {
	{ "kernel", required_argument, NULL, OPT_KERNEL },
	{ "initrd", required_argument, NULL, OPT_INITRD },
	{ "append", required_argument, NULL, OPT_APPEND },
	{ "mem", required_argument, NULL, OPT_MEM },
	{ "cpus", required_argument, NULL, OPT_CPUS },
	{ "disk", required_argument, NULL, OPT_DISK },
	{ "net", required_argument, NULL, OPT_NET },
	{ "device", required_argument, NULL, OPT_DEVICE },
	{ "mem-path", required_argument, NULL, OPT_MEM_PATH },
	{ "mem-merge", no_argument, NULL, OPT_MEM_MERGE },
	{ "console", required_argument, NULL, OPT_CONSOLE },
	{ "sandbox", required_argument, NULL, OPT_SANDBOX },
	{ "help", no_argument, NULL, OPT_HELP },
	{ 0 },
};

void run_options_usage(void)
{
	puts("usage: vellum run --kernel FILE [OPTION]...\n"
	     "\n"
	     "  --kernel FILE           x86-64 bzImage to boot\n"
	     "  --initrd FILE           initial RAM disk\n"
	     "  --append STRING         add to the kernel command line (may be repeated)\n"
	     "  --mem SIZE              RAM, with K, M, G or T; a bare number counts MiB (256M)\n"
	     "  --cpus N                virtual CPUs (1)\n"
	     "  --disk FILE[,ro]        raw image or block device (may be repeated)\n"
	     "  --net tap=NAME|bridge=NAME[,mac=MAC]\n"
	     "                          network card on a tap, or on a tap in a bridge (may be repeated)\n"
	     "                          disks and cards: [,vhost=on|off|auto|DEVICE], served by the kernel,\n"
	     "                          [,packed=on|off], by packed rings\n"
	     "  --device PATH           hypervisor, /dev/vellum or /dev/kvm (/dev/vellum)\n"
	     "  --mem-path DIR          back RAM by a shared file in this directory\n"
	     "  --mem-merge             let the host's KSM merge equal pages of RAM\n"
	     "  --console NAME          serial or virtio: the terminal's console (serial)\n"
	     "  --sandbox on|off        give up system calls the guest does not need (on)\n"
	     "\n"
	     "Ctrl-A x ends the machine, Ctrl-A Ctrl-A sends one Ctrl-A. The exit status is the one\n"
	     "the guest leaves when it powers off; see vellum-run(1) for the others.");
}

static int set_mem(struct run_options *o, const char *text, struct error *err)
{
	if (parse_size(text, &o->mem))
		return error_set(err, STATUS_USAGE, "--mem %s: not a size (write for example 256M)",
				 text);
	if (o->mem < LAYOUT_RAM_MIN)
		return error_set(err, STATUS_USAGE, "--mem %s: too little (give at least %lluM)",
				 text, LAYOUT_RAM_MIN / MIB);
	if (o->mem > ~0ULL - MEM_UNIT)
		return error_set(err, STATUS_USAGE, "--mem %s: too much (give less)", text);
	o->mem = align_up(o->mem, MEM_UNIT);
	return 0;
}

static int set_cpus(struct run_options *o, const char *text, struct error *err)
{
	u64 cpus;

	if (parse_count(text, &cpus) || !cpus || cpus > RUN_CPUS_MAX)
		return error_set(err, STATUS_USAGE,
				 "--cpus %s: not a number of CPUs (give 1 to %d)", text,
				 RUN_CPUS_MAX);
	o->cpus = (u32)cpus;
	return 0;
}

/* Repeated options add up, separated by blanks. */
static int add_append(struct run_options *o, const char *text, struct error *err)
{
	size_t used = strlen(o->append);
	size_t len = strlen(text);

	if (used + len + 2 > sizeof(o->append))
		return error_set(err, STATUS_USAGE, "--append: too long (shorten it)");
	if (used)
		o->append[used++] = ' ';
	memcpy(o->append + used, text, len + 1);
	return 0;
}

static int set_console(struct run_options *o, const char *text, struct error *err)
{
	if (!strcmp(text, "serial"))
		o->console = CONSOLE_SERIAL;
	else if (!strcmp(text, "virtio"))
		o->console = CONSOLE_VIRTIO;
	else
		return error_set(err, STATUS_USAGE,
				 "--console %s: unknown (write serial or virtio)", text);
	return 0;
}

static int set_sandbox(struct run_options *o, const char *text, struct error *err)
{
	o->sandbox = !strcmp(text, "on");
	if (o->sandbox || !strcmp(text, "off"))
		return 0;
	return error_set(err, STATUS_USAGE, "--sandbox %s: unknown (write on or off)", text);
}

static int set_option(struct run_options *o, int option, char *text, struct error *err)
{
	switch (option) {
	case OPT_KERNEL:
		o->kernel = text;
		return 0;
	case OPT_INITRD:
		o->initrd = text;
		return 0;
	case OPT_APPEND:
		return add_append(o, text, err);
	case OPT_MEM:
		return set_mem(o, text, err);
	case OPT_CPUS:
		return set_cpus(o, text, err);
	case OPT_DISK:
		return device_options_disk(o, text, err);
	case OPT_NET:
		return device_options_net(o, text, err);
	case OPT_DEVICE:
		o->device = text;
		return 0;
	case OPT_MEM_PATH:
		o->mem_path = text;
		return 0;
	case OPT_MEM_MERGE:
		o->mem_merge = true;
		return 0;
	case OPT_CONSOLE:
		return set_console(o, text, err);
	case OPT_SANDBOX:
		return set_sandbox(o, text, err);
	default:
		o->help = true;
		return 0;
	}
}

/* What only all options together tell. */
static int check_options(const struct run_options *o, struct error *err)
{
	if (o->help)
		return 0;
	if (!o->kernel)
		return error_set(err, STATUS_USAGE, "--kernel: missing (name an x86-64 bzImage)");
	if (o->mem_merge && o->mem_path)
		return error_set(err, STATUS_USAGE,
				 "--mem-merge: not with --mem-path, whose memory is shared (drop one)");
	return 0;
}

/**
 * run_options_parse() - read the command line
 * @o: zeroed; filled in
 * @argc: number of arguments, the command's name first
 * @argv: arguments, kept by reference and partly changed
 * @err: filled in on failure
 *
 * Return: 0 or -1.
 */
int run_options_parse(struct run_options *o, int argc, char **argv, struct error *err)
{
	int c;

	o->mem = MEM_DEFAULT;
	o->cpus = 1;
	o->device = VELLUM_DEVICE_PATH;
	o->sandbox = true;
	while ((c = next_option(argc, argv, options, err)) > 0)
		if (set_option(o, c, optarg, err))
			return -1;
	return c < 0 ? -1 : check_options(o, err);
}
