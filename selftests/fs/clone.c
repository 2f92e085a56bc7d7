// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards cloning: FICLONE, FICLONERANGE, FIDEDUPERANGE and copy_file_range share
 * frames, later writes of either side stay its own, the clone is the state of one
 * instant while a writer runs, pages that somebody holds are copied, or stay where
 * they are if the ranges were equal, and wrong arguments, missing space and borders
 * of domains are refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <linux/fs.h>
#include "kselftest_harness.h"
#include "mnt.h"

#define PAGES	200

FIXTURE(clone) {
	char *path;
	int fd, fd2;
	unsigned char *map, *map2;
};

FIXTURE_SETUP(clone)
{
	int i;

	self->path = mnt_make("size=4m");
	ASSERT_NE(NULL, self->path);
	merge_stop();
	self->fd = mnt_file(self->path, "a", PAGES, &self->map);
	self->fd2 = mnt_file(self->path, "b", PAGES, &self->map2);
	ASSERT_LE(0, self->fd2);
	for (i = 0; i < PAGES; i++)
		if (i % 10)
			page_fill(self->map + i * PAGE, i);
}

FIXTURE_TEARDOWN(clone)
{
	munmap(self->map, PAGES * PAGE);
	munmap(self->map2, PAGES * PAGE);
	close(self->fd);
	close(self->fd2);
	EXPECT_EQ(0, mnt_drop(self->path));
	EXPECT_TRUE(nothing_left());
	EXPECT_EQ(0, setting("run", "1"));
}

static int wrong(unsigned char *map, int from, int to)
{
	int i, n = 0;

	for (i = from; i < to; i++)
		n += !page_is(map + i * PAGE, i % 10 ? i : 0);
	return n;
}

static long blocks(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -1 : (long)(st.st_blocks / (PAGE / 512));
}

static long free_pages(const char *path)
{
	struct statvfs v;

	return statvfs(path, &v) ? -1 : (long)v.f_bfree;
}

TEST_F(clone, whole_file)
{
	struct vellumfs_stats s;
	int i;

	page_fill(self->map2, 77);
	ASSERT_EQ(0, ioctl(self->fd2, FICLONE, self->fd));
	EXPECT_EQ(180, counter("pages_shared"));
	EXPECT_EQ(180, counter("pages_sharing"));
	EXPECT_EQ(180, blocks(self->fd));
	EXPECT_EQ(180, blocks(self->fd2));
	EXPECT_EQ(0, wrong(self->map, 0, PAGES));
	EXPECT_EQ(0, wrong(self->map2, 0, PAGES));
	for (i = 0; i < PAGES; i += 2)
		page_fill(self->map + i * PAGE, 5000);
	for (i = 1; i < PAGES; i += 2)
		page_fill(self->map2 + i * PAGE, 6000);
	for (i = 0; i < PAGES; i += 2) {
		EXPECT_TRUE(page_is(self->map + i * PAGE, 5000));
		EXPECT_EQ(0, wrong(self->map2, i, i + 1));
		EXPECT_TRUE(page_is(self->map2 + (i + 1) * PAGE, 6000));
		EXPECT_EQ(0, wrong(self->map, i + 1, i + 2));
	}
	ASSERT_EQ(0, file_stats(self->fd2, &s));
	EXPECT_EQ(80, s.shared_pages);
	EXPECT_EQ(100, s.private_pages);
}

TEST_F(clone, outlives_source)
{
	ASSERT_EQ(0, ioctl(self->fd2, FICLONE, self->fd));
	ASSERT_EQ(0, ftruncate(self->fd, 0));
	EXPECT_EQ(180, counter("pages_shared"));
	EXPECT_EQ(0, counter("pages_sharing"));
	EXPECT_EQ(0, wrong(self->map2, 0, PAGES));
	ASSERT_EQ(0, ftruncate(self->fd, PAGES * PAGE));
}

TEST_F(clone, of_merged_and_clones)
{
	unsigned char *map3;
	int fd3 = mnt_file(self->path, "c", PAGES, &map3);

	page_fill(self->map + PAGE, 2);
	ASSERT_TRUE(merge_all());
	merge_stop();
	EXPECT_EQ(1, counter("pages_shared"));
	ASSERT_EQ(0, ioctl(self->fd2, FICLONE, self->fd));
	ASSERT_EQ(0, ioctl(fd3, FICLONE, self->fd2));
	/* Onto itself once more, and over what is shared. */
	ASSERT_EQ(0, ioctl(fd3, FICLONE, self->fd));
	EXPECT_EQ(179, counter("pages_shared"));
	EXPECT_EQ(3 * 180 - 179, counter("pages_sharing"));
	page_fill(self->map + PAGE, 1);
	EXPECT_TRUE(page_is(self->map2 + PAGE, 2) && page_is(map3 + PAGE, 2));
	EXPECT_TRUE(page_is(map3 + 2 * PAGE, 2));
	munmap(map3, PAGES * PAGE);
	close(fd3);
}

