// SPDX-License-Identifier: GPL-2.0-only
/*
 * The I/O APIC (82093AA data sheet). A pin is a level with several holders; an
 * edge-triggered entry sends on the rise, a level-triggered one while the pin is
 * up and no message of it is unacknowledged (remote IRR).
 */
#include <linux/bitops.h>
#include <linux/nospec.h>
#include <linux/string.h>
#include <asm/apicdef.h>

#include "irqchip/apic_map.h"
#include "irqchip/chip.h"
#include "irqchip/ioapic.h"

#define HV_IOAPIC_LEN		0x100	/* of its MMIO, bytes */
#define HV_IOAPIC_SELECT	0x00
#define HV_IOAPIC_WINDOW	0x10

#define HV_IOAPIC_REG_ID	0x00
#define HV_IOAPIC_REG_VERSION	0x01
#define HV_IOAPIC_REG_ARB	0x02
#define HV_IOAPIC_REG_REDIR	0x10
#define HV_IOAPIC_ID_MASK	GENMASK(27, 24)
#define HV_IOAPIC_VERSION	(0x11 | (KVM_IOAPIC_NUM_PINS - 1) << 16)

/* A redirection entry */
#define HV_REDIR_VECTOR		GENMASK_ULL(7, 0)
#define HV_REDIR_MODE		GENMASK_ULL(10, 8)	/* as APIC_DM_* */
#define HV_REDIR_LOGICAL	BIT_ULL(11)
#define HV_REDIR_STATUS		BIT_ULL(12)
#define HV_REDIR_REMOTE_IRR	BIT_ULL(14)
#define HV_REDIR_LEVEL		BIT_ULL(15)
#define HV_REDIR_MASKED		BIT_ULL(16)
#define HV_REDIR_DEST_SHIFT	56
#define HV_REDIR_READ_ONLY	(HV_REDIR_STATUS | HV_REDIR_REMOTE_IRR)
#define HV_REDIR_VALID		(GENMASK_ULL(16, 0) | GENMASK_ULL(63, HV_REDIR_DEST_SHIFT))

static struct hv_ioapic *to_ioapic(struct hv_iodev *dev)
{
	return container_of(dev, struct hv_ioapic, dev);
}

static void entry_to_msg(u64 entry, struct hv_apic_msg *msg)
{
	*msg = (struct hv_apic_msg){
		.dest = entry >> HV_REDIR_DEST_SHIFT,
		.mode = entry & HV_REDIR_MODE,
		.vector = entry & HV_REDIR_VECTOR,
		.logical = entry & HV_REDIR_LOGICAL,
		.level = entry & HV_REDIR_LEVEL,
		.lowest = (entry & HV_REDIR_MODE) == APIC_DM_LOWEST,
	};
}

/* Send what @pin asks for, if it may. As hv_ioapic_set_irq(). Under lock. */
static int service(struct hv_ioapic *ioapic, unsigned int pin)
{
	u64 *entry = &ioapic->redir[pin];
	struct hv_apic_msg msg;

	if (*entry & HV_REDIR_MASKED)
		return -1;
	if ((*entry & HV_REDIR_LEVEL) && (*entry & HV_REDIR_REMOTE_IRR))
		return 0;
	entry_to_msg(*entry, &msg);
	if (!hv_apic_deliver(ioapic->vm, NULL, &msg))
		return -1;
	if (msg.level)
		*entry |= HV_REDIR_REMOTE_IRR;
	else
		ioapic->delivered |= BIT(pin);
	return 1;
}

int hv_ioapic_set_irq(struct hv_ioapic *ioapic, unsigned int pin, int source, bool level)
{
	bool was_up, is_up, edge;
	unsigned long flags;
	int ret = 1;

	spin_lock_irqsave(&ioapic->lock, flags);
	was_up = ioapic->sources[pin];
	set_source(source, &ioapic->sources[pin], level);
	/* Who lowers the pin is who held it. */
	if (!level)
		set_source(HV_IRQ_SOURCE_RESTORED, &ioapic->sources[pin], false);
	is_up = ioapic->sources[pin];
	edge = !(ioapic->redir[pin] & HV_REDIR_LEVEL);
	if (!is_up) {
		ioapic->irr &= ~BIT(pin);
		ioapic->delivered &= ~BIT(pin);
	} else if (was_up && edge) {
		ret = 0;
	} else {
		ioapic->irr |= BIT(pin);
		ret = service(ioapic, pin);
	}
	spin_unlock_irqrestore(&ioapic->lock, flags);
	return ret;
}

/*
 * Which pins sent @vector. Who ends an edge, an IPI perhaps, has not seen a level that another CPU
 * handles under the same vector. Level-triggered ones may send again after this. Under lock.
 */
