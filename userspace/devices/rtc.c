// SPDX-License-Identifier: GPL-2.0-only
/*
 * The clock keeps the host's UTC plus an offset, so that setting it works and costs nothing between
 * accesses. Time is in 24-hour format, BCD unless register B says binary. Alarm and update
 * interrupts come from a timer that runs only while one of them is enabled; the periodic interrupt,
 * which no driver has used for long, never comes.
 */
#include "devices/rtc.h"

#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "devices/ports.h"

enum {
	RTC_SECONDS = 0x00,
	RTC_SECONDS_ALARM = 0x01,
	RTC_MINUTES = 0x02,
	RTC_MINUTES_ALARM = 0x03,
	RTC_HOURS = 0x04,
	RTC_HOURS_ALARM = 0x05,
	RTC_WEEKDAY = 0x06,
	RTC_DAY = 0x07,
	RTC_MONTH = 0x08,
	RTC_YEAR = 0x09,
	RTC_REG_A = 0x0a,
	RTC_REG_B = 0x0b,
	RTC_REG_C = 0x0c,
	RTC_REG_D = 0x0d,
	RTC_CENTURY = 0x32,
};

#define RTC_A_DEFAULT		0x26	/* 32768 Hz crystal, divider running */
#define RTC_A_UPDATE		BIT(7)
#define RTC_B_24H		BIT(1)
#define RTC_B_BINARY		BIT(2)
#define RTC_B_UPDATE		BIT(4)	/* the same bits report the interrupt in register C */
#define RTC_B_ALARM		BIT(5)
#define RTC_B_SET		BIT(7)	/* the fields stand still to be set */
#define RTC_B_INTERRUPTS	(RTC_B_UPDATE | RTC_B_ALARM)
#define RTC_C_IRQ		BIT(7)
#define RTC_ALARM_ANY		0xc0	/* at least this in an alarm register matches always */
#define RTC_D_VALID		BIT(7)
#define RTC_INDEX_MASK		0x7f	/* the top bit gates NMIs */
#define RTC_CATCH_UP		60	/* seconds */
/* Years from 1900 on, which spares negative numbers, to the last the century has digits for. */
#define RTC_YEAR_MAX		(9999 - 1900)

static u8 encode(const struct rtc *rtc, int value)
{
	if (rtc->cmos[RTC_REG_B] & RTC_B_BINARY)
		return (u8)value;
	return (u8)(value / 10 << 4 | value % 10);
}

static int decode(const struct rtc *rtc, u8 value)
{
	if (rtc->cmos[RTC_REG_B] & RTC_B_BINARY)
		return value;
	return (value >> 4) * 10 + (value & 0xf);
}

/* The guest's time at @host, a time of the host's; zeros if the host's clock makes no sense. */
static void time_at(const struct rtc *rtc, time_t host, struct tm *tm)
{
	time_t then = host + (time_t)rtc->offset;

	if (!gmtime_r(&then, tm))
		memset(tm, 0, sizeof(*tm));
}

static void update_irq(struct rtc *rtc)
{
	u8 *flags = &rtc->cmos[RTC_REG_C];

	*flags &= (u8)~RTC_C_IRQ;
	if (*flags & rtc->cmos[RTC_REG_B] & RTC_B_INTERRUPTS)
		*flags |= RTC_C_IRQ;
	irq_line_set(&rtc->irq, *flags & RTC_C_IRQ);
}

/* Reading the flags acknowledges all interrupts. */
static u8 read_flags(struct rtc *rtc)
{
	u8 flags = rtc->cmos[RTC_REG_C];

	rtc->cmos[RTC_REG_C] = 0;
	update_irq(rtc);
	return flags;
}

static bool is_time(u8 reg)
{
	switch (reg) {
	case RTC_SECONDS:
	case RTC_MINUTES:
	case RTC_HOURS:
	case RTC_WEEKDAY:
	case RTC_DAY:
	case RTC_MONTH:
	case RTC_YEAR:
	case RTC_CENTURY:
		return true;
	default:
		return false;
	}
}

static bool is_being_set(const struct rtc *rtc)
{
	return rtc->cmos[RTC_REG_B] & RTC_B_SET;
}

/* Bring the fields up to date; while they are being set they are the guest's. */
static void update_fields(struct rtc *rtc, time_t now)
{
	struct tm tm;

	if (is_being_set(rtc))
		return;
	time_at(rtc, now, &tm);
	rtc->cmos[RTC_SECONDS] = encode(rtc, tm.tm_sec);
	rtc->cmos[RTC_MINUTES] = encode(rtc, tm.tm_min);
	rtc->cmos[RTC_HOURS] = encode(rtc, tm.tm_hour);
	rtc->cmos[RTC_WEEKDAY] = encode(rtc, tm.tm_wday + 1);
	rtc->cmos[RTC_DAY] = encode(rtc, tm.tm_mday);
	rtc->cmos[RTC_MONTH] = encode(rtc, tm.tm_mon + 1);
	rtc->cmos[RTC_YEAR] = encode(rtc, tm.tm_year % 100);
	rtc->cmos[RTC_CENTURY] = encode(rtc, (tm.tm_year + 1900) / 100);
}

static u8 read_reg(struct rtc *rtc)
{
	if (rtc->index == RTC_REG_C)
		return read_flags(rtc);
	if (is_time(rtc->index))
		update_fields(rtc, time(NULL));
	return rtc->cmos[rtc->index];
}

static int field(const struct rtc *rtc, u8 reg)
{
	return decode(rtc, rtc->cmos[reg]);
}

/*
 * Go on from what the fields say: keep its difference to the host's clock. A year the clock cannot
 * tell is not set.
 */
