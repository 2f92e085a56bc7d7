// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names: folders, links and what is made in them. The dentry cache is the only
 * place where names are: an entry is pinned there as long as it exists.
 */
#include <linux/namei.h>
#include <linux/slab.h>
#include "fs.h"

static const struct inode_operations vl_dir_inode_operations;
static const struct inode_operations vl_special_inode_operations;

static int init_regular(struct inode *inode)
{
	struct vl_inode *vi = vl_i(inode);
	struct vl_sb *sbi = vl_s(inode->i_sb);
	struct super_block *sb = inode->i_sb;

	if (sbi->domain) {
		vl_domain_get(sbi->domain);
		vi->domain = sbi->domain;
	} else {
		/* Files without a mount of their own are all of one. */
		vi->domain = vl_domain_of(sb->s_flags & SB_KERNMOUNT ? NULL : sb, inode->i_uid);
	}
	if (!vi->domain)
		return -ENOMEM;
	vi->merge = sbi->merge;
	vi->huge = sbi->huge;
	vl_file_list(vi);
	inode->i_op = &vl_file_inode_operations;
	inode->i_fop = &vl_file_operations;
	return 0;
}

static void init_directory(struct inode *inode)
{
	inode->i_op = &vl_dir_inode_operations;
	inode->i_fop = &simple_dir_operations;
	/* "." */
	inc_nlink(inode);
}

/* Errors: ENOSPC (nr_inodes), ENOMEM. */
struct inode *vl_new_inode(struct super_block *sb, struct inode *dir, umode_t mode, dev_t dev)
{
	struct inode *inode;
	int err = vl_reserve_inode(vl_s(sb));

	if (err)
		return ERR_PTR(err);
	inode = new_inode(sb);
	if (!inode) {
		vl_release_inode(vl_s(sb));
		return ERR_PTR(-ENOMEM);
	}
	inode->i_ino = get_next_ino();
	hv_inode_init_owner(inode, dir, mode);
	hv_inode_init_times(inode);
	switch (mode & S_IFMT) {
	case S_IFREG:
		err = init_regular(inode);
		break;
	case S_IFDIR:
		init_directory(inode);
		break;
	case S_IFLNK:
		inode->i_op = &simple_symlink_inode_operations;
		break;
	default:
		inode->i_op = &vl_special_inode_operations;
		init_special_inode(inode, mode, dev);
	}
	if (err) {
		iput(inode);
		return ERR_PTR(err);
	}
	return inode;
}

static void add_name(struct inode *dir, struct dentry *dentry, struct inode *inode)
{
	d_instantiate(dentry, inode);
	dget(dentry);
	hv_inode_touch(dir);
}

static int vl_mknod(HV_IDMAP *idmap, struct inode *dir, struct dentry *dentry, umode_t mode,
		    dev_t dev)
{
	struct inode *inode = vl_new_inode(dir->i_sb, dir, mode, dev);

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	add_name(dir, dentry, inode);
	return 0;
}

static int vl_create(HV_IDMAP *idmap, struct inode *dir, struct dentry *dentry, umode_t mode,
		     bool excl)
{
	return vl_mknod(idmap, dir, dentry, mode | S_IFREG, 0);
}

static int vl_mkdir(HV_IDMAP *idmap, struct inode *dir, struct dentry *dentry, umode_t mode)
{
	int err = vl_mknod(idmap, dir, dentry, mode | S_IFDIR, 0);

	if (!err)
		inc_nlink(dir);
	return err;
}

static int vl_symlink(HV_IDMAP *idmap, struct inode *dir, struct dentry *dentry,
		      const char *target)
{
	struct inode *inode = vl_new_inode(dir->i_sb, dir, S_IFLNK | 0777, 0);
	char *copy;

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	copy = kstrdup(target, GFP_KERNEL_ACCOUNT);
	if (!copy) {
		iput(inode);
		return -ENOMEM;
	}
	inode->i_link = copy;
	inode->i_size = strlen(copy);
	add_name(dir, dentry, inode);
	return 0;
}

static int vl_tmpfile(HV_IDMAP *idmap, struct inode *dir, struct file *file, umode_t mode)
{
	struct inode *inode = vl_new_inode(dir->i_sb, dir, mode, 0);

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	d_tmpfile(file, inode);
	return finish_open_simple(file, 0);
}

/* A further name pins a dentry, so it counts as an inode. */
static int vl_link(struct dentry *old, struct inode *dir, struct dentry *dentry)
{
	int err = 0;

	/* A file of O_TMPFILE has its one already. */
	if (d_inode(old)->i_nlink)
		err = vl_reserve_inode(vl_s(dir->i_sb));
	return err ?: simple_link(old, dir, dentry);
}

static int vl_unlink(struct inode *dir, struct dentry *dentry)
{
	struct inode *inode = d_inode(dentry);

	if (inode->i_nlink > 1 && !S_ISDIR(inode->i_mode))
		vl_release_inode(vl_s(inode->i_sb));
	return simple_unlink(dir, dentry);
}

static int vl_rmdir(struct inode *dir, struct dentry *dentry)
{
	return simple_rmdir(dir, dentry);
}

static int vl_rename(HV_IDMAP *idmap, struct inode *old_dir, struct dentry *old_dentry,
		     struct inode *new_dir, struct dentry *new_dentry, unsigned int flags)
{
	struct inode *victim = d_inode(new_dentry);
	bool frees = victim && !(flags & RENAME_EXCHANGE) && !S_ISDIR(victim->i_mode) &&
		     victim->i_nlink > 1;
	int err = simple_rename(idmap, old_dir, old_dentry, new_dir, new_dentry, flags);

	if (!err && frees)
		vl_release_inode(vl_s(old_dir->i_sb));
	return err;
}

static const struct inode_operations vl_dir_inode_operations = {
	.create		= vl_create,
	.lookup		= simple_lookup,
	.link		= vl_link,
	.unlink		= vl_unlink,
	.symlink	= vl_symlink,
	.mkdir		= vl_mkdir,
	.rmdir		= vl_rmdir,
	.mknod		= vl_mknod,
	.rename		= vl_rename,
	.tmpfile	= vl_tmpfile,
};

static const struct inode_operations vl_special_inode_operations = {
};
