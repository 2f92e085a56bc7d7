// SPDX-License-Identifier: GPL-2.0-only
/*
 * Merging one page.
 *
 * Its frame is locked, it is in no page table, and its file's invalidate_lock
 * is held exclusively: nobody can write it but who holds a reference besides
 * ours. Such a page is left alone.
 */
#include <linux/highmem.h>
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>
#include "index.h"
#include "scan.h"
#include "trace.h"

/* The frame is replaced by @e, which has a claim on what it names already. */
static void replace(struct vl_leaf *leaf, unsigned int slot, struct page *page, unsigned long e)
{
	vl_entry_switch(leaf, slot, vl_private_entry(page), e);
	vl_page_clean(leaf, slot);
	vl_count_file(leaf->vi, VL_MERGED, 1);
	trace_vellumfs_merge(leaf->vi->vfs.i_ino, leaf->base + slot, e == VL_ZERO);
	unlock_page(page);
	vl_frame_free(page);
}

/* A new frame, charged to the memory cgroup of @like; the scanner has none of its own. */
static struct page *alloc_like(struct page *like)
{
	struct mem_cgroup *memcg, *old;
	struct page *page;

	rcu_read_lock();
	memcg = folio_memcg(page_folio(like));
	if (!hv_mem_cgroup_tryget(memcg))
		memcg = NULL;
	rcu_read_unlock();
	old = set_active_memcg(memcg);
	page = vl_frame_alloc(GFP_KERNEL | __GFP_NORETRY);
	set_active_memcg(old);
	mem_cgroup_put(memcg);
	return page;
}

static bool held_by_others(struct vl_inode *vi, struct page *page)
{
	if (page_count(page) == 1)
		return false;
	vl_count_file(vi, VL_HELD, 1);
	return true;
}

/* Both pages become one new shared frame: never the memory that either of them chose. */
static bool merge_two(struct vl_leaf *leaf, unsigned int slot, struct page *page,
		      struct vl_leaf *leaf2, unsigned int slot2, struct page *page2)
{
	u64 hash = page_private(page2);
	struct page *shared;

	if (!vl_frames_equal(page, page2))
		return false;
	shared = alloc_like(page2);
	if (!shared)
		return false;
	copy_highpage(shared, page2);
	vl_frame_make_shared(shared, leaf->vi->domain->id, 2);
	vl_index_remove(page2);
	vl_count(VL_UNSHARED, -1);
	vl_index_add_shared(shared, hash);
	replace(leaf2, slot2, page2, vl_shared_entry(shared));
	replace(leaf, slot, page, vl_shared_entry(shared));
	return true;
}

/* The other page was found in the index; now it is locked, and is looked at again. */
static bool merge_with_locked(struct vl_leaf *leaf, unsigned int slot, struct page *page,
			      struct vl_leaf *leaf2, unsigned int slot2, struct page *page2,
			      u64 hash)
{
	if (vl_leaf_entry(leaf2, slot2) != vl_private_entry(page2) || !trylock_page(page2))
		return false;
	if (vl_indexed(page2) && page_private(page2) == hash) {
		if (test_bit(slot2, &leaf2->mapped)) {
			unmap_mapping_pages(leaf2->vi->vfs.i_mapping, leaf2->base + slot2, 1,
					    false);
			clear_bit(slot2, &leaf2->mapped);
		}
		if (!held_by_others(leaf2->vi, page2) &&
		    merge_two(leaf, slot, page, leaf2, slot2, page2))
			return true;
	}
	unlock_page(page2);
	return false;
}

/* The other file's lock is only tried: ours is held already. */
static bool merge_with_private(struct vl_leaf *leaf, unsigned int slot, struct page *page,
			       struct page *page2, unsigned long owner, u64 hash, bool *busy)
{
	struct vl_leaf *leaf2 = (struct vl_leaf *)(owner & ~VL_LEAF_MASK);
	struct rw_semaphore *lock2 = &leaf2->vi->vfs.i_mapping->invalidate_lock;
	bool other = leaf2->vi != leaf->vi, merged;

	lockdep_assert_held(&vl_scan_mutex);
	*busy = other && !down_write_trylock(lock2);
	if (*busy)
		return false;
	merged = leaf2->vi->domain == leaf->vi->domain &&
		 merge_with_locked(leaf, slot, page, leaf2, owner & VL_LEAF_MASK, page2, hash);
	if (other)
		up_write(lock2);
	return merged;
}

static bool merge_with_shared(struct vl_leaf *leaf, unsigned int slot, struct page *page,
			      struct page *shared)
{
	if (!vl_frames_equal(page, shared)) {
		vl_frame_put_shared(shared);
		return false;
	}
	replace(leaf, slot, page, vl_shared_entry(shared));
	return true;
}

static bool merge_equal(struct vl_leaf *leaf, unsigned int slot, struct page *page)
{
	struct vl_domain *domain = leaf->vi->domain;
	u64 hash = vl_index_hash(page, domain);
	struct page *other = NULL;
	unsigned long owner = 0;
	bool busy = false;

	switch (vl_index_find(hash, domain, &other, &owner)) {
	case VL_FOUND_SHARED:
		if (merge_with_shared(leaf, slot, page, other))
			return true;
		break;
	case VL_FOUND_PRIVATE:
		if (merge_with_private(leaf, slot, page, other, owner, hash, &busy))
			return true;
		break;
	case VL_FOUND_NOTHING:
		break;
	}
	/* With a candidate that is busy now, it stays as written, and comes again. */
	if (!busy) {
		vl_page_clean(leaf, slot);
		vl_index_add_private(page, hash, (unsigned long)leaf | slot);
	}
	return false;
}

/*
 * Looks at one page, which was written since it was last looked at; its lock
 * is let go. True if it was merged. Else it is unique so far and in the index,
 * or held by somebody and still counts as written.
 */
bool vl_merge_page(struct vl_leaf *leaf, unsigned int slot)
{
	struct page *page = vl_entry_page(vl_leaf_entry(leaf, slot));
	bool merged = false;

	lockdep_assert_held_write(&leaf->vi->vfs.i_mapping->invalidate_lock);
	if (unlikely(PageHWPoison(page))) {
		/* It is not to be read any more, and nothing will come of it. */
		vl_page_clean(leaf, slot);
	} else if (!held_by_others(leaf->vi, page)) {
		if (vl_frame_is_zero(page)) {
			replace(leaf, slot, page, VL_ZERO);
			return true;
		}
		if (leaf->vi->merge == VELLUMFS_MERGE_ON)
			merged = merge_equal(leaf, slot, page);
		else
			vl_page_clean(leaf, slot);
	}
	if (!merged)
		unlock_page(page);
	return merged;
}
