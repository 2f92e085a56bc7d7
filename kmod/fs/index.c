// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hash table of frames.
 *
 * Only the scanner adds; anybody removes. A bucket is under one of a few
 * spinlocks, innermost of all. A private frame's owner word stays valid for
 * the scanner after it let go of the lock: leaves are freed only under
 * vl_scan_mutex, which it holds.
 */
#include <linux/hash.h>
#include <linux/highmem.h>
#include <linux/xxhash.h>
#include "index.h"
#include "leaf.h"

/* One bucket for so many pages of the machine's memory: half a byte for each page. */
#define PAGES_PER_BUCKET	16
#define NR_LOCKS		256

static struct hlist_head *buckets;
static unsigned int bucket_bits;
static spinlock_t locks[NR_LOCKS];	/* each of every NR_LOCKS-th bucket */

/* Locks the bucket of a hash. */
static struct hlist_head *bucket_lock(u64 hash) __acquires(bucket)
{
	u64 n = hash >> (64 - bucket_bits);

	spin_lock(&locks[n % NR_LOCKS]);
	return &buckets[n];
}

static void bucket_unlock(u64 hash) __releases(bucket)
{
	spin_unlock(&locks[(hash >> (64 - bucket_bits)) % NR_LOCKS]);
}

u64 vl_index_hash(struct page *page, struct vl_domain *domain)
{
	void *p = kmap_local_page(page);
	u64 hash = xxh64(p, PAGE_SIZE, domain->salt);

	kunmap_local(p);
	return hash;
}

static void add(struct page *page, u64 hash)
{
	struct hlist_head *head = bucket_lock(hash);

	set_page_private(page, hash);
	hlist_add_head(vl_frame_node(page), head);
	bucket_unlock(hash);
}

void vl_index_add_private(struct page *page, u64 hash, unsigned long owner)
{
	vl_frame_word(page)->owner = owner;
	add(page, hash);
	vl_count(VL_UNSHARED, 1);
}

/* Its domain and count are set. */
void vl_index_add_shared(struct page *page, u64 hash)
{
	add(page, hash);
}

/* Harmless if it is not in the index; the scanner, who adds, cannot have it now. */
void vl_index_remove(struct page *page)
{
	u64 hash = page_private(page);

	if (!vl_indexed(page))
		return;
	bucket_lock(hash);
	hlist_del_init(vl_frame_node(page));
	bucket_unlock(hash);
}

/* Not a shared frame: a leaf's address is negative, and a domain's ID is small. */
static bool holds_owner(struct page *page)
{
	return (long)vl_frame_word(page)->owner < 0;
}

static bool in_domain(struct page *page, struct vl_domain *domain)
{
	unsigned long owner = vl_frame_word(page)->owner;

	if (holds_owner(page))
		return ((struct vl_leaf *)(owner & ~VL_LEAF_MASK))->vi->domain == domain;
	return vl_frame_word(page)->domain == domain->id;
}

/*
 * A shared frame that was found is returned with one more sharer, a private
 * one with its owner and without any claim: its page must be locked and looked at again.
 */
enum vl_found vl_index_find(u64 hash, struct vl_domain *domain, struct page **page,
			    unsigned long *owner)
{
	enum vl_found found = VL_FOUND_NOTHING;
	struct hlist_node *node;

	hlist_for_each(node, bucket_lock(hash)) {
		struct page *p = vl_node_frame(node);

		if (page_private(p) != hash || !in_domain(p, domain))
			continue;
		*page = p;
		if (holds_owner(p)) {
			*owner = vl_frame_word(p)->owner;
			found = VL_FOUND_PRIVATE;
			break;
		}
		if (!vl_frame_is_full(p) && atomic_inc_not_zero(&vl_frame_word(p)->sharers)) {
			found = VL_FOUND_SHARED;
			break;
		}
	}
	bucket_unlock(hash);
	return found;
}

size_t vl_index_bytes(void)
{
	return sizeof(*buckets) << bucket_bits;
}

int vl_index_init(void)
{
	unsigned int i;

	bucket_bits = ilog2(max(totalram_pages() / PAGES_PER_BUCKET, 256UL));
	buckets = kvcalloc(1UL << bucket_bits, sizeof(*buckets), GFP_KERNEL);
	if (!buckets)
		return -ENOMEM;
	for (i = 0; i < NR_LOCKS; i++)
		spin_lock_init(&locks[i]);
	return 0;
}

void vl_index_exit(void)
{
	kvfree(buckets);
}
