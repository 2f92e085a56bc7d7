// SPDX-License-Identifier: GPL-2.0-only
/*
 * Debug registers: the guest's own, and the VMM's that take their place while
 * KVM_SET_GUEST_DEBUG is in force.
 */
#include <linux/kernel.h>
#include <linux/nospec.h>

#include "core/request.h"
#include "x86/cpuid.h"
#include "x86/debug.h"
#include "x86/event.h"
#include "x86/regs.h"

#define GUESTDBG_KNOWN (KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP |	\
			KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_USE_HW_BP |	\
			KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP |	\
			KVM_GUESTDBG_BLOCKIRQ)

void hv_debug_update(struct hv_vcpu *vcpu)
{
	struct hv_debug *debug = &vcpu->debug;

	if (!(debug->guest_debug & KVM_GUESTDBG_USE_HW_BP)) {
		memcpy(debug->eff_db, debug->db, sizeof(debug->db));
		debug->eff_dr7 = debug->dr7;
	}
	debug->want = debug->eff_dr7 & HV_DR7_ENABLE;
	hv_ops->update(vcpu);
}

int hv_debug_exit(struct hv_vcpu *vcpu, u8 vector, u64 dr6_bits)
{
	struct kvm_debug_exit_arch *arch = &vcpu->run->debug.arch;
	struct kvm_segment cs;

	hv_ops->get_segment(vcpu, HV_CS, &cs);
	arch->exception = vector;
	arch->pc = cs.base + hv_rip(vcpu);
	arch->dr6 = dr6_bits | HV_DR6_INIT;
	arch->dr7 = vcpu->debug.eff_dr7 | HV_DR7_FIXED_1;
	vcpu->run->exit_reason = KVM_EXIT_DEBUG;
	return HV_USERSPACE;
}

/* Which of the causes in @dr6_bits the VMM asked for. */
static u64 debugger_owns(const struct hv_vcpu *vcpu, u64 dr6_bits)
{
	u32 control = vcpu->debug.guest_debug;
	u64 owned = 0;

	if (control & KVM_GUESTDBG_SINGLESTEP)
		owned |= DR_STEP;
	if (control & KVM_GUESTDBG_USE_HW_BP)
		owned |= DR_TRAP_BITS | HV_DR6_BD;
	return dr6_bits & owned;
}

int hv_handle_db(struct hv_vcpu *vcpu, u64 dr6_bits)
{
	dr6_bits &= HV_DR6_EVENTS;
	if (!debugger_owns(vcpu, dr6_bits)) {
		hv_queue_db(vcpu, dr6_bits);
		return HV_RESUME;
	}
	/* POPF and IRET of the guest may have dropped a TF that is not its own. */
	if (vcpu->rflags_tf_debug)
		hv_set_rflags(vcpu, hv_rflags(vcpu));
	return hv_debug_exit(vcpu, HV_DB, dr6_bits);
}

int hv_handle_bp(struct hv_vcpu *vcpu, unsigned int insn_len)
{
	if (vcpu->debug.guest_debug & KVM_GUESTDBG_USE_SW_BP)
		return hv_debug_exit(vcpu, HV_BP, 0);
	vcpu->events.soft_insn_len = insn_len;
	hv_queue_exception(vcpu, HV_BP);
	return HV_RESUME;
}

static void dr7_set(struct hv_vcpu *vcpu, u64 value)
{
	u64 known = HV_DR7_VOLATILE;

	if (hv_cpuid_has(vcpu, HV_F_RTM))
		known |= HV_DR7_RTM;
	vcpu->debug.dr7 = (value & known) | HV_DR7_FIXED_1;
	hv_debug_update(vcpu);
}

static void dr6_set(struct hv_vcpu *vcpu, u64 value)
{
	u64 fixed = HV_DR6_FIXED_1;

	if (!hv_cpuid_has(vcpu, HV_F_RTM))
		fixed |= HV_DR6_RTM;
	vcpu->debug.dr6 = (value & (HV_DR6_EVENTS | HV_DR6_RTM)) | fixed;
}

/* 0, or 1: #GP(0) */
static int dr_write(struct hv_vcpu *vcpu, unsigned int dr, u64 value)
{
	if (dr < ARRAY_SIZE(vcpu->debug.db)) {
		vcpu->debug.db[array_index_nospec(dr, ARRAY_SIZE(vcpu->debug.db))] = value;
		hv_debug_update(vcpu);
		return 0;
	}
	if (value >> 32)
		return 1;
	if (dr == 4 || dr == 6)
		dr6_set(vcpu, value);
	else
		dr7_set(vcpu, value);
	return 0;
}

