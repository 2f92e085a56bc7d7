// SPDX-License-Identifier: GPL-2.0-only
/* /dev/vellum-vhost-blk: opening, the ioctls beyond <linux/vhost.h>, starting and stopping. */
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "blk.h"
#include "threads.h"
#include "trace.h"

/* Flushes and cleared ranges of one device that are under way at a time. */
#define SLOW_MAX	8

/* After so many batches an ioctl that waits for the queue has its turn. */
#define ROUNDS_MAX	16

static u64 features(struct vh_dev *dev)
{
	return VH_FEATURES | blk_disk_features(&to_blk(dev)->disk);
}

/* Without a cache that it knows of, a driver does not flush: then every write is stable. */
static void features_set(struct vh_dev *dev)
{
	u64 knows = BIT_ULL(VIRTIO_BLK_F_FLUSH) | BIT_ULL(VIRTIO_BLK_F_CONFIG_WCE);

	to_blk(dev)->disk.writeback = dev->features & knows;
}

/* Whether there is more to take. If not, the driver kicks, or a completion brings us back. */
static bool more(struct blk_vq *bq)
{
	struct vh_vq *vq = &bq->vq;
	int ret;

	if (!vh_vq_active(vq) || bq->inflight >= vq->num)
		return false;
	ret = vh_ring_spin(vq);
	if (!ret)
		ret = vh_ring_kick_on(vq);
	return ret > 0;
}

static void handle(struct vh_vq *vq, unsigned long events)
{
	struct blk_vq *bq = to_blk_vq(vq);
	unsigned int round;
	int full;

	trace_vellum_vhost_handle(vq->dev->id, vq->index, events);
	if (events & VH_KICK)
		vq->stats.kicks++;
	for (round = 0; round < ROUNDS_MAX; round++) {
		full = blk_take(bq);
		blk_finish(bq);
		if (!full && !more(bq))
			return;
	}
	vh_vq_signal(vq, VH_AGAIN);
}

/* Who is killed meanwhile takes its guest along. */
static void quiesce(struct vh_vq *vq)
{
	struct blk_vq *bq = to_blk_vq(vq);

	if (wait_event_killable(bq->idle, !READ_ONCE(bq->inflight))) {
		WRITE_ONCE(bq->hurry, true);
		vh_workers_kill(vq->dev);
		wait_event(bq->idle, !READ_ONCE(bq->inflight));
	}
	WRITE_ONCE(bq->hurry, false);
}

/* @hurry: for good, and not to go on later. */
static void stop_queues(struct vh_dev *dev, bool hurry)
{
	unsigned int i;

	if (!vh_dev_running(dev))
		return;
	for (i = 0; i < dev->nvqs; i++)
		WRITE_ONCE(to_blk_vq(dev->vqs[i])->hurry, hurry);
	vh_dev_pause(dev);
	for (i = 0; i < dev->nvqs; i++) {
		vh_vq_lock(dev->vqs[i]);
		vh_vq_stop(dev->vqs[i]);
		blk_free_requests(to_blk_vq(dev->vqs[i]));
		vh_vq_unlock(dev->vqs[i]);
	}
	vh_dev_resume(dev);
}

static int start_queue(struct vh_vq *vq)
{
	int ret = vh_worker_of(vq);

	if (ret < 0)
		return ret;
	vh_vq_lock(vq);
	ret = vh_vq_start(vq);
	vh_vq_unlock(vq);
	return ret;
}

static long start_queues(struct vh_dev *dev)
{
	unsigned int i, ready = 0;
	int ret;

	if (!to_blk(dev)->disk.file)
		return -ENOTCONN;
	if (vh_dev_running(dev))
		return 0;
	/* The disk may be another than the one that the driver was told of. */
	if (dev->features & ~features(dev))
		return -EOPNOTSUPP;
	for (i = 0; i < dev->nvqs; i++) {
		if (!vh_vq_ready(dev->vqs[i]))
			continue;
		ret = start_queue(dev->vqs[i]);
		if (ret) {
			stop_queues(dev, false);
			return ret;
		}
		ready++;
	}
	return ready ? 0 : -EINVAL;
}

