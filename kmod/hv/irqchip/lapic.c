// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC: its life, its modes, and the way of an interrupt from IRR
 * through ISR to EOI (SDM volume 3, "Handling Interrupts").
 */
#include <linux/slab.h>
#include <asm/msr-index.h>

#include "core/ops.h"
#include "core/request.h"
#include "irqchip/apic_map.h"
#include "irqchip/ioapic.h"
#include "irqchip/lapic_int.h"
#include "x86/cpuid.h"

#define HV_APIC_BASE_FLAGS	(MSR_IA32_APICBASE_BSP | X2APIC_ENABLE | XAPIC_ENABLE)
#define HV_PRIORITY_CLASS	0xf0
#define HV_CLASS_SHIFT		4

int lapic_highest(const struct hv_lapic *lapic, u32 group)
{
	int i;

	for (i = APIC_ISR_NR - 1; i >= 0; i--) {
		u32 word = lapic_reg(lapic, group + i * HV_LAPIC_REG_STRIDE);

		if (word)
			return i * 32 + __fls(word);
	}
	return -1;
}

static int highest_in_service(const struct hv_lapic *lapic)
{
	return lapic->by_hw ? lapic_highest(lapic, APIC_ISR) : lapic->highest_isr;
}

/* SDM, "Task and Processor Priorities". Hardware that has TPR writes it without our knowing. */
void lapic_update_ppr(struct hv_lapic *lapic)
{
	u32 tpr = lapic_reg(lapic, APIC_TASKPRI) & APIC_TPRI_MASK;
	u32 in_service = max(highest_in_service(lapic), 0) & HV_PRIORITY_CLASS;

	lapic_set_reg(lapic, APIC_PROCPRI,
		      (tpr & HV_PRIORITY_CLASS) >= in_service ? tpr : in_service);
}

bool lapic_set_irr(struct hv_lapic *lapic, u8 vector, bool level)
{
	unsigned long *tmr = lapic_vector_word(lapic, APIC_TMR, vector);

	/* TMR tells how the interrupt in IRR came: it is there first */
	if (test_bit(vector % 32, tmr) != level) {
		if (level)
			set_bit(vector % 32, tmr);
		else
			clear_bit(vector % 32, tmr);
	}
	if (test_and_set_bit(vector, lapic->incoming))
		return false;
	atomic_set(&lapic->irr_pending, 1);
	return true;
}

/* The two registers of a 256-bit group that hold 64 vectors. */
static u64 vectors_get(const struct hv_lapic *lapic, u32 group, unsigned int i)
{
	u32 low = group + 2 * i * HV_LAPIC_REG_STRIDE;

	return lapic_reg(lapic, low) | (u64)lapic_reg(lapic, low + HV_LAPIC_REG_STRIDE) << 32;
}

static void irr_add(struct hv_lapic *lapic, unsigned int i, u64 vectors)
{
	u32 low = APIC_IRR + 2 * i * HV_LAPIC_REG_STRIDE;
	u32 high = low + HV_LAPIC_REG_STRIDE;

	lapic_set_reg(lapic, low, lapic_reg(lapic, low) | (u32)vectors);
	lapic_set_reg(lapic, high, lapic_reg(lapic, high) | vectors >> 32);
}

/* Level-triggered ones, and what an IOAPIC pin may have sent: someone may wait for its end. */
static void update_eoi_exits(struct hv_lapic *lapic, unsigned int i)
{
	lapic->eoi_exits[i] = vectors_get(lapic, APIC_TMR, i) |
			      hv_ioapic_vectors(lapic->vcpu->vm, i);
}

void lapic_update_eoi_exits(struct hv_lapic *lapic)
{
	unsigned int i;

	for (i = 0; i < HV_APIC_WORDS; i++)
		update_eoi_exits(lapic, i);
}

