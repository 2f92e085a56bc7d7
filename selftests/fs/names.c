// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards names: files, folders, links, O_TMPFILE, renames with their flags,
 * permissions, and the limits of inodes and space with what gives them back.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include "kselftest_harness.h"
#include "mnt.h"

FIXTURE(names) {
	char *path;
	int dir;
};

FIXTURE_SETUP(names)
{
	self->path = mnt_make("size=64k,nr_inodes=8");
	ASSERT_NE(NULL, self->path);
	self->dir = open(self->path, O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, self->dir);
}

FIXTURE_TEARDOWN(names)
{
	close(self->dir);
	EXPECT_EQ(0, mnt_drop(self->path));
}

static int touch(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL, 0644);

	if (fd < 0)
		return -1;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
		close(fd);
		return -1;
	}
	return close(fd);
}

static bool holds(int dir, const char *name, const char *text)
{
	char got[64] = "";
	int fd = openat(dir, name, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, got, sizeof(got) - 1);
	close(fd);
	return n == (ssize_t)strlen(text) && !strcmp(got, text);
}

static long free_inodes(const char *path)
{
	struct statfs s;

	return statfs(path, &s) ? -1 : (long)s.f_ffree;
}

TEST_F(names, files_and_folders)
{
	struct stat st;

	EXPECT_EQ(0, mkdirat(self->dir, "d", 0711));
	EXPECT_EQ(0, touch(self->dir, "d/f", "hello"));
	EXPECT_EQ(-1, touch(self->dir, "d/f", "hello"));
	EXPECT_EQ(EEXIST, errno);
	EXPECT_TRUE(holds(self->dir, "d/f", "hello"));
	EXPECT_EQ(-1, unlinkat(self->dir, "d", AT_REMOVEDIR));
	EXPECT_EQ(ENOTEMPTY, errno);
	EXPECT_EQ(-1, unlinkat(self->dir, "d", 0));
	EXPECT_EQ(0, fstatat(self->dir, "d", &st, 0));
	EXPECT_EQ(S_IFDIR | 0711, st.st_mode);
	EXPECT_EQ(2, st.st_nlink);
	EXPECT_EQ(0, unlinkat(self->dir, "d/f", 0));
	EXPECT_EQ(-1, fstatat(self->dir, "d/f", &st, 0));
	EXPECT_EQ(ENOENT, errno);
	EXPECT_EQ(0, unlinkat(self->dir, "d", AT_REMOVEDIR));
	EXPECT_EQ(7, free_inodes(self->path));
}

TEST_F(names, links)
{
	struct stat st;
	char target[16] = "";

	ASSERT_EQ(0, touch(self->dir, "a", "one"));
	EXPECT_EQ(0, linkat(self->dir, "a", self->dir, "b", 0));
	EXPECT_EQ(5, free_inodes(self->path));
	EXPECT_EQ(0, fstatat(self->dir, "b", &st, 0));
	EXPECT_EQ(2, st.st_nlink);
	EXPECT_EQ(0, unlinkat(self->dir, "a", 0));
	EXPECT_TRUE(holds(self->dir, "b", "one"));
	EXPECT_EQ(0, symlinkat("b", self->dir, "s"));
	EXPECT_EQ(1, readlinkat(self->dir, "s", target, sizeof(target)));
	EXPECT_EQ(0, strcmp("b", target));
	EXPECT_TRUE(holds(self->dir, "s", "one"));
	EXPECT_EQ(0, unlinkat(self->dir, "s", 0));
	EXPECT_EQ(0, unlinkat(self->dir, "b", 0));
	EXPECT_EQ(7, free_inodes(self->path));
}

TEST_F(names, renames)
{
	ASSERT_EQ(0, touch(self->dir, "a", "A"));
	ASSERT_EQ(0, touch(self->dir, "b", "B"));
	EXPECT_EQ(-1, renameat2(self->dir, "a", self->dir, "b", RENAME_NOREPLACE));
	EXPECT_EQ(EEXIST, errno);
	EXPECT_EQ(0, renameat2(self->dir, "a", self->dir, "b", RENAME_EXCHANGE));
	EXPECT_TRUE(holds(self->dir, "a", "B") && holds(self->dir, "b", "A"));
	EXPECT_EQ(-1, renameat2(self->dir, "a", self->dir, "b", RENAME_WHITEOUT));
	EXPECT_EQ(EINVAL, errno);
	ASSERT_EQ(0, linkat(self->dir, "b", self->dir, "c", 0));
	EXPECT_EQ(0, renameat(self->dir, "a", self->dir, "b"));
	EXPECT_TRUE(holds(self->dir, "b", "B") && holds(self->dir, "c", "A"));
	EXPECT_EQ(5, free_inodes(self->path));
	EXPECT_EQ(0, mkdirat(self->dir, "d", 0700));
	EXPECT_EQ(0, renameat(self->dir, "c", self->dir, "d/c"));
	EXPECT_TRUE(holds(self->dir, "d/c", "A"));
}

