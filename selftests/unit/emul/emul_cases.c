// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the tables of cases_*.c. Each case runs three times: with its bytes fetched, with its bytes
 * supplied, and with every access first stopped and then replayed, as happens when a device is in
 * user space. Guards against wrong results, partial commits and order that differs on replay.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kselftest.h"
#include "emul_case.h"
#include "x86/emul_mov.h"

enum variant { FETCHED, SUPPLIED, REPLAYED, NR_VARIANTS };

static const char * const variant_name[] = { "fetched", "supplied", "replayed" };

static struct world world, before;
static bool ok;

#define EXPECT(cond, ...) do {						\
	if (!(cond)) {							\
		ok = false;						\
		ksft_print_msg(__VA_ARGS__);				\
	}								\
} while (0)

static void poke(struct world *w, const struct case_mem *m)
{
	for (unsigned int i = 0; i < m->len; i++)
		w->ram[m->addr + i] = m->val >> 8 * i;
}

static void set_up(const struct emul_case *t, struct emul_ctxt *c)
{
	world_init(&world);
	world_ctxt(&world, c, t->mode);
	for (unsigned int i = 0; i < ARRAY_SIZE(t->in) && t->in[i].nr; i++)
		c->gpr[t->in[i].nr - 1] = t->in[i].val;
	for (unsigned int i = 0; i < ARRAY_SIZE(t->poke) && t->poke[i].len; i++)
		poke(&world, &t->poke[i]);
	for (unsigned int i = 0; i < ARRAY_SIZE(t->seg) && t->seg[i].nr; i++) {
		struct emul_segment *s = &c->seg[t->seg[i].nr - 1];

		s->base = t->seg[i].base;
		s->limit = t->seg[i].limit;
		s->attr = t->seg[i].attr;
	}
	memcpy(world.ram + (t->code_at ? t->code_at : AT_CODE), t->code.at, t->code.len);
	c->rflags |= t->fin;
	c->cr0 |= t->cr0_set;
	c->cr4 = (c->cr4 | t->cr4_set) & ~t->cr4_clear;
	c->xcr0 &= ~t->xcr0_clear;
	if (t->cpl)
		c->cpl = t->cpl;
	world.bulk = t->bulk;
	world.deny_ports = t->deny;
}

static void check_regs(const struct emul_case *t, const struct emul_ctxt *old,
		       const struct emul_ctxt *c)
{
	u64 want[EMUL_NR_GPR];
	u64 flags = t->flags_given ? X86_EFLAGS_FIXED | t->flags : old->rflags;
	u64 rip = t->rc ? AT_CODE : AT_CODE + t->code.len;

	memcpy(want, old->gpr, sizeof(want));
	for (unsigned int i = 0; i < ARRAY_SIZE(t->out) && t->out[i].nr; i++)
		want[t->out[i].nr - 1] = t->out[i].val;
	for (unsigned int i = 0; i < EMUL_NR_GPR; i++)
		EXPECT(c->gpr[i] == want[i], "gpr %u is %llx, not %llx\n", i, c->gpr[i], want[i]);
	if (t->rip)
		rip = t->rip;
	EXPECT(c->rip == rip, "rip is %llx, not %llx\n", c->rip, rip);
	EXPECT(!((c->rflags ^ flags) & ~t->undefined), "flags are %llx, not %llx\n", c->rflags,
	       flags);
	EXPECT(c->cr0 == (t->cr0_out ? t->cr0_out : old->cr0), "cr0 is %llx\n", c->cr0);
	EXPECT(c->cr0_changed == (c->cr0 != old->cr0), "cr0_changed is wrong\n");
}

static void check_memory(const struct emul_case *t)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(t->mem) && t->mem[i].len; i++)
		poke(&before, &t->mem[i]);
	memset(before.ram + t->fill.addr, t->fill.val, t->fill.len);
	for (unsigned int i = 0; i < WORLD_RAM; i++) {
		if (world.ram[i] == before.ram[i])
			continue;
		EXPECT(false, "memory at %x is %x, not %x\n", i, world.ram[i], before.ram[i]);
		return;
	}
}

