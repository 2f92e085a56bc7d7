// SPDX-License-Identifier: GPL-2.0-only
/* The network device when a vhost-net device of the kernel serves its queues. */
#include "virtio/net.h"

#include <errno.h>
#include <linux/vhost.h>
#include <linux/virtio_ids.h>
#include <string.h>
#include <sys/ioctl.h>

/* What the kernel does to rings and buffers; the rest is between the tap and the driver. */
#define OWNED	(FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | FEATURE(VIRTIO_RING_F_EVENT_IDX) | \
		 FEATURE(VIRTIO_NET_F_MRG_RXBUF))

static struct virtio_net *net_of(struct virtio_device *dev)
{
	return container_of(dev, struct virtio_net, dev);
}

static int set_backend(const struct virtio_net *net, int fd)
{
	struct vhost_vring_file backend = { .fd = fd };
	int r = 0;

	for (backend.index = 0; backend.index < NET_QUEUES; backend.index++)
		if (fd < 0 || net->dev.queues[backend.index].enabled)
			r |= ioctl(net->vhost.fd, VHOST_NET_SET_BACKEND, &backend);
	return r;
}

static int start(struct virtio_device *dev)
{
	struct virtio_net *net = net_of(dev);

	if (vhost_start(&net->vhost))
		return -1;
	if (!net_apply_offloads(net) && !set_backend(net, net->tap.fd))
		return 0;
	if (!tap_is_gone(errno))
		return vhost_complain(&net->vhost, strerror(errno));
	net_lose_link(net);
	return 0;
}

static void stop(struct virtio_device *dev)
{
	struct virtio_net *net = net_of(dev);

	(void)set_backend(net, VHOST_FILE_UNBIND);
	vhost_stop(&net->vhost);
}

static int serve(struct virtio_device *dev)
{
	return vhost_serve(&net_of(dev)->vhost) & VHOST_BROKEN ? -1 : 0;
}

static void vectors_changed(struct virtio_device *dev)
{
	vhost_wire(&net_of(dev)->vhost);
}

static const struct virtio_ops vhost_net_ops = {
	.name = "vhost-net",
	.type = VIRTIO_ID_NET,
	.class_code = NET_CLASS_ETHERNET,
	.queues = NET_QUEUES,
	.features = NET_FEATURES,
	.config_size = NET_CONFIG_SIZE,
	.serve = serve,
	.start = start,
	.stop = stop,
	.vectors_changed = vectors_changed,
};

int net_init_vhost(struct virtio_net *net, const struct kvm *kvm, const struct guest_ram *ram,
		   struct error *err)
{
	if (virtio_init(&net->dev, &vhost_net_ops, kvm, ram, err) ||
	    vhost_read_features(&net->vhost, err))
		return -1;
	return vhost_attach(&net->vhost, &net->dev, OWNED, err);
}
