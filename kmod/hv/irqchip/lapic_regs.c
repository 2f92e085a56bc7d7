// SPDX-License-Identifier: GPL-2.0-only
/*
 * The registers of the local APIC as the guest reaches them: through the xAPIC
 * page, through the x2APIC MSRs, or as CR8 (SDM volume 3, "Local APIC Register
 * Address Map" and "x2APIC Register Address Space").
 */
#include <linux/string.h>

#include "core/request.h"
#include "irqchip/lapic_int.h"
#include "x86/cpuid.h"
#include "x86/pv_eoi.h"

#define HV_LAPIC_END		0x400	/* of the registers in the page */
#define HV_ICR_X2APIC_RESERVED	0xfff32000
#define HV_SPIV_WRITABLE	(APIC_VECTOR_MASK | APIC_SPIV_APIC_ENABLED | \
				 APIC_SPIV_FOCUS_DISABLED)
#define HV_LVT_COMMON		(APIC_VECTOR_MASK | APIC_LVT_MASKED)
#define HV_LVT_LINT		(HV_LVT_COMMON | APIC_MODE_MASK | APIC_INPUT_POLARITY | \
				 APIC_LVT_LEVEL_TRIGGER)
#define HV_ESR_ERRORS		(APIC_ESR_SENDILL | APIC_ESR_RECVILL | APIC_ESR_ILLREGA)

/* The bits of LVT entry @offset that software may set. */
u32 lapic_lvt_mask(const struct hv_lapic *lapic, u32 offset)
{
	switch (offset) {
	case APIC_LVTT:
		if (hv_cpuid_has(lapic->vcpu, HV_F_TSC_DEADLINE))
			return HV_LVT_COMMON | HV_LVT_TIMER_MODE;
		return HV_LVT_COMMON | APIC_LVT_TIMER_PERIODIC;
	case APIC_LVTTHMR:
	case APIC_LVTPC:
	case APIC_LVTCMCI:
		return HV_LVT_COMMON | APIC_MODE_MASK;
	case APIC_LVT0:
	case APIC_LVT1:
		return HV_LVT_LINT;
	default:
		return HV_LVT_COMMON;
	}
}

static void lvt_deliver(struct hv_lapic *lapic, u32 lvt)
{
	switch (lvt & APIC_MODE_MASK) {
	case APIC_DM_FIXED:
		if ((lvt & APIC_VECTOR_MASK) >= HV_LAPIC_FIRST_VECTOR)
			lapic_accept(lapic, lvt & APIC_VECTOR_MASK, false);
		break;
	case APIC_DM_NMI:
		hv_vcpu_nmi(lapic->vcpu);
		break;
	default:
		/* SMI and INIT have no source here; ExtINT is a level, not an event */
		break;
	}
}

/* What an event of LVT entry @offset makes happen. */
static void lvt_event(struct hv_lapic *lapic, u32 offset)
{
	u32 lvt = lapic_reg(lapic, offset);

	if (!(lvt & APIC_LVT_MASKED))
		lvt_deliver(lapic, lvt);
}

void lapic_error(struct hv_lapic *lapic, u32 error)
{
	unsigned long *pending = &lapic->esr_pending;

	if (!test_and_set_bit(__ffs(error), pending))
		lvt_event(lapic, APIC_LVTERR);
}

void hv_lapic_set_cmci(struct hv_vcpu *vcpu, bool there)
{
	struct hv_lapic *lapic = vcpu->lapic;

	if (!lapic)
		return;
	lapic->cmci = there;
	lapic_set_reg(lapic, APIC_LVR, there ? HV_LAPIC_VERSION_CMCI : HV_LAPIC_VERSION);
	lapic_set_reg(lapic, APIC_LVTCMCI, there ? APIC_LVT_MASKED : 0);
}

void hv_lapic_cmci(struct hv_vcpu *vcpu)
{
	struct hv_lapic *lapic = vcpu->lapic;

	if (lapic && lapic->enabled && lapic->cmci)
		lvt_event(lapic, APIC_LVTCMCI);
}

/* Operating systems use LINT0 as a virtual wire, or as an NMI watchdog driven by the 8254. */
void lapic_lint0_event(struct hv_lapic *lapic)
{
	if (READ_ONCE(lapic->enabled))
		lvt_event(lapic, APIC_LVT0);
}

