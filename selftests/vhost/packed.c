// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards what is particular to packed rings: chains of every length at every place, buffer ids,
 * answers out of order, lengths that are no powers of two, the position that user space reads
 * and sets, and who is interrupted or kicked when.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "dev.h"

#define NUM	16

FIXTURE(packed) {
	struct tblk b;
	int disk;
	struct tring *r;
};

FIXTURE_VARIANT(packed) {
	unsigned int num;
	uint64_t features;
};

FIXTURE_VARIANT_ADD(packed, flags) { NUM, 0 };
FIXTURE_VARIANT_ADD(packed, event_idx) { NUM, EVENT_IDX };
FIXTURE_VARIANT_ADD(packed, odd_length) { 13, 0 };
FIXTURE_VARIANT_ADD(packed, odd_length_event_idx) { 13, EVENT_IDX };

FIXTURE_SETUP(packed)
{
	self->disk = memfd_create("disk", 0);
	ASSERT_EQ(0, ftruncate(self->disk, 1 << 20));
	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 1, NUM));
	self->r = &self->b.rings[0];
	self->r->num = variant->num;
	ASSERT_EQ(0, tblk_start(&self->b, BASE_FEATURES | PACKED | variant->features));
}

FIXTURE_TEARDOWN(packed)
{
	tblk_close(&self->b);
	close(self->disk);
}

/* The driver's and the device's event structure. */
static volatile struct vring_packed_desc_event *driver_event(struct tring *r)
{
	return (void *)r->vr.avail;
}

static volatile struct vring_packed_desc_event *device_event(struct tring *r)
{
	return (void *)r->vr.used;
}

/* Prepares a read whose data is in as many pieces as make a chain of @n descriptors. */
static unsigned int pieces(struct tblk *b, struct treq *req, struct tbuf *bufs, unsigned int n)
{
	struct tbuf three[3];
	unsigned int i;

	tblk_prepare(b, req, VIRTIO_BLK_T_IN, 0, (n - 2) * 512, three);
	bufs[0] = three[0];
	for (i = 0; i < n - 2; i++)
		bufs[i + 1] = (struct tbuf) { three[1].gpa + i * 512, 512, true };
	bufs[n - 1] = three[2];
	return n;
}

TEST_F(packed, every_length_at_every_place)
{
	struct vring_used_elem used;
	struct tbuf bufs[NUM];
	unsigned int n, i;

	for (n = 3; n <= variant->num; n++)
		for (i = 0; i < 2 * variant->num; i++) {
			struct treq req = {};
			uint16_t head;

			tblk_forget(&self->b);
			head = tring_chain(self->r, bufs, pieces(&self->b, &req, bufs, n));
			tring_avail(self->r, head);
			tring_kick(self->r);
			ASSERT_TRUE(tring_used(self->r, &used, SOON));
			ASSERT_EQ(head, used.id);
			ASSERT_EQ((n - 2) * 512 + 1, used.len);
			ASSERT_EQ(VIRTIO_BLK_S_OK, *req.status);
		}
}

/* An id is the driver's own affair, also if two chains have the same. */
TEST_F(packed, ids)
{
	static const uint16_t ids[] = { 0xffff, 0, 0xffff, NUM };
	struct vring_packed_desc *ring = (void *)self->r->vr.desc;
	struct treq req[ARRAY_SIZE(ids)] = {};
	uint16_t head[ARRAY_SIZE(ids)];
	struct tbuf bufs[3];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		head[i] = tring_chain(self->r, bufs, pieces(&self->b, &req[i], bufs, 3));
		/* the last one's counts */
		ring[head[i] + 1].id = 0x1234;
		ring[head[i] + 2].id = ids[i];
	}
	for (i = 0; i < ARRAY_SIZE(ids); i++)
		tring_avail(self->r, head[i]);
	tring_kick(self->r);
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		struct vring_used_elem used;

		ASSERT_TRUE(tring_used(self->r, &used, SOON));
		EXPECT_EQ(ids[i], used.id);
		self->r->seen = self->r->pos[head[i]] + 3;
	}
}

/* What takes longer does not hold up what comes behind it, and each takes its own room. */
TEST_F(packed, out_of_order)
{
	struct vring_used_elem used;
	unsigned int round, i, done;

	for (round = 0; round < 200; round++) {
		struct treq req[3] = {};
		struct tbuf bufs[8];

		tblk_forget(&self->b);
		tblk_queue(&self->b, 0, &req[0], VIRTIO_BLK_T_FLUSH, 0, 0);
		req[1].head = tring_chain(self->r, bufs, pieces(&self->b, &req[1], bufs, 5));
		tring_avail(self->r, req[1].head);
		tblk_queue(&self->b, 0, &req[2], VIRTIO_BLK_T_GET_ID, 0, 20);
		tring_kick(self->r);
		for (done = 0; done != 7;) {
			ASSERT_TRUE(tring_used(self->r, &used, SOON));
			for (i = 0; i < 3; i++)
				if (used.id == req[i].head) {
					ASSERT_EQ(VIRTIO_BLK_S_OK, *req[i].status);
					ASSERT_EQ(0, done & 1 << i);
					done |= 1 << i;
				}
		}
	}
}

