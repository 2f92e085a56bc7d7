/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside the emulator: the shape of the opcode tables, operand access, pure arithmetic, handlers.
 */
#ifndef VELLUM_X86_EMUL_INT_H
#define VELLUM_X86_EMUL_INT_H

#ifdef __KERNEL__
#include <uapi/asm/processor-flags.h>
#else
#include <asm/processor-flags.h>
#endif

#include "x86/emul.h"

/* The six flags arithmetic changes. */
#define EMUL_ARITH_FLAGS	(X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF | \
				 X86_EFLAGS_SF | X86_EFLAGS_OF)

#define EMUL_PFX_REPNE		0xf2
#define EMUL_PFX_REP		0xf3

#define EMUL_REX_B		BIT(0)
#define EMUL_REX_X		BIT(1)
#define EMUL_REX_R		BIT(2)
#define EMUL_REX_W		BIT(3)

#define EMUL_PAGE_SIZE		4096u

/* Opcode maps, SDM "Opcode Map"; the numbers are those of VEX.mmmmm. */
enum emul_map { EMUL_MAP_1B, EMUL_MAP_0F, EMUL_MAP_0F38, EMUL_MAP_0F3A };

/* How an opcode is encoded and when it is legal. */
enum emul_opflag {
	OPF_MODRM = BIT(0),
	OPF_BYTE = BIT(1),	/* operand size 1 */
	OPF_IMM8 = BIT(2),	/* 8-bit immediate, sign-extended */
	OPF_IMM = BIT(3),	/* immediate of operand size, at most 32 bits, sign-extended */
	OPF_IMMV = BIT(4),	/* immediate of full operand size */
	OPF_IMM16 = BIT(5),
	OPF_MOFFS = BIT(6),	/* memory operand given by an address-size offset */
	OPF_LOCK = BIT(7),	/* LOCK is legal with a memory destination */
	OPF_NO64 = BIT(8),
	OPF_ONLY64 = BIT(9),
	OPF_DEF64 = BIT(10),	/* 64-bit mode: operand size 64 or 16 */
	OPF_FORCE64 = BIT(11),	/* 64-bit mode: operand size always 64 */
	OPF_MEM = BIT(12),	/* register form is #UD */
	OPF_REG = BIT(13),	/* ModRM.mod is ignored: always a register (MOV CR, MOV DR) */
	OPF_PRIV = BIT(14),	/* CPL 0 only */
	OPF_OPREG = BIT(15),	/* register number in the low bits of the opcode */
	OPF_VEC = BIT(16),	/* look up emul_vec_find() with prefix and map */
	OPF_PROT = BIT(17),	/* #UD in real and virtual-8086 mode */
};

struct emul_group;

/**
 * struct emul_opcode - one table entry
 * @flags:	enum emul_opflag
 * @class:	enum emul_class
 * @sub:	variant, for handlers that serve several opcodes
 * @exec:	handler, or NULL if only decoded
 * @group:	further entries selected by ModRM
 *
 * An entry with neither @exec, @group nor @class is an unknown opcode.
 */
struct emul_opcode {
	u32 flags;
	u8 class;
	u8 sub;
	int (*exec)(struct emul_ctxt *c);
	const struct emul_group *group;
};

/**
 * struct emul_group - opcodes told apart by ModRM
 * @mem:	eight entries by ModRM.reg, memory form
 * @reg:	register form: eight entries by ModRM.reg, or 64 by reg and rm if @by_rm;
 *		NULL: the same as @mem
 * @by_rm:	see @reg
 */
struct emul_group {
	const struct emul_opcode *mem;
	const struct emul_opcode *reg;
	bool by_rm;
};

const struct emul_opcode *emul_lookup(const struct emul_insn *insn);
const struct emul_opcode *emul_vec_find(const struct emul_insn *insn);

/* Opcodes below are ALU operations: (opcode >> 3) is enum emul_alu. */
#define EMUL_ALU_END	0x40

/* Variants: the order is that of the encodings. */
enum emul_alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };
enum emul_shift { SH_ROL, SH_ROR, SH_RCL, SH_RCR, SH_SHL, SH_SHR, SH_SAL, SH_SAR };
enum emul_bit { BIT_TEST, BIT_SET, BIT_RESET, BIT_COMPLEMENT };
enum emul_unary { UN_NOT, UN_NEG, UN_INC, UN_DEC };

/* Pure arithmetic, emul_flags.c. @size is in bytes, values are masked to it. */
u64 emul_mask(unsigned int size);
u64 emul_sext(u64 val, unsigned int size);
u64 emul_alu(enum emul_alu op, u64 a, u64 b, unsigned int size, u64 *flags);
u64 emul_unary(enum emul_unary op, u64 a, unsigned int size, u64 *flags);
u64 emul_shift(enum emul_shift op, u64 val, unsigned int count, unsigned int size, u64 *flags);
u64 emul_shiftd(bool right, u64 val, u64 in, unsigned int count, unsigned int size, u64 *flags);
void emul_mul(bool is_signed, u64 a, u64 b, unsigned int size, u64 res[2], u64 *flags);
bool emul_div(bool is_signed, u64 num[2], u64 den, unsigned int size);
bool emul_cond(unsigned int cc, u64 flags);

/* Faults: fill the exception, return EMUL_FAULT. */
int emul_fault(struct emul_ctxt *c, u8 vector);
int emul_gp(struct emul_ctxt *c);
int emul_ud(struct emul_ctxt *c);

