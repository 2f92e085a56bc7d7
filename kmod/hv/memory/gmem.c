// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest_memfd: memory that only a guest sees.
 *
 * An inode of a pseudo filesystem with a size and pages, and no way for user space to map,
 * read or write them. The pages are ours alone, on no LRU and in no page cache, so nothing moves
 * or reclaims them and the mmu notifier has no say. They come with the first fault or fallocate()
 * and go by FALLOC_FL_PUNCH_HOLE or with the file.
 *
 * A slot that is bound holds a reference on the file; the file knows its slots by a list. It
 * belongs to one VM, told by a number that is never used again, and reaches that VM only through
 * a slot in the list, which cannot outlive the VM.
 *
 * A page is freed in three steps: out of the index, out of the second-level tables, freed. Faults
 * look the index up and install under tdp.lock (read), so none maps a page after the second.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/falloc.h>	/* wants types.h before it */
#include <linux/fs_context.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "compat/compat.h"
#include "memory/gmem.h"
#include "memory/hostpt.h"
#include "memory/memslot.h"
#include "memory/tdp_int.h"

#define GMEM_MAGIC	0x56474d44	/* "VGMD" */
#define GMEM_BATCH	64		/* pages that a hole frees in one go */

/**
 * struct hv_gmem - one guest_memfd file
 * @pages: struct page by index
 * @lock: @slots; removal of pages; held while the hypervisor itself reads or writes one
 * @slots: bound slots, by gmem_link
 * @owner: vm->serial of the VM it was made for
 * @vm: that VM; valid while @slots is not empty
 */
struct hv_gmem {
	struct xarray pages;
	struct mutex lock;		/* slots, removal of pages */
	struct list_head slots;
	u64 owner;
	struct hv_vm *vm;
};

static struct vfsmount *gmem_mount;

static struct hv_gmem *slot_gmem(const struct hv_memslot *slot)
{
	return slot->gmem->private_data;
}

static u64 slot_index(const struct hv_memslot *slot, u64 gfn)
{
	return slot->gmem_index + (gfn - slot->base_gfn);
}

static int gmem_add_page(struct hv_gmem *gmem, u64 index)
{
	struct page *page, *old;

	if (xa_load(&gmem->pages, index))
		return 0;
	page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!page)
		return -ENOMEM;
	old = xa_cmpxchg(&gmem->pages, index, NULL, page, GFP_KERNEL_ACCOUNT);
	if (!old)
		return 0;
	__free_page(page);	/* somebody was faster, or there is no memory */
	return xa_err(old);
}

/* What the slots bound to [first, end) have mapped of it. */
static void gmem_unmap(struct hv_gmem *gmem, u64 first, u64 end)
{
	struct hv_memslot *slot;

	list_for_each_entry(slot, &gmem->slots, gmem_link) {
		u64 low = max(first, slot->gmem_index);
		u64 high = min(end, slot->gmem_index + slot->npages);

		if (low < high)
			tdp_zap_frames(gmem->vm, slot->as,
				       slot->base_gfn + (low - slot->gmem_index),
				       slot->base_gfn + (high - slot->gmem_index));
	}
}

/* The next pages of [*first, end), at most a batch, freed; false: there are none. */
static bool gmem_free_batch(struct hv_gmem *gmem, unsigned long *first, unsigned long end)
{
	struct page *page, *pages[GMEM_BATCH];
	unsigned long index = *first, from = *first;
	unsigned int n = 0;

	xa_for_each_range(&gmem->pages, index, page, from, end - 1) {
		xa_erase(&gmem->pages, index);
		pages[n++] = page;
		*first = index + 1;
		if (n == GMEM_BATCH)
			break;
	}
	if (!n)
		return false;
	gmem_unmap(gmem, from, *first);
	while (n)
		__free_page(pages[--n]);
	return *first < end;
}

static void gmem_punch(struct hv_gmem *gmem, unsigned long first, unsigned long end)
{
	mutex_lock(&gmem->lock);
	while (first < end && gmem_free_batch(gmem, &first, end))
		cond_resched();
	mutex_unlock(&gmem->lock);
}

static int gmem_fill(struct hv_gmem *gmem, unsigned long first, unsigned long end)
{
	for (; first < end; first++) {
		int err = signal_pending(current) ? -EINTR : gmem_add_page(gmem, first);

		if (err)
			return err;
		cond_resched();
	}
	return 0;
}

