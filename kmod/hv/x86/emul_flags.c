// SPDX-License-Identifier: GPL-2.0-only
/*
 * Integer arithmetic with the flags of SDM "Instruction Set Reference", as pure functions.
 * Flags a manual leaves undefined get the value most processors produce.
 */
#include "x86/emul_int.h"

#define BITS_PER_OCTET	8u

u64 emul_mask(unsigned int size)
{
	return size >= 8 ? ~0ULL : (1ULL << (size * BITS_PER_OCTET)) - 1;
}

static u64 msb_of(u64 val, unsigned int size)
{
	return (val >> (size * BITS_PER_OCTET - 1)) & 1;
}

u64 emul_sext(u64 val, unsigned int size)
{
	u64 mask = emul_mask(size);

	return msb_of(val, size) ? val | ~mask : val & mask;
}

static bool parity_even(u8 val)
{
	val ^= val >> 4;
	val ^= val >> 2;
	val ^= val >> 1;
	return !(val & 1);
}

/* ZF, SF and PF of a result. */
static u64 flags_of(u64 res, unsigned int size)
{
	u64 flags = 0;

	if (!(res & emul_mask(size)))
		flags |= X86_EFLAGS_ZF;
	if (msb_of(res, size))
		flags |= X86_EFLAGS_SF;
	if (parity_even(res))
		flags |= X86_EFLAGS_PF;
	return flags;
}

static void set_flags(u64 *flags, u64 mask, u64 val)
{
	*flags = (*flags & ~mask) | (val & mask);
}

static u64 cf_of_bits(u64 carry, u64 overflow)
{
	return (carry ? X86_EFLAGS_CF : 0) | (overflow ? X86_EFLAGS_OF : 0);
}

static u64 alu_add(u64 a, u64 b, u64 carry, unsigned int size, u64 *flags)
{
	u64 res = (a + b + carry) & emul_mask(size);
	u64 cf = msb_of((a & b) | ((a | b) & ~res), size);
	u64 of = msb_of((a ^ res) & (b ^ res), size);

	set_flags(flags, EMUL_ARITH_FLAGS, flags_of(res, size) | cf_of_bits(cf, of) |
		  ((a ^ b ^ res) & X86_EFLAGS_AF));
	return res;
}

static u64 alu_sub(u64 a, u64 b, u64 borrow, unsigned int size, u64 *flags)
{
	u64 res = (a - b - borrow) & emul_mask(size);
	u64 cf = msb_of((~a & b) | ((~a | b) & res), size);
	u64 of = msb_of((a ^ b) & (a ^ res), size);

	set_flags(flags, EMUL_ARITH_FLAGS, flags_of(res, size) | cf_of_bits(cf, of) |
		  ((a ^ b ^ res) & X86_EFLAGS_AF));
	return res;
}

static u64 alu_logic(u64 res, unsigned int size, u64 *flags)
{
	set_flags(flags, EMUL_ARITH_FLAGS, flags_of(res, size));
	return res;
}

/* CMP returns the difference; the caller does not store it. */
u64 emul_alu(enum emul_alu op, u64 a, u64 b, unsigned int size, u64 *flags)
{
	u64 carry = *flags & X86_EFLAGS_CF;

	a &= emul_mask(size);
	b &= emul_mask(size);
	switch (op) {
	case ALU_ADD:
		return alu_add(a, b, 0, size, flags);
	case ALU_ADC:
		return alu_add(a, b, carry, size, flags);
	case ALU_SUB:
	case ALU_CMP:
		return alu_sub(a, b, 0, size, flags);
	case ALU_SBB:
		return alu_sub(a, b, carry, size, flags);
	case ALU_OR:
		return alu_logic(a | b, size, flags);
	case ALU_AND:
		return alu_logic(a & b, size, flags);
	case ALU_XOR:
		return alu_logic(a ^ b, size, flags);
	}
	return 0;
}

u64 emul_unary(enum emul_unary op, u64 a, unsigned int size, u64 *flags)
{
	u64 carry = *flags & X86_EFLAGS_CF;
	u64 res;

	switch (op) {
	case UN_NOT:
		return ~a & emul_mask(size);
	case UN_NEG:
		return alu_sub(0, a, 0, size, flags);
	case UN_INC:
		res = alu_add(a, 1, 0, size, flags);
		break;
	default:
		res = alu_sub(a, 1, 0, size, flags);
		break;
	}
	/* INC and DEC leave CF alone. */
	set_flags(flags, X86_EFLAGS_CF, carry);
	return res;
}

