// SPDX-License-Identifier: GPL-2.0-only
/*
 * The split ring: virtio 1.2, "Split Virtqueues".
 *
 * The available ring is read ahead by up to VH_BATCH heads, after one barrier; the
 * used ring is written by as many elements, before one barrier and the index. User
 * memory is opened once for each such group.
 */
#include <linux/uaccess.h>
#include <linux/vhost.h>

#include "dev.h"
#include "mem.h"
#include "ring.h"
#include "table.h"

/* Entries from @at to the wrap of the ring, at most @n. */
static unsigned int until_wrap(const struct vh_vq *vq, u16 at, unsigned int n)
{
	return min(n, vq->num - (at & (vq->num - 1)));
}

static bool read_heads(struct vh_vq *vq, u16 at, unsigned int n, __le16 *to)
{
	const __le16 __user *from = &vq->avail->ring[at & (vq->num - 1)];
	unsigned int i;

	if (unlikely(!user_access_begin(from, n * sizeof(*from))))
		return false;
	for (i = 0; i < n; i++)
		unsafe_get_user(to[i], &from[i], fault);
	user_access_end();
	return true;
fault:
	user_access_end();
	return false;
}

/* How many entries of the available ring wait to be taken. */
static int ready_entries(struct vh_vq *vq)
{
	u16 ready = vq->avail_seen - vq->last_avail;
	__le16 idx;

	if (ready)
		return ready;
	if (unlikely(get_user(idx, &vq->avail->idx)))
		return vh_ring_fault(vq);
	ready = le16_to_cpu(idx) - vq->last_avail;
	if (unlikely(ready > vq->num))
		return vh_ring_violation(vq, "the available index jumped");
	if (!ready)
		return 0;
	vq->avail_seen = le16_to_cpu(idx);
	/* The index before the entries and descriptors it makes available. */
	smp_rmb();
	return ready;
}

/* Reads ahead. 1: there are heads now, 0: nothing is available. */
static int fetch_heads(struct vh_vq *vq)
{
	unsigned int n, first;
	int ready = ready_entries(vq);

	if (ready <= 0)
		return ready;
	n = min_t(unsigned int, ready, VH_BATCH);
	first = until_wrap(vq, vq->last_avail, n);
	if (unlikely(!read_heads(vq, vq->last_avail, first, vq->heads)))
		return vh_ring_fault(vq);
	if (first < n &&
	    unlikely(!read_heads(vq, vq->last_avail + first, n - first, vq->heads + first)))
		return vh_ring_fault(vq);
	vq->heads_at = 0;
	vq->heads_n = n;
	return 1;
}

static const char *add_indirect(struct vh_vq *vq, struct vh_chain *chain,
				const struct vh_desc *in, unsigned int taken)
{
	unsigned int i = 0, count;
	struct vh_table table;
	struct vh_desc d;
	const char *why;

	if (in->flags & cpu_to_le16(VRING_DESC_F_NEXT))
		return "an indirect descriptor that continues";
	if (!vh_vq_has(vq, VIRTIO_RING_F_INDIRECT_DESC))
		return "an indirect descriptor that was not negotiated";
	why = vh_table_open(vq, &table, le64_to_cpu(in->addr), le32_to_cpu(in->len));
	for (count = taken; !why; count++) {
		if (unlikely(count >= vq->num))
			return "a chain longer than the ring";
		if (unlikely(i >= table.n))
			return "an index outside the indirect table";
		why = vh_table_read(vq, &table, i, &d);
		if (unlikely(why))
			return why;
		if (unlikely(d.flags & cpu_to_le16(VRING_DESC_F_INDIRECT)))
			return "an indirect table in an indirect table";
		why = vh_chain_add(vq, chain, le64_to_cpu(d.addr), le32_to_cpu(d.len),
				   d.flags & cpu_to_le16(VRING_DESC_F_WRITE));
		if (!(d.flags & cpu_to_le16(VRING_DESC_F_NEXT)))
			return why;
		i = le16_to_cpu(d.next);
	}
	return why;
}

