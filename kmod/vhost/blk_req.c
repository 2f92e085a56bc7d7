// SPDX-License-Identifier: GPL-2.0-only
/* Requests: decoding what the driver asks for, and answering. */
#include <linux/blkdev.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vhost.h>

#include "blk.h"
#include "trace.h"

/*
 * So many requests that were complete as soon as they were submitted are given back before more
 * are taken: the driver goes on with them meanwhile.
 */
#define OWN_MAX		16

static struct kmem_cache *cache;

/**
 * struct cursor - buffers of a chain not used yet
 */
struct cursor {
	struct iovec *iov;
	unsigned int n;
};

/* Takes @len bytes off the front. The caller knows that they are there. */
static bool take_bytes(struct cursor *c, void *to, size_t len)
{
	size_t piece;

	for (; len; len -= piece, to += piece) {
		piece = min(len, c->iov->iov_len);
		if (copy_from_user(to, c->iov->iov_base, piece))
			return false;
		c->iov->iov_base += piece;
		c->iov->iov_len -= piece;
		if (!c->iov->iov_len) {
			c->iov++;
			c->n--;
		}
	}
	return true;
}

/* Nearly every driver has it in a buffer of its own. */
static bool take_header(struct cursor *c, struct virtio_blk_outhdr *hdr)
{
	const struct virtio_blk_outhdr __user *from = c->iov->iov_base;

	if (unlikely(c->iov->iov_len != sizeof(*hdr)))
		return take_bytes(c, hdr, sizeof(*hdr));
	if (unlikely(!user_access_begin(from, sizeof(*from))))
		return false;
	unsafe_get_user(hdr->type, &from->type, fault);
	unsafe_get_user(hdr->sector, &from->sector, fault);
	user_access_end();
	c->iov++;
	c->n--;
	return true;
fault:
	user_access_end();
	return false;
}

/* Takes the last byte: the status. */
static u8 __user *take_status(struct cursor *c)
{
	struct iovec *last = &c->iov[c->n - 1];

	last->iov_len--;
	if (!last->iov_len)
		c->n--;
	return last->iov_base + last->iov_len;
}

static struct blk_req *get_req(struct blk_vq *bq)
{
	struct llist_node *node = bq->free;

	if (!node)
		return kmem_cache_alloc(cache, GFP_KERNEL_ACCOUNT);
	bq->free = node->next;
	return llist_entry(node, struct blk_req, node);
}

static void put_req(struct blk_vq *bq, struct blk_req *req)
{
	if (unlikely(req->ranges || req->log)) {
		kfree(req->ranges);
		kfree(req->log);
	}
	req->node.next = bq->free;
	bq->free = &req->node;
}

void blk_free_requests(struct blk_vq *bq)
{
	struct llist_node *node;

	while ((node = bq->free)) {
		bq->free = node->next;
		kmem_cache_free(cache, llist_entry(node, struct blk_req, node));
	}
}

static bool in_bounds(const struct blk_disk *disk, u64 sector, u64 sectors)
{
	u64 capacity = READ_ONCE(disk->capacity);

	return sector <= capacity && sectors <= capacity - sector;
}

static void start_rw(struct blk_req *req, bool write, u64 sector, u64 len, struct cursor *c)
{
	struct blk_disk *disk = blk_disk_of(req);

	/* No system call moves more at a time, and filesystems rely on that. */
	if (len > MAX_RW_COUNT || len % BLK_SECTOR_SIZE ||
	    !in_bounds(disk, sector, len >> BLK_SECTOR_SHIFT) || (write && disk->read_only)) {
		blk_complete(req, -EIO);
		return;
	}
	req->expected = len;
	req->pos = sector << BLK_SECTOR_SHIFT;
	req->bq->vq.stats.bytes += len;
	if (len)
		blk_rw(req, write, c->iov, c->n);
	else
		blk_complete(req, 0);
}

/* The disk's name, cut or padded to what the driver has room for. */
static void get_id(struct blk_req *req, const struct cursor *in)
{
	const u8 *from = blk_disk_of(req)->serial;
	size_t len = VHOST_BLK_SERIAL_SIZE, piece;
	unsigned int i;

	for (i = 0; i < in->n && len; i++, len -= piece, from += piece) {
		piece = min(len, in->iov[i].iov_len);
		if (copy_to_user(in->iov[i].iov_base, from, piece)) {
			blk_complete(req, -EFAULT);
			return;
		}
	}
	req->written = VHOST_BLK_SERIAL_SIZE - len + 1;
	blk_complete(req, 0);
}

