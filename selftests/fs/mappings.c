// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards what works on tmpfs memory: fork, private mappings, mprotect, mremap,
 * mlock, process_vm_readv, direct I/O into pages, pages held by a pipe, unmapping
 * by madvise.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <linux/io_uring.h>
#include "kselftest_harness.h"
#include "mnt.h"

#define PAGES	8

FIXTURE(map) {
	char *path;
	int fd;
	unsigned char *map;
};

FIXTURE_SETUP(map)
{
	int i;

	self->path = mnt_make("");
	ASSERT_NE(NULL, self->path);
	self->fd = mnt_file(self->path, "f", PAGES, &self->map);
	ASSERT_LE(0, self->fd);
	/* Two equal pages, two of zeroes, unique ones. */
	for (i = 0; i < PAGES; i++)
		page_fill(self->map + i * PAGE, i < 2 ? 1 : i < 4 ? 0 : i);
	ASSERT_TRUE(merge_all());
	merge_stop();
}

FIXTURE_TEARDOWN(map)
{
	setting("run", "1");
	munmap(self->map, PAGES * PAGE);
	close(self->fd);
	EXPECT_EQ(0, mnt_drop(self->path));
}

TEST_F(map, child_shares)
{
	pid_t child = fork();
	int status;

	if (!child) {
		int i;

		for (i = 0; i < PAGES; i++)
			page_fill(self->map + i * PAGE, 100 + i);
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	for (status = 0; status < PAGES; status++)
		EXPECT_TRUE(page_is(self->map + status * PAGE, 100 + status));
}

TEST_F(map, private_is_private)
{
	unsigned char *mine = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE,
				   self->fd, 0);
	int i;

	ASSERT_NE(MAP_FAILED, mine);
	EXPECT_TRUE(page_is(mine, 1) && page_is(mine + 2 * PAGE, 0) && page_is(mine + 7 * PAGE, 7));
	for (i = 0; i < PAGES; i += 2)
		page_fill(mine + i * PAGE, 50);
	EXPECT_TRUE(page_is(self->map, 1) && page_is(self->map + 2 * PAGE, 0));
	/* Pages that were not copied follow the file. */
	page_fill(self->map + PAGE, 60);
	page_fill(self->map + 3 * PAGE, 61);
	page_fill(self->map, 62);
	EXPECT_TRUE(page_is(mine + PAGE, 60) && page_is(mine + 3 * PAGE, 61) && page_is(mine, 50));
	EXPECT_EQ(0, mlock(mine, PAGES * PAGE));
	EXPECT_EQ(0, munlock(mine, PAGES * PAGE));
	munmap(mine, PAGES * PAGE);
}

/* Becoming writable must not make a shared frame writable. */
TEST_F(map, mprotect)
{
	unsigned char *ro = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_SHARED, self->fd, 0);

	ASSERT_NE(MAP_FAILED, ro);
	EXPECT_TRUE(page_is(ro, 1) && page_is(ro + PAGE, 1) && page_is(ro + 2 * PAGE, 0));
	ASSERT_EQ(0, mprotect(ro, PAGES * PAGE, PROT_READ | PROT_WRITE));
	page_fill(ro, 70);
	page_fill(ro + 2 * PAGE, 71);
	EXPECT_TRUE(page_is(self->map, 70) && page_is(self->map + PAGE, 1));
	EXPECT_TRUE(page_is(self->map + 2 * PAGE, 71) && page_is(self->map + 3 * PAGE, 0));
	munmap(ro, PAGES * PAGE);
}

TEST_F(map, mremap)
{
	unsigned char *moved = mremap(self->map, PAGES * PAGE, 2 * PAGES * PAGE, MREMAP_MAYMOVE);

	ASSERT_NE(MAP_FAILED, moved);
	EXPECT_TRUE(page_is(moved, 1) && page_is(moved + 7 * PAGE, 7));
	page_fill(moved, 80);
	EXPECT_TRUE(page_is(moved + PAGE, 1));
	munmap(moved + PAGES * PAGE, PAGES * PAGE);
	self->map = moved;
}

TEST_F(map, mlock)
{
	EXPECT_EQ(0, mlock(self->map, PAGES * PAGE));
	EXPECT_EQ(0, mlockall(MCL_CURRENT | MCL_FUTURE));
	page_fill(self->map, 90);
	EXPECT_TRUE(page_is(self->map + PAGE, 1));
	EXPECT_EQ(0, munlockall());
	EXPECT_EQ(0, munlock(self->map, PAGES * PAGE));
}

