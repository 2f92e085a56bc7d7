/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ioctls as data: a table row says what is copied and who acts, one dispatcher
 * does the copying, so no handler meets a user pointer it did not ask for.
 */
#ifndef VELLUM_CORE_IOCTL_H
#define VELLUM_CORE_IOCTL_H

#include <linux/bits.h>
#include <linux/types.h>

enum hv_ioctl_flags {
	HV_ARG_IN	= BIT(0),	/* copy the argument in before @fn */
	HV_ARG_OUT	= BIT(1),	/* copy it out after @fn succeeded */
	HV_ARG_USER	= BIT(2),	/* variable size: @fn gets the user pointer */
	HV_ARG_VALUE	= BIT(3),	/* @fn gets the argument itself, as a pointer */
	HV_ARG_NONE	= BIT(4),	/* the argument must be 0: -EINVAL */
};

/**
 * struct hv_ioctl - one ioctl
 * @cmd: number, <linux/kvm.h>
 * @flags: enum hv_ioctl_flags
 * @fn: acts on the object (a VM or vCPU) and the argument; a result >= 0 or -errno
 */
struct hv_ioctl {
	unsigned int cmd;
	unsigned int flags;
	long (*fn)(void *object, void *arg);
};

/* -ENOTTY: no row for @cmd; -EFAULT: a bad user pointer; else what the row's fn returns */
long hv_ioctl_dispatch(const struct hv_ioctl *table, unsigned int count, void *object,
		       unsigned int cmd, unsigned long arg);

#endif /* VELLUM_CORE_IOCTL_H */
