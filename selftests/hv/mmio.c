// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards MMIO exits: 1, 2, 4 and 8 byte reads and writes with sign and zero extension, accesses
 * which straddle two pages, read-modify-write, REP MOVS and STOS to and from MMIO, and that an
 * instruction the emulator does not know ends in KVM_EXIT_INTERNAL_ERROR with its bytes.
 */
#include "kselftest_harness.h"
#include "tvm.h"

#define HOLE	TVM_HOLE_GPA

static volatile uint64_t got;

FIXTURE(mmio) {
	struct tvm vm;
	struct tvcpu cpu;
};

FIXTURE_SETUP(mmio)
{
	tvm_create(&self->vm, 0);
	tvcpu_create(&self->cpu, &self->vm, 0);
}

FIXTURE_TEARDOWN(mmio)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

static uint64_t written(struct tvcpu *cpu)
{
	uint64_t val = 0;

	memcpy(&val, cpu->run->mmio.data, cpu->run->mmio.len);
	return val;
}

static void answer(struct tvcpu *cpu, uint64_t val)
{
	memcpy(cpu->run->mmio.data, &val, sizeof(val));
}

static void guest_writes(void)
{
	asm volatile("movb %0, (%1)" : : "q"((uint8_t)0x11), "r"(HOLE + 1));
	asm volatile("movw %0, (%1)" : : "r"((uint16_t)0x2233), "r"(HOLE + 2));
	asm volatile("movl %0, (%1)" : : "r"(0x44556677), "r"(HOLE + 4));
	asm volatile("movq %0, (%1)" : : "r"(0x8899aabbccddeeffUL), "r"(HOLE + 8));
	asm volatile("movb $0x5c, (%0)" : : "r"(HOLE));
	asm volatile("movq $-2, (%0)" : : "r"(HOLE + 16));
	g_sync(1);
}

TEST_F(mmio, writes)
{
	struct tvcpu *cpu = &self->cpu;

	tvcpu_long_mode(cpu, guest_writes);
	tvm_expect_mmio(cpu, HOLE + 1, 1, 1);
	EXPECT_EQ(0x11, written(cpu));
	tvm_expect_mmio(cpu, HOLE + 2, 2, 1);
	EXPECT_EQ(0x2233, written(cpu));
	tvm_expect_mmio(cpu, HOLE + 4, 4, 1);
	EXPECT_EQ(0x44556677, written(cpu));
	tvm_expect_mmio(cpu, HOLE + 8, 8, 1);
	EXPECT_EQ(0x8899aabbccddeeffUL, written(cpu));
	tvm_expect_mmio(cpu, HOLE, 1, 1);
	EXPECT_EQ(0x5c, written(cpu));
	tvm_expect_mmio(cpu, HOLE + 16, 8, 1);
	EXPECT_EQ(-2UL, written(cpu));
	EXPECT_EQ(1, tvm_sync(cpu));
}

#define GUEST_READ(name, insn)						\
static void name(void)							\
{									\
	uint64_t val = 0x1122334455667788UL;				\
									\
	asm volatile(insn : "+a"(val) : "r"(HOLE) : "memory");		\
	got = val;							\
	g_sync(1);							\
}

GUEST_READ(guest_movb, "movb (%1), %b0")
GUEST_READ(guest_movw, "movw (%1), %w0")
GUEST_READ(guest_movl, "movl (%1), %k0")
GUEST_READ(guest_movq, "movq (%1), %q0")
GUEST_READ(guest_movzbl, "movzbl (%1), %k0")
GUEST_READ(guest_movzwq, "movzwq (%1), %q0")
GUEST_READ(guest_movsbq, "movsbq (%1), %q0")
GUEST_READ(guest_movswl, "movswl (%1), %k0")
GUEST_READ(guest_movslq, "movslq (%1), %q0")
GUEST_READ(guest_addl, "addl (%1), %k0")
GUEST_READ(guest_andq, "andq (%1), %q0")
GUEST_READ(guest_orb, "orb (%1), %b0")
GUEST_READ(guest_xorl, "xorl (%1), %k0")
GUEST_READ(guest_cmov, "cmpb %b0, %b0; cmovel (%1), %k0")

