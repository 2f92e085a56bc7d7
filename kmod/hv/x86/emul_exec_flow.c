// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stack and near branches. Memory operands and the stack itself may lie on a device.
 */
#include "x86/emul_int.h"

/* SDM "Limit Checking", "Canonical Addressing": a branch faults before it is taken. */
static int branch_to(struct emul_ctxt *c, u64 target)
{
	target &= emul_mask(c->insn.opsize);
	if (c->mode == EMUL_MODE_LONG64 ? !emul_canonical(c, target) :
	    target > c->seg[EMUL_CS].limit)
		return emul_gp(c);
	c->next_rip = target;
	return EMUL_OK;
}

/* Also the one-byte form with the register in the opcode. */
int ex_push_rm(struct emul_ctxt *c)
{
	u64 val;
	int rc = emul_rm_read(c, c->insn.opsize, &val);

	return rc ? rc : emul_push(c, val, c->insn.opsize);
}

int ex_push_imm(struct emul_ctxt *c)
{
	return emul_push(c, c->insn.imm, c->insn.opsize);
}

/* SDM "PUSHF": VM and RF are clear in what is pushed. IOPL and VIF matter in virtual-8086 mode. */
int ex_pushf(struct emul_ctxt *c)
{
	if (c->mode == EMUL_MODE_VM86)
		return EMUL_UNHANDLED;
	return emul_push(c, c->rflags & ~(u64)(X86_EFLAGS_VM | X86_EFLAGS_RF), c->insn.opsize);
}

/* SDM "POP": an address based on rSP is computed after the increment. */
int ex_pop_rm(struct emul_ctxt *c)
{
	struct emul_insn *i = &c->insn;
	u64 val;
	int rc = emul_pop(c, &val, i->opsize);

	if (rc)
		return rc;
	if (i->base_rsp)
		i->ea = (i->ea + i->opsize) & emul_mask(i->adsize);
	return emul_rm_write(c, i->opsize, val);
}

static int call_to(struct emul_ctxt *c, u64 target)
{
	u64 ret = c->next_rip;
	int rc = branch_to(c, target);

	return rc ? rc : emul_push(c, ret, c->insn.opsize);
}

int ex_call_rm(struct emul_ctxt *c)
{
	u64 target;
	int rc = emul_rm_read(c, c->insn.opsize, &target);

	return rc ? rc : call_to(c, target);
}

int ex_jmp_rm(struct emul_ctxt *c)
{
	u64 target;
	int rc = emul_rm_read(c, c->insn.opsize, &target);

	return rc ? rc : branch_to(c, target);
}

int ex_call_rel(struct emul_ctxt *c)
{
	return call_to(c, c->next_rip + c->insn.imm);
}

int ex_jmp_rel(struct emul_ctxt *c)
{
	return branch_to(c, c->next_rip + c->insn.imm);
}

int ex_jcc(struct emul_ctxt *c)
{
	if (!emul_cond(c->insn.opcode, c->rflags))
		return EMUL_OK;
	return branch_to(c, c->next_rip + c->insn.imm);
}

/* RET, and RET imm16 that drops parameters too. */
int ex_ret(struct emul_ctxt *c)
{
	u64 target;
	int rc = emul_pop(c, &target, c->insn.opsize);

	if (rc)
		return rc;
	emul_reg_add(c, EMUL_RSP, emul_stack_size(c), c->insn.imm);
	return branch_to(c, target);
}

int ex_leave(struct emul_ctxt *c)
{
	unsigned int width = emul_stack_size(c);
	u64 val;
	int rc;

	emul_set_reg(c, EMUL_RSP, width, c->gpr[EMUL_RBP]);
	rc = emul_pop(c, &val, c->insn.opsize);
	if (!rc)
		emul_set_reg(c, EMUL_RBP, c->insn.opsize, val);
	return rc;
}
