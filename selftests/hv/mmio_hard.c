// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the harder half of emulation: instructions with several device accesses, vector moves,
 * locked instructions, device memory as stack operand, string I/O to and from devices, and a VMM
 * that replaces the registers while an access is pending.
 */
#include "kselftest_harness.h"
#include "tvm.h"

#define HOLE		TVM_HOLE_GPA
#define PORT		0x1234
#define MANY		5000
#define CR4_OSFXSR	0x200UL

static volatile uint64_t got[4];

FIXTURE(mmio_hard) {
	struct tvm vm;
	struct tvcpu cpu;
};

FIXTURE_SETUP(mmio_hard)
{
	tvm_create(&self->vm, 0);
	tvcpu_create(&self->cpu, &self->vm, 0);
	memset((void *)got, 0, sizeof(got));
}

FIXTURE_TEARDOWN(mmio_hard)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

static void expect_read(struct tvcpu *cpu, uint64_t gpa, unsigned int len, uint64_t val)
{
	tvm_expect_mmio(cpu, gpa, len, 0);
	memcpy(cpu->run->mmio.data, &val, sizeof(val));
}

static void expect_write(struct tvcpu *cpu, uint64_t gpa, unsigned int len, uint64_t want)
{
	uint64_t val = 0;

	tvm_expect_mmio(cpu, gpa, len, 1);
	memcpy(&val, cpu->run->mmio.data, len);
	if (val != want)
		tvm_die("%#lx written at %#lx, not %#lx", val, gpa, want);
}

static void guest_vector(void)
{
	uint64_t cr4;

	asm volatile("mov %%cr4, %0; or %1, %0; mov %0, %%cr4" : "=&r"(cr4) : "r"(CR4_OSFXSR));
	asm volatile("movups (%0), %%xmm3; movups %%xmm3, (%1)"
		     : : "r"(HOLE), "r"(got) : "memory");
	asm volatile("movaps %%xmm3, (%0)" : : "r"(HOLE + 0x20) : "memory");
	g_sync(1);
}

/* 16 bytes are two exits, in order of address. */
TEST_F(mmio_hard, vector_moves)
{
	struct tvcpu *cpu = &self->cpu;

	tvcpu_long_mode(cpu, guest_vector);
	expect_read(cpu, HOLE, 8, 0x1122334455667788);
	expect_read(cpu, HOLE + 8, 8, 0x99aabbccddeeff00);
	expect_write(cpu, HOLE + 0x20, 8, 0x1122334455667788);
	expect_write(cpu, HOLE + 0x28, 8, 0x99aabbccddeeff00);
	EXPECT_EQ(1, tvm_sync(cpu));
	EXPECT_EQ(0x1122334455667788, got[0]);
	EXPECT_EQ(0x99aabbccddeeff00, got[1]);
}

static void guest_copy(void)
{
	uint64_t count = 2, from = HOLE, to = HOLE + 0x100;

	asm volatile("cld; rep movsl" : "+c"(count), "+S"(from), "+D"(to) : : "memory");
	got[0] = count;
	got[1] = from;
	got[2] = to;
	g_sync(1);
}

TEST_F(mmio_hard, device_to_device)
{
	struct tvcpu *cpu = &self->cpu;

	tvcpu_long_mode(cpu, guest_copy);
	expect_read(cpu, HOLE, 4, 0x11);
	expect_write(cpu, HOLE + 0x100, 4, 0x11);
	expect_read(cpu, HOLE + 4, 4, 0x22);
	expect_write(cpu, HOLE + 0x104, 4, 0x22);
	EXPECT_EQ(1, tvm_sync(cpu));
	EXPECT_EQ(0, got[0]);
	EXPECT_EQ(HOLE + 8, got[1]);
	EXPECT_EQ(HOLE + 0x108, got[2]);
}

