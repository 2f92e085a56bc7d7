// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID: the exit and the ioctls. A leaf is found by its number, a subleaf along
 * a chain; whatever can be computed when the table or a register changes is
 * written into the table then, so that the exit only copies.
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <uapi/linux/kvm_para.h>
#include <asm/msr-index.h>

#include "core/ops.h"
#include "x86/cpuid.h"
#include "x86/event.h"
#include "x86/fpu.h"
#include "x86/regs.h"

#define LEAF_TOPOLOGY		0xb
#define LEAF_TOPOLOGY_V2	0x1f
#define RANGE_MASK		0xffffff00

static int range_of(u32 function)
{
	switch (function & RANGE_MASK) {
	case 0:
		return HV_CPUID_BASIC;
	case 0x40000000:
		return HV_CPUID_HYPERVISOR;
	case 0x80000000:
		return HV_CPUID_EXTENDED;
	default:
		return -1;
	}
}

/* The slot of a leaf in first[][], NULL for one that no table holds. */
static u16 *first_slot(struct hv_cpuid *cpuid, u32 function)
{
	int range = range_of(function);
	u32 leaf = function & ~RANGE_MASK;

	if (range < 0 || leaf >= HV_CPUID_RANGE_LEAVES)
		return NULL;
	return &cpuid->first[range][array_index_nospec(leaf, HV_CPUID_RANGE_LEAVES)];
}

