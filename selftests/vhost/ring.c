// SPDX-License-Identifier: GPL-2.0-only
/* The driver's side of a split ring, which does as it is told, also what it must not. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "ring.h"

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

void tring_desc(struct tring *r, unsigned int i, uint64_t gpa, uint32_t len, uint16_t flags,
		uint16_t next)
{
	r->vr.desc[i] = (struct vring_desc) {
		.addr = gpa, .len = len, .flags = flags, .next = next,
	};
}

uint16_t tring_chain(struct tring *r, const struct tbuf *bufs, unsigned int n)
{
	uint16_t head = r->free % r->num, at = head;
	unsigned int i;

	for (i = 0; i < n; i++) {
		uint16_t next = (at + 1) % r->num;
		uint16_t flags = (bufs[i].write ? VRING_DESC_F_WRITE : 0) |
				 (i + 1 < n ? VRING_DESC_F_NEXT : 0);

		tring_desc(r, at, bufs[i].gpa, bufs[i].len, flags, next);
		at = next;
	}
	r->free += n;
	return head;
}

uint16_t tring_indirect(struct tring *r, const struct tbuf *bufs, unsigned int n)
{
	struct vring_desc *table = tmem_alloc(r->mem, n * sizeof(*table), 16);
	uint16_t head = r->free++ % r->num;
	unsigned int i;

	for (i = 0; i < n; i++)
		table[i] = (struct vring_desc) {
			.addr = bufs[i].gpa, .len = bufs[i].len, .next = i + 1,
			.flags = (bufs[i].write ? VRING_DESC_F_WRITE : 0) |
				 (i + 1 < n ? VRING_DESC_F_NEXT : 0),
		};
	tring_desc(r, head, tmem_gpa(r->mem, table), n * sizeof(*table), VRING_DESC_F_INDIRECT, 0);
	return head;
}

void tring_avail(struct tring *r, uint16_t head)
{
	uint16_t idx = r->vr.avail->idx;

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

void tring_recycle(struct tring *r)
{
	r->free = 0;
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Does not rely on the call eventfd: that calls come is for tests of calls. */
bool tring_used(struct tring *r, struct vring_used_elem *elem, int ms)
{
	long end = now_ms() + ms;

	while (__atomic_load_n(&r->vr.used->idx, __ATOMIC_ACQUIRE) == r->seen) {
		if (now_ms() >= end)
			return false;
		usleep(50);
	}
	*elem = r->vr.used->ring[r->seen++ % r->num];
	return true;
}

bool tevent(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t n;

	return poll(&p, 1, ms) == 1 && read(fd, &n, sizeof(n)) == sizeof(n);
}
