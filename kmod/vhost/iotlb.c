// SPDX-License-Identifier: GPL-2.0-only
/*
 * Translations: found by the workers, written and invalidated by the owner.
 *
 * A queue that misses one stops where it is, with the chain not taken, and goes on when the
 * owner has written it. So no queue waits for more than one, and what user space does not read
 * takes no room.
 */
#include <linux/interval_tree.h>
#include <linux/slab.h>
#include <linux/vhost.h>

#include "dev.h"
#include "iotlb.h"
#include "mem.h"
#include "ring.h"
#include "vq.h"

/* More than any ring and request of a usual driver takes by pages of 4 KiB. */
#define ENTRIES_MAX	2048

/**
 * struct entry - a translation
 * @node: in vh_iotlb.tree, its first and last address
 * @order: in vh_iotlb.oldest
 * @hva: the owner's address of the first byte
 */
struct entry {
	struct interval_tree_node node;
	struct list_head order;
	unsigned long hva;
	u8 perm;
};

void vh_iotlb_init(struct vh_iotlb *tlb)
{
	spin_lock_init(&tlb->lock);
	tlb->tree = RB_ROOT_CACHED;
	INIT_LIST_HEAD(&tlb->oldest);
	init_waitqueue_head(&tlb->wait);
}

static void drop(struct vh_iotlb *tlb, struct entry *e)
{
	interval_tree_remove(&e->node, &tlb->tree);
	list_del(&e->order);
	tlb->n--;
	kfree(e);
}

static struct entry *first_in(struct vh_iotlb *tlb, u64 start, u64 last)
{
	struct interval_tree_node *node = interval_tree_iter_first(&tlb->tree, start, last);

	return node ? container_of(node, struct entry, node) : NULL;
}

static void drop_range(struct vh_iotlb *tlb, u64 start, u64 last)
{
	struct entry *e;

	spin_lock(&tlb->lock);
	while ((e = first_in(tlb, start, last)))
		drop(tlb, e);
	spin_unlock(&tlb->lock);
}

void vh_iotlb_clear(struct vh_iotlb *tlb)
{
	drop_range(tlb, 0, U64_MAX);
}

static void note_miss(struct vh_vq *vq, u64 iova, u8 perm)
{
	vq->miss.iova = iova;
	vq->miss.perm = perm;
	vq->miss.count++;
	vq->stats.misses++;
	WRITE_ONCE(vq->miss.state, VH_MISS_NEW);
}

/* Finds one piece. Its bytes, -EAGAIN: it is missing, -EFAULT: the access is not allowed. */
static long find(struct vh_vq *vq, u64 iova, u8 perm, unsigned long *hva)
{
	struct entry *e = first_in(&vq->dev->iotlb, iova, iova);

	if (!e) {
		/* Each came and made room for another before all were there. */
		if (vq->miss.count > ENTRIES_MAX)
			return -EFAULT;
		note_miss(vq, iova, perm);
		return -EAGAIN;
	}
	if ((e->perm & perm) != perm)
		return -EFAULT;
	*hva = e->hva + (iova - e->node.start);
	return min_t(u64, e->node.last - iova, LONG_MAX - 1) + 1;
}

int vh_iotlb_map(struct vh_vq *vq, u64 iova, u32 len, u8 perm, struct iovec *iov,
		 unsigned int used, unsigned int max, bool join)
{
	struct vh_iotlb *tlb = &vq->dev->iotlb;
	int ret = used;
	long piece;

	if (unlikely(iova + len - 1 < iova))
		return -EFAULT;
	spin_lock(&tlb->lock);
	while (len && ret >= 0) {
		unsigned long hva;

		piece = find(vq, iova, perm, &hva);
		if (piece < 0) {
			ret = piece;
			break;
		}
		piece = min_t(long, piece, len);
		ret = vh_iov_add(iov, ret, max, hva, piece, join);
		join = true;
		iova += piece;
		len -= piece;
	}
	spin_unlock(&tlb->lock);
	if (ret == -EAGAIN)
		wake_up_interruptible(&tlb->wait);
	return ret;
}