/* Are the 8259s' interrupts for this CPU? A disabled LAPIC is a wire. */
bool lapic_accepts_extint(const struct hv_lapic *lapic)
{
	u32 lvt = lapic_reg(lapic, APIC_LVT0);

	return !READ_ONCE(lapic->enabled) ||
	       (lvt & (APIC_LVT_MASKED | APIC_MODE_MASK)) == APIC_DM_EXTINT;
}

/* SDM, "Local APIC State After It Has Been Software Disabled": LVT masks stick. */
void lapic_set_spiv(struct hv_lapic *lapic, u32 value)
{
	bool on = value & APIC_SPIV_APIC_ENABLED;
	u32 lvt;

	lapic_set_reg(lapic, APIC_SPIV, value & HV_SPIV_WRITABLE);
	if (on != lapic->sw_enabled) {
		WRITE_ONCE(lapic->sw_enabled, on);
		lapic_tell_back_end(lapic);
	}
	if (on)
		return;
	for (lvt = APIC_LVTT; lvt <= APIC_LVTERR; lvt += HV_LAPIC_REG_STRIDE)
		lapic_set_reg(lapic, lvt, lapic_reg(lapic, lvt) | APIC_LVT_MASKED);
	if (lapic->cmci)
		lapic_set_reg(lapic, APIC_LVTCMCI,
			      lapic_reg(lapic, APIC_LVTCMCI) | APIC_LVT_MASKED);
}

static void write_lvt(struct hv_lapic *lapic, u32 offset, u32 value)
{
	value &= lapic_lvt_mask(lapic, offset);
	if (!lapic->sw_enabled)
		value |= APIC_LVT_MASKED;
	lapic_set_reg(lapic, offset, value);
	if (offset == APIC_LVTT)
		lapic_timer_mode_changed(lapic);
	else if (offset == APIC_LVT0)
		/* an interrupt of the 8259s may wait behind it */
		hv_request(lapic->vcpu, HV_REQ_EVENT);
}

static void write_tpr(struct hv_lapic *lapic, u32 value)
{
	lapic_set_reg(lapic, APIC_TASKPRI, value & APIC_TPRI_MASK);
	lapic_update_ppr(lapic);
	if (!atomic_read(&lapic->irr_pending))
		return;
	lapic_tell_back_end(lapic);
	hv_request(lapic->vcpu, HV_REQ_EVENT);
}

/* SDM, "Error Handling": a write arms it anew and shows what has gathered. */
static void write_esr(struct hv_lapic *lapic)
{
	lapic_set_reg(lapic, APIC_ESR, xchg(&lapic->esr_pending, 0) & HV_ESR_ERRORS);
}

static void write_naming_reg(struct hv_lapic *lapic, u32 offset, u32 value)
{
	/* Hardware may have put the new value there already: the old one is not to be seen. */
	lapic_set_reg(lapic, offset, value);
	lapic_map_changed(lapic);
}

/* The registers that both modes have and write alike. false: there is no such one. */
static bool write_common(struct hv_lapic *lapic, u32 offset, u32 value)
{
	switch (offset) {
	case APIC_TASKPRI:
		write_tpr(lapic, value);
		return true;
	case APIC_EOI:
		lapic_eoi(lapic);
		return true;
	case APIC_SPIV:
		lapic_set_spiv(lapic, value);
		return true;
	case APIC_ESR:
		write_esr(lapic);
		return true;
	case APIC_LVTT:
	case APIC_LVTTHMR:
	case APIC_LVTPC:
	case APIC_LVT0:
	case APIC_LVT1:
	case APIC_LVTERR:
		write_lvt(lapic, offset, value);
		return true;
	case APIC_LVTCMCI:
		if (!lapic->cmci)
			return false;
		write_lvt(lapic, offset, value);
		return true;
	case APIC_TMICT:
		lapic_timer_set_count(lapic, value);
		return true;
	case APIC_TDCR:
		lapic_timer_set_divide(lapic, value);
		return true;
	default:
		return false;
	}
}

