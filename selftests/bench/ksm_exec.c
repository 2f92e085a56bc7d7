// SPDX-License-Identifier: GPL-2.0-only
/* Runs a program all of whose anonymous memory KSM may merge. usage: ksm_exec PROGRAM [ARG...] */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE	67
#endif

int main(int argc, char **argv)
{
	if (argc < 2 || prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0)) {
		fprintf(stderr, "ksm_exec: %s\n", argc < 2 ? "which program?" : strerror(errno));
		return 2;
	}
	execvp(argv[1], argv + 1);
	fprintf(stderr, "ksm_exec: %s: %s\n", argv[1], strerror(errno));
	return 127;
}
