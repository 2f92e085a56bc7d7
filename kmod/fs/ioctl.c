// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ioctls of regular files; <linux/vellumfs.h> describes them.
 */
#include <linux/uaccess.h>
#include "leaf.h"

static long get_policy(struct file *file, void __user *argp)
{
	struct vl_inode *vi = vl_i(file_inode(file));
	struct vellumfs_policy p = {};

	filemap_invalidate_lock_shared(vi->vfs.i_mapping);
	p.merge = vi->merge;
	if (vi->domain->name[0]) {
		p.flags = VELLUMFS_POLICY_DOMAIN;
		strscpy(p.domain, vi->domain->name, sizeof(p.domain));
	}
	filemap_invalidate_unlock_shared(vi->vfs.i_mapping);
	return copy_to_user(argp, &p, sizeof(p)) ? -EFAULT : 0;
}

static int check_policy(struct file *file, const struct vellumfs_policy *p)
{
	bool named = p->flags & VELLUMFS_POLICY_DOMAIN;

	if (p->merge > VELLUMFS_MERGE_ON || p->flags & ~VELLUMFS_POLICY_DOMAIN ||
	    memchr_inv(p->reserved, 0, sizeof(p->reserved)))
		return -EINVAL;
	if (named ? !vl_domain_name_ok(p->domain) : !!memchr_inv(p->domain, 0, sizeof(p->domain)))
		return -EINVAL;
	if (!(file->f_mode & FMODE_WRITE))
		return -EBADF;
	if (!file_owner_or_capable(file) || (named && !capable(CAP_SYS_ADMIN)))
		return -EPERM;
	return 0;
}

static long set_policy(struct file *file, const void __user *argp)
{
	struct inode *inode = file_inode(file);
	struct vl_inode *vi = vl_i(inode);
	struct vl_domain *domain;
	struct vellumfs_policy p;
	int err;

	if (copy_from_user(&p, argp, sizeof(p)))
		return -EFAULT;
	err = check_policy(file, &p);
	if (err)
		return err;
	/* i_rwsem keeps chown(2) out. */
	inode_lock(inode);
	if (p.flags & VELLUMFS_POLICY_DOMAIN) {
		domain = vl_domain_named(p.domain);
	} else {
		domain = vi->domain;
		vl_domain_get(domain);
	}
	err = domain ? vl_file_set_policy(vi, p.merge, domain) : -ENOMEM;
	if (err)
		vl_domain_put(domain);
	inode_unlock(inode);
	return err;
}

static u64 count(struct vl_inode *vi, enum vl_item item)
{
	return max(atomic_long_read(&vi->counts[item]), 0L);
}

static long get_stats(struct file *file, void __user *argp)
{
	struct vl_inode *vi = vl_i(file_inode(file));
	struct vellumfs_stats s = {
		.private_pages	= count(vi, VL_PRIVATE),
		.shared_pages	= count(vi, VL_SHARED_REFS),
		.zero_pages	= count(vi, VL_ZEROES),
		.volatile_pages	= count(vi, VL_VOLATILE),
		.merged		= count(vi, VL_MERGED),
		.broken		= count(vi, VL_BROKEN),
		.held		= count(vi, VL_HELD),
		.metadata_bytes	= count(vi, VL_LEAVES) * vl_leaf_bytes(),
	};

	s.pages = s.private_pages + s.shared_pages + s.zero_pages;
	return copy_to_user(argp, &s, sizeof(s)) ? -EFAULT : 0;
}

static long unmerge(struct file *file, const void __user *argp)
{
	struct inode *inode = file_inode(file);
	struct vellumfs_range r;
	pgoff_t end = ULONG_MAX >> PAGE_SHIFT;
	u64 sum;

	if (copy_from_user(&r, argp, sizeof(r)))
		return -EFAULT;
	if (r.flags || (r.offset | r.len) & ~PAGE_MASK || check_add_overflow(r.offset, r.len, &sum))
		return -EINVAL;
	if (!(file->f_mode & FMODE_WRITE))
		return -EBADF;
	if (r.len)
		end = sum >> PAGE_SHIFT;
	return vl_unmerge(vl_i(inode), r.offset >> PAGE_SHIFT, end);
}

long vl_file_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (cmd) {
	case VELLUMFS_GET_POLICY:
		return get_policy(file, argp);
	case VELLUMFS_SET_POLICY:
		return set_policy(file, argp);
	case VELLUMFS_GET_STATS:
		return get_stats(file, argp);
	case VELLUMFS_UNMERGE:
		return unmerge(file, argp);
	}
	return -ENOTTY;
}
