// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instruction decoding: prefixes, opcode, ModRM, SIB, displacement, immediate.
 * SDM "Instruction Format"; APM "Instruction Encoding".
 */
#include "x86/emul_int.h"

#define MODRM_MOD(b)	((b) >> 6)
#define MODRM_REG(b)	(((b) >> 3) & 7)
#define MODRM_RM(b)	((b) & 7)
#define MOD_REG		3
#define RM_SIB		4
#define RM_DISP		5	/* mod 0: disp32 or RIP-relative */
#define RM_DISP16	6	/* mod 0, 16-bit addressing: disp16 */
#define SIB_NO_INDEX	4
#define SIB_NO_BASE	5	/* mod 0: disp32 */

#define REX_MASK	0xf0
#define REX_PREFIX	0x40
#define REX_EXTEND	8	/* what a REX bit adds to a register number */

#define OPCODE_ESCAPE	0x0f
#define OPCODE_0F38	0x38
#define OPCODE_0F3A	0x3a
#define OPCODE_VEX3	0xc4
#define OPCODE_VEX2	0xc5
#define OPCODE_NOP	0x90
#define VEX_L		BIT(2)
#define VEX_W		BIT(7)
#define VEX_PP		GENMASK_ULL(1, 0)
#define VEX_MAP		GENMASK_ULL(4, 0)
#define VEX_RXB_SHIFT	5
#define VEX_VVVV(b)	((~(b) >> 3) & 0xf)

static bool in_long(const struct emul_ctxt *c)
{
	return c->mode == EMUL_MODE_LONG64;
}

static bool in_prot(const struct emul_ctxt *c)
{
	return c->mode != EMUL_MODE_REAL && c->mode != EMUL_MODE_VM86;
}

/* Address of the next byte to fetch, and how many may be fetched there (0: none). */
static u64 fetch_window(const struct emul_ctxt *c, unsigned int *len)
{
	const struct emul_segment *cs = &c->seg[EMUL_CS];
	u64 ip = c->rip + c->nbytes;
	u64 la = ip;

	*len = EMUL_MAX_INSN - c->nbytes;
	if (in_long(c)) {
		if (!emul_canonical(c, la))
			*len = 0;
	} else {
		ip = (u32)ip;
		la = (u32)(cs->base + ip);
		if (ip > cs->limit)
			*len = 0;
		else if (*len > (u64)cs->limit - ip + 1)
			*len = cs->limit - ip + 1;
	}
	if (*len > EMUL_PAGE_SIZE - la % EMUL_PAGE_SIZE)
		*len = EMUL_PAGE_SIZE - la % EMUL_PAGE_SIZE;
	return la;
}

/* Fetch no further than the end of the page: the next one may not be there. */
static int fetch_more(struct emul_ctxt *c)
{
	unsigned int len;
	u64 la = fetch_window(c, &len);
	int rc;

	if (!len)
		return emul_gp(c);
	rc = c->ops->read(c, la, c->bytes + c->nbytes, len, EMUL_ACC_FETCH);
	if (!rc)
		c->nbytes += len;
	return rc;
}

static int fetch(struct emul_ctxt *c, void *dst, unsigned int len)
{
	struct emul_insn *i = &c->insn;
	int rc;

	while (i->len + len > c->nbytes) {
		rc = fetch_more(c);
		if (rc)
			return rc;
	}
	memcpy(dst, c->bytes + i->len, len);
	i->len += len;
	return EMUL_OK;
}

/* Most fetches: one byte that is there already. */
static int fetch_byte(struct emul_ctxt *c, u8 *byte)
{
	if (c->insn.len >= c->nbytes)
		return fetch(c, byte, 1);
	*byte = c->bytes[c->insn.len++];
	return EMUL_OK;
}

static int fetch_signed(struct emul_ctxt *c, unsigned int size, u64 *val)
{
	int rc;

	*val = 0;
	rc = fetch(c, val, size);
	*val = emul_sext(*val, size);
	return rc;
}

