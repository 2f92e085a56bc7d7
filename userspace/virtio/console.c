// SPDX-License-Identifier: GPL-2.0-only
/* virtio 1.2, "Console Device", without multiport: a receive and a transmit queue. */
#include "virtio/console.h"

#include <linux/virtio_ids.h>

#include "virtio/iov.h"

enum { QUEUE_RECEIVE, QUEUE_TRANSMIT, QUEUES };

#define CLASS_COMMUNICATION_OTHER	0x078000

static int handle_transmit(struct virtio_device *dev, struct chain *chain, u32 *written)
{
	struct virtio_console *console = container_of(dev, struct virtio_console, dev);
	u32 i;

	(void)written;
	for (i = 0; i < chain->outs; i++)
		console->port->transmit(console->port_ctx, chain->out[i].iov_base,
					chain->out[i].iov_len);
	return 0;
}

static bool has_room(const struct virtio_console *console)
{
	const struct queue *q = &console->dev.queues[QUEUE_RECEIVE];

	return virtio_ready(&console->dev) && q->enabled &&
	       __atomic_load_n(&q->avail->idx, __ATOMIC_RELAXED) != q->next_avail;
}

static int serve(struct virtio_device *dev)
{
	struct virtio_console *console = container_of(dev, struct virtio_console, dev);
	struct queue *rx = &dev->queues[QUEUE_RECEIVE];

	if (rx->enabled && queue_rearm(rx))
		console->port->want_input(console->port_ctx);
	return virtio_drain(dev, &dev->queues[QUEUE_TRANSMIT], handle_transmit);
}

static const struct virtio_ops console_ops = {
	.name = "virtio-console",
	.type = VIRTIO_ID_CONSOLE,
	.class_code = CLASS_COMMUNICATION_OTHER,
	.queues = QUEUES,
	.serve = serve,
};

int console_init(struct virtio_console *console, const struct console_port *port, void *port_ctx,
		 const struct kvm *kvm, const struct guest_ram *ram, struct error *err)
{
	console->port = port;
	console->port_ctx = port_ctx;
	return virtio_init(&console->dev, &console_ops, kvm, ram, err);
}

/**
 * console_room() - can the guest take input now?
 * @console: the console
 *
 * The main loop calls this and must not wait for a transmit stuck in a blocked terminal.
 *
 * Return: how many bytes, or -1 when the device is busy and is to be asked again soon.
 */
int console_room(struct virtio_console *console)
{
	bool room;

	if (pthread_mutex_trylock(&console->dev.io_lock))
		return -1;
	room = has_room(console);
	pthread_mutex_unlock(&console->dev.io_lock);
	return room ? CONSOLE_INPUT_MAX : 0;
}

static void deliver(struct virtio_console *console, const u8 *data, u32 len)
{
	struct queue *q = &console->dev.queues[QUEUE_RECEIVE];
	struct iov_cursor in;
	struct chain chain;
	u64 n;
	int r;

	while (len && (r = queue_pop(q, &chain)) > 0) {
		in = (struct iov_cursor){ chain.in, chain.ins };
		n = min_u64(len, iov_size(&in));
		/* A driver that offers nothing over and over would keep the main loop here. */
		if (!n) {
			r = -1;
			break;
		}
		iov_put(&in, data, n);
		queue_push(q, &chain, (u32)n);
		data += n;
		len -= (u32)n;
	}
	if (len && r < 0)
		virtio_fail(&console->dev);
	/* The guest is to say when it offers the next buffers. */
	(void)queue_rearm(q);
	virtio_notify_queue(&console->dev, q);
}

/**
 * console_receive() - give input to the guest, without waiting like console_room()
 * @console: the console
 * @data: bytes typed
 * @len: how many; what does not fit in the guest's buffers is lost
 *
 * Return: false when the guest cannot take input now.
 */
bool console_receive(struct virtio_console *console, const u8 *data, u32 len)
{
	bool room;

	if (pthread_mutex_trylock(&console->dev.io_lock))
		return false;
	room = has_room(console);
	if (room)
		deliver(console, data, len);
	pthread_mutex_unlock(&console->dev.io_lock);
	return room;
}
