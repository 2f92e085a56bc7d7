/* SPDX-License-Identifier: GPL-2.0-only */
/* How failures travel: functions fill a struct error and return -1, only main() exits. */
#ifndef VELLUM_UTIL_ERROR_H
#define VELLUM_UTIL_ERROR_H

#include "util/types.h"

/**
 * enum exit_status - what the launcher itself exits with, after <sysexits.h>
 * @STATUS_OK: done; for "run": the guest powered off and left no status
 * @STATUS_USAGE: the command line is wrong
 * @STATUS_DATA: an input file is not what it should be
 * @STATUS_NOINPUT: a named file, folder, tap or bridge is not there or unusable
 * @STATUS_UNAVAILABLE: the hypervisor, tun or vhost is absent, busy or lacks something, or the
 *	kernel has no seccomp
 * @STATUS_GUEST: the guest crashed: triple fault, or a state the hypervisor gave up on
 * @STATUS_OS: the host refused memory, threads, descriptors or a link change
 * @STATUS_IO: the console was lost
 * @STATUS_RESET: the guest asked for a reset
 * @STATUS_NOPERM: this user may not open a device, or make or change a link
 * @STATUS_SIGNAL: plus the signal's number: stopped by that signal; Ctrl-A x counts as SIGINT
 */
enum exit_status {
	STATUS_OK = 0,
	STATUS_USAGE = 64,
	STATUS_DATA = 65,
	STATUS_NOINPUT = 66,
	STATUS_UNAVAILABLE = 69,
	STATUS_GUEST = 70,
	STATUS_OS = 71,
	STATUS_IO = 74,
	STATUS_RESET = 75,
	STATUS_NOPERM = 77,
	STATUS_SIGNAL = 128,
};

#define ERROR_TEXT_MAX 512

/**
 * struct error - one failure, told in one line
 * @status: exit status for it, an enum exit_status
 * @text: "<option or file>: <what> (<what to do>)"
 */
struct error {
	int status;
	char text[ERROR_TEXT_MAX];
};

__printf(3, 4) int error_set(struct error *err, int status, const char *fmt, ...);

int error_print(const struct error *err, int patience_msec);

#endif
