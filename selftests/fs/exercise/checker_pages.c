// SPDX-License-Identifier: GPL-2.0-only
/* Operations on pages of one file: reads and writes of every kind. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "checker.h"
#include "words.h"

/* Holds up to @max whole pages of @w->f, and its size; false if it has none. */
bool span_lock(struct worker *w, unsigned long max, unsigned long *first, unsigned long *n)
{
	struct model_file *f = w->f;
	unsigned long pages;

	pthread_rwlock_rdlock(&f->lock);
	pages = f->size / EX_PAGE;
	if (!pages) {
		pthread_rwlock_unlock(&f->lock);
		return false;
	}
	*first = ex_below(&w->rng, ex_chance(&w->rng, 75) ? ex_min(pages, HOT_PAGES) : pages);
	*n = 1 + ex_below(&w->rng, max);
	*n = ex_min(*n, pages - *first);
	model_lock_pages(f, *first, *n);
	return true;
}

void span_unlock(struct worker *w, unsigned long first, unsigned long n)
{
	model_unlock_pages(w->f, first, n);
	pthread_rwlock_unlock(&w->f->lock);
}

/* New contents for pages of @w->f, in the scratch */
static void make_contents(struct worker *w, unsigned long first, unsigned long n)
{
	unsigned long i;

	for (i = 0; i < n; i++)
		words_fill(w->scratch + i * EX_PAGE, w->f - w->m->files + 1, first + i,
			   w->f->version[first + i] + 1, &w->rng);
}

/* What was written is in the scratch at the same place as in the file. */
static void remember(struct worker *w, unsigned long first, uint64_t at, uint64_t len,
		     const char *name)
{
	memcpy(w->f->data + at, w->scratch + (at - first * EX_PAGE), len);
	model_wrote(w->f, at, len, name);
}

/* Part of a span, down to single bytes */
static void random_part(struct worker *w, unsigned long first, unsigned long n, uint64_t *at,
			uint64_t *len)
{
	uint64_t from = 0, size = n * EX_PAGE;

	if (ex_chance(&w->rng, 60)) {
		from = ex_below(&w->rng, size);
		size = 1 + ex_below(&w->rng, size - from);
	}
	*at = first * EX_PAGE + from;
	*len = size;
}

static void op_store(struct worker *w, const char *name)
{
	unsigned long first, n;
	uint64_t at, len;

	if (!span_lock(w, 2, &first, &n))
		return;
	make_contents(w, first, n);
	random_part(w, first, n, &at, &len);
	memcpy(w->f->map + at, w->scratch + (at - first * EX_PAGE), len);
	remember(w, first, at, len, name);
	span_unlock(w, first, n);
}

/* One word of a page that may be merged: the rest must come with it. */
static void op_store_word(struct worker *w, const char *name)
{
	unsigned long first, n;
	uint64_t at, word;

	if (!span_lock(w, 1, &first, &n))
		return;
	at = first * EX_PAGE + ex_below(&w->rng, WORDS) * sizeof(word);
	word = word_make(w->f - w->m->files + 1, first, w->f->version[first] + 1,
			 at % EX_PAGE / sizeof(word));
	*(volatile uint64_t *)(w->f->map + at) = word;
	memcpy(w->f->data + at, &word, sizeof(word));
	model_wrote(w->f, at, sizeof(word), name);
	model_check(w->m, w->f, first * EX_PAGE, w->f->map + first * EX_PAGE, EX_PAGE, name);
	span_unlock(w, first, n);
}

static void op_pwrite(struct worker *w, const char *name)
{
	unsigned long first, n;
	uint64_t at, len;
	ssize_t ret;

	if (!span_lock(w, SPAN_MAX, &first, &n))
		return;
	make_contents(w, first, n);
	random_part(w, first, n, &at, &len);
	ret = pwrite(w->f->fd, w->scratch + (at - first * EX_PAGE), len, at);
	if (ret != (ssize_t)len)
		op_failed(w, name, ret < 0 ? strerror(errno) : "short");
	remember(w, first, at, len, name);
	span_unlock(w, first, n);
}

/* Through another process's mapping: get_user_pages on pages of ours */
static void op_vm_write(struct worker *w, const char *name)
{
	unsigned long first, n;
	struct iovec from, to;
	uint64_t at, len;

	if (!span_lock(w, 4, &first, &n))
		return;
	make_contents(w, first, n);
	random_part(w, first, n, &at, &len);
	from = (struct iovec) { w->scratch + (at - first * EX_PAGE), len };
	to = (struct iovec) { w->f->map + at, len };
	if (process_vm_writev(w->parent, &from, 1, &to, 1, 0) != (ssize_t)len)
		op_failed(w, name, strerror(errno));
	remember(w, first, at, len, name);
	span_unlock(w, first, n);
}

static void op_load(struct worker *w, const char *name)
{
	unsigned long first, n;

	if (!span_lock(w, SPAN_MAX, &first, &n))
		return;
	model_check(w->m, w->f, first * EX_PAGE, w->f->map + first * EX_PAGE, n * EX_PAGE, name);
	span_unlock(w, first, n);
}

