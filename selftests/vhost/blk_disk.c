// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards what the disk behind the queues does to the device: read-only disks, growing and
 * shrinking ones, disks that are replaced, several queues and their workers, the dirty log,
 * write-through, the owner's credentials, wrong backends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "dev.h"

#define NUM	32
#define MIB	1048576
#define PIECES	44	/* of 48 MiB, which together are more than 2 GiB */
#define OTHER	1000	/* a user that is not root */
#define FEATURES	(BASE_FEATURES | BIT64(VIRTIO_BLK_F_FLUSH))

/* As many milliseconds as the device may take to notice that an idle disk has another size. */
#define NOTICED	5000

#define LOG_SIZE	((RING_GPA_BASE + (64 << 20)) / VHOST_PAGE_SIZE / 8)

FIXTURE(disk) {
	struct tblk b;
	int disk;
};

FIXTURE_SETUP(disk)
{
	self->disk = memfd_create("disk", 0);
	ASSERT_EQ(0, ftruncate(self->disk, MIB));
	memset(&self->b, 0, sizeof(self->b));
}

FIXTURE_TEARDOWN(disk)
{
	if (self->b.mem.base)
		tblk_close(&self->b);
	close(self->disk);
}

static int open_again(int fd, int flags)
{
	char name[40];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return open(name, flags);
}

static uint64_t capacity(struct tblk *b)
{
	struct vhost_blk_config c = { .size = 8 };
	uint64_t sectors;

	if (dev_ioctl(b->fd, VHOST_BLK_GET_CONFIG, &c))
		return 0;
	memcpy(&sectors, c.data, sizeof(sectors));
	return sectors;
}

TEST_F(disk, read_only)
{
	uint64_t offered, features = FEATURES | BIT64(VIRTIO_BLK_F_RO);
	struct treq out = {}, in = {};
	int fd;

	/* a file that is open for reading only will do */
	fd = open_again(self->disk, O_RDONLY);
	ASSERT_TRUE(tblk_open(&self->b, fd, VHOST_BLK_F_READ_ONLY, 1, NUM));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_GET_FEATURES, &offered));
	EXPECT_TRUE(offered & BIT64(VIRTIO_BLK_F_RO));
	EXPECT_FALSE(offered & BIT64(VIRTIO_BLK_F_DISCARD));
	ASSERT_EQ(0, tblk_start(&self->b, features));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, tblk_do(&self->b, 0, &out, VIRTIO_BLK_T_OUT, 0, 512));
	EXPECT_EQ(VIRTIO_BLK_S_OK, tblk_do(&self->b, 0, &in, VIRTIO_BLK_T_IN, 0, 512));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, tblk_range(&self->b, VIRTIO_BLK_T_DISCARD, 0, 8, 0));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, tblk_range(&self->b, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0));
	close(fd);
}

/* A request of 2 GiB and more, all to the same memory. */
TEST_F(disk, transfer_too_long)
{
	struct tbuf bufs[3], all[PIECES + 2];
	struct vring_used_elem used;
	struct treq req = {};
	unsigned int i;

	ASSERT_EQ(0, ftruncate(self->disk, 8ll << 30));
	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 1, 64));
	ASSERT_EQ(0, tblk_start(&self->b, FEATURES));
	tblk_prepare(&self->b, &req, VIRTIO_BLK_T_IN, 0, 512, bufs);
	all[0] = bufs[0];
	for (i = 1; i <= PIECES; i++)
		all[i] = (struct tbuf) { RING_GPA_BASE + 16 * MIB, 48 * MIB, true };
	all[i] = bufs[2];
	tring_avail(&self->b.rings[0], tring_indirect(&self->b.rings[0], all, PIECES + 2));
	tring_kick(&self->b.rings[0]);
	ASSERT_TRUE(tring_used(&self->b.rings[0], &used, SOON));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, *req.status);
	EXPECT_FALSE(tevent(self->b.rings[0].err, 0));
}

