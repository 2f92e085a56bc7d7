/* SPDX-License-Identifier: GPL-2.0-only */
/* The in-kernel interrupt controllers as the rest of the hypervisor sees them. */
#ifndef VELLUM_IRQCHIP_IRQCHIP_H
#define VELLUM_IRQCHIP_IRQCHIP_H

#include <linux/kvm.h>

#include "core/vcpu.h"
#include "core/vm.h"

/* Who holds a GSI's line up: a line is up while anybody does. */
enum hv_irq_source {
	HV_IRQ_SOURCE_USER,		/* KVM_IRQ_LINE */
	HV_IRQ_SOURCE_IRQFD,		/* an irqfd's pulse */
	HV_IRQ_SOURCE_RESAMPLE,		/* irqfds with a resamplefd, until acknowledged */
	HV_IRQ_SOURCE_PIT,
	HV_IRQ_SOURCE_RESTORED,		/* whoever held it when the state was taken */
};

#define HV_MAX_IRQ_ROUTES	4096	/* entries in a GSI routing table */

/* VM ioctls. 0 or -errno; take vm->lock, vm->slots_lock and vm->irq_lock as they need. */
int hv_irqchip_create(struct hv_vm *vm);		/* PIC pair, IOAPIC, default routing */
int hv_irqchip_create_split(struct hv_vm *vm);
void hv_irqchip_destroy(struct hv_vm *vm);		/* NULL-safe */
int hv_irqchip_get(struct hv_vm *vm, struct kvm_irqchip *chip);
int hv_irqchip_set(struct hv_vm *vm, const struct kvm_irqchip *chip);
int hv_pit_create(struct hv_vm *vm, const struct kvm_pit_config *config);
int hv_pit_get2(struct hv_vm *vm, struct kvm_pit_state2 *state);
int hv_pit_set2(struct hv_vm *vm, const struct kvm_pit_state2 *state);
int hv_pit_reinject(struct hv_vm *vm, bool on);

/*
 * route.c, any context. All return how many CPUs or pins took it; 0: merged with one that
 * is pending; < 0: masked, ignored, or no such route.
 */
int hv_gsi_set_level(struct hv_vm *vm, int source, u32 gsi, int level);
int hv_gsi_pulse(struct hv_vm *vm, int source, u32 gsi);	/* up and down again */
int hv_msi_send(struct hv_vm *vm, u64 address, u32 data);
/* KVM_SIGNAL_MSI: the same, or -EINVAL */
int hv_signal_msi(struct hv_vm *vm, const struct kvm_msi *msi);
/* 0, -EINVAL, -ENOMEM; take vm->irq_lock */
int hv_routing_set(struct hv_vm *vm, const struct kvm_irq_routing_entry *entries, u32 nr,
		   u32 flags);
int hv_routing_set_default(struct hv_vm *vm);
void hv_routing_destroy(struct hv_vm *vm);

/* What run.c and event.c ask of a vCPU's controllers. All cheap when nothing is pending. */
/* Would an interrupt of user space's 8259s be taken, as far as the controllers are concerned? */
bool hv_irq_accepts_external(const struct hv_vcpu *vcpu);
bool hv_irq_pending(struct hv_vcpu *vcpu);		/* PIC through LVT0, or LAPIC above PPR */
/* the same, but what the hardware delivers by itself is only handed over to it */
bool hv_irq_injectable(struct hv_vcpu *vcpu);
int hv_irq_ack(struct hv_vcpu *vcpu);			/* take it: vector, or -1 */

#endif /* VELLUM_IRQCHIP_IRQCHIP_H */
