/* SPDX-License-Identifier: GPL-2.0-only */
/* The memory table: which guest-physical addresses are where in the owner's memory. */
#ifndef VELLUM_VHOST_MEM_H
#define VELLUM_VHOST_MEM_H

#include <linux/sched.h>
#include <linux/types.h>
#include <linux/uio.h>

struct vh_dev;
struct vh_vq;

/* More than a memory slot for each DIMM of the largest machine. */
#define VH_REGIONS_MAX	512

struct vh_region {
	u64 gpa;
	u64 size;
	unsigned long hva;
};

/**
 * struct vh_mem - a memory table; never changed, only replaced
 * @end: of the highest region
 * @n: how many regions
 * @r: sorted by address, none overlaps another, all within the user half
 */
struct vh_mem {
	u64 end;
	unsigned int n;
	struct vh_region r[];
};

/*
 * The range lies in the user half. access_ok() is not enough where nothing has been
 * accessed yet: it lets addresses pass that are not canonical, and those are worth
 * a warning to the kernel when they are used.
 */
static inline bool vh_user_range(unsigned long addr, u64 size)
{
	return addr <= TASK_SIZE_MAX && size <= TASK_SIZE_MAX - addr;
}

/* VHOST_SET_MEM_TABLE */
long vh_mem_set(struct vh_dev *dev, void __user *arg);

/*
 * Appends the owner's addresses of a guest buffer to @iov, which has @used of @max
 * entries in use; with @join the buffer touches the last of them. Touching pieces become
 * one. @perm, VHOST_ACCESS_*, is what will be done to it. Returns how many are in use then,
 * -EFAULT outside guest memory, -E2BIG if they do not fit, and what vh_iotlb_map() has.
 */
int vh_mem_map(struct vh_vq *vq, u64 gpa, u32 len, u8 perm, struct iovec *iov,
	       unsigned int used, unsigned int max, bool join);

/* Appends one piece. How many are in use then, or -E2BIG. */
static inline int vh_iov_add(struct iovec *iov, unsigned int used, unsigned int max,
			     unsigned long hva, size_t len, bool join)
{
	if (join && (unsigned long)iov[used - 1].iov_base + iov[used - 1].iov_len == hva) {
		iov[used - 1].iov_len += len;
		return used;
	}
	if (unlikely(used == max))
		return -E2BIG;
	iov[used].iov_base = (void __user *)hva;
	iov[used].iov_len = len;
	return used + 1;
}

#endif /* VELLUM_VHOST_MEM_H */
