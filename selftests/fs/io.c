// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards reading, writing and the space of a file: holes, ends of files,
 * truncate, fallocate, SEEK_DATA and SEEK_HOLE, splice, limits, and that mappings
 * and system calls see the same bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include "kselftest_harness.h"
#include "mnt.h"

#define SIZE_LIMIT	(64 * PAGE)
#define PUNCH		(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

FIXTURE(io) {
	char *path;
	int fd;
	unsigned char *map;
};

FIXTURE_SETUP(io)
{
	self->path = mnt_make("size=256k");
	ASSERT_NE(NULL, self->path);
	self->fd = mnt_file(self->path, "f", 8, &self->map);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(io)
{
	munmap(self->map, 8 * PAGE);
	close(self->fd);
	EXPECT_EQ(0, mnt_drop(self->path));
}

static blkcnt_t blocks(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -1 : st.st_blocks / (PAGE / 512);
}

static off_t size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -1 : st.st_size;
}

static bool all(const void *p, unsigned char c, size_t n)
{
	const unsigned char *s = p;

	while (n--)
		if (*s++ != c)
			return false;
	return true;
}

TEST_F(io, holes_read_as_zero)
{
	char buf[3 * PAGE];

	memset(buf, 1, sizeof(buf));
	EXPECT_EQ(0, blocks(self->fd));
	EXPECT_EQ(3 * PAGE, pread(self->fd, buf, 3 * PAGE, 100));
	EXPECT_TRUE(all(buf, 0, 3 * PAGE));
	EXPECT_TRUE(all(self->map, 0, 8 * PAGE));
	EXPECT_EQ(0, blocks(self->fd));
	self->map[3 * PAGE] = 7;
	EXPECT_EQ(1, blocks(self->fd));
	EXPECT_EQ(1, pread(self->fd, buf, 1, 3 * PAGE));
	EXPECT_EQ(7, buf[0]);
}

