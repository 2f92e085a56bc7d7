// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards, on null_blk: what the driver flushed, or wrote through, survives the disk losing its
 * power with its cache, and what it did not flush need not; errors of the disk are errors of
 * requests, as is a disk that may not be written any more; slow requests complete out of the way
 * of others; the owner is killed with requests in flight, or while its worker waits for memory,
 * and nothing is left; a disk that takes its time to be cleared is let go of soon; a flush tells
 * of data that the page cache lost; a write from odd addresses is of its sectors alone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/fs.h>

#include "kselftest_harness.h"
#include "dev.h"

#define NUM	64
#define RANGES	32	/* of one request */
#define DIR	"/sys/kernel/config/nullb/vt"
#define FEATURES	(BASE_FEATURES | BIT64(VIRTIO_BLK_F_FLUSH))

static bool attr(const char *name, const char *value)
{
	char path[200];

	snprintf(path, sizeof(path), DIR "/%s", name);
	return put(path, value);
}

/* A disk whose data is kept, with attributes NAME, VALUE, NULL. */
static bool make(const char *const *attrs)
{
	if (system("modprobe null_blk nr_devices=0 2>/dev/null || exit 1;"
		   "mount -t configfs none /sys/kernel/config 2>/dev/null || true"))
		return false;
	if (mkdir(DIR, 0755) || !attr("size", "64") || !attr("memory_backed", "1") ||
	    !attr("blocksize", "512"))
		return false;
	for (; *attrs; attrs += 2)
		if (!attr(attrs[0], attrs[1]))
			return false;
	return attr("power", "1");
}

static int open_disk(void)
{
	char path[40], index[20] = "";
	FILE *f = fopen(DIR "/index", "r");
	int tries, fd = -1;

	if (!f || !fgets(index, sizeof(index), f))
		return -1;
	fclose(f);
	snprintf(path, sizeof(path), "/dev/nullb%d", atoi(index));
	for (tries = 0; fd < 0 && tries < 100; tries++) {
		fd = open(path, O_RDWR);
		/* named after the directory in newer kernels */
		if (fd < 0)
			fd = open("/dev/vt", O_RDWR);
		if (fd < 0)
			usleep(20000);
	}
	return fd;
}

static void unmake(void)
{
	attr("power", "0");
	rmdir(DIR);
}

FIXTURE(null) {
	struct tblk b;
	int disk;
};

FIXTURE_SETUP(null)
{
	self->disk = -1;
	unmake();
}

FIXTURE_TEARDOWN(null)
{
	if (self->disk >= 0)
		close(self->disk);
	unmake();
}

static int write_byte(struct tblk *b, uint64_t sector, uint8_t byte)
{
	struct treq req = {};
	struct tbuf bufs[3];

	tblk_prepare(b, &req, VIRTIO_BLK_T_OUT, sector, 4096, bufs);
	memset(req.data, byte, 4096);
	return tblk_do(b, 0, &req, VIRTIO_BLK_T_OUT, sector, 4096);
}

static int read_byte(int fd, uint64_t sector)
{
	static uint8_t buf[4096] __attribute__((aligned(4096)));

	return pread(fd, buf, sizeof(buf), sector * 512) == sizeof(buf) ? buf[100] : -1;
}

static const char *const cached[] = { "cache_size", "8", NULL };

/* Only the disk's own cache is lost, so the page cache must not be what answers. */
static int power_fails(int disk)
{
	close(disk);
	attr("power", "0");
	attr("power", "1");
	return open_disk();
}

TEST_F(null, flushed_data_survives)
{
	struct treq flush = {};
	unsigned int i;

	if (!make(cached))
		SKIP(return, "no null_blk with a cache in this kernel");
	self->disk = open_disk();
	ASSERT_LE(0, self->disk);
	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 1, NUM));
	ASSERT_EQ(0, tblk_start(&self->b, FEATURES));
	for (i = 0; i < 20; i++)
		ASSERT_EQ(VIRTIO_BLK_S_OK, write_byte(&self->b, i * 8, 100 + i));
	ASSERT_EQ(VIRTIO_BLK_S_OK, tblk_do(&self->b, 0, &flush, VIRTIO_BLK_T_FLUSH, 0, 0));
	for (i = 20; i < 40; i++)
		ASSERT_EQ(VIRTIO_BLK_S_OK, write_byte(&self->b, i * 8, 100 + i));
	tblk_close(&self->b);
	self->disk = power_fails(self->disk);
	ASSERT_LE(0, self->disk);
	for (i = 0; i < 20; i++)
		EXPECT_EQ(100 + i, read_byte(self->disk, i * 8));
	/* and the test can fail: what was not flushed is gone */
	for (i = 20; i < 40; i++)
		EXPECT_EQ(0, read_byte(self->disk, i * 8));
}

