// SPDX-License-Identifier: GPL-2.0-only
/* What split and packed rings have in common. */
#include <linux/indirect_call_wrapper.h>
#include <linux/ktime.h>
#include <linux/sched/clock.h>
#include <linux/slab.h>
#include <linux/vhost.h>

#include "compat/compat.h"
#include "dev.h"
#include "mem.h"
#include "ring.h"
#include "trace.h"

int vh_ring_fault(struct vh_vq *vq)
{
	vh_vq_break(vq, "the ring is not mapped");
	return -EFAULT;
}

const char *const vh_missing = "a translation is missing";

int vh_ring_violation(struct vh_vq *vq, const char *why)
{
	if (why == vh_missing)
		return 0;
	vh_vq_break(vq, why);
	return -EIO;
}

const char *vh_chain_add(struct vh_vq *vq, struct vh_chain *chain, u64 gpa, u32 len, bool write)
{
	unsigned int used = chain->nout + chain->nin;
	unsigned int room = vq->iov + vq->iov_max - chain->iov;
	int ret;

	if (unlikely(!len))
		return "an empty buffer";
	if (unlikely(!write && chain->nin))
		return "a buffer to read behind one to write";
	if (unlikely(len > U32_MAX - chain->out_len - chain->in_len))
		return "buffers of 4 GiB";
	ret = vh_mem_map(vq, gpa, len, write ? VHOST_ACCESS_WO : VHOST_ACCESS_RO, chain->iov, used,
			 room, write ? chain->nin : chain->nout);
	if (unlikely(ret == -EAGAIN))
		return vh_missing;
	if (unlikely(ret < 0))
		return ret == -E2BIG ? "too many pieces" : "a buffer outside memory";
	if (write) {
		chain->nin = ret - chain->nout;
		chain->in_len += len;
	} else {
		chain->nout = ret;
		chain->out_len += len;
	}
	return NULL;
}

/* For a translation, whose coming is an event of its own: what the ring has does not matter. */
static bool waits(const struct vh_vq *vq)
{
	return READ_ONCE(vq->miss.state) != VH_MISS_NONE;
}

int vh_ring_pop(struct vh_vq *vq, struct vh_chain *chain, unsigned int first)
{
	int ret;

	if (unlikely(waits(vq)))
		return 0;
	*chain = (struct vh_chain) { .iov = vq->iov + first };
	ret = INDIRECT_CALL_2(vq->ring->pop, vh_split_pop, vh_packed_pop, vq, chain);
	if (ret > 0) {
		vq->stats.chains++;
		vq->miss.count = 0;
	}
	return ret;
}

void vh_ring_unpop(struct vh_vq *vq, unsigned int n, unsigned int slots)
{
	vq->ring->unpop(vq, n, slots);
	/* They are read again: what was read ahead does not begin there any more. */
	vq->heads_n = 0;
	vq->stats.chains -= n;
}

/*
 * Where the driver knows that chains are used in order, one entry with the last one's id
 * stands for all before it that were used whole. Of a chain that something was written to
 * that is not known.
 */
static bool join_last(struct vh_vq *vq, u16 id, u16 slots, u32 len)
{
	unsigned int last = vq->used_n - 1;

	if (len || !vq->used_n || vq->used_batch[last].len ||
	    vq->used_slots[last] + slots > VH_BATCH)
		return false;
	vq->used_batch[last].id = cpu_to_le32(id);
	vq->used_slots[last] += slots;
	return true;
}

static int ring_flush(struct vh_vq *vq)
{
	if (!vq->used_n)
		return 0;
	vq->stats.batches++;
	return vq->ring->flush(vq);
}

int vh_ring_push(struct vh_vq *vq, u16 id, u16 slots, u32 len)
{
	int ret;

	vq->given++;
	if (vh_vq_has(vq, VIRTIO_F_IN_ORDER) && join_last(vq, id, slots, len))
		return 0;
	if (vq->used_n == VH_BATCH) {
		ret = ring_flush(vq);
		if (ret)
			return ret;
	}
	vq->used_batch[vq->used_n].id = cpu_to_le32(id);
	vq->used_batch[vq->used_n].len = cpu_to_le32(len);
	vq->used_slots[vq->used_n++] = slots;
	return 0;
}

int vh_ring_notify(struct vh_vq *vq)
{
	int ret = ring_flush(vq);

	if (ret)
		return ret;
	if (!vq->unsignalled)
		return 0;
	if (vh_vq_has(vq, VHOST_F_LOG_ALL))
		vh_log_signal(vq);
	/* The driver sees what is used before we see whether it wants to hear of it. */
	smp_mb();
	ret = vq->ring->wants_call(vq);
	if (ret < 0)
		return ret;
	vq->unsignalled = 0;
	vq->signalled_valid = true;
	if (ret && vq->call) {
		vq->stats.calls++;
		hv_eventfd_signal(vq->call);
	}
	return 0;
}

int vh_ring_kick_off(struct vh_vq *vq)
{
	if (vq->kick_off)
		return 0;
	vq->kick_off = true;
	return vq->ring->kick_off(vq);
}

int vh_ring_kick_on(struct vh_vq *vq)
{
	int ret;

	vq->kick_off = false;
	ret = vq->ring->kick_on(vq);
	return ret > 0 && waits(vq) ? 0 : ret;
}

static int ring_more(struct vh_vq *vq)
{
	return waits(vq) ? 0 : vq->ring->more(vq);
}

