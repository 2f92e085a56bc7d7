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
 * entries in use; touching pieces become one. Returns how many are in use then,
 * -EFAULT outside guest memory, -E2BIG if they do not fit.
 */
int vh_mem_map(struct vh_vq *vq, u64 gpa, u32 len, struct iovec *iov, unsigned int used,
	       unsigned int max, bool join);

#endif /* VELLUM_VHOST_MEM_H */
