/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The instruction emulator: decodes one x86 instruction and carries out the ones that software
 * uses on memory-mapped devices.
 *
 * It is a pure function of struct emul_ctxt and of what the emul_ops answer: no device, no VM and
 * no kernel service is known here, so the same source builds into vellum.ko and into the unit test
 * in selftests/unit/emul. Nothing is committed (registers, flags, instruction pointer, vector
 * registers) before the instruction, or one iteration of a repeated string instruction, is
 * complete. The same registers and the same answers therefore always cause the same sequence of
 * emul_ops calls, which is what lets the ops layer leave for user space in the middle and replay.
 */
#ifndef VELLUM_X86_EMUL_H
#define VELLUM_X86_EMUL_H

#ifdef __KERNEL__
#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <linux/types.h>
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;
#define BIT(n)			(1UL << (n))
#define BIT_ULL(n)		(1ULL << (n))
#define GENMASK_ULL(h, l)	((~0ULL << (l)) & (~0ULL >> (63 - (h))))
#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#endif
#define fallthrough		__attribute__((__fallthrough__))
#define U16_MAX			((u16)~0U)
#define U32_MAX			((u32)~0U)
#endif

#define EMUL_MAX_INSN		15	/* SDM "Instruction Format": longer is #GP */
#define EMUL_MAX_VEC		32	/* bytes in the widest vector move known here */
#define EMUL_MAX_BATCH		1024	/* bytes of string I/O moved by one pio call */
#define EMUL_MAX_REP		1024	/* iterations of a repeated instruction per emul_exec() */

enum emul_mode {
	EMUL_MODE_REAL,
	EMUL_MODE_VM86,
	EMUL_MODE_PROT16,	/* CS.D = 0, also in compatibility mode */
	EMUL_MODE_PROT32,	/* CS.D = 1, also in compatibility mode */
	EMUL_MODE_LONG64,
};

/**
 * enum emul_rc - how a step ended; emul_ops return the same values
 * @EMUL_OK:		done
 * @EMUL_USER:		user space must act first. Registers are those of the last commit; after
 *			user space acted, execute again with the ops layer replaying every answer
 *			given since that commit, in order.
 * @EMUL_FAULT:		&emul_ctxt.exception is to be injected
 * @EMUL_UNHANDLED:	an instruction (or access) the emulator does not know
 * @EMUL_RETRY:		an atomic race was lost: re-enter the guest at the same instruction
 */
enum emul_rc {
	EMUL_OK,
	EMUL_USER,
	EMUL_FAULT,
	EMUL_UNHANDLED,
	EMUL_RETRY,
};

/* General registers and segment registers in instruction encoding order. */
enum emul_gpr {
	EMUL_RAX, EMUL_RCX, EMUL_RDX, EMUL_RBX, EMUL_RSP, EMUL_RBP, EMUL_RSI, EMUL_RDI,
	EMUL_NR_GPR = 16,
};

enum emul_seg {
	EMUL_ES, EMUL_CS, EMUL_SS, EMUL_DS, EMUL_FS, EMUL_GS,
	EMUL_NR_SEG,
};

/* Exception vectors the emulator raises itself. */
enum emul_vector {
	EMUL_VEC_DE = 0,
	EMUL_VEC_UD = 6,
	EMUL_VEC_NM = 7,
	EMUL_VEC_SS = 12,
	EMUL_VEC_GP = 13,
	EMUL_VEC_PF = 14,
};

/* Access flags of emul_ops.read, .write and .probe. */
enum emul_access {
	EMUL_ACC_WRITE = BIT(0),	/* this access, or the one that follows it, writes */
	EMUL_ACC_FETCH = BIT(1),	/* instruction fetch */
	EMUL_ACC_IMPLICIT = BIT(2),	/* supervisor access whatever the CPL */
};

