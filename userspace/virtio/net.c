// SPDX-License-Identifier: GPL-2.0-only
/* virtio 1.2, "Network Device": one pair of queues, served by the device's thread. */
#include "virtio/net.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <string.h>
#include <sys/random.h>

/* Packets in a row, in each direction, before others get a look at the device. */
#define BUDGET		64

#define MAC_LOCAL	0x02
#define MAC_GROUP	0x01

static bool wants(const struct virtio_net *net, u32 feature)
{
	return net->dev.driver_features & FEATURE(feature);
}

/* Somebody removed the tap: as if the cable had been pulled, before the driver came or after. */
void net_lose_link(struct virtio_net *net)
{
	static const __virtio16 down;

	if (net->config.status)
		virtio_config_set(&net->dev, &net->config.status, &down, sizeof(down));
}

/*
 * What the driver accepted decides what the tap may hand out. What came for a driver before it may
 * be more than this one can take.
 */
int net_apply_offloads(struct virtio_net *net)
{
	const struct tap_offloads o = {
		.checksum = wants(net, VIRTIO_NET_F_GUEST_CSUM),
		.tso4 = wants(net, VIRTIO_NET_F_GUEST_TSO4),
		.tso6 = wants(net, VIRTIO_NET_F_GUEST_TSO6),
		.ecn = wants(net, VIRTIO_NET_F_GUEST_ECN),
	};

	if (!tap_set_offloads(&net->tap, o))
		tap_drain(&net->tap);
	else if (tap_is_gone(errno))
		net_lose_link(net);
	else
		return -1;
	return 0;
}

static int start(struct virtio_device *dev)
{
	struct virtio_net *net = container_of(dev, struct virtio_net, dev);

	net->receiver.q = &dev->queues[NET_QUEUE_RECEIVE];
	net->receiver.merge = wants(net, VIRTIO_NET_F_MRG_RXBUF);
	net->receiver.len = 0;
	return net_apply_offloads(net);
}

static void stop(struct virtio_device *dev)
{
	dev->poll_on = false;
}

static int serve(struct virtio_device *dev)
{
	struct virtio_net *net = container_of(dev, struct virtio_net, dev);
	struct queue *tx = &dev->queues[NET_QUEUE_TRANSMIT];
	struct net_receiver *r = &net->receiver;
	enum net_result sent = NET_IDLE, received = NET_IDLE;

	if (tx->enabled)
		sent = net_transmit(tx, net->tap.fd, BUDGET);
	virtio_notify_queue(dev, tx);
	if (r->q->enabled && net->config.status)
		received = net_receive(r, net->tap.fd, BUDGET);
	virtio_notify_queue(dev, r->q);
	if (sent == NET_BROKEN || received == NET_BROKEN)
		return -1;
	if (sent == NET_GONE || received == NET_GONE)
		net_lose_link(net);
	/* Without a tap packets are lost, but the driver gets all of their buffers back. */
	if (sent == NET_MORE || sent == NET_GONE || received == NET_MORE)
		virtio_kick(dev);
	dev->poll_on = r->q->enabled && !r->len && net->config.status;
	return 0;
}

static const struct virtio_ops net_ops = {
	.name = "virtio-net",
	.type = VIRTIO_ID_NET,
	.class_code = NET_CLASS_ETHERNET,
	.queues = NET_QUEUES,
	.features = NET_FEATURES,
	.config_size = NET_CONFIG_SIZE,
	.serve = serve,
	.start = start,
	.stop = stop,
};

static int choose_mac(struct virtio_net *net, const u8 *mac, struct error *err)
{
	u8 *to = net->config.mac;

	if (mac) {
		memcpy(to, mac, ETH_ALEN);
		return 0;
	}
	if (getrandom(to, ETH_ALEN, 0) != ETH_ALEN)
		return error_set(err, STATUS_OS, "%s: no random numbers for a MAC (give mac=)",
				 net->tap.option);
	to[0] = (u8)((to[0] | MAC_LOCAL) & ~MAC_GROUP);
	return 0;
}

/**
 * net_init() - make a network card of an open tap
 * @net: its tap open, and its vhost device if one is to serve it
 * @mac: address, or NULL for a random one
 * @kvm: the VM
 * @ram: its RAM
 * @err: filled in on failure
 *
 * Return: 0 or -1.
 */
int net_init(struct virtio_net *net, const u8 *mac, const struct kvm *kvm,
	     const struct guest_ram *ram, struct error *err)
{
	if (choose_mac(net, mac, err))
		return -1;
	net->config.status = VIRTIO_NET_S_LINK_UP;
	net->dev.config = &net->config;
	if (vhost_is_open(&net->vhost))
		return net_init_vhost(net, kvm, ram, err);
	if (virtio_init(&net->dev, &net_ops, kvm, ram, err))
		return -1;
	net->dev.poll_fd = net->tap.fd;
	return 0;
}

/* Harmless for a card that was never opened. */
void net_destroy(struct virtio_net *net)
{
	virtio_destroy(&net->dev);
	vhost_close(&net->vhost);
	tap_close(&net->tap);
}
