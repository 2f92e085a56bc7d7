// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exits that need an instruction carried out in software: run the emulator on a vCPU's registers,
 * put the result back, and complete what user space has to do.
 */
#include <linux/slab.h>
#include <linux/string.h>

#include "irqchip/lapic.h"
#include "memory/tdp.h"
#include "x86/async_pf.h"
#include "x86/cr.h"
#include "x86/emulate.h"
#include "x86/emulate_int.h"
#include "x86/event.h"
#include "x86/regs.h"

#define ATTR_DPL_SHIFT	5

int hv_emul_init(struct hv_vcpu *vcpu)
{
	struct hv_emul *e = kzalloc(sizeof(*e), GFP_KERNEL_ACCOUNT);

	if (!e)
		return -ENOMEM;
	e->c.ops = &hv_emul_ops;
	e->c.priv = vcpu;
	vcpu->emul = e;
	return 0;
}

void hv_emul_destroy(struct hv_vcpu *vcpu)
{
	kfree(vcpu->emul);
	vcpu->emul = NULL;
}

static void load_segment(struct hv_vcpu *vcpu, unsigned int n)
{
	struct emul_segment *to = &vcpu->emul->c.seg[n];
	struct kvm_segment s;

	hv_ops->get_segment(vcpu, n, &s);
	to->base = s.base;
	to->limit = s.limit;
	to->selector = s.selector;
	to->attr = (s.type & 0xf) | s.dpl << ATTR_DPL_SHIFT;
	to->attr |= s.s ? EMUL_ATTR_S : 0;
	to->attr |= s.present ? EMUL_ATTR_P : 0;
	to->attr |= s.l ? EMUL_ATTR_L : 0;
	to->attr |= s.db ? EMUL_ATTR_DB : 0;
	to->attr |= s.g ? EMUL_ATTR_G : 0;
	to->attr |= s.unusable ? EMUL_ATTR_UNUSABLE : 0;
}

static enum emul_mode mode_of(struct hv_vcpu *vcpu)
{
	if (!(vcpu->emul->c.cr0 & X86_CR0_PE))
		return EMUL_MODE_REAL;
	if (vcpu->emul->c.rflags & X86_EFLAGS_VM)
		return EMUL_MODE_VM86;
	if (hv_is_64bit(vcpu))
		return EMUL_MODE_LONG64;
	return vcpu->emul->c.seg[EMUL_CS].attr & EMUL_ATTR_DB ? EMUL_MODE_PROT32 :
								EMUL_MODE_PROT16;
}

/* 64-bit code reads no segment but FS and GS: those come when an operand wants them. */
static void load_segments(struct hv_vcpu *vcpu)
{
	unsigned int n;

	if (hv_long_mode(vcpu) && hv_is_64bit(vcpu))
		return;
	for (n = 0; n < EMUL_NR_SEG; n++)
		load_segment(vcpu, n);
}

static void load_context(struct hv_vcpu *vcpu)
{
	struct hv_emul *e = vcpu->emul;
	struct emul_ctxt *c = &e->c;

	hv_reg_need(vcpu, HV_REG_RSP);
	memcpy(c->gpr, vcpu->gpr, sizeof(c->gpr));
	c->rip = hv_rip(vcpu);
	c->rflags = hv_rflags(vcpu);
	c->cr0 = hv_cr0(vcpu);
	c->cr4 = hv_cr4(vcpu);
	c->xcr0 = vcpu->fpu.xcr0;
	c->cpl = hv_cpl(vcpu);
	load_segments(vcpu);
	c->mode = mode_of(vcpu);
	c->nbytes = hv_ops->insn_bytes ? hv_ops->insn_bytes(vcpu, c->bytes) : 0;
	c->stop = false;
	e->nr = 0;
	e->pos = 0;
	e->pending = NULL;
	e->posted = false;
	e->error = 0;
	e->fetch.nr = 0;
}

/* What decoding shows to be needed: an FS or GS base, or a selector to be stored. */
static void load_late(struct hv_vcpu *vcpu)
{
	const struct emul_ctxt *c = &vcpu->emul->c;

	if (c->mode != EMUL_MODE_LONG64)
		return;
	if (c->insn.seg == EMUL_FS || c->insn.seg == EMUL_GS)
		load_segment(vcpu, c->insn.seg);
	if (c->insn.class == EMUL_CLASS_MOV_FROM_SREG && (c->insn.reg & 7) < EMUL_NR_SEG)
		load_segment(vcpu, c->insn.reg & 7);
}

static bool regs_changed(struct hv_vcpu *vcpu)
{
	const struct emul_ctxt *c = &vcpu->emul->c;

	hv_reg_need(vcpu, HV_REG_RSP);
	return memcmp(c->gpr, vcpu->gpr, sizeof(c->gpr)) || c->rip != hv_rip(vcpu) ||
	       c->rflags != hv_rflags(vcpu);
}

