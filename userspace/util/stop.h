/* SPDX-License-Identifier: GPL-2.0-only */
/* The one place where the reason a machine ends is decided. */
#ifndef VELLUM_UTIL_STOP_H
#define VELLUM_UTIL_STOP_H

#include "util/error.h"

#include <pthread.h>
#include <stdbool.h>

/**
 * struct stopper - why the machine ends; the first request wins, but for stop_spoil()
 * @lock: protects @stopped and @why
 * @event_fd: readable once a stop was requested
 * @stopped: a stop was requested
 * @why: status and, unless the end is a normal one, the line to print
 */
struct stopper {
	pthread_mutex_t lock;
	int event_fd;
	bool stopped;
	struct error why;
};

int stop_init(struct stopper *s, struct error *err);
void stop_destroy(struct stopper *s);
__printf(3, 4) void stop_request(struct stopper *s, int status, const char *fmt, ...);
__printf(3, 4) void stop_spoil(struct stopper *s, int status, const char *fmt, ...);
bool stop_requested(struct stopper *s);

#endif
