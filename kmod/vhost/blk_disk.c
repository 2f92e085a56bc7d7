// SPDX-License-Identifier: GPL-2.0-only
/* The file or block device behind the queues, and the configuration space that describes it. */
#include <linux/blkdev.h>
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/log2.h>
#include <linux/uaccess.h>

#include "compat/compat.h"
#include "blk.h"

/* How often an idle disk's size is looked at. */
#define WATCH_INTERVAL	HZ

#define QUEUE_SIZE_MIN	4

/* A request's header and status byte take a descriptor each. */
#define EXTRA_SEGMENTS	2

static u64 size_now(const struct blk_disk *disk)
{
	return i_size_read(disk->file->f_mapping->host) >> BLK_SECTOR_SHIFT;
}

void blk_disk_check_size(struct blk_disk *disk)
{
	if (likely(!disk->file || size_now(disk) == READ_ONCE(disk->capacity)))
		return;
	spin_lock(&disk->lock);
	if (size_now(disk) != disk->capacity) {
		WRITE_ONCE(disk->capacity, size_now(disk));
		if (disk->call)
			hv_eventfd_signal(disk->call);
	}
	spin_unlock(&disk->lock);
}

static void watch(struct work_struct *work)
{
	struct blk_disk *disk = container_of(to_delayed_work(work), struct blk_disk, watch);

	blk_disk_check_size(disk);
	schedule_delayed_work(&disk->watch, WATCH_INTERVAL);
}

void blk_disk_init(struct blk_disk *disk)
{
	spin_lock_init(&disk->lock);
	disk->writeback = true;
	/* An idle machine is not woken for this. */
	INIT_DEFERRABLE_WORK(&disk->watch, watch);
}

static int check_numbers(const struct vhost_blk_backend *b)
{
	if (b->flags & ~(VHOST_BLK_F_READ_ONLY | VHOST_BLK_F_BUFFERED))
		return -EINVAL;
	if (memchr_inv(b->reserved, 0, sizeof(b->reserved)))
		return -EINVAL;
	if (b->fd < 0)
		return b->fd == VHOST_FILE_UNBIND ? 0 : -EBADF;
	if (!b->num_queues || b->num_queues > VHOST_BLK_QUEUES_MAX)
		return -EINVAL;
	if (!is_power_of_2(b->queue_size) || b->queue_size < QUEUE_SIZE_MIN ||
	    b->queue_size > VH_NUM_MAX)
		return -EINVAL;
	return 0;
}

static int check_file(const struct file *file, bool read_only)
{
	const struct inode *inode = file->f_mapping->host;

	if (!(file->f_mode & FMODE_READ) || (!read_only && !(file->f_mode & FMODE_WRITE)))
		return -EBADF;
	if (!S_ISREG(inode->i_mode) && !S_ISBLK(inode->i_mode))
		return -EINVAL;
	if (!file->f_op->read_iter || (!read_only && !file->f_op->write_iter))
		return -EINVAL;
	/* A driver writes anywhere. */
	if (!read_only && ((file->f_flags & O_APPEND) || IS_APPEND(inode)))
		return -EINVAL;
	return 0;
}

static void take_file(struct blk_disk *disk, struct file *file, const struct vhost_blk_backend *b)
{
	struct inode *inode = file->f_mapping->host;

	disk->file = file;
	disk->bdev = S_ISBLK(inode->i_mode) ? I_BDEV(inode) : NULL;
	disk->read_only = b->flags & VHOST_BLK_F_READ_ONLY;
	disk->direct = !(b->flags & VHOST_BLK_F_BUFFERED) && (file->f_mode & FMODE_CAN_ODIRECT);
	disk->num_queues = b->num_queues;
	disk->queue_size = b->queue_size;
	memcpy(disk->serial, b->serial, sizeof(disk->serial));
	disk->capacity = size_now(disk);
	schedule_delayed_work(&disk->watch, WATCH_INTERVAL);
}

void blk_disk_put(struct blk_disk *disk)
{
	cancel_delayed_work_sync(&disk->watch);
	if (disk->file)
		fput(disk->file);
	disk->file = NULL;
}

long blk_disk_set(struct blk_disk *disk, void __user *arg)
{
	struct vhost_blk_backend b;
	struct file *file = NULL;
	int ret;

	if (copy_from_user(&b, arg, sizeof(b)))
		return -EFAULT;
	ret = check_numbers(&b);
	if (ret)
		return ret;
	if (b.fd >= 0) {
		file = fget(b.fd);
		if (!file)
			return -EBADF;
		ret = check_file(file, b.flags & VHOST_BLK_F_READ_ONLY);
		if (ret) {
			fput(file);
			return ret;
		}
	}
	blk_disk_put(disk);
	if (file)
		take_file(disk, file, &b);
	return 0;
}

static u32 discard_sectors(const struct blk_disk *disk)
{
	if (disk->read_only)
		return 0;
	if (disk->bdev)
		return min_t(u32, bdev_max_discard_sectors(disk->bdev), BLK_RANGE_SECTORS_MAX);
	return disk->file->f_op->fallocate ? BLK_RANGE_SECTORS_MAX : 0;
}

