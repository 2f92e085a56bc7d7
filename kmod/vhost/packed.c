// SPDX-License-Identifier: GPL-2.0-only
/*
 * The packed ring: virtio 1.2, "Packed Virtqueues".
 *
 * Descriptors are read ahead as far as they are available, up to VH_BATCH; used ones are
 * written by as many, the first one's flags after one barrier and last, since the driver
 * does not look behind a descriptor that is not used. User memory is opened once for each
 * such group.
 *
 * A position is a slot and a wrap counter, which turns over at the end of the ring.
 */
#include <linux/uaccess.h>
#include <linux/vhost.h>

#include "dev.h"
#include "mem.h"
#include "ring.h"
#include "table.h"

#define F_AVAIL	cpu_to_le16(BIT(VRING_PACKED_DESC_F_AVAIL))
#define F_USED	cpu_to_le16(BIT(VRING_PACKED_DESC_F_USED))

#define EVENT_SLOT	GENMASK(VRING_PACKED_EVENT_F_WRAP_CTR - 1, 0)
#define EVENT_WRAP	BIT(VRING_PACKED_EVENT_F_WRAP_CTR)

static __always_inline void forward(const struct vh_vq *vq, u16 *at, bool *wrap, unsigned int n)
{
	unsigned int to = *at + n;

	if (to >= vq->num) {
		to -= vq->num;
		*wrap = !*wrap;
	}
	*at = to;
}

static void backward(const struct vh_vq *vq, u16 *at, bool *wrap, unsigned int n)
{
	if (n > *at) {
		*at += vq->num;
		*wrap = !*wrap;
	}
	*at -= n;
}

/* Slots that the driver may not use again yet: taken, and not given back. */
static unsigned int outstanding(const struct vh_vq *vq)
{
	return vq->last_avail - vq->last_used + (vq->avail_wrap == vq->used_wrap ? 0 : vq->num);
}

/* Whether flags say that the slot is the device's, at this turn of the ring. */
static __always_inline bool is_available(__le16 flags, bool wrap)
{
	return (flags & (F_AVAIL | F_USED)) == (wrap ? F_AVAIL : F_USED);
}

/* Reads ahead, to the end of the ring at most. 1: there are descriptors now, 0: none. */
static int fetch_descs(struct vh_vq *vq)
{
	unsigned int i, n = min_t(unsigned int, VH_BATCH, vq->num - vq->last_avail);
	const struct vh_packed_desc __user *from = vq->packed + vq->last_avail;
	struct vh_packed_desc *to = vq->descs;
	bool wrap = vq->avail_wrap;

	if (unlikely(!user_access_begin(from, n * sizeof(*from))))
		return vh_ring_fault(vq);
	for (i = 0; i < n; i++, from++, to++) {
		unsafe_get_user(to->flags, &from->flags, fault);
		if (!is_available(to->flags, wrap))
			break;
		/* The flags before what they make available. */
		smp_rmb();
		unsafe_get_user(to->addr, &from->addr, fault);
		unsafe_get_user(to->len, &from->len, fault);
		unsafe_get_user(to->id, &from->id, fault);
	}
	user_access_end();
	vq->heads_at = 0;
	vq->heads_n = i;
	return i > 0;
fault:
	user_access_end();
	return vh_ring_fault(vq);
}

/* Takes the next slot for the chain. 1: it did, 0: none is available. */
static int take_desc(struct vh_vq *vq, struct vh_chain *chain, struct vh_packed_desc *d)
{
	int ret;

	if (!vq->heads_n) {
		ret = fetch_descs(vq);
		if (ret <= 0)
			return ret;
	}
	*d = vq->descs[vq->heads_at++];
	vq->heads_n--;
	forward(vq, &vq->last_avail, &vq->avail_wrap, 1);
	chain->slots++;
	return 1;
}

/* A table is used from its first entry to its last: nothing in it says where it ends. */
static const char *add_indirect(struct vh_vq *vq, struct vh_chain *chain,
				const struct vh_packed_desc *in)
{
	struct vh_packed_desc d;
	struct vh_table table;
	const char *why;
	unsigned int i;

	if (chain->slots > 1 || (in->flags & cpu_to_le16(VRING_DESC_F_NEXT)))
		return "an indirect descriptor in a chain";
	if (!vh_vq_has(vq, VIRTIO_RING_F_INDIRECT_DESC))
		return "an indirect descriptor that was not negotiated";
	why = vh_table_open(vq, &table, le64_to_cpu(in->addr), le32_to_cpu(in->len));
	if (!why && table.n > vq->num)
		return "a chain longer than the ring";
	for (i = 0; !why && i < table.n; i++) {
		why = vh_table_read(vq, &table, i, &d);
		if (unlikely(why))
			return why;
		if (unlikely(d.flags & cpu_to_le16(VRING_DESC_F_INDIRECT)))
			return "an indirect table in an indirect table";
		why = vh_chain_add(vq, chain, le64_to_cpu(d.addr), le32_to_cpu(d.len),
				   d.flags & cpu_to_le16(VRING_DESC_F_WRITE));
	}
	return why;
}

