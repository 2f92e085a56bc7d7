// SPDX-License-Identifier: GPL-2.0-only
/*
 * Merging of 64 MiB by vellumfs or by stock KSM: CPU ticks of the scanning thread until all that is
 * equal is shared, its ticks for a pass over memory nobody touches, the ticks of a write to a page
 * that is shared, and the bytes that describe a page. The memory: a quarter zero, half in 512
 * groups of 16 equal pages, a quarter unique.
 *
 * usage: merge_bench ours DIR | merge_bench peer     (DIR: a vellumfs)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#include "scanner.h"

#define PAGE		4096UL
#define PAGES		16384UL
#define ZERO_PAGES	(PAGES / 4)
#define GROUPS		512UL
#define GROUP_PAGES	(PAGES / 2)
/* Less one page each for the 512 groups and the 16 that KSM keeps of the zero page */
#define SAVED		(ZERO_PAGES + GROUP_PAGES - GROUPS - 16)
#define WRITES		2048UL
#define PASSES		4
#define CONVERGE_MS	600000
#define IDLE_MS		2000

static const struct scanner *scan;

/* A word that no other page has at that place */
static void fill_page(uint64_t *page, uint64_t key)
{
	unsigned int i;

	for (i = 0; i < PAGE / sizeof(*page); i++)
		page[i] = (key << 16 | i) * 0x9e3779b97f4a7c15ULL;
}

/* Kinds are interleaved, as guests have them. */
static void fill(uint8_t *mem)
{
	unsigned long i, group = 0;

	for (i = 0; i < PAGES; i++) {
		uint64_t *page = (uint64_t *)(mem + i * PAGE);

		switch (i % 4) {
		case 0:
			memset(page, 0, PAGE);
			break;
		case 1:
			fill_page(page, PAGES + i);
			break;
		default:
			fill_page(page, 1 + group++ % GROUPS);
		}
	}
}

static void *map_memory(const char *dir)
{
	void *mem;
	int fd;

	if (!dir) {
		mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
		if (mem == MAP_FAILED || madvise(mem, PAGES * PAGE, MADV_NOHUGEPAGE) ||
		    madvise(mem, PAGES * PAGE, MADV_MERGEABLE))
			scanner_die("mergeable memory: %s", strerror(errno));
		return mem;
	}
	fd = open(dir, O_TMPFILE | O_RDWR, 0600);
	if (fd < 0 || ftruncate(fd, PAGES * PAGE))
		scanner_die("%s: %s", dir, strerror(errno));
	mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		scanner_die("mmap: %s", strerror(errno));
	return mem;
}

static void measure_converging(void)
{
	uint64_t end = scanner_now_ms() + CONVERGE_MS, before = scanner_ticks(scan);

	scanner_set(scan, "run", 1);
	while (scanner_saved(scan) < (long)SAVED) {
		if (scanner_now_ms() > end)
			scanner_die("%ld of %lu pages are saved after %d s", scanner_saved(scan),
				    SAVED, CONVERGE_MS / 1000);
		scanner_sleep_ms(5);
	}
	printf("merge.converge %lu\n", (unsigned long)(scanner_ticks(scan) - before));
}

/* A few passes, each waited for; ours must be asked for one, since it sleeps for good. */
static uint64_t ticks_of_passes(void)
{
	uint64_t before = scanner_ticks(scan), end = scanner_now_ms() + CONVERGE_MS;
	long pass;
	int i;

	for (i = 0; i < PASSES; i++) {
		pass = scanner_get(scan, "full_scans");
		scanner_set(scan, "run", 1);
		while (scanner_get(scan, "full_scans") == pass) {
			if (scanner_now_ms() > end)
				scanner_die("no pass ends");
			scanner_sleep_ms(5);
		}
	}
	return scanner_ticks(scan) - before;
}

/* Ours may not hide work outside of passes either: its time while nothing is asked is added. */
static void measure_passes(void)
{
	uint64_t ticks, unasked = 0, before;

	/* What the converging left to do */
	ticks_of_passes();
	if (scan->sleeps) {
		before = scanner_ticks(scan);
		scanner_sleep_ms(IDLE_MS);
		unasked = scanner_ticks(scan) - before;
	}
	ticks = ticks_of_passes() / PASSES + unasked;
	printf("merge.idle_pass %lu\n", (unsigned long)ticks);
}

/* The group pages, each read first: so it is mapped, and the fault is the write's. */
static void measure_writes(uint8_t *mem)
{
	unsigned long i, n = 0;
	uint64_t ticks = 0, begin;
	volatile uint8_t *page;

	scanner_set(scan, "run", 0);
	scanner_sleep_ms(200);
	for (i = 0; i < PAGES; i++)
		(void)*(volatile uint8_t *)(mem + i * PAGE);
	for (i = 2; n < WRITES; i += 4, n++) {
		page = mem + i * PAGE;
		begin = __rdtsc();
		*page = 1;
		ticks += __rdtsc() - begin;
	}
	printf("merge.write_fault %lu\n", (unsigned long)(ticks / WRITES));
}

static void tell_memory(void)
{
	printf("merge.metadata %ld bytes\n", scanner_metadata(scan) / (long)PAGES);
}

static void check_contents(const uint8_t *mem)
{
	static uint64_t page[PAGE / sizeof(uint64_t)];
	unsigned long i, group = 0;

	for (i = 0; i < PAGES; i++) {
		memset(page, 0, PAGE);
		if (i % 4 == 1)
			fill_page(page, PAGES + i);
		else if (i % 4)
			fill_page(page, 1 + group++ % GROUPS);
		if (memcmp(page, mem + i * PAGE, PAGE))
			scanner_die("page %lu is wrong", i);
	}
}

int main(int argc, char **argv)
{
	const char *dir = argc == 3 ? argv[2] : NULL;
	uint8_t *mem;

	if (argc < 2 || (strcmp(argv[1], "peer") && !dir)) {
		fprintf(stderr, "usage: merge_bench ours DIR | merge_bench peer\n");
		return 2;
	}
	scan = scanner_open(!dir);
	scanner_set(scan, "run", 0);
	mem = map_memory(dir);
	fill(mem);
	measure_converging();
	check_contents(mem);
	tell_memory();
	measure_passes();
	measure_writes(mem);
	return 0;
}
