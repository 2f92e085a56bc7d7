// SPDX-License-Identifier: GPL-2.0-only
/*
 * Un-merging: every shared page gets a frame of its own.
 */
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include "leaf.h"
#include "scan.h"

static LIST_HEAD(files);
static DEFINE_SPINLOCK(files_lock);

void vl_file_list(struct vl_inode *vi)
{
	spin_lock(&files_lock);
	list_add_tail(&vi->node, &files);
	spin_unlock(&files_lock);
}

/* Under vl_scan_mutex: whoever found the file in the list and holds that is done with it. */
void vl_file_unlist(struct vl_inode *vi)
{
	lockdep_assert_held(&vl_scan_mutex);
	spin_lock(&files_lock);
	list_del(&vi->node);
	spin_unlock(&files_lock);
}

static int unmerge_leaf(struct vl_leaf *leaf, pgoff_t start, pgoff_t end, gfp_t gfp)
{
	pgoff_t i;

	for (i = max(start, leaf->base); i < min(end, leaf->base + VL_LEAF_PAGES); i++) {
		struct page *page;

		if (!vl_is_shared(vl_leaf_entry(leaf, vl_slot(i))))
			continue;
		page = vl_page_write(leaf->vi, i, gfp);
		if (IS_ERR(page))
			return PTR_ERR(page);
		unlock_page(page);
		put_page(page);
	}
	return 0;
}

/*
 * The first leaf from *start on; after it *start is behind that leaf, or @end.
 * invalidate_lock is held.
 */
static int unmerge_some(struct vl_inode *vi, pgoff_t *start, pgoff_t end, gfp_t gfp)
{
	unsigned long n = *start >> VL_LEAF_SHIFT;
	struct vl_leaf *leaf;
	int err = 0;

	leaf = xa_find(&vi->leaves, &n, (end - 1) >> VL_LEAF_SHIFT, XA_PRESENT);
	if (leaf)
		err = unmerge_leaf(leaf, *start, end, gfp);
	*start = leaf ? leaf->base + VL_LEAF_PAGES : end;
	return err;
}

/* Errors: ENOMEM, EINTR, EIO; the pages before stay unmerged. */
int vl_unmerge(struct vl_inode *vi, pgoff_t start, pgoff_t end)
{
	int err = 0;

	while (!err && start < end) {
		filemap_invalidate_lock_shared(vi->vfs.i_mapping);
		err = unmerge_some(vi, &start, end, GFP_KERNEL);
		filemap_invalidate_unlock_shared(vi->vfs.i_mapping);
		cond_resched();
		if (!err && signal_pending(current))
			err = -EINTR;
	}
	return err;
}

/* A file that still has shared pages, or NULL; it stays while vl_scan_mutex is held. */
static struct vl_inode *next_file(void)
{
	struct vl_inode *vi, *found = NULL;

	lockdep_assert_held(&vl_scan_mutex);
	spin_lock(&files_lock);
	list_for_each_entry(vi, &files, node) {
		if (atomic_long_read(&vi->counts[VL_SHARED_REFS]) > 0) {
			found = vi;
			break;
		}
	}
	spin_unlock(&files_lock);
	return found;
}

/* All files; nothing merges meanwhile. Errors: ENOMEM, EINTR, EIO. */
int vl_unmerge_all(void)
{
	unsigned int flags = memalloc_nofs_save();
	struct vl_inode *vi, *last = NULL;
	pgoff_t start = 0, end = ULONG_MAX >> PAGE_SHIFT;
	int err = 0;

	do {
		mutex_lock(&vl_scan_mutex);
		vi = next_file();
		/* Another file, or one whose pages were cloned behind us: from its start. */
		if (vi != last || start >= end)
			start = 0;
		/* As the scanner does, which see. */
		if (vi && down_read_trylock(&vi->vfs.i_mapping->invalidate_lock)) {
			err = unmerge_some(vi, &start, end, GFP_KERNEL | __GFP_NORETRY);
			up_read(&vi->vfs.i_mapping->invalidate_lock);
		}
		last = vi;
		mutex_unlock(&vl_scan_mutex);
		cond_resched();
		if (!err && signal_pending(current))
			err = -EINTR;
	} while (vi && !err);
	memalloc_nofs_restore(flags);
	return err;
}
