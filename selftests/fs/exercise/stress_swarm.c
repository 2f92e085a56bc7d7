// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many processes in a few folders with few names, so that they meet. Each operation may fail in
 * the ways that such company explains, and in no other. Every file's first page names the file's
 * maker and its second repeats the first, so that a mixed page shows.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stress.h"
#include "words.h"

#define FOLDERS		4
#define NAMES		12
#define FILE_PAGES	8
#define KILL_EVERY_MS	150

struct swarm {
	const char *dir;
	struct ex_rng rng;
	bool can_clone;
	char a[96], b[96];
};

static void name(struct swarm *s, char *path)
{
	unsigned int folder = ex_below(&s->rng, FOLDERS + 1);

	if (folder == FOLDERS)
		snprintf(path, 96, "%s/n%lu", s->dir, (unsigned long)ex_below(&s->rng, NAMES));
	else
		snprintf(path, 96, "%s/d%u/n%lu", s->dir, folder,
			 (unsigned long)ex_below(&s->rng, NAMES));
}

/* What others may have done to the names meanwhile */
static bool explained(int error)
{
	static const int ours[] = {
		ENOENT, EEXIST, ENOTEMPTY, EISDIR, ENOTDIR, EINVAL, ENOSPC, ELOOP, EPERM, EBUSY,
	};
	size_t i;

	for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (error == ours[i])
			return true;
	return false;
}

