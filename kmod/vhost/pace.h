/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether a worker that is woken waits for its turn. */
#ifndef VELLUM_VHOST_PACE_H
#define VELLUM_VHOST_PACE_H

#include <linux/types.h>

struct task_struct;

/**
 * struct vh_pace - what a worker has learnt of its queues' drivers; the worker's own
 * @patient: it waits for its turn now
 * @found: buffers taken or given back since it was woken
 * @wakes: times it was woken and found some, in this window
 * @total: how many they were
 * @window: wakes after which it decides
 * @prompt: how long the next window without patience is
 */
struct vh_pace {
	bool patient;
	unsigned int found;
	unsigned int wakes;
	unsigned int total;
	unsigned int window;
	unsigned int prompt;
};

/* Called by the task that creates the worker @task, before it runs. */
int vh_pace_init(struct vh_pace *pace, struct task_struct *task);

/* Called by the worker when it has nothing to do any more. */
void vh_pace_rest(struct vh_pace *pace);

#endif /* VELLUM_VHOST_PACE_H */
