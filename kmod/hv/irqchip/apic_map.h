/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who does an interrupt message address?
 *
 * The map turns a destination into a set of vCPUs, one bit for each index, by
 * table look-ups: no message makes anybody walk over all vCPUs, and one for a single APIC
 * id needs no set at all. It is immutable, published under RCU; a LAPIC whose mode, id, LDR
 * or DFR changes publishes a new one.
 */
#ifndef VELLUM_IRQCHIP_APIC_MAP_H
#define VELLUM_IRQCHIP_APIC_MAP_H

#include <linux/rcupdate.h>

#include "core/vm.h"
#include "irqchip/lapic.h"

#define HV_APIC_CLUSTERS	16	/* of 4 LAPICs each, xAPIC cluster model */
#define HV_APIC_CLUSTER_SIZE	4
#define HV_APIC_FLAT_IDS	8
#define HV_X2APIC_CLUSTER_SIZE	16

/* vCPUs, a bit for each index */
struct hv_apic_set {
	DECLARE_BITMAP(bits, HV_MAX_VCPUS);
};

/*
 * Several LAPICs may have one APIC id, for an xAPIC's is a register that its guest may write. They
 * form a chain of numbers, which are vCPU indices plus 1, so that 0 ends it.
 */
struct hv_apic_map {
	struct rcu_head rcu;
	unsigned int updates;		/* since the VM's first map */
	unsigned long grace;		/* of the maps before this lot of updates: see throttle() */
	unsigned int words;		/* of each set, that any vCPU is in */
	struct hv_apic_set all;		/* LAPICs that are not hardware-disabled */
	struct hv_apic_set x2apic;	/* those in x2APIC mode */
	struct hv_apic_set flat[HV_APIC_FLAT_IDS];	/* by bit of a logical address */
	struct hv_apic_set cluster[HV_APIC_CLUSTERS][HV_APIC_CLUSTER_SIZE];
	u16 phys[HV_MAX_VCPU_ID];	/* by APIC id: number of the first that has it */
	u16 alias[HV_MAX_VCPUS];	/* by index: number of the next with the same id */
	u16 id[HV_MAX_VCPUS];		/* by index: the id in whose chain it is */
	struct hv_lapic *lapic[HV_MAX_VCPUS];	/* by index; valid for those in @all */
};

/* How the message says who shall get it. */
enum hv_apic_shorthand { HV_APIC_DEST, HV_APIC_SELF, HV_APIC_ALL, HV_APIC_OTHERS };

/**
 * struct hv_apic_msg - an interrupt message
 * @dest: APIC id or logical address; 8 bits unless @wide
 * @mode: APIC_DM_*
 * @vector: for the modes that carry one
 * @shorthand: what replaces @dest
 * @logical: @dest is a logical address
 * @wide: @dest has 32 bits (sent by a LAPIC in x2APIC mode)
 * @level: level-triggered: its EOI is told to the IOAPIC
 * @lowest: one of the addressed is enough (lowest priority, or MSI redirection hint)
 */
struct hv_apic_msg {
	u32 dest;
	u16 mode;
	u8 vector;
	enum hv_apic_shorthand shorthand;
	bool logical;
	bool wide;
	bool level;
	bool lowest;
};

/* Take @lapic as it is now into the map of its VM, or out of it. 0 or -ENOMEM. May sleep. */
int hv_apic_map_update(struct hv_lapic *lapic);
/* the failed creation of a vCPU cannot fail: in place, for the caller to wait out readers */
void hv_apic_map_forget(struct hv_lapic *lapic);
void hv_apic_map_destroy(struct hv_vm *vm);

/*
 * Inside rcu_read_lock(): the vCPUs @msg addresses, in the first @map->words words of @set. @src:
 * the sender, NULL for a device.
 */
void hv_apic_map_resolve(const struct hv_apic_map *map, const struct hv_vm *vm,
			 const struct hv_lapic *src, const struct hv_apic_msg *msg,
			 struct hv_apic_set *set);
/* The only LAPIC that @msg addresses, by its id; NULL: who that is takes hv_apic_map_resolve() */
struct hv_lapic *hv_apic_map_single(const struct hv_apic_map *map, const struct hv_apic_msg *msg);

/*
 * lapic_ipi.c: send @msg. Any context. The number of LAPICs that took it.
 */
int hv_apic_deliver(struct hv_vm *vm, struct hv_lapic *src, const struct hv_apic_msg *msg);

#endif /* VELLUM_IRQCHIP_APIC_MAP_H */
