// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the launcher against its guest's virtqueues: a chain that loops, leaves RAM, nests
 * indirect tables or mixes directions is refused; a ring that lies is not followed; good chains
 * arrive whole. Random rings must neither crash nor hand out a buffer outside RAM.
 */
#include <linux/virtio_pci.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest_harness.h"
#include "vellum_types_undef.h"
#include "virtio/iov.h"
#include "virtio/queue.h"

#define RAM_SIZE	(4 * MIB)
#define DESC		0x10000ULL
#define AVAIL		0x20000ULL
#define USED		0x30000ULL
#define INDIRECT	0x40000ULL
#define DATA		0x50000ULL
#define SIZE		8
#define FUZZ_ROUNDS	200000

FIXTURE(queue)
{
	struct guest_ram ram;
	struct queue q;
	struct chain chain;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_desc *indirect;
};

FIXTURE_SETUP(queue)
{
	struct error err;

	ASSERT_EQ(0, ram_create(&self->ram, RAM_SIZE, NULL, &err));
	memset(&self->q, 0, sizeof(self->q));
	self->q.ram = &self->ram;
	queue_reset(&self->q);
	self->q.size = SIZE;
	self->q.desc_gpa = DESC;
	self->q.avail_gpa = AVAIL;
	self->q.used_gpa = USED;
	ASSERT_EQ(0, queue_enable(&self->q));
	self->desc = ram_ptr(&self->ram, DESC, 1);
	self->avail = ram_ptr(&self->ram, AVAIL, 1);
	self->indirect = ram_ptr(&self->ram, INDIRECT, 1);
}

FIXTURE_TEARDOWN(queue)
{
	ram_destroy(&self->ram);
}

static void offer(struct vring_avail *avail, __u16 head)
{
	avail->ring[avail->idx % SIZE] = head;
	avail->idx++;
}

static void set(struct vring_desc *d, __u64 addr, __u32 len, __u16 flags, __u16 next)
{
	*d = (struct vring_desc){ addr, len, flags, next };
}

TEST_F(queue, empty)
{
	EXPECT_EQ(0, queue_pop(&self->q, &self->chain));
}