/* Registers as of the last commit; RSP and RFLAGS only if changed, to spare hardware writes. */
static void store_context(struct hv_vcpu *vcpu)
{
	const struct emul_ctxt *c = &vcpu->emul->c;
	u64 rsp = vcpu->gpr[HV_RSP];

	memcpy(vcpu->gpr, c->gpr, sizeof(vcpu->gpr));
	if (c->gpr[EMUL_RSP] != rsp)
		hv_set_gpr(vcpu, HV_RSP, c->gpr[EMUL_RSP]);
	if (c->rflags != hv_rflags(vcpu))
		hv_set_rflags(vcpu, c->rflags);
}

static int inject(struct hv_vcpu *vcpu)
{
	const struct emul_exception *x = &vcpu->emul->c.exception;

	if (x->vector == EMUL_VEC_PF)
		hv_queue_page_fault(vcpu, x->address, x->error);
	else if (x->has_error)
		hv_queue_exception_error(vcpu, x->vector, x->error);
	else
		hv_queue_exception(vcpu, x->vector);
	return HV_RESUME;
}

/* An instruction (or an iteration) is done: RIP, shadow and single-step as for any other. */
static int retire(struct hv_vcpu *vcpu)
{
	const struct emul_ctxt *c = &vcpu->emul->c;

	if (c->cr0_changed && hv_cr0_write(vcpu, c->cr0))
		return hv_inject_gp(vcpu);
	hv_set_rip(vcpu, c->rip);
	return hv_skip_insn(vcpu, 0);
}

/* KVM_INTERNAL_ERROR_EMULATION, with the @n bytes of the instruction */
static int emulation_failed(struct hv_vcpu *vcpu, const u8 *bytes, unsigned int n)
{
	struct kvm_run *run = vcpu->run;
	const u32 head = sizeof(run->emulation_failure.flags) / sizeof(u64);
	const u32 insn = (EMUL_MAX_INSN + 1) / sizeof(u64);
	u64 *data = run->internal.data;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
	run->emulation_failure.flags = 0;
	memset(run->emulation_failure.insn_bytes, 0, EMUL_MAX_INSN);
	run->emulation_failure.insn_size = n;
	if (n) {
		run->emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
		memcpy(run->emulation_failure.insn_bytes, bytes, n);
	}
	run->emulation_failure.ndata = head + insn +
				       hv_ops->describe_exit(vcpu, data + head + insn);
	return HV_USERSPACE;
}

/*
 * An application must not be able to stop its machine: above CPL 0 an unknown instruction is #UD,
 * unless the VMM asked to see all of them.
 */
static int unhandled(struct hv_vcpu *vcpu)
{
	struct hv_emul *e = vcpu->emul;

	if (e->error)
		return e->error;
	if (e->c.cpl && !vcpu->vm->exit_on_emulation_failure)
		return hv_inject_ud(vcpu);
	return emulation_failed(vcpu, e->c.bytes, e->c.nbytes);
}

static int emul_complete(struct hv_vcpu *vcpu);

/* Retired with a write in user space's hands: nothing is left to do when it comes back. */
static int retired_posted(struct hv_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u32 reason = run->exit_reason;

	/* The exit for a debugger's single step would overwrite this one: it comes after. */
	if (vcpu->debug.guest_debug & KVM_GUESTDBG_SINGLESTEP) {
		hv_set_rip(vcpu, vcpu->emul->c.rip);
		vcpu->emul->stepped = true;
		vcpu->complete = emul_complete;
		return HV_USERSPACE;
	}
	retire(vcpu);
	run->exit_reason = reason;
	return HV_USERSPACE;
}

/* Act on what emul_exec() returned. */
static int conclude(struct hv_vcpu *vcpu, int rc)
{
	struct hv_emul *e = vcpu->emul;

	store_context(vcpu);
	if (rc == EMUL_OK)
		return e->posted ? retired_posted(vcpu) : retire(vcpu);
	if (rc == EMUL_USER || e->posted) {
		vcpu->complete = emul_complete;
		return HV_USERSPACE;
	}
	if (rc == EMUL_FAULT)
		return inject(vcpu);
	return rc == EMUL_RETRY ? HV_RESUME : unhandled(vcpu);
}

/*
 * Take what user space brought for the pending read. KVM_RUN that completes an exit has not looked
 * for signals and requests, and a string has as many reads as the guest likes: one, then the loop.
 */
