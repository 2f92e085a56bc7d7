// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards against a hostile ring: every way of breaking the rules that split and packed rings
 * share stops that queue, fires its error eventfd once, leaves the other queue going, touches
 * nothing outside the guest's memory, and the queue can be started again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "dev.h"

#define NUM	16
#define PAGE	4096

FIXTURE(hostile) {
	struct tblk b;
	int disk;
	uint8_t *fence;
};

FIXTURE_VARIANT(hostile) {
	uint64_t features;
};

FIXTURE_VARIANT_ADD(hostile, flags) { 0 };
FIXTURE_VARIANT_ADD(hostile, event_idx) { EVENT_IDX };
FIXTURE_VARIANT_ADD(hostile, packed) { PACKED };
FIXTURE_VARIANT_ADD(hostile, packed_event_idx) { PACKED | EVENT_IDX };

FIXTURE_SETUP(hostile)
{
	self->disk = memfd_create("disk", 0);
	ASSERT_EQ(0, ftruncate(self->disk, 1 << 20));
	/* what lies around the guest's memory must keep its bytes */
	self->fence = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			   0);
	memset(self->fence, 0x5a, 1 << 20);
	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 2, NUM));
	ASSERT_EQ(0, tblk_start(&self->b, BASE_FEATURES | variant->features));
}

FIXTURE_TEARDOWN(hostile)
{
	unsigned int i;

	for (i = 0; i < 1 << 20 && self->fence[i] == 0x5a; i++)
		;
	EXPECT_EQ(1 << 20, i);
	munmap(self->fence, 1 << 20);
	tblk_close(&self->b);
	close(self->disk);
}

/* Makes a chain out of the three usual buffers, to be spoilt. */
static uint16_t chain(struct tblk *b, struct treq *req, uint32_t type)
{
	struct tbuf bufs[3];

	tblk_prepare(b, req, type, 0, 512, bufs);
	return tring_chain(&b->rings[0], bufs, 3);
}

static bool spoilt(struct tblk *b, unsigned int which, uint64_t gpa, uint32_t len)
{
	struct tring *r = &b->rings[0];
	struct treq req;
	uint16_t head = chain(b, &req, VIRTIO_BLK_T_IN);

	*tring_addr(r, head + which) = gpa;
	*tring_len(r, head + which) = len;
	tring_avail(r, head);
	return tblk_stopped_alone(b);
}

TEST_F(hostile, below_memory)
{
	EXPECT_TRUE(spoilt(&self->b, 0, RING_GPA_BASE - 1, 16));
}

TEST_F(hostile, above_memory)
{
	EXPECT_TRUE(spoilt(&self->b, 1, RING_GPA_BASE + self->b.mem.size - 511, 512));
}

TEST_F(hostile, an_address_of_the_process)
{
	EXPECT_TRUE(spoilt(&self->b, 1, (uintptr_t)self->fence, 512));
}

TEST_F(hostile, wrapping_address)
{
	EXPECT_TRUE(spoilt(&self->b, 1, UINT64_MAX - 10, 512));
}

TEST_F(hostile, kernel_address)
{
	EXPECT_TRUE(spoilt(&self->b, 1, 0xffff888000000000ull, 512));
}

TEST_F(hostile, zero_length)
{
	EXPECT_TRUE(spoilt(&self->b, 1, RING_GPA_BASE, 0));
}

TEST_F(hostile, four_gib_length)
{
	EXPECT_TRUE(spoilt(&self->b, 1, RING_GPA_BASE, UINT32_MAX));
}

TEST_F(hostile, read_behind_write)
{
	struct tring *r = &self->b.rings[0];
	struct treq req;
	uint16_t head = chain(&self->b, &req, VIRTIO_BLK_T_IN);

	*tring_flags(r, head + 2) &= ~VRING_DESC_F_WRITE;
	tring_avail(r, head);
	EXPECT_TRUE(tblk_stopped_alone(&self->b));
}

TEST_F(hostile, no_status)
{
	struct tring *r = &self->b.rings[0];
	struct treq req;
	uint16_t head = chain(&self->b, &req, VIRTIO_BLK_T_OUT);

	*tring_flags(r, head + 1) &= ~VRING_DESC_F_NEXT;
	tring_avail(r, head);
	EXPECT_TRUE(tblk_stopped_alone(&self->b));
}

