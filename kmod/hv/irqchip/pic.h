/* SPDX-License-Identifier: GPL-2.0-only */
/* The pair of 8259A interrupt controllers, with the edge/level registers of the PIIX. */
#ifndef VELLUM_IRQCHIP_PIC_H
#define VELLUM_IRQCHIP_PIC_H

#include <linux/kvm.h>
#include <linux/spinlock.h>

#include "core/iobus.h"
#include "core/vm.h"

#define HV_PIC_PINS	16

/**
 * struct hv_pic - master and slave, in the form KVM saves them
 * @lock: protects all of it; any context: taken with interrupts off
 * @sources: for each pin, who holds it up (bits of enum hv_irq_source)
 * @output: the master's INTR line; read without the lock
 */
struct hv_pic {
	struct hv_iodev dev;
	struct hv_vm *vm;
	spinlock_t lock;	/* everything below */
	struct kvm_pic_state chip[2];
	u8 sources[HV_PIC_PINS];
	bool output;
};

/* Under vm->slots_lock. 0 or the bus's error */
int hv_pic_init(struct hv_pic *pic, struct hv_vm *vm);
void hv_pic_fini(struct hv_pic *pic);

/* Any context; @pin 0-15. 1: taken; 0: merged; -1: masked */
int hv_pic_set_irq(struct hv_pic *pic, unsigned int pin, int source, bool level);
/* INTA; vCPU context. The vector, a spurious one if the request is gone */
int hv_pic_ack(struct hv_pic *pic);

void hv_pic_get(struct hv_pic *pic, unsigned int which, struct kvm_pic_state *s);
void hv_pic_set(struct hv_pic *pic, unsigned int which, const struct kvm_pic_state *s);

#endif /* VELLUM_IRQCHIP_PIC_H */