/* Walks the chain. A loop ends where it is longer than the ring. */
static const char *add_chain(struct vh_vq *vq, struct vh_chain *chain)
{
	unsigned int i = chain->id, count;
	struct vh_desc d;
	const char *why;

	for (count = 0;; count++) {
		if (unlikely(count >= vq->num))
			return "a chain longer than the ring";
		if (unlikely(i >= vq->num))
			return "an index outside the descriptor table";
		if (unlikely(!vh_desc_read(&d, &vq->desc[i])))
			return "the descriptor table is not mapped";
		if (d.flags & cpu_to_le16(VRING_DESC_F_INDIRECT))
			return add_indirect(vq, chain, &d, count);
		why = vh_chain_add(vq, chain, le64_to_cpu(d.addr), le32_to_cpu(d.len),
				   d.flags & cpu_to_le16(VRING_DESC_F_WRITE));
		if (unlikely(why))
			return why;
		if (!(d.flags & cpu_to_le16(VRING_DESC_F_NEXT)))
			return NULL;
		i = le16_to_cpu(d.next);
	}
}

int vh_split_pop(struct vh_vq *vq, struct vh_chain *chain)
{
	const char *why;
	int ret;

	if (!vq->heads_n) {
		ret = fetch_heads(vq);
		if (ret <= 0)
			return ret;
	}
	chain->id = le16_to_cpu(vq->heads[vq->heads_at++]);
	chain->slots = 1;
	vq->heads_n--;
	vq->last_avail++;
	why = add_chain(vq, chain);
	if (likely(!why))
		return 1;
	/* Not taken: a driver that is mended finds it where it was. */
	vq->last_avail--;
	vq->heads_n = 0;
	return vh_ring_violation(vq, why);
}

static void split_unpop(struct vh_vq *vq, unsigned int n, unsigned int slots)
{
	vq->last_avail -= n;
}

/*
 * Writes what was used, without the entries that the driver counts for itself, and finds
 * the index behind it.
 */
static bool write_used(struct vh_vq *vq, u16 *at)
{
	const struct vh_used_elem *from = vq->used_batch;
	struct vh_used_elem __user *to;
	unsigned int i;

	if (unlikely(!user_access_begin(vq->used->ring, vq->num * sizeof(*to))))
		return false;
	for (i = 0; i < vq->used_n; i++, from++) {
		to = &vq->used->ring[*at & (vq->num - 1)];
		unsafe_put_user(from->id, &to->id, fault);
		unsafe_put_user(from->len, &to->len, fault);
		*at += vq->used_slots[i];
	}
	user_access_end();
	return true;
fault:
	user_access_end();
	return false;
}

/* Notes a write of @len bytes at @offset in the used ring. */
static bool log_used(struct vh_vq *vq, size_t offset, size_t len)
{
	if (likely(!vq->log_used || !vh_vq_has(vq, VHOST_F_LOG_ALL)))
		return true;
	/* The log has no addresses of the guest's IOMMU. */
	if (vh_vq_has(vq, VIRTIO_F_ACCESS_PLATFORM))
		return vh_ring_log(vq, (void __user *)vq->used + offset, len);
	return !vh_log_gpa(vq, vq->log_addr + offset, len);
}

/* After it was written, so that nobody takes a page for clean that is to be written yet. */
static bool log_batch(struct vh_vq *vq)
{
	u16 at = vq->last_used;
	unsigned int i;

	for (i = 0; i < vq->used_n; i++) {
		if (!log_used(vq, offsetof(struct vh_used, ring[at & (vq->num - 1)]),
			      sizeof(struct vh_used_elem)))
			return false;
		at += vq->used_slots[i];
	}
	return log_used(vq, offsetof(struct vh_used, idx), sizeof(vq->used->idx));
}

static int split_flush(struct vh_vq *vq)
{
	u16 at = vq->last_used;
	bool logged;

	if (unlikely(!write_used(vq, &at)))
		return vh_ring_fault(vq);
	/* The elements, and the data they are about, before the index. */
	smp_wmb();
	if (unlikely(put_user(cpu_to_le16(at), &vq->used->idx)))
		return vh_ring_fault(vq);
	logged = log_batch(vq);
	vq->unsignalled += (u16)(at - vq->last_used);
	vq->last_used = at;
	vq->used_n = 0;
	return likely(logged) ? 0 : vh_ring_violation(vq, "the log is not mapped");
}

