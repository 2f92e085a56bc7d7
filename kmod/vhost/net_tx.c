// SPDX-License-Identifier: GPL-2.0-only
/*
 * Transmit: from the guest to the socket.
 *
 * A tap takes small packets by the batch, already copied into memory that becomes
 * the packets' own, so the copy out of the guest is the only one. Other packets and
 * sockets are sent one by one.
 */
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/net.h>
#include <linux/skbuff.h>
#include <linux/uaccess.h>
#include <net/sock.h>

#include "net.h"

/* After so many packets others that use the worker have their turn. */
#define PACKETS_MAX	512

/* The longest packet that is worth copying; longer ones go by pages. */
#define COPY_MAX	(PAGE_SIZE - SKB_DATA_ALIGN(sizeof(struct skb_shared_info)) - \
			 SKB_DATA_ALIGN(XDP_PACKET_HEADROOM + sizeof(struct tun_xdp_hdr)))

/* How far a packet has been read. Its buffers stay as they are, in case it is sent by them. */
struct cursor {
	const struct iovec *iov;
	size_t at;
};

static bool copy_out(struct cursor *c, void *to, size_t len)
{
	size_t piece;

	for (; len; len -= piece, to += piece) {
		while (c->at == c->iov->iov_len) {
			c->iov++;
			c->at = 0;
		}
		piece = min(len, c->iov->iov_len - c->at);
		if (copy_from_user(to, c->iov->iov_base + c->at, piece))
			return false;
		c->at += piece;
	}
	return true;
}

/* The guest's header, which nearly every driver has in one piece. */
static bool copy_header(const struct net_vq *nq, struct cursor *c,
			struct virtio_net_hdr_mrg_rxbuf *to)
{
	if (unlikely(nq->guest_hdr != sizeof(*to) || c->iov->iov_len < sizeof(*to)))
		return copy_out(c, to, nq->guest_hdr);
	c->at = sizeof(*to);
	return !copy_from_user(to, c->iov->iov_base, sizeof(*to));
}

/* Gives the copied packets to the socket, and their buffers back to the guest. */
static int send_batch(struct net_vq *nq)
{
	struct tun_msg_ctl ctl = { .type = TUN_MSG_PTR, .num = nq->tx.n, .ptr = nq->tx.packets };
	struct msghdr msg = { .msg_control = &ctl, .msg_controllen = sizeof(ctl),
			      .msg_flags = MSG_DONTWAIT };
	unsigned int i, n = nq->tx.n;
	int ret;

	if (!n)
		return 0;
	nq->tx.n = 0;
	if (nq->sock->ops->sendmsg(nq->sock, &msg, 0) < 0) {
		/* Not even looked at: the interface is gone. */
		for (i = 0; i < n; i++)
			put_page(virt_to_head_page(nq->tx.packets[i].data));
		nq->vq.stats.errors += n;
	}
	for (i = 0; i < n; i++) {
		ret = vh_ring_push(&nq->vq, nq->tx.ids[i], nq->tx.slots[i], 0);
		if (ret)
			return ret;
	}
	return vh_ring_notify(&nq->vq);
}

static void *room_for(struct net_vq *nq, size_t size)
{
	struct page_frag *frag = &nq->tx.frag;

	frag->offset = ALIGN(frag->offset, SMP_CACHE_BYTES);
	if (!skb_page_frag_refill(size, frag, GFP_KERNEL))
		return NULL;
	return page_address(frag->page) + frag->offset;
}

/* Copies a packet to where the batch goes on. */
static bool copy_packet(struct net_vq *nq, struct vh_chain *chain)
{
	size_t len = chain->out_len - nq->guest_hdr;
	size_t pad = sock_flag(nq->sock->sk, SOCK_XDP) ? XDP_PACKET_HEADROOM :
							 NET_SKB_PAD + NET_IP_ALIGN;
	size_t head = SKB_DATA_ALIGN(pad + sizeof(struct tun_xdp_hdr));
	size_t size = head + SKB_DATA_ALIGN(len) + SKB_DATA_ALIGN(sizeof(struct skb_shared_info));
	struct xdp_buff *packet = &nq->tx.packets[nq->tx.n];
	struct virtio_net_hdr_mrg_rxbuf guest;
	struct cursor cursor = { .iov = chain->iov };
	struct tun_xdp_hdr *hdr;
	void *room = room_for(nq, size);

	if (!room || !copy_header(nq, &cursor, &guest) || !copy_out(&cursor, room + head, len))
		return false;
	hdr = room;
	hdr->buflen = size;
	hdr->gso = nq->sock_hdr ? guest.hdr : (struct virtio_net_hdr) {};
	*packet = (struct xdp_buff) {
		.data_hard_start = room,
		.data = room + head,
		.data_end = room + head + len,
	};
	nq->vq.stats.bytes += len;
	get_page(nq->tx.frag.page);
	nq->tx.frag.offset += size;
	nq->tx.ids[nq->tx.n] = chain->id;
	nq->tx.slots[nq->tx.n++] = chain->slots;
	return true;
}