static const struct {
	void (*guest)(void);
	unsigned int len;
	uint64_t result;
} reads[] = {
	/* MMIO answers 0xf1f2f3f4f5f6f7f8 */
	{ guest_movb, 1, 0x11223344556677f8 },
	{ guest_movw, 2, 0x112233445566f7f8 },
	{ guest_movl, 4, 0xf5f6f7f8 },
	{ guest_movq, 8, 0xf1f2f3f4f5f6f7f8 },
	{ guest_movzbl, 1, 0xf8 },
	{ guest_movzwq, 2, 0xf7f8 },
	{ guest_movsbq, 1, 0xfffffffffffffff8 },
	{ guest_movswl, 2, 0xfffff7f8 },
	{ guest_movslq, 4, 0xfffffffff5f6f7f8 },
	{ guest_addl, 4, 0x55667788 + 0xf5f6f7f8UL - 0x100000000UL },
	{ guest_andq, 8, 0x1122334455667788 & 0xf1f2f3f4f5f6f7f8 },
	{ guest_orb, 1, 0x1122334455667788 | 0xf8 },
	{ guest_xorl, 4, 0x55667788 ^ 0xf5f6f7f8 },
	{ guest_cmov, 4, 0xf5f6f7f8 },
};

TEST_F(mmio, reads)
{
	struct tvcpu *cpu = &self->cpu;
	unsigned int i;

	for (i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
		tvcpu_long_mode(cpu, reads[i].guest);
		tvm_expect_mmio(cpu, HOLE, reads[i].len, 0);
		answer(cpu, 0xf1f2f3f4f5f6f7f8);
		EXPECT_EQ(1, tvm_sync(cpu));
		EXPECT_EQ(reads[i].result, got)
			TH_LOG("read instruction %u", i);
	}
}

static void guest_rmw(void)
{
	uint32_t val = 5;

	asm volatile("orl $0x80, (%0)" : : "r"(HOLE));
	asm volatile("lock addl $1, (%0)" : : "r"(HOLE + 4));
	asm volatile("xchgl %0, (%1)" : "+r"(val) : "r"(HOLE + 8));
	got = val;
	g_sync(1);
}

TEST_F(mmio, read_modify_write)
{
	struct tvcpu *cpu = &self->cpu;

	tvcpu_long_mode(cpu, guest_rmw);
	tvm_expect_mmio(cpu, HOLE, 4, 0);
	answer(cpu, 0x1);
	tvm_expect_mmio(cpu, HOLE, 4, 1);
	EXPECT_EQ(0x81, written(cpu));
	tvm_expect_mmio(cpu, HOLE + 4, 4, 0);
	answer(cpu, 0xffffffff);
	tvm_expect_mmio(cpu, HOLE + 4, 4, 1);
	EXPECT_EQ(0, written(cpu));
	tvm_expect_mmio(cpu, HOLE + 8, 4, 0);
	answer(cpu, 0x77);
	tvm_expect_mmio(cpu, HOLE + 8, 4, 1);
	EXPECT_EQ(5, written(cpu));
	EXPECT_EQ(1, tvm_sync(cpu));
	EXPECT_EQ(0x77, got);
}

static volatile uint32_t flags_ok;

static void guest_compare(void)
{
	uint8_t zero, below;

	asm volatile("cmpl $0x10, (%2); sete %0; setb %1"
		     : "=qm"(zero), "=qm"(below) : "r"(HOLE) : "cc");
	flags_ok = !zero && below;
	asm volatile("testb $0x80, (%1); setnz %0" : "=qm"(zero) : "r"(HOLE) : "cc");
	flags_ok += zero;
	g_sync(1);
}

