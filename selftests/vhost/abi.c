// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the ioctls of <linux/vhost.h> on both devices: ownership, features, memory tables,
 * queue settings, workers and how many a user may have, the log's settings, and every argument
 * that must be refused without changing anything.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "dev.h"

FIXTURE(abi) {
	int fd;
	struct tmem mem;
};

FIXTURE_VARIANT(abi) {
	const char *path;
	unsigned int queues;
};

FIXTURE_VARIANT_ADD(abi, net) { VELLUM_VHOST_NET_DEVICE_PATH, 2 };
FIXTURE_VARIANT_ADD(abi, blk) { VHOST_BLK_DEVICE_PATH, VHOST_BLK_QUEUES_MAX };

FIXTURE_SETUP(abi)
{
	self->fd = dev_open(variant->path);
	ASSERT_LE(0, self->fd);
	tmem_init(&self->mem, 1 << 20);
	ASSERT_EQ(0, dev_ioctl(self->fd, VHOST_SET_OWNER, NULL));
}

FIXTURE_TEARDOWN(abi)
{
	close(self->fd);
	tmem_destroy(&self->mem);
}

/* In a child, which has a copy of the descriptor and other memory. */
static int in_child(int fd, unsigned long request, void *arg)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(-dev_ioctl(fd, request, arg));
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -1000;
}

TEST_F(abi, one_owner)
{
	struct vhost_memory none = {};

	EXPECT_EQ(-EBUSY, dev_ioctl(self->fd, VHOST_SET_OWNER, NULL));
	EXPECT_EQ(-EPERM, in_child(self->fd, VHOST_SET_MEM_TABLE, &none));
	EXPECT_EQ(-EPERM, in_child(self->fd, VHOST_RESET_OWNER, NULL));
	EXPECT_EQ(0, dev_ioctl(self->fd, VHOST_RESET_OWNER, NULL));
	EXPECT_EQ(-EPERM, dev_ioctl(self->fd, VHOST_SET_MEM_TABLE, &none));
	EXPECT_EQ(0, dev_ioctl(self->fd, VHOST_SET_OWNER, NULL));
}

TEST_F(abi, features)
{
	uint64_t offered, more;

	ASSERT_EQ(0, dev_ioctl(self->fd, VHOST_GET_FEATURES, &offered));
	EXPECT_TRUE(offered & BIT64(VIRTIO_F_VERSION_1));
	EXPECT_TRUE(offered & BIT64(VIRTIO_RING_F_EVENT_IDX));
	EXPECT_TRUE(offered & BIT64(VIRTIO_RING_F_INDIRECT_DESC));
	EXPECT_TRUE(offered & BIT64(VHOST_F_LOG_ALL));
	for (more = 1; more; more <<= 1)
		if (!(offered & more))
			EXPECT_EQ(-EOPNOTSUPP, dev_ioctl(self->fd, VHOST_SET_FEATURES, &more));
	more = offered & ~BIT64(VHOST_F_LOG_ALL);
	EXPECT_EQ(0, dev_ioctl(self->fd, VHOST_SET_FEATURES, &more));
	/* without a log there is nothing to log to */
	EXPECT_EQ(-EFAULT, dev_ioctl(self->fd, VHOST_SET_FEATURES, &offered));
	EXPECT_EQ(-EFAULT, dev_ioctl(self->fd, VHOST_SET_FEATURES, NULL));
	ASSERT_EQ(0, dev_ioctl(self->fd, VHOST_GET_BACKEND_FEATURES, &offered));
	more = ~offered;
	EXPECT_EQ(-EOPNOTSUPP, dev_ioctl(self->fd, VHOST_SET_BACKEND_FEATURES, &more));
	EXPECT_EQ(0, dev_ioctl(self->fd, VHOST_SET_BACKEND_FEATURES, &offered));
}

struct two {
	struct vhost_memory head;
	struct vhost_memory_region r[2];
};

