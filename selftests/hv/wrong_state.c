// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards calls made in the wrong state: before memory, before or after an irqchip, twice, after a
 * vCPU exists, and on the fds of a VM whose other fds are closed. Errnos are stock KVM 6.12's.
 */
#include "kselftest_harness.h"
#include "real.h"
#include "tvm.h"

FIXTURE(wrong) {
	struct tvm vm;
};

FIXTURE_SETUP(wrong)
{
	tvm_create(&self->vm, TVM_BARE);
}

FIXTURE_TEARDOWN(wrong)
{
	tvm_destroy(&self->vm);
}

/* The reset vector without memory under it is MMIO, which cannot be executed. */
TEST_F(wrong, run_before_memory)
{
	struct tvcpu cpu;
	long ret;

	tvcpu_create(&cpu, &self->vm, 0);
	ret = tvm_run(&cpu);
	EXPECT_TRUE(ret == KVM_EXIT_INTERNAL_ERROR || ret == KVM_EXIT_MMIO ||
		    ret == KVM_EXIT_SHUTDOWN)
		TH_LOG("exit %ld", ret);
	ret = tvm_run(&cpu);
	EXPECT_TRUE(ret >= 0 || ret == -EFAULT);
}

TEST_F(wrong, irqchip_twice)
{
	EXPECT_EQ(0, tvm_ioctl(self->vm.fd, KVM_CREATE_IRQCHIP, 0));
	EXPECT_EQ(-EEXIST, tvm_ioctl(self->vm.fd, KVM_CREATE_IRQCHIP, 0));
}

TEST_F(wrong, irqchip_after_vcpu)
{
	ASSERT_GE(tvm_ioctl(self->vm.fd, KVM_CREATE_VCPU, 0), 0);
	EXPECT_EQ(-EINVAL, tvm_ioctl(self->vm.fd, KVM_CREATE_IRQCHIP, 0));
}

TEST_F(wrong, pit_without_irqchip)
{
	struct kvm_pit_config pit = { .flags = 0 };

	EXPECT_EQ(-ENOENT, tvm_ioctl_p(self->vm.fd, KVM_CREATE_PIT2, &pit));
	EXPECT_EQ(0, tvm_ioctl(self->vm.fd, KVM_CREATE_IRQCHIP, 0));
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->vm.fd, KVM_CREATE_PIT2, 0x10));
	EXPECT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_CREATE_PIT2, &pit));
	EXPECT_EQ(-EEXIST, tvm_ioctl_p(self->vm.fd, KVM_CREATE_PIT2, &pit));
}

TEST_F(wrong, no_irqchip)
{
	static struct kvm_lapic_state lapic;
	struct kvm_irqchip chip = { .chip_id = 0 };
	struct kvm_irq_level irq = { .irq = 5, .level = 1 };
	struct kvm_msi msi = { .address_lo = APIC_BASE_GPA, .data = 0x40 };
	struct kvm_pit_state2 pit;
	int cpu = tvm_ioctl(self->vm.fd, KVM_CREATE_VCPU, 0);

	ASSERT_GE(cpu, 0);
	EXPECT_EQ(-ENXIO, tvm_ioctl_p(self->vm.fd, KVM_GET_IRQCHIP, &chip));
	EXPECT_EQ(-ENXIO, tvm_ioctl_p(self->vm.fd, KVM_SET_IRQCHIP, &chip));
	EXPECT_EQ(-ENXIO, tvm_ioctl_p(self->vm.fd, KVM_IRQ_LINE, &irq));
	EXPECT_EQ(-ENXIO, tvm_ioctl_p(self->vm.fd, KVM_GET_PIT2, &pit));
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(cpu, KVM_GET_LAPIC, &lapic));
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(cpu, KVM_SET_LAPIC, &lapic));
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->vm.fd, KVM_SIGNAL_MSI, &msi));
}

/* KVM_INTERRUPT is for a user-space irqchip. */
TEST_F(wrong, interrupt_with_irqchip)
{
	struct kvm_interrupt irq = { .irq = 0x40 };
	int cpu;

	ASSERT_EQ(0, tvm_ioctl(self->vm.fd, KVM_CREATE_IRQCHIP, 0));
	cpu = tvm_ioctl(self->vm.fd, KVM_CREATE_VCPU, 0);
	EXPECT_EQ(-ENXIO, tvm_ioctl_p(cpu, KVM_INTERRUPT, &irq));
}

