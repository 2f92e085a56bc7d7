// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operations that hold pages while others would like to merge, clone or free them: direct I/O of a
 * disk from and to them, pipes, private mappings and forked children.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checker.h"
#include "words.h"

#define FORK_PAGES	4UL

/* The disk's driver writes into pages of the file. Only pages that op_touch() leaves alone. */
static void op_device_write(struct worker *w, const char *name)
{
	struct model_file *f = w->f;
	unsigned long first, n;
	uint64_t from;

	if (!w->disk)
		return;
	pthread_rwlock_rdlock(&f->lock);
	n = 1 + ex_below(&w->rng, SPAN_MAX);
	first = DEVICE_PAGE + ex_below(&w->rng, MODEL_PAGES - DEVICE_PAGE - n);
	if ((first + n) * EX_PAGE <= f->size) {
		model_lock_pages(f, first, n);
		from = ex_below(&w->rng, 16) * SPAN_MAX * EX_PAGE;
		if (pread(w->disk_fd, f->map + first * EX_PAGE, n * EX_PAGE, from) !=
		    (ssize_t)(n * EX_PAGE))
			op_failed(w, name, strerror(errno));
		memcpy(f->data + first * EX_PAGE, w->disk + from, n * EX_PAGE);
		model_wrote(f, first * EX_PAGE, n * EX_PAGE, name);
		model_check(w->m, f, first * EX_PAGE, f->map + first * EX_PAGE, n * EX_PAGE, name);
		model_unlock_pages(f, first, n);
	}
	pthread_rwlock_unlock(&f->lock);
}

/* And reads from them. Each worker has a part of the RAM disk to itself. */
static void op_device_read(struct worker *w, const char *name)
{
	uint64_t to = (uint64_t)w->index * SPAN_MAX * EX_PAGE;
	unsigned long first, n;

	if (w->ram_fd < 0 || !span_lock(w, SPAN_MAX, &first, &n))
		return;
	if (pwrite(w->ram_fd, w->f->map + first * EX_PAGE, n * EX_PAGE, to) !=
	    (ssize_t)(n * EX_PAGE))
		op_failed(w, name, strerror(errno));
	if (pread(w->ram_fd, w->scratch, n * EX_PAGE, to) != (ssize_t)(n * EX_PAGE))
		op_failed(w, name, strerror(errno));
	model_check(w->m, w->f, first * EX_PAGE, w->scratch, n * EX_PAGE, name);
	span_unlock(w, first, n);
}

/* A pipe that holds the page itself shows what was there then, or what was written since. */
static void pipe_holds(struct worker *w, unsigned long page, const char *name, int *fds)
{
	struct iovec iov = { w->f->map + page * EX_PAGE, EX_PAGE };
	uint8_t *now = w->f->data + page * EX_PAGE;
	uint8_t *got = w->scratch + EX_PAGE;

	if (vmsplice(fds[1], &iov, 1, 0) != EX_PAGE)
		op_failed(w, name, strerror(errno));
	ex_sleep_ms(ex_below(&w->rng, 10));
	words_fill(w->scratch, w->f - w->m->files + 1, page, w->f->version[page] + 1, &w->rng);
	memcpy(w->f->map + page * EX_PAGE, w->scratch, EX_PAGE);
	if (read(fds[0], got, EX_PAGE) != EX_PAGE)
		op_failed(w, name, "short read of a pipe");
	if (memcmp(got, w->scratch, EX_PAGE))
		model_check(w->m, w->f, page * EX_PAGE, got, EX_PAGE, name);
	memcpy(now, w->scratch, EX_PAGE);
	model_wrote(w->f, page * EX_PAGE, EX_PAGE, name);
	model_check(w->m, w->f, page * EX_PAGE, w->f->map + page * EX_PAGE, EX_PAGE, name);
}

static void op_pipe(struct worker *w, const char *name)
{
	unsigned long first, n;
	int fds[2];

	if (pipe(fds))
		op_failed(w, name, strerror(errno));
	if (span_lock(w, 1, &first, &n)) {
		pipe_holds(w, first, name, fds);
		span_unlock(w, first, n);
	}
	close(fds[0]);
	close(fds[1]);
}

/* The file's own pages in a pipe, by splice */
static void op_splice(struct worker *w, const char *name)
{
	unsigned long first, n;
	loff_t at;
	int fds[2];

	if (pipe(fds))
		op_failed(w, name, strerror(errno));
	if (span_lock(w, 4, &first, &n)) {
		uint64_t got = 0;

		at = first * EX_PAGE;
		while (got < n * EX_PAGE) {
			ssize_t part = splice(w->f->fd, &at, fds[1], NULL, n * EX_PAGE - got, 0);

			if (part <= 0 || read(fds[0], w->scratch + got, part) != part)
				op_failed(w, name, strerror(errno));
			got += part;
		}
		model_check(w->m, w->f, first * EX_PAGE, w->scratch, got, name);
		span_unlock(w, first, n);
	}
	close(fds[0]);
	close(fds[1]);
}

static void scribble(struct worker *w, uint8_t *map, unsigned long page)
{
	words_fill(map, w->f - w->m->files + 1, page, w->f->version[page] + 1, &w->rng);
}

/* The child has what was there when it was born, and what it writes stays its own. */
static int in_child(struct worker *w, uint8_t *map, const uint8_t *own, unsigned long first)
{
	if (!words_compare(map, own, EX_PAGE, 0, "a child's private page"))
		return 1;
	model_check(w->m, w->f, (first + 1) * EX_PAGE, map + EX_PAGE, EX_PAGE, "a child");
	scribble(w, map, first);
	scribble(w, map + EX_PAGE, first);
	return 0;
}

static bool child_is_well(struct worker *w, uint8_t *map, const uint8_t *own, unsigned long first)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		status = in_child(w, map, own, first);
		fflush(stdout);
		_exit(status);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

static void op_private_fork(struct worker *w, const char *name)
{
	uint8_t *own = w->scratch;
	unsigned long first, n;
	uint8_t *map;

	if (!span_lock(w, FORK_PAGES, &first, &n))
		return;
	map = mmap(NULL, FORK_PAGES * EX_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, w->f->fd,
		   first * EX_PAGE);
	if (map == MAP_FAILED)
		op_failed(w, name, strerror(errno));
	model_check(w->m, w->f, first * EX_PAGE, map, n * EX_PAGE, name);
	if (n >= 2) {
		scribble(w, map, first);
		memcpy(own, map, EX_PAGE);
		if (!child_is_well(w, map, own, first))
			op_failed(w, name, "the child is not well");
		if (!words_compare(map, own, EX_PAGE, 0, "the parent's private page"))
			op_failed(w, name, "lost a private write");
		model_check(w->m, w->f, (first + 1) * EX_PAGE, map + EX_PAGE, EX_PAGE, name);
		/* The file knows nothing of all this. */
		model_check(w->m, w->f, first * EX_PAGE, w->f->map + first * EX_PAGE,
			    n * EX_PAGE, name);
	}
	munmap(map, FORK_PAGES * EX_PAGE);
	span_unlock(w, first, n);
}

const struct op holder_ops[] = {
	{ "direct I/O into its pages", 6, op_device_write },
	{ "direct I/O from its pages", 3, op_device_read },
	{ "vmsplice", 3, op_pipe },
	{ "splice", 3, op_splice },
	{ "a private mapping", 3, op_private_fork },
	{ 0 },
};
