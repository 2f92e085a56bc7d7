// SPDX-License-Identifier: GPL-2.0-only
/* Indirect tables. */
#include "mem.h"
#include "table.h"

const char *vh_table_open(struct vh_vq *vq, struct vh_table *t, u64 gpa, u32 len)
{
	struct iovec whole;

	if (!len || len % sizeof(struct vh_desc))
		return "an indirect table of odd size";
	t->gpa = gpa;
	t->n = len / sizeof(struct vh_desc);
	t->at = vh_mem_map(vq, gpa, len, &whole, 0, 1, false) == 1 ? whole.iov_base : NULL;
	return NULL;
}

/* Where more than one memory region has a part of it. */
static bool read_scattered(struct vh_vq *vq, u64 gpa, void *to)
{
	struct iovec iov[2];
	int i, n;

	n = vh_mem_map(vq, gpa, sizeof(struct vh_desc), iov, 0, ARRAY_SIZE(iov), false);
	for (i = 0; i < n; i++) {
		if (copy_from_user(to, iov[i].iov_base, iov[i].iov_len))
			return false;
		to += iov[i].iov_len;
	}
	return n > 0;
}

const char *vh_table_read(struct vh_vq *vq, const struct vh_table *t, unsigned int i, void *to)
{
	size_t at = i * sizeof(struct vh_desc);

	if (likely(t->at ? vh_desc_read(to, t->at + at) : read_scattered(vq, t->gpa + at, to)))
		return NULL;
	return "an indirect table outside memory";
}