TEST_F(wrong, routing_without_irqchip)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry;
	} routes = { .head.nr = 1 };

	routes.entry.gsi = 5;
	routes.entry.type = KVM_IRQ_ROUTING_MSI;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->vm.fd, KVM_SET_GSI_ROUTING, &routes));
}

TEST_F(wrong, boot_cpu_id)
{
	if (!tvm_cap(&self->vm, KVM_CAP_SET_BOOT_CPU_ID))
		SKIP(return, "no KVM_CAP_SET_BOOT_CPU_ID");
	EXPECT_EQ(0, tvm_ioctl(self->vm.fd, KVM_SET_BOOT_CPU_ID, 1));
	ASSERT_GE(tvm_ioctl(self->vm.fd, KVM_CREATE_VCPU, 0), 0);
	EXPECT_EQ(-EBUSY, tvm_ioctl(self->vm.fd, KVM_SET_BOOT_CPU_ID, 0));
}

/* With an irqchip a vCPU other than the boot one waits for INIT and SIPI. */
TEST_F(wrong, run_uninitialized_vcpu)
{
	struct kvm_mp_state mp;
	struct tvcpu cpu;

	ASSERT_EQ(0, tvm_ioctl(self->vm.fd, KVM_CREATE_IRQCHIP, 0));
	tvcpu_create(&cpu, &self->vm, 1);
	ASSERT_EQ(0, tvm_ioctl_p(cpu.fd, KVM_GET_MP_STATE, &mp));
	EXPECT_EQ(KVM_MP_STATE_UNINITIALIZED, mp.mp_state);
	cpu.run->immediate_exit = 1;
	EXPECT_EQ(-EINTR, tvm_run(&cpu));
}

TEST_F(wrong, closed_vm)
{
	struct kvm_regs regs;
	struct tvcpu cpu;

	tvcpu_create(&cpu, &self->vm, 0);
	close(self->vm.fd);
	close(self->vm.dev);
	/* the vCPU keeps its VM alive */
	EXPECT_EQ(0, tvm_ioctl_p(cpu.fd, KVM_GET_REGS, &regs));
	EXPECT_GE(tvm_run(&cpu), 0);
	EXPECT_EQ(-EBADF, tvm_ioctl(self->vm.fd, KVM_CREATE_VCPU, 1));
	tvm_create(&self->vm, TVM_BARE);
}

/* A fork's VM belongs to the parent: EIO, as the API document says. */
TEST_F(wrong, other_process)
{
	struct kvm_regs regs;
	struct tvcpu cpu;
	int status;
	pid_t pid;

	tvcpu_create(&cpu, &self->vm, 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		int bad = 0;

		bad |= tvm_ioctl(self->vm.fd, KVM_CREATE_VCPU, 1) != -EIO;
		bad |= (tvm_slot(&self->vm, 0, 0, 0, TVM_PAGE, tvm_mem(TVM_PAGE)) != -EIO) << 1;
		bad |= (tvm_ioctl_p(cpu.fd, KVM_GET_REGS, &regs) != -EIO) << 2;
		bad |= (tvm_ioctl(cpu.fd, KVM_RUN, 0) != -EIO) << 3;
		bad |= (tvm_ioctl(self->vm.fd, _IO(KVMIO, 0xfe), 0) != -EIO) << 4;
		_exit(bad);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	/* the parent goes on */
	EXPECT_EQ(0, tvm_ioctl_p(cpu.fd, KVM_GET_REGS, &regs));
}

/* The child outlives the parent's fds: the VM goes only with the last one. */
TEST_F(wrong, child_closes_last)
{
	int pipefd[2], status;
	struct tvcpu cpu;
	char c = 0;
	pid_t pid;

	tvcpu_create(&cpu, &self->vm, 0);
	ASSERT_EQ(0, pipe(pipefd));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(pipefd[1]);
		_exit(read(pipefd[0], &c, 1) != 0);
	}
	tvcpu_destroy(&cpu);
	close(self->vm.fd);
	close(pipefd[0]);
	close(pipefd[1]);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	tvm_create(&self->vm, TVM_BARE);
}

TEST_HARNESS_MAIN
