/* SPDX-License-Identifier: GPL-2.0-only */
/* The checker's operations: each changes or reads files as one of their users would. */
#ifndef SELFTESTS_FS_CHECKER_H
#define SELFTESTS_FS_CHECKER_H

#include <sys/types.h>

#include "model.h"

#define DISK_SIZE	EX_MIB	/* of the disk, is read into files */
#define SPAN_MAX	8UL		/* pages that one operation locks */
#define HOT_PAGES	64UL		/* most operations go here; the rest idles and merges */
/* No atomic no-op writes from here on, so that a device may write: see op_touch(). */
#define DEVICE_PAGE	(MODEL_PAGES * 3 / 4)

/**
 * struct worker - a process that does operations
 * @m: the model
 * @index: its number
 * @rng: its numbers
 * @f: the file of this operation
 * @scratch: room for SPAN_MAX pages
 * @disk: its first DISK_SIZE bytes, or NULL
 * @disk_fd: the disk, opened with O_DIRECT
 * @ram_fd: a RAM disk, opened with O_DIRECT for writing, or -1
 * @parent: a process that has all files mapped
 * @can_clone: the filesystem has clones
 */
struct worker {
	struct model *m;
	unsigned int index;
	struct ex_rng rng;
	struct model_file *f;
	uint8_t *scratch;
	const uint8_t *disk;
	int disk_fd;
	int ram_fd;
	pid_t parent;
	bool can_clone;
};

/**
 * struct op - one operation
 * @name: for messages
 * @weight: how often, in relation to the others
 * @run: does it
 * @clones: needs FICLONE and the like
 */
struct op {
	const char *name;
	unsigned int weight;
	void (*run)(struct worker *w, const char *name);
	bool clones;
};

extern const struct op page_ops[], file_ops[], holder_ops[], policy_ops[];

void cut_start(const struct ex_mount *mount, struct model *m);

bool span_lock(struct worker *w, unsigned long max, unsigned long *first, unsigned long *n);
void span_unlock(struct worker *w, unsigned long first, unsigned long n);
void op_failed(struct worker *w, const char *name, const char *what)
	__attribute__((noreturn));

#endif