static int fetch_unsigned(struct emul_ctxt *c, unsigned int size, u64 *val)
{
	*val = 0;
	return fetch(c, val, size);
}

static int seg_prefix(u8 byte)
{
	switch (byte) {
	case 0x26:
		return EMUL_ES;
	case 0x2e:
		return EMUL_CS;
	case 0x36:
		return EMUL_SS;
	case 0x3e:
		return EMUL_DS;
	case 0x64:
		return EMUL_FS;
	case 0x65:
		return EMUL_GS;
	default:
		return -1;
	}
}

/* What the legacy prefixes said, before it is known what they mean for this opcode. */
struct prefixes {
	int seg;	/* enum emul_seg or -1 */
	bool ad;	/* 67 */
};

/* True if @byte was a legacy prefix. */
static bool take_prefix(struct emul_ctxt *c, struct prefixes *p, u8 byte)
{
	struct emul_insn *i = &c->insn;
	int seg = seg_prefix(byte);

	switch (byte) {
	case 0x66:
		i->pfx66 = true;
		return true;
	case 0x67:
		p->ad = true;
		return true;
	case 0xf0:
		i->lock = true;
		return true;
	case EMUL_PFX_REPNE:
	case EMUL_PFX_REP:
		i->rep = byte;
		return true;
	}
	if (seg < 0)
		return false;
	/* 64-bit mode ignores the ES, CS, SS and DS prefixes. */
	if (!in_long(c) || seg >= EMUL_FS)
		p->seg = seg;
	return true;
}

/* A REX prefix counts only directly before the opcode. */
static int decode_prefixes(struct emul_ctxt *c, struct prefixes *p, u8 *opcode)
{
	struct emul_insn *i = &c->insn;
	int rc;

	for (;;) {
		rc = fetch_byte(c, opcode);
		if (rc)
			return rc;
		if (in_long(c) && (*opcode & REX_MASK) == REX_PREFIX)
			i->rex = *opcode;
		else if (take_prefix(c, p, *opcode))
			i->rex = 0;
		else
			return EMUL_OK;
	}
}

static void set_vex_pp(struct emul_insn *i, u8 byte)
{
	static const u8 rep_of_pp[] = { 0, 0, EMUL_PFX_REP, EMUL_PFX_REPNE };

	i->pfx66 = (byte & VEX_PP) == 1;
	i->rep = rep_of_pp[byte & VEX_PP];
	i->vex_l = byte & VEX_L;
	i->vvvv = VEX_VVVV(byte);
}

/* Outside 64-bit mode C4 and C5 are LES and LDS unless the next byte looks like a register form. */
static int decode_vex(struct emul_ctxt *c, u8 first)
{
	struct emul_insn *i = &c->insn;
	u8 b[3] = { 0 };
	int rc = fetch(c, b, first == OPCODE_VEX2 ? 2 : 3);

	if (rc)
		return rc;
	if (!in_long(c) && MODRM_MOD(b[0]) != MOD_REG)
		return EMUL_UNHANDLED;
	if (!in_prot(c) || i->lock || i->rep || i->pfx66 || i->rex)
		return emul_ud(c);
	i->vex = true;
	/* A REX byte of its own is what the rest of the decoder understands. */
	i->rex = REX_PREFIX;
	if (first == OPCODE_VEX2) {
		i->map = EMUL_MAP_0F;
		i->rex |= b[0] & VEX_W ? 0 : EMUL_REX_R;
		set_vex_pp(i, b[0]);
		i->opcode = b[1];
	} else {
		i->map = b[0] & VEX_MAP;
		i->rex |= (~b[0] >> VEX_RXB_SHIFT) & (EMUL_REX_R | EMUL_REX_X | EMUL_REX_B);
		i->rex |= b[1] & VEX_W ? EMUL_REX_W : 0;
		set_vex_pp(i, b[1]);
		i->opcode = b[2];
	}
	if (!in_long(c)) {
		i->rex = REX_PREFIX;
		i->vvvv &= ~REX_EXTEND;
	}
	return EMUL_OK;
}

