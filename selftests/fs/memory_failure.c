// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards a page whose memory fails: who maps or reads it is told, by SIGBUS or EIO, and nobody
 * else is harmed; the scanner, clones and who ends the file leave it alone. The memory that fails
 * here is as good as before (MADV_HWPOISON), which tells what reads it: that gets no error.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/fs.h>
#include "kselftest_harness.h"
#include "mnt.h"

#define PAGES	4
#define BAD	1	/* of them */

FIXTURE(memory_failure) {
	char *path;
	int fd;
	unsigned char *map;	/* in which it failed */
	unsigned char *other;	/* where it is not mapped yet */
	unsigned char buf[PAGE];
};

FIXTURE_SETUP(memory_failure)
{
	int i;

	self->path = mnt_make("");
	ASSERT_NE(NULL, self->path);
	merge_stop();
	self->fd = mnt_file(self->path, "a", PAGES, &self->map);
	ASSERT_LE(0, self->fd);
	self->other = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->other);
	for (i = 0; i < PAGES; i++)
		page_fill(self->map + i * PAGE, i + 1);
	if (madvise(self->map + BAD * PAGE, PAGE, MADV_HWPOISON) && errno == EINVAL)
		SKIP(return, "no memory failure in this kernel");
}

FIXTURE_TEARDOWN(memory_failure)
{
	munmap(self->map, PAGES * PAGE);
	munmap(self->other, PAGES * PAGE);
	close(self->fd);
	EXPECT_EQ(0, mnt_drop(self->path));
	EXPECT_TRUE(nothing_left());
	EXPECT_EQ(0, setting("run", "1"));
}

static sigjmp_buf env;

static void jump(int sig, siginfo_t *info, void *context)
{
	siglongjmp(env, info->si_code);
}

/* The si_code of the SIGBUS that an access gets; 0: none. */
static int access_page(volatile unsigned char *page, bool write)
{
	struct sigaction sa = { .sa_sigaction = jump, .sa_flags = SA_SIGINFO };
	int code;

	sigaction(SIGBUS, &sa, NULL);
	code = sigsetjmp(env, 1);
	if (!code) {
		if (write)
			*page = 1;
		else
			(void)*page;
	}
	signal(SIGBUS, SIG_DFL);
	return code;
}

TEST_F(memory_failure, mappings)
{
	unsigned char *copy = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE,
				   self->fd, 0);

	EXPECT_EQ(BUS_MCEERR_AR, access_page(self->other + BAD * PAGE, false));
	EXPECT_EQ(BUS_MCEERR_AR, access_page(self->other + BAD * PAGE, true));
	EXPECT_EQ(BUS_MCEERR_AR, access_page(copy + BAD * PAGE, true));
	EXPECT_EQ(0, access_page(self->other + (BAD + 1) * PAGE, true));
	EXPECT_TRUE(page_is(self->other, 1));
	munmap(copy, PAGES * PAGE);
}

TEST_F(memory_failure, reading_and_writing)
{
	EXPECT_EQ(-1, pread(self->fd, self->buf, PAGE, BAD * PAGE));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, pwrite(self->fd, self->buf, PAGE, BAD * PAGE));
	EXPECT_EQ(EIO, errno);
	/* What comes before it is read. */
	EXPECT_EQ(PAGE, pread(self->fd, self->buf, PAGE, 0));
	EXPECT_TRUE(page_is(self->buf, 1));
	EXPECT_EQ(PAGE, pread(self->fd, self->buf, PAGE, (BAD + 1) * PAGE));
	EXPECT_TRUE(page_is(self->buf, BAD + 2));
}

TEST_F(memory_failure, merging)
{
	struct vellumfs_stats s;
	unsigned char *map;
	int fd = mnt_file(self->path, "b", PAGES, &map), i;

	ASSERT_LE(0, fd);
	for (i = 0; i < PAGES; i++)
		page_fill(map + i * PAGE, i + 1);
	EXPECT_TRUE(merge_all());
	ASSERT_EQ(0, file_stats(self->fd, &s));
	EXPECT_EQ(PAGES - 1, s.shared_pages);
	EXPECT_TRUE(page_is(map + BAD * PAGE, BAD + 1));
	munmap(map, PAGES * PAGE);
	close(fd);
}

/* A clone has the failure, too, and a file that is compared with is not equal. */
TEST_F(memory_failure, clones)
{
	int clone = mnt_open(self->path, "c"), fd = mnt_open(self->path, "d");
	struct {
		struct file_dedupe_range range;
		struct file_dedupe_range_info info;
	} arg = {
		.range = { .src_length = PAGES * PAGE, .dest_count = 1 },
		.info = { .dest_fd = fd },
	};
	int i;

	ASSERT_EQ(0, ioctl(clone, FICLONE, self->fd));
	EXPECT_EQ(-1, pread(clone, self->buf, PAGE, BAD * PAGE));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, pwrite(clone, self->buf, PAGE, BAD * PAGE));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(PAGE, pread(clone, self->buf, PAGE, 0));
	EXPECT_TRUE(page_is(self->buf, 1));
	for (i = 0; i < PAGES; i++) {
		page_fill(self->buf, i + 1);
		ASSERT_EQ(PAGE, pwrite(fd, self->buf, PAGE, i * PAGE));
	}
	ASSERT_EQ(0, ioctl(self->fd, FIDEDUPERANGE, &arg));
	EXPECT_EQ(FILE_DEDUPE_RANGE_DIFFERS, arg.info.status);
	close(clone);
	close(fd);
}

TEST_HARNESS_MAIN
