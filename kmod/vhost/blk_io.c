// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading, writing, flushing and clearing the disk.
 *
 * A direct transfer pins the guest's pages and is complete when the disk says so;
 * nothing waits for it. What can only be done by waiting goes to a work queue, so
 * that the requests behind it do not wait too.
 */
#include <linux/blkdev.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sizes.h>
#include <linux/uio.h>

#include "compat/compat.h"
#include "blk.h"

/* So much of a range is cleared between two looks at whether anybody waits for it. */
#define PIECE_MAX	SZ_64M

/* So much of a write goes by a buffer of ours at a time. */
#define BOUNCE_ORDER	5

void blk_complete(struct blk_req *req, long result)
{
	struct blk_vq *bq = req->bq;

	req->result = result;
	if (in_task() && READ_ONCE(bq->taker) == current) {
		req->node.next = bq->own;
		bq->own = &req->node;
		bq->nown++;
		return;
	}
	/* The queue is there until a grace period after its last request was given back. */
	rcu_read_lock();
	llist_add(&req->node, &bq->done);
	vh_vq_signal(&bq->vq, VH_DONE);
	rcu_read_unlock();
}

/* A write to a file keeps its filesystem from being frozen until it is complete. */
static bool takes_freeze_lock(const struct kiocb *iocb)
{
	return (iocb->ki_flags & IOCB_WRITE) && S_ISREG(file_inode(iocb->ki_filp)->i_mode);
}

static void rw_done(struct kiocb *iocb, long result)
{
	if (takes_freeze_lock(iocb))
		kiocb_end_write(iocb);
	blk_complete(container_of(iocb, struct blk_req, iocb), result);
}

/* @done: NULL for a transfer that is waited for. */
static void prepare_iocb(struct blk_req *req, bool write, int direct, loff_t pos,
			 void (*done)(struct kiocb *iocb, long result))
{
	struct blk_disk *disk = blk_disk_of(req);

	req->iocb = (struct kiocb) {
		.ki_filp = disk->file,
		.ki_pos = pos,
		.ki_complete = done,
		.ki_flags = direct | (write ? IOCB_WRITE : 0) |
			    (write && !disk->writeback ? IOCB_DSYNC : 0),
	};
}

static void prepare_iter(struct iov_iter *iter, bool write, const struct iovec *iov,
			 unsigned int n, size_t len)
{
	int direction = write ? ITER_SOURCE : ITER_DEST;

	if (n == 1)
		iov_iter_ubuf(iter, direction, iov->iov_base, len);
	else
		iov_iter_init(iter, direction, iov, n, len);
}

static long transfer(struct kiocb *iocb, struct iov_iter *iter)
{
	const struct file_operations *fops = iocb->ki_filp->f_op;
	long ret;

	if (!(iocb->ki_flags & IOCB_WRITE))
		return fops->read_iter(iocb, iter);
	if (takes_freeze_lock(iocb))
		kiocb_start_write(iocb);
	ret = fops->write_iter(iocb, iter);
	if (ret != -EIOCBQUEUED && takes_freeze_lock(iocb))
		kiocb_end_write(iocb);
	return ret;
}

/* All that is left: a call may stop early without an error. */
static long buffered(struct blk_req *req, bool write, loff_t pos, struct iov_iter *iter)
{
	long ret, done = 0;

	prepare_iocb(req, write, 0, pos, NULL);
	do {
		ret = transfer(&req->iocb, iter);
		if (ret > 0)
			done += ret;
	} while (ret > 0 && iov_iter_count(iter));
	return ret < 0 ? ret : done;
}

/* Writes up to @size bytes of @from by way of @pages. */
static long bounce_piece(struct blk_req *req, loff_t pos, struct iov_iter *from,
			 struct page *pages, size_t size)
{
	size_t len = min(size, iov_iter_count(from));
	struct bio_vec vec;
	struct iov_iter iter;
	long ret;

	if (!copy_from_iter_full(page_address(pages), len, from))
		return -EFAULT;
	bvec_set_page(&vec, pages, len, 0);
	iov_iter_bvec(&iter, ITER_SOURCE, &vec, 1, len);
	prepare_iocb(req, true, IOCB_DIRECT, pos, NULL);
	ret = transfer(&req->iocb, &iter);
	/* What is left goes another way. */
	iov_iter_revert(from, ret < 0 ? len : len - ret);
	return ret;
}

/*
 * What cannot be written from where the guest has it, past the page cache all the same: that
 * would write whole pages, with what it had read of the sectors beside, over what other requests
 * write there meanwhile. The bytes written, which are fewer where the file does not take blocks
 * of such lengths, or an error.
 */
static long bounced(struct blk_req *req, loff_t pos, struct iov_iter *from)
{
	/* What counts references to each page of a transfer wants them to be of one folio. */
	gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_COMP | __GFP_NOWARN | __GFP_NORETRY;
	unsigned int order = min(get_order(iov_iter_count(from)), BOUNCE_ORDER);
	struct page *pages = alloc_pages(gfp, order);
	long ret, done = 0;

	if (!pages) {
		order = 0;
		pages = alloc_page(GFP_KERNEL_ACCOUNT);
	}
	if (!pages)
		return -ENOMEM;
	do {
		ret = bounce_piece(req, pos + done, from, pages, PAGE_SIZE << order);
		if (ret > 0)
			done += ret;
	} while (ret > 0 && iov_iter_count(from));
	__free_pages(pages, order);
	return ret < 0 && ret != -EINVAL ? ret : done;
}