static void take_answer(struct hv_vcpu *vcpu)
{
	struct hv_emul *e = vcpu->emul;
	struct hv_emul_access *a = e->pending;

	e->pending = NULL;
	if (!a)
		return;
	if (a->kind == HV_EMUL_PIO_IN)
		memcpy(e->pio_buf + a->done, vcpu->pio_data, e->pending_len);
	else
		memcpy(a->data + a->done, vcpu->run->mmio.data, e->pending_len);
	a->done += e->pending_len;
	e->c.stop = true;
}

/*
 * KVM_RUN is back after an exit of ours. If the registers are not those we left, user space has
 * reset or replaced the vCPU, and there is no instruction to finish.
 */
static int emul_complete(struct hv_vcpu *vcpu)
{
	struct hv_emul *e = vcpu->emul;
	bool stepped = e->stepped;

	e->stepped = false;
	if (regs_changed(vcpu))
		return HV_RESUME;
	if (stepped)
		return hv_skip_insn(vcpu, 0);
	take_answer(vcpu);
	e->posted = false;
	e->pos = 0;
	return conclude(vcpu, emul_exec(&e->c));
}

static int emulate(struct hv_vcpu *vcpu)
{
	struct emul_ctxt *c = &vcpu->emul->c;
	int rc;

	vcpu->stat.insn_emulations++;
	load_context(vcpu);
	rc = emul_decode(c);
	if (rc == EMUL_FAULT)
		return inject(vcpu);
	if (rc)
		return unhandled(vcpu);
	load_late(vcpu);
	if (vcpu->emul->hint_valid)
		hv_mmio_mov_remember(vcpu);
	return conclude(vcpu, emul_exec(c));
}

int hv_emulate_insn(struct hv_vcpu *vcpu)
{
	vcpu->emul->hint_valid = false;
	return emulate(vcpu);
}

int hv_handle_string_pio(struct hv_vcpu *vcpu)
{
	vcpu->stat.io_exits++;
	return hv_emulate_insn(vcpu);
}

/**
 * hv_emul_decode() - decode the instruction at RIP, for back ends without decode assists
 * @vcpu: loaded
 *
 * Return: the instruction, valid until the next use of the emulator, or NULL.
 */
const struct emul_insn *hv_emul_decode(struct hv_vcpu *vcpu)
{
	struct emul_ctxt *c = &vcpu->emul->c;

	load_context(vcpu);
	return emul_decode(c) ? NULL : &c->insn;
}

/* The exit told where the access went; using that spares a walk of the guest's page tables. */
static void set_hint(struct hv_emul *e, const struct hv_tdp_violation *v)
{
	e->hint_valid = v->gva_valid && !v->gva_is_walk && !v->exec;
	e->hint_write = v->write;
	e->hint_gva = v->gva & PAGE_MASK;
	e->hint_gpa = v->gpa & PAGE_MASK;
}

static int emulate_violation(struct hv_vcpu *vcpu, const struct hv_tdp_violation *v)
{
	int ret;

	/* Not the instruction at RIP made the access, but the delivery of an event. */
	if (vcpu->events.delivering)
		return hv_internal_error(vcpu, KVM_INTERNAL_ERROR_DELIVERY_EV);
	/* Page tables on a device: no instruction could be re-executed meaningfully. */
	if (v->gva_valid && v->gva_is_walk)
		return emulation_failed(vcpu, NULL, 0);
	ret = hv_mmio_mov(vcpu, v);
	if (ret != -EAGAIN)
		return ret;
	set_hint(vcpu->emul, v);
	return emulate(vcpu);
}

int hv_handle_tdp_violation(struct hv_vcpu *vcpu, const struct hv_tdp_violation *v)
{
	enum hv_tdp_result result;

	if (vcpu->lapic && hv_lapic_owns(vcpu, v->gpa))
		return emulate_violation(vcpu, v);

	result = hv_tdp_fault(vcpu, v, hv_async_pf_possible(vcpu));
	if (unlikely(result == HV_TDP_WAITS)) {
		if (hv_async_pf_begin(vcpu, v->gpa, v->write))
			return HV_RESUME;
		result = hv_tdp_fault(vcpu, v, false);
	}
	switch (result) {
	case HV_TDP_MAPPED:
		return HV_RESUME;
	case HV_TDP_MMIO:
		return emulate_violation(vcpu, v);
	case HV_TDP_SIGNAL:
		vcpu->run->exit_reason = KVM_EXIT_INTR;
		return -EINTR;
	case HV_TDP_NO_MEMORY:
		return -ENOMEM;
	default:
		return -EFAULT;
	}
}

int hv_internal_error(struct hv_vcpu *vcpu, u32 suberror)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = suberror;
	run->internal.ndata = hv_ops->describe_exit(vcpu, run->internal.data);
	return HV_USERSPACE;
}
