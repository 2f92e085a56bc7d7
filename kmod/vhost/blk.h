/* SPDX-License-Identifier: GPL-2.0-only */
/* The block device: virtio 1.2, "Block Device". */
#ifndef VELLUM_VHOST_BLK_H
#define VELLUM_VHOST_BLK_H

#include <linux/bio.h>
#include <linux/fs.h>
#include <linux/llist.h>
#include <linux/virtio_blk.h>
#include <linux/vhost_blk.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "dev.h"
#include "ring.h"

#define BLK_SECTOR_SHIFT	9
#define BLK_SECTOR_SIZE		BIT(BLK_SECTOR_SHIFT)

/* A transfer that goes as a bio of the request's own, at any address. */
#define BLK_BIO_PAGES		32
#define BLK_VECS		(BLK_BIO_PAGES + 1)

/* Ranges of one discard or write-zeroes request. */
#define BLK_RANGES_MAX		32

/* The longest range whose size in bytes fits the configuration's 32 bits. */
#define BLK_RANGE_SECTORS_MAX	(U32_MAX >> BLK_SECTOR_SHIFT)

/**
 * struct blk_disk - what is behind the queues
 * @file: the file or block device; NULL: none
 * @bdev: the block device, or NULL for a file
 * @direct: past the page cache
 * @writeback: a write may be done before it is stable; a flush makes it so. The driver's
 *	choice, also for the disk that replaces this one.
 * @capacity: in sectors; changes when the file does
 * @lock: protects @capacity against two that notice a change, and @call
 * @call: signalled when @capacity changed, or NULL
 * @watch: looks for such changes while the guest sends no requests
 *
 * Set while no queue runs; read by the workers without a lock.
 */
struct blk_disk {
	struct file *file;
	struct block_device *bdev;
	bool read_only;
	bool direct;
	bool writeback;
	u16 num_queues;
	u16 queue_size;
	u8 serial[VHOST_BLK_SERIAL_SIZE];
	u64 capacity;
	spinlock_t lock; /* @capacity, @call */
	struct eventfd_ctx *call;
	struct delayed_work watch;
};

/**
 * struct blk_vq - a queue
 * @done: requests that are complete, pushed by whoever completed them
 * @inflight: requests taken and not given back; the worker's
 * @idle: woken when @inflight becomes 0 in a paused queue
 * @hurry: nobody will look at the answers any more: what takes long ends early
 * @free: requests to use again
 * @taker: the task that takes requests now and then finishes what is complete. NULL: none
 *	does.
 * @own: requests that @taker has completed itself, @nown: nobody needs to be told
 */
struct blk_vq {
	struct vh_vq vq;
	struct llist_head done;
	unsigned int inflight;
	wait_queue_head_t idle;
	bool hurry;
	struct llist_node *free;
	struct task_struct *taker;
	struct llist_node *own;
	unsigned int nown;
};

/**
 * struct vh_blk - an open device
 * @slow: for what waits, of which a device has a few at a time, so that a slow disk does not
 *	keep others' requests waiting
 * @uid: who opened it
 */
struct vh_blk {
	struct vh_dev dev;
	struct blk_disk disk;
	struct workqueue_struct *slow;
	kuid_t uid;
	struct vh_vq *vqs[VHOST_BLK_QUEUES_MAX];
	struct blk_vq queues[VHOST_BLK_QUEUES_MAX];
};

/**
 * struct blk_req - a request from when it is taken until it is given back
 * @node: in blk_vq.done or blk_vq.free
 * @status: the owner's address of the byte that tells how it went
 * @type: VIRTIO_BLK_T_*
 * @written: bytes of guest memory, for the used ring, if it goes well
 * @expected: bytes to be transferred
 * @pos: where on the disk, in bytes
 * @result: bytes transferred, or a negative errno
 * @work: for what cannot be done without waiting
 * @ranges: of a discard or write-zeroes request
 * @log: buffers that were written, while writes are logged
 * @iocb: of a transfer of a file
 * @bio: of one of a block device, or of a flush; @has_bio: it is to be released
 * @vecs: the pages of @bio
 */
struct blk_req {
	struct blk_vq *bq;
	struct llist_node node;
	u8 __user *status;
	u32 type;
	u32 written;
	u32 expected;
	u16 id;
	u16 slots;
	bool has_bio;
	loff_t pos;
	long result;
	struct work_struct work;
	struct virtio_blk_discard_write_zeroes *ranges;
	unsigned int nranges;
	struct iovec *log;
	unsigned int nlog;
	struct kiocb iocb;
	struct bio bio;
	struct bio_vec vecs[BLK_VECS];
};

static inline struct blk_vq *to_blk_vq(struct vh_vq *vq)
{
	return container_of(vq, struct blk_vq, vq);
}

static inline struct vh_blk *to_blk(struct vh_dev *dev)
{
	return container_of(dev, struct vh_blk, dev);
}

static inline struct blk_disk *blk_disk_of(const struct blk_req *req)
{
	return &to_blk(req->bq->vq.dev)->disk;
}

int vh_blk_init(void);
void vh_blk_exit(void);

/* blk_disk.c */
void blk_disk_init(struct blk_disk *disk);
long blk_disk_set(struct blk_disk *disk, void __user *arg);
void blk_disk_put(struct blk_disk *disk);
u64 blk_disk_features(const struct blk_disk *disk);
long blk_disk_config(struct vh_blk *blk, unsigned int ioctl, void __user *arg);
long blk_disk_set_call(struct blk_disk *disk, void __user *arg);
/* Notices that the file has another size, and tells. */
void blk_disk_check_size(struct blk_disk *disk);

/* blk_io.c: each ends with blk_complete(), now or later, from any context. */
void blk_rw(struct blk_req *req, bool write, const struct iovec *iov, unsigned int n);
void blk_flush(struct blk_req *req);
void blk_ranges(struct blk_req *req);
void blk_complete(struct blk_req *req, long result);

/* blk_bio.c. Both return false if it cannot be done so, and nothing was done. */
bool blk_bio_rw(struct blk_req *req, bool write, const struct iovec *iov, unsigned int n);
bool blk_bio_flush(struct blk_req *req);
/* Lets go of the pages, when the bio is complete; may wait. */
void blk_bio_release(struct blk_req *req);

/* blk_req.c: all by the worker, with vh_vq.lock held. */
/* Takes up to a batch of requests. 1: there may be more, 0: all taken, or the queue is broken. */
int blk_take(struct blk_vq *bq);
/* Gives back what is complete. */
void blk_finish(struct blk_vq *bq);
void blk_free_requests(struct blk_vq *bq);
int blk_req_init(void);
void blk_req_exit(void);

#endif /* VELLUM_VHOST_BLK_H */
