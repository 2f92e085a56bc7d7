/* SPDX-License-Identifier: GPL-2.0-only */
/* Interrupts from devices in the launcher to the irqchip in the kernel. */
#ifndef VELLUM_VM_IRQ_H
#define VELLUM_VM_IRQ_H

#include "vm/kvm.h"

#include <pthread.h>

/**
 * struct irq_pin - where the lines of several devices meet: high while one of them is
 * @lock: protects @raised and the level of the GSI; innermost
 * @raised: lines that are high
 */
struct irq_pin {
	pthread_mutex_t lock;
	u32 raised;
};

/**
 * struct irq_line - a level-triggered wire to one GSI
 * @kvm: where it leads
 * @pin: shared with other lines to the same GSI, or NULL
 * @gsi: global system interrupt
 * @level: as last reported, so that only changes cost a system call
 *
 * The owner's lock serialises irq_line_set().
 */
struct irq_line {
	const struct kvm *kvm;
	struct irq_pin *pin;
	u32 gsi;
	bool level;
};

void irq_line_set(struct irq_line *line, bool level);
void irq_send_msi(const struct kvm *kvm, u64 address, u32 data);

#endif
