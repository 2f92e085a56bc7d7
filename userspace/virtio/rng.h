/* SPDX-License-Identifier: GPL-2.0-only */
/* Entropy device. */
#ifndef VELLUM_VIRTIO_RNG_H
#define VELLUM_VIRTIO_RNG_H

#include "virtio/device.h"

/**
 * struct virtio_rng - the device; it has no state of its own
 * @dev: virtio part
 */
struct virtio_rng {
	struct virtio_device dev;
};

int rng_init(struct virtio_rng *rng, const struct kvm *kvm, const struct guest_ram *ram,
	     struct error *err);

#endif