static __always_inline bool has_subleaf(const struct kvm_cpuid_entry2 *e, u32 index)
{
	return !(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || e->index == index;
}

static struct kvm_cpuid_entry2 *find_slow(struct hv_cpuid *cpuid, u32 function, u32 index)
{
	int i;

	for (i = 0; i < cpuid->count; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entry[i];

		if (e->function == function && has_subleaf(e, index))
			return e;
	}
	return NULL;
}

struct kvm_cpuid_entry2 *hv_cpuid_find(struct hv_cpuid *cpuid, u32 function, u32 index)
{
	u16 *slot = first_slot(cpuid, function), i;

	if (unlikely(!slot))
		return find_slow(cpuid, function, index);
	for (i = *slot; i != HV_CPUID_NONE; i = cpuid->next[i])
		if (has_subleaf(&cpuid->entry[i], index))
			return &cpuid->entry[i];
	return NULL;
}

static void index_build(struct hv_cpuid *cpuid)
{
	int i;

	memset(cpuid->first, 0xff, sizeof(cpuid->first));
	memset(cpuid->next, 0xff, sizeof(cpuid->next));
	cpuid->last = NULL;
	/* Backwards, so that chains are in the table's order. */
	for (i = cpuid->count - 1; i >= 0; i--) {
		u16 *slot = first_slot(cpuid, cpuid->entry[i].function);

		if (!slot)
			continue;
		cpuid->next[i] = *slot;
		*slot = i;
	}
}

/* Intel CPUs answer a leaf beyond the last with the last basic one (SDM volume 2, "CPUID"). */
static struct kvm_cpuid_entry2 *beyond(struct hv_cpuid *cpuid, u32 function, u32 index)
{
	struct kvm_cpuid_entry2 *base, *max;

	if (cpuid->amd || range_of(function) == HV_CPUID_HYPERVISOR)
		return NULL;
	base = hv_cpuid_find(cpuid, 0, 0);
	max = range_of(function) == HV_CPUID_EXTENDED ? hv_cpuid_find(cpuid, 0x80000000, 0) : base;
	if (!base || (max && function <= max->eax))
		return NULL;
	return hv_cpuid_find(cpuid, base->eax, index);
}

/* Subleaves of the topology leaves end with zeros, but keep ECX[7:0] and the APIC id. */
static void topology_end(struct hv_cpuid *cpuid, u32 function, u32 index, u32 *ecx, u32 *edx)
{
	const struct kvm_cpuid_entry2 *first;

	if (function != LEAF_TOPOLOGY && function != LEAF_TOPOLOGY_V2)
		return;
	first = hv_cpuid_find(cpuid, function, 0);
	if (!first)
		return;
	*ecx = index & U8_MAX;
	*edx = first->edx;
}

void hv_cpuid_query(struct hv_vcpu *vcpu, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx)
{
	struct hv_cpuid *cpuid = vcpu->cpuid;
	u32 function = *eax, index = *ecx;
	struct kvm_cpuid_entry2 *e;

	e = hv_cpuid_find(cpuid, function, index);
	if (unlikely(!e))
		e = beyond(cpuid, function, index);
	if (unlikely(!e)) {
		*eax = 0;
		*ebx = 0;
		*ecx = 0;
		*edx = 0;
		topology_end(cpuid, function, index, ecx, edx);
		return;
	}
	*eax = e->eax;
	*ebx = e->ebx;
	*ecx = e->ecx;
	*edx = e->edx;
}

static void answer(struct hv_vcpu *vcpu, u32 eax, u32 ebx, u32 ecx, u32 edx)
{
	vcpu->gpr[HV_RAX] = eax;
	vcpu->gpr[HV_RBX] = ebx;
	vcpu->gpr[HV_RCX] = ecx;
	vcpu->gpr[HV_RDX] = edx;
}

static void answer_slow(struct hv_vcpu *vcpu, u32 eax, u32 ecx)
{
	struct hv_cpuid *cpuid = vcpu->cpuid;
	u32 function = eax, index = ecx, ebx, edx;

	/* A VMM that sets no table at all: every leaf is zero. */
	if (!cpuid->count) {
		answer(vcpu, 0, 0, 0, 0);
		return;
	}
	hv_cpuid_query(vcpu, &eax, &ebx, &ecx, &edx);
	answer(vcpu, eax, ebx, ecx, edx);
	cpuid->last = hv_cpuid_find(cpuid, function, index);
}

/* Not the leaf of last time, or CPUID may fault. */
static noinline int handle_cpuid_slow(struct hv_vcpu *vcpu, unsigned int len)
{
	if ((vcpu->msr.misc_features & MSR_MISC_FEATURES_ENABLES_CPUID_FAULT) && hv_cpl(vcpu))
		return hv_inject_gp(vcpu);
	answer_slow(vcpu, vcpu->gpr[HV_RAX], vcpu->gpr[HV_RCX]);
	return hv_skip_insn(vcpu, len);
}

int hv_handle_cpuid(struct hv_vcpu *vcpu, unsigned int len)
{
	const struct kvm_cpuid_entry2 *e = vcpu->cpuid->last;

	if (unlikely(!e || e->function != (u32)vcpu->gpr[HV_RAX] ||
		     !has_subleaf(e, vcpu->gpr[HV_RCX]) ||
		     vcpu->msr.misc_features & MSR_MISC_FEATURES_ENABLES_CPUID_FAULT))
		return handle_cpuid_slow(vcpu, len);
	answer(vcpu, e->eax, e->ebx, e->ecx, e->edx);
	return hv_skip_insn(vcpu, len);
}

int hv_cpuid_init(struct hv_vcpu *vcpu)
{
	vcpu->cpuid = kvzalloc(sizeof(*vcpu->cpuid), GFP_KERNEL_ACCOUNT);
	if (!vcpu->cpuid)
		return -ENOMEM;
	index_build(vcpu->cpuid);
	hv_cpuid_derive(vcpu);
	return 0;
}

void hv_cpuid_free(struct hv_vcpu *vcpu)
{
	kvfree(vcpu->cpuid);
	vcpu->cpuid = NULL;
}

/* An entry without the bits that mirror registers, which are not the caller's to compare. */
static struct kvm_cpuid_entry2 static_part(const struct kvm_cpuid_entry2 *entry, u32 mirrored)
{
	struct kvm_cpuid_entry2 e = *entry;

	memset(e.padding, 0, sizeof(e.padding));
	if (e.function == 1) {
		e.ecx &= ~mirrored;
		e.edx &= ~HV_CPUID_1_EDX_APIC;
	} else if (e.function == KVM_CPUID_FEATURES) {
		e.eax &= ~BIT(KVM_FEATURE_PV_UNHALT);
	} else if (e.function == 7 && !e.index) {
		e.ecx &= ~HV_CPUID_7_ECX_OSPKE;
	} else if (e.function == 0xd && e.index < 2) {
		e.ebx = 0;
	}
	return e;
}

static bool same_table(const struct hv_vcpu *vcpu, const struct kvm_cpuid_entry2 *entry, u32 n)
{
	const struct hv_cpuid *cpuid = vcpu->cpuid;
	u32 mirrored = HV_CPUID_1_ECX_OSXSAVE;
	u32 i;

	if (hv_quirk_off(vcpu->vm, KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT))
		mirrored |= HV_CPUID_1_ECX_MWAIT;
	if (cpuid->count != n)
		return false;
	for (i = 0; i < n; i++) {
		struct kvm_cpuid_entry2 old = static_part(&cpuid->entry[i], mirrored);
		struct kvm_cpuid_entry2 new = static_part(&entry[i], mirrored);

		if (memcmp(&old, &new, sizeof(old)))
			return false;
	}
	return true;
}

/* A linear-address width the page tables of no CPU have cannot be walked. */
static bool table_valid(const struct kvm_cpuid_entry2 *entry, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++) {
		u32 width = entry[i].eax >> 8 & U8_MAX;

		if (entry[i].function == 0x80000008 && width && width != 48 && width != 57)
			return false;
	}
	return true;
}