void vh_iotlb_forget_miss(struct vh_vq *vq)
{
	struct vh_iotlb *tlb = &vq->dev->iotlb;

	spin_lock(&tlb->lock);
	WRITE_ONCE(vq->miss.state, VH_MISS_NONE);
	vq->miss.count = 0;
	spin_unlock(&tlb->lock);
}

/* What is in the range is not valid any more: nothing uses it when this returns. */
static void invalidate(struct vh_dev *dev, u64 start, u64 last)
{
	unsigned int i;

	vh_dev_pause(dev);
	drop_range(&dev->iotlb, start, last);
	for (i = 0; i < dev->nvqs; i++) {
		vh_vq_lock(dev->vqs[i]);
		dev->vqs[i]->mapped = false;
		vh_vq_unlock(dev->vqs[i]);
	}
	vh_dev_resume(dev);
}

/* Queues that wait for something in the entry go on. */
static void answer_misses(struct vh_dev *dev, const struct entry *e)
{
	unsigned int i;

	for (i = 0; i < dev->nvqs; i++) {
		struct vh_vq *vq = dev->vqs[i];

		if (vq->miss.state == VH_MISS_NONE || vq->miss.iova < e->node.start ||
		    vq->miss.iova > e->node.last)
			continue;
		WRITE_ONCE(vq->miss.state, VH_MISS_NONE);
		vh_vq_signal(vq, VH_KICK);
	}
}

static void insert(struct vh_dev *dev, struct entry *e)
{
	struct vh_iotlb *tlb = &dev->iotlb;

	spin_lock(&tlb->lock);
	if (tlb->n == ENTRIES_MAX)
		drop(tlb, list_first_entry(&tlb->oldest, struct entry, order));
	interval_tree_insert(&e->node, &tlb->tree);
	list_add_tail(&e->order, &tlb->oldest);
	tlb->n++;
	answer_misses(dev, e);
	spin_unlock(&tlb->lock);
}

static int update(struct vh_dev *dev, const struct vhost_iotlb_msg *m)
{
	u64 last = m->iova + m->size - 1;
	struct entry *e;

	if (!m->size || last < m->iova)
		return -EINVAL;
	if (m->perm != VHOST_ACCESS_RO && m->perm != VHOST_ACCESS_WO && m->perm != VHOST_ACCESS_RW)
		return -EINVAL;
	if (!vh_user_range(m->uaddr, m->size))
		return -EFAULT;
	e = kmalloc(sizeof(*e), GFP_KERNEL_ACCOUNT);
	if (!e)
		return -ENOMEM;
	e->node.start = m->iova;
	e->node.last = last;
	e->hva = m->uaddr;
	e->perm = m->perm;
	/* Only ioctls and messages change the tree, and vh_dev.lock is held. */
	if (first_in(&dev->iotlb, m->iova, last))
		invalidate(dev, m->iova, last);
	insert(dev, e);
	return 0;
}

static int handle_msg(struct vh_dev *dev, const struct vhost_iotlb_msg *m)
{
	u64 last = m->iova + m->size - 1;

	if (m->type == VHOST_IOTLB_UPDATE)
		return update(dev, m);
	if (m->type != VHOST_IOTLB_INVALIDATE)
		return -EINVAL;
	/* No size at address 0: everything, which a size cannot say. */
	if ((!m->size && m->iova) || last < m->iova)
		return -EINVAL;
	invalidate(dev, m->iova, last);
	return 0;
}

static int check_msg(const struct vhost_msg_v2 *msg)
{
	/* The first version has padding where the second has the address space. */
	BUILD_BUG_ON(sizeof(struct vhost_msg) != sizeof(*msg));
	BUILD_BUG_ON(offsetof(struct vhost_msg, iotlb) != offsetof(struct vhost_msg_v2, iotlb));
	if (msg->type == VHOST_IOTLB_MSG)
		return 0;
	return msg->type == VHOST_IOTLB_MSG_V2 && !msg->asid ? 0 : -EINVAL;
}