/* -EOPNOTSUPP for flags that the type does not have, -EIO for what is too long or not there. */
static int check_range(const struct blk_req *req, const struct virtio_blk_discard_write_zeroes *r)
{
	u32 known = req->type == VIRTIO_BLK_T_WRITE_ZEROES ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;

	if (le32_to_cpu(r->flags) & ~known)
		return -EOPNOTSUPP;
	if (le32_to_cpu(r->num_sectors) > BLK_RANGE_SECTORS_MAX ||
	    !in_bounds(blk_disk_of(req), le64_to_cpu(r->sector), le32_to_cpu(r->num_sectors)))
		return -EIO;
	return 0;
}

static int take_ranges(struct blk_req *req, size_t len, struct cursor *out)
{
	const struct vh_vq *vq = &req->bq->vq;
	unsigned int i;
	int ret = 0;

	if (blk_disk_of(req)->read_only)
		return -EIO;
	if (!vh_vq_has(vq, req->type == VIRTIO_BLK_T_DISCARD ? VIRTIO_BLK_F_DISCARD :
							       VIRTIO_BLK_F_WRITE_ZEROES))
		return -EOPNOTSUPP;
	if (!len || len % sizeof(*req->ranges) || len > BLK_RANGES_MAX * sizeof(*req->ranges))
		return -EIO;
	req->ranges = kmalloc(len, GFP_KERNEL_ACCOUNT);
	if (!req->ranges)
		return -ENOMEM;
	if (!take_bytes(out, req->ranges, len))
		return -EFAULT;
	req->nranges = len / sizeof(*req->ranges);
	for (i = 0; i < req->nranges && !ret; i++)
		ret = check_range(req, &req->ranges[i]);
	return ret;
}

/* Other requests write their status alone, whatever buffers they bring. */
static bool writes_buffers(const struct blk_req *req)
{
	return req->type == VIRTIO_BLK_T_IN || req->type == VIRTIO_BLK_T_GET_ID;
}

/* Remembers what will have been written, since the buffers are forgotten by then. */
static bool keep_log(struct blk_req *req, const struct cursor *in)
{
	if (likely(!vh_vq_has(&req->bq->vq, VHOST_F_LOG_ALL)) || !in->n || !writes_buffers(req))
		return true;
	req->log = kmemdup(in->iov, in->n * sizeof(*in->iov), GFP_KERNEL_ACCOUNT);
	req->nlog = req->log ? in->n : 0;
	return req->log;
}

static void dispatch(struct blk_req *req, u64 sector, size_t out_len, size_t in_len,
		     struct cursor *out, struct cursor *in)
{
	int ret;

	switch (req->type) {
	case VIRTIO_BLK_T_IN:
		req->written = in_len + 1;
		start_rw(req, false, sector, in_len, in);
		break;
	case VIRTIO_BLK_T_OUT:
		start_rw(req, true, sector, out_len, out);
		break;
	case VIRTIO_BLK_T_FLUSH:
		blk_flush(req);
		break;
	case VIRTIO_BLK_T_GET_ID:
		get_id(req, in);
		break;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		ret = take_ranges(req, out_len, out);
		if (ret)
			blk_complete(req, ret);
		else
			blk_ranges(req);
		break;
	default:
		blk_complete(req, -EOPNOTSUPP);
	}
}

static void init_req(struct blk_req *req, struct blk_vq *bq, const struct vh_chain *chain)
{
	req->bq = bq;
	req->id = chain->id;
	req->slots = chain->slots;
	req->written = 1;
	req->expected = 0;
	req->ranges = NULL;
	req->log = NULL;
	req->nlog = 0;
	req->has_bio = false;
}

/* The chain is not taken: it is there when the queue runs again. */
static int refuse(struct blk_vq *bq, const struct vh_chain *chain, int error, const char *why)
{
	vh_ring_unpop(&bq->vq, 1, chain->slots);
	vh_vq_break(&bq->vq, why);
	return error;
}

