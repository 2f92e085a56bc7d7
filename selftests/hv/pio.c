// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards port I/O exits: width, direction and data of IN and OUT, what IN leaves in the upper
 * half of RAX, string and REP forms in both directions and with DF, REP across a page, REP with a
 * count of zero, and that a half-done REP continues.
 */
#include "kselftest_harness.h"
#include "tvm.h"

#define PORT		0x234
#define BUF_GPA		TVM_FREE_GPA

static volatile uint64_t rax, rdi, rsi, rcx;
static volatile uint64_t arg_rcx, arg_addr;

FIXTURE(pio) {
	struct tvm vm;
	struct tvcpu cpu;
	uint8_t *buf;
};

FIXTURE_SETUP(pio)
{
	tvm_create(&self->vm, 0);
	tvcpu_create(&self->cpu, &self->vm, 0);
	self->buf = self->vm.ram + BUF_GPA;
}

FIXTURE_TEARDOWN(pio)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

static void expect_io(struct tvcpu *cpu, int dir, unsigned int size)
{
	tvm_expect_exit(cpu, KVM_EXIT_IO);
	if (cpu->run->io.direction == dir && cpu->run->io.size == size &&
	    cpu->run->io.port == PORT)
		return;
	tvm_dump(cpu);
	tvm_die("not the I/O of %u bytes that was expected", size);
}

static void guest_out(void)
{
	g_outb(PORT, 0x11);
	g_outw(PORT, 0x2233);
	g_outl(PORT, 0x44556677);
	asm volatile("outb %%al, $0x80" : : "a"(0x88));
	g_sync(1);
}

TEST_F(pio, out)
{
	struct tvcpu *cpu = &self->cpu;

	tvcpu_long_mode(cpu, guest_out);
	expect_io(cpu, KVM_EXIT_IO_OUT, 1);
	EXPECT_EQ(1, cpu->run->io.count);
	EXPECT_EQ(0x11, *(uint8_t *)tvm_io_data(cpu));
	expect_io(cpu, KVM_EXIT_IO_OUT, 2);
	EXPECT_EQ(0x2233, *(uint16_t *)tvm_io_data(cpu));
	expect_io(cpu, KVM_EXIT_IO_OUT, 4);
	EXPECT_EQ(0x44556677, *(uint32_t *)tvm_io_data(cpu));
	tvm_expect_exit(cpu, KVM_EXIT_IO);
	EXPECT_EQ(0x80, cpu->run->io.port);
	EXPECT_EQ(0x88, *(uint8_t *)tvm_io_data(cpu));
	EXPECT_EQ(1, tvm_sync(cpu));
}

static void guest_in(void)
{
	uint64_t val = -1UL;

	asm volatile("inb %w1, %b0" : "+a"(val) : "d"(PORT));
	rax = val;
	g_sync(1);
	val = -1UL;
	asm volatile("inw %w1, %w0" : "+a"(val) : "d"(PORT));
	rax = val;
	g_sync(2);
	val = -1UL;
	asm volatile("inl %w1, %k0" : "+a"(val) : "d"(PORT));
	rax = val;
	g_sync(3);
}

TEST_F(pio, in_keeps_the_rest_of_rax)
{
	struct tvcpu *cpu = &self->cpu;

	tvcpu_long_mode(cpu, guest_in);
	expect_io(cpu, KVM_EXIT_IO_IN, 1);
	*(uint32_t *)tvm_io_data(cpu) = 0x99887742;
	EXPECT_EQ(1, tvm_sync(cpu));
	EXPECT_EQ(0xffffffffffffff42, rax);
	expect_io(cpu, KVM_EXIT_IO_IN, 2);
	*(uint32_t *)tvm_io_data(cpu) = 0x99884243;
	EXPECT_EQ(2, tvm_sync(cpu));
	EXPECT_EQ(0xffffffffffff4243, rax);
	/* a 32-bit destination clears the upper half */
	expect_io(cpu, KVM_EXIT_IO_IN, 4);
	*(uint32_t *)tvm_io_data(cpu) = 0xc2434445;
	EXPECT_EQ(3, tvm_sync(cpu));
	EXPECT_EQ(0xc2434445, rax);
}

