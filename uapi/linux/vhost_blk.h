/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * A virtio block device in the kernel: what /dev/vellum-vhost-blk adds to
 * <linux/vhost.h>.
 *
 * The order of calls: VHOST_SET_OWNER; VHOST_BLK_SET_BACKEND; then
 * VHOST_GET_FEATURES and VHOST_BLK_GET_CONFIG tell what this disk offers. When
 * the guest's driver is ready: VHOST_SET_FEATURES, VHOST_SET_MEM_TABLE, for each
 * queue that the driver enabled VHOST_SET_VRING_{NUM,BASE,ADDR,KICK,CALL,ERR},
 * and VHOST_BLK_SET_RUNNING with 1. When it resets the device:
 * VHOST_BLK_SET_RUNNING with 0, then VHOST_GET_VRING_BASE if the queues are to
 * go on later.
 */
#ifndef _UAPI_LINUX_VHOST_BLK_H
#define _UAPI_LINUX_VHOST_BLK_H

#include <linux/types.h>
#include <linux/ioctl.h>
#include <linux/vhost.h>

#define VHOST_BLK_DEVICE_NAME	"vellum-vhost-blk"
#define VHOST_BLK_DEVICE_PATH	"/dev/" VHOST_BLK_DEVICE_NAME

/* Queues of one device. */
#define VHOST_BLK_QUEUES_MAX	16

/* VIRTIO_BLK_ID_BYTES of <linux/virtio_blk.h>. */
#define VHOST_BLK_SERIAL_SIZE	20

/* The disk refuses writes, whatever the file allows: VIRTIO_BLK_F_RO. */
#define VHOST_BLK_F_READ_ONLY	0x1
/* Goes through the page cache even where direct I/O is possible. */
#define VHOST_BLK_F_BUFFERED	0x2

/**
 * struct vhost_blk_backend - the disk behind the queues
 * @fd: an open regular file or block device, or -1 for none. It must be
 *	readable, and writable unless @flags has VHOST_BLK_F_READ_ONLY. The
 *	device keeps the file open until another one or none is set.
 * @flags: VHOST_BLK_F_* bits
 * @num_queues: how many queues the guest sees, 1 to VHOST_BLK_QUEUES_MAX
 * @queue_size: the largest queue the guest may choose, a power of two from 4 to
 *	32768; the longest request has @queue_size - 2 segments
 * @serial: what the guest's GET_ID request reads, NUL-padded
 * @reserved: zero
 */
struct vhost_blk_backend {
	__s32 fd;
	__u32 flags;
	__u16 num_queues;
	__u16 queue_size;
	__u8 serial[VHOST_BLK_SERIAL_SIZE];
	__u32 reserved[4];
};

#define VHOST_BLK_CONFIG_MAX	256

/**
 * struct vhost_blk_config - a part of the device's configuration space
 * @offset: where it begins, in bytes, in struct virtio_blk_config
 * @size: how many bytes, with @offset at most VHOST_BLK_CONFIG_MAX; what lies
 *	behind the end of the device's configuration space reads as zero
 * @data: the bytes, little-endian as in virtio 1.0 and later
 */
struct vhost_blk_config {
	__u32 offset;
	__u32 size;
	__u8 data[VHOST_BLK_CONFIG_MAX];
};

/*
 * All of these answer EPERM to everybody but the owner (VHOST_SET_OWNER comes
 * first), and EFAULT if the argument is not the caller's memory.
 */

/*
 * VHOST_BLK_SET_BACKEND - sets, replaces or (@fd = -1) removes the disk.
 * EBUSY: the queues are running. EBADF: not an open file, or not open for what
 * is asked. EINVAL: neither a regular file nor a block device, or one whose
 * filesystem has no read_iter or write_iter; to be written but open for appending;
 * unknown flags, reserved fields that are not zero, numbers out of range.
 */
#define VHOST_BLK_SET_BACKEND	_IOW(VHOST_VIRTIO, 0xc0, struct vhost_blk_backend)

/*
 * VHOST_BLK_SET_RUNNING - 1 starts every queue that has a size and addresses, 0
 * stops all and returns when no request is in flight. Doing it again changes
 * nothing; when 1 fails no queue runs. EINVAL: another number, or no queue is
 * ready; a ring's size or alignment does not fit its layout; a packed ring cannot
 * be at that position. ENOTCONN: no disk. EOPNOTSUPP: the driver accepted a
 * feature that this disk does not offer. EFAULT: a ring's addresses are not the
 * caller's memory. EBUSY: a queue has no worker, and the device has as many as it
 * may. ENOMEM.
 */
#define VHOST_BLK_SET_RUNNING	_IOW(VHOST_VIRTIO, 0xc1, int)

/*
 * VHOST_BLK_GET_CONFIG - reads the configuration space. It is answered at any
 * time once there is a disk, also while running. ENOTCONN: no disk. EINVAL:
 * @offset and @size reach beyond VHOST_BLK_CONFIG_MAX.
 */
#define VHOST_BLK_GET_CONFIG	_IOWR(VHOST_VIRTIO, 0xc2, struct vhost_blk_config)

/*
 * VHOST_BLK_SET_CONFIG - what the driver writes to the configuration space. Only
 * the byte writeback (wce) can be written, and only if the driver accepted
 * VIRTIO_BLK_F_CONFIG_WCE; other bytes are ignored, as the driver cannot be told.
 * ENOTCONN, EINVAL: as VHOST_BLK_GET_CONFIG.
 */
#define VHOST_BLK_SET_CONFIG	_IOW(VHOST_VIRTIO, 0xc3, struct vhost_blk_config)

/*
 * VHOST_BLK_SET_CONFIG_CALL - an eventfd that is signalled when the disk's size
 * has changed: read the configuration space again and tell the driver by a
 * configuration interrupt. -1 for none. EBADF: not an open file. EINVAL: not an
 * eventfd.
 */
#define VHOST_BLK_SET_CONFIG_CALL	_IOW(VHOST_VIRTIO, 0xc4, int)

#endif /* _UAPI_LINUX_VHOST_BLK_H */
