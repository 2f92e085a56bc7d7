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
 *
 * In system management mode SMRAM may hide the area: it stays as it is until RSM.
 */
#include <linux/sched.h>
#include <linux/sched/stat.h>
#include <linux/uaccess.h>
#include <uapi/linux/kvm_para.h>

#include "core/ops.h"
#include "core/request.h"
#include "memory/guest.h"
#include "x86/tsc.h"

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
		return HV_MSR_INVALID;
	vcpu->pv.steal_msr = value;
	vcpu->pv.preempted_told = false;
	if (!(value & KVM_MSR_ENABLED))
		return HV_MSR_OK;
	/* What happened before the guest asked is not its to see. */
	vcpu->pv.steal_last_run_delay = current->sched_info.run_delay;
	hv_request(vcpu, HV_REQ_STEAL_UPDATE);
	return HV_MSR_OK;
}

/* Back on a CPU: is there anything to tell the guest before it runs? */
void hv_steal_load(struct hv_vcpu *vcpu)
{
	if (vcpu->pv.preempted_told ||
	    current->sched_info.run_delay != vcpu->pv.steal_last_run_delay)
		hv_request(vcpu, HV_REQ_STEAL_UPDATE);
}

static int say_preempted(void __user *area, void *arg)
{
	struct kvm_steal_time __user *st = area;

	return put_user((u8)KVM_VCPU_PREEMPTED, &st->preempted);
}

static int update_area(struct hv_vcpu *vcpu, hv_guest_update_fn update, void *arg)
{
	return hv_guest_update(vcpu, vcpu->pv.steal_msr & KVM_STEAL_VALID_BITS,
			       sizeof(struct kvm_steal_time), update, arg);
}

/*
 * Scheduled out: under the scheduler's locks, so a page that is not there at the moment stays
 * untouched; the others then interrupt this vCPU as they would without all this.
 */
void hv_steal_preempted(struct hv_vcpu *vcpu)
{
	if (!vcpu->pv.at_boundary || vcpu->pv.preempted_told || current->mm != vcpu->vm->mm ||
	    vcpu->smm.active)
		return;
	pagefault_disable();
	vcpu->pv.preempted_told = !update_area(vcpu, say_preempted, NULL);
	pagefault_enable();
}

/**
 * struct steal_news - what a vCPU that is back on its CPU tells and hears
 * @stolen: nanoseconds to add
 * @preempted: what is expected there, then what was: KVM_VCPU_*
 */
struct steal_news {
	u64 stolen;
	u8 preempted;
};

/* Clears "preempted" and adds up the time, whose version is odd meanwhile. */
static int tell(void __user *area, void *arg)
{
	struct kvm_steal_time __user *st = area;
	struct steal_news *news = arg;
	u32 version;
	u64 steal;

	if (!user_access_begin(st, sizeof(*st)))
		return -EFAULT;
	while (!unsafe_try_cmpxchg_user(&st->preempted, &news->preempted, (u8)0, fault))
		;
	unsafe_get_user(version, &st->version, fault);
	unsafe_get_user(steal, &st->steal, fault);
	version = (version + 1) | 1;
	unsafe_put_user(version, &st->version, fault);
	smp_wmb();	/* the odd version first */
	unsafe_put_user(steal + news->stolen, &st->steal, fault);
	smp_wmb();	/* the even version last */
	unsafe_put_user(version + 1, &st->version, fault);
	user_access_end();
	return 0;
fault:
	user_access_end();
	return -EFAULT;
}

void hv_steal_update(struct hv_vcpu *vcpu)
{
	struct steal_news news = {
		.preempted = vcpu->pv.preempted_told ? KVM_VCPU_PREEMPTED : 0,
	};

	if (!(vcpu->pv.steal_msr & KVM_MSR_ENABLED) || vcpu->smm.active)
		return;
	news.stolen = stolen(vcpu);
	vcpu->pv.preempted_told = false;
	/* Was a flush asked for? If the memory is gone, that is unknown. */
	if (update_area(vcpu, tell, &news) || (news.preempted & KVM_VCPU_FLUSH_TLB))
		hv_ops->flush_guest(vcpu);
}
