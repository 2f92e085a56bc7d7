// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards memory cgroups: pages are charged to whoever faults them in, merged and dropped ones no
 * more; at memory.max the write that gets no memory fails, by SIGBUS or ENOMEM, and only that; an
 * owner that is killed for want of memory leaves what it wrote whole, and no page behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "kselftest_harness.h"
#include "mnt.h"

#define CGROUPS		"/tmp/vellumfs.cgroups"
#define MIB		(1024L * 1024)
#define PAGES		(8 * MIB / PAGE)
#define LIMIT		"4M"
#define NEVER_KILL	"-1000"

/* What a child tells when it ends. */
enum { DONE = 0, BUS = 1, WRONG = 2 };

/* The file that is written */
struct target {
	int fd;
	unsigned char *map;
};

FIXTURE(memcg) {
	char *path;
	struct target t;
	bool mounted;
};

static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return good;
}

static bool group_put(const char *group, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), CGROUPS "/%s/%s", group, name);
	return put(path, text);
}

/* Bytes charged to a group now; what was uncharged a moment ago may still be in caches of CPUs. */
static long charged(const char *group)
{
	char path[128];
	long n = -1;
	FILE *f;

	snprintf(path, sizeof(path), CGROUPS "/%s/memory.current", group);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%ld", &n) != 1)
		n = -1;
	if (f)
		fclose(f);
	return n;
}

FIXTURE_SETUP(memcg)
{
	mkdir(CGROUPS, 0700);
	self->mounted = !mount("none", CGROUPS, "cgroup2", 0, NULL);
	if (!self->mounted || !put(CGROUPS "/cgroup.subtree_control", "+memory"))
		SKIP(return, "this kernel has no memory cgroups");
	ASSERT_EQ(0, mkdir(CGROUPS "/a", 0700));
	ASSERT_EQ(0, mkdir(CGROUPS "/b", 0700));
	self->path = mnt_make("size=64m");
	ASSERT_NE(NULL, self->path);
	merge_stop();
	self->t.fd = mnt_file(self->path, "f", PAGES, &self->t.map);
	ASSERT_LE(0, self->t.fd);
}

/* A group can go only when nobody is in it; pages that are charged would keep it half alive. */
FIXTURE_TEARDOWN(memcg)
{
	if (self->path) {
		munmap(self->t.map, PAGES * PAGE);
		close(self->t.fd);
		EXPECT_EQ(0, mnt_drop(self->path));
		EXPECT_TRUE(nothing_left());
		EXPECT_GT(MIB / 2, charged("a"));
		EXPECT_EQ(0, rmdir(CGROUPS "/a"));
		EXPECT_EQ(0, rmdir(CGROUPS "/b"));
		EXPECT_EQ(0, setting("run", "1"));
	}
	if (self->mounted)
		umount(CGROUPS);
	rmdir(CGROUPS);
}

static sigjmp_buf bus;

static void on_bus(int sig)
{
	siglongjmp(bus, sig);
}

/* Runs @act in a child in a group; its status as of waitpid(2). */
static int in_group(const char *group, int (*act)(struct target *t), struct target *t)
{
	struct sigaction action = { .sa_handler = on_bus };
	int status = -1;
	pid_t child = fork();

	if (!child) {
		sigaction(SIGBUS, &action, NULL);
		if (!group_put(group, "cgroup.procs", "0"))
			_exit(WRONG);
		_exit(sigsetjmp(bus, 1) ? BUS : act(t));
	}
	return waitpid(child, &status, 0) == child ? status : -1;
}

static int write_all(struct target *t)
{
	long i;

	for (i = 0; i < PAGES; i++)
		page_fill(t->map + i * PAGE, i + 1);
	return DONE;
}

static int write_equal(struct target *t)
{
	long i;

	for (i = 0; i < PAGES; i++)
		page_fill(t->map + i * PAGE, 1);
	return DONE;
}

