// SPDX-License-Identifier: GPL-2.0-only
/*
 * Snapshots of a file that is written meanwhile. A writer puts the same growing number into each
 * page in turn, so at any point in time the numbers fall by one somewhere and nowhere else. A clone
 * that is not of one point in time has numbers that rise, or that fall twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "checker.h"

#define CUT_PAGES	64UL
#define CUT_SIZE	(CUT_PAGES * EX_PAGE)

static void cut_wrong(struct model *m, const char *what)
{
	printf("# FAILED: a snapshot: %s\n", what);
	m->stop = 1;
	fflush(stdout);
	_exit(1);
}

static uint64_t *map_file(int fd)
{
	void *map = mmap(NULL, CUT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		ex_die("mmap: %s", strerror(errno));
	return map;
}

static uint64_t volatile *number_of(uint64_t *map, unsigned long page)
{
	return (uint64_t volatile *)map + page * (EX_PAGE / sizeof(*map));
}

static void cut_writer(struct model *m, int fd)
{
	uint64_t *map = map_file(fd), number;
	unsigned long page;

	for (number = 1; !m->stop; number++)
		for (page = 0; page < CUT_PAGES; page++)
			*number_of(map, page) = number;
	_exit(0);
}

static void cut_check(struct model *m, uint64_t *map, const char *when)
{
	uint64_t first = *number_of(map, 0), before = first, now;
	char text[128];
	unsigned long page;

	for (page = 1; page < CUT_PAGES; page++, before = now) {
		now = *number_of(map, page);
		if (now <= before && first - now <= 1)
			continue;
		snprintf(text, sizeof(text), "%s: page 0 has %lu, page %lu has %lu, page %lu %lu",
			 when, (unsigned long)first, page - 1, (unsigned long)before, page,
			 (unsigned long)now);
		cut_wrong(m, text);
	}
}

/* The clone stays as it was, and what is written to it is not seen in the file. */
static void cut_once(struct model *m, const char *dir, int from)
{
	int to = ex_open(dir, "", O_RDWR | O_TMPFILE);
	uint64_t *map, last;
	int ret;

	ret = ex_clone(to, from);
	if (ret)
		cut_wrong(m, strerror(-ret));
	map = map_file(to);
	cut_check(m, map, "at first");
	last = *number_of(map, CUT_PAGES - 1);
	ex_sleep_ms(5);
	cut_check(m, map, "later");
	if (*number_of(map, CUT_PAGES - 1) != last)
		cut_wrong(m, "it changed");
	*number_of(map, 0) = ~0ULL;
	munmap(map, CUT_SIZE);
	close(to);
}

static void cut_cloner(struct model *m, const char *dir, int from)
{
	uint64_t *map = map_file(from);

	while (!m->stop) {
		cut_once(m, dir, from);
		if (*number_of(map, 0) == ~0ULL)
			cut_wrong(m, "it wrote to its parent");
		__atomic_fetch_add(&m->ops, 1, __ATOMIC_RELAXED);
	}
	_exit(0);
}

/* A writer and a process that takes snapshots of its file */
void cut_start(const struct ex_mount *mount, struct model *m)
{
	int fd = ex_open(mount->dir, "", O_RDWR | O_TMPFILE);

	if (ftruncate(fd, CUT_SIZE))
		ex_die("ftruncate: %s", strerror(errno));
	if (!fork())
		cut_writer(m, fd);
	if (!fork())
		cut_cloner(m, mount->dir, fd);
	close(fd);
}