static u64 rotate(enum emul_shift op, u64 val, unsigned int count, unsigned int size, u64 *flags)
{
	unsigned int bits = size * BITS_PER_OCTET;
	unsigned int n = count % bits;
	u64 res = val;
	u64 cf, of;

	if (op == SH_ROR && n)
		n = bits - n;
	if (n)
		res = ((val << n) | (val >> (bits - n))) & emul_mask(size);
	cf = op == SH_ROL ? res & 1 : msb_of(res, size);
	of = op == SH_ROL ? msb_of(res, size) ^ cf : msb_of(res, size) ^ msb_of(res << 1, size);
	set_flags(flags, X86_EFLAGS_CF | X86_EFLAGS_OF, cf_of_bits(cf, of));
	return res;
}

/* RCL and RCR turn a number one bit wider than the operand: CF is its top bit. */
static u64 rotate_carry(enum emul_shift op, u64 val, unsigned int count, unsigned int size,
			u64 *flags)
{
	unsigned int n = count % (size * BITS_PER_OCTET + 1);
	u64 cf = *flags & X86_EFLAGS_CF;
	u64 out, of;

	while (n--) {
		if (op == SH_RCL) {
			out = msb_of(val, size);
			val = ((val << 1) | cf) & emul_mask(size);
		} else {
			out = val & 1;
			val = (val >> 1) | (cf << (size * BITS_PER_OCTET - 1));
		}
		cf = out;
	}
	of = msb_of(val, size) ^ (op == SH_RCL ? cf : msb_of(val << 1, size));
	set_flags(flags, X86_EFLAGS_CF | X86_EFLAGS_OF, cf_of_bits(cf, of));
	return val;
}

/* @count may exceed the width of 8 and 16-bit operands; it is below 64. */
static u64 shift_left(u64 val, unsigned int count, unsigned int size, u64 *flags)
{
	u64 last = val << (count - 1);
	u64 res = (last << 1) & emul_mask(size);
	u64 cf = msb_of(last, size);

	set_flags(flags, EMUL_ARITH_FLAGS,
		  flags_of(res, size) | cf_of_bits(cf, msb_of(res, size) ^ cf));
	return res;
}

static u64 shift_right(u64 val, unsigned int count, unsigned int size, u64 *flags)
{
	u64 last = val >> (count - 1);
	u64 res = last >> 1;

	set_flags(flags, EMUL_ARITH_FLAGS,
		  flags_of(res, size) | cf_of_bits(last & 1, msb_of(last, size)));
	return res;
}

static u64 shift_arith(u64 val, unsigned int count, unsigned int size, u64 *flags)
{
	s64 last = (s64)emul_sext(val, size) >> (count - 1);
	u64 res = (u64)(last >> 1) & emul_mask(size);

	set_flags(flags, EMUL_ARITH_FLAGS, flags_of(res, size) | cf_of_bits(last & 1, 0));
	return res;
}

/* The count is masked as the processor does; a zero count changes no flag. */
u64 emul_shift(enum emul_shift op, u64 val, unsigned int count, unsigned int size, u64 *flags)
{
	count &= size == 8 ? 63 : 31;
	val &= emul_mask(size);
	if (!count)
		return val;
	switch (op) {
	case SH_ROL:
	case SH_ROR:
		return rotate(op, val, count, size, flags);
	case SH_RCL:
	case SH_RCR:
		return rotate_carry(op, val, count, size, flags);
	case SH_SHL:
	case SH_SAL:
		return shift_left(val, count, size, flags);
	case SH_SHR:
		return shift_right(val, count, size, flags);
	case SH_SAR:
		return shift_arith(val, count, size, flags);
	}
	return val;
}

/* One bit at a time: SHLD and SHRD are rare, and 16-bit counts above 16 come out as on hardware. */
u64 emul_shiftd(bool right, u64 val, u64 in, unsigned int count, unsigned int size, u64 *flags)
{
	unsigned int bits = size * BITS_PER_OCTET;
	u64 old = val & emul_mask(size);
	u64 res = old;
	u64 cf = 0;
	unsigned int i;

	count &= size == 8 ? 63 : 31;
	if (!count)
		return old;
	for (i = 0; i < count; i++) {
		u64 src = i < bits ? in : old;
		unsigned int n = i % bits;

		if (right) {
			cf = res & 1;
			res = (res >> 1) | (((src >> n) & 1) << (bits - 1));
		} else {
			cf = msb_of(res, size);
			res = ((res << 1) | ((src >> (bits - 1 - n)) & 1)) & emul_mask(size);
		}
	}
	set_flags(flags, EMUL_ARITH_FLAGS,
		  flags_of(res, size) | cf_of_bits(cf, msb_of(res ^ old, size)));
	return res;
}

