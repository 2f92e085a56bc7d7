/* SPDX-License-Identifier: GPL-2.0-only */
/* getopt_long() with the launcher's one-line errors. */
#ifndef VELLUM_VELLUM_GETOPT_H
#define VELLUM_VELLUM_GETOPT_H

#include "util/error.h"

struct option;

int next_option(int argc, char **argv, const struct option *options, struct error *err);

#endif
