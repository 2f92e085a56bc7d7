/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One instruction, what it starts from and what it must do. Everything that a case does not name
 * starts as world_ctxt() and world_init() say and must not change; RIP must move behind the
 * instruction if it completes.
 */
#ifndef EMUL_CASE_H
#define EMUL_CASE_H

#include "world.h"

#define REAL	EMUL_MODE_REAL
#define VM86	EMUL_MODE_VM86
#define PROT16	EMUL_MODE_PROT16
#define PROT32	EMUL_MODE_PROT32
#define LONG64	EMUL_MODE_LONG64

#define CF	X86_EFLAGS_CF
#define PF	X86_EFLAGS_PF
#define AF	X86_EFLAGS_AF
#define ZF	X86_EFLAGS_ZF
#define SF	X86_EFLAGS_SF
#define OF	X86_EFLAGS_OF
#define DF	X86_EFLAGS_DF
#define TF	X86_EFLAGS_TF
#define RF	X86_EFLAGS_RF

enum { EMUL_R8 = 8, EMUL_R9, EMUL_R10, EMUL_R11, EMUL_R12, EMUL_R13, EMUL_R14, EMUL_R15 };

#define ATTR_DATA	(EMUL_ATTR_P | EMUL_ATTR_S | EMUL_ATTR_TYPE_RW)
#define ATTR_CODE	(ATTR_DATA | EMUL_ATTR_TYPE_CODE)

struct bytes {
	const char *at;
	unsigned int len;
};

#define B(s)			{ s, sizeof(s) - 1 }
#define R(reg, val)		{ 1 + EMUL_##reg, val }
#define W(addr, len, val)	{ addr, len, val }
#define V(n, ...)		{ 1 + (n), { __VA_ARGS__ } }
#define FL(val)			.flags_given = true, .flags = (val)
#define UNDEF(val)		.undefined = (val)
#define FAULT_NOERR(vec)	.rc = EMUL_FAULT, .vector = (vec)
#define FAULT(vec, err)		.rc = EMUL_FAULT, .vector = (vec), .has_error = true, .error = (err)

struct case_reg {
	u8 nr;			/* plus one; 0 ends the list */
	u64 val;
};

struct case_mem {
	u32 addr;
	u32 len;		/* 0 ends the list */
	u64 val;
};

struct case_seg {
	u8 nr;			/* plus one; 0 ends the list */
	u64 base;
	u32 limit;
	u32 attr;
};

struct case_vec {
	u8 nr;			/* plus one */
	u64 val[4];
};

struct emul_case {
	const char *text;
	enum emul_mode mode;
	struct bytes code;

	/* before */
	struct case_reg in[4];
	struct case_mem poke[2];
	struct case_seg seg[1];
	u64 fin;
	u64 cr0_set, cr4_set, cr4_clear, xcr0_clear;
	u32 code_at;		/* linear, if not RIP */
	u8 cpl;
	bool bulk, deny;	/* world.bulk, world.deny_ports */

	/* after */
	enum emul_rc rc;
	u8 vector;
	bool has_error;
	u32 error;
	u64 addr;		/* of the page fault */
	struct case_reg out[4];
	struct case_mem mem[4];
	struct { u32 addr, len; u8 val; } fill;
	struct case_vec vec_out[1];
	bool flags_given;
	u64 flags, undefined;
	u64 rip;
	u64 cr0_out;		/* CR0 changed to this */
	bool more;		/* rep_more */
	unsigned int commits;	/* 0: any number */
	u16 port;
	struct bytes port_out;
	u8 port_in;		/* what the port gives next, if it must not have been read */
};

/**
 * struct emul_decode - what decoding alone must find out
 * @reg, @rm: checked for moves of control, debug and segment registers and if not zero
 * @ea: checked if not zero
 * @opsize, @rep: checked if @opsize is not zero
 * @port: the immediate, checked if not zero
 */
struct emul_decode {
	const char *text;
	enum emul_mode mode;
	struct bytes code;
	enum emul_class class;
	u8 reg, rm;
	u64 ea;
	u8 opsize;
	bool rep;
	u8 port;
};

#define DECLARE_CASES(type, name)					\
	extern const struct type cases_##name[];			\
	extern const unsigned int nr_cases_##name

DECLARE_CASES(emul_case, mov);
DECLARE_CASES(emul_case, alu);
DECLARE_CASES(emul_case, bit);
DECLARE_CASES(emul_case, string);
DECLARE_CASES(emul_case, flow);
DECLARE_CASES(emul_case, addr);
DECLARE_CASES(emul_case, fault);
DECLARE_CASES(emul_case, io);
DECLARE_CASES(emul_case, vec);
DECLARE_CASES(emul_decode, decode);

#endif /* EMUL_CASE_H */
