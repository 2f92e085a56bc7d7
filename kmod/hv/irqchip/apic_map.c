// SPDX-License-Identifier: GPL-2.0-only
/*
 * From an interrupt message's destination to the vCPUs it means (SDM volume
 * 3, "Determining IPI Destination" and "Logical x2APIC ID").
 */
#include <linux/bitops.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <asm/apicdef.h>

#include "irqchip/apic_map.h"
#include "irqchip/lapic_int.h"

#define HV_XAPIC_BROADCAST	0xffu
#define HV_X2APIC_BROADCAST	0xffffffffu
#define HV_APIC_MAP_LOT		64	/* maps; twice as many may wait to be freed */

/* The link that leads to a LAPIC's number, in the chain of its APIC id. */
static u16 *link_to(struct hv_apic_map *map, u32 id, u16 number)
{
	u16 *link = &map->phys[id];

	while (*link && *link != number)
		link = &map->alias[*link - 1];
	return link;
}

static void map_forget(struct hv_apic_map *map, unsigned int index)
{
	unsigned int i, j;
	u16 *link;

	if (!test_bit(index, map->all.bits))
		return;
	link = link_to(map, map->id[index], index + 1);
	if (*link)
		WRITE_ONCE(*link, map->alias[index]);
	clear_bit(index, map->all.bits);
	clear_bit(index, map->x2apic.bits);
	for (i = 0; i < ARRAY_SIZE(map->flat); i++)
		clear_bit(index, map->flat[i].bits);
	for (i = 0; i < HV_APIC_CLUSTERS; i++)
		for (j = 0; j < HV_APIC_CLUSTER_SIZE; j++)
			clear_bit(index, map->cluster[i][j].bits);
}

static void map_add_phys(struct hv_apic_map *map, unsigned int index, u32 id)
{
	map->id[index] = id;
	map->alias[index] = 0;
	*link_to(map, id, 0) = index + 1;
}

static void map_add_flat(struct hv_apic_map *map, u8 ldr, unsigned int index)
{
	unsigned int i;

	for (i = 0; i < HV_APIC_FLAT_IDS; i++)
		if (ldr & BIT(i))
			set_bit(index, map->flat[i].bits);
}

static void map_add_cluster(struct hv_apic_map *map, u8 ldr, unsigned int index)
{
	struct hv_apic_set *cluster = map->cluster[ldr / BIT(HV_APIC_CLUSTER_SIZE)];
	unsigned int i;

	for (i = 0; i < HV_APIC_CLUSTER_SIZE; i++)
		if (ldr & BIT(i))
			set_bit(index, cluster[i].bits);
}

/* An id that does not fit into the xAPIC's 8 bits still starts its vCPU: by x2APIC messages. */
static u32 xapic_id(const struct hv_lapic *lapic)
{
	u32 id = lapic->vcpu->id;

	return id > U8_MAX ? id : GET_XAPIC_DEST_FIELD(lapic_reg(lapic, APIC_ID));
}

static void map_add_xapic(struct hv_apic_map *map, const struct hv_lapic *lapic)
{
	u8 ldr = GET_APIC_LOGICAL_ID(lapic_reg(lapic, APIC_LDR));
	unsigned int index = lapic->vcpu->index;

	map_add_phys(map, index, xapic_id(lapic));
	switch (lapic_reg(lapic, APIC_DFR)) {
	case APIC_DFR_FLAT:
		map_add_flat(map, ldr, index);
		break;
	case APIC_DFR_CLUSTER:
		map_add_cluster(map, ldr, index);
		break;
	}
}

static void map_add(struct hv_apic_map *map, struct hv_lapic *lapic)
{
	unsigned int index = lapic->vcpu->index;

	if (!lapic->enabled)
		return;
	map->words = max_t(unsigned int, map->words, index / BITS_PER_LONG + 1);
	map->lapic[index] = lapic;
	set_bit(index, map->all.bits);
	if (lapic->x2apic) {
		set_bit(index, map->x2apic.bits);
		map_add_phys(map, index, lapic->vcpu->id);
	} else {
		map_add_xapic(map, lapic);
	}
}

/* A guest may change its LAPIC in a loop, faster than the grace periods that free old maps. */
static void throttle(struct hv_apic_map *map)
{
	if (++map->updates % HV_APIC_MAP_LOT)
		return;
	cond_synchronize_rcu(map->grace);
	map->grace = get_state_synchronize_rcu();
}

int hv_apic_map_update(struct hv_lapic *lapic)
{
	struct hv_vm *vm = lapic->vcpu->vm;
	struct hv_apic_map *old, *new;

	new = kvzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	mutex_lock(&vm->irq_lock);
	old = rcu_dereference_protected(vm->apic_map, lockdep_is_held(&vm->irq_lock));
	if (old)
		*new = *old;
	throttle(new);
	map_forget(new, lapic->vcpu->index);
	map_add(new, lapic);
	rcu_assign_pointer(vm->apic_map, new);
	mutex_unlock(&vm->irq_lock);
	if (old)
		kvfree_rcu(old, rcu);
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
		kvfree_rcu(map, rcu);
}

