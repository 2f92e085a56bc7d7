// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards MMIO by one instruction again and again, which the hypervisor may answer from what it
 * knows of the last time: the registers of this time count, and so do the code and the page
 * tables of this time. The guest rewrites its code, maps another page of code, loads another
 * CR3; the VMM rewrites code and moves memory slots; code ends at the end of a page or goes
 * beyond it; operands cross pages; RSP is an operand; TF is set; RIP changes before a load is
 * answered.
 */
#include "kselftest_harness.h"
#include "tvm.h"

#define HOLE		TVM_HOLE_GPA
#define HOLE2		(TVM_HOLE_GPA + TVM_PAGE)
#define CODE		TVM_FREE_GPA			/* four pages of code written by the test */
#define CODE2		(TVM_FREE_GPA + TVM_PAGE)
#define TABLES		(TVM_FREE_GPA + 0x10000UL)	/* page tables of the test */
#define TABLES2		(TVM_FREE_GPA + 0x20000UL)
#define ALIAS		0x40000000000UL			/* linear: CODE or CODE2 */
#define ROUNDS		6
#define PTE		3UL				/* present, writable */
#define FLAGS		2UL				/* RFLAGS: the bit that is always set */
#define FLAG_TF		0x100UL

FIXTURE(again) {
	struct tvm vm;
	struct tvcpu cpu;
};

FIXTURE_SETUP(again)
{
	tvm_create(&self->vm, 0);
	tvcpu_create(&self->cpu, &self->vm, 0);
}

FIXTURE_TEARDOWN(again)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

static void expect_write(struct tvcpu *cpu, uint64_t gpa, unsigned int len, uint64_t want)
{
	uint64_t val = 0;

	tvm_expect_exit(cpu, KVM_EXIT_MMIO);
	memcpy(&val, cpu->run->mmio.data, len);
	if (cpu->run->mmio.phys_addr == gpa && cpu->run->mmio.len == len &&
	    cpu->run->mmio.is_write && val == want)
		return;
	tvm_dump(cpu);
	tvm_die("%s %#lx of %u at %#lx, not a write of %#lx at %#lx",
		cpu->run->mmio.is_write ? "write" : "read", val, cpu->run->mmio.len,
		(unsigned long)cpu->run->mmio.phys_addr, want, gpa);
}

static void expect_read(struct tvcpu *cpu, uint64_t gpa, unsigned int len, uint64_t val)
{
	tvm_expect_exit(cpu, KVM_EXIT_MMIO);
	if (cpu->run->mmio.phys_addr != gpa || cpu->run->mmio.len != len ||
	    cpu->run->mmio.is_write) {
		tvm_dump(cpu);
		tvm_die("not a read of %u at %#lx", len, gpa);
	}
	memcpy(cpu->run->mmio.data, &val, sizeof(val));
}

static void guest_registers(void)
{
	uint64_t i, sum = 0;

	for (i = 0; i < ROUNDS; i++)
		asm volatile("movq %0, 8(%1, %2, 4)" : : "r"(i * 0x101), "r"(HOLE), "r"(i * 2)
			     : "memory");
	for (i = 0; i < ROUNDS; i++) {
		uint64_t val;

		asm volatile("movslq (%1, %2, 8), %0" : "=r"(val) : "r"(HOLE), "r"(i));
		sum += val;
	}
	g_sync(sum);
}

TEST_F(again, registers_of_this_time)
{
	struct tvcpu *cpu = &self->cpu;
	uint64_t i;

	tvcpu_long_mode(cpu, guest_registers);
	for (i = 0; i < ROUNDS; i++)
		expect_write(cpu, HOLE + 8 + i * 8, 8, i * 0x101);
	for (i = 0; i < ROUNDS; i++)
		expect_read(cpu, HOLE + i * 8, 4, 0xabcd0000fffffff0UL + i);
	EXPECT_EQ((uint32_t)(-16L * ROUNDS + 15), tvm_sync(cpu));
}

/* Each of the high bytes, both ways, twice by the same instructions. */
static volatile uint64_t high;

static void guest_high_bytes(void)
{
	uint64_t rax = 0x1122334455667788UL, i;

	for (i = 0; i < 3; i++) {
		asm volatile("movb %%ah, (%1)\n\t"
			     "movb 1(%1), %%ah\n\t"
			     "movw 2(%1), %%ax" : "+a"(rax) : "b"(HOLE));
		high = rax;
		g_sync(i);
	}
}

