// SPDX-License-Identifier: GPL-2.0-only
/* Operations of fsx that move ranges between files, and those that must be refused. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/vellumfs.h>
#include <string.h>
#include <sys/types.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fsx.h"

static struct fsx_file *any_file(struct fsx *x)
{
	return &x->files[ex_below(&x->rng, FSX_FILES)];
}

static void moved(struct fsx_file *to, uint64_t at, const uint8_t *data, uint64_t len)
{
	memmove(to->data + at, data, len);
	if (at + len > to->size)
		to->size = at + len;
}

static bool overlap(const struct fsx_file *a, uint64_t from, const struct fsx_file *b, uint64_t to,
		    uint64_t len)
{
	return a == b && from < to + len && to < from + len;
}

/* Whole pages, or to the end of the source if that makes the destination's end too */
static void do_clone_range(struct fsx *x, struct fsx_file *f)
{
	struct fsx_file *from = any_file(x);
	struct file_clone_range range = { .src_fd = from->fd };
	uint64_t len;

	if (!x->can_clone || !from->size)
		return;
	range.src_offset = ex_below(&x->rng, from->size) & -EX_PAGE;
	range.dest_offset = ex_below(&x->rng, FSX_SIZE) & -EX_PAGE;
	len = 1 + ex_below(&x->rng, 20 * EX_PAGE);
	len = ex_min(len, FSX_SIZE - range.dest_offset);
	len = ex_min(len, from->size - range.src_offset);
	/* An unaligned end must be the source's, and not inside the destination. */
	if (range.src_offset + len != from->size || range.dest_offset + len < f->size)
		len &= -EX_PAGE;
	if (!len || overlap(from, range.src_offset, f, range.dest_offset, len + EX_PAGE))
		return;
	range.src_length = len;
	fsx_say(x, "%s clone %#lx from %s %#lx, %#lx", f->name, (unsigned long)range.dest_offset,
		from->name, (unsigned long)range.src_offset, (unsigned long)len);
	if (ioctl(f->fd, FICLONERANGE, &range))
		fsx_fail(x, "FICLONERANGE: %s", strerror(errno));
	moved(f, range.dest_offset, from->data + range.src_offset, len);
}

static void do_clone(struct fsx *x, struct fsx_file *f)
{
	struct fsx_file *from = any_file(x);
	int ret;

	if (!x->can_clone || from == f || (f->size > from->size && from->size % EX_PAGE))
		return;
	fsx_say(x, "%s clone of %s", f->name, from->name);
	ret = ex_clone(f->fd, from->fd);
	if (ret)
		fsx_fail(x, "FICLONE: %s", strerror(-ret));
	moved(f, 0, from->data, from->size);
}

static void do_copy(struct fsx *x, struct fsx_file *f)
{
	struct fsx_file *from = any_file(x);
	loff_t in, out, at_in, at_out;
	uint64_t len;
	ssize_t got;

	if (!from->size)
		return;
	in = ex_below(&x->rng, from->size);
	out = ex_below(&x->rng, FSX_SIZE);
	if (ex_chance(&x->rng, 50)) {
		in &= -EX_PAGE;
		out &= -EX_PAGE;
	}
	len = ex_min(1 + ex_below(&x->rng, FSX_LEN), FSX_SIZE - out);
	len = ex_min(len, from->size - in);
	if (overlap(from, in, f, out, len))
		return;
	fsx_say(x, "%s copy %#lx from %s %#lx, %#lx", f->name, (unsigned long)out, from->name,
		(unsigned long)in, (unsigned long)len);
	while (len) {
		at_in = in;
		at_out = out;
		got = copy_file_range(from->fd, &in, f->fd, &out, len, 0);
		if (got <= 0)
			fsx_fail(x, "copy_file_range: %zd: %s", got, strerror(errno));
		moved(f, at_out, from->data + at_in, got);
		len -= got;
	}
}

