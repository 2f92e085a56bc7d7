// SPDX-License-Identifier: GPL-2.0-only
/*
 * Domains. Each mount and owner has one, made when the first file needs it;
 * named ones are the same for all mounts.
 */
#include <linux/ctype.h>
#include <linux/idr.h>
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include "fs.h"

static LIST_HEAD(domains);
static DEFINE_MUTEX(domains_lock);
static DEFINE_IDA(domain_ids);

/* 0 would be taken for no domain in a dump; a frame's word must not look like an address. */
#define MIN_ID	1
#define MAX_ID	INT_MAX

static struct vl_domain *find(struct super_block *sb, kuid_t uid, const char *name)
{
	struct vl_domain *d;

	list_for_each_entry(d, &domains, node)
		if (!strcmp(d->name, name) && (name[0] || (d->sb == sb && uid_eq(d->uid, uid))))
			return d;
	return NULL;
}

static struct vl_domain *make(struct super_block *sb, kuid_t uid, const char *name)
{
	struct vl_domain *d = kzalloc(sizeof(*d), GFP_KERNEL_ACCOUNT);
	int id;

	if (!d)
		return NULL;
	id = ida_alloc_range(&domain_ids, MIN_ID, MAX_ID, GFP_KERNEL);
	if (id < 0) {
		kfree(d);
		return NULL;
	}
	refcount_set(&d->refs, 1);
	d->id = id;
	d->salt = get_random_u64();
	d->sb = sb;
	d->uid = uid;
	strscpy(d->name, name, sizeof(d->name));
	list_add(&d->node, &domains);
	return d;
}

static struct vl_domain *get_or_make(struct super_block *sb, kuid_t uid, const char *name)
{
	struct vl_domain *d;
	unsigned int flags;

	mutex_lock(&domains_lock);
	/* Freeing an inode takes the lock: memory must not be reclaimed from file systems. */
	flags = memalloc_nofs_save();
	d = find(sb, uid, name);
	if (d)
		refcount_inc(&d->refs);
	else
		d = make(sb, uid, name);
	memalloc_nofs_restore(flags);
	mutex_unlock(&domains_lock);
	return d;
}

/* The domain of a mount and owner, with a reference; NULL without memory. */
struct vl_domain *vl_domain_of(struct super_block *sb, kuid_t uid)
{
	return get_or_make(sb, uid, "");
}

/* A named domain, with a reference; NULL without memory. */
struct vl_domain *vl_domain_named(const char *name)
{
	return get_or_make(NULL, GLOBAL_ROOT_UID, name);
}

bool vl_domain_name_ok(const char *name)
{
	size_t len = strnlen(name, VELLUMFS_NAME_LEN);
	size_t i;

	if (!len || len == VELLUMFS_NAME_LEN)
		return false;
	for (i = 0; i < len; i++)
		if (!isascii(name[i]) || (!isalnum(name[i]) && !strchr("._-", name[i])))
			return false;
	return true;
}

void vl_domain_get(struct vl_domain *domain)
{
	refcount_inc(&domain->refs);
}

void vl_domain_put(struct vl_domain *domain)
{
	if (!domain || !refcount_dec_and_mutex_lock(&domain->refs, &domains_lock))
		return;
	list_del(&domain->node);
	ida_free(&domain_ids, domain->id);
	mutex_unlock(&domains_lock);
	kfree(domain);
}
