// SPDX-License-Identifier: GPL-2.0-only
/*
 * The second-level tables: their life, and the removal of mappings.
 *
 * Everything here that takes a mapping away, or a permission, runs under
 * tdp.lock held for writing and flushes before it lets go. Tables are freed
 * after that flush: no fault can be walking them (faults hold the lock for
 * reading) and no CPU has them in its paging-structure caches any more.
 *
 * Walks cost what is mapped: they step over holes at the highest level they
 * can, and give the lock away between steps when somebody waits.
 */
#include <linux/cpu.h>
#include <linux/gfp.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "core/request.h"
#include "core/vcpu.h"
#include "memory/dirty.h"
#include "memory/memslot.h"
#include "memory/tdp.h"
#include "memory/tdp_int.h"

/* SDM "Format of an EPT Page-Table Entry that Maps a 4-KByte Page" */
#define EPT_READ		BIT_ULL(0)
#define EPT_WRITE		BIT_ULL(1)
#define EPT_EXEC		BIT_ULL(2)
#define EPT_MEMTYPE_UC		(0ULL << 3)
#define EPT_MEMTYPE_WB		(6ULL << 3)
#define EPT_IGNORE_PAT		BIT_ULL(6)
#define EPT_HUGE		BIT_ULL(7)
#define EPT_ACCESSED		BIT_ULL(8)
#define EPT_DIRTY		BIT_ULL(9)
#define EPT_LEVELS		4

/* APM "Page-Translation-Table Entry Fields"; every nested access is a user access. */
#define NPT_PRESENT		BIT_ULL(0)
#define NPT_WRITE		BIT_ULL(1)
#define NPT_USER		BIT_ULL(2)
#define NPT_UC			(BIT_ULL(3) | BIT_ULL(4))
#define NPT_ACCESSED		BIT_ULL(5)
#define NPT_DIRTY		BIT_ULL(6)
#define NPT_HUGE		BIT_ULL(7)

/* Ignored by hardware in present entries of both layouts. */
#define TDP_SOFT_WRITABLE	BIT_ULL(52)

struct hv_tdp_bits hv_tdp_bits __ro_after_init;

static void tdp_format_ept(bool accessed_dirty)
{
	hv_tdp_bits = (struct hv_tdp_bits) {
		.present = EPT_READ | EPT_WRITE | EPT_EXEC,
		.table = EPT_READ | EPT_WRITE | EPT_EXEC,
		.read_exec = EPT_READ | EPT_EXEC,
		.exec = EPT_EXEC,
		.write = EPT_WRITE,
		.huge = EPT_HUGE,
		.accessed = accessed_dirty ? EPT_ACCESSED : 0,
		.dirty = accessed_dirty ? EPT_DIRTY : 0,
		/* RAM is write-back whatever the guest's PAT says */
		.wb = EPT_MEMTYPE_WB | EPT_IGNORE_PAT,
		/* the guest may ask for write-combining */
		.uc = EPT_MEMTYPE_UC,
		.soft_writable = TDP_SOFT_WRITABLE,
		.levels = EPT_LEVELS,
		/* else the guest can machine-check the host: INTEL-SA-00210 */
		.nx_huge = boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT) && !cpu_mitigations_off(),
	};
}

static void tdp_format_npt(void)
{
	hv_tdp_bits = (struct hv_tdp_bits) {
		.present = NPT_PRESENT,
		.table = NPT_PRESENT | NPT_WRITE | NPT_USER | NPT_ACCESSED,
		.read_exec = NPT_PRESENT | NPT_USER,
		.write = NPT_WRITE,
		.huge = NPT_HUGE,
		.accessed = NPT_ACCESSED,
		.dirty = NPT_DIRTY,
		.uc = NPT_UC,
		.soft_writable = TDP_SOFT_WRITABLE,
		.encrypt = sme_me_mask,
		/* the nested walk has as many levels as the host's own */
		.levels = pgtable_l5_enabled() ? 5 : 4,
	};
}

/**
 * hv_tdp_set_format() - choose the entry layout, once, while the module loads
 * @format: EPT or NPT
 * @accessed_dirty: the CPU keeps accessed and dirty bits in EPT entries
 */
void hv_tdp_set_format(enum hv_tdp_format format, bool accessed_dirty)
{
	if (format == HV_TDP_EPT)
		tdp_format_ept(accessed_dirty);
	else
		tdp_format_npt();
}

u64 hv_tdp_gfn_limit(void)
{
	unsigned int bits = min_t(unsigned int, boot_cpu_data.x86_phys_bits,
				  PAGE_SHIFT + hv_tdp_bits.levels * TDP_LEVEL_BITS);

	return 1ULL << (bits - PAGE_SHIFT);
}

