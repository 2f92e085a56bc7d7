// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards huge=always: the first write to an aligned 2 MiB of holes gives all of it memory in a row,
 * mapped and zero but for what was written; each page of it is merged, cloned and punched alone;
 * where a chunk does not fit (the file's end, the mapping's, the space left, pages that are there)
 * single pages serve; mappings come aligned; without the option nothing of this happens.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <linux/fs.h>
#include "kselftest_harness.h"
#include "mnt.h"

#define CHUNK_PAGES	512UL
#define CHUNK		(CHUNK_PAGES * PAGE)
#define CHUNKS		3UL
#define PFN_MASK	((1ULL << 55) - 1)
#define PRESENT		0x8000000000000000ULL

FIXTURE(huge) {
	char *path;
	int fd;
	unsigned char *map;
};

FIXTURE_SETUP(huge)
{
	int compact = open("/proc/sys/vm/compact_memory", O_WRONLY);

	/* Chunks are taken where there are some; here there shall be. */
	ASSERT_EQ(1, write(compact, "1", 1));
	close(compact);
	self->path = mnt_make("size=8m,huge=always");
	ASSERT_NE(NULL, self->path);
	merge_stop();
	self->fd = mnt_file(self->path, "f", CHUNKS * CHUNK_PAGES, &self->map);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(huge)
{
	munmap(self->map, CHUNKS * CHUNK);
	close(self->fd);
	EXPECT_EQ(0, mnt_drop(self->path));
	EXPECT_TRUE(nothing_left());
	EXPECT_EQ(0, setting("run", "1"));
}

static long pages(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -1 : (long)(st.st_blocks / (PAGE / 512));
}

/* The frame that is mapped there, 0 if there is none. */
static uint64_t frame(const void *at)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	if (pread(fd, &entry, sizeof(entry), (uintptr_t)at / PAGE * sizeof(entry)) < 0)
		entry = 0;
	close(fd);
	return entry & PRESENT ? entry & PFN_MASK : 0;
}

/* How many of a chunk's pages are mapped where they are in a row from an aligned start. */
static unsigned long in_row(const unsigned char *map)
{
	uint64_t first = frame(map);
	unsigned long i, n = 0;

	if (first % CHUNK_PAGES)
		return 0;
	for (i = 0; i < CHUNK_PAGES; i++)
		n += frame(map + i * PAGE) == first + i;
	return n;
}

TEST_F(huge, one_write_fills_a_chunk)
{
	struct vellumfs_stats s;
	unsigned long i, wrong = 0;

	EXPECT_EQ(0, (uintptr_t)self->map % CHUNK);
	/* A reader has zeroes there before. */
	EXPECT_EQ(0, self->map[CHUNK + 9 * PAGE]);
	page_fill(self->map + CHUNK + 7 * PAGE, 7);
	EXPECT_EQ(CHUNK_PAGES, pages(self->fd));
	EXPECT_EQ(CHUNK_PAGES, in_row(self->map + CHUNK));
	EXPECT_EQ(0, frame(self->map));
	for (i = 0; i < CHUNK_PAGES; i++)
		wrong += !page_is(self->map + CHUNK + i * PAGE, i == 7 ? 7 : 0);
	EXPECT_EQ(0, wrong);
	ASSERT_EQ(0, file_stats(self->fd, &s));
	EXPECT_EQ(CHUNK_PAGES, s.private_pages);
	EXPECT_EQ(CHUNK_PAGES, s.volatile_pages);
	EXPECT_EQ(CHUNK_PAGES, counter("pages_volatile"));
	EXPECT_EQ(CHUNK, lseek(self->fd, 0, SEEK_DATA));
	EXPECT_EQ(2 * CHUNK, lseek(self->fd, CHUNK, SEEK_HOLE));
}

/* Also where the hole was read and mapped first: then the kernel asks in another way. */
TEST_F(huge, after_a_read)
{
	volatile unsigned char *at = self->map + 5 * PAGE;

	EXPECT_EQ(0, *at);
	*at = 1;
	EXPECT_EQ(CHUNK_PAGES, in_row(self->map));
	EXPECT_EQ(1, *at);
}

/* What another mapping read as a hole is the chunk's. */
TEST_F(huge, seen_by_others)
{
	unsigned char *other = mmap(NULL, 3 * PAGE, PROT_READ, MAP_SHARED, self->fd, PAGE);
	unsigned char *private = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE,
				      self->fd, 0);

	EXPECT_EQ(0, other[PAGE]);
	EXPECT_EQ(0, private[2 * PAGE]);
	self->map[2 * PAGE] = 3;
	EXPECT_EQ(CHUNK_PAGES, in_row(self->map));
	EXPECT_EQ(3, other[PAGE]);
	EXPECT_EQ(3, private[2 * PAGE]);
	private[2 * PAGE] = 4;
	EXPECT_EQ(3, self->map[2 * PAGE]);
	/* A private copy needs none of the file's memory. */
	private[CHUNK - 1] = 4;
	EXPECT_EQ(CHUNK_PAGES, pages(self->fd));
	munmap(other, 3 * PAGE);
	munmap(private, CHUNK);
}

