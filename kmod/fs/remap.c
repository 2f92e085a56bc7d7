// SPDX-License-Identifier: GPL-2.0-only
/*
 * FICLONE, FICLONERANGE, FIDEDUPERANGE and copy_file_range(2).
 */
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/sched/signal.h>
#include "clone.h"

static int page_differs(unsigned long a, unsigned long b, size_t bytes)
{
	struct page *p = vl_entry_frame(a, 0), *q = vl_entry_frame(b, 0);
	void *x, *y;
	int differs;

	if (p == q)
		return 0;
	if (unlikely(PageHWPoison(p) || PageHWPoison(q)))
		return 1;
	x = kmap_local_page(p);
	y = kmap_local_page(q);
	differs = memcmp(x, y, bytes);
	kunmap_local(y);
	kunmap_local(x);
	return differs;
}

/* Are both ranges equal? Error: EBADE, if not. */
static int compare(struct vl_clone *c, loff_t len)
{
	unsigned long i;

	for (i = 0; i < c->pages; i++, len -= PAGE_SIZE) {
		unsigned long a = vl_entry_at(c->src, c->src_start + i);
		unsigned long b = vl_entry_at(c->dst, c->dst_start + i);

		if (page_differs(a, b, min_t(loff_t, len, PAGE_SIZE)))
			return -EBADE;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/*
 * What generic_remap_file_range_prep() does for the rest: that one compares
 * through a page cache. Whole pages, or to the end of both files.
 */
static int prepare_dedupe(struct inode *in, loff_t pos_in, struct inode *out, loff_t pos_out,
			  loff_t *len, unsigned int flags)
{
	loff_t size_in = i_size_read(in), size_out = i_size_read(out);

	if (!PAGE_ALIGNED(pos_in) || !PAGE_ALIGNED(pos_out))
		return -EINVAL;
	if (pos_in >= size_in || pos_out >= size_out || *len > size_in - pos_in ||
	    *len > size_out - pos_out)
		return -EINVAL;
	if (pos_in + *len != size_in || pos_out + *len != size_out) {
		if (!PAGE_ALIGNED(*len) && !(flags & REMAP_FILE_CAN_SHORTEN))
			return -EINVAL;
		*len = round_down(*len, PAGE_SIZE);
	}
	if (in == out && pos_in < pos_out + *len && pos_out < pos_in + *len)
		return -EINVAL;
	return 0;
}

/* A last page that is cloned brings what is behind its end; one before the clone shows it. */
static int zero_tails(struct inode *in, loff_t pos_in, struct inode *out, loff_t pos_out,
		      loff_t len)
{
	int err = 0;

	if (pos_in + len == i_size_read(in))
		err = vl_zero_tail(in);
	if (!err && pos_out > i_size_read(out))
		err = vl_zero_tail(out);
	return err;
}

/* Both inodes are locked. */
static int remap_locked(struct inode *in, loff_t pos_in, struct inode *out, loff_t pos_out,
			loff_t len, bool dedupe)
{
	struct vl_clone c = {
		.src		= vl_i(in),
		.dst		= vl_i(out),
		.src_start	= pos_in >> PAGE_SHIFT,
		.dst_start	= pos_out >> PAGE_SHIFT,
		.pages		= DIV_ROUND_UP_ULL(len, PAGE_SIZE),
		.dedupe		= dedupe,
	};
	int err = zero_tails(in, pos_in, out, pos_out, len);

	if (err)
		return err;
	filemap_invalidate_lock_two(in->i_mapping, out->i_mapping);
	if (c.src->domain != c.dst->domain) {
		err = -EXDEV;
	} else if (dedupe) {
		vl_clone_begin(&c);
		err = compare(&c, len);
	}
	if (!err)
		err = vl_clone_pages(&c);
	if (!err && !dedupe && pos_out + len > i_size_read(out))
		i_size_write(out, pos_out + len);
	filemap_invalidate_unlock_two(in->i_mapping, out->i_mapping);
	return err;
}

loff_t vl_remap_file_range(struct file *file_in, loff_t pos_in, struct file *file_out,
			   loff_t pos_out, loff_t len, unsigned int flags)
{
	struct inode *in = file_inode(file_in), *out = file_inode(file_out);
	bool dedupe = flags & REMAP_FILE_DEDUP;
	int err;

	if (flags & ~(REMAP_FILE_DEDUP | REMAP_FILE_ADVISORY))
		return -EINVAL;
	lock_two_nondirectories(in, out);
	if (dedupe)
		err = prepare_dedupe(in, pos_in, out, pos_out, &len, flags);
	else
		err = generic_remap_file_range_prep(file_in, pos_in, file_out, pos_out, &len,
						    flags);
	if (!err && len)
		err = remap_locked(in, pos_in, out, pos_out, len, dedupe);
	unlock_two_nondirectories(in, out);
	return err ?: len;
}
