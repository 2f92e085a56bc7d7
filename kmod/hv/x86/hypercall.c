// SPDX-License-Identifier: GPL-2.0-only
/* VMCALL and VMMCALL (Documentation/virt/kvm/x86/hypercalls.rst), and HLT. */
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/ktime.h>
#include <uapi/linux/kvm_para.h>
#include <asm/tsc.h>

#include "core/request.h"
#include "irqchip/lapic.h"
#include "memory/guest.h"
#include "x86/cpuid.h"
#include "x86/emulate.h"
#include "x86/regs.h"
#include "x86/tsc.h"

struct hypercall {
	u64 nr, a0, a1, a2, a3;
};

/* A vCPU that said HLT because of a lock is told that the lock is free. */
static long kick_cpu(struct hv_vcpu *vcpu, const struct hypercall *hc)
{
	struct hv_vcpu *target = hv_vm_vcpu_by_id(vcpu->vm, hc->a1);

	if (!hv_cpuid_has(vcpu, HV_F_KVM_UNHALT))
		return -KVM_ENOSYS;
	if (!target)
		return 0;
	hv_request(target, HV_REQ_UNHALT);
	hv_vcpu_kick(target);
	return 0;
}

static long sched_yield_to(struct hv_vcpu *vcpu, const struct hypercall *hc)
{
	struct hv_vcpu *target = hv_vm_vcpu_by_id(vcpu->vm, hc->a0);
	struct task_struct *task = NULL;

	if (!hv_cpuid_has(vcpu, HV_F_KVM_YIELD))
		return -KVM_ENOSYS;
	if (!target || target == vcpu || !READ_ONCE(target->preempted))
		return 0;
	rcu_read_lock();
	task = get_pid_task(rcu_dereference(target->pid), PIDTYPE_PID);
	rcu_read_unlock();
	if (!task)
		return 0;
	yield_to(task, false);
	put_task_struct(task);
	return 0;
}

static long send_ipi(struct hv_vcpu *vcpu, const struct hypercall *hc)
{
	if (!vcpu->lapic || !hv_cpuid_has(vcpu, HV_F_KVM_SEND_IPI))
		return -KVM_ENOSYS;
	return hv_lapic_send_ipi_mask(vcpu, hc->a0, hc->a1, hc->a2, hc->a3);
}

/* Host wall clock and guest TSC of one moment. */
static long clock_pairing(struct hv_vcpu *vcpu, const struct hypercall *hc)
{
	struct kvm_clock_pairing pair = {};
	struct timespec64 now;
	u64 before, after;

	if (hc->a1 != KVM_CLOCK_PAIRING_WALLCLOCK || check_tsc_unstable())
		return -KVM_EOPNOTSUPP;
	local_irq_disable();
	before = rdtsc_ordered();
	ktime_get_real_ts64(&now);
	after = rdtsc_ordered();
	local_irq_enable();
	pair.sec = now.tv_sec;
	pair.nsec = now.tv_nsec;
	pair.tsc = hv_tsc_guest(vcpu, before + (after - before) / 2);
	return hv_guest_write(vcpu, hc->a0, &pair, sizeof(pair)) ? -KVM_EFAULT : 0;
}

static long hypercall(struct hv_vcpu *vcpu, const struct hypercall *hc)
{
	switch (hc->nr) {
	case KVM_HC_VAPIC_POLL_IRQ:
		return 0;
	case KVM_HC_KICK_CPU:
		return kick_cpu(vcpu, hc);
	case KVM_HC_SEND_IPI:
		return send_ipi(vcpu, hc);
	case KVM_HC_CLOCK_PAIRING:
		return clock_pairing(vcpu, hc);
	case KVM_HC_SCHED_YIELD:
		return sched_yield_to(vcpu, hc);
	default:
		return -KVM_ENOSYS;
	}
}

int hv_handle_hypercall(struct hv_vcpu *vcpu, unsigned int len)
{
	bool long_mode = hv_is_64bit(vcpu);
	struct hypercall hc = {
		.nr = vcpu->gpr[HV_RAX],
		.a0 = vcpu->gpr[HV_RBX],
		.a1 = vcpu->gpr[HV_RCX],
		.a2 = vcpu->gpr[HV_RDX],
		.a3 = vcpu->gpr[HV_RSI],
	};
	long ret = -KVM_EPERM;

	if (!long_mode) {
		hc.nr = (u32)hc.nr;
		hc.a0 = (u32)hc.a0;
		hc.a1 = (u32)hc.a1;
		hc.a2 = (u32)hc.a2;
		hc.a3 = (u32)hc.a3;
	}
	if (likely(!hv_cpl(vcpu)))
		ret = hypercall(vcpu, &hc);
	vcpu->gpr[HV_RAX] = long_mode ? ret : (u32)ret;
	return hv_skip_insn(vcpu, len);
}

int hv_handle_hlt(struct hv_vcpu *vcpu, unsigned int len)
{
	int ret = hv_skip_insn(vcpu, len);

	/* A single-step trap comes before the wait. */
	if (ret != HV_RESUME)
		return ret;
	return hv_vcpu_halt(vcpu);
}
