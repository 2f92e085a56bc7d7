// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the block device's requests on a brd disk and on a file of tmpfs (which has no direct
 * I/O): data, also as the host sees it, statuses and lengths of every type, features and
 * configuration space as the disk is, calls, counters.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "dev.h"

#define SECTOR	512
#define DISK_MB	16
#define SECTORS	(DISK_MB * 2048ull)

static int open_ram_disk(void)
{
	if (access("/dev/ram0", F_OK) &&
	    system("modprobe brd rd_nr=4 rd_size=16384 2>/dev/null || true") < 0)
		return -1;
	return open("/dev/ram0", O_RDWR);
}

static int open_file(void)
{
	int fd = open("/tmp/vhost-disk", O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd >= 0 && ftruncate(fd, DISK_MB << 20))
		return -1;
	return fd;
}

FIXTURE(blk) {
	struct tblk b;
	int disk;
	struct tiommu iommu;
};

FIXTURE_VARIANT(blk) {
	int (*open)(void);
	uint64_t features;
};

FIXTURE_VARIANT_ADD(blk, ram_disk) { open_ram_disk, 0 };
FIXTURE_VARIANT_ADD(blk, ram_disk_event_idx) { open_ram_disk, EVENT_IDX };
FIXTURE_VARIANT_ADD(blk, ram_disk_packed) { open_ram_disk, PACKED };
FIXTURE_VARIANT_ADD(blk, ram_disk_packed_event_idx) { open_ram_disk, PACKED | EVENT_IDX };
FIXTURE_VARIANT_ADD(blk, file) { open_file, 0 };
FIXTURE_VARIANT_ADD(blk, file_packed) { open_file, PACKED };
FIXTURE_VARIANT_ADD(blk, ram_disk_iommu) { open_ram_disk, PLATFORM };
FIXTURE_VARIANT_ADD(blk, ram_disk_packed_iommu) { open_ram_disk, PACKED | PLATFORM | EVENT_IDX };

FIXTURE_SETUP(blk)
{
	uint64_t features = BASE_FEATURES | BIT64(VIRTIO_BLK_F_FLUSH) | variant->features;
	uint64_t offered;

	self->disk = variant->open();
	if (self->disk < 0)
		SKIP(return, "no such disk in this kernel");
	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 1, 64));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_GET_FEATURES, &offered));
	features |= offered & (BIT64(VIRTIO_BLK_F_DISCARD) | BIT64(VIRTIO_BLK_F_WRITE_ZEROES));
	ASSERT_EQ(0, tblk_start(&self->b, features));
	if (features & PLATFORM)
		tiommu_start(&self->iommu, self->b.fd, &self->b.mem);
}

FIXTURE_TEARDOWN(blk)
{
	tiommu_stop(&self->iommu);
	if (self->disk < 0)
		return;
	tblk_close(&self->b);
	close(self->disk);
}

static void fill(uint8_t *p, size_t len, unsigned int seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = seed * 31 + i * 7 + (i >> 9);
}

/* Writes a pattern through a request. */
static int write_out(struct tblk *b, uint64_t sector, uint32_t len, unsigned int seed)
{
	struct treq req = {};
	struct tbuf bufs[3];

	tblk_prepare(b, &req, VIRTIO_BLK_T_OUT, sector, len, bufs);
	fill(req.data, len, seed);
	return tblk_do(b, 0, &req, VIRTIO_BLK_T_OUT, sector, len);
}

static bool reads_as(struct tblk *b, uint64_t sector, uint32_t len, unsigned int seed)
{
	uint8_t *want = malloc(len);
	struct treq req = {};
	bool ok;

	fill(want, len, seed);
	ok = tblk_do(b, 0, &req, VIRTIO_BLK_T_IN, sector, len) == VIRTIO_BLK_S_OK &&
	     !memcmp(want, req.data, len);
	free(want);
	return ok;
}

TEST_F(blk, write_then_read)
{
	static const uint32_t sizes[] = { 512, 4096, 65536, 1 << 17, 1 << 20 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ASSERT_EQ(VIRTIO_BLK_S_OK, write_out(&self->b, i * 4096, sizes[i], i));
		EXPECT_TRUE(reads_as(&self->b, i * 4096, sizes[i], i));
	}
	EXPECT_EQ(10, counter("blk", 0, "chains"));
}

