// SPDX-License-Identifier: GPL-2.0-only
/* See faults.h. */
#include "faults.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/vellumfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "words.h"

#define HOLE_PAGE	5UL	/* of both files, and all from PLACE_PAGES / 2 on of the second */
#define UNALIGNED	100
#define CHUNK_SIZE	(512 * EX_PAGE)

static const char *const names[PLACE_FILES] = { "one", "two" };

void place_make(struct place *p, const struct ex_mount *m)
{
	int i;

	memset(p, 0, sizeof(*p));
	p->m = m;
	p->dev = open("/dev/vellumfs", O_RDWR | O_CLOEXEC);
	p->buf = malloc(PLACE_SIZE);
	for (i = 0; i < PLACE_FILES; i++) {
		p->fd[i] = ex_open(m->dir, names[i], O_RDWR | O_CREAT);
		p->old[i] = calloc(1, PLACE_SIZE);
		p->new[i] = calloc(1, PLACE_SIZE);
		if (ftruncate(p->fd[i], PLACE_SIZE))
			ex_die("ftruncate: %s", strerror(errno));
		p->map[i] = mmap(NULL, PLACE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, p->fd[i], 0);
		if (p->map[i] == MAP_FAILED)
			ex_die("mmap: %s", strerror(errno));
	}
}

void place_free(struct place *p)
{
	char path[96];
	int i;

	for (i = 0; i < PLACE_FILES; i++) {
		munmap(p->map[i], PLACE_SIZE);
		close(p->fd[i]);
		snprintf(path, sizeof(path), "%s/%s", p->m->dir, names[i]);
		unlink(path);
	}
	close(p->dev);
}

/* Fresh contents, with a hole; some pages are shared with a clone of long ago. */
void place_reset(struct place *p)
{
	struct ex_rng rng = { ++p->round };
	struct vellumfs_policy policy = { .merge = VELLUMFS_MERGE_ON };
	unsigned long i;
	int f;

	for (f = 0; f < PLACE_FILES; f++) {
		ioctl(p->fd[f], VELLUMFS_SET_POLICY, &policy);
		if (ftruncate(p->fd[f], 0) || ftruncate(p->fd[f], PLACE_SIZE))
			ex_die("reset: %s", strerror(errno));
		memset(p->old[f], 0, PLACE_SIZE);
		for (i = 0; i < PLACE_PAGES; i++) {
			if (i == HOLE_PAGE || (f == 1 && i >= PLACE_PAGES / 2))
				continue;
			words_fill(p->old[f] + i * EX_PAGE, f + 1, i, p->round, &rng);
			memcpy(p->map[f] + i * EX_PAGE, p->old[f] + i * EX_PAGE, EX_PAGE);
		}
		memcpy(p->new[f], p->old[f], PLACE_SIZE);
	}
	/* Pages 0 and 1 of both files are one frame each. */
	if (p->round % 2) {
		struct file_clone_range range = { p->fd[0], 0, 2 * EX_PAGE, 0 };

		if (ioctl(p->fd[1], FICLONERANGE, &range))
			ex_die("reset: FICLONERANGE: %s", strerror(errno));
		memcpy(p->old[1], p->old[0], 2 * EX_PAGE);
		memcpy(p->new[1], p->old[1], 2 * EX_PAGE);
	}
}

/* Byte by byte: a write may have stopped anywhere. A file that was cut gets its size again. */
bool place_check(struct place *p, const char *what)
{
	unsigned long i;
	int f;

	for (f = 0; f < PLACE_FILES; f++) {
		if (ftruncate(p->fd[f], PLACE_SIZE))
			ex_die("ftruncate: %s", strerror(errno));
		if (pread(p->fd[f], p->buf, PLACE_SIZE, 0) != (ssize_t)PLACE_SIZE ||
		    memcmp(p->buf, p->map[f], PLACE_SIZE)) {
			printf("# %s: reading and mapping differ\n", what);
			return false;
		}
		for (i = 0; i < PLACE_SIZE; i++)
			if (p->buf[i] != p->old[f][i] && p->buf[i] != p->new[f][i])
				return words_compare(p->buf + i / EX_PAGE * EX_PAGE,
						     p->new[f] + i / EX_PAGE * EX_PAGE, EX_PAGE, 0,
						     what);
	}
	return true;
}

static int result(long ret)
{
	return ret < 0 ? -errno : 0;
}

static int on_name(struct place *p, const char *name, int (*act)(const char *path))
{
	char path[96];

	snprintf(path, sizeof(path), "%s/%s", p->m->dir, name);
	return result(act(path));
}

static int open_new(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd;
}

