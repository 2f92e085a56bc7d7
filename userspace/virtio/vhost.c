// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a vhost device (<linux/vhost.h>): opened and owned before the guest runs, set up anew
 * whenever a driver becomes ready, stopped when it resets. In between no doorbell, request or
 * interrupt comes by here; the device's thread only hears of errors and of changed sizes.
 */
#include "virtio/vhost.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "boot/layout.h"

#define COMPLAINTS_MAX	8

/* Where a driver begins a queue: at zero, and in a packed ring with both wrap counters at one. */
#define BASE_SPLIT	0
#define BASE_PACKED	0x80008000

static int vhost_fail(const struct vhost *v, const char *what, struct error *err)
{
	switch (errno) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return error_set(err, STATUS_UNAVAILABLE,
				 "%s: %s: no such device (load vellum_vhost, or use vhost=off)",
				 v->option, v->path);
	case EACCES:
	case EPERM:
		return error_set(err, STATUS_NOPERM, "%s: %s: %s (become root, or use vhost=off)",
				 v->option, v->path, strerror(errno));
	case ENOTTY:
		return error_set(err, STATUS_UNAVAILABLE,
				 "%s: %s: not a vhost device (name another, or use vhost=off)",
				 v->option, v->path);
	default:
		return error_set(err, STATUS_UNAVAILABLE, "%s: %s: %s: %s (try vhost=off)",
				 v->option, v->path, what, strerror(errno));
	}
}

/**
 * vhost_open() - open a vhost device and own it
 * @v: zeroed; filled in
 * @path: device, kept by reference
 * @option: the option it is to serve, kept by reference
 * @err: filled in on failure
 *
 * Return: 0 or -1.
 */
int vhost_open(struct vhost *v, const char *path, const char *option, struct error *err)
{
	v->path = path;
	v->option = option;
	v->fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (v->fd >= 0 && !ioctl(v->fd, VHOST_SET_OWNER))
		return 0;
	vhost_fail(v, "VHOST_SET_OWNER", err);
	if (v->fd >= 0)
		close(v->fd);
	v->fd = 0;
	return -1;
}

int vhost_read_features(struct vhost *v, struct error *err)
{
	__u64 features;

	if (ioctl(v->fd, VHOST_GET_FEATURES, &features))
		return vhost_fail(v, "VHOST_GET_FEATURES", err);
	v->features = features;
	if (!(features & FEATURE(VIRTIO_F_VERSION_1)))
		return error_set(err, STATUS_UNAVAILABLE,
				 "%s: %s: cannot do virtio 1.0 (use vhost=off)", v->option,
				 v->path);
	if (v->packed && !(features & FEATURE(VIRTIO_F_RING_PACKED)))
		return error_set(err, STATUS_UNAVAILABLE,
				 "%s: %s: cannot do packed rings (use packed=off)", v->option,
				 v->path);
	return 0;
}

/* Harmless when it is not open. */
void vhost_close(struct vhost *v)
{
	u32 i;

	if (!vhost_is_open(v))
		return;
	close(v->fd);
	v->fd = 0;
	if (!v->dev)
		return;
	for (i = 0; i < v->dev->queue_count; i++) {
		close(v->queues[i].kick_fd);
		close(v->queues[i].call_fd);
		close(v->queues[i].err_fd);
	}
	close(v->config_fd);
	close(v->epoll_fd);
	v->dev = NULL;
}

/*
 * One line on standard error; the machine goes on, and the device's lock is not held for a stopped
 * terminal. Return: -1.
 */
int vhost_complain(struct vhost *v, const char *what)
{
	struct error line;

	if (v->complaints++ >= COMPLAINTS_MAX)
		return -1;
	error_set(&line, 0, "%s: %s (it is out of order until its driver resets it)", v->option,
		  what);
	error_print(&line, 0);
	return -1;
}

