/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Taking buffers from a ring and giving them back, whatever the ring's layout.
 *
 * All of it is the worker's, under vh_vq.lock. Everything read from the ring is
 * hostile and is read once. A negative return means the queue is broken: it has
 * been stopped and its error eventfd signalled; there is nothing to do but leave.
 */
#ifndef VELLUM_VHOST_RING_H
#define VELLUM_VHOST_RING_H

#include "vq.h"

/**
 * struct vh_chain - buffers that belong together
 * @id: what the used ring calls it
 * @slots: entries of the available ring, of which there is one, or slots of a packed ring
 * @nout: entries of @iov that the device reads, first in @iov
 * @nin: entries of @iov that the device writes, behind them
 * @out_len: bytes of the former
 * @in_len: bytes of the latter
 * @iov: a part of vh_vq.iov
 */
struct vh_chain {
	u16 id;
	u16 slots;
	u16 nout;
	u16 nin;
	u32 out_len;
	u32 in_len;
	struct iovec *iov;
};

/*
 * vh_ring_pop() - takes the next chain; its addresses are put into vh_vq.iov from
 * entry @first on. 1: there is one, 0: there is none now.
 */
int vh_ring_pop(struct vh_vq *vq, struct vh_chain *chain, unsigned int first);

/* Puts the @n chains popped last, of @slots together, back to be popped again. */
void vh_ring_unpop(struct vh_vq *vq, unsigned int n, unsigned int slots);

/* The device is done with the chain and has written @len bytes; seen after vh_ring_notify(). */
int vh_ring_push(struct vh_vq *vq, u16 id, u16 slots, u32 len);

/* Shows the driver what was pushed, and interrupts it if it wants that. */
int vh_ring_notify(struct vh_vq *vq);

/* Asks the driver not to kick. A hint: kicks may still come. */
int vh_ring_kick_off(struct vh_vq *vq);

/* Asks the driver to kick for what is new. 1: it came meanwhile, go on. */
int vh_ring_kick_on(struct vh_vq *vq);

/* Waits for buffers as long as the busy-poll timeout of the queue says. 1: they are there. */
int vh_ring_spin(struct vh_vq *vq);

/* The worker has nothing better to do than to wait busily. */
bool vh_ring_may_spin(struct vh_vq *vq);

/* Checks the addresses and finds out where the ring stands. No part of the worker's. */
int vh_ring_start(struct vh_vq *vq);

/* The position in the ring, as VHOST_GET_VRING_BASE and VHOST_SET_VRING_BASE have it. */
u32 vh_ring_base(const struct vh_vq *vq);
int vh_ring_set_base(struct vh_vq *vq, u32 base);

/**
 * struct vh_ring_ops - a layout of rings: the other side of the calls above
 * @pop: fills in @chain, whose iov is set; 1, 0 or broken
 * @unpop: see vh_ring_unpop()
 * @flush: writes vh_vq.used_batch and moves on by it
 * @wants_call: whether the driver wants to hear of the vh_vq.unsignalled entries used last
 * @kick_off: see vh_ring_kick_off()
 * @kick_on: see vh_ring_kick_on()
 * @more: whether buffers are available
 * @start: checks the addresses and the position, and finds out the rest of it
 * @areas: bytes of what the driver, and then of what the device is told the address of
 * @desc_perm: what is done to the first of them
 */
struct vh_ring_ops {
	int (*pop)(struct vh_vq *vq, struct vh_chain *chain);
	void (*unpop)(struct vh_vq *vq, unsigned int n, unsigned int slots);
	int (*flush)(struct vh_vq *vq);
	int (*wants_call)(struct vh_vq *vq);
	int (*kick_off)(struct vh_vq *vq);
	int (*kick_on)(struct vh_vq *vq);
	int (*more)(struct vh_vq *vq);
	int (*start)(struct vh_vq *vq);
	void (*areas)(const struct vh_vq *vq, u32 *desc, u32 *avail, u32 *used);
	u8 desc_perm;
};

extern const struct vh_ring_ops vh_split_ring;
extern const struct vh_ring_ops vh_packed_ring;

/* Called for each chain, and so by name. */
int vh_split_pop(struct vh_vq *vq, struct vh_chain *chain);
int vh_packed_pop(struct vh_vq *vq, struct vh_chain *chain);

/* For the layouts: appends a buffer. @write: the device writes it. 0, or why not. */
const char *vh_chain_add(struct vh_vq *vq, struct vh_chain *chain, u64 gpa, u32 len, bool write);

/* A reason that is none: the chain is not taken now, because a translation is missing. */
extern const char *const vh_missing;

/*
 * For the layouts: the queue stops because the ring is not mapped, or for another reason. 0 if
 * the reason is vh_missing, when the queue only waits.
 */
int vh_ring_fault(struct vh_vq *vq);
int vh_ring_violation(struct vh_vq *vq, const char *why);

/* For the layouts: notes a write to the ring, by the owner's address. False: it cannot be. */
bool vh_ring_log(struct vh_vq *vq, const void __user *at, size_t len);

#endif /* VELLUM_VHOST_RING_H */
