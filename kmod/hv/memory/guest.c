// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest-physical memory as the hypervisor itself reads and writes it.
 *
 * The user mapping is used, not the second-level tables: a copy faults pages in,
 * breaks copy-on-write and respects protection keys as user space would.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "core/vcpu.h"
#include "memory/dirty.h"
#include "memory/gmem.h"
#include "memory/guest.h"
#include "memory/memslot.h"

typedef int (*guest_copy_fn)(void __user *hva, void *buf, unsigned long len);

static int guest_copy_in(void __user *hva, void *buf, unsigned long len)
{
	return copy_from_user(buf, hva, len) ? -EFAULT : 0;
}

static int guest_copy_out(void __user *hva, void *buf, unsigned long len)
{
	return copy_to_user(hva, buf, len) ? -EFAULT : 0;
}

/* Before the write: whatever it dirties must find its place in the log. */
static bool guest_loggable(struct hv_vcpu *vcpu, const struct hv_memslot *slot, unsigned long len)
{
	return !slot->dirty || hv_dirty_ring_room(vcpu, (len >> PAGE_SHIFT) + 2);
}

/* After the write. */
static void guest_dirtied(struct hv_vcpu *vcpu, struct hv_memslot *slot, u64 gpa,
			  unsigned long len)
{
	u64 gfn = gpa >> PAGE_SHIFT, last = (gpa + len - 1) >> PAGE_SHIFT;

	for (; slot->dirty && gfn <= last; gfn++)
		hv_dirty_page(vcpu, slot, gfn);
}

static struct hv_memslot *guest_slot(struct hv_vcpu *vcpu, u64 gpa, bool write)
{
	struct hv_memslot *slot = hv_vcpu_memslot(vcpu, gpa >> PAGE_SHIFT);

	if (!slot || (write && slot->flags & KVM_MEM_READONLY))
		return NULL;
	return slot;
}

/* Bytes from @gpa to the end of @slot, at most @len. */
static unsigned long guest_run(const struct hv_memslot *slot, u64 gpa, unsigned long len)
{
	u64 end = (slot->base_gfn + slot->npages) << PAGE_SHIFT;

	return min_t(u64, end - gpa, len);
}

static void __user *guest_hva(const struct hv_memslot *slot, u64 gpa)
{
	return (void __user *)(hv_memslot_hva(slot, gpa >> PAGE_SHIFT) + offset_in_page(gpa));
}

/* Within a page, of a VM that has private ones. */
static int guest_copy_maybe_private(struct hv_vm *vm, struct hv_memslot *slot, u64 gpa,
				    void *buf, unsigned int n, bool write, guest_copy_fn copy)
{
	bool private;
	int err;

	/* A copy may wait for a page: if the frame is another kind then, it belongs there. */
	do {
		private = hv_gfn_private(vm, gpa >> PAGE_SHIFT);
		if (!private)
			err = copy(guest_hva(slot, gpa), buf, n);
		else
			err = slot->gmem ? hv_gmem_copy(slot, gpa, buf, n, write) : -EFAULT;
	} while (hv_gfn_private(vm, gpa >> PAGE_SHIFT) != private);
	return err ? -EFAULT : 0;
}

static int guest_copy(struct hv_vcpu *vcpu, u64 gpa, void *buf, unsigned long len, bool write,
		      guest_copy_fn copy)
{
	struct hv_vm *vm = vcpu->vm;
	int idx, err = 0;

	if (gpa + len < gpa)
		return -EFAULT;
	idx = srcu_read_lock(&vm->srcu);
	while (len && !err) {
		struct hv_memslot *slot = guest_slot(vcpu, gpa, write);
		unsigned long n;

		if (!slot || (write && !guest_loggable(vcpu, slot, len))) {
			err = -EFAULT;
			break;
		}
		n = guest_run(slot, gpa, len);
		if (unlikely(vm->attributes)) {
			n = min_t(unsigned long, n, PAGE_SIZE - offset_in_page(gpa));
			err = guest_copy_maybe_private(vm, slot, gpa, buf, n, write, copy);
		} else {
			err = copy(guest_hva(slot, gpa), buf, n);
		}
		/* also after an error: part may have been written */
		if (write)
			guest_dirtied(vcpu, slot, gpa, n);
		gpa += n;
		buf += n;
		len -= n;
	}
	srcu_read_unlock(&vm->srcu, idx);
	return err;
}