u64 blk_disk_features(const struct blk_disk *disk)
{
	u64 features = BIT_ULL(VIRTIO_BLK_F_SEG_MAX) | BIT_ULL(VIRTIO_BLK_F_BLK_SIZE) |
		       BIT_ULL(VIRTIO_BLK_F_TOPOLOGY) | BIT_ULL(VIRTIO_BLK_F_FLUSH) |
		       BIT_ULL(VIRTIO_BLK_F_CONFIG_WCE);

	if (!disk->file)
		return features;
	if (disk->num_queues > 1)
		features |= BIT_ULL(VIRTIO_BLK_F_MQ);
	if (disk->read_only)
		return features | BIT_ULL(VIRTIO_BLK_F_RO);
	if (discard_sectors(disk))
		features |= BIT_ULL(VIRTIO_BLK_F_DISCARD);
	return features | BIT_ULL(VIRTIO_BLK_F_WRITE_ZEROES);
}

static u32 sector_bytes(const struct blk_disk *disk)
{
	return disk->bdev ? bdev_logical_block_size(disk->bdev) : BLK_SECTOR_SIZE;
}

/* A guest's requests fit the disk best if they are of these sizes. */
static void fill_topology(const struct blk_disk *disk, struct virtio_blk_config *c)
{
	u32 size = sector_bytes(disk);
	u32 physical = disk->bdev ? bdev_physical_block_size(disk->bdev) :
				    i_blocksize(disk->file->f_mapping->host);

	c->blk_size = (__force __virtio32)cpu_to_le32(size);
	c->physical_block_exp = physical > size ? ilog2(physical / size) : 0;
	c->min_io_size = (__force __virtio16)cpu_to_le16(max(physical / size, 1u));
	if (disk->bdev)
		c->opt_io_size = (__force __virtio32)cpu_to_le32(bdev_io_opt(disk->bdev) / size);
}

static void fill_ranges(const struct blk_disk *disk, struct virtio_blk_config *c)
{
	if (disk->read_only)
		return;
	c->max_discard_sectors = (__force __virtio32)cpu_to_le32(discard_sectors(disk));
	c->max_discard_seg = (__force __virtio32)cpu_to_le32(BLK_RANGES_MAX);
	c->discard_sector_alignment =
		(__force __virtio32)cpu_to_le32(sector_bytes(disk) >> BLK_SECTOR_SHIFT);
	c->max_write_zeroes_sectors = (__force __virtio32)cpu_to_le32(BLK_RANGE_SECTORS_MAX);
	c->max_write_zeroes_seg = (__force __virtio32)cpu_to_le32(BLK_RANGES_MAX);
	c->write_zeroes_may_unmap = 1;
}

static void fill_config(struct blk_disk *disk, struct virtio_blk_config *c)
{
	blk_disk_check_size(disk);
	c->capacity = (__force __virtio64)cpu_to_le64(READ_ONCE(disk->capacity));
	c->seg_max = (__force __virtio32)cpu_to_le32(disk->queue_size - EXTRA_SEGMENTS);
	c->wce = disk->writeback;
	c->num_queues = (__force __virtio16)cpu_to_le16(disk->num_queues);
	fill_topology(disk, c);
	fill_ranges(disk, c);
}

/* The driver's choice is obeyed only if it was offered one, else what its features say. */
static void write_config(struct vh_blk *blk, const struct vhost_blk_config *c)
{
	u32 wce = offsetof(struct virtio_blk_config, wce);

	if (!(blk->dev.features & BIT_ULL(VIRTIO_BLK_F_CONFIG_WCE)))
		return;
	if (c->offset > wce || c->offset + c->size <= wce)
		return;
	vh_dev_pause(&blk->dev);
	blk->disk.writeback = c->data[wce - c->offset] & 1;
	vh_dev_resume(&blk->dev);
}

long blk_disk_config(struct vh_blk *blk, unsigned int ioctl, void __user *arg)
{
	struct virtio_blk_config config = {};
	struct vhost_blk_config c;

	if (copy_from_user(&c, arg, sizeof(c)))
		return -EFAULT;
	if (c.offset > VHOST_BLK_CONFIG_MAX || c.size > VHOST_BLK_CONFIG_MAX - c.offset)
		return -EINVAL;
	if (!blk->disk.file)
		return -ENOTCONN;
	if (ioctl == VHOST_BLK_SET_CONFIG) {
		write_config(blk, &c);
		return 0;
	}
	fill_config(&blk->disk, &config);
	memset(c.data, 0, sizeof(c.data));
	if (c.offset < sizeof(config))
		memcpy(c.data, (u8 *)&config + c.offset,
		       min_t(size_t, c.size, sizeof(config) - c.offset));
	return copy_to_user(arg, &c, sizeof(c)) ? -EFAULT : 0;
}

long blk_disk_set_call(struct blk_disk *disk, void __user *arg)
{
	struct eventfd_ctx *ctx = NULL;
	int fd;

	if (copy_from_user(&fd, arg, sizeof(fd)))
		return -EFAULT;
	if (fd != VHOST_FILE_UNBIND) {
		ctx = eventfd_ctx_fdget(fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
	}
	spin_lock(&disk->lock);
	swap(ctx, disk->call);
	spin_unlock(&disk->lock);
	if (ctx)
		eventfd_ctx_put(ctx);
	return 0;
}
