// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvmclock (Documentation/virt/kvm/x86/msr.rst).
 *
 * One pair (host TSC, CLOCK_MONOTONIC_RAW) is fixed when the VM is created; the
 * raw clock and the TSC run at one rate, so every page derives from it for as
 * long as the VM lives and all vCPUs agree without further synchronisation.
 *
 * A guest may read any vCPU's page from any vCPU: Linux's vDSO reads that of the first. So after
 * the clock was set, the first vCPU to enter the guest writes the pages of all, and who writes
 * holds clock->pages_lock. The guest may compare two vCPUs' pages only if their TSCs agree
 * (PVCLOCK_TSC_STABLE_BIT). Whoever has a TSC of its own finds out before it enters, and then
 * writes all pages, too.
 */
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/time64.h>
#include <linux/ktime.h>
#include <uapi/linux/kvm_para.h>
#include <asm/pvclock-abi.h>
#include <asm/tsc.h>

#include "core/request.h"
#include "memory/guest.h"
#include "x86/regs.h"
#include "x86/tsc.h"

/** struct tsc_pair - one moment in both clocks */
struct tsc_pair {
	u64 tsc;
	u64 raw_ns;
	u64 real_ns;
};

static void pair_now(struct tsc_pair *pair)
{
	unsigned long flags;

	local_irq_save(flags);
	pair->tsc = rdtsc_ordered();
	pair->raw_ns = ktime_get_raw_fast_ns();
	pair->real_ns = ktime_get_real_fast_ns();
	local_irq_restore(flags);
}

static bool clock_stable(void)
{
	return !check_tsc_unstable();
}

/* kvmclock at @pair; clock->lock held */
static u64 clock_at(const struct hv_clock *clock, const struct tsc_pair *pair)
{
	u64 delta;

	lockdep_assert_held(&clock->lock);
	if (!clock_stable())
		return pair->raw_ns - clock->boot_ns + clock->offset_ns;
	delta = pair->tsc - clock->tsc_ref;
	return mul_u64_u64_div_u64(delta, NSEC_PER_MSEC, tsc_khz) + clock->offset_ns;
}

void hv_clock_init(struct hv_vm *vm)
{
	struct hv_clock *clock = &vm->clock;
	struct tsc_pair now;

	raw_spin_lock_init(&clock->lock);
	mutex_init(&clock->pages_lock);
	pair_now(&now);
	clock->tsc_ref = now.tsc;
	clock->boot_ns = now.raw_ns;
	clock->tscs_agree = true;
}

/*
 * ns = ((ticks << shift) * mul) >> 32, with @mul as large as it goes (pvclock ABI):
 * a negative shift is to the right.
 */
static void mul_shift(u32 khz, u32 *mul, s8 *shift)
{
	u64 hz = (u64)khz * MSEC_PER_SEC, ns = NSEC_PER_SEC;
	s8 s = 0;

	while (hz > ns * 2 || hz >> 32) {
		hz >>= 1;
		s--;
	}
	while (hz <= ns) {
		hz <<= 1;
		s++;
	}
	*shift = s;
	*mul = div64_u64(ns << 32, hz);
}

static void page_fill(struct hv_vcpu *vcpu, struct pvclock_vcpu_time_info *info)
{
	struct hv_clock *clock = &vcpu->vm->clock;
	bool stable = clock_stable();
	struct tsc_pair now;
	unsigned long flags;

	raw_spin_lock_irqsave(&clock->lock, flags);
	if (stable) {
		info->tsc_timestamp = hv_tsc_guest(vcpu, clock->tsc_ref);
		info->system_time = clock->offset_ns;
	} else {
		pair_now(&now);
		info->tsc_timestamp = hv_tsc_guest(vcpu, now.tsc);
		info->system_time = clock_at(clock, &now);
	}
	raw_spin_unlock_irqrestore(&clock->lock, flags);
	mul_shift(hv_tsc_rate(vcpu), &info->tsc_to_system_mul, &info->tsc_shift);
	if (stable && clock->tscs_agree)
		info->flags |= PVCLOCK_TSC_STABLE_BIT;
}

/* An odd version tells readers to wait: odd, then the rest, then even again. */
static int versioned_write(struct hv_vcpu *vcpu, u64 gpa, u32 version, const void *data,
			   u32 len)
{
	u32 odd = version | 1, even = odd + 1;

	if (hv_guest_write(vcpu, gpa, &odd, sizeof(odd)))
		return -EFAULT;
	smp_wmb();	/* readers see the odd version before anything new */
	if (hv_guest_write(vcpu, gpa + sizeof(odd), data + sizeof(odd), len - sizeof(odd)))
		return -EFAULT;
	smp_wmb();	/* and all that is new before the even one */
	return hv_guest_write(vcpu, gpa, &even, sizeof(even));
}

/* Writes the page of @of. @vcpu is the caller's, and the guest's memory is seen as it sees it. */
static void page_update(struct hv_vcpu *vcpu, struct hv_vcpu *of)
{
	u64 gpa = of->pv.system_time_msr & ~(u64)KVM_MSR_ENABLED;
	struct pvclock_vcpu_time_info info;

	lockdep_assert_held(&vcpu->vm->clock.pages_lock);
	if (!(of->pv.system_time_msr & KVM_MSR_ENABLED))
		return;
	/* No memory there: the guest sees nothing, as with a real write to nowhere. */
	if (hv_guest_read(vcpu, gpa, &info, sizeof(info)))
		return;
	/* Only the guest clears this one, whenever its watchdog gets to it. */
	info.flags &= PVCLOCK_GUEST_STOPPED;
	if (xchg(&of->pv.stop_guest_request, false))
		info.flags |= PVCLOCK_GUEST_STOPPED;
	info.pad0 = 0;
	memset(info.pad, 0, sizeof(info.pad));
	page_fill(of, &info);
	versioned_write(vcpu, gpa, info.version + 1, &info, sizeof(info));
}

