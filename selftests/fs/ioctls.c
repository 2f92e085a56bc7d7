// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the ioctls of files and of /dev/vellumfs against hostile arguments, and
 * what unprivileged users may do; that a file without a mount works, alone of all
 * others too, and that the module stays as long as anything of one is used.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <linux/fs.h>
#include "kselftest_harness.h"
#include "mnt.h"

FIXTURE(ioctls) {
	char *path;
	int fd, dev;
};

FIXTURE_SETUP(ioctls)
{
	self->path = mnt_make("");
	ASSERT_NE(NULL, self->path);
	self->fd = mnt_open(self->path, "f");
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ftruncate(self->fd, 4 * PAGE));
	self->dev = open("/dev/vellumfs", O_RDWR);
	ASSERT_LE(0, self->dev);
}

FIXTURE_TEARDOWN(ioctls)
{
	close(self->fd);
	close(self->dev);
	EXPECT_EQ(0, mnt_drop(self->path));
}

#define EXPECT_REFUSED(_errno, _call)	\
	do {				\
		errno = 0;		\
		EXPECT_EQ(-1, _call);	\
		EXPECT_EQ(_errno, errno);	\
	} while (0)

TEST_F(ioctls, policy)
{
	struct vellumfs_policy p = { .merge = VELLUMFS_MERGE_ZERO }, q = {};

	EXPECT_EQ(0, ioctl(self->fd, VELLUMFS_SET_POLICY, &p));
	EXPECT_EQ(0, ioctl(self->fd, VELLUMFS_GET_POLICY, &q));
	EXPECT_EQ(0, memcmp(&p, &q, sizeof(p)));
	p = (struct vellumfs_policy){ VELLUMFS_MERGE_ON, VELLUMFS_POLICY_DOMAIN, "dom", {} };
	EXPECT_EQ(0, ioctl(self->fd, VELLUMFS_SET_POLICY, &p));
	EXPECT_EQ(0, ioctl(self->fd, VELLUMFS_GET_POLICY, &q));
	EXPECT_EQ(0, memcmp(&p, &q, sizeof(p)));
}

TEST_F(ioctls, bad_policy)
{
	struct vellumfs_policy p = { .merge = 3 };
	int ro = open("/proc/self/exe", O_RDONLY);

	EXPECT_REFUSED(EINVAL, ioctl(self->fd, VELLUMFS_SET_POLICY, &p));
	p = (struct vellumfs_policy){ .flags = 2 };
	EXPECT_REFUSED(EINVAL, ioctl(self->fd, VELLUMFS_SET_POLICY, &p));
	p = (struct vellumfs_policy){ .reserved[3] = 1 };
	EXPECT_REFUSED(EINVAL, ioctl(self->fd, VELLUMFS_SET_POLICY, &p));
	p = (struct vellumfs_policy){ .domain = "x" };
	EXPECT_REFUSED(EINVAL, ioctl(self->fd, VELLUMFS_SET_POLICY, &p));
	p = (struct vellumfs_policy){ .flags = VELLUMFS_POLICY_DOMAIN };
	EXPECT_REFUSED(EINVAL, ioctl(self->fd, VELLUMFS_SET_POLICY, &p));
	p.domain[0] = '/';
	EXPECT_REFUSED(EINVAL, ioctl(self->fd, VELLUMFS_SET_POLICY, &p));
	memset(p.domain, 'a', sizeof(p.domain));
	EXPECT_REFUSED(EINVAL, ioctl(self->fd, VELLUMFS_SET_POLICY, &p));
	EXPECT_REFUSED(EFAULT, ioctl(self->fd, VELLUMFS_SET_POLICY, NULL));
	EXPECT_REFUSED(EFAULT, ioctl(self->fd, VELLUMFS_GET_POLICY, NULL));
	EXPECT_REFUSED(EFAULT, ioctl(self->fd, VELLUMFS_GET_STATS, NULL));
	EXPECT_REFUSED(ENOTTY, ioctl(self->fd, VELLUMFS_CREATE, &p));
	EXPECT_REFUSED(ENOTTY, ioctl(self->fd, _IO(0xBD, 0x7f)));
	EXPECT_REFUSED(ENOTTY, ioctl(ro, VELLUMFS_GET_POLICY, &p));
	ASSERT_EQ(0, ioctl(self->fd, VELLUMFS_GET_POLICY, &p));
	EXPECT_EQ(VELLUMFS_MERGE_ON, p.merge);
	close(ro);
}

