// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID: what the hypervisor supports, with the topology leaves filled in for this vCPU.
 * The guest sees one package of single-threaded cores; APIC id = vCPU number.
 */
#include "vm/cpuid.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define CPUID_ENTRIES_MIN	64
#define CPUID_ENTRIES_MAX	4096

/* Intel SDM "CPUID—CPU Identification", AMD APM "Obtaining Processor Information". */
#define LEAF_VENDOR		0x0
#define LEAF_FEATURES		0x1
#define LEAF_CACHES		0x4
#define LEAF_TOPOLOGY		0xb
#define LEAF_EXT_FEATURES	0x80000001
#define LEAF_ADDRESS_SIZES	0x80000008
#define LEAF_AMD_TOPOLOGY	0x8000001e

#define L1_EBX_COUNT_SHIFT	16
#define L1_EBX_APIC_SHIFT	24
#define L1_EBX_COUNT_MAX	255
#define L1_EBX_LOW		0xffff
#define L1_ECX_VMX		BIT(5)
#define L1_ECX_TSC_DEADLINE	BIT(24)
#define L1_ECX_HYPERVISOR	BIT(31)
#define L1_EDX_HTT		BIT(28)
#define EXT_ECX_SVM		BIT(2)

#define L4_TYPE			0x1f
#define L4_LEVEL_SHIFT		5
#define L4_LEVEL		0x7
#define L4_SHARING_SHIFT	14
#define L4_SHARING_MASK		(0xfffU << L4_SHARING_SHIFT)
#define L4_CORES_SHIFT		26
#define L4_CORES_MASK		(0x3fU << L4_CORES_SHIFT)
#define L4_CORES_LIMIT		0x3f

#define LB_TYPE_SHIFT		8
#define LB_TYPE_SMT		1
#define LB_TYPE_CORE		2

#define VENDOR_EBX_AMD		0x68747541	/* "Auth" of "AuthenticAMD" */
#define AMD_NC			0xff
#define AMD_APIC_SIZE_SHIFT	12
#define PHYS_BITS_DEFAULT	36

static u32 order_of(u32 count)
{
	u32 order = 0;

	while ((1U << order) < count)
		order++;
	return order;
}

static struct kvm_cpuid_entry2 *find_leaf(struct kvm_cpuid2 *cpuid, u32 function, u32 index)
{
	struct kvm_cpuid_entry2 *e;

	for (e = cpuid->entries; e < cpuid->entries + cpuid->nent; e++)
		if (e->function == function && e->index == index)
			return e;
	return NULL;
}

/* The supported list has leaf 0xb as "no topology", without the subleaf that describes cores. */
static void add_core_level(struct kvm_cpuid2 *cpuid)
{
	struct kvm_cpuid_entry2 *smt = find_leaf(cpuid, LEAF_TOPOLOGY, 0);

	if (!smt || find_leaf(cpuid, LEAF_TOPOLOGY, 1))
		return;
	smt->flags |= KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	cpuid->entries[cpuid->nent] = *smt;
	cpuid->entries[cpuid->nent++].index = 1;
}

/**
 * cpuid_supported() - ask the hypervisor for all it can offer
 * @kvm: an open hypervisor
 * @err: filled in on failure
 *
 * Return: a table for the caller to free(), or NULL.
 */
struct kvm_cpuid2 *cpuid_supported(const struct kvm *kvm, struct error *err)
{
	struct kvm_cpuid2 *cpuid;
	u32 n;

	for (n = CPUID_ENTRIES_MIN; n <= CPUID_ENTRIES_MAX; n *= 2) {
		/* one more than asked for: add_core_level() may need it */
		cpuid = calloc(1, sizeof(*cpuid) + (n + 1) * sizeof(cpuid->entries[0]));
		if (!cpuid)
			break;
		cpuid->nent = n;
		if (!ioctl(kvm->dev_fd, KVM_GET_SUPPORTED_CPUID, cpuid) && cpuid->nent <= n) {
			add_core_level(cpuid);
			return cpuid;
		}
		free(cpuid);
		if (errno != E2BIG)
			break;
	}
	kvm_fail(kvm, "KVM_GET_SUPPORTED_CPUID", err);
	return NULL;
}

