// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mounts: options, limits, inodes' memory.
 */
#include <linux/ctype.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/statfs.h>
#include "leaf.h"
#include "scan.h"

atomic_long_t vl_counts[VL_NR_ITEMS];

static struct kmem_cache *inode_cache;

/**
 * struct vl_options - mount options as they were given
 * @seen: bit set: that enum option was given
 */
struct vl_options {
	unsigned long seen;
	unsigned long max_pages;
	unsigned long max_inodes;
	u32 merge;
	bool huge;
	kuid_t uid;
	kgid_t gid;
	umode_t mode;
	char domain[VELLUMFS_NAME_LEN];
};

enum option {
	OPT_SIZE, OPT_NR_INODES, OPT_MODE, OPT_UID, OPT_GID, OPT_DOMAIN, OPT_MERGE, OPT_HUGE,
};

static const struct constant_table merge_names[] = {
	{ "off",	VELLUMFS_MERGE_OFF },
	{ "zero",	VELLUMFS_MERGE_ZERO },
	{ "on",		VELLUMFS_MERGE_ON },
	{}
};

enum { HUGE_NEVER, HUGE_ALWAYS };

static const struct constant_table huge_names[] = {
	{ "never",	HUGE_NEVER },
	{ "always",	HUGE_ALWAYS },
	{}
};

static const struct fs_parameter_spec vl_parameters[] = {
	fsparam_string("size",		OPT_SIZE),
	fsparam_string("nr_inodes",	OPT_NR_INODES),
	fsparam_u32oct("mode",		OPT_MODE),
	fsparam_u32("uid",		OPT_UID),
	fsparam_u32("gid",		OPT_GID),
	fsparam_string("domain",	OPT_DOMAIN),
	fsparam_enum("merge",		OPT_MERGE, merge_names),
	fsparam_enum("huge",		OPT_HUGE, huge_names),
	{}
};

/* Takes @n, but never for a moment more than there is; @max 0 is no limit. */
static int reserve(atomic_long_t *used, unsigned long max, unsigned long n)
{
	long old = atomic_long_read(used);

	do {
		if (max && old + n > max)
			return -ENOSPC;
	} while (!atomic_long_try_cmpxchg(used, &old, old + n));
	return 0;
}

int vl_reserve_pages(struct vl_sb *sbi, unsigned long n)
{
	return reserve(&sbi->pages, READ_ONCE(sbi->max_pages), n);
}

void vl_release_pages(struct vl_sb *sbi, unsigned long n)
{
	atomic_long_sub(n, &sbi->pages);
}

/* More than one for each page: for holes that are read, and leaves that two make at once. */
#define SPARE_LEAVES	64

/* So holes that are read take some memory, but not all of it. */
int vl_reserve_leaf(struct vl_sb *sbi)
{
	unsigned long max = READ_ONCE(sbi->max_pages);

	return reserve(&sbi->leaves, max ? max + SPARE_LEAVES : 0, 1);
}

void vl_release_leaf(struct vl_sb *sbi)
{
	atomic_long_dec(&sbi->leaves);
}

int vl_reserve_inode(struct vl_sb *sbi)
{
	return reserve(&sbi->inodes, READ_ONCE(sbi->max_inodes), 1);
}

void vl_release_inode(struct vl_sb *sbi)
{
	atomic_long_dec(&sbi->inodes);
}

/* Decimal digits and perhaps one of k, m, g, t; unlike memparse() it knows of overflows. */
static int parse_number(const char *s, const char **end, u64 *n)
{
	static const char suffixes[] = "kmgt";
	const char *suffix;

	if (!isdigit(*s))
		return -EINVAL;
	for (*n = 0; isdigit(*s); s++)
		if (check_mul_overflow(*n, 10ULL, n) || check_add_overflow(*n, (u64)(*s - '0'), n))
			return -EINVAL;
	suffix = *s ? strchr(suffixes, tolower(*s)) : NULL;
	if (suffix) {
		s++;
		if (check_mul_overflow(*n, 1ULL << 10 * (suffix - suffixes + 1), n))
			return -EINVAL;
	}
	*end = s;
	return 0;
}

