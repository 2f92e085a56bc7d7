// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opcode tables: SDM volume 2, "Opcode Map". An opcode that is absent is unknown to the emulator.
 */
#include "x86/emul_int.h"

/* X: executed; C: only classified; XC: both; G: group. S adds a variant number. */
#define X(fn, fl)		{ .exec = (fn), .flags = (fl) }
#define XS(fn, s, fl)		{ .exec = (fn), .sub = (s), .flags = (fl) }
#define C(cl, fl)		{ .class = EMUL_CLASS_##cl, .flags = (fl) }
#define XC(fn, cl, fl)		{ .exec = (fn), .class = EMUL_CLASS_##cl, .flags = (fl) }
#define G(grp, fl)		{ .group = &(grp), .flags = (fl) | OPF_MODRM }

#define M			OPF_MODRM
#define MB			(OPF_MODRM | OPF_BYTE)
#define ML			(OPF_MODRM | OPF_LOCK)
#define MBL			(OPF_MODRM | OPF_BYTE | OPF_LOCK)

/* 00-3F: eight operations in six encodings each. CMP has no locked form. */
static const struct emul_opcode alu[] = {
	X(ex_alu_rm_r, MBL), X(ex_alu_rm_r, ML), X(ex_alu_r_rm, MB), X(ex_alu_r_rm, M),
	X(ex_alu_acc_imm, OPF_BYTE | OPF_IMM), X(ex_alu_acc_imm, OPF_IMM),
};

static const struct emul_opcode cmp_rm_r[] = { X(ex_alu_rm_r, MB), X(ex_alu_rm_r, M) };

static const struct emul_opcode group1[8] = {
	[ALU_ADD ... ALU_XOR] = X(ex_alu_rm_imm, OPF_LOCK),
	[ALU_CMP] = X(ex_alu_rm_imm, 0),
};

static const struct emul_opcode group2_imm[8] = { [0 ... 7] = X(ex_shift_imm, 0) };
static const struct emul_opcode group2_1[8] = { [0 ... 7] = X(ex_shift_1, 0) };
static const struct emul_opcode group2_cl[8] = { [0 ... 7] = X(ex_shift_cl, 0) };

static const struct emul_opcode group1a[8] = { [0] = X(ex_pop_rm, OPF_DEF64) };
static const struct emul_opcode group11[8] = { [0] = X(ex_mov_rm_imm, OPF_IMM) };

static const struct emul_opcode group3[8] = {
	[0] = X(ex_test_rm_imm, OPF_IMM),
	[1] = X(ex_test_rm_imm, OPF_IMM),
	[2] = XS(ex_unary, UN_NOT, OPF_LOCK),
	[3] = XS(ex_unary, UN_NEG, OPF_LOCK),
	[4] = XS(ex_mul, false, 0),
	[5] = XS(ex_mul, true, 0),
	[6] = XS(ex_div, false, 0),
	[7] = XS(ex_div, true, 0),
};

static const struct emul_opcode group4[8] = {
	[0] = XS(ex_unary, UN_INC, OPF_LOCK),
	[1] = XS(ex_unary, UN_DEC, OPF_LOCK),
};

static const struct emul_opcode group5[8] = {
	[0] = XS(ex_unary, UN_INC, OPF_LOCK),
	[1] = XS(ex_unary, UN_DEC, OPF_LOCK),
	[2] = X(ex_call_rm, OPF_FORCE64),
	[4] = X(ex_jmp_rm, OPF_FORCE64),
	[6] = X(ex_push_rm, OPF_DEF64),
};

static const struct emul_opcode group6[8] = {
	[0] = C(SLDT, OPF_PROT),
	[1] = C(STR, OPF_PROT),
	[2] = C(LLDT, OPF_PROT | OPF_PRIV),
	[3] = C(LTR, OPF_PROT | OPF_PRIV),
};

