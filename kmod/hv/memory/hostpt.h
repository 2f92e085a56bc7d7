/* SPDX-License-Identifier: GPL-2.0-only */
/* The host's own page tables, read without locks. */
#ifndef VELLUM_MEMORY_HOSTPT_H
#define VELLUM_MEMORY_HOSTPT_H

#include <linux/mm_types.h>
#include <linux/types.h>

/**
 * struct hv_host_page - what backs a user address at this moment
 * @pfn: frame of the 4 KiB page at the address
 * @level: 1, 2 or 3: size of the host's mapping, or of the row of frames it maps
 * @writable: user space may write it without a fault
 * @dirty: the host's entry is dirty already
 * @special: the mapping does not own a reference on a struct page
 * @uncached: the host's mapping is not write-back
 */
struct hv_host_page {
	unsigned long pfn;
	unsigned int level;
	bool writable, dirty, special, uncached;
};

/*
 * Look @hva up; false if it is not mapped, or not readable. True only as long
 * as the caller keeps the mmu notifier from completing an invalidation.
 */
bool hv_host_lookup(struct mm_struct *mm, unsigned long hva, struct hv_host_page *page);

/* Make @hva present (and writable for @write), as an access from user space would. 0 or -errno */
int hv_host_fault_in(unsigned long hva, bool write);
/* The same if it takes no waiting for I/O or for another task; -EBUSY: it does. */
int hv_host_fault_in_nowait(unsigned long hva, bool write);

#endif /* VELLUM_MEMORY_HOSTPT_H */
