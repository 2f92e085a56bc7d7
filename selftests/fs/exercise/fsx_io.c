// SPDX-License-Identifier: GPL-2.0-only
/* Operations of fsx on one file: its bytes and its size. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include "fsx.h"
#include "words.h"

/* A part of a file of @size bytes, of at least one; half of them begin or end at a page */
static void part(struct fsx *x, uint64_t size, uint64_t *at, uint64_t *len)
{
	*at = ex_below(&x->rng, size);
	if (ex_chance(&x->rng, 50))
		*at &= -EX_PAGE;
	*len = 1 + ex_below(&x->rng, FSX_LEN);
	if (*len > EX_PAGE && ex_chance(&x->rng, 30))
		*len &= -EX_PAGE;
	*len = ex_min(*len, size - *at);
}

/* Contents for a part, in the buffer */
static void make(struct fsx *x, struct fsx_file *f, uint64_t at, uint64_t len)
{
	uint64_t page, words[WORDS], from, n, done = 0;

	while (done < len) {
		page = (at + done) / EX_PAGE;
		from = (at + done) % EX_PAGE;
		n = ex_min(EX_PAGE - from, len - done);
		words_fill(words, f - x->files + 1, page, x->count, &x->rng);
		memcpy(x->buf + done, (uint8_t *)words + from, n);
		done += n;
	}
}

static void put(struct fsx *x, struct fsx_file *f, uint64_t at, uint64_t len)
{
	memcpy(f->data + at, x->buf, len);
	if (at + len > f->size)
		f->size = at + len;
}

static void do_write(struct fsx *x, struct fsx_file *f)
{
	uint64_t at, len;
	ssize_t ret;

	part(x, ex_chance(&x->rng, 70) && f->size ? f->size : FSX_SIZE, &at, &len);
	make(x, f, at, len);
	fsx_say(x, "%s write %#lx %#lx", f->name, (unsigned long)at, (unsigned long)len);
	ret = pwrite(f->fd, x->buf, len, at);
	if (ret != (ssize_t)len)
		fsx_fail(x, "pwrite: %zd: %s", ret, strerror(errno));
	put(x, f, at, len);
}

static void do_append(struct fsx *x, struct fsx_file *f)
{
	uint64_t len = ex_min(1 + ex_below(&x->rng, 2 * EX_PAGE), FSX_SIZE - f->size);
	int fd = ex_open(x->dir, f->name, O_WRONLY | O_APPEND);

	make(x, f, f->size, len);
	fsx_say(x, "%s append %#lx at %#lx", f->name, (unsigned long)len, (unsigned long)f->size);
	if (write(fd, x->buf, len) != (ssize_t)len)
		fsx_fail(x, "append: %s", strerror(errno));
	put(x, f, f->size, len);
	close(fd);
}

/* From a pipe: the pages are the pipe's. */
static void do_splice(struct fsx *x, struct fsx_file *f)
{
	uint64_t at, len;
	loff_t to;
	int fds[2];

	part(x, FSX_SIZE, &at, &len);
	len = ex_min(len, 2 * EX_PAGE);
	make(x, f, at, len);
	fsx_say(x, "%s splice %#lx %#lx", f->name, (unsigned long)at, (unsigned long)len);
	to = at;
	if (pipe(fds) || write(fds[1], x->buf, len) != (ssize_t)len)
		fsx_fail(x, "pipe: %s", strerror(errno));
	close(fds[1]);
	while (to < (loff_t)(at + len))
		if (splice(fds[0], NULL, f->fd, &to, at + len - to, 0) <= 0)
			fsx_fail(x, "splice: %s", strerror(errno));
	close(fds[0]);
	put(x, f, at, len);
}

static void do_read(struct fsx *x, struct fsx_file *f)
{
	uint64_t at, len, want;

	part(x, FSX_SIZE, &at, &len);
	fsx_say(x, "%s read %#lx %#lx", f->name, (unsigned long)at, (unsigned long)len);
	want = at < f->size ? ex_min(len, f->size - at) : 0;
	if (pread(f->fd, x->buf, len, at) != (ssize_t)want)
		fsx_fail(x, "pread: not %#lx", (unsigned long)want);
	fsx_compare(x, f, at, x->buf, want, "read");
}

static void do_store(struct fsx *x, struct fsx_file *f)
{
	uint64_t at, len;

	if (!f->size)
		return;
	part(x, f->size, &at, &len);
	make(x, f, at, len);
	fsx_say(x, "%s store %#lx %#lx", f->name, (unsigned long)at, (unsigned long)len);
	memcpy(f->map + at, x->buf, len);
	put(x, f, at, len);
}

