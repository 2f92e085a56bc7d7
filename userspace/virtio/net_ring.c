// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio 1.2, "Network Device", packet transmission and reception. The tap speaks the same header
 * as the ring, so checksums and segmentation are left to whoever is best at them: a segment of
 * 64 KiB crosses in one piece. The tap checks the header; a packet it does not like is lost, as on
 * a wire.
 */
#include "virtio/net_ring.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "net/tap.h"
#include "virtio/iov.h"

/* Return: 0, -1 for a chain that is no packet, 1 when the tap is gone. */
static int send_chain(const struct chain *chain, int fd)
{
	struct iov_cursor c = { chain->out, chain->outs };

	if (chain->ins || iov_size(&c) < NET_HEADER)
		return -1;
	while (writev(fd, chain->out, (int)chain->outs) < 0)
		if (errno != EINTR)
			return tap_is_gone(errno);
	return 0;
}

/**
 * net_transmit() - send the packets waiting in a queue
 * @q: an enabled transmit queue
 * @fd: tap, or whatever takes a packet per write
 * @budget: packets at most
 *
 * Return: an enum net_result; notifications are asked for when it is NET_IDLE.
 */
enum net_result net_transmit(struct queue *q, int fd, u32 budget)
{
	struct chain chain;
	int r;

	while (budget) {
		r = queue_pop(q, &chain);
		if (r < 0)
			return NET_BROKEN;
		if (!r && !queue_rearm(q))
			return NET_IDLE;
		if (!r)
			continue;
		r = send_chain(&chain, fd);
		if (r < 0)
			return NET_BROKEN;
		queue_push(q, &chain, 0);
		if (r)
			return NET_GONE;
		budget--;
	}
	return NET_MORE;
}

/* The chains a packet goes into, given back together once it is whole. */
struct delivery {
	u16 heads[QUEUE_SIZE_MAX];
	u32 lens[QUEUE_SIZE_MAX];
	u16 count;
	struct iov_cursor header;
	struct iovec header_iov[QUEUE_SIZE_MAX];
};

/* The number of chains is known only after the last: remember where in the first the header is. */
static void keep_header(struct delivery *d, const struct chain *chain)
{
	memcpy(d->header_iov, chain->in, chain->ins * sizeof(*chain->in));
	d->header = (struct iov_cursor){ d->header_iov, chain->ins };
}

/* Fill one chain. Return: bytes it took, or -1 when it cannot be a receive buffer. */
static s64 fill_chain(struct delivery *d, const struct chain *chain, const u8 *from, u64 left)
{
	struct iov_cursor in = { chain->in, chain->ins };
	u64 n = min_u64(iov_size(&in), left);

	if (chain->outs || !chain->ins)
		return -1;
	if (!d->count) {
		if (iov_size(&in) < NET_HEADER)
			return -1;
		keep_header(d, chain);
	}
	iov_put(&in, from, n);
	d->heads[d->count] = chain->head;
	d->lens[d->count] = (u32)n;
	d->count++;
	return (s64)n;
}

static void finish(struct net_receiver *r, struct delivery *d)
{
	__le16 buffers = d->count;
	struct chain chain;
	u16 i;

	iov_skip(&d->header, offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers));
	iov_put(&d->header, &buffers, sizeof(buffers));
	for (i = 0; i < d->count; i++) {
		chain.head = d->heads[i];
		queue_push(r->q, &chain, d->lens[i]);
	}
}

/*
 * Return: NET_IDLE when delivered, NET_MORE when there are too few buffers yet: what was taken is
 * put back then. A packet larger than the only buffer it may have is lost, and one larger than all
 * that the ring can hold: there will never be more.
 */
static enum net_result deliver(struct net_receiver *r)
{
	u16 first = r->q->next_avail;
	struct delivery d;
	struct chain chain;
	u64 done = 0;
	u32 slots = 0;
	s64 n;
	int got;

	d.count = 0;
	while (done < r->len && (r->merge || !d.count) && slots < r->q->size) {
		got = queue_pop(r->q, &chain);
		n = got > 0 ? fill_chain(&d, &chain, r->packet + done, r->len - done) : got;
		if (n < 0)
			return NET_BROKEN;
		if (!n) {
			r->q->next_avail = first;
			return NET_MORE;
		}
		done += (u64)n;
		slots += chain.slots;
	}
	if (done == r->len)
		finish(r, &d);
	else
		r->q->next_avail = first;
	r->len = 0;
	return NET_IDLE;
}

/* Deliver the packet in hand, or find out that there really are too few buffers. */
static enum net_result deliver_or_wait(struct net_receiver *r)
{
	enum net_result result;
	u16 seen;

	do {
		seen = __atomic_load_n(&r->q->avail->idx, __ATOMIC_ACQUIRE);
		result = deliver(r);
	} while (result == NET_MORE && queue_rearm_at(r->q, seen));
	return result;
}

/**
 * net_receive() - give packets of a tap to the guest
 * @r: receiver with an enabled queue
 * @fd: non-blocking tap, or whatever gives a packet per read
 * @budget: packets at most
 *
 * Return: an enum net_result; after NET_IDLE with r->len the guest notifies of new buffers, after
 * NET_IDLE without it the tap is to be polled.
 */
enum net_result net_receive(struct net_receiver *r, int fd, u32 budget)
{
	enum net_result result;
	ssize_t n;

	while (budget--) {
		if (!r->len) {
			n = read(fd, r->packet, sizeof(r->packet));
			if (n < 0 && tap_is_gone(errno))
				return NET_GONE;
			if (n < (ssize_t)NET_HEADER)
				return NET_IDLE;
			r->len = (size_t)n;
		}
		result = deliver_or_wait(r);
		if (result == NET_BROKEN)
			return NET_BROKEN;
		if (result == NET_MORE)
			return NET_IDLE;
	}
	return NET_MORE;
}
