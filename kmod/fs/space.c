// SPDX-License-Identifier: GPL-2.0-only
/*
 * The space of a file: truncate, fallocate, and where its data is.
 */
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/highmem.h>
#include "leaf.h"
#include "scan.h"

static pgoff_t page_after(loff_t pos)
{
	return DIV_ROUND_UP_ULL((u64)pos, PAGE_SIZE);
}

/* Is a part of one page zero, as all of a hole or zero page is? invalidate_lock is held. */
static bool is_zero_part(struct vl_inode *vi, loff_t from, loff_t to)
{
	pgoff_t index = from >> PAGE_SHIFT;
	struct vl_leaf *leaf = vl_leaf_find(vi, index);
	struct page *page;
	bool zero;
	void *p;

	if (!leaf || !vl_has_frame(vl_leaf_entry(leaf, vl_slot(index))))
		return true;
	vl_page_lock(leaf, index, &page);
	p = kmap_local_page(page);
	zero = !PageHWPoison(page) && !memchr_inv(p + offset_in_page(from), 0, to - from);
	kunmap_local(p);
	unlock_page(page);
	put_page(page);
	return zero;
}

/* Zeroes a part of one page. Where it is zero, a shared frame is not copied for that. */
static int zero_part(struct inode *inode, loff_t from, loff_t to)
{
	struct vl_inode *vi = vl_i(inode);
	struct page *page = NULL;

	if (from >= to)
		return 0;
	filemap_invalidate_lock_shared(inode->i_mapping);
	if (!is_zero_part(vi, from, to))
		page = vl_page_write(vi, from >> PAGE_SHIFT, GFP_KERNEL);
	if (!IS_ERR_OR_NULL(page)) {
		zero_user_segment(page, offset_in_page(from), offset_in_page(to - 1) + 1);
		unlock_page(page);
		put_page(page);
	}
	filemap_invalidate_unlock_shared(inode->i_mapping);
	return PTR_ERR_OR_ZERO(page);
}

/*
 * Zeroes the rest of the last page, which mappings may have written: before the
 * file grows, or somebody gets that page. i_rwsem is held.
 */
int vl_zero_tail(struct inode *inode)
{
	loff_t size = i_size_read(inode);

	return zero_part(inode, size, round_up(size, PAGE_SIZE));
}

static void drop_range(struct inode *inode, pgoff_t start, pgoff_t end, bool even_cows)
{
	vl_pages_unmap(vl_i(inode), start, end, even_cows);
	mutex_lock(&vl_scan_mutex);
	vl_leaves_drop(vl_i(inode), start, end);
	mutex_unlock(&vl_scan_mutex);
}

/*
 * Sets the size. What can fail comes first: clearing the rest of the last
 * page. i_rwsem is held.
 */
int vl_truncate(struct inode *inode, loff_t size)
{
	loff_t old = i_size_read(inode);
	loff_t last = min(size, old);
	int err = zero_part(inode, last, round_up(last, PAGE_SIZE));

	if (err)
		return err;
	filemap_invalidate_lock(inode->i_mapping);
	i_size_write(inode, size);
	if (size < old)
		drop_range(inode, page_after(size), ULONG_MAX >> PAGE_SHIFT, true);
	filemap_invalidate_unlock(inode->i_mapping);
	/* What was stored there meanwhile; if that fails, growing clears it. */
	vl_zero_tail(inode);
	return 0;
}

/* Zeroes of the ends that are no whole pages; then *start and *end are the whole pages. */
static int zero_edges(struct inode *inode, loff_t from, loff_t to, pgoff_t *start, pgoff_t *end)
{
	loff_t first = min_t(loff_t, round_up(from, PAGE_SIZE), to);
	loff_t last = max_t(loff_t, round_down(to, PAGE_SIZE), first);
	int err;

	*start = page_after(from);
	*end = to >> PAGE_SHIFT;
	err = zero_part(inode, from, first);
	return err ?: zero_part(inode, last, to);
}

static int punch(struct inode *inode, loff_t from, loff_t to)
{
	pgoff_t start, end;
	int err = zero_edges(inode, from, to, &start, &end);

	if (err || start >= end)
		return err;
	filemap_invalidate_lock(inode->i_mapping);
	drop_range(inode, start, end, false);
	filemap_invalidate_unlock(inode->i_mapping);
	return 0;
}

static unsigned long count_holes(struct vl_inode *vi, pgoff_t start, pgoff_t end)
{
	unsigned long n = end - start, i;
	struct vl_leaf *leaf;
	pgoff_t index;

	xa_for_each_range(&vi->leaves, i, leaf, start >> VL_LEAF_SHIFT,
			  (end - 1) >> VL_LEAF_SHIFT)
		for (index = max(start, leaf->base);
		     index < min(end, leaf->base + VL_LEAF_PAGES); index++)
			n -= leaf->slots[vl_slot(index)] != VL_HOLE;
	return n;
}

