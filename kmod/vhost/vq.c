// SPDX-License-Identifier: GPL-2.0-only
/* The settings of a queue: the ioctls whose argument begins with its index. */
#include <linux/file.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vhost.h>

#include "compat/compat.h"
#include "dev.h"
#include "mem.h"
#include "ring.h"
#include "trace.h"
#include "vq.h"

/* Where a driver begins that has just reset its device. */
static void begin(struct vh_vq *vq)
{
	vq->last_avail = 0;
	vq->last_used = 0;
	vq->avail_wrap = true;
	vq->used_wrap = true;
}

void vh_vq_init(struct vh_vq *vq, struct vh_dev *dev, unsigned int index)
{
	vq->dev = dev;
	vq->index = index;
	mutex_init(&vq->lock);
	INIT_LIST_HEAD(&vq->worker_node);
	vh_poll_init(&vq->kick, vq, VH_KICK, EPOLLIN);
	begin(vq);
}

void vh_vq_lock(struct vh_vq *vq)
{
	WRITE_ONCE(vq->wanted, true);
	if (mutex_lock_killable(&vq->lock)) {
		vh_workers_kill(vq->dev);
		mutex_lock(&vq->lock);
	}
	WRITE_ONCE(vq->wanted, false);
}

void vh_vq_unlock(struct vh_vq *vq)
{
	mutex_unlock(&vq->lock);
}

static void put_files(struct vh_vq *vq)
{
	if (vq->kick_file)
		fput(vq->kick_file);
	if (vq->call)
		eventfd_ctx_put(vq->call);
	if (vq->err)
		eventfd_ctx_put(vq->err);
	vq->kick_file = NULL;
	vq->call = NULL;
	vq->err = NULL;
}

/* Back to what it was when the device was opened. The queue is stopped and has no worker. */
void vh_vq_reset(struct vh_vq *vq)
{
	put_files(vq);
	kvfree(vq->iov);
	vq->iov = NULL;
	vq->iov_max = 0;
	vq->mem = NULL;
	vq->num = 0;
	vq->has_addr = false;
	vq->log_used = false;
	vq->broken = false;
	begin(vq);
	vq->features = 0;
	vq->busy_us = 0;
	vq->pending = 0;
}

int vh_vq_start(struct vh_vq *vq)
{
	int ret;

	lockdep_assert_held(&vq->lock);
	ret = vh_ring_start(vq);
	if (ret)
		return ret;
	if (vq->kick_file) {
		ret = vh_poll_start(&vq->kick, vq->kick_file);
		if (ret)
			return ret;
	}
	vq->broken = false;
	vq->running = true;
	/* The driver may have kicked before anybody listened. */
	vh_vq_signal(vq, VH_KICK);
	return 0;
}

void vh_vq_stop(struct vh_vq *vq)
{
	lockdep_assert_held(&vq->lock);
	vq->running = false;
	vq->mapped = false;
	vh_iotlb_forget_miss(vq);
	vh_poll_stop(&vq->kick);
}

void vh_vq_break(struct vh_vq *vq, const char *why)
{
	lockdep_assert_held(&vq->lock);
	vq->broken = true;
	vq->stats.breaks++;
	trace_vellum_vhost_break(vq->dev->id, vq->index, why);
	pr_info_ratelimited("vellum-vhost: %s%u: queue %u stopped: %s\n", vq->dev->ops->name,
			    vq->dev->id, vq->index, why);
	if (vq->err)
		hv_eventfd_signal(vq->err);
}

/* All but VHOST_SET_VRING_ADDR take a pair of an index and a number. */
union vq_arg {
	struct vhost_vring_state state;
	struct vhost_vring_file file;
	struct vhost_vring_worker worker;
};

static long set_num(struct vh_vq *vq, const struct vhost_vring_state *s)
{
	if (vq->running)
		return -EBUSY;
	if (!s->num || s->num > VH_NUM_MAX)
		return -EINVAL;
	if (!vh_vq_has(vq, VIRTIO_F_RING_PACKED) && !is_power_of_2(s->num))
		return -EINVAL;
	vq->num = s->num;
	return 0;
}

static long set_base(struct vh_vq *vq, const struct vhost_vring_state *s)
{
	if (vq->running)
		return -EBUSY;
	return vh_ring_set_base(vq, s->num);
}

/* How long the worker may hold a CPU that others could use. */
static long set_busy(struct vh_vq *vq, const struct vhost_vring_state *s)
{
	if (s->num > INT_MAX)
		return -EINVAL;
	vq->busy_us = s->num;
	return 0;
}

static long set_state(struct vh_vq *vq, unsigned int ioctl, union vq_arg *a, void __user *arg)
{
	long ret;

	vh_vq_lock(vq);
	if (ioctl == VHOST_SET_VRING_NUM)
		ret = set_num(vq, &a->state);
	else if (ioctl == VHOST_SET_VRING_BASE)
		ret = set_base(vq, &a->state);
	else
		ret = set_busy(vq, &a->state);
	vh_vq_unlock(vq);
	return ret;
}

static long get_state(struct vh_vq *vq, unsigned int ioctl, union vq_arg *a, void __user *arg)
{
	struct vhost_vring_state *s = &a->state;

	vh_vq_lock(vq);
	s->num = ioctl == VHOST_GET_VRING_BASE ? vh_ring_base(vq) : vq->busy_us;
	vh_vq_unlock(vq);
	return copy_to_user(arg, s, sizeof(*s)) ? -EFAULT : 0;
}

