/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The background thread that merges pages.
 */
#ifndef VELLUMFS_SCAN_H
#define VELLUMFS_SCAN_H

#include "leaf.h"

/* What /sys/fs/vellumfs/run holds. */
enum vl_run {
	VL_RUN_STOP,
	VL_RUN_MERGE,
	VL_RUN_UNMERGE,
};

/* What sets pages_to_scan. */
enum vl_advisor {
	VL_ADVISOR_NONE,
	VL_ADVISOR_SCAN_TIME,
};

/**
 * struct vl_scan_settings - what an administrator sets; each is read once where it is used
 * @run: enum vl_run
 * @pages_to_scan: pages hashed before the thread sleeps
 * @sleep_ms: how long
 * @advisor: enum vl_advisor
 * @max_cpu: percent of one CPU, with an advisor
 * @target_s: seconds for a pass, with an advisor
 * @min_pages: least of @pages_to_scan that the advisor sets
 * @max_pages: and most
 */
struct vl_scan_settings {
	unsigned int run;
	unsigned int pages_to_scan;
	unsigned int sleep_ms;
	unsigned int advisor;
	unsigned int max_cpu;
	unsigned int target_s;
	unsigned int min_pages;
	unsigned int max_pages;
};

extern struct vl_scan_settings vl_scan_settings;

/*
 * Held by the scanner while it looks at a leaf, and by who frees leaves. Inside
 * the mappings' invalidate_locks: the scanner, which needs them too, only tries
 * those. Nobody waits for memory while holding it, because eviction needs it.
 */
extern struct mutex vl_scan_mutex;

int vl_scan_init(void);
void vl_scan_exit(void);
void vl_scan_queue(struct vl_leaf *leaf);
void vl_scan_queue_file(struct vl_inode *vi);
void vl_scan_forget(struct vl_leaf *leaf);
void vl_scan_kick(void);
u64 vl_scan_cpu_ns(void);

/* merge.c */
bool vl_merge_page(struct vl_leaf *leaf, unsigned int slot);

#endif /* VELLUMFS_SCAN_H */
