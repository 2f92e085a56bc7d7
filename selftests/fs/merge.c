// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards merging: zero and equal pages merge, in and across files of a domain,
 * and nothing else does; writes break the sharing of one page; policies and domains
 * hold; idle memory is not looked at again; unmerging gives every page its own
 * frame; counters agree with what was made; closing returns every page.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/ioctl.h>
#include "kselftest_harness.h"
#include "mnt.h"

#define PAGES	64

FIXTURE(merge) {
	char *path;
	int fd, fd2;
	unsigned char *map, *map2;
};

FIXTURE_SETUP(merge)
{
	self->path = mnt_make("");
	ASSERT_NE(NULL, self->path);
	merge_stop();
	self->fd = mnt_file(self->path, "a", PAGES, &self->map);
	self->fd2 = mnt_file(self->path, "b", PAGES, &self->map2);
	ASSERT_LE(0, self->fd2);
}

FIXTURE_TEARDOWN(merge)
{
	munmap(self->map, PAGES * PAGE);
	munmap(self->map2, PAGES * PAGE);
	close(self->fd);
	close(self->fd2);
	EXPECT_EQ(0, mnt_drop(self->path));
	EXPECT_TRUE(nothing_left());
	EXPECT_EQ(0, setting("run", "1"));
}

/* A quarter zero, half in pairs across the files, a quarter unique. */
static uint64_t seed_of(int file, int i)
{
	return i % 4 == 0 ? 0 : i % 4 < 3 ? 1000 + i : 5000 * (file + 1) + i;
}

static void fill(unsigned char *map, int file)
{
	int i;

	for (i = 0; i < PAGES; i++)
		page_fill(map + i * PAGE, seed_of(file, i));
}

static int wrong(unsigned char *map, int file)
{
	int i, n = 0;

	for (i = 0; i < PAGES; i++)
		n += !page_is(map + i * PAGE, seed_of(file, i));
	return n;
}

TEST_F(merge, counts)
{
	struct vellumfs_stats s;

	fill(self->map, 0);
	fill(self->map2, 1);
	EXPECT_EQ(2 * PAGES, counter("pages_volatile"));
	ASSERT_TRUE(merge_all());
	EXPECT_EQ(PAGES / 2, counter("pages_shared"));
	EXPECT_EQ(PAGES / 2, counter("pages_sharing"));
	EXPECT_EQ(PAGES / 2, counter("pages_unshared"));
	EXPECT_EQ(PAGES / 2, counter("zero_pages"));
	EXPECT_EQ(PAGES * PAGE, counter("bytes_saved"));
	EXPECT_EQ(counter("bytes_saved") - counter("metadata_bytes"), counter("general_profit"));
	ASSERT_EQ(0, file_stats(self->fd, &s));
	EXPECT_EQ(PAGES, s.pages);
	EXPECT_EQ(PAGES / 4, s.private_pages);
	EXPECT_EQ(PAGES / 2, s.shared_pages);
	EXPECT_EQ(PAGES / 4, s.zero_pages);
	EXPECT_EQ(0, s.volatile_pages);
	EXPECT_EQ(3 * PAGES / 4, s.merged);
	EXPECT_EQ(0, s.broken);
	EXPECT_GE(32 * PAGES, s.metadata_bytes);
	EXPECT_EQ(0, wrong(self->map, 0));
	EXPECT_EQ(0, wrong(self->map2, 1));
}

TEST_F(merge, writes_break)
{
	struct vellumfs_stats s;
	int i;

	fill(self->map, 0);
	fill(self->map2, 1);
	ASSERT_TRUE(merge_all());
	merge_stop();
	for (i = 0; i < PAGES; i++)
		self->map[i * PAGE + 100] ^= 0x55;
	EXPECT_EQ(0, wrong(self->map2, 1));
	EXPECT_EQ(PAGES, wrong(self->map, 0));
	ASSERT_EQ(0, file_stats(self->fd, &s));
	EXPECT_EQ(PAGES, s.private_pages);
	EXPECT_EQ(PAGES, s.volatile_pages);
	EXPECT_EQ(3 * PAGES / 4, s.broken);
	/* By system call as well. */
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(1, pwrite(self->fd2, "!", 1, i * PAGE));
	EXPECT_EQ(0, counter("pages_shared"));
	for (i = 0; i < PAGES; i++) {
		self->map[i * PAGE + 100] ^= 0x55;
		EXPECT_EQ('!', self->map2[i * PAGE]);
	}
	EXPECT_EQ(0, wrong(self->map, 0));
}

