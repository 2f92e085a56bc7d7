/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vellumfs: the objects every part of it shares.
 *
 * A file is an xarray of leaves; a leaf describes 64 pages (leaf.h). What is at
 * a page is an entry: a hole, allocated zeroes, or a frame of memory (frame.h),
 * private to that page or shared and read-only. Documentation/vellumfs.md has
 * the locks.
 */
#ifndef VELLUMFS_FS_H
#define VELLUMFS_FS_H

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/xarray.h>
#include <linux/vellumfs.h>
#include "compat/compat.h"

/* The largest file: rounded up to pages, every position in it is still a loff_t. */
#define VL_MAX_SIZE	(MAX_LFS_FILESIZE & PAGE_MASK)

/* What is counted, for each file and for all. */
enum vl_item {
	VL_PRIVATE,		/* pages with a frame of their own */
	VL_SHARED_REFS,		/* pages that refer to a shared frame */
	VL_ZEROES,		/* pages allocated without a frame */
	VL_VOLATILE,		/* private, written since hashed; for all: of files that merge */
	VL_MERGED,		/* events from here on */
	VL_BROKEN,
	VL_HELD,
	VL_LEAVES,		/* leaves in memory */
	VL_NR_FILE_ITEMS,
	VL_SHARED_FRAMES = VL_NR_FILE_ITEMS,	/* for all only */
	VL_UNSHARED,		/* private frames in the index */
	VL_SCANNED,
	VL_SCANS,
	VL_NR_ITEMS,
};

/**
 * struct vl_domain - a border that merging never crosses
 * @node: in the list of domains
 * @refs: files and mounts of the domain
 * @id: unique while it lives; shared frames carry it
 * @salt: of the hash; random
 * @sb: with @uid, whose the domain is; NULL for a named one
 * @uid: owner of the files
 * @name: empty, or the name
 */
struct vl_domain {
	struct list_head node;
	refcount_t refs;
	u32 id;
	u64 salt;
	struct super_block *sb;
	kuid_t uid;
	char name[VELLUMFS_NAME_LEN];
};

/**
 * struct vl_sb - one mount
 * @max_pages: limit of allocated pages, shared or not; 0 for none
 * @pages: allocated
 * @leaves: in memory; their limit follows from @max_pages
 * @max_inodes: limit of inodes and further hard links; 0 for none
 * @inodes: in use
 * @domain: named in the mount options, or NULL
 * @merge: policy of new files, enum vellumfs_merge
 * @huge: new files get memory in chunks (chunk.c)
 * @uid: of the root folder, as mounted; with @gid and @mode only shown later
 */
struct vl_sb {
	unsigned long max_pages;
	atomic_long_t pages;
	atomic_long_t leaves;
	unsigned long max_inodes;
	atomic_long_t inodes;
	struct vl_domain *domain;
	u32 merge;
	bool huge;
	kuid_t uid;
	kgid_t gid;
	umode_t mode;
};

/**
 * struct vl_inode - one file
 * @leaves: struct vl_leaf by page index >> VL_LEAF_SHIFT
 * @domain: changed under the mapping's invalidate_lock, exclusive
 * @merge: enum vellumfs_merge, under the same lock
 * @huge: memory comes in chunks where it can; set once
 * @counts: of enum vl_item
 * @node: in the list of files (unmerge.c)
 * @vfs: the kernel's part
 */
struct vl_inode {
	struct xarray leaves;
	struct vl_domain *domain;
	u32 merge;
	bool huge;
	atomic_long_t counts[VL_NR_FILE_ITEMS];
	struct list_head node;
	struct inode vfs;
};

static inline struct vl_inode *vl_i(struct inode *inode)
{
	return container_of(inode, struct vl_inode, vfs);
}

static inline struct vl_sb *vl_s(struct super_block *sb)
{
	return sb->s_fs_info;
}

extern atomic_long_t vl_counts[VL_NR_ITEMS];

/* Counts for all. */
static inline void vl_count(enum vl_item item, long n)
{
	atomic_long_add(n, &vl_counts[item]);
}

static inline long vl_total(enum vl_item item)
{
	return max(atomic_long_read(&vl_counts[item]), 0L);
}

/* Counts for a file, and for all. */
static inline void vl_count_file(struct vl_inode *vi, enum vl_item item, long n)
{
	atomic_long_add(n, &vi->counts[item]);
	atomic_long_add(n, &vl_counts[item]);
}

/* Pages allocated to a file. */
static inline long vl_file_pages(struct vl_inode *vi)
{
	return atomic_long_read(&vi->counts[VL_PRIVATE]) +
	       atomic_long_read(&vi->counts[VL_SHARED_REFS]) +
	       atomic_long_read(&vi->counts[VL_ZEROES]);
}

/* super.c */
extern struct file_system_type vl_fs_type;
extern struct file_system_type vl_anon_fs_type;
int vl_super_init(void);
void vl_super_exit(void);
int vl_reserve_pages(struct vl_sb *sbi, unsigned long n);
void vl_release_pages(struct vl_sb *sbi, unsigned long n);
int vl_reserve_leaf(struct vl_sb *sbi);
void vl_release_leaf(struct vl_sb *sbi);
int vl_reserve_inode(struct vl_sb *sbi);
void vl_release_inode(struct vl_sb *sbi);

/* inode.c */
struct inode *vl_new_inode(struct super_block *sb, struct inode *dir, umode_t mode, dev_t dev);

/* file.c */
extern const struct file_operations vl_file_operations;
extern const struct inode_operations vl_file_inode_operations;

/* fault.c */
int vl_mmap(struct file *file, struct vm_area_struct *vma);
void vl_allow_writes(struct vm_area_struct *vma, unsigned long addr, struct page *first,
		     unsigned long n);

/* chunk.c */
bool vl_chunk_fault(struct vm_fault *vmf);

/* space.c */
int vl_zero_tail(struct inode *inode);
int vl_truncate(struct inode *inode, loff_t size);
long vl_fallocate(struct file *file, int mode, loff_t offset, loff_t len);
loff_t vl_seek_data_hole(struct inode *inode, loff_t offset, int whence);

/* remap.c */
loff_t vl_remap_file_range(struct file *in, loff_t pos_in, struct file *out, loff_t pos_out,
			   loff_t len, unsigned int flags);

/* unmerge.c */
void vl_file_list(struct vl_inode *vi);
void vl_file_unlist(struct vl_inode *vi);

/* policy.c */
int vl_file_set_policy(struct vl_inode *vi, u32 merge, struct vl_domain *domain);
int vl_file_rehome(struct inode *inode, kuid_t uid);

/* ioctl.c */
long vl_file_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

/* domain.c */
struct vl_domain *vl_domain_of(struct super_block *sb, kuid_t uid);
struct vl_domain *vl_domain_named(const char *name);
bool vl_domain_name_ok(const char *name);
void vl_domain_get(struct vl_domain *domain);
void vl_domain_put(struct vl_domain *domain);

/* dev.c */
int vl_dev_init(void);
void vl_dev_exit(void);

/* sysfs.c */
int vl_sysfs_init(void);
void vl_sysfs_exit(void);

#endif /* VELLUMFS_FS_H */
