// SPDX-License-Identifier: GPL-2.0-only
/* The one place where fixed-size ioctl arguments cross from and to user space. */
#include <linux/errno.h>
#include <linux/ioctl.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "core/ioctl.h"

#define SMALL_ARG	128	/* bytes that live on the stack */

static long call_copied(const struct hv_ioctl *row, void *object, void __user *u, void *buf)
{
	unsigned int size = _IOC_SIZE(row->cmd);
	long ret;

	if ((row->flags & HV_ARG_IN) && copy_from_user(buf, u, size))
		return -EFAULT;
	ret = row->fn(object, buf);
	if (ret >= 0 && (row->flags & HV_ARG_OUT) && copy_to_user(u, buf, size))
		return -EFAULT;
	return ret;
}

static long call_small(const struct hv_ioctl *row, void *object, void __user *u)
{
	u64 buf[SMALL_ARG / sizeof(u64)] = {};

	return call_copied(row, object, u, buf);
}

static long call_large(const struct hv_ioctl *row, void *object, void __user *u)
{
	void *buf = kzalloc(_IOC_SIZE(row->cmd), GFP_KERNEL_ACCOUNT);
	long ret;

	if (!buf)
		return -ENOMEM;
	ret = call_copied(row, object, u, buf);
	kfree(buf);
	return ret;
}

static long call_row(const struct hv_ioctl *row, void *object, unsigned long arg)
{
	if (row->flags & HV_ARG_NONE)
		return arg ? -EINVAL : row->fn(object, NULL);
	if (row->flags & (HV_ARG_USER | HV_ARG_VALUE))
		return row->fn(object, (void *)arg);
	if (_IOC_SIZE(row->cmd) <= SMALL_ARG)
		return call_small(row, object, (void __user *)arg);
	return call_large(row, object, (void __user *)arg);
}

long hv_ioctl_dispatch(const struct hv_ioctl *table, unsigned int count, void *object,
		       unsigned int cmd, unsigned long arg)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (table[i].cmd == cmd)
			return call_row(&table[i], object, arg);
	return -ENOTTY;
}
