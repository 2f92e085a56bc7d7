// SPDX-License-Identifier: GPL-2.0-only
/*
 * From an interrupt message's destination to the vCPUs it means (SDM volume
 * 3, "Determining IPI Destination" and "Logical x2APIC ID").
 */
#include <linux/bitops.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <asm/apicdef.h>

#include "irqchip/apic_map.h"
#include "irqchip/lapic_int.h"

#define HV_XAPIC_BROADCAST	0xffu
#define HV_X2APIC_BROADCAST	0xffffffffu

static void map_forget(struct hv_apic_map *map, unsigned int index)
{
	u64 keep = ~BIT_ULL(index);
	unsigned int i, j;

	map->all &= keep;
	map->x2apic &= keep;
	map->lapic[index] = NULL;
	for (i = 0; i < ARRAY_SIZE(map->phys); i++)
		map->phys[i] &= keep;
	for (i = 0; i < ARRAY_SIZE(map->flat); i++)
		map->flat[i] &= keep;
	for (i = 0; i < HV_APIC_CLUSTERS; i++)
		for (j = 0; j < HV_APIC_CLUSTER_SIZE; j++)
			map->cluster[i][j] &= keep;
}

static void map_add_flat(struct hv_apic_map *map, u8 ldr, u64 self)
{
	unsigned int i;

	for (i = 0; i < HV_APIC_FLAT_IDS; i++)
		if (ldr & BIT(i))
			map->flat[i] |= self;
}

static void map_add_cluster(struct hv_apic_map *map, u8 ldr, u64 self)
{
	u64 *cluster = map->cluster[ldr / BIT(HV_APIC_CLUSTER_SIZE)];
	unsigned int i;

	for (i = 0; i < HV_APIC_CLUSTER_SIZE; i++)
		if (ldr & BIT(i))
			cluster[i] |= self;
}

static void map_add_xapic(struct hv_apic_map *map, const struct hv_lapic *lapic, u64 self)
{
	u8 ldr = GET_APIC_LOGICAL_ID(lapic_reg(lapic, APIC_LDR));
	u8 id = GET_XAPIC_DEST_FIELD(lapic_reg(lapic, APIC_ID));

	map->phys[id] |= self;
	switch (lapic_reg(lapic, APIC_DFR)) {
	case APIC_DFR_FLAT:
		map_add_flat(map, ldr, self);
		break;
	case APIC_DFR_CLUSTER:
		map_add_cluster(map, ldr, self);
		break;
	}
}

static void map_add(struct hv_apic_map *map, struct hv_lapic *lapic)
{
	u64 self = BIT_ULL(lapic->vcpu->index);

	if (!lapic->enabled)
		return;
	map->all |= self;
	map->lapic[lapic->vcpu->index] = lapic;
	if (lapic->x2apic) {
		map->x2apic |= self;
		map->phys[lapic->vcpu->id] |= self;
	} else {
		map_add_xapic(map, lapic, self);
	}
}

int hv_apic_map_update(struct hv_lapic *lapic)
{
	struct hv_vm *vm = lapic->vcpu->vm;
	struct hv_apic_map *old, *new;

	/* one bit each in a word, and ids index a table */
	BUILD_BUG_ON(HV_MAX_VCPUS > 64);
	BUILD_BUG_ON(HV_MAX_VCPU_ID != 256);

	new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	mutex_lock(&vm->irq_lock);
	old = rcu_dereference_protected(vm->apic_map, lockdep_is_held(&vm->irq_lock));
	if (old)
		*new = *old;
	map_forget(new, lapic->vcpu->index);
	map_add(new, lapic);
	rcu_assign_pointer(vm->apic_map, new);
	mutex_unlock(&vm->irq_lock);
	if (old)
		kfree_rcu(old, rcu);
	return 0;
}

/* Readers see each word before or after, and either is right until they are waited for. */
void hv_apic_map_forget(struct hv_lapic *lapic)
{
	struct hv_vm *vm = lapic->vcpu->vm;
	struct hv_apic_map *map;

	mutex_lock(&vm->irq_lock);
	map = rcu_dereference_protected(vm->apic_map, lockdep_is_held(&vm->irq_lock));
	if (map)
		map_forget(map, lapic->vcpu->index);
	mutex_unlock(&vm->irq_lock);
}

/* The VM ends: nobody sends any more. */
void hv_apic_map_destroy(struct hv_vm *vm)
{
	struct hv_apic_map *map = rcu_dereference_protected(vm->apic_map, true);

	RCU_INIT_POINTER(vm->apic_map, NULL);
	if (map)
		kfree_rcu(map, rcu);
}

/*
 * 0xff from a device or an xAPIC means everybody. KVM_CAP_X2APIC_API can turn
 * that off for LAPICs in x2APIC mode: there it is id 255, or CPUs 0 to 7.
 */
static u64 broadcast_targets(const struct hv_apic_map *map, const struct hv_vm *vm,
			     const struct hv_apic_msg *msg)
{
	if (msg->dest == HV_X2APIC_BROADCAST)
		return map->all;
	if (msg->wide || msg->dest != HV_XAPIC_BROADCAST)
		return 0;
	return vm->x2apic_broadcast_quirk_off ? map->all & ~map->x2apic : map->all;
}

static u64 logical_xapic(const struct hv_apic_map *map, u32 dest)
{
	const u64 *cluster;
	u64 targets = 0;
	unsigned int i;

	if (dest > U8_MAX)
		return 0;
	for (i = 0; i < HV_APIC_FLAT_IDS; i++)
		if (dest & BIT(i))
			targets |= map->flat[i];
	cluster = map->cluster[array_index_nospec(dest / BIT(HV_APIC_CLUSTER_SIZE),
						  HV_APIC_CLUSTERS)];
	for (i = 0; i < HV_APIC_CLUSTER_SIZE; i++)
		if (dest & BIT(i))
			targets |= cluster[i];
	return targets;
}

static u64 logical_x2apic(const struct hv_apic_map *map, u32 dest)
{
	u32 first = (dest >> 16) * HV_X2APIC_CLUSTER_SIZE;
	unsigned long mask = dest & U16_MAX;
	u64 targets = 0;
	unsigned int i;

	if (first >= HV_MAX_VCPU_ID)
		return 0;
	first = array_index_nospec(first, HV_MAX_VCPU_ID);
	for_each_set_bit(i, &mask, HV_X2APIC_CLUSTER_SIZE)
		targets |= map->phys[first + i];
	return targets & map->x2apic;
}

static u64 addressed_targets(const struct hv_apic_map *map, const struct hv_vm *vm,
			     const struct hv_apic_msg *msg)
{
	u64 targets = broadcast_targets(map, vm, msg);

	if (msg->logical)
		return targets | logical_x2apic(map, msg->dest) |
		       (logical_xapic(map, msg->dest) & ~map->x2apic);
	if (msg->dest < HV_MAX_VCPU_ID)
		targets |= map->phys[array_index_nospec(msg->dest, HV_MAX_VCPU_ID)];
	return targets;
}

u64 hv_apic_map_resolve(const struct hv_apic_map *map, const struct hv_vm *vm,
			const struct hv_lapic *src, const struct hv_apic_msg *msg)
{
	switch (msg->shorthand) {
	case HV_APIC_DEST:
		return addressed_targets(map, vm, msg);
	case HV_APIC_SELF:
		return BIT_ULL(src->vcpu->index);
	case HV_APIC_ALL:
		return map->all;
	case HV_APIC_OTHERS:
		return map->all & ~BIT_ULL(src->vcpu->index);
	}
	return 0;
}
