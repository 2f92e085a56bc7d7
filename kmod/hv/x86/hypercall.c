// SPDX-License-Identifier: GPL-2.0-only
/* VMCALL and VMMCALL (Documentation/virt/kvm/x86/hypercalls.rst), and HLT. */
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/ktime.h>
#include <uapi/linux/kvm_para.h>
#include <asm/tsc.h>

#include "compat/kvm_abi.h"
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

/*
 * A vCPU that said HLT because of a lock is told that the lock is free. If it only is about to say
 * so, it finds out then: no exit is needed.
 */
static long kick_cpu(struct hv_vcpu *vcpu, const struct hypercall *hc)
{
	struct hv_vcpu *target = hv_vm_vcpu_by_id(vcpu->vm, hc->a1);

	if (!hv_pv_has(vcpu, HV_F_KVM_UNHALT))
		return -KVM_ENOSYS;
	if (!target)
		return 0;
	WRITE_ONCE(target->pv.unhalted, true);
	hv_vcpu_wake(target);
	return 0;
}

static long sched_yield_to(struct hv_vcpu *vcpu, const struct hypercall *hc)
{
	struct hv_vcpu *target = hv_vm_vcpu_by_id(vcpu->vm, hc->a0);
	struct task_struct *task = NULL;

	if (!hv_pv_has(vcpu, HV_F_KVM_YIELD))
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

static long send_ipi(struct hv_vcpu *vcpu, const struct hypercall *hc, bool long_mode)
{
	if (!vcpu->lapic || !hv_pv_has(vcpu, HV_F_KVM_SEND_IPI))
		return -KVM_ENOSYS;
	return hv_lapic_send_ipi_mask(vcpu, hc->a0, hc->a1, long_mode ? 64 : 32, hc->a2, hc->a3);
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

static void set_result(struct hv_vcpu *vcpu, bool long_mode, u64 ret)
{
	vcpu->gpr[HV_RAX] = long_mode ? ret : (u32)ret;
}

/* KVM_RUN is back. A changed RIP means that user space replaced the vCPU's state meanwhile. */
static int complete_exit(struct hv_vcpu *vcpu)
{
	if (hv_rip(vcpu) != vcpu->pv.hypercall.rip)
		return HV_RESUME;
	set_result(vcpu, vcpu->pv.hypercall.long_mode, READ_ONCE(vcpu->run->hypercall.ret));
	return hv_skip_insn(vcpu, vcpu->pv.hypercall.len);
}

static bool gpa_range_valid(const struct hypercall *hc)
{
	return hc->a1 && PAGE_ALIGNED(hc->a0) && hc->a1 <= (U64_MAX - hc->a0) >> PAGE_SHIFT;
}

/* Which pages are shared with the host is user space's to know: KVM_EXIT_HYPERCALL. */
static int map_gpa_range(struct hv_vcpu *vcpu, const struct hypercall *hc, bool long_mode,
			 unsigned int len)
{
	struct kvm_run *run = vcpu->run;

	memset(&run->hypercall, 0, sizeof(run->hypercall));
	run->exit_reason = KVM_EXIT_HYPERCALL;
	run->hypercall.nr = hc->nr;
	run->hypercall.args[0] = hc->a0;
	run->hypercall.args[1] = hc->a1;
	run->hypercall.args[2] = hc->a2;
	*hv_run_hypercall_flags(run) = long_mode ? HV_HYPERCALL_LONG_MODE : 0;
	vcpu->pv.hypercall.rip = hv_rip(vcpu);
	vcpu->pv.hypercall.len = len;
	vcpu->pv.hypercall.long_mode = long_mode;
	vcpu->complete = complete_exit;
	return HV_USERSPACE;
}

static struct hypercall arguments(const struct hv_vcpu *vcpu, bool long_mode)
{
	u64 mask = long_mode ? U64_MAX : U32_MAX;

	return (struct hypercall){
		.nr = vcpu->gpr[HV_RAX] & mask,
		.a0 = vcpu->gpr[HV_RBX] & mask,
		.a1 = vcpu->gpr[HV_RCX] & mask,
		.a2 = vcpu->gpr[HV_RDX] & mask,
		.a3 = vcpu->gpr[HV_RSI] & mask,
	};
}

/* Calls with arguments. HV_RESUME with @ret, or HV_USERSPACE: user space says what it is. */
static noinline int call(struct hv_vcpu *vcpu, bool long_mode, unsigned int len, long *ret)
{
	struct hypercall hc = arguments(vcpu, long_mode);

	switch (hc.nr) {
	case KVM_HC_KICK_CPU:
		*ret = kick_cpu(vcpu, &hc);
		break;
	case KVM_HC_SEND_IPI:
		*ret = send_ipi(vcpu, &hc, long_mode);
		break;
	case KVM_HC_CLOCK_PAIRING:
		*ret = clock_pairing(vcpu, &hc);
		break;
	case KVM_HC_SCHED_YIELD:
		*ret = sched_yield_to(vcpu, &hc);
		break;
	case KVM_HC_MAP_GPA_RANGE:
		if (!(vcpu->vm->hypercall_exits & BIT(KVM_HC_MAP_GPA_RANGE)))
			*ret = -KVM_ENOSYS;
		else if (!gpa_range_valid(&hc))
			*ret = -KVM_EINVAL;
		else
			return map_gpa_range(vcpu, &hc, long_mode, len);
		break;
	default:
		*ret = -KVM_ENOSYS;
	}
	return HV_RESUME;
}

static int finish(struct hv_vcpu *vcpu, bool long_mode, unsigned int len, long ret)
{
	set_result(vcpu, long_mode, ret);
	return hv_skip_insn(vcpu, len);
}

static noinline int call_and_finish(struct hv_vcpu *vcpu, bool long_mode, unsigned int len)
{
	long ret;

	if (call(vcpu, long_mode, len, &ret) != HV_RESUME)
		return HV_USERSPACE;
	return finish(vcpu, long_mode, len, ret);
}

int hv_handle_hypercall(struct hv_vcpu *vcpu, unsigned int len)
{
	bool long_mode = hv_is_64bit(vcpu);
	u64 nr = vcpu->gpr[HV_RAX];

	if (unlikely(hv_cpl(vcpu)))
		return finish(vcpu, long_mode, len, -KVM_EPERM);
	/* Only the exit was wanted. */
	if ((long_mode ? nr : (u32)nr) == KVM_HC_VAPIC_POLL_IRQ)
		return finish(vcpu, long_mode, len, 0);
	return call_and_finish(vcpu, long_mode, len);
}

int hv_handle_hlt(struct hv_vcpu *vcpu, unsigned int len)
{
	int ret = hv_skip_insn(vcpu, len);

	/* A single-step trap comes before the wait. */
	if (ret != HV_RESUME)
		return ret;
	return hv_vcpu_halt(vcpu);
}
