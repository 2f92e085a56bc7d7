/* SPDX-License-Identifier: GPL-2.0-only */
/* What the interrupt controllers of the full in-kernel irqchip share. */
#ifndef VELLUM_IRQCHIP_CHIP_H
#define VELLUM_IRQCHIP_CHIP_H

#include "irqchip/ioapic.h"
#include "irqchip/irqchip.h"
#include "irqchip/pic.h"

struct hv_pit;

struct hv_irqchip {
	struct hv_pic pic;
	struct hv_ioapic ioapic;
	struct hv_pit *pit;	/* NULL, or published once with release */
};

/* The full irqchip of @vm, complete, or NULL. */
static inline struct hv_irqchip *hv_vm_chip(const struct hv_vm *vm)
{
	/* pairs with the release in irqchip.c */
	return smp_load_acquire(&vm->irqchip);
}

/* Its 8254, complete, or NULL. */
static inline struct hv_pit *hv_chip_pit(const struct hv_irqchip *chip)
{
	/* pairs with the release in pit.c */
	return smp_load_acquire(&chip->pit);
}

static inline void set_source(unsigned int bit, u8 *word, bool value)
{
	*word = (*word & ~BIT(bit)) | (value ? BIT(bit) : 0);
}

/* route.c: a controller's pin was acknowledged (vCPU context), or became unmasked */
void hv_irq_acked(struct hv_vm *vm, unsigned int chip, unsigned int pin);
void hv_irq_unmasked(struct hv_vm *vm, unsigned int chip, unsigned int pin);

#endif /* VELLUM_IRQCHIP_CHIP_H */