static void expect(int ret, const char *what)
{
	if (ret >= 0 || explained(errno))
		return;
	printf("# FAILED: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	_exit(1);
}

/* Whole pages, in pairs: both of a pair are always the same, whoever wrote them */
static void write_pairs(struct swarm *s, int fd)
{
	uint8_t pair[2 * EX_PAGE];
	unsigned int i;

	for (i = 0; i < FILE_PAGES; i += 2) {
		words_fill(pair, 1 + getpid() % (WORD_FILES - 1), i, 0, &s->rng);
		memcpy(pair + EX_PAGE, pair, EX_PAGE);
		if (pwrite(fd, pair, sizeof(pair), i * EX_PAGE) < 0 && errno != ENOSPC)
			expect(-1, "pwrite");
	}
}

/* No other process has this file: it has no name yet, or never gets one. */
static void check_pairs(int fd, const char *when)
{
	uint8_t pair[2 * EX_PAGE];
	unsigned int i;

	for (i = 0; i < FILE_PAGES; i += 2) {
		if (pread(fd, pair, sizeof(pair), i * EX_PAGE) != sizeof(pair))
			return;
		if (!words_compare(pair, pair + EX_PAGE, EX_PAGE, 0, when)) {
			fflush(stdout);
			_exit(1);
		}
	}
}

static void do_create(struct swarm *s)
{
	int fd = open(s->a, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	expect(fd, "open");
	if (fd < 0)
		return;
	write_pairs(s, fd);
	close(fd);
}

/* Made without a name, checked, given one. */
static void do_tmpfile(struct swarm *s)
{
	char link[64];
	int fd = open(s->dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

	expect(fd, "O_TMPFILE");
	if (fd < 0)
		return;
	write_pairs(s, fd);
	check_pairs(fd, "a file without a name");
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (ex_chance(&s->rng, 50))
		expect(linkat(AT_FDCWD, link, AT_FDCWD, s->a, AT_SYMLINK_FOLLOW), "linkat");
	close(fd);
}

static void do_unlink_mapped(struct swarm *s)
{
	char path[96];
	uint8_t *map;
	int fd;

	snprintf(path, sizeof(path), "%s/own%d", s->dir, getpid());
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	expect(fd, "open");
	if (fd < 0)
		return;
	write_pairs(s, fd);
	map = mmap(NULL, FILE_PAGES * EX_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	expect(unlink(path), "unlink");
	check_pairs(fd, "a removed file");
	close(fd);
	if (map == MAP_FAILED)
		expect(-1, "mmap");
	else
		munmap(map, FILE_PAGES * EX_PAGE);
}

static void do_clone(struct swarm *s)
{
	int from = open(s->a, O_RDONLY | O_CLOEXEC), to = -1, ret;

	if (from >= 0 && s->can_clone) {
		to = open(s->b, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		ret = to < 0 ? 0 : ex_clone(to, from);
		errno = -ret;
		expect(ret, "FICLONE");
	}
	close(from);
	close(to);
}

static void do_rename(struct swarm *s)
{
	unsigned int flags[] = { 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE };

	expect(renameat2(AT_FDCWD, s->a, AT_FDCWD, s->b, flags[ex_below(&s->rng, 4)]), "rename");
}

static void do_link(struct swarm *s)
{
	expect(link(s->a, s->b), "link");
}

static void do_symlink(struct swarm *s)
{
	char target[96];

	expect(symlink(s->a, s->b), "symlink");
	expect(readlink(s->b, target, sizeof(target)), "readlink");
}

static void do_unlink(struct swarm *s)
{
	expect(unlink(s->a), "unlink");
}

static void do_folder(struct swarm *s)
{
	if (ex_chance(&s->rng, 50))
		expect(mkdir(s->a, 0700), "mkdir");
	else
		expect(rmdir(s->a), "rmdir");
}

static void do_truncate(struct swarm *s)
{
	expect(truncate(s->a, ex_below(&s->rng, FILE_PAGES) * EX_PAGE), "truncate");
}

static void do_look(struct swarm *s)
{
	struct dirent *entry;
	struct stat st;
	DIR *dir;

	expect(lstat(s->a, &st), "lstat");
	dir = opendir(s->dir);
	while (dir && (entry = readdir(dir)))
		;
	if (dir)
		closedir(dir);
}

static void swarm_run(struct swarm *s)
{
	static void (*const ops[])(struct swarm *) = {
		do_create, do_create, do_tmpfile, do_unlink_mapped, do_clone, do_rename, do_rename,
		do_link, do_symlink, do_unlink, do_unlink, do_folder, do_truncate, do_look,
	};

	for (;;) {
		name(s, s->a);
		name(s, s->b);
		ops[ex_below(&s->rng, sizeof(ops) / sizeof(ops[0]))](s);
	}
}

static pid_t start(struct swarm *s, unsigned long number)
{
	pid_t pid;

	s->rng.state = ex_env("STRESS_SEED", 1) << 32 | number;
	fflush(stdout);
	pid = fork();
	if (!pid)
		swarm_run(s);
	return pid;
}

static void remove_all(const char *dir)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -rf %s/*", dir);
	if (system(command))
		printf("# rm fails\n");
}

/* One of them dies by SIGKILL every so often and another takes its place. */
bool stress_swarm(const struct ex_mount *m)
{
	unsigned long procs = ex_env("STRESS_PROCS", 8), n, started = 0;
	uint64_t end = ex_now_ms() + ex_env("STRESS_SECONDS", 10) * 1000;
	struct swarm s = { .dir = m->dir, .can_clone = ex_can_clone(m) };
	bool good = true;
	pid_t pids[64];
	char path[96];
	int status;

	procs = ex_min(procs, 64);
	for (n = 0; n < FOLDERS; n++) {
		snprintf(path, sizeof(path), "%s/d%lu", m->dir, n);
		mkdir(path, 0700);
	}
	for (n = 0; n < procs; n++)
		pids[n] = start(&s, started++);
	while (good && ex_now_ms() < end) {
		ex_sleep_ms(KILL_EVERY_MS);
		n = started % procs;
		kill(pids[n], SIGKILL);
		good &= waitpid(pids[n], &status, 0) == pids[n] && WIFSIGNALED(status) &&
			WTERMSIG(status) == SIGKILL;
		pids[n] = start(&s, started++);
	}
	for (n = 0; n < procs; n++) {
		kill(pids[n], SIGKILL);
		good &= waitpid(pids[n], &status, 0) == pids[n] && WIFSIGNALED(status) &&
			WTERMSIG(status) == SIGKILL;
	}
	printf("# %lu processes were killed\n", started);
	remove_all(m->dir);
	return good;
}