TEST_F(again, parts_of_registers)
{
	struct tvcpu *cpu = &self->cpu;
	uint64_t ax = 0x7788, i;

	tvcpu_long_mode(cpu, guest_high_bytes);
	for (i = 0; i < 3; i++) {
		expect_write(cpu, HOLE, 1, ax >> 8);
		expect_read(cpu, HOLE + 1, 1, 0xa0 + i);
		ax = 0xbb00 + i * 0x111;
		expect_read(cpu, HOLE + 2, 2, 0xfff0000 | ax);
		EXPECT_EQ(i, tvm_sync(cpu));
		EXPECT_EQ(0x1122334455660000UL | ax, high);
	}
}

static void guest_stack_pointer(void)
{
	uint64_t i, was;

	for (i = 0; i < ROUNDS; i++)
		asm volatile("mov %%rsp, %0\n\t"
			     "lea (%1, %2), %%rsp\n\t"
			     "movq %%rsp, 8(%%rsp)\n\t"
			     "mov %0, %%rsp" : "=&r"(was) : "r"(HOLE), "r"(i * 16) : "memory");
	g_sync(1);
}

TEST_F(again, stack_pointer)
{
	struct tvcpu *cpu = &self->cpu;
	uint64_t i;

	tvcpu_long_mode(cpu, guest_stack_pointer);
	for (i = 0; i < ROUNDS; i++)
		expect_write(cpu, HOLE + 8 + i * 16, 8, HOLE + i * 16);
	EXPECT_EQ(1, tvm_sync(cpu));
}

/* movl $imm, (%rdi); ret */
static void put_store(uint8_t *at, uint32_t imm)
{
	at[0] = 0xc7;
	at[1] = 0x07;
	memcpy(at + 2, &imm, sizeof(imm));
	at[6] = 0xc3;
}

/* mov (%rdi), %eax; four bytes of NOPs; ret: as long as the store */
static void put_load(uint8_t *at)
{
	static const uint8_t code[] = { 0x8b, 0x07, 0x90, 0x90, 0x90, 0x90, 0xc3 };

	memcpy(at, code, sizeof(code));
}

/* addl $imm, (%rdi); ret */
static void put_add(uint8_t *at, uint32_t imm)
{
	put_store(at, imm);
	at[0] = 0x81;
}

static uint32_t call_at(uint64_t code, uint64_t rdi)
{
	uint32_t eax = 0;

	asm volatile("call *%2" : "+a"(eax), "+D"(rdi) : "r"(code) : "memory", "cc");
	return eax;
}

static void guest_rewrites(void)
{
	uint8_t *code = (uint8_t *)CODE;
	uint32_t i, cpuid[4];

	for (i = 0; i < ROUNDS; i++) {
		put_store(code, i);
		g_cpuid(0, 0, cpuid);
		call_at(CODE, HOLE);
		put_store(code, ~i);
		g_cpuid(0, 0, cpuid);
		call_at(CODE, HOLE + 4);
		put_load(code);
		g_cpuid(0, 0, cpuid);
		G_ASSERT(call_at(CODE, HOLE + 8) == i + 1);
		put_add(code, i);
		g_cpuid(0, 0, cpuid);
		call_at(CODE, HOLE + 12);
	}
	g_sync(1);
}

TEST_F(again, guest_rewrites_code)
{
	struct tvcpu *cpu = &self->cpu;
	uint64_t i;

	tvcpu_long_mode(cpu, guest_rewrites);
	for (i = 0; i < ROUNDS; i++) {
		expect_write(cpu, HOLE, 4, i);
		expect_write(cpu, HOLE + 4, 4, (uint32_t)~i);
		expect_read(cpu, HOLE + 8, 4, i + 1);
		expect_read(cpu, HOLE + 12, 4, 100);
		expect_write(cpu, HOLE + 12, 4, 100 + i);
	}
	EXPECT_EQ(1, tvm_sync(cpu));
}

static void guest_calls(void)
{
	for (;;)
		call_at(CODE, HOLE);
}

TEST_F(again, vmm_rewrites_code)
{
	struct tvcpu *cpu = &self->cpu;
	uint32_t i;

	put_store(self->vm.ram + CODE, 0);
	tvcpu_long_mode(cpu, guest_calls);
	for (i = 0; i < ROUNDS; i++) {
		expect_write(cpu, HOLE, 4, i);
		expect_write(cpu, HOLE, 4, i);
		put_store(self->vm.ram + CODE, i + 1);
	}
}