TEST_F(abi, memory_tables)
{
	uintptr_t base = (uintptr_t)self->mem.base;
	const struct two good = {
		.head.nregions = 2,
		.r = { { 0x100000, 0x10000, base, 0 }, { 0, 0x10000, base + 0x10000, 0 } },
	};
	struct two t = good;

	EXPECT_EQ(0, dev_ioctl(self->fd, VHOST_SET_MEM_TABLE, &t));
	t.head.padding = 1;
	EXPECT_EQ(-EOPNOTSUPP, dev_ioctl(self->fd, VHOST_SET_MEM_TABLE, &t));
	t = good;
	t.head.nregions = 100000;
	EXPECT_EQ(-E2BIG, dev_ioctl(self->fd, VHOST_SET_MEM_TABLE, &t));
	t = good;
	t.r[1].guest_phys_addr = 0xff000;	/* overlaps */
	EXPECT_EQ(-EINVAL, dev_ioctl(self->fd, VHOST_SET_MEM_TABLE, &t));
	t = good;
	t.r[0].memory_size = 0;
	EXPECT_EQ(-EINVAL, dev_ioctl(self->fd, VHOST_SET_MEM_TABLE, &t));
	t.r[0].memory_size = 0x10001;
	EXPECT_EQ(-EINVAL, dev_ioctl(self->fd, VHOST_SET_MEM_TABLE, &t));
	t = good;
	t.r[0].guest_phys_addr = -0x1000ull;
	EXPECT_EQ(-EINVAL, dev_ioctl(self->fd, VHOST_SET_MEM_TABLE, &t));
	t = good;
	t.r[0].userspace_addr = 0xffff888000000000ull;
	EXPECT_EQ(-EFAULT, dev_ioctl(self->fd, VHOST_SET_MEM_TABLE, &t));
	/* user half, but not canonical */
	t.r[0].userspace_addr = base;
	t.r[0].memory_size = 1ull << 62;
	EXPECT_EQ(-EFAULT, dev_ioctl(self->fd, VHOST_SET_MEM_TABLE, &t));
	EXPECT_EQ(-EFAULT, dev_ioctl(self->fd, VHOST_SET_MEM_TABLE, NULL));
}

TEST_F(abi, queue_numbers)
{
	struct vhost_vring_state s = { .index = 0 };

	EXPECT_EQ(-ENOBUFS, dev_pair(self->fd, VHOST_SET_VRING_NUM, variant->queues, 16));
	EXPECT_EQ(-ENOBUFS, dev_pair(self->fd, VHOST_SET_VRING_NUM, -1u, 16));
	EXPECT_EQ(-EINVAL, dev_pair(self->fd, VHOST_SET_VRING_NUM, 0, 0));
	EXPECT_EQ(-EINVAL, dev_pair(self->fd, VHOST_SET_VRING_NUM, 0, 17));
	EXPECT_EQ(-EINVAL, dev_pair(self->fd, VHOST_SET_VRING_NUM, 0, 65536));
	EXPECT_EQ(0, dev_pair(self->fd, VHOST_SET_VRING_NUM, 0, 32768));
	EXPECT_EQ(-EINVAL, dev_pair(self->fd, VHOST_SET_VRING_BASE, 0, 65536));
	EXPECT_EQ(0, dev_pair(self->fd, VHOST_SET_VRING_BASE, 0, 65535));
	EXPECT_EQ(0, dev_ioctl(self->fd, VHOST_GET_VRING_BASE, &s));
	EXPECT_EQ(65535, s.num);
	EXPECT_EQ(0, dev_pair(self->fd, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, 0, 50));
	EXPECT_EQ(0, dev_ioctl(self->fd, VHOST_GET_VRING_BUSYLOOP_TIMEOUT, &s));
	EXPECT_EQ(50, s.num);
	/* every queue is little-endian: there is nothing to choose */
	EXPECT_EQ(-ENOTTY, dev_pair(self->fd, VHOST_SET_VRING_ENDIAN, 0, 1));
	EXPECT_EQ(-ENOTTY, dev_ioctl(self->fd, _IO(VHOST_VIRTIO, 0xff), NULL));
}

