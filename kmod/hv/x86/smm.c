// SPDX-License-Identifier: GPL-2.0-only
/*
 * System management mode (APM volume 2, "System-Management Mode").
 *
 * An SMI saves the registers to SMRAM, switches to the address space in which SMRAM is visible, and
 * starts the handler in a real mode with 4 GiB segments; RSM brings everything back. Both are done
 * here, on both vendors, with the AMD64 layout of the save area: it is the one that firmware for
 * these virtual machines knows.
 */
#include <linux/build_bug.h>
#include <linux/string.h>
#include <linux/kernel.h>

#include "core/request.h"
#include "irqchip/lapic.h"
#include "memory/guest.h"
#include "memory/memslot.h"
#include "x86/cpuid.h"
#include "x86/cr.h"
#include "x86/debug.h"
#include "x86/event.h"
#include "x86/fpu.h"
#include "x86/regs.h"
#include "x86/smm.h"

#define SMBASE_RESET	0x30000
#define SMRAM_ENTRY	0x8000		/* of the handler, from SMBASE */
#define SMRAM_SAVE	0xfe00		/* of the save area, from SMBASE */
#define SMRAM_REVISION	0x20064		/* AMD64, SMBASE can be moved */

enum { TYPE_DATA = 3, TYPE_CODE = 11 };

struct smram_seg {
	u16 selector, attributes;
	u32 limit;
	u64 base;
};

/**
 * struct smram - APM, table "AMD64 Architecture SMM State-Save Area"
 *
 * Restart of I/O instructions is not offered: its fields are zero. @halt_restart_flag says that
 * the SMI interrupted a HLT, and that RSM is to go on with it.
 */
struct smram {
	struct smram_seg es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	u64 io_restart[4];
	u32 io_trap, local_status;
	u8 io_restart_flag, halt_restart_flag, reserved1[6];
	u64 efer;
	u64 svm[3];
	u8 reserved2[12];
	u32 revision;
	u32 smbase;
	u8 reserved3[28];
	u64 svm_state[5];
	u64 cr4, cr3, cr0, dr7, dr6, rflags, rip;
	u64 gpr[HV_NR_GPRS];		/* R15 first */
};

static_assert(offsetof(struct smram, halt_restart_flag) == 0xc9);
static_assert(offsetof(struct smram, efer) == 0xd0);
static_assert(offsetof(struct smram, revision) == 0xfc);
static_assert(offsetof(struct smram, cr4) == 0x148);
static_assert(offsetof(struct smram, rip) == 0x178);
static_assert(sizeof(struct smram) == 0x200);

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

void hv_smm_set_active(struct hv_vcpu *vcpu, bool active)
{
	if (vcpu->smm.active == active)
		return;
	vcpu->smm.active = active;
	hv_vcpu_set_address_space(vcpu, active ? HV_AS_SMM : HV_AS_NORMAL);
	hv_request(vcpu, HV_REQ_GUEST_FLUSH);
	hv_request(vcpu, HV_REQ_EVENT);
	/* An INIT that came meanwhile waited for the end. */
	if (!active && vcpu->lapic)
		hv_request(vcpu, HV_REQ_APIC_EVENT);
}

/* Attributes as in a descriptor, without the limit between them. */
static void save_seg(struct smram_seg *to, const struct kvm_segment *s)
{
	to->selector = s->selector;
	to->limit = s->limit;
	to->base = s->base;
	if (s->unusable)
		return;
	to->attributes = s->type | s->s << 4 | s->dpl << 5 | s->present << 7 | s->avl << 8 |
			 s->l << 9 | s->db << 10 | s->g << 11;
}

static void restore_seg(struct kvm_segment *s, const struct smram_seg *from)
{
	u16 a = from->attributes;

	*s = (struct kvm_segment) {
		.selector = from->selector,
		.limit = from->limit,
		.base = from->base,
		.type = a & 15,
		.s = a >> 4 & 1,
		.dpl = a >> 5 & 3,
		.present = a >> 7 & 1,
		.avl = a >> 8 & 1,
		.l = a >> 9 & 1,
		.db = a >> 10 & 1,
		.g = a >> 11 & 1,
		.unusable = !(a >> 7 & 1),
	};
}

static void save_segs(struct smram *m, const struct kvm_sregs2 *s)
{
	save_seg(&m->es, &s->es);
	save_seg(&m->cs, &s->cs);
	save_seg(&m->ss, &s->ss);
	save_seg(&m->ds, &s->ds);
	save_seg(&m->fs, &s->fs);
	save_seg(&m->gs, &s->gs);
	save_seg(&m->ldtr, &s->ldt);
	save_seg(&m->tr, &s->tr);
	m->gdtr.base = s->gdt.base;
	m->gdtr.limit = s->gdt.limit;
	m->idtr.base = s->idt.base;
	m->idtr.limit = s->idt.limit;
}

