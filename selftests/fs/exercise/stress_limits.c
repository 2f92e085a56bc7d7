// SPDX-License-Identifier: GPL-2.0-only
/* What happens at the limits: no space, no inodes, in use, out of the cgroup's memory. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stress.h"
#include "words.h"

#define LIMIT_PAGES	(4 * EX_MIB / EX_PAGE)	/* size=4M */
#define CGROUP		"/sys/fs/cgroup/exercise"
#define CGROUP_MAX	"16777216"
#define OOM_SIZE	(64 * EX_MIB)

/* All words are its own, so that nothing can merge. */
static void own_page(uint64_t *page, unsigned int file, unsigned long index)
{
	unsigned int i;

	for (i = 0; i < WORDS; i++)
		page[i] = word_make(file, index, 1, i);
}

static bool own_same(const void *page, unsigned int file, unsigned long index)
{
	uint64_t expected[WORDS];

	own_page(expected, file, index);
	return words_compare(page, expected, EX_PAGE, 0, "a page before the limit");
}

/* Writes until it does not fit; how many pages did */
static unsigned long fill_up(int fd, unsigned int file)
{
	uint64_t page[WORDS];
	unsigned long n;

	for (n = 0; n <= 2 * LIMIT_PAGES; n++) {
		own_page(page, file, n);
		if (pwrite(fd, page, EX_PAGE, n * EX_PAGE) != (ssize_t)EX_PAGE)
			break;
	}
	return n;
}

static bool check_filled(int fd, unsigned int file, unsigned long n)
{
	uint64_t page[WORDS];
	unsigned long i;

	for (i = 0; i < n; i++)
		if (pread(fd, page, EX_PAGE, i * EX_PAGE) != (ssize_t)EX_PAGE ||
		    !own_same(page, file, i))
			return stress_wrong("page %lu of %lu is lost", i, n);
	return true;
}

static bool near_limit(unsigned long n)
{
	if (n >= LIMIT_PAGES * 9 / 10 && n <= LIMIT_PAGES && errno == ENOSPC)
		return true;
	return stress_wrong("%lu pages fit into %lu: %s", n, LIMIT_PAGES, strerror(errno));
}

/* A long write stops where there is no more; what does not fit is not there in part. */
static bool full_write(const struct ex_mount *m, int fd)
{
	static uint8_t long_buf[64 * EX_PAGE];
	unsigned long n = fill_up(fd, 1);
	ssize_t ret;

	if (!near_limit(n) || !check_filled(fd, 1, n))
		return false;
	if (fallocate(fd, 0, n * EX_PAGE, 16 * EX_PAGE) == 0 || errno != ENOSPC)
		return stress_wrong("fallocate: %s", strerror(errno));
	if (ftruncate(fd, (n - 4) * EX_PAGE))
		return stress_wrong("ftruncate: %s", strerror(errno));
	memset(long_buf, 7, sizeof(long_buf));
	ret = pwrite(fd, long_buf, sizeof(long_buf), (n - 4) * EX_PAGE);
	if (ret <= 0 || ret > (ssize_t)(8 * EX_PAGE))
		return stress_wrong("a write of 64 pages where 4 fit gives %zd: %s", ret,
				    strerror(errno));
	(void)m;
	return check_filled(fd, 1, n - 4);
}

bool stress_full_write(const struct ex_mount *m)
{
	int fd = ex_open(m->dir, "full", O_RDWR | O_CREAT);
	bool good = full_write(m, fd);

	close(fd);
	stress_remove(m, "full");
	return good;
}

static sigjmp_buf no_page;

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(no_page, 1);
}

/* Stores until one gets SIGBUS; which page that was */
static unsigned long store_up(uint8_t *map, unsigned int file, unsigned long pages)
{
	struct sigaction act = { .sa_handler = on_sigbus };
	static volatile unsigned long n;

	sigaction(SIGBUS, &act, NULL);
	for (n = 0; n < pages && !sigsetjmp(no_page, 1); n++)
		own_page((uint64_t *)(map + n * EX_PAGE), file, n);
	signal(SIGBUS, SIG_DFL);
	return n;
}

static bool full_fault(int fd)
{
	unsigned long n, pages = 2 * LIMIT_PAGES;
	uint8_t *map;

	if (ftruncate(fd, pages * EX_PAGE))
		return stress_wrong("ftruncate: %s", strerror(errno));
	map = mmap(NULL, pages * EX_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return stress_wrong("mmap: %s", strerror(errno));
	n = store_up(map, 2, pages);
	errno = ENOSPC;
	if (n == pages || !near_limit(n) || !check_filled(fd, 2, n))
		return false;
	/* What is there can be written, and a hole makes room for another. */
	own_page((uint64_t *)map, 2, 0);
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, EX_PAGE))
		return stress_wrong("punch: %s", strerror(errno));
	own_page((uint64_t *)(map + n * EX_PAGE), 2, n);
	munmap(map, pages * EX_PAGE);
	return true;
}

bool stress_full_fault(const struct ex_mount *m)
{
	int fd = ex_open(m->dir, "full", O_RDWR | O_CREAT);
	bool good = full_fault(fd);

	close(fd);
	stress_remove(m, "full");
	return good;
}