static long gmem_fallocate(struct file *file, int mode, loff_t offset, loff_t len)
{
	struct hv_gmem *gmem = file->private_data;
	loff_t size = i_size_read(file_inode(file));

	if (!(mode & FALLOC_FL_KEEP_SIZE) ||
	    mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
		return -EOPNOTSUPP;
	if (!PAGE_ALIGNED(offset) || !PAGE_ALIGNED(len))
		return -EINVAL;
	if (mode & FALLOC_FL_PUNCH_HOLE) {
		gmem_punch(gmem, offset >> PAGE_SHIFT, min(offset + len, size) >> PAGE_SHIFT);
		return 0;
	}
	if (offset + len > size)
		return -EINVAL;
	return gmem_fill(gmem, offset >> PAGE_SHIFT, (offset + len) >> PAGE_SHIFT);
}

/* The last reference: no slot is bound. */
static int gmem_release(struct inode *inode, struct file *file)
{
	struct hv_gmem *gmem = file->private_data;
	unsigned long index;
	struct page *page;

	xa_for_each(&gmem->pages, index, page) {
		__free_page(page);
		cond_resched();
	}
	xa_destroy(&gmem->pages);
	kfree(gmem);
	return 0;
}

static const struct file_operations gmem_fops = {
	.owner = THIS_MODULE,
	.release = gmem_release,
	.fallocate = gmem_fallocate,
	.llseek = noop_llseek,
};

/* The size is what it is, and mode and owner mean nothing. */
static int gmem_setattr(HV_IDMAP *idmap, struct dentry *dentry, struct iattr *attr)
{
	return -EINVAL;
}

static const struct inode_operations gmem_iops = {
	.setattr = gmem_setattr,
};

static struct file *gmem_file(struct hv_gmem *gmem, loff_t size)
{
	struct inode *inode = alloc_anon_inode(gmem_mount->mnt_sb);
	struct file *file;

	if (IS_ERR(inode))
		return ERR_CAST(inode);
	inode->i_mode = S_IFREG | 0600;
	inode->i_op = &gmem_iops;
	i_size_write(inode, size);
	file = alloc_file_pseudo(inode, gmem_mount, "[vellum-guest-memfd]",
				 O_RDWR | O_LARGEFILE, &gmem_fops);
	if (IS_ERR(file)) {
		iput(inode);
		return file;
	}
	file->private_data = gmem;
	/* as every opener of a file with an owner; fput() gives it back */
	__module_get(THIS_MODULE);
	return file;
}

static struct hv_gmem *gmem_alloc(const struct hv_vm *vm)
{
	struct hv_gmem *gmem = kzalloc(sizeof(*gmem), GFP_KERNEL_ACCOUNT);

	if (!gmem)
		return NULL;
	xa_init_flags(&gmem->pages, XA_FLAGS_ACCOUNT);
	mutex_init(&gmem->lock);
	INIT_LIST_HEAD(&gmem->slots);
	gmem->owner = vm->serial;
	return gmem;
}

/**
 * hv_gmem_create() - KVM_CREATE_GUEST_MEMFD
 * @vm: the VM that alone may bind it
 * @args: size in bytes
 *
 * Return: a file descriptor; -EINVAL for flags or a size that is 0, negative or no multiple
 * of a page; -EMFILE, -ENOMEM.
 */
long hv_gmem_create(struct hv_vm *vm, const struct kvm_create_guest_memfd *args)
{
	struct hv_gmem *gmem;
	struct file *file;
	int fd;

	if (args->flags || (loff_t)args->size <= 0 || !PAGE_ALIGNED(args->size))
		return -EINVAL;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	gmem = gmem_alloc(vm);
	file = gmem ? gmem_file(gmem, args->size) : ERR_PTR(-ENOMEM);
	if (IS_ERR(file)) {
		kfree(gmem);
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

static int gmem_bind_locked(struct hv_gmem *gmem, struct hv_vm *vm, struct hv_memslot *slot)
{
	const struct hv_memslot *other;

	lockdep_assert_held(&gmem->lock);
	list_for_each_entry(other, &gmem->slots, gmem_link)
		if (slot->gmem_index < other->gmem_index + other->npages &&
		    other->gmem_index < slot->gmem_index + slot->npages)
			return -EEXIST;
	gmem->vm = vm;
	list_add(&slot->gmem_link, &gmem->slots);
	return 0;
}

static int gmem_bind_file(struct file *file, struct hv_vm *vm, struct hv_memslot *slot,
			  u64 offset)
{
	struct hv_gmem *gmem = file->private_data;
	u64 size, len = slot->npages << PAGE_SHIFT;
	int err;

	if (file->f_op != &gmem_fops || gmem->owner != vm->serial || !PAGE_ALIGNED(offset))
		return -EINVAL;
	size = i_size_read(file_inode(file));
	if (offset > size || len > size - offset)
		return -EINVAL;
	slot->gmem_index = offset >> PAGE_SHIFT;
	mutex_lock(&gmem->lock);
	err = gmem_bind_locked(gmem, vm, slot);
	mutex_unlock(&gmem->lock);
	return err;
}

int hv_gmem_bind(struct hv_vm *vm, struct hv_memslot *slot, int fd, u64 offset)
{
	struct file *file = fget(fd);
	int err;

	if (!file)
		return -EBADF;
	err = gmem_bind_file(file, vm, slot, offset);
	if (err)
		fput(file);
	else
		slot->gmem = file;
	return err;
}

void hv_gmem_unbind(struct hv_memslot *slot)
{
	struct hv_gmem *gmem;

	if (!slot->gmem)
		return;
	gmem = slot_gmem(slot);
	mutex_lock(&gmem->lock);
	list_del(&slot->gmem_link);
	mutex_unlock(&gmem->lock);
	fput(slot->gmem);
}

bool hv_gmem_lookup(const struct hv_memslot *slot, u64 gfn, struct hv_host_page *host)
{
	struct page *page = xa_load(&slot_gmem(slot)->pages, slot_index(slot, gfn));

	if (!page)
		return false;
	*host = (struct hv_host_page) {
		.pfn = page_to_pfn(page), .level = 1, .writable = true, .dirty = true,
	};
	return true;
}

int hv_gmem_populate(const struct hv_memslot *slot, u64 gfn)
{
	return gmem_add_page(slot_gmem(slot), slot_index(slot, gfn));
}

/* Where @gpa is in the kernel's own map; gmem->lock keeps it there. */
static void *gmem_address(const struct hv_memslot *slot, u64 gpa)
{
	struct hv_gmem *gmem = slot_gmem(slot);
	u64 index = slot_index(slot, gpa >> PAGE_SHIFT);

	lockdep_assert_held(&gmem->lock);
	if (gmem_add_page(gmem, index))
		return NULL;
	return page_address(xa_load(&gmem->pages, index)) + offset_in_page(gpa);
}

int hv_gmem_copy(const struct hv_memslot *slot, u64 gpa, void *buf, unsigned int len, bool write)
{
	struct hv_gmem *gmem = slot_gmem(slot);
	void *at;

	mutex_lock(&gmem->lock);
	at = gmem_address(slot, gpa);
	if (at && write && buf)
		memcpy(at, buf, len);
	else if (at && write)
		memset(at, 0, len);
	else if (at)
		memcpy(buf, at, len);
	mutex_unlock(&gmem->lock);
	return at ? 0 : -ENOMEM;
}

static u64 gmem_exchange(void *at, u64 old, u64 new, unsigned int len)
{
	switch (len) {
	case 1:
		return cmpxchg((u8 *)at, (u8)old, (u8)new);
	case 2:
		return cmpxchg((u16 *)at, (u16)old, (u16)new);
	case 4:
		return cmpxchg((u32 *)at, (u32)old, (u32)new);
	default:
		return cmpxchg((u64 *)at, old, new);
	}
}

int hv_gmem_cmpxchg(const struct hv_memslot *slot, u64 gpa, u64 *old, u64 new, unsigned int len)
{
	struct hv_gmem *gmem = slot_gmem(slot);
	u64 expected = *old;
	void *at;

	mutex_lock(&gmem->lock);
	at = gmem_address(slot, gpa);
	if (at)
		*old = gmem_exchange(at, expected, new, len);
	mutex_unlock(&gmem->lock);
	return at ? *old != expected : -ENOMEM;
}

static int gmem_init_fs_context(struct fs_context *fc)
{
	return init_pseudo(fc, GMEM_MAGIC) ? 0 : -ENOMEM;
}

/* Without an owner: the mount must not keep the module, every open file does. */
static struct file_system_type gmem_fs = {
	.name = "vellum_guest_memfd",
	.init_fs_context = gmem_init_fs_context,
	.kill_sb = kill_anon_super,
};

int hv_gmem_init(void)
{
	gmem_mount = kern_mount(&gmem_fs);
	return PTR_ERR_OR_ZERO(gmem_mount);
}

void hv_gmem_exit(void)
{
	kern_unmount(gmem_mount);
}
