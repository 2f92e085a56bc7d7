// SPDX-License-Identifier: GPL-2.0-only
/*
 * Workers: one thread for each queue unless user space arranges them otherwise,
 * because one thread for all queues is where a device stops to scale.
 *
 * An event is a bit in the queue's pending word and wakes the thread only if the
 * bit was clear, so that a busy queue costs its kicker one atomic operation.
 */
#include <linux/cgroup.h>
#include <linux/kthread.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "dev.h"
#include "threads.h"
#include "vq.h"
#include "worker.h"

/* One serves each queue, and another is there when it moves; more would serve nobody. */
#define WORKERS_PER_QUEUE	2

static void serve(struct vh_worker *worker, struct vh_vq *vq)
{
	unsigned long events = xchg(&vq->pending, 0);
	u64 taken, given;

	if (!events)
		return;
	mutex_lock(&vq->lock);
	taken = vq->stats.chains;
	given = vq->given;
	vq->dev->ops->handle(vq, events);
	worker->pace.found += max(vq->stats.chains - taken, vq->given - given);
	mutex_unlock(&vq->lock);
}

static void one_pass(struct vh_worker *worker)
{
	struct vh_vq *vq;

	mutex_lock(&worker->lock);
	list_for_each_entry(vq, &worker->queues, worker_node)
		serve(worker, vq);
	mutex_unlock(&worker->lock);
}

static int worker_main(void *arg)
{
	struct vh_worker *worker = arg;
	struct vh_self self;

	/* vh_workers_kill() */
	allow_kernel_signal(SIGKILL);
	vh_owner_begin(worker->dev, &self);
	kthread_use_mm(worker->dev->mm);
	for (;;) {
		set_current_state(TASK_IDLE);
		if (kthread_should_stop())
			break;
		if (!xchg(&worker->signalled, 0)) {
			schedule();
			continue;
		}
		__set_current_state(TASK_RUNNING);
		one_pass(worker);
		cond_resched();
		if (!READ_ONCE(worker->signalled))
			vh_pace_rest(&worker->pace);
	}
	__set_current_state(TASK_RUNNING);
	kthread_unuse_mm(worker->dev->mm);
	vh_owner_end(&self);
	return 0;
}

void vh_vq_signal(struct vh_vq *vq, unsigned long events)
{
	struct vh_worker *worker;
	unsigned long old;

	/* What the event is about before the look at the word, which the worker clears first. */
	smp_mb();
	old = READ_ONCE(vq->pending);
	do {
		if ((old & events) == events)
			return;
	} while (!try_cmpxchg(&vq->pending, &old, old | events));
	rcu_read_lock();
	worker = rcu_dereference(vq->worker);
	/* The worker looks again before it sleeps; an interrupt on it may come after that look. */
	if (worker && !xchg(&worker->signalled, 1) && !(in_task() && worker->task == current))
		wake_up_process(worker->task);
	rcu_read_unlock();
}

/* What it does is charged to whom it does it for. */
static int adopt(struct vh_worker *worker)
{
	int ret = cgroup_attach_task_all(current, worker->task);

	return ret ?: vh_pace_init(&worker->pace, worker->task);
}

int vh_worker_new(struct vh_dev *dev, struct vh_worker **out)
{
	struct vh_worker *worker;
	int ret;

	lockdep_assert_held(&dev->lock);
	worker = kzalloc(sizeof(*worker), GFP_KERNEL_ACCOUNT);
	if (!worker)
		return -ENOMEM;
	mutex_init(&worker->lock);
	INIT_LIST_HEAD(&worker->queues);
	worker->dev = dev;
	ret = vh_threads_charge(&worker->uid);
	if (ret)
		goto free;
	ret = xa_alloc(&dev->workers, &worker->id, worker,
		       XA_LIMIT(0, WORKERS_PER_QUEUE * dev->nvqs - 1), GFP_KERNEL_ACCOUNT);
	if (ret)
		goto uncharge;
	worker->task = kthread_create(worker_main, worker, "vellum-vhost-%d", current->pid);
	if (IS_ERR(worker->task)) {
		ret = PTR_ERR(worker->task);
		goto erase;
	}
	ret = adopt(worker);
	if (ret)
		goto stop;
	wake_up_process(worker->task);
	*out = worker;
	return 0;
stop:
	kthread_stop(worker->task);
erase:
	xa_erase(&dev->workers, worker->id);
uncharge:
	vh_threads_uncharge(worker->uid);
free:
	kfree(worker);
	return ret;
}

