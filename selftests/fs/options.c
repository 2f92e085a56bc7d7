// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards mount options: each one does what it says, wrong ones are refused, a
 * remount changes limits but never below what is in use, and never whose the mount is.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include "kselftest_harness.h"
#include "mnt.h"

static const char every_option[] =
	"size=1m,nr_inodes=5,mode=0750,uid=7,gid=8,merge=zero,domain=a.b-c_9,huge=always";
static const char every_option_shown[] =
	"size=1024k,nr_inodes=5,mode=750,uid=7,gid=8,domain=a.b-c_9,merge=zero,huge=always";

/* Does the table of mounts end the options of @path so? */
static bool shown(const char *path, const char *options)
{
	FILE *f = fopen("/proc/self/mounts", "r");
	bool found = false;
	char line[512];

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, path) && strstr(line, options);
	if (f)
		fclose(f);
	return found;
}

TEST(shown_and_obeyed)
{
	char *path = mnt_make(every_option);
	struct statfs s;
	struct stat st;

	ASSERT_NE(NULL, path);
	ASSERT_EQ(0, statfs(path, &s));
	EXPECT_EQ(VELLUMFS_SUPER_MAGIC, s.f_type);
	EXPECT_EQ(PAGE, s.f_bsize);
	EXPECT_EQ(256, s.f_blocks);
	EXPECT_EQ(256, s.f_bfree);
	EXPECT_EQ(5, s.f_files);
	EXPECT_EQ(4, s.f_ffree);
	ASSERT_EQ(0, stat(path, &st));
	EXPECT_EQ(S_IFDIR | 0750, st.st_mode);
	EXPECT_EQ(7, st.st_uid);
	EXPECT_EQ(8, st.st_gid);
	EXPECT_TRUE(shown(path, every_option_shown));
	EXPECT_EQ(0, mnt_drop(path));
}

TEST(policy_of_new_files)
{
	char *path = mnt_make("merge=zero,domain=some");
	struct vellumfs_policy p = {};
	int fd;

	ASSERT_NE(NULL, path);
	fd = mnt_open(path, "f");
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, VELLUMFS_GET_POLICY, &p));
	EXPECT_EQ(VELLUMFS_MERGE_ZERO, p.merge);
	EXPECT_EQ(VELLUMFS_POLICY_DOMAIN, p.flags);
	EXPECT_EQ(0, strcmp("some", p.domain));
	close(fd);
	EXPECT_EQ(0, mnt_drop(path));
}

TEST(sizes)
{
	static const struct {
		const char *option;
		unsigned long pages;
	} sizes[] = {
		{ "size=4096", 1 }, { "size=4097", 2 }, { "size=8k", 2 }, { "size=2M", 512 },
		{ "size=1g", 262144 }, { "size=0", 0 },
	};
	struct statfs s;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		char *path = mnt_make(sizes[i].option);

		ASSERT_NE(NULL, path) TH_LOG("%s", sizes[i].option);
		ASSERT_EQ(0, statfs(path, &s));
		EXPECT_EQ(sizes[i].pages, s.f_blocks) TH_LOG("%s", sizes[i].option);
		EXPECT_EQ(0, mnt_drop(path));
	}
}

TEST(refused)
{
	static const char *const bad[] = {
		"size=", "size=x", "size=-1", "size=1kk", "size=101%", "size=10%%", "size=0x10",
		"size=99999999999999999999999", "size=17179869184t",
		"nr_inodes=", "nr_inodes=many", "nr_inodes=-3", "mode=9", "mode=10000", "mode=-1",
		"uid=-1", "uid=4294967295", "gid=4294967295", "uid=root",
		"merge=", "merge=yes", "merge=2", "huge=", "huge=maybe",
		"domain=", "domain=a/b", "domain=a b", "domain=\xc3\xa9", "nonsense", "nonsense=1",
		"domain=0123456789012345678901234567890123456789012345678901234567890123",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		char *path = mnt_make(bad[i]);

		EXPECT_EQ(NULL, path) TH_LOG("%s", bad[i]);
		EXPECT_EQ(EINVAL, errno) TH_LOG("%s: %s", bad[i], strerror(errno));
		if (path)
			mnt_drop(path);
	}
}

FIXTURE(mounted) {
	char *path;
	int fd;
};

FIXTURE_SETUP(mounted)
{
	char bytes[3 * PAGE] = "some";

	self->path = mnt_make("size=1m,nr_inodes=4,domain=mine");
	ASSERT_NE(NULL, self->path);
	self->fd = mnt_open(self->path, "f");
	ASSERT_EQ(sizeof(bytes), write(self->fd, bytes, sizeof(bytes)));
}

FIXTURE_TEARDOWN(mounted)
{
	close(self->fd);
	EXPECT_EQ(0, mnt_drop(self->path));
}

static int remount(const char *path, const char *options)
{
	return mount("none", path, NULL, MS_REMOUNT, options);
}

TEST_F(mounted, remount)
{
	struct statfs s;

	EXPECT_EQ(0, remount(self->path, "size=2m,nr_inodes=10,merge=off"));
	ASSERT_EQ(0, statfs(self->path, &s));
	EXPECT_EQ(512, s.f_blocks);
	EXPECT_EQ(10, s.f_files);
	EXPECT_EQ(0, remount(self->path, "size=12k,domain=mine,mode=1777,uid=0"));
	ASSERT_EQ(0, statfs(self->path, &s));
	EXPECT_EQ(3, s.f_blocks);
	EXPECT_EQ(0, s.f_bfree);
}

TEST_F(mounted, remount_refused)
{
	static const char *const bad[] = {
		"size=8k", "nr_inodes=1", "domain=other", "uid=1", "gid=1", "mode=700",
		"size=2m,domain=other", "huge=often", "size=4m,nonsense",
	};
	struct statfs s;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-1, remount(self->path, bad[i])) TH_LOG("%s", bad[i]);
		EXPECT_EQ(EINVAL, errno);
		ASSERT_EQ(0, statfs(self->path, &s));
		EXPECT_EQ(256, s.f_blocks) TH_LOG("%s", bad[i]);
	}
}

/* An unprivileged user can mount neither in its own namespaces nor anywhere. */
TEST(needs_privilege)
{
	char *path = mnt_make("");
	pid_t child;
	int status;

	ASSERT_NE(NULL, path);
	child = fork();
	if (!child) {
		if (setuid(1000) || mount("none", path, "vellumfs", 0, "") == 0)
			_exit(1);
		_exit(errno == EPERM ? 0 : 2);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, mnt_drop(path));
}

TEST_HARNESS_MAIN