/* Files that do not merge give memory to readers too, but no leave to write. */
TEST_F(huge, read_only_stays_read_only)
{
	unsigned char *map;
	int zero = open("/dev/zero", O_RDONLY);

	ASSERT_EQ(0, file_merge(self->fd, VELLUMFS_MERGE_OFF));
	map = mmap(NULL, CHUNK, PROT_READ, MAP_SHARED, self->fd, 0);
	EXPECT_EQ(0, map[7 * PAGE]);
	EXPECT_EQ(CHUNK_PAGES, in_row(map));
	EXPECT_EQ(-1, read(zero, map, PAGE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, read(zero, map + 7 * PAGE, PAGE));
	ASSERT_EQ(0, mprotect(map, CHUNK, PROT_READ | PROT_WRITE));
	EXPECT_EQ(PAGE, read(zero, map, PAGE));
	munmap(map, CHUNK);
	close(zero);
}

TEST_F(huge, merges_page_by_page)
{
	struct vellumfs_stats s;
	unsigned long i;

	for (i = 0; i < 10; i++)
		page_fill(self->map + i * PAGE, i < 4 ? 1 : i);
	ASSERT_EQ(CHUNK_PAGES, in_row(self->map));
	ASSERT_TRUE(merge_all());
	merge_stop();
	ASSERT_EQ(0, file_stats(self->fd, &s));
	EXPECT_EQ(6, s.private_pages);
	EXPECT_EQ(4, s.shared_pages);
	EXPECT_EQ(CHUNK_PAGES - 10, s.zero_pages);
	for (i = 0; i < 11; i++)
		EXPECT_TRUE(page_is(self->map + i * PAGE, i < 4 ? 1 : i < 10 ? i : 0));
	/* Its zeroes are data: a write to one gets one page. */
	self->map[20 * PAGE] = 1;
	ASSERT_EQ(0, file_stats(self->fd, &s));
	EXPECT_EQ(7, s.private_pages);
}

TEST_F(huge, punched_and_cloned)
{
	struct file_clone_range r = { .src_fd = self->fd, .src_length = 3 * PAGE };
	struct vellumfs_stats s;

	page_fill(self->map, 1);
	page_fill(self->map + PAGE, 2);
	ASSERT_EQ(0, fallocate(self->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, PAGE));
	EXPECT_EQ(CHUNK_PAGES - 1, pages(self->fd));
	EXPECT_TRUE(page_is(self->map, 1) && page_is(self->map + PAGE, 0));
	EXPECT_EQ(CHUNK_PAGES - 1, in_row(self->map));
	r.dest_offset = 2 * CHUNK + PAGE;
	ASSERT_EQ(0, ioctl(self->fd, FICLONERANGE, &r));
	EXPECT_TRUE(page_is(self->map + r.dest_offset, 1));
	page_fill(self->map + r.dest_offset, 9);
	EXPECT_TRUE(page_is(self->map, 1));
	ASSERT_EQ(0, file_stats(self->fd, &s));
	EXPECT_EQ(CHUNK_PAGES - 1 + 2, s.pages);
	/* A page that is there alone leaves no room for a chunk. */
	self->map[2 * CHUNK] = 1;
	EXPECT_EQ(CHUNK_PAGES + 2, pages(self->fd));
	ASSERT_EQ(0, ftruncate(self->fd, PAGE));
	EXPECT_EQ(1, pages(self->fd));
	ASSERT_EQ(0, ftruncate(self->fd, CHUNKS * CHUNK));
}

TEST_F(huge, single_pages_where_it_does_not_fit)
{
	unsigned char *odd = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, CHUNK);

	/* Half of a chunk in the file */
	ASSERT_EQ(0, ftruncate(self->fd, CHUNKS * CHUNK - PAGE));
	self->map[2 * CHUNK] = 1;
	EXPECT_EQ(1, pages(self->fd));
	ASSERT_EQ(0, ftruncate(self->fd, CHUNKS * CHUNK));
	/* Half of it mapped, and all of it at another distance from an aligned address */
	munmap(self->map + CHUNK, PAGE);
	self->map[CHUNK + PAGE] = 1;
	EXPECT_EQ(2, pages(self->fd));
	ASSERT_EQ(odd, mmap(odd, CHUNK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, self->fd,
			    PAGE));
	odd[0] = 1;
	EXPECT_EQ(3, pages(self->fd));
	EXPECT_EQ(1, self->map[PAGE]);
	munmap(odd, CHUNK);
}

TEST_F(huge, single_pages_where_space_is_short)
{
	ASSERT_EQ(0, mount("none", self->path, NULL, MS_REMOUNT, "size=2044k"));
	self->map[3 * PAGE] = 1;
	EXPECT_EQ(1, pages(self->fd));
	ASSERT_EQ(0, mount("none", self->path, NULL, MS_REMOUNT, "size=2052k"));
	self->map[CHUNK + 3 * PAGE] = 1;
	EXPECT_EQ(1 + CHUNK_PAGES, pages(self->fd));
}

TEST_F(huge, only_files_of_the_option)
{
	struct vellumfs_create c = { .size = CHUNK, .merge = VELLUMFS_MERGE_OFF };
	unsigned char *map;
	int dev, fd;

	ASSERT_EQ(0, mount("none", self->path, NULL, MS_REMOUNT, "huge=never"));
	fd = mnt_file(self->path, "g", CHUNK_PAGES, &map);
	map[0] = 1;
	EXPECT_EQ(1, pages(fd));
	munmap(map, CHUNK);
	close(fd);
	/* One that is there keeps what it had. */
	self->map[0] = 1;
	EXPECT_EQ(CHUNK_PAGES, pages(self->fd));
	dev = open("/dev/vellumfs", O_RDWR);
	for (c.flags = 0; c.flags <= VELLUMFS_CREATE_HUGE; c.flags += VELLUMFS_CREATE_HUGE) {
		fd = ioctl(dev, VELLUMFS_CREATE, &c);
		map = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		ASSERT_NE(MAP_FAILED, map);
		map[0] = 1;
		EXPECT_EQ(c.flags ? CHUNK_PAGES : 1, pages(fd));
		munmap(map, CHUNK);
		close(fd);
	}
	close(dev);
}

TEST_HARNESS_MAIN
