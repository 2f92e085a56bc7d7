// SPDX-License-Identifier: GPL-2.0-only
/*
 * Halt polling: a vCPU that halts looks for a while whether it may go on before its task sleeps. An
 * interrupt that comes within that time costs no sleep, no wake-up and no idle state.
 *
 * The time adapts to the vCPU: it grows while halts end soon after it, and falls back to
 * nothing when one lasts longer than the limit allows to wait.
 */
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <uapi/linux/kvm_para.h>

#include "core/poll.h"
#include "core/vcpu.h"
#include "core/vm.h"

#define HV_POLL_FIRST_NS	10000	/* where growing begins; twice that, and so on */

static unsigned int halt_poll_ns = 200000;
module_param(halt_poll_ns, uint, 0644);
MODULE_PARM_DESC(halt_poll_ns, "longest time a halted vCPU polls before it sleeps, ns; 0: never");

static u64 limit_of(const struct hv_vcpu *vcpu)
{
	const struct hv_vm *vm = vcpu->vm;

	/* the guest polls itself, and says so */
	if (!(vcpu->pv.poll_control_msr & KVM_MSR_ENABLED))
		return 0;
	return READ_ONCE(vm->halt_poll_set) ? READ_ONCE(vm->halt_poll_ns) :
					      READ_ONCE(halt_poll_ns);
}

/* Nobody else wants this CPU, and nothing waits for the vCPU in user space. */
static bool may_poll(void)
{
	return single_task_running() && !need_resched() && !signal_pending(current);
}

void hv_poll_begin(struct hv_vcpu *vcpu)
{
	struct hv_poll *poll = &vcpu->poll;
	u64 until;

	poll->begin = ktime_get_ns();
	until = poll->begin + min(poll->ns, limit_of(vcpu));
	while (ktime_get_ns() < until && may_poll()) {
		if (hv_vcpu_runnable(vcpu)) {
			vcpu->stat.halt_successful_poll++;
			return;
		}
		cpu_relax();
	}
}

void hv_poll_end(struct hv_vcpu *vcpu)
{
	struct hv_poll *poll = &vcpu->poll;
	u64 limit = limit_of(vcpu), halted = ktime_get_ns() - poll->begin;

	if (halted > limit)
		poll->ns = 0;
	else if (halted > poll->ns)
		poll->ns = min(max_t(u64, 2 * poll->ns, HV_POLL_FIRST_NS), limit);
}
