// SPDX-License-Identifier: GPL-2.0-only
/* Opening and starting the devices under test. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>

#include "dev.h"

#define BLK_MEM		(64 << 20)

/* Between the words of a line of counters. */
#define BLANKS		"\n "

int dev_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0 && system("modprobe vellum_vhost") == 0)
		fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		perror(path);
	return fd;
}

int dev_ioctl(int fd, unsigned long request, void *arg)
{
	int ret = ioctl(fd, request, arg);

	return ret < 0 ? -errno : ret;
}

int dev_mem(int fd, const struct tmem *mem)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region r;
	} table = {
		.head.nregions = 1,
		.r = {
			.guest_phys_addr = RING_GPA_BASE,
			.memory_size = mem->size,
			.userspace_addr = (uintptr_t)mem->base,
		},
	};

	return dev_ioctl(fd, VHOST_SET_MEM_TABLE, &table);
}

int dev_pair(int fd, unsigned long request, unsigned int index, unsigned int num)
{
	struct vhost_vring_state s = { .index = index, .num = num };

	return dev_ioctl(fd, request, &s);
}

int dev_ring(int fd, unsigned int index, const struct tring *r)
{
	struct vhost_vring_addr a = {
		.index = index,
		.desc_user_addr = (uintptr_t)r->vr.desc,
		.avail_user_addr = (uintptr_t)r->vr.avail,
		.used_user_addr = (uintptr_t)r->vr.used,
	};
	int ret;

	ret = dev_pair(fd, VHOST_SET_VRING_NUM, index, r->num);
	ret = ret ?: dev_pair(fd, VHOST_SET_VRING_BASE, index, tring_base(r));
	ret = ret ?: dev_ioctl(fd, VHOST_SET_VRING_ADDR, &a);
	ret = ret ?: dev_pair(fd, VHOST_SET_VRING_KICK, index, r->kick);
	ret = ret ?: dev_pair(fd, VHOST_SET_VRING_CALL, index, r->call);
	return ret ?: dev_pair(fd, VHOST_SET_VRING_ERR, index, r->err);
}

int dev_iotlb(int fd, uint8_t type, uint64_t iova, uint64_t size, const void *to, uint8_t perm)
{
	struct vhost_msg_v2 msg = {
		.type = VHOST_IOTLB_MSG_V2,
		.iotlb = { .iova = iova, .size = size, .uaddr = (uintptr_t)to, .perm = perm,
			   .type = type },
	};

	return write(fd, &msg, sizeof(msg)) == sizeof(msg) ? 0 : -errno;
}

bool dev_miss(int fd, struct vhost_iotlb_msg *m, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct vhost_msg_v2 msg;

	if (poll(&p, 1, ms) != 1 || read(fd, &msg, sizeof(msg)) != sizeof(msg))
		return false;
	*m = msg.iotlb;
	return m->type == VHOST_IOTLB_MISS;
}

int dev_answer(int fd, const struct tmem *mem, uint64_t iova)
{
	uint64_t page = iova & -VHOST_PAGE_SIZE;
	uint8_t *to = (uint8_t *)(uintptr_t)page;

	if (iova - RING_GPA_BASE < mem->size)
		to = mem->base + (page - RING_GPA_BASE);
	return dev_iotlb(fd, VHOST_IOTLB_UPDATE, page, VHOST_PAGE_SIZE, to, VHOST_ACCESS_RW);
}

static void *answer_misses(void *arg)
{
	struct tiommu *t = arg;
	struct vhost_iotlb_msg m;

	while (!__atomic_load_n(&t->end, __ATOMIC_ACQUIRE))
		if (dev_miss(t->fd, &m, 20))
			dev_answer(t->fd, t->mem, m.iova);
	return NULL;
}

void tiommu_start(struct tiommu *t, int fd, const struct tmem *mem)
{
	*t = (struct tiommu) { .fd = fd, .mem = mem };
	t->running = !pthread_create(&t->thread, NULL, answer_misses, t);
}

