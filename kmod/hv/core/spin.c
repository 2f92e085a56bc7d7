// SPDX-License-Identifier: GPL-2.0-only
/* A vCPU that spins in the guest gives its CPU to one that was preempted there. */
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/task.h>

#include "core/vcpu.h"

static bool yield_to_vcpu(struct hv_vcpu *target)
{
	struct task_struct *task;
	bool yielded;

	rcu_read_lock();
	task = get_pid_task(rcu_dereference(target->pid), PIDTYPE_PID);
	rcu_read_unlock();
	if (!task)
		return false;
	yielded = yield_to(task, true) > 0;
	put_task_struct(task);
	return yielded;
}

/**
 * hv_vcpu_spins() - a PAUSE loop was intercepted
 * @vcpu: loaded; what it waits for is probably held by another vCPU of its VM
 */
void hv_vcpu_spins(struct hv_vcpu *vcpu)
{
	struct hv_vm *vm = vcpu->vm;
	struct hv_vcpu *target;
	int i;

	hv_for_each_vcpu(i, target, vm) {
		if (target != vcpu && READ_ONCE(target->preempted) && yield_to_vcpu(target))
			return;
	}
}