/* What the host has cached is what the driver reads, and is not older than what that wrote. */
TEST_F(blk, the_host_looks_at_the_disk)
{
	uint8_t seen[8192], want[8192];
	unsigned int i;

	for (i = 0; i < 20; i++) {
		off_t pos = i * 65536;

		fill(want, sizeof(want), i);
		ASSERT_EQ(sizeof(want), pwrite(self->disk, want, sizeof(want), pos));
		EXPECT_TRUE(reads_as(&self->b, pos / SECTOR, sizeof(want), i));
		ASSERT_EQ(VIRTIO_BLK_S_OK, write_out(&self->b, pos / SECTOR + 8, 4096, i + 100));
		fill(want + 4096, 4096, i + 100);
		ASSERT_EQ(sizeof(seen), pread(self->disk, seen, sizeof(seen), pos));
		EXPECT_EQ(0, memcmp(want, seen, sizeof(want)));
		tblk_forget(&self->b);
	}
}

TEST_F(blk, used_length_and_call)
{
	struct vring_used_elem used;
	struct treq req = {};

	tblk_queue(&self->b, 0, &req, VIRTIO_BLK_T_IN, 0, 4096);
	tring_kick(&self->b.rings[0]);
	EXPECT_TRUE(tevent(self->b.rings[0].call, SOON));
	ASSERT_TRUE(tring_used(&self->b.rings[0], &used, SOON));
	EXPECT_EQ(4097, used.len);
	EXPECT_EQ(req.head, used.id);
}

TEST_F(blk, many_at_once)
{
	struct tring *r = &self->b.rings[0];
	struct vring_used_elem used;
	struct treq req[20] = {};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(req); i++)
		tblk_queue(&self->b, 0, &req[i], VIRTIO_BLK_T_OUT, i * 8, 4096);
	tring_kick(r);
	for (i = 0; i < ARRAY_SIZE(req); i++)
		ASSERT_TRUE(tring_used(r, &used, SOON));
	for (i = 0; i < ARRAY_SIZE(req); i++)
		EXPECT_EQ(VIRTIO_BLK_S_OK, *req[i].status);
}

/* More requests than the ring is long, so that its indices wrap. */
TEST_F(blk, the_ring_wraps)
{
	unsigned int i;

	for (i = 0; i < 200; i++) {
		struct treq req = {};

		tblk_forget(&self->b);
		ASSERT_EQ(VIRTIO_BLK_S_OK, tblk_do(&self->b, 0, &req, VIRTIO_BLK_T_IN, i, 512));
	}
}

TEST_F(blk, unaligned_memory)
{
	struct tring *r = &self->b.rings[0];
	struct vring_used_elem used;
	struct treq req = {};
	struct tbuf bufs[3], odd[5];
	uint8_t *room;

	/* Whatever the disk asks of addresses and lengths, the driver need not know. */
	room = tmem_alloc(&self->b.mem, 8192, 4096);
	tblk_prepare(&self->b, &req, VIRTIO_BLK_T_OUT, 16, 1024, bufs);
	fill(room + 3, 1024, 5);
	odd[0] = bufs[0];
	odd[1] = (struct tbuf) { tmem_gpa(&self->b.mem, room + 3), 7, false };
	odd[2] = (struct tbuf) { tmem_gpa(&self->b.mem, room + 10), 1000, false };
	odd[3] = (struct tbuf) { tmem_gpa(&self->b.mem, room + 1010), 17, false };
	odd[4] = bufs[2];
	tring_avail(r, tring_chain(r, odd, 5));
	tring_kick(r);
	ASSERT_TRUE(tring_used(r, &used, SOON));
	EXPECT_EQ(VIRTIO_BLK_S_OK, *req.status);
	EXPECT_TRUE(reads_as(&self->b, 16, 1024, 5));
}

