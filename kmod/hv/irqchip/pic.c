// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 8259A pair (Intel 8259A data sheet), master at 0x20, slave at 0xa0 on the
 * master's IR2, and the PIIX's edge/level control registers at 0x4d0 and 0x4d1.
 *
 * The slave's INT is a level into the master: recomputed after every change,
 * never remembered. Acknowledgements are collected under the lock and told to
 * those who wait for them after it.
 */
#include <linux/bitops.h>
#include <linux/string.h>

#include "core/request.h"
#include "irqchip/chip.h"
#include "irqchip/lapic_int.h"
#include "irqchip/pic.h"

#define HV_PIC_MASTER		0x20	/* ports; the slave's and ELCR's have the same layout */
#define HV_PIC_SLAVE		0xa0
#define HV_PIC_ELCR		0x4d0
#define HV_PIC_CASCADE		2	/* the master's input that is the slave */
#define HV_PIC_SPURIOUS		7
#define HV_PIC_NONE		8	/* of a priority: no request */

/* ICW1, ICW4, OCW3: by name in the data sheet */
#define HV_ICW1			BIT(4)
#define HV_ICW1_IC4		BIT(0)
#define HV_ICW4_AEOI		BIT(1)
#define HV_ICW4_SFNM		BIT(4)
#define HV_OCW3			BIT(3)
#define HV_OCW3_RIS		BIT(0)
#define HV_OCW3_RR		BIT(1)
#define HV_OCW3_POLL		BIT(2)
#define HV_OCW3_SMM		BIT(5)
#define HV_OCW3_ESMM		BIT(6)
#define HV_POLL_PENDING		BIT(7)

enum { HV_INIT_DONE, HV_INIT_ICW2, HV_INIT_ICW3, HV_INIT_ICW4 };

/* OCW2, bits 7 to 5: R, SL, EOI */
enum {
	HV_OCW2_ROTATE_AEOI_CLEAR, HV_OCW2_EOI, HV_OCW2_NOP, HV_OCW2_EOI_SPECIFIC,
	HV_OCW2_ROTATE_AEOI_SET, HV_OCW2_EOI_ROTATE, HV_OCW2_SET_PRIORITY,
	HV_OCW2_EOI_SPECIFIC_ROTATE,
};

/* What to do once the lock is dropped. */
struct pic_effects {
	u16 acked;		/* pins */
	bool rose;		/* INTR went up */
	bool unmasked;		/* the 8254's pin */
};

static const u8 elcr_mask[2] = { 0xf8, 0xde };	/* timer, keyboard, cascade, RTC, FPU: edges */

static struct hv_pic *to_pic(struct hv_iodev *dev)
{
	return container_of(dev, struct hv_pic, dev);
}

/* The rank of the highest of @pins, 0 to 7, or HV_PIC_NONE. */
static unsigned int top_rank(const struct kvm_pic_state *s, u8 pins)
{
	unsigned int rank;

	if (!pins)
		return HV_PIC_NONE;
	for (rank = 0; !(pins & BIT((rank + s->priority_add) & 7)); rank++)
		;
	return rank;
}

/* The request this chip would deliver now, or -1. */
static int pic_request(const struct kvm_pic_state *s, bool master)
{
	unsigned int rank = top_rank(s, s->irr & ~s->imr);
	u8 in_service = s->isr;

	if (rank == HV_PIC_NONE)
		return -1;
	if (s->special_mask)
		in_service &= ~s->imr;
	/* a slave in service may interrupt itself by a higher request */
	if (master && s->special_fully_nested_mode)
		in_service &= ~BIT(HV_PIC_CASCADE);
	if (rank >= top_rank(s, in_service))
		return -1;
	return (rank + s->priority_add) & 7;
}

/* Recompute the cascade and INTR. Under lock. */
static void pic_update(struct hv_pic *pic, struct pic_effects *fx)
{
	struct kvm_pic_state *master = &pic->chip[0];
	bool output;

	if (pic_request(&pic->chip[1], false) >= 0)
		master->irr |= BIT(HV_PIC_CASCADE);
	else
		master->irr &= ~BIT(HV_PIC_CASCADE);
	output = pic_request(master, true) >= 0;
	if (output && !pic->output)
		fx->rose = true;
	WRITE_ONCE(pic->output, output);
}

