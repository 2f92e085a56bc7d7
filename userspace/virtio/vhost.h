/* SPDX-License-Identifier: GPL-2.0-only */
/* Leaving a device's queues to a vhost device of the kernel. */
#ifndef VELLUM_VIRTIO_VHOST_H
#define VELLUM_VIRTIO_VHOST_H

#include "virtio/device.h"
#include "vm/route.h"

/**
 * struct vhost_queue - the wires of one queue
 * @kick_fd: from the guest's doorbell to the kernel
 * @call_fd: from the kernel to the guest's interrupt
 * @err_fd: signalled when the guest broke the rules
 * @gsi: interrupt @call_fd raises while @wired
 * @wired: @call_fd is an irqfd now; else interrupts are pin-based, masked or nowhere to go
 */
struct vhost_queue {
	int kick_fd;
	int call_fd;
	int err_fd;
	u32 gsi;
	bool wired;
};

/**
 * struct vhost - an open vhost device
 * @fd: the device, 0 when there is none
 * @path: its name, for messages
 * @option: the option it serves, for messages
 * @packed: packed rings are to be offered
 * @features: what it can do
 * @dev: the virtio device it serves
 * @routes: the VM's interrupt routing
 * @config_fd: signalled when the device configuration changed
 * @epoll_fd: what the device's thread waits for
 * @queues: dev->queue_count of them
 * @active: the queues run; protected by the irq_lock
 * @known: the queues the kernel has been told of, a bit each; protected by the io_lock
 * @complaints: lines printed so far; a guest must not fill the terminal
 */
struct vhost {
	int fd;
	const char *path;
	const char *option;
	bool packed;
	u64 features;
	struct virtio_device *dev;
	struct irq_routes *routes;
	int config_fd;
	int epoll_fd;
	struct vhost_queue queues[VIRTIO_QUEUES_MAX];
	bool active;
	u32 known;
	u32 complaints;
};

/* What the device's thread found, both at once maybe. */
#define VHOST_BROKEN		BIT(0)
#define VHOST_CONFIG_CHANGED	BIT(1)

int vhost_open(struct vhost *v, const char *path, const char *option, struct error *err);
int vhost_read_features(struct vhost *v, struct error *err);
int vhost_attach(struct vhost *v, struct virtio_device *dev, u64 owned, struct error *err);
void vhost_close(struct vhost *v);

static inline bool vhost_is_open(const struct vhost *v)
{
	return v->fd > 0;
}

/* Called with the device's io_lock held. */
int vhost_start(struct vhost *v);
void vhost_stop(struct vhost *v);
u32 vhost_serve(struct vhost *v);
int vhost_complain(struct vhost *v, const char *what);
bool vhost_knows_others(const struct vhost *v);
int vhost_renew(struct vhost *v);

/* Called with the device's irq_lock held. */
void vhost_wire(struct vhost *v);

#endif