TEST_F(queue, good_chain)
{
	set(&self->desc[3], DATA, 16, VRING_DESC_F_NEXT, 5);
	set(&self->desc[5], DATA + 0x1000, 512, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
	set(&self->desc[1], DATA + 0x2000, 1, VRING_DESC_F_WRITE, 0);
	offer(self->avail, 3);
	ASSERT_EQ(1, queue_pop(&self->q, &self->chain));
	EXPECT_EQ(3, self->chain.head);
	EXPECT_EQ(1, self->chain.outs);
	EXPECT_EQ(2, self->chain.ins);
	EXPECT_EQ(ram_ptr(&self->ram, DATA, 16), self->chain.out[0].iov_base);
	EXPECT_EQ(512, self->chain.in[0].iov_len);
	EXPECT_EQ(0, queue_pop(&self->q, &self->chain));
	queue_push(&self->q, &self->chain, 513);
	EXPECT_EQ(1, self->q.used->idx);
	EXPECT_EQ(3, self->q.used->ring[0].id);
	EXPECT_EQ(513, self->q.used->ring[0].len);
}

TEST_F(queue, good_indirect)
{
	set(&self->indirect[0], DATA, 8, VRING_DESC_F_NEXT, 1);
	set(&self->indirect[1], DATA, 8, VRING_DESC_F_WRITE, 0);
	set(&self->desc[0], INDIRECT, 32, VRING_DESC_F_INDIRECT, 0);
	offer(self->avail, 0);
	ASSERT_EQ(1, queue_pop(&self->q, &self->chain));
	EXPECT_EQ(1, self->chain.outs);
	EXPECT_EQ(1, self->chain.ins);
}

TEST_F(queue, loop)
{
	set(&self->desc[0], DATA, 1, VRING_DESC_F_NEXT, 1);
	set(&self->desc[1], DATA, 1, VRING_DESC_F_NEXT, 0);
	offer(self->avail, 0);
	EXPECT_EQ(-1, queue_pop(&self->q, &self->chain));
}

TEST_F(queue, empty_descriptor_loop)
{
	set(&self->desc[0], DATA, 0, VRING_DESC_F_NEXT, 0);
	offer(self->avail, 0);
	EXPECT_EQ(-1, queue_pop(&self->q, &self->chain));
}

TEST_F(queue, head_out_of_range)
{
	offer(self->avail, SIZE);
	EXPECT_EQ(-1, queue_pop(&self->q, &self->chain));
}

TEST_F(queue, next_out_of_range)
{
	set(&self->desc[0], DATA, 1, VRING_DESC_F_NEXT, SIZE);
	offer(self->avail, 0);
	EXPECT_EQ(-1, queue_pop(&self->q, &self->chain));
}

TEST_F(queue, buffers_outside_ram)
{
	static const struct { __u64 addr; __u32 len; } bad[] = {
		{ RAM_SIZE, 1 }, { RAM_SIZE - 1, 2 }, { ~0ULL, 1 }, { ~0ULL, 2 },
		{ 0, RAM_SIZE + 1 }, { DATA, ~0U }, { 4 * GIB, 1 }, { 3 * GIB, 1 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		set(&self->desc[0], bad[i].addr, bad[i].len, 0, 0);
		self->q.next_avail = self->avail->idx;
		offer(self->avail, 0);
		EXPECT_EQ(-1, queue_pop(&self->q, &self->chain)) {
			TH_LOG("case %zu", i);
		}
	}
}

TEST_F(queue, read_after_write)
{
	set(&self->desc[0], DATA, 1, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	set(&self->desc[1], DATA, 1, 0, 0);
	offer(self->avail, 0);
	EXPECT_EQ(-1, queue_pop(&self->q, &self->chain));
}

TEST_F(queue, bad_indirect)
{
	static const struct { __u64 addr; __u32 len; __u16 flags; } bad[] = {
		{ INDIRECT, 0, 0 }, { INDIRECT, 15, 0 }, { INDIRECT, 17, 0 },
		{ RAM_SIZE, 16, 0 }, { RAM_SIZE - 16, 32, 0 }, { ~0ULL - 15, 32, 0 },
		{ INDIRECT, 16, VRING_DESC_F_NEXT }, { INDIRECT, 16 * 257, 0 },
	};
	size_t i;

	set(&self->indirect[0], DATA, 1, 0, 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		set(&self->desc[0], bad[i].addr, bad[i].len, bad[i].flags | VRING_DESC_F_INDIRECT,
		    1);
		self->q.next_avail = self->avail->idx;
		offer(self->avail, 0);
		EXPECT_EQ(-1, queue_pop(&self->q, &self->chain)) {
			TH_LOG("case %zu", i);
		}
	}
}

TEST_F(queue, nested_indirect)
{
	set(&self->indirect[0], INDIRECT, 16, VRING_DESC_F_INDIRECT, 0);
	set(&self->desc[0], INDIRECT, 16, VRING_DESC_F_INDIRECT, 0);
	offer(self->avail, 0);
	EXPECT_EQ(-1, queue_pop(&self->q, &self->chain));
}

TEST_F(queue, index_jump)
{
	self->avail->idx = SIZE + 1;
	EXPECT_EQ(-1, queue_pop(&self->q, &self->chain));
}

TEST_F(queue, index_wrap)
{
	self->q.next_avail = 0xffff;
	self->avail->idx = 0xffff;
	set(&self->desc[2], DATA, 1, 0, 0);
	offer(self->avail, 2);
	EXPECT_EQ(1, queue_pop(&self->q, &self->chain));
	EXPECT_EQ(0, queue_pop(&self->q, &self->chain));
}

TEST_F(queue, bad_rings)
{
	static const struct { __u16 size; __u64 desc, avail, used; } bad[] = {
		{ 0, DESC, AVAIL, USED }, { 3, DESC, AVAIL, USED }, { 512, DESC, AVAIL, USED },
		{ SIZE, DESC + 8, AVAIL, USED }, { SIZE, DESC, AVAIL + 1, USED },
		{ SIZE, DESC, AVAIL, USED + 2 }, { SIZE, RAM_SIZE, AVAIL, USED },
		{ SIZE, DESC, RAM_SIZE - 2, USED }, { SIZE, DESC, AVAIL, RAM_SIZE - 4 },
		{ SIZE, ~0ULL & ~15ULL, AVAIL, USED }, { SIZE, DESC, AVAIL, 3 * GIB },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		queue_reset(&self->q);
		self->q.size = bad[i].size;
		self->q.desc_gpa = bad[i].desc;
		self->q.avail_gpa = bad[i].avail;
		self->q.used_gpa = bad[i].used;
		EXPECT_EQ(-1, queue_enable(&self->q)) {
			TH_LOG("case %zu", i);
		}
		EXPECT_FALSE(self->q.enabled);
	}
}

/* The launcher maps a packed ring for whoever serves it. */
TEST_F(queue, packed_rings)
{
	static const struct { __u16 size; __u64 desc, driver, device; int want; } rings[] = {
		{ SIZE, DESC, AVAIL, USED, 0 }, { 3, DESC, RAM_SIZE - 4, RAM_SIZE - 4, 0 },
		{ 256, RAM_SIZE - 256 * 16, AVAIL, USED, 0 },
		{ 0, DESC, AVAIL, USED, -1 }, { 257, DESC, AVAIL, USED, -1 },
		{ SIZE, DESC + 8, AVAIL, USED, -1 }, { SIZE, DESC, AVAIL + 2, USED, -1 },
		{ SIZE, DESC, AVAIL, USED + 2, -1 }, { 3, RAM_SIZE - 32, AVAIL, USED, -1 },
		{ SIZE, DESC, RAM_SIZE, USED, -1 }, { SIZE, DESC, AVAIL, ~0ULL & ~3ULL, -1 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rings); i++) {
		queue_reset(&self->q);
		self->q.packed = true;
		self->q.size = rings[i].size;
		self->q.desc_gpa = rings[i].desc;
		self->q.avail_gpa = rings[i].driver;
		self->q.used_gpa = rings[i].device;
		EXPECT_EQ(rings[i].want, queue_enable(&self->q)) {
			TH_LOG("case %zu", i);
		}
		EXPECT_EQ(!rings[i].want, self->q.enabled);
	}
}

TEST_F(queue, event_index)
{
	set(&self->desc[0], DATA, 1, 0, 0);
	self->q.event_idx = true;
	self->avail->ring[SIZE] = 1;	/* used_event: interrupt after the second request */
	offer(self->avail, 0);
	offer(self->avail, 0);
	ASSERT_EQ(1, queue_pop(&self->q, &self->chain));
	queue_push(&self->q, &self->chain, 0);
	EXPECT_FALSE(queue_should_interrupt(&self->q));
	ASSERT_EQ(1, queue_pop(&self->q, &self->chain));
	queue_push(&self->q, &self->chain, 0);
	EXPECT_TRUE(queue_should_interrupt(&self->q));
	EXPECT_FALSE(queue_should_interrupt(&self->q));
	EXPECT_FALSE(queue_rearm(&self->q));
	EXPECT_EQ(2, *(__u16 *)&self->q.used->ring[SIZE]);
	offer(self->avail, 0);
	EXPECT_TRUE(queue_rearm(&self->q));
}

static bool inside(const struct guest_ram *ram, const struct iovec *iov)
{
	__u8 *at = iov->iov_base;

	return at >= ram->host && at < ram->host + ram->size && iov->iov_len &&
	       iov->iov_len <= (size_t)(ram->host + ram->size - at);
}

static void randomise(void *at, size_t len)
{
	__u8 *p = at;

	while (len--)
		*p++ = (__u8)(random() >> 8);
}

TEST_F(queue, fuzz)
{
	__u32 round, i, good = 0;
	int r;

	srandom(1);
	for (round = 0; round < FUZZ_ROUNDS; round++) {
		randomise(self->desc, SIZE * sizeof(*self->desc));
		/* Mostly plausible: else nothing but the first check is ever tried. */
		for (i = 0; i < SIZE; i++) {
			self->desc[i].addr %= random() % 4 ? RAM_SIZE : ~0ULL;
			self->desc[i].len %= random() % 4 ? 0x4000 : ~0U;
			self->desc[i].next %= random() % 8 ? SIZE : 0xffff;
			self->desc[i].flags &= random() % 2 ? 3 : 7;
		}
		self->q.next_avail = self->avail->idx;
		offer(self->avail, (__u16)(random() % (SIZE + 1)));
		r = queue_pop(&self->q, &self->chain);
		if (r != 1)
			continue;
		good++;
		for (i = 0; i < self->chain.outs + self->chain.ins; i++)
			ASSERT_TRUE(inside(&self->ram, &self->chain.iov[i]));
	}
	EXPECT_GT(good, FUZZ_ROUNDS / 100);
}

TEST(iov_pieces)
{
	char a[4] = "abc", b[3] = "de", c[2] = "f", got[7] = "";
	struct iovec iov[] = { { a, 3 }, { b, 2 }, { c, 1 } };
	struct iov_cursor cur = { iov, 3 };

	EXPECT_EQ(6, iov_size(&cur));
	EXPECT_EQ((__u8 *)c, iov_cut_last_byte(&cur));
	EXPECT_TRUE(iov_take(&cur, got, 4));
	EXPECT_STREQ("abcd", got);
	EXPECT_TRUE(iov_put(&cur, "X", 1));
	EXPECT_EQ('X', b[1]);
	EXPECT_FALSE(iov_take(&cur, got, 1));
	EXPECT_EQ(NULL, iov_cut_last_byte(&cur));
}

TEST_HARNESS_MAIN