static int decode_opcode(struct emul_ctxt *c, u8 byte)
{
	struct emul_insn *i = &c->insn;
	int rc;

	if (byte == OPCODE_VEX2 || byte == OPCODE_VEX3)
		return decode_vex(c, byte);
	i->opcode = byte;
	if (byte != OPCODE_ESCAPE)
		return EMUL_OK;
	i->map = EMUL_MAP_0F;
	rc = fetch_byte(c, &i->opcode);
	if (rc || (i->opcode != OPCODE_0F38 && i->opcode != OPCODE_0F3A))
		return rc;
	i->map = i->opcode == OPCODE_0F38 ? EMUL_MAP_0F38 : EMUL_MAP_0F3A;
	return fetch_byte(c, &i->opcode);
}

static unsigned int default_size(const struct emul_ctxt *c)
{
	switch (c->mode) {
	case EMUL_MODE_LONG64:
	case EMUL_MODE_PROT32:
		return 4;
	case EMUL_MODE_REAL:
		/* Between MOV CR0 and the far jump of a mode switch CS.D is still 1. */
		return c->seg[EMUL_CS].attr & EMUL_ATTR_DB ? 4 : 2;
	default:
		return 2;
	}
}

static void set_address_size(struct emul_ctxt *c, const struct prefixes *p)
{
	if (in_long(c))
		c->insn.adsize = p->ad ? 4 : 8;
	else
		c->insn.adsize = p->ad ? 6 - default_size(c) : default_size(c);
}

static void set_operand_size(struct emul_ctxt *c, u32 flags)
{
	struct emul_insn *i = &c->insn;
	unsigned int size = i->pfx66 ? 6 - default_size(c) : default_size(c);

	if (in_long(c)) {
		if (i->rex & EMUL_REX_W || flags & OPF_FORCE64)
			size = 8;
		else if (flags & OPF_DEF64 && !i->pfx66)
			size = 8;
	}
	i->opsize = flags & OPF_BYTE ? 1 : size;
}

static unsigned int rex_bit(const struct emul_insn *i, u8 bit)
{
	return i->rex & bit ? REX_EXTEND : 0;
}

/* SDM "16-Bit Addressing Forms with the ModR/M Byte" */
static int decode_mem16(struct emul_ctxt *c, u8 modrm, u64 *ea)
{
	static const s8 base[] = { EMUL_RBX, EMUL_RBX, EMUL_RBP, EMUL_RBP,
				   EMUL_RSI, EMUL_RDI, EMUL_RBP, EMUL_RBX };
	static const s8 index[] = { EMUL_RSI, EMUL_RDI, EMUL_RSI, EMUL_RDI, -1, -1, -1, -1 };
	struct emul_insn *i = &c->insn;
	unsigned int rm = MODRM_RM(modrm);
	u64 disp = 0;
	int rc;

	if (i->mod == 0 && rm == RM_DISP16)
		return fetch_unsigned(c, 2, ea);
	*ea = c->gpr[base[rm]];
	if (index[rm] >= 0)
		*ea += c->gpr[index[rm]];
	if (base[rm] == EMUL_RBP)
		i->seg = EMUL_SS;
	rc = i->mod ? fetch_signed(c, i->mod, &disp) : EMUL_OK;
	*ea += disp;
	return rc;
}

/* The base register of a 32 or 64-bit form; @base keeps its undecorated number. */
static void add_base(struct emul_ctxt *c, unsigned int base, u64 *ea)
{
	struct emul_insn *i = &c->insn;
	unsigned int n = base | rex_bit(i, EMUL_REX_B);

	*ea += c->gpr[n];
	i->base = n;
	i->base_rsp = n == EMUL_RSP;
	if (n == EMUL_RSP || n == EMUL_RBP)
		i->seg = EMUL_SS;
}

