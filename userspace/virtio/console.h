/* SPDX-License-Identifier: GPL-2.0-only */
/* Console device with one port. */
#ifndef VELLUM_VIRTIO_CONSOLE_H
#define VELLUM_VIRTIO_CONSOLE_H

#include "virtio/device.h"

/* Input given at once. Drivers offer buffers of a page; Linux offers all of the queue. */
#define CONSOLE_INPUT_MAX	256

/**
 * struct console_port - what the console is wired to
 * @transmit: takes bytes from the guest; may wait
 * @want_input: the guest offered buffers for input
 */
struct console_port {
	void (*transmit)(void *ctx, const u8 *data, size_t len);
	void (*want_input)(void *ctx);
};

/**
 * struct virtio_console - the console
 * @dev: virtio part
 * @port: back end, called with @port_ctx
 * @port_ctx: first argument of the back end
 */
struct virtio_console {
	struct virtio_device dev;
	const struct console_port *port;
	void *port_ctx;
};

int console_init(struct virtio_console *console, const struct console_port *port, void *port_ctx,
		 const struct kvm *kvm, const struct guest_ram *ram, struct error *err);
int console_room(struct virtio_console *console);
bool console_receive(struct virtio_console *console, const u8 *data, u32 len);

#endif
