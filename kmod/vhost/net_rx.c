// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receive: from the socket to the guest.
 *
 * Packets are taken out of a tap's ring by the batch, and copied straight into the guest's
 * buffers, of which each may take several: plain packets here, and what has a VLAN tag or comes
 * from XDP or a packet socket by the socket itself.
 */
#include <linux/if_tun.h>
#include <linux/if_vlan.h>
#include <linux/ktime.h>
#include <linux/net.h>
#include <linux/sched/clock.h>
#include <linux/skbuff.h>
#include <linux/uaccess.h>
#include <net/sock.h>

#include "net.h"

/* After so many packets others that use the worker have their turn. */
#define PACKETS_MAX	512

/* Offset of the count of buffers in the header. */
#define COUNT_AT	offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers)

static size_t skb_size(const struct sk_buff *skb)
{
	return skb->len + (skb_vlan_tag_present(skb) ? VLAN_HLEN : 0);
}

static bool is_tap(const struct net_device *dev)
{
	return dev->rtnl_link_ops && !strcmp(dev->rtnl_link_ops->kind, "tun");
}

/*
 * The tap's device if it is the one that a packet in its ring names. The packet does not keep
 * it, and may have been put back into the ring after the device went: the name is compared,
 * never followed, and says nothing about what is there now but that it is a tap, with a tap's
 * counts. Called in an RCU section.
 */
static struct net_device *device_named(struct net_vq *nq, const struct net_device *name)
{
	struct net *net = sock_net(nq->sock->sk);
	struct net_device *dev = dev_get_by_index_rcu(net, nq->rx.ifindex);

	if (likely(dev == name && is_tap(dev)))
		return dev;
	for_each_netdev_rcu(net, dev) {
		if (dev == name && is_tap(dev)) {
			nq->rx.ifindex = dev->ifindex;
			return dev;
		}
	}
	return NULL;
}

/* What packets of a batch name, the last one looked for, and what was found. */
struct seen {
	const struct net_device *name;
	struct net_device *dev;
};

/*
 * Makes a packet ours, which needs nothing from the socket any more: a tap counts what it sent
 * when it is read. Such a packet has no device from then on.
 */
static void claim(struct net_vq *nq, struct sk_buff *skb, struct seen *seen)
{
	if (skb_vlan_tag_present(skb) || !skb->dev)
		return;
	if (nq->rx.counted) {
		if (skb->dev != seen->name) {
			seen->name = skb->dev;
			seen->dev = device_named(nq, skb->dev);
		}
		if (!seen->dev)
			return;
		preempt_disable();
		dev_sw_netstats_tx_add(seen->dev, 1, skb->len);
		preempt_enable();
	}
	skb->dev = NULL;
}

static void take_packets(struct net_vq *nq)
{
	struct seen seen = {};
	unsigned int i;

	rcu_read_lock();
	nq->rx.at = 0;
	nq->rx.n = ptr_ring_consume_batched(nq->rx.ring, nq->rx.packets, NET_BATCH);
	for (i = 0; i < nq->rx.n; i++)
		if (!tun_is_xdp_frame(nq->rx.packets[i]))
			claim(nq, nq->rx.packets[i], &seen);
	rcu_read_unlock();
}

/* A packet of the ring that is ours. */
static bool is_claimed(void *packet)
{
	return !tun_is_xdp_frame(packet) && !((struct sk_buff *)packet)->dev;
}

static size_t ring_next(struct net_vq *nq)
{
	void *p;

	if (nq->rx.at == nq->rx.n) {
		take_packets(nq);
		if (!nq->rx.n)
			return 0;
	}
	p = nq->rx.packets[nq->rx.at];
	return tun_is_xdp_frame(p) ? tun_ptr_to_xdp(p)->len : skb_size(p);
}

static size_t queue_next(struct sock *sk)
{
	struct sk_buff *skb;
	unsigned long flags;
	size_t len = 0;

	spin_lock_irqsave(&sk->sk_receive_queue.lock, flags);
	skb = skb_peek(&sk->sk_receive_queue);
	if (skb)
		len = skb_size(skb);
	spin_unlock_irqrestore(&sk->sk_receive_queue.lock, flags);
	return len;
}

/* Bytes of the packet that comes next, without a header; 0: none. */
static size_t next_len(struct net_vq *nq)
{
	return nq->rx.ring ? ring_next(nq) : queue_next(nq->sock->sk);
}

