/* SPDX-License-Identifier: GPL-2.0-only */
/* The I/O APIC: 24 pins (82093AA data sheet). */
#ifndef VELLUM_IRQCHIP_IOAPIC_H
#define VELLUM_IRQCHIP_IOAPIC_H

#include <linux/kvm.h>
#include <linux/spinlock.h>

#include "core/iobus.h"
#include "core/vm.h"

/**
 * struct hv_ioapic - pins and redirection table, all under @lock
 * @sources: for each pin, who holds it up (bits of enum hv_irq_source)
 * @irr: pins that are up
 * @delivered: edge pins whose present edge was delivered
 * @vectors: vectors of the table's entries; read without @lock by EOIs
 */
struct hv_ioapic {
	struct hv_iodev dev;
	struct hv_vm *vm;
	spinlock_t lock;	/* any context: taken with interrupts off */
	u32 select;
	u32 id;
	u32 irr;
	u32 delivered;
	u8 sources[KVM_IOAPIC_NUM_PINS];
	u64 redir[KVM_IOAPIC_NUM_PINS];
	DECLARE_BITMAP(vectors, KVM_NR_INTERRUPTS);
};

/* Under vm->slots_lock. 0 or the bus's error */
int hv_ioapic_init(struct hv_ioapic *ioapic, struct hv_vm *vm);
void hv_ioapic_fini(struct hv_ioapic *ioapic);

/* Any context. 1: delivered; 0: merged with one under way; -1: masked or nobody took it */
int hv_ioapic_set_irq(struct hv_ioapic *ioapic, unsigned int pin, int source, bool level);
/* A LAPIC's EOI; vCPU context. @level: its TMR bit */
void hv_ioapic_eoi(struct hv_vm *vm, u8 vector, bool level);
/* bits of the vectors 64 * @i and up whose EOI hv_ioapic_eoi() cares about */
u64 hv_ioapic_vectors(const struct hv_vm *vm, unsigned int i);

void hv_ioapic_get(struct hv_ioapic *ioapic, struct kvm_ioapic_state *s);
int hv_ioapic_set(struct hv_ioapic *ioapic, const struct kvm_ioapic_state *s);

#endif /* VELLUM_IRQCHIP_IOAPIC_H */
