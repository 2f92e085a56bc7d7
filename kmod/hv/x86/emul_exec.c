// SPDX-License-Identifier: GPL-2.0-only
/*
 * Carrying out a decoded instruction: the commit rule, and the moves.
 *
 * Handlers work directly on the registers in the context. What the last commit left is kept aside
 * and restored unless the handler says EMUL_OK, so no handler has to undo anything.
 */
#include "x86/emul_int.h"

#define SMSW_BITS	GENMASK_ULL(15, 0)
/* LMSW loads PE, MP, EM and TS, and cannot clear PE. */
#define LMSW_BITS	(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS)

static void save(struct emul_ctxt *c)
{
	memcpy(c->saved.gpr, c->gpr, sizeof(c->gpr));
	c->saved.rflags = c->rflags;
	c->saved.cr0 = c->cr0;
	c->saved.ea = c->insn.ea;
	c->saved.next_rip = c->next_rip;
}

static void restore(struct emul_ctxt *c)
{
	memcpy(c->gpr, c->saved.gpr, sizeof(c->gpr));
	c->rflags = c->saved.rflags;
	c->cr0 = c->saved.cr0;
	c->insn.ea = c->saved.ea;
	c->next_rip = c->saved.next_rip;
}

static void tell_commit(struct emul_ctxt *c)
{
	if (c->ops->commit)
		c->ops->commit(c);
}

void emul_commit(struct emul_ctxt *c)
{
	save(c);
	tell_commit(c);
}

int emul_exec(struct emul_ctxt *c)
{
	const struct emul_opcode *op = c->insn.op;
	int rc;

	c->rep_more = false;
	c->cr0_changed = false;
	if (!op || !op->exec)
		return EMUL_UNHANDLED;
	if (c->insn.flags & OPF_PRIV && c->cpl)
		return emul_gp(c);
	save(c);
	rc = op->exec(c);
	if (rc) {
		restore(c);
		return rc;
	}
	/* SDM "Debug Exceptions": RF lasts for one instruction. */
	if (!c->rep_more) {
		c->rip = c->next_rip;
		c->rflags &= ~X86_EFLAGS_RF;
	}
	c->cr0_changed = c->cr0 != c->saved.cr0;
	tell_commit(c);
	return EMUL_OK;
}

int ex_nop(struct emul_ctxt *c)
{
	return EMUL_OK;
}

/* LFENCE, MFENCE, SFENCE; with a prefix they are something else. */
int ex_fence(struct emul_ctxt *c)
{
	return c->insn.rep || c->insn.pfx66 ? EMUL_UNHANDLED : EMUL_OK;
}

/* CLFLUSH (/7), CLFLUSHOPT (66 /7), CLWB (66 /6): there is no cache, but the address is checked. */
int ex_cache_line(struct emul_ctxt *c)
{
	bool xsaveopt = (c->insn.reg & 7) == 6 && !c->insn.pfx66;
	u64 la;

	if (c->insn.rep || xsaveopt)
		return EMUL_UNHANDLED;
	return emul_linear(c, c->insn.seg, c->insn.ea, 1, false, &la);
}

/* MOV r/m,r; MOVNTI; MOVDIRI */
int ex_mov_rm_r(struct emul_ctxt *c)
{
	return emul_rm_write(c, c->insn.opsize, emul_reg(c, c->insn.reg, c->insn.opsize));
}

int ex_mov_r_rm(struct emul_ctxt *c)
{
	u64 val;
	int rc = emul_rm_read(c, c->insn.opsize, &val);

	if (!rc)
		emul_set_reg(c, c->insn.reg, c->insn.opsize, val);
	return rc;
}

int ex_mov_rm_imm(struct emul_ctxt *c)
{
	return emul_rm_write(c, c->insn.opsize, c->insn.imm);
}

/* MOV between the accumulator and an absolute address; sub: store. */
int ex_mov_moffs(struct emul_ctxt *c)
{
	u64 val = emul_reg(c, EMUL_RAX, c->insn.opsize);
	int rc;

	if (c->insn.op->sub)
		return emul_rm_write(c, c->insn.opsize, val);
	rc = emul_rm_read(c, c->insn.opsize, &val);
	if (!rc)
		emul_set_reg(c, EMUL_RAX, c->insn.opsize, val);
	return rc;
}

/* To memory always 16 bits, to a register zero-extended to the operand size. */
int ex_mov_rm_sreg(struct emul_ctxt *c)
{
	unsigned int seg = c->insn.reg & 7;

	if (seg >= EMUL_NR_SEG)
		return emul_ud(c);
	return emul_rm_write(c, c->insn.has_mem ? 2 : c->insn.opsize, c->seg[seg].selector);
}