static void check_vectors(const struct emul_case *t)
{
	if (t->vec_out->nr)
		memcpy(before.vec[t->vec_out->nr - 1], t->vec_out->val, sizeof(t->vec_out->val));
	for (unsigned int n = 0; n < ARRAY_SIZE(world.vec); n++) {
		const u64 *v = (const u64 *)world.vec[n];

		EXPECT(!memcmp(world.vec[n], before.vec[n], sizeof(world.vec[n])),
		       "vector %u is %llx %llx %llx %llx\n", n, v[0], v[1], v[2], v[3]);
	}
}

static void check_world(const struct emul_case *t, enum variant v)
{
	EXPECT(!world.mismatch, "the replay did not repeat what was done\n");
	if (t->commits && v != REPLAYED)
		EXPECT(world.commits == t->commits, "%u commits\n", world.commits);
	if (t->port)
		EXPECT(world.port_nr == t->port, "port is %x\n", world.port_nr);
	EXPECT(world.port_out_len == t->port_out.len, "%u bytes written to the port\n",
	       world.port_out_len);
	if (t->port_out.len)
		EXPECT(!memcmp(world.port_out, t->port_out.at, t->port_out.len),
		       "wrong bytes written to the port\n");
	if (t->port_in)
		EXPECT(world.port_in == t->port_in, "the port was read\n");
}

static void check_outcome(const struct emul_case *t, const struct emul_ctxt *c, int rc)
{
	EXPECT(rc == (int)t->rc, "result is %d, not %d\n", rc, t->rc);
	if (rc == EMUL_OK && t->rc == EMUL_OK) {
		EXPECT(c->insn.len == t->code.len, "length is %u\n", c->insn.len);
		EXPECT(c->rep_more == t->more, "rep_more is wrong\n");
	}
	if (rc != EMUL_FAULT || t->rc != EMUL_FAULT)
		return;
	EXPECT(c->exception.vector == t->vector && c->exception.has_error == t->has_error &&
	       c->exception.error == t->error && c->exception.address == t->addr,
	       "exception %u error %x address %llx\n", c->exception.vector, c->exception.error,
	       c->exception.address);
}

static void run_variant(const struct emul_case *t, enum variant v)
{
	static struct emul_ctxt c, old;
	bool was_ok = ok;
	int rc;

	set_up(t, &c);
	world.replay = v == REPLAYED;
	if (v == SUPPLIED) {
		c.nbytes = t->code.len > EMUL_MAX_INSN ? EMUL_MAX_INSN : t->code.len;
		memcpy(c.bytes, t->code.at, c.nbytes);
	}
	old = c;
	before = world;
	ok = true;
	rc = world_run(&world, &c);
	check_outcome(t, &c, rc);
	check_regs(t, &old, &c);
	check_memory(t);
	check_vectors(t);
	check_world(t, v);
	if (!ok)
		ksft_print_msg("... with bytes/accesses %s\n", variant_name[v]);
	ok = ok && was_ok;
}

static unsigned int moves;

/* The short description of a move must come to the same as its execution. */
static void check_move(const struct emul_case *t)
{
	static struct emul_ctxt c;
	u64 la, val, raw = 0;
	struct emul_mov m;

	set_up(t, &c);
	if (emul_decode(&c) || !emul_mov_info(&c, &m))
		return;
	la = emul_mov_address(&m, c.gpr);
	if (la >= WORLD_RAM - sizeof(raw))
		return;
	memcpy(&raw, world.ram + la, m.size);
	val = m.store ? emul_mov_value(&m, c.gpr) : emul_mov_loaded(&m, c.gpr[m.reg], raw);
	if (emul_exec(&c))
		return;
	moves++;
	EXPECT(la == c.insn.ea && m.len == t->code.len, "move: address %llx, length %u\n", la,
	       m.len);
	EXPECT(m.store || c.gpr[m.reg] == val, "move: register %u is %llx\n", m.reg, val);
	EXPECT(!m.store || !memcmp(world.ram + la, &val, m.size), "move: memory is %llx\n", val);
}