/* Segment attributes: the layout of VMX access rights, SDM "Guest Register State". */
enum emul_seg_attr {
	EMUL_ATTR_TYPE_RW = BIT(1),	/* data: writable; code: readable */
	EMUL_ATTR_TYPE_DOWN = BIT(2),	/* data: expand-down */
	EMUL_ATTR_TYPE_CODE = BIT(3),
	EMUL_ATTR_S = BIT(4),
	EMUL_ATTR_P = BIT(7),
	EMUL_ATTR_L = BIT(13),
	EMUL_ATTR_DB = BIT(14),
	EMUL_ATTR_G = BIT(15),
	EMUL_ATTR_UNUSABLE = BIT(16),
};

/**
 * enum emul_class - what kind of instruction was decoded
 * @EMUL_CLASS_GENERIC:	nothing a hypervisor has to name; emul_exec() knows it
 *
 * The other classes name instructions a back end without decode assists needs the length and the
 * operands of. emul_exec() answers EMUL_UNHANDLED for those it cannot carry out by itself.
 */
enum emul_class {
	EMUL_CLASS_GENERIC,
	EMUL_CLASS_MOV_FROM_SREG,
	EMUL_CLASS_IN, EMUL_CLASS_OUT, EMUL_CLASS_INS, EMUL_CLASS_OUTS,
	EMUL_CLASS_CPUID, EMUL_CLASS_RDMSR, EMUL_CLASS_WRMSR, EMUL_CLASS_HLT,
	EMUL_CLASS_VMCALL, EMUL_CLASS_VMMCALL,
	EMUL_CLASS_MOV_FROM_CR, EMUL_CLASS_MOV_TO_CR,
	EMUL_CLASS_MOV_FROM_DR, EMUL_CLASS_MOV_TO_DR,
	EMUL_CLASS_CLTS, EMUL_CLASS_LMSW, EMUL_CLASS_SMSW,
	EMUL_CLASS_INVLPG, EMUL_CLASS_INVLPGA, EMUL_CLASS_INVPCID,
	EMUL_CLASS_INVD, EMUL_CLASS_WBINVD,
	EMUL_CLASS_RDTSC, EMUL_CLASS_RDTSCP, EMUL_CLASS_RDPMC,
	EMUL_CLASS_XSETBV, EMUL_CLASS_XGETBV,
	EMUL_CLASS_PAUSE, EMUL_CLASS_MONITOR, EMUL_CLASS_MWAIT,
	EMUL_CLASS_INT3, EMUL_CLASS_INTN, EMUL_CLASS_ICEBP, EMUL_CLASS_IRET, EMUL_CLASS_UD,
	EMUL_CLASS_PUSHF, EMUL_CLASS_POPF, EMUL_CLASS_CLI, EMUL_CLASS_STI,
	EMUL_CLASS_SGDT, EMUL_CLASS_SIDT, EMUL_CLASS_LGDT, EMUL_CLASS_LIDT,
	EMUL_CLASS_SLDT, EMUL_CLASS_STR, EMUL_CLASS_LLDT, EMUL_CLASS_LTR,
	EMUL_CLASS_RDRAND, EMUL_CLASS_RDSEED, EMUL_CLASS_RSM,
	EMUL_CLASS_VMRUN, EMUL_CLASS_VMLOAD, EMUL_CLASS_VMSAVE,
	EMUL_CLASS_STGI, EMUL_CLASS_CLGI, EMUL_CLASS_SKINIT,
};

struct emul_ctxt;
struct emul_opcode;

