// SPDX-License-Identifier: GPL-2.0-only
/*
 * Port instructions. Repeated INS and OUTS move many elements by one pio call when they run
 * upwards through RAM, within one page.
 */
#include "x86/emul_int.h"

static unsigned int io_size(const struct emul_ctxt *c)
{
	return c->insn.opsize > 4 ? 4 : c->insn.opsize;
}

static u16 io_port(const struct emul_ctxt *c)
{
	if (c->insn.flags & OPF_IMM8)
		return c->insn.imm & emul_mask(1);
	return c->gpr[EMUL_RDX];
}

/* SDM "I/O Permission Bit Map": asked above IOPL in protected mode, always in virtual-8086 mode. */
static int check_port(struct emul_ctxt *c)
{
	unsigned int iopl = (c->rflags & X86_EFLAGS_IOPL) >> X86_EFLAGS_IOPL_BIT;

	if (c->mode == EMUL_MODE_REAL)
		return EMUL_OK;
	if (c->mode != EMUL_MODE_VM86 && c->cpl <= iopl)
		return EMUL_OK;
	if (c->ops->pio_allowed && c->ops->pio_allowed(c, io_port(c), io_size(c)))
		return EMUL_OK;
	return emul_gp(c);
}

int ex_in(struct emul_ctxt *c)
{
	u64 val = 0;
	int rc = check_port(c);

	if (!rc)
		rc = c->ops->pio_in(c, io_port(c), io_size(c), &val, 1);
	if (!rc)
		emul_set_reg(c, EMUL_RAX, io_size(c), val);
	return rc;
}

int ex_out(struct emul_ctxt *c)
{
	u64 val = c->gpr[EMUL_RAX];
	int rc = check_port(c);

	return rc ? rc : c->ops->pio_out(c, io_port(c), io_size(c), &val, 1);
}

static u64 io_index(const struct emul_ctxt *c, unsigned int n)
{
	return c->gpr[n] & emul_mask(c->insn.adsize);
}

/* Segment as many of @count elements as one call can move; @count becomes that number. */
static int io_window(struct emul_ctxt *c, u8 seg, unsigned int index, bool write,
		     unsigned int *count, u64 *la)
{
	unsigned int size = io_size(c);
	unsigned int want = *count, fit;
	u64 ea = io_index(c, index), end;
	int rc = emul_linear(c, seg, ea, size, write, la);

	*count = 1;
	if (rc || want == 1 || c->rflags & X86_EFLAGS_DF || !c->ops->is_ram)
		return rc;
	fit = (EMUL_PAGE_SIZE - *la % EMUL_PAGE_SIZE) / size;
	if (fit > EMUL_MAX_BATCH / size)
		fit = EMUL_MAX_BATCH / size;
	if (want > fit)
		want = fit;
	/* The index must not wrap, and the limit must allow all of it; otherwise one at a time. */
	if (want < 2 || ea + want * size - 1 > emul_mask(c->insn.adsize))
		return EMUL_OK;
	if (emul_linear(c, seg, ea, want * size, write, &end))
		return EMUL_OK;
	if (c->ops->is_ram(c, *la, want * size, write ? EMUL_ACC_WRITE : 0))
		*count = want;
	return EMUL_OK;
}

static void io_advance(struct emul_ctxt *c, unsigned int n, unsigned int count)
{
	s64 delta = (s64)io_size(c) * count;

	emul_reg_add(c, n, c->insn.adsize, c->rflags & X86_EFLAGS_DF ? -delta : delta);
}

/* A read from a device cannot be taken back: the destination is probed before. */
static int ins_some(struct emul_ctxt *c, unsigned int *count)
{
	unsigned int len;
	u64 la;
	int rc = io_window(c, EMUL_ES, EMUL_RDI, true, count, &la);

	if (rc)
		return rc;
	len = *count * io_size(c);
	if (c->ops->probe)
		rc = c->ops->probe(c, la, len, EMUL_ACC_WRITE);
	if (!rc)
		rc = c->ops->pio_in(c, io_port(c), io_size(c), c->batch, *count);
	if (!rc)
		rc = c->ops->write(c, la, c->batch, len, EMUL_ACC_WRITE);
	if (!rc)
		io_advance(c, EMUL_RDI, *count);
	return rc;
}

static int outs_some(struct emul_ctxt *c, unsigned int *count)
{
	u64 la;
	int rc = io_window(c, c->insn.seg, EMUL_RSI, false, count, &la);

	if (!rc)
		rc = c->ops->read(c, la, c->batch, *count * io_size(c), 0);
	if (!rc)
		rc = c->ops->pio_out(c, io_port(c), io_size(c), c->batch, *count);
	if (!rc)
		io_advance(c, EMUL_RSI, *count);
	return rc;
}

int ex_ins(struct emul_ctxt *c)
{
	int rc = check_port(c);

	return rc ? rc : emul_repeat(c, ins_some);
}

int ex_outs(struct emul_ctxt *c)
{
	int rc = check_port(c);

	return rc ? rc : emul_repeat(c, outs_some);
}