/* res[0] is the low half, res[1] the high half, each of @size bytes. */
void emul_mul(bool is_signed, u64 a, u64 b, unsigned int size, u64 res[2], u64 *flags)
{
	unsigned __int128 prod;
	unsigned int bits = size * BITS_PER_OCTET;
	bool wide;

	if (is_signed)
		prod = (__int128)(s64)emul_sext(a, size) * (s64)emul_sext(b, size);
	else
		prod = (unsigned __int128)(a & emul_mask(size)) * (b & emul_mask(size));
	res[0] = (u64)prod & emul_mask(size);
	res[1] = (u64)(prod >> bits) & emul_mask(size);
	if (is_signed)
		wide = res[1] != (msb_of(res[0], size) ? emul_mask(size) : 0);
	else
		wide = res[1] != 0;
	set_flags(flags, X86_EFLAGS_CF | X86_EFLAGS_OF | X86_EFLAGS_SF | X86_EFLAGS_PF,
		  cf_of_bits(wide, wide) | (flags_of(res[0], size) & ~X86_EFLAGS_ZF));
}

/* 128 by 64 bits; needs hi < den, or the processor would fault. */
static u64 div_128_64(u64 lo, u64 hi, u64 den, u64 *rem)
{
	u64 quot;

	asm("divq %[den]" : "=a" (quot), "=d" (*rem) : "a" (lo), "d" (hi), [den] "r" (den) : "cc");
	return quot;
}

/* num: low and high half of 2 * @size bytes; becomes quotient and remainder. False: #DE. */
static bool div_unsigned(u64 num[2], u64 den, unsigned int size)
{
	unsigned int bits = size * BITS_PER_OCTET;
	u64 all;

	if (num[1] >= den)
		return false;
	if (size == 8) {
		num[0] = div_128_64(num[0], num[1], den, &num[1]);
		return true;
	}
	all = (num[1] << bits) | num[0];
	num[0] = all / den;
	num[1] = all % den;
	return true;
}

static void negate_wide(u64 num[2], unsigned int size)
{
	num[0] = -num[0] & emul_mask(size);
	num[1] = (~num[1] + !num[0]) & emul_mask(size);
}

bool emul_div(bool is_signed, u64 num[2], u64 den, unsigned int size)
{
	bool neg_num = is_signed && msb_of(num[1], size);
	bool neg_den = is_signed && msb_of(den, size);
	bool neg_quot = neg_num != neg_den;

	den &= emul_mask(size);
	if (neg_num)
		negate_wide(num, size);
	if (neg_den)
		den = -den & emul_mask(size);
	if (!div_unsigned(num, den, size))
		return false;
	if (!is_signed)
		return true;
	/* The most negative quotient is legal, the most positive is one less. */
	if (num[0] > (emul_mask(size) >> 1) + neg_quot)
		return false;
	if (neg_quot)
		num[0] = -num[0] & emul_mask(size);
	if (neg_num)
		num[1] = -num[1] & emul_mask(size);
	return true;
}

/* Condition codes, SDM "EFLAGS Condition Codes": bit 0 negates. */
bool emul_cond(unsigned int cc, u64 flags)
{
	bool sf_ne_of = !(flags & X86_EFLAGS_SF) != !(flags & X86_EFLAGS_OF);
	bool res;

	switch ((cc >> 1) & 7) {
	case 0:
		res = flags & X86_EFLAGS_OF;
		break;
	case 1:
		res = flags & X86_EFLAGS_CF;
		break;
	case 2:
		res = flags & X86_EFLAGS_ZF;
		break;
	case 3:
		res = flags & (X86_EFLAGS_CF | X86_EFLAGS_ZF);
		break;
	case 4:
		res = flags & X86_EFLAGS_SF;
		break;
	case 5:
		res = flags & X86_EFLAGS_PF;
		break;
	case 6:
		res = sf_ne_of;
		break;
	default:
		res = sf_ne_of || (flags & X86_EFLAGS_ZF);
		break;
	}
	return res != (cc & 1);
}