TEST_F(map, other_process_reads_and_writes)
{
	static unsigned char buf[PAGES * PAGE];
	struct iovec here = { buf, sizeof(buf) }, there = { self->map, sizeof(buf) };
	pid_t child = fork();

	if (!child) {
		pause();
		_exit(0);
	}
	EXPECT_EQ(sizeof(buf), process_vm_readv(child, &here, 1, &there, 1, 0));
	EXPECT_TRUE(page_is(buf, 1) && page_is(buf + 2 * PAGE, 0) && page_is(buf + 5 * PAGE, 5));
	page_fill(buf, 11);
	page_fill(buf + 2 * PAGE, 12);
	EXPECT_EQ(sizeof(buf), process_vm_writev(child, &here, 1, &there, 1, 0));
	EXPECT_TRUE(page_is(self->map, 11) && page_is(self->map + PAGE, 1));
	EXPECT_TRUE(page_is(self->map + 2 * PAGE, 12) && page_is(self->map + 3 * PAGE, 0));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* The system disk, whose start never changes. */
static int disk_open(void)
{
	int fd = open("/dev/vda", O_RDONLY | O_DIRECT);

	return fd < 0 ? open("/dev/sda", O_RDONLY | O_DIRECT) : fd;
}

TEST_F(map, direct_io)
{
	unsigned char *want = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int disk = disk_open();

	if (disk < 0)
		SKIP(return, "no disk");
	ASSERT_EQ(4 * PAGE, pread(disk, want, 4 * PAGE, 0));
	/* Into a shared page, a zero page and unique ones. */
	EXPECT_EQ(4 * PAGE, pread(disk, self->map + PAGE, 4 * PAGE, 0));
	EXPECT_EQ(0, memcmp(want, self->map + PAGE, 4 * PAGE));
	EXPECT_TRUE(page_is(self->map, 1));
	close(disk);
	munmap(want, 4 * PAGE);
}

TEST_F(map, madvise)
{
	EXPECT_EQ(0, madvise(self->map, 2 * PAGE, MADV_DONTNEED));
	EXPECT_TRUE(page_is(self->map, 1));
	EXPECT_EQ(0, madvise(self->map, PAGE, MADV_REMOVE));
	EXPECT_TRUE(page_is(self->map, 0) && page_is(self->map + PAGE, 1));
	EXPECT_EQ(0, madvise(self->map, PAGES * PAGE, MADV_DONTFORK));
	EXPECT_EQ(0, madvise(self->map, PAGES * PAGE, MADV_DOFORK));
}

/* A page in a pipe is what its reader will see: it is not merged while it is there. */
TEST_F(map, held_by_pipe)
{
	struct iovec iov = { self->map + 6 * PAGE, PAGE };
	unsigned char buf[PAGE];
	struct vellumfs_stats s;
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	page_fill(self->map + 6 * PAGE, 1);
	ASSERT_EQ(PAGE, vmsplice(pipes[1], &iov, 1, 0));
	setting("run", "1");
	usleep(300000);
	ASSERT_EQ(0, file_stats(self->fd, &s));
	EXPECT_EQ(1, s.volatile_pages);
	EXPECT_EQ(2, s.shared_pages);
	EXPECT_LT(0, s.held);
	EXPECT_EQ(PAGE, read(pipes[0], buf, PAGE));
	EXPECT_TRUE(page_is(buf, 1));
	close(pipes[0]);
	close(pipes[1]);
	EXPECT_TRUE(merge_all());
	ASSERT_EQ(0, file_stats(self->fd, &s));
	EXPECT_EQ(3, s.shared_pages);
}

/* 0, a negative errno, or 1 if the kernel has no io_uring */
static int register_buffer(void *p)
{
	struct io_uring_params params = {};
	struct iovec iov = { p, PAGE };
	int ret, ring = syscall(SYS_io_uring_setup, 1, &params);

	if (ring < 0)
		return 1;
	ret = syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &iov, 1);
	ret = ret ? -errno : 0;
	close(ring);
	return ret;
}

/* Long-term pins: possible where merging was off when the file was mapped. */
TEST_F(map, registered_buffers)
{
	unsigned char *plain;
	int ret;

	ASSERT_EQ(0, file_merge(self->fd, VELLUMFS_MERGE_OFF));
	plain = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, plain);
	ret = register_buffer(plain);
	/* io_uring of Linux 6.1 knows of no files' memory but tmpfs's. */
	if (ret == 1 || ret == -EOPNOTSUPP) {
		munmap(plain, PAGES * PAGE);
		SKIP(return, "no io_uring for this memory");
	}
	EXPECT_EQ(0, ret);
	EXPECT_TRUE(page_is(plain, 1) && page_is(self->map + PAGE, 1));
	EXPECT_TRUE(page_is(plain + 2 * PAGE, 0));
	page_fill(plain, 21);
	page_fill(plain + 2 * PAGE, 22);
	EXPECT_TRUE(page_is(self->map, 21) && page_is(self->map + PAGE, 1));
	EXPECT_TRUE(page_is(self->map + 2 * PAGE, 22) && page_is(self->map + 3 * PAGE, 0));
	/* Merging such a mapping is right too. */
	ASSERT_EQ(0, file_merge(self->fd, VELLUMFS_MERGE_ON));
	page_fill(plain, 1);
	ASSERT_TRUE(merge_all());
	EXPECT_TRUE(page_is(plain, 1));
	page_fill(plain + PAGE, 23);
	EXPECT_TRUE(page_is(self->map, 1) && page_is(self->map + PAGE, 23));
	munmap(plain, PAGES * PAGE);
}

TEST_HARNESS_MAIN
