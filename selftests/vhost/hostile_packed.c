// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards against a hostile packed ring: chains that never end, that go on where nothing is
 * available or over what is in flight, indirect tables inside chains, wrap counters that are
 * not as they must be, positions and addresses that cannot be. The queue stops alone, or
 * does not start.
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
};

FIXTURE_VARIANT(packed) {
	uint64_t features;
};

FIXTURE_VARIANT_ADD(packed, flags) { 0 };
FIXTURE_VARIANT_ADD(packed, event_idx) { EVENT_IDX };

FIXTURE_SETUP(packed)
{
	self->disk = memfd_create("disk", 0);
	ASSERT_EQ(0, ftruncate(self->disk, 1 << 20));
	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 2, NUM));
	ASSERT_EQ(0, tblk_start(&self->b, BASE_FEATURES | PACKED | variant->features));
}

FIXTURE_TEARDOWN(packed)
{
	tblk_close(&self->b);
	close(self->disk);
}

/* Makes a chain of @n buffers of a byte each to read. */
static uint16_t bytes(struct tblk *b, unsigned int n)
{
	struct tbuf bufs[NUM];
	unsigned int i;

	for (i = 0; i < n; i++)
		bufs[i] = (struct tbuf) { RING_GPA_BASE, 1, false };
	return tring_chain(&b->rings[0], bufs, n);
}

TEST_F(packed, chain_without_end)
{
	struct tring *r = &self->b.rings[0];
	uint16_t head = bytes(&self->b, NUM);

	*tring_flags(r, head + NUM - 1) |= VRING_DESC_F_NEXT;
	tring_avail(r, head);
	EXPECT_TRUE(tblk_stopped_alone(&self->b));
}

static void *flip(void *arg)
{
	struct tring *r = arg;

	while (!__atomic_load_n(&r->order_n, __ATOMIC_ACQUIRE))
		*(volatile uint16_t *)tring_flags(r, 0) ^= DESC_AVAIL | DESC_USED;
	return NULL;
}

/* Round and round, on a descriptor that is available at every turn: nothing is taken. */
TEST_F(packed, turns_change_meanwhile)
{
	struct vhost_vring_state s = { .index = 0 };
	struct tring *r = &self->b.rings[0];
	unsigned int i, tries;
	pthread_t thread;

	for (i = 0; i < 100; i++) {
		*tring_flags(r, bytes(&self->b, NUM) + NUM - 1) |= VRING_DESC_F_NEXT;
		*tring_flags(r, 0) ^= DESC_USED;
		ASSERT_EQ(0, pthread_create(&thread, NULL, flip, r));
		/* Not available at the moment: then it was not seen. */
		for (tries = 0; tries < SOON && !tevent(r->err, 1); tries++)
			tring_kick(r);
		EXPECT_GT(SOON, tries);
		__atomic_store_n(&r->order_n, 1, __ATOMIC_RELEASE);
		pthread_join(thread, NULL);
		ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_GET_VRING_BASE, &s));
		ASSERT_EQ(WRAP | WRAP << 16, s.num);
		ASSERT_EQ(0, tblk_running(&self->b, 0));
		tring_restart(r, true, 0);
		ASSERT_EQ(0, tblk_running(&self->b, 1));
	}
}

TEST_F(packed, chain_into_nothing)
{
	struct tring *r = &self->b.rings[0];
	uint16_t head = bytes(&self->b, 3);

	*tring_flags(r, head + 2) |= VRING_DESC_F_NEXT;
	tring_avail(r, head);
	EXPECT_TRUE(tblk_stopped_alone(&self->b));
}

/* What follows has the wrap counter of the turn before, and of the one after. */
TEST_F(packed, chain_of_another_turn)
{
	struct tring *r = &self->b.rings[0];
	uint16_t head = bytes(&self->b, 3);

	*tring_flags(r, head + 1) ^= DESC_AVAIL | DESC_USED;
	tring_avail(r, head);
	EXPECT_TRUE(tblk_stopped_alone(&self->b));
}

/* Four descriptors are in flight, as the base says; the driver uses them again. */
TEST_F(packed, chain_over_what_is_in_flight)
{
	struct tring *r = &self->b.rings[0];
	uint16_t head;

	ASSERT_EQ(0, tblk_running(&self->b, 0));
	ASSERT_EQ(0, dev_pair(self->b.fd, VHOST_SET_VRING_BASE, 0, (4 | WRAP) | WRAP << 16));
	r->free = 4;
	head = bytes(&self->b, NUM - 4 + 1);
	tring_avail(r, head);
	ASSERT_EQ(0, tblk_running(&self->b, 1));
	EXPECT_TRUE(tblk_stopped_alone(&self->b));
}

/* All of them are in flight. */
TEST_F(packed, ring_over_itself)
{
	struct tring *r = &self->b.rings[0];

	ASSERT_EQ(0, tblk_running(&self->b, 0));
	ASSERT_EQ(0, dev_pair(self->b.fd, VHOST_SET_VRING_BASE, 0, WRAP << 16));
	r->free = NUM;
	tring_avail(r, bytes(&self->b, 1));
	ASSERT_EQ(0, tblk_running(&self->b, 1));
	EXPECT_TRUE(tblk_stopped_alone(&self->b));
}