TEST_F(hostile, short_header)
{
	struct tring *r = &self->b.rings[0];
	struct treq req;
	uint16_t head = chain(&self->b, &req, VIRTIO_BLK_T_IN);

	*tring_len(r, head) = sizeof(struct virtio_blk_outhdr) - 1;
	tring_avail(r, head);
	EXPECT_TRUE(tblk_stopped_alone(&self->b));
}

TEST_F(hostile, indirect_of_odd_size)
{
	struct tring *r = &self->b.rings[0];
	struct tbuf bufs[3];
	struct treq req;
	uint16_t head;

	tblk_prepare(&self->b, &req, VIRTIO_BLK_T_IN, 0, 512, bufs);
	head = tring_indirect(r, bufs, 3);
	*tring_len(r, head) -= 1;
	tring_avail(r, head);
	EXPECT_TRUE(tblk_stopped_alone(&self->b));
}

TEST_F(hostile, indirect_of_no_size)
{
	struct tring *r = &self->b.rings[0];

	tring_avail(r, tring_one(r, RING_GPA_BASE, 0, VRING_DESC_F_INDIRECT));
	EXPECT_TRUE(tblk_stopped_alone(&self->b));
}

TEST_F(hostile, indirect_outside_memory)
{
	struct tring *r = &self->b.rings[0];

	tring_avail(r, tring_one(r, RING_GPA_BASE + self->b.mem.size, 48, VRING_DESC_F_INDIRECT));
	EXPECT_TRUE(tblk_stopped_alone(&self->b));
}

TEST_F(hostile, indirect_in_indirect)
{
	struct tring *r = &self->b.rings[0];
	struct tbuf buf = { RING_GPA_BASE, 16, false };
	uint8_t *inner = tmem_alloc(&self->b.mem, 16, 16), *outer;

	outer = tmem_alloc(&self->b.mem, 16, 16);
	tring_table(r, inner, &buf, 1);
	buf.gpa = tmem_gpa(&self->b.mem, inner);
	tring_table(r, outer, &buf, 1);
	*tring_table_flags(r, outer, 0) |= VRING_DESC_F_INDIRECT;
	tring_avail(r, tring_one(r, tmem_gpa(&self->b.mem, outer), 16, VRING_DESC_F_INDIRECT));
	EXPECT_TRUE(tblk_stopped_alone(&self->b));
}

TEST_F(hostile, indirect_that_continues)
{
	struct tring *r = &self->b.rings[0];
	struct tbuf bufs[3];
	struct treq req;
	uint16_t head;

	tblk_prepare(&self->b, &req, VIRTIO_BLK_T_IN, 0, 512, bufs);
	head = tring_indirect(r, bufs, 3);
	*tring_flags(r, head) |= VRING_DESC_F_NEXT;
	tring_avail(r, head);
	EXPECT_TRUE(tblk_stopped_alone(&self->b));
}

TEST_F(hostile, longer_than_the_ring)
{
	struct tring *r = &self->b.rings[0];
	struct tbuf bufs[NUM + 1];
	unsigned int i;

	for (i = 0; i <= NUM; i++)
		bufs[i] = (struct tbuf) { RING_GPA_BASE, 1, i == NUM };
	tring_avail(r, tring_indirect(r, bufs, NUM + 1));
	EXPECT_TRUE(tblk_stopped_alone(&self->b));
}

/* The ring itself disappears under the worker. */
TEST_F(hostile, ring_unmapped)
{
	struct tring *r = &self->b.rings[0];
	struct treq req = {};

	ASSERT_EQ(0, mprotect((void *)((uintptr_t)r->vr.used & -PAGE), PAGE, PROT_NONE));
	tring_kick(r);
	tblk_queue(&self->b, 0, &req, VIRTIO_BLK_T_IN, 0, 512);
	tring_kick(r);
	EXPECT_TRUE(tevent(r->err, SOON));
	EXPECT_EQ(VIRTIO_BLK_S_OK,
		  tblk_do(&self->b, 1, &(struct treq) {}, VIRTIO_BLK_T_IN, 0, 512));
	ASSERT_EQ(0, mprotect((void *)((uintptr_t)r->vr.used & -PAGE), PAGE,
			      PROT_READ | PROT_WRITE));
}

