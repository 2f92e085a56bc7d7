// SPDX-License-Identifier: GPL-2.0-only
/* Guest registers in the VMCB. */
#include <linux/hw_breakpoint.h>
#include <linux/string.h>
#include <linux/percpu.h>
#include <asm/debugreg.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/special_insns.h>

#include "core/request.h"
#include "svm/svm.h"
#include "x86/cr.h"
#include "x86/fpu.h"
#include "x86/regs.h"

/* Packed attributes of a VMCB segment: the descriptor's, without the limit nibble. */
static u16 pack_attributes(const struct kvm_segment *s)
{
	if (s->unusable)
		return 0;
	return (s->type & SVM_SELECTOR_TYPE_MASK) | (s->s & 1) << SVM_SELECTOR_S_SHIFT |
	       (s->dpl & 3) << SVM_SELECTOR_DPL_SHIFT | (s->present & 1) << SVM_SELECTOR_P_SHIFT |
	       (s->avl & 1) << SVM_SELECTOR_AVL_SHIFT | (s->l & 1) << SVM_SELECTOR_L_SHIFT |
	       (s->db & 1) << SVM_SELECTOR_DB_SHIFT | (s->g & 1) << SVM_SELECTOR_G_SHIFT;
}

static void unpack_attributes(u16 attrib, struct kvm_segment *s)
{
	s->type = attrib & SVM_SELECTOR_TYPE_MASK;
	s->s = attrib >> SVM_SELECTOR_S_SHIFT & 1;
	s->dpl = attrib >> SVM_SELECTOR_DPL_SHIFT & 3;
	s->present = attrib >> SVM_SELECTOR_P_SHIFT & 1;
	s->avl = attrib >> SVM_SELECTOR_AVL_SHIFT & 1;
	s->l = attrib >> SVM_SELECTOR_L_SHIFT & 1;
	s->db = attrib >> SVM_SELECTOR_DB_SHIFT & 1;
	s->g = attrib >> SVM_SELECTOR_G_SHIFT & 1;
	s->unusable = !s->present;
}

static struct vmcb_seg *segment_of(struct hv_vcpu *vcpu, enum hv_seg seg)
{
	struct vmcb_save_area *save = svm_save(vcpu);
	struct vmcb_seg *const segments[HV_NR_SEGS] = {
		[HV_ES] = &save->es, [HV_CS] = &save->cs, [HV_SS] = &save->ss,
		[HV_DS] = &save->ds, [HV_FS] = &save->fs, [HV_GS] = &save->gs,
		[HV_TR] = &save->tr, [HV_LDTR] = &save->ldtr,
	};

	return segments[seg];
}

void svm_get_segment(struct hv_vcpu *vcpu, enum hv_seg seg, struct kvm_segment *s)
{
	const struct vmcb_seg *v = segment_of(vcpu, seg);

	memset(s, 0, sizeof(*s));
	s->base = v->base;
	s->limit = v->limit;
	s->selector = v->selector;
	unpack_attributes(v->attrib, s);
	/* The busy bit of a loaded TSS is not kept by every CPU; SS.DPL is the CPL. */
	if (seg == HV_TR)
		s->type |= 2;
	if (seg == HV_SS)
		s->dpl = svm_save(vcpu)->cpl;
}

void svm_set_segment(struct hv_vcpu *vcpu, enum hv_seg seg, const struct kvm_segment *s)
{
	struct vmcb_seg *v = segment_of(vcpu, seg);

	v->base = s->base;
	v->limit = s->limit;
	v->selector = s->selector;
	v->attrib = pack_attributes(s);
	if (seg == HV_SS)
		svm_save(vcpu)->cpl = s->dpl;
	if (seg == HV_SS || seg == HV_CS)
		vcpu->avail &= ~BIT(HV_REG_CS_SS);
	svm_mark_dirty(vcpu, SVM_CLEAN_SEG);
}

void svm_get_dtable(struct hv_vcpu *vcpu, enum hv_dtable which, struct hv_dtable_reg *r)
{
	struct vmcb_save_area *save = svm_save(vcpu);
	const struct vmcb_seg *v = which == HV_GDTR ? &save->gdtr : &save->idtr;

	r->base = v->base;
	r->limit = v->limit;
}