/* Adds @d and what follows it. The last descriptor has the chain's id. */
static const char *add_chain(struct vh_vq *vq, struct vh_chain *chain, struct vh_packed_desc *d,
			     unsigned int room)
{
	const char *why;

	if (unlikely(!room))
		return "more descriptors than the ring has free";
	for (;;) {
		chain->id = le16_to_cpu(d->id);
		if (d->flags & cpu_to_le16(VRING_DESC_F_INDIRECT))
			return add_indirect(vq, chain, d);
		why = vh_chain_add(vq, chain, le64_to_cpu(d->addr), le32_to_cpu(d->len),
				   d->flags & cpu_to_le16(VRING_DESC_F_WRITE));
		if (unlikely(why))
			return why;
		if (!(d->flags & cpu_to_le16(VRING_DESC_F_NEXT)))
			return NULL;
		/* Flags that change meanwhile do not lead once around the ring and on. */
		if (unlikely(chain->slots == room))
			return "more descriptors than the ring has free";
		/* The driver makes the first of a chain available after all others. */
		if (unlikely(take_desc(vq, chain, d) <= 0))
			return "a chain that goes on where nothing is available";
	}
}

int vh_packed_pop(struct vh_vq *vq, struct vh_chain *chain)
{
	unsigned int room = vq->num - outstanding(vq);
	struct vh_packed_desc d;
	const char *why;
	int ret;

	ret = take_desc(vq, chain, &d);
	if (ret <= 0)
		return ret;
	why = add_chain(vq, chain, &d, room);
	if (likely(!why)) {
		vq->put_back -= min(vq->put_back, chain->slots);
		return 1;
	}
	/* Not taken: a driver that is mended finds it where it was. */
	backward(vq, &vq->last_avail, &vq->avail_wrap, chain->slots);
	vq->put_back = max(vq->put_back, chain->slots);
	vq->heads_n = 0;
	return vh_ring_violation(vq, why);
}

static void packed_unpop(struct vh_vq *vq, unsigned int n, unsigned int slots)
{
	backward(vq, &vq->last_avail, &vq->avail_wrap, slots);
	vq->put_back += slots;
}

static __le16 used_flags(bool wrap, __le32 len)
{
	return (wrap ? F_AVAIL | F_USED : 0) | (len ? cpu_to_le16(VRING_DESC_F_WRITE) : 0);
}

/* Writes what was used, and finds the position behind it. */
static bool write_used(struct vh_vq *vq, u16 *at, bool *wrap)
{
	struct vh_packed_desc __user *first = vq->packed + *at, *to;
	__le16 flags = used_flags(*wrap, vq->used_batch[0].len);
	unsigned int i;

	if (unlikely(!user_access_begin(vq->packed, vq->num * sizeof(*first))))
		return false;
	for (i = 0; i < vq->used_n; i++) {
		const struct vh_used_elem *e = &vq->used_batch[i];

		to = vq->packed + *at;
		unsafe_put_user(cpu_to_le16(le32_to_cpu(e->id)), &to->id, fault);
		unsafe_put_user(e->len, &to->len, fault);
		if (i)
			unsafe_put_user(used_flags(*wrap, e->len), &to->flags, fault);
		forward(vq, at, wrap, vq->used_slots[i]);
	}
	/* All of them, and the data they are about, before the driver sees the first. */
	smp_wmb();
	unsafe_put_user(flags, &first->flags, fault);
	user_access_end();
	return true;
fault:
	user_access_end();
	return false;
}

/*
 * By the owner's address: where the parts of a packed ring are, vhost_vring_addr.log_guest_addr
 * cannot say, because it is one address.
 */
static bool log_batch(struct vh_vq *vq)
{
	bool wrap = vq->used_wrap;
	u16 at = vq->last_used;
	unsigned int i;

	for (i = 0; i < vq->used_n; i++) {
		if (!vh_ring_log(vq, vq->packed + at, sizeof(*vq->packed)))
			return false;
		forward(vq, &at, &wrap, vq->used_slots[i]);
	}
	return true;
}

static int packed_flush(struct vh_vq *vq)
{
	bool wrap = vq->used_wrap, logged;
	u16 at = vq->last_used;

	if (unlikely(!write_used(vq, &at, &wrap)))
		return vh_ring_fault(vq);
	logged = log_batch(vq);
	vq->unsignalled += at - vq->last_used + (wrap == vq->used_wrap ? 0 : vq->num);
	vq->last_used = at;
	vq->used_wrap = wrap;
	vq->used_n = 0;
	return likely(logged) ? 0 : vh_ring_violation(vq, "the log is not mapped");
}

