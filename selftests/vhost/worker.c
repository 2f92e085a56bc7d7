// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards how workers are scheduled: as batch tasks while there is more than one request at a
 * time, as normal tasks while there is one, and as somebody else chose once they chose; with
 * the owner's nice value always.
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

TEST_HARNESS_MAIN