/* A driver that knows no flush is never told of a write that is not stable. */
TEST_F(null, written_through_data_survives)
{
	unsigned int i;

	if (!make(cached))
		SKIP(return, "no null_blk with a cache in this kernel");
	self->disk = open_disk();
	ASSERT_LE(0, self->disk);
	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 1, NUM));
	ASSERT_EQ(0, tblk_start(&self->b, BASE_FEATURES));
	for (i = 0; i < 20; i++)
		ASSERT_EQ(VIRTIO_BLK_S_OK, write_byte(&self->b, i * 8, 100 + i));
	tblk_close(&self->b);
	self->disk = power_fails(self->disk);
	ASSERT_LE(0, self->disk);
	for (i = 0; i < 20; i++)
		EXPECT_EQ(100 + i, read_byte(self->disk, i * 8));
}

TEST_F(null, buffered_data_is_flushed)
{
	struct treq flush = {};

	if (!make(cached))
		SKIP(return, "no null_blk with a cache in this kernel");
	self->disk = open_disk();
	ASSERT_LE(0, self->disk);
	ASSERT_TRUE(tblk_open(&self->b, self->disk, VHOST_BLK_F_BUFFERED, 1, NUM));
	ASSERT_EQ(0, tblk_start(&self->b, FEATURES));
	ASSERT_EQ(VIRTIO_BLK_S_OK, write_byte(&self->b, 0, 77));
	ASSERT_EQ(VIRTIO_BLK_S_OK, tblk_do(&self->b, 0, &flush, VIRTIO_BLK_T_FLUSH, 0, 0));
	tblk_close(&self->b);
	self->disk = power_fails(self->disk);
	EXPECT_EQ(77, read_byte(self->disk, 0));
}

static const char *const bad[] = { "badblocks", "+100-200", NULL };

TEST_F(null, disk_errors)
{
	if (!make(bad))
		SKIP(return, "no null_blk in this kernel");
	self->disk = open_disk();
	ASSERT_LE(0, self->disk);
	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 1, NUM));
	ASSERT_EQ(0, tblk_start(&self->b, FEATURES));
	EXPECT_EQ(VIRTIO_BLK_S_OK, write_byte(&self->b, 0, 1));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, write_byte(&self->b, 128, 1));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR,
		  tblk_do(&self->b, 0, &(struct treq) {}, VIRTIO_BLK_T_IN, 128, 4096));
	EXPECT_EQ(VIRTIO_BLK_S_OK, write_byte(&self->b, 1024, 1));
	EXPECT_FALSE(tevent(self->b.rings[0].err, 0));
	EXPECT_EQ(2, counter("blk", 0, "errors"));
	tblk_close(&self->b);
}

/* Also if somebody else was told of it before. */
TEST_F(null, lost_data_fails_the_flush)
{
	struct treq flush = {};
	int other;

	if (!make(bad))
		SKIP(return, "no null_blk in this kernel");
	self->disk = open_disk();
	ASSERT_LE(0, self->disk);
	ASSERT_TRUE(tblk_open(&self->b, self->disk, VHOST_BLK_F_BUFFERED, 1, NUM));
	ASSERT_EQ(0, tblk_start(&self->b, FEATURES));
	EXPECT_EQ(VIRTIO_BLK_S_OK, write_byte(&self->b, 128, 1));
	other = open_disk();
	ASSERT_LE(0, other);
	EXPECT_EQ(-1, fsync(other));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, tblk_do(&self->b, 0, &flush, VIRTIO_BLK_T_FLUSH, 0, 0));
	close(other);
	tblk_close(&self->b);
}