/* Data in a hole of the owner's memory is a failed request, not a broken queue. */
TEST_F(hostile, data_unmapped)
{
	struct tring *r = &self->b.rings[0];
	struct vring_used_elem used;
	struct treq req;
	uint16_t head = chain(&self->b, &req, VIRTIO_BLK_T_IN);

	ASSERT_EQ(0, mprotect(req.data, PAGE, PROT_NONE));
	*tring_addr(r, head + 2) = RING_GPA_BASE;
	tring_avail(r, head);
	tring_kick(r);
	ASSERT_TRUE(tring_used(r, &used, SOON));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, self->b.mem.base[0]);
	EXPECT_FALSE(tevent(r->err, 0));
	ASSERT_EQ(0, mprotect(req.data, PAGE, PROT_READ | PROT_WRITE));
}

/* The same chain made available again and again while it is in flight. */
TEST_F(hostile, eventfds_closed)
{
	struct vring_used_elem used;
	struct treq req = {};
	unsigned int i;

	tblk_queue(&self->b, 0, &req, VIRTIO_BLK_T_IN, 0, 512);
	tring_kick(&self->b.rings[0]);
	close(self->b.rings[0].call);
	close(self->b.rings[0].err);
	close(self->b.rings[0].kick);
	EXPECT_TRUE(tring_used(&self->b.rings[0], &used, SOON));
	/* and replaced, by nothing and by others, over and over */
	for (i = 0; i < 100; i++) {
		int fd = eventfd(0, 0);

		ASSERT_EQ(0, dev_pair(self->b.fd, VHOST_SET_VRING_KICK, 0, i % 2 ? fd : -1));
		ASSERT_EQ(0, dev_pair(self->b.fd, VHOST_SET_VRING_CALL, 0, i % 3 ? fd : -1));
		ASSERT_EQ(0, dev_pair(self->b.fd, VHOST_SET_VRING_ERR, 0, i % 5 ? fd : -1));
		close(fd);
	}
	EXPECT_EQ(VIRTIO_BLK_S_OK,
		  tblk_do(&self->b, 1, &(struct treq) {}, VIRTIO_BLK_T_IN, 0, 512));
}

/* The memory table is replaced while requests run. */
TEST_F(hostile, memory_replaced)
{
	struct vring_used_elem used;
	unsigned int i;

	for (i = 0; i < 200; i++) {
		struct treq req = {};

		tblk_forget(&self->b);
		tblk_queue(&self->b, 0, &req, VIRTIO_BLK_T_IN, 0, 4096);
		tring_kick(&self->b.rings[0]);
		ASSERT_EQ(0, dev_mem(self->b.fd, &self->b.mem));
		ASSERT_TRUE(tring_used(&self->b.rings[0], &used, SOON));
		ASSERT_EQ(VIRTIO_BLK_S_OK, *req.status);
	}
	/* An empty one: nothing is in memory any more. */
	struct vhost_memory none = {};

	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_MEM_TABLE, &none));
	struct treq req = {};

	tblk_queue(&self->b, 0, &req, VIRTIO_BLK_T_IN, 0, 512);
	tring_kick(&self->b.rings[0]);
	EXPECT_TRUE(tevent(self->b.rings[0].err, SOON));
}

TEST_F(hostile, ring_moved_while_running)
{
	struct tring *r = &self->b.rings[0];
	struct vhost_vring_addr a = {
		.desc_user_addr = (uintptr_t)r->vr.desc,
		.avail_user_addr = (uintptr_t)r->vr.avail + 4096,
		.used_user_addr = (uintptr_t)r->vr.used,
	};

	EXPECT_EQ(-EBUSY, dev_ioctl(self->b.fd, VHOST_SET_VRING_ADDR, &a));
	EXPECT_EQ(-EBUSY, dev_pair(self->b.fd, VHOST_SET_VRING_NUM, 0, 8));
	EXPECT_EQ(-EBUSY, dev_pair(self->b.fd, VHOST_SET_VRING_BASE, 0, 8));
	EXPECT_EQ(VIRTIO_BLK_S_OK,
		  tblk_do(&self->b, 0, &(struct treq) {}, VIRTIO_BLK_T_IN, 0, 512));
}

TEST_HARNESS_MAIN
