// SPDX-License-Identifier: GPL-2.0-only
/* Owner, features, and the dispatch of the ioctls of <linux/vhost.h>. */
#include <linux/cgroup.h>
#include <linux/eventfd.h>
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vhost.h>

#include "compat/compat.h"
#include "dev.h"
#include "mem.h"
#include "vq.h"

/* Numbers devices in messages and in debugfs. */
static atomic_t last_id;

void vh_dev_init(struct vh_dev *dev, const struct vh_dev_ops *ops, struct vh_vq **vqs,
		 unsigned int nvqs)
{
	unsigned int i;

	dev->ops = ops;
	dev->vqs = vqs;
	dev->nvqs = nvqs;
	dev->id = atomic_inc_return(&last_id);
	mutex_init(&dev->lock);
	vh_iotlb_init(&dev->iotlb);
	xa_init_flags(&dev->workers, XA_FLAGS_ALLOC);
	for (i = 0; i < nvqs; i++)
		vh_vq_init(vqs[i], dev, i);
	vh_stats_add(dev);
}

/* Everything an owner set up, undone. */
static void disown(struct vh_dev *dev)
{
	unsigned int i;

	dev->ops->stop(dev);
	vh_workers_free_all(dev);
	for (i = 0; i < dev->nvqs; i++)
		vh_vq_reset(dev->vqs[i]);
	vh_iotlb_clear(&dev->iotlb);
	kvfree(dev->mem);
	dev->mem = NULL;
	if (dev->log.ctx)
		eventfd_ctx_put(dev->log.ctx);
	memset(&dev->log, 0, sizeof(dev->log));
	dev->features = 0;
	WRITE_ONCE(dev->backend_features, 0);
	if (!dev->mm)
		return;
	mmput(dev->mm);
	dev->mm = NULL;
	put_cred(dev->cred);
	dev->cred = NULL;
	mem_cgroup_put(dev->memcg);
	dev->memcg = NULL;
	if (dev->blkcg)
		css_put(dev->blkcg);
	dev->blkcg = NULL;
}

void vh_dev_release(struct vh_dev *dev)
{
	vh_stats_remove(dev);
	/* Its owner's memory may have been somebody else's to fill, and that one be gone. */
	vh_workers_kill(dev);
	mutex_lock(&dev->lock);
	disown(dev);
	mutex_unlock(&dev->lock);
	xa_destroy(&dev->workers);
}

void vh_dev_pause(struct vh_dev *dev)
{
	unsigned int i;

	lockdep_assert_held(&dev->lock);
	for (i = 0; i < dev->nvqs; i++) {
		vh_vq_lock(dev->vqs[i]);
		dev->vqs[i]->paused = true;
		vh_vq_unlock(dev->vqs[i]);
	}
	for (i = 0; dev->ops->quiesce && i < dev->nvqs; i++) {
		dev->ops->quiesce(dev->vqs[i]);
		/* Who brought the last request home may still be telling the driver and the log. */
		vh_vq_lock(dev->vqs[i]);
		vh_vq_unlock(dev->vqs[i]);
	}
}

void vh_dev_resume(struct vh_dev *dev)
{
	unsigned int i;

	for (i = 0; i < dev->nvqs; i++) {
		vh_vq_lock(dev->vqs[i]);
		dev->vqs[i]->paused = false;
		vh_vq_unlock(dev->vqs[i]);
		vh_vq_signal(dev->vqs[i], VH_KICK | VH_BACKEND);
	}
}

bool vh_dev_running(struct vh_dev *dev)
{
	unsigned int i;

	for (i = 0; i < dev->nvqs; i++)
		if (dev->vqs[i]->running)
			return true;
	return false;
}

/* A reference, or NULL. */
static struct cgroup_subsys_state *blkcg_of_current(void)
{
#ifdef CONFIG_BLK_CGROUP
	return task_get_css(current, io_cgrp_id);
#else
	return NULL;
#endif
}

static long set_owner(struct vh_dev *dev)
{
	if (dev->mm)
		return -EBUSY;
	dev->mm = get_task_mm(current);
	if (!dev->mm)
		return -EINVAL;
	dev->cred = get_current_cred();
	dev->memcg = get_mem_cgroup_from_mm(dev->mm);
	dev->blkcg = blkcg_of_current();
	return 0;
}

void vh_owner_begin(const struct vh_dev *dev, struct vh_self *self)
{
	self->cred = override_creds(dev->cred);
	self->memcg = set_active_memcg(dev->memcg);
}

void vh_owner_end(const struct vh_self *self)
{
	set_active_memcg(self->memcg);
	revert_creds(self->cred);
}

