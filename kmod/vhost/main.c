// SPDX-License-Identifier: GPL-2.0-only
/* vellum_vhost.ko: virtio devices in the kernel, by the vhost ioctl ABI. */
#include <linux/module.h>

#include "blk.h"
#include "net.h"
#include "stats.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static int __init vhost_init(void)
{
	int ret;

	vh_stats_init();
	ret = vh_blk_init();
	if (ret)
		goto stats;
	ret = vh_net_init();
	if (ret)
		goto blk;
	return 0;
blk:
	vh_blk_exit();
stats:
	vh_stats_exit();
	return ret;
}

static void __exit vhost_exit(void)
{
	vh_net_exit();
	vh_blk_exit();
	vh_stats_exit();
}

module_init(vhost_init);
module_exit(vhost_exit);

MODULE_AUTHOR("The Vellum developers");
MODULE_DESCRIPTION("Virtio network and block devices in the kernel, by the vhost ioctl ABI");
MODULE_LICENSE("GPL");
