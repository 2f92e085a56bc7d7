// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the borders between domains: equal pages of two domains, owners, mounts or policies never
 * have a frame in common, whatever was merged, cloned or deduplicated. Frames are told by their
 * numbers in /proc/self/pagemap. Inside a domain they must be shared, or nothing was tested.
 * Measures too what a write takes to a page that is merged, alone, or equal to another domain's.
 *
 * DOMAINS_MS (20000): how long to wait for the scanner.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/vellumfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <x86intrin.h>

#include "ex.h"
#include "kselftest.h"
#include "words.h"

#define PAGES		64UL
#define SIZE		(PAGES * EX_PAGE)
#define SAMPLES		512UL
#define PFN_PRESENT	0x8000000000000000ULL
#define PFN_MASK	((1ULL << 55) - 1)
#define PASSES		3

/**
 * struct area - a mapped file
 * @fd: the file
 * @map: of @pages pages
 * @pfns: their frames, by see()
 */
struct area {
	int fd;
	uint8_t *map;
	unsigned long pages;
	uint64_t pfns[SAMPLES];
};

static int pagemap;

static void area_make(struct area *a, const struct ex_mount *m, const char *name,
		      unsigned long pages)
{
	a->fd = ex_open(m->dir, name, O_RDWR | O_CREAT | O_EXCL);
	a->pages = pages;
	if (ftruncate(a->fd, pages * EX_PAGE))
		ex_die("ftruncate: %s", strerror(errno));
	a->map = mmap(NULL, pages * EX_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, a->fd, 0);
	if (a->map == MAP_FAILED)
		ex_die("mmap: %s", strerror(errno));
}

static void area_free(struct area *a, const struct ex_mount *m, const char *name)
{
	char path[160];

	munmap(a->map, a->pages * EX_PAGE);
	close(a->fd);
	snprintf(path, sizeof(path), "%s/%s", m->dir, name);
	unlink(path);
}

/* Every page says the same: @key */
static void fill(struct area *a, unsigned int key)
{
	unsigned long i, word;

	for (i = 0; i < a->pages; i++)
		for (word = 0; word < WORDS; word++)
			((uint64_t *)(a->map + i * EX_PAGE))[word] =
				word_make(WORD_COMMON, key, 0, word);
}

static void fill_own(struct area *a, unsigned int file)
{
	unsigned long i, word;

	for (i = 0; i < a->pages; i++)
		for (word = 0; word < WORDS; word++)
			((uint64_t *)(a->map + i * EX_PAGE))[word] =
				word_make(file, i, 0, word);
}

/* Which frames the pages have now. Reading maps those that are not. */
static void see(struct area *a)
{
	uint64_t entry;
	unsigned long i;

	for (i = 0; i < a->pages; i++) {
		(void)*(volatile uint8_t *)(a->map + i * EX_PAGE);
		if (pread(pagemap, &entry, sizeof(entry),
			  ((uintptr_t)a->map / EX_PAGE + i) * sizeof(entry)) != sizeof(entry))
			ex_die("pagemap: %s", strerror(errno));
		if (!(entry & PFN_PRESENT) || !(entry & PFN_MASK))
			ex_die("page %lu has no frame: %#lx", i, (unsigned long)entry);
		a->pfns[i] = entry & PFN_MASK;
	}
}

static unsigned long different(const struct area *a)
{
	unsigned long i, j, n = 0;

	for (i = 0; i < a->pages; i++) {
		for (j = 0; j < i && a->pfns[j] != a->pfns[i]; j++)
			;
		n += j == i;
	}
	return n;
}

static bool in_common(const struct area *a, const struct area *b)
{
	unsigned long i, j;

	for (i = 0; i < a->pages; i++)
		for (j = 0; j < b->pages; j++)
			if (a->pfns[i] == b->pfns[j])
				return true;
	return false;
}

