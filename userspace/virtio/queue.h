/* SPDX-License-Identifier: GPL-2.0-only */
/* The device side of a split virtqueue. */
#ifndef VELLUM_VIRTIO_QUEUE_H
#define VELLUM_VIRTIO_QUEUE_H

#include "vm/ram.h"

#include <linux/virtio_ring.h>
#include <sys/uio.h>

#define QUEUE_SIZE_MAX	256

/**
 * struct queue - a virtqueue
 * @ram: guest RAM
 * @size: entries, a power of two unless @packed, at most QUEUE_SIZE_MAX
 * @vector: MSI-X vector or VIRTIO_MSI_NO_VECTOR
 * @enabled: the driver enabled it and its rings lie in RAM
 * @event_idx: VIRTIO_RING_F_EVENT_IDX was negotiated
 * @packed: VIRTIO_F_RING_PACKED was negotiated: whoever serves the queue is not the launcher,
 *	@desc is the ring, @avail and @used the event suppression structures, and any size will do
 * @desc_gpa: guest address of the descriptor table
 * @avail_gpa: guest address of the available ring
 * @used_gpa: guest address of the used ring
 * @desc: the tables in the launcher's memory, valid while @enabled
 * @avail: see @desc
 * @used: see @desc
 * @next_avail: next available entry to take
 * @next_used: next used entry to fill
 * @signalled: value of @next_used when the driver was last interrupted
 */
struct queue {
	const struct guest_ram *ram;
	u16 size;
	u16 vector;
	bool enabled;
	bool event_idx;
	bool packed;
	u64 desc_gpa;
	u64 avail_gpa;
	u64 used_gpa;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	u16 next_avail;
	u16 next_used;
	u16 signalled;
};

/**
 * struct chain - one request: buffers in the launcher's memory, all checked
 * @head: descriptor index to return it by
 * @slots: descriptors of the ring it takes, one for an indirect table
 * @out: buffers the device reads, @outs of them
 * @in: buffers the device writes, @ins of them, following @out in @iov
 * @iov: storage of both
 */
struct chain {
	u16 head;
	u32 slots;
	u32 outs;
	u32 ins;
	struct iovec *out;
	struct iovec *in;
	struct iovec iov[QUEUE_SIZE_MAX];
};

void queue_reset(struct queue *q);
int queue_enable(struct queue *q);
int queue_pop(struct queue *q, struct chain *chain);
void queue_push(struct queue *q, const struct chain *chain, u32 written);
bool queue_should_interrupt(struct queue *q);
bool queue_rearm(struct queue *q);
bool queue_rearm_at(struct queue *q, u16 seen);

#endif
