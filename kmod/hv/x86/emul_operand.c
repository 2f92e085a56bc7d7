// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operands: registers in all their widths, segmentation, memory and the stack.
 */
#include "x86/emul_int.h"

#define VA_BITS_4LEVEL		48
#define VA_BITS_5LEVEL		57
#define LEGACY_SPACE		BIT_ULL(32)
#define HIGH_BYTE_FIRST		4	/* without REX, byte registers 4-7 are AH, CH, DH, BH */
#define HIGH_BYTE_LAST		7
#define HIGH_BYTE_SHIFT		8

static int fault_code(struct emul_ctxt *c, u8 vector, u32 error)
{
	c->exception = (struct emul_exception) {
		.vector = vector, .has_error = true, .error = error,
	};
	return EMUL_FAULT;
}

int emul_fault(struct emul_ctxt *c, u8 vector)
{
	c->exception = (struct emul_exception) { .vector = vector };
	return EMUL_FAULT;
}

int emul_gp(struct emul_ctxt *c)
{
	return fault_code(c, EMUL_VEC_GP, 0);
}

int emul_ud(struct emul_ctxt *c)
{
	return emul_fault(c, EMUL_VEC_UD);
}

bool emul_canonical(const struct emul_ctxt *c, u64 la)
{
	unsigned int spare = 64 - (c->cr4 & X86_CR4_LA57 ? VA_BITS_5LEVEL : VA_BITS_4LEVEL);

	return (u64)((s64)(la << spare) >> spare) == la;
}

static int seg_fault(struct emul_ctxt *c, u8 seg)
{
	return fault_code(c, seg == EMUL_SS ? EMUL_VEC_SS : EMUL_VEC_GP, 0);
}

static int linear_long(struct emul_ctxt *c, u8 seg, u64 ea, unsigned int len, u64 *la)
{
	u64 base = seg == EMUL_FS || seg == EMUL_GS ? c->seg[seg].base : 0;

	*la = base + ea;
	if (!emul_canonical(c, *la) || !emul_canonical(c, *la + len - 1))
		return seg_fault(c, seg);
	return EMUL_OK;
}

/* SDM "Type Checking": may data be accessed through this segment at all? */
static bool seg_type_allows(const struct emul_segment *s, bool write)
{
	if (s->attr & EMUL_ATTR_UNUSABLE || !(s->attr & EMUL_ATTR_P) || !(s->attr & EMUL_ATTR_S))
		return false;
	if (s->attr & EMUL_ATTR_TYPE_CODE)
		return !write && (s->attr & EMUL_ATTR_TYPE_RW);
	return !write || (s->attr & EMUL_ATTR_TYPE_RW);
}

/* SDM "Limit Checking" */
static bool seg_limit_allows(const struct emul_segment *s, u64 ea, unsigned int len)
{
	u64 last = ea + len - 1;
	u32 kind = s->attr & (EMUL_ATTR_TYPE_CODE | EMUL_ATTR_TYPE_DOWN);

	if (kind != EMUL_ATTR_TYPE_DOWN)
		return last <= s->limit;
	return ea > s->limit && last <= (s->attr & EMUL_ATTR_DB ? U32_MAX : U16_MAX);
}

/**
 * emul_linear() - segment a logical address, with every check
 * @c:		context
 * @seg:	enum emul_seg
 * @ea:		offset, already wrapped to the address size
 * @len:	bytes to be accessed, at least 1
 * @write:	check for writing
 * @la:		linear address
 *
 * Return: EMUL_OK, EMUL_FAULT, or EMUL_UNHANDLED for an access that wraps at 4 GiB.
 */
int emul_linear(struct emul_ctxt *c, u8 seg, u64 ea, unsigned int len, bool write, u64 *la)
{
	const struct emul_segment *s = &c->seg[seg];
	bool typed = c->mode == EMUL_MODE_PROT16 || c->mode == EMUL_MODE_PROT32;

	if (c->mode == EMUL_MODE_LONG64)
		return linear_long(c, seg, ea, len, la);
	if (typed && !seg_type_allows(s, write))
		return seg_fault(c, seg);
	if (!seg_limit_allows(s, ea, len))
		return seg_fault(c, seg);
	*la = (u32)(s->base + ea);
	return *la + len > LEGACY_SPACE ? EMUL_UNHANDLED : EMUL_OK;
}

static bool is_high_byte(const struct emul_ctxt *c, unsigned int n, unsigned int size)
{
	return size == 1 && !c->insn.rex && n >= HIGH_BYTE_FIRST && n <= HIGH_BYTE_LAST;
}

