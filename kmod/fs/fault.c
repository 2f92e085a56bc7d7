// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults of mappings.
 *
 * A read fault maps whatever frame the page has, read-only; a write fault of a
 * shared mapping gives the page a frame of its own first. The kernel calls
 * page_mkwrite before any page table entry becomes writable, so that a page
 * is writable only if its frame is private and marked as written.
 */
#include <linux/mm.h>
#include "leaf.h"

static vm_fault_t fault_error(int err)
{
	/* No memory fails this access: VM_FAULT_OOM would have the kernel try again without end. */
	return err == -EFAULT ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
}

static bool beyond_end(struct inode *inode, pgoff_t index)
{
	return index >= DIV_ROUND_UP_ULL((u64)i_size_read(inode), PAGE_SIZE);
}

static vm_fault_t vl_fault(struct vm_fault *vmf)
{
	bool write = (vmf->flags & FAULT_FLAG_WRITE) && (vmf->vma->vm_flags & VM_SHARED);
	struct inode *inode = file_inode(vmf->vma->vm_file);
	struct page *page = ERR_PTR(-EINVAL);

	filemap_invalidate_lock_shared(inode->i_mapping);
	if (!beyond_end(inode, vmf->pgoff))
		page = write ? vl_page_write(vl_i(inode), vmf->pgoff) :
			       vl_page_read(vl_i(inode), vmf->pgoff);
	if (!IS_ERR(page) && write)
		set_bit(vl_slot(vmf->pgoff), &vl_leaf_find(vl_i(inode), vmf->pgoff)->mapped);
	filemap_invalidate_unlock_shared(inode->i_mapping);
	if (IS_ERR(page))
		return fault_error(PTR_ERR(page));
	vmf->page = page;
	return VM_FAULT_LOCKED;
}

/*
 * May the frame that is (or will be) mapped become writable? If it is not the
 * page's own any more, or never was, the access is made again from the start:
 * breaking the sharing unmapped the page.
 */
static vm_fault_t make_writable(struct vl_inode *vi, struct vm_fault *vmf)
{
	struct vl_leaf *leaf = vl_leaf_find(vi, vmf->pgoff);
	struct page *page;

	if (leaf) {
		unsigned int slot = vl_slot(vmf->pgoff);

		lock_page(vmf->page);
		if (vl_leaf_entry(leaf, slot) == vl_private_entry(vmf->page)) {
			set_bit(slot, &leaf->mapped);
			vl_page_written(leaf, slot, vmf->page);
			return VM_FAULT_LOCKED;
		}
		unlock_page(vmf->page);
	}
	page = vl_page_write(vi, vmf->pgoff);
	if (IS_ERR(page))
		return fault_error(PTR_ERR(page));
	unlock_page(page);
	put_page(page);
	return VM_FAULT_NOPAGE;
}

static vm_fault_t vl_page_mkwrite(struct vm_fault *vmf)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	vm_fault_t ret = VM_FAULT_SIGBUS;

	sb_start_pagefault(inode->i_sb);
	file_update_time(vmf->vma->vm_file);
	filemap_invalidate_lock_shared(inode->i_mapping);
	if (!beyond_end(inode, vmf->pgoff))
		ret = make_writable(vl_i(inode), vmf);
	filemap_invalidate_unlock_shared(inode->i_mapping);
	sb_end_pagefault(inode->i_sb);
	return ret;
}

static const struct vm_operations_struct vl_vm_ops = {
	.fault		= vl_fault,
	.page_mkwrite	= vl_page_mkwrite,
};

/*
 * Frames are on no LRU list and never go to swap: VM_MIXEDMAP keeps mlock(2)
 * away from those of shared mappings. The copies of private mappings are
 * ordinary anonymous memory, which mlock(2) must reach.
 */
int vl_mmap(struct file *file, struct vm_area_struct *vma)
{
	file_accessed(file);
	if (vma->vm_flags & VM_SHARED)
		hv_vm_flags_set(vma, VM_MIXEDMAP);
	vma->vm_ops = &vl_vm_ops;
	return 0;
}