/**
 * hv_guest_read() - copy from guest-physical memory
 * @vcpu: whose memory, loaded; its task is the caller
 * @gpa: guest-physical address, bytes, any alignment
 * @buf: kernel buffer
 * @len: bytes, may span slots
 *
 * Return: 0 or -EFAULT; on error @buf is partly written.
 */
int hv_guest_read(struct hv_vcpu *vcpu, u64 gpa, void *buf, unsigned long len)
{
	return guest_copy(vcpu, gpa, buf, len, false, guest_copy_in);
}

/**
 * hv_guest_read_once() - read 4 or 8 bytes by one access
 * @vcpu: whose memory, loaded; its task is the caller
 * @gpa: guest-physical address, aligned to @size
 * @val: what was there
 * @size: 4 or 8 bytes
 *
 * For the entries of page tables and for areas that the guest writes meanwhile; the short way, too:
 * a walk is most of what an emulated instruction costs.
 *
 * Return: 0 or -EFAULT.
 */
int hv_guest_read_once(struct hv_vcpu *vcpu, u64 gpa, u64 *val, unsigned int size)
{
	struct hv_vm *vm = vcpu->vm;
	int idx = srcu_read_lock(&vm->srcu);
	struct hv_memslot *slot = hv_vcpu_memslot(vcpu, gpa >> PAGE_SHIFT);
	int err = -EFAULT;
	u32 half;

	if (slot && hv_gfn_private(vm, gpa >> PAGE_SHIFT)) {
		*val = 0;
		err = slot->gmem && !hv_gmem_copy(slot, gpa, val, size, false) ? 0 : -EFAULT;
	} else if (slot && size == sizeof(u64)) {
		err = get_user(*val, (u64 __user *)guest_hva(slot, gpa));
	} else if (slot) {
		err = get_user(half, (u32 __user *)guest_hva(slot, gpa));
		*val = half;
	}
	srcu_read_unlock(&vm->srcu, idx);
	return err;
}

/**
 * hv_guest_write() - copy to guest-physical memory and log the pages as dirty
 * @vcpu: whose memory, loaded; its task is the caller
 * @gpa: guest-physical address, bytes, any alignment
 * @buf: kernel buffer
 * @len: bytes, may span slots
 *
 * Return: 0 or -EFAULT (no slot, a read-only slot, a fault in user memory).
 */
int hv_guest_write(struct hv_vcpu *vcpu, u64 gpa, const void *buf, unsigned long len)
{
	return guest_copy(vcpu, gpa, (void *)buf, len, true, guest_copy_out);
}

#define GUEST_CMPXCHG(type, hva, old, new)						\
	unsafe_try_cmpxchg_user((type __user *)(hva), (type *)(old), *(const type *)(new), fault)

/* 0: exchanged; 1: differed, *@old updated; -EFAULT */
static int guest_cmpxchg_user(void __user *hva, void *old, const void *new, unsigned int len)
{
	bool done = false;

	if (!user_access_begin(hva, len))
		return -EFAULT;
	switch (len) {
	case 1:
		done = GUEST_CMPXCHG(u8, hva, old, new);
		break;
	case 2:
		done = GUEST_CMPXCHG(u16, hva, old, new);
		break;
	case 4:
		done = GUEST_CMPXCHG(u32, hva, old, new);
		break;
	case 8:
		done = GUEST_CMPXCHG(u64, hva, old, new);
		break;
	}
	user_access_end();
	return !done;

fault:
	user_access_end();
	return -EFAULT;
}

/* CMPXCHG16B; true if exchanged, else *@old is what was there. */
static bool guest_cmpxchg16(void *ptr, u64 *old, const u64 *new)
{
	bool done;

	asm volatile("lock cmpxchg16b %[mem]"
		     : [mem] "+m" (*(u64 (*)[2])ptr), "=@ccz" (done),
		       "+a" (old[0]), "+d" (old[1])
		     : "b" (new[0]), "c" (new[1]) : "memory");
	return done;
}

/* No exception-table helper exists for 16 bytes: pin the page for the moment. */
static int guest_cmpxchg_pinned(unsigned long hva, void *old, const void *new)
{
	struct page *page;
	void *map;
	bool done;

	if (!boot_cpu_has(X86_FEATURE_CX16))
		return -EFAULT;
	if (get_user_pages_fast(hva & PAGE_MASK, 1, FOLL_WRITE, &page) != 1)
		return -EFAULT;
	map = kmap_local_page(page);
	done = guest_cmpxchg16(map + offset_in_page(hva), old, new);
	kunmap_local(map);
	set_page_dirty_lock(page);
	put_page(page);
	return !done;
}

