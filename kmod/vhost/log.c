// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty log. Bits are set in the owner's memory by atomic operations, because
 * user space takes and clears them meanwhile and several workers set them.
 */
#include <linux/eventfd.h>
#include <linux/mutex.h>
#include <linux/uaccess.h>
#include <linux/vhost.h>
#include <uapi/linux/futex.h>
#include <asm/futex.h>

#include "compat/compat.h"
#include "dev.h"
#include "log.h"
#include "mem.h"
#include "vq.h"

/* The ABI's unit: "an atomic 32 bit operation". */
#define WORD_BITS	32
#define WORD_BYTES	sizeof(u32)

bool vh_log_covers(unsigned long base, u64 gpa_end)
{
	u64 words = DIV_ROUND_UP_ULL(gpa_end, (u64)VHOST_PAGE_SIZE * WORD_BITS);

	return vh_user_range(base, words * WORD_BYTES);
}

static long set_base(struct vh_dev *dev, void __user *arg)
{
	u64 base;

	if (copy_from_user(&base, arg, sizeof(base)))
		return -EFAULT;
	if (base != (unsigned long)base || !IS_ALIGNED(base, WORD_BYTES))
		return -EFAULT;
	if (!vh_log_covers(base, dev->mem ? dev->mem->end : 0))
		return -EFAULT;
	vh_dev_pause(dev);
	dev->log.base = base;
	dev->log.set = true;
	vh_dev_resume(dev);
	return 0;
}

static long set_fd(struct vh_dev *dev, void __user *arg)
{
	struct eventfd_ctx *ctx = NULL;
	int fd;

	if (copy_from_user(&fd, arg, sizeof(fd)))
		return -EFAULT;
	if (fd != VHOST_FILE_UNBIND) {
		ctx = eventfd_ctx_fdget(fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
	}
	vh_dev_pause(dev);
	swap(ctx, dev->log.ctx);
	vh_dev_resume(dev);
	if (ctx)
		eventfd_ctx_put(ctx);
	return 0;
}

long vh_log_ioctl(struct vh_dev *dev, unsigned int ioctl, void __user *arg)
{
	return ioctl == VHOST_SET_LOG_BASE ? set_base(dev, arg) : set_fd(dev, arg);
}

static int set_bits(struct vh_log *log, u64 page, u64 last)
{
	u32 __user *word;
	u32 mask = 0;
	int old;

	for (;; page++) {
		mask |= BIT(page % WORD_BITS);
		if (page != last && page % WORD_BITS != WORD_BITS - 1)
			continue;
		word = (u32 __user *)log->base + page / WORD_BITS;
		if (arch_futex_atomic_op_inuser(FUTEX_OP_OR, mask, &old, word))
			return -EFAULT;
		if (page == last)
			return 0;
		mask = 0;
	}
}

int vh_log_gpa(struct vh_vq *vq, u64 gpa, u64 len)
{
	struct vh_log *log = &vq->dev->log;

	if (!len || !log->set)
		return 0;
	/* The used ring's place in the log is what user space says, and nothing checked it. */
	if (gpa + len < gpa || !vh_log_covers(log->base, gpa + len))
		return -EFAULT;
	return set_bits(log, gpa / VHOST_PAGE_SIZE, (gpa + len - 1) / VHOST_PAGE_SIZE);
}

int vh_log_hva(struct vh_vq *vq, unsigned long hva, u64 len)
{
	const struct vh_mem *mem = vq->mem;
	const struct vh_region *r;
	u64 from, to;
	int ret;

	/* Rings are written before there is a table: of no guest's memory yet. */
	if (unlikely(!mem))
		return 0;
	for (r = mem->r; r < mem->r + mem->n; r++) {
		from = max_t(u64, hva, r->hva);
		to = min_t(u64, hva + len, r->hva + r->size);
		if (from >= to)
			continue;
		ret = vh_log_gpa(vq, r->gpa + (from - r->hva), to - from);
		if (ret)
			return ret;
	}
	return 0;
}

int vh_log_iov(struct vh_vq *vq, const struct iovec *iov, unsigned int n, u64 len)
{
	unsigned int i;
	u64 piece;
	int ret;

	for (i = 0; i < n && len; i++) {
		piece = min_t(u64, len, iov[i].iov_len);
		ret = vh_log_hva(vq, (unsigned long)iov[i].iov_base, piece);
		if (ret)
			return ret;
		len -= piece;
		/* The guest chooses how many there are, its owner how many regions show each. */
		cond_resched();
	}
	return 0;
}

void vh_log_signal(struct vh_vq *vq)
{
	if (vq->dev->log.ctx)
		hv_eventfd_signal(vq->dev->log.ctx);
}
