/* SPDX-License-Identifier: GPL-2.0-only */
/* The driver's side of a virtqueue, in this process's memory. */
#ifndef VELLUM_TEST_RING_H
#define VELLUM_TEST_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/virtio_ring.h>

/* Guest-physical addresses begin here, so that an address is never one of the process by chance. */
#define RING_GPA_BASE	0x100000000ull

/**
 * struct tmem - the guest's memory
 * @base: where it is in the process
 * @size: bytes; the guest-physical address of @base is RING_GPA_BASE
 * @used: bytes given out by tmem_alloc()
 */
struct tmem {
	uint8_t *base;
	size_t size;
	size_t used;
};

void tmem_init(struct tmem *mem, size_t size);
void tmem_destroy(struct tmem *mem);
/* Zeroed; @align is a power of two. */
void *tmem_alloc(struct tmem *mem, size_t size, size_t align);
uint64_t tmem_gpa(const struct tmem *mem, const void *p);

/**
 * struct tbuf - a buffer for a chain
 */
struct tbuf {
	uint64_t gpa;
	uint32_t len;
	bool write;
};

/**
 * struct tring - a split ring
 * @free: the next descriptor that was never used; a test uses each only once
 *	unless it calls tring_recycle()
 * @seen: the used index up to which tring_used() has returned
 */
struct tring {
	struct tmem *mem;
	unsigned int num;
	struct vring vr;
	uint16_t free;
	uint16_t seen;
	int kick;
	int call;
	int err;
};

void tring_init(struct tring *r, struct tmem *mem, unsigned int num);
void tring_destroy(struct tring *r);

/* Writes descriptor @i. */
void tring_desc(struct tring *r, unsigned int i, uint64_t gpa, uint32_t len, uint16_t flags,
		uint16_t next);
/* Chains descriptors from @free on and returns the first; makes nothing available. */
uint16_t tring_chain(struct tring *r, const struct tbuf *bufs, unsigned int n);
/* The same in an indirect table. */
uint16_t tring_indirect(struct tring *r, const struct tbuf *bufs, unsigned int n);
/* Puts a head into the available ring and moves its index. */
void tring_avail(struct tring *r, uint16_t head);
void tring_kick(struct tring *r);
void tring_recycle(struct tring *r);

/* Waits up to @ms for the next used element. True: there is one. */
bool tring_used(struct tring *r, struct vring_used_elem *elem, int ms);
/* Waits up to @ms for an eventfd. True: it was signalled. */
bool tevent(int fd, int ms);

#endif /* VELLUM_TEST_RING_H */
