/* SPDX-License-Identifier: GPL-2.0-only */
/* The network device: virtio 1.2, "Network Device", one pair of queues for each open device. */
#ifndef VELLUM_VHOST_NET_H
#define VELLUM_VHOST_NET_H

#include <linux/ptr_ring.h>
#include <linux/virtio_net.h>
#include <net/xdp.h>

#include "dev.h"
#include "ring.h"

enum { NET_RX, NET_TX, NET_QUEUES };

/* Packets taken from, or given to, the socket at a time. */
#define NET_BATCH	64

/**
 * struct net_bunch - the chains that one packet is written to
 * @n: how many
 * @niov: entries of vh_vq.iov, from the first on
 * @slots: of the ring
 * @room: bytes
 */
struct net_bunch {
	struct vh_chain chains[NET_BATCH];
	unsigned int n;
	unsigned int niov;
	unsigned int slots;
	size_t room;
};

/**
 * struct net_vq - a queue
 * @file: the socket's, kept open; NULL: no backend
 * @sock: a packet socket, or a tap's or macvtap's
 * @watch: waits for packets (receive) or for room (transmit)
 * @ring: the tap's ring of packets, or NULL for a packet socket
 * @batches: the socket takes many packets by one call, as struct xdp_buff
 * @guest_hdr: bytes of header in front of the guest's packets
 * @sock_hdr: as many of them as the socket has too; the rest is ours to add or strip
 */
struct net_vq {
	struct vh_vq vq;
	struct file *file;
	struct socket *sock;
	struct vh_poll watch;
	bool batches;
	size_t guest_hdr;
	size_t sock_hdr;
	union {
		/*
		 * receive: packets taken from @ring, from @at to @n not given to the guest yet;
		 * @counted: by the reader, on the tap's device, which was last seen as @ifindex
		 */
		struct {
			struct ptr_ring *ring;
			bool counted;
			int ifindex;
			unsigned int at;
			unsigned int n;
			void *packets[NET_BATCH];
			struct net_bunch bunch;
		} rx;
		/* transmit: @n packets copied, and where the next one goes */
		struct {
			unsigned int n;
			struct page_frag frag;
			struct xdp_buff packets[NET_BATCH];
			u16 ids[NET_BATCH];
			u16 slots[NET_BATCH];
		} tx;
	};
};

struct vh_net {
	struct vh_dev dev;
	struct vh_vq *vqs[NET_QUEUES];
	struct net_vq queues[NET_QUEUES];
};

static inline struct net_vq *to_net_vq(struct vh_vq *vq)
{
	return container_of(vq, struct net_vq, vq);
}

int vh_net_init(void);
void vh_net_exit(void);

/* The handlers of the queues: by the worker, with vh_vq.lock held. */
void net_rx(struct net_vq *nq);
void net_tx(struct net_vq *nq);

/* Gives back what the queue took from the socket or holds for it. */
void net_rx_put(struct net_vq *nq);
void net_tx_put(struct net_vq *nq);

#endif /* VELLUM_VHOST_NET_H */
