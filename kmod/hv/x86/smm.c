// SPDX-License-Identifier: GPL-2.0-only
/*
 * System management mode (APM volume 2, "System-Management Mode").
 *
 * An SMI saves the registers to SMRAM, switches to the address space in which SMRAM is visible, and
 * starts the handler in a real mode with 4 GiB segments; RSM brings everything back. Both are done
 * here, on both vendors; x86/smram.h has the layouts of the save area.
 */
#include "core/request.h"
#include "irqchip/lapic.h"
#include "memory/guest.h"
#include "memory/memslot.h"
#include "x86/async_pf.h"
#include "x86/cpuid.h"
#include "x86/cr.h"
#include "x86/debug.h"
#include "x86/event.h"
#include "x86/fpu.h"
#include "x86/regs.h"
#include "x86/smm.h"
#include "x86/smram.h"

#define SMBASE_RESET	0x30000
#define SMRAM_ENTRY	0x8000		/* of the handler, from SMBASE */
#define SMRAM_SAVE	0xfe00		/* of the save area, from SMBASE */

enum { TYPE_DATA = 3, TYPE_CODE = 11 };

void hv_smm_reset(struct hv_vcpu *vcpu)
{
	vcpu->smm.base = SMBASE_RESET;
	vcpu->smm.count = 0;
	vcpu->smm.inside_nmi = false;
	atomic_set(&vcpu->smm.pending, 0);
	hv_smm_set_active(vcpu, false);
}

void hv_vcpu_smi(struct hv_vcpu *vcpu)
{
	atomic_set(&vcpu->smm.pending, 1);
	hv_request(vcpu, HV_REQ_EVENT);
	hv_vcpu_kick(vcpu);
}

/* What came meanwhile and waited for the end: an INIT, and areas that lie outside of SMRAM. */
static void catch_up(struct hv_vcpu *vcpu)
{
	if (vcpu->lapic)
		hv_request(vcpu, HV_REQ_APIC_EVENT);
	hv_request(vcpu, HV_REQ_CLOCK_UPDATE);
	hv_request(vcpu, HV_REQ_STEAL_UPDATE);
	hv_async_pf_look_again(vcpu);
}

void hv_smm_set_active(struct hv_vcpu *vcpu, bool active)
{
	if (vcpu->smm.active == active)
		return;
	vcpu->smm.active = active;
	hv_vcpu_set_address_space(vcpu, active ? HV_AS_SMM : HV_AS_NORMAL);
	hv_request(vcpu, HV_REQ_GUEST_FLUSH);
	hv_request(vcpu, HV_REQ_EVENT);
	if (!active)
		catch_up(vcpu);
}

static void save(struct hv_vcpu *vcpu, void *area)
{
	struct hv_smm_state state;
	unsigned int n;

	/* first: it may write DR6 */
	hv_sregs2_get(vcpu, &state.sregs);
	state.dr6 = vcpu->debug.dr6;
	state.dr7 = vcpu->debug.dr7;
	state.rip = hv_rip(vcpu);
	state.rflags = hv_rflags(vcpu);
	state.smbase = vcpu->smm.base;
	state.halted = vcpu->smm.from_halt;
	for (n = 0; n < HV_NR_GPRS; n++)
		state.gpr[n] = hv_gpr(vcpu, n);
	hv_smram_save(vcpu, area, &state);
}

static void handler_segments(struct hv_vcpu *vcpu)
{
	const struct hv_dtable_reg none = {};
	struct kvm_segment seg = {
		.limit = U32_MAX, .type = TYPE_DATA, .present = 1, .s = 1, .g = 1,
	};

	hv_ops->set_segment(vcpu, HV_ES, &seg);
	hv_ops->set_segment(vcpu, HV_SS, &seg);
	hv_ops->set_segment(vcpu, HV_DS, &seg);
	hv_ops->set_segment(vcpu, HV_FS, &seg);
	hv_ops->set_segment(vcpu, HV_GS, &seg);
	seg.type = TYPE_CODE;
	seg.base = vcpu->smm.base;
	seg.selector = vcpu->smm.base >> 4;
	hv_ops->set_segment(vcpu, HV_CS, &seg);
	hv_ops->set_dtable(vcpu, HV_IDTR, &none);
}