static void set_features(struct kvm_cpuid_entry2 *e, u32 cpu, u32 cpus, bool deadline_timer)
{
	u32 ids = (u32)min_u64(1U << order_of(cpus), L1_EBX_COUNT_MAX);

	e->ebx = (e->ebx & L1_EBX_LOW) | ids << L1_EBX_COUNT_SHIFT | cpu << L1_EBX_APIC_SHIFT;
	/* Nested virtualisation is not offered, on either hypervisor. */
	e->ecx &= ~(u32)L1_ECX_VMX;
	e->ecx |= L1_ECX_HYPERVISOR;
	/* The supported list never names this one: it depends on the in-kernel APIC. */
	if (deadline_timer)
		e->ecx |= L1_ECX_TSC_DEADLINE;
	e->edx &= ~(u32)L1_EDX_HTT;
	if (cpus > 1)
		e->edx |= L1_EDX_HTT;
}

static void set_caches(struct kvm_cpuid_entry2 *e, u32 cpus)
{
	u32 level = (e->eax >> L4_LEVEL_SHIFT) & L4_LEVEL;
	u32 ids = 1U << order_of(cpus);

	if (!(e->eax & L4_TYPE))
		return;
	e->eax &= ~(L4_SHARING_MASK | L4_CORES_MASK);
	e->eax |= (u32)min_u64(ids - 1, L4_CORES_LIMIT) << L4_CORES_SHIFT;
	/* The third level is shared by the package, the others belong to one core. */
	if (level >= 3)
		e->eax |= (ids - 1) << L4_SHARING_SHIFT;
}

static void set_topology(struct kvm_cpuid_entry2 *e, u32 cpu, u32 cpus)
{
	e->eax = 0;
	e->ebx = 0;
	e->ecx = e->index;
	e->edx = cpu;
	if (e->index == 0) {
		e->ebx = 1;
		e->ecx |= LB_TYPE_SMT << LB_TYPE_SHIFT;
	} else if (e->index == 1) {
		e->eax = order_of(cpus);
		e->ebx = cpus;
		e->ecx |= LB_TYPE_CORE << LB_TYPE_SHIFT;
	}
}

/**
 * cpuid_set_topology() - make a supported table this vCPU's own
 * @cpuid: table from cpuid_supported(); may be adjusted again for the next vCPU
 * @cpu: number and APIC id of the vCPU
 * @cpus: vCPUs of the guest
 * @deadline_timer: the in-kernel APIC has a TSC-deadline timer
 */
void cpuid_set_topology(struct kvm_cpuid2 *cpuid, u32 cpu, u32 cpus, bool deadline_timer)
{
	struct kvm_cpuid_entry2 *e = find_leaf(cpuid, LEAF_VENDOR, 0);
	bool amd = e && e->ebx == VENDOR_EBX_AMD;

	for (e = cpuid->entries; e < cpuid->entries + cpuid->nent; e++) {
		switch (e->function) {
		case LEAF_FEATURES:
			set_features(e, cpu, cpus, deadline_timer);
			break;
		case LEAF_CACHES:
			set_caches(e, cpus);
			break;
		case LEAF_TOPOLOGY:
			set_topology(e, cpu, cpus);
			break;
		case LEAF_EXT_FEATURES:
			e->ecx &= ~(u32)EXT_ECX_SVM;
			break;
		case LEAF_ADDRESS_SIZES:
			if (amd)
				e->ecx = ((cpus - 1) & AMD_NC) |
					 order_of(cpus) << AMD_APIC_SIZE_SHIFT;
			break;
		case LEAF_AMD_TOPOLOGY:
			e->eax = cpu;
			e->ebx = cpu & 0xff;
			e->ecx = 0;
			break;
		}
	}
}

/* Width of guest physical addresses, which bounds RAM and the 64-bit PCI window. */
u32 cpuid_phys_bits(struct kvm_cpuid2 *cpuid)
{
	const struct kvm_cpuid_entry2 *e = find_leaf(cpuid, LEAF_ADDRESS_SIZES, 0);

	return e ? e->eax & 0xff : PHYS_BITS_DEFAULT;
}
