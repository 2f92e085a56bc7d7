// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bit tests, shifts and rotates.
 */
#include "x86/emul_int.h"

#define BITS_PER_OCTET	8

static u64 bit_result(enum emul_bit op, u64 val, u64 bit)
{
	switch (op) {
	case BIT_SET:
		return val | bit;
	case BIT_RESET:
		return val & ~bit;
	case BIT_COMPLEMENT:
		return val ^ bit;
	default:
		return val;
	}
}

static int bit_op(struct emul_ctxt *c, enum emul_bit op, unsigned int n)
{
	unsigned int size = c->insn.opsize;
	u64 bit = 1ULL << n;
	u64 old;
	int rc;

	rc = op == BIT_TEST ? emul_rm_read(c, size, &old) : emul_rm_begin(c, size, &old);
	if (rc)
		return rc;
	c->rflags &= ~X86_EFLAGS_CF;
	c->rflags |= old & bit ? X86_EFLAGS_CF : 0;
	return op == BIT_TEST ? EMUL_OK : emul_rm_end(c, size, old, bit_result(op, old, bit));
}

/*
 * SDM "BT": a register bit offset is signed and selects the operand in a bit string that starts at
 * the memory operand, whose address the decoder computed.
 */
int ex_bit_rm_r(struct emul_ctxt *c)
{
	struct emul_insn *i = &c->insn;
	unsigned int bits = i->opsize * BITS_PER_OCTET;
	s64 offset = (s64)emul_sext(c->gpr[i->reg], i->opsize);
	unsigned int n = offset & (bits - 1);

	if (i->has_mem) {
		i->ea += (u64)((offset - n) / BITS_PER_OCTET);
		i->ea &= emul_mask(i->adsize);
	}
	return bit_op(c, (i->opcode >> 3) & 3, n);
}

/* Group 8: ModRM.reg 4 to 7. */
int ex_bit_rm_imm(struct emul_ctxt *c)
{
	return bit_op(c, c->insn.reg & 3, c->insn.imm & (c->insn.opsize * BITS_PER_OCTET - 1));
}

static int shift(struct emul_ctxt *c, unsigned int count)
{
	unsigned int size = c->insn.opsize;
	u64 old;
	int rc = emul_rm_begin(c, size, &old);

	if (rc)
		return rc;
	return emul_rm_end(c, size, old,
			   emul_shift(c->insn.reg & 7, old, count, size, &c->rflags));
}

int ex_shift_imm(struct emul_ctxt *c)
{
	return shift(c, c->insn.imm & emul_mask(1));
}

int ex_shift_1(struct emul_ctxt *c)
{
	return shift(c, 1);
}

int ex_shift_cl(struct emul_ctxt *c)
{
	return shift(c, c->gpr[EMUL_RCX] & emul_mask(1));
}

/* SHLD and SHRD; sub: right. */
static int shiftd(struct emul_ctxt *c, unsigned int count)
{
	unsigned int size = c->insn.opsize;
	u64 in = emul_reg(c, c->insn.reg, size);
	u64 old, res;
	int rc = emul_rm_begin(c, size, &old);

	if (rc)
		return rc;
	res = emul_shiftd(c->insn.op->sub, old, in, count, size, &c->rflags);
	return emul_rm_end(c, size, old, res);
}

int ex_shiftd_imm(struct emul_ctxt *c)
{
	return shiftd(c, c->insn.imm & emul_mask(1));
}

int ex_shiftd_cl(struct emul_ctxt *c)
{
	return shiftd(c, c->gpr[EMUL_RCX] & emul_mask(1));
}