TEST_F(io, ends)
{
	char buf[2 * PAGE];

	EXPECT_EQ(0, pread(self->fd, buf, 10, 8 * PAGE));
	EXPECT_EQ(0, pread(self->fd, buf, 10, 1UL << 50));
	EXPECT_EQ(5, pread(self->fd, buf, sizeof(buf), 8 * PAGE - 5));
	EXPECT_EQ(3, pwrite(self->fd, "end", 3, 8 * PAGE - 1));
	EXPECT_EQ(8 * PAGE + 2, size_of(self->fd));
	EXPECT_EQ(-1, pread(self->fd, buf, 10, -1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, pwrite(self->fd, buf, 1, INT64_MAX));
	EXPECT_TRUE(errno == EFBIG || errno == EINVAL);
	EXPECT_EQ(-1, ftruncate(self->fd, -1));
}

/* The last page that positions could name is no part of any file: its end is none. */
TEST_F(io, largest)
{
	off_t last = INT64_MAX - PAGE + 1;

	EXPECT_EQ(-1, ftruncate(self->fd, last + 1));
	EXPECT_EQ(EFBIG, errno);
	EXPECT_EQ(-1, pwrite(self->fd, "x", 1, last));
	EXPECT_EQ(EFBIG, errno);
	EXPECT_EQ(-1, fallocate(self->fd, PUNCH, last + 100, 16));
	EXPECT_EQ(EFBIG, errno);
	EXPECT_EQ(1, pwrite(self->fd, "x", 1, last - 1));
	EXPECT_EQ(last, size_of(self->fd));
	EXPECT_EQ(0, fallocate(self->fd, PUNCH, last - 16, 16));
	EXPECT_EQ(0, ftruncate(self->fd, last - 10));
	EXPECT_EQ(0, ftruncate(self->fd, 8 * PAGE));
	EXPECT_EQ(0, blocks(self->fd));
}

TEST_F(io, mappings_and_calls_agree)
{
	char buf[PAGE + 20];

	memset(buf, 'w', sizeof(buf));
	EXPECT_EQ(sizeof(buf), pwrite(self->fd, buf, sizeof(buf), PAGE - 10));
	EXPECT_TRUE(all(self->map + PAGE - 10, 'w', sizeof(buf)));
	EXPECT_TRUE(all(self->map, 0, PAGE - 10) && all(self->map + 2 * PAGE + 10, 0, PAGE - 10));
	memset(self->map + PAGE, 'm', PAGE);
	EXPECT_EQ(PAGE, pread(self->fd, buf, PAGE, PAGE));
	EXPECT_TRUE(all(buf, 'm', PAGE));
}

/* The source of a write is the very page that is written, not touched yet. */
TEST_F(io, write_from_own_mapping)
{
	EXPECT_EQ(PAGE, pwrite(self->fd, self->map, PAGE, 0));
	EXPECT_TRUE(all(self->map, 0, PAGE));
	page_fill(self->map + PAGE, 3);
	EXPECT_EQ(PAGE, pwrite(self->fd, self->map + PAGE, PAGE, 2 * PAGE));
	EXPECT_EQ(PAGE, pread(self->fd, self->map + 3 * PAGE, PAGE, 2 * PAGE));
	EXPECT_TRUE(page_is(self->map + 2 * PAGE, 3) && page_is(self->map + 3 * PAGE, 3));
}

TEST_F(io, bad_memory)
{
	char *hole = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	munmap(hole + PAGE, PAGE);
	memset(hole, 'h', PAGE);
	EXPECT_EQ(-1, pwrite(self->fd, hole + PAGE, 10, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(100, pwrite(self->fd, hole + PAGE - 100, 300, 50));
	EXPECT_TRUE(all(self->map + 50, 'h', 100) && all(self->map + 150, 0, 150));
	EXPECT_EQ(-1, pread(self->fd, hole + PAGE, 10, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(100, pread(self->fd, hole + PAGE - 100, 300, 0));
	/* From a hole of the file too, which kernels without fast strings clear by eight bytes. */
	EXPECT_EQ(96, pread(self->fd, hole + PAGE - 96, 300, 5 * PAGE));
	munmap(hole, PAGE);
}

TEST_F(io, truncate)
{
	memset(self->map, 't', 8 * PAGE);
	EXPECT_EQ(8, blocks(self->fd));
	EXPECT_EQ(0, ftruncate(self->fd, 2 * PAGE + 100));
	EXPECT_EQ(3, blocks(self->fd));
	EXPECT_EQ(0, ftruncate(self->fd, 8 * PAGE));
	EXPECT_TRUE(all(self->map, 't', 2 * PAGE + 100));
	EXPECT_TRUE(all(self->map + 2 * PAGE + 100, 0, 6 * PAGE - 100));
	EXPECT_EQ(0, ftruncate(self->fd, 0));
	EXPECT_EQ(0, blocks(self->fd));
}

/* What a mapping wrote behind the end of the file is not seen when the file grows. */
TEST_F(io, grow_clears_tail)
{
	ASSERT_EQ(0, ftruncate(self->fd, 10));
	memset(self->map, 'x', PAGE);
	ASSERT_EQ(0, ftruncate(self->fd, PAGE));
	EXPECT_TRUE(all(self->map, 'x', 10) && all(self->map + 10, 0, PAGE - 10));
}

/* By a write or by fallocate: neither touches the page that was the last. */
TEST_F(io, writes_clear_tail)
{
	ASSERT_EQ(0, ftruncate(self->fd, 100));
	memset(self->map, 'x', PAGE);
	EXPECT_EQ(1, pwrite(self->fd, "y", 1, PAGE + 50));
	EXPECT_TRUE(all(self->map, 'x', 100) && all(self->map + 100, 0, PAGE - 50));
	memset(self->map + PAGE, 'x', PAGE);
	EXPECT_EQ(0, fallocate(self->fd, 0, 3 * PAGE, PAGE));
	EXPECT_TRUE(all(self->map + PAGE, 'x', 51));
	EXPECT_TRUE(all(self->map + PAGE + 51, 0, 3 * PAGE - 51));
	/* Within the page. */
	ASSERT_EQ(0, ftruncate(self->fd, 10));
	memset(self->map, 'x', PAGE);
	EXPECT_EQ(1, pwrite(self->fd, "y", 1, 100));
	EXPECT_TRUE(all(self->map + 10, 0, 90));
}

TEST_F(io, beyond_end_is_sigbus)
{
	pid_t child = fork();
	int status;

	if (!child) {
		signal(SIGBUS, SIG_DFL);
		ftruncate(self->fd, PAGE);
		self->map[0] = 1;
		self->map[PAGE] = 1;
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

TEST_F(io, punch)
{
	memset(self->map, 'p', 8 * PAGE);
	EXPECT_EQ(0, fallocate(self->fd, PUNCH, PAGE + 10, 3 * PAGE));
	EXPECT_EQ(6, blocks(self->fd));
	EXPECT_TRUE(all(self->map, 'p', PAGE + 10));
	EXPECT_TRUE(all(self->map + PAGE + 10, 0, 3 * PAGE));
	EXPECT_TRUE(all(self->map + 4 * PAGE + 10, 'p', 4 * PAGE - 10));
	EXPECT_EQ(0, fallocate(self->fd, PUNCH, 0, 100 * PAGE));
	EXPECT_EQ(0, blocks(self->fd));
	EXPECT_EQ(8 * PAGE, size_of(self->fd));
	EXPECT_TRUE(all(self->map, 0, 8 * PAGE));
}

TEST_F(io, allocate)
{
	EXPECT_EQ(0, fallocate(self->fd, 0, PAGE + 5, 2 * PAGE));
	EXPECT_EQ(3, blocks(self->fd));
	self->map[PAGE] = 9;
	EXPECT_EQ(0, fallocate(self->fd, 0, 0, 8 * PAGE));
	EXPECT_EQ(8, blocks(self->fd));
	EXPECT_EQ(9, self->map[PAGE]);
	EXPECT_EQ(0, fallocate(self->fd, FALLOC_FL_KEEP_SIZE, 8 * PAGE, PAGE));
	EXPECT_EQ(8 * PAGE, size_of(self->fd));
	EXPECT_EQ(9, blocks(self->fd));
	EXPECT_EQ(0, fallocate(self->fd, 0, 8 * PAGE, 2 * PAGE));
	EXPECT_EQ(10 * PAGE, size_of(self->fd));
	EXPECT_EQ(0, fallocate(self->fd, FALLOC_FL_ZERO_RANGE, 0, 2 * PAGE));
	EXPECT_EQ(0, self->map[PAGE]);
	EXPECT_EQ(10, blocks(self->fd));
	/* More than the mount has: nothing is allocated. */
	EXPECT_EQ(-1, fallocate(self->fd, 0, 0, SIZE_LIMIT + PAGE));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(10, blocks(self->fd));
	EXPECT_EQ(-1, fallocate(self->fd, FALLOC_FL_COLLAPSE_RANGE, 0, PAGE));
	EXPECT_EQ(EOPNOTSUPP, errno);
}

/* Allocated space is there for writers, whoever else fills the mount. */
TEST_F(io, allocated_space_is_kept)
{
	static char bytes[SIZE_LIMIT];
	int other = mnt_open(self->path, "other");

	ASSERT_EQ(0, fallocate(self->fd, 0, 0, 8 * PAGE));
	memset(bytes, 'o', sizeof(bytes));
	EXPECT_EQ(SIZE_LIMIT - 8 * PAGE, write(other, bytes, sizeof(bytes)));
	memset(self->map, 'k', 8 * PAGE);
	EXPECT_TRUE(all(self->map, 'k', 8 * PAGE));
	close(other);
}

TEST_F(io, no_space_is_sigbus)
{
	static char bytes[SIZE_LIMIT];
	int other = mnt_open(self->path, "other"), status;
	pid_t child;

	ASSERT_EQ(SIZE_LIMIT, write(other, bytes, sizeof(bytes)));
	child = fork();
	if (!child) {
		signal(SIGBUS, SIG_DFL);
		self->map[0] = 1;
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	/* Reading a hole needs no space. */
	EXPECT_EQ(0, self->map[0]);
	ASSERT_EQ(0, ftruncate(other, 0));
	self->map[0] = 1;
	EXPECT_EQ(1, self->map[0]);
	close(other);
}

static uint64_t metadata(int fd)
{
	struct vellumfs_stats s;

	return file_stats(fd, &s) ? UINT64_MAX : s.metadata_bytes;
}

/* What describes holes that are read is limited, too, and goes when they are punched. */
TEST_F(io, holes_read_are_limited)
{
	const size_t size = 1UL << 30, step = 64 * PAGE;
	volatile unsigned char *map;
	size_t at;
	int status;
	pid_t child;

	ASSERT_EQ(0, ftruncate(self->fd, size));
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	child = fork();
	if (!child) {
		signal(SIGBUS, SIG_DFL);
		for (at = 0; at < size; at += step)
			map[at];
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	EXPECT_GE(SIZE_LIMIT, metadata(self->fd));
	EXPECT_EQ(-1, pwrite(self->fd, "w", 1, size - 1));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(0, fallocate(self->fd, PUNCH, 0, size));
	EXPECT_EQ(0, metadata(self->fd));
	EXPECT_EQ(0, map[size - 1]);
	munmap((void *)map, size);
	ASSERT_EQ(0, ftruncate(self->fd, 8 * PAGE));
}

static void on_alarm(int sig)
{
}

/* A signal ends a long allocation, of which nothing stays. */
TEST(interrupted_allocation)
{
	struct itimerval soon = { .it_value.tv_usec = 50000 };
	struct sigaction act = { .sa_handler = on_alarm };
	char *path = mnt_make("size=0");
	int fd;

	ASSERT_NE(NULL, path);
	fd = mnt_open(path, "f");
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sigaction(SIGALRM, &act, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &soon, NULL));
	EXPECT_EQ(-1, fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 1UL << 50));
	EXPECT_EQ(EINTR, errno);
	EXPECT_EQ(0, blocks(fd));
	EXPECT_EQ(0, metadata(fd));
	close(fd);
	EXPECT_EQ(0, mnt_drop(path));
}

static void *ask_for_too_much(void *arg)
{
	int *fd = arg;

	while (fallocate(*fd, FALLOC_FL_KEEP_SIZE, 0, 1UL << 60) && errno == ENOSPC)
		;
	return NULL;
}

/* What is refused takes space from nobody, not even for a moment. */
TEST_F(io, refused_takes_nothing)
{
	int other = mnt_open(self->path, "other"), i, failed = 0;
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, ask_for_too_much, &other));
	for (i = 0; i < 1000; i++) {
		failed += pwrite(self->fd, "w", 1, 0) != 1;
		failed += fallocate(self->fd, PUNCH, 0, PAGE) != 0;
	}
	EXPECT_EQ(0, failed);
	/* That ends the thread. */
	close(other);
	pthread_join(thread, NULL);
}

TEST_F(io, seek)
{
	self->map[2 * PAGE] = 1;
	self->map[3 * PAGE] = 1;
	EXPECT_EQ(2 * PAGE, lseek(self->fd, 0, SEEK_DATA));
	EXPECT_EQ(2 * PAGE + 7, lseek(self->fd, 2 * PAGE + 7, SEEK_DATA));
	EXPECT_EQ(4 * PAGE, lseek(self->fd, 2 * PAGE, SEEK_HOLE));
	EXPECT_EQ(5, lseek(self->fd, 5, SEEK_HOLE));
	EXPECT_EQ(-1, lseek(self->fd, 4 * PAGE, SEEK_DATA));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(-1, lseek(self->fd, 8 * PAGE, SEEK_HOLE));
	EXPECT_EQ(ENXIO, errno);
	self->map[7 * PAGE] = 1;
	EXPECT_EQ(8 * PAGE, lseek(self->fd, 7 * PAGE, SEEK_HOLE));
	EXPECT_EQ(8 * PAGE + 3, lseek(self->fd, 3, SEEK_END));
	/* Far apart. */
	ASSERT_EQ(0, ftruncate(self->fd, 100UL << 30));
	EXPECT_EQ(1, pwrite(self->fd, "x", 1, 99UL << 30));
	EXPECT_EQ(99UL << 30, lseek(self->fd, 8 * PAGE, SEEK_DATA));
	EXPECT_EQ((99UL << 30) + PAGE, lseek(self->fd, 99UL << 30, SEEK_HOLE));
	EXPECT_EQ(4, blocks(self->fd));
	ASSERT_EQ(0, ftruncate(self->fd, 8 * PAGE));
}

TEST_F(io, splice)
{
	int other = mnt_open(self->path, "copy"), pipes[2];
	char buf[PAGE];
	off_t from = 0;

	page_fill(self->map, 1);
	page_fill(self->map + 2 * PAGE, 2);
	EXPECT_EQ(8 * PAGE, sendfile(other, self->fd, &from, 8 * PAGE));
	EXPECT_EQ(PAGE, pread(other, buf, PAGE, 2 * PAGE));
	EXPECT_TRUE(page_is(buf, 2));
	EXPECT_EQ(PAGE, pread(other, buf, PAGE, PAGE));
	EXPECT_TRUE(page_is(buf, 0));
	ASSERT_EQ(0, pipe(pipes));
	from = 0;
	EXPECT_EQ(PAGE, splice(self->fd, &from, pipes[1], NULL, PAGE, 0));
	EXPECT_EQ(PAGE, read(pipes[0], buf, PAGE));
	EXPECT_TRUE(page_is(buf, 1));
	page_fill(buf, 4);
	EXPECT_EQ(PAGE, write(pipes[1], buf, PAGE));
	from = 5 * PAGE;
	EXPECT_EQ(PAGE, splice(pipes[0], NULL, self->fd, &from, PAGE, 0));
	EXPECT_TRUE(page_is(self->map + 5 * PAGE, 4));
	close(pipes[0]);
	close(pipes[1]);
	close(other);
}

TEST_F(io, append_and_times)
{
	int fd = open("/proc/self/fd/0", O_RDONLY);
	struct stat before, after;

	close(fd);
	ASSERT_EQ(0, fstat(self->fd, &before));
	usleep(20000);
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_APPEND));
	EXPECT_EQ(3, write(self->fd, "app", 3));
	EXPECT_EQ(8 * PAGE + 3, size_of(self->fd));
	ASSERT_EQ(0, fstat(self->fd, &after));
	EXPECT_TRUE(after.st_mtim.tv_sec > before.st_mtim.tv_sec ||
		    after.st_mtim.tv_nsec != before.st_mtim.tv_nsec);
}

TEST_HARNESS_MAIN