TEST_F(ioctls, bad_unmerge)
{
	struct vellumfs_range r = { .flags = 1 };
	char name[64];
	int ro;

	EXPECT_REFUSED(EINVAL, ioctl(self->fd, VELLUMFS_UNMERGE, &r));
	r = (struct vellumfs_range){ .offset = 1 };
	EXPECT_REFUSED(EINVAL, ioctl(self->fd, VELLUMFS_UNMERGE, &r));
	r = (struct vellumfs_range){ .len = PAGE - 1 };
	EXPECT_REFUSED(EINVAL, ioctl(self->fd, VELLUMFS_UNMERGE, &r));
	r = (struct vellumfs_range){ .offset = -PAGE, .len = 2 * PAGE };
	EXPECT_REFUSED(EINVAL, ioctl(self->fd, VELLUMFS_UNMERGE, &r));
	EXPECT_REFUSED(EFAULT, ioctl(self->fd, VELLUMFS_UNMERGE, NULL));
	r = (struct vellumfs_range){ .offset = 1UL << 62, .len = PAGE };
	EXPECT_EQ(0, ioctl(self->fd, VELLUMFS_UNMERGE, &r));
	snprintf(name, sizeof(name), "/proc/self/fd/%d", self->fd);
	ro = open(name, O_RDONLY);
	r = (struct vellumfs_range){};
	EXPECT_REFUSED(EBADF, ioctl(ro, VELLUMFS_UNMERGE, &r));
	EXPECT_REFUSED(EBADF, file_merge(ro, VELLUMFS_MERGE_OFF));
	close(ro);
}