/* APM, "SMM Operating Environment" */
static void handler_registers(struct hv_vcpu *vcpu)
{
	u64 cr0 = hv_cr0(vcpu) & ~(u64)(X86_CR0_PE | X86_CR0_EM | X86_CR0_TS | X86_CR0_PG);
	u64 cr3 = hv_cr3(vcpu);

	hv_ops->set_interrupt_shadow(vcpu, 0);
	hv_set_rflags(vcpu, X86_EFLAGS_FIXED);
	hv_set_rip(vcpu, SMRAM_ENTRY);
	hv_ops->set_efer(vcpu, 0);
	hv_ops->set_cr0(vcpu, cr0);
	hv_ops->set_cr4(vcpu, 0);
	hv_fpu_update(vcpu);
	hv_ops->set_cr3(vcpu, cr3);
	handler_segments(vcpu);
	vcpu->debug.dr7 = HV_DR7_FIXED_1;
	hv_debug_update(vcpu);
	hv_cpuid_refresh(vcpu);
}

void hv_smm_enter(struct hv_vcpu *vcpu)
{
	u64 area[HV_SMRAM_SIZE / sizeof(u64)];

	atomic_set(&vcpu->smm.pending, 0);
	vcpu->smm.count++;
	save(vcpu, area);
	hv_smm_set_active(vcpu, true);
	/* Nothing there to write to: as on hardware the handler finds out, at the latest in RSM. */
	hv_guest_write(vcpu, (u64)vcpu->smm.base + SMRAM_SAVE, area, sizeof(area));
	vcpu->smm.inside_nmi = hv_ops->get_nmi_mask(vcpu);
	hv_ops->set_nmi_mask(vcpu, true);
	handler_registers(vcpu);
}

/* 0, or -EINVAL: the handler left a state that no CPU can be in */
static int restore(struct hv_vcpu *vcpu, struct hv_smm_state *state)
{
	struct kvm_debugregs debug;
	unsigned int n;
	int ret;

	/* The save area is the guest's: no bit in it that WRMSR would refuse. */
	if (!hv_efer_valid_for_guest(vcpu, state->sregs.efer))
		return -EINVAL;
	state->sregs.cr2 = vcpu->cr2;
	state->sregs.cr8 = hv_cr8_read(vcpu);
	state->sregs.apic_base = vcpu->msr.apic_base;
	hv_debugregs_get(vcpu, &debug);
	debug.dr6 = state->dr6;
	debug.dr7 = state->dr7;
	ret = hv_sregs2_set(vcpu, &state->sregs);
	if (!ret)
		ret = hv_debugregs_set(vcpu, &debug);
	if (ret)
		return ret;
	for (n = 0; n < HV_NR_GPRS; n++)
		hv_set_gpr(vcpu, n, state->gpr[n]);
	hv_set_rip(vcpu, state->rip);
	hv_set_rflags(vcpu, (state->rflags & HV_RFLAGS_KNOWN) | X86_EFLAGS_FIXED);
	return 0;
}

static int leave(struct hv_vcpu *vcpu, const void *area)
{
	struct hv_smm_state state;

	hv_smram_load(vcpu, &state, area);
	hv_ops->set_nmi_mask(vcpu, vcpu->smm.inside_nmi);
	vcpu->smm.inside_nmi = false;
	hv_smm_set_active(vcpu, false);
	/* APM, "SMM and Shutdown": an illegal state in SMRAM is a shutdown. */
	vcpu->smm.base = state.smbase;
	if (restore(vcpu, &state)) {
		hv_request(vcpu, HV_REQ_TRIPLE_FAULT);
		return HV_RESUME;
	}
	/* APM, "Auto Halt Restart" */
	return state.halted ? hv_vcpu_halt(vcpu) : HV_RESUME;
}

int hv_handle_rsm(struct hv_vcpu *vcpu)
{
	u64 area[HV_SMRAM_SIZE / sizeof(u64)];

	if (!vcpu->smm.active)
		return hv_inject_ud(vcpu);
	if (hv_guest_read(vcpu, (u64)vcpu->smm.base + SMRAM_SAVE, area, sizeof(area))) {
		hv_request(vcpu, HV_REQ_TRIPLE_FAULT);
		return HV_RESUME;
	}
	return leave(vcpu, area);
}