/* Half of the time what is really the same */
static void do_dedupe(struct fsx *x, struct fsx_file *f)
{
	struct fsx_file *from = any_file(x);
	struct {
		struct file_dedupe_range range;
		struct file_dedupe_range_info info;
	} arg = { .range = { .dest_count = 1 } };
	uint64_t pages = ex_min(from->size, f->size) / EX_PAGE, in, out, len;
	int want;

	if (!x->can_clone || pages < 4)
		return;
	len = EX_PAGE * (1 + ex_below(&x->rng, 3));
	in = ex_below(&x->rng, pages - len / EX_PAGE + 1) * EX_PAGE;
	out = ex_below(&x->rng, pages - len / EX_PAGE + 1) * EX_PAGE;
	if (overlap(from, in, f, out, len))
		return;
	if (ex_chance(&x->rng, 50)) {
		memcpy(f->map + out, from->map + in, len);
		memcpy(f->data + out, from->data + in, len);
	}
	want = memcmp(from->data + in, f->data + out, len) ? FILE_DEDUPE_RANGE_DIFFERS :
							     FILE_DEDUPE_RANGE_SAME;
	arg.range.src_offset = in;
	arg.range.src_length = len;
	arg.info.dest_fd = f->fd;
	arg.info.dest_offset = out;
	fsx_say(x, "%s dedupe %#lx with %s %#lx, %#lx", f->name, (unsigned long)out, from->name,
		(unsigned long)in, (unsigned long)len);
	if (ioctl(from->fd, FIDEDUPERANGE, &arg))
		fsx_fail(x, "FIDEDUPERANGE: %s", strerror(errno));
	if (arg.info.status != want)
		fsx_fail(x, "FIDEDUPERANGE says %d, not %d", arg.info.status, want);
}

static void do_unmerge(struct fsx *x, struct fsx_file *f)
{
	struct vellumfs_range range = { 0 };

	if (!ex_ours())
		return;
	fsx_say(x, "%s unmerge", f->name);
	if (ioctl(f->fd, VELLUMFS_UNMERGE, &range))
		fsx_fail(x, "VELLUMFS_UNMERGE: %s", strerror(errno));
}

static void must_fail(struct fsx *x, int ret, int error, const char *what)
{
	if (ret == 0)
		fsx_fail(x, "%s is not refused", what);
	if (errno != error)
		fsx_fail(x, "%s: %s, not %s", what, strerror(errno), strerror(error));
}

/* Refused, and nothing changes: the next comparison sees to that. */
static void do_bad(struct fsx *x, struct fsx_file *f)
{
	struct file_clone_range range = { .src_fd = f->fd, .src_length = EX_PAGE };

	fsx_say(x, "%s bad input", f->name);
	must_fail(x, fallocate(f->fd, FALLOC_FL_PUNCH_HOLE, 0, EX_PAGE), EOPNOTSUPP,
		  "a hole that changes the size");
	must_fail(x, fallocate(f->fd, FALLOC_FL_COLLAPSE_RANGE, 0, EX_PAGE), EOPNOTSUPP,
		  "FALLOC_FL_COLLAPSE_RANGE");
	must_fail(x, fallocate(f->fd, 0, 0, 0), EINVAL, "fallocate of nothing");
	must_fail(x, fallocate(f->fd, 0, -1, EX_PAGE), EINVAL, "a negative offset");
	must_fail(x, ftruncate(f->fd, -1), EINVAL, "a negative size");
	if (!x->can_clone || f->size < 4 * EX_PAGE)
		return;
	range.dest_offset = 1;
	must_fail(x, ioctl(f->fd, FICLONERANGE, &range), EINVAL, "an unaligned clone");
	range.dest_offset = 0;
	must_fail(x, ioctl(f->fd, FICLONERANGE, &range), EINVAL, "a clone onto itself");
	range.src_offset = (f->size + 2 * EX_PAGE) & -EX_PAGE;
	must_fail(x, ioctl(f->fd, FICLONERANGE, &range), EINVAL, "a clone from beyond the end");
	range.src_offset = 0;
	range.src_length = -EX_PAGE;
	range.dest_offset = EX_PAGE;
	must_fail(x, ioctl(f->fd, FICLONERANGE, &range), EINVAL, "a clone that overflows");
}

fsx_op fsx_choose_range(struct fsx *x)
{
	static const fsx_op ops[] = {
		do_clone_range, do_clone_range, do_clone_range, do_clone, do_copy, do_copy, do_copy,
		do_dedupe, do_dedupe, do_unmerge, do_bad,
	};

	return ops[ex_below(&x->rng, sizeof(ops) / sizeof(ops[0]))];
}