/* Starts a chain's request. A negative return: the queue is broken. */
static int start(struct blk_vq *bq, struct vh_chain *chain)
{
	struct cursor out = { chain->iov, chain->nout };
	struct cursor in = { chain->iov + chain->nout, chain->nin };
	struct virtio_blk_outhdr hdr;
	struct blk_req *req;
	u64 sector;

	if (chain->out_len < sizeof(hdr) || !chain->in_len)
		return refuse(bq, chain, -EIO, "a request without header or status");
	if (!take_header(&out, &hdr))
		return refuse(bq, chain, -EFAULT, "a header that is not mapped");
	req = get_req(bq);
	if (!req)
		return refuse(bq, chain, -ENOMEM, "no memory");
	init_req(req, bq, chain);
	req->status = take_status(&in);
	req->type = le32_to_cpu((__force __le32)hdr.type);
	sector = le64_to_cpu((__force __le64)hdr.sector);
	trace_vellum_vhost_blk_request(bq->vq.dev->id, bq->vq.index, req->type, sector,
				       chain->out_len + chain->in_len);
	bq->inflight++;
	if (keep_log(req, &in))
		dispatch(req, sector, chain->out_len - sizeof(hdr), chain->in_len - 1, &out, &in);
	else
		blk_complete(req, -ENOMEM);
	return 0;
}

int blk_take(struct blk_vq *bq)
{
	struct vh_vq *vq = &bq->vq;
	struct vh_chain chain;
	struct blk_plug plug;
	unsigned int n;
	int ret = 1;

	if (!vh_vq_active(vq) || vh_ring_kick_off(vq))
		return 0;
	blk_disk_check_size(&to_blk(vq->dev)->disk);
	WRITE_ONCE(bq->taker, current);
	blk_start_plug(&plug);
	/* No driver has more requests than the ring has entries. */
	for (n = 0; n < VH_BATCH && bq->nown < OWN_MAX && bq->inflight < vq->num; n++) {
		ret = vh_ring_pop(vq, &chain, 0);
		if (ret > 0)
			ret = start(bq, &chain) < 0 ? -1 : 1;
		if (ret <= 0)
			break;
	}
	blk_finish_plug(&plug);
	WRITE_ONCE(bq->taker, NULL);
	return ret > 0 && (n == VH_BATCH || bq->nown >= OWN_MAX);
}

static u8 status_of(const struct blk_req *req)
{
	if (req->result == req->expected)
		return VIRTIO_BLK_S_OK;
	return req->result == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;
}

static bool log_req(struct blk_req *req)
{
	struct vh_vq *vq = &req->bq->vq;

	if (likely(!vh_vq_has(vq, VHOST_F_LOG_ALL)))
		return true;
	return !vh_log_iov(vq, req->log, req->nlog, U64_MAX) &&
	       !vh_log_hva(vq, (unsigned long)req->status, 1);
}

/* A negative return: the queue is broken. */
static int give_back(struct blk_vq *bq, struct blk_req *req)
{
	struct vh_vq *vq = &bq->vq;
	u8 status = status_of(req);

	trace_vellum_vhost_blk_done(vq->dev->id, vq->index, req->type, status);
	if (status != VIRTIO_BLK_S_OK) {
		vq->stats.errors++;
		/* Of data in front of the status nothing is known. */
		req->written = req->written > 1 ? 0 : 1;
	}
	if (put_user(status, req->status)) {
		vh_vq_break(vq, "a status byte that is not mapped");
		return -EFAULT;
	}
	if (!log_req(req)) {
		vh_vq_break(vq, "the log is not mapped");
		return -EFAULT;
	}
	return vh_ring_push(vq, req->id, req->slots, req->written);
}

/* In the order in which they were completed; the list has the last one first. */
static void finish_list(struct blk_vq *bq, struct llist_node *node)
{
	struct blk_req *req, *next;

	node = llist_reverse_order(node);
	llist_for_each_entry_safe(req, next, node, node) {
		if (req->has_bio)
			blk_bio_release(req);
		if (!bq->vq.broken)
			give_back(bq, req);
		put_req(bq, req);
		bq->inflight--;
	}
}

void blk_finish(struct blk_vq *bq)
{
	struct llist_node *own = bq->own, *others = llist_del_all(&bq->done);

	if (!own && !others)
		return;
	bq->own = NULL;
	bq->nown = 0;
	finish_list(bq, others);
	finish_list(bq, own);
	if (!bq->vq.broken)
		vh_ring_notify(&bq->vq);
	if (bq->vq.paused && !bq->inflight)
		wake_up(&bq->idle);
}

int blk_req_init(void)
{
	cache = KMEM_CACHE(blk_req, 0);
	return cache ? 0 : -ENOMEM;
}

void blk_req_exit(void)
{
	kmem_cache_destroy(cache);
}