static int read_all(struct target *t)
{
	long i;

	for (i = 0; i < PAGES; i++)
		if (!page_is(t->map + i * PAGE, i + 1))
			return WRONG;
	return DONE;
}

/* Nobody to kill: so the allocation fails. */
static int write_unkillable(struct target *t)
{
	return put("/proc/self/oom_score_adj", NEVER_KILL) ? write_all(t) : WRONG;
}

/* The same by system call, until it fails. */
static int pwrite_unkillable(struct target *t)
{
	unsigned char page[PAGE];
	long i;

	if (!put("/proc/self/oom_score_adj", NEVER_KILL))
		return WRONG;
	for (i = 0; i < PAGES; i++) {
		page_fill(page, i + 1);
		if (pwrite(t->fd, page, PAGE, i * PAGE) != PAGE)
			return errno == ENOMEM ? BUS : WRONG;
	}
	return DONE;
}

/* Whole pages up to one, zeroes behind it: how many, or -1. */
static long prefix(const unsigned char *map)
{
	long i, n;

	for (n = 0; n < PAGES && page_is(map + n * PAGE, n + 1); n++)
		;
	for (i = n; i < PAGES; i++)
		if (!page_is(map + i * PAGE, 0))
			return -1;
	return n;
}

TEST_F(memcg, who_faults_pays)
{
	struct vellumfs_stats s;
	long before;

	EXPECT_EQ(0, in_group("a", write_all, &self->t));
	EXPECT_LE(PAGES * PAGE, charged("a"));
	before = charged("b");
	EXPECT_EQ(0, in_group("b", read_all, &self->t));
	EXPECT_GT(before + MIB, charged("b"));
	EXPECT_EQ(0, file_stats(self->t.fd, &s));
	EXPECT_EQ(PAGES, s.private_pages);
	ASSERT_EQ(0, ftruncate(self->t.fd, 0));
	EXPECT_GT(MIB, charged("a"));
	ASSERT_EQ(0, ftruncate(self->t.fd, PAGES * PAGE));
}

TEST_F(memcg, merging_uncharges)
{
	EXPECT_EQ(0, in_group("a", write_equal, &self->t));
	EXPECT_LE(PAGES * PAGE, charged("a"));
	ASSERT_TRUE(merge_all());
	merge_stop();
	EXPECT_EQ(PAGES - 1, counter("pages_sharing"));
	EXPECT_GT(MIB, charged("a"));
	/* Who breaks the sharing pays for the copies. */
	EXPECT_EQ(0, in_group("b", write_all, &self->t));
	EXPECT_LE(PAGES * PAGE, charged("b"));
}

TEST_F(memcg, limit_fails_that_write_only)
{
	long n;

	ASSERT_TRUE(group_put("a", "memory.max", LIMIT));
	EXPECT_EQ(BUS, WEXITSTATUS(in_group("a", write_unkillable, &self->t)));
	n = prefix(self->t.map);
	EXPECT_LT(0, n);
	EXPECT_GT(PAGES, n);
	EXPECT_EQ(BUS, WEXITSTATUS(in_group("a", pwrite_unkillable, &self->t)));
	EXPECT_LE(n / 2, prefix(self->t.map));
	ASSERT_TRUE(group_put("a", "memory.max", "max"));
	EXPECT_EQ(0, in_group("a", write_unkillable, &self->t));
	EXPECT_EQ(PAGES, prefix(self->t.map));
}

TEST_F(memcg, killed_owner)
{
	int status;

	ASSERT_TRUE(group_put("a", "memory.max", LIMIT));
	status = in_group("a", write_all, &self->t);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
	EXPECT_GT(PAGES, prefix(self->t.map));
	EXPECT_LT(0, prefix(self->t.map));
	/* Its pages are the file's, which anybody may go on with. */
	EXPECT_EQ(0, in_group("b", write_all, &self->t));
	EXPECT_EQ(PAGES, prefix(self->t.map));
}

TEST_HARNESS_MAIN