void lapic_collect(struct hv_lapic *lapic)
{
	bool found = false;
	unsigned int i;

	for (i = 0; i < HV_APIC_WORDS; i++) {
		if (!READ_ONCE(lapic->incoming[i]))
			continue;
		irr_add(lapic, i, xchg(&lapic->incoming[i], 0));
		update_eoi_exits(lapic, i);
		found = true;
	}
	if (found && lapic->by_hw)
		hv_ops->apic_irr(lapic->vcpu, lapic_highest(lapic, APIC_IRR));
}

void lapic_tell_back_end(struct hv_lapic *lapic)
{
	if (hv_ops->update_apic)
		hv_ops->update_apic(lapic->vcpu);
}

int hv_lapic_requested(struct hv_vcpu *vcpu)
{
	return lapic_highest(vcpu->lapic, APIC_IRR);
}

int hv_lapic_in_service(struct hv_vcpu *vcpu)
{
	return lapic_highest(vcpu->lapic, APIC_ISR);
}

u8 hv_lapic_held_back(struct hv_vcpu *vcpu)
{
	const struct hv_lapic *lapic = vcpu->lapic;
	int class, in_service, vector;

	if (!atomic_read(&lapic->irr_pending))
		return 0;
	vector = max(lapic_highest(lapic, APIC_IRR), 0);
	in_service = max(highest_in_service(lapic), 0);
	class = vector >> HV_CLASS_SHIFT;
	if (class <= in_service >> HV_CLASS_SHIFT || class > hv_lapic_tpr(vcpu))
		return 0;
	return class;
}

void hv_lapic_set_by_hw(struct hv_vcpu *vcpu, bool on)
{
	struct hv_lapic *lapic = vcpu->lapic;

	lapic->by_hw = on;
	lapic_update_eoi_exits(lapic);
	lapic->highest_isr = lapic_highest(lapic, APIC_ISR);
	lapic_update_ppr(lapic);
	atomic_set(&lapic->irr_pending, 1);
	/* what waits is offered anew, by whom it may concern now */
	hv_request(vcpu, HV_REQ_EVENT);
}

bool lapic_accept(struct hv_lapic *lapic, u8 vector, bool level)
{
	if (!READ_ONCE(lapic->enabled) || !READ_ONCE(lapic->sw_enabled))
		return false;
	if (vector < HV_LAPIC_FIRST_VECTOR) {
		lapic_error(lapic, APIC_ESR_RECVILL);
		return false;
	}
	/* Whoever set the bit first also kicks. */
	if (lapic_set_irr(lapic, vector, level)) {
		hv_request(lapic->vcpu, HV_REQ_EVENT);
		hv_vcpu_kick(lapic->vcpu);
	}
	return true;
}

bool hv_lapic_deliver(struct hv_vcpu *vcpu, u8 vector, bool level)
{
	return vcpu->lapic && lapic_accept(vcpu->lapic, vector, level);
}

int hv_lapic_pending(struct hv_vcpu *vcpu)
{
	struct hv_lapic *lapic = vcpu->lapic;
	int vector;
	u32 ppr;

	if (!lapic->enabled || !atomic_read(&lapic->irr_pending))
		return -1;
	lapic_collect(lapic);
	lapic_update_ppr(lapic);
	vector = lapic_highest(lapic, APIC_IRR);
	ppr = lapic_reg(lapic, APIC_PROCPRI) & HV_PRIORITY_CLASS;
	if (vector < 0 || (vector & HV_PRIORITY_CLASS) <= ppr)
		return -1;
	return vector;
}

/* Clear the hint if IRR became empty, without losing a bit that comes now. */
static void refresh_irr_hint(struct hv_lapic *lapic)
{
	if (lapic_highest(lapic, APIC_IRR) >= 0)
		return;
	atomic_set(&lapic->irr_pending, 0);
	smp_mb();	/* the setter: incoming bit, barrier of its atomic, hint */
	if (!bitmap_empty(lapic->incoming, KVM_NR_INTERRUPTS))
		atomic_set(&lapic->irr_pending, 1);
}

