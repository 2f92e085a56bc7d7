// SPDX-License-Identifier: GPL-2.0-only
/* Many files, and a long one. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stress.h"

#define FILES		1000
#define PAGES		8UL
#define SPARSE_SIZE	(100 * EX_GIB)
#define SPOTS		200UL
#define SPOT_STEP	(SPARSE_SIZE / SPOTS)
/* Index pages of a sparse file count too, but not many for each page with data. */
#define SPOT_PAGES_MAX	5

static void file_name(char *text, size_t size, unsigned int file)
{
	snprintf(text, size, "file%u", file);
}

static bool make_file(const struct ex_mount *m, unsigned int file)
{
	uint8_t page[EX_PAGE];
	unsigned long i;
	char name[24];
	int fd;

	file_name(name, sizeof(name), file);
	fd = ex_open(m->dir, name, O_RDWR | O_CREAT | O_EXCL);
	for (i = 0; i < PAGES; i++) {
		stress_fill(page, file, i);
		if (pwrite(fd, page, EX_PAGE, i * EX_PAGE) != (ssize_t)EX_PAGE)
			return stress_wrong("file %u: %s", file, strerror(errno));
	}
	close(fd);
	return true;
}

static bool check_file(const struct ex_mount *m, unsigned int file)
{
	bool good = true;
	unsigned long i;
	uint8_t *map;
	char name[24];
	int fd;

	file_name(name, sizeof(name), file);
	fd = ex_open(m->dir, name, O_RDWR);
	map = mmap(NULL, PAGES * EX_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return stress_wrong("mmap: %s", strerror(errno));
	for (i = 0; i < PAGES && good; i++)
		good = stress_same(map + i * EX_PAGE, file, i, "1,000 files");
	munmap(map, PAGES * EX_PAGE);
	return good;
}

static bool rewrite_page(const struct ex_mount *m, unsigned int file)
{
	uint8_t page[EX_PAGE];
	char name[24];
	int fd;

	file_name(name, sizeof(name), file);
	fd = ex_open(m->dir, name, O_RDWR);
	stress_fill(page, file, file % PAGES);
	if (pwrite(fd, page, EX_PAGE, file % PAGES * EX_PAGE) != (ssize_t)EX_PAGE)
		return stress_wrong("rewriting file %u: %s", file, strerror(errno));
	close(fd);
	return true;
}

/* Made, given time to merge, read, written, read again. */
bool stress_thousand(const struct ex_mount *m)
{
	bool good = true;
	char name[24];
	unsigned int i;

	for (i = 0; i < FILES && good; i++)
		good = make_file(m, i);
	ex_sleep_ms(1000);
	for (i = 0; i < FILES && good; i++)
		good = check_file(m, i) && rewrite_page(m, i);
	for (i = 0; i < FILES && good; i++)
		good = check_file(m, i);
	printf("# %ld pages are sharing\n", ex_counter("pages_sharing"));
	for (i = 0; i < FILES; i++) {
		file_name(name, sizeof(name), i);
		stress_remove(m, name);
	}
	return good;
}

/* The last page and one every half a GiB; each at another place within its step */
static uint64_t spot(unsigned long i)
{
	if (i == SPOTS - 1)
		return SPARSE_SIZE - EX_PAGE;
	return i * SPOT_STEP + (i * 7919 % 1000) * EX_PAGE;
}

static bool sparse_write(int fd)
{
	uint8_t page[EX_PAGE];
	unsigned long i;

	for (i = 0; i < SPOTS; i++) {
		stress_fill(page, 1, i * 4);
		if (pwrite(fd, page, EX_PAGE, spot(i)) != (ssize_t)EX_PAGE)
			return stress_wrong("spot %lu: %s", i, strerror(errno));
	}
	return true;
}

/* SEEK_DATA leads from spot to spot, and what lies between reads as zero. */
static bool sparse_check(int fd, unsigned long first, const char *what)
{
	uint8_t page[EX_PAGE], zero[EX_PAGE] = { 0 };
	unsigned long i;
	off_t at = 0;

	for (i = first; i < SPOTS; i++) {
		at = lseek(fd, at, SEEK_DATA);
		if (at != (off_t)spot(i))
			return stress_wrong("%s: SEEK_DATA finds %#lx, not %#lx", what, (long)at,
					    (long)spot(i));
		if (pread(fd, page, EX_PAGE, at) != (ssize_t)EX_PAGE ||
		    !stress_same(page, 1, i * 4, what))
			return false;
		at = lseek(fd, at, SEEK_HOLE);
		if (at != (off_t)(spot(i) + EX_PAGE))
			return stress_wrong("%s: SEEK_HOLE finds %#lx", what, (long)at);
		if (i < SPOTS - 1 && (pread(fd, page, EX_PAGE, at) != (ssize_t)EX_PAGE ||
				      memcmp(page, zero, EX_PAGE)))
			return stress_wrong("%s: a hole is not zero", what);
	}
	return true;
}

static bool sparse_file(const struct ex_mount *m, int fd)
{
	uint64_t used;
	int clone;

	if (ftruncate(fd, SPARSE_SIZE))
		return stress_wrong("ftruncate: %s", strerror(errno));
	if (!sparse_write(fd) || !sparse_check(fd, 0, "100 GiB"))
		return false;
	used = stress_used_pages(m) - m->blocks_used;
	if (used > SPOTS * SPOT_PAGES_MAX)
		return stress_wrong("%lu pages are used for %lu", (unsigned long)used, SPOTS);
	if (ex_can_clone(m)) {
		clone = ex_open(m->dir, "clone", O_RDWR | O_CREAT);
		errno = -ex_clone(clone, fd);
		if (errno)
			return stress_wrong("clone: %s", strerror(errno));
		if (!sparse_check(clone, 0, "a clone of 100 GiB"))
			return false;
		close(clone);
	}
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SPARSE_SIZE / 2))
		return stress_wrong("punch: %s", strerror(errno));
	return sparse_check(fd, SPOTS / 2, "50 GiB");
}

bool stress_sparse(const struct ex_mount *m)
{
	int fd = ex_open(m->dir, "sparse", O_RDWR | O_CREAT);
	bool good = sparse_file(m, fd);

	close(fd);
	stress_remove(m, "sparse");
	stress_remove(m, "clone");
	return good;
}
