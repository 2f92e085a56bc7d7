// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/vellumfs: files without a name in any mount, for VMMs that pass
 * descriptors around.
 */
#include <linux/file.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include "fs.h"

/*
 * The files' mount, while one is being made; each has it from then on. So the
 * superblock, and with it the module, stays until the last of them is gone.
 */
static struct vfsmount *anon_mount;
static int anon_pins;

static bool ends(const char *name)
{
	return strnlen(name, VELLUMFS_NAME_LEN) < VELLUMFS_NAME_LEN;
}

static int check_create(const struct vellumfs_create *c)
{
	if (c->flags & ~(VELLUMFS_CREATE_CLOEXEC | VELLUMFS_CREATE_HUGE) ||
	    c->merge > VELLUMFS_MERGE_ON ||
	    memchr_inv(c->reserved, 0, sizeof(c->reserved)))
		return -EINVAL;
	if (!ends(c->name) || strchr(c->name, '/'))
		return -EINVAL;
	if (c->domain[0] && !vl_domain_name_ok(c->domain))
		return -EINVAL;
	if (c->size > VL_MAX_SIZE)
		return -EFBIG;
	if (c->domain[0] && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	return 0;
}

static int set_domain(struct vl_inode *vi, const char *name)
{
	struct vl_domain *domain;

	if (!name[0])
		return 0;
	domain = vl_domain_named(name);
	if (!domain)
		return -ENOMEM;
	vl_domain_put(vi->domain);
	vi->domain = domain;
	return 0;
}

/* The mount is pinned. */
static struct file *make_file(const struct vellumfs_create *c)
{
	struct inode *inode = vl_new_inode(anon_mount->mnt_sb, NULL, S_IFREG | 0600, 0);
	struct file *file = ERR_CAST(inode);
	int err;

	if (IS_ERR(inode))
		return file;
	clear_nlink(inode);
	vl_i(inode)->merge = c->merge;
	vl_i(inode)->huge = c->flags & VELLUMFS_CREATE_HUGE;
	i_size_write(inode, c->size);
	err = set_domain(vl_i(inode), c->domain);
	if (!err && !try_module_get(THIS_MODULE))
		err = -ENODEV;
	if (err) {
		iput(inode);
		return ERR_PTR(err);
	}
	/* The file holds the module as one that was opened does. */
	file = alloc_file_pseudo(inode, anon_mount, c->name[0] ? c->name : "vellumfs",
				 O_RDWR | O_LARGEFILE, &vl_file_operations);
	if (IS_ERR(file)) {
		module_put(THIS_MODULE);
		iput(inode);
	} else {
		file->f_mode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
	}
	return file;
}

static struct file *make_mounted_file(const struct vellumfs_create *c)
{
	int err = simple_pin_fs(&vl_anon_fs_type, &anon_mount, &anon_pins);
	struct file *file;

	if (err)
		return ERR_PTR(err);
	file = make_file(c);
	simple_release_fs(&anon_mount, &anon_pins);
	return file;
}

static long create(const void __user *argp)
{
	struct vellumfs_create c;
	struct file *file;
	int err, fd;

	if (copy_from_user(&c, argp, sizeof(c)))
		return -EFAULT;
	err = check_create(&c);
	if (err)
		return err;
	fd = get_unused_fd_flags(c.flags & VELLUMFS_CREATE_CLOEXEC ? O_CLOEXEC : 0);
	if (fd < 0)
		return fd;
	file = make_mounted_file(&c);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

static long vl_dev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return cmd == VELLUMFS_CREATE ? create((void __user *)arg) : -ENOTTY;
}

static const struct file_operations vl_dev_operations = {
	.owner		= THIS_MODULE,
	.llseek		= noop_llseek,
	.unlocked_ioctl	= vl_dev_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

static struct miscdevice vl_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "vellumfs",
	.mode	= 0600,
	.fops	= &vl_dev_operations,
};

int vl_dev_init(void)
{
	return misc_register(&vl_device);
}

void vl_dev_exit(void)
{
	misc_deregister(&vl_device);
}
