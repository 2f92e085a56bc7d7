// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a GSI to the pins and messages it means, and back from an acknowledged
 * pin to the GSI. The table is immutable, under vm->irq_srcu; writers hold
 * vm->irq_lock. Everything that delivers works in any context.
 */
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <asm/apicdef.h>

#include "core/eventfd.h"
#include "irqchip/apic_map.h"
#include "irqchip/chip.h"
#include "irqchip/pit.h"

#define HV_PIC_CHIP_PINS	8
#define HV_ISA_IRQS		16

/* An MSI's address and data (SDM volume 3, "Message Signalled Interrupts") */
#define HV_MSI_DEST_SHIFT	12
#define HV_MSI_REDIRECT		BIT(3)
#define HV_MSI_LOGICAL		BIT(2)
#define HV_MSI_MODE		GENMASK(10, 8)	/* as APIC_DM_* */
#define HV_MSI_LEVEL		BIT(15)

/* One destination of a GSI. */
struct hv_route {
	u32 gsi;
	u32 type;		/* KVM_IRQ_ROUTING_IRQCHIP or _MSI */
	union {
		struct kvm_irq_routing_irqchip pin;
		struct hv_apic_msg msg;
	};
};

/**
 * struct hv_routing - a routing table
 * @gsi_of: GSI of each controller's pin, -1: none
 * @first: index in @route of a GSI's first; of the next GSI's, behind its last
 * @route: ascending by GSI
 */
struct hv_routing {
	s16 gsi_of[KVM_NR_IRQCHIPS][KVM_IOAPIC_NUM_PINS];
	u16 first[HV_MAX_IRQ_ROUTES + 1];
	struct hv_route route[];
};

static void msi_decode(const struct hv_vm *vm, u64 address, u32 data, struct hv_apic_msg *msg)
{
	*msg = (struct hv_apic_msg){
		.dest = (address >> HV_MSI_DEST_SHIFT) & U8_MAX,
		.mode = data & HV_MSI_MODE,
		.vector = data,
		.logical = address & HV_MSI_LOGICAL,
		.level = data & HV_MSI_LEVEL,
		.lowest = (data & HV_MSI_MODE) == APIC_DM_LOWEST || (address & HV_MSI_REDIRECT),
	};
	/* KVM_X2APIC_API_USE_32BIT_IDS: bits 31 to 8 of the destination */
	if (vm->x2apic_format)
		msg->dest |= address >> 32 & ~(u64)U8_MAX;
}

static bool msi_valid(const struct hv_vm *vm, u32 address_hi)
{
	return !vm->x2apic_format || !(address_hi & U8_MAX);
}

int hv_msi_send(struct hv_vm *vm, u64 address, u32 data)
{
	struct hv_apic_msg msg;

	msi_decode(vm, address, data, &msg);
	return hv_apic_deliver(vm, NULL, &msg);
}

int hv_signal_msi(struct hv_vm *vm, const struct kvm_msi *msi)
{
	if (!hv_vm_irqchip_in_kernel(vm) || msi->flags || !msi_valid(vm, msi->address_hi))
		return -EINVAL;
	return hv_msi_send(vm, (u64)msi->address_hi << 32 | msi->address_lo, msi->data);
}

static struct hv_routing *routing(struct hv_vm *vm)
{
	return srcu_dereference_check(vm->routing, &vm->irq_srcu, lockdep_is_held(&vm->irq_lock));
}

static int set_pin(struct hv_vm *vm, const struct kvm_irq_routing_irqchip *pin, int source,
		   bool level)
{
	struct hv_irqchip *chip = vm->irqchip;

	if (pin->irqchip == KVM_IRQCHIP_IOAPIC)
		return hv_ioapic_set_irq(&chip->ioapic, pin->pin, source, level);
	return hv_pic_set_irq(&chip->pic, pin->irqchip * HV_PIC_CHIP_PINS + pin->pin, source,
			      level);
}

static int set_route(struct hv_vm *vm, const struct hv_route *route, int source, bool level)
{
	if (route->type == KVM_IRQ_ROUTING_IRQCHIP)
		return set_pin(vm, &route->pin, source, level);
	/* a message is sent on the rise; nothing happens on the fall */
	return level ? hv_apic_deliver(vm, NULL, &route->msg) : -1;
}

/* Sum of what took it; negative if nobody did. Inside vm->irq_srcu. */
static int set_level(struct hv_vm *vm, int source, u32 gsi, bool level)
{
	const struct hv_routing *table = routing(vm);
	int ret = -1, one;
	unsigned int i;

	if (!table || gsi >= HV_MAX_IRQ_ROUTES)
		return -1;
	gsi = array_index_nospec(gsi, HV_MAX_IRQ_ROUTES);
	for (i = table->first[gsi]; i < table->first[gsi + 1]; i++) {
		one = set_route(vm, &table->route[i], source, level);
		if (one >= 0)
			ret = max(ret, 0) + one;
	}
	return ret;
}

