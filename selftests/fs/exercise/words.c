// SPDX-License-Identifier: GPL-2.0-only
/* See words.h. */
#include "words.h"

#include <stdio.h>
#include <string.h>

#define KEYS		12	/* contents that many pages share */

/* Bits of a word: file, page, version, word; a file is never 0, so that a word never is. */
#define WORD_BITS	9
#define VERSION_BITS	30
#define PAGE_BITS	19
#define VERSION_SHIFT	WORD_BITS
#define PAGE_SHIFT	(VERSION_SHIFT + VERSION_BITS)
#define FILE_SHIFT	(PAGE_SHIFT + PAGE_BITS)
#define FIELD(word, shift, bits)	((unsigned int)((word) >> (shift) & ((1ULL << (bits)) - 1)))

uint64_t word_make(unsigned int file, unsigned int page, unsigned int version, unsigned int word)
{
	return (uint64_t)file << FILE_SHIFT | (uint64_t)page << PAGE_SHIFT |
	       (uint64_t)(version & ((1U << VERSION_BITS) - 1)) << VERSION_SHIFT | word;
}

void word_name(uint64_t word, char *text, size_t size)
{
	unsigned int file = word >> FILE_SHIFT;

	if (!word)
		snprintf(text, size, "zero");
	else if (file == WORD_COMMON)
		snprintf(text, size, "word %u of key %u", FIELD(word, 0, WORD_BITS),
			 FIELD(word, PAGE_SHIFT, PAGE_BITS));
	else
		snprintf(text, size, "word %u of file %u page %u version %u",
			 FIELD(word, 0, WORD_BITS), file, FIELD(word, PAGE_SHIFT, PAGE_BITS),
			 FIELD(word, VERSION_SHIFT, VERSION_BITS));
}

static void fill(uint64_t *words, unsigned int file, unsigned int index, unsigned int version)
{
	unsigned int i;

	for (i = 0; i < WORDS; i++)
		words[i] = word_make(file, index, version, i);
}

void words_fill(void *page, unsigned int file, unsigned int index, unsigned int version,
		struct ex_rng *rng)
{
	unsigned int kind = ex_below(rng, 10);
	uint64_t *words = page;
	unsigned int own;

	if (kind < 2) {
		memset(page, 0, EX_PAGE);
	} else if (kind < 6) {
		fill(words, WORD_COMMON, ex_below(rng, KEYS), 0);
	} else if (kind < 8) {
		/* Nearly the same as many */
		own = ex_below(rng, WORDS);
		fill(words, WORD_COMMON, ex_below(rng, KEYS), 0);
		words[own] = word_make(file, index, version, own);
	} else {
		fill(words, file, index, version);
	}
}

/* The word that byte @at of @data is part of, as far as it lies in @data */
static void name_at(const char *what, const uint8_t *data, size_t at, size_t len, size_t skew)
{
	size_t into = ex_min((at + skew) % sizeof(uint64_t), at);
	size_t start = at - into;
	uint64_t word = 0;
	char text[96];

	memcpy(&word, data + start, ex_min(sizeof(word), len - start));
	word_name(word, text, sizeof(text));
	printf("# %s %016llx (%s)\n", what, (unsigned long long)word, text);
}

/* Says what differs. @found and @expected begin @skew bytes into a word. */
bool words_compare(const void *found, const void *expected, size_t len, size_t skew,
		   const char *where)
{
	const uint8_t *a = found, *b = expected;
	size_t i, first = 0, last = 0, count = 0;

	if (!memcmp(found, expected, len))
		return true;
	for (i = 0; i < len; i++) {
		if (a[i] == b[i])
			continue;
		if (!count++)
			first = i;
		last = i;
	}
	printf("# DIFFERENT: %s: %zu of %zu bytes, from %zu to %zu\n", where, count, len, first,
	       last);
	/* It may have been a wrong moment only: then they are the same by now. */
	if (!count)
		printf("# the same when looked at again\n");
	name_at("found", a, first, len, skew);
	name_at("expected", b, first, len, skew);
	return false;
}
