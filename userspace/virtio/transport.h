/* SPDX-License-Identifier: GPL-2.0-only */
/* virtio over PCI: capabilities and the registers in BAR 0. */
#ifndef VELLUM_VIRTIO_TRANSPORT_H
#define VELLUM_VIRTIO_TRANSPORT_H

#include "virtio/device.h"

void transport_init(struct virtio_device *dev);

/* The common configuration structure, in virtio/common.c. */
u64 common_read(struct virtio_device *dev, u64 offset, u32 len);
void common_write(struct virtio_device *dev, u64 offset, u32 len, u64 value);

#endif