/**
 * struct emul_ops - how the emulator reaches the world
 * @read:	read @len bytes at a linear address. EMUL_ACC_WRITE: the instruction will write
 *		there next, so check write permission now. At most EMUL_MAX_VEC bytes, except where
 *		@is_ram said yes. May cross a page.
 * @write:	likewise
 * @compare_exchange: if memory holds @old, replace it by @new, atomically where it is RAM;
 *		EMUL_RETRY if it does not hold @old. On a device: a write of @new. 1, 2, 4, 8 or
 *		16 bytes.
 * @probe:	optional: would such an access be allowed? Nothing is moved.
 * @is_ram:	optional: is the whole range readable RAM (with EMUL_ACC_WRITE: writable)? Lets
 *		string I/O move many elements at once.
 * @pio_in:	read @count elements of @size bytes from a port
 * @pio_out:	write likewise
 * @pio_allowed: optional: does the TSS I/O bitmap allow this? Asked only when CPL > IOPL or in
 *		virtual-8086 mode; absent means no.
 * @read_vec:	read the low @len (16 or 32) bytes of vector register @n
 * @write_vec:	write likewise; 16 leaves the upper half alone. Must not fail with EMUL_USER.
 * @commit:	optional: registers in the context now include everything done so far. A replay log
 *		must be emptied here.
 *
 * All return enum emul_rc, and fill &emul_ctxt.exception with EMUL_FAULT.
 */
struct emul_ops {
	int (*read)(struct emul_ctxt *c, u64 la, void *data, unsigned int len, unsigned int acc);
	int (*write)(struct emul_ctxt *c, u64 la, const void *data, unsigned int len,
		     unsigned int acc);
	int (*compare_exchange)(struct emul_ctxt *c, u64 la, const void *old, const void *new,
				unsigned int len);
	int (*probe)(struct emul_ctxt *c, u64 la, unsigned int len, unsigned int acc);
	bool (*is_ram)(struct emul_ctxt *c, u64 la, unsigned int len, unsigned int acc);
	int (*pio_in)(struct emul_ctxt *c, u16 port, unsigned int size, void *data,
		      unsigned int count);
	int (*pio_out)(struct emul_ctxt *c, u16 port, unsigned int size, const void *data,
		       unsigned int count);
	bool (*pio_allowed)(struct emul_ctxt *c, u16 port, unsigned int size);
	int (*read_vec)(struct emul_ctxt *c, unsigned int n, void *data, unsigned int len);
	int (*write_vec)(struct emul_ctxt *c, unsigned int n, const void *data, unsigned int len);
	void (*commit)(struct emul_ctxt *c);
};

/**
 * struct emul_segment - the hidden part of a segment register
 * @base:	linear base
 * @limit:	in bytes, granularity already applied
 * @attr:	enum emul_seg_attr, the layout of VMX access rights
 * @selector:	visible part
 */
struct emul_segment {
	u64 base;
	u32 limit;
	u32 attr;
	u16 selector;
};

/**
 * struct emul_exception - what to inject after EMUL_FAULT
 * @vector:	exception vector
 * @has_error:	push @error
 * @error:	error code
 * @address:	for #PF: the faulting linear address (CR2)
 */
struct emul_exception {
	u8 vector;
	bool has_error;
	u32 error;
	u64 address;
};

/**
 * struct emul_insn - one decoded instruction
 * @op:		its table entry, private to the emulator
 * @flags:	table flags, private to the emulator
 * @class:	enum emul_class
 * @len:	length in bytes, prefixes included
 * @map:	0: one byte; 1: 0F; 2: 0F 38; 3: 0F 3A
 * @opcode:	last opcode byte
 * @mod:	ModRM.mod (3: register form); meaningful if @has_modrm
 * @reg:	ModRM.reg with REX.R
 * @rm:		ModRM.rm, or the register in the opcode, with REX.B
 * @opsize:	operand size in bytes; 1 for byte instructions
 * @adsize:	address size in bytes (2, 4 or 8)
 * @rep:	0, 0xf2 or 0xf3, the last one present
 * @rex:	the REX byte or 0
 * @seg:	effective segment of the memory operand (or of the source of a string instruction)
 * @vvvv:	VEX.vvvv, decoded (not inverted)
 * @vex:	VEX-encoded
 * @vex_l:	VEX.L: 256-bit
 * @pfx66:	operand-size prefix present (or VEX.pp)
 * @lock:	LOCK prefix present
 * @has_modrm:	there is a ModRM byte
 * @has_mem:	there is a memory operand at @seg:@ea
 * @rip_rel:	@ea is relative to the next instruction
 * @base_rsp:	the base register of @ea is rSP (POP needs to know)
 * @base:	32 and 64-bit addressing: the base register, or EMUL_NR_GPR
 * @index:	likewise the index register
 * @scale:	of @index, as a shift
 * @disp:	likewise the displacement
 * @ea:		effective address (offset), already wrapped to the address size
 * @imm:	immediate, sign-extended where the instruction does so
 */