static int open_unnamed(const char *path)
{
	int fd = open(path, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd;
}

static int make_folder(const char *path)
{
	return mkdir(path, 0700);
}

static int make_symlink(const char *path)
{
	return symlink("a target so long that it needs an allocation, not one in the inode",
		       path);
}

static int list(const char *path)
{
	DIR *dir = opendir(path);

	if (!dir)
		return -1;
	errno = 0;
	while (readdir(dir))
		;
	closedir(dir);
	return errno ? -1 : 0;
}

static int do_create(struct place *p)
{
	return on_name(p, "new", open_new);
}

static int do_unnamed(struct place *p)
{
	return on_name(p, ".", open_unnamed);
}

static int do_mkdir(struct place *p)
{
	return on_name(p, "new", make_folder);
}

static int do_symlink(struct place *p)
{
	return on_name(p, "new", make_symlink);
}

static int do_list(struct place *p)
{
	return on_name(p, ".", list);
}

static int do_link(struct place *p)
{
	char from[96], to[96];

	snprintf(from, sizeof(from), "%s/one", p->m->dir);
	snprintf(to, sizeof(to), "%s/new", p->m->dir);
	return result(link(from, to));
}

static void undo_name(struct place *p)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/new", p->m->dir);
	if (unlink(path))
		rmdir(path);
}

static void make_new(struct place *p, int f, uint64_t at, uint64_t len)
{
	memset(p->new[f] + at, 0x5a, len);
	memset(p->buf, 0x5a, len);
}

static int do_write(struct place *p)
{
	ssize_t ret;

	make_new(p, 0, UNALIGNED, 3 * EX_PAGE);
	ret = pwrite(p->fd[0], p->buf, 3 * EX_PAGE, UNALIGNED);
	return ret < 0 ? -errno : ret == 3 * EX_PAGE ? 0 : -ENOSPC;
}

static int do_write_hole(struct place *p)
{
	make_new(p, 1, HOLE_PAGE * EX_PAGE, EX_PAGE);
	return result(pwrite(p->fd[1], p->buf, EX_PAGE, HOLE_PAGE * EX_PAGE));
}

static int do_read(struct place *p)
{
	ssize_t ret = pread(p->fd[0], p->buf, PLACE_SIZE, 0);

	return ret < 0 ? -errno : ret == (ssize_t)PLACE_SIZE ? 0 : -EFAULT;
}

/* Page tables and frames of the mapping go first, so that the store makes both. */
static int do_store(struct place *p)
{
	madvise(p->map[0], PLACE_SIZE, MADV_DONTNEED);
	memset(p->new[0] + EX_PAGE, 0xa5, 8);
	memset(p->map[0] + EX_PAGE, 0xa5, 8);
	return 0;
}

static int do_store_hole(struct place *p)
{
	memset(p->new[1] + HOLE_PAGE * EX_PAGE, 0xa5, 8);
	memset(p->map[1] + HOLE_PAGE * EX_PAGE, 0xa5, 8);
	return 0;
}

static int do_load_hole(struct place *p)
{
	return *(volatile uint8_t *)(p->map[1] + (PLACE_PAGES - 1) * EX_PAGE) ? -EIO : 0;
}

static int do_punch(struct place *p)
{
	memset(p->new[0] + UNALIGNED, 0, 2 * EX_PAGE);
	return result(fallocate(p->fd[0], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, UNALIGNED,
				2 * EX_PAGE));
}

static int do_allocate(struct place *p)
{
	return result(fallocate(p->fd[1], 0, 0, PLACE_SIZE));
}

static int do_truncate(struct place *p)
{
	int ret = result(ftruncate(p->fd[0], EX_PAGE + UNALIGNED));

	if (!ret)
		memset(p->new[0] + EX_PAGE + UNALIGNED, 0, PLACE_SIZE - EX_PAGE - UNALIGNED);
	return ret;
}

static int do_clone(struct place *p)
{
	memcpy(p->new[1], p->old[0], PLACE_SIZE);
	return ex_clone(p->fd[1], p->fd[0]);
}

static int do_clone_range(struct place *p)
{
	struct file_clone_range range = { p->fd[0], 0, 3 * EX_PAGE, 6 * EX_PAGE };

	memcpy(p->new[1] + 6 * EX_PAGE, p->old[0], 3 * EX_PAGE);
	return result(ioctl(p->fd[1], FICLONERANGE, &range));
}

static int do_copy(struct place *p)
{
	off_t in = 0, out = 6 * EX_PAGE + UNALIGNED;
	ssize_t ret;

	memcpy(p->new[1] + out, p->old[0], 3 * EX_PAGE);
	ret = copy_file_range(p->fd[0], &in, p->fd[1], &out, 3 * EX_PAGE, 0);
	return ret < 0 ? -errno : ret == 3 * EX_PAGE ? 0 : -ENOSPC;
}

static int do_dedupe(struct place *p)
{
	struct {
		struct file_dedupe_range range;
		struct file_dedupe_range_info info;
	} arg = { .range = { HOLE_PAGE * EX_PAGE, EX_PAGE, 1 } };

	arg.info.dest_fd = p->fd[1];
	arg.info.dest_offset = HOLE_PAGE * EX_PAGE;
	if (ioctl(p->fd[0], FIDEDUPERANGE, &arg))
		return -errno;
	return arg.info.status < 0 ? arg.info.status : 0;
}

