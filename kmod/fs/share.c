// SPDX-License-Identifier: GPL-2.0-only
/*
 * The frame of a page: finding it, and giving a page its own.
 *
 * Who holds invalidate_lock shared may change an entry if it also holds the
 * lock of the frame that the entry names (of a zero frame for holes and
 * zeroes). Faults return that frame locked to the kernel, which unlocks it
 * when the page table entry is in place: so who gets the lock may unmap the
 * page and know that nobody maps it again before the lock is let go.
 */
#include <linux/highmem.h>
#include "index.h"
#include "leaf.h"
#include "scan.h"
#include "trace.h"

/*
 * Locks the frame at @index; it is referenced too. The reference is taken
 * before we know that the frame is still ours, as page caches do.
 */
unsigned long vl_page_lock(struct vl_leaf *leaf, pgoff_t index, struct page **frame)
{
	unsigned int slot = vl_slot(index);

	for (;;) {
		unsigned long e = vl_leaf_entry(leaf, slot);
		struct page *page = vl_entry_frame(e, index);

		if (!get_page_unless_zero(page)) {
			cpu_relax();
			continue;
		}
		if (vl_leaf_entry(leaf, slot) == e) {
			lock_page(page);
			if (vl_leaf_entry(leaf, slot) == e) {
				*frame = page;
				return e;
			}
			unlock_page(page);
		}
		put_page(page);
	}
}

static void page_unlock(struct page *page)
{
	unlock_page(page);
	put_page(page);
}

/* A private page is about to be written. Its frame is locked. */
void vl_page_written(struct vl_leaf *leaf, unsigned int slot, struct page *page)
{
	struct vl_inode *vi = leaf->vi;

	if (vl_indexed(page)) {
		vl_index_remove(page);
		vl_count(VL_UNSHARED, -1);
	}
	if (test_bit(slot, &leaf->dirty) || test_and_set_bit(slot, &leaf->dirty))
		return;
	atomic_long_inc(&vi->counts[VL_VOLATILE]);
	if (vi->merge == VELLUMFS_MERGE_OFF)
		return;
	vl_count(VL_VOLATILE, 1);
	vl_scan_queue(leaf);
}

/* The opposite: it was hashed, or goes. */
void vl_page_clean(struct vl_leaf *leaf, unsigned int slot)
{
	struct vl_inode *vi = leaf->vi;

	if (!test_and_clear_bit(slot, &leaf->dirty))
		return;
	atomic_long_dec(&vi->counts[VL_VOLATILE]);
	if (vi->merge != VELLUMFS_MERGE_OFF)
		vl_count(VL_VOLATILE, -1);
}

/* Many at once; invalidate_lock is held exclusively. */
void vl_pages_clean(struct vl_leaf *leaf, unsigned long pages)
{
	struct vl_inode *vi = leaf->vi;
	long n;

	pages &= leaf->dirty;
	if (!pages)
		return;
	leaf->dirty &= ~pages;
	n = hweight_long(pages);
	atomic_long_sub(n, &vi->counts[VL_VOLATILE]);
	if (vi->merge != VELLUMFS_MERGE_OFF)
		vl_count(VL_VOLATILE, -n);
}

static void entry_count(struct vl_inode *vi, unsigned long e, long n)
{
	if (e == VL_HOLE)
		return;
	vl_count_file(vi, e == VL_ZERO ? VL_ZEROES : vl_is_shared(e) ? VL_SHARED_REFS : VL_PRIVATE,
		      n);
}

/* Puts another entry in a slot. The caller owns what @e names, and has cared for the old. */
void vl_entry_switch(struct vl_leaf *leaf, unsigned int slot, unsigned long old,
		     unsigned long e)
{
	entry_count(leaf->vi, old, -1);
	entry_count(leaf->vi, e, 1);
	vl_leaf_set(leaf, slot, e);
}

/* Makes a hole of what is none, and keeps its space for what comes; nobody can reach the page. */
void vl_entry_clear(struct vl_leaf *leaf, unsigned int slot)
{
	unsigned long e = vl_leaf_entry(leaf, slot);

	vl_entry_switch(leaf, slot, e, VL_HOLE);
	if (vl_is_private(e)) {
		struct page *page = vl_entry_page(e);

		if (vl_indexed(page)) {
			vl_index_remove(page);
			vl_count(VL_UNSHARED, -1);
		}
		vl_page_clean(leaf, slot);
		vl_frame_free(page);
	} else if (vl_is_shared(e)) {
		vl_frame_put_shared(vl_entry_page(e));
	}
}

/* Makes a hole; nobody can reach the page any more. */
void vl_entry_drop(struct vl_leaf *leaf, unsigned int slot)
{
	if (vl_leaf_entry(leaf, slot) == VL_HOLE)
		return;
	vl_entry_clear(leaf, slot);
	vl_release_pages(vl_s(leaf->vi->vfs.i_sb), 1);
}

/* Removes one page from every page table. Its frame is locked. */
static void page_unmap(struct vl_leaf *leaf, pgoff_t index)
{
	if (!test_bit(vl_slot(index), &leaf->mapped))
		return;
	unmap_mapping_pages(leaf->vi->vfs.i_mapping, index, 1, false);
	clear_bit(vl_slot(index), &leaf->mapped);
}