static long get_features(struct vh_dev *dev, void __user *arg)
{
	u64 features = dev->ops->features(dev);

	return copy_to_user(arg, &features, sizeof(features)) ? -EFAULT : 0;
}

static long set_features(struct vh_dev *dev, void __user *arg)
{
	u64 features, log = BIT_ULL(VHOST_F_LOG_ALL);
	bool running = vh_dev_running(dev);
	unsigned int i;

	if (copy_from_user(&features, arg, sizeof(features)))
		return -EFAULT;
	if (features & ~dev->ops->features(dev))
		return -EOPNOTSUPP;
	/* Only logging comes and goes while the driver runs. */
	if (((features ^ dev->features) & ~log) && running)
		return -EBUSY;
	if ((features & log) &&
	    (!dev->log.set || !vh_log_covers(dev->log.base, dev->mem ? dev->mem->end : 0)))
		return -EFAULT;
	vh_dev_pause(dev);
	dev->features = features;
	for (i = 0; i < dev->nvqs; i++) {
		vh_vq_lock(dev->vqs[i]);
		dev->vqs[i]->features = features;
		vh_vq_unlock(dev->vqs[i]);
	}
	/* A running driver's own choices stay. */
	if (!running && dev->ops->features_set)
		dev->ops->features_set(dev);
	vh_dev_resume(dev);
	return 0;
}

static long get_backend_features(void __user *arg)
{
	u64 features = VH_BACKEND_FEATURES;

	return copy_to_user(arg, &features, sizeof(features)) ? -EFAULT : 0;
}

static long set_backend_features(struct vh_dev *dev, void __user *arg)
{
	u64 features;

	if (copy_from_user(&features, arg, sizeof(features)))
		return -EFAULT;
	if (features & ~VH_BACKEND_FEATURES)
		return -EOPNOTSUPP;
	WRITE_ONCE(dev->backend_features, features);
	return 0;
}

static long new_worker(struct vh_dev *dev, void __user *arg)
{
	struct vhost_worker_state state;
	struct vh_worker *worker;
	int ret;

	ret = vh_worker_new(dev, &worker);
	if (ret)
		return ret;
	state.worker_id = worker->id;
	if (!copy_to_user(arg, &state, sizeof(state)))
		return 0;
	vh_worker_free(dev, worker->id);
	return -EFAULT;
}

static long free_worker(struct vh_dev *dev, void __user *arg)
{
	struct vhost_worker_state state;

	if (copy_from_user(&state, arg, sizeof(state)))
		return -EFAULT;
	return vh_worker_free(dev, state.worker_id);
}

/* What only the owner may do: user addresses mean something in its memory alone. */
static long owner_ioctl(struct vh_dev *dev, unsigned int ioctl, void __user *arg)
{
	long ret;

	if (!dev->mm || dev->mm != current->mm)
		return -EPERM;
	switch (ioctl) {
	case VHOST_RESET_OWNER:
		disown(dev);
		return 0;
	case VHOST_SET_MEM_TABLE:
		return vh_mem_set(dev, arg);
	case VHOST_SET_LOG_BASE:
	case VHOST_SET_LOG_FD:
		return vh_log_ioctl(dev, ioctl, arg);
	case VHOST_NEW_WORKER:
		return new_worker(dev, arg);
	case VHOST_FREE_WORKER:
		return free_worker(dev, arg);
	default:
		ret = vh_vq_ioctl(dev, ioctl, arg);
		return ret == -ENOIOCTLCMD ? dev->ops->ioctl(dev, ioctl, arg) : ret;
	}
}

long vh_dev_ioctl(struct file *file, unsigned int ioctl, unsigned long arg)
{
	struct vh_dev *dev = file->private_data;
	void __user *u = (void __user *)arg;
	long ret;

	mutex_lock(&dev->lock);
	switch (ioctl) {
	case VHOST_SET_OWNER:
		ret = set_owner(dev);
		break;
	case VHOST_GET_FEATURES:
		ret = get_features(dev, u);
		break;
	case VHOST_SET_FEATURES:
		ret = set_features(dev, u);
		break;
	case VHOST_GET_BACKEND_FEATURES:
		ret = get_backend_features(u);
		break;
	case VHOST_SET_BACKEND_FEATURES:
		ret = set_backend_features(dev, u);
		break;
	default:
		ret = owner_ioctl(dev, ioctl, u);
	}
	mutex_unlock(&dev->lock);
	return ret == -ENOIOCTLCMD ? -ENOTTY : ret;
}