TEST_F(packed, indirect_in_a_chain)
{
	struct tring *r = &self->b.rings[0];
	uint16_t head = bytes(&self->b, 2);

	*tring_len(r, head + 1) = 16;
	*tring_flags(r, head + 1) |= VRING_DESC_F_INDIRECT;
	tring_avail(r, head);
	EXPECT_TRUE(tblk_stopped_alone(&self->b));
}

/* A descriptor that is the device's at another turn of the ring is not the device's now. */
TEST_F(packed, wrong_turn)
{
	struct tring *r = &self->b.rings[0];
	static const uint16_t wrong[] = { 0, DESC_USED, DESC_AVAIL | DESC_USED };
	struct vring_used_elem used;
	struct treq req = {};
	struct tbuf bufs[3];
	uint16_t head;
	unsigned int i;

	tblk_prepare(&self->b, &req, VIRTIO_BLK_T_IN, 0, 512, bufs);
	head = tring_chain(r, bufs, 3);
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		*tring_flags(r, head) = VRING_DESC_F_NEXT | wrong[i];
		tring_kick(r);
		usleep(NEVER * 1000);
		EXPECT_EQ(0xff, *req.status);
		EXPECT_FALSE(tevent(r->err, 0));
	}
	tring_avail(r, head);
	tring_kick(r);
	ASSERT_TRUE(tring_used(r, &used, SOON));
	EXPECT_EQ(VIRTIO_BLK_S_OK, *req.status);
}

/* Every position: only what can be is taken when the queue starts. */
TEST_F(packed, positions)
{
	unsigned int avail, used;

	ASSERT_EQ(0, tblk_running(&self->b, 0));
	for (avail = 0; avail < 2 * (NUM + 2); avail++)
		for (used = 0; used < 2 * (NUM + 2); used++) {
			unsigned int a = avail / 2, u = used / 2, aw = avail & 1, uw = used & 1;
			bool can = a < NUM && u < NUM && (aw == uw ? a >= u : a <= u);

			ASSERT_EQ(0, dev_pair(self->b.fd, VHOST_SET_VRING_BASE, 0,
					      (a | aw << 15) | (u | uw << 15) << 16));
			ASSERT_EQ(can ? 0 : -EINVAL, tblk_running(&self->b, 1));
			ASSERT_EQ(0, tblk_running(&self->b, 0));
		}
}

TEST_F(packed, addresses)
{
	struct tring *r = &self->b.rings[0];
	const struct vhost_vring_addr good = {
		.desc_user_addr = (uintptr_t)r->vr.desc,
		.avail_user_addr = (uintptr_t)r->vr.avail,
		.used_user_addr = (uintptr_t)r->vr.used,
	};
	const struct { int desc, avail, used, want; } cases[] = {
		{ 8, 0, 0, -EINVAL }, { 0, 2, 0, -EINVAL }, { 0, 0, 0, 0 },
	};
	struct vhost_vring_addr a;
	unsigned int i;

	ASSERT_EQ(0, tblk_running(&self->b, 0));
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		a = good;
		a.desc_user_addr += cases[i].desc;
		a.avail_user_addr += cases[i].avail;
		ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_VRING_ADDR, &a));
		EXPECT_EQ(cases[i].want, tblk_running(&self->b, 1));
		tblk_running(&self->b, 0);
	}
	a = good;
	a.desc_user_addr = 0xffff888000000000ull;
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_VRING_ADDR, &a));
	EXPECT_EQ(-EFAULT, tblk_running(&self->b, 1));
	a = good;
	a.used_user_addr = -4ull;
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_VRING_ADDR, &a));
	EXPECT_EQ(-EFAULT, tblk_running(&self->b, 1));
}

/* Whatever the driver writes about events, at most interrupts get lost or come too often. */
TEST_F(packed, nonsense_about_events)
{
	static const struct vring_packed_desc_event events[] = {
		{ 0, 3 }, { 0xffff, 2 }, { 0x7fff, 2 }, { NUM, 2 }, { NUM | WRAP, 2 },
		{ 0xffff, 0xffff },
	};
	struct tring *r = &self->b.rings[0];
	unsigned int i;

	for (i = 0; i < 60; i++) {
		struct treq req = {};

		tblk_forget(&self->b);
		memcpy(r->vr.avail, &events[i % ARRAY_SIZE(events)], sizeof(events[0]));
		ASSERT_EQ(VIRTIO_BLK_S_OK, tblk_do(&self->b, 0, &req, VIRTIO_BLK_T_IN, 0, 512));
	}
	EXPECT_FALSE(tevent(r->err, 0));
}

/* The ring becomes read-only, then unreadable, under the worker. */
TEST_F(packed, ring_taken_away)
{
	struct tring *r = &self->b.rings[0];

	ASSERT_EQ(0, mprotect(r->vr.desc, 4096, PROT_READ));
	tblk_queue(&self->b, 1, &(struct treq) {}, VIRTIO_BLK_T_IN, 0, 512);
	ASSERT_EQ(0, mprotect(r->vr.desc, 4096, PROT_NONE));
	tring_kick(r);
	EXPECT_TRUE(tevent(r->err, SOON));
	ASSERT_EQ(0, mprotect(r->vr.desc, 4096, PROT_READ | PROT_WRITE));
	EXPECT_TRUE(tblk_running(&self->b, 0) == 0 && tblk_running(&self->b, 1) == 0);
}

TEST_HARNESS_MAIN