/* As the configuration says: a worker is not kept for hours. */
TEST_F(disk, range_too_long)
{
	uint64_t features = FEATURES | BIT64(VIRTIO_BLK_F_DISCARD) |
			    BIT64(VIRTIO_BLK_F_WRITE_ZEROES);
	struct vhost_blk_config c = {
		.offset = offsetof(struct virtio_blk_config, max_write_zeroes_sectors), .size = 4,
	};
	uint32_t most, unmap = VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;

	ASSERT_EQ(0, ftruncate(self->disk, 8ll << 30));
	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 1, NUM));
	ASSERT_EQ(0, tblk_start(&self->b, features));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_BLK_GET_CONFIG, &c));
	memcpy(&most, c.data, sizeof(most));
	EXPECT_EQ(VIRTIO_BLK_S_OK,
		  tblk_range(&self->b, VIRTIO_BLK_T_WRITE_ZEROES, 0, most, unmap));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR,
		  tblk_range(&self->b, VIRTIO_BLK_T_WRITE_ZEROES, 0, most + 1, unmap));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, tblk_range(&self->b, VIRTIO_BLK_T_DISCARD, 0, most + 1, 0));
}

/* What the driver may do with one disk says nothing of the next. */
TEST_F(disk, replaced_by_one_that_can_less)
{
	uint64_t features = FEATURES | BIT64(VIRTIO_BLK_F_DISCARD) |
			    BIT64(VIRTIO_BLK_F_WRITE_ZEROES);
	struct vhost_blk_backend b = {
		.fd = self->disk, .flags = VHOST_BLK_F_READ_ONLY, .num_queues = 1,
		.queue_size = NUM,
	};

	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 1, NUM));
	ASSERT_EQ(0, tblk_start(&self->b, features));
	ASSERT_EQ(0, tblk_running(&self->b, 0));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_BLK_SET_BACKEND, &b));
	EXPECT_EQ(-EOPNOTSUPP, tblk_running(&self->b, 1));
	b.flags = 0;
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_BLK_SET_BACKEND, &b));
	ASSERT_EQ(0, tblk_running(&self->b, 1));
	EXPECT_EQ(VIRTIO_BLK_S_OK, tblk_range(&self->b, VIRTIO_BLK_T_DISCARD, 0, 8, 0));
}

TEST_F(disk, resize_is_announced)
{
	int event = eventfd(0, EFD_NONBLOCK);
	struct treq a = {}, b = {};

	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 1, NUM));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_BLK_SET_CONFIG_CALL, &event));
	ASSERT_EQ(0, tblk_start(&self->b, FEATURES));
	EXPECT_EQ(MIB / 512, capacity(&self->b));
	ASSERT_EQ(0, ftruncate(self->disk, 2 * MIB));
	EXPECT_TRUE(tevent(event, NOTICED));
	EXPECT_EQ(2 * MIB / 512, capacity(&self->b));
	EXPECT_EQ(VIRTIO_BLK_S_OK, tblk_do(&self->b, 0, &a, VIRTIO_BLK_T_OUT, MIB / 512, 4096));
	/* and smaller */
	ASSERT_EQ(0, ftruncate(self->disk, MIB));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, tblk_do(&self->b, 0, &b, VIRTIO_BLK_T_IN, MIB / 512, 4096));
	EXPECT_TRUE(tevent(event, NOTICED));
	EXPECT_FALSE(tevent(self->b.rings[0].err, 0));
	close(event);
}

TEST_F(disk, several_queues)
{
	struct vring_used_elem used;
	struct treq req[4][8] = {};
	unsigned int q, i;

	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 4, NUM));
	ASSERT_EQ(0, tblk_start(&self->b, FEATURES | BIT64(VIRTIO_BLK_F_MQ)));
	for (i = 0; i < 8; i++)
		for (q = 0; q < 4; q++)
			tblk_queue(&self->b, q, &req[q][i], VIRTIO_BLK_T_OUT, q * 64 + i * 8, 4096);
	for (q = 0; q < 4; q++)
		tring_kick(&self->b.rings[q]);
	for (i = 0; i < 8; i++)
		for (q = 0; q < 4; q++)
			ASSERT_TRUE(tring_used(&self->b.rings[q], &used, SOON));
	for (i = 0; i < 8; i++)
		for (q = 0; q < 4; q++)
			EXPECT_EQ(VIRTIO_BLK_S_OK, *req[q][i].status);
	EXPECT_EQ(8, counter("blk", 3, "chains"));
}