void tiommu_stop(struct tiommu *t)
{
	__atomic_store_n(&t->end, true, __ATOMIC_RELEASE);
	if (t->running)
		pthread_join(t->thread, NULL);
	t->running = false;
}

bool put(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY), n;

	if (fd < 0)
		return false;
	n = write(fd, value, strlen(value));
	close(fd);
	return n == (int)strlen(value);
}

/* The newest device of the kind. */
static FILE *open_counters(const char *kind)
{
	DIR *dir = opendir("/sys/kernel/debug/vellum-vhost");
	size_t len = strlen(kind);
	struct dirent *e;
	char path[300];
	int id = -1;

	while (dir && (e = readdir(dir)))
		if (!strncmp(e->d_name, kind, len) && e->d_name[len] == '-' &&
		    atoi(e->d_name + len + 1) > id)
			id = atoi(e->d_name + len + 1);
	if (dir)
		closedir(dir);
	snprintf(path, sizeof(path), "/sys/kernel/debug/vellum-vhost/%s-%d/queues", kind, id);
	return fopen(path, "r");
}

static int column(char *line, const char *name)
{
	char *save, *word;
	int n = 0;

	for (word = strtok_r(line, BLANKS, &save); word; word = strtok_r(NULL, BLANKS, &save), n++)
		if (!strcmp(word, name))
			return n;
	return -1;
}

unsigned long long counter(const char *kind, unsigned int queue, const char *name)
{
	FILE *f = open_counters(kind);
	unsigned long long value = 0;
	char line[300], *save, *word;
	int at = -1, n;

	if (f && fgets(line, sizeof(line), f))
		at = column(line, name);
	while (at >= 0 && fgets(line, sizeof(line), f)) {
		if ((unsigned int)atoi(line) != queue)
			continue;
		word = strtok_r(line, BLANKS, &save);
		for (n = 0; word && n < at; n++)
			word = strtok_r(NULL, BLANKS, &save);
		if (word)
			value = strtoull(word, NULL, 10);
		break;
	}
	if (f)
		fclose(f);
	return value;
}

bool tblk_open(struct tblk *b, int disk, uint32_t flags, unsigned int nrings, unsigned int num)
{
	struct vhost_blk_backend backend = {
		.fd = disk, .flags = flags, .num_queues = nrings, .queue_size = num,
		.serial = "vellum-test",
	};
	unsigned int i;
	int ret;

	memset(b, 0, sizeof(*b));
	b->disk = disk;
	b->fd = dev_open(VHOST_BLK_DEVICE_PATH);
	if (b->fd < 0)
		return false;
	ret = dev_ioctl(b->fd, VHOST_SET_OWNER, NULL);
	ret = ret ?: dev_ioctl(b->fd, VHOST_BLK_SET_BACKEND, &backend);
	if (ret) {
		fprintf(stderr, "VHOST_BLK_SET_BACKEND: %s\n", strerror(-ret));
		return false;
	}
	tmem_init(&b->mem, BLK_MEM);
	b->nrings = nrings;
	for (i = 0; i < nrings; i++)
		tring_init(&b->rings[i], &b->mem, num);
	return true;
}

int tblk_running(struct tblk *b, int on)
{
	return dev_ioctl(b->fd, VHOST_BLK_SET_RUNNING, &on);
}

int tblk_start(struct tblk *b, uint64_t features)
{
	unsigned int i;
	int ret;

	ret = dev_ioctl(b->fd, VHOST_SET_FEATURES, &features);
	ret = ret ?: dev_mem(b->fd, &b->mem);
	for (i = 0; i < b->nrings; i++) {
		tring_restart(&b->rings[i], features & BIT64(VIRTIO_F_RING_PACKED), 0);
		ret = ret ?: dev_ring(b->fd, i, &b->rings[i]);
	}
	return ret ?: tblk_running(b, 1);
}