static const struct emul_opcode group7_mem[8] = {
	[0] = C(SGDT, OPF_DEF64),
	[1] = C(SIDT, OPF_DEF64),
	[2] = C(LGDT, OPF_DEF64 | OPF_PRIV),
	[3] = C(LIDT, OPF_DEF64 | OPF_PRIV),
	[4] = XC(ex_smsw, SMSW, 0),
	[6] = XC(ex_lmsw, LMSW, OPF_PRIV),
	[7] = C(INVLPG, OPF_PRIV),
};

/* Indexed by ModRM less C0: 0F 01 D9 is at 19. */
static const struct emul_opcode group7_reg[64] = {
	[0x01] = C(VMCALL, 0),
	[0x08] = C(MONITOR, 0),
	[0x09] = C(MWAIT, 0),
	[0x10] = C(XGETBV, 0),
	[0x11] = C(XSETBV, 0),
	[0x18] = C(VMRUN, 0),
	[0x19] = C(VMMCALL, 0),
	[0x1a] = C(VMLOAD, 0),
	[0x1b] = C(VMSAVE, 0),
	[0x1c] = C(STGI, 0),
	[0x1d] = C(CLGI, 0),
	[0x1e] = C(SKINIT, 0),
	[0x1f] = C(INVLPGA, 0),
	[0x20 ... 0x27] = XC(ex_smsw, SMSW, 0),
	[0x30 ... 0x37] = XC(ex_lmsw, LMSW, OPF_PRIV),
	[0x39] = C(RDTSCP, 0),
};

static const struct emul_opcode group8[8] = {
	[4] = X(ex_bit_rm_imm, OPF_IMM8),
	[5 ... 7] = X(ex_bit_rm_imm, OPF_IMM8 | OPF_LOCK),
};

static const struct emul_opcode group9_mem[8] = { [1] = X(ex_cmpxchg8b, OPF_LOCK) };
static const struct emul_opcode group9_reg[8] = { [6] = C(RDRAND, 0), [7] = C(RDSEED, 0) };

/* CLWB and CLFLUSH[OPT]; the register forms are the fences. */
static const struct emul_opcode group15_mem[8] = {
	[6] = X(ex_cache_line, 0),
	[7] = X(ex_cache_line, 0),
};

static const struct emul_opcode group15_reg[8] = {
	[5] = X(ex_fence, 0), [6] = X(ex_fence, 0), [7] = X(ex_fence, 0),
};

static const struct emul_group grp1 = { .mem = group1 };
static const struct emul_group grp1a = { .mem = group1a };
static const struct emul_group grp2_imm = { .mem = group2_imm };
static const struct emul_group grp2_1 = { .mem = group2_1 };
static const struct emul_group grp2_cl = { .mem = group2_cl };
static const struct emul_group grp3 = { .mem = group3 };
static const struct emul_group grp4 = { .mem = group4 };
static const struct emul_group grp5 = { .mem = group5 };
static const struct emul_group grp6 = { .mem = group6 };
static const struct emul_group grp7 = { .mem = group7_mem, .reg = group7_reg, .by_rm = true };
static const struct emul_group grp8 = { .mem = group8 };
static const struct emul_group grp9 = { .mem = group9_mem, .reg = group9_reg };
static const struct emul_group grp11 = { .mem = group11 };
static const struct emul_group grp15 = { .mem = group15_mem, .reg = group15_reg };

