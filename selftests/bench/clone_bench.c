// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ticks to make a second file of one of 256 MiB whose pages are all there and all different: by
 * FICLONE on vellumfs, by cp on tmpfs. Once the file was written by write(2) ("file"), once it is
 * mapped with every page in the page tables, as a guest's memory is ("mapped"). The second file is
 * compared with the first afterwards.
 *
 * usage: clone_bench ours|peer DIR
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#define SIZE	(256UL << 20)
#define PAGE	4096UL
#define STEP	512UL		/* bytes between the words that are written */

static void die(const char *what)
{
	fprintf(stderr, "clone_bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t *map(const char *path, int *fd)
{
	void *mem;

	*fd = open(path, O_RDWR | O_CREAT, 0600);
	if (*fd < 0)
		die(path);
	if (ftruncate(*fd, SIZE))
		die("ftruncate");
	mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (mem == MAP_FAILED)
		die("mmap");
	return mem;
}

static void fill(uint64_t *mem)
{
	unsigned long i;

	for (i = 0; i < SIZE; i += STEP)
		mem[i / sizeof(*mem)] = i + 1;
}

static int fill_by_write(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	uint64_t page[PAGE / sizeof(uint64_t)] = { 0 };
	unsigned long at, i;

	if (fd < 0)
		die(path);
	for (at = 0; at < SIZE; at += PAGE) {
		for (i = 0; i < PAGE; i += STEP)
			page[i / sizeof(*page)] = at + i + 1;
		if (pwrite(fd, page, PAGE, at) != (ssize_t)PAGE)
			die("pwrite");
	}
	return fd;
}

static void check(const uint64_t *mem)
{
	unsigned long i;

	for (i = 0; i < SIZE; i += STEP) {
		if (mem[i / sizeof(*mem)] == i + 1)
			continue;
		fprintf(stderr, "clone_bench: byte %lu of the copy is wrong\n", i);
		exit(1);
	}
}

static void copy(const char *from, const char *to)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		execlp("cp", "cp", from, to, NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		die("cp");
}

static void clone_file(int from, const char *path)
{
	int to = open(path, O_RDWR | O_CREAT, 0600);

	if (to < 0)
		die(path);
	if (ioctl(to, FICLONE, from))
		die("FICLONE");
	close(to);
}

/* Makes @to and looks at it; then it is gone. */
static uint64_t measure(int fd, const char *from, const char *to, int ours)
{
	uint64_t ticks = __rdtsc(), *mem;
	int fd_to;

	if (ours)
		clone_file(fd, to);
	else
		copy(from, to);
	ticks = __rdtsc() - ticks;
	mem = map(to, &fd_to);
	check(mem);
	munmap(mem, SIZE);
	close(fd_to);
	unlink(to);
	return ticks;
}

int main(int argc, char **argv)
{
	int fd, ours = argc == 3 && !strcmp(argv[1], "ours");
	char from[128], to[128];
	uint64_t *mem;

	if (argc != 3 || (!ours && strcmp(argv[1], "peer"))) {
		fprintf(stderr, "usage: clone_bench ours|peer DIR\n");
		return 2;
	}
	snprintf(from, sizeof(from), "%s/from", argv[2]);
	snprintf(to, sizeof(to), "%s/to", argv[2]);
	fd = fill_by_write(from);
	printf("clone.file %lu\n", (unsigned long)measure(fd, from, to, ours));
	close(fd);
	mem = map(from, &fd);
	fill(mem);
	printf("clone.mapped %lu\n", (unsigned long)measure(fd, from, to, ours));
	return 0;
}
