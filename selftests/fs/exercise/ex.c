// SPDX-License-Identifier: GPL-2.0-only
/* See ex.h. */
#include "ex.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#define SYSFS	"/sys/fs/vellumfs/"

uint64_t ex_env(const char *name, uint64_t fallback)
{
	const char *value = getenv(name);

	return value && *value ? strtoull(value, NULL, 0) : fallback;
}

static const char *ex_fs(void)
{
	const char *fs = getenv("EX_FS");

	return fs && *fs ? fs : "vellumfs";
}

bool ex_ours(void)
{
	return !strcmp(ex_fs(), "vellumfs");
}

void ex_die(const char *fmt, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

uint64_t ex_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

void ex_sleep_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

/* splitmix64 */
uint64_t ex_rand(struct ex_rng *rng)
{
	uint64_t z = rng->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

uint64_t ex_below(struct ex_rng *rng, uint64_t limit)
{
	return ex_rand(rng) % limit;
}

bool ex_chance(struct ex_rng *rng, unsigned int percent)
{
	return ex_below(rng, 100) < percent;
}

static bool ex_loaded(void)
{
	return !ex_ours() || !access("/sys/module/vellumfs", F_OK);
}

void ex_load(void)
{
	if (!ex_loaded() && (system("modprobe vellumfs") || !ex_loaded()))
		ex_die("vellumfs.ko does not load");
	mkdir(EX_ROOT, 0755);
}

static void ex_usage(const struct ex_mount *m, uint64_t *blocks, uint64_t *inodes)
{
	struct statfs fs;

	if (statfs(m->dir, &fs))
		ex_die("statfs of %s: %s", m->dir, strerror(errno));
	*blocks = fs.f_blocks - fs.f_bfree;
	*inodes = fs.f_files - fs.f_ffree;
}

/* As far as @end, which becomes a comma if @more is to follow */
static void cut_options(char *options, char end, bool more)
{
	char *at = strchr(options, end);

	if (at)
		*at = more ? ',' : '\0';
}

static int mount_with(const struct ex_mount *m, const char *options, bool wishes)
{
	char data[256];

	snprintf(data, sizeof(data), "%s", options);
	cut_options(data, '|', ex_ours());
	cut_options(data, '?', wishes && ex_ours());
	return mount(ex_fs(), m->dir, ex_fs(), 0, data) ? -errno : 0;
}

/* @options that are vellumfs's own follow a '|', what it may not have yet follows a '?'. */
void ex_mount(struct ex_mount *m, const char *name, const char *options)
{
	int ret;

	snprintf(m->dir, sizeof(m->dir), EX_ROOT "/%s", name);
	if (mkdir(m->dir, 0755) && errno != EEXIST)
		ex_die("mkdir %s: %s", m->dir, strerror(errno));
	ret = mount_with(m, options, true);
	if (ret == -EINVAL && strchr(options, '?')) {
		printf("# mounted without all of %s\n", options);
		ret = mount_with(m, options, false);
	}
	if (ret)
		ex_die("mount -t %s -o %s: %s", ex_fs(), options, strerror(-ret));
	ex_usage(m, &m->blocks_used, &m->inodes_used);
}

/* What was written is gone; freeing may lag behind the unlink a little. */
bool ex_is_empty_again(const struct ex_mount *m)
{
	uint64_t end = ex_now_ms() + 10000, blocks, inodes;

	do {
		ex_usage(m, &blocks, &inodes);
		if (blocks == m->blocks_used && inodes == m->inodes_used)
			return true;
		ex_sleep_ms(20);
	} while (ex_now_ms() < end);
	printf("# %s: %lu blocks and %lu inodes are used, %lu and %lu when it was new\n", m->dir,
	       (unsigned long)blocks, (unsigned long)inodes, (unsigned long)m->blocks_used,
	       (unsigned long)m->inodes_used);
	return false;
}

bool ex_umount(const struct ex_mount *m)
{
	if (umount(m->dir)) {
		printf("# umount %s: %s\n", m->dir, strerror(errno));
		return false;
	}
	return !rmdir(m->dir);
}

/* After the last unmount there is no page of any kind. */
bool ex_nothing_left(void)
{
	static const char *const gauges[] = {
		"pages_shared", "pages_sharing", "pages_unshared", "pages_volatile",
		"zero_pages", "bytes_saved",
	};
	uint64_t end = ex_now_ms() + 10000;
	bool left = ex_ours();
	size_t i;

	while (left && ex_now_ms() < end) {
		left = false;
		for (i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++)
			left |= ex_counter(gauges[i]) > 0;
		if (left)
			ex_sleep_ms(20);
	}
	for (i = 0; left && i < sizeof(gauges) / sizeof(gauges[0]); i++)
		if (ex_counter(gauges[i]) > 0)
			printf("# %s is %ld\n", gauges[i], ex_counter(gauges[i]));
	return !left;
}

bool ex_unload(void)
{
	rmdir(EX_ROOT);
	return !ex_ours() || (!system("rmmod vellumfs") && !ex_loaded());
}

/* A number of /sys/fs/vellumfs; -1 if there is none of that name. */
long ex_counter(const char *name)
{
	char path[128], text[64];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), SYSFS "%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	if (n <= 0)
		return -1;
	text[n] = '\0';
	return strtol(text, NULL, 0);
}

/* Knobs matter to speed, not to correctness: one that is not there is left alone. */
void ex_set(const char *name, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), SYSFS "%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, value, strlen(value)) < 0)
		printf("# %s to %s: %s\n", value, path, strerror(errno));
	close(fd);
}

/* The scanner as fast as it goes. */
void ex_hurry(void)
{
	ex_set("advisor_mode", "none");
	ex_set("advisor_max_cpu", "100");
	ex_set("pages_to_scan", "4000");
	ex_set("sleep_millisecs", "1");
	ex_set("run", "1");
}

int ex_open(const char *dir, const char *name, int flags)
{
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, flags | O_CLOEXEC, 0600);
	if (fd < 0)
		ex_die("open %s: %s", path, strerror(errno));
	return fd;
}

int ex_clone(int to, int from)
{
	return ioctl(to, FICLONE, from) ? -errno : 0;
}

bool ex_can_clone(const struct ex_mount *m)
{
	int from = ex_open(m->dir, "probe.a", O_RDWR | O_CREAT);
	int to = ex_open(m->dir, "probe.b", O_RDWR | O_CREAT);
	char path[160];
	int ret = ex_clone(to, from);

	close(from);
	close(to);
	snprintf(path, sizeof(path), "%s/probe.a", m->dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/probe.b", m->dir);
	unlink(path);
	if (ret && ex_ours())
		ex_die("FICLONE of an empty file: %s", strerror(-ret));
	return !ret;
}