/* Gathers what REP OUTS sends, in however many exits of however many items. */
static size_t collect(struct tvcpu *cpu, uint8_t *to, size_t want, unsigned int size)
{
	size_t got = 0, n;

	while (got < want) {
		expect_io(cpu, KVM_EXIT_IO_OUT, size);
		n = (size_t)cpu->run->io.count * size;
		if (!n || got + n > want)
			tvm_die("REP OUTS: %zu bytes after %zu of %zu", n, got, want);
		memcpy(to + got, tvm_io_data(cpu), n);
		got += n;
	}
	return got;
}

static void guest_rep_outsb(void)
{
	uint64_t count = arg_rcx, addr = arg_addr;

	asm volatile("cld; rep outsb" : "+c"(count), "+S"(addr) : "d"(PORT) : "memory");
	rcx = count;
	rsi = addr;
	g_sync(1);
}

TEST_F(pio, rep_outsb_across_pages)
{
	static uint8_t got[6000];
	unsigned int i;

	for (i = 0; i < sizeof(got); i++)
		self->buf[100 + i] = i * 7;
	arg_rcx = sizeof(got);
	arg_addr = BUF_GPA + 100;
	tvcpu_long_mode(&self->cpu, guest_rep_outsb);
	collect(&self->cpu, got, sizeof(got), 1);
	EXPECT_EQ(0, memcmp(got, self->buf + 100, sizeof(got)));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, rcx);
	EXPECT_EQ(BUF_GPA + 100 + sizeof(got), rsi);
}

TEST_F(pio, rep_of_zero)
{
	arg_rcx = 0;
	arg_addr = BUF_GPA;
	tvcpu_long_mode(&self->cpu, guest_rep_outsb);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(BUF_GPA, rsi);
}

static void guest_rep_outsl_down(void)
{
	uint64_t count = 3, addr = BUF_GPA + 8;

	asm volatile("std; rep outsl; cld" : "+c"(count), "+S"(addr) : "d"(PORT) : "memory");
	rsi = addr;
	g_sync(1);
}

TEST_F(pio, rep_outsl_downwards)
{
	uint32_t got[3];

	memcpy(self->buf, (uint32_t[]){ 0x11111111, 0x22222222, 0x33333333 }, 12);
	tvcpu_long_mode(&self->cpu, guest_rep_outsl_down);
	collect(&self->cpu, (uint8_t *)got, sizeof(got), 4);
	EXPECT_EQ(0x33333333, got[0]);
	EXPECT_EQ(0x11111111, got[2]);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(BUF_GPA - 4, rsi);
}

static void guest_rep_insw(void)
{
	uint64_t count = arg_rcx, addr = arg_addr;

	asm volatile("cld; rep insw" : "+c"(count), "+D"(addr) : "d"(PORT) : "memory");
	rcx = count;
	rdi = addr;
	g_sync(1);
}

TEST_F(pio, rep_insw_across_pages)
{
	const unsigned int words = 2500;
	unsigned int i, got = 0;
	uint16_t *data;

	arg_rcx = words;
	arg_addr = BUF_GPA + TVM_PAGE - 6;
	tvcpu_long_mode(&self->cpu, guest_rep_insw);
	while (got < words) {
		expect_io(&self->cpu, KVM_EXIT_IO_IN, 2);
		ASSERT_GT(self->cpu.run->io.count, 0);
		data = tvm_io_data(&self->cpu);
		for (i = 0; i < self->cpu.run->io.count; i++)
			data[i] = 0x4000 + got++;
	}
	EXPECT_EQ(words, got);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, rcx);
	EXPECT_EQ(arg_addr + 2 * words, rdi);
	data = (uint16_t *)(self->buf + TVM_PAGE - 6);
	for (i = 0; i < words; i++)
		if (data[i] != 0x4000 + i)
			break;
	EXPECT_EQ(words, i);
}

static void guest_rep_insb(void)
{
	uint64_t count = arg_rcx, addr = arg_addr;

	asm volatile("cld; rep insb" : "+c"(count), "+D"(addr) : "d"(PORT) : "memory");
	rdi = addr;
	g_sync(1);
}

