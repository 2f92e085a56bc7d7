// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a file merges, and with which files.
 */
#include "index.h"
#include "leaf.h"
#include "scan.h"

/* Private pages leave the index, and count as written: they must be hashed again, if ever. */
static void forget_hashes(struct vl_inode *vi)
{
	struct vl_leaf *leaf;
	unsigned int slot;
	unsigned long i;

	xa_for_each(&vi->leaves, i, leaf) {
		for (slot = 0; slot < VL_LEAF_PAGES; slot++) {
			unsigned long e = vl_leaf_entry(leaf, slot);

			if (vl_is_private(e))
				vl_page_written(leaf, slot, vl_entry_page(e));
		}
		cond_resched();
	}
}

static void set_merge(struct vl_inode *vi, u32 merge)
{
	long pages = atomic_long_read(&vi->counts[VL_VOLATILE]);

	if (vi->merge != VELLUMFS_MERGE_OFF)
		vl_count(VL_VOLATILE, -pages);
	vi->merge = merge;
	if (vi->merge != VELLUMFS_MERGE_OFF)
		vl_count(VL_VOLATILE, pages);
}

/*
 * Sets both. The reference to @domain is taken over if this succeeds. Errors:
 * EBUSY: pages are shared in another domain.
 */
int vl_file_set_policy(struct vl_inode *vi, u32 merge, struct vl_domain *domain)
{
	struct vl_domain *old = vi->domain;
	int err = 0;

	filemap_invalidate_lock(vi->vfs.i_mapping);
	if (domain != vi->domain && atomic_long_read(&vi->counts[VL_SHARED_REFS])) {
		err = -EBUSY;
	} else {
		if (domain != vi->domain || merge != vi->merge)
			forget_hashes(vi);
		old = vi->domain;
		vi->domain = domain;
		set_merge(vi, merge);
		if (merge != VELLUMFS_MERGE_OFF)
			vl_scan_queue_file(vi);
	}
	filemap_invalidate_unlock(vi->vfs.i_mapping);
	if (!err)
		vl_domain_put(old);
	return err;
}

/* A few times are enough, unless somebody clones the file as fast as we unmerge it. */
#define REHOME_TRIES	8

/*
 * A file of another owner belongs to another domain, unless its domain has a
 * name; shared pages cannot go with it. Errors: ENOMEM, EINTR, EBUSY.
 */
int vl_file_rehome(struct inode *inode, kuid_t uid)
{
	struct vl_inode *vi = vl_i(inode);
	struct vl_domain *domain;
	u32 merge = vi->merge;
	int err = -EBUSY, tries;

	if (vi->domain->name[0] || uid_eq(vi->domain->uid, uid))
		return 0;
	domain = vl_domain_of(vi->domain->sb, uid);
	if (!domain)
		return -ENOMEM;
	/* i_rwsem keeps the policy; nothing merges while we unmerge. */
	vl_domain_get(vi->domain);
	vl_file_set_policy(vi, VELLUMFS_MERGE_OFF, vi->domain);
	for (tries = 0; err == -EBUSY && tries < REHOME_TRIES; tries++) {
		err = vl_unmerge(vi, 0, ULONG_MAX >> PAGE_SHIFT);
		err = err ?: vl_file_set_policy(vi, merge, domain);
	}
	if (err) {
		vl_domain_get(vi->domain);
		vl_file_set_policy(vi, merge, vi->domain);
		vl_domain_put(domain);
	}
	return err;
}
