/* SPDX-License-Identifier: GPL-2.0-only */
/* One process's files, what must be in them, and the log of what was done to them. */
#ifndef SELFTESTS_FS_FSX_H
#define SELFTESTS_FS_FSX_H

#include "ex.h"

#define FSX_FILES	3
#define FSX_SIZE	(96 * EX_PAGE)	/* the longest a file gets */
#define FSX_LEN		(9 * EX_PAGE)	/* the longest part that one operation moves */
#define FSX_LOG		100		/* operations that are told on a difference */
#define FSX_LINE	112

/**
 * struct fsx_file - a file and its model
 * @name: in the mount
 * @fd: open for reading and writing
 * @map: FSX_SIZE bytes of it, shared
 * @size: bytes
 * @data: what is in it; zero from @size on
 */
struct fsx_file {
	char name[32];
	int fd;
	uint8_t *map;
	uint64_t size;
	uint8_t *data;
};

/**
 * struct fsx - the state of one run
 * @dir: the mount
 * @rng: decides everything
 * @count: operations so far
 * @can_clone: the filesystem has clones
 * @buf: room for FSX_SIZE bytes
 * @log: the last FSX_LOG operations
 */
struct fsx {
	const char *dir;
	struct ex_rng rng;
	unsigned long seed;
	unsigned long count;
	bool can_clone;
	uint8_t *buf;
	struct fsx_file files[FSX_FILES];
	char log[FSX_LOG][FSX_LINE];
};

typedef void (*fsx_op)(struct fsx *x, struct fsx_file *f);

void fsx_say(struct fsx *x, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void fsx_fail(struct fsx *x, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 2, 3)));
void fsx_compare(struct fsx *x, struct fsx_file *f, uint64_t at, const void *found, uint64_t len,
		 const char *how);
void fsx_map(struct fsx *x, struct fsx_file *f);
fsx_op fsx_choose_io(struct fsx *x);
fsx_op fsx_choose_range(struct fsx *x);

#endif