TEST_F(merge, pages_of_write_merge_too)
{
	unsigned char page[PAGE];
	int i;

	page_fill(page, 42);
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(PAGE, pwrite(self->fd, page, PAGE, i * PAGE));
	ASSERT_TRUE(merge_all());
	EXPECT_EQ(1, counter("pages_shared"));
	EXPECT_EQ(PAGES - 1, counter("pages_sharing"));
	EXPECT_EQ(PAGE, pread(self->fd, page, PAGE, 9 * PAGE));
	EXPECT_TRUE(page_is(page, 42));
	/* Punching and truncating give back what they refer to. */
	EXPECT_EQ(0, fallocate(self->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 10 * PAGE));
	EXPECT_EQ(PAGES - 11, counter("pages_sharing"));
	EXPECT_EQ(0, ftruncate(self->fd, 0));
	EXPECT_EQ(0, counter("pages_shared"));
	EXPECT_EQ(0, ftruncate(self->fd, PAGES * PAGE));
}

TEST_F(merge, nearly_equal)
{
	page_fill(self->map, 9);
	page_fill(self->map + PAGE, 9);
	self->map[2 * PAGE - 1] ^= 1;
	self->map[3 * PAGE - 1] = 1;
	ASSERT_TRUE(merge_all());
	EXPECT_EQ(0, counter("pages_sharing"));
	EXPECT_EQ(0, counter("zero_pages"));
	EXPECT_EQ(3, counter("pages_unshared"));
}

TEST_F(merge, policy_off_and_zero)
{
	struct vellumfs_stats s;

	fill(self->map, 0);
	fill(self->map2, 1);
	ASSERT_EQ(0, file_merge(self->fd, VELLUMFS_MERGE_OFF));
	ASSERT_EQ(0, file_merge(self->fd2, VELLUMFS_MERGE_ZERO));
	EXPECT_EQ(PAGES, counter("pages_volatile"));
	ASSERT_TRUE(merge_all());
	EXPECT_EQ(0, counter("pages_shared"));
	EXPECT_EQ(PAGES / 4, counter("zero_pages"));
	ASSERT_EQ(0, file_stats(self->fd, &s));
	EXPECT_EQ(PAGES, s.private_pages);
	EXPECT_EQ(PAGES, s.volatile_pages);
	/* On again: what was left is done. */
	ASSERT_EQ(0, file_merge(self->fd, VELLUMFS_MERGE_ON));
	ASSERT_EQ(0, file_merge(self->fd2, VELLUMFS_MERGE_ON));
	ASSERT_TRUE(merge_all());
	EXPECT_EQ(PAGES / 2, counter("pages_shared"));
	EXPECT_EQ(PAGES / 2, counter("zero_pages"));
	EXPECT_EQ(0, wrong(self->map, 0));
	EXPECT_EQ(0, wrong(self->map2, 1));
}

/* A page that was hashed leaves the index with its file's policy. */
TEST_F(merge, off_is_no_partner)
{
	page_fill(self->map, 3);
	ASSERT_TRUE(merge_all());
	EXPECT_EQ(1, counter("pages_unshared"));
	ASSERT_EQ(0, file_merge(self->fd, VELLUMFS_MERGE_OFF));
	EXPECT_EQ(0, counter("pages_unshared"));
	page_fill(self->map2, 3);
	ASSERT_TRUE(merge_all());
	EXPECT_EQ(0, counter("pages_shared"));
}

TEST_F(merge, domains_do_not_mix)
{
	char *other = mnt_make("");
	unsigned char *map3;
	int fd3 = mnt_file(other, "c", PAGES, &map3);

	fill(self->map, 0);
	fill(map3, 0);
	ASSERT_TRUE(merge_all());
	/* Two mounts of the same owner: only zeroes, which say nothing, are merged. */
	EXPECT_EQ(0, counter("pages_shared"));
	EXPECT_EQ(PAGES / 2, counter("zero_pages"));
	munmap(map3, PAGES * PAGE);
	close(fd3);
	EXPECT_EQ(0, mnt_drop(other));
}

TEST_F(merge, owners_do_not_mix)
{
	page_fill(self->map, 5);
	page_fill(self->map2, 5);
	ASSERT_EQ(0, fchown(self->fd2, 1000, 1000));
	ASSERT_TRUE(merge_all());
	EXPECT_EQ(0, counter("pages_shared"));
	ASSERT_EQ(0, fchown(self->fd2, 0, 0));
	ASSERT_TRUE(merge_all());
	EXPECT_EQ(1, counter("pages_shared"));
}

TEST_F(merge, named_domains)
{
	struct vellumfs_policy p = { .merge = VELLUMFS_MERGE_ON, .flags = VELLUMFS_POLICY_DOMAIN };
	char *other = mnt_make("domain=both");
	unsigned char *map3;
	int fd3 = mnt_file(other, "c", 1, &map3);

	page_fill(self->map, 5);
	page_fill(self->map + PAGE, 5);
	page_fill(map3, 5);
	ASSERT_TRUE(merge_all());
	EXPECT_EQ(1, counter("pages_sharing"));
	memcpy(p.domain, "both", sizeof("both"));
	/* Shared pages stay in their domain. */
	EXPECT_EQ(-1, ioctl(self->fd, VELLUMFS_SET_POLICY, &p));
	EXPECT_EQ(EBUSY, errno);
	merge_stop();
	page_fill(self->map + PAGE, 6);
	page_fill(self->map, 5);
	ASSERT_EQ(0, ioctl(self->fd, VELLUMFS_SET_POLICY, &p));
	ASSERT_TRUE(merge_all());
	EXPECT_EQ(1, counter("pages_sharing"));
	EXPECT_TRUE(page_is(map3, 5) && page_is(self->map, 5));
	munmap(map3, PAGE);
	close(fd3);
	EXPECT_EQ(0, mnt_drop(other));
}

