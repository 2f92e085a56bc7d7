// SPDX-License-Identifier: GPL-2.0-only
/*
 * SSE and AVX moves between a vector register and memory. Register-only forms never reach an
 * emulator of memory accesses and are left unknown.
 */
#include "x86/emul_int.h"

#define XMM_BYTES	16u
#define YMM_BYTES	32u
#define HALF		8u	/* bytes in one half of an XMM register */
#define XCR0_SSE_AVX	(BIT(1) | BIT(2))

/* What moves, and what becomes of the rest of the register. */
enum vec_kind {
	VK_FULL,	/* the whole XMM or YMM register */
	VK_ALIGNED,	/* likewise, #GP unless naturally aligned */
	VK_4,		/* low 4 bytes; a load clears the rest */
	VK_8,		/* low 8 bytes; a load clears the rest */
	VK_MOVQ,	/* likewise, without a 256-bit form */
	VK_GPR,		/* low 4 or 8 bytes by REX.W */
	VK_LOW,		/* low half; a load keeps the high half */
	VK_HIGH,	/* high half; a load keeps the low half */
};

/* Mandatory prefix as VEX.pp numbers it. */
enum vec_pp { PP_NONE, PP_66, PP_F3, PP_F2 };

struct vec_move {
	u8 map;
	u8 opcode;
	u8 pp;
	struct emul_opcode op;
};

