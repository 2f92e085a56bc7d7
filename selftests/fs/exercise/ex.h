/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the exercisers share: settings from the environment, repeatable random numbers, mounts, the
 * module and its counters. EX_FS=tmpfs runs them where there is no vellumfs: then nothing merges,
 * and what tmpfs cannot do (clones) is left out.
 */
#ifndef SELFTESTS_FS_EX_H
#define SELFTESTS_FS_EX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EX_PAGE		4096UL
#define EX_MIB		(1024 * 1024UL)
#define EX_GIB		(1024 * EX_MIB)
#define EX_ROOT		"/tmp/exercise"	/* the mounts are folders of it */

/* A function, so that an argument that draws a random number is evaluated once. */
static inline uint64_t ex_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t ex_env(const char *name, uint64_t fallback);
bool ex_ours(void);
void ex_die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
uint64_t ex_now_ms(void);
void ex_sleep_ms(unsigned int ms);

/* A stream of numbers from a seed: the same in every run. */
struct ex_rng {
	uint64_t state;
};

uint64_t ex_rand(struct ex_rng *rng);
uint64_t ex_below(struct ex_rng *rng, uint64_t limit);
bool ex_chance(struct ex_rng *rng, unsigned int percent);

/**
 * struct ex_mount - a mounted filesystem
 * @dir: where
 * @blocks_used: used blocks when it was new
 * @inodes_used: used inodes then
 */
struct ex_mount {
	char dir[64];
	uint64_t blocks_used;
	uint64_t inodes_used;
};

void ex_load(void);
void ex_mount(struct ex_mount *m, const char *name, const char *options);
bool ex_is_empty_again(const struct ex_mount *m);
bool ex_umount(const struct ex_mount *m);
bool ex_unload(void);
bool ex_nothing_left(void);

long ex_counter(const char *name);
void ex_set(const char *name, const char *value);
void ex_hurry(void);

bool ex_can_clone(const struct ex_mount *m);
int ex_open(const char *dir, const char *name, int flags);
int ex_clone(int to, int from);

#endif