static int do_policy(struct place *p)
{
	struct vellumfs_policy policy = { .merge = VELLUMFS_MERGE_OFF };
	struct vellumfs_range all = { 0 };
	int ret;

	ret = result(ioctl(p->fd[0], VELLUMFS_SET_POLICY, &policy));
	if (!ret)
		ret = result(ioctl(p->fd[0], VELLUMFS_UNMERGE, &all));
	if (ret)
		return ret;
	policy.merge = VELLUMFS_MERGE_ON;
	policy.flags = VELLUMFS_POLICY_DOMAIN;
	snprintf(policy.domain, sizeof(policy.domain), "round%u", p->round);
	return result(ioctl(p->fd[0], VELLUMFS_SET_POLICY, &policy));
}

/* Back to the domain of the other file, which cannot be named: by a new file in its place */
static void undo_policy(struct place *p)
{
	char path[96];

	munmap(p->map[0], PLACE_SIZE);
	close(p->fd[0]);
	snprintf(path, sizeof(path), "%s/%s", p->m->dir, names[0]);
	unlink(path);
	p->fd[0] = ex_open(p->m->dir, names[0], O_RDWR | O_CREAT);
	if (ftruncate(p->fd[0], PLACE_SIZE))
		ex_die("ftruncate: %s", strerror(errno));
	p->map[0] = mmap(NULL, PLACE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, p->fd[0], 0);
}

static int do_unmerge(struct place *p)
{
	struct vellumfs_range all = { 0 };

	return result(ioctl(p->fd[1], VELLUMFS_UNMERGE, &all));
}

static int do_file(struct place *p)
{
	struct vellumfs_create create = {
		.size = PLACE_SIZE, .flags = VELLUMFS_CREATE_CLOEXEC, .merge = VELLUMFS_MERGE_ON,
		.name = "faults", .domain = "faults",
	};
	int fd = ioctl(p->dev, VELLUMFS_CREATE, &create);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* A file of its own, since those of the place are smaller. */
static int do_chunk(struct place *p)
{
	struct vellumfs_create create = {
		.size = CHUNK_SIZE, .flags = VELLUMFS_CREATE_CLOEXEC | VELLUMFS_CREATE_HUGE,
		.merge = VELLUMFS_MERGE_ON,
	};

	p->chunk_fd = ioctl(p->dev, VELLUMFS_CREATE, &create);
	if (p->chunk_fd < 0)
		return -errno;
	p->chunk = mmap(NULL, CHUNK_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, p->chunk_fd, 0);
	if (p->chunk == MAP_FAILED)
		return -errno;
	p->chunk[EX_PAGE] = 1;
	return p->chunk[EX_PAGE] == 1 && !p->chunk[0] && !p->chunk[CHUNK_SIZE - 1] ? 0 : -EIO;
}

static void undo_chunk(struct place *p)
{
	if (p->chunk && p->chunk != MAP_FAILED)
		munmap(p->chunk, CHUNK_SIZE);
	if (p->chunk_fd >= 0)
		close(p->chunk_fd);
	p->chunk = NULL;
	p->chunk_fd = -1;
}

const struct site sites[] = {
	{ "creating a file", do_create, undo_name },
	{ "creating one without a name", do_unnamed, NULL },
	{ "mkdir", do_mkdir, undo_name },
	{ "symlink", do_symlink, undo_name },
	{ "link", do_link, undo_name },
	{ "listing", do_list, NULL },
	{ "pwrite", do_write, NULL },
	{ "pwrite into a hole", do_write_hole, NULL },
	{ "pread", do_read, NULL },
	{ "a store", do_store, NULL },
	{ "a store into a hole", do_store_hole, NULL },
	{ "a load from a hole", do_load_hole, NULL },
	{ "punching a hole", do_punch, NULL },
	{ "fallocate", do_allocate, NULL },
	{ "truncate", do_truncate, NULL },
	{ "FICLONE", do_clone, NULL },
	{ "FICLONERANGE", do_clone_range, NULL },
	{ "copy_file_range", do_copy, NULL },
	{ "FIDEDUPERANGE", do_dedupe, NULL },
	{ "VELLUMFS_SET_POLICY", do_policy, undo_policy },
	{ "VELLUMFS_UNMERGE", do_unmerge, NULL },
	{ "VELLUMFS_CREATE", do_file, NULL },
	{ "a store into a hole of 2 MiB", do_chunk, undo_chunk },
	{ NULL, NULL, NULL },
};

/* Makes the allocations of threads whose names begin so fail, or no more; whether there was one */
bool faults_on_thread(const char *comm, bool on)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char path[300], name[32];
	bool found = false;
	FILE *f;

	while (proc && (entry = readdir(proc))) {
		if (!atoi(entry->d_name))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (!fgets(name, sizeof(name), f) || strncmp(name, comm, strlen(comm)))
			name[0] = '\0';
		fclose(f);
		snprintf(path, sizeof(path), "/proc/%s/make-it-fail", entry->d_name);
		f = name[0] ? fopen(path, "w") : NULL;
		if (f)
			found |= fprintf(f, "%d", on) > 0 && !fclose(f);
	}
	if (proc)
		closedir(proc);
	return found;
}
