/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters of queues, in debugfs. */
#ifndef VELLUM_VHOST_STATS_H
#define VELLUM_VHOST_STATS_H

#include <linux/types.h>

struct vh_dev;

/**
 * struct vh_vq_stats - counted by the worker, read without a lock
 * @kicks: times the worker was woken by the driver
 * @chains: chains taken from the ring
 * @bytes: payload, without headers
 * @batches: times used chains were shown to the driver
 * @calls: signals of the call eventfd
 * @breaks: protocol violations
 * @errors: requests or packets that the backend refused
 * @misses: translations that were missing
 */
struct vh_vq_stats {
	u64 kicks;
	u64 chains;
	u64 bytes;
	u64 batches;
	u64 calls;
	u64 breaks;
	u64 errors;
	u64 misses;
};

void vh_stats_init(void);
void vh_stats_exit(void);
void vh_stats_add(struct vh_dev *dev);
void vh_stats_remove(struct vh_dev *dev);

#endif /* VELLUM_VHOST_STATS_H */
