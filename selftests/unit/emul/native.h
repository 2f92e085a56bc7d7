/* SPDX-License-Identifier: GPL-2.0-only */
/* Between emul_native.c and its assembly: shared constants and the table of instructions. */
#ifndef NATIVE_H
#define NATIVE_H

/* Memory operands live here: below 2 GiB, so that every address form can reach it. */
#define ARENA		0x10000000
#define ARENA_SIZE	0x10000
#define ARENA_DATA	(ARENA + 0x4000)
#define ARENA_STACK	(ARENA + 0xc000)

#define F_CF	0x001
#define F_PF	0x004
#define F_AF	0x010
#define F_ZF	0x040
#define F_SF	0x080
#define F_OF	0x800

/* How registers and memory are prepared for an instruction. */
#define P_ANY		0
#define P_SMALL		1	/* RCX and RDX are small signed numbers */
#define P_COUNT		2	/* RCX is a small count */
#define P_EQUAL		4	/* half the time [RBX] equals RDX:RAX, in each width */
#define P_BRANCH	8	/* RAX, [RBX] and [RSP] are the address of native_exit */
#define P_WIDE		16	/* RDX is a small number, so that divisions succeed */

#define S_GPR		0
#define S_FLAGS		128
#define S_YMM		160

#ifndef __ASSEMBLER__
#include <linux/types.h>

struct native_state {
	__u64 gpr[16];
	__u64 rflags;
	__u64 pad[3];
	__u8 ymm[16][32];
};

struct native_insn {
	const __u8 *code;
	__u64 len;
	__u64 undefined;	/* flags the manual leaves undefined */
	__u64 prepare;		/* P_* */
	const char *text;
};

extern struct native_state native_state;
extern const struct native_insn native_insns[], native_insns_end[];
void native_run(const void *code);
extern const __u8 native_exit[];
#endif

#endif /* NATIVE_H */
