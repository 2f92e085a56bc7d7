// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's work while QEMU saves, restores or moves it, and while the host swaps, merges and
 * splits its memory (selftests/load): one thread per CPU rewrites its own memory without pause and
 * verifies every page before it is written anew, so a page that was lost, stale or torn on the way
 * is found within a sweep. What else must survive is watched too: the clocks never go back, and a
 * sum kept in vector registers agrees with one kept in memory.
 *
 * usage: memwork MIB [QUIET]      (1 to 4096, over all threads; runs until killed)
 *
 * The last QUIET MiB are verified in each sweep, but rewritten in every fourth only, with one of
 * two contents that are the same in all guests: a host that merges memory has time to find them,
 * and the next write must part them again.
 *
 * Says "memwork: sweep N" when all threads have done a sweep, for which they wait for each other:
 * a CPU that no longer runs, or lost a wake-up, ends the sweeps. "memwork: BAD ..." ends it too.
 */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define PAGE		4096UL
#define WORDS		(PAGE / sizeof(uint64_t))
#define MIB_PAGES	(1024 * 1024 / PAGE)
#define MIB_MAX		4096
#define QUIET_SWEEPS	4

struct worker {
	pthread_t thread;
	unsigned int id;
	size_t pages;
	size_t busy;		/* of these are rewritten in each sweep, the rest is quiet */
	uint64_t *memory;	/* pages * WORDS */
	uint32_t *generation;	/* what each page holds now */
	uint64_t last_ns;
	uint64_t last_tsc;
};

static pthread_barrier_t swept;

static __attribute__((noreturn)) void bad(const char *what, const struct worker *w,
						 uint64_t where, uint64_t got, uint64_t want)
{
	printf("memwork: BAD %s: thread %u, at %#lx: %#lx instead of %#lx\n", what, w->id,
	       (unsigned long)where, (unsigned long)got, (unsigned long)want);
	fflush(stdout);
	_exit(1);
}

/* The first word of a page; the others follow from it. splitmix64's finalizer. */
static uint64_t seed(const struct worker *w, size_t page, uint32_t generation)
{
	uint64_t x = ((uint64_t)generation << 32 | page) + ((uint64_t)w->id << 56);

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static uint64_t next(uint64_t x)
{
	return x * 6364136223846793005ULL + 1442695040888963407ULL;
}

static void fill(struct worker *w, size_t page)
{
	uint64_t *p = w->memory + page * WORDS;
	uint32_t generation = page < w->busy ? w->generation[page] + 1 : !w->generation[page];
	uint64_t x = seed(w, page, generation);
	size_t i;

	w->generation[page] = generation;
	for (i = 0; i < WORDS; i++, x = next(x))
		p[i] = x;
}

static void verify(struct worker *w, size_t page)
{
	const uint64_t *p = w->memory + page * WORDS;
	uint64_t x = seed(w, page, w->generation[page]);
	size_t i;

	for (i = 0; i < WORDS; i++, x = next(x))
		if (p[i] != x)
			bad("page", w, page * PAGE + i * sizeof(*p), p[i], x);
}

/* Its own CPU's time-stamp counter: the thread stays there. */
static void watch_clocks(struct worker *w)
{
	uint64_t tsc = __rdtsc(), ns;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ns = now.tv_sec * 1000000000ULL + now.tv_nsec;
	if (ns < w->last_ns)
		bad("clock", w, 0, ns, w->last_ns);
	if (tsc < w->last_tsc)
		bad("TSC", w, 0, tsc, w->last_tsc);
	w->last_ns = ns;
	w->last_tsc = tsc;
}

/* A sum in vector registers across a page of work against the same with integers. */
static void watch_vectors(struct worker *w, uint64_t round)
{
	__m128i sum = _mm_set1_epi64x(round), one = _mm_set1_epi64x(1);
	uint64_t lanes[2];
	int i;

	for (i = 0; i < 20000; i++) {
		sum = _mm_add_epi64(sum, one);
		__asm__ volatile("" : "+x"(sum));
	}
	_mm_storeu_si128((void *)lanes, sum);
	if (lanes[0] != round + i || lanes[1] != round + i)
		bad("vector", w, 0, lanes[0], round + i);
}

static void pin(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		perror("memwork: pinning a thread");
		exit(2);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;
	uint64_t sweep;
	size_t page;

	pin(w->id);
	for (page = 0; page < w->pages; page++)
		fill(w, page);
	for (sweep = 1;; sweep++) {
		for (page = 0; page < w->pages; page++) {
			verify(w, page);
			if (page < w->busy || !(sweep % QUIET_SWEEPS))
				fill(w, page);
		}
		watch_clocks(w);
		watch_vectors(w, sweep);
		if (pthread_barrier_wait(&swept) == PTHREAD_BARRIER_SERIAL_THREAD)
			printf("memwork: sweep %lu\n", (unsigned long)sweep);
	}
	return NULL;
}

static void start(struct worker *w, unsigned int id, size_t pages, size_t quiet)
{
	w->id = id;
	w->pages = pages;
	w->busy = pages - quiet;
	w->memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	w->generation = calloc(pages, sizeof(*w->generation));
	if (w->memory == MAP_FAILED || !w->generation ||
	    pthread_create(&w->thread, NULL, work, w)) {
		fprintf(stderr, "memwork: no memory\n");
		exit(2);
	}
}

static void refuse_arguments(void)
{
	fprintf(stderr, "usage: memwork MIB [QUIET]\n");
	exit(2);
}

int main(int argc, char **argv)
{
	unsigned long mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	unsigned long quiet = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	long i, cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct worker *workers = calloc(cpus, sizeof(*workers));

	if (argc > 3 || !mib || mib > MIB_MAX || quiet > mib || cpus > CPU_SETSIZE || !workers)
		refuse_arguments();
	setvbuf(stdout, NULL, _IOLBF, 0);
	pthread_barrier_init(&swept, NULL, cpus);
	for (i = 0; i < cpus; i++)
		start(&workers[i], i, mib * MIB_PAGES / cpus, quiet * MIB_PAGES / cpus);
	for (i = 0; i < cpus; i++)
		pthread_join(workers[i].thread, NULL);
	return 0;
}
