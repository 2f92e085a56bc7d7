/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers from the command line. */
#ifndef VELLUM_UTIL_PARSE_H
#define VELLUM_UTIL_PARSE_H

#include "util/types.h"

int parse_count(const char *text, u64 *value);
int parse_size(const char *text, u64 *bytes);

#endif
