// SPDX-License-Identifier: GPL-2.0-only
/* Opening the file behind a disk. */
#include "virtio/blk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "virtio/blk_request.h"

static int disk_fail(const struct virtio_blk *blk, int status, const char *what, struct error *err)
{
	return error_set(err, status, "--disk %s: %s", blk->path, what);
}

static int measure(struct virtio_blk *blk, struct error *err)
{
	struct stat st;

	if (fstat(blk->fd, &st))
		return disk_fail(blk, STATUS_NOINPUT, strerror(errno), err);
	if (S_ISREG(st.st_mode))
		blk->size = (u64)st.st_size;
	else if (!S_ISBLK(st.st_mode))
		return disk_fail(blk, STATUS_NOINPUT,
				 "not a disk (name a raw image or a block device)", err);
	else if (ioctl(blk->fd, BLKGETSIZE64, &blk->size))
		return disk_fail(blk, STATUS_NOINPUT, strerror(errno), err);
	if (!blk->size)
		return disk_fail(blk, STATUS_DATA,
				 "the disk is empty (give it a size, as with truncate -s)", err);
	if (blk->size % BLK_SECTOR)
		return disk_fail(blk, STATUS_DATA,
				 "truncated: not a whole number of 512-byte sectors (copy it again)",
				 err);
	return 0;
}

/* Two guests writing one disk destroy it; many may read it. The lock dies with the descriptor. */
static int lock_file(const struct virtio_blk *blk, struct error *err)
{
	struct flock lock = {
		.l_type = blk->readonly ? F_RDLCK : F_WRLCK,
		.l_whence = SEEK_SET,
	};

	if (!fcntl(blk->fd, F_OFD_SETLK, &lock))
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return disk_fail(blk, STATUS_NOINPUT,
				 "in use by another guest (stop it, or add ,readonly to both)",
				 err);
	/* Some network filesystems have no locks: run without. */
	return 0;
}

/* The serial number is the file's name, which tells disks apart under /dev/disk/by-id. */
void blk_serial(const struct virtio_blk *blk, u8 *serial)
{
	const char *name = blk->path;
	const char *p;
	size_t i;

	memset(serial, 0, VIRTIO_BLK_ID_BYTES);
	for (p = blk->path; *p; p++)
		if (*p == '/' && p[1])
			name = p + 1;
	for (i = 0; i < VIRTIO_BLK_ID_BYTES && name[i]; i++)
		serial[i] = (u8)name[i];
}

/**
 * blk_open() - open and lock a disk's file
 * @blk: zeroed; filled in
 * @path: file or block device, kept by reference
 * @readonly: refuse writes
 * @err: filled in on failure
 *
 * Return: 0 or -1.
 */
int blk_open(struct virtio_blk *blk, const char *path, bool readonly, struct error *err)
{
	blk->path = path;
	blk->readonly = readonly;
	if (asprintf(&blk->option, "--disk %s", path) < 0)
		blk->option = NULL;
	blk->fd = open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (blk->fd < 0 && errno == EROFS)
		return disk_fail(blk, STATUS_NOINPUT, "read-only file system (add ,readonly)", err);
	if (blk->fd < 0)
		return error_set(err, STATUS_NOINPUT,
				 "--disk %s: %s (check the name and its permissions)", path,
				 strerror(errno));
	/* When a disk was last read is worth no work; only its owner may say so. */
	(void)fcntl(blk->fd, F_SETFL, O_NONBLOCK | O_NOATIME);
	if (measure(blk, err) || lock_file(blk, err)) {
		close(blk->fd);
		blk->fd = -1;
		return -1;
	}
	return 0;
}

void blk_close(struct virtio_blk *blk)
{
	vhost_close(&blk->vhost);
	free(blk->option);
	blk->option = NULL;
	if (blk->path && blk->fd >= 0)
		close(blk->fd);
	blk->path = NULL;
}
