// SPDX-License-Identifier: GPL-2.0-only
/*
 * Steal time (Documentation/virt/kvm/x86/msr.rst): how long a vCPU's task waited for a CPU, and
 * whether it is off its CPU now.
 *
 * "preempted" is set when the task is scheduled out, waiting or not, and cleared before
 * the next entry. While it is set other vCPUs do not interrupt this one to flush its TLB but set
 * KVM_VCPU_FLUSH_TLB beside it; clearing both in one exchange is what makes that safe. So it must
 * not be set while an instruction is being emulated: translations that began before the flush
 * would be used after it.
 */
#include <linux/sched.h>
#include <linux/sched/stat.h>
#include <linux/uaccess.h>
#include <uapi/linux/kvm_para.h>

#include "core/ops.h"
#include "core/request.h"
#include "memory/guest.h"
#include "x86/tsc.h"

static u64 field(const struct hv_vcpu *vcpu, size_t offset)
{
	return (vcpu->pv.steal_msr & KVM_STEAL_VALID_BITS) + offset;
}

#define FIELD(vcpu, name)	field(vcpu, offsetof(struct kvm_steal_time, name))

/* Time this task was runnable and did not run, since the last look. */
static u64 stolen(struct hv_vcpu *vcpu)
{
	u64 delay = current->sched_info.run_delay, delta = delay - vcpu->pv.steal_last_run_delay;

	vcpu->pv.steal_last_run_delay = delay;
	return delta;
}

int hv_steal_write(struct hv_vcpu *vcpu, u64 value)
{
	if (!sched_info_on() || (value & KVM_STEAL_RESERVED_MASK))
		return 1;
	vcpu->pv.steal_msr = value;
	vcpu->pv.preempted_told = false;
	if (!(value & KVM_MSR_ENABLED))
		return 0;
	/* What happened before the guest asked is not its to see. */
	vcpu->pv.steal_last_run_delay = current->sched_info.run_delay;
	hv_request(vcpu, HV_REQ_STEAL_UPDATE);
	return 0;
}

/* Back on a CPU: is there anything to tell the guest before it runs? */
void hv_steal_load(struct hv_vcpu *vcpu)
{
	if (vcpu->pv.preempted_told ||
	    current->sched_info.run_delay != vcpu->pv.steal_last_run_delay)
		hv_request(vcpu, HV_REQ_STEAL_UPDATE);
}

/*
 * Scheduled out: under the scheduler's locks, so a page that is not there at the moment stays
 * untouched; the others then interrupt this vCPU as they would without all this.
 */
void hv_steal_preempted(struct hv_vcpu *vcpu)
{
	const u8 preempted = KVM_VCPU_PREEMPTED;

	if (!vcpu->pv.at_boundary || vcpu->pv.preempted_told || current->mm != vcpu->vm->mm)
		return;
	pagefault_disable();
	vcpu->pv.preempted_told = !hv_guest_write(vcpu, FIELD(vcpu, preempted), &preempted,
						  sizeof(preempted));
	pagefault_enable();
}

/* Clear "preempted"; the flush somebody asked for meanwhile is done here. */
static void back_again(struct hv_vcpu *vcpu)
{
	u8 old = 0, none = 0;
	int ret;

	do {
		ret = hv_guest_cmpxchg(vcpu, FIELD(vcpu, preempted), &old, &none, sizeof(old));
	} while (ret == -EAGAIN);
	vcpu->pv.preempted_told = false;
	/* If the memory is gone, what was asked there is unknown. */
	if (ret || (old & KVM_VCPU_FLUSH_TLB))
		hv_ops->flush_guest(vcpu);
}

void hv_steal_update(struct hv_vcpu *vcpu)
{
	struct kvm_steal_time st;

	if (!(vcpu->pv.steal_msr & KVM_MSR_ENABLED))
		return;
	back_again(vcpu);
	if (hv_guest_read(vcpu, field(vcpu, 0), &st, sizeof(st)))
		return;
	st.steal += stolen(vcpu);
	/* steal precedes the version in the page, so the three steps are spelled out. */
	st.version = (st.version + 1) | 1;
	if (hv_guest_write(vcpu, FIELD(vcpu, version), &st.version, sizeof(st.version)))
		return;
	smp_wmb();	/* the odd version first */
	hv_guest_write(vcpu, FIELD(vcpu, steal), &st.steal, sizeof(st.steal));
	smp_wmb();	/* the even version last */
	st.version++;
	hv_guest_write(vcpu, FIELD(vcpu, version), &st.version, sizeof(st.version));
}
