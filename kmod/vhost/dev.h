/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What network and block devices share: an owner, features, memory, queues,
 * workers, and the ioctls of <linux/vhost.h> that set them.
 *
 * Locks, outermost first: vh_dev.lock, vh_worker.lock, vh_vq.lock, vh_iotlb.lock.
 */
#ifndef VELLUM_VHOST_DEV_H
#define VELLUM_VHOST_DEV_H

#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/xarray.h>

#include "iotlb.h"
#include "log.h"
#include "worker.h"

struct cgroup_subsys_state;
struct dentry;
struct mem_cgroup;
struct vh_dev;
struct vh_mem;
struct vh_vq;

/* Every device has these, whatever its kind. */
#define VH_FEATURES	(BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) | BIT_ULL(VIRTIO_RING_F_EVENT_IDX) | \
			 BIT_ULL(VIRTIO_F_ANY_LAYOUT) | BIT_ULL(VIRTIO_F_VERSION_1) | \
			 BIT_ULL(VIRTIO_F_RING_PACKED) | BIT_ULL(VIRTIO_F_ACCESS_PLATFORM) | \
			 BIT_ULL(VHOST_F_LOG_ALL))

/* What the vhost protocol has beyond its first version. */
#define VH_BACKEND_FEATURES	BIT_ULL(VHOST_BACKEND_F_IOTLB_MSG_V2)

/**
 * struct vh_dev_ops - a kind of device
 * @name: of the kind, in messages and debugfs
 * @features: what VHOST_GET_FEATURES answers; called with vh_dev.lock held
 * @features_set: the driver's features have changed; every queue is quiet
 * @handle: does what @events of the queue ask for; called by the worker with
 *	vh_vq.lock held
 * @quiesce: waits until no request of the paused queue is in flight; called with
 *	vh_dev.lock held and without vh_vq.lock. May be NULL.
 * @stop: stops every queue, lets go of the backends and of what the driver chose; called
 *	with vh_dev.lock held
 * @ioctl: the ioctls of the kind; called with vh_dev.lock held
 */
struct vh_dev_ops {
	const char *name;
	u64 (*features)(struct vh_dev *dev);
	void (*features_set)(struct vh_dev *dev);
	void (*handle)(struct vh_vq *vq, unsigned long events);
	void (*quiesce)(struct vh_vq *vq);
	void (*stop)(struct vh_dev *dev);
	long (*ioctl)(struct vh_dev *dev, unsigned int ioctl, void __user *arg);
};

/**
 * struct vh_dev - an open device
 * @lock: held by every ioctl
 * @mm: the owner's, with a reference to its pages; NULL before VHOST_SET_OWNER
 * @cred: the owner's, by which files are read and written
 * @memcg: what the owner's memory is charged to, or NULL
 * @blkcg: what its I/O by other threads than the workers is charged to, or NULL
 * @vqs: the queues, there as long as the device
 * @workers: struct vh_worker by id
 * @features: what the driver accepted, and VHOST_F_LOG_ALL
 * @backend_features: what user space accepted of the vhost protocol
 * @mem: the memory table; each queue has the pointer, to be read under its lock
 * @log: where writes to guest memory are noted
 */
struct vh_dev {
	const struct vh_dev_ops *ops;
	struct mutex lock; /* every ioctl */
	struct mm_struct *mm;
	const struct cred *cred;
	struct mem_cgroup *memcg;
	struct cgroup_subsys_state *blkcg;
	struct vh_vq **vqs;
	unsigned int nvqs;
	struct xarray workers;
	u64 features;
	u64 backend_features;
	struct vh_mem *mem;
	struct vh_iotlb iotlb;
	struct vh_log log;
	struct dentry *debugfs;
	u32 id;
};

void vh_dev_init(struct vh_dev *dev, const struct vh_dev_ops *ops, struct vh_vq **vqs,
		 unsigned int nvqs);
void vh_dev_release(struct vh_dev *dev);

/**
 * struct vh_self - what a kernel thread is when it does not work for an owner
 */
struct vh_self {
	const struct cred *cred;
	struct mem_cgroup *memcg;
};

/* In between a kernel thread does, and takes, what it does in the owner's name. */
void vh_owner_begin(const struct vh_dev *dev, struct vh_self *self);
void vh_owner_end(const struct vh_self *self);

/* Of the file, whose private_data is the vh_dev. Asks ops->ioctl for what it does not know. */
long vh_dev_ioctl(struct file *file, unsigned int ioctl, unsigned long arg);

/*
 * No queue is processed and nothing is in flight between these two: settings that
 * requests depend on are changed in between.
 */
void vh_dev_pause(struct vh_dev *dev);
void vh_dev_resume(struct vh_dev *dev);

/* Some queue is running. */
bool vh_dev_running(struct vh_dev *dev);

#endif /* VELLUM_VHOST_DEV_H */
