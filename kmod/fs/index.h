/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The index: frames by the hash of their content. Shared frames are in it, and
 * private ones that were hashed and not written since. Its links are in struct
 * page, so that a frame costs no memory here but its share of the buckets.
 */
#ifndef VELLUMFS_INDEX_H
#define VELLUMFS_INDEX_H

#include "frame.h"

/* What a look-up found; see vl_index_find(). */
enum vl_found {
	VL_FOUND_NOTHING,
	VL_FOUND_SHARED,
	VL_FOUND_PRIVATE,
};

int vl_index_init(void);
void vl_index_exit(void);
size_t vl_index_bytes(void);
u64 vl_index_hash(struct page *page, struct vl_domain *domain);
void vl_index_add_private(struct page *page, u64 hash, unsigned long owner);
void vl_index_add_shared(struct page *page, u64 hash);
void vl_index_remove(struct page *page);
enum vl_found vl_index_find(u64 hash, struct vl_domain *domain, struct page **page,
			    unsigned long *owner);

static inline bool vl_indexed(struct page *page)
{
	return !hlist_unhashed_lockless(vl_frame_node(page));
}

#endif /* VELLUMFS_INDEX_H */