u64 emul_reg(const struct emul_ctxt *c, unsigned int n, unsigned int size)
{
	if (is_high_byte(c, n, size))
		return (c->gpr[n - HIGH_BYTE_FIRST] >> HIGH_BYTE_SHIFT) & emul_mask(1);
	return c->gpr[n] & emul_mask(size);
}

/* A 32-bit result clears the upper half, narrower ones leave the rest of the register alone. */
void emul_set_reg(struct emul_ctxt *c, unsigned int n, unsigned int size, u64 val)
{
	u64 mask = emul_mask(size);

	if (is_high_byte(c, n, size)) {
		n -= HIGH_BYTE_FIRST;
		mask <<= HIGH_BYTE_SHIFT;
		val <<= HIGH_BYTE_SHIFT;
	} else if (size == 4) {
		c->gpr[n] = 0;
	}
	c->gpr[n] = (c->gpr[n] & ~mask) | (val & mask);
}

/* Index and count registers: arithmetic in the address size. */
void emul_reg_add(struct emul_ctxt *c, unsigned int n, unsigned int size, s64 delta)
{
	emul_set_reg(c, n, size, c->gpr[n] + (u64)delta);
}

int emul_mem_read(struct emul_ctxt *c, u8 seg, u64 ea, void *data, unsigned int len)
{
	u64 la;
	int rc = emul_linear(c, seg, ea, len, false, &la);

	return rc ? rc : c->ops->read(c, la, data, len, 0);
}

int emul_mem_write(struct emul_ctxt *c, u8 seg, u64 ea, const void *data, unsigned int len)
{
	u64 la;
	int rc = emul_linear(c, seg, ea, len, true, &la);

	return rc ? rc : c->ops->write(c, la, data, len, EMUL_ACC_WRITE);
}

/* The ModRM r/m operand, read only. */
int emul_rm_read(struct emul_ctxt *c, unsigned int size, u64 *val)
{
	*val = 0;
	if (c->insn.has_mem)
		return emul_mem_read(c, c->insn.seg, c->insn.ea, val, size);
	*val = emul_reg(c, c->insn.rm, size);
	return EMUL_OK;
}

/* The ModRM r/m operand, written without having been read. */
int emul_rm_write(struct emul_ctxt *c, unsigned int size, u64 val)
{
	if (c->insn.has_mem)
		return emul_mem_write(c, c->insn.seg, c->insn.ea, &val, size);
	emul_set_reg(c, c->insn.rm, size, val);
	return EMUL_OK;
}

/* First half of a read-modify-write: the address is checked for writing before anything is read. */
int emul_rm_begin(struct emul_ctxt *c, unsigned int size, u64 *old)
{
	int rc;

	*old = 0;
	if (!c->insn.has_mem) {
		*old = emul_reg(c, c->insn.rm, size);
		return EMUL_OK;
	}
	rc = emul_linear(c, c->insn.seg, c->insn.ea, size, true, &c->rm_la);
	return rc ? rc : c->ops->read(c, c->rm_la, old, size, EMUL_ACC_WRITE);
}

/* Second half; locked instructions must find @old still there. */
int emul_rm_end(struct emul_ctxt *c, unsigned int size, u64 old, u64 val)
{
	if (!c->insn.has_mem) {
		emul_set_reg(c, c->insn.rm, size, val);
		return EMUL_OK;
	}
	if (c->insn.lock)
		return c->ops->compare_exchange(c, c->rm_la, &old, &val, size);
	return c->ops->write(c, c->rm_la, &val, size, EMUL_ACC_WRITE);
}

/* Width of the stack pointer: SDM "Stack Behavior in 64-Bit Mode", "Address-Size Attribute". */
unsigned int emul_stack_size(const struct emul_ctxt *c)
{
	if (c->mode == EMUL_MODE_LONG64)
		return 8;
	return c->seg[EMUL_SS].attr & EMUL_ATTR_DB ? 4 : 2;
}

int emul_push(struct emul_ctxt *c, u64 val, unsigned int size)
{
	unsigned int width = emul_stack_size(c);
	u64 sp = (c->gpr[EMUL_RSP] - size) & emul_mask(width);
	int rc = emul_mem_write(c, EMUL_SS, sp, &val, size);

	if (!rc)
		emul_set_reg(c, EMUL_RSP, width, sp);
	return rc;
}

int emul_pop(struct emul_ctxt *c, u64 *val, unsigned int size)
{
	unsigned int width = emul_stack_size(c);
	u64 sp = c->gpr[EMUL_RSP] & emul_mask(width);
	int rc;

	*val = 0;
	rc = emul_mem_read(c, EMUL_SS, sp, val, size);
	if (!rc)
		emul_reg_add(c, EMUL_RSP, width, size);
	return rc;
}
