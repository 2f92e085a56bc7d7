// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_SET_GSI_ROUTING replaces the whole table, so all of it is kept here: first the pins that
 * KVM_CREATE_IRQCHIP had wired (ISA interrupts to both 8259s and the IOAPIC), then the messages.
 */
#include "vm/route.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define PIC_PINS	8
#define IOAPIC_PINS	24
#define ISA_IRQS	(2 * PIC_PINS)
#define PIN_ROUTES	(ISA_IRQS + IOAPIC_PINS)
#define FIRST_GSI	IOAPIC_PINS

void routes_init(struct irq_routes *r, const struct kvm *kvm)
{
	memset(r, 0, sizeof(*r));
	pthread_mutex_init(&r->lock, NULL);
	r->kvm = kvm;
}

static struct kvm_irq_routing_entry pin_route(u32 gsi, u32 chip, u32 pin)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

static struct kvm_irq_routing_entry message_route(u32 gsi, struct msi message)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = {
			.address_lo = (u32)message.address,
			.address_hi = (u32)(message.address >> 32),
			.data = message.data,
		},
	};
}

static int load(const struct irq_routes *r)
{
	struct kvm_irq_routing *table;
	u32 i, n = 0;
	int ret;

	table = calloc(1, sizeof(*table) + (PIN_ROUTES + r->count) * sizeof(*table->entries));
	if (!table)
		return -1;
	for (i = 0; i < ISA_IRQS; i++)
		table->entries[n++] = pin_route(i, i < PIC_PINS ? KVM_IRQCHIP_PIC_MASTER :
						KVM_IRQCHIP_PIC_SLAVE, i % PIC_PINS);
	for (i = 0; i < IOAPIC_PINS; i++)
		table->entries[n++] = pin_route(i, KVM_IRQCHIP_IOAPIC, i);
	for (i = 0; i < r->count; i++)
		if (r->messages[i].address)
			table->entries[n++] = message_route(FIRST_GSI + i, r->messages[i]);
	table->nr = n;
	ret = ioctl(r->kvm->vm_fd, KVM_SET_GSI_ROUTING, table);
	free(table);
	return ret;
}

/* Reserve a message. */
int routes_add(struct irq_routes *r, u32 *gsi, struct error *err)
{
	int ret = 0;

	pthread_mutex_lock(&r->lock);
	if (r->count == ROUTES_MAX || !kvm_cap(r->kvm, KVM_CAP_IRQFD))
		ret = error_set(err, STATUS_UNAVAILABLE,
				"--device %s: no irqfd left for vhost (use vhost=off)",
				r->kvm->path);
	else
		*gsi = FIRST_GSI + r->count++;
	pthread_mutex_unlock(&r->lock);
	return ret;
}

/* Address and data are the guest's. Return: 0, or -1 when the hypervisor refuses the message. */
int routes_set(struct irq_routes *r, u32 gsi, struct msi message)
{
	struct msi *m = &r->messages[gsi - FIRST_GSI];
	int ret = 0;

	pthread_mutex_lock(&r->lock);
	if (m->address != message.address || m->data != message.data) {
		*m = message;
		ret = load(r);
		if (ret)
			*m = (struct msi){ 0 };
	}
	pthread_mutex_unlock(&r->lock);
	return ret;
}

static int irqfd(const struct kvm *kvm, int fd, u32 gsi, u32 flags)
{
	struct kvm_irqfd request = { .fd = (u32)fd, .gsi = gsi, .flags = flags };

	return ioctl(kvm->vm_fd, KVM_IRQFD, &request);
}

int irqfd_assign(const struct kvm *kvm, int fd, u32 gsi)
{
	return irqfd(kvm, fd, gsi, 0);
}

void irqfd_deassign(const struct kvm *kvm, int fd, u32 gsi)
{
	(void)irqfd(kvm, fd, gsi, KVM_IRQFD_FLAG_DEASSIGN);
}