static int set_memory(const struct vhost *v)
{
	const struct guest_ram *ram = v->dev->queues[0].ram;
	union {
		struct vhost_memory table;
		u8 room[sizeof(struct vhost_memory) + 2 * sizeof(struct vhost_memory_region)];
	} m;

	memset(&m, 0, sizeof(m));
	m.table.nregions = ram->size > ram->low ? 2 : 1;
	m.table.regions[0].memory_size = ram->low;
	m.table.regions[0].userspace_addr = (u64)(uintptr_t)ram->host;
	if (m.table.nregions == 2) {
		m.table.regions[1].guest_phys_addr = LAYOUT_4G;
		m.table.regions[1].memory_size = ram->size - ram->low;
		m.table.regions[1].userspace_addr = (u64)(uintptr_t)ram->host + ram->low;
	}
	return ioctl(v->fd, VHOST_SET_MEM_TABLE, &m);
}

static int set_file(const struct vhost *v, unsigned long request, u32 index, int fd)
{
	struct vhost_vring_file file = { .index = index, .fd = fd };

	return ioctl(v->fd, request, &file);
}

static int set_state(const struct vhost *v, unsigned long request, u32 index, u32 num)
{
	struct vhost_vring_state state = { .index = index, .num = num };

	return ioctl(v->fd, request, &state);
}

static int set_queue(const struct vhost *v, u32 i)
{
	const struct queue *q = &v->dev->queues[i];
	const struct vhost_queue *vq = &v->queues[i];
	struct vhost_vring_addr addr = {
		.index = i,
		.desc_user_addr = (u64)(uintptr_t)q->desc,
		.avail_user_addr = (u64)(uintptr_t)q->avail,
		.used_user_addr = (u64)(uintptr_t)q->used,
	};

	if (set_state(v, VHOST_SET_VRING_NUM, i, q->size) ||
	    set_state(v, VHOST_SET_VRING_BASE, i, q->packed ? BASE_PACKED : BASE_SPLIT) ||
	    ioctl(v->fd, VHOST_SET_VRING_ADDR, &addr) ||
	    set_file(v, VHOST_SET_VRING_KICK, i, vq->kick_fd) ||
	    set_file(v, VHOST_SET_VRING_CALL, i, vq->call_fd))
		return -1;
	return set_file(v, VHOST_SET_VRING_ERR, i, vq->err_fd);
}

/* Does the kernel have rings of an earlier driver that this one did not set up? */
bool vhost_knows_others(const struct vhost *v)
{
	u32 i;

	for (i = 0; i < v->dev->queue_count; i++)
		if ((v->known & BIT(i)) && !v->dev->queues[i].enabled)
			return true;
	return false;
}

/* Let the kernel forget everything, its back end included. */
int vhost_renew(struct vhost *v)
{
	v->known = 0;
	return ioctl(v->fd, VHOST_RESET_OWNER) || ioctl(v->fd, VHOST_SET_OWNER) ? -1 : 0;
}

/**
 * vhost_start() - hand the enabled queues to the kernel
 * @v: an attached device
 *
 * The caller starts the back end afterwards.
 *
 * Return: 0, or -1 after a complaint.
 */
int vhost_start(struct vhost *v)
{
	__u64 features = v->dev->driver_features & v->features;
	int r, error;
	u32 i;

	r = ioctl(v->fd, VHOST_SET_FEATURES, &features) || set_memory(v);
	for (i = 0; i < v->dev->queue_count; i++) {
		if (!v->dev->queues[i].enabled)
			continue;
		r = r || set_queue(v, i);
		v->known |= (u32)BIT(i);
	}
	error = errno;
	pthread_mutex_lock(&v->dev->irq_lock);
	v->active = true;
	vhost_wire(v);
	pthread_mutex_unlock(&v->dev->irq_lock);
	v->dev->poll_on = true;
	return r ? vhost_complain(v, strerror(error)) : 0;
}

/* The back end is stopped: take the queues back. */
void vhost_stop(struct vhost *v)
{
	eventfd_t count;
	u32 i;

	v->dev->poll_on = false;
	pthread_mutex_lock(&v->dev->irq_lock);
	v->active = false;
	vhost_wire(v);
	pthread_mutex_unlock(&v->dev->irq_lock);
	for (i = 0; i < v->dev->queue_count; i++) {
		/* Where the queue stopped is of no use: a driver begins a reset device anew. */
		(void)set_state(v, VHOST_GET_VRING_BASE, i, 0);
		(void)eventfd_read(v->queues[i].call_fd, &count);
		(void)eventfd_read(v->queues[i].kick_fd, &count);
		(void)eventfd_read(v->queues[i].err_fd, &count);
	}
}