/* As guest_cmpxchg_user(); 16 bytes are left to who asks. */
static int guest_cmpxchg_private(struct hv_memslot *slot, u64 gpa, void *old, const void *new,
				 unsigned int len)
{
	u64 expect = 0, desired = 0;
	int ret;

	if (!slot->gmem || len > sizeof(u64))
		return -EFAULT;
	memcpy(&expect, old, len);
	memcpy(&desired, new, len);
	ret = hv_gmem_cmpxchg(slot, gpa, &expect, desired, len);
	memcpy(old, &expect, len);
	return ret < 0 ? -EFAULT : ret;
}

/**
 * hv_guest_cmpxchg() - atomic compare-and-exchange in guest-physical memory
 * @vcpu: whose memory, loaded; its task is the caller
 * @gpa: guest-physical address, aligned to @len
 * @old: expected value; what was found if it differs
 * @new: value to store
 * @len: 1, 2, 4, 8 or 16
 *
 * @old and @new are naturally aligned buffers of @len bytes.
 *
 * Return: 0, -EAGAIN if the memory differed from @old, -EFAULT.
 */
int hv_guest_cmpxchg(struct hv_vcpu *vcpu, u64 gpa, void *old, const void *new, unsigned int len)
{
	struct hv_vm *vm = vcpu->vm;
	struct hv_memslot *slot;
	int idx, ret = -EFAULT;

	if (!is_power_of_2(len) || len > 16 || !IS_ALIGNED(gpa, len))
		return -EFAULT;
	idx = srcu_read_lock(&vm->srcu);
	slot = guest_slot(vcpu, gpa, true);
	if (slot && guest_loggable(vcpu, slot, len)) {
		void __user *hva = guest_hva(slot, gpa);

		if (hv_gfn_private(vm, gpa >> PAGE_SHIFT))
			ret = guest_cmpxchg_private(slot, gpa, old, new, len);
		else if (len == 16)
			ret = guest_cmpxchg_pinned((unsigned long)hva, old, new);
		else
			ret = guest_cmpxchg_user(hva, old, new, len);
		if (!ret)
			guest_dirtied(vcpu, slot, gpa, len);
	}
	srcu_read_unlock(&vm->srcu, idx);
	return ret > 0 ? -EAGAIN : ret;
}

/**
 * hv_guest_update() - read and write a small area by a function, and log its page as dirty
 * @vcpu: whose memory, loaded; its task is the caller
 * @gpa: guest-physical address; the area lies within a page
 * @len: bytes
 * @update: is given the area's user address and @arg
 * @arg: what else @update needs
 *
 * Return: what @update does; -EFAULT too if nothing backs the area, or private memory.
 */
int hv_guest_update(struct hv_vcpu *vcpu, u64 gpa, unsigned long len, hv_guest_update_fn update,
		    void *arg)
{
	struct hv_vm *vm = vcpu->vm;
	struct hv_memslot *slot;
	int idx, ret = -EFAULT;

	idx = srcu_read_lock(&vm->srcu);
	slot = guest_slot(vcpu, gpa, true);
	if (slot && !hv_gfn_private(vm, gpa >> PAGE_SHIFT) && guest_loggable(vcpu, slot, len)) {
		ret = update(guest_hva(slot, gpa), arg);
		/* also after an error: part may have been written */
		guest_dirtied(vcpu, slot, gpa, len);
	}
	srcu_read_unlock(&vm->srcu, idx);
	return ret;
}

/**
 * hv_guest_backed() - whether slots back a whole guest-physical range
 * @vcpu: whose memory
 * @gpa: guest-physical address, bytes
 * @len: bytes
 * @write: ask for slots that may be written
 *
 * The user addresses behind them may still be unmapped.
 */
bool hv_guest_backed(struct hv_vcpu *vcpu, u64 gpa, unsigned long len, bool write)
{
	struct hv_vm *vm = vcpu->vm;
	int idx;

	if (gpa + len < gpa)
		return false;
	idx = srcu_read_lock(&vm->srcu);
	while (len) {
		const struct hv_memslot *slot = guest_slot(vcpu, gpa, write);
		unsigned long n;

		if (!slot)
			break;
		n = guest_run(slot, gpa, len);
		gpa += n;
		len -= n;
	}
	srcu_read_unlock(&vm->srcu, idx);
	return !len;
}
