// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards against a hostile split ring: loops, indices outside their tables, an available index
 * that jumps or goes back. The queue stops alone and can be started again.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "dev.h"

#define NUM	16

FIXTURE(split) {
	struct tblk b;
	int disk;
};

FIXTURE_VARIANT(split) {
	uint64_t features;
};

FIXTURE_VARIANT_ADD(split, flags) { 0 };
FIXTURE_VARIANT_ADD(split, event_idx) { EVENT_IDX };

FIXTURE_SETUP(split)
{
	self->disk = memfd_create("disk", 0);
	ASSERT_EQ(0, ftruncate(self->disk, 1 << 20));
	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 2, NUM));
	ASSERT_EQ(0, tblk_start(&self->b, BASE_FEATURES | variant->features));
}

FIXTURE_TEARDOWN(split)
{
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

TEST_F(split, loop)
{
	struct tring *r = &self->b.rings[0];
	struct treq req;
	uint16_t head = chain(&self->b, &req, VIRTIO_BLK_T_OUT);

	r->vr.desc[head + 1].flags |= VRING_DESC_F_NEXT;
	r->vr.desc[head + 1].next = head;
	tring_avail(r, head);
	EXPECT_TRUE(tblk_stopped_alone(&self->b));
}

TEST_F(split, descriptor_that_is_its_own_next)
{
	struct tring *r = &self->b.rings[0];
	struct treq req;
	uint16_t head = chain(&self->b, &req, VIRTIO_BLK_T_OUT);

	r->vr.desc[head].next = head;
	tring_avail(r, head);
	EXPECT_TRUE(tblk_stopped_alone(&self->b));
}

TEST_F(split, head_outside_the_table)
{
	tring_avail(&self->b.rings[0], NUM);
	EXPECT_TRUE(tblk_stopped_alone(&self->b));
}

TEST_F(split, next_outside_the_table)
{
	struct tring *r = &self->b.rings[0];
	struct treq req;
	uint16_t head = chain(&self->b, &req, VIRTIO_BLK_T_OUT);

	r->vr.desc[head + 1].next = 0xffff;
	tring_avail(r, head);
	EXPECT_TRUE(tblk_stopped_alone(&self->b));
}

TEST_F(split, index_jump)
{
	struct tring *r = &self->b.rings[0];
	struct treq req;

	tring_avail(r, chain(&self->b, &req, VIRTIO_BLK_T_OUT));
	r->vr.avail->idx += NUM;
	EXPECT_TRUE(tblk_stopped_alone(&self->b));
}

TEST_F(split, index_back)
{
	struct tring *r = &self->b.rings[0];

	r->vr.avail->idx = 0xffff;
	EXPECT_TRUE(tblk_stopped_alone(&self->b));
}

TEST_F(split, indirect_loop)
{
	struct tring *r = &self->b.rings[0];
	struct tbuf bufs[3];
	struct vring_desc *table;
	struct treq req;
	uint16_t head;

	tblk_prepare(&self->b, &req, VIRTIO_BLK_T_OUT, 0, 512, bufs);
	head = tring_indirect(r, bufs, 3);
	table = (void *)(self->b.mem.base + (r->vr.desc[head].addr - RING_GPA_BASE));
	table[1].next = 0;
	tring_avail(r, head);
	EXPECT_TRUE(tblk_stopped_alone(&self->b));
}

TEST_F(split, one_head_many_times)
{
	struct tring *r = &self->b.rings[0];
	struct vring_used_elem used;
	struct treq req;
	uint16_t head = chain(&self->b, &req, VIRTIO_BLK_T_IN);
	unsigned int i;

	for (i = 0; i < NUM; i++)
		tring_avail(r, head);
	tring_kick(r);
	for (i = 0; i < NUM; i++) {
		ASSERT_TRUE(tring_used(r, &used, SOON));
		EXPECT_EQ(head, used.id);
	}
	EXPECT_EQ(VIRTIO_BLK_S_OK, *req.status);
}

TEST_HARNESS_MAIN
