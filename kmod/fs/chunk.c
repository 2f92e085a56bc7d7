// SPDX-License-Identifier: GPL-2.0-only
/*
 * Chunks: with huge=always the first write to an aligned 2 MiB of holes gives
 * all of its pages memory at once, in a row and aligned alike, and maps them.
 *
 * Each is a frame of its own from the start: so nothing must be split when one
 * of them is merged, cloned or punched, and the rest stay where they are. They
 * are mapped by page table entries, not by one large entry: who pins pages
 * through that takes all it covers for parts of one compound page, whose parts
 * could not be merged. Who has page tables of its own (vellum.ko) can map what
 * is in a row as one.
 */
#include "leaf.h"
#include "scan.h"

#define CHUNK_ORDER	(PMD_SHIFT - PAGE_SHIFT)
#define CHUNK_PAGES	BIT(CHUNK_ORDER)
#define CHUNK_LEAVES	(CHUNK_PAGES >> VL_LEAF_SHIFT)

/* Does the mapping have all of the chunk around the fault, and aligned alike? */
static bool fits_mapping(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long start = vmf->address & PMD_MASK;

	return !((vmf->pgoff ^ (vmf->address >> PAGE_SHIFT)) & (CHUNK_PAGES - 1)) &&
	       start >= vma->vm_start && vma->vm_end - start >= PMD_SIZE;
}

/* Is the chunk in the file, and nothing in it? invalidate_lock is held. */
static bool is_hole(struct vl_inode *vi, pgoff_t first)
{
	struct vl_leaf *leaf;
	unsigned long i;

	if (first + CHUNK_PAGES > (u64)i_size_read(&vi->vfs) >> PAGE_SHIFT)
		return false;
	xa_for_each_range(&vi->leaves, i, leaf, first >> VL_LEAF_SHIFT,
			  (first + CHUNK_PAGES - 1) >> VL_LEAF_SHIFT)
		if (memchr_inv(leaf->slots, 0, sizeof(leaf->slots)))
			return false;
	return true;
}

static bool make_leaves(struct vl_inode *vi, pgoff_t first)
{
	unsigned int i;

	for (i = 0; i < CHUNK_LEAVES; i++)
		if (IS_ERR(vl_leaf_make(vi, first + i * VL_LEAF_PAGES)))
			return false;
	return true;
}

/* Maps a leaf's frames where the fault was; what cannot be mapped is left to other faults. */
static void map_leaf(struct vm_fault *vmf, struct vl_leaf *leaf, struct page *frames)
{
	unsigned long addr = vmf->address + ((leaf->base - vmf->pgoff) << PAGE_SHIFT);
	struct page *pages[VL_LEAF_PAGES];
	unsigned long left = VL_LEAF_PAGES;
	unsigned int i;

	for (i = 0; i < VL_LEAF_PAGES; i++)
		pages[i] = frames + i;
	addr &= PAGE_MASK;
	vm_insert_pages(vmf->vma, addr, pages, &left);
	/* Without a page table nothing is. A file that does not merge counts reads as writes. */
	if (left < VL_LEAF_PAGES && (vmf->vma->vm_flags & VM_WRITE))
		vl_allow_writes(vmf->vma, addr, frames, VL_LEAF_PAGES - left);
}

/* All of a leaf was a hole, and counts as written from now on. */
static void fill_leaf(struct vl_leaf *leaf, struct page *frames)
{
	struct vl_inode *vi = leaf->vi;
	unsigned int i;

	for (i = 0; i < VL_LEAF_PAGES; i++)
		vl_leaf_set(leaf, i, vl_private_entry(frames + i));
	WRITE_ONCE(leaf->mapped, ~0UL);
	WRITE_ONCE(leaf->dirty, ~0UL);
	vl_count_file(vi, VL_PRIVATE, VL_LEAF_PAGES);
	atomic_long_add(VL_LEAF_PAGES, &vi->counts[VL_VOLATILE]);
	if (vi->merge == VELLUMFS_MERGE_OFF)
		return;
	vl_count(VL_VOLATILE, VL_LEAF_PAGES);
	vl_scan_queue(leaf);
}

/*
 * invalidate_lock is held exclusively: so there are no faults but this one,
 * and nobody looks for the frames whose locks faults would take.
 */
static bool fill(struct vm_fault *vmf, struct vl_inode *vi, pgoff_t first, struct page *frames)
{
	unsigned int i;

	if (!is_hole(vi, first) || vl_reserve_pages(vl_s(vi->vfs.i_sb), CHUNK_PAGES))
		return false;
	if (!make_leaves(vi, first)) {
		vl_release_pages(vl_s(vi->vfs.i_sb), CHUNK_PAGES);
		return false;
	}
	/* Zeroes that readers of holes have. */
	vl_pages_unmap(vi, first, first + CHUNK_PAGES, false);
	for (i = 0; i < CHUNK_LEAVES; i++, frames += VL_LEAF_PAGES) {
		struct vl_leaf *leaf = vl_leaf_find(vi, first + i * VL_LEAF_PAGES);

		fill_leaf(leaf, frames);
		map_leaf(vmf, leaf, frames);
	}
	return true;
}

static bool is_hole_now(struct vl_inode *vi, pgoff_t first)
{
	bool hole;

	filemap_invalidate_lock_shared(vi->vfs.i_mapping);
	hole = is_hole(vi, first);
	filemap_invalidate_unlock_shared(vi->vfs.i_mapping);
	return hole;
}

/* Has a write fault been served by a chunk? If not, a single page may do. */
bool vl_chunk_fault(struct vm_fault *vmf)
{
	struct vl_inode *vi = vl_i(file_inode(vmf->vma->vm_file));
	pgoff_t first = round_down(vmf->pgoff, CHUNK_PAGES);
	struct page *frames;
	unsigned int i;
	bool done;

	if (!vi->huge || !fits_mapping(vmf) || !is_hole_now(vi, first))
		return false;
	frames = vl_frames_alloc(CHUNK_ORDER);
	if (!frames)
		return false;
	filemap_invalidate_lock(vi->vfs.i_mapping);
	done = fill(vmf, vi, first, frames);
	filemap_invalidate_unlock(vi->vfs.i_mapping);
	for (i = 0; !done && i < CHUNK_PAGES; i++)
		vl_frame_free(frames + i);
	return done;
}
