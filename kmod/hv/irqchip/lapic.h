/* SPDX-License-Identifier: GPL-2.0-only */
/* The local APIC of a vCPU (SDM volume 3, "Advanced Programmable Interrupt Controller"). */
#ifndef VELLUM_IRQCHIP_LAPIC_H
#define VELLUM_IRQCHIP_LAPIC_H

#include <linux/atomic.h>
#include <linux/hrtimer.h>
#include <linux/kvm.h>

#include "core/vcpu.h"

#define HV_APIC_WORDS	(KVM_NR_INTERRUPTS / 64)	/* a bit for each vector */

/**
 * struct hv_lapic_timer - the timer of one local APIC
 *
 * While the vCPU runs and the back end can bound a stay in the guest, the
 * expiry is such a bound (@hw); otherwise it is @hrtimer. Only @pending is
 * touched by other than the vCPU: the hrtimer sets it.
 */
struct hv_lapic_timer {
	struct hrtimer hrtimer;
	u64 deadline_tsc;	/* IA32_TSC_DEADLINE, guest TSC; 0: disarmed */
	u64 host_deadline;	/* when it is due, host TSC; valid if @armed */
	ktime_t target;		/* the same on CLOCK_MONOTONIC; count modes only */
	u64 period;		/* ns, TMICT times tick_ns; count modes only */
	u32 tick_ns;		/* one count: a bus cycle times the divisor (1-128) */
	bool armed;
	bool blocked;		/* the vCPU sleeps: @hw cannot serve */
	u32 mode;		/* of LVTT, as last acted upon */
	bool hw;		/* back end's deadline armed, hrtimer idle */
	atomic_t pending;	/* expired and not yet turned into IRR */
};

/**
 * struct hv_lapic - register page and what is not in it
 *
 * @regs has the hardware layout (one 32-bit register each 16 bytes; ICR of 64
 * bits in x2APIC mode), so that it can serve as the virtual-APIC page. With @by_hw
 * it does: the CPU delivers from IRR, ends interrupts and keeps PPR by itself. It
 * does so without atomics, so other tasks leave what they deliver in @incoming, from
 * where the vCPU moves it into IRR. Any task sets bits of TMR, with atomics, before
 * that; all else only the vCPU and its guest write.
 */
struct hv_lapic {
	struct hv_vcpu *vcpu;
	void *regs;			/* one page, zeroed */
	bool enabled;			/* IA32_APIC_BASE.EN */
	bool x2apic;
	bool sw_enabled;		/* SVR bit 8 */
	bool cmci;			/* there is an LVT entry for CMCI */
	u8 eoi_exit_vector;		/* for HV_REQ_IOAPIC_EOI */
	bool by_hw;			/* hardware delivers: set by the back end */
	unsigned long incoming[HV_APIC_WORDS];	/* delivered, not in IRR yet; any task */
	u64 eoi_exits[HV_APIC_WORDS];	/* vectors whose EOI concerns an IOAPIC */
	atomic_t irr_pending;		/* hint: IRR or @incoming may be non-zero */
	int highest_isr;		/* highest vector in service, -1: none; not with @by_hw */
	unsigned long pending_events;	/* BIT(HV_APIC_INIT), BIT(HV_APIC_SIPI); any task */
	u8 sipi_vector;			/* any task */
	unsigned long esr_pending;	/* errors since ESR was last written; any task */
	struct hv_lapic_timer timer;
};

#define HV_APIC_BUS_CYCLE_NS	1	/* unless KVM_CAP_X86_APIC_BUS_CYCLES_NS says otherwise */

enum hv_apic_event { HV_APIC_INIT, HV_APIC_SIPI };

/* @vcpu->index is set. 0 or -ENOMEM */
int hv_lapic_create(struct hv_vcpu *vcpu);
void hv_lapic_destroy(struct hv_vcpu *vcpu);		/* NULL-safe; timer cancelled */
/* also without a LAPIC: sets vcpu->msr.apic_base on RESET */
void hv_lapic_reset(struct hv_vcpu *vcpu, bool init);

