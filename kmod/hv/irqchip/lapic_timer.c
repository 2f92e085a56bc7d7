// SPDX-License-Identifier: GPL-2.0-only
/*
 * The timer of the local APIC (SDM volume 3, "APIC Timer"): one-shot, periodic
 * and TSC-deadline. It counts bus cycles, before the divisor: of 1 ns
 * unless user space says otherwise.
 *
 * Its expiry has two forms. While the vCPU runs, the back end bounds the stay
 * in the guest by a host TSC value, which costs no host interrupt; while it is
 * blocked, or the back end cannot, an hrtimer fires. Either only notes the
 * expiry; the vCPU turns it into an interrupt before it enters the guest.
 */
#include <linux/math64.h>
#include <asm/msr.h>
#include <asm/tsc.h>

#include "compat/compat.h"
#include "core/ops.h"
#include "core/request.h"
#include "irqchip/lapic_int.h"
#include "x86/tsc.h"

/* A guest must not be able to keep its vCPU from entering. */
#define HV_LAPIC_MIN_PERIOD_NS	(200 * NSEC_PER_USEC)

/* ~ two weeks at 4 GHz: conversions of it overflow nowhere, and an early expiry is noticed */
#define HV_LAPIC_FAR_TICKS	BIT_ULL(52)

static u64 ns_to_ticks(u64 ns)
{
	return mul_u64_u32_div(ns, tsc_khz, NSEC_PER_MSEC);
}

static u64 ticks_to_ns(u64 ticks)
{
	return mul_u64_u32_div(min(ticks, HV_LAPIC_FAR_TICKS), NSEC_PER_MSEC, tsc_khz);
}

static u64 due_tsc(struct hv_lapic *lapic, u64 now)
{
	struct hv_lapic_timer *timer = &lapic->timer;
	s64 left;

	if (lapic_timer_is_deadline(lapic))
		return hv_tsc_host(lapic->vcpu, timer->deadline_tsc);
	left = ktime_to_ns(ktime_sub(timer->target, ktime_get()));
	return left > 0 ? now + ns_to_ticks(left) : now;
}

static ktime_t due_time(struct hv_lapic *lapic)
{
	struct hv_lapic_timer *timer = &lapic->timer;
	u64 now = rdtsc();
	u64 left = timer->host_deadline > now ? timer->host_deadline - now : 0;

	if (!lapic_timer_is_deadline(lapic))
		return timer->target;
	return ktime_add_ns(ktime_get(), ticks_to_ns(left));
}

static void start_hrtimer(struct hv_lapic *lapic)
{
	hrtimer_start(&lapic->timer.hrtimer, due_time(lapic), HRTIMER_MODE_ABS_HARD);
}

static void drop_hw(struct hv_lapic *lapic)
{
	if (!lapic->timer.hw)
		return;
	lapic->timer.hw = false;
	hv_ops->set_deadline(lapic->vcpu, U64_MAX);
}

static bool try_hw(struct hv_lapic *lapic)
{
	struct hv_lapic_timer *timer = &lapic->timer;
	struct hv_vcpu *vcpu = lapic->vcpu;

	if (!hv_caps.has_deadline || timer->blocked)
		return false;
	/* beyond the host's TSC; to the back end it means none */
	if (timer->host_deadline == U64_MAX)
		return false;
	if (hv_ops->set_deadline(vcpu, timer->host_deadline))
		return false;
	timer->hw = true;
	return true;
}

static void expire(struct hv_lapic *lapic)
{
	atomic_set(&lapic->timer.pending, 1);
	hv_request(lapic->vcpu, HV_REQ_EVENT);
}

/* Start towards deadline_tsc or target. The hrtimer is idle. */
static void arm(struct hv_lapic *lapic)
{
	struct hv_lapic_timer *timer = &lapic->timer;
	u64 now = rdtsc();

	timer->armed = true;
	timer->host_deadline = due_tsc(lapic, now);
	if (timer->host_deadline <= now) {
		drop_hw(lapic);
		expire(lapic);
	} else if (!try_hw(lapic)) {
		drop_hw(lapic);
		start_hrtimer(lapic);
	}
}

/* Forget what was running, for somebody who arms again or not. */
static void halt_timer(struct hv_lapic *lapic)
{
	hrtimer_cancel(&lapic->timer.hrtimer);
	atomic_set(&lapic->timer.pending, 0);
	lapic->timer.armed = false;
}

void lapic_timer_stop(struct hv_lapic *lapic)
{
	halt_timer(lapic);
	drop_hw(lapic);
}

static enum hrtimer_restart hrtimer_fired(struct hrtimer *hrtimer)
{
	struct hv_lapic *lapic = container_of(hrtimer, struct hv_lapic, timer.hrtimer);

	expire(lapic);
	hv_vcpu_kick(lapic->vcpu);
	return HRTIMER_NORESTART;
}

