// SPDX-License-Identifier: GPL-2.0-only
/* Drivers may split a request into buffers in any way they like; these do not care. */
#include "virtio/iov.h"

#include <string.h>

u64 iov_size(const struct iov_cursor *c)
{
	u64 size = 0;
	u32 i;

	for (i = 0; i < c->count; i++)
		size += c->iov[i].iov_len;
	return size;
}

void iov_skip(struct iov_cursor *c, u64 len)
{
	while (c->count && len >= c->iov->iov_len) {
		len -= c->iov->iov_len;
		c->iov++;
		c->count--;
	}
	if (c->count) {
		c->iov->iov_base = (u8 *)c->iov->iov_base + len;
		c->iov->iov_len -= len;
	}
}

/* Copy @len bytes out of the buffers; false when there are fewer. */
bool iov_take(struct iov_cursor *c, void *to, u64 len)
{
	u8 *at = to;
	u64 n;

	while (len && c->count) {
		n = min_u64(len, c->iov->iov_len);
		memcpy(at, c->iov->iov_base, n);
		iov_skip(c, n);
		at += n;
		len -= n;
	}
	return !len;
}

/* Copy @len bytes into the buffers; false when they do not fit. */
bool iov_put(struct iov_cursor *c, const void *from, u64 len)
{
	const u8 *at = from;
	u64 n;

	while (len && c->count) {
		n = min_u64(len, c->iov->iov_len);
		memcpy(c->iov->iov_base, at, n);
		iov_skip(c, n);
		at += n;
		len -= n;
	}
	return !len;
}

/* Shorten the buffers by their last byte; NULL when there is none. Buffers are never empty. */
u8 *iov_cut_last_byte(struct iov_cursor *c)
{
	struct iovec *last = c->iov + c->count - 1;
	u8 *byte;

	if (!c->count)
		return NULL;
	byte = (u8 *)last->iov_base + last->iov_len - 1;
	last->iov_len--;
	if (!last->iov_len)
		c->count--;
	return byte;
}