/* A replay starts a new count of iterations, so it does not stop where the case says. */
static bool applies(const struct emul_case *t, enum variant v)
{
	return v != REPLAYED || !t->more || (t->fin & X86_EFLAGS_TF);
}

static void run_cases(const struct emul_case *t, unsigned int n)
{
	for (; n--; t++) {
		ok = true;
		for (enum variant v = FETCHED; v < NR_VARIANTS; v++)
			if (applies(t, v))
				run_variant(t, v);
		check_move(t);
		ksft_test_result(ok, "%s\n", t->text);
	}
}

static void check_decode(const struct emul_decode *t)
{
	static struct emul_ctxt c;
	int rc;

	world_init(&world);
	world_ctxt(&world, &c, t->mode);
	memcpy(world.ram + AT_CODE, t->code.at, t->code.len);
	rc = emul_decode(&c);
	EXPECT(rc == EMUL_OK && c.insn.len == t->code.len, "result is %d, length %u\n", rc,
	       c.insn.len);
	EXPECT(c.insn.class == t->class, "class is %u, not %u\n", c.insn.class, t->class);
	EXPECT(c.rip == AT_CODE, "decoding moved RIP\n");
	if (t->reg || (t->class >= EMUL_CLASS_MOV_FROM_CR && t->class <= EMUL_CLASS_MOV_TO_DR))
		EXPECT(c.insn.reg == t->reg && c.insn.rm == t->rm, "reg %u, rm %u\n", c.insn.reg,
		       c.insn.rm);
	if (t->ea)
		EXPECT(c.insn.has_mem && c.insn.ea == t->ea, "address %llx\n", c.insn.ea);
	if (t->opsize)
		EXPECT(c.insn.opsize == t->opsize && !!c.insn.rep == t->rep, "size %u, rep %x\n",
		       c.insn.opsize, c.insn.rep);
	if (t->port)
		EXPECT(c.insn.imm == t->port, "port %llx\n", c.insn.imm);
}

static void run_decode(void)
{
	for (unsigned int i = 0; i < nr_cases_decode; i++) {
		ok = true;
		check_decode(&cases_decode[i]);
		ksft_test_result(ok, "decode: %s\n", cases_decode[i].text);
	}
}

/* mov $0x11223344,%ecx at the end of a page, of memory, and of CS. */
static int fetch_at(enum emul_mode mode, u64 rip, u32 limit, struct emul_ctxt *c)
{
	static const u8 code[] = { 0xb9, 0x44, 0x33, 0x22, 0x11 };
	unsigned int len = sizeof(code);

	world_init(&world);
	world_ctxt(&world, c, mode);
	c->seg[EMUL_CS].limit = limit;
	c->rip = rip;
	if (len > WORLD_RAM - rip)
		len = WORLD_RAM - rip;
	memcpy(world.ram + rip, code, len);
	return world_run(&world, c);
}