void lapic_timer_init(struct hv_lapic *lapic)
{
	hv_hrtimer_setup(&lapic->timer.hrtimer, hrtimer_fired, CLOCK_MONOTONIC,
			 HRTIMER_MODE_ABS_HARD);
}

static u64 period_ns(struct hv_lapic *lapic, u64 count)
{
	u64 ns = count * lapic->timer.tick_ns;

	if (lapic_timer_is_periodic(lapic))
		ns = max_t(u64, ns, HV_LAPIC_MIN_PERIOD_NS);
	return ns;
}

/* The initial-count register was written. */
void lapic_timer_set_count(struct hv_lapic *lapic, u32 count)
{
	struct hv_lapic_timer *timer = &lapic->timer;

	if (lapic_timer_is_deadline(lapic)) {
		lapic_set_reg(lapic, APIC_TMICT, 0);
		return;
	}
	lapic_set_reg(lapic, APIC_TMICT, count);
	if (!count) {
		lapic_timer_stop(lapic);
		return;
	}
	halt_timer(lapic);
	timer->period = period_ns(lapic, count);
	timer->target = ktime_add_ns(ktime_get(), timer->period);
	arm(lapic);
}

/* SDM, figure "Divide Configuration Register": bits 3, 1 and 0 hold log2 - 1, all ones: 1 */
static u32 divisor(u32 tdcr)
{
	u32 code = (tdcr & 3) | (tdcr & BIT(3)) >> 1;

	return BIT((code + 1) & 7);
}

static u64 count_ns_left(const struct hv_lapic_timer *timer)
{
	s64 left = ktime_to_ns(ktime_sub(timer->target, ktime_get()));

	return max_t(s64, left, 0);
}

void lapic_timer_set_divide(struct hv_lapic *lapic, u32 tdcr)
{
	struct hv_lapic_timer *timer = &lapic->timer;
	u32 old = timer->tick_ns;
	u64 left;

	timer->tick_ns = divisor(tdcr) * lapic->vcpu->vm->apic_bus_cycle_ns;
	lapic_set_reg(lapic, APIC_TDCR, tdcr & (BIT(3) | 3));
	if (!timer->armed || old == timer->tick_ns || lapic_timer_is_deadline(lapic))
		return;
	/* the ticks that remain take longer or shorter from now on */
	left = div_u64(count_ns_left(timer), old) * timer->tick_ns;
	halt_timer(lapic);
	timer->period = period_ns(lapic, lapic_reg(lapic, APIC_TMICT));
	timer->target = ktime_add_ns(ktime_get(), left);
	arm(lapic);
}

/* One-shot and periodic may change under a running count; to or from TSC-deadline disarms. */
void lapic_timer_mode_changed(struct hv_lapic *lapic)
{
	struct hv_lapic_timer *timer = &lapic->timer;
	u32 new = lapic_reg(lapic, APIC_LVTT) & HV_LVT_TIMER_MODE;
	u32 old = timer->mode;

	if (old == new)
		return;
	timer->mode = new;
	if (old == APIC_LVT_TIMER_TSCDEADLINE || new == APIC_LVT_TIMER_TSCDEADLINE) {
		lapic_timer_stop(lapic);
		lapic_set_reg(lapic, APIC_TMICT, 0);
		timer->deadline_tsc = 0;
		timer->period = 0;
	} else {
		timer->period = period_ns(lapic, lapic_reg(lapic, APIC_TMICT));
	}
}

/* The current-count register. */
u32 lapic_timer_current(struct hv_lapic *lapic)
{
	struct hv_lapic_timer *timer = &lapic->timer;
	s64 left;

	if (!timer->armed || lapic_timer_is_deadline(lapic))
		return 0;
	left = ktime_to_ns(ktime_sub(timer->target, ktime_get()));
	if (left <= 0) {
		/* Its interrupt is still to come: a 0 without it would say that it was. */
		if (!lapic_timer_is_periodic(lapic))
			return 1;
		left = timer->period - (u64)-left % timer->period;
	}
	return DIV_ROUND_UP_ULL(left, timer->tick_ns);
}

void lapic_timer_restore(struct hv_lapic *lapic, u32 current_count)
{
	struct hv_lapic_timer *timer = &lapic->timer;
	u32 initial = lapic_reg(lapic, APIC_TMICT);
	u64 left;

	lapic_timer_stop(lapic);
	timer->mode = lapic_reg(lapic, APIC_LVTT) & HV_LVT_TIMER_MODE;
	lapic_timer_set_divide(lapic, lapic_reg(lapic, APIC_TDCR));
	if (lapic_timer_is_deadline(lapic)) {
		if (timer->deadline_tsc)
			arm(lapic);
		return;
	}
	timer->deadline_tsc = 0;
	timer->period = period_ns(lapic, initial);
	if (!initial || (!current_count && !lapic_timer_is_periodic(lapic)))
		return;
	left = current_count ? (u64)min(current_count, initial) * timer->tick_ns : timer->period;
	timer->target = ktime_add_ns(ktime_get(), left);
	arm(lapic);
}