/* Bytes come in the largest pieces there are, each after user space brought the one before. */
TEST_F(pio, rep_insb_in_pieces)
{
	const unsigned int bytes = 5000;
	unsigned int i, got = 0;
	uint8_t *data;

	arg_rcx = bytes;
	arg_addr = BUF_GPA + 1;
	tvcpu_long_mode(&self->cpu, guest_rep_insb);
	while (got < bytes) {
		expect_io(&self->cpu, KVM_EXIT_IO_IN, 1);
		ASSERT_GT(self->cpu.run->io.count, 0);
		data = tvm_io_data(&self->cpu);
		for (i = 0; i < self->cpu.run->io.count; i++)
			data[i] = got++ % 251;
	}
	EXPECT_EQ(bytes, got);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(arg_addr + bytes, rdi);
	for (i = 0; i < bytes; i++)
		if (self->buf[1 + i] != i % 251)
			break;
	EXPECT_EQ(bytes, i);
}

/* A count that user space changes in the midst is the guest's next count. */
TEST_F(pio, rep_insb_count_changed)
{
	struct kvm_regs regs;

	arg_rcx = 3;
	arg_addr = BUF_GPA;
	tvcpu_long_mode(&self->cpu, guest_rep_insb);
	expect_io(&self->cpu, KVM_EXIT_IO_IN, 1);
	tvcpu_get_regs(&self->cpu, &regs);
	EXPECT_EQ(3, regs.rcx);
	regs.rcx = 6000;
	tvcpu_set_regs(&self->cpu, &regs);
	while (tvm_run(&self->cpu) == KVM_EXIT_IO && self->cpu.run->io.port == PORT)
		memset(tvm_io_data(&self->cpu), 0xaa, self->cpu.run->io.count);
	ASSERT_EQ(KVM_EXIT_IO, self->cpu.run->exit_reason);
	EXPECT_EQ(arg_addr + 6000, rdi);
	EXPECT_EQ(0xaa, self->buf[5999]);
}

/* A string instruction without REP, and one whose source is not memory of the guest. */
static void guest_outs_forms(void)
{
	uint64_t addr = BUF_GPA;

	asm volatile("cld; outsw" : "+S"(addr) : "d"(PORT) : "memory");
	rsi = addr;
	g_sync(1);
}

TEST_F(pio, outsw_without_rep)
{
	*(uint16_t *)self->buf = 0xbeef;
	tvcpu_long_mode(&self->cpu, guest_outs_forms);
	expect_io(&self->cpu, KVM_EXIT_IO_OUT, 2);
	EXPECT_EQ(1, self->cpu.run->io.count);
	EXPECT_EQ(0xbeef, *(uint16_t *)tvm_io_data(&self->cpu));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(BUF_GPA + 2, rsi);
}

/*
 * A page fault on the buffer belongs to the guest: #PF, its handler maps the page, INS goes on.
 * Whether the port is read once more after the fault is the hypervisor's choice (stock KVM does).
 */
#define FAULT_PD	((uint64_t *)(TVM_PGT_GPA + 2 * TVM_PAGE))
#define FAULT_VA	0x600000UL

static volatile unsigned int faults;

static void map_on_fault(struct g_frame *frame)
{
	faults++;
	FAULT_PD[FAULT_VA >> 21] |= PTE_P;
}

static void guest_ins_faults(void)
{
	uint64_t count = 4, addr = FAULT_VA;

	g_handlers[PF_VECTOR] = map_on_fault;
	FAULT_PD[FAULT_VA >> 21] = BUF_GPA & ~0x1fffffUL;
	FAULT_PD[FAULT_VA >> 21] |= PTE_W | PTE_PS;	/* not present yet */
	g_invlpg((void *)FAULT_VA);
	asm volatile("cld; rep insb" : "+c"(count), "+D"(addr) : "d"(PORT) : "memory");
	rdi = addr;
	g_sync(1);
}

TEST_F(pio, ins_page_fault)
{
	struct kvm_run *run = self->cpu.run;
	unsigned int exits;

	tvcpu_long_mode(&self->cpu, guest_ins_faults);
	for (exits = 0; exits < 8; exits++) {
		tvm_expect_exit(&self->cpu, KVM_EXIT_IO);
		if (run->io.port == G_PORT_SYNC)
			break;
		ASSERT_EQ(PORT, run->io.port);
		memset(tvm_io_data(&self->cpu), 'a', run->io.count);
	}
	EXPECT_LT(exits, 8);
	EXPECT_EQ(1, faults);
	EXPECT_EQ(FAULT_VA + 4, rdi);
	EXPECT_EQ(0, memcmp(self->vm.ram + (BUF_GPA & ~0x1fffffUL), "aaaa", 4));
}

TEST_HARNESS_MAIN