static const struct emul_opcode table_1b[256] = {
	[0x40 ... 0x47] = XS(ex_unary, UN_INC, OPF_OPREG | OPF_NO64),
	[0x48 ... 0x4f] = XS(ex_unary, UN_DEC, OPF_OPREG | OPF_NO64),
	[0x50 ... 0x57] = X(ex_push_rm, OPF_OPREG | OPF_DEF64),
	[0x58 ... 0x5f] = X(ex_pop_rm, OPF_OPREG | OPF_DEF64),
	[0x63] = XS(ex_movx, true, M | OPF_ONLY64),
	[0x68] = X(ex_push_imm, OPF_IMM | OPF_DEF64),
	[0x69] = X(ex_imul3, M | OPF_IMM),
	[0x6a] = X(ex_push_imm, OPF_IMM8 | OPF_DEF64),
	[0x6b] = X(ex_imul3, M | OPF_IMM8),
	[0x6c] = XC(ex_ins, INS, OPF_BYTE),
	[0x6d] = XC(ex_ins, INS, 0),
	[0x6e] = XC(ex_outs, OUTS, OPF_BYTE),
	[0x6f] = XC(ex_outs, OUTS, 0),
	[0x70 ... 0x7f] = X(ex_jcc, OPF_IMM8 | OPF_FORCE64),
	[0x80] = G(grp1, OPF_BYTE | OPF_IMM),
	[0x81] = G(grp1, OPF_IMM),
	[0x82] = G(grp1, OPF_BYTE | OPF_IMM | OPF_NO64),
	[0x83] = G(grp1, OPF_IMM8),
	[0x84] = X(ex_test_rm_r, MB),
	[0x85] = X(ex_test_rm_r, M),
	[0x86] = X(ex_xchg_rm_r, MBL),
	[0x87] = X(ex_xchg_rm_r, ML),
	[0x88] = X(ex_mov_rm_r, MB),
	[0x89] = X(ex_mov_rm_r, M),
	[0x8a] = X(ex_mov_r_rm, MB),
	[0x8b] = X(ex_mov_r_rm, M),
	[0x8c] = XC(ex_mov_rm_sreg, MOV_FROM_SREG, M),
	[0x8d] = X(ex_lea, M | OPF_MEM),
	[0x8f] = G(grp1a, 0),
	[0x90 ... 0x97] = X(ex_xchg_rm_r, OPF_OPREG),
	[0x98] = X(ex_cbw, 0),
	[0x99] = X(ex_cwd, 0),
	[0x9c] = XC(ex_pushf, PUSHF, OPF_DEF64),
	[0x9d] = C(POPF, OPF_DEF64),
	[0xa0] = XS(ex_mov_moffs, false, OPF_BYTE | OPF_MOFFS),
	[0xa1] = XS(ex_mov_moffs, false, OPF_MOFFS),
	[0xa2] = XS(ex_mov_moffs, true, OPF_BYTE | OPF_MOFFS),
	[0xa3] = XS(ex_mov_moffs, true, OPF_MOFFS),
	[0xa4] = X(ex_movs, OPF_BYTE),
	[0xa5] = X(ex_movs, 0),
	[0xa6] = X(ex_cmps, OPF_BYTE),
	[0xa7] = X(ex_cmps, 0),
	[0xa8] = X(ex_test_acc_imm, OPF_BYTE | OPF_IMM),
	[0xa9] = X(ex_test_acc_imm, OPF_IMM),
	[0xaa] = X(ex_stos, OPF_BYTE),
	[0xab] = X(ex_stos, 0),
	[0xac] = X(ex_lods, OPF_BYTE),
	[0xad] = X(ex_lods, 0),
	[0xae] = X(ex_scas, OPF_BYTE),
	[0xaf] = X(ex_scas, 0),
	[0xb0 ... 0xb7] = X(ex_mov_rm_imm, OPF_OPREG | OPF_BYTE | OPF_IMMV),
	[0xb8 ... 0xbf] = X(ex_mov_rm_imm, OPF_OPREG | OPF_IMMV),
	[0xc0] = G(grp2_imm, OPF_BYTE | OPF_IMM8),
	[0xc1] = G(grp2_imm, OPF_IMM8),
	[0xc2] = X(ex_ret, OPF_IMM16 | OPF_FORCE64),
	[0xc3] = X(ex_ret, OPF_FORCE64),
	[0xc6] = G(grp11, OPF_BYTE),
	[0xc7] = G(grp11, 0),
	[0xc9] = X(ex_leave, OPF_DEF64),
	[0xcc] = C(INT3, 0),
	[0xcd] = C(INTN, OPF_IMM8),
	[0xcf] = C(IRET, 0),
	[0xd0] = G(grp2_1, OPF_BYTE),
	[0xd1] = G(grp2_1, 0),
	[0xd2] = G(grp2_cl, OPF_BYTE),
	[0xd3] = G(grp2_cl, 0),
	[0xe4] = XC(ex_in, IN, OPF_BYTE | OPF_IMM8),
	[0xe5] = XC(ex_in, IN, OPF_IMM8),
	[0xe6] = XC(ex_out, OUT, OPF_BYTE | OPF_IMM8),
	[0xe7] = XC(ex_out, OUT, OPF_IMM8),
	[0xe8] = X(ex_call_rel, OPF_IMM | OPF_FORCE64),
	[0xe9] = X(ex_jmp_rel, OPF_IMM | OPF_FORCE64),
	[0xeb] = X(ex_jmp_rel, OPF_IMM8 | OPF_FORCE64),
	[0xec] = XC(ex_in, IN, OPF_BYTE),
	[0xed] = XC(ex_in, IN, 0),
	[0xee] = XC(ex_out, OUT, OPF_BYTE),
	[0xef] = XC(ex_out, OUT, 0),
	[0xf1] = C(ICEBP, 0),
	[0xf4] = C(HLT, OPF_PRIV),
	[0xf5] = X(ex_flag, 0),
	[0xf6] = G(grp3, OPF_BYTE),
	[0xf7] = G(grp3, 0),
	[0xf8] = X(ex_flag, 0),
	[0xf9] = X(ex_flag, 0),
	[0xfa] = C(CLI, 0),
	[0xfb] = C(STI, 0),
	[0xfc] = X(ex_flag, 0),
	[0xfd] = X(ex_flag, 0),
	[0xfe] = G(grp4, OPF_BYTE),
	[0xff] = G(grp5, 0),
};

