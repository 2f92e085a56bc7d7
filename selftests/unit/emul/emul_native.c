// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs each instruction of native_insns.S on this processor and in the emulator, from the same
 * random registers, flags, vector registers and memory, and compares all of it afterwards.
 * Guards against wrong results, wrong flags and wrong lengths.
 *
 * Usage: emul_native [ROUNDS [SEED]]
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kselftest.h"
#include "x86/emul_int.h"
#include "native.h"

#define DEFAULT_ROUNDS	300
#define DEFAULT_SEED	20261121
#define COMPARED_FLAGS	(EMUL_ARITH_FLAGS | X86_EFLAGS_DF)
#define SCRATCH		4096	/* what the string instructions reach */
#define OPERANDS	64	/* what the others mostly use */
#define MAX_COUNT	40
#define SMALL_RANGE	0x3000

static u8 shadow[ARENA_SIZE], start[ARENA_SIZE];
static struct native_state emul_state;
static sigjmp_buf fault_jmp;
static u8 signal_stack[65536];
static u64 rng_state;

static u64 rnd(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state;
}

/* Edges are more interesting than the middle. */
static u64 rnd_value(void)
{
	static const u64 edges[] = {
		0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000,
		0xffffffff, 0x7fffffffffffffff, 0x8000000000000000, ~0ULL,
	};

	return rnd() & 3 ? rnd() : edges[rnd() % ARRAY_SIZE(edges)];
}

/* The emulator's memory: the shadow of the arena, and the code for RIP-relative reads. */
static void *resolve(struct emul_ctxt *c, u64 la, unsigned int len)
{
	if (la >= ARENA && la - ARENA + len <= ARENA_SIZE)
		return shadow + (la - ARENA);
	if (la >= (u64)native_insns->code && la < (u64)native_insns->code + (1 << 20))
		return (void *)la;
	c->exception = (struct emul_exception) { .vector = EMUL_VEC_PF, .address = la };
	return NULL;
}

static int op_read(struct emul_ctxt *c, u64 la, void *data, unsigned int len, unsigned int acc)
{
	const void *from = resolve(c, la, len);

	if (!from)
		return EMUL_FAULT;
	memcpy(data, from, len);
	return EMUL_OK;
}

static int op_write(struct emul_ctxt *c, u64 la, const void *data, unsigned int len,
		    unsigned int acc)
{
	void *to = resolve(c, la, len);

	if (!to)
		return EMUL_FAULT;
	memcpy(to, data, len);
	return EMUL_OK;
}

static int op_cmpxchg(struct emul_ctxt *c, u64 la, const void *old, const void *new,
		      unsigned int len)
{
	void *to = resolve(c, la, len);

	if (!to)
		return EMUL_FAULT;
	if (memcmp(to, old, len))
		return EMUL_RETRY;
	memcpy(to, new, len);
	return EMUL_OK;
}

static int op_read_vec(struct emul_ctxt *c, unsigned int n, void *data, unsigned int len)
{
	memcpy(data, emul_state.ymm[n], len);
	return EMUL_OK;
}

static int op_write_vec(struct emul_ctxt *c, unsigned int n, const void *data, unsigned int len)
{
	memcpy(emul_state.ymm[n], data, len);
	return EMUL_OK;
}

static const struct emul_ops ops = {
	.read = op_read, .write = op_write, .compare_exchange = op_cmpxchg,
	.read_vec = op_read_vec, .write_vec = op_write_vec,
};

static void on_signal(int sig)
{
	siglongjmp(fault_jmp, sig);
}

/* 0, or the signal it died of. */
static int run_native(const struct native_insn *insn)
{
	int sig = sigsetjmp(fault_jmp, 1);

	if (!sig)
		native_run(insn->code);
	return sig;
}

