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
/* Whoever touches the page waits until the userfaultfd that this returns is closed. Or -1. */
int tmem_hold(void *page);
/* Waits up to @ms for a held page to be touched. True: somebody waits for it. */
bool tmem_waits(int uffd, int ms);

/**
 * struct tbuf - a buffer for a chain
 */
struct tbuf {
	uint64_t gpa;
	uint32_t len;
	bool write;
};

#define BIT64(n)	(1ull << (n))

/* Flags of a packed ring's descriptors. */
#define DESC_AVAIL	((uint16_t)BIT64(VRING_PACKED_DESC_F_AVAIL))
#define DESC_USED	((uint16_t)BIT64(VRING_PACKED_DESC_F_USED))
/* The wrap counter in an event's offset, and in either half of VHOST_SET_VRING_BASE. */
#define WRAP		((uint32_t)BIT64(VRING_PACKED_EVENT_F_WRAP_CTR))

/* The longest ring that tests use. */
#define TRING_MAX	64

/**
 * struct tring - a ring, split or packed
 * @vr: a split ring; of a packed one the descriptors are at @vr.desc, the driver's event
 *	structure at @vr.avail and the device's at @vr.used
 * @free: the next descriptor, counted from the start of the first turn; in a split ring a
 *	test uses each only once, in a packed one chains are made available as they are made
 * @seen: the used entry (packed: descriptor) that tring_used() looks at next, counted likewise
 * @pos: packed: for the first descriptor of a chain, its number
 * @slots: packed: and how many descriptors the chain has
 * @in_order: one used entry stands for all chains up to the one it names
 * @order: the chains that were made available, from @order_at to @order_n not used yet; of
 *	them @whole were used by the entry that was read last, whose length is @last_len
 */
struct tring {
	struct tmem *mem;
	unsigned int num;
	bool packed;
	struct vring vr;
	uint32_t free;
	uint32_t seen;
	uint32_t pos[TRING_MAX];
	uint16_t slots[TRING_MAX];
	bool in_order;
	uint16_t order[TRING_MAX];
	unsigned int order_at;
	unsigned int order_n;
	unsigned int whole;
	uint32_t last_len;
	int kick;
	int call;
	int err;
};

/* A split ring, until tring_restart() makes it another. */
void tring_init(struct tring *r, struct tmem *mem, unsigned int num);
void tring_destroy(struct tring *r);

/* Begins anew, at any place. */
void tring_restart(struct tring *r, bool packed, uint32_t place);
/* For VHOST_SET_VRING_BASE: where tring_restart() began. */
uint32_t tring_base(const struct tring *r);

/* Whether a ring whose VHOST_GET_VRING_BASE is @base has given back all that was taken. */
bool tring_idle_at(const struct tring *r, uint32_t base);

/* Chains descriptors from @free on and returns the first; makes nothing available. */
uint16_t tring_chain(struct tring *r, const struct tbuf *bufs, unsigned int n);
/* The same in an indirect table. */
uint16_t tring_indirect(struct tring *r, const struct tbuf *bufs, unsigned int n);
/* Fills in an indirect table. */
void tring_table(const struct tring *r, void *table, const struct tbuf *bufs, unsigned int n);
/* The flags of a table's entry, to be spoilt. */
uint16_t *tring_table_flags(const struct tring *r, void *table, unsigned int i);
/* The next descriptor as a chain of its own, with any flags. */
uint16_t tring_one(struct tring *r, uint64_t gpa, uint32_t len, uint16_t flags);
/* Makes a chain available. */
void tring_avail(struct tring *r, uint16_t head);
void tring_kick(struct tring *r);

/* Parts of descriptor @i, counted on over the end of the ring, to be spoilt. */
uint64_t *tring_addr(struct tring *r, unsigned int i);
uint32_t *tring_len(struct tring *r, unsigned int i);
uint16_t *tring_flags(struct tring *r, unsigned int i);

/* Waits up to @ms for the next used element. True: there is one. */
bool tring_used(struct tring *r, struct vring_used_elem *elem, int ms);
/* Waits up to @ms for an eventfd. True: it was signalled. */
bool tevent(int fd, int ms);

#endif /* VELLUM_TEST_RING_H */
