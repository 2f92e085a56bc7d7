// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards that memory slots do what they say: a created one is seen by the guest, a moved one at
 * its new place only, a deleted one turns into MMIO, a read-only one turns writes into MMIO exits
 * and keeps its contents, holes and memory that is not mapped behave as the KVM API says.
 */
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define SIZE	(4 * TVM_PAGE)
#define GPA	TVM_TEST_GPA
#define GPA2	(TVM_TEST_GPA + 0x100000)
#define SLOT	TVM_SLOT_TEST

static volatile uint64_t where;		/* what the guest shall touch */
static volatile uint32_t seen;

static void guest_read(void)
{
	for (;;) {
		seen = g_readl(where);
		g_sync(1);
	}
}

static void guest_write(void)
{
	for (;;) {
		g_writel(where, 0xcafe0001);
		g_sync(1);
	}
}

static void expect_mmio(struct tvcpu *cpu, uint64_t gpa, int is_write)
{
	tvm_expect_exit(cpu, KVM_EXIT_MMIO);
	if (cpu->run->mmio.phys_addr != gpa || cpu->run->mmio.len != 4 ||
	    cpu->run->mmio.is_write != is_write) {
		tvm_dump(cpu);
		tvm_die("not the MMIO exit for %#lx", gpa);
	}
}

TEST(create_read_write)
{
	struct tvcpu cpu;
	struct tvm vm;
	uint32_t *mem = tvm_mem(SIZE);

	tvm_start(&vm, &cpu, 0, guest_read);
	mem[TVM_PAGE / 4] = 0x12345678;
	ASSERT_EQ(0, tvm_slot(&vm, SLOT, 0, GPA, SIZE, mem));
	where = GPA + TVM_PAGE;
	EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_EQ(0x12345678, seen);
	/* the host's later write is seen: the same memory, not a copy */
	mem[TVM_PAGE / 4] = 0x9abcdef0;
	EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_EQ(0x9abcdef0, seen);
	where = GPA + SIZE - 4;
	tvcpu_long_mode(&cpu, guest_write);
	EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_EQ(0xcafe0001, mem[SIZE / 4 - 1]);
}

TEST(move)
{
	struct tvcpu cpu;
	struct tvm vm;
	uint32_t *mem = tvm_mem(SIZE);

	tvm_start(&vm, &cpu, 0, guest_read);
	mem[0] = 0x11111111;
	ASSERT_EQ(0, tvm_slot(&vm, SLOT, 0, GPA, SIZE, mem));
	where = GPA;
	EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_EQ(0x11111111, seen);
	ASSERT_EQ(0, tvm_slot(&vm, SLOT, 0, GPA2, SIZE, mem));
	where = GPA2;
	EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_EQ(0x11111111, seen);
	where = GPA;
	expect_mmio(&cpu, GPA, 0);
}

TEST(delete_becomes_mmio)
{
	struct tvcpu cpu;
	struct tvm vm;
	uint32_t *mem = tvm_mem(SIZE);
	uint32_t answer = 0x5a5a5a5a;

	tvm_start(&vm, &cpu, 0, guest_read);
	ASSERT_EQ(0, tvm_slot(&vm, SLOT, 0, GPA, SIZE, mem));
	where = GPA;
	EXPECT_EQ(1, tvm_sync(&cpu));
	ASSERT_EQ(0, tvm_slot(&vm, SLOT, 0, GPA, 0, NULL));
	expect_mmio(&cpu, GPA, 0);
	memcpy(cpu.run->mmio.data, &answer, sizeof(answer));
	EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_EQ(answer, seen);
	/* and it can come back, elsewhere and with other memory */
	mem[2 * TVM_PAGE / 4] = 0x77;
	ASSERT_EQ(0, tvm_slot(&vm, SLOT, 0, GPA2, TVM_PAGE, mem + 2 * TVM_PAGE / 4));
	where = GPA2;
	EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_EQ(0x77, seen);
}

/* MMIO first, memory later: nothing of the old answer may stay cached. */
TEST(mmio_becomes_memory)
{
	struct tvcpu cpu;
	struct tvm vm;
	uint32_t *mem = tvm_mem(SIZE);

	tvm_start(&vm, &cpu, 0, guest_read);
	where = GPA;
	expect_mmio(&cpu, GPA, 0);
	EXPECT_EQ(1, tvm_sync(&cpu));
	mem[0] = 0x44;
	ASSERT_EQ(0, tvm_slot(&vm, SLOT, 0, GPA, SIZE, mem));
	EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_EQ(0x44, seen);
}

TEST(readonly)
{
	struct tvcpu cpu;
	struct tvm vm;
	uint32_t *mem = tvm_mem(SIZE);

	tvm_start(&vm, &cpu, 0, guest_read);
	mem[0] = 0x0badcafe;
	ASSERT_EQ(0, tvm_slot(&vm, SLOT, KVM_MEM_READONLY, GPA, SIZE, mem));
	where = GPA;
	EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_EQ(0x0badcafe, seen);
	tvcpu_long_mode(&cpu, guest_write);
	expect_mmio(&cpu, GPA, 1);
	EXPECT_EQ(0xcafe0001, *(uint32_t *)cpu.run->mmio.data);
	EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_EQ(0x0badcafe, mem[0]);
	/* the write fault came first for this page, the read must still find memory */
	where = GPA + TVM_PAGE;
	mem[TVM_PAGE / 4] = 0x99;
	expect_mmio(&cpu, GPA + TVM_PAGE, 1);
	EXPECT_EQ(1, tvm_sync(&cpu));
	tvcpu_long_mode(&cpu, guest_read);
	EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_EQ(0x99, seen);
}