TEST_F(abi, queue_addresses)
{
	struct tring r;
	struct vhost_vring_addr a = {};

	tring_init(&r, &self->mem, 16);
	a.desc_user_addr = (uintptr_t)r.vr.desc;
	a.avail_user_addr = (uintptr_t)r.vr.avail;
	a.used_user_addr = (uintptr_t)r.vr.used;
	EXPECT_EQ(0, dev_ioctl(self->fd, VHOST_SET_VRING_ADDR, &a));
	a.flags = 2;
	EXPECT_EQ(-EOPNOTSUPP, dev_ioctl(self->fd, VHOST_SET_VRING_ADDR, &a));
	a.flags = 0;
	a.avail_user_addr++;
	EXPECT_EQ(-EINVAL, dev_ioctl(self->fd, VHOST_SET_VRING_ADDR, &a));
	a.avail_user_addr--;
	a.used_user_addr += 2;
	EXPECT_EQ(-EINVAL, dev_ioctl(self->fd, VHOST_SET_VRING_ADDR, &a));
	tring_destroy(&r);
}

TEST_F(abi, eventfds)
{
	static const unsigned long which[] = {
		VHOST_SET_VRING_KICK, VHOST_SET_VRING_CALL, VHOST_SET_VRING_ERR,
	};
	int null = open("/dev/null", O_RDWR), event = eventfd(0, 0);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(which); i++) {
		EXPECT_EQ(-EBADF, dev_pair(self->fd, which[i], 0, 999));
		EXPECT_EQ(-EINVAL, dev_pair(self->fd, which[i], 0, null));
		EXPECT_EQ(0, dev_pair(self->fd, which[i], 0, event));
		EXPECT_EQ(0, dev_pair(self->fd, which[i], 0, -1));
	}
	close(null);
	close(event);
}

TEST_F(abi, workers)
{
	struct vhost_vring_worker a = { .index = 0 }, b = { .index = 1 };
	struct vhost_worker_state s, none = { 1000 };
	unsigned int n;

	/* one for each queue, unless told otherwise */
	ASSERT_EQ(0, dev_ioctl(self->fd, VHOST_GET_VRING_WORKER, &a));
	ASSERT_EQ(0, dev_ioctl(self->fd, VHOST_GET_VRING_WORKER, &b));
	EXPECT_NE(a.worker_id, b.worker_id);
	ASSERT_EQ(0, dev_ioctl(self->fd, VHOST_NEW_WORKER, &s));
	EXPECT_EQ(-ENODEV, dev_ioctl(self->fd, VHOST_FREE_WORKER, &none));
	a.worker_id = s.worker_id;
	b.worker_id = s.worker_id;
	ASSERT_EQ(0, dev_ioctl(self->fd, VHOST_ATTACH_VRING_WORKER, &a));
	ASSERT_EQ(0, dev_ioctl(self->fd, VHOST_ATTACH_VRING_WORKER, &b));
	EXPECT_EQ(-EBUSY, dev_ioctl(self->fd, VHOST_FREE_WORKER, &s));
	b.worker_id = 1000;
	EXPECT_EQ(-ENODEV, dev_ioctl(self->fd, VHOST_ATTACH_VRING_WORKER, &b));
	/* a bound on what one owner can take */
	for (n = 3; n < 2 * variant->queues; n++)
		ASSERT_EQ(0, dev_ioctl(self->fd, VHOST_NEW_WORKER, &s));
	EXPECT_EQ(-EBUSY, dev_ioctl(self->fd, VHOST_NEW_WORKER, &s));
}

/* A user's devices, the limit of that user's threads, and how many are tried at most. */
#define DEVICES		16
#define THREADS		20
#define WORKERS		40
#define NOBODY		65534