/* Pages of the disk's that the host has cached, of its first @n. */
static unsigned int pages_cached(int disk, unsigned int n)
{
	unsigned char in[64];
	unsigned int i, count = 0;
	void *p = mmap(NULL, n * 4096, PROT_READ, MAP_SHARED, disk, 0);

	if (p == MAP_FAILED || n > sizeof(in) || mincore(p, n * 4096, in))
		return -1;
	for (i = 0; i < n; i++)
		count += in[i] & 1;
	munmap(p, n * 4096);
	return count;
}

#define ODD_AT	4096	/* on the disk */

/* Writes @len bytes from an odd address. Where it is, or NULL: that failed. */
static uint8_t *write_oddly(struct tblk *b, size_t len)
{
	uint8_t *data = (uint8_t *)tmem_alloc(&b->mem, len + 4096, 4096) + 3;
	struct vring_used_elem used;
	struct tbuf bufs[3], odd[4];
	struct treq req = {};
	size_t i;

	tblk_prepare(b, &req, VIRTIO_BLK_T_OUT, ODD_AT / 512, 512, bufs);
	for (i = 0; i < len; i++)
		data[i] = i * 7 + (i >> 9);
	odd[0] = bufs[0];
	odd[1] = (struct tbuf) { tmem_gpa(&b->mem, data), 1000, false };
	odd[2] = (struct tbuf) { tmem_gpa(&b->mem, data + 1000), len - 1000, false };
	odd[3] = bufs[2];
	tring_avail(&b->rings[0], tring_chain(&b->rings[0], odd, 4));
	tring_kick(&b->rings[0]);
	return tring_used(&b->rings[0], &used, SOON) && *req.status == VIRTIO_BLK_S_OK ? data :
		NULL;
}

static bool holds(int disk, const uint8_t *data, size_t len)
{
	static uint8_t got[256 << 10];

	return pread(disk, got, len, ODD_AT) == (ssize_t)len && !memcmp(got, data, len);
}

/*
 * By the page cache it would be of whole pages: a request that writes a sector beside at that
 * time could be undone.
 */
TEST_F(null, write_from_odd_addresses)
{
	static const char *const none[] = { NULL };
	uint8_t *data;

	if (!make(none))
		SKIP(return, "no null_blk in this kernel");
	self->disk = open_disk();
	ASSERT_LE(0, self->disk);
	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 1, NUM));
	ASSERT_EQ(0, tblk_start(&self->b, FEATURES));
	/* What looks for partitions has read the first pages. */
	ASSERT_EQ(0, posix_fadvise(self->disk, 0, 0, POSIX_FADV_DONTNEED));
	ASSERT_EQ(0, pages_cached(self->disk, 64));
	/* In more than one piece of the module's. */
	data = write_oddly(&self->b, 200 << 10);
	ASSERT_NE(NULL, data);
	EXPECT_EQ(0, pages_cached(self->disk, 64));
	EXPECT_TRUE(holds(self->disk, data, 200 << 10));
	tblk_close(&self->b);
}

/* A driver that writes parts of the disk's blocks has them written all the same. */
TEST_F(null, write_with_an_odd_end)
{
	static const char *const large_blocks[] = { "blocksize", "4096", NULL };
	uint8_t *data;

	if (!make(large_blocks))
		SKIP(return, "no null_blk in this kernel");
	self->disk = open_disk();
	ASSERT_LE(0, self->disk);
	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 1, NUM));
	ASSERT_EQ(0, tblk_start(&self->b, FEATURES));
	data = write_oddly(&self->b, (128 << 10) + 512);
	ASSERT_NE(NULL, data);
	EXPECT_TRUE(holds(self->disk, data, (128 << 10) + 512));
	tblk_close(&self->b);
}

TEST_F(null, made_read_only)
{
	static const char *const plain[] = { NULL };
	int on = 1, off = 0;

	if (!make(plain))
		SKIP(return, "no null_blk in this kernel");
	self->disk = open_disk();
	ASSERT_LE(0, self->disk);
	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 1, NUM));
	ASSERT_EQ(0, tblk_start(&self->b, FEATURES));
	EXPECT_EQ(VIRTIO_BLK_S_OK, write_byte(&self->b, 0, 1));
	ASSERT_EQ(0, ioctl(self->disk, BLKROSET, &on));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, write_byte(&self->b, 0, 2));
	ASSERT_EQ(0, ioctl(self->disk, BLKROSET, &off));
	EXPECT_EQ(1, read_byte(self->disk, 0));
	EXPECT_EQ(VIRTIO_BLK_S_OK, write_byte(&self->b, 0, 3));
}