/* Makes zeroes of holes, which looks the same to whoever has them mapped. */
static void fill_holes(struct vl_inode *vi, pgoff_t start, pgoff_t end)
{
	struct vl_leaf *leaf;
	unsigned long i;
	pgoff_t index;

	xa_for_each_range(&vi->leaves, i, leaf, start >> VL_LEAF_SHIFT,
			  (end - 1) >> VL_LEAF_SHIFT) {
		for (index = max(start, leaf->base);
		     index < min(end, leaf->base + VL_LEAF_PAGES); index++) {
			if (leaf->slots[vl_slot(index)] != VL_HOLE)
				continue;
			vl_leaf_set(leaf, vl_slot(index), VL_ZERO);
			vl_count_file(vi, VL_ZEROES, 1);
		}
	}
}

static int make_leaves(struct vl_inode *vi, pgoff_t start, pgoff_t end)
{
	pgoff_t index;

	for (index = start & ~VL_LEAF_MASK; index < end; index += VL_LEAF_PAGES) {
		struct vl_leaf *leaf = vl_leaf_make(vi, index);

		if (IS_ERR(leaf))
			return PTR_ERR(leaf);
		if (signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static void trim_leaves(struct vl_inode *vi, pgoff_t start, pgoff_t end)
{
	mutex_lock(&vl_scan_mutex);
	vl_leaves_trim(vi, start, end);
	mutex_unlock(&vl_scan_mutex);
}

/* Allocates: space is counted and leaves are made, so that filling cannot fail. */
static int allocate(struct inode *inode, pgoff_t start, pgoff_t end)
{
	struct vl_inode *vi = vl_i(inode);
	int err;

	if (start >= end)
		return 0;
	filemap_invalidate_lock(inode->i_mapping);
	err = vl_reserve_pages(vl_s(inode->i_sb), count_holes(vi, start, end));
	if (!err) {
		err = make_leaves(vi, start, end);
		if (err) {
			vl_release_pages(vl_s(inode->i_sb), count_holes(vi, start, end));
			trim_leaves(vi, start, end);
		} else {
			fill_holes(vi, start, end);
		}
	}
	filemap_invalidate_unlock(inode->i_mapping);
	return err;
}

static int fallocate_locked(struct file *file, int mode, loff_t offset, loff_t len)
{
	struct inode *inode = file_inode(file);
	loff_t end = offset + len;
	bool grow = !(mode & FALLOC_FL_KEEP_SIZE) && end > i_size_read(inode);
	int err;

	err = grow ? inode_newsize_ok(inode, end) : 0;
	err = err ?: file_modified(file);
	if (!err && grow)
		err = vl_zero_tail(inode);
	if (!err && (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)))
		err = punch(inode, offset, end);
	if (!err && !(mode & FALLOC_FL_PUNCH_HOLE))
		err = allocate(inode, offset >> PAGE_SHIFT, page_after(end));
	if (!err && grow)
		i_size_write(inode, end);
	return err;
}

long vl_fallocate(struct file *file, int mode, loff_t offset, loff_t len)
{
	struct inode *inode = file_inode(file);
	long err;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		return -EOPNOTSUPP;
	inode_lock(inode);
	err = fallocate_locked(file, mode, offset, len);
	inode_unlock(inode);
	return err;
}

/* The first page from @index to before @end that has data (or is a hole); @end if none. */
static pgoff_t seek_page(struct vl_inode *vi, pgoff_t index, pgoff_t end, bool data)
{
	struct vl_leaf *leaf;

	while (index < end) {
		unsigned long n = index >> VL_LEAF_SHIFT;

		leaf = xa_find(&vi->leaves, &n, (end - 1) >> VL_LEAF_SHIFT, XA_PRESENT);
		if (!leaf)
			return data ? end : index;
		if (!data && leaf->base > index)
			return index;
		for (index = max(index, leaf->base);
		     index < min(end, leaf->base + VL_LEAF_PAGES); index++)
			if ((vl_leaf_entry(leaf, vl_slot(index)) != VL_HOLE) == data)
				return index;
	}
	return end;
}

/* Zeroes that were allocated are data: merging a page does not move holes. */
loff_t vl_seek_data_hole(struct inode *inode, loff_t offset, int whence)
{
	bool data = whence == SEEK_DATA;
	loff_t size, pos = -ENXIO;
	pgoff_t index, end;

	filemap_invalidate_lock_shared(inode->i_mapping);
	size = i_size_read(inode);
	if (offset >= 0 && offset < size) {
		end = page_after(size);
		index = seek_page(vl_i(inode), offset >> PAGE_SHIFT, end, data);
		if (index < end)
			pos = max_t(loff_t, offset, (loff_t)index << PAGE_SHIFT);
		else if (!data)
			pos = size;
	}
	filemap_invalidate_unlock_shared(inode->i_mapping);
	return pos;
}
