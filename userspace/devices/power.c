// SPDX-License-Identifier: GPL-2.0-only
/*
 * ACPI fixed hardware (ACPI specification, "ACPI Hardware Specification") as small as it can be:
 * always in ACPI mode, no events, S5 and the timer. Beside it the exit-status port, the reset
 * register and the keyboard controller, which is here only for the reset line it holds.
 */
#include "devices/power.h"

#include <string.h>

#include "devices/ports.h"

#define PM1_CONTROL_SCI_EN	BIT(0)
#define PM1_CONTROL_SLP_SHIFT	10
#define PM1_CONTROL_SLP_MASK	0x7
#define PM1_CONTROL_SLP_EN	BIT(13)
#define PM1_ENABLE_OFFSET	2

#define PM_TIMER_HZ		3579545ULL
#define NSEC_PER_SEC		1000000000ULL

#define I8042_RESET		0xfe
#define RESET_CPU		BIT(2)

static u16 load16(const u16 *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static void store16(u16 *p, u16 value)
{
	__atomic_store_n(p, value, __ATOMIC_RELAXED);
}

static u32 pm1_event_in(void *dev, u16 offset, u32 len)
{
	struct power *power = dev;
	u32 value = (u32)load16(&power->pm1_enable) << 16;

	(void)len;
	return value >> (offset * 8);
}

static void pm1_event_out(void *dev, u16 offset, u32 len, u32 value)
{
	struct power *power = dev;

	/* Status bits are cleared by writing ones; none is ever set. */
	if (offset == PM1_ENABLE_OFFSET)
		store16(&power->pm1_enable, (u16)value);
	else if (offset == 0 && len == 4)
		store16(&power->pm1_enable, (u16)(value >> 16));
}

const struct pio_ops pm1_event_ops = { pm1_event_in, pm1_event_out };

static u32 pm1_control_in(void *dev, u16 offset, u32 len)
{
	struct power *power = dev;

	(void)len;
	return (load16(&power->pm1_control) | PM1_CONTROL_SCI_EN) >> (offset * 8);
}

static void pm1_control_out(void *dev, u16 offset, u32 len, u32 value)
{
	struct power *power = dev;
	u16 control = (u16)value;

	if (len == 1) {
		control = load16(&power->pm1_control) & (u16)~(0xff << (offset * 8));
		control |= (u16)((value & 0xff) << (offset * 8));
	}
	store16(&power->pm1_control, control & (u16)~PM1_CONTROL_SLP_EN);
	if ((control & PM1_CONTROL_SLP_EN) &&
	    ((control >> PM1_CONTROL_SLP_SHIFT) & PM1_CONTROL_SLP_MASK) == PM_SLP_TYP_S5)
		stop_request(power->stop, __atomic_load_n(&power->status, __ATOMIC_RELAXED),
			     "%s", "");
}

const struct pio_ops pm1_control_ops = { pm1_control_in, pm1_control_out };

static u32 pm_timer_in(void *dev, u16 offset, u32 len)
{
	struct power *power = dev;
	struct timespec now;
	u64 seconds, nanos;

	(void)len;
	clock_gettime(CLOCK_MONOTONIC, &now);
	seconds = (u64)(now.tv_sec - power->start.tv_sec);
	nanos = seconds * NSEC_PER_SEC + (u64)now.tv_nsec - (u64)power->start.tv_nsec;
	/* Split, because ticks times hertz overflows 64 bits after some hours. */
	seconds = nanos / NSEC_PER_SEC;
	nanos %= NSEC_PER_SEC;
	return (u32)(seconds * PM_TIMER_HZ + nanos * PM_TIMER_HZ / NSEC_PER_SEC) >> (offset * 8);
}

static void ignore_out(void *dev, u16 offset, u32 len, u32 value)
{
	(void)dev;
	(void)offset;
	(void)len;
	(void)value;
}

const struct pio_ops pm_timer_ops = { pm_timer_in, ignore_out };

static u32 exit_status_in(void *dev, u16 offset, u32 len)
{
	struct power *power = dev;

	(void)offset;
	(void)len;
	return __atomic_load_n(&power->status, __ATOMIC_RELAXED);
}

static void exit_status_out(void *dev, u16 offset, u32 len, u32 value)
{
	struct power *power = dev;

	(void)offset;
	(void)len;
	__atomic_store_n(&power->status, (u8)value, __ATOMIC_RELAXED);
}

const struct pio_ops exit_status_ops = { exit_status_in, exit_status_out };

static void request_reset(struct power *power)
{
	stop_request(power->stop, STATUS_RESET,
		     "guest: asked for a reset (run it again to boot it anew)");
}

/* The keyboard controller has no keyboard: status and data read as zero, buffers empty. */
static u32 i8042_in(void *dev, u16 offset, u32 len)
{
	(void)dev;
	(void)offset;
	(void)len;
	return 0;
}

static void i8042_out(void *dev, u16 offset, u32 len, u32 value)
{
	(void)offset;
	(void)len;
	if ((u8)value == I8042_RESET)
		request_reset(dev);
}

const struct pio_ops i8042_ops = { i8042_in, i8042_out };

/* A write to PORT_RESET, which lies inside the PCI configuration ports. */
void power_reset_register(struct power *power, u8 value)
{
	if (value & RESET_CPU)
		request_reset(power);
}

void power_init(struct power *power, struct stopper *stop)
{
	memset(power, 0, sizeof(*power));
	power->stop = stop;
	clock_gettime(CLOCK_MONOTONIC, &power->start);
}
