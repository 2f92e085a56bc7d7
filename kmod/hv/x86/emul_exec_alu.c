// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arithmetic and logic on operands, exchanges, multiplication and division.
 */
#include "x86/emul_int.h"

/* The operation is in the opcode, or in ModRM.reg for the forms with an immediate. */
static enum emul_alu alu_of(const struct emul_insn *i)
{
	return i->opcode < EMUL_ALU_END ? i->opcode >> 3 : i->reg & 7;
}

/* op r/m,val: CMP only reads, the others read, modify and write. */
static int alu_rm(struct emul_ctxt *c, u64 val)
{
	unsigned int size = c->insn.opsize;
	enum emul_alu op = alu_of(&c->insn);
	u64 old, res;
	int rc;

	rc = op == ALU_CMP ? emul_rm_read(c, size, &old) : emul_rm_begin(c, size, &old);
	if (rc)
		return rc;
	res = emul_alu(op, old, val, size, &c->rflags);
	return op == ALU_CMP ? EMUL_OK : emul_rm_end(c, size, old, res);
}

/* op reg,val */
static void alu_reg(struct emul_ctxt *c, unsigned int n, u64 val)
{
	unsigned int size = c->insn.opsize;
	enum emul_alu op = alu_of(&c->insn);
	u64 res = emul_alu(op, emul_reg(c, n, size), val, size, &c->rflags);

	if (op != ALU_CMP)
		emul_set_reg(c, n, size, res);
}

int ex_alu_rm_r(struct emul_ctxt *c)
{
	return alu_rm(c, emul_reg(c, c->insn.reg, c->insn.opsize));
}

int ex_alu_rm_imm(struct emul_ctxt *c)
{
	return alu_rm(c, c->insn.imm);
}

int ex_alu_r_rm(struct emul_ctxt *c)
{
	u64 val;
	int rc = emul_rm_read(c, c->insn.opsize, &val);

	if (!rc)
		alu_reg(c, c->insn.reg, val);
	return rc;
}

int ex_alu_acc_imm(struct emul_ctxt *c)
{
	alu_reg(c, EMUL_RAX, c->insn.imm);
	return EMUL_OK;
}

static int test_rm(struct emul_ctxt *c, u64 val)
{
	u64 old;
	int rc = emul_rm_read(c, c->insn.opsize, &old);

	if (!rc)
		emul_alu(ALU_AND, old, val, c->insn.opsize, &c->rflags);
	return rc;
}

int ex_test_rm_r(struct emul_ctxt *c)
{
	return test_rm(c, emul_reg(c, c->insn.reg, c->insn.opsize));
}

int ex_test_rm_imm(struct emul_ctxt *c)
{
	return test_rm(c, c->insn.imm);
}

int ex_test_acc_imm(struct emul_ctxt *c)
{
	emul_alu(ALU_AND, c->gpr[EMUL_RAX], c->insn.imm, c->insn.opsize, &c->rflags);
	return EMUL_OK;
}

/* NOT, NEG, INC, DEC on r/m (and on the register in the opcode). */
int ex_unary(struct emul_ctxt *c)
{
	unsigned int size = c->insn.opsize;
	u64 old;
	int rc = emul_rm_begin(c, size, &old);

	if (rc)
		return rc;
	return emul_rm_end(c, size, old, emul_unary(c->insn.op->sub, old, size, &c->rflags));
}

/* With two register operands the sum must win over the exchange: it is stored last. */
int ex_xadd(struct emul_ctxt *c)
{
	unsigned int size = c->insn.opsize;
	u64 old, sum;
	int rc = emul_rm_begin(c, size, &old);

	if (rc)
		return rc;
	sum = emul_alu(ALU_ADD, old, emul_reg(c, c->insn.reg, size), size, &c->rflags);
	if (!c->insn.has_mem)
		emul_set_reg(c, c->insn.reg, size, old);
	rc = emul_rm_end(c, size, old, sum);
	if (!rc && c->insn.has_mem)
		emul_set_reg(c, c->insn.reg, size, old);
	return rc;
}

/* XCHG with memory is locked with or without the prefix. 90 is NOP unless REX.B makes it R8. */
int ex_xchg_rm_r(struct emul_ctxt *c)
{
	unsigned int size = c->insn.opsize;
	unsigned int n = c->insn.has_modrm ? c->insn.reg : EMUL_RAX;
	u64 old, val = emul_reg(c, n, size);
	int rc;

	if (!c->insn.has_modrm && c->insn.rm == EMUL_RAX)
		return EMUL_OK;
	rc = emul_rm_begin(c, size, &old);
	if (rc)
		return rc;
	c->insn.lock = true;
	rc = emul_rm_end(c, size, old, val);
	if (!rc)
		emul_set_reg(c, n, size, old);
	return rc;
}

