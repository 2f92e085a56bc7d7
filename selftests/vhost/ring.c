// SPDX-License-Identifier: GPL-2.0-only
/* The driver's side of a ring, which does as it is told, also what it must not. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <linux/userfaultfd.h>

#include "ring.h"

#define HELD	4096ul	/* bytes of a page that is held */

#define die(what) do { perror(what); exit(1); } while (0)

void tmem_init(struct tmem *mem, size_t size)
{
	mem->base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mem->base == MAP_FAILED)
		die("mmap");
	mem->size = size;
	mem->used = 0;
}

void tmem_destroy(struct tmem *mem)
{
	munmap(mem->base, mem->size);
}

void *tmem_alloc(struct tmem *mem, size_t size, size_t align)
{
	size_t at = (mem->used + align - 1) & ~(align - 1);

	if (at + size > mem->size) {
		fprintf(stderr, "the test's guest memory is too small\n");
		exit(1);
	}
	mem->used = at + size;
	memset(mem->base + at, 0, size);
	return mem->base + at;
}

uint64_t tmem_gpa(const struct tmem *mem, const void *p)
{
	return RING_GPA_BASE + ((const uint8_t *)p - mem->base);
}

/* What is in the page stays: it is in no page table only. */
int tmem_hold(void *page)
{
	uintptr_t at = (uintptr_t)page & -HELD;
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_MINOR_SHMEM };
	struct uffdio_register reg = {
		.range = { at, HELD },
		.mode = UFFDIO_REGISTER_MODE_MINOR,
	};
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg) ||
	    madvise((void *)at, HELD, MADV_DONTNEED)) {
		perror("userfaultfd");
		close(uffd);
		return -1;
	}
	return uffd;
}

bool tmem_waits(int uffd, int ms)
{
	struct pollfd p = { .fd = uffd, .events = POLLIN };
	struct uffd_msg msg;

	return poll(&p, 1, ms) == 1 && read(uffd, &msg, sizeof(msg)) == sizeof(msg) &&
	       msg.event == UFFD_EVENT_PAGEFAULT;
}

void tring_init(struct tring *r, struct tmem *mem, unsigned int num)
{
	memset(r, 0, sizeof(*r));
	r->mem = mem;
	r->num = num;
	vring_init(&r->vr, num, tmem_alloc(mem, vring_size(num, 4096), 4096), 4096);
	r->kick = eventfd(0, EFD_NONBLOCK);
	r->call = eventfd(0, EFD_NONBLOCK);
	r->err = eventfd(0, EFD_NONBLOCK);
	if (r->kick < 0 || r->call < 0 || r->err < 0)
		die("eventfd");
}

void tring_destroy(struct tring *r)
{
	close(r->kick);
	close(r->call);
	close(r->err);
}

static struct vring_packed_desc *slot(const struct tring *r, unsigned int i)
{
	return (struct vring_packed_desc *)r->vr.desc + i % r->num;
}

/* The flags that make descriptor number @pos the device's, or tell that it was used. */
static uint16_t avail_flags(const struct tring *r, uint32_t pos)
{
	return pos / r->num % 2 ? DESC_USED : DESC_AVAIL;
}

static uint16_t used_flags(const struct tring *r, uint32_t pos)
{
	return pos / r->num % 2 ? 0 : DESC_AVAIL | DESC_USED;
}

void tring_restart(struct tring *r, bool packed, uint32_t place)
{
	unsigned int i;

	memset(r->vr.desc, 0, r->num * sizeof(*r->vr.desc));
	memset(r->vr.avail, 0, sizeof(*r->vr.avail) + (r->num + 1) * sizeof(uint16_t));
	memset(r->vr.used, 0, sizeof(*r->vr.used));
	r->packed = packed;
	r->order_at = 0;
	r->order_n = 0;
	r->whole = 0;
	r->free = packed ? place % (2 * r->num) : 0;
	r->seen = packed ? r->free : (uint16_t)place;
	if (!packed) {
		r->vr.avail->idx = place;
		r->vr.used->idx = place;
	}
	/* As if all were used at the turn before. */
	for (i = r->free; packed && i < r->free + r->num; i++)
		slot(r, i)->flags = used_flags(r, i + r->num);
}

uint32_t tring_base(const struct tring *r)
{
	uint32_t half = r->free % r->num | (r->free / r->num % 2 ? 0 : WRAP);

	return r->packed ? half | half << 16 : r->vr.avail->idx;
}

bool tring_idle_at(const struct tring *r, uint32_t base)
{
	return r->packed ? (uint16_t)base == base >> 16 : base == r->vr.used->idx;
}

uint64_t *tring_addr(struct tring *r, unsigned int i)
{
	return (uint64_t *)&slot(r, i)->addr;
}

uint32_t *tring_len(struct tring *r, unsigned int i)
{
	return &slot(r, i)->len;
}

uint16_t *tring_flags(struct tring *r, unsigned int i)
{
	return r->packed ? &slot(r, i)->flags : &r->vr.desc[i % r->num].flags;
}

/* Writes descriptor number @pos. The first of a chain is not available yet. */
static void put_desc(struct tring *r, uint32_t pos, const struct tbuf *b, uint16_t flags,
		     uint16_t head)
{
	unsigned int i = pos % r->num;

	if (!r->packed) {
		r->vr.desc[i] = (struct vring_desc) { b->gpa, b->len, flags, (i + 1) % r->num };
		return;
	}
	*slot(r, i) = (struct vring_packed_desc) {
		.addr = b->gpa, .len = b->len, .id = head,
		.flags = flags | (i == head ? used_flags(r, pos + r->num) : avail_flags(r, pos)),
	};
}