#define VEC	(OPF_MODRM | OPF_VEC)

static const struct emul_opcode table_0f[256] = {
	[0x00] = G(grp6, 0),
	[0x01] = G(grp7, 0),
	[0x06] = XC(ex_clts, CLTS, OPF_PRIV),
	[0x08] = C(INVD, OPF_PRIV),
	[0x09] = C(WBINVD, OPF_PRIV),
	[0x0b] = C(UD, 0),
	[0x0d] = X(ex_nop, M),
	[0x10] = X(NULL, VEC), [0x11] = X(NULL, VEC), [0x12] = X(NULL, VEC), [0x13] = X(NULL, VEC),
	[0x16] = X(NULL, VEC), [0x17] = X(NULL, VEC),
	[0x18 ... 0x1f] = X(ex_nop, M),
	[0x20] = C(MOV_FROM_CR, M | OPF_REG | OPF_PRIV | OPF_FORCE64),
	[0x21] = C(MOV_FROM_DR, M | OPF_REG | OPF_PRIV | OPF_FORCE64),
	[0x22] = C(MOV_TO_CR, M | OPF_REG | OPF_PRIV | OPF_FORCE64),
	[0x23] = C(MOV_TO_DR, M | OPF_REG | OPF_PRIV | OPF_FORCE64),
	[0x28] = X(NULL, VEC), [0x29] = X(NULL, VEC), [0x2b] = X(NULL, VEC),
	[0x30] = C(WRMSR, OPF_PRIV),
	[0x31] = C(RDTSC, 0),
	[0x32] = C(RDMSR, OPF_PRIV),
	[0x33] = C(RDPMC, 0),
	[0x40 ... 0x4f] = X(ex_cmovcc, M),
	[0x6e] = X(NULL, VEC), [0x6f] = X(NULL, VEC), [0x7e] = X(NULL, VEC), [0x7f] = X(NULL, VEC),
	[0x80 ... 0x8f] = X(ex_jcc, OPF_IMM | OPF_FORCE64),
	[0x90 ... 0x9f] = X(ex_setcc, MB),
	[0xa2] = C(CPUID, 0),
	[0xa3] = X(ex_bit_rm_r, M),
	[0xa4] = XS(ex_shiftd_imm, false, M | OPF_IMM8),
	[0xa5] = XS(ex_shiftd_cl, false, M),
	[0xaa] = C(RSM, 0),
	[0xab] = X(ex_bit_rm_r, ML),
	[0xac] = XS(ex_shiftd_imm, true, M | OPF_IMM8),
	[0xad] = XS(ex_shiftd_cl, true, M),
	[0xae] = G(grp15, 0),
	[0xaf] = X(ex_imul2, M),
	[0xb0] = X(ex_cmpxchg, MBL),
	[0xb1] = X(ex_cmpxchg, ML),
	[0xb3] = X(ex_bit_rm_r, ML),
	[0xb6] = XS(ex_movx, false, M),
	[0xb7] = XS(ex_movx, false, M),
	[0xba] = G(grp8, 0),
	[0xbb] = X(ex_bit_rm_r, ML),
	[0xbe] = XS(ex_movx, true, M),
	[0xbf] = XS(ex_movx, true, M),
	[0xc0] = X(ex_xadd, MBL),
	[0xc1] = X(ex_xadd, ML),
	[0xc3] = X(ex_mov_rm_r, M | OPF_MEM),
	[0xc7] = G(grp9, 0),
	[0xc8 ... 0xcf] = X(ex_bswap, OPF_OPREG),
	[0xd6] = X(NULL, VEC), [0xe7] = X(NULL, VEC), [0xf0] = X(NULL, VEC),
};

