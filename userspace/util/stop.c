// SPDX-License-Identifier: GPL-2.0-only
/*
 * Any thread may find a reason to end the machine: a vCPU sees a power-off or a triple fault, the
 * output thread a closed terminal, the main loop a signal. The first one is kept and wakes main().
 */
#include "util/stop.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

int stop_init(struct stopper *s, struct error *err)
{
	memset(s, 0, sizeof(*s));
	s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->event_fd < 0)
		return error_set(err, STATUS_OS, "eventfd: %s", strerror(errno));
	pthread_mutex_init(&s->lock, NULL);
	return 0;
}

void stop_destroy(struct stopper *s)
{
	close(s->event_fd);
	pthread_mutex_destroy(&s->lock);
}

/**
 * stop_request() - ask the machine to end
 * @s: the machine's stopper
 * @status: exit status
 * @fmt: line to print as with error_set(), or "" for a normal end
 */
void stop_request(struct stopper *s, int status, const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&s->lock);
	if (!s->stopped) {
		s->stopped = true;
		s->why.status = status;
		va_start(ap, fmt);
		vsnprintf(s->why.text, sizeof(s->why.text), fmt, ap);
		va_end(ap);
		eventfd_write(s->event_fd, 1);
	}
	pthread_mutex_unlock(&s->lock);
}

bool stop_requested(struct stopper *s)
{
	bool stopped;

	pthread_mutex_lock(&s->lock);
	stopped = s->stopped;
	pthread_mutex_unlock(&s->lock);
	return stopped;
}
