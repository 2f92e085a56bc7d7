/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Translations of a guest's IOMMU, with VIRTIO_F_ACCESS_PLATFORM: the owner writes those it
 * knows to the device's file and reads there which are missing.
 */
#ifndef VELLUM_VHOST_IOTLB_H
#define VELLUM_VHOST_IOTLB_H

#include <linux/list.h>
#include <linux/poll.h>
#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <linux/uio.h>
#include <linux/wait.h>

struct vh_dev;
struct vh_vq;

/**
 * struct vh_iotlb - the translations of a device
 * @lock: protects what follows and the vh_vq.miss of every queue; taken inside vh_vq.lock
 * @tree: by address
 * @oldest: in the order in which they came
 * @n: how many there are
 * @wait: who waits for a miss to read
 *
 * Translations go away only while every queue is paused, or when others need their room:
 * then they still hold, and what was found by them may be used.
 */
struct vh_iotlb {
	spinlock_t lock; /* the translations, and every queue's miss */
	struct rb_root_cached tree;
	struct list_head oldest;
	unsigned int n;
	wait_queue_head_t wait;
};

enum vh_miss_state { VH_MISS_NONE, VH_MISS_NEW, VH_MISS_READ };

/**
 * struct vh_miss - the translation that a queue waits for, one at most
 * @state: there is none, user space has not read it yet, or it has
 * @perm: VHOST_ACCESS_*
 * @iova: what is to be translated
 * @count: misses since a chain was taken or the ring was found
 */
struct vh_miss {
	enum vh_miss_state state;
	u8 perm;
	u64 iova;
	unsigned int count;
};

void vh_iotlb_init(struct vh_iotlb *tlb);
/* Forgets all. No queue runs. */
void vh_iotlb_clear(struct vh_iotlb *tlb);

/*
 * As vh_mem_map(), and -EAGAIN: a translation is missing, and the queue has nothing to do
 * until it comes. By the worker.
 */
int vh_iotlb_map(struct vh_vq *vq, u64 iova, u32 len, u8 perm, struct iovec *iov,
		 unsigned int used, unsigned int max, bool join);

/* The queue waits for nothing any more. */
void vh_iotlb_forget_miss(struct vh_vq *vq);

/* Of the device's file. */
ssize_t vh_iotlb_read_iter(struct kiocb *iocb, struct iov_iter *to);
ssize_t vh_iotlb_write_iter(struct kiocb *iocb, struct iov_iter *from);
__poll_t vh_iotlb_poll(struct file *file, poll_table *table);

#endif /* VELLUM_VHOST_IOTLB_H */