bool tblk_stopped_alone(struct tblk *b)
{
	struct tring *r = &b->rings[0];
	struct vring_used_elem used;
	struct treq req = {}, again = {};

	tring_kick(r);
	if (!tevent(r->err, SOON) || tring_used(r, &used, 0))
		return false;
	if (tblk_do(b, 1, &req, VIRTIO_BLK_T_IN, 0, 512) != VIRTIO_BLK_S_OK)
		return false;
	if (tevent(b->rings[1].err, 0) || counter("blk", 0, "breaks") != 1)
		return false;
	if (tblk_running(b, 0))
		return false;
	tring_restart(r, r->packed, 0);
	if (dev_pair(b->fd, VHOST_SET_VRING_BASE, 0, tring_base(r)) || tblk_running(b, 1))
		return false;
	return tblk_do(b, 0, &again, VIRTIO_BLK_T_IN, 0, 512) == VIRTIO_BLK_S_OK;
}

void tblk_close(struct tblk *b)
{
	unsigned int i;

	close(b->fd);
	for (i = 0; i < b->nrings; i++)
		tring_destroy(&b->rings[i]);
	tmem_destroy(&b->mem);
}

void tblk_prepare(struct tblk *b, struct treq *req, uint32_t type, uint64_t sector, uint32_t len,
		  struct tbuf bufs[3])
{
	req->hdr = tmem_alloc(&b->mem, sizeof(*req->hdr), 16);
	req->data = tmem_alloc(&b->mem, len ?: 1, 4096);
	req->status = tmem_alloc(&b->mem, 1, 1);
	req->len = len;
	req->hdr->type = type;
	req->hdr->sector = sector;
	*req->status = 0xff;
	bufs[0] = (struct tbuf) { tmem_gpa(&b->mem, req->hdr), sizeof(*req->hdr), false };
	bufs[1] = (struct tbuf) { tmem_gpa(&b->mem, req->data), len,
				  type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID };
	bufs[2] = (struct tbuf) { tmem_gpa(&b->mem, req->status), 1, true };
}

static void submit(struct tring *r, struct treq *req, struct tbuf bufs[3])
{
	if (!req->len)
		bufs[1] = bufs[2];
	req->head = tring_chain(r, bufs, req->len ? 3 : 2);
	tring_avail(r, req->head);
}

void tblk_queue(struct tblk *b, unsigned int q, struct treq *req, uint32_t type, uint64_t sector,
		uint32_t len)
{
	struct tbuf bufs[3];

	tblk_prepare(b, req, type, sector, len, bufs);
	submit(&b->rings[q], req, bufs);
}

int tblk_do(struct tblk *b, unsigned int q, struct treq *req, uint32_t type, uint64_t sector,
	    uint32_t len)
{
	struct vring_used_elem used;

	/* A request that is prepared already has data. */
	if (!req->data) {
		tblk_queue(b, q, req, type, sector, len);
	} else {
		struct tbuf bufs[3] = {
			{ tmem_gpa(&b->mem, req->hdr), sizeof(*req->hdr), false },
			{ tmem_gpa(&b->mem, req->data), len,
			  type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID },
			{ tmem_gpa(&b->mem, req->status), 1, true },
		};

		req->hdr->type = type;
		req->hdr->sector = sector;
		req->len = len;
		*req->status = 0xff;
		submit(&b->rings[q], req, bufs);
	}
	tring_kick(&b->rings[q]);
	if (!tring_used(&b->rings[q], &used, SOON) || used.id != req->head)
		return -1;
	return *req->status;
}

int tblk_range(struct tblk *b, uint32_t type, uint64_t sector, uint32_t n, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes *range;
	struct tbuf bufs[3];
	struct treq req = {};

	tblk_prepare(b, &req, type, 0, sizeof(*range), bufs);
	range = (void *)req.data;
	range->sector = sector;
	range->num_sectors = n;
	range->flags = flags;
	return tblk_do(b, 0, &req, type, 0, sizeof(*range));
}

void tblk_forget(struct tblk *b)
{
	const struct tring *last = &b->rings[b->nrings - 1];

	b->mem.used = (uint8_t *)last->vr.used - b->mem.base +
		      sizeof(struct vring_used) + (last->num + 1) * sizeof(struct vring_used_elem);
}
