// SPDX-License-Identifier: GPL-2.0-only
/*
 * Carrying out disk requests. An error of the host, a full disk for one, becomes an I/O error
 * of the guest; the launcher goes on.
 */
#include "virtio/blk_request.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <unistd.h>

typedef ssize_t (*transfer_fn)(int fd, const struct iovec *iov, int count, off_t offset);

static bool in_bounds(const struct virtio_blk *blk, u64 sector, u64 len)
{
	u64 sectors = blk->size / BLK_SECTOR;

	return !(len % BLK_SECTOR) && sector <= sectors && len / BLK_SECTOR <= sectors - sector;
}

/*
 * Move all of @c; short transfers go on where they stopped, but not while the machine ends: a
 * request may be as large as the disk.
 */
static u8 transfer(struct virtio_blk *blk, u64 sector, struct iov_cursor *c, transfer_fn fn)
{
	u64 left = iov_size(c);
	u64 offset = sector * BLK_SECTOR;
	ssize_t n;

	if (!in_bounds(blk, sector, left))
		return VIRTIO_BLK_S_IOERR;
	while (left) {
		if (virtio_is_ending(&blk->dev))
			return VIRTIO_BLK_S_IOERR;
		n = fn(blk->fd, c->iov, (int)c->count, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		/* Zero: somebody shortened the file under the guest. */
		if (n <= 0)
			return VIRTIO_BLK_S_IOERR;
		iov_skip(c, (u64)n);
		offset += (u64)n;
		left -= (u64)n;
	}
	return VIRTIO_BLK_S_OK;
}

static u8 flush(struct virtio_blk *blk)
{
	return blk->readonly || !fdatasync(blk->fd) ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
}

static u8 write_sectors(struct virtio_blk *blk, u64 sector, struct iov_cursor *out)
{
	u8 status;

	if (blk->readonly)
		return VIRTIO_BLK_S_IOERR;
	status = transfer(blk, sector, out, pwritev);
	/* A driver that cannot ask for a flush relies on write-through. */
	if (status == VIRTIO_BLK_S_OK &&
	    !(blk->dev.driver_features & FEATURE(VIRTIO_BLK_F_FLUSH)))
		status = flush(blk);
	return status;
}

static u8 get_id(const struct virtio_blk *blk, struct iov_cursor *in)
{
	u8 id[VIRTIO_BLK_ID_BYTES];

	blk_serial(blk, id);
	return iov_put(in, id, sizeof(id)) ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
}

/**
 * blk_execute() - carry out one request
 * @blk: the disk
 * @hdr: request header, a copy
 * @out: data to the disk
 * @in: room for data from the disk
 *
 * Return: VIRTIO_BLK_S_*.
 */
u8 blk_execute(struct virtio_blk *blk, const struct virtio_blk_outhdr *hdr,
	       struct iov_cursor *out, struct iov_cursor *in)
{
	switch (hdr->type) {
	case VIRTIO_BLK_T_IN:
		return transfer(blk, hdr->sector, in, preadv);
	case VIRTIO_BLK_T_OUT:
		return write_sectors(blk, hdr->sector, out);
	case VIRTIO_BLK_T_FLUSH:
		return flush(blk);
	case VIRTIO_BLK_T_GET_ID:
		return get_id(blk, in);
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}
