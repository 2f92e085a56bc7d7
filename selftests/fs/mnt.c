// SPDX-License-Identifier: GPL-2.0-only
/*
 * See mnt.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include "mnt.h"

#define WORDS	(PAGE / sizeof(uint64_t))

char *mnt_make(const char *options)
{
	char *path = strdup("/tmp/vellumfs.XXXXXX");

	if (!path || !mkdtemp(path))
		return NULL;
	if (counter("run") < 0 && system("modprobe vellumfs") != 0)
		fprintf(stderr, "# modprobe vellumfs failed\n");
	if (mount("none", path, "vellumfs", 0, options)) {
		int err = errno;

		rmdir(path);
		free(path);
		errno = err;
		return NULL;
	}
	return path;
}

int mnt_drop(char *path)
{
	if (umount(path))
		return -1;
	rmdir(path);
	free(path);
	return 0;
}

int mnt_open(const char *path, const char *name)
{
	char full[PATH_MAX];

	snprintf(full, sizeof(full), "%s/%s", path, name);
	return open(full, O_RDWR | O_CREAT, 0600);
}

int mnt_file(const char *path, const char *name, size_t pages, unsigned char **map)
{
	int fd = mnt_open(path, name);

	if (fd < 0 || ftruncate(fd, pages * PAGE))
		return -1;
	*map = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return *map == MAP_FAILED ? -1 : fd;
}

static uint64_t word(uint64_t seed, size_t i)
{
	return seed ? (seed + i) * 0x9e3779b97f4a7c15ULL + seed : 0;
}

void page_fill(void *page, uint64_t seed)
{
	uint64_t *p = page;
	size_t i;

	for (i = 0; i < WORDS; i++)
		p[i] = word(seed, i);
}

bool page_is(const void *page, uint64_t seed)
{
	const uint64_t *p = page;
	size_t i;

	for (i = 0; i < WORDS; i++)
		if (p[i] != word(seed, i))
			return false;
	return true;
}

static int control(const char *name, int flags)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/fs/vellumfs/%s", name);
	return open(path, flags);
}

long counter(const char *name)
{
	char text[64] = "";
	int fd = control(name, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	return n > 0 ? strtol(text, NULL, 10) : -1;
}

bool nothing_left(void)
{
	static const char *const names[] = {
		"pages_shared", "pages_sharing", "pages_unshared", "pages_volatile", "zero_pages",
	};
	bool none = true;
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		long n = counter(names[i]);

		if (n)
			printf("# %s is %ld, not 0\n", names[i], n);
		none &= !n;
	}
	return none;
}

int setting(const char *name, const char *value)
{
	int fd = control(name, O_WRONLY);
	ssize_t n;
	int err;

	if (fd < 0)
		return -1;
	n = write(fd, value, strlen(value));
	err = errno;
	close(fd);
	errno = err;
	return n == (ssize_t)strlen(value) ? 0 : -1;
}

bool merge_all(void)
{
	int i;

	setting("advisor_mode", "none");
	setting("pages_to_scan", "10000");
	setting("sleep_millisecs", "1");
	setting("run", "1");
	for (i = 0; i < 3000; i++) {
		if (counter("pages_volatile") == 0)
			return true;
		usleep(10000);
	}
	return false;
}

void merge_stop(void)
{
	long scans;

	setting("run", "0");
	/* A pass is counted at its end. */
	scans = counter("full_scans");
	usleep(20000);
	while (counter("full_scans") != scans) {
		scans = counter("full_scans");
		usleep(20000);
	}
}

int file_stats(int fd, struct vellumfs_stats *s)
{
	return ioctl(fd, VELLUMFS_GET_STATS, s);
}

int file_merge(int fd, uint32_t merge)
{
	struct vellumfs_policy p = { .merge = merge };

	return ioctl(fd, VELLUMFS_SET_POLICY, &p);
}
