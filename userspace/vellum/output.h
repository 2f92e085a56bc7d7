/* SPDX-License-Identifier: GPL-2.0-only */
/* The guest's console output on its way to stdout. */
#ifndef VELLUM_VELLUM_OUTPUT_H
#define VELLUM_VELLUM_OUTPUT_H

#include "util/stop.h"
#include "util/types.h"

#include <pthread.h>

#define OUTPUT_SIZE	65536

/**
 * struct output - a ring of bytes and the thread that writes it out
 * @lock: protects everything below
 * @filled: signalled when the ring is no longer empty
 * @drained: signalled when there is room again
 * @start: first byte to write
 * @used: bytes waiting
 * @idle: the thread waits on @filled
 * @closing: no more waiting for room
 * @failed: stdout is gone
 * @started: @thread exists
 * @stop: told when stdout is gone
 * @ring: the bytes
 */
struct output {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	pthread_cond_t drained;
	pthread_t thread;
	struct stopper *stop;
	u32 start;
	u32 used;
	bool idle;
	bool closing;
	bool failed;
	bool started;
	u8 ring[OUTPUT_SIZE];
};

int output_start(struct output *out, struct stopper *stop, struct error *err);
void output_write(struct output *out, const u8 *data, size_t len);
void output_close(struct output *out);
bool output_finish(struct output *out);

#endif