static void do_load(struct fsx *x, struct fsx_file *f)
{
	uint64_t at, len;

	if (!f->size)
		return;
	part(x, f->size, &at, &len);
	fsx_say(x, "%s load %#lx %#lx", f->name, (unsigned long)at, (unsigned long)len);
	fsx_compare(x, f, at, f->map + at, len, "load");
}

/* A private mapping sees the file until it is written, and then keeps its own. */
static void do_private(struct fsx *x, struct fsx_file *f)
{
	uint64_t page;
	uint8_t *map;

	if (f->size < EX_PAGE)
		return;
	page = ex_below(&x->rng, f->size / EX_PAGE) * EX_PAGE;
	fsx_say(x, "%s private %#lx", f->name, (unsigned long)page);
	map = mmap(NULL, EX_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, f->fd, page);
	if (map == MAP_FAILED)
		fsx_fail(x, "mmap: %s", strerror(errno));
	if (ex_chance(&x->rng, 50))
		fsx_compare(x, f, page, map, EX_PAGE, "private load");
	make(x, f, page, EX_PAGE);
	map[0] ^= 0xff;
	fsx_compare(x, f, page + 1, map + 1, EX_PAGE - 1, "private copy");
	memcpy(map, x->buf, EX_PAGE);
	fsx_compare(x, f, page, f->map + page, EX_PAGE, "load");
	munmap(map, EX_PAGE);
}

static void do_truncate(struct fsx *x, struct fsx_file *f)
{
	uint64_t size = ex_below(&x->rng, FSX_SIZE + 1);

	if (ex_chance(&x->rng, 40))
		size &= -EX_PAGE;
	/* Mostly longer: short files are dull. */
	if (size < f->size && ex_chance(&x->rng, 50))
		size = f->size + ex_below(&x->rng, FSX_SIZE - f->size + 1);
	fsx_say(x, "%s truncate %#lx to %#lx", f->name, (unsigned long)f->size,
		(unsigned long)size);
	if (ftruncate(f->fd, size))
		fsx_fail(x, "ftruncate: %s", strerror(errno));
	if (size < f->size)
		memset(f->data + size, 0, f->size - size);
	f->size = size;
}

static void do_punch(struct fsx *x, struct fsx_file *f)
{
	uint64_t at, len;

	part(x, FSX_SIZE, &at, &len);
	fsx_say(x, "%s punch %#lx %#lx", f->name, (unsigned long)at, (unsigned long)len);
	if (fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, len))
		fsx_fail(x, "punch: %s", strerror(errno));
	memset(f->data + at, 0, len);
}

static void do_allocate(struct fsx *x, struct fsx_file *f)
{
	bool keep = ex_chance(&x->rng, 50);
	uint64_t at, len;

	part(x, FSX_SIZE, &at, &len);
	fsx_say(x, "%s fallocate%s %#lx %#lx", f->name, keep ? " keeping the size" : "",
		(unsigned long)at, (unsigned long)len);
	if (fallocate(f->fd, keep ? FALLOC_FL_KEEP_SIZE : 0, at, len))
		fsx_fail(x, "fallocate: %s", strerror(errno));
	if (!keep && at + len > f->size)
		f->size = at + len;
}

static void do_reopen(struct fsx *x, struct fsx_file *f)
{
	fsx_say(x, "%s reopen", f->name);
	if (fsync(f->fd) || msync(f->map, FSX_SIZE, MS_SYNC))
		fsx_fail(x, "sync: %s", strerror(errno));
	close(f->fd);
	f->fd = ex_open(x->dir, f->name, O_RDWR);
	fsx_map(x, f);
}

/* What lseek calls a hole has nothing in it. */
static void do_seek(struct fsx *x, struct fsx_file *f)
{
	off_t at = 0, data, i;

	fsx_say(x, "%s seek", f->name);
	while (at < (off_t)f->size) {
		data = lseek(f->fd, at, SEEK_DATA);
		if (data < 0 && errno != ENXIO)
			fsx_fail(x, "SEEK_DATA: %s", strerror(errno));
		if (data < 0)
			data = f->size;
		for (i = at; i < data; i++)
			if (f->data[i])
				fsx_fail(x, "data at %#lx in a hole", (unsigned long)i);
		if (data == (off_t)f->size)
			return;
		at = lseek(f->fd, data, SEEK_HOLE);
		if (at <= data || at > (off_t)f->size)
			fsx_fail(x, "SEEK_HOLE at %#lx gives %#lx", (unsigned long)data,
				 (unsigned long)at);
	}
}

fsx_op fsx_choose_io(struct fsx *x)
{
	static const fsx_op ops[] = {
		do_write, do_write, do_write, do_append, do_splice, do_read, do_read, do_store,
		do_store, do_store, do_load, do_load, do_private, do_truncate, do_punch, do_punch,
		do_allocate, do_reopen, do_seek,
	};

	return ops[ex_below(&x->rng, sizeof(ops) / sizeof(ops[0]))];
}