/* Sends a packet from where it is. -EAGAIN: the socket has no room now. */
static int send_one(struct net_vq *nq, struct vh_chain *chain)
{
	size_t strip = nq->guest_hdr - nq->sock_hdr;
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT };
	int ret;

	iov_iter_init(&msg.msg_iter, ITER_SOURCE, chain->iov, chain->nout, chain->out_len);
	iov_iter_advance(&msg.msg_iter, strip);
	ret = nq->sock->ops->sendmsg(nq->sock, &msg, chain->out_len - strip);
	if (ret == -EAGAIN || ret == -ENOBUFS)
		return -EAGAIN;
	nq->vq.stats.bytes += chain->out_len - nq->guest_hdr;
	if (ret < 0)
		nq->vq.stats.errors++;
	return vh_ring_push(&nq->vq, chain->id, chain->slots, 0);
}

/* Nothing is sent until the socket has room again. */
static void wait_for_room(struct net_vq *nq, const struct vh_chain *chain)
{
	vh_ring_unpop(&nq->vq, 1, chain->slots);
	vh_poll_stop(&nq->watch);
	if (vh_poll_start(&nq->watch, nq->file))
		vh_vq_break(&nq->vq, "the socket is in error");
}

/* What is no frame at all the tap refuses by itself, where some kernels forget a batch's page. */
static bool is_for_batch(const struct net_vq *nq, size_t len)
{
	return nq->batches && len >= ETH_HLEN && len <= COPY_MAX;
}

/* 0: go on. Otherwise the round is over. */
static int transmit(struct net_vq *nq, struct vh_chain *chain)
{
	int ret;

	if (chain->in_len || chain->out_len < nq->guest_hdr) {
		vh_vq_break(&nq->vq, "a packet without header, or with buffers to write");
		return -EIO;
	}
	if (is_for_batch(nq, chain->out_len - nq->guest_hdr) && copy_packet(nq, chain))
		return nq->tx.n == NET_BATCH ? send_batch(nq) : 0;
	/* In order. */
	ret = send_batch(nq);
	ret = ret ?: send_one(nq, chain);
	if (ret == -EAGAIN)
		wait_for_room(nq, chain);
	return ret;
}

/* A round: as long as there are packets, and *@left of them at most. 1: it ended early. */
static int round_of(struct net_vq *nq, unsigned int *left)
{
	struct vh_chain chain;
	int ret = 0;

	for (; *left; --*left) {
		ret = vh_ring_pop(&nq->vq, &chain, 0);
		if (ret <= 0)
			break;
		ret = transmit(nq, &chain);
		if (ret)
			break;
	}
	if (!nq->vq.broken && !send_batch(nq))
		vh_ring_notify(&nq->vq);
	return *left ? ret : 1;
}

void net_tx(struct net_vq *nq)
{
	unsigned int left = PACKETS_MAX;
	int ret;

	if (vh_ring_kick_off(&nq->vq))
		return;
	for (;;) {
		ret = round_of(nq, &left);
		if (ret > 0)
			break;
		if (ret < 0 || nq->vq.broken)
			return;
		ret = vh_ring_spin(&nq->vq);
		if (!ret)
			ret = vh_ring_kick_on(&nq->vq);
		if (ret <= 0)
			return;
		/* An available index that goes to and fro makes a round without a packet. */
		if (!--left || READ_ONCE(nq->vq.wanted) || need_resched())
			break;
		if (vh_ring_kick_off(&nq->vq))
			return;
	}
	vh_vq_signal(&nq->vq, VH_AGAIN);
}

void net_tx_put(struct net_vq *nq)
{
	while (nq->tx.n)
		put_page(virt_to_head_page(nq->tx.packets[--nq->tx.n].data));
	if (nq->tx.frag.page)
		put_page(nq->tx.frag.page);
	memset(&nq->tx.frag, 0, sizeof(nq->tx.frag));
}