TEST_F(mmio, compare_and_test)
{
	struct tvcpu *cpu = &self->cpu;

	tvcpu_long_mode(cpu, guest_compare);
	tvm_expect_mmio(cpu, HOLE, 4, 0);
	answer(cpu, 3);
	tvm_expect_mmio(cpu, HOLE, 1, 0);
	answer(cpu, 0x80);
	EXPECT_EQ(1, tvm_sync(cpu));
	EXPECT_EQ(2, flags_ok);
}

static void guest_split(void)
{
	asm volatile("movq %0, (%1)" : : "r"(0x1122334455667788UL), "r"(HOLE + TVM_PAGE - 3));
	asm volatile("movl (%1), %0" : "=r"(*(uint32_t *)&got) : "r"(HOLE + TVM_PAGE - 2));
	g_sync(1);
}

/* One access over two pages: one exit for each, in order. */
TEST_F(mmio, split_across_pages)
{
	struct tvcpu *cpu = &self->cpu;

	got = 0;
	tvcpu_long_mode(cpu, guest_split);
	tvm_expect_mmio(cpu, HOLE + TVM_PAGE - 3, 3, 1);
	EXPECT_EQ(0x667788, written(cpu));
	tvm_expect_mmio(cpu, HOLE + TVM_PAGE, 5, 1);
	EXPECT_EQ(0x1122334455, written(cpu));
	tvm_expect_mmio(cpu, HOLE + TVM_PAGE - 2, 2, 0);
	answer(cpu, 0xbbaa);
	tvm_expect_mmio(cpu, HOLE + TVM_PAGE, 2, 0);
	answer(cpu, 0xddcc);
	EXPECT_EQ(1, tvm_sync(cpu));
	EXPECT_EQ(0xddccbbaa, (uint32_t)got);
}

static void guest_half_ram(void)
{
	asm volatile("movl %0, (%1)" : : "r"(0xa1b2c3d4), "r"(TVM_TEST_GPA + TVM_PAGE - 2));
	g_sync(1);
}

/* The first half is memory, the second is not. */
TEST_F(mmio, split_memory_and_mmio)
{
	uint8_t *mem = tvm_mem(TVM_PAGE);

	ASSERT_EQ(0, tvm_slot(&self->vm, TVM_SLOT_TEST, 0, TVM_TEST_GPA, TVM_PAGE, mem));
	tvcpu_long_mode(&self->cpu, guest_half_ram);
	tvm_expect_mmio(&self->cpu, TVM_TEST_GPA + TVM_PAGE, 2, 1);
	EXPECT_EQ(0xa1b2, written(&self->cpu));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0xc3d4, *(uint16_t *)(mem + TVM_PAGE - 2));
}

static void guest_rep_movs(void)
{
	uint64_t count = 5, from = TVM_FREE_GPA, to = HOLE;

	asm volatile("cld; rep movsl" : "+c"(count), "+S"(from), "+D"(to) : : "memory");
	got = to;
	count = 3;
	from = HOLE;
	to = TVM_FREE_GPA + 0x100;
	asm volatile("cld; rep movsl" : "+c"(count), "+S"(from), "+D"(to) : : "memory");
	g_sync(1);
}

TEST_F(mmio, rep_movs)
{
	struct tvcpu *cpu = &self->cpu;
	uint32_t *ram = (uint32_t *)(self->vm.ram + TVM_FREE_GPA);
	unsigned int i;

	for (i = 0; i < 5; i++)
		ram[i] = 0x100 + i;
	tvcpu_long_mode(cpu, guest_rep_movs);
	for (i = 0; i < 5; i++) {
		tvm_expect_mmio(cpu, HOLE + 4 * i, 4, 1);
		EXPECT_EQ(0x100 + i, written(cpu));
	}
	for (i = 0; i < 3; i++) {
		tvm_expect_mmio(cpu, HOLE + 4 * i, 4, 0);
		answer(cpu, 0x200 + i);
	}
	EXPECT_EQ(1, tvm_sync(cpu));
	EXPECT_EQ(HOLE + 20, got);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0x200 + i, ram[0x40 + i]);
}

