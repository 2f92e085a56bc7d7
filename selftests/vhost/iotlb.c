// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards VIRTIO_F_ACCESS_PLATFORM: every address goes through translations that user space
 * gives, and through no others; a miss stops its queue alone until it is answered; what is
 * invalidated is not used any more; there are bounds; messages that cannot be are refused.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "dev.h"

#define NUM	16
#define PAGE	VHOST_PAGE_SIZE
#define DISK	(16 << 20)
#define ENTRIES	2048	/* translations that a device keeps */
#define UNSET	0x5555	/* what no device writes */

FIXTURE(iotlb) {
	struct tblk b;
	int disk;
};

FIXTURE_VARIANT(iotlb) {
	uint64_t features;
};

FIXTURE_VARIANT_ADD(iotlb, split) { 0 };
FIXTURE_VARIANT_ADD(iotlb, packed_event_idx) { PACKED | EVENT_IDX };

FIXTURE_SETUP(iotlb)
{
	uint64_t v2 = BIT64(VHOST_BACKEND_F_IOTLB_MSG_V2), offered;
	uint64_t features = BASE_FEATURES | BIT64(VIRTIO_BLK_F_FLUSH) | PLATFORM |
			    variant->features;
	const struct vhost_memory none = {};
	unsigned int i;

	self->disk = memfd_create("disk", 0);
	ASSERT_EQ(0, ftruncate(self->disk, DISK));
	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 2, NUM));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_GET_BACKEND_FEATURES, &offered));
	ASSERT_TRUE(offered & v2);
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_BACKEND_FEATURES, &v2));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_FEATURES, &features));
	/* Of the memory table nothing is used: it is empty. */
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_MEM_TABLE, (void *)&none));
	for (i = 0; i < 2; i++) {
		struct tring *r = &self->b.rings[i];
		struct vhost_vring_addr a = {
			.index = i,
			.desc_user_addr = tmem_gpa(&self->b.mem, r->vr.desc),
			.avail_user_addr = tmem_gpa(&self->b.mem, r->vr.avail),
			.used_user_addr = tmem_gpa(&self->b.mem, r->vr.used),
		};

		tring_restart(r, variant->features & PACKED, 0);
		ASSERT_EQ(0, dev_ring(self->b.fd, i, r));
		ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_VRING_ADDR, &a));
	}
	fcntl(self->b.fd, F_SETFL, O_NONBLOCK);
	ASSERT_EQ(0, tblk_running(&self->b, 1));
}

FIXTURE_TEARDOWN(iotlb)
{
	tblk_close(&self->b);
	close(self->disk);
}

static int map(struct tblk *b, const void *what, size_t len, uint8_t perm)
{
	return dev_iotlb(b->fd, VHOST_IOTLB_UPDATE, tmem_gpa(&b->mem, what), len, what, perm);
}

static int unmap(struct tblk *b, const void *what, size_t len)
{
	return dev_iotlb(b->fd, VHOST_IOTLB_INVALIDATE, tmem_gpa(&b->mem, what), len, NULL, 0);
}

/* All there is, by one. */
static int map_all(struct tblk *b)
{
	return map(b, b->mem.base, b->mem.size, VHOST_ACCESS_RW);
}

/* All but a page at @hole. */
static int map_around(struct tblk *b, uint8_t *hole)
{
	uint8_t *end = b->mem.base + b->mem.size;

	return map(b, b->mem.base, hole - b->mem.base, VHOST_ACCESS_RW) ?:
	       map(b, hole + PAGE, end - hole - PAGE, VHOST_ACCESS_RW);
}

static bool used_well(struct tblk *b, const struct treq *req)
{
	struct vring_used_elem used;

	return tring_used(&b->rings[0], &used, SOON) && used.id == req->head &&
	       *req->status == VIRTIO_BLK_S_OK;
}