/* Bytes, rounded up to pages, or a percentage of memory. */
static int parse_size(struct fs_context *fc, const char *s, unsigned long *pages)
{
	const char *end;
	u64 size;
	int err = parse_number(s, &end, &size);

	if (!err && !strcmp(end, "%")) {
		if (size > 100)
			return invalfc(fc, "size: %s is more than all memory", s);
		size = (u64)totalram_pages() * PAGE_SIZE / 100 * size;
		end++;
	}
	if (err || *end || size > MAX_LFS_FILESIZE)
		return invalfc(fc, "size: '%s' is not a size", s);
	*pages = DIV_ROUND_UP_ULL(size, PAGE_SIZE);
	return 0;
}

static int parse_inodes(struct fs_context *fc, const char *s, unsigned long *inodes)
{
	const char *end;
	u64 n;

	if (parse_number(s, &end, &n) || *end || n > LONG_MAX)
		return invalfc(fc, "nr_inodes: '%s' is not a number", s);
	*inodes = n;
	return 0;
}

static int parse_ids(struct fs_context *fc, struct vl_options *o, int opt, u32 id)
{
	if (opt == OPT_UID) {
		o->uid = make_kuid(current_user_ns(), id);
		return uid_valid(o->uid) ? 0 : invalfc(fc, "uid: %u does not exist here", id);
	}
	o->gid = make_kgid(current_user_ns(), id);
	return gid_valid(o->gid) ? 0 : invalfc(fc, "gid: %u does not exist here", id);
}

static int parse_domain(struct fs_context *fc, struct vl_options *o, const char *name)
{
	if (!vl_domain_name_ok(name))
		return invalfc(fc, "domain: '%s': 1 to %d letters, digits, '.', '_', '-'", name,
			       VELLUMFS_NAME_LEN - 1);
	strscpy(o->domain, name, sizeof(o->domain));
	return 0;
}

static int vl_parse_param(struct fs_context *fc, struct fs_parameter *param)
{
	struct vl_options *o = fc->fs_private;
	struct fs_parse_result r;
	int opt = fs_parse(fc, vl_parameters, param, &r);

	if (opt < 0)
		return opt;
	o->seen |= BIT(opt);
	switch (opt) {
	case OPT_SIZE:
		return parse_size(fc, param->string, &o->max_pages);
	case OPT_NR_INODES:
		return parse_inodes(fc, param->string, &o->max_inodes);
	case OPT_MODE:
		o->mode = r.uint_32 & S_IALLUGO;
		return r.uint_32 & ~S_IALLUGO ? invalfc(fc, "mode: more than 07777") : 0;
	case OPT_UID:
	case OPT_GID:
		return parse_ids(fc, o, opt, r.uint_32);
	case OPT_DOMAIN:
		return parse_domain(fc, o, param->string);
	case OPT_MERGE:
		o->merge = r.uint_32;
		return 0;
	case OPT_HUGE:
		o->huge = r.uint_32 == HUGE_ALWAYS;
		return 0;
	}
	return -EINVAL;
}

static struct inode *vl_alloc_inode(struct super_block *sb)
{
	struct vl_inode *vi = alloc_inode_sb(sb, inode_cache, GFP_KERNEL);

	if (!vi)
		return NULL;
	xa_init_flags(&vi->leaves, XA_FLAGS_ACCOUNT);
	vi->domain = NULL;
	vi->merge = VELLUMFS_MERGE_OFF;
	vi->huge = false;
	memset(vi->counts, 0, sizeof(vi->counts));
	return &vi->vfs;
}

/* After a grace period. */
static void vl_free_inode(struct inode *inode)
{
	if (S_ISLNK(inode->i_mode))
		kfree(inode->i_link);
	kmem_cache_free(inode_cache, vl_i(inode));
}

static void vl_evict_inode(struct inode *inode)
{
	struct vl_inode *vi = vl_i(inode);

	if (vi->domain) {
		mutex_lock(&vl_scan_mutex);
		vl_file_unlist(vi);
		vl_leaves_evict(vi);
		mutex_unlock(&vl_scan_mutex);
		vl_domain_put(vi->domain);
		vi->domain = NULL;
	}
	clear_inode(inode);
	vl_release_inode(vl_s(inode->i_sb));
}