static int run_emulator(const struct native_insn *insn, struct emul_ctxt *c)
{
	int rc;

	memset(c, 0, sizeof(*c));
	c->ops = &ops;
	c->mode = EMUL_MODE_LONG64;
	c->cpl = 3;
	c->cr0 = X86_CR0_PE;
	c->cr4 = X86_CR4_OSFXSR | X86_CR4_OSXSAVE;
	c->xcr0 = 7;
	memcpy(c->gpr, emul_state.gpr, sizeof(c->gpr));
	c->rflags = emul_state.rflags;
	c->rip = (u64)insn->code;
	rc = emul_decode(c);
	if (!rc)
		rc = emul_exec(c);
	memcpy(emul_state.gpr, c->gpr, sizeof(c->gpr));
	emul_state.rflags = c->rflags;
	return rc;
}

static void put(u64 at, const void *data, unsigned int len)
{
	memcpy(start + (at - ARENA), data, len);
}

/* Make [RBX] equal to the accumulator pair in some width, or nearly so. */
static void make_equal(struct native_state *s)
{
	u64 pair[2] = { s->gpr[EMUL_RAX], s->gpr[EMUL_RDX] };
	u32 small[2] = { s->gpr[EMUL_RAX], s->gpr[EMUL_RDX] };

	if (rnd() & 1)
		put(s->gpr[EMUL_RBX], small, sizeof(small));
	else
		put(s->gpr[EMUL_RBX] + (rnd() & 8), pair, sizeof(pair));
}

static void fill(u64 at, unsigned int len)
{
	u64 *to = (u64 *)(start + (at - ARENA));

	for (unsigned int n = 0; n < len / sizeof(*to); n++)
		to[n] = rnd_value();
}

static void prepare(struct native_state *s, u64 how)
{
	u64 exit_at = (u64)native_exit;

	for (unsigned int n = 0; n < 16; n++)
		s->gpr[n] = rnd_value();
	for (unsigned int n = 0; n < sizeof(s->ymm); n++)
		((u8 *)s->ymm)[n] = rnd();
	s->rflags = X86_EFLAGS_FIXED | X86_EFLAGS_IF | (rnd() & COMPARED_FLAGS);
	s->gpr[EMUL_RBX] = ARENA_DATA + (rnd() & 1) * OPERANDS / 2;
	s->gpr[EMUL_RSI] = ARENA_DATA + (rnd() & 0xff);
	s->gpr[EMUL_RDI] = ARENA_DATA + 0x800 + (rnd() & 0xff);
	s->gpr[EMUL_RBP] = ARENA_DATA + 0x400;
	s->gpr[EMUL_RSP] = ARENA_STACK + (rnd() & 0xf8);
	fill(ARENA_DATA, OPERANDS);
	if (how & P_SMALL) {
		s->gpr[EMUL_RCX] = (s64)(rnd() % (2 * SMALL_RANGE)) - SMALL_RANGE;
		s->gpr[EMUL_RDX] = (s64)(rnd() % (2 * SMALL_RANGE)) - SMALL_RANGE;
	}
	if (how & P_COUNT) {
		s->gpr[EMUL_RCX] = rnd() % MAX_COUNT;
		/* Long equal runs, so that REPE has something to do. */
		if (rnd() & 1)
			memset(start + (ARENA_DATA - ARENA), s->gpr[EMUL_RAX] & 1, SCRATCH);
		else
			fill(ARENA_DATA, SCRATCH);
	}
	if (how & P_WIDE)
		s->gpr[EMUL_RDX] = rnd() & 3;
	if (how & P_EQUAL && rnd() & 1)
		make_equal(s);
	if (how & P_BRANCH) {
		s->gpr[EMUL_RAX] = exit_at;
		put(s->gpr[EMUL_RBX], &exit_at, sizeof(exit_at));
		put(s->gpr[EMUL_RSP], &exit_at, sizeof(exit_at));
	}
}

static bool same_fault(int sig, int rc, u8 vector)
{
	if (!sig)
		return rc == EMUL_OK;
	if (rc != EMUL_FAULT)
		return false;
	switch (sig) {
	case SIGFPE:
		return vector == EMUL_VEC_DE;
	case SIGILL:
		return vector == EMUL_VEC_UD;
	default:
		return vector == EMUL_VEC_GP || vector == EMUL_VEC_PF || vector == EMUL_VEC_SS;
	}
}