static void restore_segs(struct kvm_sregs2 *s, const struct smram *m)
{
	restore_seg(&s->es, &m->es);
	restore_seg(&s->cs, &m->cs);
	restore_seg(&s->ss, &m->ss);
	restore_seg(&s->ds, &m->ds);
	restore_seg(&s->fs, &m->fs);
	restore_seg(&s->gs, &m->gs);
	restore_seg(&s->ldt, &m->ldtr);
	restore_seg(&s->tr, &m->tr);
	s->gdt.base = m->gdtr.base;
	s->gdt.limit = m->gdtr.limit;
	s->idt.base = m->idtr.base;
	s->idt.limit = m->idtr.limit;
}

static void save(struct hv_vcpu *vcpu, struct smram *m)
{
	struct kvm_sregs2 s;
	unsigned int n;

	memset(m, 0, sizeof(*m));
	hv_sregs2_get(vcpu, &s);
	save_segs(m, &s);
	m->efer = s.efer;
	m->cr0 = s.cr0;
	m->cr3 = s.cr3;
	m->cr4 = s.cr4;
	m->dr6 = vcpu->debug.dr6;
	m->dr7 = vcpu->debug.dr7;
	m->rip = hv_rip(vcpu);
	m->rflags = hv_rflags(vcpu);
	for (n = 0; n < HV_NR_GPRS; n++)
		m->gpr[HV_NR_GPRS - 1 - n] = hv_gpr(vcpu, n);
	m->smbase = vcpu->smm.base;
	m->revision = SMRAM_REVISION;
	m->halt_restart_flag = vcpu->smm.from_halt;
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
	struct smram m;

	atomic_set(&vcpu->smm.pending, 0);
	vcpu->smm.count++;
	save(vcpu, &m);
	hv_smm_set_active(vcpu, true);
	/* Nothing there to write to: as on hardware the handler finds out, at the latest in RSM. */
	hv_guest_write(vcpu, (u64)vcpu->smm.base + SMRAM_SAVE, &m, sizeof(m));
	vcpu->smm.inside_nmi = hv_ops->get_nmi_mask(vcpu);
	hv_ops->set_nmi_mask(vcpu, true);
	handler_registers(vcpu);
}

/* 0, or -EINVAL: the handler left a state that no CPU can be in */
static int restore(struct hv_vcpu *vcpu, const struct smram *m)
{
	struct kvm_sregs2 s = {};
	struct kvm_debugregs debug;
	unsigned int n;
	int ret;

	s.cr0 = m->cr0;
	s.cr2 = vcpu->cr2;
	s.cr3 = m->cr3;
	s.cr4 = m->cr4;
	s.cr8 = hv_cr8_read(vcpu);
	s.efer = m->efer;
	s.apic_base = vcpu->msr.apic_base;
	restore_segs(&s, m);
	hv_debugregs_get(vcpu, &debug);
	debug.dr6 = (u32)m->dr6;
	debug.dr7 = (u32)m->dr7;
	ret = hv_sregs2_set(vcpu, &s);
	if (!ret)
		ret = hv_debugregs_set(vcpu, &debug);
	if (ret)
		return ret;
	for (n = 0; n < HV_NR_GPRS; n++)
		hv_set_gpr(vcpu, n, m->gpr[HV_NR_GPRS - 1 - n]);
	hv_set_rip(vcpu, m->rip);
	hv_set_rflags(vcpu, (m->rflags & HV_RFLAGS_KNOWN) | X86_EFLAGS_FIXED);
	return 0;
}

int hv_handle_rsm(struct hv_vcpu *vcpu)
{
	struct smram m;

	if (!vcpu->smm.active)
		return hv_inject_ud(vcpu);
	if (hv_guest_read(vcpu, (u64)vcpu->smm.base + SMRAM_SAVE, &m, sizeof(m))) {
		hv_request(vcpu, HV_REQ_TRIPLE_FAULT);
		return HV_RESUME;
	}
	hv_ops->set_nmi_mask(vcpu, vcpu->smm.inside_nmi);
	vcpu->smm.inside_nmi = false;
	hv_smm_set_active(vcpu, false);
	/* APM, "SMM and Shutdown": an illegal state in SMRAM is a shutdown. */
	vcpu->smm.base = m.smbase;
	if (restore(vcpu, &m)) {
		hv_request(vcpu, HV_REQ_TRIPLE_FAULT);
		return HV_RESUME;
	}
	/* APM, "Auto Halt Restart" */
	return m.halt_restart_flag & 1 ? hv_vcpu_halt(vcpu) : HV_RESUME;
}