static u32 end_of_interrupt(struct hv_ioapic *ioapic, u8 vector, bool level)
{
	u64 sender = vector | (level ? HV_REDIR_LEVEL : 0);
	unsigned int pin;
	u32 pins = 0;

	for (pin = 0; pin < KVM_IOAPIC_NUM_PINS; pin++) {
		if ((ioapic->redir[pin] & (HV_REDIR_VECTOR | HV_REDIR_LEVEL)) != sender)
			continue;
		ioapic->redir[pin] &= ~HV_REDIR_REMOTE_IRR;
		pins |= BIT(pin);
	}
	return pins;
}

/* Those of @pins that are still up. Under lock. */
static void service_levels(struct hv_ioapic *ioapic, unsigned long pins)
{
	unsigned int pin;

	for_each_set_bit(pin, &pins, KVM_IOAPIC_NUM_PINS)
		if ((ioapic->redir[pin] & HV_REDIR_LEVEL) && ioapic->sources[pin])
			service(ioapic, pin);
}

/*
 * Edge-triggered interrupts are acknowledged too: the 8254 counts on it. Who is
 * told may lower the pin, so the lock is free meanwhile and levels come last.
 */
void hv_ioapic_eoi(struct hv_vm *vm, u8 vector, bool level)
{
	struct hv_irqchip *chip = vm->irqchip;
	struct hv_ioapic *ioapic;
	unsigned long flags, pins;
	unsigned int pin;

	if (!chip || !test_bit(vector, chip->ioapic.vectors))
		return;
	ioapic = &chip->ioapic;
	spin_lock_irqsave(&ioapic->lock, flags);
	pins = end_of_interrupt(ioapic, vector, level);
	spin_unlock_irqrestore(&ioapic->lock, flags);

	for_each_set_bit(pin, &pins, KVM_IOAPIC_NUM_PINS)
		hv_irq_acked(vm, KVM_IRQCHIP_IOAPIC, pin);
	if (!level)
		return;
	spin_lock_irqsave(&ioapic->lock, flags);
	service_levels(ioapic, pins);
	spin_unlock_irqrestore(&ioapic->lock, flags);
}

u64 hv_ioapic_vectors(const struct hv_vm *vm, unsigned int i)
{
	const struct hv_irqchip *chip = vm->irqchip;

	return chip ? READ_ONCE(chip->ioapic.vectors[i]) : 0;
}

/* EOIs look at it without the lock: bits of vectors that stay are never clear meanwhile. */
static void note_vectors(struct hv_ioapic *ioapic)
{
	DECLARE_BITMAP(new, KVM_NR_INTERRUPTS) = { 0 };
	unsigned int i;

	for (i = 0; i < KVM_IOAPIC_NUM_PINS; i++)
		__set_bit(ioapic->redir[i] & HV_REDIR_VECTOR, new);
	for (i = 0; i < BITS_TO_LONGS(KVM_NR_INTERRUPTS); i++)
		WRITE_ONCE(ioapic->vectors[i], new[i]);
}

/* true: the pin was unmasked. Under lock. */
static bool write_redir(struct hv_ioapic *ioapic, unsigned int pin, bool high, u32 value)
{
	u64 old = ioapic->redir[pin], new;

	if (high)
		new = (u32)old | (u64)value << 32;
	else
		new = (old & ~(u64)U32_MAX & ~HV_REDIR_READ_ONLY) |
		      (value & ~HV_REDIR_READ_ONLY) | (old & HV_REDIR_READ_ONLY);
	new &= HV_REDIR_VALID;
	/* An edge has no remote IRR; operating systems clear a stuck one this way. */
	if (!(new & HV_REDIR_LEVEL))
		new &= ~HV_REDIR_REMOTE_IRR;
	ioapic->redir[pin] = new;
	note_vectors(ioapic);
	service_levels(ioapic, BIT(pin));
	return (old & HV_REDIR_MASKED) && !(new & HV_REDIR_MASKED);
}

static bool redir_index(u32 select, unsigned int *pin, bool *high)
{
	u32 index = select - HV_IOAPIC_REG_REDIR;

	if (select < HV_IOAPIC_REG_REDIR || index / 2 >= KVM_IOAPIC_NUM_PINS)
		return false;
	*pin = array_index_nospec(index / 2, KVM_IOAPIC_NUM_PINS);
	*high = index % 2;
	return true;
}

/* The pin that was unmasked, or -1. Under lock. */
static int write_window(struct hv_ioapic *ioapic, u32 value)
{
	unsigned int pin;
	bool high;

	if (ioapic->select == HV_IOAPIC_REG_ID)
		ioapic->id = value & HV_IOAPIC_ID_MASK;
	else if (redir_index(ioapic->select, &pin, &high) &&
		 write_redir(ioapic, pin, high, value))
		return pin;
	return -1;
}

static u32 read_window(struct hv_ioapic *ioapic)
{
	unsigned int pin;
	bool high;

	switch (ioapic->select) {
	case HV_IOAPIC_REG_VERSION:
		return HV_IOAPIC_VERSION;
	case HV_IOAPIC_REG_ID:
	case HV_IOAPIC_REG_ARB:
		return ioapic->id;
	}
	if (!redir_index(ioapic->select, &pin, &high))
		return 0;
	return ioapic->redir[pin] >> (high ? 32 : 0);
}

