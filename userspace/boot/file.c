// SPDX-License-Identifier: GPL-2.0-only
/* Reading the kernel and the initrd. */
#include "boot/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int file_fail(const struct boot_file *f, const char *what, struct error *err)
{
	return error_set(err, STATUS_NOINPUT, "%s %s: %s", f->option, f->path, what);
}

/**
 * boot_file_open() - open an input file
 * @f: filled in
 * @option: option that named the file
 * @path: the file
 * @err: filled in on failure
 *
 * Return: 0 or -1.
 */
int boot_file_open(struct boot_file *f, const char *option, const char *path, struct error *err)
{
	struct stat st;

	f->option = option;
	f->path = path;
	/* O_NONBLOCK: a FIFO must be refused, not waited for */
	f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (f->fd < 0)
		return error_set(err, STATUS_NOINPUT, "%s %s: %s (check the name)", option, path,
				 strerror(errno));
	if (fstat(f->fd, &st) || !S_ISREG(st.st_mode)) {
		boot_file_close(f);
		return error_set(err, STATUS_NOINPUT, "%s %s: not a regular file (name a file)",
				 option, path);
	}
	f->size = (u64)st.st_size;
	if (!f->size) {
		boot_file_close(f);
		return error_set(err, STATUS_DATA, "%s %s: the file is empty (name another)",
				 option, path);
	}
	return 0;
}

int boot_file_read(const struct boot_file *f, u64 offset, void *to, u64 len, struct error *err)
{
	u8 *at = to;

	while (len) {
		ssize_t n = pread(f->fd, at, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return file_fail(f, strerror(errno), err);
		if (!n)
			return error_set(err, STATUS_DATA,
					 "%s %s: the file ends too early (copy it again)",
					 f->option, f->path);
		at += n;
		offset += (u64)n;
		len -= (u64)n;
	}
	return 0;
}

void boot_file_close(struct boot_file *f)
{
	close(f->fd);
	f->fd = -1;
}
