// SPDX-License-Identifier: GPL-2.0-only
/* The block device when a vhost-blk device of the kernel serves its queues. */
#include "virtio/blk.h"

#include <errno.h>
#include <linux/vhost_blk.h>
#include <linux/virtio_ids.h>
#include <string.h>
#include <sys/ioctl.h>

/* Feature bits below this one belong to the device type (virtio 1.2, "Feature Bits"). */
#define TYPE_FEATURES	(FEATURE(24) - 1)
/* A driver's writes to the configuration space are not passed on, so there is nothing to choose. */
#define NOT_OFFERED	FEATURE(VIRTIO_BLK_F_CONFIG_WCE)
#define OWNED		(FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | FEATURE(VIRTIO_RING_F_EVENT_IDX))

static struct virtio_blk *blk_of(struct virtio_device *dev)
{
	return container_of(dev, struct virtio_blk, dev);
}

static int read_config(const struct virtio_blk *blk, struct virtio_blk_config *config)
{
	struct vhost_blk_config part = { .size = sizeof(*config) };

	if (ioctl(blk->vhost.fd, VHOST_BLK_GET_CONFIG, &part))
		return -1;
	memcpy(config, part.data, sizeof(*config));
	return 0;
}

/* Tell the driver if the disk is not what it was. */
static void look_again(struct virtio_blk *blk)
{
	struct virtio_blk_config now;

	if (!read_config(blk, &now) && memcmp(&now, &blk->config, sizeof(now)))
		virtio_config_set(&blk->dev, &blk->config, &now, sizeof(now));
}

static int set_running(const struct virtio_blk *blk, int running)
{
	return ioctl(blk->vhost.fd, VHOST_BLK_SET_RUNNING, &running);
}

/* The serial number is the file's name, as with the launcher's own device. */
static int set_backend(const struct virtio_blk *blk, u32 queues)
{
	struct vhost_blk_backend backend = {
		.fd = blk->fd,
		.flags = blk->readonly ? VHOST_BLK_F_READ_ONLY : 0,
		.num_queues = (u16)queues,
		.queue_size = QUEUE_SIZE_MAX,
	};

	blk_serial(blk, backend.serial);
	return ioctl(blk->vhost.fd, VHOST_BLK_SET_BACKEND, &backend);
}

/* Every ring the kernel knows would run: those of an earlier driver with more queues must go. */
static int forget_others(struct virtio_blk *blk)
{
	struct vhost *v = &blk->vhost;

	if (!vhost_knows_others(v))
		return 0;
	return vhost_renew(v) || set_backend(blk, v->dev->queue_count) ||
	       ioctl(v->fd, VHOST_BLK_SET_CONFIG_CALL, &v->config_fd);
}

static int start(struct virtio_device *dev)
{
	struct virtio_blk *blk = blk_of(dev);

	if (forget_others(blk))
		return vhost_complain(&blk->vhost, strerror(errno));
	/* The kernel has nobody to tell of a change while it forgets. */
	look_again(blk);
	if (vhost_start(&blk->vhost))
		return -1;
	return set_running(blk, 1) ? vhost_complain(&blk->vhost, strerror(errno)) : 0;
}

static void stop(struct virtio_device *dev)
{
	struct virtio_blk *blk = blk_of(dev);

	/*
	 * A driver's reset waits for all that the disk has taken, terabytes of zeroes maybe. At the
	 * machine's end nobody hears of it any more: let it stop in the middle.
	 */
	if (virtio_is_ending(dev))
		(void)ioctl(blk->vhost.fd, VHOST_RESET_OWNER);
	else
		(void)set_running(blk, 0);
	vhost_stop(&blk->vhost);
}

static int serve(struct virtio_device *dev)
{
	struct virtio_blk *blk = blk_of(dev);
	u32 news = vhost_serve(&blk->vhost);

	if (news & VHOST_CONFIG_CHANGED)
		look_again(blk);
	return news & VHOST_BROKEN ? -1 : 0;
}

static void vectors_changed(struct virtio_device *dev)
{
	vhost_wire(&blk_of(dev)->vhost);
}

static const struct virtio_ops vhost_blk_ops = {
	.name = "vhost-blk",
	.type = VIRTIO_ID_BLOCK,
	.class_code = BLK_CLASS_SCSI,
	.queues = 1,
	.config_size = sizeof(struct virtio_blk_config),
	.serve = serve,
	.start = start,
	.stop = stop,
	.vectors_changed = vectors_changed,
};

static int set_up(struct virtio_blk *blk, u32 queues, struct error *err)
{
	struct vhost *v = &blk->vhost;

	if (set_backend(blk, queues))
		return error_set(err, STATUS_UNAVAILABLE,
				 "%s: %s: VHOST_BLK_SET_BACKEND: %s (try vhost=off)", v->option,
				 v->path, strerror(errno));
	if (vhost_read_features(v, err))
		return -1;
	if (read_config(blk, &blk->config))
		return error_set(err, STATUS_UNAVAILABLE,
				 "%s: %s: VHOST_BLK_GET_CONFIG: %s (try vhost=off)", v->option,
				 v->path, strerror(errno));
	return 0;
}

int blk_init_vhost(struct virtio_blk *blk, const struct kvm *kvm, const struct guest_ram *ram,
		   u32 cpus, struct error *err)
{
	u32 queues = (u32)min_u64(cpus, min_u64(VIRTIO_QUEUES_MAX, VHOST_BLK_QUEUES_MAX));

	if (set_up(blk, queues, err) || virtio_init(&blk->dev, &vhost_blk_ops, kvm, ram, err))
		return -1;
	blk->dev.queue_count = queues;
	blk->dev.config = &blk->config;
	blk->dev.extra_features = blk->vhost.features & TYPE_FEATURES & ~NOT_OFFERED;
	if (vhost_attach(&blk->vhost, &blk->dev, OWNED, err))
		return -1;
	if (ioctl(blk->vhost.fd, VHOST_BLK_SET_CONFIG_CALL, &blk->vhost.config_fd))
		return error_set(err, STATUS_UNAVAILABLE, "%s: VHOST_BLK_SET_CONFIG_CALL: %s",
				 blk->vhost.option, strerror(errno));
	return 0;
}