static void set_clear(const struct hv_apic_map *map, struct hv_apic_set *set)
{
	unsigned int i;

	for (i = 0; i < map->words; i++)
		set->bits[i] = 0;
}

/* @set |= @more & ~@but; @but may be NULL */
static void set_add(const struct hv_apic_map *map, struct hv_apic_set *set,
		    const struct hv_apic_set *more, const struct hv_apic_set *but)
{
	unsigned int i;

	for (i = 0; i < map->words; i++)
		set->bits[i] |= READ_ONCE(more->bits[i]) & ~(but ? but->bits[i] : 0);
}

/* The number of the LAPIC that an id's chain begins with; 0: none */
static u16 first_with_id(const struct hv_apic_map *map, u32 id)
{
	return READ_ONCE(map->phys[array_index_nospec(id, HV_MAX_VCPU_ID)]);
}

/* @only: what a LAPIC must be in to count, or NULL */
static void add_phys(const struct hv_apic_map *map, struct hv_apic_set *set, u32 id,
		     const struct hv_apic_set *only)
{
	u16 n;

	for (n = first_with_id(map, id); n; n = READ_ONCE(map->alias[n - 1]))
		if (!only || test_bit(n - 1, only->bits))
			__set_bit(n - 1, set->bits);
}

/*
 * 0xff from a device or an xAPIC means everybody. KVM_CAP_X2APIC_API can turn
 * that off for LAPICs in x2APIC mode: there it is id 255, or CPUs 0 to 7.
 */
static void add_broadcast(const struct hv_apic_map *map, const struct hv_vm *vm,
			  const struct hv_apic_msg *msg, struct hv_apic_set *set)
{
	if (msg->dest == HV_X2APIC_BROADCAST)
		set_add(map, set, &map->all, NULL);
	else if (!msg->wide && msg->dest == HV_XAPIC_BROADCAST)
		set_add(map, set, &map->all,
			vm->x2apic_broadcast_quirk_off ? &map->x2apic : NULL);
}

static void add_logical_xapic(const struct hv_apic_map *map, u32 dest, struct hv_apic_set *set)
{
	const struct hv_apic_set *cluster;
	unsigned int i;

	if (dest > U8_MAX)
		return;
	for (i = 0; i < HV_APIC_FLAT_IDS; i++)
		if (dest & BIT(i))
			set_add(map, set, &map->flat[i], &map->x2apic);
	cluster = map->cluster[array_index_nospec(dest / BIT(HV_APIC_CLUSTER_SIZE),
						  HV_APIC_CLUSTERS)];
	for (i = 0; i < HV_APIC_CLUSTER_SIZE; i++)
		if (dest & BIT(i))
			set_add(map, set, &cluster[i], &map->x2apic);
}

static void add_logical_x2apic(const struct hv_apic_map *map, u32 dest, struct hv_apic_set *set)
{
	u32 first = (dest >> 16) * HV_X2APIC_CLUSTER_SIZE;
	unsigned long mask = dest & U16_MAX;
	unsigned int i;

	if (first >= HV_MAX_VCPU_ID)
		return;
	for_each_set_bit(i, &mask, HV_X2APIC_CLUSTER_SIZE)
		add_phys(map, set, first + i, &map->x2apic);
}

static void add_addressed(const struct hv_apic_map *map, const struct hv_vm *vm,
			  const struct hv_apic_msg *msg, struct hv_apic_set *set)
{
	add_broadcast(map, vm, msg, set);
	if (msg->logical) {
		add_logical_x2apic(map, msg->dest, set);
		add_logical_xapic(map, msg->dest, set);
	} else if (msg->dest < HV_MAX_VCPU_ID) {
		add_phys(map, set, msg->dest, NULL);
	}
}

void hv_apic_map_resolve(const struct hv_apic_map *map, const struct hv_vm *vm,
			 const struct hv_lapic *src, const struct hv_apic_msg *msg,
			 struct hv_apic_set *set)
{
	set_clear(map, set);
	switch (msg->shorthand) {
	case HV_APIC_DEST:
		add_addressed(map, vm, msg, set);
		break;
	case HV_APIC_SELF:
		__set_bit(src->vcpu->index, set->bits);
		break;
	case HV_APIC_ALL:
		set_add(map, set, &map->all, NULL);
		break;
	case HV_APIC_OTHERS:
		set_add(map, set, &map->all, NULL);
		__clear_bit(src->vcpu->index, set->bits);
		break;
	}
}

struct hv_lapic *hv_apic_map_single(const struct hv_apic_map *map, const struct hv_apic_msg *msg)
{
	u16 n;

	if (msg->shorthand != HV_APIC_DEST || msg->logical || msg->dest >= HV_MAX_VCPU_ID ||
	    (msg->dest == HV_XAPIC_BROADCAST && !msg->wide))
		return NULL;
	n = first_with_id(map, msg->dest);
	return n && !map->alias[n - 1] ? map->lapic[n - 1] : NULL;
}
