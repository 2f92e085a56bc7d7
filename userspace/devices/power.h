/* SPDX-License-Identifier: GPL-2.0-only */
/* The ways a guest ends its machine: ACPI S5, reset registers, and the status byte it leaves. */
#ifndef VELLUM_DEVICES_POWER_H
#define VELLUM_DEVICES_POWER_H

#include "devices/bus.h"
#include "util/stop.h"

#include <time.h>

/**
 * struct power - power management block
 * @stop: told when the guest ends
 * @start: when the PM timer read zero
 * @pm1_enable: PM1 enable register; no event is ever raised
 * @pm1_control: PM1 control register without its fixed bits
 * @status: byte last written to the exit-status port
 *
 * The registers are single bytes or words written by one guest CPU at a time and read atomically.
 */
struct power {
	struct stopper *stop;
	struct timespec start;
	u16 pm1_enable;
	u16 pm1_control;
	u8 status;
};

extern const struct pio_ops pm1_event_ops;
extern const struct pio_ops pm1_control_ops;
extern const struct pio_ops pm_timer_ops;
extern const struct pio_ops exit_status_ops;
extern const struct pio_ops i8042_ops;

void power_init(struct power *power, struct stopper *stop);
void power_reset_register(struct power *power, u8 value);

#endif
