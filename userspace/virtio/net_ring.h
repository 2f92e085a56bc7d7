/* SPDX-License-Identifier: GPL-2.0-only */
/* Moving packets between a pair of virtqueues and a tap. */
#ifndef VELLUM_VIRTIO_NET_RING_H
#define VELLUM_VIRTIO_NET_RING_H

#include "virtio/queue.h"

#include <linux/virtio_net.h>

/* Every packet begins with a header of this size: VIRTIO_F_VERSION_1 has no shorter one. */
#define NET_HEADER	sizeof(struct virtio_net_hdr_mrg_rxbuf)
/* The longest segment a tap hands out, with room for the Ethernet header. */
#define NET_PACKET_MAX	(NET_HEADER + 65536 + 64)

/**
 * enum net_result - how far a round of packets got
 * @NET_BROKEN: the driver broke the rules
 * @NET_IDLE: there was nothing more to move
 * @NET_MORE: the budget ran out first
 * @NET_GONE: the tap is gone
 */
enum net_result {
	NET_BROKEN = -1,
	NET_IDLE,
	NET_MORE,
	NET_GONE,
};

/**
 * struct net_receiver - receive side
 * @q: its queue
 * @merge: VIRTIO_NET_F_MRG_RXBUF was negotiated: a packet may fill several chains
 * @len: bytes of @packet that wait for buffers, 0 when none do
 * @packet: a packet with its header
 */
struct net_receiver {
	struct queue *q;
	bool merge;
	size_t len;
	u8 packet[NET_PACKET_MAX];
};

enum net_result net_transmit(struct queue *q, int fd, u32 budget);
enum net_result net_receive(struct net_receiver *r, int fd, u32 budget);

#endif
