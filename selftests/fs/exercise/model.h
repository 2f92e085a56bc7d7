/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the checker's files must contain: plain copies of them in memory that all its processes
 * share. A page is read or written under its lock, which is held while file and copy are changed;
 * what changes a file's size or all of it holds the file's lock for writing.
 */
#ifndef SELFTESTS_FS_MODEL_H
#define SELFTESTS_FS_MODEL_H

#include <pthread.h>

#include "ex.h"

#define MODEL_MOUNTS	3
#define MODEL_PER_MOUNT	3
#define MODEL_FILES	(MODEL_MOUNTS * MODEL_PER_MOUNT)
#define MODEL_PAGES	256UL
#define MODEL_SIZE	(MODEL_PAGES * EX_PAGE)

/**
 * struct model_file - one file
 * @lock: for writing: size and whole contents; for reading: pages by their locks
 * @size: of the file, in bytes
 * @domain: the name of its domain; changed with @lock held for writing
 * @fd: the file, open in every process
 * @map: the file mapped shared, at the same address in every process
 * @page_lock: one for each page
 * @version: counts the writes of each page
 * @by: which operation wrote it last
 * @data: the contents; zero from @size on
 */
struct model_file {
	pthread_rwlock_t lock;
	uint64_t size;
	char domain;
	int fd;
	uint8_t *map;
	pthread_mutex_t page_lock[MODEL_PAGES];
	uint32_t version[MODEL_PAGES];
	const char *by[MODEL_PAGES];
	uint8_t data[MODEL_SIZE] __attribute__((aligned(4096)));
};

/**
 * struct model - all of them, and what the processes tell each other
 * @stop: the time is over, or something is wrong
 * @ops: how many operations were done
 */
struct model {
	struct model_file files[MODEL_FILES];
	volatile int stop;
	unsigned long ops;
};

struct model *model_create(void);
void model_lock_pages(struct model_file *f, unsigned long first, unsigned long n);
void model_unlock_pages(struct model_file *f, unsigned long first, unsigned long n);
void model_lock_two(struct model_file *a, unsigned long first_a, struct model_file *b,
		    unsigned long first_b, unsigned long n);
void model_wrote(struct model_file *f, uint64_t at, uint64_t len, const char *by);
void model_check(struct model *m, struct model_file *f, uint64_t at, const void *found,
		 uint64_t len, const char *by);

#endif