static int vl_statfs(struct dentry *dentry, struct kstatfs *buf)
{
	struct vl_sb *sbi = vl_s(dentry->d_sb);

	buf->f_type = VELLUMFS_SUPER_MAGIC;
	buf->f_bsize = PAGE_SIZE;
	buf->f_namelen = NAME_MAX;
	if (sbi->max_pages) {
		buf->f_blocks = sbi->max_pages;
		buf->f_bfree = sbi->max_pages - min_t(unsigned long, sbi->max_pages,
						      atomic_long_read(&sbi->pages));
		buf->f_bavail = buf->f_bfree;
	}
	if (sbi->max_inodes) {
		buf->f_files = sbi->max_inodes;
		buf->f_ffree = sbi->max_inodes - min_t(unsigned long, sbi->max_inodes,
						       atomic_long_read(&sbi->inodes));
	}
	return 0;
}

static int vl_show_options(struct seq_file *m, struct dentry *root)
{
	struct vl_sb *sbi = vl_s(root->d_sb);

	seq_printf(m, ",size=%luk", sbi->max_pages << (PAGE_SHIFT - 10));
	seq_printf(m, ",nr_inodes=%lu", sbi->max_inodes);
	seq_printf(m, ",mode=%03ho", sbi->mode);
	if (!uid_eq(sbi->uid, GLOBAL_ROOT_UID))
		seq_printf(m, ",uid=%u", from_kuid_munged(&init_user_ns, sbi->uid));
	if (!gid_eq(sbi->gid, GLOBAL_ROOT_GID))
		seq_printf(m, ",gid=%u", from_kgid_munged(&init_user_ns, sbi->gid));
	if (sbi->domain)
		seq_printf(m, ",domain=%s", sbi->domain->name);
	seq_printf(m, ",merge=%s", merge_names[sbi->merge].name);
	if (sbi->huge)
		seq_puts(m, ",huge=always");
	return 0;
}

static const struct super_operations vl_super_operations = {
	.alloc_inode	= vl_alloc_inode,
	.free_inode	= vl_free_inode,
	.evict_inode	= vl_evict_inode,
	.drop_inode	= generic_delete_inode,
	.statfs		= vl_statfs,
	.show_options	= vl_show_options,
};

static struct vl_sb *make_sb_info(struct vl_options *o)
{
	struct vl_sb *sbi = kzalloc(sizeof(*sbi), GFP_KERNEL);

	if (!sbi)
		return NULL;
	if (o->domain[0]) {
		sbi->domain = vl_domain_named(o->domain);
		if (!sbi->domain) {
			kfree(sbi);
			return NULL;
		}
	}
	sbi->max_pages = o->max_pages;
	sbi->max_inodes = o->max_inodes;
	sbi->merge = o->merge;
	sbi->huge = o->huge;
	sbi->uid = o->uid;
	sbi->gid = o->gid;
	sbi->mode = o->mode;
	return sbi;
}

/* On error the superblock goes through vl_kill_sb(). */
static int vl_fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct vl_options *o = fc->fs_private;
	struct inode *root;

	sb->s_fs_info = make_sb_info(o);
	if (!sb->s_fs_info)
		return -ENOMEM;
	sb->s_magic = VELLUMFS_SUPER_MAGIC;
	sb->s_blocksize = PAGE_SIZE;
	sb->s_blocksize_bits = PAGE_SHIFT;
	sb->s_maxbytes = VL_MAX_SIZE;
	sb->s_op = &vl_super_operations;
	sb->s_time_gran = 1;
	root = vl_new_inode(sb, NULL, S_IFDIR | o->mode, 0);
	if (IS_ERR(root))
		return PTR_ERR(root);
	root->i_uid = o->uid;
	root->i_gid = o->gid;
	sb->s_root = d_make_root(root);
	return sb->s_root ? 0 : -ENOMEM;
}

static void vl_kill_sb(struct super_block *sb)
{
	struct vl_sb *sbi = vl_s(sb);

	kill_litter_super(sb);
	if (sbi)
		vl_domain_put(sbi->domain);
	kfree(sbi);
}

