/* SPDX-License-Identifier: GPL-2.0-only */
/* 16550A UART, COM1. */
#ifndef VELLUM_DEVICES_SERIAL_H
#define VELLUM_DEVICES_SERIAL_H

#include "devices/bus.h"
#include "vm/irq.h"

#include <pthread.h>

#define SERIAL_FIFO	16

/**
 * struct serial_port - what the UART is wired to
 * @transmit: takes one byte from the guest
 * @want_input: the guest became ready for input it had no room for
 *
 * Both are called without the UART's lock.
 */
struct serial_port {
	void (*transmit)(void *ctx, u8 byte);
	void (*want_input)(void *ctx);
};

/**
 * struct serial - the UART
 * @lock: protects everything below
 * @irq: interrupt line
 * @port: back end, called with @port_ctx
 * @rx: receive FIFO, @rx_len bytes in use
 * @input_waits: somebody has input and waits for room
 * @thr_empty: the transmitter-empty interrupt is due
 *
 * The other fields are registers by their names in the data sheet.
 */
struct serial {
	pthread_mutex_t lock;
	struct irq_line irq;
	const struct serial_port *port;
	void *port_ctx;
	u8 rx[SERIAL_FIFO];
	u32 rx_len;
	bool input_waits;
	bool thr_empty;
	u8 ier, fcr, lcr, mcr, scr, dll, dlm;
};

extern const struct pio_ops serial_ops;

void serial_init(struct serial *s, const struct kvm *kvm, const struct serial_port *port,
		 void *port_ctx);
u32 serial_room(struct serial *s);
void serial_receive(struct serial *s, const u8 *data, u32 len);

#endif
