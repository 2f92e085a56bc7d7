// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the modes a guest runs in: real mode with segments and the IVT, flat protected mode,
 * long mode, and a guest that walks from real mode to long mode by itself.
 */
#include "kselftest_harness.h"
#include "real.h"
#include "tvm.h"

static void expect_out(struct tvcpu *cpu, unsigned int size, uint32_t want)
{
	uint32_t val = 0;

	tvm_expect_exit(cpu, KVM_EXIT_IO);
	memcpy(&val, tvm_io_data(cpu), size);
	if (cpu->run->io.port == G_REAL_PORT && cpu->run->io.size == size && val == want)
		return;
	tvm_dump(cpu);
	tvm_die("OUT of %#x, not %#x", val, want);
}

FIXTURE(mode) {
	struct tvm vm;
	struct tvcpu cpu;
};

FIXTURE_SETUP(mode)
{
	tvm_create(&self->vm, 0);
	tvcpu_create(&self->cpu, &self->vm, 0);
}

FIXTURE_TEARDOWN(mode)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

static void set_ax_bx(struct tvcpu *cpu, uint64_t rax, uint64_t rbx)
{
	struct kvm_regs regs;

	tvcpu_get_regs(cpu, &regs);
	regs.rax = rax;
	regs.rbx = rbx;
	tvcpu_set_regs(cpu, &regs);
}

TEST_F(mode, real)
{
	tvcpu_real_mode(&self->cpu, g_real_add, g_real_add_end - g_real_add);
	set_ax_bx(&self->cpu, 1000, 337);
	expect_out(&self->cpu, 2, 1337);
	tvm_expect_exit(&self->cpu, KVM_EXIT_HLT);
}

TEST_F(mode, real_segments_and_interrupt)
{
	tvcpu_real_mode(&self->cpu, g_real_segments, g_real_segments_end - g_real_segments);
	expect_out(&self->cpu, 1, 0x5a);
	expect_out(&self->cpu, 1, 0x5b);
	tvm_expect_exit(&self->cpu, KVM_EXIT_HLT);
	EXPECT_EQ(0x5a, self->vm.ram[0x20010]);
}

TEST_F(mode, real_many_exits)
{
	unsigned int i;

	tvcpu_real_mode(&self->cpu, g_real_loop, g_real_loop_end - g_real_loop);
	set_ax_bx(&self->cpu, 0, 0);
	for (i = 0; i < 200; i++)
		expect_out(&self->cpu, 2, i);
}

TEST_F(mode, protected)
{
	tvcpu_prot_mode(&self->cpu, g_prot_add);
	set_ax_bx(&self->cpu, 0x80000000, 0x123);
	expect_out(&self->cpu, 4, 0x80000123);
	expect_out(&self->cpu, 4, 0x80000124);
	tvm_expect_exit(&self->cpu, KVM_EXIT_HLT);
}

static void guest_long(void)
{
	uint64_t high = g_rdmsr(MSR_EFER);

	G_ASSERT(high & EFER_LMA);
	G_ASSERT(sizeof(void *) == 8);
	g_sync(64);
}

TEST_F(mode, long_mode)
{
	tvcpu_long_mode(&self->cpu, guest_long);
	EXPECT_EQ(64, tvm_sync(&self->cpu));
}

TEST_F(mode, real_to_long)
{
	struct kvm_sregs sregs;

	tvcpu_real_mode(&self->cpu, g_real_to_long, g_real_to_long_end - g_real_to_long);
	set_ax_bx(&self->cpu, 0, (uintptr_t)guest_long);
	EXPECT_EQ(64, tvm_sync(&self->cpu));
	tvcpu_get_sregs(&self->cpu, &sregs);
	EXPECT_EQ(EFER_LME | EFER_LMA, sregs.efer);
	EXPECT_TRUE(sregs.cr0 & X86_CR0_PG);
	EXPECT_EQ(1, sregs.cs.l);
}

/* From the reset vector: the page below 4 GiB is the test's, as firmware has it. */
TEST_F(mode, reset_vector)
{
	uint8_t *rom = tvm_mem(TVM_PAGE);
	struct kvm_regs regs;

	/* mov $0x4711, %ax; mov $G_REAL_PORT, %dx; out %ax, %dx; hlt */
	static const uint8_t code[] = { 0xb8, 0x11, 0x47, 0xba, G_REAL_PORT & 0xff,
					G_REAL_PORT >> 8, 0xef, 0xf4 };

	memcpy(rom + 0xff0, code, sizeof(code));
	ASSERT_EQ(0, tvm_slot(&self->vm, TVM_SLOT_TEST, KVM_MEM_READONLY, 0xfffff000, TVM_PAGE,
			      rom));
	tvcpu_get_regs(&self->cpu, &regs);
	EXPECT_EQ(0xfff0, regs.rip);
	EXPECT_EQ(X86_RFLAGS_FIXED, regs.rflags);
	expect_out(&self->cpu, 2, 0x4711);
	tvm_expect_exit(&self->cpu, KVM_EXIT_HLT);
}

TEST_HARNESS_MAIN
