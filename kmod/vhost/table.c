// SPDX-License-Identifier: GPL-2.0-only
/* Indirect tables. */
#include <linux/vhost_types.h>

#include "mem.h"
#include "ring.h"
#include "table.h"

static const char outside[] = "an indirect table outside memory";

const char *vh_table_open(struct vh_vq *vq, struct vh_table *t, u64 gpa, u32 len)
{
	struct iovec whole;
	int ret;

	if (!len || len % sizeof(struct vh_desc))
		return "an indirect table of odd size";
	t->gpa = gpa;
	t->n = len / sizeof(struct vh_desc);
	ret = vh_mem_map(vq, gpa, len, VHOST_ACCESS_RO, &whole, 0, 1, false);
	t->at = ret == 1 ? whole.iov_base : NULL;
	return ret == -EAGAIN ? vh_missing : NULL;
}

/* Where more than one memory region has a part of it. */
static const char *read_scattered(struct vh_vq *vq, u64 gpa, void *to)
{
	struct iovec iov[2];
	int i, n;

	n = vh_mem_map(vq, gpa, sizeof(struct vh_desc), VHOST_ACCESS_RO, iov, 0, ARRAY_SIZE(iov),
		       false);
	if (n < 0)
		return n == -EAGAIN ? vh_missing : outside;
	for (i = 0; i < n; i++) {
		if (copy_from_user(to, iov[i].iov_base, iov[i].iov_len))
			return outside;
		to += iov[i].iov_len;
	}
	return NULL;
}

const char *vh_table_read(struct vh_vq *vq, const struct vh_table *t, unsigned int i, void *to)
{
	size_t at = i * sizeof(struct vh_desc);

	if (unlikely(!t->at))
		return read_scattered(vq, t->gpa + at, to);
	return likely(vh_desc_read(to, t->at + at)) ? NULL : outside;
}