TEST_F(names, tmpfile)
{
	char link[32];
	int fd = openat(self->dir, ".", O_TMPFILE | O_RDWR, 0600);
	struct stat st;

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(0, st.st_nlink);
	EXPECT_EQ(3, write(fd, "tmp", 3));
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	EXPECT_EQ(0, linkat(AT_FDCWD, link, self->dir, "named", AT_SYMLINK_FOLLOW));
	close(fd);
	EXPECT_TRUE(holds(self->dir, "named", "tmp"));
	EXPECT_EQ(6, free_inodes(self->path));
	fd = openat(self->dir, ".", O_TMPFILE | O_RDWR, 0600);
	close(fd);
	EXPECT_EQ(6, free_inodes(self->path));
}

TEST_F(names, inode_limit)
{
	char name[8];
	int i;

	for (i = 0; i < 7; i++) {
		snprintf(name, sizeof(name), "%d", i);
		ASSERT_EQ(0, touch(self->dir, name, "")) TH_LOG("%d", i);
	}
	EXPECT_EQ(-1, touch(self->dir, "more", ""));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(-1, mkdirat(self->dir, "more", 0700));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(-1, symlinkat("x", self->dir, "more"));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(-1, linkat(self->dir, "1", self->dir, "more", 0));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(0, unlinkat(self->dir, "3", 0));
	EXPECT_EQ(0, touch(self->dir, "more", ""));
}

TEST_F(names, space_limit)
{
	char bytes[17 * PAGE];
	struct statfs s;
	int fd = mnt_open(self->path, "f");

	memset(bytes, 'x', sizeof(bytes));
	EXPECT_EQ(16 * PAGE, write(fd, bytes, sizeof(bytes)));
	EXPECT_EQ(-1, write(fd, bytes, 1));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(1, pwrite(fd, bytes, 1, 5));
	EXPECT_EQ(0, ftruncate(fd, PAGE + 1));
	ASSERT_EQ(0, statfs(self->path, &s));
	EXPECT_EQ(14, s.f_bfree);
	close(fd);
	EXPECT_EQ(0, unlinkat(self->dir, "f", 0));
	ASSERT_EQ(0, statfs(self->path, &s));
	EXPECT_EQ(16, s.f_bfree);
}

TEST_F(names, readdir)
{
	int found = 0;
	struct dirent *e;
	DIR *dir;

	ASSERT_EQ(0, touch(self->dir, "x", ""));
	ASSERT_EQ(0, mkdirat(self->dir, "y", 0700));
	dir = opendir(self->path);
	ASSERT_NE(NULL, dir);
	while ((e = readdir(dir))) {
		found += !strcmp(e->d_name, "x") && e->d_type == DT_REG;
		found += !strcmp(e->d_name, "y") && e->d_type == DT_DIR;
		found += !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
	}
	closedir(dir);
	EXPECT_EQ(4, found);
}

TEST_F(names, permissions)
{
	char path[256];
	pid_t child;
	int status;

	ASSERT_EQ(0, touch(self->dir, "secret", "s"));
	ASSERT_EQ(0, fchmodat(self->dir, "secret", 0600, 0));
	snprintf(path, sizeof(path), "%s/secret", self->path);
	child = fork();
	if (!child) {
		if (setgid(1000) || setuid(1000))
			_exit(1);
		if (open(path, O_RDONLY) >= 0 || errno != EACCES)
			_exit(2);
		/* The root folder is sticky. */
		if (unlink(path) == 0 || errno != EPERM)
			_exit(3);
		if (chmod(path, 0666) == 0 || truncate(path, 0) == 0)
			_exit(4);
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

/* Giving a file away moves it to another domain, which shared pages must not follow. */
TEST_F(names, chown_moves_domain)
{
	unsigned char *map;
	struct vellumfs_stats s;
	int fd = mnt_file(self->path, "f", 2, &map);

	ASSERT_LE(0, fd);
	page_fill(map, 5);
	page_fill(map + PAGE, 5);
	ASSERT_TRUE(merge_all());
	ASSERT_EQ(0, file_stats(fd, &s));
	EXPECT_EQ(2, s.shared_pages);
	EXPECT_EQ(0, fchown(fd, 1234, -1));
	EXPECT_TRUE(page_is(map, 5) && page_is(map + PAGE, 5));
	ASSERT_TRUE(merge_all());
	ASSERT_EQ(0, file_stats(fd, &s));
	EXPECT_EQ(2, s.shared_pages);
	EXPECT_TRUE(page_is(map, 5) && page_is(map + PAGE, 5));
	munmap(map, 2 * PAGE);
	close(fd);
}

TEST_HARNESS_MAIN
