/* SPDX-License-Identifier: GPL-2.0-only */
/* Block device backed by a raw file or a host block device. */
#ifndef VELLUM_VIRTIO_BLK_H
#define VELLUM_VIRTIO_BLK_H

#include "virtio/device.h"
#include "virtio/vhost.h"

#include <linux/virtio_blk.h>

#define BLK_CLASS_SCSI		0x010000

/**
 * struct virtio_blk - a disk
 * @dev: virtio part
 * @fd: the file, locked against other launchers
 * @path: its name, for messages
 * @option: "--disk FILE", for messages
 * @vhost: who serves the queues, when it is open
 * @size: its size in bytes, a multiple of the sector size
 * @readonly: writes are refused
 * @config: device configuration
 */
struct virtio_blk {
	struct virtio_device dev;
	int fd;
	const char *path;
	char *option;
	struct vhost vhost;
	u64 size;
	bool readonly;
	struct virtio_blk_config config;
};

int blk_open(struct virtio_blk *blk, const char *path, bool readonly, struct error *err);
int blk_init(struct virtio_blk *blk, const struct kvm *kvm, const struct guest_ram *ram, u32 cpus,
	     struct error *err);
void blk_close(struct virtio_blk *blk);

/* Shared by both ways of serving. */
void blk_serial(const struct virtio_blk *blk, u8 *serial);
int blk_init_vhost(struct virtio_blk *blk, const struct kvm *kvm, const struct guest_ram *ram,
		   u32 cpus, struct error *err);

#endif
