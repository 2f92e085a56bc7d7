// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading and writing regular files.
 *
 * Memory of the caller is touched without a lock of ours when we read, and
 * with its faults disabled when we write: it may be a mapping of the same page.
 */
#include <linux/fs.h>
#include <linux/splice.h>
#include <linux/uio.h>
#include "leaf.h"

/* The frame at @pos, referenced; NULL for zeroes. Errors: ENODATA, at the end of the file; EIO. */
static struct page *read_frame(struct inode *inode, loff_t pos, size_t *bytes)
{
	struct page *page = NULL;
	loff_t size;
	unsigned long e;

	filemap_invalidate_lock_shared(inode->i_mapping);
	size = i_size_read(inode);
	if (pos >= size) {
		filemap_invalidate_unlock_shared(inode->i_mapping);
		return ERR_PTR(-ENODATA);
	}
	*bytes = min_t(loff_t, PAGE_SIZE - offset_in_page(pos), size - pos);
	for (;;) {
		e = vl_entry_at(vl_i(inode), pos >> PAGE_SHIFT);
		page = vl_has_frame(e) ? vl_entry_page(e) : NULL;
		/* As in vl_page_lock(), but the frame may go on changing. */
		if (!page)
			break;
		if (get_page_unless_zero(page)) {
			if (vl_entry_at(vl_i(inode), pos >> PAGE_SHIFT) == e)
				break;
			put_page(page);
		}
		cpu_relax();
	}
	filemap_invalidate_unlock_shared(inode->i_mapping);
	if (page && unlikely(PageHWPoison(page))) {
		put_page(page);
		return ERR_PTR(-EIO);
	}
	return page;
}

static ssize_t vl_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t done = 0;

	while (iov_iter_count(to)) {
		size_t bytes = 0, copied;
		struct page *page = read_frame(inode, iocb->ki_pos, &bytes);

		if (IS_ERR(page)) {
			if (page == ERR_PTR(-EIO))
				done = done ?: -EIO;
			break;
		}
		if (page) {
			copied = copy_page_to_iter(page, offset_in_page(iocb->ki_pos), bytes, to);
			put_page(page);
		} else {
			copied = iov_iter_zero(min(bytes, iov_iter_count(to)), to);
		}
		iocb->ki_pos += copied;
		done += copied;
		if (copied < bytes && iov_iter_count(to)) {
			done = done ?: -EFAULT;
			break;
		}
		cond_resched();
	}
	file_accessed(iocb->ki_filp);
	return done;
}

/* Copies into one page; 0 if the caller's memory was not there. */
static ssize_t write_page(struct inode *inode, loff_t pos, struct iov_iter *from, size_t bytes)
{
	struct page *page;
	size_t copied;

	filemap_invalidate_lock_shared(inode->i_mapping);
	page = vl_page_write(vl_i(inode), pos >> PAGE_SHIFT, GFP_KERNEL);
	if (IS_ERR(page)) {
		filemap_invalidate_unlock_shared(inode->i_mapping);
		return PTR_ERR(page);
	}
	copied = copy_page_from_iter_atomic(page, offset_in_page(pos), bytes, from);
	if (pos + copied > i_size_read(inode))
		i_size_write(inode, pos + copied);
	unlock_page(page);
	put_page(page);
	filemap_invalidate_unlock_shared(inode->i_mapping);
	return copied;
}

static ssize_t write_pages(struct inode *inode, loff_t pos, struct iov_iter *from)
{
	ssize_t done = 0, n = pos > i_size_read(inode) ? vl_zero_tail(inode) : 0;

	if (n)
		return n;
	while (iov_iter_count(from)) {
		size_t bytes = min_t(size_t, PAGE_SIZE - offset_in_page(pos),
				     iov_iter_count(from));
		size_t missing = fault_in_iov_iter_readable(from, bytes);

		if (missing == bytes)
			return done ?: -EFAULT;
		n = write_page(inode, pos, from, bytes - missing);
		if (n < 0)
			return done ?: n;
		pos += n;
		done += n;
		if (fatal_signal_pending(current))
			return done ?: -EINTR;
		cond_resched();
	}
	return done;
}

static ssize_t vl_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t n;

	inode_lock(inode);
	n = generic_write_checks(iocb, from);
	if (n > 0)
		n = file_modified(iocb->ki_filp) ?: write_pages(inode, iocb->ki_pos, from);
	inode_unlock(inode);
	if (n > 0)
		iocb->ki_pos += n;
	return n;
}

static loff_t vl_llseek(struct file *file, loff_t offset, int whence)
{
	struct inode *inode = file_inode(file);

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return generic_file_llseek(file, offset, whence);
	offset = vl_seek_data_hole(inode, offset, whence);
	return offset < 0 ? offset : vfs_setpos(file, offset, inode->i_sb->s_maxbytes);
}

static int vl_setattr(HV_IDMAP *idmap, struct dentry *dentry, struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	int err = setattr_prepare(idmap, dentry, attr);

	if (!err && (attr->ia_valid & ATTR_SIZE) && attr->ia_size != i_size_read(inode)) {
		err = vl_truncate(inode, attr->ia_size);
		if (!err)
			hv_inode_touch(inode);
	}
	if (!err && (attr->ia_valid & ATTR_UID))
		err = vl_file_rehome(inode, from_vfsuid(idmap, i_user_ns(inode), attr->ia_vfsuid));
	if (!err)
		setattr_copy(idmap, inode, attr);
	return err;
}

static int vl_getattr(HV_IDMAP *idmap, const struct path *path, struct kstat *stat, u32 mask,
		      unsigned int flags)
{
	struct inode *inode = d_inode(path->dentry);

	hv_generic_fillattr(idmap, mask, inode, stat);
	stat->blocks = (u64)max(vl_file_pages(vl_i(inode)), 0L) << (PAGE_SHIFT - SECTOR_SHIFT);
	return 0;
}

const struct inode_operations vl_file_inode_operations = {
	.setattr	= vl_setattr,
	.getattr	= vl_getattr,
};

const struct file_operations vl_file_operations = {
	.owner			= THIS_MODULE,
	.llseek			= vl_llseek,
	.read_iter		= vl_read_iter,
	.write_iter		= vl_write_iter,
	.mmap			= vl_mmap,
	.get_unmapped_area	= thp_get_unmapped_area,
	.fsync			= noop_fsync,
	.splice_read		= hv_splice_read,
	.splice_write		= iter_file_splice_write,
	.fallocate		= vl_fallocate,
	.remap_file_range	= vl_remap_file_range,
	.unlocked_ioctl		= vl_file_ioctl,
	.compat_ioctl		= compat_ptr_ioctl,
};