/* Queues move to another worker while they run. */
TEST_F(disk, workers_change)
{
	struct vhost_vring_worker own[2] = { { .index = 0 }, { .index = 1 } }, to;
	struct vhost_worker_state s;
	unsigned int i, q;

	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 2, NUM));
	ASSERT_EQ(0, tblk_start(&self->b, FEATURES | BIT64(VIRTIO_BLK_F_MQ)));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_NEW_WORKER, &s));
	for (q = 0; q < 2; q++)
		ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_GET_VRING_WORKER, &own[q]));
	for (i = 0; i < 100; i++) {
		struct vring_used_elem used;
		struct treq req = {};

		tblk_forget(&self->b);
		q = i & 1;
		to = own[q];
		if (i & 2)
			to.worker_id = s.worker_id;
		tblk_queue(&self->b, q, &req, VIRTIO_BLK_T_IN, 0, 512);
		tring_kick(&self->b.rings[q]);
		ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_ATTACH_VRING_WORKER, &to));
		ASSERT_TRUE(tring_used(&self->b.rings[q], &used, SOON));
		ASSERT_EQ(VIRTIO_BLK_S_OK, *req.status);
	}
}

/* However long a worker may look for more, an ioctl does not wait for it. */
TEST_F(disk, workers_change_while_they_poll)
{
	struct vhost_vring_worker to = { .index = 0 };
	struct vhost_worker_state s;
	struct treq req = {};

	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 1, NUM));
	ASSERT_EQ(0, dev_pair(self->b.fd, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, 0, 1000 * 1000 * 1000));
	ASSERT_EQ(0, tblk_start(&self->b, FEATURES));
	ASSERT_EQ(VIRTIO_BLK_S_OK, tblk_do(&self->b, 0, &req, VIRTIO_BLK_T_IN, 0, 512));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_NEW_WORKER, &s));
	to.worker_id = s.worker_id;
	EXPECT_EQ(0, dev_ioctl(self->b.fd, VHOST_ATTACH_VRING_WORKER, &to));
	EXPECT_EQ(VIRTIO_BLK_S_OK, tblk_do(&self->b, 0, &req, VIRTIO_BLK_T_IN, 0, 512));
	EXPECT_EQ(0, dev_mem(self->b.fd, &self->b.mem));
	EXPECT_EQ(0, tblk_running(&self->b, 0));
}

static bool is_logged(const uint8_t *log, uint64_t gpa)
{
	uint64_t page = gpa / VHOST_PAGE_SIZE;

	return log[page / 8] & (1 << page % 8);
}

static unsigned int pages_logged(const uint8_t *log, size_t size)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < size; i++)
		n += __builtin_popcount(log[i]);
	return n;
}

/*
 * Reads, writes, and reads without a log. @ring: pages of the ring that the device writes, of
 * which those of the used ring are where @a says.
 */
static void log_requests(struct __test_metadata *_metadata, struct tblk *b,
			 const struct vhost_vring_addr *a, uint8_t *log, unsigned int ring)
{
	struct treq in = {}, out = {}, last = {};
	uint64_t gpa, features;

	ASSERT_EQ(VIRTIO_BLK_S_OK, tblk_do(b, 0, &in, VIRTIO_BLK_T_IN, 0, 16384));
	for (gpa = tmem_gpa(&b->mem, in.data); gpa < tmem_gpa(&b->mem, in.data) + 16384;
	     gpa += VHOST_PAGE_SIZE)
		EXPECT_TRUE(is_logged(log, gpa));
	EXPECT_TRUE(is_logged(log, tmem_gpa(&b->mem, in.status)));
	EXPECT_TRUE(is_logged(log, a->log_guest_addr));
	EXPECT_EQ(5 + ring, pages_logged(log, LOG_SIZE));
	/* a write dirties its status alone */
	memset(log, 0, LOG_SIZE);
	ASSERT_EQ(VIRTIO_BLK_S_OK, tblk_do(b, 0, &out, VIRTIO_BLK_T_OUT, 0, 16384));
	EXPECT_FALSE(is_logged(log, tmem_gpa(&b->mem, out.data)));
	EXPECT_TRUE(is_logged(log, tmem_gpa(&b->mem, out.status)));
	EXPECT_EQ(1 + ring, pages_logged(log, LOG_SIZE));
	/* and after the end of logging nothing is */
	features = FEATURES | (b->rings[0].packed ? PACKED : 0);
	ASSERT_EQ(0, dev_ioctl(b->fd, VHOST_SET_FEATURES, &features));
	memset(log, 0, LOG_SIZE);
	ASSERT_EQ(VIRTIO_BLK_S_OK, tblk_do(b, 0, &last, VIRTIO_BLK_T_IN, 0, 512));
	EXPECT_EQ(0, pages_logged(log, LOG_SIZE));
}

