/* SPDX-License-Identifier: GPL-2.0-only */
/* The driver of a virtio device, for the tests of devices. */
#ifndef VELLUM_UNIT_DRIVER_H
#define VELLUM_UNIT_DRIVER_H

#include "virtio/transport.h"

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <time.h>

/* Queues have no place of their own, for none is used beside another. */
#define DESC		0x10000ULL
#define AVAIL		0x20000ULL
#define USED		0x30000ULL
#define SIZE		8
#define DATA		0x50000ULL

#define FIELD(name)	offsetof(struct virtio_pci_common_cfg, name)
#define VERSION_1	FEATURE(VIRTIO_F_VERSION_1)
#define PACKED		FEATURE(VIRTIO_F_RING_PACKED)
#define FOUND		(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)

static inline void set_features(struct virtio_device *dev, u64 features)
{
	common_write(dev, FIELD(guest_feature_select), 4, 0);
	common_write(dev, FIELD(guest_feature), 4, (u32)features);
	common_write(dev, FIELD(guest_feature_select), 4, 1);
	common_write(dev, FIELD(guest_feature), 4, features >> 32);
}

/* Return: what the status became. */
static inline u64 set_status(struct virtio_device *dev, u8 status)
{
	common_write(dev, FIELD(device_status), 1, status);
	return common_read(dev, FIELD(device_status), 1);
}

static inline void set_queue(struct virtio_device *dev, u32 index, u16 size, u64 desc, u64 avail,
			     u64 used)
{
	common_write(dev, FIELD(queue_select), 2, index);
	common_write(dev, FIELD(queue_size), 2, size);
	common_write(dev, FIELD(queue_desc_lo), 8, desc);
	common_write(dev, FIELD(queue_avail_lo), 8, avail);
	common_write(dev, FIELD(queue_used_lo), 8, used);
	common_write(dev, FIELD(queue_enable), 2, 1);
}

static inline void set_config(struct virtio_device *dev, u32 offset, u16 value)
{
	pci_set(&dev->pci, offset, 2, value);
	dev->pci.ops->config_written(&dev->pci, offset, 2);
}

static inline void make_ready(struct virtio_device *dev, u64 features)
{
	u32 i;

	set_config(dev, PCI_COMMAND, PCI_COMMAND_MASTER);
	set_status(dev, FOUND);
	set_features(dev, features);
	set_status(dev, FOUND | VIRTIO_CONFIG_S_FEATURES_OK);
	for (i = 0; i < dev->queue_count; i++)
		set_queue(dev, i, SIZE, DESC, AVAIL, USED);
	/* Not looked at: the device may be busy from now on. */
	common_write(dev, FIELD(device_status), 1,
		     FOUND | VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

/* The only buffer of a queue, over and over. */
static inline void offer(struct queue *q, u32 len, u16 flags)
{
	q->desc[0] = (struct vring_desc){ DATA, len, flags, 0 };
	q->avail->ring[q->avail->idx % SIZE] = 0;
	q->avail->idx++;
}

static inline bool join_within(struct virtio_device *dev, u32 msec)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += msec / 1000;
	until.tv_nsec += msec % 1000 * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	return virtio_join(dev, &until);
}

#endif