static const struct emul_opcode movbe_load = XS(ex_movbe, false, M | OPF_MEM);
static const struct emul_opcode movbe_store = XS(ex_movbe, true, M | OPF_MEM);
static const struct emul_opcode movdiri = X(ex_mov_rm_r, M | OPF_MEM);
static const struct emul_opcode invpcid = C(INVPCID, M | OPF_MEM | OPF_PRIV);
static const struct emul_opcode vec_0f38 = X(NULL, VEC);

/* 0F 38: few entries, told apart by prefix too (F2 0F 38 F0 is CRC32). */
static const struct emul_opcode *lookup_0f38(const struct emul_insn *i)
{
	switch (i->opcode) {
	case 0x2a:
		return &vec_0f38;
	case 0x82:
		return i->pfx66 ? &invpcid : NULL;
	case 0xf0:
		return i->rep ? NULL : &movbe_load;
	case 0xf1:
		return i->rep ? NULL : &movbe_store;
	case 0xf9:
		return i->rep || i->pfx66 ? NULL : &movdiri;
	default:
		return NULL;
	}
}

static const struct emul_opcode *lookup_1b(const struct emul_insn *i)
{
	unsigned int form = i->opcode & 7;

	if (i->opcode >= EMUL_ALU_END || form >= ARRAY_SIZE(alu))
		return &table_1b[i->opcode];
	if (i->opcode >> 3 == ALU_CMP && form < ARRAY_SIZE(cmp_rm_r))
		return &cmp_rm_r[form];
	return &alu[form];
}

static const struct emul_opcode *lookup_map(const struct emul_insn *i)
{
	switch (i->map) {
	case EMUL_MAP_1B:
		return lookup_1b(i);
	case EMUL_MAP_0F:
		return &table_0f[i->opcode];
	case EMUL_MAP_0F38:
		return lookup_0f38(i);
	default:
		return NULL;
	}
}

/* The first-level entry, or NULL. VEX encodes vector instructions only. */
const struct emul_opcode *emul_lookup(const struct emul_insn *insn)
{
	const struct emul_opcode *op = lookup_map(insn);

	return op && insn->vex && !(op->flags & OPF_VEC) ? NULL : op;
}