static void take_fields(struct rtc *rtc, time_t now)
{
	struct tm tm = {
		.tm_sec = field(rtc, RTC_SECONDS),
		.tm_min = field(rtc, RTC_MINUTES),
		.tm_hour = field(rtc, RTC_HOURS),
		.tm_mday = field(rtc, RTC_DAY),
		.tm_mon = field(rtc, RTC_MONTH) - 1,
		.tm_year = field(rtc, RTC_CENTURY) * 100 - 1900 + field(rtc, RTC_YEAR),
	};
	time_t then = timegm(&tm);

	if (tm.tm_year >= 0 && tm.tm_year <= RTC_YEAR_MAX)
		rtc->offset = then - now;
}

/* A clock that goes knows no 31 February, not even on the way to the 15th: that takes SET. */
static void write_time(struct rtc *rtc, u8 value)
{
	/* Two looks at the host's clock could be a second apart. */
	time_t now = time(NULL);

	update_fields(rtc, now);
	rtc->cmos[rtc->index] = value;
	if (!is_being_set(rtc))
		take_fields(rtc, now);
}

/*
 * 12-hour mode is not offered. The timer ticks on whole seconds. A clock that is being set has no
 * updates to tell of.
 */
static void write_control(struct rtc *rtc, u8 value)
{
	bool was_on = rtc->cmos[RTC_REG_B] & RTC_B_INTERRUPTS;
	time_t now = time(NULL);
	struct itimerspec every = { .it_value.tv_sec = now + 1, .it_interval.tv_sec = 1 };
	struct itimerspec never = { 0 };
	bool was_being_set = is_being_set(rtc);
	bool on;

	if (value & RTC_B_SET)
		value &= (u8)~RTC_B_UPDATE;
	on = value & RTC_B_INTERRUPTS;
	update_fields(rtc, now);
	rtc->cmos[RTC_REG_B] = (value & (RTC_B_SET | RTC_B_BINARY | RTC_B_INTERRUPTS)) |
			       RTC_B_24H;
	if (was_being_set && !is_being_set(rtc))
		take_fields(rtc, now);
	if (on != was_on && rtc->timer_fd >= 0)
		timerfd_settime(rtc->timer_fd, TFD_TIMER_ABSTIME, on ? &every : &never, NULL);
	update_irq(rtc);
}

static void write_reg(struct rtc *rtc, u8 value)
{
	if (rtc->index == RTC_REG_C || rtc->index == RTC_REG_D)
		return;
	if (rtc->index == RTC_REG_A)
		value &= (u8)~RTC_A_UPDATE;
	if (is_time(rtc->index))
		write_time(rtc, value);
	else if (rtc->index == RTC_REG_B)
		write_control(rtc, value);
	else
		rtc->cmos[rtc->index] = value;
}

static bool alarm_field(const struct rtc *rtc, u8 reg, int value)
{
	u8 alarm = rtc->cmos[reg];

	return alarm >= RTC_ALARM_ANY || decode(rtc, alarm) == value;
}

static bool alarm_matches(const struct rtc *rtc, const struct tm *tm)
{
	return alarm_field(rtc, RTC_SECONDS_ALARM, tm->tm_sec) &&
	       alarm_field(rtc, RTC_MINUTES_ALARM, tm->tm_min) &&
	       alarm_field(rtc, RTC_HOURS_ALARM, tm->tm_hour);
}

/* @timer_fd is readable. Seconds the launcher slept through are looked at too. */
void rtc_tick(struct rtc *rtc)
{
	struct tm tm;
	u64 seconds;

	if (read(rtc->timer_fd, &seconds, sizeof(seconds)) != sizeof(seconds))
		return;
	pthread_mutex_lock(&rtc->lock);
	if (is_being_set(rtc))
		seconds = 0;
	else
		rtc->cmos[RTC_REG_C] |= RTC_B_UPDATE;
	for (seconds = min_u64(seconds, RTC_CATCH_UP); seconds; seconds--) {
		time_at(rtc, time(NULL) - (time_t)(seconds - 1), &tm);
		if (alarm_matches(rtc, &tm))
			rtc->cmos[RTC_REG_C] |= RTC_B_ALARM;
	}
	update_irq(rtc);
	pthread_mutex_unlock(&rtc->lock);
}

static u32 rtc_in(void *dev, u16 offset, u32 len)
{
	struct rtc *rtc = dev;
	u8 value;

	(void)len;
	pthread_mutex_lock(&rtc->lock);
	value = offset ? read_reg(rtc) : rtc->index;
	pthread_mutex_unlock(&rtc->lock);
	return value;
}

static void rtc_out(void *dev, u16 offset, u32 len, u32 value)
{
	struct rtc *rtc = dev;

	(void)len;
	pthread_mutex_lock(&rtc->lock);
	if (offset)
		write_reg(rtc, (u8)value);
	else
		rtc->index = (u8)value & RTC_INDEX_MASK;
	pthread_mutex_unlock(&rtc->lock);
}

const struct pio_ops rtc_ops = { rtc_in, rtc_out };

/* Without a timer the clock still tells the time. */
void rtc_init(struct rtc *rtc, const struct kvm *kvm)
{
	memset(rtc, 0, sizeof(*rtc));
	rtc->timer_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	rtc->irq = (struct irq_line){ .kvm = kvm, .gsi = GSI_RTC };
	pthread_mutex_init(&rtc->lock, NULL);
	rtc->cmos[RTC_REG_A] = RTC_A_DEFAULT;
	rtc->cmos[RTC_REG_B] = RTC_B_24H;
	rtc->cmos[RTC_REG_D] = RTC_D_VALID;
}

void rtc_destroy(struct rtc *rtc)
{
	if (rtc->timer_fd >= 0)
		close(rtc->timer_fd);
	rtc->timer_fd = -1;
	pthread_mutex_destroy(&rtc->lock);
}