/* No signal may be looking at it any more. */
static void destroy(struct vh_dev *dev, struct vh_worker *worker)
{
	xa_erase(&dev->workers, worker->id);
	kthread_stop(worker->task);
	vh_threads_uncharge(worker->uid);
	kfree(worker);
}

/*
 * For an owner that is being killed: a worker that waits for a page of its memory, which may never
 * come, fails instead, and goes on failing.
 */
void vh_workers_kill(struct vh_dev *dev)
{
	struct vh_worker *worker;
	unsigned long id;

	xa_for_each(&dev->workers, id, worker)
		send_sig(SIGKILL, worker->task, 1);
}

int vh_worker_free(struct vh_dev *dev, u32 id)
{
	struct vh_worker *worker = xa_load(&dev->workers, id);

	lockdep_assert_held(&dev->lock);
	if (!worker)
		return -ENODEV;
	if (!list_empty(&worker->queues))
		return -EBUSY;
	synchronize_rcu();
	destroy(dev, worker);
	return 0;
}

/* Ends the busy waiting of whatever queue the worker is at. Called with vh_dev.lock held. */
static void lock_worker(struct vh_worker *worker)
{
	WRITE_ONCE(worker->wanted, true);
	if (mutex_lock_killable(&worker->lock)) {
		vh_workers_kill(worker->dev);
		mutex_lock(&worker->lock);
	}
	WRITE_ONCE(worker->wanted, false);
}

static void detach(struct vh_vq *vq)
{
	struct vh_worker *worker = rcu_dereference_protected(vq->worker,
							     lockdep_is_held(&vq->dev->lock));

	if (!worker)
		return;
	lock_worker(worker);
	list_del(&vq->worker_node);
	RCU_INIT_POINTER(vq->worker, NULL);
	mutex_unlock(&worker->lock);
}

static void attach(struct vh_vq *vq, struct vh_worker *worker)
{
	detach(vq);
	lock_worker(worker);
	list_add_tail(&vq->worker_node, &worker->queues);
	rcu_assign_pointer(vq->worker, worker);
	mutex_unlock(&worker->lock);
	/* What came meanwhile found no worker to wake. */
	WRITE_ONCE(vq->pending, 0);
	vh_vq_signal(vq, VH_KICK | VH_DONE | VH_BACKEND);
}

void vh_workers_free_all(struct vh_dev *dev)
{
	struct vh_worker *worker;
	unsigned long id;
	unsigned int i;

	for (i = 0; i < dev->nvqs; i++)
		detach(dev->vqs[i]);
	synchronize_rcu();
	xa_for_each(&dev->workers, id, worker)
		destroy(dev, worker);
}

int vh_worker_attach(struct vh_vq *vq, u32 id)
{
	struct vh_worker *worker = xa_load(&vq->dev->workers, id);

	lockdep_assert_held(&vq->dev->lock);
	if (!worker)
		return -ENODEV;
	attach(vq, worker);
	return 0;
}

/* The id of the queue's worker, which is made if there is none yet. */
int vh_worker_of(struct vh_vq *vq)
{
	struct vh_worker *worker = rcu_dereference_protected(vq->worker,
							     lockdep_is_held(&vq->dev->lock));
	int ret;

	if (worker)
		return worker->id;
	ret = vh_worker_new(vq->dev, &worker);
	if (ret)
		return ret;
	attach(vq, worker);
	return worker->id;
}
