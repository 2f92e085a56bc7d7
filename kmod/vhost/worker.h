/* SPDX-License-Identifier: GPL-2.0-only */
/* The threads that serve queues. */
#ifndef VELLUM_VHOST_WORKER_H
#define VELLUM_VHOST_WORKER_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/uidgid.h>

#include "pace.h"

struct vh_dev;
struct vh_vq;

/* What happened to a queue: bits of vh_vq.pending. */
enum vh_event {
	VH_KICK		= BIT(0),	/* the driver may have made buffers available */
	VH_DONE		= BIT(1),	/* requests were completed */
	VH_BACKEND	= BIT(2),	/* the backend can take or give more */
	VH_AGAIN	= BIT(3),	/* a batch ended before the work did */
};

/**
 * struct vh_worker - a thread that serves the queues attached to it
 * @task: the thread; it uses the owner's mm and credentials, and is in the owner's cgroups
 * @signalled: one of the queues has an event the thread has not looked for yet
 * @wanted: somebody waits for @lock: no busy waiting under it
 * @lock: held through every pass, so that who holds it knows no pass is under
 *	way; protects @queues. Taken before vh_vq.lock.
 * @queues: vh_vq.worker_node
 * @id: in vh_dev.workers
 * @uid: whose thread it is
 * @pace: whether it waits for its turn
 */
struct vh_worker {
	struct task_struct *task;
	unsigned int signalled;
	bool wanted;
	struct mutex lock; /* a pass */
	struct list_head queues;
	u32 id;
	struct vh_dev *dev;
	kuid_t uid;
	struct vh_pace pace;
};

int vh_worker_new(struct vh_dev *dev, struct vh_worker **out);
int vh_worker_free(struct vh_dev *dev, u32 id);
void vh_workers_free_all(struct vh_dev *dev);
/* With vh_dev.lock held, or when nobody else has the device. */
void vh_workers_kill(struct vh_dev *dev);

int vh_worker_attach(struct vh_vq *vq, u32 id);
int vh_worker_of(struct vh_vq *vq);

/* Any context. The events are handled soon, by the queue's worker. */
void vh_vq_signal(struct vh_vq *vq, unsigned long events);

#endif /* VELLUM_VHOST_WORKER_H */
