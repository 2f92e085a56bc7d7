// SPDX-License-Identifier: GPL-2.0-only
/* Operations on sizes and on several files: truncation, clones, copies, holes. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "checker.h"
#include "words.h"

/* Another file of the same mount */
static struct model_file *sibling(struct worker *w)
{
	unsigned long me = w->f - w->m->files;
	unsigned long base = me / MODEL_PER_MOUNT * MODEL_PER_MOUNT;
	unsigned long step = 1 + ex_below(&w->rng, MODEL_PER_MOUNT - 1);

	return &w->m->files[base + (me - base + step) % MODEL_PER_MOUNT];
}

static void set_size(struct worker *w, uint64_t size, const char *name)
{
	struct model_file *f = w->f;

	if (ftruncate(f->fd, size))
		op_failed(w, name, strerror(errno));
	if (size < f->size) {
		memset(f->data + size, 0, f->size - size);
		model_wrote(f, size, f->size - size, name);
	}
	f->size = size;
}

static void op_truncate(struct worker *w, const char *name)
{
	uint64_t size = ex_below(&w->rng, MODEL_SIZE + 1);

	if (ex_chance(&w->rng, 50))
		size &= -EX_PAGE;
	pthread_rwlock_wrlock(&w->f->lock);
	set_size(w, size, name);
	/* Files are mostly large. */
	if (ex_chance(&w->rng, 80))
		set_size(w, MODEL_SIZE, name);
	pthread_rwlock_unlock(&w->f->lock);
}

/* A write that makes the file longer, from inside or from beyond its end */
static void op_append(struct worker *w, const char *name)
{
	struct model_file *f = w->f;
	uint64_t at, len = 1 + ex_below(&w->rng, 3 * EX_PAGE);

	pthread_rwlock_wrlock(&f->lock);
	at = ex_min(f->size + ex_below(&w->rng, 2 * EX_PAGE), MODEL_SIZE - len);
	words_fill(w->scratch, f - w->m->files + 1, at / EX_PAGE, f->version[at / EX_PAGE] + 1,
		   &w->rng);
	memcpy(w->scratch + EX_PAGE, w->scratch, EX_PAGE);
	memcpy(w->scratch + 2 * EX_PAGE, w->scratch, EX_PAGE);
	if (pwrite(f->fd, w->scratch, len, at) != (ssize_t)len)
		op_failed(w, name, strerror(errno));
	memcpy(f->data + at, w->scratch, len);
	model_wrote(f, at, len, name);
	if (at + len > f->size)
		f->size = at + len;
	pthread_rwlock_unlock(&f->lock);
}

static void lock_files(struct model_file *a, struct model_file *b)
{
	pthread_rwlock_wrlock(a < b ? &a->lock : &b->lock);
	pthread_rwlock_wrlock(a < b ? &b->lock : &a->lock);
}

static void unlock_files(struct model_file *a, struct model_file *b)
{
	pthread_rwlock_unlock(&a->lock);
	pthread_rwlock_unlock(&b->lock);
}

/* Within a domain it must work, across the border it must not; true if it did. */
static bool expected(struct worker *w, const struct model_file *from, int ret, const char *name)
{
	/* Nothing at all may be cloned anywhere. */
	if (ret != (from->domain == w->f->domain ? 0 : -EXDEV) && (ret || from->size))
		op_failed(w, name, ret ? strerror(-ret) : "across the border of a domain");
	return !ret;
}

/* The whole of another file; both are written on by everybody afterwards. */
static void op_clone(struct worker *w, const char *name)
{
	struct model_file *f = w->f, *from = sibling(w);
	int ret;

	lock_files(f, from);
	/* A clone leaves what is beyond the source's end. */
	if (f->size > from->size)
		set_size(w, from->size, name);
	ret = ex_clone(f->fd, from->fd);
	if (expected(w, from, ret, name)) {
		memcpy(f->data, from->data, MODEL_SIZE);
		f->size = from->size;
		model_wrote(f, 0, MODEL_SIZE, name);
	}
	unlock_files(f, from);
}

