// SPDX-License-Identifier: GPL-2.0-only
#include "world.h"

#define FLAT_LIMIT	0xffffffffu
#define REAL_LIMIT	0xffffu
#define PF_WRITE	2u
#define MAX_USERS	10000

static struct world *world_of(struct emul_ctxt *c)
{
	return c->priv;
}

static int page_fault(struct emul_ctxt *c, u64 la, unsigned int acc)
{
	c->exception = (struct emul_exception) {
		.vector = EMUL_VEC_PF, .has_error = true,
		.error = acc & EMUL_ACC_WRITE ? PF_WRITE : 0, .address = la,
	};
	return EMUL_FAULT;
}

static bool in_ram(u64 la, unsigned int len)
{
	return la < WORLD_RAM && len <= WORLD_RAM - la;
}

/*
 * Carry out one access, or answer it from the log. With @replay a fresh access is done and logged,
 * and then the instruction is stopped: that is what an exit to user space looks like.
 */
static int logged(struct world *w, enum world_kind kind, u64 addr, void *data, unsigned int len)
{
	struct world_access *a = &w->log[w->pos];

	w->calls++;
	if (w->pos < w->nr) {
		if (a->kind != kind || a->addr != addr || a->len != len)
			w->mismatch = true;
		if (kind == W_READ || kind == W_PIO_IN)
			memcpy(data, a->data, len);
		else if (memcmp(data, a->data, len))
			w->mismatch = true;
		w->pos++;
		return EMUL_OK;
	}
	switch (kind) {
	case W_READ:
		memcpy(data, w->ram + addr, len);
		break;
	case W_WRITE:
	case W_CMPXCHG:
		memcpy(w->ram + addr, data, len);
		break;
	case W_PIO_IN:
		for (unsigned int i = 0; i < len; i++)
			((u8 *)data)[i] = w->port_in++;
		w->port_nr = addr;
		break;
	case W_PIO_OUT:
		for (unsigned int i = 0; i < len; i++)
			w->port_out[w->port_out_len++ % WORLD_PORTS] = ((u8 *)data)[i];
		w->port_nr = addr;
		break;
	}
	if (!w->replay || w->nr == WORLD_LOG)
		return EMUL_OK;
	a = &w->log[w->nr++];
	a->kind = kind;
	a->addr = addr;
	a->len = len;
	memcpy(a->data, data, len);
	w->users++;
	return EMUL_USER;
}

static int op_read(struct emul_ctxt *c, u64 la, void *data, unsigned int len, unsigned int acc)
{
	if (!in_ram(la, len))
		return page_fault(c, la, acc);
	if (acc & EMUL_ACC_FETCH) {
		memcpy(data, world_of(c)->ram + la, len);
		return EMUL_OK;
	}
	return logged(world_of(c), W_READ, la, data, len);
}

static int op_write(struct emul_ctxt *c, u64 la, const void *data, unsigned int len,
		    unsigned int acc)
{
	if (!in_ram(la, len))
		return page_fault(c, la, acc);
	return logged(world_of(c), W_WRITE, la, (void *)data, len);
}

static int op_cmpxchg(struct emul_ctxt *c, u64 la, const void *old, const void *new,
		      unsigned int len)
{
	struct world *w = world_of(c);

	if (!in_ram(la, len))
		return page_fault(c, la, EMUL_ACC_WRITE);
	if (w->pos == w->nr && memcmp(w->ram + la, old, len))
		return EMUL_RETRY;
	return logged(w, W_CMPXCHG, la, (void *)new, len);
}

static int op_probe(struct emul_ctxt *c, u64 la, unsigned int len, unsigned int acc)
{
	return in_ram(la, len) ? EMUL_OK : page_fault(c, la, acc);
}

static bool op_is_ram(struct emul_ctxt *c, u64 la, unsigned int len, unsigned int acc)
{
	return world_of(c)->bulk && in_ram(la, len);
}

static int op_pio_in(struct emul_ctxt *c, u16 port, unsigned int size, void *data,
		     unsigned int count)
{
	return logged(world_of(c), W_PIO_IN, port, data, size * count);
}

static int op_pio_out(struct emul_ctxt *c, u16 port, unsigned int size, const void *data,
		      unsigned int count)
{
	return logged(world_of(c), W_PIO_OUT, port, (void *)data, size * count);
}