static void table_set(struct hv_vcpu *vcpu, const struct kvm_cpuid_entry2 *entry, u32 n)
{
	struct hv_cpuid *cpuid = vcpu->cpuid;
	u32 i;

	memcpy(cpuid->entry, entry, n * sizeof(*entry));
	for (i = 0; i < n; i++)
		memset(cpuid->entry[i].padding, 0, sizeof(cpuid->entry[i].padding));
	cpuid->count = n;
	index_build(cpuid);
	hv_cpuid_derive(vcpu);
	hv_cpuid_refresh(vcpu);
	hv_ops->update(vcpu);
}

static int table_replace(struct hv_vcpu *vcpu, const struct kvm_cpuid_entry2 *entry, u32 n)
{
	/* A guest that has run keeps its CPU model. */
	if (vcpu->stat.exits)
		return same_table(vcpu, entry, n) ? 0 : -EINVAL;
	if (!table_valid(entry, n))
		return -EINVAL;
	table_set(vcpu, entry, n);
	return 0;
}

int hv_cpuid_set2(struct hv_vcpu *vcpu, struct kvm_cpuid2 __user *u)
{
	struct kvm_cpuid_entry2 *entry;
	int ret;
	u32 n;

	if (get_user(n, &u->nent))
		return -EFAULT;
	if (n > HV_CPUID_MAX)
		return -E2BIG;
	entry = vmemdup_user(u->entries, array_size(n, sizeof(*entry)));
	if (IS_ERR(entry))
		return PTR_ERR(entry);
	ret = table_replace(vcpu, entry, n);
	kvfree(entry);
	return ret;
}

int hv_cpuid_set(struct hv_vcpu *vcpu, struct kvm_cpuid __user *u)
{
	struct kvm_cpuid_entry2 *entry;
	struct kvm_cpuid_entry old;
	int ret = -EFAULT;
	u32 n, i;

	if (get_user(n, &u->nent))
		return -EFAULT;
	if (n > HV_CPUID_MAX)
		return -E2BIG;
	entry = kvcalloc(n, sizeof(*entry), GFP_KERNEL_ACCOUNT);
	if (!entry)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		if (copy_from_user(&old, &u->entries[i], sizeof(old)))
			goto out;
		entry[i] = (struct kvm_cpuid_entry2){
			.function = old.function,
			.eax = old.eax, .ebx = old.ebx, .ecx = old.ecx, .edx = old.edx,
		};
	}
	ret = table_replace(vcpu, entry, n);
out:
	kvfree(entry);
	return ret;
}

int hv_cpuid_get2(struct hv_vcpu *vcpu, struct kvm_cpuid2 __user *u)
{
	const struct hv_cpuid *cpuid = vcpu->cpuid;
	u32 n;

	if (get_user(n, &u->nent))
		return -EFAULT;
	/* as in KVM, nent stays what it was, unlike that of KVM_GET_SUPPORTED_CPUID */
	if (n < cpuid->count)
		return -E2BIG;
	if (put_user(cpuid->count, &u->nent))
		return -EFAULT;
	if (copy_to_user(u->entries, cpuid->entry, cpuid->count * sizeof(cpuid->entry[0])))
		return -EFAULT;
	return 0;
}

int hv_cpuid_supported(struct kvm_cpuid2 __user *u, bool emulated)
{
	struct kvm_cpuid_entry2 *entry;
	int count, ret = 0;
	u32 n;

	if (get_user(n, &u->nent))
		return -EFAULT;
	entry = kvcalloc(HV_CPUID_MAX, sizeof(*entry), GFP_KERNEL);
	if (!entry)
		return -ENOMEM;
	count = emulated ? hv_cpuid_tables_emulated(entry, HV_CPUID_MAX) :
			   hv_cpuid_tables_supported(entry, HV_CPUID_MAX);
	if (count < 0)
		ret = count;
	else if (n < count)
		ret = -E2BIG;
	else if (put_user((u32)count, &u->nent) ||
		 copy_to_user(u->entries, entry, count * sizeof(*entry)))
		ret = -EFAULT;
	kvfree(entry);
	return ret;
}
