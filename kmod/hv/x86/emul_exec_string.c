// SPDX-License-Identifier: GPL-2.0-only
/*
 * String instructions. Each iteration is committed by itself: the ops layer may stop the
 * instruction between two iterations, and registers then say how far it got, as on hardware.
 */
#include "x86/emul_int.h"

static s64 step_of(const struct emul_ctxt *c)
{
	return c->rflags & X86_EFLAGS_DF ? -(s64)c->insn.opsize : c->insn.opsize;
}

static u64 index_of(const struct emul_ctxt *c, unsigned int n)
{
	return c->gpr[n] & emul_mask(c->insn.adsize);
}

static void advance(struct emul_ctxt *c, unsigned int n)
{
	emul_reg_add(c, n, c->insn.adsize, step_of(c));
}

/* CMPS and SCAS also stop on ZF: SDM "REP/REPE/REPZ/REPNE/REPNZ". */
static bool ended_by_zf(const struct emul_ctxt *c)
{
	bool zf = c->rflags & X86_EFLAGS_ZF;

	if (c->insn.op->exec != ex_cmps && c->insn.op->exec != ex_scas)
		return false;
	return c->insn.rep == EMUL_PFX_REP ? !zf : zf;
}

/**
 * emul_repeat() - run a string instruction
 * @c:		context
 * @step:	does up to *count elements (at least one), and stores how many it did
 *
 * Without a REP prefix this is one step. With one, as many as the count register says, at most
 * EMUL_MAX_REP in one go, one if single-stepping, fewer if an op asks to stop; rep_more tells that
 * some are left.
 *
 * Return: enum emul_rc
 */
int emul_repeat(struct emul_ctxt *c, int (*step)(struct emul_ctxt *c, unsigned int *count))
{
	bool stepping = c->rflags & X86_EFLAGS_TF;
	unsigned int budget = EMUL_MAX_REP, done = 1;
	u64 left;
	int rc;

	if (!c->insn.rep)
		return step(c, &done);
	for (;;) {
		left = index_of(c, EMUL_RCX);
		if (!left)
			return EMUL_OK;
		/* Not what is left of the budget: a resumed step begins with another one. */
		done = stepping ? 1 : left < EMUL_MAX_REP ? left : EMUL_MAX_REP;
		rc = step(c, &done);
		if (rc)
			return rc;
		emul_reg_add(c, EMUL_RCX, c->insn.adsize, -(s64)done);
		if (left == done || ended_by_zf(c))
			return EMUL_OK;
		if (stepping || c->stop || done >= budget)
			break;
		budget -= done;
		emul_commit(c);
	}
	c->rep_more = true;
	return EMUL_OK;
}

static int movs_one(struct emul_ctxt *c, unsigned int *count)
{
	unsigned int size = c->insn.opsize;
	u64 val = 0;
	int rc = emul_mem_read(c, c->insn.seg, index_of(c, EMUL_RSI), &val, size);

	*count = 1;
	if (!rc)
		rc = emul_mem_write(c, EMUL_ES, index_of(c, EMUL_RDI), &val, size);
	if (rc)
		return rc;
	advance(c, EMUL_RSI);
	advance(c, EMUL_RDI);
	return EMUL_OK;
}

static int cmps_one(struct emul_ctxt *c, unsigned int *count)
{
	unsigned int size = c->insn.opsize;
	u64 a = 0, b = 0;
	int rc = emul_mem_read(c, c->insn.seg, index_of(c, EMUL_RSI), &a, size);

	*count = 1;
	if (!rc)
		rc = emul_mem_read(c, EMUL_ES, index_of(c, EMUL_RDI), &b, size);
	if (rc)
		return rc;
	emul_alu(ALU_CMP, a, b, size, &c->rflags);
	advance(c, EMUL_RSI);
	advance(c, EMUL_RDI);
	return EMUL_OK;
}

static int stos_one(struct emul_ctxt *c, unsigned int *count)
{
	u64 val = c->gpr[EMUL_RAX];
	int rc = emul_mem_write(c, EMUL_ES, index_of(c, EMUL_RDI), &val, c->insn.opsize);

	*count = 1;
	if (!rc)
		advance(c, EMUL_RDI);
	return rc;
}

static int lods_one(struct emul_ctxt *c, unsigned int *count)
{
	unsigned int size = c->insn.opsize;
	u64 val = 0;
	int rc = emul_mem_read(c, c->insn.seg, index_of(c, EMUL_RSI), &val, size);

	*count = 1;
	if (rc)
		return rc;
	emul_set_reg(c, EMUL_RAX, size, val);
	advance(c, EMUL_RSI);
	return EMUL_OK;
}

static int scas_one(struct emul_ctxt *c, unsigned int *count)
{
	unsigned int size = c->insn.opsize;
	u64 val = 0;
	int rc = emul_mem_read(c, EMUL_ES, index_of(c, EMUL_RDI), &val, size);

	*count = 1;
	if (rc)
		return rc;
	emul_alu(ALU_CMP, c->gpr[EMUL_RAX], val, size, &c->rflags);
	advance(c, EMUL_RDI);
	return EMUL_OK;
}

int ex_movs(struct emul_ctxt *c)
{
	return emul_repeat(c, movs_one);
}

int ex_cmps(struct emul_ctxt *c)
{
	return emul_repeat(c, cmps_one);
}

int ex_stos(struct emul_ctxt *c)
{
	return emul_repeat(c, stos_one);
}

int ex_lods(struct emul_ctxt *c)
{
	return emul_repeat(c, lods_one);
}

int ex_scas(struct emul_ctxt *c)
{
	return emul_repeat(c, scas_one);
}