static uint16_t take(struct tring *r, unsigned int n)
{
	uint16_t head = r->free % r->num;

	r->pos[head] = r->free;
	r->slots[head] = n;
	r->free += n;
	return head;
}

static uint16_t flags_of(const struct tbuf *b, bool more)
{
	return (b->write ? VRING_DESC_F_WRITE : 0) | (more ? VRING_DESC_F_NEXT : 0);
}

uint16_t tring_chain(struct tring *r, const struct tbuf *bufs, unsigned int n)
{
	uint32_t pos = r->free;
	uint16_t head = take(r, n);
	unsigned int i;

	for (i = 0; i < n; i++)
		put_desc(r, pos + i, &bufs[i], flags_of(&bufs[i], i + 1 < n), head);
	return head;
}

uint16_t tring_one(struct tring *r, uint64_t gpa, uint32_t len, uint16_t flags)
{
	struct tbuf b = { gpa, len, false };
	uint32_t pos = r->free;
	uint16_t head = take(r, 1);

	put_desc(r, pos, &b, flags, head);
	return head;
}

/* The entries of a packed ring's table follow each other without saying so. */
void tring_table(const struct tring *r, void *table, const struct tbuf *bufs, unsigned int n)
{
	struct vring_packed_desc p;
	struct vring_desc s;
	unsigned int i;

	for (i = 0; i < n; i++) {
		s = (struct vring_desc) {
			bufs[i].gpa, bufs[i].len, flags_of(&bufs[i], i + 1 < n), i + 1,
		};
		p = (struct vring_packed_desc) {
			.addr = bufs[i].gpa, .len = bufs[i].len,
			.flags = flags_of(&bufs[i], false),
		};
		memcpy(table + i * sizeof(s), r->packed ? (void *)&p : (void *)&s, sizeof(s));
	}
}

uint16_t *tring_table_flags(const struct tring *r, void *table, unsigned int i)
{
	struct vring_packed_desc *p = table;
	struct vring_desc *s = table;

	return r->packed ? &p[i].flags : &s[i].flags;
}

uint16_t tring_indirect(struct tring *r, const struct tbuf *bufs, unsigned int n)
{
	size_t size = n * sizeof(struct vring_desc);
	void *table = tmem_alloc(r->mem, size, 16);

	tring_table(r, table, bufs, n);
	return tring_one(r, tmem_gpa(r->mem, table), size, VRING_DESC_F_INDIRECT);
}

void tring_avail(struct tring *r, uint16_t head)
{
	uint16_t idx = r->vr.avail->idx, *flags, plain;

	r->order[r->order_n++ % TRING_MAX] = head;
	if (r->packed) {
		flags = tring_flags(r, head);
		plain = *flags & ~(DESC_AVAIL | DESC_USED);
		__atomic_store_n(flags, plain | avail_flags(r, r->pos[head]), __ATOMIC_RELEASE);
		return;
	}
	r->vr.avail->ring[idx % r->num] = head;
	__atomic_store_n(&r->vr.avail->idx, idx + 1, __ATOMIC_RELEASE);
}

void tring_kick(struct tring *r)
{
	uint64_t one = 1;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (write(r->kick, &one, sizeof(one)) != sizeof(one) && errno != EAGAIN)
		die("kick");
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool is_used(const struct tring *r)
{
	uint16_t flags;

	if (!r->packed)
		return __atomic_load_n(&r->vr.used->idx, __ATOMIC_ACQUIRE) != (uint16_t)r->seen;
	flags = __atomic_load_n(&slot(r, r->seen)->flags, __ATOMIC_ACQUIRE);
	return r->seen != r->free && (flags & (DESC_AVAIL | DESC_USED)) == used_flags(r, r->seen);
}

/* Chains, in order, up to the one that is named; 0: it is none of those that wait. */
static unsigned int chains_to(const struct tring *r, uint32_t id)
{
	unsigned int i;

	for (i = r->order_at; i != r->order_n; i++)
		if (r->order[i % TRING_MAX] == id)
			return i + 1 - r->order_at;
	return 0;
}

/* The next of a batch of which only the last is in the ring. */
static bool used_in_order(struct tring *r, struct vring_used_elem *elem, int ms)
{
	uint32_t seen = r->seen;
	unsigned int i, head;

	if (!r->whole) {
		r->in_order = false;
		i = tring_used(r, elem, ms);
		r->in_order = true;
		r->whole = i ? chains_to(r, elem->id) : 0;
		r->last_len = elem->len;
		if (!r->whole)
			return i;
		for (i = 0; i < r->whole; i++) {
			head = r->order[(r->order_at + i) % TRING_MAX];
			seen += r->packed ? r->slots[head] : 1;
		}
		r->seen = seen;
	}
	*elem = (struct vring_used_elem) {
		r->order[r->order_at++ % TRING_MAX], --r->whole ? 0 : r->last_len,
	};
	return true;
}

/* Does not rely on the call eventfd: that calls come is for tests of calls. */
bool tring_used(struct tring *r, struct vring_used_elem *elem, int ms)
{
	const struct vring_packed_desc *d;
	long end = now_ms() + ms;

	if (r->in_order)
		return used_in_order(r, elem, ms);
	while (!is_used(r)) {
		if (now_ms() >= end)
			return false;
		usleep(50);
	}
	if (!r->packed) {
		*elem = r->vr.used->ring[r->seen++ % r->num];
		return true;
	}
	d = slot(r, r->seen);
	*elem = (struct vring_used_elem) { d->id, d->flags & VRING_DESC_F_WRITE ? d->len : 0 };
	r->seen += d->id < r->num ? r->slots[d->id] : 1;
	return true;
}

bool tevent(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t n;

	return poll(&p, 1, ms) == 1 && read(fd, &n, sizeof(n)) == sizeof(n);
}