static bool same_regs(const struct native_insn *insn)
{
	bool same = true;

	for (unsigned int n = 0; n < 16; n++) {
		if (native_state.gpr[n] == emul_state.gpr[n])
			continue;
		ksft_print_msg("gpr %u: native %llx, emulated %llx\n", n, native_state.gpr[n],
			       emul_state.gpr[n]);
		same = false;
	}
	if ((native_state.rflags ^ emul_state.rflags) & COMPARED_FLAGS & ~insn->undefined) {
		ksft_print_msg("flags: native %llx, emulated %llx\n", native_state.rflags,
			       emul_state.rflags);
		same = false;
	}
	if (memcmp(native_state.ymm, emul_state.ymm, sizeof(emul_state.ymm))) {
		ksft_print_msg("vector registers differ\n");
		same = false;
	}
	return same;
}

static bool same_memory(void)
{
	if (!memcmp((void *)ARENA, shadow, ARENA_SIZE))
		return true;
	for (unsigned int n = 0; n < ARENA_SIZE; n++) {
		u8 native = ((u8 *)ARENA)[n];

		if (native == shadow[n])
			continue;
		ksft_print_msg("memory at %x: native %x, emulated %x\n", ARENA + n, native,
			       shadow[n]);
		break;
	}
	return false;
}

/* The instruction that branches ends at native_exit, every other one behind itself. */
static bool same_rip(const struct native_insn *insn, u64 rip)
{
	u64 want = insn->prepare & P_BRANCH ? (u64)native_exit : (u64)insn->code + insn->len;

	if (rip != want)
		ksft_print_msg("rip: expected %llx, emulated %llx\n", want, rip);
	return rip == want;
}

static bool one_round(const struct native_insn *insn)
{
	static struct emul_ctxt c;
	int sig, rc;

	prepare(&native_state, insn->prepare);
	emul_state = native_state;
	memcpy(shadow, start, sizeof(shadow));
	memcpy((void *)ARENA, start, sizeof(start));
	sig = run_native(insn);
	rc = run_emulator(insn, &c);
	if (rc == EMUL_UNHANDLED && insn->code[0] == 0x0f && insn->code[1] == 0x0b)
		return sig == SIGILL && c.insn.class == EMUL_CLASS_UD;
	if (!same_fault(sig, rc, c.exception.vector)) {
		ksft_print_msg("native signal %d, emulated rc %d vector %u\n", sig, rc,
			       c.exception.vector);
		return false;
	}
	if (sig)
		return same_memory();
	return same_regs(insn) && same_memory() && same_rip(insn, c.rip);
}

static bool all_rounds(const struct native_insn *insn, unsigned long rounds)
{
	fill(ARENA, ARENA_SIZE);
	while (rounds--) {
		if (!one_round(insn))
			return false;
	}
	return true;
}

static void setup(void)
{
	stack_t stack = { .ss_sp = signal_stack, .ss_size = sizeof(signal_stack) };
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_NODEFER };
	void *arena = mmap((void *)ARENA, ARENA_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (arena != (void *)ARENA)
		ksft_exit_fail_msg("mmap at %x: %s\n", ARENA, strerror(errno));
	sigaltstack(&stack, NULL);
	sigaction(SIGFPE, &sa, NULL);
	sigaction(SIGILL, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : DEFAULT_ROUNDS;
	const struct native_insn *insn;

	ksft_print_header();
	if (!__builtin_cpu_supports("avx2"))
		ksft_exit_skip("this processor has no AVX2\n");
	rng_state = argc > 2 ? strtoull(argv[2], NULL, 0) : DEFAULT_SEED;
	ksft_print_msg("seed %llu, %lu rounds each\n", rng_state, rounds);
	setup();
	ksft_set_plan(native_insns_end - native_insns);
	for (insn = native_insns; insn < native_insns_end; insn++)
		ksft_test_result(all_rounds(insn, rounds), "%s\n", insn->text);
	ksft_finished();
}
