/* SPDX-License-Identifier: GPL-2.0-only */
/* MC146818 real-time clock with CMOS memory. */
#ifndef VELLUM_DEVICES_RTC_H
#define VELLUM_DEVICES_RTC_H

#include "devices/bus.h"
#include "vm/irq.h"

#include <pthread.h>

#define RTC_CMOS_SIZE	128

/**
 * struct rtc - the clock
 * @timer_fd: readable every second while an interrupt is enabled, for the main loop; -1 without
 * @lock: protects everything below
 * @irq: interrupt line
 * @index: register selected
 * @offset: seconds the guest set its clock ahead of the host's
 * @cmos: registers; those of the time are brought up to date when they are looked at
 */
struct rtc {
	int timer_fd;
	pthread_mutex_t lock;
	struct irq_line irq;
	u8 index;
	s64 offset;
	u8 cmos[RTC_CMOS_SIZE];
};

extern const struct pio_ops rtc_ops;

void rtc_init(struct rtc *rtc, const struct kvm *kvm);
void rtc_destroy(struct rtc *rtc);
void rtc_tick(struct rtc *rtc);

#endif