static u64 dr_read(struct hv_vcpu *vcpu, unsigned int dr)
{
	if (dr < ARRAY_SIZE(vcpu->debug.db))
		return vcpu->debug.db[array_index_nospec(dr, ARRAY_SIZE(vcpu->debug.db))];
	return dr == 4 || dr == 6 ? vcpu->debug.dr6 : vcpu->debug.dr7;
}

/* "general detect": a debugger inside the guest watches the debug registers */
static int general_detect(struct hv_vcpu *vcpu)
{
	if (vcpu->debug.guest_debug & KVM_GUESTDBG_USE_HW_BP)
		return hv_debug_exit(vcpu, HV_DB, HV_DR6_BD);
	hv_queue_db(vcpu, HV_DR6_BD);
	return HV_RESUME;
}

int hv_handle_dr(struct hv_vcpu *vcpu, const struct hv_dr *dr, unsigned int len)
{
	/* DR4 and DR5 are names of DR6 and DR7 unless CR4.DE takes them away. */
	if ((dr->dr == 4 || dr->dr == 5) && (hv_cr4(vcpu) & X86_CR4_DE))
		return hv_inject_ud(vcpu);
	if (hv_cpl(vcpu))
		return hv_inject_gp(vcpu);
	if (vcpu->debug.eff_dr7 & HV_DR7_GD)
		return general_detect(vcpu);
	if (dr->read)
		hv_set_gpr(vcpu, dr->gpr, dr_read(vcpu, dr->dr));
	else if (dr_write(vcpu, dr->dr, hv_gpr_mode(vcpu, dr->gpr)))
		return hv_inject_gp(vcpu);
	return hv_skip_insn(vcpu, len);
}

void hv_debugregs_get(struct hv_vcpu *vcpu, struct kvm_debugregs *regs)
{
	memset(regs, 0, sizeof(*regs));
	hv_exception_payload_sync(vcpu);
	memcpy(regs->db, vcpu->debug.db, sizeof(regs->db));
	regs->dr6 = vcpu->debug.dr6;
	regs->dr7 = vcpu->debug.dr7;
}

int hv_debugregs_set(struct hv_vcpu *vcpu, const struct kvm_debugregs *regs)
{
	if (regs->flags || regs->dr6 >> 32 || regs->dr7 >> 32)
		return -EINVAL;
	memcpy(vcpu->debug.db, regs->db, sizeof(regs->db));
	dr6_set(vcpu, regs->dr6);
	dr7_set(vcpu, regs->dr7);
	return 0;
}

static int inject_for_debugger(struct hv_vcpu *vcpu, u32 control)
{
	struct hv_events *ev = &vcpu->events;

	if (!(control & (KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP)))
		return 0;
	if (ev->exception.pending || ev->exception.injected)
		return -EBUSY;
	if (control & KVM_GUESTDBG_INJECT_DB) {
		hv_queue_exception(vcpu, HV_DB);
		return 0;
	}
	/* The debugger's INT3 replaced the first byte of the guest's own INT3. */
	ev->soft_insn_len = 1;
	hv_queue_exception(vcpu, HV_BP);
	return 0;
}

static void single_step_set(struct hv_vcpu *vcpu, bool on)
{
	u64 rflags = hv_rflags(vcpu);

	vcpu->rflags_tf_debug = on;
	hv_set_rflags(vcpu, rflags);
}

int hv_guest_debug_set(struct hv_vcpu *vcpu, const struct kvm_guest_debug *dbg)
{
	struct hv_debug *debug = &vcpu->debug;
	u32 control = dbg->control;
	int ret;

	if (control & ~GUESTDBG_KNOWN)
		return -EINVAL;
	if ((control & KVM_GUESTDBG_USE_HW_BP) && dbg->arch.debugreg[7] >> 32)
		return -EINVAL;
	ret = inject_for_debugger(vcpu, control);
	if (ret)
		return ret;
	debug->guest_debug = control & KVM_GUESTDBG_ENABLE ? control : 0;
	if (debug->guest_debug & KVM_GUESTDBG_USE_HW_BP) {
		memcpy(debug->eff_db, dbg->arch.debugreg, sizeof(debug->eff_db));
		debug->eff_dr7 = (dbg->arch.debugreg[7] & HV_DR7_VOLATILE) | HV_DR7_FIXED_1;
	}
	single_step_set(vcpu, debug->guest_debug & KVM_GUESTDBG_SINGLESTEP);
	hv_debug_update(vcpu);
	hv_request(vcpu, HV_REQ_EVENT);
	return 0;
}
