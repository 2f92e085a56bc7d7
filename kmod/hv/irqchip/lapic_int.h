/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the local APIC share among themselves. */
#ifndef VELLUM_IRQCHIP_LAPIC_INT_H
#define VELLUM_IRQCHIP_LAPIC_INT_H

#include <linux/bitops.h>
#include <asm/apicdef.h>

#include "irqchip/lapic.h"

#define HV_LAPIC_REG_STRIDE	0x10	/* bytes from one register to the next */
/* lower ones are illegal (SDM, "Valid Interrupt Vectors") */
#define HV_LAPIC_FIRST_VECTOR	16

/* "Integrated APIC", version register: no EOI-broadcast suppression, LVT entries 0 to 5 */
#define HV_LAPIC_VERSION	(0x14 | 5 << 16)	/* without CMCI */
#define HV_LAPIC_VERSION_CMCI	(0x14 | 6 << 16)

#define HV_LVT_TIMER_MODE	(APIC_LVT_TIMER_PERIODIC | APIC_LVT_TIMER_TSCDEADLINE)

static inline u32 lapic_reg(const struct hv_lapic *lapic, u32 offset)
{
	return READ_ONCE(*(u32 *)(lapic->regs + offset));
}

static inline void lapic_set_reg(struct hv_lapic *lapic, u32 offset, u32 value)
{
	WRITE_ONCE(*(u32 *)(lapic->regs + offset), value);
}

/* The register of a 256-bit group (IRR, ISR, TMR) that holds @vector's bit, vector % 32. */
static inline unsigned long *lapic_vector_word(struct hv_lapic *lapic, u32 group, u8 vector)
{
	return lapic->regs + group + vector / 32 * HV_LAPIC_REG_STRIDE;
}

static inline bool lapic_vector_test(struct hv_lapic *lapic, u32 group, u8 vector)
{
	return test_bit(vector % 32, lapic_vector_word(lapic, group, vector));
}

static inline bool lapic_timer_is_deadline(const struct hv_lapic *lapic)
{
	return (lapic_reg(lapic, APIC_LVTT) & HV_LVT_TIMER_MODE) == APIC_LVT_TIMER_TSCDEADLINE;
}

static inline bool lapic_timer_is_periodic(const struct hv_lapic *lapic)
{
	return (lapic_reg(lapic, APIC_LVTT) & HV_LVT_TIMER_MODE) == APIC_LVT_TIMER_PERIODIC;
}

/* lapic.c */
int lapic_highest(const struct hv_lapic *lapic, u32 group);	/* vector, or -1 */
void lapic_update_ppr(struct hv_lapic *lapic);
void lapic_eoi(struct hv_lapic *lapic);
/* Ask for @vector; any context. false: it is asked for. Who sees it is the caller's business. */
bool lapic_set_irr(struct hv_lapic *lapic, u8 vector, bool level);
/* What was asked for comes into IRR. Only the vCPU itself, loaded */
void lapic_collect(struct hv_lapic *lapic);
/* TMR was set as a whole: which vectors' EOIs concern an IOAPIC */
void lapic_update_eoi_exits(struct hv_lapic *lapic);
/* mode, software enable or ISR changed: the back end looks again */
void lapic_tell_back_end(struct hv_lapic *lapic);
/* the same, and the vCPU looks at it. false: the LAPIC does not take interrupts */
bool lapic_accept(struct hv_lapic *lapic, u8 vector, bool level);
void lapic_set_id_regs(struct hv_lapic *lapic);
/* publish a changed mode, id, LDR or DFR; out of memory ends the KVM_RUN */
void lapic_map_changed(struct hv_lapic *lapic);

/* lapic_regs.c */
/* false: no such register, or not writable */
bool lapic_reg_write(struct hv_lapic *lapic, u32 offset, u32 value);
void lapic_set_spiv(struct hv_lapic *lapic, u32 value);
u32 lapic_lvt_mask(const struct hv_lapic *lapic, u32 offset);
/* Any context. An error of the ESR; reported by LVT error once a kind. */
void lapic_error(struct hv_lapic *lapic, u32 error);
/* the 8259 pair's output rose: LINT0, unless it is ExtINT. Any context */
void lapic_lint0_event(struct hv_lapic *lapic);
bool lapic_accepts_extint(const struct hv_lapic *lapic);

/* lapic_timer.c */
void lapic_timer_init(struct hv_lapic *lapic);
void lapic_timer_stop(struct hv_lapic *lapic);
void lapic_timer_set_count(struct hv_lapic *lapic, u32 count);
void lapic_timer_set_divide(struct hv_lapic *lapic, u32 tdcr);
void lapic_timer_mode_changed(struct hv_lapic *lapic);
u32 lapic_timer_current(struct hv_lapic *lapic);
/* KVM_GET_LAPIC: a time that has come is in IRR from now on. Loaded */
void lapic_timer_catch_up(struct hv_lapic *lapic);
/* KVM_SET_LAPIC: go on from @current, as far as the registers say there is a timer */
void lapic_timer_restore(struct hv_lapic *lapic, u32 current_count);

/* lapic_ipi.c */
void lapic_send_icr(struct hv_lapic *lapic, u32 icr, u32 dest);

#endif /* VELLUM_IRQCHIP_LAPIC_INT_H */