/*
 * Gives the page at @index, whose entry @e is not private and whose frame is
 * locked, the new frame @page, which is zeroed unless @e is shared, and locks
 * and references it.
 */
static int page_break(struct vl_leaf *leaf, pgoff_t index, unsigned long e, struct page *page)
{
	struct vl_inode *vi = leaf->vi;

	if (e == VL_HOLE) {
		int err = vl_reserve_pages(vl_s(vi->vfs.i_sb), 1);

		if (err)
			return err;
	}
	if (vl_is_shared(e))
		copy_highpage(page, vl_entry_page(e));
	/* Nobody knows the frame yet, so this succeeds. */
	WARN_ON_ONCE(!trylock_page(page));
	get_page(page);
	vl_entry_switch(leaf, vl_slot(index), e, vl_private_entry(page));
	page_unmap(leaf, index);
	if (vl_is_shared(e))
		vl_frame_put_shared(vl_entry_page(e));
	if (e != VL_HOLE) {
		vl_count_file(vi, VL_BROKEN, 1);
		trace_vellumfs_break(vi->vfs.i_ino, index);
	}
	return 0;
}

/*
 * The frame at @index for reading, locked and referenced. It is about to be
 * mapped. Errors: ENOMEM, ENOSPC, EIO: its memory failed.
 */
struct page *vl_page_read(struct vl_inode *vi, pgoff_t index)
{
	struct vl_leaf *leaf = vl_leaf_make(vi, index);
	struct page *page;

	lockdep_assert_held(&vi->vfs.i_mapping->invalidate_lock);
	if (IS_ERR(leaf))
		return ERR_CAST(leaf);
	vl_page_lock(leaf, index, &page);
	if (unlikely(PageHWPoison(page))) {
		page_unlock(page);
		return ERR_PTR(-EIO);
	}
	set_bit(vl_slot(index), &leaf->mapped);
	return page;
}

/*
 * The private frame at @index, made if there is none, locked and referenced,
 * and to be written. Errors: ENOMEM, ENOSPC, EIO: the memory of what it holds failed.
 */
struct page *vl_page_write(struct vl_inode *vi, pgoff_t index, gfp_t gfp)
{
	struct vl_leaf *leaf = vl_leaf_make(vi, index);
	struct page *page, *spare = NULL;
	unsigned long e;
	int err;

	lockdep_assert_held(&vi->vfs.i_mapping->invalidate_lock);
	if (IS_ERR(leaf))
		return ERR_CAST(leaf);
	/* Until the lock is ours the entry can become private, and nothing else. */
	e = vl_leaf_entry(leaf, vl_slot(index));
	if (!vl_is_private(e)) {
		spare = vl_frame_alloc(vl_is_shared(e) ? gfp : gfp | __GFP_ZERO);
		if (!spare)
			return ERR_PTR(-ENOMEM);
	}
	e = vl_page_lock(leaf, index, &page);
	err = vl_has_frame(e) && PageHWPoison(page) ? -EIO : 0;
	if (!err && !vl_is_private(e)) {
		err = page_break(leaf, index, e, spare);
		if (!err) {
			page_unlock(page);
			page = spare;
			spare = NULL;
		}
	}
	if (spare)
		vl_frame_free(spare);
	if (err) {
		page_unlock(page);
		return ERR_PTR(err);
	}
	vl_page_written(leaf, vl_slot(index), page);
	return page;
}

/* Until who has a leaf's frame locked to map it has done so. Which of its pages may be mapped? */
static unsigned long wait_for_faults(struct vl_leaf *leaf, pgoff_t start, pgoff_t end)
{
	unsigned long mapped = leaf->mapped & vl_leaf_range(leaf, start, end);
	unsigned int slot;

	for_each_set_bit(slot, &mapped, VL_LEAF_PAGES) {
		unsigned long e = leaf->slots[slot];

		if (vl_has_frame(e))
			wait_on_page_locked(vl_entry_page(e));
	}
	return mapped;
}

/*
 * Removes the pages from @start to before @end from every page table.
 * invalidate_lock is held exclusively: so no fault can begin, and those that
 * have a locked frame in hand are waited for.
 */
void vl_pages_unmap(struct vl_inode *vi, pgoff_t start, pgoff_t end, bool even_cows)
{
	unsigned long i, mapped = 0;
	struct vl_leaf *leaf;

	lockdep_assert_held_write(&vi->vfs.i_mapping->invalidate_lock);
	if (start >= end)
		return;
	xa_for_each_range(&vi->leaves, i, leaf, start >> VL_LEAF_SHIFT,
			  (end - 1) >> VL_LEAF_SHIFT)
		mapped |= wait_for_faults(leaf, start, end);
	/* Of private mappings' copies nobody keeps account. */
	if (!mapped && !even_cows)
		return;
	vl_zero_frames_wait();
	unmap_mapping_pages(vi->vfs.i_mapping, start, end - start, even_cows);
	xa_for_each_range(&vi->leaves, i, leaf, start >> VL_LEAF_SHIFT,
			  (end - 1) >> VL_LEAF_SHIFT)
		leaf->mapped &= ~vl_leaf_range(leaf, start, end);
}
