// SPDX-License-Identifier: GPL-2.0-only
/*
 * The common configuration structure (virtio 1.2, "Common configuration structure layout") and the
 * device initialisation handshake behind it. Fields answer accesses of exactly their own width, and
 * the 64-bit ring addresses also by halves.
 */
#include "virtio/transport.h"

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#define FIELD(name)	offsetof(struct virtio_pci_common_cfg, name)

static struct queue *selected_queue(struct virtio_device *dev)
{
	return dev->queue_select < dev->queue_count ? &dev->queues[dev->queue_select] : NULL;
}

static u32 half(u64 value, u32 select)
{
	return select == 0 ? (u32)value : select == 1 ? (u32)(value >> 32) : 0;
}

static u64 read_queue(const struct virtio_device *dev, const struct queue *q, u64 offset)
{
	switch (offset) {
	case FIELD(queue_notify_off):
		return (u64)(q - dev->queues);
	case FIELD(queue_size):
		return q->size;
	case FIELD(queue_msix_vector):
		return q->vector;
	case FIELD(queue_enable):
		return q->enabled;
	case FIELD(queue_desc_lo):
		return (u32)q->desc_gpa;
	case FIELD(queue_desc_hi):
		return q->desc_gpa >> 32;
	case FIELD(queue_avail_lo):
		return (u32)q->avail_gpa;
	case FIELD(queue_avail_hi):
		return q->avail_gpa >> 32;
	case FIELD(queue_used_lo):
		return (u32)q->used_gpa;
	case FIELD(queue_used_hi):
		return q->used_gpa >> 32;
	default:
		return 0;
	}
}

static u8 read_generation(struct virtio_device *dev)
{
	u8 generation;

	pthread_mutex_lock(&dev->config_lock);
	generation = dev->config_generation;
	pthread_mutex_unlock(&dev->config_lock);
	return generation;
}

static u64 read_field(struct virtio_device *dev, u64 offset)
{
	const struct queue *q = selected_queue(dev);

	switch (offset) {
	case FIELD(device_feature_select):
		return dev->feature_select;
	case FIELD(device_feature):
		return half(virtio_features(dev), dev->feature_select);
	case FIELD(guest_feature_select):
		return dev->driver_feature_select;
	case FIELD(guest_feature):
		return half(dev->driver_features, dev->driver_feature_select);
	case FIELD(msix_config):
		return dev->config_vector;
	case FIELD(num_queues):
		return dev->queue_count;
	case FIELD(device_status):
		return __atomic_load_n(&dev->status, __ATOMIC_RELAXED);
	case FIELD(config_generation):
		return read_generation(dev);
	case FIELD(queue_select):
		return dev->queue_select;
	default:
		return q ? read_queue(dev, q, offset) : 0;
	}
}

/* A driver may look at any time: that does not wait for requests. */
u64 common_read(struct virtio_device *dev, u64 offset, u32 len)
{
	u64 value = read_field(dev, offset);

	if (len == sizeof(u64))
		value |= read_field(dev, offset + sizeof(u32)) << 32;
	return value;
}

static void set_half(u64 *field, bool high, u32 value)
{
	*field = high ? (*field & ~0U) | (u64)value << 32 : (*field & ~(u64)~0U) | value;
}

/* A vector that does not exist reads back as "none", which tells the driver. */
static void set_vector(struct virtio_device *dev, u16 *vector, u64 value)
{
	pthread_mutex_lock(&dev->irq_lock);
	*vector = value < dev->msix.vectors ? (u16)value : VIRTIO_MSI_NO_VECTOR;
	virtio_vectors_changed(dev);
	pthread_mutex_unlock(&dev->irq_lock);
}

static void enable_queue(struct virtio_device *dev, struct queue *q, u64 value)
{
	if (value != 1)
		return;
	q->event_idx = dev->driver_features & FEATURE(VIRTIO_RING_F_EVENT_IDX);
	q->packed = dev->driver_features & FEATURE(VIRTIO_F_RING_PACKED);
	/* What the rings look like is known once the features are agreed on. */
	if (!(dev->status & VIRTIO_CONFIG_S_FEATURES_OK) || queue_enable(q))
		virtio_fail(dev);
}

/* An enabled queue is left alone: its rings are in use. */
static void write_queue(struct virtio_device *dev, struct queue *q, u64 offset, u64 value)
{
	if (offset == FIELD(queue_msix_vector)) {
		set_vector(dev, &q->vector, value);
		return;
	}
	if (q->enabled)
		return;
	switch (offset) {
	case FIELD(queue_size):
		q->size = (u16)value;
		break;
	case FIELD(queue_enable):
		enable_queue(dev, q, value);
		break;
	case FIELD(queue_desc_lo):
	case FIELD(queue_desc_hi):
		set_half(&q->desc_gpa, offset == FIELD(queue_desc_hi), (u32)value);
		break;
	case FIELD(queue_avail_lo):
	case FIELD(queue_avail_hi):
		set_half(&q->avail_gpa, offset == FIELD(queue_avail_hi), (u32)value);
		break;
	case FIELD(queue_used_lo):
	case FIELD(queue_used_hi):
		set_half(&q->used_gpa, offset == FIELD(queue_used_hi), (u32)value);
		break;
	}
}

static void write_features(struct virtio_device *dev, u32 value)
{
	if (dev->driver_feature_select > 1 || (dev->status & VIRTIO_CONFIG_S_FEATURES_OK))
		return;
	set_half(&dev->driver_features, dev->driver_feature_select, value);
}

/* Bits stay until the reset: rings are in use that depend on the features agreed on. */
static void write_status(struct virtio_device *dev, u8 value)
{
	value |= dev->status;
	/* FEATURES_OK does not stick when the driver wants what was not offered, or legacy. */
	if ((dev->driver_features & ~virtio_features(dev)) ||
	    !(dev->driver_features & FEATURE(VIRTIO_F_VERSION_1)))
		value &= (u8)~VIRTIO_CONFIG_S_FEATURES_OK;
	if (!(value & VIRTIO_CONFIG_S_FEATURES_OK))
		value &= (u8)~VIRTIO_CONFIG_S_DRIVER_OK;
	if (!dev->broken)
		value &= (u8)~VIRTIO_CONFIG_S_NEEDS_RESET;
	dev->status = value;
	if (virtio_ready(dev))
		virtio_driver_ready(dev);
}

static void write_field(struct virtio_device *dev, u64 offset, u64 value)
{
	struct queue *q = selected_queue(dev);

	switch (offset) {
	case FIELD(device_feature_select):
		dev->feature_select = (u32)value;
		break;
	case FIELD(guest_feature_select):
		dev->driver_feature_select = (u32)value;
		break;
	case FIELD(guest_feature):
		write_features(dev, (u32)value);
		break;
	case FIELD(msix_config):
		set_vector(dev, &dev->config_vector, value);
		break;
	case FIELD(device_status):
		write_status(dev, (u8)value);
		break;
	case FIELD(queue_select):
		dev->queue_select = (u16)value;
		break;
	default:
		if (q)
			write_queue(dev, q, offset, value);
	}
}

void common_write(struct virtio_device *dev, u64 offset, u32 len, u64 value)
{
	/* Writing zero to the status resets the device; that takes both locks in turn. */
	if (offset == FIELD(device_status) && !(u8)value) {
		virtio_reset(dev);
		return;
	}
	pthread_mutex_lock(&dev->io_lock);
	write_field(dev, offset, value);
	if (len == sizeof(u64))
		write_field(dev, offset + sizeof(u32), value >> 32);
	pthread_mutex_unlock(&dev->io_lock);
}