/* A read-only slot may lie over memory the host itself cannot write. */
TEST(readonly_host_mapping)
{
	struct tvcpu cpu;
	struct tvm vm;
	uint32_t *mem = tvm_mem(SIZE);

	tvm_start(&vm, &cpu, 0, guest_read);
	mem[0] = 0x31337;
	ASSERT_EQ(0, mprotect(mem, SIZE, PROT_READ));
	ASSERT_EQ(0, tvm_slot(&vm, SLOT, KVM_MEM_READONLY, GPA, SIZE, mem));
	where = GPA;
	EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_EQ(0x31337, seen);
}

/* User memory without a mapping: KVM_RUN says EFAULT, the vCPU can go on once it is there. */
TEST(unmapped_host_memory)
{
	struct tvcpu cpu;
	struct tvm vm;
	uint32_t *mem = tvm_mem(SIZE);

	tvm_start(&vm, &cpu, 0, guest_read);
	munmap(mem, SIZE);
	ASSERT_EQ(0, tvm_slot(&vm, SLOT, 0, GPA, SIZE, mem));
	where = GPA + TVM_PAGE;
	EXPECT_EQ(-EFAULT, tvm_run(&cpu));
	/* documented, but stock 6.12 fills it for private memory only */
	if (!tvm_is_kvm() && tvm_cap(&vm, KVM_CAP_MEMORY_FAULT_INFO)) {
		EXPECT_EQ(KVM_EXIT_MEMORY_FAULT, cpu.run->exit_reason);
		EXPECT_EQ(0, TVM_MEMORY_FAULT(cpu.run)->flags);
		EXPECT_EQ(GPA + TVM_PAGE, TVM_MEMORY_FAULT(cpu.run)->gpa);
		EXPECT_EQ(TVM_PAGE, TVM_MEMORY_FAULT(cpu.run)->size);
	}
	EXPECT_EQ(-EFAULT, tvm_run(&cpu));
	ASSERT_EQ(mem, mmap(mem, SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	mem[TVM_PAGE / 4] = 0x55;
	EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_EQ(0x55, seen);
}

/* Two slots over the same host memory show each other's writes. */
TEST(aliased)
{
	struct tvcpu cpu;
	struct tvm vm;
	uint32_t *mem = tvm_mem(SIZE);

	tvm_start(&vm, &cpu, 0, guest_write);
	ASSERT_EQ(0, tvm_slot(&vm, SLOT, 0, GPA, SIZE, mem));
	ASSERT_EQ(0, tvm_slot(&vm, SLOT + 1, 0, GPA2, SIZE, mem));
	where = GPA;
	EXPECT_EQ(1, tvm_sync(&cpu));
	tvcpu_long_mode(&cpu, guest_read);
	where = GPA2;
	EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_EQ(0xcafe0001, seen);
}

/* The longer structure says the same as the shorter one, about the same slots. */
TEST(region2)
{
	struct kvm_userspace_memory_region2 r = {
		.slot = SLOT, .guest_phys_addr = GPA, .memory_size = SIZE,
	};
	struct tvcpu cpu;
	struct tvm vm;
	uint32_t *mem = tvm_mem(SIZE);

	tvm_start(&vm, &cpu, 0, guest_read);
	if (!tvm_cap(&vm, KVM_CAP_USER_MEMORY2))
		SKIP(return, "no KVM_CAP_USER_MEMORY2");
	mem[0] = 0x2222;
	r.userspace_addr = (uintptr_t)mem;
	ASSERT_EQ(0, tvm_ioctl_p(vm.fd, KVM_SET_USER_MEMORY_REGION2, &r));
	where = GPA;
	EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_EQ(0x2222, seen);
	r.guest_phys_addr = GPA2;
	ASSERT_EQ(0, tvm_ioctl_p(vm.fd, KVM_SET_USER_MEMORY_REGION2, &r));
	expect_mmio(&cpu, GPA, 0);
	EXPECT_EQ(1, tvm_sync(&cpu));
	where = GPA2;
	EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_EQ(0x2222, seen);
	ASSERT_EQ(0, tvm_slot(&vm, SLOT, 0, GPA2, 0, NULL));
	expect_mmio(&cpu, GPA2, 0);
}

/* The slots of system management mode are others: outside it nobody sees them. */
TEST(second_address_space)
{
	uint32_t smm = 1 << 16;
	struct tvcpu cpu;
	struct tvm vm;
	uint32_t *mem = tvm_mem(2 * SIZE);

	tvm_start(&vm, &cpu, 0, guest_read);
	ASSERT_EQ(2, tvm_cap(&vm, KVM_CAP_MULTI_ADDRESS_SPACE));
	mem[0] = 0x1111;
	mem[SIZE / 4] = 0x9999;
	ASSERT_EQ(0, tvm_slot(&vm, SLOT, 0, GPA, SIZE, mem));
	ASSERT_EQ(0, tvm_slot(&vm, smm | SLOT, 0, GPA, SIZE, mem + SIZE / 4));
	where = GPA;
	EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_EQ(0x1111, seen);
	ASSERT_EQ(0, tvm_slot(&vm, SLOT, 0, GPA, 0, NULL));
	expect_mmio(&cpu, GPA, 0);
	EXPECT_EQ(-EEXIST, tvm_slot(&vm, smm | (SLOT + 1), 0, GPA, SIZE, mem));
	ASSERT_EQ(0, tvm_slot(&vm, smm | SLOT, 0, GPA, 0, NULL));
	EXPECT_EQ(-EINVAL, tvm_slot(&vm, smm | SLOT, 0, GPA, 0, NULL));
}

TEST_HARNESS_MAIN