/* Not 0 before the interrupt is in IRR: else a saved state could hold neither. */
u64 hv_lapic_deadline_read(struct hv_vcpu *vcpu)
{
	struct hv_lapic *lapic = vcpu->lapic;

	if (!lapic || !lapic_timer_is_deadline(lapic))
		return 0;
	return lapic->timer.deadline_tsc;
}

void hv_lapic_deadline_write(struct hv_vcpu *vcpu, u64 value)
{
	struct hv_lapic *lapic = vcpu->lapic;

	if (!lapic || !lapic_timer_is_deadline(lapic))
		return;
	lapic->timer.deadline_tsc = value;
	if (!value) {
		lapic_timer_stop(lapic);
		return;
	}
	halt_timer(lapic);
	arm(lapic);
}

static void next_period(struct hv_lapic *lapic)
{
	struct hv_lapic_timer *timer = &lapic->timer;
	ktime_t now = ktime_get();

	timer->target = ktime_add_ns(timer->target, timer->period);
	/* periods that went by unnoticed are lost, as on a CPU that is busy elsewhere */
	if (ktime_before(timer->target, now))
		timer->target = ktime_add_ns(now, timer->period);
	arm(lapic);
}

/* Our own vCPU looks at IRR next: no request, no kick. */
static void deliver(struct hv_lapic *lapic)
{
	u32 lvtt = lapic_reg(lapic, APIC_LVTT);
	u8 vector = lvtt & APIC_VECTOR_MASK;

	if ((lvtt & APIC_LVT_MASKED) || !lapic->enabled || !lapic->sw_enabled)
		return;
	if (vector < HV_LAPIC_FIRST_VECTOR)
		lapic_error(lapic, APIC_ESR_RECVILL);
	else
		lapic_set_irr(lapic, vector, false);
}

/* The clock said so: was it early (the time was clamped), or is it time? */
static void fire(struct hv_lapic *lapic)
{
	struct hv_lapic_timer *timer = &lapic->timer;

	halt_timer(lapic);
	if (lapic_timer_is_deadline(lapic)) {
		if (hv_tsc_guest(lapic->vcpu, rdtsc()) < timer->deadline_tsc) {
			arm(lapic);
			return;
		}
		timer->deadline_tsc = 0;
	}
	deliver(lapic);
	if (lapic_timer_is_periodic(lapic) && timer->period)
		next_period(lapic);
}

void hv_lapic_timer_sync(struct hv_vcpu *vcpu)
{
	struct hv_lapic *lapic = vcpu->lapic;

	if (lapic && atomic_read(&lapic->timer.pending))
		fire(lapic);
}

/*
 * Outside KVM_RUN nobody notices what the back end was to notice in the guest. A deadline needs no
 * notice: its MSR keeps it until it has fired.
 */
void lapic_timer_catch_up(struct hv_lapic *lapic)
{
	struct hv_lapic_timer *timer = &lapic->timer;

	hv_lapic_timer_sync(lapic->vcpu);
	if (!timer->armed || lapic_timer_is_deadline(lapic) ||
	    ktime_before(ktime_get(), timer->target))
		return;
	drop_hw(lapic);
	fire(lapic);
}

bool hv_lapic_timer_expired(struct hv_vcpu *vcpu)
{
	struct hv_lapic *lapic = vcpu->lapic;

	/* only the vCPU itself may touch its timer */
	if (!lapic || rcu_access_pointer(vcpu->wait.task) != current)
		return false;
	/* One that came early may be due by the time it is armed again: nobody would wake us. */
	while (atomic_read(&lapic->timer.pending))
		fire(lapic);
	return false;
}

void hv_lapic_deadline_hit(struct hv_vcpu *vcpu)
{
	struct hv_lapic *lapic = vcpu->lapic;

	if (!lapic || !lapic->timer.hw)
		return;
	if (rdtsc() < lapic->timer.host_deadline) {
		/* early by the coarseness of the back end's clock */
		arm(lapic);
		return;
	}
	drop_hw(lapic);
	expire(lapic);
}

void hv_lapic_timer_block(struct hv_vcpu *vcpu)
{
	struct hv_lapic *lapic = vcpu->lapic;

	lapic->timer.blocked = true;
	if (!lapic->timer.hw)
		return;
	drop_hw(lapic);
	start_hrtimer(lapic);
}

void hv_lapic_timer_unblock(struct hv_vcpu *vcpu)
{
	struct hv_lapic *lapic = vcpu->lapic;
	struct hv_lapic_timer *timer = &lapic->timer;

	timer->blocked = false;
	if (!hv_caps.has_deadline || !timer->armed)
		return;
	hrtimer_cancel(&timer->hrtimer);
	if (!atomic_read(&timer->pending))
		arm(lapic);
}
