/* SPDX-License-Identifier: GPL-2.0-only */
/* One request to a disk. */
#ifndef VELLUM_VIRTIO_BLK_REQUEST_H
#define VELLUM_VIRTIO_BLK_REQUEST_H

#include "virtio/blk.h"
#include "virtio/iov.h"

#define BLK_SECTOR	512U

u8 blk_execute(struct virtio_blk *blk, const struct virtio_blk_outhdr *hdr,
	       struct iov_cursor *out, struct iov_cursor *in);

#endif
