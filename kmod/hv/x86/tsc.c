// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's time-stamp counter: host TSC, scaled, plus an offset.
 *
 * vCPUs of one VM must agree. VMMs set each vCPU's TSC one after the other, so
 * a host write close to where another vCPU's counter stands now means "the same",
 * and joins its offset rather than being off by the time between two ioctls. Close
 * to what user space itself wrote, that is: a VM's own clock begins at 0, and a saved
 * TSC of less than a second would pass for it. 0 itself is what RESET leaves: whoever
 * comes later with it joins the others, however far they are.
 */
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/ktime.h>
#include <asm/tsc.h>

#include "core/request.h"
#include "irqchip/lapic.h"
#include "x86/regs.h"
#include "x86/tsc.h"

#define TSC_TOLERANCE_PPM	250
#define PPM			1000000
#define TSC_SYNC_WINDOW_MS	1000
#define TSC_SYNC_MAX_NS		BIT_ULL(51)	/* 26 days: times any rate it fits in 64 bits */

static u64 scale(const struct hv_vcpu *vcpu, u64 host_tsc)
{
	if (!vcpu->tsc.ratio)
		return host_tsc;
	return mul_u64_u64_shr(host_tsc, vcpu->tsc.ratio, hv_caps.tsc_ratio_frac_bits);
}

u64 hv_tsc_guest(struct hv_vcpu *vcpu, u64 host_tsc)
{
	return scale(vcpu, host_tsc) + vcpu->tsc.offset;
}

/* Ticks of the host in @ticks of the guest, whose ratio is not 0; U64_MAX: too many */
static u64 unscale(const struct hv_vcpu *vcpu, u64 ticks)
{
	u64 one = BIT_ULL(hv_caps.tsc_ratio_frac_bits), ratio = vcpu->tsc.ratio;

	/* only to a slower guest's ticks there are more of the host's: do they fit? */
	if (ratio < one && ticks > mul_u64_u64_shr(U64_MAX, ratio, hv_caps.tsc_ratio_frac_bits))
		return U64_MAX;
	return mul_u64_u64_div_u64(ticks, one, ratio);
}

u64 hv_tsc_host(struct hv_vcpu *vcpu, u64 guest_tsc)
{
	u64 now = rdtsc(), guest_now = hv_tsc_guest(vcpu, now), delta, add;

	if (guest_tsc <= guest_now)
		return now;
	delta = guest_tsc - guest_now;
	if (vcpu->tsc.ratio)
		delta = unscale(vcpu, delta);
	return check_add_overflow(now, delta, &add) ? U64_MAX : add;
}

/* Whatever was computed from the old offset follows. */
static void offset_set(struct hv_vcpu *vcpu, u64 offset)
{
	if (offset == vcpu->tsc.offset)
		return;
	WRITE_ONCE(vcpu->tsc.offset, offset);
	hv_ops->write_tsc_offset(vcpu, offset);
	hv_request(vcpu, HV_REQ_CLOCK_UPDATE);
	if (vcpu->lapic && vcpu->lapic->timer.deadline_tsc)
		hv_lapic_deadline_write(vcpu, vcpu->lapic->timer.deadline_tsc);
}

/* Is @value, now, what the VM's newest TSC has reached (or the 0 of a fresh vCPU)? */
static bool near_reference(const struct hv_clock *clock, u32 khz, u64 value, u64 now_ns)
{
	u64 window = (u64)khz * TSC_SYNC_WINDOW_MS, expected, distance;
	u64 elapsed_ns = now_ns - clock->last_tsc_ns;

	if (!clock->generation || clock->last_tsc_khz != khz)
		return false;
	if (!value)
		return true;
	if (!clock->last_tsc_by_user || elapsed_ns > TSC_SYNC_MAX_NS)
		return false;
	expected = clock->last_tsc_write + mul_u64_u64_div_u64(elapsed_ns, khz, NSEC_PER_MSEC);
	distance = value > expected ? value - expected : expected - value;
	return distance < window;
}

/* The offset that makes the guest read @value now, or, for @user, of the vCPUs it belongs to. */
static u64 offset_for(struct hv_vcpu *vcpu, u64 value, bool user)
{
	struct hv_clock *clock = &vcpu->vm->clock;
	u64 offset, now_ns;
	unsigned long flags;

	raw_spin_lock_irqsave(&clock->lock, flags);
	now_ns = ktime_get_raw_fast_ns();
	offset = value - scale(vcpu, rdtsc());
	if (user && near_reference(clock, vcpu->tsc.khz, value, now_ns)) {
		offset = clock->last_tsc_offset;
	} else {
		clock->generation++;
		clock->last_tsc_khz = vcpu->tsc.khz;
		clock->last_tsc_offset = offset;
		clock->last_tsc_write = value;
		clock->last_tsc_ns = now_ns;
		clock->last_tsc_by_user = user;
	}
	raw_spin_unlock_irqrestore(&clock->lock, flags);
	return offset;
}