void blk_rw(struct blk_req *req, bool write, const struct iovec *iov, unsigned int n)
{
	struct blk_disk *disk = blk_disk_of(req);
	loff_t pos = req->pos;
	struct iov_iter iter;
	long ret = 0, rest;

	if (disk->direct && blk_bio_rw(req, write, iov, n))
		return;
	prepare_iter(&iter, write, iov, n, req->expected);
	if (disk->direct) {
		prepare_iocb(req, write, IOCB_DIRECT | HV_IOCB_ALLOC_CACHE, pos, rw_done);
		ret = transfer(&req->iocb, &iter);
		if (ret == -EIOCBQUEUED)
			return;
	}
	/* Not direct with buffers at such addresses or of such lengths. */
	if (ret == -EINVAL) {
		prepare_iter(&iter, write, iov, n, req->expected);
		ret = write ? bounced(req, pos, &iter) : 0;
	}
	if (ret >= 0 && ret < req->expected) {
		rest = buffered(req, write, pos + ret, &iter);
		ret = rest < 0 ? rest : ret + rest;
	}
	blk_complete(req, ret);
}

/* For files that cannot clear a range themselves. */
static int write_zeroes(struct file *file, loff_t pos, u64 len)
{
	const void *zeroes = page_address(ZERO_PAGE(0));
	ssize_t n;

	while (len) {
		n = kernel_write(file, zeroes, min_t(u64, len, PAGE_SIZE), &pos);
		if (n <= 0)
			return n ? n : -EIO;
		len -= n;
		cond_resched();
	}
	return 0;
}

static int clear_range(struct blk_disk *disk, loff_t pos, u64 len, bool unmap)
{
	int ret = -EOPNOTSUPP;

	if (unmap)
		ret = vfs_fallocate(disk->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, pos,
				    len);
	if (ret == -EOPNOTSUPP)
		ret = vfs_fallocate(disk->file, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, pos,
				    len);
	if (ret == -EOPNOTSUPP)
		ret = write_zeroes(disk->file, pos, len);
	return ret;
}

static int discard_range(struct blk_disk *disk, loff_t pos, u64 len)
{
	if (!disk->bdev)
		return vfs_fallocate(disk->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, pos,
				     len);
	/* What the cache has of it is of no use any more. */
	invalidate_inode_pages2_range(disk->file->f_mapping, pos >> PAGE_SHIFT,
				      (pos + len - 1) >> PAGE_SHIFT);
	return blkdev_issue_discard(disk->bdev, pos >> BLK_SECTOR_SHIFT, len >> BLK_SECTOR_SHIFT,
				    GFP_KERNEL);
}

static int do_piece(struct blk_req *req, loff_t pos, u64 len, bool unmap)
{
	struct blk_disk *disk = blk_disk_of(req);

	if (req->type == VIRTIO_BLK_T_DISCARD)
		return discard_range(disk, pos, len);
	return clear_range(disk, pos, len, unmap);
}

/* Ends with each piece at a multiple of its size, so that what is discarded stays whole. */
static int do_range(struct blk_req *req, const struct virtio_blk_discard_write_zeroes *r)
{
	bool unmap = r->flags & cpu_to_le32(VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);
	u64 len = (u64)le32_to_cpu(r->num_sectors) << BLK_SECTOR_SHIFT, piece;
	loff_t pos = le64_to_cpu(r->sector) << BLK_SECTOR_SHIFT;
	int ret = 0;

	for (; len && !ret; len -= piece, pos += piece) {
		if (READ_ONCE(req->bq->hurry))
			return -EINTR;
		piece = min_t(u64, len, PIECE_MAX - (pos & (PIECE_MAX - 1)));
		ret = do_piece(req, pos, piece, unmap);
		cond_resched();
	}
	return ret;
}

static int do_ranges(struct blk_req *req)
{
	struct blk_disk *disk = blk_disk_of(req);
	unsigned int i;
	int ret = 0;

	for (i = 0; i < req->nranges && !ret; i++)
		ret = do_range(req, &req->ranges[i]);
	if (!ret && !disk->writeback)
		ret = vfs_fsync(disk->file, 1);
	return ret;
}

/* As the owner, as the worker does the rest. */
static void slow_work_fn(struct work_struct *work)
{
	struct blk_req *req = container_of(work, struct blk_req, work);
	struct vh_self self;
	int ret;

	vh_owner_begin(req->bq->vq.dev, &self);
	kthread_associate_blkcg(req->bq->vq.dev->blkcg);
	if (req->type == VIRTIO_BLK_T_FLUSH)
		ret = vfs_fsync(blk_disk_of(req)->file, 1);
	else
		ret = do_ranges(req);
	kthread_associate_blkcg(NULL);
	vh_owner_end(&self);
	blk_complete(req, ret);
}

static void do_slowly(struct blk_req *req)
{
	INIT_WORK(&req->work, slow_work_fn);
	queue_work(to_blk(req->bq->vq.dev)->slow, &req->work);
}

void blk_flush(struct blk_req *req)
{
	if (!blk_bio_flush(req))
		do_slowly(req);
}

void blk_ranges(struct blk_req *req)
{
	do_slowly(req);
}
