// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ticks from exec of a launcher until the init of its guest prints a marker, if the launcher then
 * ends well: "boot.NAME TICKS". The marker is computed in the guest, so that the kernel command
 * line on the guest's console cannot be mistaken for it.
 *
 * usage: boot_bench NAME PROGRAM [ARG...]
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#define MARKER		"vellum-bench-42"	/* inside.sh has the guest print this */

static pid_t start(char **argv, int out)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	dup2(out, STDOUT_FILENO);
	close(out);
	execvp(argv[0], argv);
	fprintf(stderr, "boot_bench: %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* Reads the guest's console until the marker; returns the TSC then, 0 if it never came. */
static uint64_t wait_marker(int in)
{
	static char text[1 << 16];
	size_t len = 0;
	ssize_t n;

	while ((n = read(in, text + len, sizeof(text) - 1 - len)) > 0) {
		len += n;
		text[len] = 0;
		if (strstr(text, MARKER))
			return __rdtsc();
		if (len > sizeof(text) / 2) {
			memmove(text, text + len - strlen(MARKER), strlen(MARKER));
			len = strlen(MARKER);
		}
	}
	fwrite(text, 1, len, stderr);
	return 0;
}

static void drain(int in)
{
	char buf[4096];

	while (read(in, buf, sizeof(buf)) > 0)
		;
}

int main(int argc, char **argv)
{
	uint64_t begin, end;
	int pipefd[2], status;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: boot_bench NAME PROGRAM [ARG...]\n");
		return 2;
	}
	if (pipe(pipefd)) {
		perror("boot_bench: pipe");
		return 1;
	}
	begin = __rdtsc();
	pid = start(argv + 2, pipefd[1]);
	close(pipefd[1]);
	end = wait_marker(pipefd[0]);
	drain(pipefd[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status) {
		fprintf(stderr, "boot_bench: %s failed\n", argv[2]);
		return 1;
	}
	if (!end) {
		fprintf(stderr, "boot_bench: the guest's init never printed its marker\n");
		return 1;
	}
	printf("boot.%s %lu\n", argv[1], (unsigned long)(end - begin));
	return 0;
}