/* SDM "32-Bit Addressing Forms with the SIB Byte"; returns the base through @base. */
static int decode_sib(struct emul_ctxt *c, unsigned int *base, u64 *ea)
{
	struct emul_insn *i = &c->insn;
	unsigned int index;
	u8 sib;
	int rc = fetch_byte(c, &sib);

	if (rc)
		return rc;
	*base = MODRM_RM(sib);
	index = MODRM_REG(sib) | rex_bit(i, EMUL_REX_X);
	if (index != SIB_NO_INDEX) {
		i->index = index;
		i->scale = MODRM_MOD(sib);
		*ea += c->gpr[index] << i->scale;
	}
	return EMUL_OK;
}

static int decode_mem(struct emul_ctxt *c, u8 modrm, u64 *ea)
{
	struct emul_insn *i = &c->insn;
	unsigned int base = MODRM_RM(modrm);
	bool sib = base == RM_SIB;
	int rc;

	*ea = 0;
	i->base = EMUL_NR_GPR;
	i->index = EMUL_NR_GPR;
	if (sib) {
		rc = decode_sib(c, &base, ea);
		if (rc)
			return rc;
	}
	/* SIB_NO_BASE and RM_DISP are the same number with the same meaning. */
	if (i->mod == 0 && base == RM_DISP) {
		i->rip_rel = in_long(c) && !sib;
		rc = fetch_signed(c, 4, &i->disp);
	} else {
		add_base(c, base, ea);
		rc = i->mod ? fetch_signed(c, i->mod == 1 ? 1 : 4, &i->disp) : EMUL_OK;
	}
	*ea += i->disp;
	return rc;
}

static int decode_modrm(struct emul_ctxt *c, u8 *modrm)
{
	struct emul_insn *i = &c->insn;
	int rc = fetch_byte(c, modrm);

	i->has_modrm = true;
	i->mod = MODRM_MOD(*modrm);
	i->reg = MODRM_REG(*modrm) | rex_bit(i, EMUL_REX_R);
	i->rm = MODRM_RM(*modrm) | rex_bit(i, EMUL_REX_B);
	return rc;
}

/* Everything ModRM implies beyond the byte itself. */
static int decode_address(struct emul_ctxt *c, u8 modrm)
{
	struct emul_insn *i = &c->insn;
	int rc;

	if (i->flags & OPF_REG)
		i->mod = MOD_REG;
	if (i->mod == MOD_REG)
		return i->flags & OPF_MEM ? emul_ud(c) : EMUL_OK;
	i->has_mem = true;
	i->seg = EMUL_DS;
	rc = i->adsize == 2 ? decode_mem16(c, modrm, &i->ea) : decode_mem(c, modrm, &i->ea);
	i->ea &= emul_mask(i->adsize);
	return rc;
}

static bool is_known(const struct emul_opcode *op)
{
	return op && (op->exec || op->group || op->class || op->flags & OPF_VEC);
}

/* Find the table entry, descending into groups; needs the ModRM byte. */
static int select_opcode(struct emul_ctxt *c, u8 *modrm)
{
	struct emul_insn *i = &c->insn;
	const struct emul_opcode *op = emul_lookup(i);
	int rc;

	if (!is_known(op))
		return EMUL_UNHANDLED;
	i->flags = op->flags;
	if (op->flags & OPF_MODRM) {
		rc = decode_modrm(c, modrm);
		if (rc)
			return rc;
	}
	if (op->flags & OPF_VEC) {
		op = emul_vec_find(i);
	} else if (op->group) {
		const struct emul_group *g = op->group;

		if (i->mod != MOD_REG || !g->reg)
			op = &g->mem[MODRM_REG(*modrm)];
		else
			op = &g->reg[g->by_rm ? *modrm & 0x3f : MODRM_REG(*modrm)];
	}
	if (!is_known(op))
		return EMUL_UNHANDLED;
	i->op = op;
	i->flags |= op->flags;
	i->class = op->class;
	return EMUL_OK;
}

