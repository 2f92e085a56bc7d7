// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random bytes in every mode, with memory and devices that fail, race and stop at random. Under
 * ASan and UBSan nothing may be reported, and the commit rule must hold: unless the emulator says
 * EMUL_OK, registers are those of the last commit. Also: no access before a fault of decoding, no
 * access of unheard-of length, and an end to every loop.
 *
 * Usage: emul_fuzz [SECONDS [SEED]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "kselftest.h"
#include "world.h"

#define DEFAULT_SECONDS	5
#define DEFAULT_SEED	20261121
#define BATCH		1000

struct watch {
	u64 gpr[EMUL_NR_GPR], rip, rflags;	/* at the last commit */
	bool deciding;				/* inside emul_decode() */
	unsigned int ops;
	const char *broken;
};

static struct world world;
static struct watch watch;
static u64 rng_state;
static u64 data_seen;	/* every byte written is looked at, so that ASan looks too */

static u64 rnd(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state;
}

static void broken(const char *what)
{
	if (!watch.broken)
		watch.broken = what;
}

/* Mostly yes; otherwise any of the other answers. */
static int answer(struct emul_ctxt *c)
{
	static const int other[] = { EMUL_USER, EMUL_FAULT, EMUL_UNHANDLED, EMUL_RETRY };

	if (++watch.ops > 8 * EMUL_MAX_REP)
		broken("too many accesses");
	return rnd() % 16 ? EMUL_OK : other[rnd() % ARRAY_SIZE(other)];
}

static int op_read(struct emul_ctxt *c, u64 la, void *data, unsigned int len, unsigned int acc)
{
	if (watch.deciding != !!(acc & EMUL_ACC_FETCH))
		broken("fetch outside decoding, or data access inside");
	if (!len || len > EMUL_MAX_BATCH)
		broken("length of a read");
	if (acc & EMUL_ACC_FETCH && la / EMUL_PAGE_SIZE != (la + len - 1) / EMUL_PAGE_SIZE)
		broken("fetch across a page");
	if (acc & EMUL_ACC_FETCH && (u8 *)data + len > c->bytes + EMUL_MAX_INSN) {
		broken("fetch of more than an instruction");
		return EMUL_FAULT;
	}
	for (unsigned int i = 0; i < len; i++)
		((u8 *)data)[i] = rnd();
	return answer(c);
}

static int op_write(struct emul_ctxt *c, u64 la, const void *data, unsigned int len,
		    unsigned int acc)
{
	u8 sum = 0;

	if (watch.deciding || !len || len > EMUL_MAX_BATCH || !(acc & EMUL_ACC_WRITE))
		broken("a write");
	for (unsigned int i = 0; i < len; i++)
		sum += ((const u8 *)data)[i];
	data_seen += sum;
	return answer(c);
}

static int op_cmpxchg(struct emul_ctxt *c, u64 la, const void *old, const void *new,
		      unsigned int len)
{
	if (watch.deciding || !len || len > 16 || len & (len - 1))
		broken("a cmpxchg");
	return answer(c);
}

static int op_probe(struct emul_ctxt *c, u64 la, unsigned int len, unsigned int acc)
{
	return rnd() % 8 ? EMUL_OK : EMUL_FAULT;
}

static bool op_is_ram(struct emul_ctxt *c, u64 la, unsigned int len, unsigned int acc)
{
	if (len > EMUL_MAX_BATCH || la / EMUL_PAGE_SIZE != (la + len - 1) / EMUL_PAGE_SIZE)
		broken("a batch");
	return rnd() & 1;
}

static int op_pio_in(struct emul_ctxt *c, u16 port, unsigned int size, void *data,
		     unsigned int count)
{
	if ((size != 1 && size != 2 && size != 4) || !count || size * count > EMUL_MAX_BATCH)
		broken("a port read");
	for (unsigned int i = 0; i < size * count; i++)
		((u8 *)data)[i] = rnd();
	return answer(c);
}

static int op_pio_out(struct emul_ctxt *c, u16 port, unsigned int size, const void *data,
		      unsigned int count)
{
	if ((size != 1 && size != 2 && size != 4) || !count || size * count > EMUL_MAX_BATCH)
		broken("a port write");
	return answer(c);
}

static bool op_pio_allowed(struct emul_ctxt *c, u16 port, unsigned int size)
{
	return rnd() & 1;
}

static int op_vec(struct emul_ctxt *c, unsigned int n, unsigned int len)
{
	if (n >= 16 || (len != 16 && len != 32))
		broken("a vector register");
	return EMUL_OK;
}

static int op_read_vec(struct emul_ctxt *c, unsigned int n, void *data, unsigned int len)
{
	memset(data, 0x5a, len);
	return op_vec(c, n, len);
}

static int op_write_vec(struct emul_ctxt *c, unsigned int n, const void *data, unsigned int len)
{
	return op_vec(c, n, len);
}

static void note_commit(struct emul_ctxt *c)
{
	memcpy(watch.gpr, c->gpr, sizeof(c->gpr));
	watch.rip = c->rip;
	watch.rflags = c->rflags;
}

static const struct emul_ops ops = {
	.read = op_read, .write = op_write, .compare_exchange = op_cmpxchg, .probe = op_probe,
	.is_ram = op_is_ram, .pio_in = op_pio_in, .pio_out = op_pio_out,
	.pio_allowed = op_pio_allowed, .read_vec = op_read_vec, .write_vec = op_write_vec,
	.commit = note_commit,
};

/* Bytes that begin something: prefixes, escapes and what the tables know. */
static u8 likely_byte(void)
{
	static const u8 starts[] = {
		0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x0f, 0x48, 0x41, 0x4c, 0x64, 0x26, 0xc4, 0xc5,
		0x8b, 0x89, 0xa4, 0xab, 0xa6, 0x6c, 0x6e, 0x83, 0xf7, 0xff, 0xc7, 0x8f,
	};

	return rnd() & 1 ? starts[rnd() % ARRAY_SIZE(starts)] : rnd();
}

static void random_context(struct emul_ctxt *c)
{
	unsigned int supplied = rnd() % (EMUL_MAX_INSN + 2);
	unsigned int prefixes = rnd() & 7 ? 0 : rnd() % (EMUL_MAX_INSN + 1);

	world_ctxt(&world, c, rnd() % (EMUL_MODE_LONG64 + 1));
	c->ops = &ops;
	for (unsigned int i = 0; i < EMUL_NR_GPR; i++)
		c->gpr[i] = rnd() & 1 ? rnd() : rnd() % 0x20000;
	for (unsigned int i = 0; i < EMUL_NR_SEG; i++) {
		if (rnd() & 3)
			continue;
		c->seg[i].base = rnd();
		c->seg[i].limit = rnd();
		c->seg[i].attr = rnd();
	}
	c->rip = rnd() & 7 ? rnd() % 0x10000 : rnd();
	c->rflags = rnd();
	c->cpl = rnd() & 3;
	c->cr0 = rnd() & 7 ? X86_CR0_PE : rnd();
	c->cr4 ^= rnd() & 7 ? 0 : rnd();
	for (unsigned int i = 0; i < EMUL_MAX_INSN; i++)
		c->bytes[i] = i < prefixes ? 0x66 : i < 4 + prefixes ? likely_byte() : rnd();
	c->nbytes = supplied > EMUL_MAX_INSN ? 0 : supplied;
}

static void check_rule(const struct emul_ctxt *c, int rc)
{
	if (rc < EMUL_OK || rc > EMUL_RETRY)
		broken("an unknown result");
	if (memcmp(watch.gpr, c->gpr, sizeof(watch.gpr)) || watch.rip != c->rip ||
	    watch.rflags != c->rflags)
		broken("registers are not those of the last commit");
	if (c->insn.len > EMUL_MAX_INSN)
		broken("a length above 15");
}

/* true: something was executed */
static bool one(void)
{
	static struct emul_ctxt c;
	int rc;

	random_context(&c);
	note_commit(&c);
	watch.ops = 0;
	watch.deciding = true;
	rc = emul_decode(&c);
	watch.deciding = false;
	check_rule(&c, rc);
	if (rc)
		return false;
	do {
		rc = emul_exec(&c);
		check_rule(&c, rc);
	} while (rc == EMUL_USER && !watch.broken);
	return rc == EMUL_OK;
}

int main(int argc, char **argv)
{
	unsigned long seconds = argc > 1 ? strtoul(argv[1], NULL, 0) : DEFAULT_SECONDS;
	u64 seed = argc > 2 ? strtoull(argv[2], NULL, 0) : DEFAULT_SEED;
	time_t end = time(NULL) + seconds;
	unsigned long tried = 0, executed = 0;

	ksft_print_header();
	ksft_set_plan(2);
	rng_state = seed;
	world_init(&world);
	while (!watch.broken && (time(NULL) < end || !tried)) {
		for (unsigned int i = 0; i < BATCH && !watch.broken; i++, tried++)
			executed += one();
	}
	ksft_print_msg("seed %llu: %lu instructions, %lu executed, data %llx\n", seed, tried,
		       executed, data_seen);
	if (watch.broken)
		ksft_print_msg("instruction %lu: %s\n", tried, watch.broken);
	ksft_test_result(!watch.broken, "random instructions keep the commit rule\n");
	/* A fuzzer whose input is always refused tests nothing. */
	ksft_test_result(executed > tried / 20, "many of them executed\n");
	ksft_finished();
}
