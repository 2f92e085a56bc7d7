/* SPDX-License-Identifier: GPL-2.0-only */
/* The subcommands. */
#ifndef VELLUM_VELLUM_COMMANDS_H
#define VELLUM_VELLUM_COMMANDS_H

#include "util/error.h"

/*
 * Each gets its own name in argv[0] and returns an exit status, or -1 with @err filled in. A status
 * that comes with a line to print, such as a crash of the guest, is returned as an error too.
 */
int cmd_run(int argc, char **argv, struct error *err);
int cmd_info(int argc, char **argv, struct error *err);
int cmd_version(int argc, char **argv, struct error *err);

#endif
