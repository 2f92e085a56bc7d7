// SPDX-License-Identifier: GPL-2.0-only
/* Byte buffer for tables. */
#include "util/buf.h"

#include <string.h>

void buf_add(struct buf *b, const void *data, size_t len)
{
	if (len > BUF_CAPACITY - b->len) {
		b->overflow = true;
		return;
	}
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

void buf_u8(struct buf *b, u8 v)
{
	buf_add(b, &v, 1);
}

/* The low @bytes bytes of @v, least significant first. */
void buf_le(struct buf *b, u64 v, size_t bytes)
{
	for (; bytes; bytes--, v >>= 8)
		buf_u8(b, (u8)v);
}
