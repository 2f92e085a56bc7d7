// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the mmap of a vCPU fd (the run page) and KVM_RUN's own arguments: sizes, offsets and
 * protections of the mapping, life after close, and what the run page says after an exit.
 */
#include <signal.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "tvm.h"

static void guest_loop(void)
{
	for (;;)
		g_sync(7);
}

FIXTURE(page) {
	struct tvm vm;
	struct tvcpu cpu;
};

FIXTURE_SETUP(page)
{
	tvm_start(&self->vm, &self->cpu, 0, guest_loop);
}

FIXTURE_TEARDOWN(page)
{
	tvm_destroy(&self->vm);
}

TEST_F(page, two_mappings_agree)
{
	struct kvm_run *other = mmap(NULL, TVM_PAGE, PROT_READ, MAP_SHARED, self->cpu.fd, 0);

	ASSERT_NE(MAP_FAILED, other);
	EXPECT_EQ(7, tvm_sync(&self->cpu));
	EXPECT_EQ(KVM_EXIT_IO, other->exit_reason);
	EXPECT_EQ(G_PORT_SYNC, other->io.port);
}

TEST_F(page, outlives_the_fd)
{
	EXPECT_EQ(7, tvm_sync(&self->cpu));
	close(self->cpu.fd);
	close(self->vm.fd);
	EXPECT_EQ(KVM_EXIT_IO, self->cpu.run->exit_reason);
	self->cpu.run->immediate_exit = 1;
	munmap(self->cpu.run, self->vm.run_size);
}

TEST_F(page, survives_unmapping)
{
	munmap(self->cpu.run, self->vm.run_size);
	EXPECT_EQ(0, tvm_ioctl(self->cpu.fd, KVM_RUN, 0));
	self->cpu.run = mmap(NULL, self->vm.run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			     self->cpu.fd, 0);
	ASSERT_NE(MAP_FAILED, self->cpu.run);
	EXPECT_EQ(KVM_EXIT_IO, self->cpu.run->exit_reason);
}

/* Beyond the last page there is nothing: SIGBUS, not someone else's memory. */
TEST_F_SIGNAL(page, beyond_the_end, SIGBUS)
{
	volatile char *p = mmap(NULL, TVM_PAGE, PROT_READ, MAP_SHARED, self->cpu.fd,
				0x100 * TVM_PAGE);

	if (p == MAP_FAILED)
		raise(SIGBUS);	/* refusing the mapping is as good */
	(void)*p;
}

TEST_F(page, not_executable)
{
	/* stock KVM allows it; what matters is that nothing bad comes of asking */
	void *p = mmap(NULL, TVM_PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, self->cpu.fd, 0);

	if (p != MAP_FAILED)
		munmap(p, TVM_PAGE);
	EXPECT_EQ(7, tvm_sync(&self->cpu));
}

TEST_F(page, vm_fd_has_no_memory)
{
	EXPECT_EQ(MAP_FAILED, mmap(NULL, TVM_PAGE, PROT_READ, MAP_SHARED, self->vm.fd, 0));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, TVM_PAGE, PROT_READ, MAP_SHARED, self->vm.dev, 0));
}

TEST_F(page, run_takes_no_argument)
{
	EXPECT_EQ(-EINVAL, tvm_ioctl(self->cpu.fd, KVM_RUN, 1));
	EXPECT_EQ(-EINVAL, tvm_ioctl(self->cpu.fd, KVM_RUN, -1UL));
	EXPECT_EQ(7, tvm_sync(&self->cpu));
}

/* A hostile VMM scribbles over the page between runs: the kernel must not believe any of it. */
TEST_F(page, scribbled)
{
	unsigned int fill;

	for (fill = 1; fill < 256; fill += 37) {
		EXPECT_EQ(7, tvm_sync(&self->cpu));
		memset((uint8_t *)self->cpu.run + 8, fill, self->vm.run_size - 8);
		self->cpu.run->kvm_valid_regs = 0;
		self->cpu.run->kvm_dirty_regs = 0;
		self->cpu.run->cr8 = 0;
	}
	EXPECT_EQ(7, tvm_sync(&self->cpu));
}

/* Without an in-kernel irqchip CR8 is an input, and only 4 bits of it exist. */
TEST_F(page, bad_cr8)
{
	self->cpu.run->cr8 = 0x10;
	EXPECT_EQ(-EINVAL, tvm_run(&self->cpu));
	self->cpu.run->cr8 = -1ULL;
	EXPECT_EQ(-EINVAL, tvm_run(&self->cpu));
	self->cpu.run->cr8 = 5;
	EXPECT_EQ(7, tvm_sync(&self->cpu));
	EXPECT_EQ(5, self->cpu.run->cr8);
}

/* Stock KVM looks at the lower 32 bits of the masks only. */
#define UNDEFINED_SYNC	BIT64(31)

/* Undefined bits in the sync-regs masks are refused. */
TEST_F(page, sync_regs_masks)
{
	if (!tvm_cap(&self->vm, KVM_CAP_SYNC_REGS))
		SKIP(return, "no KVM_CAP_SYNC_REGS");
	self->cpu.run->kvm_valid_regs = UNDEFINED_SYNC;
	EXPECT_EQ(-EINVAL, tvm_run(&self->cpu));
	self->cpu.run->kvm_valid_regs = 0;
	self->cpu.run->kvm_dirty_regs = UNDEFINED_SYNC;
	EXPECT_EQ(-EINVAL, tvm_run(&self->cpu));
	self->cpu.run->kvm_dirty_regs = 0;
	EXPECT_EQ(7, tvm_sync(&self->cpu));
}

TEST_F(page, apic_base_and_if_flag)
{
	EXPECT_EQ(7, tvm_sync(&self->cpu));
	EXPECT_EQ(0, self->cpu.run->if_flag);
	EXPECT_EQ(0, self->cpu.run->cr8);
	EXPECT_EQ(APIC_BASE_GPA, self->cpu.run->apic_base & ~0xfffUL);
}

TEST_HARNESS_MAIN