/* A clone's writer needs pages that are not there: it is told, and nothing is lost. */
static bool full_clone(const struct ex_mount *m, int from, int to)
{
	unsigned long n = LIMIT_PAGES * 2 / 3, broken;
	uint64_t page[WORDS];
	unsigned long i;
	uint8_t *map;
	int ret;

	for (i = 0; i < n; i++) {
		own_page(page, 3, i);
		if (pwrite(from, page, EX_PAGE, i * EX_PAGE) != (ssize_t)EX_PAGE)
			return stress_wrong("pwrite: %s", strerror(errno));
	}
	ret = ex_clone(to, from);
	if (ret == -ENOSPC)
		return check_filled(from, 3, n) && stress_used_pages(m) <= LIMIT_PAGES;
	if (ret)
		return stress_wrong("clone: %s", strerror(-ret));
	map = mmap(NULL, n * EX_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, to, 0);
	if (map == MAP_FAILED)
		return stress_wrong("mmap: %s", strerror(errno));
	broken = store_up(map, 4, n);
	printf("# %lu of %lu pages of the clone could be written\n", broken, n);
	if (broken < LIMIT_PAGES / 4)
		return stress_wrong("a third was free");
	for (i = broken; i < n; i++)
		if (!own_same(map + i * EX_PAGE, 3, i))
			return false;
	munmap(map, n * EX_PAGE);
	return check_filled(from, 3, n) && check_filled(to, 4, broken);
}

bool stress_full_clone(const struct ex_mount *m)
{
	int from, to;
	bool good;

	if (!ex_can_clone(m))
		return true;
	from = ex_open(m->dir, "from", O_RDWR | O_CREAT);
	to = ex_open(m->dir, "to", O_RDWR | O_CREAT);
	good = full_clone(m, from, to);
	close(from);
	close(to);
	stress_remove(m, "from");
	stress_remove(m, "to");
	return good;
}

bool stress_full_names(const struct ex_mount *m)
{
	char path[160];
	int made, fd, i;

	for (made = 0; made < 100; made++) {
		snprintf(path, sizeof(path), "%s/i%d", m->dir, made);
		fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
		if (fd < 0)
			break;
		close(fd);
	}
	if (made < 40 || made > 50 || errno != ENOSPC)
		stress_wrong("%d files with nr_inodes=50: %s", made, strerror(errno));
	snprintf(path, sizeof(path), "%s/folder", m->dir);
	if (!mkdir(path, 0700) || errno != ENOSPC)
		made = -1;
	if (open(m->dir, O_TMPFILE | O_RDWR, 0600) >= 0)
		made = -1;
	for (i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "i%d", i);
		stress_remove(m, path);
	}
	return made >= 40 && made <= 50;
}

/* A mapping alone keeps the filesystem, the filesystem keeps the module. */
bool stress_busy(const struct ex_mount *m)
{
	int fd = ex_open(m->dir, "busy", O_RDWR | O_CREAT);
	bool good = true;
	uint8_t *map;

	if (ftruncate(fd, EX_PAGE))
		return stress_wrong("ftruncate: %s", strerror(errno));
	map = mmap(NULL, EX_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return stress_wrong("mmap: %s", strerror(errno));
	map[0] = 42;
	stress_remove(m, "busy");
	if (!umount(m->dir) || errno != EBUSY)
		good = stress_wrong("umount while mapped: %s", strerror(errno));
	if (ex_ours() && !system("rmmod vellumfs 2>/dev/null"))
		good = stress_wrong("the module unloads while mounted");
	good &= map[0] == 42;
	munmap(map, EX_PAGE);
	return good;
}

static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return good;
}

/* In the cgroup: writes four times what it may have. */
static void __attribute__((noreturn)) glutton(const struct ex_mount *m)
{
	int fd = ex_open(m->dir, "glutton", O_RDWR | O_CREAT);
	uint64_t *map;
	unsigned long i;

	if (!put(CGROUP "/cgroup.procs", "0") || ftruncate(fd, OOM_SIZE))
		_exit(9);
	map = mmap(NULL, OOM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (i = 0; i < OOM_SIZE / EX_PAGE; i++)
		own_page(map + i * WORDS, 5, i);
	_exit(0);
}

static bool check_rest(const struct ex_mount *m)
{
	int fd = ex_open(m->dir, "glutton", O_RDWR);
	unsigned long pages = 0;
	uint64_t page[WORDS];

	while (pread(fd, page, EX_PAGE, pages * EX_PAGE) == (ssize_t)EX_PAGE && page[0]) {
		/* The last one may be half written. */
		if (page[WORDS - 1] && !own_same(page, 5, pages))
			return false;
		pages++;
	}
	close(fd);
	printf("# killed after %lu pages\n", pages);
	return pages > 0 && pages < OOM_SIZE / EX_PAGE;
}

/* Memory is charged to who writes it: that process alone is killed, its file stays whole. */
bool stress_oom(const struct ex_mount *m)
{
	bool good = false;
	int status;
	pid_t pid;

	put("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if ((mkdir(CGROUP, 0755) && errno != EEXIST) ||
	    !put(CGROUP "/memory.max", CGROUP_MAX)) {
		printf("# no memory cgroups here\n");
		rmdir(CGROUP);
		return true;
	}
	put(CGROUP "/memory.swap.max", "0");
	fflush(stdout);
	pid = fork();
	if (!pid)
		glutton(m);
	if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
	    (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGBUS))
		good = check_rest(m);
	else
		stress_wrong("it ends with status %#x", status);
	stress_remove(m, "glutton");
	rmdir(CGROUP);
	return good;
}