static void op_read(struct worker *w, const char *name)
{
	unsigned long first, n;
	uint64_t at, len;

	if (!span_lock(w, SPAN_MAX, &first, &n))
		return;
	random_part(w, first, n, &at, &len);
	if (pread(w->f->fd, w->scratch, len, at) != (ssize_t)len)
		op_failed(w, name, "short");
	model_check(w->m, w->f, at, w->scratch, len, name);
	span_unlock(w, first, n);
}

static void op_vm_read(struct worker *w, const char *name)
{
	unsigned long first, n;
	struct iovec from, to;

	if (!span_lock(w, SPAN_MAX, &first, &n))
		return;
	to = (struct iovec) { w->scratch, n * EX_PAGE };
	from = (struct iovec) { w->f->map + first * EX_PAGE, n * EX_PAGE };
	if (process_vm_readv(w->parent, &to, 1, &from, 1, 0) != (ssize_t)to.iov_len)
		op_failed(w, name, strerror(errno));
	model_check(w->m, w->f, first * EX_PAGE, w->scratch, n * EX_PAGE, name);
	span_unlock(w, first, n);
}

static void op_punch(struct worker *w, const char *name)
{
	unsigned long first, n;
	uint64_t at, len;

	if (!span_lock(w, SPAN_MAX, &first, &n))
		return;
	random_part(w, first, n, &at, &len);
	if (fallocate(w->f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, len))
		op_failed(w, name, strerror(errno));
	memset(w->f->data + at, 0, len);
	model_wrote(w->f, at, len, name);
	model_check(w->m, w->f, first * EX_PAGE, w->f->map + first * EX_PAGE, n * EX_PAGE, name);
	span_unlock(w, first, n);
}

static void op_allocate(struct worker *w, const char *name)
{
	unsigned long first, n;

	if (!span_lock(w, SPAN_MAX, &first, &n))
		return;
	if (fallocate(w->f->fd, ex_chance(&w->rng, 50) ? FALLOC_FL_KEEP_SIZE : 0,
		      first * EX_PAGE, n * EX_PAGE))
		op_failed(w, name, strerror(errno));
	span_unlock(w, first, n);
}

/* The mapping loses its page table entries, the file nothing. */
static void op_forget(struct worker *w, const char *name)
{
	unsigned long first, n;

	if (!span_lock(w, SPAN_MAX, &first, &n))
		return;
	if (madvise(w->f->map + first * EX_PAGE, n * EX_PAGE, MADV_DONTNEED))
		op_failed(w, name, strerror(errno));
	span_unlock(w, first, n);
}

static void op_lock_memory(struct worker *w, const char *name)
{
	unsigned long first, n;

	if (!span_lock(w, SPAN_MAX, &first, &n))
		return;
	if (mlock(w->f->map + first * EX_PAGE, n * EX_PAGE))
		op_failed(w, name, strerror(errno));
	model_check(w->m, w->f, first * EX_PAGE, w->f->map + first * EX_PAGE, n * EX_PAGE, name);
	span_unlock(w, first, n);
	ex_sleep_ms(ex_below(&w->rng, 5));
	munlock(w->f->map + first * EX_PAGE, n * EX_PAGE);
}

static sigjmp_buf beyond_end;

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(beyond_end, 1);
}

/*
 * Without any lock, racing everything: reads, and writes that change nothing because they are one
 * atomic instruction. They are kept from pages that a device writes, since not every emulator makes
 * an instruction atomic against a device.
 */
static void op_touch(struct worker *w, const char *name)
{
	struct sigaction act = { .sa_handler = on_sigbus };
	volatile int i;

	(void)name;
	sigaction(SIGBUS, &act, NULL);
	for (i = 0; i < 64 && !sigsetjmp(beyond_end, 1); i++) {
		uint64_t at = ex_below(&w->rng, DEVICE_PAGE * WORDS) * sizeof(uint64_t);

		if (i % 2)
			__atomic_fetch_or((uint64_t *)(w->f->map + at), 0, __ATOMIC_SEQ_CST);
		else
			(void)*(volatile uint64_t *)(w->f->map + at);
	}
	/* Anywhere else it is an error. */
	signal(SIGBUS, SIG_DFL);
}

const struct op page_ops[] = {
	{ "a store", 14, op_store },
	{ "a store of one word", 10, op_store_word },
	{ "pwrite", 12, op_pwrite },
	{ "process_vm_writev", 4, op_vm_write },
	{ "a load", 16, op_load },
	{ "pread", 14, op_read },
	{ "process_vm_readv", 5, op_vm_read },
	{ "a punched hole", 6, op_punch },
	{ "fallocate", 3, op_allocate },
	{ "MADV_DONTNEED", 4, op_forget },
	{ "mlock", 1, op_lock_memory },
	{ "an unlocked touch", 4, op_touch },
	{ 0 },
};