/* The owner may set the policy, but not name a domain; another user neither. */
TEST_F(ioctls, unprivileged)
{
	struct vellumfs_policy p = { VELLUMFS_MERGE_ON, VELLUMFS_POLICY_DOMAIN, "dom", {} };
	int other = mnt_open(self->path, "g"), status;
	pid_t child;

	ASSERT_EQ(0, fchown(other, 1000, 1000));
	child = fork();
	if (!child) {
		if (setuid(1000))
			_exit(1);
		if (file_merge(self->fd, VELLUMFS_MERGE_OFF) == 0 || errno != EPERM)
			_exit(2);
		if (file_merge(other, VELLUMFS_MERGE_OFF))
			_exit(3);
		if (ioctl(other, VELLUMFS_SET_POLICY, &p) == 0 || errno != EPERM)
			_exit(4);
		if (open("/dev/vellumfs", O_RDWR) >= 0)
			_exit(5);
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	close(other);
}

TEST_F(ioctls, create)
{
	struct vellumfs_create c = {
		.size = 10 * PAGE, .flags = VELLUMFS_CREATE_CLOEXEC, .merge = VELLUMFS_MERGE_ON,
		.name = "ram",
	};
	char name[64], target[64] = "";
	unsigned char *map;
	struct stat st;
	int fd = ioctl(self->dev, VELLUMFS_CREATE, &c), fd2;

	ASSERT_LE(0, fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(10 * PAGE, st.st_size);
	EXPECT_EQ(0, st.st_nlink);
	map = mmap(NULL, 10 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	page_fill(map, 3);
	page_fill(map + PAGE, 3);
	ASSERT_TRUE(merge_all());
	EXPECT_EQ(1, counter("pages_shared"));
	/* All of one owner share a domain. */
	c.flags = 0;
	fd2 = ioctl(self->dev, VELLUMFS_CREATE, &c);
	ASSERT_LE(0, fd2);
	EXPECT_EQ(0, fcntl(fd2, F_GETFD));
	EXPECT_EQ(PAGE, pwrite(fd2, map, PAGE, 5 * PAGE));
	ASSERT_TRUE(merge_all());
	EXPECT_EQ(2, counter("pages_sharing"));
	EXPECT_EQ(0, ftruncate(fd2, 100 * PAGE));
	EXPECT_EQ(100 * PAGE, lseek(fd2, 0, SEEK_END));
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	EXPECT_LT(0, readlink(name, target, sizeof(target) - 1));
	EXPECT_NE(NULL, strstr(target, "ram"));
	close(fd2);
	close(fd);
	EXPECT_TRUE(page_is(map + PAGE, 3));
	munmap(map, 10 * PAGE);
	EXPECT_EQ(0, counter("pages_shared"));
}

TEST_F(ioctls, bad_create)
{
	struct vellumfs_create c = { .flags = 4 };

	EXPECT_REFUSED(EINVAL, ioctl(self->dev, VELLUMFS_CREATE, &c));
	c = (struct vellumfs_create){ .merge = 3 };
	EXPECT_REFUSED(EINVAL, ioctl(self->dev, VELLUMFS_CREATE, &c));
	c = (struct vellumfs_create){ .reserved[0] = 1 };
	EXPECT_REFUSED(EINVAL, ioctl(self->dev, VELLUMFS_CREATE, &c));
	c = (struct vellumfs_create){ .name = "a/b" };
	EXPECT_REFUSED(EINVAL, ioctl(self->dev, VELLUMFS_CREATE, &c));
	memset(c.name, 'n', sizeof(c.name));
	EXPECT_REFUSED(EINVAL, ioctl(self->dev, VELLUMFS_CREATE, &c));
	c = (struct vellumfs_create){ .domain = "a b" };
	EXPECT_REFUSED(EINVAL, ioctl(self->dev, VELLUMFS_CREATE, &c));
	memset(c.domain, 'd', sizeof(c.domain));
	EXPECT_REFUSED(EINVAL, ioctl(self->dev, VELLUMFS_CREATE, &c));
	c = (struct vellumfs_create){ .size = 1ULL << 63 };
	EXPECT_REFUSED(EFBIG, ioctl(self->dev, VELLUMFS_CREATE, &c));
	c = (struct vellumfs_create){ .size = INT64_MAX - PAGE + 2 };
	EXPECT_REFUSED(EFBIG, ioctl(self->dev, VELLUMFS_CREATE, &c));
	EXPECT_REFUSED(EFAULT, ioctl(self->dev, VELLUMFS_CREATE, NULL));
	EXPECT_REFUSED(ENOTTY, ioctl(self->dev, VELLUMFS_GET_STATS, &c));
}

static int create(uint32_t merge)
{
	struct vellumfs_create c = { .size = PAGE, .merge = merge };
	int dev = open("/dev/vellumfs", O_RDWR), fd = ioctl(dev, VELLUMFS_CREATE, &c);

	close(dev);
	return fd;
}

TEST_F(ioctls, clone_created)
{
	int fd = create(VELLUMFS_MERGE_OFF), fd2 = create(VELLUMFS_MERGE_OFF);
	char c = 0;

	ASSERT_LE(0, fd2);
	EXPECT_EQ(1, pwrite(fd, "x", 1, 0));
	EXPECT_EQ(0, ioctl(fd2, FICLONE, fd));
	close(fd);
	EXPECT_EQ(1, pread(fd2, &c, 1, 0));
	EXPECT_EQ('x', c);
	close(fd2);
}

/* The file is closed, but its inode is there. */
TEST(path_of_created_holds_module)
{
	char *path = mnt_make(""), name[64];
	int fd, held;
	struct stat st;

	ASSERT_NE(NULL, path);
	ASSERT_EQ(0, mnt_drop(path));
	fd = create(VELLUMFS_MERGE_ON);
	ASSERT_LE(0, fd);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	held = open(name, O_PATH);
	ASSERT_LE(0, held);
	close(fd);
	EXPECT_REFUSED(EWOULDBLOCK, syscall(SYS_delete_module, "vellumfs", O_NONBLOCK));
	EXPECT_EQ(0, fstat(held, &st));
	EXPECT_EQ(PAGE, st.st_size);
	close(held);
	EXPECT_EQ(0, syscall(SYS_delete_module, "vellumfs", O_NONBLOCK));
}

TEST_HARNESS_MAIN