static bool op_pio_allowed(struct emul_ctxt *c, u16 port, unsigned int size)
{
	return !world_of(c)->deny_ports;
}

static int op_read_vec(struct emul_ctxt *c, unsigned int n, void *data, unsigned int len)
{
	memcpy(data, world_of(c)->vec[n], len);
	return EMUL_OK;
}

static int op_write_vec(struct emul_ctxt *c, unsigned int n, const void *data, unsigned int len)
{
	memcpy(world_of(c)->vec[n], data, len);
	return EMUL_OK;
}

static void op_commit(struct emul_ctxt *c)
{
	struct world *w = world_of(c);

	w->nr = 0;
	w->pos = 0;
	w->commits++;
}

const struct emul_ops world_ops = {
	.read = op_read,
	.write = op_write,
	.compare_exchange = op_cmpxchg,
	.probe = op_probe,
	.is_ram = op_is_ram,
	.pio_in = op_pio_in,
	.pio_out = op_pio_out,
	.pio_allowed = op_pio_allowed,
	.read_vec = op_read_vec,
	.write_vec = op_write_vec,
	.commit = op_commit,
};

void world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	memset(w->ram, 0xcc, sizeof(w->ram));
	for (unsigned int i = 0; i < 64; i++) {
		w->ram[AT_DATA + i] = 0xc0 + ((i + 0x30) & 0x3f);
		w->ram[AT_DATA2 + i] = 0x80 + i;
	}
	for (unsigned int n = 0; n < 16; n++)
		for (unsigned int i = 0; i < EMUL_MAX_VEC; i++)
			w->vec[n][i] = n << 4 | (i & 0xf);
	w->port_in = 0x51;
}

/* Register n holds bytes n1 n2 ... n8 from low to high; some are addresses. */
static u64 start_value(unsigned int n)
{
	switch (n) {
	case EMUL_RBX:
	case EMUL_RSI:
		return AT_DATA;
	case EMUL_RDI:
		return AT_DATA2;
	case EMUL_RBP:
		return AT_DATA + 0x80;
	case EMUL_RSP:
		return AT_STACK;
	default:
		return 0x1010101010101010ULL * n + 0x0807060504030201ULL;
	}
}

static u32 start_attr(enum emul_mode mode, unsigned int seg)
{
	u32 attr = EMUL_ATTR_P | EMUL_ATTR_S | EMUL_ATTR_TYPE_RW;

	if (seg == EMUL_CS)
		attr |= EMUL_ATTR_TYPE_CODE;
	if (mode == EMUL_MODE_LONG64)
		return attr | (seg == EMUL_CS ? EMUL_ATTR_L : EMUL_ATTR_DB);
	return mode == EMUL_MODE_PROT32 ? attr | EMUL_ATTR_DB : attr;
}

void world_ctxt(struct world *w, struct emul_ctxt *c, enum emul_mode mode)
{
	bool small = mode == EMUL_MODE_REAL || mode == EMUL_MODE_VM86;

	memset(c, 0, sizeof(*c));
	c->ops = &world_ops;
	c->priv = w;
	c->mode = mode;
	c->rip = AT_CODE;
	c->rflags = X86_EFLAGS_FIXED;
	c->cr0 = mode == EMUL_MODE_REAL ? 0 : X86_CR0_PE;
	c->cr4 = X86_CR4_OSFXSR | X86_CR4_OSXSAVE;
	c->xcr0 = 7;
	c->cpl = mode == EMUL_MODE_VM86 ? 3 : 0;
	for (unsigned int n = 0; n < EMUL_NR_GPR; n++)
		c->gpr[n] = start_value(n);
	for (unsigned int n = 0; n < EMUL_NR_SEG; n++)
		c->seg[n] = (struct emul_segment) {
			.limit = small ? REAL_LIMIT : FLAT_LIMIT,
			.attr = start_attr(mode, n), .selector = n << 3,
		};
}

int world_run(struct world *w, struct emul_ctxt *c)
{
	int rc = emul_decode(c);

	while (!rc) {
		w->pos = 0;
		rc = emul_exec(c);
		if (rc != EMUL_USER || w->users > MAX_USERS)
			break;
		rc = EMUL_OK;
	}
	return rc;
}