/* INTR rose: to every CPU whose LINT0 is wired to it. Any context. */
static void pic_notify(struct hv_pic *pic)
{
	struct hv_vcpu *vcpu;
	int i;

	hv_for_each_vcpu(i, vcpu, pic->vm) {
		if (!vcpu->lapic)
			continue;
		if (lapic_accepts_extint(vcpu->lapic)) {
			hv_request(vcpu, HV_REQ_EVENT);
			hv_vcpu_kick(vcpu);
		} else {
			lapic_lint0_event(vcpu->lapic);
		}
	}
}

static void pic_effects_apply(struct hv_pic *pic, const struct pic_effects *fx)
{
	unsigned long acked = fx->acked;
	unsigned int pin;

	if (fx->rose)
		pic_notify(pic);
	for_each_set_bit(pin, &acked, HV_PIC_PINS)
		hv_irq_acked(pic->vm, pin / 8, pin % 8);
	if (fx->unmasked)
		hv_irq_unmasked(pic->vm, KVM_IRQCHIP_PIC_MASTER, 0);
}

/* One input of one chip. As hv_pic_set_irq(). */
static int chip_set_pin(struct kvm_pic_state *s, u8 bit, bool up)
{
	bool merged = s->irr & bit;

	if (s->elcr & bit) {
		s->irr = up ? s->irr | bit : s->irr & ~bit;
	} else if (up) {
		merged = s->last_irr & bit || merged;
		if (!(s->last_irr & bit))
			s->irr |= bit;
	}
	s->last_irr = up ? s->last_irr | bit : s->last_irr & ~bit;
	if (s->imr & bit)
		return -1;
	return up && merged ? 0 : 1;
}

int hv_pic_set_irq(struct hv_pic *pic, unsigned int pin, int source, bool level)
{
	struct pic_effects fx = {};
	unsigned long flags;
	int ret;

	spin_lock_irqsave(&pic->lock, flags);
	set_source(source, &pic->sources[pin], level);
	ret = chip_set_pin(&pic->chip[pin / 8], BIT(pin % 8), pic->sources[pin]);
	pic_update(pic, &fx);
	/* LINT0 as a virtual wire knows no INTA: it lives on the edges of the input */
	fx.rose |= level && ret >= 0 && pic->output;
	spin_unlock_irqrestore(&pic->lock, flags);
	pic_effects_apply(pic, &fx);
	return ret;
}

static void end_of_interrupt(struct hv_pic *pic, unsigned int which, unsigned int pin,
			     struct pic_effects *fx)
{
	pic->chip[which].isr &= ~BIT(pin);
	fx->acked |= BIT(which * 8 + pin);
}

/* The CPU takes @pin of a chip. Under lock. */
static void take(struct hv_pic *pic, unsigned int which, unsigned int pin,
		 struct pic_effects *fx)
{
	struct kvm_pic_state *s = &pic->chip[which];

	if (!(s->elcr & BIT(pin)))
		s->irr &= ~BIT(pin);
	s->isr |= BIT(pin);
	if (!s->auto_eoi)
		return;
	if (s->rotate_on_auto_eoi)
		s->priority_add = (pin + 1) & 7;
	end_of_interrupt(pic, which, pin, fx);
}

/* One INTA of one chip: its vector. IR7's if the request is gone. Under lock. */
static u8 chip_ack(struct hv_pic *pic, unsigned int which, struct pic_effects *fx, int *pin)
{
	*pin = pic_request(&pic->chip[which], !which);
	if (*pin < 0)
		return pic->chip[which].irq_base + HV_PIC_SPURIOUS;
	take(pic, which, *pin, fx);
	return pic->chip[which].irq_base + *pin;
}

int hv_pic_ack(struct hv_pic *pic)
{
	struct pic_effects fx = {};
	unsigned long flags;
	int pin, vector;

	spin_lock_irqsave(&pic->lock, flags);
	vector = chip_ack(pic, 0, &fx, &pin);
	if (pin == HV_PIC_CASCADE)
		vector = chip_ack(pic, 1, &fx, &pin);
	/* the CPU saw INTR low between two interrupts: no edge is lost on it */
	WRITE_ONCE(pic->output, false);
	pic_update(pic, &fx);
	spin_unlock_irqrestore(&pic->lock, flags);
	pic_effects_apply(pic, &fx);
	return vector;
}

