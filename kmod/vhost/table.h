/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading descriptors, which are 16 bytes in every layout, and indirect tables of them. */
#ifndef VELLUM_VHOST_TABLE_H
#define VELLUM_VHOST_TABLE_H

#include <linux/uaccess.h>

#include "vq.h"

/**
 * struct vh_table - an indirect table
 * @gpa: where it is
 * @at: the owner's address of it, or NULL if it is in pieces
 * @n: how many descriptors it has
 */
struct vh_table {
	u64 gpa;
	const void __user *at;
	unsigned int n;
};

/* For the layouts: finds a table of @len bytes. NULL, or why it is none. */
const char *vh_table_open(struct vh_vq *vq, struct vh_table *t, u64 gpa, u32 len);

/* Reads descriptor @i, which is one of the table's. NULL, or why not. */
const char *vh_table_read(struct vh_vq *vq, const struct vh_table *t, unsigned int i, void *to);

/* Reads one descriptor, each byte once. */
static inline bool vh_desc_read(void *to, const void __user *from)
{
	const u64 __user *f = from;
	u64 *t = to;

	BUILD_BUG_ON(sizeof(struct vh_desc) != 2 * sizeof(*t));
	BUILD_BUG_ON(sizeof(struct vh_packed_desc) != sizeof(struct vh_desc));
	if (unlikely(!user_access_begin(f, 2 * sizeof(*f))))
		return false;
	unsafe_get_user(t[0], &f[0], fault);
	unsafe_get_user(t[1], &f[1], fault);
	user_access_end();
	return true;
fault:
	user_access_end();
	return false;
}

#endif /* VELLUM_VHOST_TABLE_H */