/* Takes chains until they hold @len bytes. 1: they do, 0: the guest has too few. */
static int collect(struct net_vq *nq, size_t len, struct net_bunch *b)
{
	unsigned int most = vh_vq_has(&nq->vq, VIRTIO_NET_F_MRG_RXBUF) ? NET_BATCH : 1;
	int ret;

	b->n = 0;
	b->niov = 0;
	b->slots = 0;
	b->room = 0;
	while (b->room < len && b->n < most) {
		struct vh_chain *chain = &b->chains[b->n];

		ret = vh_ring_pop(&nq->vq, chain, b->niov);
		if (ret <= 0)
			break;
		if (chain->out_len || chain->in_len < nq->guest_hdr) {
			vh_vq_break(&nq->vq, "a receive buffer that is too small or to read");
			return -EIO;
		}
		b->room += chain->in_len;
		b->niov += chain->nin;
		b->slots += chain->slots;
		b->n++;
		if (b->room >= len || b->n == most)
			return 1;
	}
	if (nq->vq.broken)
		return -EIO;
	vh_ring_unpop(&nq->vq, b->n, b->slots);
	return 0;
}

/* Writes into the buffers at an offset that may lie in any of them. */
static bool write_at(const struct iovec *iov, size_t at, const void *from, size_t len)
{
	size_t piece;

	for (; len; iov++) {
		if (at >= iov->iov_len) {
			at -= iov->iov_len;
			continue;
		}
		piece = min(len, iov->iov_len - at);
		if (copy_to_user(iov->iov_base + at, from, piece))
			return false;
		from += piece;
		len -= piece;
		at = 0;
	}
	return true;
}

/* Has the socket write its packet. The bytes written, or a negative errno. */
static int receive(struct net_vq *nq, const struct net_bunch *b, size_t ours)
{
	int flags = MSG_DONTWAIT | MSG_TRUNC;
	struct msghdr msg = { .msg_flags = flags };

	if (b->niov == 1)
		iov_iter_ubuf(&msg.msg_iter, ITER_DEST, nq->vq.iov->iov_base, b->room);
	else
		iov_iter_init(&msg.msg_iter, ITER_DEST, nq->vq.iov, b->niov, b->room);
	iov_iter_advance(&msg.msg_iter, ours);
	if (nq->rx.ring)
		msg.msg_control = nq->rx.packets[nq->rx.at++];
	return nq->sock->ops->recvmsg(nq->sock, &msg, b->room - ours, flags);
}

/* The header's parts that are not the socket's business. */
static bool write_header(struct net_vq *nq, const struct net_bunch *b, size_t ours)
{
	static const struct virtio_net_hdr_mrg_rxbuf plain;
	const struct iovec *first = nq->vq.iov;
	__le16 count = cpu_to_le16(b->n);

	if (ours && !write_at(first, 0, &plain, ours))
		return false;
	if (nq->guest_hdr <= COUNT_AT)
		return true;
	if (likely(first->iov_len >= sizeof(plain)))
		return !put_user(count, (__le16 __user *)(first->iov_base + COUNT_AT));
	return write_at(first, COUNT_AT, &count, sizeof(count));
}

static int give_to_guest(struct net_vq *nq, const struct net_bunch *b, size_t len)
{
	struct vh_vq *vq = &nq->vq;
	unsigned int i;
	u32 piece;
	int ret;

	if (unlikely(vh_vq_has(vq, VHOST_F_LOG_ALL)) && vh_log_iov(vq, vq->iov, b->niov, len)) {
		vh_vq_break(vq, "the log is not mapped");
		return -EFAULT;
	}
	/* The guest sees the buffers of a packet all at once. */
	if (vq->used_n + b->n > VH_BATCH) {
		ret = vh_ring_notify(vq);
		if (ret)
			return ret;
	}
	for (i = 0; i < b->n; i++) {
		piece = min_t(size_t, len, b->chains[i].in_len);
		ret = vh_ring_push(vq, b->chains[i].id, b->chains[i].slots, piece);
		if (ret)
			return ret;
		len -= piece;
	}
	return 0;
}

/* The packet that comes next by the socket. 1: written, 0: there is none any more. */
static int write_by_socket(struct net_vq *nq, const struct net_bunch *b, size_t len)
{
	size_t ours = nq->guest_hdr - nq->sock_hdr;
	int ret = receive(nq, b, ours);

	/* Somebody else reads from the packet socket. */
	if (ret == -EAGAIN && !nq->rx.ring)
		return 0;
	if (ret < 0 || (size_t)ret + ours != len || b->room < len)
		return -EIO;
	if (write_header(nq, b, ours))
		return 1;
	vh_vq_break(&nq->vq, "a receive buffer that is not mapped");
	return -EFAULT;
}

/* Into one piece, as nearly always. */
static bool copy_to_piece(void __user *to, const void *hdr, size_t hdr_len, const void *data,
			  size_t len)
{
	if (unlikely(!user_access_begin(to, hdr_len)))
		return false;
	unsafe_copy_to_user(to, hdr, hdr_len, fault);
	user_access_end();
	return !copy_to_user(to + hdr_len, data, len);
fault:
	user_access_end();
	return false;
}

