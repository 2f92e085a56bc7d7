/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Leaves: the pages of a file, 64 at a time.
 */
#ifndef VELLUMFS_LEAF_H
#define VELLUMFS_LEAF_H

#include "frame.h"

#define VL_LEAF_SHIFT	6
#define VL_LEAF_PAGES	BIT(VL_LEAF_SHIFT)
#define VL_LEAF_MASK	(VL_LEAF_PAGES - 1)

/**
 * struct vl_leaf - 64 pages of a file
 * @slots: their entries. Changed by who holds the lock of the entry's frame and the
 *	mapping's invalidate_lock, or that lock exclusively with the page unmapped.
 * @dirty: bit set: private, and written since it was last hashed (atomic)
 * @mapped: bit set: the frame may be in a page table (atomic; under the same locks as @slots)
 * @held: bit set: somebody outside held the page when a clone began; under the exclusive lock
 * @vi: the file
 * @base: index of the first page
 * @node: in the scanner's queue, under its lock
 * @level: back-off of each page: it is looked at in every 2^level-th pass
 * @round: the pass in which it was last hashed, its low bits
 *
 * Aligned to VL_LEAF_PAGES bytes: its address with a slot's number in the low
 * bits names a page of a file in one word. It is freed only under vl_scan_mutex.
 */
struct vl_leaf {
	unsigned long slots[VL_LEAF_PAGES];
	unsigned long dirty;
	unsigned long mapped;
	unsigned long held;
	struct vl_inode *vi;
	pgoff_t base;
	struct list_head node;
	u8 level[VL_LEAF_PAGES];
	u8 round[VL_LEAF_PAGES];
};

static_assert(VL_LEAF_PAGES == BITS_PER_LONG);

static inline unsigned int vl_slot(pgoff_t index)
{
	return index & VL_LEAF_MASK;
}

static inline struct vl_leaf *vl_leaf_find(struct vl_inode *vi, pgoff_t index)
{
	return xa_load(&vi->leaves, index >> VL_LEAF_SHIFT);
}

/* The slots of a leaf, as bits, whose pages are from @start to before @end; it has some. */
static inline unsigned long vl_leaf_range(struct vl_leaf *leaf, pgoff_t start, pgoff_t end)
{
	unsigned int from = start > leaf->base ? start - leaf->base : 0;
	unsigned int last = min(end - leaf->base, VL_LEAF_PAGES) - 1;

	return GENMASK(last, from);
}

static inline unsigned long vl_leaf_entry(struct vl_leaf *leaf, unsigned int slot)
{
	/* Pairs with vl_leaf_set(): the frame's content is there. */
	return smp_load_acquire(&leaf->slots[slot]);
}

/* What is at @index; invalidate_lock held. */
static inline unsigned long vl_entry_at(struct vl_inode *vi, pgoff_t index)
{
	struct vl_leaf *leaf = vl_leaf_find(vi, index);

	return leaf ? vl_leaf_entry(leaf, vl_slot(index)) : VL_HOLE;
}

static inline void vl_leaf_set(struct vl_leaf *leaf, unsigned int slot, unsigned long e)
{
	/* Pairs with vl_leaf_entry(). */
	smp_store_release(&leaf->slots[slot], e);
}

/* leaf.c */
int vl_leaf_init(void);
void vl_leaf_exit(void);
struct vl_leaf *vl_leaf_make(struct vl_inode *vi, pgoff_t index);
void vl_leaves_drop(struct vl_inode *vi, pgoff_t start, pgoff_t end);
void vl_leaves_trim(struct vl_inode *vi, pgoff_t start, pgoff_t end);
void vl_leaves_evict(struct vl_inode *vi);
size_t vl_leaf_bytes(void);

/* share.c */
struct page *vl_page_read(struct vl_inode *vi, pgoff_t index);
struct page *vl_page_write(struct vl_inode *vi, pgoff_t index, gfp_t gfp);
unsigned long vl_page_lock(struct vl_leaf *leaf, pgoff_t index, struct page **frame);
void vl_page_written(struct vl_leaf *leaf, unsigned int slot, struct page *page);
void vl_page_clean(struct vl_leaf *leaf, unsigned int slot);
void vl_pages_clean(struct vl_leaf *leaf, unsigned long pages);
void vl_pages_unmap(struct vl_inode *vi, pgoff_t start, pgoff_t end, bool even_cows);
void vl_entry_switch(struct vl_leaf *leaf, unsigned int slot, unsigned long old,
		     unsigned long e);
void vl_entry_clear(struct vl_leaf *leaf, unsigned int slot);
void vl_entry_drop(struct vl_leaf *leaf, unsigned int slot);
int vl_unmerge(struct vl_inode *vi, pgoff_t start, pgoff_t end);
int vl_unmerge_all(void);

#endif /* VELLUMFS_LEAF_H */
