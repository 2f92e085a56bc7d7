/* SPDX-License-Identifier: GPL-2.0-only */
/* The log of guest pages that were written, for migration. */
#ifndef VELLUM_VHOST_LOG_H
#define VELLUM_VHOST_LOG_H

#include <linux/types.h>
#include <linux/uio.h>

struct eventfd_ctx;
struct vh_dev;
struct vh_vq;

/**
 * struct vh_log - where writes are noted
 * @base: a bitmap in the owner's memory, one bit for VHOST_PAGE_SIZE bytes of
 *	guest memory
 * @set: there is a bitmap
 * @ctx: signalled after bits were set, or NULL
 *
 * Changed while every queue is paused.
 */
struct vh_log {
	unsigned long base;
	bool set;
	struct eventfd_ctx *ctx;
};

long vh_log_ioctl(struct vh_dev *dev, unsigned int ioctl, void __user *arg);

/* The bitmap covers guest memory up to this address and is the caller's memory. */
bool vh_log_covers(unsigned long base, u64 gpa_end);

/* Notes a write to guest memory. Worker only. */
int vh_log_gpa(struct vh_vq *vq, u64 gpa, u64 len);
/* The same, of what the owner sees at this address: in every region that shows it. */
int vh_log_hva(struct vh_vq *vq, unsigned long hva, u64 len);
/* The first @len bytes of these buffers were written. */
int vh_log_iov(struct vh_vq *vq, const struct iovec *iov, unsigned int n, u64 len);

void vh_log_signal(struct vh_vq *vq);

#endif /* VELLUM_VHOST_LOG_H */