static void guest_endless_lods(void)
{
	uint64_t count = 1UL << 62, from = HOLE;

	asm volatile("std; rep lodsb" : "+c"(count), "+S"(from) : : "rax", "memory");
}

/* A string that reads a device without end gives way between its reads. */
TEST_F(mmio, endless_rep_lods_gives_way)
{
	struct tvcpu *cpu = &self->cpu;
	unsigned int n = 0;
	int ret;

	tvcpu_long_mode(cpu, guest_endless_lods);
	tvm_expect_mmio(cpu, HOLE, 1, 0);
	cpu->run->immediate_exit = 1;
	do
		ret = ioctl(cpu->fd, KVM_RUN);
	while (!ret && ++n < 2000);
	ASSERT_EQ(-1, ret);
	EXPECT_EQ(EINTR, errno);
	cpu->run->immediate_exit = 0;
	tvm_expect_mmio(cpu, HOLE - n - 1, 1, 0);
}

static void guest_rep_stos(void)
{
	uint64_t count = 3, to = HOLE;

	asm volatile("cld; rep stosw" : "+c"(count), "+D"(to) : "a"(0x4242) : "memory");
	g_sync(1);
}

TEST_F(mmio, rep_stos)
{
	struct tvcpu *cpu = &self->cpu;
	unsigned int i;

	tvcpu_long_mode(cpu, guest_rep_stos);
	for (i = 0; i < 3; i++) {
		tvm_expect_mmio(cpu, HOLE + 2 * i, 2, 1);
		EXPECT_EQ(0x4242, written(cpu));
	}
	EXPECT_EQ(1, tvm_sync(cpu));
}

/* Registers may not change under a pending read before it is completed. */
TEST_F(mmio, read_completes_on_the_next_run)
{
	struct kvm_regs before, after;
	struct tvcpu *cpu = &self->cpu;

	tvcpu_long_mode(cpu, guest_movl);
	tvm_expect_mmio(cpu, HOLE, 4, 0);
	tvcpu_get_regs(cpu, &before);
	answer(cpu, 0x42);
	cpu->run->immediate_exit = 1;
	EXPECT_EQ(-EINTR, tvm_run(cpu));
	cpu->run->immediate_exit = 0;
	tvcpu_get_regs(cpu, &after);
	EXPECT_EQ(0x42, after.rax);
	EXPECT_GT(after.rip, before.rip - 16);
	EXPECT_EQ(1, tvm_sync(cpu));
	EXPECT_EQ(0x42, got);
}

/* FXRSTOR from MMIO: nobody emulates that. */
static void guest_unknown(void)
{
	asm volatile("aesimc (%0), %%xmm0" : : "r"(HOLE));
	g_sync(1);
}

TEST_F(mmio, unknown_instruction)
{
	struct kvm_run *run = self->cpu.run;

	tvcpu_long_mode(&self->cpu, guest_unknown);
	tvm_expect_exit(&self->cpu, KVM_EXIT_INTERNAL_ERROR);
	EXPECT_EQ(KVM_INTERNAL_ERROR_EMULATION, run->internal.suberror);
	ASSERT_GE(run->emulation_failure.ndata, 3);
	ASSERT_TRUE(run->emulation_failure.flags &
		    KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES);
	EXPECT_GE(run->emulation_failure.insn_size, 5);
	/* 66 0f 38 db: AESIMC */
	EXPECT_EQ(0, memcmp(run->emulation_failure.insn_bytes, "\x66\x0f\x38\xdb", 4));
}

TEST_HARNESS_MAIN