static bool write_xapic_only(struct hv_lapic *lapic, u32 offset, u32 value)
{
	switch (offset) {
	case APIC_ID:
		write_naming_reg(lapic, offset, value & APIC_LDR_MASK);
		return true;
	case APIC_LDR:
		write_naming_reg(lapic, offset, value & APIC_LDR_MASK);
		return true;
	case APIC_DFR:
		write_naming_reg(lapic, offset, value | APIC_DFR_CLUSTER);
		return true;
	case APIC_ICR2:
		lapic_set_reg(lapic, offset, value & APIC_LDR_MASK);
		return true;
	case APIC_ICR:
		value &= ~APIC_ICR_BUSY;
		lapic_set_reg(lapic, offset, value);
		lapic_send_icr(lapic, value, GET_XAPIC_DEST_FIELD(lapic_reg(lapic, APIC_ICR2)));
		return true;
	default:
		return false;
	}
}

bool lapic_reg_write(struct hv_lapic *lapic, u32 offset, u32 value)
{
	return write_common(lapic, offset, value) ||
	       (!lapic->x2apic && write_xapic_only(lapic, offset, value));
}

static bool is_readable(const struct hv_lapic *lapic, u32 offset)
{
	switch (offset) {
	case APIC_LVTCMCI:
		return lapic->cmci;
	case APIC_ISR ... APIC_ESR:	/* ISR, TMR, IRR, ESR */
	case APIC_ICR ... APIC_TMCCT:	/* ICR, LVT but CMCI, timer */
	case APIC_ID:
	case APIC_LVR:
	case APIC_TASKPRI:
	case APIC_PROCPRI:
	case APIC_LDR:
	case APIC_SPIV:
	case APIC_TDCR:
		return true;
	default:
		return false;
	}
}

static bool is_readable_xapic(const struct hv_lapic *lapic, u32 offset)
{
	return offset == APIC_ARBPRI || offset == APIC_DFR || offset == APIC_EOI ||
	       is_readable(lapic, offset);
}

static u32 read_reg(struct hv_lapic *lapic, u32 offset)
{
	switch (offset) {
	case APIC_IRR ... APIC_IRR + (APIC_ISR_NR - 1) * HV_LAPIC_REG_STRIDE:
		lapic_collect(lapic);
		return lapic_reg(lapic, offset);
	case APIC_PROCPRI:
		lapic_update_ppr(lapic);
		return lapic_reg(lapic, offset);
	case APIC_TMCCT:
		return lapic_timer_current(lapic);
	case APIC_EOI:
		return 0;
	default:
		return lapic_reg(lapic, offset);
	}
}

bool hv_lapic_owns(struct hv_vcpu *vcpu, u64 gpa)
{
	struct hv_lapic *lapic = vcpu->lapic;

	return lapic && lapic->enabled && !lapic->x2apic &&
	       (gpa & PAGE_MASK) == (vcpu->msr.apic_base & PAGE_MASK);
}

/*
 * SDM: registers lie on 16-byte boundaries and want aligned 32-bit accesses; what
 * others do is undefined. Here: parts of the four bytes read as parts, all else as 0.
 */
int hv_lapic_mmio_read(struct hv_vcpu *vcpu, u64 gpa, unsigned int len, void *val)
{
	u32 reg = (gpa & ~PAGE_MASK) & ~(HV_LAPIC_REG_STRIDE - 1);
	u32 byte = gpa & (HV_LAPIC_REG_STRIDE - 1);
	u32 value;

	if (!hv_lapic_owns(vcpu, gpa))
		return -EOPNOTSUPP;
	hv_pv_eoi_sync(vcpu);
	memset(val, 0, len);
	if (byte + len > sizeof(value))
		return 0;
	if (reg >= HV_LAPIC_END || !is_readable_xapic(vcpu->lapic, reg)) {
		lapic_error(vcpu->lapic, APIC_ESR_ILLREGA);
		return 0;
	}
	value = read_reg(vcpu->lapic, reg);
	memcpy(val, (u8 *)&value + byte, len);
	return 0;
}

int hv_lapic_mmio_write(struct hv_vcpu *vcpu, u64 gpa, unsigned int len, const void *val)
{
	u32 reg = gpa & ~PAGE_MASK;
	u32 value;

	if (!hv_lapic_owns(vcpu, gpa))
		return -EOPNOTSUPP;
	hv_pv_eoi_sync(vcpu);
	if (len != sizeof(u32) || (reg & (HV_LAPIC_REG_STRIDE - 1)))
		return 0;
	memcpy(&value, val, sizeof(value));
	if (!lapic_reg_write(vcpu->lapic, reg, value))
		lapic_error(vcpu->lapic, APIC_ESR_ILLREGA);
	return 0;
}