u64 *tdp_table_alloc(void)
{
	return (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
}

int hv_tdp_init(struct hv_vm *vm)
{
	struct hv_tdp *tdp = &vm->tdp;
	unsigned int as;

	rwlock_init(&tdp->lock);
	tdp->levels = hv_tdp_bits.levels;
	for (as = 0; as < HV_ADDRESS_SPACES; as++) {
		tdp->root[as] = tdp_table_alloc();
		if (!tdp->root[as]) {
			hv_tdp_destroy(vm);
			return -ENOMEM;
		}
		tdp->root_pa[as] = __pa(tdp->root[as]) | hv_tdp_bits.encrypt;
	}
	return 0;
}

void hv_tdp_vcpu_destroy(struct hv_vcpu *vcpu)
{
	while (vcpu->tdp_cached)
		free_page((unsigned long)vcpu->tdp_cache[--vcpu->tdp_cached]);
}

/* Wait until no vCPU of @vm can use a translation removed before the call. */
static void tdp_flush(struct hv_vm *vm)
{
	hv_vm_request_all_wait(vm, HV_REQ_TDP_FLUSH);
}

static void tdp_table_defer_free(struct tdp_zap *z, u64 *table)
{
	list_add(&virt_to_page(table)->lru, &z->freed);
	atomic64_dec(&z->vm->tdp.tables);
	z->flush = true;
}

void tdp_zap_finish(struct tdp_zap *z)
{
	struct page *page, *next;

	if (z->flush)
		tdp_flush(z->vm);
	z->flush = false;
	list_for_each_entry_safe(page, next, &z->freed, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
}

static void tdp_zap_relax(struct tdp_zap *z)
{
	rwlock_t *lock = &z->vm->tdp.lock;

	if (!z->may_sleep || !(need_resched() || rwlock_needbreak(lock)))
		return;
	tdp_zap_finish(z);
	write_unlock(lock);
	cond_resched();
	write_lock(lock);
}

static void tdp_zap_leaf(struct tdp_zap *z, u64 *entry, unsigned int level)
{
	/* the CPU may be setting accessed or dirty at this moment */
	xchg(entry, 0);
	tdp_count(&z->vm->tdp, level, -1);
	z->zapped = true;
	z->flush = true;
}

/* Unlink @entry, a table of level - 1 or a leaf, and all below it. */
static void tdp_zap_entry(struct tdp_zap *z, u64 *entry, unsigned int level)
{
	u64 *table;
	int i;

	if (tdp_is_leaf(*entry, level)) {
		tdp_zap_leaf(z, entry, level);
		return;
	}
	table = tdp_table(*entry);
	WRITE_ONCE(*entry, 0);
	for (i = 0; i < PTRS_PER_PTE; i++)
		if (tdp_present(table[i]))
			tdp_zap_entry(z, &table[i], level - 1);
	tdp_table_defer_free(z, table);
}

/*
 * Entries on the way to @gfn, from the root down to a leaf or a hole.
 * Return: the level it ended at; path[level] is its entry.
 */
static unsigned int tdp_descend(const struct hv_tdp *tdp, unsigned int as, u64 gfn, u64 **path)
{
	unsigned int level = tdp->levels;
	u64 *table = tdp->root[as];

	for (;;) {
		u64 entry;

		path[level] = tdp_entry(table, gfn, level);
		entry = READ_ONCE(*path[level]);
		if (!tdp_present(entry) || tdp_is_leaf(entry, level))
			return level;
		table = tdp_table(entry);
		level--;
	}
}

/* The walk leaves the table of @level behind: free it if empty, and so on upward. */
static void tdp_prune(struct tdp_zap *z, u64 **path, unsigned int level)
{
	for (; level < z->vm->tdp.levels; level++) {
		u64 *table = PTR_ALIGN_DOWN(path[level], PAGE_SIZE);

		if (z->gfn < z->end && !IS_ALIGNED(z->gfn, tdp_pages(level + 1)))
			return;
		if (memchr_inv(table, 0, PAGE_SIZE))
			return;
		WRITE_ONCE(*path[level + 1], 0);
		tdp_table_defer_free(z, table);
	}
}

/* One leaf or hole above level 1, or one run of a level-1 table. */
static void tdp_zap_step(struct tdp_zap *z)
{
	u64 *path[TDP_MAX_LEVELS + 1];
	unsigned int level = tdp_descend(&z->vm->tdp, z->as, z->gfn, path);
	u64 *entry = path[level];

	if (level == 1) {
		u64 stop = min(z->end, tdp_next(z->gfn, 2));

		for (; z->gfn < stop; z->gfn++, entry++)
			if (tdp_present(*entry))
				tdp_zap_leaf(z, entry, 1);
	} else {
		if (tdp_present(*entry))
			tdp_zap_leaf(z, entry, level);
		z->gfn = tdp_next(z->gfn, level);
	}
	if (z->free_tables)
		tdp_prune(z, path, level);
}

/* A leaf that reaches into the range goes as a whole. */
void tdp_zap_range(struct tdp_zap *z, u64 gfn, u64 end)
{
	lockdep_assert_held_write(&z->vm->tdp.lock);
	z->gfn = gfn;
	z->end = end;
	while (z->gfn < z->end) {
		tdp_zap_step(z);
		tdp_zap_relax(z);
	}
}

void tdp_zap_frames(struct hv_vm *vm, unsigned int as, u64 gfn, u64 end)
{
	struct tdp_zap z = { .vm = vm, .as = as, .free_tables = true, .may_sleep = true };

	INIT_LIST_HEAD(&z.freed);
	write_lock(&vm->tdp.lock);
	tdp_zap_range(&z, gfn, end);
	tdp_zap_finish(&z);
	write_unlock(&vm->tdp.lock);
}

void hv_tdp_zap_slot(struct hv_vm *vm, const struct hv_memslot *slot)
{
	lockdep_assert_held(&vm->slots_lock);
	tdp_zap_frames(vm, slot->as, slot->base_gfn, slot->base_gfn + slot->npages);
}

void tdp_zap_all(struct hv_vm *vm)
{
	unsigned int as;

	for (as = 0; as < HV_ADDRESS_SPACES; as++)
		tdp_zap_frames(vm, as, 0, hv_tdp_gfn_limit());
}

void tdp_drop(struct hv_vm *vm, unsigned int as, u64 gfn, unsigned int level)
{
	struct tdp_zap z = { .vm = vm, .as = as };
	u64 *path[TDP_MAX_LEVELS + 1];

	INIT_LIST_HEAD(&z.freed);
	write_lock(&vm->tdp.lock);
	/* somebody may have been faster: only what is at or below @level goes */
	if (tdp_descend(&vm->tdp, as, gfn, path) <= level && tdp_present(*path[level]))
		tdp_zap_entry(&z, path[level], level);
	tdp_zap_finish(&z);
	write_unlock(&vm->tdp.lock);
}

/* The next write faults or, where the CPU logs it, makes the leaf dirty again. */
static void tdp_protect_leaf(struct tdp_zap *z, u64 *entry)
{
	u64 takes = hv_dirty_by_cpu(z->vm) ? hv_tdp_bits.dirty : hv_tdp_bits.write;
	u64 old = READ_ONCE(*entry);

	if (!tdp_present(old) || !(old & takes))
		return;
	while (!try_cmpxchg64(entry, &old, old & ~takes))
		;
	z->flush = true;
}

/* As tdp_zap_step(), taking only write permission from 4K leaves. @bitmap starts at @base. */
static void tdp_protect_step(struct tdp_zap *z, u64 base, const unsigned long *bitmap)
{
	u64 *path[TDP_MAX_LEVELS + 1];
	unsigned int level = tdp_descend(&z->vm->tdp, z->as, z->gfn, path);
	u64 *entry = path[level];
	u64 stop;

	if (level > 1) {
		if (tdp_present(*entry))
			tdp_zap_leaf(z, entry, level);
		z->gfn = tdp_next(z->gfn, level);
		return;
	}
	stop = min(z->end, tdp_next(z->gfn, 2));
	for (; z->gfn < stop; z->gfn++, entry++)
		if (!bitmap || test_bit(z->gfn - base, bitmap))
			tdp_protect_leaf(z, entry);
}

/**
 * hv_tdp_write_protect() - make the next write to each page fault, or the CPU log it
 * @vm: the VM, slots_lock held
 * @slot: in which slot
 * @first: first page in the slot
 * @npages: length
 * @bitmap: only the pages whose bit is set, bit 0 is @first; NULL: all
 *
 * Leaves larger than 4K are dropped: they come back small while there is a log.
 * Returns after a flush, if one was needed.
 */
void hv_tdp_write_protect(struct hv_vm *vm, const struct hv_memslot *slot, u64 first,
			  u64 npages, const unsigned long *bitmap)
{
	u64 base = slot->base_gfn + first;
	struct tdp_zap z = { .vm = vm, .as = slot->as, .gfn = base, .end = base + npages,
			     .may_sleep = true };

	lockdep_assert_held(&vm->slots_lock);
	INIT_LIST_HEAD(&z.freed);
	write_lock(&vm->tdp.lock);
	while (z.gfn < z.end) {
		if (bitmap) {
			z.gfn = base + find_next_bit(bitmap, npages, z.gfn - base);
			if (z.gfn >= z.end)
				break;
		}
		tdp_protect_step(&z, base, bitmap);
		tdp_zap_relax(&z);
	}
	tdp_zap_finish(&z);
	write_unlock(&vm->tdp.lock);
}

/* Free a table and all below; the VM is gone. */
static void tdp_free_tree(u64 *table, unsigned int level)
{
	int i;

	for (i = 0; level > 1 && i < PTRS_PER_PTE; i++)
		if (tdp_present(table[i]) && !tdp_is_leaf(table[i], level))
			tdp_free_tree(tdp_table(table[i]), level - 1);
	free_page((unsigned long)table);
	cond_resched();
}

void hv_tdp_destroy(struct hv_vm *vm)
{
	unsigned int as;

	for (as = 0; as < HV_ADDRESS_SPACES; as++) {
		if (vm->tdp.root[as])
			tdp_free_tree(vm->tdp.root[as], vm->tdp.levels);
		vm->tdp.root[as] = NULL;
	}
}
