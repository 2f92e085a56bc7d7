// SPDX-License-Identifier: GPL-2.0-only
/*
 * The eventfds between guest and vhost. An interrupt is an irqfd while MSI-X is on and the vector
 * unmasked. While it is masked the eventfd keeps the interrupt: assigning an irqfd to a signalled
 * eventfd raises it. Without MSI-X the device's thread carries interrupts over.
 */
#include "virtio/vhost.h"

#include <errno.h>
#include <linux/vhost.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { NEWS_ERROR, NEWS_CALL, NEWS_CONFIG, NEWS_KINDS };

static int listen_to(const struct vhost *v, int op, int fd, u32 queue, u32 kind, bool on)
{
	struct epoll_event event = {
		.events = on ? EPOLLIN : 0,
		.data.u32 = queue * NEWS_KINDS + kind,
	};

	return epoll_ctl(v->epoll_fd, op, fd, &event);
}

static int make_eventfd(void)
{
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static int make_wires(struct vhost *v, u32 i)
{
	struct vhost_queue *vq = &v->queues[i];

	vq->kick_fd = make_eventfd();
	vq->call_fd = make_eventfd();
	vq->err_fd = make_eventfd();
	if (vq->kick_fd < 0 || vq->call_fd < 0 || vq->err_fd < 0)
		return -1;
	v->dev->queue_kicks[i] = vq->kick_fd;
	return listen_to(v, EPOLL_CTL_ADD, vq->err_fd, i, NEWS_ERROR, true) ||
	       listen_to(v, EPOLL_CTL_ADD, vq->call_fd, i, NEWS_CALL, false);
}

/**
 * vhost_attach() - let a vhost device serve a virtio device
 * @v: open, its features read, @routes set
 * @dev: initialised, not plugged in
 * @owned: features that are the queues' server's business
 * @err: filled in on failure
 *
 * Return: 0 or -1.
 */
int vhost_attach(struct vhost *v, struct virtio_device *dev, u64 owned, struct error *err)
{
	u32 i;
	int r;

	v->dev = dev;
	for (i = 0; i < VIRTIO_QUEUES_MAX; i++)
		v->queues[i] = (struct vhost_queue){ .kick_fd = -1, .call_fd = -1, .err_fd = -1 };
	v->config_fd = make_eventfd();
	v->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	r = v->config_fd < 0 || v->epoll_fd < 0 ||
	    listen_to(v, EPOLL_CTL_ADD, v->config_fd, 0, NEWS_CONFIG, true);
	for (i = 0; !r && i < dev->queue_count; i++)
		r = make_wires(v, i);
	if (r)
		return error_set(err, STATUS_OS, "%s: eventfd: %s", v->option, strerror(errno));
	for (i = 0; i < dev->queue_count; i++)
		if (routes_add(v->routes, &v->queues[i].gsi, err))
			return -1;
	dev->hidden_features |= owned & ~v->features;
	if (v->packed)
		dev->extra_features |= FEATURE(VIRTIO_F_RING_PACKED);
	dev->poll_fd = v->epoll_fd;
	return 0;
}

static void unwire(struct vhost *v, u32 i)
{
	struct vhost_queue *vq = &v->queues[i];

	if (vq->wired)
		irqfd_deassign(v->dev->kvm, vq->call_fd, vq->gsi);
	vq->wired = false;
}

static void wire_queue(struct vhost *v, u32 i)
{
	const struct virtio_device *dev = v->dev;
	struct vhost_queue *vq = &v->queues[i];
	struct msi message;

	if (!v->active || !msix_message(&dev->msix, dev->queues[i].vector, &message) ||
	    routes_set(v->routes, vq->gsi, message))
		unwire(v, i);
	else if (!vq->wired)
		vq->wired = !irqfd_assign(dev->kvm, vq->call_fd, vq->gsi);
	(void)listen_to(v, EPOLL_CTL_MOD, vq->call_fd, i, NEWS_CALL,
			v->active && !dev->msix.enabled);
}

/* Bring interrupts in line with the MSI-X table. */
void vhost_wire(struct vhost *v)
{
	u32 i;

	for (i = 0; i < v->dev->queue_count; i++)
		wire_queue(v, i);
}

static u32 handle(struct vhost *v, u32 queue, u32 kind)
{
	const struct vhost_queue *vq = &v->queues[queue];
	eventfd_t count;

	switch (kind) {
	case NEWS_ERROR:
		eventfd_read(vq->err_fd, &count);
		vhost_complain(v, "a ring of the guest's breaks the rules");
		return VHOST_BROKEN;
	case NEWS_CALL:
		if (!eventfd_read(vq->call_fd, &count))
			virtio_interrupt(v->dev, &v->dev->queues[queue]);
		return 0;
	default:
		eventfd_read(v->config_fd, &count);
		return VHOST_CONFIG_CHANGED;
	}
}

/**
 * vhost_serve() - hear what the kernel has to say
 * @v: a running device
 *
 * Return: VHOST_*, all that came.
 */
u32 vhost_serve(struct vhost *v)
{
	struct epoll_event events[VIRTIO_QUEUES_MAX];
	int n = epoll_wait(v->epoll_fd, events, VIRTIO_QUEUES_MAX, 0);
	u32 news = 0;
	int i;

	for (i = 0; i < n; i++)
		news |= handle(v, events[i].data.u32 / NEWS_KINDS,
			       events[i].data.u32 % NEWS_KINDS);
	return news;
}
