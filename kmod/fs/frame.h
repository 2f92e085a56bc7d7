/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frames: single pages of memory that vellumfs owns, and entries that name them.
 *
 * A frame is on no LRU list and in no page cache, so the words of struct page
 * that those would use hold what we must know about it; nothing else is
 * allocated for a frame:
 *
 *   page->private  the hash of its content, while it is in the index
 *   page->index    a private frame's owner, a shared frame's domain and count
 *   page->lru      its place in the index's chain
 */
#ifndef VELLUMFS_FRAME_H
#define VELLUMFS_FRAME_H

#include "fs.h"

/*
 * An entry: VL_HOLE, VL_ZERO, or the address of a struct page, with VL_SHARED
 * added if the frame is shared. The kernel aligns struct page well enough.
 */
#define VL_HOLE		0UL
#define VL_ZERO		1UL
#define VL_SHARED	2UL

static inline bool vl_has_frame(unsigned long e)
{
	return e > VL_ZERO;
}

static inline bool vl_is_shared(unsigned long e)
{
	return e & VL_SHARED;
}

static inline bool vl_is_private(unsigned long e)
{
	return vl_has_frame(e) && !vl_is_shared(e);
}

static inline struct page *vl_entry_page(unsigned long e)
{
	return (struct page *)(e & ~VL_SHARED);
}

static inline unsigned long vl_private_entry(struct page *page)
{
	return (unsigned long)page;
}

static inline unsigned long vl_shared_entry(struct page *page)
{
	return (unsigned long)page | VL_SHARED;
}

/* The word in page->index. */
union vl_frame_word {
	unsigned long owner;		/* private, in the index: leaf | slot (leaf.h) */
	struct {
		atomic_t sharers;	/* shared: entries that refer to it */
		u32 domain;
	};
};

static_assert(sizeof(union vl_frame_word) == sizeof(unsigned long));

static inline union vl_frame_word *vl_frame_word(struct page *page)
{
	return (union vl_frame_word *)&page->index;
}

/*
 * A frame with so many sharers gets no more by what begins from now on. What has
 * begun adds at most one for each that is there: so the count does not overflow.
 */
#define VL_MAX_SHARERS	(INT_MAX / 2)

static inline bool vl_frame_is_full(struct page *page)
{
	return atomic_read(&vl_frame_word(page)->sharers) >= VL_MAX_SHARERS;
}

/* The place in the index. A frame in no chain has pprev NULL. */
static inline struct hlist_node *vl_frame_node(struct page *page)
{
	static_assert(sizeof(struct hlist_node) <= sizeof(page->lru));
	return (struct hlist_node *)&page->lru;
}

static inline struct page *vl_node_frame(struct hlist_node *node)
{
	return container_of((struct list_head *)node, struct page, lru);
}

/* Who maps a hole or zeroes at one index, and who replaces them, lock the same zero frame. */
#define VL_ZERO_FRAMES	16

extern struct page *vl_zero_frames[VL_ZERO_FRAMES];

static inline struct page *vl_entry_frame(unsigned long e, pgoff_t index)
{
	return vl_has_frame(e) ? vl_entry_page(e) : vl_zero_frames[index % VL_ZERO_FRAMES];
}

int vl_frame_init(void);
void vl_frame_exit(void);
struct page *vl_frame_alloc(gfp_t gfp);
struct page *vl_frames_alloc(unsigned int order);
void vl_frame_free(struct page *page);
void vl_frame_init_shared(struct page *page, u32 domain, int sharers);
void vl_frame_make_shared(struct page *page, u32 domain, int sharers);
void vl_frame_put_shared(struct page *page);
bool vl_frame_is_zero(struct page *page);
bool vl_frames_equal(struct page *a, struct page *b);
void vl_zero_frames_wait(void);

#endif /* VELLUMFS_FRAME_H */