/* IA32_APIC_BASE; enum hv_msr_result */
int hv_lapic_base_write(struct hv_vcpu *vcpu, u64 value, bool host);
/* TSC-deadline MSR; x2APIC MSRs 0x800-0x8ff: enum hv_msr_result */
u64 hv_lapic_deadline_read(struct hv_vcpu *vcpu);
void hv_lapic_deadline_write(struct hv_vcpu *vcpu, u64 value);
int hv_lapic_x2apic_read(struct hv_vcpu *vcpu, u32 msr, u64 *value);
int hv_lapic_x2apic_write(struct hv_vcpu *vcpu, u32 msr, u64 value);
/* xAPIC page: is @gpa in it; the access. 0, or -EOPNOTSUPP outside */
bool hv_lapic_owns(struct hv_vcpu *vcpu, u64 gpa);
int hv_lapic_mmio_read(struct hv_vcpu *vcpu, u64 gpa, unsigned int len, void *val);
int hv_lapic_mmio_write(struct hv_vcpu *vcpu, u64 gpa, unsigned int len, const void *val);
/* back ends with a trap-after-write exit: the register at @offset was written in @regs */
int hv_lapic_written(struct hv_vcpu *vcpu, u32 offset);
void hv_lapic_eoi_vector(struct hv_vcpu *vcpu, u8 vector);	/* virtualized EOI exit */
/* back ends: from now on hardware, or software, delivers from @regs. Loaded */
void hv_lapic_set_by_hw(struct hv_vcpu *vcpu, bool on);
int hv_lapic_requested(struct hv_vcpu *vcpu);	/* highest vector of IRR, or -1 */
int hv_lapic_in_service(struct hv_vcpu *vcpu);	/* highest vector of ISR, or -1 */
u8 hv_lapic_held_back(struct hv_vcpu *vcpu);	/* class of what only TPR holds back, or 0 */
/* What is in service ends without anybody else being told, and nothing waits for that end. */
bool hv_lapic_eoi_is_local(struct hv_vcpu *vcpu);
void hv_lapic_eoi(struct hv_vcpu *vcpu);	/* as the guest's write of EOI */
int hv_lapic_eoi_exit(struct hv_vcpu *vcpu);	/* HV_REQ_IOAPIC_EOI: fills the run page */

u64 hv_lapic_tpr(struct hv_vcpu *vcpu);			/* as CR8: 0-15 */
void hv_lapic_set_tpr(struct hv_vcpu *vcpu, u64 cr8);

/* Set @vector in IRR of @vcpu and kick it. Any context. @level: EOI goes to the IOAPIC. */
bool hv_lapic_deliver(struct hv_vcpu *vcpu, u8 vector, bool level);
/* highest IRR vector above PPR, or -1; take: IRR -> ISR */
int hv_lapic_pending(struct hv_vcpu *vcpu);
int hv_lapic_take(struct hv_vcpu *vcpu);
/* HV_REQ_APIC_EVENT: INIT, SIPI. Loaded; changes mp_state */
void hv_lapic_events(struct hv_vcpu *vcpu);
/* before entry, irqs on: expired timer -> IRR */
void hv_lapic_timer_sync(struct hv_vcpu *vcpu);
/* A blocked vCPU looks again: expired timer -> IRR; hv_irq_pending() knows whether that wakes it */
bool hv_lapic_timer_expired(struct hv_vcpu *vcpu);
void hv_lapic_deadline_hit(struct hv_vcpu *vcpu);	/* back end: set_deadline()'s time came */
/* a vCPU is about to block, or runs again: move between back-end deadline and hrtimer */
void hv_lapic_timer_block(struct hv_vcpu *vcpu);
void hv_lapic_timer_unblock(struct hv_vcpu *vcpu);

/* KVM_GET/SET_LAPIC; loaded. 0, -EINVAL (x2APIC id that is not this vCPU's) */
int hv_lapic_get(struct hv_vcpu *vcpu, struct kvm_lapic_state *s);
int hv_lapic_set(struct hv_vcpu *vcpu, const struct kvm_lapic_state *s);
/* MCG_CAP says whether there is an LVT entry for CMCI; the event. No LAPIC: nothing. */
void hv_lapic_set_cmci(struct hv_vcpu *vcpu, bool there);
void hv_lapic_cmci(struct hv_vcpu *vcpu);
/*
 * KVM_HC_SEND_IPI: bit n of the mask, whose halves have @bits each, is APIC id @min + n. The
 * number of vCPUs that took it.
 */
int hv_lapic_send_ipi_mask(struct hv_vcpu *vcpu, u64 mask_lo, u64 mask_hi, unsigned int bits,
			   u32 min, u32 icr);

#endif /* VELLUM_IRQCHIP_LAPIC_H */
