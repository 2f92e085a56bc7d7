// SPDX-License-Identifier: GPL-2.0-only
/*
 * One counter of the 8254 (Intel 8254 data sheet, "Mode Definitions" and "Read
 * Operations"). Nothing counts: values are computed from the time since the
 * count was loaded.
 */
#include <linux/bitops.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/time64.h>
#include <linux/timex.h>

#include "irqchip/pit.h"

/* Which byte of a count is read or written next; the first three are also RW modes. */
enum { HV_RW_NONE, HV_RW_LSB, HV_RW_MSB, HV_RW_WORD_LSB, HV_RW_WORD_MSB };

enum {
	HV_MODE_INTERRUPT, HV_MODE_ONE_SHOT, HV_MODE_RATE, HV_MODE_SQUARE,
	HV_MODE_SW_STROBE, HV_MODE_HW_STROBE,
};

#define HV_PIT_READ_BACK	3	/* the "channel" of a read-back command */
#define HV_READ_BACK_NO_COUNT	BIT(5)
#define HV_READ_BACK_NO_STATUS	BIT(4)
#define HV_STATUS_OUT		7
#define HV_PIT_BIN_MAX		0x10000
#define HV_PIT_BCD_MAX		10000

u64 hv_pit_ticks_to_ns(u32 count)
{
	return mul_u64_u32_div(count, NSEC_PER_SEC, PIT_TICK_RATE);
}

static u64 ticks_since_load(const struct kvm_pit_channel_state *c, u64 now)
{
	s64 ns = now - c->count_load_time;

	return mul_u64_u32_div(max_t(s64, ns, 0), PIT_TICK_RATE, NSEC_PER_SEC);
}

static u32 modulus(const struct kvm_pit_channel_state *c)
{
	return c->bcd ? HV_PIT_BCD_MAX : HV_PIT_BIN_MAX;
}

static u16 to_bcd(u32 value)
{
	return value % 10 | value / 10 % 10 << 4 | value / 100 % 10 << 8 | value / 1000 % 10 << 12;
}

/* digits above 9 are the guest's mistake; any value will do that is in range */
static u32 from_bcd(u16 value)
{
	u32 binary = (value & 0xf) + (value >> 4 & 0xf) * 10 + (value >> 8 & 0xf) * 100 +
		     (value >> 12) * 1000;

	return binary % HV_PIT_BCD_MAX;
}

/* The counting element, as a read shows it. */
static u16 current_count(const struct kvm_pit_channel_state *c, u64 now)
{
	u64 ticks = ticks_since_load(c, now);
	u32 value;

	switch (c->mode) {
	case HV_MODE_RATE:
		value = c->count - ticks % c->count;
		break;
	case HV_MODE_SQUARE:
		value = c->count - (2 * ticks) % c->count;
		break;
	default:
		/* rolls over and goes on */
		value = (c->count + modulus(c) - ticks % modulus(c)) % modulus(c);
		break;
	}
	return c->bcd ? to_bcd(value) : value;
}

bool hv_pit_output(const struct kvm_pit_channel_state *c, u64 now)
{
	u64 ticks = ticks_since_load(c, now);

	switch (c->mode) {
	case HV_MODE_INTERRUPT:
	case HV_MODE_ONE_SHOT:
		return ticks >= c->count;
	case HV_MODE_RATE:
		/* low for the last tick of each round */
		return ticks % c->count != c->count - 1;
	case HV_MODE_SQUARE:
		return ticks % c->count < (c->count + 1) / 2;
	default:
		return ticks != c->count;
	}
}

static void load_count(struct kvm_pit_channel_state *c, u32 count, u64 now)
{
	if (c->bcd)
		count = from_bcd(count);
	c->count = count ? count : modulus(c);
	c->count_load_time = now;
}

void hv_pit_channel_reset(struct kvm_pit_channel_state *c, unsigned int channel, u64 now)
{
	*c = (struct kvm_pit_channel_state){
		.mode = HV_MODE_SQUARE,
		.gate = channel != 2,
		.rw_mode = HV_RW_WORD_LSB,
		.read_state = HV_RW_WORD_LSB,
		.write_state = HV_RW_WORD_LSB,
	};
	load_count(c, 0, now);
}

