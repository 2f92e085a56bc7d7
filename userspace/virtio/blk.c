// SPDX-License-Identifier: GPL-2.0-only
/* virtio 1.2, "Block Device": one request queue, served in order by the device's thread. */
#include "virtio/blk.h"

#include <linux/virtio_ids.h>
#include <string.h>

#include "virtio/blk_request.h"

enum { QUEUE_REQUEST, QUEUES };

/* The header and the status byte take a descriptor each. */
#define SEGMENTS_MAX		(QUEUE_SIZE_MAX - 2)

static int handle_request(struct virtio_device *dev, struct chain *chain, u32 *written)
{
	struct virtio_blk *blk = container_of(dev, struct virtio_blk, dev);
	struct iov_cursor out = { chain->out, chain->outs };
	struct iov_cursor in = { chain->in, chain->ins };
	u8 *status = iov_cut_last_byte(&in);
	struct virtio_blk_outhdr hdr;
	u64 room = iov_size(&in);

	if (!status || !iov_take(&out, &hdr, sizeof(hdr)))
		return -1;
	*status = blk_execute(blk, &hdr, &out, &in);
	*written = (u32)(room - iov_size(&in)) + 1;
	return 0;
}

static int serve(struct virtio_device *dev)
{
	return virtio_drain(dev, &dev->queues[QUEUE_REQUEST], handle_request);
}

static const struct virtio_ops blk_ops = {
	.name = "virtio-blk",
	.type = VIRTIO_ID_BLOCK,
	.class_code = BLK_CLASS_SCSI,
	.queues = QUEUES,
	.features = FEATURE(VIRTIO_BLK_F_SEG_MAX) | FEATURE(VIRTIO_BLK_F_BLK_SIZE) |
		    FEATURE(VIRTIO_BLK_F_FLUSH),
	.config_size = offsetof(struct virtio_blk_config, num_queues),
	.serve = serve,
};

/**
 * blk_init() - make an open disk a device
 * @blk: opened by blk_open()
 * @kvm: the VM
 * @ram: its RAM
 * @cpus: vCPUs; a disk the kernel serves has a queue for each
 * @err: filled in on failure
 *
 * Return: 0 or -1.
 */
int blk_init(struct virtio_blk *blk, const struct kvm *kvm, const struct guest_ram *ram, u32 cpus,
	     struct error *err)
{
	if (vhost_is_open(&blk->vhost))
		return blk_init_vhost(blk, kvm, ram, cpus, err);
	blk->config.capacity = blk->size / BLK_SECTOR;
	blk->config.seg_max = SEGMENTS_MAX;
	blk->config.blk_size = BLK_SECTOR;
	blk->dev.config = &blk->config;
	if (blk->readonly)
		blk->dev.extra_features = FEATURE(VIRTIO_BLK_F_RO);
	return virtio_init(&blk->dev, &blk_ops, kvm, ram, err);
}
