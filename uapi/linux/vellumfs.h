/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * vellumfs: a memory filesystem whose files share identical pages.
 *
 * What <linux/fs.h> has is used as it is: FICLONE, FICLONERANGE and
 * FIDEDUPERANGE, fallocate(2), lseek(2) with SEEK_DATA and SEEK_HOLE.
 * Here is only what it lacks. Documentation/vellumfs.md describes it all,
 * with the counters in /sys/fs/vellumfs.
 *
 * Every structure is a multiple of 8 bytes without holes. Unknown flags and
 * reserved fields that are not zero are refused with EINVAL.
 */
#ifndef _UAPI_LINUX_VELLUMFS_H
#define _UAPI_LINUX_VELLUMFS_H

#include <linux/const.h>
#include <linux/ioctl.h>
#include <linux/types.h>

/* statfs(2) f_type: "VelF" */
#define VELLUMFS_SUPER_MAGIC	0x56656c46

/* The longest name of a domain or of a file made by VELLUMFS_CREATE, with its final NUL. */
#define VELLUMFS_NAME_LEN	64

/* Letters, digits, '.', '_' and '-' make a domain's name. */

/**
 * enum vellumfs_merge - which pages of a file the background thread may merge
 * @VELLUMFS_MERGE_OFF: none; pages that are merged already stay so
 * @VELLUMFS_MERGE_ZERO: only pages that are all zero; nothing is shared with another file
 * @VELLUMFS_MERGE_ON: equal pages of the file's domain
 */
enum vellumfs_merge {
	VELLUMFS_MERGE_OFF	= 0,
	VELLUMFS_MERGE_ZERO	= 1,
	VELLUMFS_MERGE_ON	= 2,
};

/* vellumfs_policy.flags: @domain is given (SET), or the domain has a name (GET) */
#define VELLUMFS_POLICY_DOMAIN	_BITUL(0)

/**
 * struct vellumfs_policy - how one file merges
 * @merge: enum vellumfs_merge
 * @flags: VELLUMFS_POLICY_DOMAIN or 0
 * @domain: with VELLUMFS_POLICY_DOMAIN the name of the domain, ended by NUL; else all zero
 * @reserved: zero
 */
struct vellumfs_policy {
	__u32 merge;
	__u32 flags;
	char domain[VELLUMFS_NAME_LEN];
	__u64 reserved[4];
};

/**
 * struct vellumfs_stats - counters of one file, in pages unless they say otherwise
 * @pages: allocated (private, shared and zero together)
 * @private_pages: have a frame of their own
 * @shared_pages: refer to a read-only frame that other pages may refer to as well
 * @zero_pages: are allocated, all zero, and have no frame
 * @volatile_pages: private, and written since they were last hashed
 * @merged: merges of a page of this file into a shared or the zero frame, since its creation
 * @broken: writes that gave a shared or merged zero page a frame again, since its creation
 * @held: times a page was left alone because somebody outside held it
 * @metadata_bytes: memory that describes the pages
 * @reserved: zero
 */
struct vellumfs_stats {
	__u64 pages;
	__u64 private_pages;
	__u64 shared_pages;
	__u64 zero_pages;
	__u64 volatile_pages;
	__u64 merged;
	__u64 broken;
	__u64 held;
	__u64 metadata_bytes;
	__u64 reserved[7];
};

/**
 * struct vellumfs_range - a part of a file
 * @offset: bytes, a multiple of the page size
 * @len: bytes, a multiple of the page size; 0 means to the end of the file
 * @flags: zero
 */
struct vellumfs_range {
	__u64 offset;
	__u64 len;
	__u64 flags;
};

/* vellumfs_create.flags */
#define VELLUMFS_CREATE_CLOEXEC	_BITUL(0)	/* close the descriptor on execve(2) */
#define VELLUMFS_CREATE_HUGE	_BITUL(1)	/* as a file of a mount with huge=always */

/**
 * struct vellumfs_create - a file without a name in any mount
 * @size: its size in bytes, as ftruncate(2) would set it; at most LLONG_MAX rounded down to pages
 * @flags: VELLUMFS_CREATE_*
 * @merge: enum vellumfs_merge
 * @name: for /proc/PID/fd and maps, ended by NUL, without '/'; need not be unique
 * @domain: a named domain (needs CAP_SYS_ADMIN), ended by NUL; empty: that of the caller's user ID
 * @reserved: zero
 */
struct vellumfs_create {
	__u64 size;
	__u32 flags;
	__u32 merge;
	char name[VELLUMFS_NAME_LEN];
	char domain[VELLUMFS_NAME_LEN];
	__u64 reserved[4];
};

#define VELLUMFS_IOC_TYPE	0xBD

/*
 * On /dev/vellumfs.
 *
 * VELLUMFS_CREATE returns a descriptor, open for reading and writing.
 * Errors: EINVAL (flags, reserved, merge, names that do not end or have other
 * characters), EFBIG (size), EPERM (domain), EMFILE, ENFILE, ENOMEM, EFAULT.
 */
#define VELLUMFS_CREATE		_IOW(VELLUMFS_IOC_TYPE, 0x00, struct vellumfs_create)

/*
 * On a regular file of vellumfs.
 *
 * VELLUMFS_GET_POLICY needs the file open in any way.
 *
 * VELLUMFS_SET_POLICY needs it open for writing (EBADF) and its owner or
 * CAP_FOWNER (EPERM); a named domain needs CAP_SYS_ADMIN (EPERM). Without
 * VELLUMFS_POLICY_DOMAIN the domain stays. EBUSY: another domain, but pages
 * are shared; set VELLUMFS_MERGE_OFF and use VELLUMFS_UNMERGE first.
 * EINVAL: merge, flags, domain, reserved. ENOMEM.
 *
 * VELLUMFS_GET_STATS needs the file open in any way. Counters move while they are read.
 *
 * VELLUMFS_UNMERGE needs it open for writing (EBADF): gives every shared page
 * in the range a frame of its own; zero pages need none. ENOMEM: some pages are
 * still shared. EINTR: a signal. EINVAL: flags, alignment, offset + len overflows.
 * The thread may merge them again unless the policy is VELLUMFS_MERGE_OFF.
 */
#define VELLUMFS_GET_POLICY	_IOR(VELLUMFS_IOC_TYPE, 0x10, struct vellumfs_policy)
#define VELLUMFS_SET_POLICY	_IOW(VELLUMFS_IOC_TYPE, 0x11, struct vellumfs_policy)
#define VELLUMFS_GET_STATS	_IOR(VELLUMFS_IOC_TYPE, 0x12, struct vellumfs_stats)
#define VELLUMFS_UNMERGE	_IOW(VELLUMFS_IOC_TYPE, 0x13, struct vellumfs_range)

#endif /* _UAPI_LINUX_VELLUMFS_H */
