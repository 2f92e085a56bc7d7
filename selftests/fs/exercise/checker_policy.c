// SPDX-License-Identifier: GPL-2.0-only
/* Operations that change what may merge, which must not change what is read. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/vellumfs.h>

#include "checker.h"

/* Mostly on, so that there is something to break. */
static void op_policy(struct worker *w, const char *name)
{
	struct vellumfs_policy policy = { .merge = VELLUMFS_MERGE_ON };

	if (ex_chance(&w->rng, 20))
		policy.merge = ex_below(&w->rng, VELLUMFS_MERGE_ON + 1);
	if (ioctl(w->f->fd, VELLUMFS_SET_POLICY, &policy))
		op_failed(w, name, strerror(errno));
}

static void op_unmerge(struct worker *w, const char *name)
{
	struct vellumfs_range range = { 0 };
	unsigned long first, n;

	if (!span_lock(w, SPAN_MAX, &first, &n))
		return;
	range.offset = first * EX_PAGE;
	range.len = n * EX_PAGE;
	if (ioctl(w->f->fd, VELLUMFS_UNMERGE, &range))
		op_failed(w, name, strerror(errno));
	model_check(w->m, w->f, first * EX_PAGE, w->f->map + first * EX_PAGE, n * EX_PAGE, name);
	span_unlock(w, first, n);
}

/* Nothing is shared any more, so it may go to the other domain: nobody clones into it meanwhile. */
static void op_domain(struct worker *w, const char *name)
{
	struct vellumfs_policy policy = { .merge = VELLUMFS_MERGE_OFF };
	struct vellumfs_range all = { 0 };
	char domain = 'a' + ex_below(&w->rng, 2);

	pthread_rwlock_wrlock(&w->f->lock);
	if (ioctl(w->f->fd, VELLUMFS_SET_POLICY, &policy) ||
	    ioctl(w->f->fd, VELLUMFS_UNMERGE, &all))
		op_failed(w, name, strerror(errno));
	policy.merge = VELLUMFS_MERGE_ON;
	policy.flags = VELLUMFS_POLICY_DOMAIN;
	policy.domain[0] = domain;
	if (!ioctl(w->f->fd, VELLUMFS_SET_POLICY, &policy))
		w->f->domain = domain;
	else if (errno != EBUSY)	/* op_policy() knows no lock, and may have let it merge */
		op_failed(w, name, strerror(errno));
	pthread_rwlock_unlock(&w->f->lock);
}

static void op_stats(struct worker *w, const char *name)
{
	struct vellumfs_stats stats;

	if (ioctl(w->f->fd, VELLUMFS_GET_STATS, &stats))
		op_failed(w, name, strerror(errno));
	if (stats.pages > MODEL_PAGES + 2 * SPAN_MAX)
		op_failed(w, name, "more pages than the file can have");
}

const struct op policy_ops[] = {
	{ "a policy", 6, op_policy },
	{ "an unmerge", 2, op_unmerge },
	{ "another domain", 1, op_domain },
	{ "statistics", 1, op_stats },
	{ 0 },
};