static int packed_wants_call(struct vh_vq *vq)
{
	struct vh_packed_event event;
	u16 off_wrap, slot;

	/* Both halves by one access, so that they belong together. */
	if (unlikely(get_user(*(u32 *)&event, (u32 __user *)vq->driver_event)))
		return vh_ring_fault(vq);
	if (event.flags == cpu_to_le16(VRING_PACKED_EVENT_FLAG_DISABLE))
		return 0;
	if (event.flags != cpu_to_le16(VRING_PACKED_EVENT_FLAG_DESC) ||
	    !vh_vq_has(vq, VIRTIO_RING_F_EVENT_IDX) || !vq->signalled_valid)
		return 1;
	off_wrap = le16_to_cpu(event.off_wrap);
	slot = off_wrap & EVENT_SLOT;
	if (!!(off_wrap & EVENT_WRAP) != vq->used_wrap)
		slot -= vq->num;
	return vring_need_event(slot, vq->last_used, vq->last_used - vq->unsignalled);
}

static int set_device_event(struct vh_vq *vq, u16 off_wrap, u16 flags)
{
	struct vh_packed_event event = { cpu_to_le16(off_wrap), cpu_to_le16(flags) };

	if (unlikely(put_user(*(u32 *)&event, (u32 __user *)vq->device_event)))
		return vh_ring_fault(vq);
	if (unlikely(!vh_ring_log(vq, vq->device_event, sizeof(event))))
		return vh_ring_violation(vq, "the log is not mapped");
	return 0;
}

static int packed_kick_off(struct vh_vq *vq)
{
	return set_device_event(vq, 0, VRING_PACKED_EVENT_FLAG_DISABLE);
}

/* 1: the slot is available. */
static int look_at(struct vh_vq *vq, u16 at, bool wrap)
{
	__le16 flags;

	if (unlikely(get_user(flags, &vq->packed[at].flags)))
		return vh_ring_fault(vq);
	return is_available(flags, wrap);
}

static int packed_kick_on(struct vh_vq *vq)
{
	bool wrap = vq->avail_wrap;
	u16 at = vq->last_avail;
	int ret;

	/* Behind all that was seen, of which some may have been put back as too little. */
	forward(vq, &at, &wrap, vq->put_back);
	if (vh_vq_has(vq, VIRTIO_RING_F_EVENT_IDX))
		ret = set_device_event(vq, at | (wrap ? EVENT_WRAP : 0),
				       VRING_PACKED_EVENT_FLAG_DESC);
	else
		ret = set_device_event(vq, 0, VRING_PACKED_EVENT_FLAG_ENABLE);
	if (ret)
		return ret;
	/* The driver sees the request before we see that there is nothing new. */
	smp_mb();
	return look_at(vq, at, wrap);
}

static int packed_more(struct vh_vq *vq)
{
	return vq->heads_n ? 1 : look_at(vq, vq->last_avail, vq->avail_wrap);
}

static void packed_areas(const struct vh_vq *vq, u32 *desc, u32 *driver, u32 *device)
{
	*desc = vq->num * sizeof(*vq->packed);
	*driver = sizeof(*vq->driver_event);
	*device = sizeof(*vq->device_event);
}

static int packed_start(struct vh_vq *vq)
{
	u32 desc, driver, device;

	if (!IS_ALIGNED((unsigned long)vq->packed, sizeof(*vq->packed)) ||
	    !IS_ALIGNED((unsigned long)vq->driver_event, sizeof(*vq->driver_event)) ||
	    !IS_ALIGNED((unsigned long)vq->device_event, sizeof(*vq->device_event)))
		return -EINVAL;
	packed_areas(vq, &desc, &driver, &device);
	if (!vh_user_range((unsigned long)vq->packed, desc) ||
	    !vh_user_range((unsigned long)vq->driver_event, driver) ||
	    !vh_user_range((unsigned long)vq->device_event, device))
		return -EFAULT;
	/* What is used is never ahead of what is available, nor behind it by more than the ring. */
	if (vq->last_avail >= vq->num || vq->last_used >= vq->num || outstanding(vq) > vq->num)
		return -EINVAL;
	return 0;
}

const struct vh_ring_ops vh_packed_ring = {
	.pop = vh_packed_pop,
	.unpop = packed_unpop,
	.flush = packed_flush,
	.wants_call = packed_wants_call,
	.kick_off = packed_kick_off,
	.kick_on = packed_kick_on,
	.more = packed_more,
	.start = packed_start,
	.areas = packed_areas,
	.desc_perm = VHOST_ACCESS_RW,
};