ssize_t vh_iotlb_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct vh_dev *dev = iocb->ki_filp->private_data;
	struct vhost_msg_v2 msg;
	int ret;

	if (iov_iter_count(from) != sizeof(msg))
		return -EINVAL;
	if (!copy_from_iter_full(&msg, sizeof(msg), from))
		return -EFAULT;
	ret = check_msg(&msg);
	if (ret)
		return ret;
	mutex_lock(&dev->lock);
	if (!dev->mm || dev->mm != current->mm)
		ret = -EPERM;
	else if (!(dev->features & BIT_ULL(VIRTIO_F_ACCESS_PLATFORM)))
		ret = -EINVAL;
	else
		ret = handle_msg(dev, &msg.iotlb);
	mutex_unlock(&dev->lock);
	return ret ?: sizeof(msg);
}

static struct vh_vq *new_miss(struct vh_dev *dev)
{
	unsigned int i;

	for (i = 0; i < dev->nvqs; i++)
		if (READ_ONCE(dev->vqs[i]->miss.state) == VH_MISS_NEW)
			return dev->vqs[i];
	return NULL;
}

/* Takes a miss that was not read yet. */
static struct vh_vq *take_miss(struct vh_dev *dev, struct vhost_iotlb_msg *m)
{
	struct vh_vq *vq;

	spin_lock(&dev->iotlb.lock);
	vq = new_miss(dev);
	if (vq) {
		WRITE_ONCE(vq->miss.state, VH_MISS_READ);
		m->iova = vq->miss.iova;
		m->perm = vq->miss.perm;
		m->type = VHOST_IOTLB_MISS;
	}
	spin_unlock(&dev->iotlb.lock);
	return vq;
}

/* It could not be told: it is still to be read, if nothing else came meanwhile. */
static void put_back(struct vh_vq *vq, const struct vhost_iotlb_msg *m)
{
	spin_lock(&vq->dev->iotlb.lock);
	if (vq->miss.state == VH_MISS_READ && vq->miss.iova == m->iova)
		WRITE_ONCE(vq->miss.state, VH_MISS_NEW);
	spin_unlock(&vq->dev->iotlb.lock);
}

ssize_t vh_iotlb_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct vh_dev *dev = iocb->ki_filp->private_data;
	struct vhost_msg_v2 msg;
	struct vh_vq *vq;
	int ret;

	/* The whole of it, with what lies between and behind its members. */
	memset(&msg, 0, sizeof(msg));
	if (iov_iter_count(to) < sizeof(msg))
		return -EINVAL;
	/* Whose addresses they are. */
	if (READ_ONCE(dev->mm) != current->mm)
		return -EPERM;
	while (!(vq = take_miss(dev, &msg.iotlb))) {
		if ((iocb->ki_filp->f_flags & O_NONBLOCK) || (iocb->ki_flags & IOCB_NOWAIT))
			return -EAGAIN;
		ret = wait_event_interruptible(dev->iotlb.wait, new_miss(dev));
		if (ret)
			return ret;
	}
	msg.type = READ_ONCE(dev->backend_features) & BIT_ULL(VHOST_BACKEND_F_IOTLB_MSG_V2) ?
		   VHOST_IOTLB_MSG_V2 : VHOST_IOTLB_MSG;
	if (copy_to_iter(&msg, sizeof(msg), to) == sizeof(msg))
		return sizeof(msg);
	put_back(vq, &msg.iotlb);
	return -EFAULT;
}

__poll_t vh_iotlb_poll(struct file *file, poll_table *table)
{
	struct vh_dev *dev = file->private_data;

	poll_wait(file, &dev->iotlb.wait, table);
	return EPOLLOUT | EPOLLWRNORM | (new_miss(dev) ? EPOLLIN | EPOLLRDNORM : 0);
}
