// SPDX-License-Identifier: GPL-2.0-only
/*
 * Split virtqueues (virtio 1.2, "Split Virtqueues"). The rings are in memory that a hostile guest
 * writes at any time: every value is read once, checked, and used from the copy. Whatever makes no
 * sense is -1, upon which the caller stops the device until its driver resets it.
 */
#include "virtio/queue.h"

#include <linux/virtio_pci.h>
#include <string.h>

#define DESC_ALIGN	16
#define AVAIL_ALIGN	2
#define USED_ALIGN	4
#define EVENT_ALIGN	4
/* flags and idx before the ring, the event index after it */
#define RING_OVERHEAD	6

void queue_reset(struct queue *q)
{
	const struct guest_ram *ram = q->ram;

	memset(q, 0, sizeof(*q));
	q->ram = ram;
	q->size = QUEUE_SIZE_MAX;
	q->vector = VIRTIO_MSI_NO_VECTOR;
}

static void *map_ring(const struct queue *q, u64 gpa, u64 len, u64 align)
{
	return gpa & (align - 1) ? NULL : ram_ptr(q->ram, gpa, len);
}

static void map_split(struct queue *q, u64 n)
{
	q->avail = map_ring(q, q->avail_gpa, RING_OVERHEAD + n * sizeof(u16), AVAIL_ALIGN);
	q->used = map_ring(q, q->used_gpa, RING_OVERHEAD + n * sizeof(struct vring_used_elem),
			   USED_ALIGN);
}

static void map_events(struct queue *q)
{
	q->avail = map_ring(q, q->avail_gpa, sizeof(struct vring_packed_desc_event), EVENT_ALIGN);
	q->used = map_ring(q, q->used_gpa, sizeof(struct vring_packed_desc_event), EVENT_ALIGN);
}

/**
 * queue_enable() - start using the rings the driver announced
 * @q: the queue
 *
 * Return: 0, or -1 when they are not wholly in RAM, misaligned or of an impossible size.
 */
int queue_enable(struct queue *q)
{
	u64 n = q->size;

	if (!n || n > QUEUE_SIZE_MAX || (!q->packed && (n & (n - 1))))
		return -1;
	q->desc = map_ring(q, q->desc_gpa, n * sizeof(struct vring_desc), DESC_ALIGN);
	if (q->packed)
		map_events(q);
	else
		map_split(q, n);
	if (!q->desc || !q->avail || !q->used)
		return -1;
	q->enabled = true;
	return 0;
}

/* The descriptors a chain walks through: the queue's own, or an indirect table. */
struct table {
	const struct vring_desc *desc;
	u32 size;
};

static struct vring_desc read_desc(const struct table *t, u32 i)
{
	struct vring_desc copy;

	memcpy(&copy, t->desc + i, sizeof(copy));
	/* The compiler must not go back to the shared original. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	return copy;
}

static int open_indirect(const struct queue *q, const struct vring_desc *d, struct table *t)
{
	if (!d->len || d->len % sizeof(struct vring_desc) ||
	    d->len / sizeof(struct vring_desc) > QUEUE_SIZE_MAX)
		return -1;
	t->size = d->len / (u32)sizeof(struct vring_desc);
	t->desc = ram_ptr(q->ram, d->addr, d->len);
	return t->desc ? 0 : -1;
}

/* Buffers to be written come after all buffers to be read. */
static int add_buffer(const struct queue *q, struct chain *c, const struct vring_desc *d)
{
	void *host;

	if (!d->len)
		return 0;
	if (c->outs + c->ins == QUEUE_SIZE_MAX)
		return -1;
	host = ram_ptr(q->ram, d->addr, d->len);
	if (!host)
		return -1;
	c->iov[c->outs + c->ins] = (struct iovec){ host, d->len };
	if (d->flags & VRING_DESC_F_WRITE) {
		c->ins++;
		return 0;
	}
	c->outs++;
	return c->ins ? -1 : 0;
}

/* A chain longer than its table must contain a loop. */
static int walk(const struct queue *q, struct table t, u32 i, struct chain *c)
{
	bool indirect = false;
	u32 steps = 0;

	while (steps++ < t.size && i < t.size) {
		struct vring_desc d = read_desc(&t, i);

		c->slots += !indirect;
		if (d.flags & VRING_DESC_F_INDIRECT) {
			if (indirect || (d.flags & VRING_DESC_F_NEXT) || open_indirect(q, &d, &t))
				return -1;
			indirect = true;
			steps = 0;
			i = 0;
			continue;
		}
		if (add_buffer(q, c, &d))
			return -1;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return 0;
		i = d.next;
	}
	return -1;
}

/**
 * queue_pop() - take the next request
 * @q: an enabled queue
 * @chain: filled in
 *
 * Return: 1 with a request, 0 when there is none, -1 when the driver broke the rules.
 */
int queue_pop(struct queue *q, struct chain *chain)
{
	u16 avail = __atomic_load_n(&q->avail->idx, __ATOMIC_ACQUIRE);
	struct table t = { q->desc, q->size };

	if (avail == q->next_avail)
		return 0;
	if ((u16)(avail - q->next_avail) > q->size)
		return -1;
	chain->head = __atomic_load_n(&q->avail->ring[q->next_avail % q->size], __ATOMIC_RELAXED);
	chain->slots = 0;
	chain->outs = 0;
	chain->ins = 0;
	if (walk(q, t, chain->head, chain))
		return -1;
	chain->out = chain->iov;
	chain->in = chain->iov + chain->outs;
	q->next_avail++;
	return 1;
}

/**
 * queue_push() - give a request back
 * @q: the queue
 * @chain: a request from queue_pop()
 * @written: bytes written to its @in buffers
 */
void queue_push(struct queue *q, const struct chain *chain, u32 written)
{
	struct vring_used_elem *e = &q->used->ring[q->next_used % q->size];

	e->id = chain->head;
	e->len = written;
	q->next_used++;
	__atomic_store_n(&q->used->idx, q->next_used, __ATOMIC_RELEASE);
}

/* Does the driver want to hear of the requests given back since it was last interrupted? */
bool queue_should_interrupt(struct queue *q)
{
	u16 old = q->signalled;
	u16 event;

	if (q->next_used == old)
		return false;
	/* Pairs with the driver's barrier between arming and looking at the used index. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	q->signalled = q->next_used;
	if (!q->event_idx)
		return !(__atomic_load_n(&q->avail->flags, __ATOMIC_RELAXED) &
			 VRING_AVAIL_F_NO_INTERRUPT);
	event = __atomic_load_n(&q->avail->ring[q->size], __ATOMIC_RELAXED);
	return vring_need_event(event, q->next_used, old);
}

/**
 * queue_rearm_at() - ask for a notification when more is available than was seen
 * @q: the queue
 * @seen: available index that was seen
 *
 * Return: true when more arrived meanwhile and must be handled without a notification.
 */
bool queue_rearm_at(struct queue *q, u16 seen)
{
	u16 *avail_event = (u16 *)&q->used->ring[q->size];

	if (q->event_idx)
		__atomic_store_n(avail_event, seen, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&q->avail->idx, __ATOMIC_RELAXED) != seen;
}

/**
 * queue_rearm() - ask for a notification when the next request arrives
 * @q: an empty queue
 *
 * Return: as queue_rearm_at().
 */
bool queue_rearm(struct queue *q)
{
	return queue_rearm_at(q, q->next_avail);
}