/*
 * A vCPU whose TSC changes posts the request to itself and comes by before it runs with it. The
 * pages of all others say then what theirs says.
 */
static void agreement_update(struct hv_vm *vm)
{
	bool agree = hv_tscs_agree(vm);

	lockdep_assert_held(&vm->clock.pages_lock);
	if (agree == vm->clock.tscs_agree)
		return;
	vm->clock.tscs_agree = agree;
	hv_vm_request_all(vm, HV_REQ_CLOCK_UPDATE);
}

/*
 * The others keep their requests: they write their pages again, with a time-stamp counter that
 * they may be changing now. Who is in system management mode would find SMRAM there, not the
 * pages, and needs none before RSM asks again.
 */
void hv_clock_update(struct hv_vcpu *vcpu)
{
	struct hv_vm *vm = vcpu->vm;
	struct hv_vcpu *other;
	int i;

	if (vcpu->smm.active)
		return;
	/* The lock's holder may wait for a page: a signal ends this wait, and the request stays. */
	if (mutex_lock_interruptible(&vm->clock.pages_lock)) {
		hv_request(vcpu, HV_REQ_CLOCK_UPDATE);
		return;
	}
	agreement_update(vm);
	page_update(vcpu, vcpu);
	hv_for_each_vcpu(i, other, vm) {
		if (other != vcpu && test_bit(HV_REQ_CLOCK_UPDATE, &other->requests))
			page_update(vcpu, other);
	}
	mutex_unlock(&vm->clock.pages_lock);
}

/*
 * Nobody writes to the old page once the guest may use it for something else. The lock's holder
 * may wait for a page: a signal ends the guest's wait, as it ends that before an entry, and only
 * a fatal one that of KVM_SET_MSRS, which user space does not expect to fail.
 */
int hv_clock_system_time_write(struct hv_vcpu *vcpu, u64 value, bool host)
{
	struct mutex *lock = &vcpu->vm->clock.pages_lock;

	if (host ? mutex_lock_killable(lock) : mutex_lock_interruptible(lock))
		return HV_MSR_AGAIN;
	vcpu->pv.system_time_msr = value;
	mutex_unlock(lock);
	if (value & KVM_MSR_ENABLED)
		hv_request(vcpu, HV_REQ_CLOCK_UPDATE);
	return HV_MSR_OK;
}

/* The wall-clock time at which kvmclock was zero. */
int hv_clock_wall_write(struct hv_vcpu *vcpu, u64 value)
{
	struct hv_clock *clock = &vcpu->vm->clock;
	struct pvclock_wall_clock wall = {};
	struct tsc_pair now;
	unsigned long flags;
	u64 start_ns;
	u32 nsec;

	raw_spin_lock_irqsave(&clock->lock, flags);
	clock->wall_clock_gpa = value;
	pair_now(&now);
	start_ns = now.real_ns - clock_at(clock, &now);
	raw_spin_unlock_irqrestore(&clock->lock, flags);
	if (!value || hv_guest_read(vcpu, value, &wall.version, sizeof(wall.version)))
		return HV_MSR_OK;
	wall.sec = div_u64_rem(start_ns, NSEC_PER_SEC, &nsec);
	wall.nsec = nsec;
	versioned_write(vcpu, value, wall.version + 1, &wall, sizeof(wall));
	return HV_MSR_OK;
}

void hv_clock_get(struct hv_vm *vm, struct kvm_clock_data *data)
{
	struct hv_clock *clock = &vm->clock;
	struct tsc_pair now;
	unsigned long flags;

	memset(data, 0, sizeof(*data));
	raw_spin_lock_irqsave(&clock->lock, flags);
	pair_now(&now);
	data->clock = clock_at(clock, &now);
	raw_spin_unlock_irqrestore(&clock->lock, flags);
	data->realtime = now.real_ns;
	data->host_tsc = now.tsc;
	data->flags = KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC;
	if (clock_stable())
		data->flags |= KVM_CLOCK_TSC_STABLE;
}

#define CLOCK_FLAGS_KNOWN (KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC)

int hv_clock_set(struct hv_vm *vm, const struct kvm_clock_data *data)
{
	struct hv_clock *clock = &vm->clock;
	u64 wanted = data->clock;
	struct tsc_pair now;
	unsigned long flags;

	if (data->flags & ~(u32)CLOCK_FLAGS_KNOWN)
		return -EINVAL;
	raw_spin_lock_irqsave(&clock->lock, flags);
	pair_now(&now);
	/* A guest's clock never runs backwards because the host's was set back. */
	if ((data->flags & KVM_CLOCK_REALTIME) && now.real_ns > data->realtime)
		wanted += now.real_ns - data->realtime;
	clock->offset_ns += wanted - clock_at(clock, &now);
	raw_spin_unlock_irqrestore(&clock->lock, flags);
	hv_vm_request_all(vm, HV_REQ_CLOCK_UPDATE);
	return 0;
}

int hv_clock_kvmclock_ctrl(struct hv_vcpu *vcpu)
{
	if (!(vcpu->pv.system_time_msr & KVM_MSR_ENABLED))
		return -EINVAL;
	WRITE_ONCE(vcpu->pv.stop_guest_request, true);
	hv_request(vcpu, HV_REQ_CLOCK_UPDATE);
	return 0;
}
