// SPDX-License-Identifier: GPL-2.0-only
/*
 * vellumfs.ko: what is started, in which order.
 */
#include <linux/module.h>
#include "index.h"
#include "leaf.h"
#include "scan.h"

struct part {
	int (*init)(void);
	void (*exit)(void);
};

static int register_fs(void)
{
	return register_filesystem(&vl_fs_type);
}

static void unregister_fs(void)
{
	unregister_filesystem(&vl_fs_type);
}

static const struct part parts[] = {
	{ vl_frame_init,	vl_frame_exit },
	{ vl_index_init,	vl_index_exit },
	{ vl_leaf_init,		vl_leaf_exit },
	{ vl_super_init,	vl_super_exit },
	{ vl_scan_init,		vl_scan_exit },
	{ vl_sysfs_init,	vl_sysfs_exit },
	{ register_fs,		unregister_fs },
	/* Last: who opens it uses all of the rest. */
	{ vl_dev_init,		vl_dev_exit },
};

static void stop(unsigned int n)
{
	while (n--)
		parts[n].exit();
}

static int __init vl_init(void)
{
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		err = parts[i].init();
		if (err) {
			stop(i);
			return err;
		}
	}
	return 0;
}

static void __exit vl_exit(void)
{
	stop(ARRAY_SIZE(parts));
}

module_init(vl_init);
module_exit(vl_exit);
MODULE_AUTHOR("The Vellum developers");
MODULE_DESCRIPTION("A memory filesystem whose files share identical pages");
MODULE_LICENSE("GPL");