TEST_F(iotlb, page_by_page)
{
	struct vhost_iotlb_msg m = {};
	struct vring_used_elem used;
	unsigned int asked = 0;
	struct treq req = {};

	tblk_queue(&self->b, 0, &req, VIRTIO_BLK_T_IN, 0, 3 * PAGE);
	tring_kick(&self->b.rings[0]);
	for (; !tring_used(&self->b.rings[0], &used, 0); asked++) {
		if (!dev_miss(self->b.fd, &m, 10))
			continue;
		ASSERT_GE(m.iova, RING_GPA_BASE);
		ASSERT_LT(m.iova, RING_GPA_BASE + self->b.mem.size);
		ASSERT_TRUE(m.perm >= VHOST_ACCESS_RO && m.perm <= VHOST_ACCESS_RW);
		if (m.iova >= tmem_gpa(&self->b.mem, req.data) &&
		    m.iova < tmem_gpa(&self->b.mem, req.data) + req.len)
			ASSERT_EQ(VHOST_ACCESS_WO, m.perm);
		ASSERT_EQ(0, dev_answer(self->b.fd, &self->b.mem, m.iova));
	}
	EXPECT_EQ(VIRTIO_BLK_S_OK, *req.status);
	EXPECT_LE(4, counter("blk", 0, "misses"));
	/* What is known is not asked again. */
	while (dev_miss(self->b.fd, &m, NEVER))
		ASSERT_EQ(0, dev_answer(self->b.fd, &self->b.mem, m.iova));
	asked = counter("blk", 0, "misses");
	ASSERT_EQ(VIRTIO_BLK_S_OK, tblk_do(&self->b, 0, &req, VIRTIO_BLK_T_IN, 0, 3 * PAGE));
	EXPECT_EQ(asked, counter("blk", 0, "misses"));
}

/* Each queue waits for one translation, is told of once, and holds up no other. */
TEST_F(iotlb, one_miss_for_each_queue)
{
	struct pollfd p = { .fd = self->b.fd, .events = POLLIN };
	struct vhost_iotlb_msg m[2] = {}, more;
	struct treq req = {}, other = {};
	unsigned int i;

	for (i = 0; i < 2; i++)
		ASSERT_TRUE(dev_miss(self->b.fd, &m[i], SOON));
	EXPECT_NE(m[0].iova, m[1].iova);
	EXPECT_FALSE(dev_miss(self->b.fd, &more, NEVER));
	EXPECT_EQ(0, poll(&p, 1, 0));
	tblk_queue(&self->b, 0, &req, VIRTIO_BLK_T_IN, 0, PAGE);
	ASSERT_EQ(0, map_around(&self->b, req.data));
	tring_kick(&self->b.rings[0]);
	ASSERT_TRUE(dev_miss(self->b.fd, &m[0], SOON));
	EXPECT_EQ(tmem_gpa(&self->b.mem, req.data), m[0].iova);
	for (i = 0; i < 20; i++) {
		tring_kick(&self->b.rings[0]);
		other = (struct treq) {};
		ASSERT_EQ(VIRTIO_BLK_S_OK,
			  tblk_do(&self->b, 1, &other, VIRTIO_BLK_T_IN, 0, 512));
	}
	EXPECT_FALSE(dev_miss(self->b.fd, &more, 0));
	EXPECT_EQ(0xff, *req.status);
	/* Another translation is no answer. */
	ASSERT_EQ(0, dev_iotlb(self->b.fd, VHOST_IOTLB_UPDATE, 0, PAGE, self->b.mem.base,
			       VHOST_ACCESS_RW));
	usleep(NEVER * 1000);
	EXPECT_EQ(0xff, *req.status);
	ASSERT_EQ(0, map(&self->b, req.data, PAGE, VHOST_ACCESS_WO));
	EXPECT_TRUE(used_well(&self->b, &req));
	EXPECT_EQ(1, counter("blk", 0, "chains"));
}

/* A worker that looks for more does not look for what it waits for. */
TEST_F(iotlb, miss_while_busy_polling)
{
	struct treq req = {};

	ASSERT_EQ(0, dev_pair(self->b.fd, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, 0, 1000 * 1000));
	tblk_queue(&self->b, 0, &req, VIRTIO_BLK_T_IN, 0, PAGE);
	ASSERT_EQ(0, map_around(&self->b, req.data));
	tring_kick(&self->b.rings[0]);
	usleep(NEVER * 1000);
	ASSERT_EQ(0, map(&self->b, req.data, PAGE, VHOST_ACCESS_WO));
	EXPECT_TRUE(used_well(&self->b, &req));
	EXPECT_GE(4, counter("blk", 0, "misses"));
}