void svm_set_dtable(struct hv_vcpu *vcpu, enum hv_dtable which, const struct hv_dtable_reg *r)
{
	struct vmcb_save_area *save = svm_save(vcpu);
	struct vmcb_seg *v = which == HV_GDTR ? &save->gdtr : &save->idtr;

	v->base = r->base;
	v->limit = r->limit;
	svm_mark_dirty(vcpu, SVM_CLEAN_DT);
}

void svm_cache_reg(struct hv_vcpu *vcpu, enum hv_reg reg)
{
	const struct vmcb_save_area *save = svm_save(vcpu);

	/* svm_fetch_regs() took all others after the exit. */
	if (reg == HV_REG_CS_SS) {
		vcpu->cpl = save->cpl;
		vcpu->cs_l = save->cs.attrib >> SVM_SELECTOR_L_SHIFT & 1;
	} else if (reg == HV_REG_CR3) {
		vcpu->cr3 = save->cr3;
	} else if (reg == HV_REG_PDPTR) {
		/* The CPU keeps none with nested paging. What it would refuse is not there. */
		if (hv_pdptrs_load(vcpu, hv_cr3(vcpu)))
			memset(vcpu->pdptr, 0, sizeof(vcpu->pdptr));
	}
	vcpu->avail |= BIT(reg);
}

/* The VMCB is memory: after an exit all that an exit handler reads is a load away. */
void svm_fetch_regs(struct hv_vcpu *vcpu)
{
	const struct vmcb_save_area *save = svm_save(vcpu);

	vcpu->gpr[HV_RAX] = save->rax;
	vcpu->gpr[HV_RSP] = save->rsp;
	vcpu->rip = save->rip;
	vcpu->rflags = save->rflags;
	vcpu->cr2 = save->cr2;
	vcpu->shadow = svm_get_interrupt_shadow(vcpu);
	vcpu->avail = BIT(HV_REG_RIP) | BIT(HV_REG_RSP) | BIT(HV_REG_RFLAGS) |
		      BIT(HV_REG_CR0) | BIT(HV_REG_CR4);
	vcpu->dirty = 0;
}

void svm_flush_regs(struct hv_vcpu *vcpu)
{
	struct vmcb_save_area *save = svm_save(vcpu);

	save->rax = vcpu->gpr[HV_RAX];
	save->rsp = vcpu->gpr[HV_RSP];
	save->rip = vcpu->rip;
	save->rflags = vcpu->rflags;
	if (save->cr2 != vcpu->cr2) {
		save->cr2 = vcpu->cr2;
		svm_mark_dirty(vcpu, SVM_CLEAN_CR2);
	}
	vcpu->dirty = 0;
}

/*
 * Caching stays on: guest memory is the host's, write-back. TS is forced while
 * the FPU registers are not the guest's.
 */
static void load_cr0(struct hv_vcpu *vcpu)
{
	u64 cr0 = vcpu->cr0 & ~(u64)(X86_CR0_CD | X86_CR0_NW);

	if (!vcpu->fpu.owned)
		cr0 |= X86_CR0_TS;
	svm_save(vcpu)->cr0 = cr0;
	svm_mark_dirty(vcpu, SVM_CLEAN_CR);
}

void svm_set_cr0(struct hv_vcpu *vcpu, u64 cr0)
{
	vcpu->cr0 = cr0;
	vcpu->avail |= BIT(HV_REG_CR0);
	load_cr0(vcpu);
}

void svm_set_cr3(struct hv_vcpu *vcpu, u64 cr3)
{
	vcpu->cr3 = cr3;
	vcpu->avail |= BIT(HV_REG_CR3);
	svm_save(vcpu)->cr3 = cr3;
	svm_mark_dirty(vcpu, SVM_CLEAN_CR);
}

/*
 * The host's CR4.MCE stays set: without it a machine check would shut the CPU down. A guest that
 * has it clear finds it so, by an exit.
 */