/* Memory that nobody writes is not looked at again, whether it is read or not. */
TEST_F(merge, idle_costs_nothing)
{
	long scanned, cpu;

	fill(self->map, 0);
	fill(self->map2, 1);
	ASSERT_TRUE(merge_all());
	usleep(100000);
	scanned = counter("pages_scanned");
	cpu = counter("scan_cpu_ns");
	EXPECT_EQ(0, wrong(self->map, 0));
	usleep(500000);
	EXPECT_EQ(scanned, counter("pages_scanned"));
	EXPECT_EQ(cpu, counter("scan_cpu_ns"));
	/* One write, one page. If the thread comes between fault and write, it faults again. */
	self->map[7] ^= 1;
	ASSERT_TRUE(merge_all());
	EXPECT_LE(scanned + 1, counter("pages_scanned"));
	EXPECT_GE(scanned + 4, counter("pages_scanned"));
}

/* A page that is written all the time is looked at ever more rarely. */
TEST_F(merge, back_off)
{
	long passes = counter("full_scans"), scanned = counter("pages_scanned");
	long i;

	setting("sleep_millisecs", "1");
	setting("run", "1");
	for (i = 0; counter("full_scans") < passes + 200 && i < 2000000; i++)
		(*(volatile uint64_t *)self->map)++;
	EXPECT_LE(passes + 200, counter("full_scans"));
	EXPECT_GT(40, counter("pages_scanned") - scanned);
	EXPECT_LT(5, counter("pages_scanned") - scanned);
}

TEST_F(merge, unmerge)
{
	struct vellumfs_range r = { .offset = 0, .len = PAGES / 2 * PAGE };
	struct vellumfs_stats s;

	fill(self->map, 0);
	fill(self->map2, 1);
	ASSERT_TRUE(merge_all());
	merge_stop();
	ASSERT_EQ(0, ioctl(self->fd, VELLUMFS_UNMERGE, &r));
	ASSERT_EQ(0, file_stats(self->fd, &s));
	EXPECT_EQ(PAGES / 4, s.shared_pages);
	r.len = 0;
	ASSERT_EQ(0, ioctl(self->fd, VELLUMFS_UNMERGE, &r));
	ASSERT_EQ(0, file_stats(self->fd, &s));
	EXPECT_EQ(0, s.shared_pages);
	ASSERT_TRUE(merge_all());
	EXPECT_EQ(PAGES / 2, counter("pages_sharing"));
	EXPECT_EQ(0, setting("run", "2"));
	EXPECT_EQ(0, counter("pages_shared"));
	EXPECT_EQ(2, counter("run"));
	EXPECT_EQ(0, wrong(self->map, 0));
	EXPECT_EQ(0, wrong(self->map2, 1));
}

TEST_F(merge, bad_settings)
{
	static const struct {
		const char *name, *value;
	} bad[] = {
		{ "run", "3" }, { "run", "-1" }, { "run", "x" },
		{ "pages_to_scan", "0" }, { "pages_to_scan", "99999999999" },
		{ "sleep_millisecs", "-1" }, { "sleep_millisecs", "4294967295" },
		{ "advisor_mode", "fast" },
		{ "advisor_max_cpu", "0" }, { "advisor_max_cpu", "101" },
		{ "advisor_target_scan_time", "0" }, { "advisor_min_pages_to_scan", "0" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_NE(0, setting(bad[i].name, bad[i].value))
			TH_LOG("number %u", i);
	}
	EXPECT_NE(0, setting("pages_shared", "1"));
}

/* The advisor sets pages_to_scan, which nobody else may then, and keeps under the cap. */
TEST_F(merge, advisor)
{
	EXPECT_EQ(0, setting("advisor_mode", "scan-time"));
	EXPECT_NE(0, setting("pages_to_scan", "5"));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, setting("advisor_min_pages_to_scan", "77"));
	fill(self->map, 0);
	EXPECT_EQ(0, setting("run", "1"));
	usleep(200000);
	EXPECT_EQ(77, counter("pages_to_scan"));
	EXPECT_EQ(0, setting("advisor_min_pages_to_scan", "500"));
	EXPECT_EQ(0, setting("advisor_mode", "none"));
}

TEST_HARNESS_MAIN
