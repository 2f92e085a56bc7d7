// SPDX-License-Identifier: GPL-2.0-only
/* Plain moves in a form of their own; see emul_mov.h. */
#include "x86/emul_int.h"
#include "x86/emul_mov.h"

#define HIGH_BYTE_FIRST	4	/* without REX, byte registers 4-7 are AH, CH, DH, BH */
#define HIGH_BYTE_LAST	7
#define HIGH_BYTE_SHIFT	8

/* Bytes in memory, 0 if the instruction is not a move of ours. */
static unsigned int mov_size(const struct emul_insn *i)
{
	int (*exec)(struct emul_ctxt *c) = i->op->exec;

	if (exec == ex_mov_rm_r || exec == ex_mov_r_rm || exec == ex_mov_rm_imm)
		return i->opsize;
	if (exec != ex_movx)
		return 0;
	if (i->map == EMUL_MAP_1B)
		return i->opsize == 2 ? 2 : 4;
	return i->opcode & 1 ? 2 : 1;
}

static bool plain_address(const struct emul_ctxt *c)
{
	const struct emul_insn *i = &c->insn;

	return c->mode == EMUL_MODE_LONG64 && i->has_mem && i->has_modrm && i->adsize == 8 &&
	       i->seg != EMUL_FS && i->seg != EMUL_GS && !i->rep && !i->lock;
}

static void set_address(const struct emul_ctxt *c, struct emul_mov *m)
{
	const struct emul_insn *i = &c->insn;

	m->base = i->base;
	m->index = i->index;
	m->scale = i->scale;
	m->disp = i->rip_rel ? i->ea : i->disp;
}

/* The byte registers that lie above others, of moves between registers of one size. */
static void set_register(const struct emul_insn *i, struct emul_mov *m)
{
	m->reg = i->reg;
	m->shift = 0;
	if (m->regsize == 1 && !i->rex && i->reg >= HIGH_BYTE_FIRST && i->reg <= HIGH_BYTE_LAST) {
		m->reg -= HIGH_BYTE_FIRST;
		m->shift = HIGH_BYTE_SHIFT;
	}
}

bool emul_mov_info(const struct emul_ctxt *c, struct emul_mov *m)
{
	const struct emul_insn *i = &c->insn;
	unsigned int size = i->op ? mov_size(i) : 0;

	if (!size || !plain_address(c))
		return false;
	m->len = i->len;
	m->size = size;
	m->regsize = i->opsize;
	m->store = i->op->exec == ex_mov_rm_r || i->op->exec == ex_mov_rm_imm;
	m->sext = i->op->exec == ex_movx && i->op->sub;
	m->imm = i->imm;
	set_address(c, m);
	set_register(i, m);
	if (i->op->exec == ex_mov_rm_imm)
		m->reg = EMUL_NO_REG;
	return true;
}

u64 emul_mov_address(const struct emul_mov *m, const u64 *gpr)
{
	u64 la = m->disp;

	if (m->base != EMUL_NO_REG)
		la += gpr[m->base];
	if (m->index != EMUL_NO_REG)
		la += gpr[m->index] << m->scale;
	return la;
}

u64 emul_mov_value(const struct emul_mov *m, const u64 *gpr)
{
	return m->reg == EMUL_NO_REG ? m->imm : gpr[m->reg] >> m->shift;
}

u64 emul_mov_loaded(const struct emul_mov *m, u64 old, u64 raw)
{
	u64 val = m->sext ? emul_sext(raw, m->size) : raw;
	u64 mask = emul_mask(m->regsize);

	/* A 32-bit result clears the upper half. */
	if (m->regsize == 4)
		return val & mask;
	return (old & ~(mask << m->shift)) | (val & mask) << m->shift;
}
