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
#include <linux/sched/mm.h>
#include "leaf.h"

static vm_fault_t fault_error(int err)
{
	if (err == -EIO)
		return VM_FAULT_HWPOISON;
	/* No memory fails this access: VM_FAULT_OOM would have the kernel try again without end. */
	return err == -EFAULT ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
}

static bool beyond_end(struct inode *inode, pgoff_t index)
{
	return index >= DIV_ROUND_UP_ULL((u64)i_size_read(inode), PAGE_SIZE);
}

static vm_fault_t map_page(struct vm_fault *vmf, bool write)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	struct page *page = ERR_PTR(-EINVAL);

	filemap_invalidate_lock_shared(inode->i_mapping);
	if (!beyond_end(inode, vmf->pgoff))
		page = write ? vl_page_write(vl_i(inode), vmf->pgoff, GFP_KERNEL) :
			       vl_page_read(vl_i(inode), vmf->pgoff);
	if (!IS_ERR(page) && write)
		set_bit(vl_slot(vmf->pgoff), &vl_leaf_find(vl_i(inode), vmf->pgoff)->mapped);
	filemap_invalidate_unlock_shared(inode->i_mapping);
	if (IS_ERR(page))
		return fault_error(PTR_ERR(page));
	vmf->page = page;
	return VM_FAULT_LOCKED;
}

static vm_fault_t vl_fault(struct vm_fault *vmf)
{
	bool write = (vmf->flags & FAULT_FLAG_WRITE) && (vmf->vma->vm_flags & VM_SHARED);

	if (write && vl_chunk_fault(vmf))
		return VM_FAULT_NOPAGE;
	return map_page(vmf, write);
}

/* Without page_mkwrite any fault makes the page writable. */
static vm_fault_t vl_plain_fault(struct vm_fault *vmf)
{
	return vl_chunk_fault(vmf) ? VM_FAULT_NOPAGE : map_page(vmf, true);
}

/**
 * struct written - frames in a row that a mapping may write
 * @mm: whose mapping
 * @addr: where the first one is
 * @pfn: which it is
 */
struct written {
	struct mm_struct *mm;
	unsigned long addr;
	unsigned long pfn;
};

static int allow_write(pte_t *pte, unsigned long addr, void *data)
{
	struct written *w = data;
	pte_t entry = ptep_get(pte);

	/* Since it was made, userfaultfd may have asked to be told of writes. */
	if (pte_present(entry) && !pte_uffd_wp(entry) &&
	    pte_pfn(entry) == w->pfn + ((addr - w->addr) >> PAGE_SHIFT))
		set_pte_at(w->mm, addr, pte, hv_pte_mkwrite(pte_mkdirty(entry)));
	return 0;
}

/* Allows writing through entries just made for these frames, which count as written. */
void vl_allow_writes(struct vm_area_struct *vma, unsigned long addr, struct page *first,
		     unsigned long n)
{
	struct written w = { .mm = vma->vm_mm, .addr = addr, .pfn = page_to_pfn(first) };

	apply_to_existing_page_range(vma->vm_mm, addr, n << PAGE_SHIFT, allow_write, &w);
}

/*
 * The page was taken out of all page tables to give it the frame @page, which
 * is locked. Mapping it here saves another fault; if that fails it is left to one.
 */
static void map_writable(struct vm_fault *vmf, struct vl_leaf *leaf, struct page *page)
{
	unsigned long addr = vmf->address & PAGE_MASK;
	/* Who frees an inode may wait for vl_scan_mutex, whose holder may wait for our frame. */
	unsigned int flags = memalloc_nofs_save();

	set_bit(vl_slot(vmf->pgoff), &leaf->mapped);
	if (!vm_insert_page(vmf->vma, addr, page))
		vl_allow_writes(vmf->vma, addr, page, 1);
	memalloc_nofs_restore(flags);
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
		if (vl_leaf_entry(leaf, slot) == vl_private_entry(vmf->page) &&
		    !PageHWPoison(vmf->page)) {
			set_bit(slot, &leaf->mapped);
			vl_page_written(leaf, slot, vmf->page);
			return VM_FAULT_LOCKED;
		}
		unlock_page(vmf->page);
	}
	page = vl_page_write(vi, vmf->pgoff, GFP_KERNEL);
	if (IS_ERR(page))
		return fault_error(PTR_ERR(page));
	if (leaf)
		map_writable(vmf, leaf, page);
	unlock_page(page);
	put_page(page);
	return VM_FAULT_NOPAGE;
}

static vm_fault_t vl_page_mkwrite(struct vm_fault *vmf)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	vm_fault_t ret = VM_FAULT_SIGBUS;

	if (vl_chunk_fault(vmf))
		return VM_FAULT_NOPAGE;
	/* As in tmpfs, this does not change the file's times; and nobody freezes us. */
	filemap_invalidate_lock_shared(inode->i_mapping);
	if (!beyond_end(inode, vmf->pgoff))
		ret = make_writable(vl_i(inode), vmf);
	filemap_invalidate_unlock_shared(inode->i_mapping);
	return ret;
}

/*
 * Maps nothing. But for a mapping that has this operation the kernel handles
 * faults under the lock of the mapping alone, without that of all memory.
 */
static vm_fault_t vl_map_pages(struct vm_fault *vmf, pgoff_t start, pgoff_t end)
{
	return 0;
}

static const struct vm_operations_struct vl_vm_ops = {
	.fault		= vl_fault,
	.map_pages	= vl_map_pages,
	.page_mkwrite	= vl_page_mkwrite,
};

/*
 * For files that are not merged. The kernel refuses long-term pins for writing
 * (io_uring's registered buffers, VFIO, RDMA) where page_mkwrite is needed;
 * without it each fault counts as a write, which is right for any file, but
 * gives a page its own frame even when it is only read.
 */
static const struct vm_operations_struct vl_plain_vm_ops = {
	.fault		= vl_plain_fault,
	.map_pages	= vl_map_pages,
};

/*
 * Frames are on no LRU list and never go to swap: VM_MIXEDMAP keeps mlock(2)
 * away from those of shared mappings. The copies of private mappings are
 * ordinary anonymous memory, which mlock(2) must reach.
 */
int vl_mmap(struct file *file, struct vm_area_struct *vma)
{
	bool off = READ_ONCE(vl_i(file_inode(file))->merge) == VELLUMFS_MERGE_OFF;

	file_accessed(file);
	vma->vm_ops = &vl_vm_ops;
	if (vma->vm_flags & VM_SHARED) {
		hv_vm_flags_set(vma, VM_MIXEDMAP);
		if (off && vma->vm_flags & VM_MAYWRITE)
			vma->vm_ops = &vl_plain_vm_ops;
	}
	return 0;
}
