// SPDX-License-Identifier: GPL-2.0-only
/*
 * Leaves: making, finding and dropping them.
 */
#include <linux/slab.h>
#include "leaf.h"
#include "scan.h"

static struct kmem_cache *leaf_cache;

size_t vl_leaf_bytes(void)
{
	return sizeof(struct vl_leaf);
}

static struct vl_leaf *leaf_alloc(struct vl_inode *vi, pgoff_t index)
{
	struct vl_leaf *leaf;
	int err = vl_reserve_leaf(vl_s(vi->vfs.i_sb));

	if (err)
		return ERR_PTR(err);
	leaf = kmem_cache_zalloc(leaf_cache, GFP_KERNEL_ACCOUNT);
	if (!leaf) {
		vl_release_leaf(vl_s(vi->vfs.i_sb));
		return ERR_PTR(-ENOMEM);
	}
	leaf->vi = vi;
	leaf->base = index & ~VL_LEAF_MASK;
	INIT_LIST_HEAD(&leaf->node);
	return leaf;
}

static void leaf_release(struct vl_leaf *leaf)
{
	vl_release_leaf(vl_s(leaf->vi->vfs.i_sb));
	kmem_cache_free(leaf_cache, leaf);
}

/* The leaf of @index, made if there is none. Errors: ENOMEM, ENOSPC. */
struct vl_leaf *vl_leaf_make(struct vl_inode *vi, pgoff_t index)
{
	struct vl_leaf *leaf = vl_leaf_find(vi, index), *old;

	if (leaf)
		return leaf;
	leaf = leaf_alloc(vi, index);
	if (IS_ERR(leaf))
		return leaf;
	old = xa_cmpxchg(&vi->leaves, index >> VL_LEAF_SHIFT, NULL, leaf, GFP_KERNEL);
	if (old) {
		leaf_release(leaf);
		return xa_is_err(old) ? ERR_PTR(xa_err(old)) : old;
	}
	vl_count_file(vi, VL_LEAVES, 1);
	return leaf;
}

static void leaf_free(struct vl_leaf *leaf)
{
	lockdep_assert_held(&vl_scan_mutex);
	vl_scan_forget(leaf);
	vl_count_file(leaf->vi, VL_LEAVES, -1);
	leaf_release(leaf);
}

static void leaf_trim(struct vl_leaf *leaf)
{
	if (leaf->mapped || memchr_inv(leaf->slots, 0, sizeof(leaf->slots)))
		return;
	xa_erase(&leaf->vi->leaves, leaf->base >> VL_LEAF_SHIFT);
	leaf_free(leaf);
}

/* Frees leaves without a page, as far as nothing needs them. As vl_leaves_drop(). */
void vl_leaves_trim(struct vl_inode *vi, pgoff_t start, pgoff_t end)
{
	struct vl_leaf *leaf;
	unsigned long i;

	lockdep_assert_held(&vl_scan_mutex);
	xa_for_each_range(&vi->leaves, i, leaf, start >> VL_LEAF_SHIFT,
			  (end - 1) >> VL_LEAF_SHIFT) {
		leaf_trim(leaf);
		cond_resched();
	}
}

/*
 * Makes holes of the pages from @start to before @end and frees leaves that
 * nothing needs any more. The pages are unmapped and nobody can map them:
 * invalidate_lock is held exclusively.
 */
void vl_leaves_drop(struct vl_inode *vi, pgoff_t start, pgoff_t end)
{
	struct vl_leaf *leaf;
	unsigned long i;
	pgoff_t index;

	lockdep_assert_held(&vl_scan_mutex);
	if (start >= end)
		return;
	xa_for_each_range(&vi->leaves, i, leaf, start >> VL_LEAF_SHIFT,
			  (end - 1) >> VL_LEAF_SHIFT) {
		for (index = max(start, leaf->base);
		     index < min(end, leaf->base + VL_LEAF_PAGES); index++)
			vl_entry_drop(leaf, vl_slot(index));
		leaf_trim(leaf);
		cond_resched();
	}
}

/* The inode is being evicted: nobody maps its pages or can find them. */
void vl_leaves_evict(struct vl_inode *vi)
{
	struct vl_leaf *leaf;
	unsigned long i;
	unsigned int slot;

	lockdep_assert_held(&vl_scan_mutex);
	xa_for_each(&vi->leaves, i, leaf) {
		for (slot = 0; slot < VL_LEAF_PAGES; slot++)
			vl_entry_drop(leaf, slot);
		leaf_free(leaf);
		cond_resched();
	}
	xa_destroy(&vi->leaves);
}

int vl_leaf_init(void)
{
	leaf_cache = kmem_cache_create("vellumfs_leaf", sizeof(struct vl_leaf), VL_LEAF_PAGES,
				       0, NULL);
	return leaf_cache ? 0 : -ENOMEM;
}

void vl_leaf_exit(void)
{
	kmem_cache_destroy(leaf_cache);
}