struct emul_insn {
	const struct emul_opcode *op;
	u32 flags;
	enum emul_class class;
	u8 len;
	u8 map;
	u8 opcode;
	u8 mod;
	u8 reg;
	u8 rm;
	u8 opsize;
	u8 adsize;
	u8 rep;
	u8 rex;
	u8 seg;
	u8 vvvv;
	bool vex;
	bool vex_l;
	bool pfx66;
	bool lock;
	bool has_modrm;
	bool has_mem;
	bool rip_rel;
	bool base_rsp;
	u8 base;
	u8 index;
	u8 scale;
	u64 disp;
	u64 ea;
	u64 imm;
};

/**
 * struct emul_ctxt - everything the emulator sees and changes
 * @ops:	the world; @priv is for its use
 * @priv:	owner's pointer
 * @mode:	execution mode of the code
 * @cpl:	current privilege level
 * @gpr:	general registers
 * @rip:	instruction pointer: of the instruction, then of the next one
 * @rflags:	RFLAGS
 * @cr0:	guest-visible CR0; changed by CLTS and LMSW, then @cr0_changed is set
 * @cr4:	guest-visible CR4
 * @xcr0:	guest XCR0 (AVX allowed?)
 * @seg:	segment registers
 * @bytes:	instruction bytes; the caller may supply @nbytes of them, the rest is fetched
 * @nbytes:	number of valid @bytes
 * @insn:	filled by emul_decode()
 * @exception:	valid after EMUL_FAULT
 * @rep_more:	EMUL_OK, but a repeated instruction has iterations left; @rip still points at it
 * @cr0_changed: the caller has to load @cr0
 * @stop:	set by an op or the caller, cleared by the caller: end a repeated instruction
 *		after this iteration
 *
 * Fields below @stop are private. After EMUL_USER @insn is as emul_decode() left it, so executing
 * again needs no second decode.
 */
struct emul_ctxt {
	const struct emul_ops *ops;
	void *priv;
	enum emul_mode mode;
	u8 cpl;
	u64 gpr[EMUL_NR_GPR];
	u64 rip;
	u64 rflags;
	u64 cr0;
	u64 cr4;
	u64 xcr0;
	struct emul_segment seg[EMUL_NR_SEG];
	u8 bytes[EMUL_MAX_INSN];
	u8 nbytes;
	struct emul_insn insn;
	struct emul_exception exception;
	bool rep_more;
	bool cr0_changed;
	bool stop;

	u64 next_rip;
	u64 rm_la;
	struct {
		u64 gpr[EMUL_NR_GPR];
		u64 rflags;
		u64 cr0;
		u64 ea;
		u64 next_rip;
	} saved;
	u8 batch[EMUL_MAX_BATCH];
};

/**
 * emul_decode() - decode the instruction at @c->rip into @c->insn
 * @c: context with mode, registers, segments and ops set
 *
 * Instruction bytes beyond @c->nbytes are read with EMUL_ACC_FETCH. No register is changed.
 *
 * Return: EMUL_OK, EMUL_FAULT, EMUL_UNHANDLED or what the fetch returned.
 */
int emul_decode(struct emul_ctxt *c);

/**
 * emul_exec() - carry out the decoded instruction
 * @c: context after emul_decode() returned EMUL_OK
 *
 * Return: EMUL_OK with @c->rip moved (see @rep_more), or any other enum emul_rc with the
 * registers of the last commit.
 */
int emul_exec(struct emul_ctxt *c);

#endif /* VELLUM_X86_EMUL_H */
