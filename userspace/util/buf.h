/* SPDX-License-Identifier: GPL-2.0-only */
/* A byte buffer of fixed capacity that remembers overflow, for building tables. */
#ifndef VELLUM_UTIL_BUF_H
#define VELLUM_UTIL_BUF_H

#include "util/types.h"

#define BUF_CAPACITY 8192

/**
 * struct buf - bytes in the making
 * @len: bytes in use
 * @overflow: something did not fit; what is there is not to be used
 * @data: the bytes
 */
struct buf {
	size_t len;
	bool overflow;
	u8 data[BUF_CAPACITY];
};

void buf_add(struct buf *b, const void *data, size_t len);
void buf_u8(struct buf *b, u8 v);
void buf_le(struct buf *b, u64 v, size_t bytes);

#endif
