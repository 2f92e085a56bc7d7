/* SPDX-License-Identifier: GPL-2.0-only */
/* What faults does with a fault in the middle, and the files it does it to. */
#ifndef SELFTESTS_FS_FAULTS_H
#define SELFTESTS_FS_FAULTS_H

#include "ex.h"

#define PLACE_PAGES	12UL
#define PLACE_SIZE	(PLACE_PAGES * EX_PAGE)
#define PLACE_FILES	2

/**
 * struct place - two files, and what their pages may contain
 * @m: the mount
 * @dev: /dev/vellumfs
 * @fd: the files
 * @map: both mapped shared
 * @old: what they contained before an operation
 * @new: what they may contain after it, page by page
 * @buf: room for one file
 * @chunk_fd: a file with huge memory, or -1
 * @chunk: where that is mapped, or NULL
 * @round: so that contents differ from time to time
 */
struct place {
	const struct ex_mount *m;
	int dev;
	int fd[PLACE_FILES];
	uint8_t *map[PLACE_FILES];
	uint8_t *old[PLACE_FILES];
	uint8_t *new[PLACE_FILES];
	uint8_t *buf;
	int chunk_fd;
	uint8_t *chunk;
	unsigned int round;
};

/**
 * struct site - an operation whose allocations fail
 * @name: for messages
 * @act: does it; 0 or a negative errno
 * @undo: removes what it made, if anything
 */
struct site {
	const char *name;
	int (*act)(struct place *p);
	void (*undo)(struct place *p);
};

extern const struct site sites[];

void place_make(struct place *p, const struct ex_mount *m);
void place_reset(struct place *p);
bool place_check(struct place *p, const char *what);
void place_free(struct place *p);
bool faults_on_thread(const char *comm, bool on);

#endif
