// SPDX-License-Identifier: GPL-2.0-only
/* Watching eventfds and sockets, by an entry of our own on their wait queues. */
#include "poll.h"
#include "worker.h"

static int wake(wait_queue_entry_t *entry, unsigned int mode, int sync, void *key)
{
	struct vh_poll *poll = container_of(entry, struct vh_poll, entry);
	__poll_t ready = key_to_poll(key);

	/* No key: the file does not say what for. */
	if (!key || (ready & poll->mask))
		vh_vq_signal(poll->vq, poll->events);
	return 0;
}

static void enqueue(struct file *file, wait_queue_head_t *head, poll_table *table)
{
	struct vh_poll *poll = container_of(table, struct vh_poll, table);

	/* A file with several wait queues has the one that matters first. */
	if (poll->head)
		return;
	poll->head = head;
	add_wait_queue(head, &poll->entry);
}

void vh_poll_init(struct vh_poll *poll, struct vh_vq *vq, unsigned long events, __poll_t mask)
{
	init_waitqueue_func_entry(&poll->entry, wake);
	init_poll_funcptr(&poll->table, enqueue);
	poll->table._key = mask;
	poll->head = NULL;
	poll->vq = vq;
	poll->events = events;
	poll->mask = mask;
}

int vh_poll_start(struct vh_poll *poll, struct file *file)
{
	__poll_t ready;

	if (poll->head)
		return 0;
	ready = vfs_poll(file, &poll->table);
	if (ready & EPOLLERR) {
		vh_poll_stop(poll);
		return -EINVAL;
	}
	if (ready & poll->mask)
		vh_vq_signal(poll->vq, poll->events);
	return 0;
}

void vh_poll_stop(struct vh_poll *poll)
{
	if (!poll->head)
		return;
	remove_wait_queue(poll->head, &poll->entry);
	poll->head = NULL;
}