static bool copy_skb(struct net_vq *nq, const struct net_bunch *b, const struct sk_buff *skb)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = {};
	const struct iovec *first = nq->vq.iov;
	struct iov_iter to;

	if (b->room < nq->guest_hdr + skb->len)
		return false;
	if (nq->sock_hdr && virtio_net_hdr_from_skb(skb, &hdr.hdr, true, true, 0))
		return false;
	hdr.num_buffers = __cpu_to_virtio16(true, b->n);
	if (likely(first->iov_len >= sizeof(hdr) + skb->len && nq->guest_hdr == sizeof(hdr) &&
		   !skb_is_nonlinear(skb)))
		return copy_to_piece(first->iov_base, &hdr, sizeof(hdr), skb->data, skb->len);
	iov_iter_init(&to, ITER_DEST, first, b->niov, b->room);
	return copy_to_iter(&hdr, nq->guest_hdr, &to) == nq->guest_hdr &&
	       !skb_copy_datagram_iter(skb, 0, &to, skb->len);
}

/* The packet that comes next in the ring, which is ours. */
static int write_skb(struct net_vq *nq, const struct net_bunch *b)
{
	struct sk_buff *skb = nq->rx.packets[nq->rx.at++];

	if (likely(copy_skb(nq, b, skb))) {
		consume_skb(skb);
		return 1;
	}
	kfree_skb(skb);
	return -EIO;
}

/* 1: the packet is dealt with, 0: the guest has no buffers for it. */
static int one_packet(struct net_vq *nq, size_t len)
{
	struct net_bunch *b = &nq->rx.bunch;
	int ret = collect(nq, len + nq->guest_hdr, b);

	if (ret <= 0)
		return ret;
	if (nq->rx.ring && is_claimed(nq->rx.packets[nq->rx.at]))
		ret = write_skb(nq, b);
	else
		ret = write_by_socket(nq, b, len + nq->guest_hdr);
	if (nq->vq.broken)
		return ret;
	if (ret <= 0) {
		/* Its buffers are for the next one. */
		nq->vq.stats.errors += ret < 0;
		vh_ring_unpop(&nq->vq, b->n, b->slots);
		return 1;
	}
	nq->vq.stats.bytes += len;
	ret = give_to_guest(nq, b, len + nq->guest_hdr);
	return ret ?: 1;
}

static bool has_packet(struct net_vq *nq)
{
	if (!nq->rx.ring)
		return !skb_queue_empty_lockless(&nq->sock->sk->sk_receive_queue);
	return nq->rx.at != nq->rx.n || !ptr_ring_empty(nq->rx.ring);
}

/* Waits for a packet as long as the busy-poll timeout says. */
static bool spin(struct net_vq *nq)
{
	u64 end;

	if (!nq->vq.busy_us)
		return false;
	end = ktime_get_ns() + (u64)nq->vq.busy_us * NSEC_PER_USEC;
	do {
		if (has_packet(nq))
			return true;
		cpu_relax();
	} while (vh_ring_may_spin(&nq->vq) && ktime_get_ns() < end);
	return false;
}

void net_rx(struct net_vq *nq)
{
	unsigned int n;
	size_t len;
	int ret;

	/* While it waits for packets, new buffers are no news. */
	if (vh_ring_kick_off(&nq->vq))
		return;
	for (n = 0; n < PACKETS_MAX; n++) {
		len = next_len(nq);
		if (!len) {
			if (vh_ring_notify(&nq->vq) || !spin(nq))
				return;
			continue;
		}
		ret = one_packet(nq, len);
		if (ret < 0)
			return;
		if (ret)
			continue;
		if (vh_ring_notify(&nq->vq) || vh_ring_kick_on(&nq->vq) <= 0)
			return;
		if (vh_ring_kick_off(&nq->vq))
			return;
	}
	if (!vh_ring_notify(&nq->vq))
		vh_vq_signal(&nq->vq, VH_AGAIN);
}

static void free_packet(void *ptr)
{
	tun_ptr_free(ptr);
}

/* What was taken from the ring goes back to its front, for whoever reads it next. */
void net_rx_put(struct net_vq *nq)
{
	if (nq->rx.ring && nq->rx.at != nq->rx.n)
		ptr_ring_unconsume(nq->rx.ring, nq->rx.packets + nq->rx.at, nq->rx.n - nq->rx.at,
				   free_packet);
	nq->rx.at = 0;
	nq->rx.n = 0;
	nq->rx.ring = NULL;
}