static void guest_locked(void)
{
	uint64_t acc = 5, add = 3;
	uint8_t same;

	asm volatile("lock cmpxchgq %3, (%2); sete %1"
		     : "+a"(acc), "=qm"(same) : "r"(HOLE), "r"(7UL) : "memory", "cc");
	G_ASSERT(same);
	asm volatile("lock cmpxchgq %3, (%2); sete %1"
		     : "+a"(acc), "=qm"(same) : "r"(HOLE), "r"(7UL) : "memory", "cc");
	G_ASSERT(!same);
	got[0] = acc;
	asm volatile("lock xaddq %0, (%1)" : "+r"(add) : "r"(HOLE) : "memory", "cc");
	got[1] = add;
	g_sync(1);
}

/* A device sees a locked instruction as a read and a write; a failed compare may skip the write. */
TEST_F(mmio_hard, locked)
{
	struct tvcpu *cpu = &self->cpu;

	tvcpu_long_mode(cpu, guest_locked);
	expect_read(cpu, HOLE, 8, 5);
	expect_write(cpu, HOLE, 8, 7);
	expect_read(cpu, HOLE, 8, 9);
	tvm_expect_exit(cpu, KVM_EXIT_MMIO);
	if (cpu->run->mmio.is_write)
		tvm_expect_exit(cpu, KVM_EXIT_MMIO);
	EXPECT_EQ(0, cpu->run->mmio.is_write);
	memcpy(cpu->run->mmio.data, &(uint64_t){ 0x40 }, sizeof(uint64_t));
	expect_write(cpu, HOLE, 8, 0x43);
	EXPECT_EQ(1, tvm_sync(cpu));
	EXPECT_EQ(9, got[0]);
	EXPECT_EQ(0x40, got[1]);
}

static void landing(void)
{
	g_sync(2);
}

static void guest_stack(void)
{
	uint64_t val = 0;

	asm volatile("pushq (%1); popq %0" : "+r"(val) : "r"(HOLE) : "memory");
	got[0] = val;
	asm volatile("pushq %0; popq (%1)" : : "r"(0x55UL), "r"(HOLE + 8) : "memory");
	asm volatile("jmp *(%0)" : : "r"(HOLE + 16) : "memory");
}

TEST_F(mmio_hard, stack_and_jump)
{
	struct tvcpu *cpu = &self->cpu;

	tvcpu_long_mode(cpu, guest_stack);
	expect_read(cpu, HOLE, 8, 0x1234567890);
	expect_write(cpu, HOLE + 8, 8, 0x55);
	expect_read(cpu, HOLE + 16, 8, (uintptr_t)landing);
	EXPECT_EQ(2, tvm_sync(cpu));
	EXPECT_EQ(0x1234567890, got[0]);
}

static void guest_read(void)
{
	uint32_t val;

	asm volatile("movl (%1), %0" : "=r"(val) : "r"(HOLE) : "memory");
	got[0] = val;
	g_sync(1);
}

/* A VMM that resets a vCPU during an exit must not find the old instruction finished on top. */
TEST_F(mmio_hard, registers_replaced)
{
	struct tvcpu *cpu = &self->cpu;
	struct kvm_regs regs;

	if (tvm_is_kvm())
		SKIP(return, "KVM finishes it");
	tvcpu_long_mode(cpu, guest_read);
	expect_read(cpu, HOLE, 4, 0x77);
	tvcpu_get_regs(cpu, &regs);
	regs.rip = (uintptr_t)landing;
	tvcpu_set_regs(cpu, &regs);
	EXPECT_EQ(2, tvm_sync(cpu));
	EXPECT_EQ(0, got[0]);
}

static void guest_outs(void)
{
	uint64_t count = MANY, from = TVM_FREE_GPA + 1;

	asm volatile("cld; rep outsb" : "+c"(count), "+S"(from) : "d"(PORT) : "memory");
	got[0] = from;
	g_sync(1);
}