static long set_running(struct vh_dev *dev, void __user *arg)
{
	int on;

	if (copy_from_user(&on, arg, sizeof(on)))
		return -EFAULT;
	if (on != 0 && on != 1)
		return -EINVAL;
	if (on)
		return start_queues(dev);
	stop_queues(dev, false);
	return 0;
}

static void stop(struct vh_dev *dev)
{
	struct blk_disk *disk = &to_blk(dev)->disk;

	stop_queues(dev, true);
	blk_disk_put(disk);
	/* Until the next driver has a say. */
	disk->writeback = true;
	if (disk->call)
		eventfd_ctx_put(disk->call);
	disk->call = NULL;
}

static long blk_ioctl(struct vh_dev *dev, unsigned int ioctl, void __user *arg)
{
	struct vh_blk *blk = to_blk(dev);

	switch (ioctl) {
	case VHOST_BLK_SET_BACKEND:
		return vh_dev_running(dev) ? -EBUSY : blk_disk_set(&blk->disk, arg);
	case VHOST_BLK_SET_RUNNING:
		return set_running(dev, arg);
	case VHOST_BLK_GET_CONFIG:
	case VHOST_BLK_SET_CONFIG:
		return blk_disk_config(blk, ioctl, arg);
	case VHOST_BLK_SET_CONFIG_CALL:
		return blk_disk_set_call(&blk->disk, arg);
	default:
		return -ENOIOCTLCMD;
	}
}

static const struct vh_dev_ops blk_ops = {
	.name = "blk",
	.features = features,
	.features_set = features_set,
	.handle = handle,
	.quiesce = quiesce,
	.stop = stop,
	.ioctl = blk_ioctl,
};

static int blk_open(struct inode *inode, struct file *file)
{
	struct vh_blk *blk = kvzalloc(sizeof(*blk), GFP_KERNEL_ACCOUNT);
	unsigned int i;
	int ret;

	if (!blk)
		return -ENOMEM;
	ret = vh_threads_charge(&blk->uid);
	if (ret)
		goto free;
	blk->slow = alloc_workqueue(VHOST_BLK_DEVICE_NAME, WQ_UNBOUND, SLOW_MAX);
	if (!blk->slow) {
		ret = -ENOMEM;
		goto uncharge;
	}
	for (i = 0; i < VHOST_BLK_QUEUES_MAX; i++) {
		blk->vqs[i] = &blk->queues[i].vq;
		init_llist_head(&blk->queues[i].done);
		init_waitqueue_head(&blk->queues[i].idle);
	}
	blk_disk_init(&blk->disk);
	vh_dev_init(&blk->dev, &blk_ops, blk->vqs, VHOST_BLK_QUEUES_MAX);
	file->private_data = &blk->dev;
	return 0;
uncharge:
	vh_threads_uncharge(blk->uid);
free:
	kvfree(blk);
	return ret;
}

static int blk_release(struct inode *inode, struct file *file)
{
	struct vh_blk *blk = to_blk(file->private_data);

	vh_dev_release(&blk->dev);
	destroy_workqueue(blk->slow);
	vh_threads_uncharge(blk->uid);
	kvfree(blk);
	return 0;
}

static const struct file_operations blk_fops = {
	.owner = THIS_MODULE,
	.open = blk_open,
	.release = blk_release,
	.unlocked_ioctl = vh_dev_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.read_iter = vh_iotlb_read_iter,
	.write_iter = vh_iotlb_write_iter,
	.poll = vh_iotlb_poll,
	.llseek = noop_llseek,
};

static struct miscdevice vh_blk_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = VHOST_BLK_DEVICE_NAME,
	.fops = &blk_fops,
	.mode = 0660,
};

int vh_blk_init(void)
{
	int ret = blk_req_init();

	if (ret)
		return ret;
	ret = misc_register(&vh_blk_device);
	if (ret)
		blk_req_exit();
	return ret;
}

void vh_blk_exit(void)
{
	misc_deregister(&vh_blk_device);
	blk_req_exit();
}
