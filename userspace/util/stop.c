// SPDX-License-Identifier: GPL-2.0-only
/*
 * Any thread may find a reason to end the machine: a vCPU sees a power-off or a triple fault, the
 * output thread a closed terminal, the main loop a signal. The first one is kept and wakes main().
 * Only a loss of output that comes to light after a normal end is worth more than that.
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

/* Called with the lock held. */
static void set_why(struct stopper *s, int status, const char *fmt, va_list ap)
{
	s->stopped = true;
	s->why.status = status;
	vsnprintf(s->why.text, sizeof(s->why.text), fmt, ap);
	eventfd_write(s->event_fd, 1);
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

	va_start(ap, fmt);
	pthread_mutex_lock(&s->lock);
	if (!s->stopped)
		set_why(s, status, fmt, ap);
	pthread_mutex_unlock(&s->lock);
	va_end(ap);
}

/**
 * stop_spoil() - ask the machine to end, or make its normal end a failure
 * @s: the machine's stopper
 * @status: exit status
 * @fmt: line to print as with error_set()
 */
void stop_spoil(struct stopper *s, int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	pthread_mutex_lock(&s->lock);
	if (!s->stopped || !*s->why.text)
		set_why(s, status, fmt, ap);
	pthread_mutex_unlock(&s->lock);
	va_end(ap);
}

bool stop_requested(struct stopper *s)
{
	bool stopped;

	pthread_mutex_lock(&s->lock);
	stopped = s->stopped;
	pthread_mutex_unlock(&s->lock);
	return stopped;
}