/* Two ranges of pages, of one file or two, under their locks; false: there are none */
static bool ranges_lock(struct worker *w, struct model_file **from, unsigned long *source,
			unsigned long *first, unsigned long n)
{
	unsigned long room;

	*from = ex_chance(&w->rng, 30) ? w->f : sibling(w);
	pthread_rwlock_rdlock(*from < w->f ? &(*from)->lock : &w->f->lock);
	if (*from != w->f)
		pthread_rwlock_rdlock(*from < w->f ? &w->f->lock : &(*from)->lock);
	room = ex_min((*from)->size, w->f->size) / EX_PAGE;
	if (room >= 2 * n) {
		*source = ex_below(&w->rng, room - n + 1);
		*first = ex_below(&w->rng, room - n + 1);
		if (*from != w->f || *source + n <= *first || *first + n <= *source) {
			model_lock_two(*from, *source, w->f, *first, n);
			return true;
		}
	}
	pthread_rwlock_unlock(&w->f->lock);
	if (*from != w->f)
		pthread_rwlock_unlock(&(*from)->lock);
	return false;
}

static void ranges_unlock(struct worker *w, struct model_file *from, unsigned long source,
			  unsigned long first, unsigned long n)
{
	model_unlock_pages(from, source, n);
	model_unlock_pages(w->f, first, n);
	pthread_rwlock_unlock(&w->f->lock);
	if (from != w->f)
		pthread_rwlock_unlock(&from->lock);
}

static void copied(struct worker *w, struct model_file *from, uint64_t source, uint64_t at,
		   uint64_t len, const char *name)
{
	memcpy(w->f->data + at, from->data + source, len);
	model_wrote(w->f, at, len, name);
}

static void op_clone_range(struct worker *w, const char *name)
{
	unsigned long n = 1 + ex_below(&w->rng, SPAN_MAX), source, first;
	struct file_clone_range range = { .src_length = n * EX_PAGE };
	struct model_file *from;

	if (!ranges_lock(w, &from, &source, &first, n))
		return;
	range.src_fd = from->fd;
	range.src_offset = source * EX_PAGE;
	range.dest_offset = first * EX_PAGE;
	if (expected(w, from, ioctl(w->f->fd, FICLONERANGE, &range) ? -errno : 0, name))
		copied(w, from, range.src_offset, range.dest_offset, range.src_length, name);
	model_check(w->m, w->f, first * EX_PAGE, w->f->map + first * EX_PAGE, n * EX_PAGE, name);
	ranges_unlock(w, from, source, first, n);
}

static void op_copy_range(struct worker *w, const char *name)
{
	unsigned long n = 1 + ex_below(&w->rng, SPAN_MAX), source, first;
	struct model_file *from;
	loff_t in, out;
	ssize_t got;
	size_t len;

	if (!ranges_lock(w, &from, &source, &first, n))
		return;
	len = n * EX_PAGE;
	in = source * EX_PAGE;
	out = first * EX_PAGE;
	if (ex_chance(&w->rng, 50)) {
		uint64_t skip = ex_below(&w->rng, EX_PAGE);

		in += skip;
		out += ex_chance(&w->rng, 50) ? skip : ex_below(&w->rng, EX_PAGE);
		len = 1 + ex_below(&w->rng, len);
	}
	/* Inside the locked pages */
	len = ex_min(len, (source + n) * EX_PAGE - in);
	len = ex_min(len, (first + n) * EX_PAGE - out);
	while (len) {
		loff_t at_in = in, at_out = out;

		got = copy_file_range(from->fd, &in, w->f->fd, &out, len, 0);
		if (got <= 0)
			op_failed(w, name, got ? strerror(errno) : "nothing copied");
		copied(w, from, at_in, at_out, got, name);
		len -= got;
	}
	model_check(w->m, w->f, first * EX_PAGE, w->f->map + first * EX_PAGE, n * EX_PAGE, name);
	ranges_unlock(w, from, source, first, n);
}