/* Two pages of the guest's are in the wrong order in memory. */
TEST_F(iotlb, pieces)
{
	struct treq req = {};
	struct tbuf bufs[3];
	uint8_t *data;
	unsigned int i;

	tblk_prepare(&self->b, &req, VIRTIO_BLK_T_IN, 0, 2 * PAGE, bufs);
	data = req.data;
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, dev_iotlb(self->b.fd, VHOST_IOTLB_UPDATE,
				       tmem_gpa(&self->b.mem, data + i * PAGE), PAGE,
				       data + !i * PAGE, VHOST_ACCESS_RW));
	for (i = 0; i < 2 * PAGE; i++)
		data[i] = i / PAGE + 1;
	ASSERT_EQ(2 * PAGE, pwrite(self->disk, data, 2 * PAGE, 0));
	memset(data, 0, 2 * PAGE);
	struct tiommu iommu;

	tiommu_start(&iommu, self->b.fd, &self->b.mem);
	req.head = tring_chain(&self->b.rings[0], bufs, 3);
	tring_avail(&self->b.rings[0], req.head);
	tring_kick(&self->b.rings[0]);
	EXPECT_TRUE(used_well(&self->b, &req));
	tiommu_stop(&iommu);
	EXPECT_EQ(2, data[0]);
	EXPECT_EQ(1, data[PAGE]);
}

/* An indirect table that lies in two pages, an entry across their border. */
TEST_F(iotlb, indirect_in_pieces)
{
	struct tring *r = &self->b.rings[0];
	uint8_t *room = tmem_alloc(&self->b.mem, 4 * PAGE, PAGE), *at = room + PAGE - 24;
	struct treq req = {};
	struct tiommu iommu;
	struct tbuf bufs[3];

	tblk_prepare(&self->b, &req, VIRTIO_BLK_T_IN, 0, 512, bufs);
	tring_table(r, at, bufs, 3);
	/* The second page is where the fourth is. */
	memcpy(room + 3 * PAGE, room + PAGE, PAGE);
	memset(room + PAGE, 0, PAGE);
	ASSERT_EQ(0, dev_iotlb(self->b.fd, VHOST_IOTLB_UPDATE,
			       tmem_gpa(&self->b.mem, room + PAGE), PAGE, room + 3 * PAGE,
			       VHOST_ACCESS_RO));
	tiommu_start(&iommu, self->b.fd, &self->b.mem);
	req.head = tring_one(r, tmem_gpa(&self->b.mem, at), 48, VRING_DESC_F_INDIRECT);
	tring_avail(r, req.head);
	tring_kick(r);
	EXPECT_TRUE(used_well(&self->b, &req));
	tiommu_stop(&iommu);
}

TEST_F(iotlb, invalidated)
{
	struct vhost_iotlb_msg m;
	struct treq req = {};
	uint8_t *elsewhere;
	unsigned int i;

	ASSERT_EQ(0, map_all(&self->b));
	ASSERT_EQ(VIRTIO_BLK_S_OK, tblk_do(&self->b, 0, &req, VIRTIO_BLK_T_IN, 0, PAGE));
	elsewhere = tmem_alloc(&self->b.mem, PAGE, PAGE);
	while (dev_miss(self->b.fd, &m, 0))
		;
	for (i = 0; i < 10; i++) {
		/* A part goes, and with it the whole: only what is written again is there. */
		ASSERT_EQ(0, unmap(&self->b, req.data + 100, 1));
		ASSERT_EQ(0, map_around(&self->b, req.data));
		ASSERT_EQ(PAGE, pwrite(self->disk, memset(req.data, i + 1, PAGE), PAGE, 0));
		memset(req.data, 0, PAGE);
		*req.status = 0xff;
		struct tbuf bufs[3] = {
			{ tmem_gpa(&self->b.mem, req.hdr), sizeof(*req.hdr), false },
			{ tmem_gpa(&self->b.mem, req.data), PAGE, true },
			{ tmem_gpa(&self->b.mem, req.status), 1, true },
		};

		req.head = tring_chain(&self->b.rings[0], bufs, 3);
		tring_avail(&self->b.rings[0], req.head);
		tring_kick(&self->b.rings[0]);
		do {
			ASSERT_TRUE(dev_miss(self->b.fd, &m, SOON));
		} while (m.iova != bufs[1].gpa);
		/* To another place than before. */
		ASSERT_EQ(0, dev_iotlb(self->b.fd, VHOST_IOTLB_UPDATE, bufs[1].gpa, PAGE, elsewhere,
				       VHOST_ACCESS_WO));
		ASSERT_TRUE(used_well(&self->b, &req));
		EXPECT_EQ(i + 1, elsewhere[PAGE - 1]);
		EXPECT_EQ(0, req.data[0]);
	}
	/* Everything, which has no size: the rings are missing again. */
	ASSERT_EQ(0, dev_iotlb(self->b.fd, VHOST_IOTLB_INVALIDATE, 0, 0, NULL, 0));
	ASSERT_TRUE(dev_miss(self->b.fd, &m, SOON));
	tring_kick(&self->b.rings[0]);
	ASSERT_EQ(0, map_all(&self->b));
	EXPECT_EQ(VIRTIO_BLK_S_OK,
		  tblk_do(&self->b, 0, &(struct treq) {}, VIRTIO_BLK_T_IN, 0, PAGE));
}