/**
 * struct taken - what a user with a limit got, in memory that the test sees
 * @workers: how many
 * @ret: what ended it
 * @again: what another device says when the ones before are closed
 */
struct taken {
	unsigned int workers;
	int ret;
	int again;
};

static int take_workers(const int *fds, struct taken *t)
{
	struct vhost_worker_state s;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < DEVICES; i++) {
		ret = dev_ioctl(fds[i], VHOST_SET_OWNER, NULL);
		while (!ret && t->workers < WORKERS) {
			ret = dev_ioctl(fds[i], VHOST_NEW_WORKER, &s);
			t->workers += !ret;
		}
		if (ret != -EBUSY)
			break;
	}
	return ret;
}

/* In a child. */
static void be_limited(const char *path, uid_t uid, struct taken *t)
{
	struct rlimit limit = { THREADS, THREADS };
	int fds[DEVICES + 1], tries;
	struct vhost_worker_state s;
	unsigned int i;

	for (i = 0; i <= DEVICES; i++)
		fds[i] = dev_open(path);
	if (setrlimit(RLIMIT_NPROC, &limit) || setgid(uid) || setuid(uid))
		_exit(1);
	t->ret = take_workers(fds, t);
	for (i = 0; i < DEVICES; i++)
		close(fds[i]);
	t->again = dev_ioctl(fds[DEVICES], VHOST_SET_OWNER, NULL);
	if (t->again)
		_exit(1);
	for (tries = 0; tries < SOON / 10; tries++) {
		t->again = dev_ioctl(fds[DEVICES], VHOST_NEW_WORKER, &s);
		if (t->again != -EAGAIN)
			break;
		usleep(10000);
	}
	_exit(0);
}

/* The module holds each user's workers to RLIMIT_NPROC, as the kernel would its processes. */
TEST_F(abi, workers_of_a_user_are_limited)
{
	struct taken *t = tmem_alloc(&self->mem, 2 * sizeof(*t), 16);
	unsigned int i;
	int status;
	pid_t pid;

	for (i = 0; i < 2; i++) {
		pid = fork();
		if (!pid)
			be_limited(variant->path, i ? 0 : NOBODY, &t[i]);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
		EXPECT_EQ(0, t[i].again);
	}
	EXPECT_EQ(-EAGAIN, t[0].ret);
	EXPECT_GE(THREADS, t[0].workers);
	EXPECT_LT(0, t[0].workers);
	/* Root has no such limit. */
	EXPECT_EQ(0, t[1].ret);
	EXPECT_EQ(WORKERS, t[1].workers);
}

/* The worker is where its owner is. */
TEST_F(abi, worker_is_in_the_owners_cgroup)
{
	struct vhost_worker_state s;
	char line[200], command[200];
	FILE *f;

	if (mkdir("/sys/fs/cgroup/vhost-test", 0755) && errno != EEXIST)
		SKIP(return, "no cgroup v2");
	snprintf(line, sizeof(line), "%d", getpid());
	ASSERT_TRUE(put("/sys/fs/cgroup/vhost-test/cgroup.procs", line));
	ASSERT_EQ(0, dev_ioctl(self->fd, VHOST_NEW_WORKER, &s));
	snprintf(command, sizeof(command),
		 "for p in $(cat /sys/fs/cgroup/vhost-test/cgroup.threads); do cat /proc/$p/comm; done");
	f = popen(command, "r");
	bool found = false;

	while (fgets(line, sizeof(line), f))
		found |= !strncmp(line, "vellum-vhost-", strlen("vellum-vhost-"));
	pclose(f);
	EXPECT_TRUE(found);
	snprintf(line, sizeof(line), "%d", getpid());
	put("/sys/fs/cgroup/cgroup.procs", line);
}