static void write_icw1(struct kvm_pic_state *s, u8 value)
{
	/* levels stay, edges must come anew */
	s->irr &= s->elcr;
	s->last_irr = 0;
	s->imr = 0;
	s->isr = 0;
	s->priority_add = 0;
	s->special_mask = 0;
	s->read_reg_select = 0;
	s->poll = 0;
	s->init4 = !!(value & HV_ICW1_IC4);
	if (!s->init4) {
		s->special_fully_nested_mode = 0;
		s->auto_eoi = 0;
	}
	s->init_state = HV_INIT_ICW2;
}

static void write_ocw3(struct kvm_pic_state *s, u8 value)
{
	if (value & HV_OCW3_POLL)
		s->poll = 1;
	if (value & HV_OCW3_RR)
		s->read_reg_select = value & HV_OCW3_RIS;
	if (value & HV_OCW3_ESMM)
		s->special_mask = !!(value & HV_OCW3_SMM);
}

static void eoi_highest(struct hv_pic *pic, unsigned int which, bool rotate,
			struct pic_effects *fx)
{
	struct kvm_pic_state *s = &pic->chip[which];
	unsigned int rank = top_rank(s, s->isr);
	unsigned int pin = (rank + s->priority_add) & 7;

	if (rank == HV_PIC_NONE)
		return;
	if (rotate)
		s->priority_add = (pin + 1) & 7;
	end_of_interrupt(pic, which, pin, fx);
}

static void write_ocw2(struct hv_pic *pic, unsigned int which, u8 value, struct pic_effects *fx)
{
	struct kvm_pic_state *s = &pic->chip[which];
	unsigned int pin = value & 7;

	switch (value >> 5) {
	case HV_OCW2_ROTATE_AEOI_CLEAR:
	case HV_OCW2_ROTATE_AEOI_SET:
		s->rotate_on_auto_eoi = value >> 7;
		break;
	case HV_OCW2_EOI:
	case HV_OCW2_EOI_ROTATE:
		eoi_highest(pic, which, value >> 7, fx);
		break;
	case HV_OCW2_EOI_SPECIFIC_ROTATE:
		s->priority_add = (pin + 1) & 7;
		end_of_interrupt(pic, which, pin, fx);
		break;
	case HV_OCW2_EOI_SPECIFIC:
		end_of_interrupt(pic, which, pin, fx);
		break;
	case HV_OCW2_SET_PRIORITY:
		s->priority_add = (pin + 1) & 7;
		break;
	}
}

/* A0 = 1: ICW2 to ICW4 after an ICW1, else OCW1. */
static void write_data(struct hv_pic *pic, unsigned int which, u8 value, struct pic_effects *fx)
{
	struct kvm_pic_state *s = &pic->chip[which];

	switch (s->init_state) {
	case HV_INIT_DONE:
		fx->unmasked = !which && (s->imr & ~value & BIT(0));
		s->imr = value;
		break;
	case HV_INIT_ICW2:
		s->irq_base = value & ~7;
		s->init_state = HV_INIT_ICW3;
		break;
	case HV_INIT_ICW3:
		s->init_state = s->init4 ? HV_INIT_ICW4 : HV_INIT_DONE;
		break;
	case HV_INIT_ICW4:
		s->special_fully_nested_mode = !!(value & HV_ICW4_SFNM);
		s->auto_eoi = !!(value & HV_ICW4_AEOI);
		s->init_state = HV_INIT_DONE;
		break;
	}
}

static void write_chip(struct hv_pic *pic, unsigned int which, bool a0, u8 value,
		       struct pic_effects *fx)
{
	if (a0)
		write_data(pic, which, value, fx);
	else if (value & HV_ICW1)
		write_icw1(&pic->chip[which], value);
	else if (value & HV_OCW3)
		write_ocw3(&pic->chip[which], value);
	else
		write_ocw2(pic, which, value, fx);
}

/* After OCW3 with P: a read is an INTA that answers with the input's number. */
static u8 read_poll(struct hv_pic *pic, unsigned int which, struct pic_effects *fx)
{
	int pin;

	pic->chip[which].poll = 0;
	chip_ack(pic, which, fx, &pin);
	return pin < 0 ? HV_PIC_SPURIOUS : pin | HV_POLL_PENDING;
}

static u8 read_chip(struct hv_pic *pic, unsigned int which, bool a0, struct pic_effects *fx)
{
	struct kvm_pic_state *s = &pic->chip[which];

	if (s->poll)
		return read_poll(pic, which, fx);
	if (a0)
		return s->imr;
	return s->read_reg_select ? s->isr : s->irr;
}