int ex_cmpxchg(struct emul_ctxt *c)
{
	unsigned int size = c->insn.opsize;
	u64 old, acc = emul_reg(c, EMUL_RAX, size);
	int rc = emul_rm_begin(c, size, &old);

	if (rc)
		return rc;
	emul_alu(ALU_CMP, acc, old, size, &c->rflags);
	if (acc == old)
		return emul_rm_end(c, size, old, emul_reg(c, c->insn.reg, size));
	emul_set_reg(c, EMUL_RAX, size, old);
	return EMUL_OK;
}

/* The write half: locked or plain. */
static int cmpxchg8b_store(struct emul_ctxt *c, const void *old, const void *new, unsigned int len)
{
	if (c->insn.lock)
		return c->ops->compare_exchange(c, c->rm_la, old, new, len);
	return c->ops->write(c, c->rm_la, new, len, EMUL_ACC_WRITE);
}

static void load_pair(struct emul_ctxt *c, unsigned int size, u64 lo, u64 hi)
{
	emul_set_reg(c, EMUL_RAX, size, lo);
	emul_set_reg(c, EMUL_RDX, size, hi);
}

/* CMPXCHG8B, CMPXCHG16B: halves of opsize bytes, only ZF changes. */
int ex_cmpxchg8b(struct emul_ctxt *c)
{
	unsigned int size = c->insn.opsize == 8 ? 8 : 4;
	u64 lo = 0, hi = 0, new[2];
	u8 old[16], want[16];
	int rc = emul_linear(c, c->insn.seg, c->insn.ea, 2 * size, true, &c->rm_la);

	if (!rc && size == 8 && c->rm_la % (2 * size))
		rc = emul_gp(c);
	if (!rc)
		rc = c->ops->read(c, c->rm_la, old, 2 * size, EMUL_ACC_WRITE);
	if (rc)
		return rc;
	memcpy(&lo, old, size);
	memcpy(&hi, old + size, size);
	if (lo != emul_reg(c, EMUL_RAX, size) || hi != emul_reg(c, EMUL_RDX, size)) {
		c->rflags &= ~X86_EFLAGS_ZF;
		load_pair(c, size, lo, hi);
		return EMUL_OK;
	}
	c->rflags |= X86_EFLAGS_ZF;
	new[0] = c->gpr[EMUL_RBX];
	new[1] = c->gpr[EMUL_RCX];
	memcpy(want, &new[0], size);
	memcpy(want + size, &new[1], size);
	return cmpxchg8b_store(c, old, want, 2 * size);
}

/* The double-width accumulator: AX for bytes, else rDX:rAX. */
static void store_wide(struct emul_ctxt *c, unsigned int size, const u64 val[2])
{
	if (size == 1) {
		emul_set_reg(c, EMUL_RAX, 2, val[1] << 8 | val[0]);
	} else {
		emul_set_reg(c, EMUL_RAX, size, val[0]);
		emul_set_reg(c, EMUL_RDX, size, val[1]);
	}
}

/* MUL and IMUL with one operand; sub: signed. */
int ex_mul(struct emul_ctxt *c)
{
	unsigned int size = c->insn.opsize;
	u64 val, res[2];
	int rc = emul_rm_read(c, size, &val);

	if (rc)
		return rc;
	emul_mul(c->insn.op->sub, c->gpr[EMUL_RAX], val, size, res, &c->rflags);
	store_wide(c, size, res);
	return EMUL_OK;
}

static int imul_to_reg(struct emul_ctxt *c, u64 factor)
{
	unsigned int size = c->insn.opsize;
	u64 val, res[2];
	int rc = emul_rm_read(c, size, &val);

	if (rc)
		return rc;
	emul_mul(true, factor, val, size, res, &c->rflags);
	emul_set_reg(c, c->insn.reg, size, res[0]);
	return EMUL_OK;
}

int ex_imul2(struct emul_ctxt *c)
{
	return imul_to_reg(c, c->gpr[c->insn.reg]);
}

int ex_imul3(struct emul_ctxt *c)
{
	return imul_to_reg(c, c->insn.imm);
}

/* DIV and IDIV; sub: signed. */
int ex_div(struct emul_ctxt *c)
{
	unsigned int size = c->insn.opsize;
	u64 den, num[2];
	int rc = emul_rm_read(c, size, &den);

	if (rc)
		return rc;
	num[0] = c->gpr[EMUL_RAX] & emul_mask(size);
	num[1] = (size == 1 ? c->gpr[EMUL_RAX] >> 8 : c->gpr[EMUL_RDX]) & emul_mask(size);
	if (!emul_div(c->insn.op->sub, num, den, size))
		return emul_fault(c, EMUL_VEC_DE);
	store_wide(c, size, num);
	return EMUL_OK;
}