TEST_F(clone, range)
{
	struct file_clone_range r = {
		.src_fd = self->fd, .src_offset = 3 * PAGE, .src_length = 70 * PAGE,
		.dest_offset = 100 * PAGE,
	};
	int i;

	page_fill(self->map2 + 99 * PAGE, 9);
	page_fill(self->map2 + 107 * PAGE, 9);
	page_fill(self->map2 + 170 * PAGE, 9);
	ASSERT_EQ(0, ioctl(self->fd2, FICLONERANGE, &r));
	for (i = 0; i < 70; i++)
		EXPECT_TRUE(page_is(self->map2 + (100 + i) * PAGE, (i + 3) % 10 ? i + 3 : 0));
	EXPECT_TRUE(page_is(self->map2 + 99 * PAGE, 9) && page_is(self->map2 + 170 * PAGE, 9));
	/* Within a file, and past its end. */
	r = (struct file_clone_range){
		.src_fd = self->fd, .src_length = 20 * PAGE, .dest_offset = PAGES * PAGE,
	};
	ASSERT_EQ(0, ioctl(self->fd, FICLONERANGE, &r));
	EXPECT_EQ(220 * PAGE, lseek(self->fd, 0, SEEK_END));
	EXPECT_EQ(0, wrong(self->map, 0, PAGES));
}

/* What a mapping wrote behind the end of either file stays there. */
TEST_F(clone, tails)
{
	struct file_clone_range r = { .src_fd = self->fd, .dest_offset = 10 * PAGE };
	int i, n = 0;

	ASSERT_EQ(0, ftruncate(self->fd, PAGE + 100));
	ASSERT_EQ(0, ftruncate(self->fd2, 100));
	memset(self->map + PAGE, 's', PAGE);
	memset(self->map2, 'd', PAGE);
	ASSERT_EQ(0, ioctl(self->fd2, FICLONERANGE, &r));
	EXPECT_EQ(11 * PAGE + 100, lseek(self->fd2, 0, SEEK_END));
	for (i = 0; i < PAGE; i++) {
		n += self->map2[i] != (i < 100 ? 'd' : 0);
		n += self->map2[11 * PAGE + i] != (i < 100 ? 's' : 0);
	}
	EXPECT_EQ(0, n);
	ASSERT_EQ(0, ftruncate(self->fd, PAGES * PAGE));
	ASSERT_EQ(0, ftruncate(self->fd2, PAGES * PAGE));
}

TEST_F(clone, refused)
{
	struct file_clone_range r = { .src_fd = self->fd, .src_length = 10 };
	int ro = open("/proc/self/exe", O_RDONLY);

	EXPECT_EQ(-1, ioctl(self->fd2, FICLONERANGE, &r));
	EXPECT_EQ(EINVAL, errno);
	r.src_length = PAGE;
	r.src_offset = 1;
	EXPECT_EQ(-1, ioctl(self->fd2, FICLONERANGE, &r));
	EXPECT_EQ(EINVAL, errno);
	r.src_offset = 0;
	r.dest_offset = 100;
	EXPECT_EQ(-1, ioctl(self->fd2, FICLONERANGE, &r));
	r.dest_offset = 0;
	r.src_offset = 300 * PAGE;
	EXPECT_EQ(-1, ioctl(self->fd2, FICLONERANGE, &r));
	r = (struct file_clone_range){
		.src_fd = self->fd, .src_length = 4 * PAGE, .dest_offset = 2 * PAGE,
	};
	EXPECT_EQ(-1, ioctl(self->fd, FICLONERANGE, &r));
	EXPECT_EQ(-1, ioctl(self->fd2, FICLONE, ro));
	EXPECT_EQ(EXDEV, errno);
	EXPECT_EQ(-1, ioctl(self->fd2, FICLONE, -1));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(0, counter("pages_shared"));
	EXPECT_EQ(0, wrong(self->map, 0, PAGES));
	close(ro);
}

