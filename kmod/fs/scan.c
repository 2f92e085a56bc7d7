// SPDX-License-Identifier: GPL-2.0-only
/*
 * The background thread.
 *
 * A leaf with pages that were written since they were hashed is in the queue:
 * who writes puts it there. A pass takes the leaves that are in it at its
 * start, makes their written pages read-only and hashes them; what is not
 * written again is never looked at again, and with an empty queue the thread
 * sleeps until somebody writes. A page that is written again and again is
 * looked at in fewer and fewer passes.
 */
#include <linux/freezer.h>
#include <linux/kthread.h>
#include <linux/sched/mm.h>
#include "scan.h"
#include "trace.h"

/* See scan.h. */
DEFINE_MUTEX(vl_scan_mutex);

struct vl_scan_settings vl_scan_settings = {
	.run		= VL_RUN_MERGE,
	.pages_to_scan	= 1000,
	.sleep_ms	= 20,
	.advisor	= VL_ADVISOR_NONE,
	.max_cpu	= 20,
	.target_s	= 30,
	.min_pages	= 500,
	.max_pages	= 30000,
};

#define MAX_LEVEL	6
/* Passes after which a page's history counts no more; they are told apart by 8 bits. */
#define FIRST_ROUND	128

static DEFINE_SPINLOCK(queue_lock);	/* of both lists and each leaf's node */
static LIST_HEAD(queue);		/* for the next pass */
static LIST_HEAD(current_pass);
static DECLARE_WAIT_QUEUE_HEAD(wait);
static struct task_struct *thread;
static unsigned int rounds = FIRST_ROUND;
static bool kicked;

/* The dirty bit is set: we see the leaf out of the queue, or the scanner sees the bit. */
void vl_scan_queue(struct vl_leaf *leaf)
{
	bool first;

	if (!list_empty_careful(&leaf->node))
		return;
	spin_lock(&queue_lock);
	first = list_empty(&queue);
	if (list_empty(&leaf->node))
		list_add_tail(&leaf->node, &queue);
	spin_unlock(&queue_lock);
	if (first)
		wake_up_interruptible(&wait);
}

void vl_scan_queue_file(struct vl_inode *vi)
{
	struct vl_leaf *leaf;
	unsigned long i;

	xa_for_each(&vi->leaves, i, leaf) {
		if (leaf->dirty)
			vl_scan_queue(leaf);
		cond_resched();
	}
}

void vl_scan_forget(struct vl_leaf *leaf)
{
	spin_lock(&queue_lock);
	list_del_init(&leaf->node);
	spin_unlock(&queue_lock);
}

/* Starts a pass now, or has the thread look at what was set. */
void vl_scan_kick(void)
{
	WRITE_ONCE(kicked, true);
	wake_up_interruptible(&wait);
}

u64 vl_scan_cpu_ns(void)
{
	return READ_ONCE(thread->se.sum_exec_runtime);
}

static struct vl_leaf *next_leaf(void)
{
	struct vl_leaf *leaf;

	spin_lock(&queue_lock);
	leaf = list_first_entry_or_null(&current_pass, struct vl_leaf, node);
	if (leaf)
		list_del_init(&leaf->node);
	spin_unlock(&queue_lock);
	/* Pairs with the setting of a dirty bit: see vl_scan_queue(). */
	smp_mb();
	return leaf;
}

/* The written pages whose turn it is. Those of a leaf that backed off as far come together. */
static unsigned long due_pages(struct vl_leaf *leaf)
{
	unsigned int turn = rounds + (leaf->base >> VL_LEAF_SHIFT);
	unsigned long dirty = READ_ONCE(leaf->dirty), due = dirty;
	unsigned int slot;

	for_each_set_bit(slot, &dirty, VL_LEAF_PAGES)
		if (turn & (BIT(leaf->level[slot]) - 1))
			due &= ~BIT(slot);
	return due;
}

/* Locks the frames of these pages, but for those that somebody else has locked. */
static unsigned long lock_pages(struct vl_leaf *leaf, unsigned long pages)
{
	unsigned long set = pages;
	unsigned int slot;

	for_each_set_bit(slot, &set, VL_LEAF_PAGES) {
		unsigned long e = vl_leaf_entry(leaf, slot);

		if (!vl_is_private(e) || !trylock_page(vl_entry_page(e)))
			pages &= ~BIT(slot);
	}
	return pages;
}

/* Unmaps pages whose frames are locked, neighbours at once. */
static void unmap_pages(struct vl_leaf *leaf, unsigned long pages)
{
	unsigned long mapped = pages & READ_ONCE(leaf->mapped);
	unsigned int from, to = 0, slot;

	while ((from = find_next_bit(&mapped, VL_LEAF_PAGES, to)) < VL_LEAF_PAGES) {
		to = find_next_zero_bit(&mapped, VL_LEAF_PAGES, from);
		unmap_mapping_pages(leaf->vi->vfs.i_mapping, leaf->base + from, to - from, false);
	}
	for_each_set_bit(slot, &mapped, VL_LEAF_PAGES)
		clear_bit(slot, &leaf->mapped);
}

