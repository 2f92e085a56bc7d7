// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU after RESET and INIT (SDM volume 3, table "IA-32 and Intel 64 Processor
 * States Following Power-up, Reset, or INIT").
 */
#include <linux/kernel.h>

#include "core/request.h"
#include "irqchip/lapic.h"
#include "x86/async_pf.h"
#include "x86/cpuid.h"
#include "x86/debug.h"
#include "x86/fpu.h"
#include "x86/msr.h"
#include "x86/regs.h"
#include "x86/smm.h"

#define RESET_CS_SELECTOR	0xf000
#define RESET_CS_BASE		0xffff0000
#define RESET_IP		0xfff0
#define RESET_LIMIT		0xffff
#define RESET_DX_DEFAULT	0x600	/* family 6, if CPUID does not say */

enum { TYPE_DATA = 3, TYPE_CODE = 11, TYPE_LDT = 2, TYPE_TSS_BUSY = 11 };

static void segment_reset(struct hv_vcpu *vcpu, enum hv_seg seg, u8 type, bool system)
{
	struct kvm_segment s = {
		.limit = RESET_LIMIT,
		.type = type,
		.present = 1,
		.s = !system,
	};

	if (seg == HV_CS) {
		s.selector = RESET_CS_SELECTOR;
		s.base = RESET_CS_BASE;
	}
	hv_ops->set_segment(vcpu, seg, &s);
}

static void segments_reset(struct hv_vcpu *vcpu)
{
	const struct hv_dtable_reg table = { .limit = RESET_LIMIT };
	enum hv_seg seg;

	for (seg = HV_ES; seg < HV_NR_DATA_SEGS; seg++)
		segment_reset(vcpu, seg, seg == HV_CS ? TYPE_CODE : TYPE_DATA, false);
	segment_reset(vcpu, HV_TR, TYPE_TSS_BUSY, true);
	segment_reset(vcpu, HV_LDTR, TYPE_LDT, true);
	hv_ops->set_dtable(vcpu, HV_GDTR, &table);
	hv_ops->set_dtable(vcpu, HV_IDTR, &table);
}

static void general_reset(struct hv_vcpu *vcpu)
{
	u32 eax = 1, ebx, ecx = 0, edx;

	hv_cpuid_query(vcpu, &eax, &ebx, &ecx, &edx);
	memset(vcpu->gpr, 0, sizeof(vcpu->gpr));
	vcpu->gpr[HV_RDX] = eax ?: RESET_DX_DEFAULT;
	hv_set_gpr(vcpu, HV_RSP, 0);
	hv_set_rip(vcpu, RESET_IP);
	hv_set_rflags(vcpu, X86_EFLAGS_FIXED);
}

static void control_reset(struct hv_vcpu *vcpu, bool init)
{
	u64 caching = X86_CR0_CD | X86_CR0_NW;

	/* INIT keeps the caches as they are. */
	if (init)
		caching &= hv_cr0(vcpu);
	vcpu->cr2 = 0;
	vcpu->cr8 = 0;
	hv_ops->set_efer(vcpu, 0);
	hv_ops->set_cr0(vcpu, X86_CR0_ET | caching);
	hv_ops->set_cr4(vcpu, 0);
	hv_fpu_update(vcpu);
	hv_ops->set_cr3(vcpu, 0);
}

static void events_reset(struct hv_vcpu *vcpu)
{
	struct hv_events *ev = &vcpu->events;

	memset(&ev->exception, 0, sizeof(ev->exception));
	memset(&ev->interrupt, 0, sizeof(ev->interrupt));
	vcpu->external_vector = -1;
	ev->nmi_injected = false;
	ev->nmi_masked = false;
	ev->nmi_pending = 0;
	atomic_set(&ev->nmi_queued, 0);
	hv_ops->set_interrupt_shadow(vcpu, 0);
	hv_ops->set_nmi_mask(vcpu, false);
}

static void debug_reset(struct hv_vcpu *vcpu)
{
	memset(vcpu->debug.db, 0, sizeof(vcpu->debug.db));
	vcpu->debug.dr6 = HV_DR6_INIT;
	vcpu->debug.dr7 = HV_DR7_FIXED_1;
	hv_debug_update(vcpu);
}

void hv_vcpu_reset(struct hv_vcpu *vcpu, bool init)
{
	if (!init) {
		vcpu->cr0 = 0;
		hv_smm_reset(vcpu);
	}
	general_reset(vcpu);
	control_reset(vcpu, init);
	segments_reset(vcpu);
	hv_msr_reset(vcpu, init);
	hv_fpu_reset(vcpu, init);
	hv_async_pf_reset(vcpu);
	WRITE_ONCE(vcpu->pv.unhalted, false);
	events_reset(vcpu);
	debug_reset(vcpu);
	if (vcpu->lapic)
		hv_lapic_reset(vcpu, init);
	hv_ops->vcpu_reset(vcpu, init);
	hv_cpuid_refresh(vcpu);
	hv_request(vcpu, HV_REQ_GUEST_FLUSH);
	hv_request(vcpu, HV_REQ_EVENT);
}
