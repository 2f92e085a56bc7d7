// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory table. It is replaced as a whole while every queue is paused, so a
 * request sees one table from its first descriptor to its last byte.
 */
#include <linux/bsearch.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/uaccess.h>
#include <linux/vhost.h>

#include "dev.h"
#include "mem.h"
#include "vq.h"

static int by_address(const void *a, const void *b)
{
	const struct vh_region *x = a, *y = b;

	return x->gpa < y->gpa ? -1 : x->gpa > y->gpa;
}

/* One region of user space's table. */
static int take_region(struct vh_region *to, const struct vhost_memory_region *from)
{
	if (from->flags_padding)
		return -EINVAL;
	if ((from->guest_phys_addr | from->memory_size | from->userspace_addr) &
	    (VHOST_PAGE_SIZE - 1))
		return -EINVAL;
	if (!from->memory_size || from->guest_phys_addr + from->memory_size < from->guest_phys_addr)
		return -EINVAL;
	if (!vh_user_range(from->userspace_addr, from->memory_size))
		return -EFAULT;
	to->gpa = from->guest_phys_addr;
	to->size = from->memory_size;
	to->hva = from->userspace_addr;
	return 0;
}

static int take_regions(struct vh_mem *mem, const struct vhost_memory_region __user *from)
{
	struct vhost_memory_region region;
	unsigned int i;
	int ret;

	for (i = 0; i < mem->n; i++) {
		if (copy_from_user(&region, &from[i], sizeof(region)))
			return -EFAULT;
		ret = take_region(&mem->r[i], &region);
		if (ret)
			return ret;
	}
	sort(mem->r, mem->n, sizeof(mem->r[0]), by_address, NULL);
	for (i = 1; i < mem->n; i++)
		if (mem->r[i - 1].gpa + mem->r[i - 1].size > mem->r[i].gpa)
			return -EINVAL;
	if (mem->n)
		mem->end = mem->r[mem->n - 1].gpa + mem->r[mem->n - 1].size;
	return 0;
}

static struct vh_mem *copy_table(const struct vhost_memory __user *from)
{
	struct vhost_memory head;
	struct vh_mem *mem;
	int ret;

	if (copy_from_user(&head, from, sizeof(head)))
		return ERR_PTR(-EFAULT);
	if (head.padding)
		return ERR_PTR(-EOPNOTSUPP);
	if (head.nregions > VH_REGIONS_MAX)
		return ERR_PTR(-E2BIG);
	mem = kvzalloc(struct_size(mem, r, head.nregions), GFP_KERNEL_ACCOUNT);
	if (!mem)
		return ERR_PTR(-ENOMEM);
	mem->n = head.nregions;
	ret = take_regions(mem, from->regions);
	if (!ret)
		return mem;
	kvfree(mem);
	return ERR_PTR(ret);
}

long vh_mem_set(struct vh_dev *dev, void __user *arg)
{
	struct vh_mem *mem = copy_table(arg), *old = dev->mem;
	unsigned int i;

	if (IS_ERR(mem))
		return PTR_ERR(mem);
	if ((dev->features & BIT_ULL(VHOST_F_LOG_ALL)) && dev->log.set &&
	    !vh_log_covers(dev->log.base, mem->end)) {
		kvfree(mem);
		return -EFAULT;
	}
	vh_dev_pause(dev);
	dev->mem = mem;
	for (i = 0; i < dev->nvqs; i++) {
		vh_vq_lock(dev->vqs[i]);
		dev->vqs[i]->mem = mem;
		dev->vqs[i]->mem_hint = 0;
		vh_vq_unlock(dev->vqs[i]);
	}
	vh_dev_resume(dev);
	kvfree(old);
	return 0;
}

static int where(const void *key, const void *elem)
{
	u64 gpa = *(const u64 *)key;
	const struct vh_region *r = elem;

	if (gpa < r->gpa)
		return -1;
	return gpa - r->gpa >= r->size;
}

/* The region of an address. Most buffers lie in the region of the one before. */
static const struct vh_region *region_of(struct vh_vq *vq, u64 gpa)
{
	const struct vh_mem *mem = vq->mem;
	const struct vh_region *r;

	if (unlikely(!mem))
		return NULL;
	if (likely(vq->mem_hint < mem->n)) {
		r = &mem->r[vq->mem_hint];
		if (likely(gpa - r->gpa < r->size))
			return r;
	}
	r = bsearch(&gpa, mem->r, mem->n, sizeof(mem->r[0]), where);
	if (r)
		vq->mem_hint = r - mem->r;
	return r;
}

int vh_mem_map(struct vh_vq *vq, u64 gpa, u32 len, u8 perm, struct iovec *iov,
	       unsigned int used, unsigned int max, bool join)
{
	const struct vh_region *r;
	int ret = used;
	u64 piece;

	if (vh_vq_has(vq, VIRTIO_F_ACCESS_PLATFORM))
		return vh_iotlb_map(vq, gpa, len, perm, iov, used, max, join);
	while (len) {
		r = region_of(vq, gpa);
		if (unlikely(!r))
			return -EFAULT;
		piece = min_t(u64, len, r->size - (gpa - r->gpa));
		ret = vh_iov_add(iov, ret, max, r->hva + (gpa - r->gpa), piece, join);
		if (unlikely(ret < 0))
			break;
		join = true;
		gpa += piece;
		len -= piece;
	}
	return ret;
}