void svm_set_cr4(struct hv_vcpu *vcpu, u64 cr4)
{
	u64 mce = native_read_cr4() & X86_CR4_MCE;

	vcpu->cr4 = cr4;
	vcpu->avail |= BIT(HV_REG_CR4);
	svm_save(vcpu)->cr4 = cr4 | mce;
	svm_intercept(vcpu, INTERCEPT_CR4_READ, mce & ~cr4);
	svm_mark_dirty(vcpu, SVM_CLEAN_CR);
}

void svm_set_efer(struct hv_vcpu *vcpu, u64 efer)
{
	vcpu->efer = efer;
	svm_save(vcpu)->efer = efer | EFER_SVME;
	svm_mark_dirty(vcpu, SVM_CLEAN_CR);
}

static void intercept_debug_registers(struct hv_vcpu *vcpu, bool on)
{
	u32 *word = &svm_control(vcpu)->intercepts[INTERCEPT_DR];

	*word = on ? U32_MAX : 0;
	svm_mark_dirty(vcpu, SVM_CLEAN_INTERCEPTS);
}

void svm_update(struct hv_vcpu *vcpu)
{
	struct vmcb_save_area *save = svm_save(vcpu);

	svm_intercept(vcpu, INTERCEPT_EXCEPTION_OFFSET + HV_NM, !vcpu->fpu.owned);
	svm_intercept(vcpu, INTERCEPT_EXCEPTION_OFFSET + HV_BP,
		      vcpu->debug.guest_debug & KVM_GUESTDBG_USE_SW_BP);
	svm_update_exits(to_svm(vcpu));
	load_cr0(vcpu);
	/* Passed for a stay that does not begin: what to load has just been decided anew. */
	if (to_svm(vcpu)->dr_passed) {
		to_svm(vcpu)->dr_passed = false;
		intercept_debug_registers(vcpu, true);
	}
	save->dr7 = vcpu->debug.eff_dr7;
	save->g_pat = vcpu->msr.pat;
	svm_mark_dirty(vcpu, SVM_CLEAN_DR | SVM_CLEAN_NPT);
}

/*
 * Debug registers are written in bursts: the first access of a stay gives the
 * guest all of them until its next exit. They are loaded even if no breakpoint
 * is enabled, so that it never reads the host's.
 */
void svm_pass_debug_registers(struct hv_vcpu *vcpu)
{
	to_svm(vcpu)->dr_passed = true;
	vcpu->debug.want = true;
	svm_save(vcpu)->dr6 = vcpu->debug.dr6;
	svm_save(vcpu)->dr7 = vcpu->debug.dr7;
	svm_mark_dirty(vcpu, SVM_CLEAN_DR);
	intercept_debug_registers(vcpu, false);
}

/* Interrupts off, right after the exit: DR0-DR3 still hold the guest's values. */
void svm_take_debug_registers(struct hv_vcpu *vcpu)
{
	struct hv_debug *debug = &vcpu->debug;
	unsigned long value;

	to_svm(vcpu)->dr_passed = false;
	get_debugreg(value, 0);
	debug->db[0] = value;
	get_debugreg(value, 1);
	debug->db[1] = value;
	get_debugreg(value, 2);
	debug->db[2] = value;
	get_debugreg(value, 3);
	debug->db[3] = value;
	debug->dr6 = svm_save(vcpu)->dr6;
	debug->dr7 = svm_save(vcpu)->dr7;
	intercept_debug_registers(vcpu, true);
	hv_debug_update(vcpu);
}

void svm_write_tsc_offset(struct hv_vcpu *vcpu, u64 offset)
{
	svm_control(vcpu)->tsc_offset = offset;
	svm_mark_dirty(vcpu, SVM_CLEAN_INTERCEPTS);
}

void svm_reset(struct hv_vcpu *vcpu, bool init)
{
	struct vmcb_control_area *control = svm_control(vcpu);

	control->event_inj = 0;
	control->int_state = 0;
	control->clean = 0;
	svm_want_interrupt_window(vcpu, false);
	svm_forget_interrupt(vcpu);
	svm_nmi_reset(vcpu);
}
