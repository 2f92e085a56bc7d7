// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ticks to make a second file of one of 256 MiB whose pages are all there and all different: by
 * FICLONE on vellumfs, by cp on tmpfs. The second file is compared with the first afterwards.
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

static uint64_t clone_file(int from, const char *path)
{
	int to = open(path, O_RDWR | O_CREAT, 0600);
	uint64_t begin;

	if (to < 0)
		die(path);
	begin = __rdtsc();
	if (ioctl(to, FICLONE, from))
		die("FICLONE");
	begin = __rdtsc() - begin;
	close(to);
	return begin;
}

int main(int argc, char **argv)
{
	char from[128], to[128];
	uint64_t ticks, *mem;
	int fd, fd_to;

	if (argc != 3 || (strcmp(argv[1], "ours") && strcmp(argv[1], "peer"))) {
		fprintf(stderr, "usage: clone_bench ours|peer DIR\n");
		return 2;
	}
	snprintf(from, sizeof(from), "%s/from", argv[2]);
	snprintf(to, sizeof(to), "%s/to", argv[2]);
	mem = map(from, &fd);
	fill(mem);
	if (!strcmp(argv[1], "ours")) {
		ticks = clone_file(fd, to);
	} else {
		ticks = __rdtsc();
		copy(from, to);
		ticks = __rdtsc() - ticks;
	}
	check(map(to, &fd_to));
	/* The parent can be written and the copy does not see it. */
	mem[0] = 0;
	check(map(to, &fd_to));
	printf("clone.file %lu\n", (unsigned long)ticks);
	return 0;
}
