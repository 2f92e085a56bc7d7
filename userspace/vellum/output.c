// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest's serial port sends byte by byte; one write(2) for each would double the cost of the
 * exit. Bytes go into a ring, and a thread writes out what has gathered a few milliseconds after
 * the first one. When the ring is full, because the terminal is stopped, the guest waits.
 */
#include "vellum/output.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define GATHER_NSEC		5000000L
#define FINISH_SECONDS		2
/* A terminal of 4800 baud takes as much in half the time: a slow one must not seem stopped. */
#define WRITE_MAX		512

static void gather(struct output *out)
{
	struct timespec pause = { .tv_nsec = GATHER_NSEC };

	pthread_mutex_unlock(&out->lock);
	nanosleep(&pause, NULL);
	pthread_mutex_lock(&out->lock);
}

/* Return: false when stdout is gone. Somebody may have made it non-blocking. */
static bool write_some(struct output *out, const u8 *data, u32 *len)
{
	struct pollfd room = { .fd = STDOUT_FILENO, .events = POLLOUT };
	ssize_t n = write(STDOUT_FILENO, data, *len);

	if (n >= 0) {
		*len = (u32)n;
		return true;
	}
	*len = 0;
	if (errno == EINTR)
		return true;
	if (errno == EAGAIN) {
		poll(&room, 1, -1);
		return true;
	}
	stop_spoil(out->stop, STATUS_IO, "stdout: %s (the console was closed, the guest stopped)",
		   strerror(errno));
	return false;
}

static void write_out(struct output *out)
{
	u32 len = (u32)min_u64(min_u64(out->used, WRITE_MAX), OUTPUT_SIZE - out->start);
	bool ok;

	pthread_mutex_unlock(&out->lock);
	ok = write_some(out, out->ring + out->start, &len);
	pthread_mutex_lock(&out->lock);
	out->failed = !ok;
	out->start = (out->start + len) % OUTPUT_SIZE;
	out->used -= len;
	pthread_cond_broadcast(&out->drained);
}

static void *output_thread(void *arg)
{
	struct output *out = arg;

	pthread_setname_np(pthread_self(), "console-out");
	pthread_mutex_lock(&out->lock);
	while (!out->failed && (out->used || !out->closing)) {
		if (!out->used) {
			out->idle = true;
			pthread_cond_wait(&out->filled, &out->lock);
			continue;
		}
		if (!out->closing && out->used < OUTPUT_SIZE / 2)
			gather(out);
		write_out(out);
	}
	pthread_mutex_unlock(&out->lock);
	return NULL;
}

int output_start(struct output *out, struct stopper *stop, struct error *err)
{
	int r;

	out->stop = stop;
	pthread_mutex_init(&out->lock, NULL);
	pthread_cond_init(&out->filled, NULL);
	pthread_cond_init(&out->drained, NULL);
	r = pthread_create(&out->thread, NULL, output_thread, out);
	if (r)
		return error_set(err, STATUS_OS, "console: cannot start a thread: %s", strerror(r));
	out->started = true;
	return 0;
}

/* Called with the lock held. Return: bytes that fit, 0 when they are to be dropped. */
static u32 wait_for_room(struct output *out)
{
	while (out->used == OUTPUT_SIZE && !out->closing && !out->failed)
		pthread_cond_wait(&out->drained, &out->lock);
	return out->failed ? 0 : OUTPUT_SIZE - out->used;
}

/**
 * output_write() - queue console output
 * @out: the output
 * @data: bytes
 * @len: how many; waits while there is no room
 */
void output_write(struct output *out, const u8 *data, size_t len)
{
	u32 end, n;

	pthread_mutex_lock(&out->lock);
	while (len) {
		n = (u32)min_u64(len, wait_for_room(out));
		if (!n)
			break;
		end = (out->start + out->used) % OUTPUT_SIZE;
		n = (u32)min_u64(n, OUTPUT_SIZE - end);
		memcpy(out->ring + end, data, n);
		out->used += n;
		data += n;
		len -= n;
		if (out->idle) {
			out->idle = false;
			pthread_cond_signal(&out->filled);
		}
	}
	pthread_mutex_unlock(&out->lock);
}

/* From now on nobody waits for room; what is queued is still written. */
void output_close(struct output *out)
{
	if (!out->started)
		return;
	pthread_mutex_lock(&out->lock);
	out->closing = true;
	pthread_cond_signal(&out->filled);
	pthread_cond_broadcast(&out->drained);
	pthread_mutex_unlock(&out->lock);
}

static u32 bytes_left(struct output *out)
{
	u32 used;

	pthread_mutex_lock(&out->lock);
	used = out->used;
	pthread_mutex_unlock(&out->lock);
	return used;
}

/**
 * output_finish() - wait until all is written, as long as the terminal takes anything at all
 * @out: the output, after output_close()
 *
 * What is lost makes a failure of a guest's normal end.
 *
 * Return: false when the thread still runs, and with it the output must stay.
 */
bool output_finish(struct output *out)
{
	struct timespec until;
	u32 left;

	if (!out->started)
		return true;
	do {
		left = bytes_left(out);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += FINISH_SECONDS;
		if (!pthread_timedjoin_np(out->thread, NULL, &until))
			return true;
	} while (bytes_left(out) < left);
	stop_spoil(out->stop, STATUS_IO,
		   "stdout: takes nothing (the last output of the guest is lost)");
	return false;
}
