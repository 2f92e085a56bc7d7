// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards FIDEDUPERANGE against who holds a page when it begins, writes it while the
 * ranges are compared and lets go before they are shared, as direct I/O may: what
 * was written stays where it was written, and gets nowhere else. And against who asks
 * for a file of another domain: nothing is told of it, and nobody's pages are unmapped.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <linux/fs.h>
#include <linux/userfaultfd.h>
#include "kselftest_harness.h"
#include "mnt.h"

#define PAGES	4096
#define HOLES	64	/* here the source has none of 64 pages, and the destination zeroes */
#define BYTES	16

struct dedupe {
	int src, dst;
	struct {
		struct file_dedupe_range range;
		struct file_dedupe_range_info info;
	} arg;
	int ret;
};

struct writer {
	unsigned char *from, *to;
	ssize_t n;
};

FIXTURE(dedupe) {
	char *path;
	int fd, fd2, uffd;
	unsigned char *map, *map2;
	struct dedupe d;
	struct writer w;
	long usec;
};

static void *dedupe(void *arg)
{
	struct dedupe *d = arg;

	d->arg.range = (struct file_dedupe_range){ .src_length = PAGES * PAGE, .dest_count = 1 };
	d->arg.info = (struct file_dedupe_range_info){ .dest_fd = d->dst };
	d->ret = ioctl(d->src, FIDEDUPERANGE, &d->arg);
	return NULL;
}

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* A page that is not there until somebody copies it. */
static int make_missing(unsigned char *page)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (unsigned long)page, PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg))
		return -1;
	return uffd;
}

FIXTURE_SETUP(dedupe)
{
	int i;

	self->path = mnt_make("");
	ASSERT_NE(NULL, self->path);
	merge_stop();
	self->fd = mnt_file(self->path, "a", PAGES, &self->map);
	self->fd2 = mnt_file(self->path, "b", PAGES, &self->map2);
	ASSERT_LE(0, self->fd2);
	for (i = 0; i < PAGES; i++) {
		bool hole = i / HOLES == 1;

		if (!hole)
			page_fill(self->map + i * PAGE, i + 1);
		page_fill(self->map2 + i * PAGE, hole ? 0 : i + 1);
	}
	self->w.from = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	self->uffd = make_missing(self->w.from);
	ASSERT_LE(0, self->uffd);
	/* How long does it take to find the last byte different? */
	self->d = (struct dedupe){ .src = self->fd, .dst = self->fd2 };
	self->map2[PAGES * PAGE - 1]++;
	self->usec = now();
	dedupe(&self->d);
	self->usec = now() - self->usec;
	self->map2[PAGES * PAGE - 1]--;
	ASSERT_EQ(FILE_DEDUPE_RANGE_DIFFERS, self->d.arg.info.status);
}

FIXTURE_TEARDOWN(dedupe)
{
	close(self->uffd);
	munmap(self->w.from, PAGE);
	munmap(self->map, PAGES * PAGE);
	munmap(self->map2, PAGES * PAGE);
	close(self->fd);
	close(self->fd2);
	EXPECT_EQ(0, mnt_drop(self->path));
	EXPECT_TRUE(nothing_left());
	EXPECT_EQ(0, setting("run", "1"));
}

/* Holds the pages of @to, then finds that @from is not there. */
static void *write_held(void *arg)
{
	struct writer *w = arg;
	struct iovec from = { w->from, BYTES }, to = { w->to, BYTES };

	w->n = process_vm_writev(getpid(), &from, 1, &to, 1, 0);
	return NULL;
}

/* Dedupes, and after a time, in the middle of the comparison, lets the held pages be written. */
static bool dedupe_while_held(struct dedupe *d, struct writer *w, int uffd, long usec)
{
	static unsigned char bytes[PAGE];
	struct uffdio_copy copy = {
		.dst = (unsigned long)w->from, .src = (unsigned long)bytes, .len = PAGE,
	};
	pthread_t writer, deduper;
	struct uffd_msg msg;

	memset(bytes, 0xab, PAGE);
	if (pthread_create(&writer, NULL, write_held, w) ||
	    read(uffd, &msg, sizeof(msg)) != sizeof(msg) ||
	    pthread_create(&deduper, NULL, dedupe, d))
		return false;
	usleep(usec);
	if (ioctl(uffd, UFFDIO_COPY, &copy))
		return false;
	pthread_join(writer, NULL);
	pthread_join(deduper, NULL);
	return w->n == BYTES && !d->ret && d->arg.info.status == FILE_DEDUPE_RANGE_SAME;
}

static bool all(const unsigned char *p, unsigned char c)
{
	int i;

	for (i = 0; i < BYTES; i++)
		if (p[i] != c)
			return false;
	return true;
}

/* Half of the bytes are in a page that the source has, half in one where it has a hole. */
TEST_F(dedupe, destination_is_written)
{
	self->w.to = self->map2 + HOLES * PAGE - BYTES / 2;
	ASSERT_TRUE(dedupe_while_held(&self->d, &self->w, self->uffd, self->usec / 2));
	EXPECT_TRUE(all(self->w.to, 0xab));
	EXPECT_TRUE(page_is(self->map + (HOLES - 1) * PAGE, HOLES));
	EXPECT_TRUE(page_is(self->map + HOLES * PAGE, 0));
	EXPECT_TRUE(page_is(self->map2 + 5 * PAGE, 6));
}

TEST_F(dedupe, source_is_written)
{
	self->w.to = self->map + 10 * PAGE;
	ASSERT_TRUE(dedupe_while_held(&self->d, &self->w, self->uffd, self->usec / 2));
	EXPECT_TRUE(all(self->w.to, 0xab));
	EXPECT_TRUE(page_is(self->map2 + 10 * PAGE, 11));
	EXPECT_TRUE(page_is(self->map + 9 * PAGE, 10));
}

/* How many faults it takes to read every page that is there. */
static long faults(const volatile unsigned char *map)
{
	struct rusage before, after;
	int i;

	getrusage(RUSAGE_SELF, &before);
	for (i = 0; i < PAGES; i++)
		if (i / HOLES != 1)
			map[i * PAGE];
	getrusage(RUSAGE_SELF, &after);
	return after.ru_minflt - before.ru_minflt;
}

TEST_F(dedupe, other_domain_is_left_alone)
{
	int i;

	ASSERT_EQ(0, fchown(self->fd2, 1000, 1000));
	/* Equal at first, then not. */
	for (i = 0; i < 2; i++) {
		self->map2[PAGES * PAGE - 1] += i;
		faults(self->map);
		faults(self->map2);
		/* And the test can fail: what is mapped is not missed. */
		ASSERT_EQ(0, faults(self->map));
		ASSERT_EQ(0, faults(self->map2));
		dedupe(&self->d);
		EXPECT_EQ(0, self->d.ret);
		EXPECT_EQ(-EXDEV, self->d.arg.info.status);
		EXPECT_EQ(0, faults(self->map));
		EXPECT_EQ(0, faults(self->map2));
	}
}

TEST_HARNESS_MAIN
