/* SPDX-License-Identifier: GPL-2.0-only */
/* Walking the buffers of a request. */
#ifndef VELLUM_VIRTIO_IOV_H
#define VELLUM_VIRTIO_IOV_H

#include "util/types.h"

#include <sys/uio.h>

/**
 * struct iov_cursor - what is left of a list of buffers
 * @iov: first buffer with bytes left; its start moves as they are used
 * @count: buffers
 */
struct iov_cursor {
	struct iovec *iov;
	u32 count;
};

u64 iov_size(const struct iov_cursor *c);
bool iov_take(struct iov_cursor *c, void *to, u64 len);
bool iov_put(struct iov_cursor *c, const void *from, u64 len);
void iov_skip(struct iov_cursor *c, u64 len);
u8 *iov_cut_last_byte(struct iov_cursor *c);

#endif