TEST_F(blk, indirect)
{
	struct tring *r = &self->b.rings[0];
	struct vring_used_elem used;
	struct treq req = {};
	struct tbuf bufs[3];

	tblk_prepare(&self->b, &req, VIRTIO_BLK_T_OUT, 64, 4096, bufs);
	fill(req.data, 4096, 9);
	tring_avail(r, tring_indirect(r, bufs, 3));
	tring_kick(r);
	ASSERT_TRUE(tring_used(r, &used, SOON));
	EXPECT_EQ(VIRTIO_BLK_S_OK, *req.status);
	EXPECT_TRUE(reads_as(&self->b, 64, 4096, 9));
}

/* The header ends and the status lies at every possible border of two descriptors. */
TEST_F(blk, header_split_at_every_byte)
{
	struct tring *r = &self->b.rings[0];
	struct vring_used_elem used;
	unsigned int at;

	for (at = 1; at < sizeof(struct virtio_blk_outhdr); at++) {
		struct tbuf bufs[3], split[4];
		struct treq req = {};

		tblk_forget(&self->b);
		tblk_prepare(&self->b, &req, VIRTIO_BLK_T_IN, 0, 512, bufs);
		split[0] = (struct tbuf) { bufs[0].gpa, at, false };
		split[1] = (struct tbuf) { bufs[0].gpa + at, bufs[0].len - at, false };
		split[2] = bufs[1];
		split[3] = bufs[2];
		tring_avail(r, tring_chain(r, split, 4));
		tring_kick(r);
		ASSERT_TRUE(tring_used(r, &used, SOON));
		EXPECT_EQ(VIRTIO_BLK_S_OK, *req.status);
	}
}

TEST_F(blk, header_and_data_in_one_buffer)
{
	struct tring *r = &self->b.rings[0];
	struct virtio_blk_outhdr *hdr;
	struct vring_used_elem used;
	struct tbuf bufs[2];
	uint8_t *status;

	hdr = tmem_alloc(&self->b.mem, sizeof(*hdr) + 512, 16);
	status = tmem_alloc(&self->b.mem, 1, 1);
	*status = 0xff;
	hdr->type = VIRTIO_BLK_T_OUT;
	hdr->sector = 32;
	fill((uint8_t *)(hdr + 1), 512, 3);
	bufs[0] = (struct tbuf) { tmem_gpa(&self->b.mem, hdr), sizeof(*hdr) + 512, false };
	bufs[1] = (struct tbuf) { tmem_gpa(&self->b.mem, status), 1, true };
	tring_avail(r, tring_chain(r, bufs, 2));
	tring_kick(r);
	ASSERT_TRUE(tring_used(r, &used, SOON));
	EXPECT_EQ(VIRTIO_BLK_S_OK, *status);
	EXPECT_TRUE(reads_as(&self->b, 32, 512, 3));
}

TEST_F(blk, get_id)
{
	struct treq req = {};

	ASSERT_EQ(VIRTIO_BLK_S_OK, tblk_do(&self->b, 0, &req, VIRTIO_BLK_T_GET_ID, 0, 20));
	EXPECT_STREQ("vellum-test", (char *)req.data);
}

TEST_F(blk, flush)
{
	struct treq req = {};

	ASSERT_EQ(VIRTIO_BLK_S_OK, write_out(&self->b, 0, 4096, 1));
	EXPECT_EQ(VIRTIO_BLK_S_OK, tblk_do(&self->b, 0, &req, VIRTIO_BLK_T_FLUSH, 0, 0));
}

TEST_F(blk, write_zeroes)
{
	uint32_t unmap;

	for (unmap = 0; unmap <= VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP; unmap++) {
		struct treq req = {};
		unsigned int i;

		ASSERT_EQ(VIRTIO_BLK_S_OK, write_out(&self->b, 128, 16384, 2));
		ASSERT_EQ(VIRTIO_BLK_S_OK,
			  tblk_range(&self->b, VIRTIO_BLK_T_WRITE_ZEROES, 136, 8, unmap));
		ASSERT_EQ(VIRTIO_BLK_S_OK,
			  tblk_do(&self->b, 0, &req, VIRTIO_BLK_T_IN, 136, 4096));
		for (i = 0; i < 4096; i++)
			ASSERT_EQ(0, req.data[i]);
		EXPECT_TRUE(reads_as(&self->b, 128, 4096, 2));
	}
}