int hv_lapic_take(struct hv_vcpu *vcpu)
{
	struct hv_lapic *lapic = vcpu->lapic;
	int vector = hv_lapic_pending(vcpu);

	if (vector < 0)
		return -1;
	__clear_bit(vector % 32, lapic_vector_word(lapic, APIC_IRR, vector));
	refresh_irr_hint(lapic);
	__set_bit(vector % 32, lapic_vector_word(lapic, APIC_ISR, vector));
	/* it was above PPR, so above all others in service */
	lapic->highest_isr = vector;
	lapic_update_ppr(lapic);
	return vector;
}

/* The IOAPIC, wherever it is, learns that a level-triggered interrupt is done. */
static void broadcast_eoi(struct hv_lapic *lapic, u8 vector)
{
	struct hv_vcpu *vcpu = lapic->vcpu;
	bool level = lapic_vector_test(lapic, APIC_TMR, vector);

	if (!vcpu->vm->split_irqchip) {
		hv_ioapic_eoi(vcpu->vm, vector, level);
	} else if (level) {
		lapic->eoi_exit_vector = vector;
		hv_request(vcpu, HV_REQ_IOAPIC_EOI);
	}
}

static void end_of_interrupt(struct hv_lapic *lapic, u8 vector)
{
	__clear_bit(vector % 32, lapic_vector_word(lapic, APIC_ISR, vector));
	lapic->highest_isr = lapic_highest(lapic, APIC_ISR);
	lapic_update_ppr(lapic);
	broadcast_eoi(lapic, vector);
	if (atomic_read(&lapic->irr_pending))
		hv_request(lapic->vcpu, HV_REQ_EVENT);
}

void lapic_eoi(struct hv_lapic *lapic)
{
	int vector = highest_in_service(lapic);

	/* an EOI with nothing in service has no effect */
	if (vector < 0)
		return;
	end_of_interrupt(lapic, vector);
	if (lapic->by_hw)
		lapic_tell_back_end(lapic);
}

void hv_lapic_eoi(struct hv_vcpu *vcpu)
{
	lapic_eoi(vcpu->lapic);
}

bool hv_lapic_eoi_is_local(struct hv_vcpu *vcpu)
{
	const struct hv_lapic *lapic = vcpu->lapic;
	int vector = lapic->highest_isr;

	if (lapic->by_hw || vector < 0 || atomic_read(&lapic->irr_pending))
		return false;
	return !(lapic->eoi_exits[vector / 64] & BIT_ULL(vector % 64));
}

/* The hardware has done the EOI; what it could not do remains. */
void hv_lapic_eoi_vector(struct hv_vcpu *vcpu, u8 vector)
{
	broadcast_eoi(vcpu->lapic, vector);
}

int hv_lapic_eoi_exit(struct hv_vcpu *vcpu)
{
	vcpu->run->exit_reason = KVM_EXIT_IOAPIC_EOI;
	vcpu->run->eoi.vector = vcpu->lapic->eoi_exit_vector;
	return HV_USERSPACE;
}

u64 hv_lapic_tpr(struct hv_vcpu *vcpu)
{
	if (!vcpu->lapic)
		return vcpu->cr8;
	return (lapic_reg(vcpu->lapic, APIC_TASKPRI) & APIC_TPRI_MASK) >> 4;
}

void hv_lapic_set_tpr(struct hv_vcpu *vcpu, u64 cr8)
{
	if (!vcpu->lapic)
		vcpu->cr8 = cr8 & 0xf;
	else
		lapic_reg_write(vcpu->lapic, APIC_TASKPRI, (cr8 & 0xf) << 4);
}

/* SDM, "Logical x2APIC ID": cluster in the upper half, a bit for the CPU in the lower. */
static u32 x2apic_ldr(u32 id)
{
	return (id / HV_X2APIC_CLUSTER_SIZE) << 16 | BIT(id % HV_X2APIC_CLUSTER_SIZE);
}

