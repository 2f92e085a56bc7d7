/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside memory/: second-level entries, and the steps that need tdp.lock for writing. */
#ifndef VELLUM_MEMORY_TDP_INT_H
#define VELLUM_MEMORY_TDP_INT_H

#include <linux/list.h>
#include <asm/page.h>

#include "core/vm.h"
#include "memory/tdp_format.h"

#define TDP_LEVEL_BITS	9
#define TDP_MAX_LEVELS	5

/* 4 KiB pages that one entry of @level maps: level 1 has the 4K leaves. */
static inline u64 tdp_pages(unsigned int level)
{
	return 1ULL << ((level - 1) * TDP_LEVEL_BITS);
}

/* First gfn behind the entry of @level that maps @gfn. */
static inline u64 tdp_next(u64 gfn, unsigned int level)
{
	return (gfn | (tdp_pages(level) - 1)) + 1;
}

static inline u64 *tdp_entry(u64 *table, u64 gfn, unsigned int level)
{
	return &table[(gfn >> ((level - 1) * TDP_LEVEL_BITS)) & (PTRS_PER_PTE - 1)];
}

static inline bool tdp_present(u64 entry)
{
	return entry & hv_tdp_bits.present;
}

/* of a present entry */
static inline bool tdp_is_leaf(u64 entry, unsigned int level)
{
	return level == 1 || entry & hv_tdp_bits.huge;
}

static inline u64 tdp_frame(u64 entry)
{
	return entry & HV_TDP_FRAME & ~hv_tdp_bits.encrypt;
}

static inline u64 *tdp_table(u64 entry)
{
	return __va(tdp_frame(entry));
}

static inline void tdp_count(struct hv_tdp *tdp, unsigned int level, long delta)
{
	atomic64_add(delta, level == 1 ? &tdp->pages_4k :
			    level == 2 ? &tdp->pages_2m : &tdp->pages_1g);
}

u64 *tdp_table_alloc(void);

/**
 * struct tdp_zap - removing or restricting mappings under tdp.lock (write)
 * @vm: whose
 * @as: in which address space
 * @gfn: next frame to look at
 * @end: first frame not to look at
 * @free_tables: free the tables that become empty, too
 * @may_sleep: let the lock go now and then
 * @zapped: a leaf was removed
 * @flush: something was taken away since the last flush
 * @freed: tables to free after the next flush, by page->lru
 *
 * One structure may serve several ranges, of several spaces, in turn; tdp_zap_finish() flushes
 * and frees, and must be called before the lock is released.
 */
struct tdp_zap {
	struct hv_vm *vm;
	unsigned int as;
	u64 gfn, end;
	bool free_tables, may_sleep;
	bool zapped, flush;
	struct list_head freed;
};

void tdp_zap_range(struct tdp_zap *z, u64 gfn, u64 end);
void tdp_zap_finish(struct tdp_zap *z);

/* Take the lock and remove what is at @level for @gfn, a leaf or a table with all below it. */
void tdp_drop(struct hv_vm *vm, unsigned int as, u64 gfn, unsigned int level);
/* Unmap [gfn, end). Takes the lock. */
void tdp_zap_frames(struct hv_vm *vm, unsigned int as, u64 gfn, u64 end);
/* Every mapping and table; the roots stay. Takes the lock. */
void tdp_zap_all(struct hv_vm *vm);

#endif /* VELLUM_MEMORY_TDP_INT_H */