static int x2apic_write_icr(struct hv_lapic *lapic, u64 value)
{
	u32 icr = value;

	if (icr & HV_ICR_X2APIC_RESERVED)
		return HV_MSR_INVALID;
	icr &= ~APIC_ICR_BUSY;
	WRITE_ONCE(*(u64 *)(lapic->regs + APIC_ICR), (value & ~(u64)U32_MAX) | icr);
	lapic_send_icr(lapic, icr, value >> 32);
	return HV_MSR_OK;
}

static int x2apic_self_ipi(struct hv_lapic *lapic, u32 value)
{
	if (value & ~APIC_VECTOR_MASK)
		return HV_MSR_INVALID;
	if (value < HV_LAPIC_FIRST_VECTOR)
		lapic_error(lapic, APIC_ESR_SENDILL);
	else if (lapic->sw_enabled && lapic_set_irr(lapic, value, false))
		hv_request(lapic->vcpu, HV_REQ_EVENT);
	return HV_MSR_OK;
}

static bool is_lvt(u32 offset)
{
	return (offset >= APIC_LVTT && offset <= APIC_LVTERR) || offset == APIC_LVTCMCI;
}

/* SDM, "x2APIC Register Address Space": reserved bits and read-only registers fault. */
static bool x2apic_reserved(const struct hv_lapic *lapic, u32 offset, u32 value)
{
	if (is_lvt(offset))
		return value & ~(lapic_lvt_mask(lapic, offset) | APIC_SEND_PENDING |
				 APIC_LVT_REMOTE_IRR);
	switch (offset) {
	case APIC_EOI:
	case APIC_ESR:
		return value;
	case APIC_TASKPRI:
		return value & ~APIC_TPRI_MASK;
	case APIC_SPIV:
		return value & ~HV_SPIV_WRITABLE;
	case APIC_TDCR:
		return value & ~(BIT(3) | APIC_TDR_DIV_1);
	default:
		return false;
	}
}

int hv_lapic_x2apic_write(struct hv_vcpu *vcpu, u32 msr, u64 value)
{
	struct hv_lapic *lapic = vcpu->lapic;
	u32 offset = (msr - APIC_BASE_MSR) * HV_LAPIC_REG_STRIDE;

	if (!lapic || !lapic->x2apic)
		return HV_MSR_INVALID;
	hv_pv_eoi_sync(vcpu);
	if (offset == APIC_ICR)
		return x2apic_write_icr(lapic, value);
	if (value > U32_MAX)
		return HV_MSR_INVALID;
	if (offset == APIC_SELF_IPI)
		return x2apic_self_ipi(lapic, value);
	if (x2apic_reserved(lapic, offset, value))
		return HV_MSR_INVALID;
	return lapic_reg_write(lapic, offset, value) ? HV_MSR_OK : HV_MSR_INVALID;
}

int hv_lapic_x2apic_read(struct hv_vcpu *vcpu, u32 msr, u64 *value)
{
	struct hv_lapic *lapic = vcpu->lapic;
	u32 offset = (msr - APIC_BASE_MSR) * HV_LAPIC_REG_STRIDE;

	if (!lapic || !lapic->x2apic)
		return HV_MSR_INVALID;
	hv_pv_eoi_sync(vcpu);
	if (offset == APIC_ICR) {
		*value = READ_ONCE(*(u64 *)(lapic->regs + APIC_ICR));
		return HV_MSR_OK;
	}
	if (offset >= HV_LAPIC_END || offset == APIC_ICR2 || !is_readable(lapic, offset))
		return HV_MSR_INVALID;
	*value = read_reg(lapic, offset);
	return HV_MSR_OK;
}

/* The hardware wrote the page and left what the write entails to us. */
int hv_lapic_written(struct hv_vcpu *vcpu, u32 offset)
{
	struct hv_lapic *lapic = vcpu->lapic;

	hv_pv_eoi_sync(vcpu);
	if (offset == APIC_EOI) {
		/* it is not memory, and reads as 0 */
		lapic_set_reg(lapic, APIC_EOI, 0);
		lapic_eoi(lapic);
	} else if (lapic->x2apic && offset == APIC_SELF_IPI) {
		x2apic_self_ipi(lapic, lapic_reg(lapic, offset));
	} else {
		lapic_reg_write(lapic, offset, lapic_reg(lapic, offset));
	}
	return HV_RESUME;
}
