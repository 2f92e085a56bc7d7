/* SPDX-License-Identifier: GPL-2.0-only */
/* One virtqueue: what user space set, and where its processing stands. */
#ifndef VELLUM_VHOST_VQ_H
#define VELLUM_VHOST_VQ_H

#include <linux/eventfd.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/uio.h>
#include <linux/vhost_types.h>

#include "iotlb.h"
#include "layout.h"
#include "poll.h"
#include "stats.h"

struct vh_dev;
struct vh_mem;
struct vh_ring_ops;
struct vh_worker;

/* Descriptors fetched, and used ones given back, at a time. */
#define VH_BATCH	64

/* The longest queue of the virtio specification. */
#define VH_NUM_MAX	32768

/* Pieces a chain may fall into beyond its descriptors, where buffers cross memory regions. */
#define VH_IOV_SPARE	64

/**
 * struct vh_vq - a virtqueue
 * @lock: everything below it that is not said to be otherwise. The worker holds
 *	it for a batch, an ioctl while it changes settings.
 * @num: size, 0 until it is set
 * @running: the device processes it
 * @paused: no new buffers are taken; those taken are finished
 * @broken: the driver violated the protocol; nothing is processed until the
 *	queue is started again
 * @log_used: writes to the used ring are logged at @log_addr
 * @desc_addr: where the ring is, as user space said: addresses of its own, or with
 *	VIRTIO_F_ACCESS_PLATFORM of the guest's IOMMU
 * @desc: the same in the owner's memory, if @mapped
 * @mapped: the addresses are known
 * @fresh: the ring was not looked at since the queue was started
 * @miss: vh_iotlb.lock
 * @ring: what knows the ring's layout; set when the queue is started
 * @last_avail: next entry of the available ring to take (packed: next slot)
 * @last_used: next entry of the used ring to write (packed: next slot)
 * @avail_seen: split: the available index when it was last read
 * @avail_wrap: packed: the wrap counter of @last_avail
 * @used_wrap: packed: the wrap counter of @last_used
 * @put_back: packed: slots from @last_avail on that were seen and put back
 * @unsignalled: used entries (packed: slots) since the call eventfd was last considered
 * @heads: split: what was read ahead of the available ring, from @last_avail on
 * @descs: packed: the same of the descriptor ring
 * @used_batch: what is to be written to the used ring, from @last_used on
 * @used_slots: by how many entries or slots each of them moves on
 * @iov: of the chain that was popped last
 * @pending: VH_* events not handled yet; atomic
 * @worker: RCU; changed under vh_dev.lock
 * @busy_us: how long the worker looks for more before it sleeps
 * @wanted: somebody waits for @lock: no busy waiting under it
 * @given: chains given back since the device was opened
 */
struct vh_vq {
	struct vh_dev *dev;
	unsigned int index;
	struct mutex lock; /* a batch, or a change of settings */

	u32 num;
	bool has_addr;
	bool running;
	bool paused;
	bool broken;
	bool log_used;
	bool wanted;
	bool mapped;
	bool fresh;
	u64 desc_addr;
	u64 avail_addr;
	u64 used_addr;
	u64 log_addr;
	u64 features;
	const struct vh_mem *mem;
	union {
		struct vh_desc __user *desc;
		struct vh_packed_desc __user *packed;
	};
	union {
		struct vh_avail __user *avail;
		struct vh_packed_event __user *driver_event;
	};
	union {
		struct vh_used __user *used;
		struct vh_packed_event __user *device_event;
	};

	struct vh_miss miss;
	const struct vh_ring_ops *ring;
	u16 last_avail;
	u16 last_used;
	u16 avail_seen;
	u16 put_back;
	bool avail_wrap;
	bool used_wrap;
	bool signalled_valid;
	bool kick_off;
	unsigned int unsignalled;
	unsigned int heads_at;
	unsigned int heads_n;
	unsigned int used_n;
	unsigned int mem_hint;
	union {
		__le16 heads[VH_BATCH];
		struct vh_packed_desc descs[VH_BATCH];
	};
	struct vh_used_elem used_batch[VH_BATCH];
	u16 used_slots[VH_BATCH];
	struct iovec *iov;
	unsigned int iov_max;

	struct file *kick_file;
	struct vh_poll kick;
	struct eventfd_ctx *call;
	struct eventfd_ctx *err;
	u32 busy_us;
	struct vh_vq_stats stats;

	unsigned long pending;
	struct vh_worker __rcu *worker;
	struct list_head worker_node;
	u64 given;
};

void vh_vq_init(struct vh_vq *vq, struct vh_dev *dev, unsigned int index);
void vh_vq_reset(struct vh_vq *vq);

/* For who is not the worker: ends its busy waiting. */
void vh_vq_lock(struct vh_vq *vq);
void vh_vq_unlock(struct vh_vq *vq);

/* Finds out where the ring is. False: not now, or the queue is broken. Worker only. */
bool vh_ring_map(struct vh_vq *vq);

/* Whether the worker may take buffers from it. */
static inline bool vh_vq_active(struct vh_vq *vq)
{
	return vq->running && !vq->paused && !vq->broken &&
	       (likely(vq->mapped) || vh_ring_map(vq));
}

static inline bool vh_vq_has(const struct vh_vq *vq, unsigned int bit)
{
	return vq->features & BIT_ULL(bit);
}

/* Size and addresses are set. */
static inline bool vh_vq_ready(const struct vh_vq *vq)
{
	return vq->num && vq->has_addr;
}

/* Both with vh_dev.lock and vh_vq.lock held; the queue has a worker. */
int vh_vq_start(struct vh_vq *vq);
void vh_vq_stop(struct vh_vq *vq);

/* The driver broke the rules, or the owner's memory is gone: this queue stops. */
void vh_vq_break(struct vh_vq *vq, const char *why);

/* The ioctls whose argument begins with a queue's index. -ENOIOCTLCMD: not one of them. */
long vh_vq_ioctl(struct vh_dev *dev, unsigned int ioctl, void __user *arg);

#endif /* VELLUM_VHOST_VQ_H */
