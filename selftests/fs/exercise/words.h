/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Contents of pages. Every 64-bit word says which file, page and version it belongs to and which
 * word of its page it is, so that one found in a wrong place is named. So that pages merge, many
 * carry one of a few keys instead, or a key with a single word of their own, or zeros.
 */
#ifndef SELFTESTS_FS_WORDS_H
#define SELFTESTS_FS_WORDS_H

#include "ex.h"

#define WORDS		(EX_PAGE / sizeof(uint64_t))
#define WORD_COMMON	63	/* stands for a file: the page number is a key */
#define WORD_FILES	63

uint64_t word_make(unsigned int file, unsigned int page, unsigned int version, unsigned int word);
void word_name(uint64_t word, char *text, size_t size);
void words_fill(void *page, unsigned int file, unsigned int index, unsigned int version,
		struct ex_rng *rng);
bool words_compare(const void *found, const void *expected, size_t len, size_t skew,
		   const char *where);

#endif