static long check_addr(const struct vhost_vring_addr *a)
{
	if (a->flags & ~BIT(VHOST_VRING_F_LOG))
		return -EOPNOTSUPP;
	if (a->desc_user_addr != (unsigned long)a->desc_user_addr ||
	    a->used_user_addr != (unsigned long)a->used_user_addr ||
	    a->avail_user_addr != (unsigned long)a->avail_user_addr)
		return -EFAULT;
	if (!IS_ALIGNED(a->avail_user_addr, VRING_AVAIL_ALIGN_SIZE) ||
	    !IS_ALIGNED(a->used_user_addr, VRING_USED_ALIGN_SIZE) ||
	    !IS_ALIGNED(a->log_guest_addr, VRING_USED_ALIGN_SIZE))
		return -EINVAL;
	return 0;
}

static void apply_addr(struct vh_vq *vq, const struct vhost_vring_addr *a)
{
	vq->desc_addr = a->desc_user_addr;
	vq->avail_addr = a->avail_user_addr;
	vq->used_addr = a->used_user_addr;
	vq->log_used = a->flags & BIT(VHOST_VRING_F_LOG);
	vq->log_addr = a->log_guest_addr;
	vq->has_addr = true;
}

static bool same_addr(const struct vh_vq *vq, const struct vhost_vring_addr *a)
{
	return vq->has_addr && vq->desc_addr == a->desc_user_addr &&
	       vq->avail_addr == a->avail_user_addr && vq->used_addr == a->used_user_addr;
}

/* A running ring stays where it is; only the logging of its used ring may change. */
static long set_addr(struct vh_vq *vq, unsigned int ioctl, union vq_arg *a, void __user *arg)
{
	struct vhost_vring_addr addr;
	long ret;

	if (copy_from_user(&addr, arg, sizeof(addr)))
		return -EFAULT;
	ret = check_addr(&addr);
	if (ret)
		return ret;
	vh_vq_lock(vq);
	if (vq->running && !same_addr(vq, &addr))
		ret = -EBUSY;
	else
		apply_addr(vq, &addr);
	vh_vq_unlock(vq);
	return ret;
}

static long set_kick(struct vh_vq *vq, int fd)
{
	struct file *file = NULL;
	int ret;

	if (fd != VHOST_FILE_UNBIND) {
		file = eventfd_fget(fd);
		if (IS_ERR(file))
			return PTR_ERR(file);
	}
	ret = vh_worker_of(vq);
	if (ret < 0)
		goto out;
	ret = 0;
	vh_vq_lock(vq);
	vh_poll_stop(&vq->kick);
	swap(file, vq->kick_file);
	if (vq->running) {
		if (vq->kick_file)
			ret = vh_poll_start(&vq->kick, vq->kick_file);
		vh_vq_signal(vq, VH_KICK);
	}
	vh_vq_unlock(vq);
out:
	if (file)
		fput(file);
	return ret;
}

static long set_eventfd(struct vh_vq *vq, struct eventfd_ctx **where, int fd)
{
	struct eventfd_ctx *ctx = NULL;

	if (fd != VHOST_FILE_UNBIND) {
		ctx = eventfd_ctx_fdget(fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
	}
	vh_vq_lock(vq);
	swap(ctx, *where);
	vh_vq_unlock(vq);
	if (ctx)
		eventfd_ctx_put(ctx);
	return 0;
}

static long set_file(struct vh_vq *vq, unsigned int ioctl, union vq_arg *a, void __user *arg)
{
	if (ioctl == VHOST_SET_VRING_KICK)
		return set_kick(vq, a->file.fd);
	return set_eventfd(vq, ioctl == VHOST_SET_VRING_CALL ? &vq->call : &vq->err, a->file.fd);
}

static long attach_worker(struct vh_vq *vq, unsigned int ioctl, union vq_arg *a, void __user *arg)
{
	return vh_worker_attach(vq, a->worker.worker_id);
}

static long get_worker(struct vh_vq *vq, unsigned int ioctl, union vq_arg *a, void __user *arg)
{
	int id = vh_worker_of(vq);

	if (id < 0)
		return id;
	a->worker.worker_id = id;
	return copy_to_user(arg, &a->worker, sizeof(a->worker)) ? -EFAULT : 0;
}

static const struct {
	unsigned int ioctl;
	long (*fn)(struct vh_vq *vq, unsigned int ioctl, union vq_arg *a, void __user *arg);
} vq_ioctls[] = {
	{ VHOST_SET_VRING_NUM, set_state },
	{ VHOST_SET_VRING_BASE, set_state },
	{ VHOST_GET_VRING_BASE, get_state },
	{ VHOST_SET_VRING_BUSYLOOP_TIMEOUT, set_state },
	{ VHOST_GET_VRING_BUSYLOOP_TIMEOUT, get_state },
	{ VHOST_SET_VRING_ADDR, set_addr },
	{ VHOST_SET_VRING_KICK, set_file },
	{ VHOST_SET_VRING_CALL, set_file },
	{ VHOST_SET_VRING_ERR, set_file },
	{ VHOST_ATTACH_VRING_WORKER, attach_worker },
	{ VHOST_GET_VRING_WORKER, get_worker },
};

long vh_vq_ioctl(struct vh_dev *dev, unsigned int ioctl, void __user *arg)
{
	unsigned int i = 0;
	union vq_arg a;
	u32 index;

	BUILD_BUG_ON(sizeof(a.state) != sizeof(a.file) || sizeof(a.state) != sizeof(a.worker));
	while (vq_ioctls[i].ioctl != ioctl)
		if (++i == ARRAY_SIZE(vq_ioctls))
			return -ENOIOCTLCMD;
	if (copy_from_user(&a, arg, sizeof(a)))
		return -EFAULT;
	if (a.state.index >= dev->nvqs)
		return -ENOBUFS;
	index = array_index_nospec(a.state.index, dev->nvqs);
	return vq_ioctls[i].fn(dev->vqs[index], ioctl, &a, arg);
}