static void log_with(struct __test_metadata *_metadata, struct tblk *b, uint64_t features,
		     unsigned int ring)
{
	uint8_t *log = mmap(NULL, LOG_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);
	uint64_t log_all = features | BIT64(VHOST_F_LOG_ALL), base = (uintptr_t)log;
	struct vhost_vring_addr a = { .flags = 1 << VHOST_VRING_F_LOG };
	int event = eventfd(0, EFD_NONBLOCK);
	struct tring *r = &b->rings[0];

	ASSERT_EQ(0, tblk_start(b, features));
	a.desc_user_addr = (uintptr_t)r->vr.desc;
	a.avail_user_addr = (uintptr_t)r->vr.avail;
	a.used_user_addr = (uintptr_t)r->vr.used;
	a.log_guest_addr = tmem_gpa(&b->mem, r->vr.used);
	/* while it runs, as migration does */
	ASSERT_EQ(0, dev_ioctl(b->fd, VHOST_SET_LOG_BASE, &base));
	ASSERT_EQ(0, dev_ioctl(b->fd, VHOST_SET_LOG_FD, &event));
	ASSERT_EQ(0, dev_ioctl(b->fd, VHOST_SET_VRING_ADDR, &a));
	ASSERT_EQ(0, dev_ioctl(b->fd, VHOST_SET_FEATURES, &log_all));
	log_requests(_metadata, b, &a, log, ring);
	EXPECT_TRUE(tevent(event, SOON));
	munmap(log, LOG_SIZE);
	close(event);
}

TEST_F(disk, dirty_log)
{
	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 1, NUM));
	log_with(_metadata, &self->b, FEATURES, 1);
}

/* Of a packed ring the descriptors are written, and the device's event structure. */
TEST_F(disk, dirty_log_packed)
{
	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 1, NUM));
	log_with(_metadata, &self->b, FEATURES | PACKED, 2);
}

/* What a driver lends to a request that writes nothing but its status stays clean. */
TEST_F(disk, log_of_a_flush)
{
	static uint8_t log[LOG_SIZE];
	uint64_t log_all = FEATURES | BIT64(VHOST_F_LOG_ALL), base = (uintptr_t)log;
	struct vring_used_elem used;
	struct treq req = {};
	struct tbuf bufs[3];
	struct tring *r;

	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 1, NUM));
	r = &self->b.rings[0];
	ASSERT_EQ(0, tblk_start(&self->b, FEATURES));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_LOG_BASE, &base));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_FEATURES, &log_all));
	tblk_prepare(&self->b, &req, VIRTIO_BLK_T_FLUSH, 0, VHOST_PAGE_SIZE, bufs);
	bufs[1].write = true;
	tring_avail(r, tring_chain(r, bufs, 3));
	tring_kick(r);
	ASSERT_TRUE(tring_used(r, &used, SOON));
	EXPECT_EQ(VIRTIO_BLK_S_OK, *req.status);
	EXPECT_TRUE(is_logged(log, tmem_gpa(&self->b.mem, req.status)));
	EXPECT_FALSE(is_logged(log, tmem_gpa(&self->b.mem, req.data)));
}

/* The ring is there before the memory table, which says what of it is to be logged. */
TEST_F(disk, log_without_memory)
{
	uint64_t log_all = FEATURES | PACKED | BIT64(VHOST_F_LOG_ALL), base = 0x10000;
	struct vhost_vring_addr a = { .flags = 1 << VHOST_VRING_F_LOG };
	struct vhost_vring_state s = { .index = 0 };
	struct tring *r;

	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 1, NUM));
	r = &self->b.rings[0];
	tring_restart(r, true, 0);
	a.desc_user_addr = (uintptr_t)r->vr.desc;
	a.avail_user_addr = (uintptr_t)r->vr.avail;
	a.used_user_addr = (uintptr_t)r->vr.used;
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_LOG_BASE, &base));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_FEATURES, &log_all));
	ASSERT_EQ(0, dev_ring(self->b.fd, 0, r));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_VRING_ADDR, &a));
	ASSERT_EQ(0, tblk_running(&self->b, 1));
	/* The worker looks at the ring, and finds nothing where the request is. */
	tblk_queue(&self->b, 0, &(struct treq) {}, VIRTIO_BLK_T_IN, 0, 512);
	tring_kick(r);
	EXPECT_TRUE(tevent(r->err, SOON));
	EXPECT_EQ(0, dev_ioctl(self->b.fd, VHOST_GET_VRING_BASE, &s));
	EXPECT_TRUE(tring_idle_at(r, s.num));
}

