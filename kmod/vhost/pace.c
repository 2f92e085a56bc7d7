// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether a worker that is woken waits for its turn.
 *
 * Where CPUs are idle it makes no difference. Where the vCPU that kicks and the worker share
 * one, a worker that runs at once finds the one buffer it was kicked for: each costs the guest a
 * kick, two switches and an interrupt. A worker that waits until the vCPU does, or until its
 * time is up, finds all that the driver had to give: a batch with one kick and one interrupt.
 * But a driver that has just one request at a time waits for it, and gains by a worker that
 * has answered before the vCPU goes to sleep.
 *
 * So a worker is a batch task, which the scheduler has wait, as long as it finds more than one
 * buffer at a time, else a normal task. As a normal task it cannot see what it would have
 * found by waiting, and tries that again now and then, less often each time in vain.
 */
#include <linux/sched.h>
#include <uapi/linux/sched.h>
#include <uapi/linux/sched/types.h>

#include "pace.h"

/* Wakes it looks at to decide whether waiting pays. */
#define TRIAL		16
/* The average of buffers found by one wake that makes it pay. */
#define WORTH		2
/* Wakes between two trials: after a trial in vain twice as many. */
#define PROMPT_MIN	64
#define PROMPT_MAX	4096U

static int policy_of(bool patient)
{
	return patient ? SCHED_BATCH : SCHED_NORMAL;
}

static int set_policy(struct task_struct *task, bool patient, int nice)
{
	struct sched_attr attr = {
		.size = sizeof(attr),
		.sched_policy = policy_of(patient),
		.sched_nice = nice,
	};

	return sched_setattr_nocheck(task, &attr);
}

static void begin(struct vh_pace *pace, bool patient)
{
	pace->patient = patient;
	pace->wakes = 0;
	pace->total = 0;
	pace->window = patient ? TRIAL : pace->prompt;
}

int vh_pace_init(struct vh_pace *pace, struct task_struct *task)
{
	pace->prompt = PROMPT_MIN;
	begin(pace, true);
	return set_policy(task, pace->patient, task_nice(current));
}

static void decide(struct vh_pace *pace)
{
	bool worth = pace->total >= WORTH * pace->wakes;
	bool was = pace->patient;

	if (worth)
		pace->prompt = PROMPT_MIN;
	else if (was)
		pace->prompt = min(2 * pace->prompt, PROMPT_MAX);
	/* What found too little in vain gets a rest; what had its rest gets a trial. */
	begin(pace, worth || !was);
	/* A policy that somebody chose for it stays. */
	if (pace->patient != was && current->policy == policy_of(was))
		set_policy(current, pace->patient, task_nice(current));
}

void vh_pace_rest(struct vh_pace *pace)
{
	if (!pace->found)
		return;
	pace->wakes++;
	pace->total += pace->found;
	pace->found = 0;
	/* Batches that come by themselves end a long window. */
	if (pace->wakes >= pace->window || pace->total - pace->wakes >= WORTH * TRIAL)
		decide(pace);
}