/* Until a few passes are over, and they took something */
static void wait_passes(void)
{
	long start = ex_counter("full_scans");
	uint64_t end = ex_now_ms() + ex_env("DOMAINS_MS", 20000);
	int asked;

	for (asked = 0; asked < PASSES && ex_now_ms() < end; asked++) {
		ex_set("run", "1");
		while (ex_counter("full_scans") <= start + asked && ex_now_ms() < end)
			ex_sleep_ms(10);
	}
	ex_sleep_ms(100);
}

static void set_policy(int fd, unsigned int merge, const char *domain)
{
	struct vellumfs_policy policy = { .merge = merge };

	if (domain) {
		policy.flags = VELLUMFS_POLICY_DOMAIN;
		snprintf(policy.domain, sizeof(policy.domain), "%s", domain);
	}
	if (ioctl(fd, VELLUMFS_SET_POLICY, &policy))
		ex_die("VELLUMFS_SET_POLICY: %s", strerror(errno));
}

/* Two areas with the same contents; whether they come to share frames is @want. */
static void compare(const char *title, struct area *a, struct area *b, bool want, bool inside)
{
	bool common;

	wait_passes();
	see(a);
	see(b);
	common = in_common(a, b);
	printf("# %s: %lu and %lu frames for %lu pages each\n", title, different(a), different(b),
	       a->pages);
	ksft_test_result(common == want, "%s: %s\n", title,
			 want ? "frames are shared" : "no frame is in both");
	if (inside)
		ksft_test_result(different(a) < a->pages && different(b) < b->pages,
				 "%s: inside each there is sharing\n", title);
}

static void two_mounts(const char *title, const char *options_a, const char *options_b, bool want)
{
	struct ex_mount m, n;
	struct area a, b;

	ex_mount(&m, "a", options_a);
	ex_mount(&n, "b", options_b);
	area_make(&a, &m, "x", PAGES);
	area_make(&b, &n, "x", PAGES);
	fill(&a, 1);
	fill(&b, 1);
	compare(title, &a, &b, want, true);
	area_free(&a, &m, "x");
	area_free(&b, &n, "x");
	ksft_test_result(ex_umount(&m) && ex_umount(&n) && ex_nothing_left(),
			 "%s: unmounting returns every page\n", title);
}

static void two_owners(const struct ex_mount *m)
{
	struct area a, b;

	area_make(&a, m, "x", PAGES);
	if (seteuid(1000))
		ex_die("seteuid: %s", strerror(errno));
	area_make(&b, m, "y", PAGES);
	if (seteuid(0))
		ex_die("seteuid: %s", strerror(errno));
	fill(&a, 2);
	fill(&b, 2);
	compare("two owners", &a, &b, false, true);
	area_free(&a, m, "x");
	area_free(&b, m, "y");
}

/* A clone of a file into another domain is a copy; a deduplication leaves the pages alone. */
static void across_by_ioctl(const struct ex_mount *m)
{
	struct {
		struct file_dedupe_range range;
		struct file_dedupe_range_info info;
	} arg = { .range = { .src_length = SIZE, .dest_count = 1 } };
	struct area a, b;
	int ret;

	area_make(&a, m, "x", PAGES);
	area_make(&b, m, "y", PAGES);
	set_policy(b.fd, VELLUMFS_MERGE_ON, "elsewhere");
	fill_own(&a, 3);
	ret = ex_clone(b.fd, a.fd);
	printf("# a clone into another domain: %s\n", ret ? strerror(-ret) : "done");
	if (ret)
		memcpy(b.map, a.map, SIZE);
	compare("a clone into another domain", &a, &b, false, false);
	arg.info.dest_fd = b.fd;
	ret = ioctl(a.fd, FIDEDUPERANGE, &arg);
	printf("# a deduplication with another domain: %s\n",
	       ret ? strerror(errno) : arg.info.status < 0 ? strerror(-arg.info.status) :
	       arg.info.status ? "differs" : "done");
	compare("a deduplication with another domain", &a, &b, false, false);
	ksft_test_result(!memcmp(a.map, b.map, SIZE), "both are what they were\n");
	area_free(&a, m, "x");
	area_free(&b, m, "y");
}