/* Translations change all the time while requests run. */
TEST_F(iotlb, storm)
{
	struct tiommu iommu;
	unsigned int i;

	tiommu_start(&iommu, self->b.fd, &self->b.mem);
	for (i = 0; i < 300; i++) {
		struct vring_used_elem used;
		struct treq req = {};

		tblk_forget(&self->b);
		tblk_queue(&self->b, 0, &req, VIRTIO_BLK_T_IN, 0, 2 * PAGE);
		tring_kick(&self->b.rings[0]);
		ASSERT_EQ(0, i % 3 ? unmap(&self->b, self->b.mem.base + i % 16 * PAGE, PAGE) :
			     dev_iotlb(self->b.fd, VHOST_IOTLB_INVALIDATE, 0, 0, NULL, 0));
		ASSERT_TRUE(tring_used(&self->b.rings[0], &used, SOON));
		ASSERT_EQ(VIRTIO_BLK_S_OK, *req.status);
	}
	tiommu_stop(&iommu);
}

static bool stops_with(struct tblk *b, uint8_t perm, uint32_t type)
{
	struct treq req = {};

	tblk_queue(b, 0, &req, type, 0, PAGE);
	if (map_around(b, req.data) || map(b, req.data, PAGE, perm))
		return false;
	tring_kick(&b->rings[0]);
	return tevent(b->rings[0].err, SOON) &&
	       tblk_do(b, 1, &(struct treq) {}, VIRTIO_BLK_T_IN, 0, 512) == VIRTIO_BLK_S_OK;
}

TEST_F(iotlb, write_to_what_is_to_read)
{
	EXPECT_TRUE(stops_with(&self->b, VHOST_ACCESS_RO, VIRTIO_BLK_T_IN));
}

TEST_F(iotlb, read_of_what_is_to_write)
{
	EXPECT_TRUE(stops_with(&self->b, VHOST_ACCESS_WO, VIRTIO_BLK_T_OUT));
}

/* A translation to where the owner has nothing fails the request, not the host. */
TEST_F(iotlb, translation_to_nothing)
{
	struct vring_used_elem used;
	struct treq req = {};
	void *hole = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	tblk_queue(&self->b, 0, &req, VIRTIO_BLK_T_IN, 0, PAGE);
	ASSERT_EQ(0, map_around(&self->b, req.data));
	ASSERT_EQ(0, dev_iotlb(self->b.fd, VHOST_IOTLB_UPDATE, tmem_gpa(&self->b.mem, req.data),
			       PAGE, hole, VHOST_ACCESS_RW));
	tring_kick(&self->b.rings[0]);
	ASSERT_TRUE(tring_used(&self->b.rings[0], &used, SOON));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, *req.status);
	munmap(hole, PAGE);
}

/* The ring is in two pieces: that is more than is done for it. */
TEST_F(iotlb, ring_in_pieces)
{
	struct tring *r = &self->b.rings[0];
	uint8_t *room = tmem_alloc(&self->b.mem, 3 * PAGE, PAGE);
	struct vhost_vring_addr a = {
		.desc_user_addr = tmem_gpa(&self->b.mem, room + PAGE - 128),
		.avail_user_addr = tmem_gpa(&self->b.mem, r->vr.avail),
		.used_user_addr = tmem_gpa(&self->b.mem, r->vr.used),
	};

	ASSERT_EQ(0, tblk_running(&self->b, 0));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_VRING_ADDR, &a));
	ASSERT_EQ(0, map_around(&self->b, room + PAGE));
	ASSERT_EQ(0, dev_iotlb(self->b.fd, VHOST_IOTLB_UPDATE,
			       tmem_gpa(&self->b.mem, room + PAGE), PAGE, room, VHOST_ACCESS_RW));
	ASSERT_EQ(0, tblk_running(&self->b, 1));
	EXPECT_TRUE(tevent(r->err, SOON));
}