static int vl_get_tree(struct fs_context *fc)
{
	/* Files without a mount of their own are of one superblock: so they can be cloned. */
	if (fc->sb_flags & SB_KERNMOUNT)
		return get_tree_single(fc, vl_fill_super);
	return get_tree_nodev(fc, vl_fill_super);
}

/* What a mount is by: it cannot change while files depend on it. */
static bool same_identity(struct vl_sb *sbi, struct vl_options *o)
{
	const char *domain = sbi->domain ? sbi->domain->name : "";

	return !((o->seen & BIT(OPT_DOMAIN) && strcmp(o->domain, domain)) ||
		 (o->seen & BIT(OPT_UID) && !uid_eq(o->uid, sbi->uid)) ||
		 (o->seen & BIT(OPT_GID) && !gid_eq(o->gid, sbi->gid)) ||
		 (o->seen & BIT(OPT_MODE) && o->mode != sbi->mode));
}

static int vl_reconfigure(struct fs_context *fc)
{
	struct vl_sb *sbi = vl_s(fc->root->d_sb);
	struct vl_options *o = fc->fs_private;

	if (!same_identity(sbi, o))
		return invalfc(fc, "domain, mode, uid and gid cannot be changed by a remount");
	if (o->seen & BIT(OPT_SIZE) && o->max_pages &&
	    o->max_pages < atomic_long_read(&sbi->pages))
		return invalfc(fc, "size: more is in use");
	if (o->seen & BIT(OPT_NR_INODES) && o->max_inodes &&
	    o->max_inodes < atomic_long_read(&sbi->inodes))
		return invalfc(fc, "nr_inodes: more are in use");
	if (o->seen & BIT(OPT_SIZE))
		WRITE_ONCE(sbi->max_pages, o->max_pages);
	if (o->seen & BIT(OPT_NR_INODES))
		WRITE_ONCE(sbi->max_inodes, o->max_inodes);
	if (o->seen & BIT(OPT_MERGE))
		sbi->merge = o->merge;
	if (o->seen & BIT(OPT_HUGE))
		sbi->huge = o->huge;
	return 0;
}

static void vl_free_fc(struct fs_context *fc)
{
	kfree(fc->fs_private);
}

static const struct fs_context_operations vl_context_operations = {
	.free		= vl_free_fc,
	.parse_param	= vl_parse_param,
	.get_tree	= vl_get_tree,
	.reconfigure	= vl_reconfigure,
};

/* Limits by default: half of memory, and an inode for each page of that. */
static int vl_init_fs_context(struct fs_context *fc)
{
	struct vl_options *o = kzalloc(sizeof(*o), GFP_KERNEL);

	if (!o)
		return -ENOMEM;
	if (fc->sb_flags & SB_KERNMOUNT) {
		/* Whoever makes the first file. */
		fc->global = true;
	} else {
		o->max_pages = totalram_pages() / 2;
		o->max_inodes = totalram_pages() / 2;
	}
	o->mode = 01777;
	o->merge = VELLUMFS_MERGE_ON;
	o->uid = GLOBAL_ROOT_UID;
	o->gid = GLOBAL_ROOT_GID;
	fc->fs_private = o;
	fc->ops = &vl_context_operations;
	return 0;
}

struct file_system_type vl_fs_type = {
	.owner			= THIS_MODULE,
	.name			= "vellumfs",
	.init_fs_context	= vl_init_fs_context,
	.parameters		= vl_parameters,
	.kill_sb		= vl_kill_sb,
};

/* For files without a mount (dev.c). */
struct file_system_type vl_anon_fs_type = {
	.owner			= THIS_MODULE,
	.name			= "vellumfs",
	.init_fs_context	= vl_init_fs_context,
	.kill_sb		= vl_kill_sb,
};

static void init_once(void *p)
{
	struct vl_inode *vi = p;

	inode_init_once(&vi->vfs);
}

int vl_super_init(void)
{
	inode_cache = kmem_cache_create("vellumfs_inode", sizeof(struct vl_inode), 0,
					SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT, init_once);
	return inode_cache ? 0 : -ENOMEM;
}

void vl_super_exit(void)
{
	/* Inodes are freed after a grace period. */
	rcu_barrier();
	kmem_cache_destroy(inode_cache);
}
MODULE_ALIAS_FS("vellumfs");
