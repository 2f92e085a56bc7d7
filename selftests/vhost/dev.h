/* SPDX-License-Identifier: GPL-2.0-only */
/* Opening and starting the devices under test. */
#ifndef VELLUM_TEST_DEV_H
#define VELLUM_TEST_DEV_H

#include <pthread.h>
#include <linux/vellum.h>
#include <linux/vhost.h>
#include <linux/vhost_blk.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>

#include "ring.h"

/* Of 6.4 and later; Debian 12's headers are those of 6.1. */
#ifndef VHOST_NEW_WORKER
struct vhost_worker_state {
	unsigned int worker_id;
};

struct vhost_vring_worker {
	unsigned int index;
	unsigned int worker_id;
};

#define VHOST_NEW_WORKER	_IOR(VHOST_VIRTIO, 0x8, struct vhost_worker_state)
#define VHOST_FREE_WORKER	_IOW(VHOST_VIRTIO, 0x9, struct vhost_worker_state)
#define VHOST_ATTACH_VRING_WORKER	_IOW(VHOST_VIRTIO, 0x15, struct vhost_vring_worker)
#define VHOST_GET_VRING_WORKER	_IOWR(VHOST_VIRTIO, 0x16, struct vhost_vring_worker)
#endif

#define PLATFORM	BIT64(VIRTIO_F_ACCESS_PLATFORM)
#define PACKED	BIT64(VIRTIO_F_RING_PACKED)
#define IN_ORDER	BIT64(VIRTIO_F_IN_ORDER)
#define EVENT_IDX	BIT64(VIRTIO_RING_F_EVENT_IDX)
#define BASE_FEATURES	(BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_RING_F_INDIRECT_DESC))

/* Milliseconds in which whatever will happen has happened, on a loaded emulator. */
#define SOON	5000
/* Milliseconds after which something is taken not to happen. */
#define NEVER	150

/* -1, and says why on stderr, if the module or the device is missing. */
int dev_open(const char *path);
int dev_mem(int fd, const struct tmem *mem);
/* Everything about a queue: size, addresses, base and the three eventfds. 0 or -errno. */
int dev_ring(int fd, unsigned int index, const struct tring *r);
/* An ioctl with a pair of numbers. 0 or -errno. */
int dev_pair(int fd, unsigned long ioctl, unsigned int index, unsigned int num);
/* Any ioctl. Its value, or -errno. */
int dev_ioctl(int fd, unsigned long ioctl, void *arg);

/* Writes a message about translations. 0 or -errno. */
int dev_iotlb(int fd, uint8_t type, uint64_t iova, uint64_t size, const void *to, uint8_t perm);
/* Waits up to @ms for a miss. True: there is one. */
bool dev_miss(int fd, struct vhost_iotlb_msg *m, int ms);
/* A translation of the page at @iova as the guest's memory is, or of an address of the process. */
int dev_answer(int fd, const struct tmem *mem, uint64_t iova);

/**
 * struct tiommu - answers misses page by page, in a thread
 */
struct tiommu {
	pthread_t thread;
	int fd;
	const struct tmem *mem;
	bool running;
	bool end;
};

void tiommu_start(struct tiommu *t, int fd, const struct tmem *mem);
/* Harmless if it was not started. */
void tiommu_stop(struct tiommu *t);

/* Writes a string to a file of sysfs or configfs. */
bool put(const char *path, const char *value);
/* A value in the device's line of counters in debugfs; 0 if there is none. */
unsigned long long counter(const char *kind, unsigned int queue, const char *name);

/**
 * struct tblk - a running block device with its queues
 */
struct tblk {
	int fd;
	int disk;
	struct tmem mem;
	unsigned int nrings;
	struct tring rings[VHOST_BLK_QUEUES_MAX];
};

/* Opens the device and sets its owner and disk; the ring functions follow. */
bool tblk_open(struct tblk *b, int disk, uint32_t flags, unsigned int nrings, unsigned int num);
/* Sets features, memory and queues, split or packed, and runs. 0 or -errno. */
int tblk_start(struct tblk *b, uint64_t features);
int tblk_running(struct tblk *b, int on);
/*
 * After queue 0 of two was spoilt: it is dead, the other lives, and a new start brings it back.
 * The device must have been opened for this.
 */
bool tblk_stopped_alone(struct tblk *b);
void tblk_close(struct tblk *b);

/* A request in guest memory. */
struct treq {
	struct virtio_blk_outhdr *hdr;
	uint8_t *data;
	uint32_t len;
	uint8_t *status;
	uint16_t head;
};

/* Makes a request available, with @len bytes of data; does not kick. */
void tblk_queue(struct tblk *b, unsigned int q, struct treq *req, uint32_t type, uint64_t sector,
		uint32_t len);
/* Prepares it without making it available: header, data and status as three buffers. */
void tblk_prepare(struct tblk *b, struct treq *req, uint32_t type, uint64_t sector, uint32_t len,
		  struct tbuf bufs[3]);
/* Does one and waits. The status byte, or -1 if it was not answered. */
int tblk_do(struct tblk *b, unsigned int q, struct treq *req, uint32_t type, uint64_t sector,
	    uint32_t len);
/* The same on queue 0 for one range to discard or clear. */
int tblk_range(struct tblk *b, uint32_t type, uint64_t sector, uint32_t n, uint32_t flags);
/* Forgets the requests' memory. Nothing may be in flight. */
void tblk_forget(struct tblk *b);

#endif /* VELLUM_TEST_DEV_H */