void hv_tsc_init(struct hv_vcpu *vcpu)
{
	struct hv_clock *clock = &vcpu->vm->clock;
	u32 khz = vcpu->vm->default_tsc_khz;
	bool fresh = !clock->generation;

	vcpu->tsc.khz = tsc_khz;
	if (khz)
		hv_tsc_khz_set(vcpu, khz);
	vcpu->tsc.offset = 0;
	/* The first vCPU starts at 0; the others find the clock running and join it. */
	if (!fresh && clock->last_tsc_khz == vcpu->tsc.khz)
		offset_set(vcpu, clock->last_tsc_offset);
	else
		offset_set(vcpu, offset_for(vcpu, 0, false));
}

void hv_tsc_write(struct hv_vcpu *vcpu, u64 guest_tsc, bool host)
{
	u64 old = vcpu->tsc.offset;

	offset_set(vcpu, offset_for(vcpu, guest_tsc, host));
	/* SDM, "Time-Stamp Counter Adjustment": a guest's write shows in TSC_ADJUST too. */
	if (!host)
		vcpu->tsc.adjust += vcpu->tsc.offset - old;
}

void hv_tsc_offset_write(struct hv_vcpu *vcpu, u64 offset)
{
	struct hv_clock *clock = &vcpu->vm->clock;
	unsigned long flags;

	raw_spin_lock_irqsave(&clock->lock, flags);
	/* vCPUs that are given one offset stay together; another begins anew. */
	if (clock->last_tsc_offset != offset || clock->last_tsc_khz != vcpu->tsc.khz) {
		clock->generation++;
		clock->last_tsc_khz = vcpu->tsc.khz;
		clock->last_tsc_offset = offset;
		clock->last_tsc_write = scale(vcpu, rdtsc()) + offset;
		clock->last_tsc_ns = ktime_get_raw_fast_ns();
	}
	clock->last_tsc_by_user = true;
	raw_spin_unlock_irqrestore(&clock->lock, flags);
	offset_set(vcpu, offset);
}

void hv_tsc_adjust_write(struct hv_vcpu *vcpu, u64 adjust, bool host)
{
	u64 delta = adjust - vcpu->tsc.adjust;

	vcpu->tsc.adjust = adjust;
	/* User space restores the offset itself, through MSR_IA32_TSC. */
	if (!host && delta)
		offset_set(vcpu, vcpu->tsc.offset + delta);
}

/* What others change meanwhile they post HV_REQ_CLOCK_UPDATE for. */
bool hv_tscs_agree(struct hv_vm *vm)
{
	const struct hv_tsc *first = NULL;
	struct hv_vcpu *vcpu;
	int i;

	hv_for_each_vcpu(i, vcpu, vm) {
		if (!first)
			first = &vcpu->tsc;
		if (READ_ONCE(vcpu->tsc.offset) != READ_ONCE(first->offset) ||
		    READ_ONCE(vcpu->tsc.ratio) != READ_ONCE(first->ratio))
			return false;
	}
	return true;
}

static bool within_tolerance(u32 khz)
{
	u64 slack = div_u64((u64)tsc_khz * TSC_TOLERANCE_PPM, PPM);

	return khz >= tsc_khz - slack && khz <= tsc_khz + slack;
}

/* A frequency near the host's is taken where nothing scales, and what runs then is the host's. */
u32 hv_tsc_rate(const struct hv_vcpu *vcpu)
{
	return vcpu->tsc.ratio ? vcpu->tsc.khz : tsc_khz;
}

static u64 ratio_for(u32 khz)
{
	if (khz == tsc_khz)
		return 0;
	return mul_u64_u64_div_u64(khz, BIT_ULL(hv_caps.tsc_ratio_frac_bits), tsc_khz);
}

int hv_tsc_khz_set(struct hv_vcpu *vcpu, u32 khz)
{
	u64 ratio = 0;

	/* 0 asks for the host's own rate. */
	if (!khz)
		khz = tsc_khz;
	if (hv_caps.has_tsc_scaling) {
		ratio = ratio_for(khz);
		if (ratio > hv_caps.max_tsc_ratio || (!ratio && khz != tsc_khz))
			return -EINVAL;
	} else if (!within_tolerance(khz)) {
		return -EINVAL;
	}
	vcpu->tsc.khz = khz;
	WRITE_ONCE(vcpu->tsc.ratio, ratio);
	hv_ops->update(vcpu);
	hv_request(vcpu, HV_REQ_CLOCK_UPDATE);
	return 0;
}
