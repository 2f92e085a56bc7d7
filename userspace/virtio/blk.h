/* SPDX-License-Identifier: GPL-2.0-only */
/* Block device backed by a raw file or a host block device. */
#ifndef VELLUM_VIRTIO_BLK_H
#define VELLUM_VIRTIO_BLK_H

#include "virtio/device.h"

#include <linux/virtio_blk.h>

/**
 * struct virtio_blk - a disk
 * @dev: virtio part
 * @fd: the file, locked against other launchers
 * @path: its name, for messages
 * @size: its size in bytes, a multiple of the sector size
 * @readonly: writes are refused
 * @config: device configuration
 */
struct virtio_blk {
	struct virtio_device dev;
	int fd;
	const char *path;
	u64 size;
	bool readonly;
	struct virtio_blk_config config;
};

int blk_open(struct virtio_blk *blk, const char *path, bool readonly, struct error *err);
int blk_init(struct virtio_blk *blk, const struct kvm *kvm, const struct guest_ram *ram,
	     struct error *err);
void blk_close(struct virtio_blk *blk);

#endif