int hv_gsi_set_level(struct hv_vm *vm, int source, u32 gsi, int level)
{
	int idx = srcu_read_lock(&vm->irq_srcu);
	int ret = set_level(vm, source, gsi, level);

	srcu_read_unlock(&vm->irq_srcu, idx);
	return ret;
}

int hv_gsi_pulse(struct hv_vm *vm, int source, u32 gsi)
{
	int idx = srcu_read_lock(&vm->irq_srcu);
	int ret = set_level(vm, source, gsi, true);

	set_level(vm, source, gsi, false);
	srcu_read_unlock(&vm->irq_srcu, idx);
	return ret;
}

static struct hv_pit *gsi_pit(struct hv_vm *vm, int gsi)
{
	return gsi == HV_PIT_GSI ? hv_chip_pit(vm->irqchip) : NULL;
}

static int gsi_of(struct hv_vm *vm, unsigned int chip, unsigned int pin)
{
	const struct hv_routing *table = routing(vm);

	return table ? table->gsi_of[chip][pin] : -1;
}

void hv_irq_acked(struct hv_vm *vm, unsigned int chip, unsigned int pin)
{
	int idx = srcu_read_lock(&vm->irq_srcu);
	int gsi = gsi_of(vm, chip, pin);
	struct hv_pit *pit = gsi_pit(vm, gsi);

	if (pit)
		hv_pit_acked(pit);
	if (gsi >= 0)
		hv_irqfd_resample(vm, gsi);
	srcu_read_unlock(&vm->irq_srcu, idx);
}

void hv_irq_unmasked(struct hv_vm *vm, unsigned int chip, unsigned int pin)
{
	int idx = srcu_read_lock(&vm->irq_srcu);
	struct hv_pit *pit = gsi_pit(vm, gsi_of(vm, chip, pin));

	if (pit)
		hv_pit_unmasked(pit);
	srcu_read_unlock(&vm->irq_srcu, idx);
}

static bool pin_valid(const struct kvm_irq_routing_irqchip *pin)
{
	switch (pin->irqchip) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		return pin->pin < HV_PIC_CHIP_PINS;
	case KVM_IRQCHIP_IOAPIC:
		return pin->pin < KVM_IOAPIC_NUM_PINS;
	default:
		return false;
	}
}

static bool entry_valid(const struct hv_vm *vm, const struct kvm_irq_routing_entry *e,
			bool split)
{
	if (e->gsi >= HV_MAX_IRQ_ROUTES || e->flags)
		return false;
	switch (e->type) {
	case KVM_IRQ_ROUTING_IRQCHIP:
		return !split && pin_valid(&e->u.irqchip);
	case KVM_IRQ_ROUTING_MSI:
		return msi_valid(vm, e->u.msi.address_hi);
	default:
		return false;
	}
}

/* A GSI means either one message, or one pin of each controller. */
static bool compatible(const struct hv_route *a, const struct hv_route *b)
{
	return a->type == KVM_IRQ_ROUTING_IRQCHIP && b->type == KVM_IRQ_ROUTING_IRQCHIP &&
	       a->pin.irqchip != b->pin.irqchip;
}

static void route_fill(const struct hv_vm *vm, struct hv_route *route,
		       const struct kvm_irq_routing_entry *e)
{
	route->gsi = e->gsi;
	route->type = e->type;
	if (e->type == KVM_IRQ_ROUTING_IRQCHIP)
		route->pin = e->u.irqchip;
	else
		msi_decode(vm, (u64)e->u.msi.address_hi << 32 | e->u.msi.address_lo,
			   e->u.msi.data, &route->msg);
}

/* Counting sort by GSI: first[] is where each GSI's routes begin. */
static void table_fill(const struct hv_vm *vm, struct hv_routing *table,
		       const struct kvm_irq_routing_entry *entries, u32 nr)
{
	u32 i, gsi;

	for (i = 0; i < nr; i++)
		table->first[entries[i].gsi + 1]++;
	for (gsi = 0; gsi < HV_MAX_IRQ_ROUTES; gsi++)
		table->first[gsi + 1] += table->first[gsi];
	for (i = nr; i-- > 0;) {
		/* backwards, so that each slot is free and first[] ends at the beginnings */
		gsi = entries[i].gsi;
		route_fill(vm, &table->route[--table->first[gsi + 1]], &entries[i]);
	}
	/* now first[gsi + 1] is where gsi begins */
	memmove(table->first, table->first + 1, HV_MAX_IRQ_ROUTES * sizeof(table->first[0]));
	table->first[HV_MAX_IRQ_ROUTES] = nr;
}

