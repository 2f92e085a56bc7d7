// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards single operations on files, in any order: reads and writes by call and by mapping, sizes,
 * holes, clones, copies, with unaligned ends everywhere. After each the files must be what a model
 * in memory says; if not, the operations that led there are told, and FSX_SEED repeats them.
 *
 * FSX_OPS (4000) operations in each of FSX_PROCS (3) processes, FSX_SEED (1), EX_FS (vellumfs).
 */
#include "fsx.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest.h"
#include "words.h"

#define VERIFY_EVERY	8

void fsx_say(struct fsx *x, const char *fmt, ...)
{
	char *line = x->log[x->count % FSX_LOG];
	int used = snprintf(line, FSX_LINE, "%lu ", x->count);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line + used, FSX_LINE - used, fmt, ap);
	va_end(ap);
}

void fsx_fail(struct fsx *x, const char *fmt, ...)
{
	unsigned long i = x->count < FSX_LOG ? 0 : x->count - FSX_LOG + 1;
	va_list ap;

	for (; i <= x->count; i++)
		printf("# %s\n", x->log[i % FSX_LOG]);
	printf("# FAILED with seed %lu: ", x->seed);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

void fsx_compare(struct fsx *x, struct fsx_file *f, uint64_t at, const void *found, uint64_t len,
		 const char *how)
{
	char where[96];

	snprintf(where, sizeof(where), "%s from %s at %#lx", how, f->name, (unsigned long)at);
	if (!words_compare(found, f->data + at, len, at % sizeof(uint64_t), where))
		fsx_fail(x, "%s", where);
}

void fsx_map(struct fsx *x, struct fsx_file *f)
{
	if (f->map)
		munmap(f->map, FSX_SIZE);
	f->map = mmap(NULL, FSX_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	if (f->map == MAP_FAILED)
		fsx_fail(x, "mmap: %s", strerror(errno));
}

/* By mapping as far as there are pages: also what is behind the end in the last one */
static void verify(struct fsx *x, struct fsx_file *f)
{
	uint64_t mapped = (f->size + EX_PAGE - 1) / EX_PAGE * EX_PAGE;
	struct stat st;
	ssize_t got;

	if (fstat(f->fd, &st) || (uint64_t)st.st_size != f->size)
		fsx_fail(x, "%s has size %#lx, not %#lx", f->name, (unsigned long)st.st_size,
			 (unsigned long)f->size);
	got = pread(f->fd, x->buf, FSX_SIZE, 0);
	if (got != (ssize_t)f->size)
		fsx_fail(x, "%s: %zd bytes can be read, not %lu", f->name, got,
			 (unsigned long)f->size);
	fsx_compare(x, f, 0, x->buf, f->size, "read");
	fsx_compare(x, f, 0, f->map, mapped, "load");
}

static void verify_all(struct fsx *x)
{
	int i;

	for (i = 0; i < FSX_FILES; i++)
		verify(x, &x->files[i]);
}

static void setup(struct fsx *x, int process)
{
	int i;

	x->buf = malloc(FSX_SIZE);
	for (i = 0; i < FSX_FILES; i++) {
		struct fsx_file *f = &x->files[i];

		snprintf(f->name, sizeof(f->name), "fsx%d%c", process, 'a' + i);
		f->fd = ex_open(x->dir, f->name, O_RDWR | O_CREAT | O_EXCL);
		f->data = calloc(1, FSX_SIZE);
		fsx_map(x, f);
	}
}

static int run(struct fsx *x, int process, unsigned long ops)
{
	char path[128];
	fsx_op op;
	int i;

	setup(x, process);
	for (x->count = 0; x->count < ops; x->count++) {
		op = ex_chance(&x->rng, 65) ? fsx_choose_io(x) : fsx_choose_range(x);
		fsx_say(x, "nothing");
		op(x, &x->files[ex_below(&x->rng, FSX_FILES)]);
		if (x->count % VERIFY_EVERY == 0)
			verify_all(x);
	}
	verify_all(x);
	for (i = 0; i < FSX_FILES; i++) {
		snprintf(path, sizeof(path), "%s/%s", x->dir, x->files[i].name);
		unlink(path);
	}
	return 0;
}

static bool run_all(const struct ex_mount *m, bool can_clone)
{
	static struct fsx x;
	unsigned long ops = ex_env("FSX_OPS", 4000), procs = ex_env("FSX_PROCS", 3), i;
	int status, good = 1;

	fflush(stdout);
	for (i = 0; i < procs; i++) {
		if (fork())
			continue;
		x.dir = m->dir;
		x.seed = ex_env("FSX_SEED", 1) + i;
		x.rng.state = x.seed << 32;
		x.can_clone = can_clone;
		_exit(run(&x, i, ops));
	}
	while (wait(&status) > 0)
		good &= !status;
	return good;
}

int main(void)
{
	static const char *const options[] = { "size=64M", "size=64M?huge=always" };
	struct ex_mount m;
	char name[8];
	unsigned int i;
	long merged;

	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	ksft_set_plan(7);
	ex_load();
	ex_hurry();
	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		snprintf(name, sizeof(name), "x%u", i);
		ex_mount(&m, name, options[i]);
		merged = ex_counter("full_scans");
		ksft_test_result(run_all(&m, ex_can_clone(&m)), "%s: the files are as the model\n",
				 options[i]);
		printf("# %ld passes of the scanner meanwhile\n",
		       ex_counter("full_scans") - merged);
		ksft_test_result(ex_is_empty_again(&m), "%s: removing them frees their pages\n",
				 options[i]);
		ksft_test_result(ex_umount(&m) && ex_nothing_left(),
				 "%s: unmounting returns every page\n", options[i]);
	}
	ksft_test_result(ex_unload(), "the module unloads\n");
	ksft_finished();
}