TEST_F(abi, log)
{
	uint64_t base = (uintptr_t)self->mem.base, odd = base + 1, kernel = 0xffff888000000000ull;
	uint64_t features = BIT64(VIRTIO_F_VERSION_1) | BIT64(VHOST_F_LOG_ALL);
	int none = -1, bad = 999;

	ASSERT_EQ(0, dev_mem(self->fd, &self->mem));
	EXPECT_EQ(-EFAULT, dev_ioctl(self->fd, VHOST_SET_LOG_BASE, &odd));
	EXPECT_EQ(-EFAULT, dev_ioctl(self->fd, VHOST_SET_LOG_BASE, &kernel));
	EXPECT_EQ(0, dev_ioctl(self->fd, VHOST_SET_LOG_BASE, &base));
	EXPECT_EQ(0, dev_ioctl(self->fd, VHOST_SET_LOG_FD, &none));
	EXPECT_EQ(-EBADF, dev_ioctl(self->fd, VHOST_SET_LOG_FD, &bad));
	EXPECT_EQ(0, dev_ioctl(self->fd, VHOST_SET_FEATURES, &features));
}

/* One that exists, or any number of the type. */
static unsigned long random_request(void)
{
	static const unsigned long requests[] = {
		VHOST_SET_OWNER, VHOST_RESET_OWNER, VHOST_GET_FEATURES, VHOST_SET_FEATURES,
		VHOST_GET_BACKEND_FEATURES, VHOST_SET_BACKEND_FEATURES, VHOST_SET_MEM_TABLE,
		VHOST_SET_LOG_BASE, VHOST_SET_LOG_FD, VHOST_SET_VRING_NUM, VHOST_SET_VRING_ADDR,
		VHOST_SET_VRING_BASE, VHOST_GET_VRING_BASE, VHOST_SET_VRING_KICK,
		VHOST_SET_VRING_CALL, VHOST_SET_VRING_ERR, VHOST_SET_VRING_BUSYLOOP_TIMEOUT,
		VHOST_GET_VRING_BUSYLOOP_TIMEOUT, VHOST_NEW_WORKER, VHOST_FREE_WORKER,
		VHOST_ATTACH_VRING_WORKER, VHOST_GET_VRING_WORKER, VHOST_NET_SET_BACKEND,
		VHOST_BLK_SET_BACKEND, VHOST_BLK_GET_CONFIG, VHOST_BLK_SET_CONFIG,
		VHOST_BLK_SET_CONFIG_CALL, VHOST_BLK_SET_RUNNING,
	};
	unsigned int n;

	if (rand() % 4)
		return requests[rand() % ARRAY_SIZE(requests)];
	n = rand() % 3 ? rand() % 0x27 : 0xc0 + rand() % 6;
	return _IOC(rand() % 4, VHOST_VIRTIO, n, "\0\4\10\50"[rand() % 4]);
}

/* Any arguments: nothing breaks, and the next user of the device finds it in order. */
TEST_F(abi, random_arguments)
{
	uint64_t args[64], features;
	unsigned int i, n;
	int fd;

	srand(1);
	for (i = 0; i < 30000; i++) {
		for (n = 0; n < ARRAY_SIZE(args); n++)
			args[n] = rand() % 3 ? (uint64_t)rand() % 40 - 2 :
				  (uintptr_t)self->mem.base + rand() % 65536;
		ioctl(self->fd, random_request(), args);
		if (rand() % 50 == 0)
			dev_ioctl(self->fd, VHOST_SET_OWNER, NULL);
	}
	fd = dev_open(variant->path);
	EXPECT_EQ(0, dev_ioctl(fd, VHOST_SET_OWNER, NULL));
	EXPECT_EQ(0, dev_ioctl(fd, VHOST_GET_FEATURES, &features));
	/* all but logging, for which there is no log */
	features &= ~BIT64(VHOST_F_LOG_ALL);
	EXPECT_EQ(0, dev_ioctl(fd, VHOST_SET_FEATURES, &features));
	close(fd);
}

TEST_HARNESS_MAIN
