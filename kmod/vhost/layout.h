/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rings as they lie in memory: virtio 1.2, "Split Virtqueues" and "Packed
 * Virtqueues". Little-endian always: so are modern devices, and so is every guest
 * that can drive a legacy one on x86.
 */
#ifndef VELLUM_VHOST_LAYOUT_H
#define VELLUM_VHOST_LAYOUT_H

#include <linux/types.h>
#include <linux/virtio_ring.h>

struct vh_desc {
	__le64 addr;
	__le32 len;
	__le16 flags;
	__le16 next;
};

/* Behind ring[num]: used_event. */
struct vh_avail {
	__le16 flags;
	__le16 idx;
	__le16 ring[];
};

struct vh_used_elem {
	__le32 id;
	__le32 len;
};

/* Behind ring[num]: avail_event. */
struct vh_used {
	__le16 flags;
	__le16 idx;
	struct vh_used_elem ring[];
};

struct vh_packed_desc {
	__le64 addr;
	__le32 len;
	__le16 id;
	__le16 flags;
};

/* The driver and the device event suppression structures. */
struct vh_packed_event {
	__le16 off_wrap;
	__le16 flags;
};

#endif /* VELLUM_VHOST_LAYOUT_H */