/* Another write soon after the last look makes the next look later; a quiet time forgives. */
static void back_off(struct vl_leaf *leaf, unsigned int slot)
{
	u8 since = (u8)rounds - leaf->round[slot];
	u8 level = leaf->level[slot];

	if (since > (2U << level))
		leaf->level[slot] = 0;
	else if (level < MAX_LEVEL)
		leaf->level[slot] = level + 1;
	leaf->round[slot] = rounds;
}

/*
 * Looks at the pages of a leaf whose turn it is; returns how many, and for a file
 * that is busy the most it can be: so we rest soon, and keep nobody from a long
 * clone by trying each of its leaves.
 */
static unsigned int scan_leaf(struct vl_leaf *leaf)
{
	struct vl_inode *vi = leaf->vi;
	unsigned long pages = due_pages(leaf);
	unsigned int slot;

	lockdep_assert_held(&vl_scan_mutex);
	/* Who has the lock may wait for memory, and who frees some for our mutex: only try. */
	if (!pages)
		return 0;
	if (!down_write_trylock(&vi->vfs.i_mapping->invalidate_lock))
		return VL_LEAF_PAGES;
	if (vi->merge == VELLUMFS_MERGE_OFF) {
		filemap_invalidate_unlock(vi->vfs.i_mapping);
		return 0;
	}
	pages = lock_pages(leaf, pages & READ_ONCE(leaf->dirty));
	unmap_pages(leaf, pages);
	for_each_set_bit(slot, &pages, VL_LEAF_PAGES) {
		back_off(leaf, slot);
		vl_merge_page(leaf, slot);
	}
	filemap_invalidate_unlock(vi->vfs.i_mapping);
	vl_count(VL_SCANNED, hweight_long(pages));
	return hweight_long(pages);
}

static bool has_written_pages(struct vl_leaf *leaf)
{
	return leaf->vi->merge != VELLUMFS_MERGE_OFF && READ_ONCE(leaf->dirty);
}

static bool merging(void)
{
	return READ_ONCE(vl_scan_settings.run) == VL_RUN_MERGE && !kthread_should_stop();
}

/* Looks at leaves until @budget pages were looked at; false when the pass is done. */
static bool scan_some(unsigned int budget)
{
	unsigned int done = 0;
	struct vl_leaf *leaf;

	while (merging() && done < budget) {
		mutex_lock(&vl_scan_mutex);
		leaf = next_leaf();
		if (leaf) {
			done += scan_leaf(leaf);
			if (has_written_pages(leaf))
				vl_scan_queue(leaf);
		}
		mutex_unlock(&vl_scan_mutex);
		if (!leaf)
			return false;
		cond_resched();
	}
	return merging();
}

/*
 * Sleeps after @busy_ns of work: the time that was set, and with an advisor
 * long enough for the CPU cap.
 */
static void rest(u64 busy_ns)
{
	unsigned int ms = READ_ONCE(vl_scan_settings.sleep_ms);
	unsigned int cap = READ_ONCE(vl_scan_settings.max_cpu);

	if (READ_ONCE(vl_scan_settings.advisor) != VL_ADVISOR_NONE)
		ms = max_t(u64, ms, div_u64(busy_ns * (100 - cap), cap * NSEC_PER_MSEC));
	wait_event_freezable_timeout(wait, kthread_should_stop() || READ_ONCE(kicked),
				     msecs_to_jiffies(ms));
}

/* So many pages at a time that what was written is looked at in the target time. */
static void advise(void)
{
	struct vl_scan_settings *s = &vl_scan_settings;
	u64 pages = (u64)vl_total(VL_VOLATILE) * READ_ONCE(s->sleep_ms);

	if (READ_ONCE(s->advisor) == VL_ADVISOR_NONE)
		return;
	pages = div_u64(pages, READ_ONCE(s->target_s) * MSEC_PER_SEC);
	WRITE_ONCE(s->pages_to_scan, clamp_t(u64, pages, s->min_pages, s->max_pages));
}

static void do_pass(void)
{
	bool more = true;
	u64 start;

	spin_lock(&queue_lock);
	list_splice_tail_init(&queue, &current_pass);
	spin_unlock(&queue_lock);
	advise();
	rounds++;
	while (more) {
		start = ktime_get_ns();
		more = scan_some(READ_ONCE(vl_scan_settings.pages_to_scan));
		if (more)
			rest(ktime_get_ns() - start);
	}
	vl_count(VL_SCANS, 1);
	trace_vellumfs_pass(rounds, vl_total(VL_VOLATILE));
}

static bool has_work(void)
{
	return READ_ONCE(vl_scan_settings.run) == VL_RUN_MERGE &&
	       (READ_ONCE(kicked) || !list_empty_careful(&queue) ||
		!list_empty_careful(&current_pass));
}

static int scan_thread(void *unused)
{
	/* Freeing an inode takes vl_scan_mutex: memory must not be reclaimed from file systems. */
	unsigned int flags = memalloc_nofs_save();

	set_freezable();
	while (!kthread_should_stop()) {
		wait_event_freezable(wait, kthread_should_stop() || has_work());
		if (kthread_should_stop())
			break;
		WRITE_ONCE(kicked, false);
		do_pass();
		rest(0);
	}
	memalloc_nofs_restore(flags);
	return 0;
}

int vl_scan_init(void)
{
	thread = kthread_run(scan_thread, NULL, "vellumfs");
	return PTR_ERR_OR_ZERO(thread);
}

void vl_scan_exit(void)
{
	kthread_stop(thread);
}
