// SPDX-License-Identifier: GPL-2.0-only
/* See scanner.h. */
#include "scanner.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#define CALIBRATE_MS	200
#define PAGE		4096L

static const struct scanner ours = { "/sys/fs/vellumfs", "vellumfs", true };
static const struct scanner ksm = { "/sys/kernel/mm/ksm", "ksmd", false };

static int thread;
static uint64_t ticks_per_ms;

void scanner_die(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "merge_bench: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

uint64_t scanner_now_ms(void)
{
	return now_ns() / 1000000;
}

void scanner_sleep_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

static bool is_thread(const char *pid, const char *comm)
{
	char path[300], name[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (!fgets(name, sizeof(name), f))
		name[0] = '\0';
	fclose(f);
	return !strncmp(name, comm, strlen(comm));
}

static int find_thread(const char *comm)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int found = 0;

	while (proc && !found && (entry = readdir(proc)))
		if (atoi(entry->d_name) && is_thread(entry->d_name, comm))
			found = atoi(entry->d_name);
	if (proc)
		closedir(proc);
	return found;
}

static void calibrate(void)
{
	uint64_t ns = now_ns(), ticks = __rdtsc();

	scanner_sleep_ms(CALIBRATE_MS);
	ticks = __rdtsc() - ticks;
	ticks_per_ms = ticks * 1000000 / (now_ns() - ns);
}

/* Knobs that both have get the values that KSM's figures are known for. */
const struct scanner *scanner_open(bool is_ksm)
{
	const struct scanner *s = is_ksm ? &ksm : &ours;

	thread = find_thread(s->comm);
	if (!thread)
		scanner_die("there is no thread %s", s->comm);
	calibrate();
	scanner_set(s, "pages_to_scan", 2000);
	scanner_set(s, "sleep_millisecs", 1);
	if (is_ksm)
		scanner_set(s, "smart_scan", 1);
	return s;
}

long scanner_get(const struct scanner *s, const char *name)
{
	char path[128];
	long value;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", s->sysfs, name);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%ld", &value) != 1)
		scanner_die("%s cannot be read", path);
	fclose(f);
	return value;
}

void scanner_set(const struct scanner *s, const char *name, long value)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", s->sysfs, name);
	f = fopen(path, "w");
	if (!f || fprintf(f, "%ld", value) < 0 || fclose(f))
		scanner_die("%s cannot be set to %ld", path, value);
}

/* The thread's time on a CPU: the same clock for both */
uint64_t scanner_ticks(const struct scanner *s)
{
	unsigned long long ns;
	char path[64];
	FILE *f;

	(void)s;
	snprintf(path, sizeof(path), "/proc/%d/schedstat", thread);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%llu", &ns) != 1)
		scanner_die("%s cannot be read", path);
	fclose(f);
	return ns * ticks_per_ms / 1000000;
}

/* Pages that need no memory of their own; KSM counts those apart that it gave the zero page. */
long scanner_saved(const struct scanner *s)
{
	return scanner_get(s, "pages_sharing") +
	       scanner_get(s, s == &ours ? "zero_pages" : "ksm_zero_pages");
}

/* KSM tells its own by its profit only. */
long scanner_metadata(const struct scanner *s)
{
	if (s == &ours)
		return scanner_get(s, "metadata_bytes");
	return scanner_saved(s) * PAGE - scanner_get(s, "general_profit");
}