static void policies(const struct ex_mount *m)
{
	static const struct {
		const char *title;
		unsigned int merge;
	} cases[] = {
		{ "policy off", VELLUMFS_MERGE_OFF },
		{ "policy zero", VELLUMFS_MERGE_ZERO },
	};
	struct area a, b;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		area_make(&a, m, "x", PAGES);
		area_make(&b, m, "y", PAGES);
		set_policy(b.fd, cases[i].merge, NULL);
		fill(&a, 4);
		fill(&b, 4);
		compare(cases[i].title, &a, &b, false, false);
		ksft_test_result(different(&b) == PAGES, "%s: every page has its own frame\n",
				 cases[i].title);
		area_free(&a, m, "x");
		area_free(&b, m, "y");
	}
}

/* The ticks of a write to each page of an area that was read before, on average */
static uint64_t time_writes(struct area *a)
{
	uint64_t begin, ticks = 0;
	unsigned long i;

	see(a);
	for (i = 0; i < a->pages; i++) {
		volatile uint64_t *word = (uint64_t *)(a->map + i * EX_PAGE);

		begin = __rdtsc();
		*word = ~0ULL;
		ticks += __rdtsc() - begin;
	}
	return ticks / a->pages;
}

/*
 * What a tenant can learn by timing its writes. Equal to another domain's pages must not differ
 * from equal to nobody's. The figures are for Documentation/vellumfs.md; no limit is set to them,
 * since emulated time is not worth one.
 */
static void timing(void)
{
	struct area merged, alone, elsewhere, other;
	struct ex_mount m, n;

	ex_mount(&m, "a", "size=64M,domain=a");
	ex_mount(&n, "b", "size=64M,domain=b");
	area_make(&merged, &m, "merged", SAMPLES);
	area_make(&alone, &m, "alone", SAMPLES);
	area_make(&elsewhere, &m, "elsewhere", SAMPLES);
	area_make(&other, &n, "other", SAMPLES);
	fill(&merged, 5);
	fill_own(&alone, 6);
	fill_own(&elsewhere, 7);
	fill_own(&other, 7);
	wait_passes();
	ex_set("run", "0");
	ex_sleep_ms(100);
	printf("# ticks of a write: merged %lu\n", (unsigned long)time_writes(&merged));
	printf("# ticks of a write: alone, equal to nobody's %lu\n",
	       (unsigned long)time_writes(&alone));
	printf("# ticks of a write: alone, equal to another domain's %lu\n",
	       (unsigned long)time_writes(&elsewhere));
	ksft_test_result(different(&merged) < SAMPLES && different(&alone) == SAMPLES &&
			 different(&elsewhere) == SAMPLES && !in_common(&elsewhere, &other),
			 "what was timed was merged or alone\n");
	printf("# ticks of a write: written before %lu\n", (unsigned long)time_writes(&alone));
	ex_set("run", "1");
	area_free(&merged, &m, "merged");
	area_free(&alone, &m, "alone");
	area_free(&elsewhere, &m, "elsewhere");
	area_free(&other, &n, "other");
	ksft_test_result(ex_umount(&m) && ex_umount(&n), "unmounting after it\n");
}

int main(void)
{
	struct ex_mount m;

	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	if (!ex_ours())
		ksft_exit_skip("only vellumfs has domains\n");
	ksft_set_plan(26);
	ex_load();
	ex_hurry();
	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (pagemap < 0)
		ex_die("pagemap: %s", strerror(errno));
	two_mounts("two domains", "size=8M,domain=a", "size=8M,domain=b", false);
	two_mounts("one domain", "size=8M,domain=a", "size=8M,domain=a", true);
	two_mounts("a mount's own domain", "size=8M", "size=8M", false);
	two_mounts("a mount's own domain and a named", "size=8M", "size=8M,domain=a", false);
	ex_mount(&m, "own", "size=16M,mode=1777");
	two_owners(&m);
	across_by_ioctl(&m);
	policies(&m);
	ksft_test_result(ex_is_empty_again(&m) && ex_umount(&m), "all is given back\n");
	timing();
	ksft_test_result(ex_nothing_left(), "nothing is left\n");
	ksft_test_result(ex_unload(), "the module unloads\n");
	ksft_finished();
}