/* Instructions whose validity the tables cannot express. */
static int check_legal(struct emul_ctxt *c)
{
	const struct emul_insn *i = &c->insn;

	if (i->flags & (in_long(c) ? OPF_NO64 : OPF_ONLY64))
		return emul_ud(c);
	if (i->flags & OPF_PROT && !in_prot(c))
		return emul_ud(c);
	if (i->lock && !(i->flags & OPF_LOCK && i->has_mem))
		return emul_ud(c);
	return EMUL_OK;
}

static int decode_imm(struct emul_ctxt *c)
{
	struct emul_insn *i = &c->insn;
	unsigned int size = i->opsize;

	if (i->flags & OPF_IMM8)
		return fetch_signed(c, 1, &i->imm);
	if (i->flags & OPF_IMM16)
		return fetch_unsigned(c, 2, &i->imm);
	if (i->flags & OPF_IMM)
		return fetch_signed(c, size > 4 ? 4 : size, &i->imm);
	if (i->flags & OPF_IMMV)
		return fetch_unsigned(c, size, &i->imm);
	return EMUL_OK;
}

static int decode_operands(struct emul_ctxt *c, u8 modrm)
{
	struct emul_insn *i = &c->insn;
	int rc = EMUL_OK;

	if (i->flags & OPF_MODRM)
		rc = decode_address(c, modrm);
	if (!rc && i->flags & OPF_MOFFS) {
		i->has_mem = true;
		rc = fetch_unsigned(c, i->adsize, &i->ea);
	}
	if (i->flags & OPF_OPREG)
		i->rm = MODRM_RM(i->opcode) | rex_bit(i, EMUL_REX_B);
	return rc ? rc : decode_imm(c);
}

/* F3 90; with REX.B the opcode is XCHG r8. */
static bool is_pause(const struct emul_insn *i)
{
	return i->map == EMUL_MAP_1B && i->opcode == OPCODE_NOP && i->rep == EMUL_PFX_REP &&
	       !(i->rex & EMUL_REX_B);
}

/* What depends on the whole length, and the CS limit for bytes the caller supplied. */
static int finish(struct emul_ctxt *c, const struct prefixes *p)
{
	struct emul_insn *i = &c->insn;

	c->next_rip = c->rip + i->len;
	if (!in_long(c)) {
		if ((u64)(u32)c->rip + i->len - 1 > c->seg[EMUL_CS].limit)
			return emul_gp(c);
		c->next_rip = (u32)c->next_rip;
	}
	if (i->rip_rel)
		i->ea = (i->ea + c->next_rip) & emul_mask(i->adsize);
	if (p->seg >= 0)
		i->seg = p->seg;
	if (is_pause(i))
		i->class = EMUL_CLASS_PAUSE;
	return EMUL_OK;
}

int emul_decode(struct emul_ctxt *c)
{
	struct emul_insn *i = &c->insn;
	struct prefixes p = { .seg = -1 };
	u8 byte = 0, modrm = 0;
	int rc;

	memset(i, 0, sizeof(*i));
	i->seg = EMUL_DS;
	if (c->nbytes > EMUL_MAX_INSN)
		c->nbytes = EMUL_MAX_INSN;
	rc = decode_prefixes(c, &p, &byte);
	if (!rc)
		rc = decode_opcode(c, byte);
	if (!rc)
		rc = select_opcode(c, &modrm);
	if (rc)
		return rc;
	set_address_size(c, &p);
	set_operand_size(c, i->flags);
	rc = decode_operands(c, modrm);
	if (!rc)
		rc = finish(c, &p);
	return rc ? rc : check_legal(c);
}