/* What the mode makes of the registers that name this LAPIC. */
void lapic_set_id_regs(struct hv_lapic *lapic)
{
	u32 id = lapic->vcpu->id;

	if (lapic->x2apic) {
		lapic_set_reg(lapic, APIC_ID, id);
		lapic_set_reg(lapic, APIC_LDR, x2apic_ldr(id));
	} else {
		lapic_set_reg(lapic, APIC_ID, SET_XAPIC_DEST_FIELD(id));
		lapic_set_reg(lapic, APIC_LDR, 0);
	}
	lapic_set_reg(lapic, APIC_DFR, APIC_DFR_FLAT);
}

void lapic_map_changed(struct hv_lapic *lapic)
{
	if (hv_apic_map_update(lapic))
		hv_request(lapic->vcpu, HV_REQ_OUT_OF_MEMORY);
}

/*
 * SDM, "Local APIC State After Power-Up or Reset"; an INIT keeps mode and id. The BIOS-less
 * guests of the KVM ABI expect the boot processor's LINT0 to pass the 8259s' interrupts.
 */
static void reset_regs(struct hv_lapic *lapic)
{
	struct hv_vcpu *vcpu = lapic->vcpu;
	u32 lvt;

	lapic_timer_stop(lapic);
	memset(lapic->regs, 0, PAGE_SIZE);
	bitmap_zero(lapic->incoming, KVM_NR_INTERRUPTS);
	lapic_set_id_regs(lapic);
	lapic_set_reg(lapic, APIC_LVR, lapic->cmci ? HV_LAPIC_VERSION_CMCI : HV_LAPIC_VERSION);
	for (lvt = APIC_LVTT; lvt <= APIC_LVTERR; lvt += HV_LAPIC_REG_STRIDE)
		lapic_set_reg(lapic, lvt, APIC_LVT_MASKED);
	if (lapic->cmci)
		lapic_set_reg(lapic, APIC_LVTCMCI, APIC_LVT_MASKED);
	if (vcpu->id == vcpu->vm->bsp_id &&
	    !hv_quirk_off(vcpu->vm, KVM_X86_QUIRK_LINT0_REENABLED))
		lapic_set_reg(lapic, APIC_LVT0, APIC_DM_EXTINT);
	lapic_set_reg(lapic, APIC_SPIV, APIC_VECTOR_MASK);
	WRITE_ONCE(lapic->sw_enabled, false);
	lapic->timer.deadline_tsc = 0;
	lapic->timer.period = 0;
	lapic->timer.mode = 0;
	lapic_timer_set_divide(lapic, 0);
	lapic->esr_pending = 0;
	lapic->highest_isr = -1;
	atomic_set(&lapic->irr_pending, 0);
}

static void reset_mode(struct hv_lapic *lapic)
{
	u64 base = lapic->vcpu->msr.apic_base;

	WRITE_ONCE(lapic->enabled, base & XAPIC_ENABLE);
	lapic->x2apic = base & X2APIC_ENABLE;
}

static u64 reset_base(const struct hv_vcpu *vcpu)
{
	u64 bsp = vcpu->id == vcpu->vm->bsp_id ? MSR_IA32_APICBASE_BSP : 0;

	return APIC_DEFAULT_PHYS_BASE | XAPIC_ENABLE | bsp;
}

void hv_lapic_reset(struct hv_vcpu *vcpu, bool init)
{
	struct hv_lapic *lapic = vcpu->lapic;
	u32 id;

	if (!init)
		vcpu->msr.apic_base = reset_base(vcpu);
	if (!lapic)
		return;
	/* The bit of an offer stays where it is: the guest's memory is not reset. */
	vcpu->pv.eoi_offered = false;
	vcpu->pv.eoi_msr = 0;
	id = lapic_reg(lapic, APIC_ID);
	reset_mode(lapic);
	reset_regs(lapic);
	if (init)
		lapic_set_reg(lapic, APIC_ID, id);
	else
		lapic->pending_events = 0;
	lapic_map_changed(lapic);
	lapic_tell_back_end(lapic);
}

