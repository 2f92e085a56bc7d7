/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A plain move between a register and memory in 64-bit mode, told by what it needs: enough to
 * carry it out again, with other register contents, without a decode and a context.
 */
#ifndef VELLUM_X86_EMUL_MOV_H
#define VELLUM_X86_EMUL_MOV_H

#include "x86/emul.h"

#define EMUL_NO_REG	EMUL_NR_GPR

/**
 * struct emul_mov - MOV, MOVZX, MOVSX or MOVNTI with one memory operand
 * @store:	to memory
 * @sext:	a load extends the sign
 * @len:	of the instruction, in bytes
 * @size:	of the memory operand, in bytes
 * @regsize:	what a load writes of the register, in bytes
 * @reg:	register; EMUL_NO_REG: @imm is stored
 * @shift:	8 for AH, CH, DH and BH, else 0
 * @base:	of the address, or EMUL_NO_REG
 * @index:	likewise
 * @scale:	of @index, as a shift
 * @disp:	displacement; of a RIP-relative operand the address itself
 * @imm:	immediate
 */
struct emul_mov {
	bool store;
	bool sext;
	u8 len;
	u8 size;
	u8 regsize;
	u8 reg;
	u8 shift;
	u8 base;
	u8 index;
	u8 scale;
	u64 disp;
	u64 imm;
};

/**
 * emul_mov_info() - describe the decoded instruction
 * @c:	context after emul_decode(), before emul_exec()
 * @m:	filled
 *
 * Return: false if it is anything else, or in another mode, or through FS or GS.
 */
bool emul_mov_info(const struct emul_ctxt *c, struct emul_mov *m);

/* The linear address of the memory operand. @gpr: all 16. */
u64 emul_mov_address(const struct emul_mov *m, const u64 *gpr);
/* What a store writes: its low @m->size bytes. */
u64 emul_mov_value(const struct emul_mov *m, const u64 *gpr);
/* What a load of @raw (@m->size bytes, zeroes above) makes of a register that held @old. */
u64 emul_mov_loaded(const struct emul_mov *m, u64 old, u64 raw);

#endif /* VELLUM_X86_EMUL_MOV_H */