/* All or nothing. */
TEST_F(clone, no_space)
{
	int fd3 = mnt_open(self->path, "c");

	ASSERT_EQ(0, mount("none", self->path, NULL, MS_REMOUNT, "size=2m"));
	ASSERT_EQ(0, ioctl(self->fd2, FICLONE, self->fd));
	EXPECT_EQ(-1, ioctl(fd3, FICLONE, self->fd));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(0, blocks(fd3));
	EXPECT_EQ(0, lseek(fd3, 0, SEEK_END));
	EXPECT_EQ(180, counter("pages_sharing"));
	close(fd3);
}

struct filler {
	int fd;
	volatile bool stop;
	int written;
};

static void *fill(void *arg)
{
	struct filler *f = arg;

	while (!f->stop)
		f->written += pwrite(f->fd, "f", 1, 0) == 1;
	return NULL;
}

/* A clone over what is there keeps its space all the time: nobody else gets it. */
TEST_F(clone, space_is_kept)
{
	struct filler f = { .fd = mnt_open(self->path, "c") };
	pthread_t thread;
	int i, failed = 0;

	ASSERT_EQ(0, fallocate(self->fd, 0, 0, PAGES * PAGE));
	ASSERT_EQ(0, ioctl(self->fd2, FICLONE, self->fd));
	ASSERT_EQ(0, mount("none", self->path, NULL, MS_REMOUNT, "size=1600k"));
	EXPECT_EQ(0, free_pages(self->path));
	ASSERT_EQ(0, pthread_create(&thread, NULL, fill, &f));
	for (i = 0; i < 5000; i++)
		failed += ioctl(self->fd2, FICLONE, self->fd) != 0;
	f.stop = true;
	pthread_join(thread, NULL);
	EXPECT_EQ(0, f.written);
	EXPECT_EQ(0, failed);
	close(f.fd);
}

TEST_F(clone, not_across_domains)
{
	loff_t from = 0, to = 0;

	ASSERT_EQ(0, fchown(self->fd2, 1000, 1000));
	EXPECT_EQ(-1, ioctl(self->fd2, FICLONE, self->fd));
	EXPECT_EQ(EXDEV, errno);
	EXPECT_EQ(0, counter("pages_shared"));
	/* copy_file_range() copies then. */
	EXPECT_EQ(5 * PAGE, copy_file_range(self->fd, &from, self->fd2, &to, 5 * PAGE, 0));
	EXPECT_EQ(0, wrong(self->map2, 0, 5));
	EXPECT_EQ(0, counter("pages_shared"));
}

TEST_F(clone, copy_file_range)
{
	loff_t from = 0, to = 0;

	EXPECT_EQ(PAGES * PAGE, copy_file_range(self->fd, &from, self->fd2, &to, PAGES * PAGE, 0));
	EXPECT_EQ(0, wrong(self->map2, 0, PAGES));
	EXPECT_EQ(180, counter("pages_shared"));
}

static int dedupe(int src, int dst, loff_t from, loff_t to, loff_t len, int *status)
{
	struct file_dedupe_range *r = calloc(1, sizeof(*r) + sizeof(struct file_dedupe_range_info));
	int ret, bytes;

	r->src_offset = from;
	r->src_length = len;
	r->dest_count = 1;
	r->info[0].dest_fd = dst;
	r->info[0].dest_offset = to;
	ret = ioctl(src, FIDEDUPERANGE, r);
	*status = r->info[0].status;
	bytes = r->info[0].bytes_deduped;
	free(r);
	return ret ?: bytes;
}

TEST_F(clone, dedupe)
{
	int i, status;

	for (i = 0; i < 20; i++)
		page_fill(self->map2 + i * PAGE, i % 10 ? i : 0);
	EXPECT_EQ(20 * PAGE, dedupe(self->fd, self->fd2, 0, 0, 20 * PAGE, &status));
	EXPECT_EQ(FILE_DEDUPE_RANGE_SAME, status);
	EXPECT_EQ(18, counter("pages_shared"));
	EXPECT_EQ(0, wrong(self->map2, 0, 20));
	page_fill(self->map2 + 5 * PAGE, 99);
	dedupe(self->fd, self->fd2, 0, 0, 20 * PAGE, &status);
	EXPECT_EQ(FILE_DEDUPE_RANGE_DIFFERS, status);
	EXPECT_TRUE(page_is(self->map2 + 5 * PAGE, 99));
	dedupe(self->fd, self->fd2, 1, 0, PAGE, &status);
	EXPECT_EQ(-EINVAL, status);
	dedupe(self->fd, self->fd2, 0, 0, 1000 * PAGE, &status);
	EXPECT_GE(0, status);
}