static int table_check(struct hv_routing *table)
{
	unsigned int gsi, i, j;

	for (gsi = 0; gsi < HV_MAX_IRQ_ROUTES; gsi++)
		for (i = table->first[gsi]; i < table->first[gsi + 1]; i++)
			for (j = table->first[gsi]; j < i; j++)
				if (!compatible(&table->route[i], &table->route[j]))
					return -EINVAL;
	return 0;
}

static void table_reverse(struct hv_routing *table, u32 nr)
{
	const struct hv_route *route;

	memset(table->gsi_of, -1, sizeof(table->gsi_of));
	for (route = table->route; route < table->route + nr; route++)
		if (route->type == KVM_IRQ_ROUTING_IRQCHIP)
			table->gsi_of[route->pin.irqchip][route->pin.pin] = route->gsi;
}

static struct hv_routing *table_build(const struct hv_vm *vm,
				      const struct kvm_irq_routing_entry *entries, u32 nr)
{
	struct hv_routing *table;
	u32 i;
	int ret;

	for (i = 0; i < nr; i++)
		if (!entry_valid(vm, &entries[i], vm->split_irqchip))
			return ERR_PTR(-EINVAL);
	table = kvzalloc(struct_size(table, route, nr), GFP_KERNEL_ACCOUNT);
	if (!table)
		return ERR_PTR(-ENOMEM);
	table_fill(vm, table, entries, nr);
	ret = table_check(table);
	if (ret) {
		kvfree(table);
		return ERR_PTR(ret);
	}
	table_reverse(table, nr);
	return table;
}

static void table_publish(struct hv_vm *vm, struct hv_routing *table)
{
	struct hv_routing *old;

	mutex_lock(&vm->irq_lock);
	old = rcu_replace_pointer(vm->routing, table, lockdep_is_held(&vm->irq_lock));
	mutex_unlock(&vm->irq_lock);
	if (!old)
		return;
	synchronize_srcu_expedited(&vm->irq_srcu);
	kvfree(old);
}

/**
 * hv_routing_set() - KVM_SET_GSI_ROUTING
 * @vm: the VM
 * @entries: @nr of them; a copy of user space's
 * @nr: at most HV_MAX_IRQ_ROUTES
 * @flags: 0
 *
 * Return: 0, the old table being gone; -EINVAL without an in-kernel irqchip, for
 * unknown types, flags, chips, pins or GSIs, and for entries that exclude each
 * other; -ENOMEM.
 */
int hv_routing_set(struct hv_vm *vm, const struct kvm_irq_routing_entry *entries, u32 nr,
		   u32 flags)
{
	struct hv_routing *table;

	if (!hv_vm_irqchip_in_kernel(vm) || flags || nr > HV_MAX_IRQ_ROUTES)
		return -EINVAL;
	table = table_build(vm, entries, nr);
	if (IS_ERR(table))
		return PTR_ERR(table);
	table_publish(vm, table);
	return 0;
}

/* GSI n is pin n: of the 8259s up to 15, of the IOAPIC up to 23. */
int hv_routing_set_default(struct hv_vm *vm)
{
	struct kvm_irq_routing_entry *entries, *e;
	struct hv_routing *table;
	unsigned int gsi;

	entries = kcalloc(HV_ISA_IRQS + KVM_IOAPIC_NUM_PINS, sizeof(*entries), GFP_KERNEL);
	if (!entries)
		return -ENOMEM;
	e = entries;
	for (gsi = 0; gsi < KVM_IOAPIC_NUM_PINS; gsi++, e++) {
		e->gsi = gsi;
		e->type = KVM_IRQ_ROUTING_IRQCHIP;
		e->u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
		e->u.irqchip.pin = gsi;
	}
	for (gsi = 0; gsi < HV_ISA_IRQS; gsi++, e++) {
		e->gsi = gsi;
		e->type = KVM_IRQ_ROUTING_IRQCHIP;
		e->u.irqchip.irqchip = gsi / HV_PIC_CHIP_PINS;
		e->u.irqchip.pin = gsi % HV_PIC_CHIP_PINS;
	}
	table = table_build(vm, entries, e - entries);
	kfree(entries);
	if (IS_ERR(table))
		return PTR_ERR(table);
	table_publish(vm, table);
	return 0;
}

/* The VM ends: nobody routes any more. */
void hv_routing_destroy(struct hv_vm *vm)
{
	kvfree(rcu_dereference_protected(vm->routing, true));
	RCU_INIT_POINTER(vm->routing, NULL);
}