#define LOAD(map, opc, pp, kind) \
	{ EMUL_MAP_##map, opc, PP_##pp, { .exec = ex_vec_load, .sub = VK_##kind } }
#define STORE(map, opc, pp, kind) \
	{ EMUL_MAP_##map, opc, PP_##pp, { .exec = ex_vec_store, .sub = VK_##kind } }

static const struct vec_move moves[] = {
	/* MOVUPS, MOVUPD, MOVSS, MOVSD */
	LOAD(0F, 0x10, NONE, FULL), LOAD(0F, 0x10, 66, FULL),
	LOAD(0F, 0x10, F3, 4), LOAD(0F, 0x10, F2, 8),
	STORE(0F, 0x11, NONE, FULL), STORE(0F, 0x11, 66, FULL),
	STORE(0F, 0x11, F3, 4), STORE(0F, 0x11, F2, 8),
	/* MOVLPS, MOVLPD, MOVHPS, MOVHPD */
	LOAD(0F, 0x12, NONE, LOW), LOAD(0F, 0x12, 66, LOW),
	STORE(0F, 0x13, NONE, LOW), STORE(0F, 0x13, 66, LOW),
	LOAD(0F, 0x16, NONE, HIGH), LOAD(0F, 0x16, 66, HIGH),
	STORE(0F, 0x17, NONE, HIGH), STORE(0F, 0x17, 66, HIGH),
	/* MOVAPS, MOVAPD, MOVNTPS, MOVNTPD */
	LOAD(0F, 0x28, NONE, ALIGNED), LOAD(0F, 0x28, 66, ALIGNED),
	STORE(0F, 0x29, NONE, ALIGNED), STORE(0F, 0x29, 66, ALIGNED),
	STORE(0F, 0x2b, NONE, ALIGNED), STORE(0F, 0x2b, 66, ALIGNED),
	/* MOVD, MOVQ */
	LOAD(0F, 0x6e, 66, GPR), STORE(0F, 0x7e, 66, GPR),
	LOAD(0F, 0x7e, F3, MOVQ), STORE(0F, 0xd6, 66, MOVQ),
	/* MOVDQA, MOVDQU, MOVNTDQ, LDDQU, MOVNTDQA */
	LOAD(0F, 0x6f, 66, ALIGNED), LOAD(0F, 0x6f, F3, FULL),
	STORE(0F, 0x7f, 66, ALIGNED), STORE(0F, 0x7f, F3, FULL),
	STORE(0F, 0xe7, 66, ALIGNED), LOAD(0F, 0xf0, F2, FULL),
	LOAD(0F38, 0x2a, 66, ALIGNED),
};

/* F2 and F3 take precedence over 66. */
static enum vec_pp pp_of(const struct emul_insn *i)
{
	if (i->rep)
		return i->rep == EMUL_PFX_REP ? PP_F3 : PP_F2;
	return i->pfx66 ? PP_66 : PP_NONE;
}

const struct emul_opcode *emul_vec_find(const struct emul_insn *insn)
{
	enum vec_pp pp = pp_of(insn);
	unsigned int n;

	for (n = 0; n < ARRAY_SIZE(moves); n++) {
		const struct vec_move *m = &moves[n];

		if (m->map == insn->map && m->opcode == insn->opcode && m->pp == pp)
			return &m->op;
	}
	return NULL;
}

/* SDM "Exception Conditions of Legacy SIMD" and "VEX Encoding". */
static int check_enabled(struct emul_ctxt *c)
{
	bool enabled;

	if (c->insn.vex)
		enabled = c->cr4 & X86_CR4_OSXSAVE && (c->xcr0 & XCR0_SSE_AVX) == XCR0_SSE_AVX;
	else
		enabled = !(c->cr0 & X86_CR0_EM) && c->cr4 & X86_CR4_OSFXSR;
	if (!enabled)
		return emul_ud(c);
	return c->cr0 & X86_CR0_TS ? emul_fault(c, EMUL_VEC_NM) : EMUL_OK;
}

/* VEX.vvvv names a register only where a load keeps half of one; VEX.L only where all moves. */
static int check_vex(struct emul_ctxt *c, bool store)
{
	enum vec_kind kind = c->insn.op->sub;
	bool merges = !store && (kind == VK_LOW || kind == VK_HIGH);

	if (!c->insn.vex)
		return EMUL_OK;
	if (c->insn.vvvv && !merges)
		return emul_ud(c);
	if (c->insn.vex_l && kind >= VK_MOVQ)
		return emul_ud(c);
	return EMUL_OK;
}

static unsigned int vec_bytes(const struct emul_insn *i)
{
	switch (i->op->sub) {
	case VK_FULL:
	case VK_ALIGNED:
		return i->vex_l ? YMM_BYTES : XMM_BYTES;
	case VK_4:
		return 4;
	case VK_GPR:
		return i->rex & EMUL_REX_W ? 8 : 4;
	default:
		return HALF;
	}
}

/* Everything before the access: is it allowed, where is it, how long is it? */
static int vec_prepare(struct emul_ctxt *c, bool store, unsigned int *len)
{
	int rc;

	if (!c->insn.has_mem)
		return EMUL_UNHANDLED;
	rc = check_vex(c, store);
	if (!rc)
		rc = check_enabled(c);
	if (rc)
		return rc;
	*len = vec_bytes(&c->insn);
	rc = emul_linear(c, c->insn.seg, c->insn.ea, *len, store, &c->rm_la);
	if (!rc && c->insn.op->sub == VK_ALIGNED && c->rm_la % *len)
		rc = emul_gp(c);
	return rc;
}

/* VEX loads clear the register above what they write, legacy loads leave bits 255:128 alone. */
int ex_vec_load(struct emul_ctxt *c)
{
	const struct emul_insn *i = &c->insn;
	bool merge = i->op->sub == VK_LOW || i->op->sub == VK_HIGH;
	u8 val[YMM_BYTES] = { 0 };
	u8 data[YMM_BYTES];
	unsigned int len;
	int rc = vec_prepare(c, false, &len);

	if (!rc)
		rc = c->ops->read(c, c->rm_la, data, len, 0);
	if (!rc && merge)
		rc = c->ops->read_vec(c, i->vex ? i->vvvv : i->reg, val, XMM_BYTES);
	if (rc)
		return rc;
	memcpy(i->op->sub == VK_HIGH ? val + HALF : val, data, len);
	return c->ops->write_vec(c, i->reg, val, i->vex ? YMM_BYTES : XMM_BYTES);
}

int ex_vec_store(struct emul_ctxt *c)
{
	const struct emul_insn *i = &c->insn;
	u8 val[YMM_BYTES];
	unsigned int len;
	int rc = vec_prepare(c, true, &len);

	if (!rc)
		rc = c->ops->read_vec(c, i->reg, val, len > XMM_BYTES ? YMM_BYTES : XMM_BYTES);
	if (rc)
		return rc;
	return c->ops->write(c, c->rm_la, i->op->sub == VK_HIGH ? val + HALF : val, len,
			     EMUL_ACC_WRITE);
}
