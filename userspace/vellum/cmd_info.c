// SPDX-License-Identifier: GPL-2.0-only
/* "vellum info": what the hypervisor behind a device offers. */
#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <linux/kvm.h>
#include <linux/vellum.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vellum/commands.h"
#include "vellum/getopt.h"
#include "vm/cpuid.h"
#include "vm/kvm.h"

struct capability {
	const char *name;
	unsigned int cap;
};

#define CAPABILITY(name) { #name, KVM_CAP_ ## name }

static const struct capability capabilities[] = {
	CAPABILITY(IRQCHIP),		CAPABILITY(USER_MEMORY),	CAPABILITY(SET_TSS_ADDR),
	CAPABILITY(EXT_CPUID),		CAPABILITY(NR_VCPUS),		CAPABILITY(MAX_VCPUS),
	CAPABILITY(NR_MEMSLOTS),	CAPABILITY(PIT2),		CAPABILITY(IRQ_ROUTING),
	CAPABILITY(IRQFD),		CAPABILITY(IOEVENTFD),		CAPABILITY(SIGNAL_MSI),
	CAPABILITY(TSC_DEADLINE_TIMER),	CAPABILITY(READONLY_MEM),	CAPABILITY(SPLIT_IRQCHIP),
	CAPABILITY(X2APIC_API),		CAPABILITY(IMMEDIATE_EXIT),	CAPABILITY(SYNC_MMU),
	CAPABILITY(SET_GUEST_DEBUG),	CAPABILITY(IOEVENTFD_ANY_LENGTH),
	CAPABILITY(MANUAL_DIRTY_LOG_PROTECT2),
};

static const struct option options[] = {
	{ "device", required_argument, NULL, 'd' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/**
 * struct info - facts about a hypervisor
 * @device: its path
 * @api: ABI version
 * @run_size: bytes of a vCPU's run area
 * @cpuid_entries: entries of the supported CPUID table
 * @phys_bits: width of guest physical addresses
 * @caps: values of @capabilities
 */
struct info {
	const char *device;
	int api;
	size_t run_size;
	u32 cpuid_entries;
	u32 phys_bits;
	int caps[ARRAY_SIZE(capabilities)];
};

static int collect(struct kvm *kvm, struct info *info, struct error *err)
{
	struct kvm_cpuid2 *cpuid = cpuid_supported(kvm, err);
	size_t i;

	if (!cpuid)
		return -1;
	info->device = kvm->path;
	info->api = KVM_API_VERSION;
	info->run_size = kvm->run_size;
	info->cpuid_entries = cpuid->nent;
	info->phys_bits = cpuid_phys_bits(cpuid);
	free(cpuid);
	for (i = 0; i < ARRAY_SIZE(capabilities); i++)
		info->caps[i] = kvm_cap(kvm, capabilities[i].cap);
	return 0;
}

static void add_int(struct json_object *to, const char *name, s64 value)
{
	json_object_object_add(to, name, json_object_new_int64(value));
}

static void print_json(const struct info *info)
{
	struct json_object *root = json_object_new_object();
	struct json_object *caps = json_object_new_object();
	size_t i;

	json_object_object_add(root, "device", json_object_new_string(info->device));
	add_int(root, "api_version", info->api);
	add_int(root, "run_size", (s64)info->run_size);
	add_int(root, "cpuid_entries", info->cpuid_entries);
	add_int(root, "phys_bits", info->phys_bits);
	for (i = 0; i < ARRAY_SIZE(capabilities); i++)
		add_int(caps, capabilities[i].name, info->caps[i]);
	json_object_object_add(root, "capabilities", caps);
	puts(json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(root);
}

static void print_text(const struct info *info)
{
	size_t i;

	printf("device          %s\n", info->device);
	printf("api_version     %d\n", info->api);
	printf("run_size        %zu\n", info->run_size);
	printf("cpuid_entries   %u\n", info->cpuid_entries);
	printf("phys_bits       %u\n", info->phys_bits);
	for (i = 0; i < ARRAY_SIZE(capabilities); i++)
		printf("%-27s %d\n", capabilities[i].name, info->caps[i]);
}

static int show(const char *device, bool json, struct error *err)
{
	struct info info;
	struct kvm kvm;
	int r;

	r = kvm_open(&kvm, device, err);
	if (!r)
		r = collect(&kvm, &info, err);
	kvm_close(&kvm);
	if (r)
		return -1;
	if (json)
		print_json(&info);
	else
		print_text(&info);
	return STATUS_OK;
}

int cmd_info(int argc, char **argv, struct error *err)
{
	const char *device = VELLUM_DEVICE_PATH;
	bool json = false;
	int c;

	while ((c = next_option(argc, argv, options, err)) > 0) {
		if (c == 'd')
			device = optarg;
		else if (c == 'j')
			json = true;
		else
			return puts("usage: vellum info [--device PATH] [--json]") < 0 ? 1 : 0;
	}
	return c < 0 ? -1 : show(device, json, err);
}