/* More come than are kept: the oldest goes, and is asked for again when it is needed. */
TEST_F(iotlb, oldest_goes)
{
	struct vhost_iotlb_msg m;
	struct treq req = {};
	unsigned int i;

	tblk_queue(&self->b, 0, &req, VIRTIO_BLK_T_IN, 0, PAGE);
	ASSERT_EQ(0, map(&self->b, req.data, PAGE, VHOST_ACCESS_RW));
	for (i = 0; i < ENTRIES; i++)
		ASSERT_EQ(0, dev_iotlb(self->b.fd, VHOST_IOTLB_UPDATE, i * PAGE, PAGE,
				       self->b.mem.base, VHOST_ACCESS_RW));
	ASSERT_EQ(0, map_around(&self->b, req.data));
	tring_kick(&self->b.rings[0]);
	while (dev_miss(self->b.fd, &m, SOON) && m.iova != tmem_gpa(&self->b.mem, req.data))
		;
	ASSERT_EQ(tmem_gpa(&self->b.mem, req.data), m.iova);
	ASSERT_EQ(0, map(&self->b, req.data, PAGE, VHOST_ACCESS_RW));
	EXPECT_TRUE(used_well(&self->b, &req));
}

/* Where the device says whether it wants kicks: an idle queue's last word to its driver. */
static volatile uint16_t *kicks_flags(struct tring *r)
{
	return r->packed ? &r->vr.used->idx : &r->vr.used->flags;
}

static bool asks_for_kicks(struct tring *r)
{
	uint16_t wanted = r->packed ? VRING_PACKED_EVENT_FLAG_DESC : 0;
	unsigned int tries;

	for (tries = 0; tries < SOON * 10 && *kicks_flags(r) != wanted; tries++)
		usleep(100);
	return *kicks_flags(r) == wanted;
}

/* An idle queue's ring is looked for after each invalidation, however many there are. */
TEST_F(iotlb, idle_while_others_come_and_go)
{
	struct vhost_iotlb_msg m;
	unsigned int i, q;

	for (i = 0; i < ENTRIES + 8; i++) {
		for (q = 0; q < 2; q++) {
			ASSERT_TRUE(dev_miss(self->b.fd, &m, SOON));
			*kicks_flags(&self->b.rings[q]) = UNSET;
		}
		ASSERT_EQ(0, map_all(&self->b));
		for (q = 0; q < 2; q++)
			ASSERT_TRUE(asks_for_kicks(&self->b.rings[q]));
		ASSERT_EQ(0, unmap(&self->b, self->b.mem.base, self->b.mem.size));
	}
	ASSERT_EQ(0, map_all(&self->b));
	EXPECT_EQ(VIRTIO_BLK_S_OK,
		  tblk_do(&self->b, 0, &(struct treq) {}, VIRTIO_BLK_T_IN, 0, 512));
	EXPECT_EQ(0, counter("blk", 0, "breaks"));
}

/* A request of more translations than are kept is given up, and not asked about for ever. */
TEST_F(iotlb, request_of_too_many)
{
	struct tiommu iommu;
	struct treq req = {};

	tblk_queue(&self->b, 0, &req, VIRTIO_BLK_T_IN, 0, (ENTRIES + 8) * PAGE);
	tiommu_start(&iommu, self->b.fd, &self->b.mem);
	tring_kick(&self->b.rings[0]);
	EXPECT_TRUE(tevent(self->b.rings[0].err, 12 * SOON));
	tiommu_stop(&iommu);
	EXPECT_GE(3 * ENTRIES, counter("blk", 0, "misses"));
}

