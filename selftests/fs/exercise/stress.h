/* SPDX-License-Identifier: GPL-2.0-only */
/* The scenarios of stress: each mounts for itself, reports one result or more, and cleans up. */
#ifndef SELFTESTS_FS_STRESS_H
#define SELFTESTS_FS_STRESS_H

#include <sys/types.h>

#include "ex.h"

/**
 * struct scenario - one of them
 * @name: for messages
 * @options: of the mount
 * @run: in the mount; true if all is as it should be
 */
struct scenario {
	const char *name;
	const char *options;
	bool (*run)(const struct ex_mount *m);
};

bool stress_swarm(const struct ex_mount *m);
bool stress_thousand(const struct ex_mount *m);
bool stress_sparse(const struct ex_mount *m);
bool stress_full_write(const struct ex_mount *m);
bool stress_full_fault(const struct ex_mount *m);
bool stress_full_clone(const struct ex_mount *m);
bool stress_full_names(const struct ex_mount *m);
bool stress_busy(const struct ex_mount *m);
bool stress_oom(const struct ex_mount *m);

bool stress_wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void stress_fill(void *page, unsigned int file, unsigned long index);
bool stress_same(const void *page, unsigned int file, unsigned long index, const char *where);
void stress_remove(const struct ex_mount *m, const char *name);
uint64_t stress_used_pages(const struct ex_mount *m);

#endif
