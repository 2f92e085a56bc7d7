// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards how workers are scheduled: as batch tasks while there is more than one request at a
 * time, as normal tasks while there is one, and as somebody else chose once they chose; with
 * the owner's nice value always. And what becomes of a request that the host has no memory for,
 * on a kernel that can make it so: it is not lost, or fails alone.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "dev.h"

#define NUM		64
#define BURST		8
#define DISK_SIZE	0x100000
#define NICE		3
#define LOG_SIZE	((RING_GPA_BASE + (64 << 20)) / VHOST_PAGE_SIZE / 8)
#define FAILSLAB	"/sys/kernel/debug/failslab/"
/* More requests than a worker takes to make up its mind. */
#define MANY		1000

FIXTURE(worker) {
	struct tblk b;
	int disk;
	pid_t pid;
};

/* The thread that serves the only queue of this process's device. */
static pid_t find_worker(void)
{
	char want[40], path[300], name[64];
	DIR *dir = opendir("/proc");
	struct dirent *e;
	pid_t pid = 0;

	snprintf(want, sizeof(want), "vellum-vhost-%d\n", getpid());
	while (dir && !pid && (e = readdir(dir))) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/comm", e->d_name);
		f = atoi(e->d_name) ? fopen(path, "r") : NULL;
		if (!f)
			continue;
		if (fgets(name, sizeof(name), f) && !strcmp(name, want))
			pid = atoi(e->d_name);
		fclose(f);
	}
	if (dir)
		closedir(dir);
	return pid;
}

FIXTURE_SETUP(worker)
{
	ASSERT_EQ(0, setpriority(PRIO_PROCESS, 0, NICE));
	self->disk = memfd_create("disk", 0);
	ASSERT_EQ(0, ftruncate(self->disk, DISK_SIZE));
	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 1, NUM));
	ASSERT_EQ(0, tblk_start(&self->b, BASE_FEATURES));
	self->pid = find_worker();
	ASSERT_NE(0, self->pid);
}

FIXTURE_TEARDOWN(worker)
{
	tblk_close(&self->b);
	close(self->disk);
}

/* @n requests at a time, until the worker has the policy. False: it never has. */
static bool comes_to(struct tblk *b, pid_t pid, unsigned int n, int policy)
{
	struct vring_used_elem used;
	unsigned int i, done;

	for (done = 0; done < MANY; done += n) {
		tblk_forget(b);
		for (i = 0; i < n; i++)
			tblk_queue(b, 0, &(struct treq) {}, VIRTIO_BLK_T_IN, i, 512);
		tring_kick(&b->rings[0]);
		for (i = 0; i < n; i++)
			if (!tring_used(&b->rings[0], &used, SOON))
				return false;
		if (sched_getscheduler(pid) == policy)
			return true;
	}
	return false;
}

TEST_F(worker, learns)
{
	EXPECT_EQ(SCHED_BATCH, sched_getscheduler(self->pid));
	EXPECT_EQ(NICE, getpriority(PRIO_PROCESS, self->pid));
	EXPECT_TRUE(comes_to(&self->b, self->pid, 1, SCHED_OTHER));
	EXPECT_EQ(NICE, getpriority(PRIO_PROCESS, self->pid));
	EXPECT_TRUE(comes_to(&self->b, self->pid, BURST, SCHED_BATCH));
	EXPECT_EQ(NICE, getpriority(PRIO_PROCESS, self->pid));
	/* For good, as long as it goes on like that. */
	EXPECT_FALSE(comes_to(&self->b, self->pid, BURST, SCHED_OTHER));
	EXPECT_TRUE(comes_to(&self->b, self->pid, 1, SCHED_OTHER));
}

TEST_F(worker, obeys)
{
	struct sched_param param = { .sched_priority = 1 };

	ASSERT_EQ(0, sched_setscheduler(self->pid, SCHED_FIFO, &param));
	EXPECT_FALSE(comes_to(&self->b, self->pid, 1, SCHED_OTHER));
	EXPECT_FALSE(comes_to(&self->b, self->pid, BURST, SCHED_BATCH));
	EXPECT_EQ(SCHED_FIFO, sched_getscheduler(self->pid));
}

/* The worker's next allocation fails. False: not on this kernel. */
static bool fails_once(pid_t worker)
{
	char path[40];

	(void)!system("mount -t debugfs none /sys/kernel/debug 2>/dev/null");
	snprintf(path, sizeof(path), "/proc/%d/make-it-fail", worker);
	return put(path, "1") && put(FAILSLAB "verbose", "0") &&
	       put(FAILSLAB "ignore-gfp-wait", "N") && put(FAILSLAB "task-filter", "Y") &&
	       put(FAILSLAB "probability", "100") && put(FAILSLAB "times", "1");
}

static bool fails_no_more(void)
{
	return put(FAILSLAB "probability", "0");
}

TEST_F(worker, no_memory_for_a_request)
{
	struct vring_used_elem used;
	struct treq req = {};

	if (!fails_once(self->pid))
		SKIP(return, "no fault injection in this kernel");
	tblk_queue(&self->b, 0, &req, VIRTIO_BLK_T_IN, 0, 512);
	tring_kick(&self->b.rings[0]);
	EXPECT_TRUE(tevent(self->b.rings[0].err, SOON));
	ASSERT_TRUE(fails_no_more());
	/* The queue goes on where it was. */
	ASSERT_EQ(0, tblk_running(&self->b, 0));
	ASSERT_EQ(0, tblk_running(&self->b, 1));
	ASSERT_TRUE(tring_used(&self->b.rings[0], &used, SOON));
	EXPECT_EQ(VIRTIO_BLK_S_OK, *req.status);
}

TEST_F(worker, no_memory_to_log)
{
	static uint8_t log[LOG_SIZE];
	uint64_t features = BASE_FEATURES | BIT64(VHOST_F_LOG_ALL), base = (uintptr_t)log;
	struct treq req = {};

	/* One that is there for the next time. */
	ASSERT_EQ(VIRTIO_BLK_S_OK, tblk_do(&self->b, 0, &req, VIRTIO_BLK_T_IN, 0, 512));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_LOG_BASE, &base));
	ASSERT_EQ(0, dev_ioctl(self->b.fd, VHOST_SET_FEATURES, &features));
	if (!fails_once(self->pid))
		SKIP(return, "no fault injection in this kernel");
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, tblk_do(&self->b, 0, &req, VIRTIO_BLK_T_IN, 0, 512));
	ASSERT_TRUE(fails_no_more());
	EXPECT_EQ(VIRTIO_BLK_S_OK, tblk_do(&self->b, 0, &req, VIRTIO_BLK_T_IN, 0, 512));
}

TEST_HARNESS_MAIN
