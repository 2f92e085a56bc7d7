/* SPDX-License-Identifier: GPL-2.0-only */
/* Watching a file: what it becomes ready for is an event of a queue. */
#ifndef VELLUM_VHOST_POLL_H
#define VELLUM_VHOST_POLL_H

#include <linux/poll.h>
#include <linux/wait.h>

struct vh_vq;

/**
 * struct vh_poll - one watched file
 * @entry: on the file's wait queue
 * @head: that wait queue, or NULL while nothing is watched
 * @vq: who is told
 * @events: what it is told, VH_*
 * @mask: for what the file must be ready, EPOLL*
 */
struct vh_poll {
	poll_table table;
	wait_queue_entry_t entry;
	wait_queue_head_t *head;
	struct vh_vq *vq;
	unsigned long events;
	__poll_t mask;
};

void vh_poll_init(struct vh_poll *poll, struct vh_vq *vq, unsigned long events, __poll_t mask);

/* The file must stay open until vh_poll_stop(). It signals at once if the file is ready. */
int vh_poll_start(struct vh_poll *poll, struct file *file);

/* When it returns no wakeup is under way any more. */
void vh_poll_stop(struct vh_poll *poll);

#endif /* VELLUM_VHOST_POLL_H */