void hv_pit_set_gate(struct kvm_pit_channel_state *c, bool gate, u64 now)
{
	bool restarts = c->mode == HV_MODE_ONE_SHOT || c->mode == HV_MODE_RATE ||
			c->mode == HV_MODE_SQUARE || c->mode == HV_MODE_HW_STROBE;

	if (gate && !c->gate && restarts)
		c->count_load_time = now;
	c->gate = gate;
}

static void latch_count(struct kvm_pit_channel_state *c, u64 now)
{
	if (c->count_latched)
		return;
	c->latched_count = current_count(c, now);
	c->count_latched = c->rw_mode;
}

static void latch_status(struct kvm_pit_channel_state *c, u64 now)
{
	if (c->status_latched)
		return;
	c->status = hv_pit_output(c, now) << HV_STATUS_OUT | c->rw_mode << 4 | c->mode << 1 |
		    c->bcd;
	c->status_latched = 1;
}

static void read_back(struct kvm_pit_channel_state *channels, u8 command, u64 now)
{
	unsigned int i;

	for (i = 0; i < HV_PIT_CHANNELS; i++) {
		if (!(command & BIT(i + 1)))
			continue;
		if (!(command & HV_READ_BACK_NO_COUNT))
			latch_count(&channels[i], now);
		if (!(command & HV_READ_BACK_NO_STATUS))
			latch_status(&channels[i], now);
	}
}

bool hv_pit_command(struct kvm_pit_channel_state *channels, u8 command, u64 now)
{
	unsigned int channel = command >> 6, rw = command >> 4 & 3;
	struct kvm_pit_channel_state *c;

	if (channel == HV_PIT_READ_BACK) {
		read_back(channels, command, now);
		return false;
	}
	c = &channels[channel];
	if (rw == HV_RW_NONE) {
		latch_count(c, now);
		return false;
	}
	c->rw_mode = rw;
	c->read_state = rw;
	c->write_state = rw;
	c->count_latched = 0;
	c->mode = command >> 1 & 7;
	/* modes 6 and 7 are 2 and 3 */
	if (c->mode > HV_MODE_HW_STROBE)
		c->mode &= 3;
	c->bcd = command & 1;
	return !channel;
}

static u8 read_latched(struct kvm_pit_channel_state *c)
{
	u8 state = c->count_latched;

	c->count_latched = state == HV_RW_WORD_LSB ? HV_RW_WORD_MSB : 0;
	if (state == HV_RW_MSB || state == HV_RW_WORD_MSB)
		return c->latched_count >> 8;
	return c->latched_count;
}

u8 hv_pit_read_count(struct kvm_pit_channel_state *c, u64 now)
{
	u16 count;

	if (c->status_latched) {
		c->status_latched = 0;
		return c->status;
	}
	if (c->count_latched)
		return read_latched(c);
	count = current_count(c, now);
	switch (c->read_state) {
	case HV_RW_MSB:
		return count >> 8;
	case HV_RW_WORD_LSB:
		c->read_state = HV_RW_WORD_MSB;
		return count;
	case HV_RW_WORD_MSB:
		c->read_state = HV_RW_WORD_LSB;
		return count >> 8;
	default:
		return count;
	}
}

bool hv_pit_write_count(struct kvm_pit_channel_state *c, u8 value, u64 now)
{
	switch (c->write_state) {
	case HV_RW_MSB:
		load_count(c, value << 8, now);
		return true;
	case HV_RW_WORD_LSB:
		c->write_latch = value;
		c->write_state = HV_RW_WORD_MSB;
		return false;
	case HV_RW_WORD_MSB:
		load_count(c, c->write_latch | value << 8, now);
		c->write_state = HV_RW_WORD_LSB;
		return true;
	default:
		load_count(c, value, now);
		return true;
	}
}