static void test_fetch(void)
{
	static struct emul_ctxt c;
	unsigned int bad = 0;
	int rc;

	for (u64 rip = 0x1ffa; rip <= 0x2001; rip++) {
		rc = fetch_at(LONG64, rip, ~0u, &c);
		bad += rc || c.gpr[EMUL_RCX] != 0x11223344;
	}
	ksft_test_result(!bad, "fetch: across a page\n");
	rc = fetch_at(LONG64, WORLD_RAM - 5, ~0u, &c);
	ksft_test_result(!rc && c.rip == WORLD_RAM, "fetch: nothing beyond the instruction\n");
	rc = fetch_at(LONG64, WORLD_RAM - 4, ~0u, &c);
	ksft_test_result(rc == EMUL_FAULT && c.exception.vector == EMUL_VEC_PF &&
			 c.exception.address == WORLD_RAM && c.rip == WORLD_RAM - 4,
			 "fetch: page fault in the second page\n");
	rc = fetch_at(PROT32, 0x1000, 0x1004, &c);
	ksft_test_result(!rc, "fetch: up to the CS limit\n");
	rc = fetch_at(PROT32, 0x1000, 0x1003, &c);
	ksft_test_result(rc == EMUL_FAULT && c.exception.vector == EMUL_VEC_GP,
			 "fetch: beyond the CS limit\n");
	rc = fetch_at(PROT32, 0x1000, 0x0fff, &c);
	ksft_test_result(rc == EMUL_FAULT && c.exception.vector == EMUL_VEC_GP,
			 "fetch: RIP beyond the CS limit\n");
	world_ctxt(&world, &c, LONG64);
	c.rip = 1ULL << 47;
	rc = world_run(&world, &c);
	ksft_test_result(rc == EMUL_FAULT && c.exception.vector == EMUL_VEC_GP,
			 "fetch: RIP not canonical\n");
}

/* Losing the race of a locked instruction must leave everything as it was. */
static int lose_race(struct emul_ctxt *c, u64 la, const void *old, const void *new,
		     unsigned int len)
{
	return EMUL_RETRY;
}

static void test_race(void)
{
	static const struct bytes locked[] = {
		B("\xf0\x01\x0b"), B("\x87\x0b"), B("\xf0\x0f\xc1\x0b"), B("\xf0\xff\x03"),
		B("\xf0\x0f\xab\x0b"),
	};
	struct emul_ops ops = world_ops;
	static struct emul_ctxt c, old;

	ops.compare_exchange = lose_race;
	for (unsigned int i = 0; i < ARRAY_SIZE(locked); i++) {
		world_init(&world);
		world_ctxt(&world, &c, LONG64);
		c.ops = &ops;
		c.gpr[EMUL_RCX] = 3;
		memcpy(world.ram + AT_CODE, locked[i].at, locked[i].len);
		old = c;
		before = world;
		ok = world_run(&world, &c) == EMUL_RETRY;
		ok = ok && !memcmp(c.gpr, old.gpr, sizeof(c.gpr)) && c.rip == old.rip &&
		     c.rflags == old.rflags && !memcmp(world.ram, before.ram, WORLD_RAM);
		ksft_test_result(ok, "a lost race changes nothing: %u\n", i);
	}
}

static const struct {
	const struct emul_case *cases;
	const unsigned int *nr;
} tables[] = {
	{ cases_mov, &nr_cases_mov }, { cases_alu, &nr_cases_alu }, { cases_bit, &nr_cases_bit },
	{ cases_string, &nr_cases_string }, { cases_flow, &nr_cases_flow },
	{ cases_addr, &nr_cases_addr }, { cases_fault, &nr_cases_fault },
	{ cases_io, &nr_cases_io }, { cases_vec, &nr_cases_vec },
};

#define NR_FETCH_TESTS	7
#define NR_RACE_TESTS	5
#define MOVES		50	/* of the cases are moves that emul_mov.h describes, at least */

int main(void)
{
	unsigned int plan = nr_cases_decode + NR_FETCH_TESTS + NR_RACE_TESTS + 1;

	for (unsigned int i = 0; i < ARRAY_SIZE(tables); i++)
		plan += *tables[i].nr;
	ksft_print_header();
	ksft_set_plan(plan);
	for (unsigned int i = 0; i < ARRAY_SIZE(tables); i++)
		run_cases(tables[i].cases, *tables[i].nr);
	ksft_test_result(moves >= MOVES, "moves: %u of the cases\n", moves);
	run_decode();
	test_fetch();
	test_race();
	ksft_finished();
}