int hv_lapic_create(struct hv_vcpu *vcpu)
{
	struct hv_lapic *lapic = kzalloc(sizeof(*lapic), GFP_KERNEL_ACCOUNT);
	int ret = -ENOMEM;

	if (!lapic)
		return ret;
	lapic->regs = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!lapic->regs)
		goto free;
	lapic->vcpu = vcpu;
	lapic_timer_init(lapic);
	vcpu->msr.apic_base = reset_base(vcpu);
	reset_mode(lapic);
	reset_regs(lapic);
	ret = hv_apic_map_update(lapic);
	if (ret)
		goto free;
	vcpu->lapic = lapic;
	return 0;
free:
	free_page((unsigned long)lapic->regs);
	kfree(lapic);
	return ret;
}

/*
 * When the VM ends its map went first. Else this undoes a creation, and a
 * sender may still have found us in the old map.
 */
void hv_lapic_destroy(struct hv_vcpu *vcpu)
{
	struct hv_lapic *lapic = vcpu->lapic;

	if (!lapic)
		return;
	if (rcu_access_pointer(vcpu->vm->apic_map)) {
		hv_apic_map_forget(lapic);
		synchronize_rcu();
	}
	vcpu->lapic = NULL;
	hrtimer_cancel(&lapic->timer.hrtimer);
	free_page((unsigned long)lapic->regs);
	kfree(lapic);
}

/* SDM, "x2APIC State Transitions": which steps a guest may take */
static bool transition_allowed(u64 old, u64 new)
{
	u64 old_mode = old & (XAPIC_ENABLE | X2APIC_ENABLE);
	u64 new_mode = new & (XAPIC_ENABLE | X2APIC_ENABLE);

	if (new_mode == (XAPIC_ENABLE | X2APIC_ENABLE))
		return old_mode != 0;
	if (new_mode == XAPIC_ENABLE)
		return old_mode != (XAPIC_ENABLE | X2APIC_ENABLE);
	return true;
}

static bool base_valid(struct hv_vcpu *vcpu, u64 value)
{
	u64 address = GENMASK_ULL(vcpu->maxphyaddr - 1, PAGE_SHIFT);

	if (value & ~(address | HV_APIC_BASE_FLAGS))
		return false;
	if (!(value & X2APIC_ENABLE))
		return true;
	return (value & XAPIC_ENABLE) && hv_cpuid_has(vcpu, HV_F_X2APIC);
}

static void mode_changed(struct hv_lapic *lapic)
{
	bool was_enabled = lapic->enabled, was_x2apic = lapic->x2apic;

	reset_mode(lapic);
	if (lapic->enabled && !was_enabled)
		reset_regs(lapic);
	else if (lapic->x2apic != was_x2apic)
		lapic_set_id_regs(lapic);
	if (!lapic->enabled)
		lapic_timer_stop(lapic);
	lapic_map_changed(lapic);
	lapic_tell_back_end(lapic);
	/* IRR is evaluated again, and a disabled LAPIC passes the 8259s' interrupts */
	hv_request(lapic->vcpu, HV_REQ_EVENT);
}

int hv_lapic_base_write(struct hv_vcpu *vcpu, u64 value, bool host)
{
	u64 old = vcpu->msr.apic_base;

	if (!base_valid(vcpu, value) || (!host && !transition_allowed(old, value)))
		return HV_MSR_INVALID;
	/* x2APIC mode needs a LAPIC */
	if (!vcpu->lapic && (value & X2APIC_ENABLE))
		return HV_MSR_INVALID;
	vcpu->msr.apic_base = value;
	if (!((old ^ value) & (XAPIC_ENABLE | X2APIC_ENABLE))) {
		if (vcpu->lapic && old != value)
			lapic_tell_back_end(vcpu->lapic);
		return HV_MSR_OK;
	}
	if (vcpu->lapic)
		mode_changed(vcpu->lapic);
	hv_cpuid_refresh(vcpu);
	hv_ops->update(vcpu);
	return HV_MSR_OK;
}
