// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests of a block device, as bios: a request has room for one of its own, so that nothing
 * is allocated, and of a file nothing is asked but whether the page cache has a part in it.
 * What does not fit is refused, and goes the way of a file.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/task_io_accounting_ops.h>

#include "blk.h"

static void bio_done(struct bio *bio)
{
	struct blk_req *req = bio->bi_private;

	blk_complete(req, bio->bi_status ? blk_status_to_errno(bio->bi_status) : req->expected);
}

static void init_bio(struct blk_req *req, blk_opf_t opf)
{
	bio_init(&req->bio, blk_disk_of(req)->bdev, req->vecs, ARRAY_SIZE(req->vecs), opf);
	req->bio.bi_private = req;
	req->bio.bi_end_io = bio_done;
	req->has_bio = true;
}

/* As the device wants them: addresses and lengths of buffers, and the place on the disk. */
static bool aligned(struct block_device *bdev, loff_t pos, const struct iovec *iov, unsigned int n)
{
	unsigned long addresses = bdev_dma_alignment(bdev);
	unsigned long lengths = bdev_logical_block_size(bdev) - 1;
	unsigned long wrong = pos & lengths;

	for (; n; n--, iov++)
		wrong |= ((unsigned long)iov->iov_base & addresses) | (iov->iov_len & lengths);
	return !wrong;
}

/* Only the device itself has something to flush, and reads what was written. */
static bool cache_is_clean(struct address_space *mapping)
{
	return !mapping_tagged(mapping, PAGECACHE_TAG_DIRTY) &&
	       !mapping_tagged(mapping, PAGECACHE_TAG_WRITEBACK);
}

static bool is_cached(struct address_space *mapping, loff_t pos, size_t len)
{
	return mapping->nrpages && filemap_range_has_page(mapping, pos, pos + len - 1);
}

/* A write that the file's own function refuses, or of which the page cache has something. */
static bool is_for_the_file(const struct blk_req *req)
{
	const struct blk_disk *disk = blk_disk_of(req);
	struct address_space *mapping = disk->file->f_mapping;

	return is_cached(mapping, req->pos, req->expected) || bdev_read_only(disk->bdev) ||
	       IS_SWAPFILE(mapping->host);
}

static blk_opf_t write_op(const struct blk_disk *disk)
{
	return REQ_OP_WRITE | REQ_SYNC | REQ_IDLE | (disk->writeback ? 0 : REQ_FUA);
}

/* Pins @len bytes at @base and adds them to the bio. */
static bool add_buffer(struct bio *bio, void __user *base, size_t len)
{
	unsigned int offset = offset_in_page(base), room = bio->bi_max_vecs - bio->bi_vcnt, piece;
	unsigned int gup = bio_op(bio) == REQ_OP_READ ? FOLL_WRITE : 0;
	struct page *pages[BLK_VECS];
	int i, n = DIV_ROUND_UP(offset + len, PAGE_SIZE), pinned;

	if (n > room)
		return false;
	pinned = pin_user_pages_fast((unsigned long)base - offset, n, gup, pages);
	for (i = 0; i < pinned; i++) {
		piece = min_t(size_t, len, PAGE_SIZE - offset);
		__bio_add_page(bio, pages[i], piece, offset);
		len -= piece;
		offset = 0;
	}
	return pinned == n;
}

static bool add_buffers(struct bio *bio, const struct iovec *iov, unsigned int n)
{
	for (; n; n--, iov++)
		if (!add_buffer(bio, iov->iov_base, iov->iov_len))
			return false;
	return true;
}

bool blk_bio_rw(struct blk_req *req, bool write, const struct iovec *iov, unsigned int n)
{
	struct blk_disk *disk = blk_disk_of(req);
	struct address_space *mapping = disk->file->f_mapping;
	struct bio *bio = &req->bio;

	if (!disk->bdev || req->expected > BLK_BIO_PAGES * PAGE_SIZE ||
	    !aligned(disk->bdev, req->pos, iov, n))
		return false;
	if (write ? is_for_the_file(req) : !cache_is_clean(mapping))
		return false;
	init_bio(req, write ? write_op(disk) : REQ_OP_READ);
	bio->bi_iter.bi_sector = req->pos >> BLK_SECTOR_SHIFT;
	if (!add_buffers(bio, iov, n)) {
		blk_bio_release(req);
		return false;
	}
	if (write)
		task_io_account_write(req->expected);
	submit_bio(bio);
	return true;
}

bool blk_bio_flush(struct blk_req *req)
{
	struct blk_disk *disk = blk_disk_of(req);

	if (!disk->bdev || !cache_is_clean(disk->file->f_mapping))
		return false;
	/* Clean because it could not be written: vfs_fsync() says so, once. */
	if (filemap_check_wb_err(disk->file->f_mapping, READ_ONCE(disk->file->f_wb_err)))
		return false;
	init_bio(req, REQ_OP_WRITE | REQ_PREFLUSH);
	submit_bio(&req->bio);
	return true;
}

void blk_bio_release(struct blk_req *req)
{
	struct address_space *mapping = blk_disk_of(req)->file->f_mapping;
	bool write = op_is_write(bio_op(&req->bio));
	unsigned int i;

	for (i = 0; i < req->bio.bi_vcnt; i++)
		unpin_user_pages_dirty_lock(&req->vecs[i].bv_page, 1, !write);
	bio_uninit(&req->bio);
	req->has_bio = false;
	/* What somebody else has cached meanwhile is out of date. */
	if (write && req->expected && mapping->nrpages)
		invalidate_inode_pages2_range(mapping, req->pos >> PAGE_SHIFT,
					      (req->pos + req->expected - 1) >> PAGE_SHIFT);
}