/* Pages that are the same become one; ones that differ stay as they are, and the caller is told. */
static void op_dedupe(struct worker *w, const char *name)
{
	unsigned long n = 1 + ex_below(&w->rng, 2), source, first;
	struct {
		struct file_dedupe_range range;
		struct file_dedupe_range_info info;
	} arg = { .range = { .src_length = n * EX_PAGE, .dest_count = 1 } };
	struct model_file *from;
	int want;

	if (!ranges_lock(w, &from, &source, &first, n))
		return;
	arg.range.src_offset = source * EX_PAGE;
	arg.info.dest_fd = w->f->fd;
	arg.info.dest_offset = first * EX_PAGE;
	want = memcmp(from->data + source * EX_PAGE, w->f->data + first * EX_PAGE, n * EX_PAGE) ?
	       FILE_DEDUPE_RANGE_DIFFERS : FILE_DEDUPE_RANGE_SAME;
	if (from->domain != w->f->domain && want == FILE_DEDUPE_RANGE_SAME)
		want = -EXDEV;
	if (ioctl(from->fd, FIDEDUPERANGE, &arg))
		op_failed(w, name, strerror(errno));
	/* Across a border it need not look at the contents. */
	if (arg.info.status != want &&
	    (from->domain == w->f->domain || arg.info.status != -EXDEV))
		op_failed(w, name, arg.info.status < 0 ? strerror(-arg.info.status) :
			  "a wrong answer");
	model_check(w->m, w->f, first * EX_PAGE, w->f->map + first * EX_PAGE, n * EX_PAGE, name);
	ranges_unlock(w, from, source, first, n);
}

/* Where SEEK_DATA and SEEK_HOLE say there is a hole there is nothing but zeros. */
static void op_seek(struct worker *w, const char *name)
{
	struct model_file *f = w->f;
	off_t at = 0, data;

	pthread_rwlock_wrlock(&f->lock);
	while (at < (off_t)f->size) {
		data = lseek(f->fd, at, SEEK_DATA);
		if (data < 0 && errno != ENXIO)
			op_failed(w, name, strerror(errno));
		if (data < 0)
			data = f->size;
		memset(w->scratch, 0, EX_PAGE);
		for (; at < data; at += EX_PAGE - at % EX_PAGE)
			model_check(w->m, f, at, w->scratch,
				    ex_min(EX_PAGE - at % EX_PAGE, data - at), name);
		if (data == (off_t)f->size)
			break;
		at = lseek(f->fd, data, SEEK_HOLE);
		if (at <= data || at > (off_t)f->size)
			op_failed(w, name, "an impossible hole");
	}
	pthread_rwlock_unlock(&f->lock);
}

/* All of it, in the order of its pages */
static void op_verify(struct worker *w, const char *name)
{
	struct model_file *f = w->f;
	uint64_t at, len;

	pthread_rwlock_rdlock(&f->lock);
	for (at = 0; at < f->size; at += EX_PAGE) {
		len = ex_min(EX_PAGE, f->size - at);
		model_lock_pages(f, at / EX_PAGE, 1);
		if (pread(f->fd, w->scratch, EX_PAGE, at) != (ssize_t)len)
			op_failed(w, name, "short");
		model_check(w->m, f, at, w->scratch, len, name);
		/* The rest of the last page is zero in memory too. */
		model_check(w->m, f, at, f->map + at, EX_PAGE, name);
		model_unlock_pages(f, at / EX_PAGE, 1);
	}
	pthread_rwlock_unlock(&f->lock);
}

const struct op file_ops[] = {
	{ "truncate", 3, op_truncate },
	{ "an append", 3, op_append },
	{ "FICLONE", 2, op_clone, true },
	{ "FICLONERANGE", 6, op_clone_range, true },
	{ "copy_file_range", 5, op_copy_range },
	{ "FIDEDUPERANGE", 4, op_dedupe, true },
	{ "lseek", 2, op_seek },
	{ "a reader of all", 1, op_verify },
	{ 0 },
};
