// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cloning: a range of one file refers to the frames of another.
 *
 * Both files' invalidate_locks are held exclusively and their pages are out of
 * all page tables, so nobody writes: what the clone gets is the state of one
 * instant. All that can fail is done before the first entry changes. A page
 * that somebody outside holds may still be written by it, and is copied; ranges
 * that were found equal need no copy, and such a page stays on both sides.
 */
#include <linux/highmem.h>
#include "clone.h"
#include "index.h"
#include "trace.h"

static inline pgoff_t dst_index(const struct vl_clone *c, pgoff_t src_index)
{
	return src_index - c->src_start + c->dst_start;
}

/* The destination's leaf for a page of the source, made if there is none. */
static inline struct vl_leaf *dst_leaf(struct vl_clone *c, pgoff_t src_index)
{
	pgoff_t index = dst_index(c, src_index);

	if (!c->dst_leaf || c->dst_leaf->base != (index & ~VL_LEAF_MASK))
		c->dst_leaf = vl_leaf_make(c->dst, index);
	return c->dst_leaf;
}

/* Space for pages that the range gains, and the leaves for them. */
static int prepare_space(struct vl_clone *c)
{
	struct vl_leaf *leaf, *dst;
	unsigned long i, n = 0;
	pgoff_t index, end = c->src_start + c->pages;

	xa_for_each_range(&c->src->leaves, i, leaf, c->src_start >> VL_LEAF_SHIFT,
			  (end - 1) >> VL_LEAF_SHIFT) {
		for (index = max(c->src_start, leaf->base);
		     index < min(end, leaf->base + VL_LEAF_PAGES); index++) {
			if (vl_leaf_entry(leaf, vl_slot(index)) == VL_HOLE)
				continue;
			dst = dst_leaf(c, index);
			if (IS_ERR(dst))
				return PTR_ERR(dst);
			n += vl_leaf_entry(dst, vl_slot(dst_index(c, index))) == VL_HOLE;
		}
		cond_resched();
	}
	c->reserved = n;
	return vl_reserve_pages(vl_s(c->dst->vfs.i_sb), n);
}

/* By somebody outside, or by as many pages as can be. */
static bool is_held(unsigned long e)
{
	if (vl_is_shared(e))
		return vl_frame_is_full(vl_entry_page(e));
	return vl_is_private(e) && page_count(vl_entry_page(e)) != 1;
}

static void mark_held(struct vl_inode *vi, pgoff_t start, pgoff_t end)
{
	struct vl_leaf *leaf;
	unsigned long i;
	pgoff_t index;

	xa_for_each_range(&vi->leaves, i, leaf, start >> VL_LEAF_SHIFT,
			  (end - 1) >> VL_LEAF_SHIFT) {
		unsigned long held = leaf->held & ~vl_leaf_range(leaf, start, end);

		for (index = max(start, leaf->base);
		     index < min(end, leaf->base + VL_LEAF_PAGES); index++)
			if (is_held(leaf->slots[vl_slot(index)]))
				held |= BIT(vl_slot(index));
		leaf->held = held;
		cond_resched();
	}
}

/*
 * Takes the pages out of all page tables, and marks those that somebody holds.
 * Nobody can begin to hold a page after that; but who holds one may write it and
 * let go at any time. So the marks come before anything looks at what is in the
 * pages, and only the marks count from here on.
 */
void vl_clone_begin(struct vl_clone *c)
{
	vl_pages_unmap(c->src, c->src_start, c->src_start + c->pages, false);
	vl_pages_unmap(c->dst, c->dst_start, c->dst_start + c->pages, false);
	mark_held(c->src, c->src_start, c->src_start + c->pages);
	if (c->dedupe)
		mark_held(c->dst, c->dst_start, c->dst_start + c->pages);
}

static bool dst_is_held(struct vl_clone *c, pgoff_t index)
{
	struct vl_leaf *leaf = vl_leaf_find(c->dst, index);

	return leaf && leaf->held & BIT(vl_slot(index));
}

/* Has a spare frame for each page of a leaf that is held, and so copied. */
static int prepare_leaf(struct vl_clone *c, struct vl_leaf *leaf)
{
	unsigned long held = leaf->held & vl_leaf_range(leaf, c->src_start,
							c->src_start + c->pages);
	unsigned int slot;

	for_each_set_bit(slot, &held, VL_LEAF_PAGES) {
		struct page *page = vl_frame_alloc(GFP_KERNEL);

		if (!page)
			return -ENOMEM;
		set_page_private(page, (unsigned long)c->spares);
		c->spares = page;
	}
	return 0;
}

static struct page *take_spare(struct vl_clone *c)
{
	struct page *page = c->spares;

	c->spares = (struct page *)page_private(page);
	set_page_private(page, 0);
	return page;
}

static int prepare_held(struct vl_clone *c)
{
	struct vl_leaf *leaf;
	unsigned long i;
	int err = 0;

	if (c->dedupe)
		return 0;
	xa_for_each_range(&c->src->leaves, i, leaf, c->src_start >> VL_LEAF_SHIFT,
			  (c->src_start + c->pages - 1) >> VL_LEAF_SHIFT) {
		err = prepare_leaf(c, leaf);
		if (err)
			break;
		cond_resched();
	}
	return err;
}

/* One page more refers to a frame, which becomes shared if it was not. */
static unsigned long share_frame(struct vl_clone *c, struct vl_leaf *leaf, unsigned int slot,
				 unsigned long e)
{
	struct page *page = vl_entry_page(e);

	if (vl_is_shared(e)) {
		atomic_inc(&vl_frame_word(page)->sharers);
		return e;
	}
	/* The memory was chosen by who wrote it: it takes part in merging no more. */
	if (vl_indexed(page)) {
		vl_index_remove(page);
		c->unindexed++;
	} else {
		c->cleaned |= BIT(slot);
	}
	vl_frame_init_shared(page, c->dst->domain->id, 2);
	vl_leaf_set(leaf, slot, vl_shared_entry(page));
	c->made_shared++;
	return vl_shared_entry(page);
}

