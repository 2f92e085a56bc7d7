// SPDX-License-Identifier: GPL-2.0-only
/* See model.h. */
#include "model.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "words.h"

static void file_init(struct model_file *f)
{
	pthread_rwlockattr_t rw;
	pthread_mutexattr_t mutex;
	unsigned long i;

	pthread_rwlockattr_init(&rw);
	pthread_rwlockattr_setpshared(&rw, PTHREAD_PROCESS_SHARED);
	/* Else a stream of readers keeps truncation out for ever. */
	pthread_rwlockattr_setkind_np(&rw, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&f->lock, &rw);
	pthread_mutexattr_init(&mutex);
	pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
	for (i = 0; i < MODEL_PAGES; i++)
		pthread_mutex_init(&f->page_lock[i], &mutex);
	f->size = MODEL_SIZE;
}

struct model *model_create(void)
{
	struct model *m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int i;

	if (m == MAP_FAILED)
		ex_die("no memory for the model");
	for (i = 0; i < MODEL_FILES; i++)
		file_init(&m->files[i]);
	return m;
}

void model_lock_pages(struct model_file *f, unsigned long first, unsigned long n)
{
	unsigned long i;

	for (i = 0; i < n; i++)
		pthread_mutex_lock(&f->page_lock[first + i]);
}

void model_unlock_pages(struct model_file *f, unsigned long first, unsigned long n)
{
	unsigned long i;

	for (i = 0; i < n; i++)
		pthread_mutex_unlock(&f->page_lock[first + i]);
}

/* Ranges that do not overlap, in the order everybody locks pages in: by file, then by page. */
void model_lock_two(struct model_file *a, unsigned long first_a, struct model_file *b,
		    unsigned long first_b, unsigned long n)
{
	bool a_first = a == b ? first_a < first_b : a < b;

	model_lock_pages(a_first ? a : b, a_first ? first_a : first_b, n);
	model_lock_pages(a_first ? b : a, a_first ? first_b : first_a, n);
}

void model_wrote(struct model_file *f, uint64_t at, uint64_t len, const char *by)
{
	uint64_t page;

	if (!len)
		return;
	for (page = at / EX_PAGE; page <= (at + len - 1) / EX_PAGE; page++) {
		f->version[page]++;
		f->by[page] = by;
	}
}

/* Where the contents that were found would be right. */
static void find_owner(struct model *m, const uint8_t *found)
{
	unsigned long page;
	int i;

	for (i = 0; i < MODEL_FILES; i++)
		for (page = 0; page < MODEL_PAGES; page++)
			if (!memcmp(m->files[i].data + page * EX_PAGE, found, EX_PAGE)) {
				printf("# these are the contents of file %d page %lu\n", i + 1,
				       page);
				return;
			}
}

/* Compares what was read of @f with what must be there; a difference ends the run. */
void model_check(struct model *m, struct model_file *f, uint64_t at, const void *found,
		 uint64_t len, const char *by)
{
	const uint8_t *data = found;
	uint64_t done = 0, part, page;
	char where[128];

	while (done < len) {
		page = (at + done) / EX_PAGE;
		part = ex_min(len - done, EX_PAGE - (at + done) % EX_PAGE);
		snprintf(where, sizeof(where),
			 "%s by process %d: file %ld page %lu at %lu, version %u written by %s", by,
			 getpid(), f - m->files + 1, (unsigned long)page,
			 (unsigned long)((at + done) % EX_PAGE), f->version[page],
			 f->by[page] ? f->by[page] : "nobody");
		if (!words_compare(data + done, f->data + at + done, part,
				   (at + done) % sizeof(uint64_t), where)) {
			if (part == EX_PAGE)
				find_owner(m, data + done);
			m->stop = 1;
			fflush(stdout);
			_exit(1);
		}
		done += part;
	}
}
