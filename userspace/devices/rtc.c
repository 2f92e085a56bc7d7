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

/* The guest's time some seconds ago, zeros if the host's clock makes no sense. */
static void time_ago(const struct rtc *rtc, u64 seconds, struct tm *tm)
{
	time_t then = time(NULL) + (time_t)rtc->offset - (time_t)seconds;

	if (!gmtime_r(&then, tm))
		memset(tm, 0, sizeof(*tm));
}

static void current_time(const struct rtc *rtc, struct tm *tm)
{
	time_ago(rtc, 0, tm);
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

static u8 read_reg(struct rtc *rtc)
{
	struct tm tm;

	current_time(rtc, &tm);
	switch (rtc->index) {
	case RTC_SECONDS:
		return encode(rtc, tm.tm_sec);
	case RTC_MINUTES:
		return encode(rtc, tm.tm_min);
	case RTC_HOURS:
		return encode(rtc, tm.tm_hour);
	case RTC_WEEKDAY:
		return encode(rtc, tm.tm_wday + 1);
	case RTC_DAY:
		return encode(rtc, tm.tm_mday);
	case RTC_MONTH:
		return encode(rtc, tm.tm_mon + 1);
	case RTC_YEAR:
		return encode(rtc, tm.tm_year % 100);
	case RTC_CENTURY:
		return encode(rtc, (tm.tm_year + 1900) / 100);
	case RTC_REG_C:
		return read_flags(rtc);
	default:
		return rtc->cmos[rtc->index];
	}
}

/*
 * Change one field of the current time and keep the difference to the host's clock. A year the
 * clock cannot tell is not set.
 */
static bool write_time(struct rtc *rtc, u8 value)
{
	int v = decode(rtc, value);
	struct tm tm;
	time_t then;

	current_time(rtc, &tm);
	switch (rtc->index) {
	case RTC_SECONDS:
		tm.tm_sec = v;
		break;
	case RTC_MINUTES:
		tm.tm_min = v;
		break;
	case RTC_HOURS:
		tm.tm_hour = v;
		break;
	case RTC_WEEKDAY:
		return true;
	case RTC_DAY:
		tm.tm_mday = v;
		break;
	case RTC_MONTH:
		tm.tm_mon = v - 1;
		break;
	case RTC_YEAR:
		tm.tm_year = tm.tm_year / 100 * 100 + v;
		break;
	case RTC_CENTURY:
		tm.tm_year = v * 100 - 1900 + tm.tm_year % 100;
		break;
	default:
		return false;
	}
	then = timegm(&tm);
	if (tm.tm_year >= 0 && tm.tm_year <= RTC_YEAR_MAX)
		rtc->offset = then - time(NULL);
	return true;
}

/* 12-hour mode is not offered. The timer ticks on whole seconds. */
static void write_control(struct rtc *rtc, u8 value)
{
	bool was_on = rtc->cmos[RTC_REG_B] & RTC_B_INTERRUPTS;
	struct itimerspec every = { .it_value.tv_sec = time(NULL) + 1, .it_interval.tv_sec = 1 };
	struct itimerspec never = { 0 };
	bool on = value & RTC_B_INTERRUPTS;

	rtc->cmos[RTC_REG_B] = (value & (RTC_B_BINARY | RTC_B_INTERRUPTS)) | RTC_B_24H;
	if (on != was_on && rtc->timer_fd >= 0)
		timerfd_settime(rtc->timer_fd, TFD_TIMER_ABSTIME, on ? &every : &never, NULL);
	update_irq(rtc);
}

static void write_reg(struct rtc *rtc, u8 value)
{
	if (write_time(rtc, value) || rtc->index == RTC_REG_C || rtc->index == RTC_REG_D)
		return;
	if (rtc->index == RTC_REG_A)
		value &= (u8)~RTC_A_UPDATE;
	if (rtc->index == RTC_REG_B)
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
	rtc->cmos[RTC_REG_C] |= RTC_B_UPDATE;
	for (seconds = min_u64(seconds, RTC_CATCH_UP); seconds; seconds--) {
		time_ago(rtc, seconds - 1, &tm);
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
