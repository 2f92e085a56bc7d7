// SPDX-License-Identifier: GPL-2.0-only
/* Numbers from the command line: no sign, no blanks, no overflow, nothing left over. */
#include "util/parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int parse_digits(const char *text, u64 *value, char **end)
{
	/* strtoull() would accept blanks and a minus sign in front */
	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	*value = strtoull(text, end, 10);
	return errno ? -1 : 0;
}

/**
 * parse_count() - read a plain decimal number
 * @text: the whole of it
 * @value: result
 *
 * Return: 0, or -1 when it is not a number or does not fit.
 */
int parse_count(const char *text, u64 *value)
{
	char *end;

	return parse_digits(text, value, &end) || *end ? -1 : 0;
}

/**
 * parse_size() - read a memory size
 * @text: a number and one of K, M, G, T in either case; a bare number counts MiB
 * @bytes: result
 *
 * Return: 0, or -1 when it is not a size or does not fit in 64 bits.
 */
int parse_size(const char *text, u64 *bytes)
{
	static const char units[] = "kKmMgGtT";
	unsigned int shift = 20;
	const char *unit;
	char *end;

	if (parse_digits(text, bytes, &end))
		return -1;
	if (*end) {
		unit = strchr(units, *end);
		if (!unit || end[1])
			return -1;
		shift = 10 * ((unsigned int)(unit - units) / 2 + 1);
	}
	if (*bytes > (~0ULL >> shift))
		return -1;
	*bytes <<= shift;
	return 0;
}