static uint32_t base(struct tblk *b)
{
	struct vhost_vring_state s = { .index = 0 };

	return dev_ioctl(b->fd, VHOST_GET_VRING_BASE, &s) ? ~0u : s.num;
}

TEST_F(packed, position)
{
	unsigned int i;

	EXPECT_EQ(WRAP | WRAP << 16, base(&self->b));
	for (i = 0; i < 3 * variant->num; i++) {
		struct treq req = {};

		tblk_forget(&self->b);
		ASSERT_EQ(VIRTIO_BLK_S_OK, tblk_do(&self->b, 0, &req, VIRTIO_BLK_T_IN, 0, 512));
		ASSERT_EQ(tring_base(self->r), base(&self->b));
		/* Elsewhere it goes on from what was read here. */
		ASSERT_EQ(0, tblk_running(&self->b, 0));
		ASSERT_EQ(0, dev_pair(self->b.fd, VHOST_SET_VRING_BASE, 0, 0));
		ASSERT_EQ(0, dev_pair(self->b.fd, VHOST_SET_VRING_BASE, 0, tring_base(self->r)));
		ASSERT_EQ(0, tblk_running(&self->b, 1));
	}
}

/* Who sets no position begins as a driver does that has just reset its device. */
TEST_F(packed, first_position)
{
	uint64_t features = BASE_FEATURES | PACKED | variant->features;

	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_RESET_OWNER, NULL));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_OWNER, NULL));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_FEATURES, &features));
	EXPECT_EQ(WRAP | WRAP << 16, base(&self->b));
}

static bool one(struct tblk *b)
{
	struct treq req = {};

	return tblk_do(b, 0, &req, VIRTIO_BLK_T_IN, 0, 512) == VIRTIO_BLK_S_OK;
}

TEST_F(packed, interrupts_off_and_on)
{
	struct tring *r = self->r;

	ASSERT_TRUE(one(&self->b));
	EXPECT_TRUE(tevent(r->call, SOON));
	driver_event(r)->flags = VRING_PACKED_EVENT_FLAG_DISABLE;
	ASSERT_TRUE(one(&self->b));
	EXPECT_FALSE(tevent(r->call, NEVER));
	driver_event(r)->flags = VRING_PACKED_EVENT_FLAG_ENABLE;
	ASSERT_TRUE(one(&self->b));
	EXPECT_TRUE(tevent(r->call, SOON));
}

/* With the event index the driver names the descriptor, also of the turn to come. */
TEST_F(packed, interrupt_at_a_descriptor)
{
	struct tring *r = self->r;
	unsigned int i, n;

	if (!(variant->features & EVENT_IDX))
		SKIP(return, "for the event index");
	ASSERT_TRUE(one(&self->b));
	EXPECT_TRUE(tevent(r->call, SOON));
	/* Two requests of three descriptors later: the first is not told, the second is. */
	for (i = 0; i < 4 * variant->num; i++) {
		uint32_t pos = r->free + 3 + i % 3;

		driver_event(r)->off_wrap = pos % variant->num |
					    (pos / variant->num % 2 ? 0 : WRAP);
		driver_event(r)->flags = VRING_PACKED_EVENT_FLAG_DESC;
		for (n = 0; n < 2; n++) {
			ASSERT_TRUE(one(&self->b));
			ASSERT_EQ(n == 1, tevent(r->call, n ? SOON : 5));
		}
	}
}

/* An idle device asks for kicks, and with the event index says at which descriptor. */
TEST_F(packed, kicks_wanted)
{
	struct tring *r = self->r;
	unsigned int i, ms;
	uint32_t want;

	for (i = 0; i < 3 * variant->num; i++) {
		ASSERT_TRUE(one(&self->b));
		for (ms = 0; ms < SOON &&
		     device_event(r)->flags == VRING_PACKED_EVENT_FLAG_DISABLE; ms++)
			usleep(1000);
		if (!(variant->features & EVENT_IDX)) {
			ASSERT_EQ(VRING_PACKED_EVENT_FLAG_ENABLE, device_event(r)->flags);
			continue;
		}
		want = (uint16_t)tring_base(r);
		ASSERT_EQ(VRING_PACKED_EVENT_FLAG_DESC, device_event(r)->flags);
		ASSERT_EQ(want, device_event(r)->off_wrap);
	}
}

TEST_HARNESS_MAIN