/* Requests take 30 ms each. */
static const char *const slow[] = { "irqmode", "2", "completion_nsec", "30000000", NULL };

static void start_slow(struct tblk *b, int disk, uint64_t layout)
{
	static struct treq req[NUM / 4];
	unsigned int q, i;

	if (!tblk_open(b, disk, 0, 2, NUM) ||
	    tblk_start(b, FEATURES | BIT64(VIRTIO_BLK_F_MQ) | layout))
		exit(1);
	for (q = 0; q < 2; q++) {
		for (i = 0; i < NUM / 4; i++)
			tblk_queue(b, q, &req[i], i % 2 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT,
				   i * 8, 4096);
		tring_kick(&b->rings[q]);
	}
}

TEST_F(null, stop_waits_for_requests)
{
	unsigned int q, i;

	if (!make(slow))
		SKIP(return, "no null_blk in this kernel");
	self->disk = open_disk();
	ASSERT_LE(0, self->disk);
	for (i = 0; i < 10; i++) {
		start_slow(&self->b, self->disk, i % 2 ? PACKED : 0);
		ASSERT_EQ(0, tblk_running(&self->b, 0));
		/* what was taken has been given back, and nothing comes any more */
		for (q = 0; q < 2; q++) {
			struct vhost_vring_state s = { .index = q };

			ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_GET_VRING_BASE, &s));
			EXPECT_TRUE(tring_idle_at(&self->b.rings[q], s.num));
		}
		tblk_close(&self->b);
	}
}

TEST_F(null, owner_killed_with_requests_in_flight)
{
	unsigned int i;
	int status;
	pid_t pid;

	if (!make(slow))
		SKIP(return, "no null_blk in this kernel");
	self->disk = open_disk();
	ASSERT_LE(0, self->disk);
	for (i = 0; i < 20; i++) {
		pid = fork();
		if (!pid) {
			start_slow(&self->b, self->disk, i % 2 ? PACKED : 0);
			pause();
		}
		usleep(i * 7000);
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFSIGNALED(status));
	}
	/* Every worker is gone with its owner. */
	EXPECT_NE(0, system("grep -l '^vellum-vhost-[0-9]' /proc/[0-9]*/comm >/dev/null 2>&1"));
}

/* Has its worker touch a page that is held, of the ring or of the data, and tells by what. */
static void wait_for_page(int disk, bool ring, int told)
{
	struct tbuf bufs[3];
	struct treq req = {};
	struct tblk b;
	int uffd;

	if (!tblk_open(&b, disk, 0, 1, NUM) || tblk_start(&b, FEATURES))
		_exit(1);
	tblk_prepare(&b, &req, VIRTIO_BLK_T_OUT, 0, 4096, bufs);
	uffd = tmem_hold(ring ? (void *)b.rings[0].vr.used : req.data);
	tring_avail(&b.rings[0], tring_chain(&b.rings[0], bufs, 3));
	tring_kick(&b.rings[0]);
	if (!tmem_waits(uffd, SOON) || write(told, &uffd, sizeof(uffd)) != sizeof(uffd))
		_exit(1);
	pause();
}

/* A descriptor of another process, or -1. */
static int take_fd(pid_t pid, int fd)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0), got = syscall(SYS_pidfd_getfd, pidfd, fd, 0);

	close(pidfd);
	return got;
}

static bool is_killed(pid_t pid)
{
	int status, tries;

	for (tries = 0; tries < SOON / 10; tries++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFSIGNALED(status);
		usleep(10000);
	}
	return false;
}

/* The page comes only when the owner is gone. */
TEST_F(null, owner_killed_while_the_worker_waits_for_a_page)
{
	int told[2], uffd;
	unsigned int i;
	pid_t pid;

	self->disk = memfd_create("disk", 0);
	ASSERT_EQ(0, ftruncate(self->disk, 1 << 20));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, pipe(told));
		pid = fork();
		if (!pid)
			wait_for_page(self->disk, i, told[1]);
		close(told[1]);
		ASSERT_EQ(sizeof(uffd), read(told[0], &uffd, sizeof(uffd)));
		close(told[0]);
		uffd = take_fd(pid, uffd);
		EXPECT_LE(0, uffd);
		kill(pid, SIGKILL);
		EXPECT_TRUE(is_killed(pid)) {
			TH_LOG("held up by a page of the %s", i ? "ring" : "data");
			close(uffd);
			EXPECT_TRUE(is_killed(pid));
			uffd = -1;
		}
		close(uffd);
	}
}

