// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames of memory: allocation, the count of a shared one, comparison.
 */
#include <linux/highmem.h>
#include "frame.h"
#include "index.h"

struct page *vl_zero_frames[VL_ZERO_FRAMES];

/* @gfp without __GFP_HIGHMEM is as good: frames are charged to whoever faults them in. */
struct page *vl_frame_alloc(gfp_t gfp)
{
	struct page *page = alloc_page(gfp | __GFP_HIGHMEM | __GFP_ACCOUNT | __GFP_NOWARN);

	if (!page)
		return NULL;
	/* For pipes, which take no other from a file. */
	__folio_mark_uptodate(page_folio(page));
	INIT_HLIST_NODE(vl_frame_node(page));
	return page;
}

/*
 * Zeroed frames in a row, aligned to all of them, each of its own; NULL unless
 * they are there for the taking.
 */
struct page *vl_frames_alloc(unsigned int order)
{
	struct page *first = alloc_pages((GFP_KERNEL & ~__GFP_DIRECT_RECLAIM) | __GFP_HIGHMEM |
					 __GFP_ACCOUNT | __GFP_NOWARN | __GFP_ZERO, order);
	unsigned long i;

	if (!first)
		return NULL;
	split_page(first, order);
	for (i = 0; i < BIT(order); i++) {
		__folio_mark_uptodate(page_folio(first + i));
		INIT_HLIST_NODE(vl_frame_node(first + i));
	}
	return first;
}

/* A private frame, in no entry and not in the index. Others may hold it a while longer. */
void vl_frame_free(struct page *page)
{
	put_page(page);
}

/* Without counting it. */
void vl_frame_init_shared(struct page *page, u32 domain, int sharers)
{
	union vl_frame_word *word = vl_frame_word(page);

	word->domain = domain;
	atomic_set(&word->sharers, sharers);
}

void vl_frame_make_shared(struct page *page, u32 domain, int sharers)
{
	vl_frame_init_shared(page, domain, sharers);
	vl_count(VL_SHARED_FRAMES, 1);
}

/* One entry fewer refers to a shared frame. */
void vl_frame_put_shared(struct page *page)
{
	if (!atomic_dec_and_test(&vl_frame_word(page)->sharers))
		return;
	vl_index_remove(page);
	vl_count(VL_SHARED_FRAMES, -1);
	put_page(page);
}

/* Words looked at between two tests: a compromise of branches and of looking too far. */
#define STRIDE	8

/* A page that is not all zero usually says so in its first words. */
bool vl_frame_is_zero(struct page *page)
{
	const unsigned long *p = kmap_local_page(page);
	const unsigned long *end = p + PAGE_SIZE / sizeof(*p);
	const unsigned long *start = p;
	unsigned long bits = *p;

	for (; p < end && !bits; p += STRIDE)
		bits = p[0] | p[1] | p[2] | p[3] | p[4] | p[5] | p[6] | p[7];
	kunmap_local(start);
	return !bits;
}

/* What cannot be read any more is equal to nothing. */
bool vl_frames_equal(struct page *a, struct page *b)
{
	const unsigned long *p = kmap_local_page(a);
	const unsigned long *q = kmap_local_page(b);
	unsigned long bits = 0;
	unsigned int i;

	if (unlikely(PageHWPoison(a) || PageHWPoison(b)))
		bits = 1;
	for (i = 0; i < PAGE_SIZE / sizeof(*p) && !bits; i += STRIDE)
		bits = (p[i] ^ q[i]) | (p[i + 1] ^ q[i + 1]) | (p[i + 2] ^ q[i + 2]) |
		       (p[i + 3] ^ q[i + 3]) | (p[i + 4] ^ q[i + 4]) | (p[i + 5] ^ q[i + 5]) |
		       (p[i + 6] ^ q[i + 6]) | (p[i + 7] ^ q[i + 7]);
	kunmap_local(q);
	kunmap_local(p);
	return !bits;
}

/* Waits until every fault that was about to map a zero frame has done so. */
void vl_zero_frames_wait(void)
{
	unsigned int i;

	for (i = 0; i < VL_ZERO_FRAMES; i++)
		wait_on_page_locked(vl_zero_frames[i]);
}

int vl_frame_init(void)
{
	unsigned int i;

	for (i = 0; i < VL_ZERO_FRAMES; i++) {
		vl_zero_frames[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!vl_zero_frames[i]) {
			vl_frame_exit();
			return -ENOMEM;
		}
	}
	return 0;
}

void vl_frame_exit(void)
{
	unsigned int i;

	for (i = 0; i < VL_ZERO_FRAMES; i++)
		if (vl_zero_frames[i])
			__free_page(vl_zero_frames[i]);
}