/* MOVZX, MOVSX, MOVSXD; sub: sign-extend. */
int ex_movx(struct emul_ctxt *c)
{
	const struct emul_insn *i = &c->insn;
	unsigned int size = i->opcode & 1 ? 2 : 1;
	u64 val;
	int rc;

	if (i->map == EMUL_MAP_1B)
		size = i->opsize == 2 ? 2 : 4;
	rc = emul_rm_read(c, size, &val);
	if (!rc)
		emul_set_reg(c, i->reg, i->opsize, i->op->sub ? emul_sext(val, size) : val);
	return rc;
}

static u64 byte_swap(u64 val, unsigned int size)
{
	return __builtin_bswap64(val) >> (64 - size * 8);
}

/* sub: store. */
int ex_movbe(struct emul_ctxt *c)
{
	unsigned int size = c->insn.opsize;
	u64 val = emul_reg(c, c->insn.reg, size);
	int rc;

	if (c->insn.op->sub)
		return emul_rm_write(c, size, byte_swap(val, size));
	rc = emul_rm_read(c, size, &val);
	if (!rc)
		emul_set_reg(c, c->insn.reg, size, byte_swap(val, size));
	return rc;
}

int ex_lea(struct emul_ctxt *c)
{
	emul_set_reg(c, c->insn.reg, c->insn.opsize, c->insn.ea);
	return EMUL_OK;
}

/* A 16-bit BSWAP is undefined; processors store zero. */
int ex_bswap(struct emul_ctxt *c)
{
	unsigned int size = c->insn.opsize;
	u64 val = size == 2 ? 0 : byte_swap(emul_reg(c, c->insn.rm, size), size);

	emul_set_reg(c, c->insn.rm, size, val);
	return EMUL_OK;
}

/* CBW, CWDE, CDQE */
int ex_cbw(struct emul_ctxt *c)
{
	unsigned int size = c->insn.opsize;

	emul_set_reg(c, EMUL_RAX, size, emul_sext(emul_reg(c, EMUL_RAX, size / 2), size / 2));
	return EMUL_OK;
}

/* CWD, CDQ, CQO */
int ex_cwd(struct emul_ctxt *c)
{
	unsigned int size = c->insn.opsize;
	bool negative = (s64)emul_sext(emul_reg(c, EMUL_RAX, size), size) < 0;

	emul_set_reg(c, EMUL_RDX, size, negative ? ~0ULL : 0);
	return EMUL_OK;
}

int ex_setcc(struct emul_ctxt *c)
{
	return emul_rm_write(c, 1, emul_cond(c->insn.opcode, c->rflags));
}

/* The source is read, and a 32-bit destination zero-extended, whatever the condition. */
int ex_cmovcc(struct emul_ctxt *c)
{
	unsigned int size = c->insn.opsize;
	u64 val;
	int rc = emul_rm_read(c, size, &val);

	if (rc)
		return rc;
	if (!emul_cond(c->insn.opcode, c->rflags))
		val = emul_reg(c, c->insn.reg, size);
	emul_set_reg(c, c->insn.reg, size, val);
	return EMUL_OK;
}

/* CMC, CLC, STC, CLD, STD */
int ex_flag(struct emul_ctxt *c)
{
	switch (c->insn.opcode) {
	case 0xf5:
		c->rflags ^= X86_EFLAGS_CF;
		break;
	case 0xf8:
		c->rflags &= ~X86_EFLAGS_CF;
		break;
	case 0xf9:
		c->rflags |= X86_EFLAGS_CF;
		break;
	case 0xfc:
		c->rflags &= ~X86_EFLAGS_DF;
		break;
	case 0xfd:
		c->rflags |= X86_EFLAGS_DF;
		break;
	}
	return EMUL_OK;
}

int ex_clts(struct emul_ctxt *c)
{
	c->cr0 &= ~X86_CR0_TS;
	return EMUL_OK;
}

int ex_lmsw(struct emul_ctxt *c)
{
	u64 val;
	int rc = emul_rm_read(c, 2, &val);

	if (!rc)
		c->cr0 = (c->cr0 & ~(LMSW_BITS & ~X86_CR0_PE)) | (val & LMSW_BITS);
	return rc;
}

/* To memory always 16 bits. SDM "SMSW": with UMIP only at CPL 0. */
int ex_smsw(struct emul_ctxt *c)
{
	if (c->cpl && c->cr4 & X86_CR4_UMIP)
		return emul_gp(c);
	if (c->insn.has_mem)
		return emul_rm_write(c, 2, c->cr0 & SMSW_BITS);
	return emul_rm_write(c, c->insn.opsize, c->cr0);
}