TEST_F(blk, discard)
{
	uint64_t offered;
	int want = VIRTIO_BLK_S_OK;

	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_GET_FEATURES, &offered));
	if (!(offered & BIT64(VIRTIO_BLK_F_DISCARD)))
		want = VIRTIO_BLK_S_UNSUPP;
	ASSERT_EQ(VIRTIO_BLK_S_OK, write_out(&self->b, 256, 8192, 4));
	EXPECT_EQ(want, tblk_range(&self->b, VIRTIO_BLK_T_DISCARD, 256, 8, 0));
	/* what is behind it is still there */
	struct treq req = {};

	EXPECT_EQ(VIRTIO_BLK_S_OK, tblk_do(&self->b, 0, &req, VIRTIO_BLK_T_IN, 264, 4096));
}

TEST_F(blk, what_is_not_on_the_disk)
{
	struct treq a = {}, b = {}, c = {}, d = {};

	EXPECT_EQ(VIRTIO_BLK_S_IOERR, tblk_do(&self->b, 0, &a, VIRTIO_BLK_T_IN, SECTORS, 512));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR,
		  tblk_do(&self->b, 0, &b, VIRTIO_BLK_T_OUT, SECTORS - 1, 1024));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR,
		  tblk_do(&self->b, 0, &c, VIRTIO_BLK_T_IN, UINT64_MAX, 512));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, tblk_do(&self->b, 0, &d, VIRTIO_BLK_T_IN, 0, 500));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR,
		  tblk_range(&self->b, VIRTIO_BLK_T_WRITE_ZEROES, SECTORS - 1, 2, 0));
	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, tblk_range(&self->b, VIRTIO_BLK_T_WRITE_ZEROES, 0, 2, 2));
	EXPECT_EQ(6, counter("blk", 0, "errors"));
	EXPECT_FALSE(tevent(self->b.rings[0].err, 0));
}

TEST_F(blk, unknown_type)
{
	struct treq req = {};

	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, tblk_do(&self->b, 0, &req, 77, 0, 512));
}

TEST_F(blk, config_space)
{
	struct vhost_blk_config c = { .offset = 0, .size = VHOST_BLK_CONFIG_MAX };
	struct virtio_blk_config *v = (void *)c.data;

	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_BLK_GET_CONFIG, &c));
	EXPECT_EQ(SECTORS, v->capacity);
	EXPECT_EQ(62, v->seg_max);
	EXPECT_EQ(512, v->blk_size);
	EXPECT_EQ(1, v->num_queues);
	c.offset = 8;
	c.size = VHOST_BLK_CONFIG_MAX;
	EXPECT_EQ(-EINVAL, dev_ioctl(self->b.fd, VHOST_BLK_GET_CONFIG, &c));
	c.size = 8;
	EXPECT_EQ(0, dev_ioctl(self->b.fd, VHOST_BLK_GET_CONFIG, &c));
	EXPECT_EQ(0, memcmp(c.data, "\0\0\0\0\x3e\0\0\0", 8));
}

TEST_F(blk, stop_and_go_on)
{
	struct vhost_vring_state s = { .index = 0 };
	struct treq a = {}, b = {};

	ASSERT_EQ(VIRTIO_BLK_S_OK, tblk_do(&self->b, 0, &a, VIRTIO_BLK_T_IN, 0, 512));
	ASSERT_EQ(0, tblk_running(&self->b, 0));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_GET_VRING_BASE, &s));
	EXPECT_EQ(tring_base(&self->b.rings[0]), s.num);
	/* what is made available meanwhile waits */
	tblk_queue(&self->b, 0, &b, VIRTIO_BLK_T_IN, 0, 512);
	tring_kick(&self->b.rings[0]);
	usleep(NEVER * 1000);
	EXPECT_EQ(0xff, *b.status);
	ASSERT_EQ(0, tblk_running(&self->b, 1));
	struct vring_used_elem used;

	ASSERT_TRUE(tring_used(&self->b.rings[0], &used, SOON));
	EXPECT_EQ(VIRTIO_BLK_S_OK, *b.status);
}

TEST_HARNESS_MAIN
