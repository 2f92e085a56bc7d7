/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The two layouts of a second-level entry, as data: EPT (SDM volume 3,
 * "EPT Translation Mechanism") and NPT, which is the ordinary long-mode
 * layout (APM volume 2, "Nested Paging"). Bits 51:12 hold the frame in both.
 */
#ifndef VELLUM_MEMORY_TDP_FORMAT_H
#define VELLUM_MEMORY_TDP_FORMAT_H

#include <linux/bits.h>
#include <linux/types.h>

enum hv_tdp_format { HV_TDP_EPT, HV_TDP_NPT };

/**
 * struct hv_tdp_bits - where one layout keeps what
 * @present: any of these bits set means the entry is present
 * @table: bits of an entry that points to a table
 * @read_exec: bits of a readable, executable leaf
 * @exec: the part of @read_exec that allows fetches, 0 if it cannot be taken away
 * @write: the leaf may be written
 * @huge: the leaf ends the walk above level 1
 * @accessed: set by hardware, 0 if not kept
 * @dirty: set by hardware, 0 if not kept
 * @wb: memory type write-back for RAM, with what makes it binding
 * @uc: memory type uncached, for device memory
 * @soft_writable: software bit: the host lets this page be written (dirty logging took @write away)
 * @encrypt: part of the frame number that selects memory encryption (SME), or 0
 * @levels: levels of a walk
 * @nx_huge: leaves above level 1 must not be executable (iTLB multihit)
 */
struct hv_tdp_bits {
	u64 present, table, read_exec, exec, write, huge;
	u64 accessed, dirty, wb, uc, soft_writable, encrypt;
	unsigned int levels;
	bool nx_huge;
};

#define HV_TDP_FRAME	GENMASK_ULL(51, 12)

/* Set by the back end's probe from its format and the CPU's features. */
extern struct hv_tdp_bits hv_tdp_bits;
void hv_tdp_set_format(enum hv_tdp_format format, bool accessed_dirty);	/* memory/tdp.c */

#endif /* VELLUM_MEMORY_TDP_FORMAT_H */