/* A page in a pipe, as one in flight for direct I/O, is in use while it is not mapped. */
struct hold {
	unsigned char *page;
	int pipes[2];
};

static bool hold(struct hold *h, unsigned char *page)
{
	struct iovec iov = { page, PAGE };

	h->page = page;
	return !pipe(h->pipes) && vmsplice(h->pipes[1], &iov, 1, 0) == PAGE;
}

static void let_go(struct hold *h)
{
	close(h->pipes[0]);
	close(h->pipes[1]);
}

/* What is written to the page now is what the pipe has: it is still that page. Lets go. */
static bool is_still_held(struct hold *h, uint64_t seed)
{
	unsigned char seen[PAGE];
	ssize_t n;

	page_fill(h->page, seed);
	n = read(h->pipes[0], seen, PAGE);
	let_go(h);
	return n == PAGE && page_is(seen, seed);
}

TEST_F(clone, dedupe_leaves_held_pages)
{
	struct hold mine, theirs, zeroes, hole;
	long before;
	int i, status;

	for (i = 1; i < 20; i++)
		page_fill(self->map2 + i * PAGE, i % 10 ? i : 0);
	page_fill(self->map, 0);
	before = free_pages(self->path);
	ASSERT_TRUE(hold(&mine, self->map2 + 5 * PAGE));
	ASSERT_TRUE(hold(&theirs, self->map + 7 * PAGE));
	ASSERT_TRUE(hold(&zeroes, self->map2 + 10 * PAGE));	/* against a hole */
	ASSERT_TRUE(hold(&hole, self->map));			/* which is zeroes */
	EXPECT_EQ(20 * PAGE, dedupe(self->fd, self->fd2, 0, 0, 20 * PAGE, &status));
	EXPECT_EQ(FILE_DEDUPE_RANGE_SAME, status);
	EXPECT_EQ(16, counter("pages_shared"));
	EXPECT_EQ(19, blocks(self->fd2));
	EXPECT_EQ(before, free_pages(self->path));
	EXPECT_TRUE(is_still_held(&mine, 95));
	EXPECT_TRUE(is_still_held(&theirs, 97));
	EXPECT_TRUE(is_still_held(&zeroes, 98));
	EXPECT_TRUE(is_still_held(&hole, 99));
	EXPECT_TRUE(page_is(self->map + 5 * PAGE, 5));
	EXPECT_EQ(0, wrong(self->map2, 0, 5));
	EXPECT_EQ(0, wrong(self->map2, 6, 10));
	EXPECT_EQ(0, wrong(self->map2, 11, 20));
}

/* Its holder may still write or read the page: the clone gets a copy. */
TEST_F(clone, held_pages_are_copied)
{
	struct vellumfs_stats s;
	struct hold h;

	ASSERT_TRUE(hold(&h, self->map + 5 * PAGE));
	ASSERT_EQ(0, ioctl(self->fd2, FICLONE, self->fd));
	EXPECT_EQ(179, counter("pages_shared"));
	ASSERT_EQ(0, file_stats(self->fd2, &s));
	EXPECT_EQ(1, s.private_pages);
	EXPECT_EQ(0, wrong(self->map2, 0, PAGES));
	let_go(&h);
}

struct writer {
	volatile uint64_t *first, *last;
	volatile bool stop;
};

/* The last page never has a number that the first one has not had. */
static void *write_in_order(void *arg)
{
	struct writer *w = arg;
	uint64_t n;

	for (n = 1; !w->stop; n++) {
		*w->first = n;
		__sync_synchronize();
		*w->last = n;
	}
	return NULL;
}

TEST_F(clone, is_one_instant)
{
	struct writer w = {
		.first = (volatile uint64_t *)(self->map + PAGE),
		.last = (volatile uint64_t *)(self->map + (PAGES - 1) * PAGE),
	};
	pthread_t thread;
	int i, mixed = 0;

	*w.first = 0;
	*w.last = 0;
	ASSERT_EQ(0, pthread_create(&thread, NULL, write_in_order, &w));
	for (i = 0; i < 200; i++) {
		uint64_t first, last;

		ASSERT_EQ(0, ioctl(self->fd2, FICLONE, self->fd));
		first = *(uint64_t *)(self->map2 + PAGE);
		last = *(uint64_t *)(self->map2 + (PAGES - 1) * PAGE);
		mixed += first != last && first != last + 1;
		if (i % 8 == 0)
			usleep(1000);
	}
	w.stop = true;
	pthread_join(thread, NULL);
	EXPECT_EQ(0, mixed);
	EXPECT_LT(0, *w.last);
}

TEST_HARNESS_MAIN
