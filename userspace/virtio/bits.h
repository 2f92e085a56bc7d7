/* SPDX-License-Identifier: GPL-2.0-only */
/* virtio feature bits as masks. */
#ifndef VELLUM_VIRTIO_BITS_H
#define VELLUM_VIRTIO_BITS_H

#include "util/types.h"

#define FEATURE(bit)	(1ULL << (bit))

#endif