TEST_F(iotlb, bad_messages)
{
	const struct { uint64_t iova, size, uaddr; uint8_t perm, type; int want; } bad[] = {
		{ 0, PAGE, 0x10000, 0, VHOST_IOTLB_UPDATE, -EINVAL },
		{ 0, PAGE, 0x10000, 4, VHOST_IOTLB_UPDATE, -EINVAL },
		{ 0, 0, 0x10000, 3, VHOST_IOTLB_UPDATE, -EINVAL },
		{ -1ull, 2, 0x10000, 3, VHOST_IOTLB_UPDATE, -EINVAL },
		{ 0, PAGE, -1ull, 3, VHOST_IOTLB_UPDATE, -EFAULT },
		{ 0, PAGE, 0xffff888000000000ull, 3, VHOST_IOTLB_UPDATE, -EFAULT },
		{ 0, -1ull, 0x10000, 3, VHOST_IOTLB_UPDATE, -EFAULT },
		{ 1, 0, 0, 0, VHOST_IOTLB_INVALIDATE, -EINVAL },
		{ -1ull, 2, 0, 0, VHOST_IOTLB_INVALIDATE, -EINVAL },
		{ 0, PAGE, 0x10000, 3, VHOST_IOTLB_MISS, -EINVAL },
		{ 0, PAGE, 0x10000, 3, VHOST_IOTLB_ACCESS_FAIL, -EINVAL },
		{ 0, PAGE, 0x10000, 3, VHOST_IOTLB_BATCH_BEGIN, -EINVAL },
		{ 0, PAGE, 0x10000, 3, 77, -EINVAL },
	};
	struct vhost_msg_v2 msg = {
		.type = VHOST_IOTLB_MSG_V2,
		.iotlb = { .size = PAGE, .uaddr = (uintptr_t)self->b.mem.base,
			   .perm = VHOST_ACCESS_RW, .type = VHOST_IOTLB_UPDATE },
	}, twice[2] = { msg, msg };
	void *nowhere = (void *)PAGE;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(bad[i].want, dev_iotlb(self->b.fd, bad[i].type, bad[i].iova, bad[i].size,
						 (void *)bad[i].uaddr, bad[i].perm)) {
			TH_LOG("case %u", i);
		}
	EXPECT_EQ(sizeof(msg), write(self->b.fd, &msg, sizeof(msg)));
	EXPECT_EQ(-1, write(self->b.fd, &msg, sizeof(msg) - 1));
	EXPECT_EQ(-1, write(self->b.fd, twice, sizeof(twice)));
	EXPECT_EQ(-1, write(self->b.fd, nowhere, sizeof(msg)));
	EXPECT_EQ(-1, write(self->b.fd, &msg, 0));
	msg.asid = 1;
	EXPECT_EQ(-1, write(self->b.fd, &msg, sizeof(msg)));
	msg.type = 3;
	EXPECT_EQ(-1, write(self->b.fd, &msg, sizeof(msg)));
	/* In the first version there is padding in that place. */
	msg.type = VHOST_IOTLB_MSG;
	EXPECT_EQ(sizeof(msg), write(self->b.fd, &msg, sizeof(msg)));
	/* A miss that could not be read is read later. */
	EXPECT_EQ(-1, read(self->b.fd, &msg, sizeof(msg) - 1));
	EXPECT_EQ(-1, read(self->b.fd, nowhere, sizeof(msg)));
	EXPECT_TRUE(dev_miss(self->b.fd, &msg.iotlb, SOON));
	EXPECT_TRUE(dev_miss(self->b.fd, &msg.iotlb, SOON));
	/* The queues are as they were. */
	ASSERT_EQ(0, map_all(&self->b));
	EXPECT_EQ(VIRTIO_BLK_S_OK,
		  tblk_do(&self->b, 0, &(struct treq) {}, VIRTIO_BLK_T_IN, 0, 512));
}

/* Whoever has the descriptor, but other memory, has no say in what addresses mean. */
TEST_F(iotlb, not_the_owner)
{
	struct vhost_msg_v2 msg;
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(map_all(&self->b) != -EPERM ||
		      read(self->b.fd, &msg, sizeof(msg)) != -1 || errno != EPERM);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_F(iotlb, versions)
{
	struct pollfd p = { .fd = self->b.fd, .events = POLLIN };
	uint64_t none = 0, all = ~0ull;
	struct vhost_msg_v2 msg;

	ASSERT_EQ(1, poll(&p, 1, SOON));
	ASSERT_EQ(sizeof(msg), read(self->b.fd, &msg, sizeof(msg)));
	EXPECT_EQ(VHOST_IOTLB_MSG_V2, msg.type);
	EXPECT_EQ(0, msg.asid);
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_BACKEND_FEATURES, &none));
	ASSERT_EQ(1, poll(&p, 1, SOON));
	ASSERT_EQ(sizeof(msg), read(self->b.fd, &msg, sizeof(msg)));
	EXPECT_EQ(VHOST_IOTLB_MSG, msg.type);
	EXPECT_EQ(-EOPNOTSUPP, dev_ioctl(self->b.fd, VHOST_SET_BACKEND_FEATURES, &all));
}

