// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the host's page tables say about a user address.
 *
 * A fault in the guest needs the frame, the size and the permissions of the
 * host's mapping. All three are in the host's page table, so it is read
 * directly, and no page is pinned: the caller holds tdp.lock and has seen that
 * no invalidation covers the address, so an entry that is present stays until
 * the notifier gets the lock. Interrupts are off during the walk because that is
 * what keeps page tables (not pages) from being freed under a lockless walker,
 * as in get_user_pages_fast().
 *
 * This serves VM_PFNMAP and VM_IO areas as well as pages with a struct page.
 */
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched/mm.h>

#include "compat/compat.h"
#include "memory/hostpt.h"

/* Memory type other than write-back: Linux keeps PAT entry 0 write-back. */
#define HOST_CACHE_4K		(_PAGE_PWT | _PAGE_PCD | _PAGE_PAT)
#define HOST_CACHE_LARGE	(_PAGE_PWT | _PAGE_PCD | _PAGE_PAT_LARGE)

static bool host_leaf(struct hv_host_page *page, unsigned int level, unsigned long hva,
		      unsigned long pfn, u64 flags)
{
	unsigned long mask = (1UL << ((level - 1) * (PMD_SHIFT - PAGE_SHIFT))) - 1;

	page->pfn = pfn + ((hva >> PAGE_SHIFT) & mask);
	page->level = level;
	page->dirty = flags & _PAGE_DIRTY;
	page->special = flags & _PAGE_SPECIAL;
	page->uncached = flags & (level == 1 ? HOST_CACHE_4K : HOST_CACHE_LARGE);
	return true;
}

/*
 * Does a whole table map frames in a row, aligned as a large page is, all alike?
 * Then it is as good as one: a leaf that covers it goes when any of it changes.
 * So vellumfs has its chunks mapped, whose pages must stay pages of their own.
 */
static bool host_row(const pte_t *table)
{
	u64 first = pte_val(READ_ONCE(*table)) & ~_PAGE_ACCESSED;
	unsigned int i;

	if (!IS_ALIGNED(first & PTE_PFN_MASK, PMD_SIZE))
		return false;
	/* From the end, where most tables tell that they are none. */
	for (i = PTRS_PER_PTE - 1; i; i--)
		if ((pte_val(READ_ONCE(table[i])) & ~_PAGE_ACCESSED) != first + i * PAGE_SIZE)
			return false;
	return true;
}

static bool host_walk_pte(pmd_t pmd, unsigned long hva, struct hv_host_page *page)
{
	pte_t *ptep = pte_offset_kernel(&pmd, hva), pte = READ_ONCE(*ptep);

	if (!pte_access_permitted(pte, false))
		return false;
	page->writable = pte_access_permitted(pte, true);
	host_leaf(page, 1, hva, pte_pfn(pte), pte_flags(pte));
	/* Only what needs nothing done to it later: neither a copy, nor a dirty bit. */
	if (page->writable && page->dirty && !page->special && host_row(ptep - pte_index(hva)))
		page->level = 2;
	return true;
}

static bool host_walk_pmd(pud_t *pudp, pud_t pud, unsigned long hva, struct hv_host_page *page)
{
	pmd_t pmd = READ_ONCE(*pmd_offset_lockless(pudp, pud, hva));

	if (!pmd_present(pmd))
		return false;
	if (!pmd_leaf(pmd))
		return host_walk_pte(pmd, hva, page);
	if (!pmd_access_permitted(pmd, false))
		return false;
	page->writable = pmd_access_permitted(pmd, true);
	return host_leaf(page, 2, hva, pmd_pfn(pmd), pmd_flags(pmd));
}

static bool host_walk(struct mm_struct *mm, unsigned long hva, struct hv_host_page *page)
{
	pgd_t *pgdp = pgd_offset(mm, hva), pgd = READ_ONCE(*pgdp);
	p4d_t *p4dp, p4d;
	pud_t *pudp, pud;

	if (!pgd_present(pgd))
		return false;
	p4dp = p4d_offset_lockless(pgdp, pgd, hva);
	p4d = READ_ONCE(*p4dp);
	if (!p4d_present(p4d))
		return false;
	pudp = pud_offset_lockless(p4dp, p4d, hva);
	pud = READ_ONCE(*pudp);
	if (!pud_present(pud))
		return false;
	if (!pud_leaf(pud))
		return host_walk_pmd(pudp, pud, hva, page);
	if (!pud_access_permitted(pud, false))
		return false;
	page->writable = pud_access_permitted(pud, true);
	return host_leaf(page, 3, hva, pud_pfn(pud), pud_flags(pud));
}

bool hv_host_lookup(struct mm_struct *mm, unsigned long hva, struct hv_host_page *page)
{
	unsigned long flags;
	bool found;

	local_irq_save(flags);
	found = host_walk(mm, hva, page);
	local_irq_restore(flags);
	return found;
}

/* Device memory and the like have no pages to get: let the fault handler do its work. */
static int host_fault_in_special(unsigned long hva, bool write)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	bool unlocked = false;
	int err = -EFAULT;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	vma = vma_lookup(mm, hva);
	if (vma && vma->vm_flags & (VM_IO | VM_PFNMAP))
		err = fixup_user_fault(mm, hva, write ? FAULT_FLAG_WRITE : 0, &unlocked);
	mmap_read_unlock(mm);
	return err;
}

int hv_host_fault_in(unsigned long hva, bool write)
{
	unsigned int flags = HV_FOLL_FAULT_IN | FOLL_HWPOISON | (write ? FOLL_WRITE : 0);
	struct page *page;
	long n = get_user_pages_unlocked(hva & PAGE_MASK, 1, &page, flags);

	if (n == 1) {
		put_page(page);
		return 0;
	}
	return n == -EFAULT ? host_fault_in_special(hva & PAGE_MASK, write) : n ? n : -EFAULT;
}

int hv_host_fault_in_nowait(unsigned long hva, bool write)
{
	unsigned int flags = HV_FOLL_FAULT_IN | FOLL_NOWAIT | (write ? FOLL_WRITE : 0);
	struct page *page;
	long n = get_user_pages_unlocked(hva & PAGE_MASK, 1, &page, flags);

	if (n != 1)
		return n ? n : -EBUSY;
	put_page(page);
	return 0;
}