static int split_wants_call(struct vh_vq *vq)
{
	__le16 v;

	if (!vh_vq_has(vq, VIRTIO_RING_F_EVENT_IDX)) {
		if (unlikely(get_user(v, &vq->avail->flags)))
			return vh_ring_fault(vq);
		return !(v & cpu_to_le16(VRING_AVAIL_F_NO_INTERRUPT));
	}
	/* used_event */
	if (unlikely(get_user(v, &vq->avail->ring[vq->num])))
		return vh_ring_fault(vq);
	return !vq->signalled_valid ||
	       vring_need_event(le16_to_cpu(v), vq->last_used, vq->last_used - vq->unsignalled);
}

static int set_used_flags(struct vh_vq *vq, u16 flags)
{
	if (unlikely(put_user(cpu_to_le16(flags), &vq->used->flags)))
		return vh_ring_fault(vq);
	if (unlikely(!log_used(vq, offsetof(struct vh_used, flags), sizeof(vq->used->flags))))
		return vh_ring_violation(vq, "the log is not mapped");
	return 0;
}

static int split_kick_off(struct vh_vq *vq)
{
	/* The event index stays where it is: behind what the driver makes available. */
	if (vh_vq_has(vq, VIRTIO_RING_F_EVENT_IDX))
		return 0;
	return set_used_flags(vq, VRING_USED_F_NO_NOTIFY);
}

static int set_avail_event(struct vh_vq *vq)
{
	__le16 __user *event = (__le16 __user *)&vq->used->ring[vq->num];

	/* Behind all that was seen, of which some may have been put back as too little. */
	if (unlikely(put_user(cpu_to_le16(vq->avail_seen), event)))
		return vh_ring_fault(vq);
	if (unlikely(!log_used(vq, offsetof(struct vh_used, ring[vq->num]), sizeof(*event))))
		return vh_ring_violation(vq, "the log is not mapped");
	return 0;
}

static int split_kick_on(struct vh_vq *vq)
{
	int ret = vh_vq_has(vq, VIRTIO_RING_F_EVENT_IDX) ? set_avail_event(vq) :
							   set_used_flags(vq, 0);
	__le16 idx;

	if (ret)
		return ret;
	/* The driver sees the request before we see that there is nothing new. */
	smp_mb();
	if (unlikely(get_user(idx, &vq->avail->idx)))
		return vh_ring_fault(vq);
	return le16_to_cpu(idx) != vq->avail_seen;
}

static int split_more(struct vh_vq *vq)
{
	int ready = ready_entries(vq);

	return ready < 0 ? ready : ready > 0;
}

static void split_areas(const struct vh_vq *vq, u32 *desc, u32 *avail, u32 *used)
{
	*desc = vq->num * sizeof(*vq->desc);
	*avail = struct_size(vq->avail, ring, vq->num) + sizeof(__le16);
	*used = struct_size(vq->used, ring, vq->num) + sizeof(__le16);
}

static int split_start(struct vh_vq *vq)
{
	u32 desc, avail, used;
	__le16 idx;

	if (!is_power_of_2(vq->num))
		return -EINVAL;
	split_areas(vq, &desc, &avail, &used);
	if (!vh_user_range((unsigned long)vq->desc, desc) ||
	    !vh_user_range((unsigned long)vq->avail, avail) ||
	    !vh_user_range((unsigned long)vq->used, used) || get_user(idx, &vq->used->idx))
		return -EFAULT;
	vq->last_used = le16_to_cpu(idx);
	vq->avail_seen = vq->last_avail;
	return 0;
}

const struct vh_ring_ops vh_split_ring = {
	.pop = vh_split_pop,
	.unpop = split_unpop,
	.flush = split_flush,
	.wants_call = split_wants_call,
	.kick_off = split_kick_off,
	.kick_on = split_kick_on,
	.more = split_more,
	.start = split_start,
	.areas = split_areas,
	.desc_perm = VHOST_ACCESS_RO,
};