/* Operands, emul_operand.c. */
bool emul_canonical(const struct emul_ctxt *c, u64 la);
int emul_linear(struct emul_ctxt *c, u8 seg, u64 ea, unsigned int len, bool write, u64 *la);
u64 emul_reg(const struct emul_ctxt *c, unsigned int n, unsigned int size);
void emul_set_reg(struct emul_ctxt *c, unsigned int n, unsigned int size, u64 val);
void emul_reg_add(struct emul_ctxt *c, unsigned int n, unsigned int size, s64 delta);
int emul_mem_read(struct emul_ctxt *c, u8 seg, u64 ea, void *data, unsigned int len);
int emul_mem_write(struct emul_ctxt *c, u8 seg, u64 ea, const void *data, unsigned int len);
int emul_rm_read(struct emul_ctxt *c, unsigned int size, u64 *val);
int emul_rm_write(struct emul_ctxt *c, unsigned int size, u64 val);
int emul_rm_begin(struct emul_ctxt *c, unsigned int size, u64 *old);
int emul_rm_end(struct emul_ctxt *c, unsigned int size, u64 old, u64 val);
unsigned int emul_stack_size(const struct emul_ctxt *c);
int emul_push(struct emul_ctxt *c, u64 val, unsigned int size);
int emul_pop(struct emul_ctxt *c, u64 *val, unsigned int size);

/* Keep what is done so far: one iteration of several. */
void emul_commit(struct emul_ctxt *c);

/* Handlers by file. All: see emul_exec(). */
int ex_nop(struct emul_ctxt *c);
int ex_mov_rm_r(struct emul_ctxt *c);
int ex_mov_r_rm(struct emul_ctxt *c);
int ex_mov_rm_imm(struct emul_ctxt *c);
int ex_mov_moffs(struct emul_ctxt *c);
int ex_mov_rm_sreg(struct emul_ctxt *c);
int ex_movx(struct emul_ctxt *c);
int ex_movbe(struct emul_ctxt *c);
int ex_lea(struct emul_ctxt *c);
int ex_bswap(struct emul_ctxt *c);
int ex_cbw(struct emul_ctxt *c);
int ex_cwd(struct emul_ctxt *c);
int ex_setcc(struct emul_ctxt *c);
int ex_cmovcc(struct emul_ctxt *c);
int ex_flag(struct emul_ctxt *c);
int ex_clts(struct emul_ctxt *c);
int ex_lmsw(struct emul_ctxt *c);
int ex_smsw(struct emul_ctxt *c);
int ex_fence(struct emul_ctxt *c);
int ex_cache_line(struct emul_ctxt *c);

/* emul_exec_alu.c */
int ex_alu_rm_r(struct emul_ctxt *c);
int ex_alu_r_rm(struct emul_ctxt *c);
int ex_alu_acc_imm(struct emul_ctxt *c);
int ex_alu_rm_imm(struct emul_ctxt *c);
int ex_test_rm_r(struct emul_ctxt *c);
int ex_test_rm_imm(struct emul_ctxt *c);
int ex_test_acc_imm(struct emul_ctxt *c);
int ex_unary(struct emul_ctxt *c);
int ex_xadd(struct emul_ctxt *c);
int ex_xchg_rm_r(struct emul_ctxt *c);
int ex_cmpxchg(struct emul_ctxt *c);
int ex_cmpxchg8b(struct emul_ctxt *c);
int ex_mul(struct emul_ctxt *c);
int ex_imul2(struct emul_ctxt *c);
int ex_imul3(struct emul_ctxt *c);
int ex_div(struct emul_ctxt *c);

/* emul_exec_bit.c */
int ex_bit_rm_r(struct emul_ctxt *c);
int ex_bit_rm_imm(struct emul_ctxt *c);
int ex_shift_imm(struct emul_ctxt *c);
int ex_shift_1(struct emul_ctxt *c);
int ex_shift_cl(struct emul_ctxt *c);
int ex_shiftd_imm(struct emul_ctxt *c);
int ex_shiftd_cl(struct emul_ctxt *c);

/* emul_exec_string.c */
int ex_movs(struct emul_ctxt *c);
int ex_cmps(struct emul_ctxt *c);
int ex_stos(struct emul_ctxt *c);
int ex_lods(struct emul_ctxt *c);
int ex_scas(struct emul_ctxt *c);
int emul_repeat(struct emul_ctxt *c, int (*step)(struct emul_ctxt *c, unsigned int *count));

/* emul_exec_io.c */
int ex_in(struct emul_ctxt *c);
int ex_out(struct emul_ctxt *c);
int ex_ins(struct emul_ctxt *c);
int ex_outs(struct emul_ctxt *c);

/* emul_exec_flow.c */
int ex_push_rm(struct emul_ctxt *c);
int ex_pop_rm(struct emul_ctxt *c);
int ex_push_imm(struct emul_ctxt *c);
int ex_pushf(struct emul_ctxt *c);
int ex_call_rm(struct emul_ctxt *c);
int ex_jmp_rm(struct emul_ctxt *c);
int ex_call_rel(struct emul_ctxt *c);
int ex_jmp_rel(struct emul_ctxt *c);
int ex_jcc(struct emul_ctxt *c);
int ex_ret(struct emul_ctxt *c);
int ex_leave(struct emul_ctxt *c);

/* emul_exec_vec.c */
int ex_vec_load(struct emul_ctxt *c);
int ex_vec_store(struct emul_ctxt *c);

#endif /* VELLUM_X86_EMUL_INT_H */
