/* SPDX-License-Identifier: GPL-2.0-only */
/* The thread that merges pages, vellumfs's or KSM's: its knobs, its counters, its CPU time. */
#ifndef SELFTESTS_BENCH_SCANNER_H
#define SELFTESTS_BENCH_SCANNER_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct scanner - one of the two
 * @sysfs: folder of its counters
 * @comm: name of its thread
 * @sleeps: it sleeps for good when there is nothing to do
 */
struct scanner {
	const char *sysfs;
	const char *comm;
	bool sleeps;
};

const struct scanner *scanner_open(bool ksm);
void scanner_die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
long scanner_get(const struct scanner *s, const char *name);
void scanner_set(const struct scanner *s, const char *name, long value);
uint64_t scanner_ticks(const struct scanner *s);
long scanner_saved(const struct scanner *s);
long scanner_metadata(const struct scanner *s);
uint64_t scanner_now_ms(void);
void scanner_sleep_ms(unsigned int ms);

#endif