/* A disk without memory: clearing a range means writing it. */
static const char *const large[] = {
	"memory_backed", "0", "size", "8192", "irqmode", "2", "completion_nsec", "30000000", NULL,
};

/* As much as one request can ask for: minutes for such a disk. */
static void clear_much(struct tblk *b)
{
	struct virtio_blk_discard_write_zeroes *range;
	struct tbuf bufs[3];
	struct treq req = {};
	unsigned int i;

	tblk_prepare(b, &req, VIRTIO_BLK_T_WRITE_ZEROES, 0, RANGES * sizeof(*range), bufs);
	range = (void *)req.data;
	for (i = 0; i < RANGES; i++)
		range[i].num_sectors = UINT32_MAX / 512;
	tring_avail(&b->rings[0], tring_chain(&b->rings[0], bufs, 3));
	tring_kick(&b->rings[0]);
}

TEST_F(null, closed_while_it_is_cleared)
{
	struct timespec from, to;

	if (!make(large))
		SKIP(return, "no null_blk in this kernel");
	self->disk = open_disk();
	ASSERT_LE(0, self->disk);
	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 1, NUM));
	ASSERT_EQ(0, tblk_start(&self->b, FEATURES | BIT64(VIRTIO_BLK_F_WRITE_ZEROES)));
	clear_much(&self->b);
	usleep(NEVER * 1000);
	clock_gettime(CLOCK_MONOTONIC, &from);
	tblk_close(&self->b);
	clock_gettime(CLOCK_MONOTONIC, &to);
	EXPECT_GT(2 * SOON / 1000, to.tv_sec - from.tv_sec);
}

TEST_F(null, memory_replaced_with_requests_in_flight)
{
	unsigned int i;

	if (!make(slow))
		SKIP(return, "no null_blk in this kernel");
	self->disk = open_disk();
	ASSERT_LE(0, self->disk);
	start_slow(&self->b, self->disk, 0);
	/* When it returns, nothing uses the memory that the old table had. */
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, dev_mem(self->b.fd, &self->b.mem));
	tblk_close(&self->b);
}

/* What is not valid any more is not used any more when the message is written. */
TEST_F(null, invalidated_with_requests_in_flight)
{
	struct vhost_vring_state s = { .index = 0 };
	unsigned int i, tries;
	uint32_t begin;

	if (!make(slow))
		SKIP(return, "no null_blk in this kernel");
	self->disk = open_disk();
	ASSERT_LE(0, self->disk);
	for (i = 0; i < 4; i++) {
		start_slow(&self->b, self->disk, PLATFORM | (i % 2 ? PACKED : 0));
		begin = i % 2 ? WRAP : 0;
		ASSERT_EQ(0, dev_iotlb(self->b.fd, VHOST_IOTLB_UPDATE, (uintptr_t)self->b.mem.base,
				       self->b.mem.size, self->b.mem.base, VHOST_ACCESS_RW));
		ASSERT_EQ(0, dev_iotlb(self->b.fd, VHOST_IOTLB_UPDATE, RING_GPA_BASE,
				       self->b.mem.size, self->b.mem.base, VHOST_ACCESS_RW));
		/* Until some are taken. */
		for (tries = 0; tries < SOON; tries++) {
			ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_GET_VRING_BASE, &s));
			if ((uint16_t)s.num != begin)
				break;
			usleep(1000);
		}
		ASSERT_NE(begin, (uint16_t)s.num);
		ASSERT_EQ(0, dev_iotlb(self->b.fd, VHOST_IOTLB_INVALIDATE, 0, 0, NULL, 0));
		ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_GET_VRING_BASE, &s));
		EXPECT_TRUE(tring_idle_at(&self->b.rings[0], s.num));
		tblk_close(&self->b);
	}
}

TEST_HARNESS_MAIN