TEST_F(again, vmm_moves_slots)
{
	struct tvcpu *cpu = &self->cpu;
	struct tvm *vm = &self->vm;
	uint8_t *copy = tvm_mem(TVM_RAM_SIZE), *mem[2];
	uint32_t i;

	put_store(vm->ram + CODE, 1);
	tvcpu_long_mode(cpu, guest_calls);
	expect_write(cpu, HOLE, 4, 1);
	memcpy(copy, vm->ram, TVM_RAM_SIZE);
	mem[0] = vm->ram;
	mem[1] = copy;
	for (i = 1; i < ROUNDS; i++) {
		uint8_t *to = mem[i & 1], *from = mem[!(i & 1)];

		/* a slot that is there cannot change its user address: it goes and comes back */
		memcpy(to, from, TVM_RAM_SIZE);
		put_store(to + CODE, 10 * i);
		put_store(from + CODE, 10 * i + 1);
		ASSERT_EQ(0, tvm_slot(vm, TVM_SLOT_RAM, 0, 0, 0, from));
		ASSERT_EQ(0, tvm_slot(vm, TVM_SLOT_RAM, 0, 0, TVM_RAM_SIZE, to));
		expect_write(cpu, HOLE, 4, 10 * i);
		expect_write(cpu, HOLE, 4, 10 * i);
	}
}

/* PML4 with the usual low part, and ALIAS mapped to @page through tables of its own. */
static void map_alias(uint8_t *ram, uint64_t tables, uint64_t page)
{
	uint64_t *pml4 = (uint64_t *)(ram + tables);

	memcpy(pml4, ram + TVM_PGT_GPA, TVM_PAGE);
	pml4[ALIAS >> 39 & 511] = (tables + TVM_PAGE) | PTE;
	*(uint64_t *)(ram + tables + TVM_PAGE) = (tables + 2 * TVM_PAGE) | PTE;
	*(uint64_t *)(ram + tables + 2 * TVM_PAGE) = (tables + 3 * TVM_PAGE) | PTE;
	*(uint64_t *)(ram + tables + 3 * TVM_PAGE) = page | PTE;
}

static inline void load_cr3(uint64_t cr3)
{
	asm volatile("mov %0, %%cr3" : : "r"(cr3) : "memory");
}

static void guest_remaps(void)
{
	volatile uint64_t *pte = (uint64_t *)(TABLES + 3 * TVM_PAGE);
	uint32_t i;

	load_cr3(TABLES);
	for (i = 0; i < ROUNDS; i++) {
		call_at(ALIAS, HOLE);
		*pte = (i & 1 ? CODE : CODE2) | PTE;
		g_invlpg((void *)ALIAS);
		call_at(ALIAS, HOLE);
	}
	g_sync(1);
}

TEST_F(again, another_page_of_code)
{
	struct tvcpu *cpu = &self->cpu;
	uint32_t i;

	put_store(self->vm.ram + CODE, 1);
	put_store(self->vm.ram + CODE2, 2);
	tvcpu_long_mode(cpu, guest_remaps);
	map_alias(self->vm.ram, TABLES, CODE);
	for (i = 0; i < ROUNDS; i++) {
		expect_write(cpu, HOLE, 4, i & 1 ? 2 : 1);
		expect_write(cpu, HOLE, 4, i & 1 ? 1 : 2);
	}
	EXPECT_EQ(1, tvm_sync(cpu));
}

static void guest_switches(void)
{
	uint32_t i;

	for (i = 0; i < ROUNDS; i++) {
		load_cr3(TABLES);
		call_at(ALIAS, HOLE);
		load_cr3(TABLES2);
		call_at(ALIAS, HOLE);
	}
	g_sync(1);
}

TEST_F(again, another_cr3)
{
	struct tvcpu *cpu = &self->cpu;
	uint32_t i;

	put_store(self->vm.ram + CODE, 1);
	put_store(self->vm.ram + CODE2, 2);
	tvcpu_long_mode(cpu, guest_switches);
	map_alias(self->vm.ram, TABLES, CODE);
	map_alias(self->vm.ram, TABLES2, CODE2);
	for (i = 0; i < ROUNDS; i++) {
		expect_write(cpu, HOLE, 4, 1);
		expect_write(cpu, HOLE, 4, 2);
	}
	EXPECT_EQ(1, tvm_sync(cpu));
}