static unsigned int which_chip(u64 port)
{
	return (port & ~1ULL) == HV_PIC_SLAVE;
}

static u8 pic_read_locked(struct hv_pic *pic, u64 port)
{
	struct pic_effects fx = {};
	unsigned long flags;
	u8 result;

	spin_lock_irqsave(&pic->lock, flags);
	if ((port & ~1ULL) == HV_PIC_ELCR) {
		result = pic->chip[port & 1].elcr;
	} else {
		result = read_chip(pic, which_chip(port), port & 1, &fx);
		pic_update(pic, &fx);
	}
	spin_unlock_irqrestore(&pic->lock, flags);
	pic_effects_apply(pic, &fx);
	return result;
}

/* The mask is one byte, and reading it changes nothing unless a poll is due. */
static bool reads_mask(const struct hv_pic *pic, u64 port)
{
	return (port & 1) && (port & ~1ULL) != HV_PIC_ELCR &&
	       !READ_ONCE(pic->chip[which_chip(port)].poll);
}

/* Eight data lines: what is wider reads as zero. */
static noinline int pic_read_any(struct hv_pic *pic, u64 port, unsigned int len, u8 *val)
{
	memset(val, 0, len);
	*val = pic_read_locked(pic, port);
	return 0;
}

static int pic_read(struct hv_vcpu *vcpu, struct hv_iodev *dev, u64 port,
		    unsigned int len, void *val)
{
	struct hv_pic *pic = to_pic(dev);

	if (unlikely(len != 1 || !reads_mask(pic, port)))
		return pic_read_any(pic, port, len, val);
	*(u8 *)val = READ_ONCE(pic->chip[which_chip(port)].imr);
	return 0;
}

static int pic_write(struct hv_vcpu *vcpu, struct hv_iodev *dev, u64 port,
		     unsigned int len, const void *val)
{
	struct hv_pic *pic = to_pic(dev);
	struct pic_effects fx = {};
	u8 value = *(const u8 *)val;
	unsigned long flags;

	/* eight data lines: what is wider is for nobody here */
	if (len != 1)
		return 0;
	spin_lock_irqsave(&pic->lock, flags);
	if ((port & ~1ULL) == HV_PIC_ELCR)
		pic->chip[port & 1].elcr = value & elcr_mask[port & 1];
	else
		write_chip(pic, which_chip(port), port & 1, value, &fx);
	pic_update(pic, &fx);
	spin_unlock_irqrestore(&pic->lock, flags);
	pic_effects_apply(pic, &fx);
	return 0;
}

static const struct hv_iodev_ops pic_ops = {
	.read = pic_read,
	.write = pic_write,
};

int hv_pic_init(struct hv_pic *pic, struct hv_vm *vm)
{
	static const u16 ports[] = { HV_PIC_MASTER, HV_PIC_SLAVE, HV_PIC_ELCR };
	unsigned int i;
	int ret = 0;

	pic->vm = vm;
	pic->dev.ops = &pic_ops;
	pic->chip[0].elcr_mask = elcr_mask[0];
	pic->chip[1].elcr_mask = elcr_mask[1];
	spin_lock_init(&pic->lock);
	for (i = 0; i < ARRAY_SIZE(ports) && !ret; i++)
		ret = hv_iobus_add(vm, HV_PIO_BUS, ports[i], 2, &pic->dev);
	if (ret)
		hv_pic_fini(pic);
	return ret;
}

void hv_pic_fini(struct hv_pic *pic)
{
	hv_iobus_remove(pic->vm, HV_PIO_BUS, &pic->dev);
}

void hv_pic_get(struct hv_pic *pic, unsigned int which, struct kvm_pic_state *s)
{
	spin_lock_irq(&pic->lock);
	*s = pic->chip[which];
	spin_unlock_irq(&pic->lock);
}

void hv_pic_set(struct hv_pic *pic, unsigned int which, const struct kvm_pic_state *s)
{
	struct kvm_pic_state *chip = &pic->chip[which];
	struct pic_effects fx = {};

	spin_lock_irq(&pic->lock);
	*chip = *s;
	/* what the chip could not hold */
	chip->priority_add &= 7;
	chip->irq_base &= ~7;
	chip->init_state &= 3;
	chip->elcr_mask = elcr_mask[which];
	chip->elcr &= elcr_mask[which];
	pic_update(pic, &fx);
	spin_unlock_irq(&pic->lock);
	/* what was pending when the state was taken is pending now */
	pic_notify(pic);
}