bool vh_ring_may_spin(struct vh_vq *vq)
{
	struct vh_worker *worker;
	bool busy;

	rcu_read_lock();
	worker = rcu_dereference(vq->worker);
	busy = !worker || READ_ONCE(worker->signalled) || READ_ONCE(worker->wanted);
	rcu_read_unlock();
	return !busy && !need_resched() && !READ_ONCE(vq->wanted);
}

int vh_ring_spin(struct vh_vq *vq)
{
	u64 end;
	int ret;

	if (!vq->busy_us)
		return 0;
	end = ktime_get_ns() + (u64)vq->busy_us * NSEC_PER_USEC;
	do {
		ret = ring_more(vq);
		if (ret)
			return ret;
		cpu_relax();
	} while (vh_ring_may_spin(vq) && ktime_get_ns() < end);
	return 0;
}

static int alloc_iov(struct vh_vq *vq)
{
	/* A network packet may take buffers of several chains. */
	unsigned int max = vq->num + VH_IOV_SPARE;
	struct iovec *iov;

	if (vq->iov && vq->iov_max == max)
		return 0;
	iov = kvmalloc_array(max, sizeof(*iov), GFP_KERNEL_ACCOUNT);
	if (!iov)
		return -ENOMEM;
	kvfree(vq->iov);
	vq->iov = iov;
	vq->iov_max = max;
	return 0;
}

bool vh_ring_log(struct vh_vq *vq, const void __user *at, size_t len)
{
	if (likely(!vq->log_used || !vh_vq_has(vq, VHOST_F_LOG_ALL)))
		return true;
	return !vh_log_hva(vq, (unsigned long)at, len);
}

static const struct vh_ring_ops *layout(const struct vh_vq *vq)
{
	return vh_vq_has(vq, VIRTIO_F_RING_PACKED) ? &vh_packed_ring : &vh_split_ring;
}

/* Where the ring is known now; the first time it is looked at. */
static int map_done(struct vh_vq *vq)
{
	int ret = vq->fresh ? vq->ring->start(vq) : 0;

	if (ret)
		return ret;
	vq->fresh = false;
	vq->mapped = true;
	/* What a queue without work misses again and again is no chain of too many pieces. */
	vq->miss.count = 0;
	return 0;
}

int vh_ring_start(struct vh_vq *vq)
{
	int ret = alloc_iov(vq);

	if (ret)
		return ret;
	vq->heads_n = 0;
	vq->ring = layout(vq);
	vq->used_n = 0;
	vq->put_back = 0;
	vq->unsignalled = 0;
	vq->signalled_valid = false;
	vq->kick_off = false;
	/* A start that failed later may have left where the ring was then. */
	vq->mapped = false;
	vq->fresh = true;
	if (vh_vq_has(vq, VIRTIO_F_ACCESS_PLATFORM))
		return 0;
	vq->desc = (void __user *)vq->desc_addr;
	vq->avail = (void __user *)vq->avail_addr;
	vq->used = (void __user *)vq->used_addr;
	return map_done(vq);
}

/* One part of the ring, which must lie in one piece of the owner's memory. 0, or why not. */
static int map_area(struct vh_vq *vq, u64 iova, u32 len, u8 perm, void __user **to)
{
	struct iovec iov;
	int ret = vh_iotlb_map(vq, iova, len, perm, &iov, 0, 1, false);

	if (ret < 0)
		return ret;
	*to = iov.iov_base;
	return 0;
}

static int map_areas(struct vh_vq *vq)
{
	void __user *desc, *avail, *used;
	u32 n_desc, n_avail, n_used;
	int ret;

	vq->ring->areas(vq, &n_desc, &n_avail, &n_used);
	ret = map_area(vq, vq->desc_addr, n_desc, vq->ring->desc_perm, &desc);
	ret = ret ?: map_area(vq, vq->avail_addr, n_avail, VHOST_ACCESS_RO, &avail);
	ret = ret ?: map_area(vq, vq->used_addr, n_used, VHOST_ACCESS_RW, &used);
	if (ret)
		return ret;
	vq->desc = desc;
	vq->avail = avail;
	vq->used = used;
	return map_done(vq);
}

bool vh_ring_map(struct vh_vq *vq)
{
	int ret;

	if (waits(vq))
		return false;
	ret = map_areas(vq);
	if (ret && ret != -EAGAIN)
		vh_vq_break(vq, ret == -E2BIG ? "a ring in pieces" : "the ring is not mapped");
	return !ret;
}

/* One half of the packed ring's position: a slot and its wrap counter. */
#define BASE_SLOT	GENMASK(14, 0)
#define BASE_WRAP	BIT(15)
#define BASE_USED	16

static u32 half_base(u16 at, bool wrap)
{
	return at | (wrap ? BASE_WRAP : 0);
}

u32 vh_ring_base(const struct vh_vq *vq)
{
	if (!vh_vq_has(vq, VIRTIO_F_RING_PACKED))
		return vq->last_avail;
	return half_base(vq->last_avail, vq->avail_wrap) |
	       half_base(vq->last_used, vq->used_wrap) << BASE_USED;
}

int vh_ring_set_base(struct vh_vq *vq, u32 base)
{
	if (!vh_vq_has(vq, VIRTIO_F_RING_PACKED)) {
		if (base > U16_MAX)
			return -EINVAL;
		vq->last_avail = base;
		return 0;
	}
	vq->last_avail = base & BASE_SLOT;
	vq->avail_wrap = base & BASE_WRAP;
	vq->last_used = base >> BASE_USED & BASE_SLOT;
	vq->used_wrap = base >> BASE_USED & BASE_WRAP;
	return 0;
}
