/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A mount for a test, pages with known content, and the counters.
 */
#ifndef SELFTESTS_FS_MNT_H
#define SELFTESTS_FS_MNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/vellumfs.h>

#define PAGE	4096UL

/* Mounts vellumfs with these options on a new folder; its path, or NULL with errno set. */
char *mnt_make(const char *options);
/* Unmounts and removes it; 0 or -1 with errno set. */
int mnt_drop(char *path);

/* Opens a file of the mount for reading and writing, made if it is not there. */
int mnt_open(const char *path, const char *name);
/* The same, with @pages pages of holes, mapped shared at *map. */
int mnt_file(const char *path, const char *name, size_t pages, unsigned char **map);

/* A page whose content only @seed decides; seed 0 is all zero. */
void page_fill(void *page, uint64_t seed);
bool page_is(const void *page, uint64_t seed);

/* A counter of /sys/fs/vellumfs, -1 if there is none. */
long counter(const char *name);
/* No page is counted in any file; says what is. */
bool nothing_left(void);
/* Writes a setting; 0 or -1 with errno set. */
int setting(const char *name, const char *value);
/* Has the thread merge fast, and waits until it has nothing to do; false if that never comes. */
bool merge_all(void);
/* Stops it, so that a test sees what it made. */
void merge_stop(void);

int file_stats(int fd, struct vellumfs_stats *s);
int file_merge(int fd, uint32_t merge);

#endif /* SELFTESTS_FS_MNT_H */
