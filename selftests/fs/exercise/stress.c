// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards names, limits and lifetimes: many processes that create, link, rename and remove, some of
 * them killed; 1,000 files; a file of 100 GiB; a full filesystem in the middle of a write, a fault
 * and a clone; unmounting and unloading what is in use; a process that its memory cgroup kills.
 * After each, all pages are back, and the filesystem can be unmounted.
 *
 * STRESS_SECONDS (10) of the swarm, STRESS_PROCS (8), STRESS_SEED (1), EX_FS (vellumfs).
 */
#include "stress.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "kselftest.h"
#include "words.h"

static const struct scenario scenarios[] = {
	{ "names", "size=64M,nr_inodes=4000", stress_swarm },
	{ "1,000 files", "size=64M", stress_thousand },
	{ "a file of 100 GiB", "size=64M", stress_sparse },
	{ "no space for a write", "size=4M", stress_full_write },
	{ "no space for a fault", "size=4M", stress_full_fault },
	{ "no space for a clone", "size=4M", stress_full_clone },
	{ "no space for names", "size=4M,nr_inodes=50", stress_full_names },
	{ "in use", "size=4M", stress_busy },
	{ "killed for memory", "size=256M", stress_oom },
};

#define SCENARIOS	(sizeof(scenarios) / sizeof(scenarios[0]))

bool stress_wrong(const char *fmt, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	return false;
}

/* Pages of which every fourth is its own and the others are shared widely */
static void contents(uint64_t *page, unsigned int file, unsigned long index)
{
	struct ex_rng rng = { file << 20 | (index & 0xfffff) };
	unsigned int i;

	if (index % 4 == 0) {
		for (i = 0; i < WORDS; i++)
			page[i] = word_make(file % WORD_FILES, index, file, i);
		return;
	}
	words_fill(page, file % WORD_FILES, index, file, &rng);
}

void stress_fill(void *page, unsigned int file, unsigned long index)
{
	contents(page, file, index);
}

bool stress_same(const void *page, unsigned int file, unsigned long index, const char *where)
{
	uint64_t expected[WORDS];
	char text[96];

	contents(expected, file, index);
	snprintf(text, sizeof(text), "%s: file %u page %lu", where, file, index);
	return words_compare(page, expected, EX_PAGE, 0, text);
}

void stress_remove(const struct ex_mount *m, const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", m->dir, name);
	unlink(path);
}

uint64_t stress_used_pages(const struct ex_mount *m)
{
	struct statfs fs;

	if (statfs(m->dir, &fs))
		return ~0ULL;
	return fs.f_blocks - fs.f_bfree;
}

int main(void)
{
	const char *only = getenv("STRESS_ONLY");
	struct ex_mount m;
	unsigned int i;
	bool good;

	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	ksft_set_plan(2 * SCENARIOS + 1);
	ex_load();
	ex_hurry();
	for (i = 0; i < SCENARIOS; i++) {
		if (only && !strstr(scenarios[i].name, only)) {
			ksft_test_result_skip("%s\n", scenarios[i].name);
			ksft_test_result_skip("%s\n", scenarios[i].name);
			continue;
		}
		ex_mount(&m, "stress", scenarios[i].options);
		good = scenarios[i].run(&m);
		ksft_test_result(good, "%s\n", scenarios[i].name);
		good = ex_is_empty_again(&m);
		good &= ex_umount(&m);
		good &= ex_nothing_left();
		ksft_test_result(good, "%s: every page is back\n", scenarios[i].name);
	}
	ksft_test_result(ex_unload(), "the module unloads\n");
	ksft_finished();
}