/* At each distance from the end of a page, ends of instructions included. */
#define EDGE	24

static void guest_edges(void)
{
	uint32_t i, n;

	for (n = 0; n < 3; n++)
		for (i = 0; i < EDGE; i++)
			call_at(CODE2 - i, HOLE + 4 * i);
	g_sync(1);
}

TEST_F(again, edge_of_the_page_of_code)
{
	struct tvcpu *cpu = &self->cpu;
	uint32_t i, n;

	tvcpu_long_mode(cpu, guest_edges);
	for (n = 0; n < 3; n++)
		for (i = 0; i < EDGE; i++) {
			put_store(self->vm.ram + CODE2 - i, n << 8 | i);
			expect_write(cpu, HOLE + 4 * i, 4, n << 8 | i);
		}
	EXPECT_EQ(1, tvm_sync(cpu));
}

/* One instruction: the operand within a page, across two, and partly or wholly memory. */
static void guest_operands(void)
{
	static const uint64_t at[] = {
		HOLE, HOLE2 - 8, HOLE2 - 3, HOLE2 - 8, TVM_FREE_GPA + 0x800, HOLE2 - 3, HOLE2,
	};
	uint32_t i;

	for (i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		asm volatile("movq %0, (%1)" : : "r"(0x1122334455667788UL), "r"(at[i]) : "memory");
	g_sync(1);
}

TEST_F(again, operand_across_pages)
{
	struct tvcpu *cpu = &self->cpu;
	const uint64_t val = 0x1122334455667788UL;
	int i;

	tvcpu_long_mode(cpu, guest_operands);
	expect_write(cpu, HOLE, 8, val);
	expect_write(cpu, HOLE2 - 8, 8, val);
	for (i = 0; i < 2; i++) {
		expect_write(cpu, HOLE2 - 3, 3, val & 0xffffff);
		expect_write(cpu, HOLE2, 5, val >> 24);
		if (!i)
			expect_write(cpu, HOLE2 - 8, 8, val);
	}
	expect_write(cpu, HOLE2, 8, val);
	EXPECT_EQ(1, tvm_sync(cpu));
	EXPECT_EQ(0, memcmp(&val, self->vm.ram + TVM_FREE_GPA + 0x800, sizeof(val)));
}

/* The trap flag: a #DB after each store, however often it was made before. */
static volatile uint32_t traps;

static void on_debug(struct g_frame *frame)
{
	traps++;
	frame->rflags &= ~FLAG_TF;
}

static void __attribute__((noinline)) store_with(uint64_t flags)
{
	asm volatile("pushq %0\n\t"
		     "popfq\n\t"
		     "movl $7, (%1)" : : "r"(flags), "r"(HOLE) : "memory", "cc");
}

static void guest_traps(void)
{
	uint32_t i;

	g_handlers[1] = on_debug;
	for (i = 0; i < ROUNDS; i++)
		store_with(i & 1 ? FLAGS | FLAG_TF : FLAGS);
	g_sync(traps);
}

TEST_F(again, trap_flag)
{
	struct tvcpu *cpu = &self->cpu;
	uint32_t i;

	traps = 0;
	tvcpu_long_mode(cpu, guest_traps);
	for (i = 0; i < ROUNDS; i++)
		expect_write(cpu, HOLE, 4, 7);
	EXPECT_EQ(ROUNDS / 2, tvm_sync(cpu));
}

static void guest_loads(void)
{
	for (;;)
		g_readl(HOLE);
}

static void guest_elsewhere(void)
{
	uint64_t rax;

	asm volatile("" : "=a"(rax));
	g_sync(rax);
}

TEST_F(again, rip_changed_before_the_answer)
{
	struct tvcpu *cpu = &self->cpu;
	struct kvm_regs regs;
	uint32_t i;

	tvcpu_long_mode(cpu, guest_loads);
	for (i = 0; i < ROUNDS; i++)
		expect_read(cpu, HOLE, 4, i);
	tvcpu_get_regs(cpu, &regs);
	regs.rip = (uint64_t)guest_elsewhere;
	regs.rax = 0x1234;
	tvcpu_set_regs(cpu, &regs);
	EXPECT_EQ(0x1234, tvm_sync(cpu));
}

TEST_HARNESS_MAIN