/* Every byte once and in order, however many come with one exit. */
TEST_F(mmio_hard, long_outs)
{
	uint8_t *ram = self->vm.ram + TVM_FREE_GPA + 1;
	struct tvcpu *cpu = &self->cpu;
	unsigned int done = 0, i;

	for (i = 0; i < MANY; i++)
		ram[i] = i * 7;
	tvcpu_long_mode(cpu, guest_outs);
	while (done < MANY) {
		tvm_expect_exit(cpu, KVM_EXIT_IO);
		ASSERT_EQ(PORT, cpu->run->io.port);
		ASSERT_EQ(1, cpu->run->io.size);
		ASSERT_LE(cpu->run->io.count, MANY - done);
		ASSERT_EQ(0, memcmp(tvm_io_data(cpu), ram + done, cpu->run->io.count));
		done += cpu->run->io.count;
	}
	EXPECT_EQ(1, tvm_sync(cpu));
	EXPECT_EQ(TVM_FREE_GPA + 1 + MANY, got[0]);
}

static void guest_ins_to_device(void)
{
	uint64_t count = 2, to = HOLE;

	asm volatile("cld; rep insw" : "+c"(count), "+D"(to) : "d"(PORT) : "memory");
	to = HOLE + 8;
	asm volatile("outsl" : "+S"(to) : "d"(PORT) : "memory");
	g_sync(1);
}

static void answer_port(struct tvcpu *cpu, uint16_t val)
{
	tvm_expect_exit(cpu, KVM_EXIT_IO);
	if (cpu->run->io.count != 1)
		tvm_die("%u elements for a device", cpu->run->io.count);
	memcpy(tvm_io_data(cpu), &val, sizeof(val));
}

/* From a port to a device and back: each element crosses by itself. */
TEST_F(mmio_hard, port_to_device)
{
	struct tvcpu *cpu = &self->cpu;

	if (tvm_is_kvm())
		SKIP(return, "KVM reads ahead from the port");
	tvcpu_long_mode(cpu, guest_ins_to_device);
	answer_port(cpu, 0x1111);
	expect_write(cpu, HOLE, 2, 0x1111);
	answer_port(cpu, 0x2222);
	expect_write(cpu, HOLE + 2, 2, 0x2222);
	expect_read(cpu, HOLE + 8, 4, 0xa5a5a5a5);
	tvm_expect_exit(cpu, KVM_EXIT_IO);
	EXPECT_EQ(0xa5a5a5a5, *(uint32_t *)tvm_io_data(cpu));
	EXPECT_EQ(1, tvm_sync(cpu));
}

static void on_page_fault(struct g_frame *frame)
{
	got[1] = frame->rcx;
	g_sync(3);
}

/* Nothing above 4 GiB is mapped: the destination faults in the third iteration. */
static void guest_fault_in_rep(void)
{
	uint64_t count = 4, from = HOLE, to = (4UL << 30) - 2;

	g_handlers[14] = on_page_fault;
	asm volatile("cld; rep movsb" : "+c"(count), "+S"(from), "+D"(to) : : "memory");
	g_sync(1);
}

/* What was copied before the fault stays copied, and the count says so. */
TEST_F(mmio_hard, fault_in_rep)
{
	struct tvcpu *cpu = &self->cpu;
	uint8_t *mem = tvm_mem(TVM_PAGE);

	ASSERT_EQ(0, tvm_slot(&self->vm, TVM_SLOT_TEST, 0, (4UL << 30) - TVM_PAGE, TVM_PAGE,
			      mem));
	tvcpu_long_mode(cpu, guest_fault_in_rep);
	expect_read(cpu, HOLE, 1, 0x61);
	expect_read(cpu, HOLE + 1, 1, 0x62);
	expect_read(cpu, HOLE + 2, 1, 0x63);
	EXPECT_EQ(3, tvm_sync(cpu));
	EXPECT_EQ(2, got[1]);
	EXPECT_EQ(0x61, mem[TVM_PAGE - 2]);
	EXPECT_EQ(0x62, mem[TVM_PAGE - 1]);
}

TEST_HARNESS_MAIN