static void *kick_later(void *b)
{
	struct tblk *blk = b;

	usleep(NEVER * 1000);
	tring_kick(&blk->rings[0]);
	return NULL;
}

/* A reader waits for a miss. */
TEST_F(iotlb, reader_waits)
{
	struct tbuf bufs[3];
	pthread_t thread;
	struct vhost_msg_v2 msg;
	struct treq req = {};

	while (dev_miss(self->b.fd, &msg.iotlb, NEVER))
		;
	fcntl(self->b.fd, F_SETFL, 0);
	tblk_prepare(&self->b, &req, VIRTIO_BLK_T_IN, 0, PAGE, bufs);
	ASSERT_EQ(0, map_around(&self->b, req.data));
	tring_avail(&self->b.rings[0], tring_chain(&self->b.rings[0], bufs, 3));
	ASSERT_EQ(0, pthread_create(&thread, NULL, kick_later, &self->b));
	ASSERT_EQ(sizeof(msg), read(self->b.fd, &msg, sizeof(msg)));
	EXPECT_EQ(tmem_gpa(&self->b.mem, req.data), msg.iotlb.iova);
	pthread_join(thread, NULL);
}

/* An eventfd that is in error: the device has counted it past what a driver can. */
static int worn_eventfd(struct tblk *b)
{
	uint64_t most = UINT64_MAX - 1;
	int fd = eventfd(0, EFD_NONBLOCK);

	if (write(fd, &most, sizeof(most)) != sizeof(most) ||
	    dev_pair(b->fd, VHOST_SET_VRING_CALL, 0, fd) ||
	    tblk_do(b, 0, &(struct treq) {}, VIRTIO_BLK_T_IN, 0, 512) != VIRTIO_BLK_S_OK)
		return -1;
	/* The call comes behind what it is for. */
	tblk_running(b, 0);
	return fd;
}

/* A start that fails leaves nothing of where the ring was. */
TEST_F(iotlb, started_after_a_failure)
{
	uint64_t plain = BASE_FEATURES | (variant->features & PACKED), platform = plain | PLATFORM;
	struct tring *r = &self->b.rings[0];
	struct vhost_iotlb_msg m;
	int worn;

	ASSERT_EQ(0, map_all(&self->b));
	worn = worn_eventfd(&self->b);
	ASSERT_LE(0, worn);
	ASSERT_EQ(0, dev_iotlb(self->b.fd, VHOST_IOTLB_INVALIDATE, 0, 0, NULL, 0));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_FEATURES, &plain));
	ASSERT_EQ(0, dev_ring(self->b.fd, 0, r));
	ASSERT_EQ(0, dev_pair(self->b.fd, VHOST_SET_VRING_KICK, 0, worn));
	ASSERT_EQ(-EINVAL, tblk_running(&self->b, 1));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_FEATURES, &platform));
	ASSERT_EQ(0, dev_pair(self->b.fd, VHOST_SET_VRING_KICK, 0, r->kick));
	ASSERT_EQ(0, tblk_running(&self->b, 1));
	/* Both queues ask where their rings are. */
	EXPECT_TRUE(dev_miss(self->b.fd, &m, SOON));
	EXPECT_TRUE(dev_miss(self->b.fd, &m, SOON));
	close(worn);
}

/* Stopped, started and owned anew while it waits. */
TEST_F(iotlb, stopped_while_it_waits)
{
	uint64_t plain = BASE_FEATURES;
	struct vhost_iotlb_msg m;

	ASSERT_TRUE(dev_miss(self->b.fd, &m, SOON));
	ASSERT_EQ(0, tblk_running(&self->b, 0));
	EXPECT_FALSE(dev_miss(self->b.fd, &m, NEVER));
	ASSERT_EQ(0, tblk_running(&self->b, 1));
	ASSERT_TRUE(dev_miss(self->b.fd, &m, SOON));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_RESET_OWNER, NULL));
	EXPECT_FALSE(dev_miss(self->b.fd, &m, NEVER));
	EXPECT_EQ(-EPERM, map_all(&self->b));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_OWNER, NULL));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_FEATURES, &plain));
	/* Not negotiated. */
	EXPECT_EQ(-EINVAL, map_all(&self->b));
}

TEST_HARNESS_MAIN