/* The entry that the clone gets for one of the source. */
static unsigned long clone_entry(struct vl_clone *c, struct vl_leaf *leaf, unsigned int slot)
{
	unsigned long e = leaf->slots[slot];
	struct page *page;

	if (!vl_has_frame(e))
		return e;
	/* What is held may be written, but what cannot be read is not copied. */
	if (!(leaf->held & BIT(slot)) || PageHWPoison(vl_entry_page(e)))
		return share_frame(c, leaf, slot, e);
	page = take_spare(c);
	copy_highpage(page, vl_entry_page(e));
	c->copied++;
	return vl_private_entry(page);
}

/* @e is no hole. */
static void put_entry(struct vl_clone *c, struct vl_leaf *leaf, unsigned int slot,
		      unsigned long e)
{
	/* Its space goes to the new one. */
	if (leaf->slots[slot] != VL_HOLE)
		vl_entry_clear(leaf, slot);
	vl_leaf_set(leaf, slot, e);
	if (e == VL_ZERO)
		c->zeroes++;
	else if (vl_is_shared(e))
		c->shared++;
	else
		vl_page_written(leaf, slot, vl_entry_page(e));
}

/* The destination's page stays: it is equal, and one of the two is held. */
static void keep_entry(struct vl_clone *c, unsigned long e, pgoff_t dst)
{
	c->kept++;
	if (e != VL_HOLE && vl_entry_at(c->dst, dst) == VL_HOLE)
		c->unused++;
}

static void clone_leaf(struct vl_clone *c, struct vl_leaf *leaf, pgoff_t from, pgoff_t to)
{
	pgoff_t index;

	c->cleaned = 0;
	for (index = from; index < to; index++) {
		unsigned int slot = vl_slot(index);
		pgoff_t dst = dst_index(c, index);
		unsigned long e;

		if (c->dedupe && (leaf->held & BIT(slot) || dst_is_held(c, dst))) {
			keep_entry(c, leaf->slots[slot], dst);
			continue;
		}
		e = clone_entry(c, leaf, slot);
		if (e != VL_HOLE)
			put_entry(c, dst_leaf(c, index), vl_slot(dst), e);
	}
	vl_pages_clean(leaf, c->cleaned);
}

/* Pages where the source has none become holes, but those of equal ranges that are held. */
static void clear_holes(struct vl_clone *c)
{
	pgoff_t index, end = c->dst_start + c->pages;
	struct vl_leaf *leaf;
	unsigned long i;

	xa_for_each_range(&c->dst->leaves, i, leaf, c->dst_start >> VL_LEAF_SHIFT,
			  (end - 1) >> VL_LEAF_SHIFT) {
		for (index = max(c->dst_start, leaf->base);
		     index < min(end, leaf->base + VL_LEAF_PAGES); index++) {
			unsigned int slot = vl_slot(index);

			if (leaf->slots[slot] != VL_HOLE &&
			    !(c->dedupe && leaf->held & BIT(slot)) &&
			    vl_entry_at(c->src, index - c->dst_start + c->src_start) == VL_HOLE)
				vl_entry_drop(leaf, slot);
		}
		cond_resched();
	}
}

/* What was counted on the way, in one go. */
static void count(struct vl_clone *c)
{
	vl_count(VL_UNSHARED, -c->unindexed);
	vl_count(VL_SHARED_FRAMES, c->made_shared);
	vl_count_file(c->src, VL_PRIVATE, -c->made_shared);
	vl_count_file(c->src, VL_SHARED_REFS, c->made_shared);
	vl_count_file(c->dst, VL_SHARED_REFS, c->shared);
	vl_count_file(c->dst, VL_PRIVATE, c->copied);
	vl_count_file(c->dst, VL_ZEROES, c->zeroes);
	vl_count_file(c->src, VL_HELD, c->copied + c->kept);
	trace_vellumfs_clone(c->src->vfs.i_ino, c->dst->vfs.i_ino, c->shared, c->copied);
}

static void act(struct vl_clone *c)
{
	pgoff_t end = c->src_start + c->pages;
	struct vl_leaf *leaf;
	unsigned long i;

	if (vl_file_pages(c->dst))
		clear_holes(c);
	xa_for_each_range(&c->src->leaves, i, leaf, c->src_start >> VL_LEAF_SHIFT,
			  (end - 1) >> VL_LEAF_SHIFT) {
		clone_leaf(c, leaf, max(c->src_start, leaf->base),
			   min(end, leaf->base + VL_LEAF_PAGES));
		cond_resched();
	}
	vl_release_pages(vl_s(c->dst->vfs.i_sb), c->unused);
	count(c);
}

/*
 * Shares the pages; both locks are held exclusively. Who dedupes has called
 * vl_clone_begin() and compared. The domain is the same. Errors: ENOSPC, ENOMEM;
 * nothing has changed then.
 */
int vl_clone_pages(struct vl_clone *c)
{
	int err;

	lockdep_assert_held_write(&c->src->vfs.i_mapping->invalidate_lock);
	lockdep_assert_held_write(&c->dst->vfs.i_mapping->invalidate_lock);
	err = prepare_space(c);
	if (err)
		return err;
	if (!c->dedupe)
		vl_clone_begin(c);
	err = prepare_held(c);
	if (err)
		vl_release_pages(vl_s(c->dst->vfs.i_sb), c->reserved);
	else
		act(c);
	while (c->spares)
		vl_frame_free(take_spare(c));
	return err;
}