static int ioapic_read(struct hv_vcpu *vcpu, struct hv_iodev *dev, u64 addr,
		       unsigned int len, void *val)
{
	struct hv_ioapic *ioapic = to_ioapic(dev);
	unsigned long flags;
	u64 result = 0;

	spin_lock_irqsave(&ioapic->lock, flags);
	switch (addr - IO_APIC_DEFAULT_PHYS_BASE) {
	case HV_IOAPIC_SELECT:
		result = ioapic->select;
		break;
	case HV_IOAPIC_WINDOW:
		result = read_window(ioapic);
		break;
	}
	spin_unlock_irqrestore(&ioapic->lock, flags);
	memcpy(val, &result, min_t(unsigned int, len, sizeof(result)));
	return 0;
}

static int ioapic_write(struct hv_vcpu *vcpu, struct hv_iodev *dev, u64 addr,
			unsigned int len, const void *val)
{
	struct hv_ioapic *ioapic = to_ioapic(dev);
	unsigned long flags;
	int unmasked = -1;
	u32 value = 0;

	memcpy(&value, val, min_t(unsigned int, len, sizeof(value)));
	spin_lock_irqsave(&ioapic->lock, flags);
	switch (addr - IO_APIC_DEFAULT_PHYS_BASE) {
	case HV_IOAPIC_SELECT:
		ioapic->select = value & U8_MAX;
		break;
	case HV_IOAPIC_WINDOW:
		unmasked = write_window(ioapic, value);
		break;
	}
	spin_unlock_irqrestore(&ioapic->lock, flags);
	if (unmasked >= 0)
		hv_irq_unmasked(ioapic->vm, KVM_IRQCHIP_IOAPIC, unmasked);
	return 0;
}

static const struct hv_iodev_ops ioapic_ops = {
	.read = ioapic_read,
	.write = ioapic_write,
};

int hv_ioapic_init(struct hv_ioapic *ioapic, struct hv_vm *vm)
{
	unsigned int pin;

	ioapic->vm = vm;
	ioapic->dev.ops = &ioapic_ops;
	spin_lock_init(&ioapic->lock);
	for (pin = 0; pin < KVM_IOAPIC_NUM_PINS; pin++)
		ioapic->redir[pin] = HV_REDIR_MASKED;
	note_vectors(ioapic);
	return hv_iobus_add(vm, HV_MMIO_BUS, IO_APIC_DEFAULT_PHYS_BASE, HV_IOAPIC_LEN,
			    &ioapic->dev);
}

void hv_ioapic_fini(struct hv_ioapic *ioapic)
{
	hv_iobus_remove(ioapic->vm, HV_MMIO_BUS, &ioapic->dev);
}

void hv_ioapic_get(struct hv_ioapic *ioapic, struct kvm_ioapic_state *s)
{
	unsigned int pin;

	memset(s, 0, sizeof(*s));
	s->base_address = IO_APIC_DEFAULT_PHYS_BASE;
	spin_lock_irq(&ioapic->lock);
	s->ioregsel = ioapic->select;
	s->id = ioapic->id >> 24;
	s->irr = ioapic->irr & ~ioapic->delivered;
	for (pin = 0; pin < KVM_IOAPIC_NUM_PINS; pin++)
		s->redirtbl[pin].bits = ioapic->redir[pin];
	spin_unlock_irq(&ioapic->lock);
}

/* What was up and not delivered when the state was taken is delivered here. */
int hv_ioapic_set(struct hv_ioapic *ioapic, const struct kvm_ioapic_state *s)
{
	unsigned int pin;

	if (s->base_address != IO_APIC_DEFAULT_PHYS_BASE)
		return -EINVAL;
	spin_lock_irq(&ioapic->lock);
	ioapic->select = s->ioregsel & U8_MAX;
	ioapic->id = (s->id << 24) & HV_IOAPIC_ID_MASK;
	ioapic->irr = s->irr & GENMASK(KVM_IOAPIC_NUM_PINS - 1, 0);
	ioapic->delivered = 0;
	for (pin = 0; pin < KVM_IOAPIC_NUM_PINS; pin++) {
		ioapic->redir[pin] = s->redirtbl[pin].bits & HV_REDIR_VALID & ~HV_REDIR_STATUS;
		set_source(HV_IRQ_SOURCE_USER, &ioapic->sources[pin], false);
		set_source(HV_IRQ_SOURCE_RESTORED, &ioapic->sources[pin], ioapic->irr & BIT(pin));
	}
	note_vectors(ioapic);
	for (pin = 0; pin < KVM_IOAPIC_NUM_PINS; pin++)
		if (ioapic->irr & BIT(pin))
			service(ioapic, pin);
	spin_unlock_irq(&ioapic->lock);
	return 0;
}