TEST_F(disk, log_unmapped)
{
	uint64_t log_all = FEATURES | BIT64(VHOST_F_LOG_ALL), base = 0x10000;

	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 1, NUM));
	ASSERT_EQ(0, tblk_start(&self->b, FEATURES));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_LOG_BASE, &base));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_FEATURES, &log_all));
	tblk_queue(&self->b, 0, &(struct treq) {}, VIRTIO_BLK_T_IN, 0, 512);
	tring_kick(&self->b.rings[0]);
	EXPECT_TRUE(tevent(self->b.rings[0].err, SOON));
}

TEST_F(disk, wrong_backends)
{
	struct vhost_blk_backend b = { .num_queues = 1, .queue_size = NUM };
	struct { const char *path; int flags; int want; } cases[] = {
		{ "/dev/null", O_RDWR, -EINVAL }, { "/", O_RDONLY, -EBADF },
		{ "/proc/self/exe", O_RDONLY, -EBADF }, { "/proc/self/exe", O_PATH, -EBADF },
	};
	struct vhost_blk_config c = { .size = 8 };
	unsigned int i;

	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 1, NUM));
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		b.fd = open(cases[i].path, cases[i].flags);
		EXPECT_EQ(cases[i].want, dev_ioctl(self->b.fd, VHOST_BLK_SET_BACKEND, &b));
		close(b.fd);
	}
	b.fd = self->disk;
	b.flags = 4;
	EXPECT_EQ(-EINVAL, dev_ioctl(self->b.fd, VHOST_BLK_SET_BACKEND, &b));
	b.flags = 0;
	b.num_queues = VHOST_BLK_QUEUES_MAX + 1;
	EXPECT_EQ(-EINVAL, dev_ioctl(self->b.fd, VHOST_BLK_SET_BACKEND, &b));
	b.num_queues = 1;
	b.queue_size = 12;
	EXPECT_EQ(-EINVAL, dev_ioctl(self->b.fd, VHOST_BLK_SET_BACKEND, &b));
	b.queue_size = NUM;
	b.reserved[3] = 1;
	EXPECT_EQ(-EINVAL, dev_ioctl(self->b.fd, VHOST_BLK_SET_BACKEND, &b));
	b.reserved[3] = 0;
	b.fd = open_again(self->disk, O_RDWR | O_APPEND);
	EXPECT_EQ(-EINVAL, dev_ioctl(self->b.fd, VHOST_BLK_SET_BACKEND, &b));
	close(b.fd);
	b.fd = -2;
	EXPECT_EQ(-EBADF, dev_ioctl(self->b.fd, VHOST_BLK_SET_BACKEND, &b));
	/* the disk it had is still there, goes, and comes */
	EXPECT_EQ(MIB / 512, capacity(&self->b));
	b.fd = -1;
	EXPECT_EQ(0, dev_ioctl(self->b.fd, VHOST_BLK_SET_BACKEND, &b));
	EXPECT_EQ(-ENOTCONN, dev_ioctl(self->b.fd, VHOST_BLK_GET_CONFIG, &c));
	EXPECT_EQ(-ENOTCONN, tblk_running(&self->b, 1));
	b.fd = self->disk;
	EXPECT_EQ(0, dev_ioctl(self->b.fd, VHOST_BLK_SET_BACKEND, &b));
	EXPECT_EQ(-EINVAL, tblk_running(&self->b, 1));
	EXPECT_EQ(-EINVAL, tblk_running(&self->b, 2));
	ASSERT_EQ(0, tblk_start(&self->b, FEATURES));
	EXPECT_EQ(0, tblk_running(&self->b, 1));
	EXPECT_EQ(-EBUSY, dev_ioctl(self->b.fd, VHOST_BLK_SET_BACKEND, &b));
}

TEST_F(disk, writeback_as_the_driver_says)
{
	uint64_t features = FEATURES | BIT64(VIRTIO_BLK_F_CONFIG_WCE);
	struct vhost_blk_config c = {
		.offset = offsetof(struct virtio_blk_config, wce), .size = 1,
	};

	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 1, NUM));
	ASSERT_EQ(0, tblk_start(&self->b, features));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_BLK_GET_CONFIG, &c));
	EXPECT_EQ(1, c.data[0]);
	c.data[0] = 0;
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_BLK_SET_CONFIG, &c));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_BLK_GET_CONFIG, &c));
	EXPECT_EQ(0, c.data[0]);
	EXPECT_EQ(VIRTIO_BLK_S_OK,
		  tblk_do(&self->b, 0, &(struct treq) {}, VIRTIO_BLK_T_OUT, 0, 512));
}

static int wce(struct tblk *b)
{
	struct vhost_blk_config c = {
		.offset = offsetof(struct virtio_blk_config, wce), .size = 1,
	};

	return dev_ioctl(b->fd, VHOST_BLK_GET_CONFIG, &c) ?: c.data[0];
}

/* Who begins and ends to log is not the driver. */
TEST_F(disk, writeback_while_it_is_logged)
{
	uint64_t features = FEATURES | BIT64(VIRTIO_BLK_F_CONFIG_WCE);
	uint64_t log_all = features | BIT64(VHOST_F_LOG_ALL);
	static uint8_t log[LOG_SIZE];
	uint64_t base = (uintptr_t)log;
	struct vhost_blk_config c = {
		.offset = offsetof(struct virtio_blk_config, wce), .size = 1,
	};

	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 1, NUM));
	ASSERT_EQ(0, tblk_start(&self->b, features));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_BLK_SET_CONFIG, &c));
	EXPECT_EQ(0, wce(&self->b));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_LOG_BASE, &base));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_FEATURES, &log_all));
	EXPECT_EQ(0, wce(&self->b));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_FEATURES, &features));
	EXPECT_EQ(0, wce(&self->b));
	/* The next driver begins anew. */
	ASSERT_EQ(0, tblk_running(&self->b, 0));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_FEATURES, &features));
	EXPECT_EQ(1, wce(&self->b));
}

/* A driver that does not flush has its writes stable on the next disk, too. */
TEST_F(disk, writeback_when_the_disk_is_replaced)
{
	struct vhost_blk_backend b = { .fd = self->disk, .num_queues = 1, .queue_size = NUM };

	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 1, NUM));
	EXPECT_EQ(1, wce(&self->b));
	ASSERT_EQ(0, tblk_start(&self->b, BASE_FEATURES));
	EXPECT_EQ(0, wce(&self->b));
	ASSERT_EQ(0, tblk_running(&self->b, 0));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_BLK_SET_BACKEND, &b));
	EXPECT_EQ(0, wce(&self->b));
	/* The next owner begins anew. */
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_RESET_OWNER, NULL));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_OWNER, NULL));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_BLK_SET_BACKEND, &b));
	EXPECT_EQ(1, wce(&self->b));
}

/* An owner who may not keep a program's set-user-ID bit when writing to it does not. */
TEST_F(disk, written_as_the_owner)
{
	struct stat st;

	close(dev_open(VHOST_BLK_DEVICE_PATH));
	ASSERT_EQ(0, chmod(VHOST_BLK_DEVICE_PATH, 0666));
	ASSERT_EQ(0, fchmod(self->disk, 04755));
	ASSERT_EQ(0, seteuid(OTHER));
	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 1, NUM));
	ASSERT_EQ(0, tblk_start(&self->b, FEATURES));
	EXPECT_EQ(VIRTIO_BLK_S_OK,
		  tblk_do(&self->b, 0, &(struct treq) {}, VIRTIO_BLK_T_OUT, 0, 512));
	ASSERT_EQ(0, seteuid(0));
	ASSERT_EQ(0, chmod(VHOST_BLK_DEVICE_PATH, 0660));
	ASSERT_EQ(0, fstat(self->disk, &st));
	EXPECT_EQ(0, st.st_mode & S_ISUID);
}

/* The device outlives what user space closes, and the descriptors their owner's interest. */
TEST_F(disk, files_closed_early)
{
	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 1, NUM));
	ASSERT_EQ(0, tblk_start(&self->b, FEATURES));
	close(self->disk);
	EXPECT_EQ(VIRTIO_BLK_S_OK,
		  tblk_do(&self->b, 0, &(struct treq) {}, VIRTIO_BLK_T_OUT, 0, 512));
	self->disk = dup(self->b.fd);
	close(self->b.fd);
	self->b.fd = self->disk;
	EXPECT_EQ(VIRTIO_BLK_S_OK,
		  tblk_do(&self->b, 0, &(struct treq) {}, VIRTIO_BLK_T_OUT, 0, 512));
}

TEST_HARNESS_MAIN
