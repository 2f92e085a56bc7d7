// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards creation: vCPU ids out of range or taken, as many vCPUs as are claimed, several VMs at
 * once, ioctls of the VM and vCPU fds with unknown numbers, and what may no longer be done once a
 * vCPU exists. Errnos were verified on stock KVM 6.12.
 */
#include "kselftest_harness.h"
#include "tvm.h"

FIXTURE(ids) {
	struct tvm vm;
};

FIXTURE_SETUP(ids)
{
	tvm_create(&self->vm, TVM_BARE);
}

FIXTURE_TEARDOWN(ids)
{
	tvm_destroy(&self->vm);
}

TEST_F(ids, duplicate)
{
	EXPECT_GE(tvm_ioctl(self->vm.fd, KVM_CREATE_VCPU, 0), 0);
	EXPECT_EQ(-EEXIST, tvm_ioctl(self->vm.fd, KVM_CREATE_VCPU, 0));
	/* a hole in the ids is fine */
	EXPECT_GE(tvm_ioctl(self->vm.fd, KVM_CREATE_VCPU, 2), 0);
}

TEST_F(ids, out_of_range)
{
	long max = tvm_cap(&self->vm, KVM_CAP_MAX_VCPU_ID);

	if (max <= 0)
		max = tvm_cap(&self->vm, KVM_CAP_MAX_VCPUS);
	ASSERT_GT(max, 0);
	EXPECT_EQ(-EINVAL, tvm_ioctl(self->vm.fd, KVM_CREATE_VCPU, max));
	EXPECT_EQ(-EINVAL, tvm_ioctl(self->vm.fd, KVM_CREATE_VCPU, 0x80000000));
	EXPECT_EQ(-EINVAL, tvm_ioctl(self->vm.fd, KVM_CREATE_VCPU, 0xffffffff));
	EXPECT_EQ(-EINVAL, tvm_ioctl(self->vm.fd, KVM_CREATE_VCPU, -1UL));
}

TEST_F(ids, several)
{
	long max = tvm_cap(&self->vm, KVM_CAP_MAX_VCPUS);
	long i;

	for (i = 0; i < max && i < 16; i++)
		EXPECT_GE(tvm_ioctl(self->vm.fd, KVM_CREATE_VCPU, i), 0);
}

TEST_F(ids, two_vms)
{
	int other = tvm_ioctl(self->vm.dev, KVM_CREATE_VM, 0);
	int third = tvm_ioctl(self->vm.dev, KVM_CREATE_VM, 0);

	ASSERT_GE(other, 0);
	ASSERT_GE(third, 0);
	EXPECT_GE(tvm_ioctl(other, KVM_CREATE_VCPU, 0), 0);
	EXPECT_GE(tvm_ioctl(third, KVM_CREATE_VCPU, 0), 0);
	EXPECT_GE(tvm_ioctl(self->vm.fd, KVM_CREATE_VCPU, 0), 0);
	close(other);
	EXPECT_GE(tvm_ioctl(third, KVM_CREATE_VCPU, 1), 0);
	close(third);
}

TEST_F(ids, unknown_numbers)
{
	/* on a vCPU stock KVM says EINVAL, its document and Vellum ENOTTY */
	const long unknown = tvm_is_kvm() ? -EINVAL : -ENOTTY;
	int cpu = tvm_ioctl(self->vm.fd, KVM_CREATE_VCPU, 0);
	long ret;

	ASSERT_GE(cpu, 0);
	EXPECT_EQ(-ENOTTY, tvm_ioctl(self->vm.fd, _IO(KVMIO, 0xfe), 0));
	EXPECT_EQ(-ENOTTY, tvm_ioctl(self->vm.fd, _IO('x', 0), 0));
	EXPECT_EQ(-ENOTTY, tvm_ioctl(self->vm.fd, KVM_RUN, 0));
	EXPECT_EQ(-ENOTTY, tvm_ioctl(self->vm.fd, KVM_GET_API_VERSION, 0));
	EXPECT_EQ(unknown, tvm_ioctl(cpu, _IO(KVMIO, 0xfe), 0));
	EXPECT_EQ(unknown, tvm_ioctl(cpu, KVM_CREATE_VCPU, 0));
	EXPECT_EQ(unknown, tvm_ioctl(cpu, KVM_CREATE_VM, 0));
	ret = tvm_ioctl(cpu, _IO('x', 0), 0);
	EXPECT_TRUE(ret == -EINVAL || ret == unknown);
}

TEST_F(ids, fds_are_not_files)
{
	int cpu = tvm_ioctl(self->vm.fd, KVM_CREATE_VCPU, 0);
	char c = 0;

	ASSERT_GE(cpu, 0);
	EXPECT_EQ(-1, read(self->vm.fd, &c, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(cpu, &c, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, read(self->vm.dev, &c, 1));
	EXPECT_EQ(EINVAL, errno);
}

/* The fds survive each other in any order of closing. */
TEST_F(ids, close_order)
{
	struct kvm_regs regs;
	int vm = tvm_ioctl(self->vm.dev, KVM_CREATE_VM, 0);
	int cpu = tvm_ioctl(vm, KVM_CREATE_VCPU, 0);

	ASSERT_GE(cpu, 0);
	close(vm);
	EXPECT_EQ(0, tvm_ioctl_p(cpu, KVM_GET_REGS, &regs));
	close(cpu);

	vm = tvm_ioctl(self->vm.dev, KVM_CREATE_VM, 0);
	cpu = tvm_ioctl(vm, KVM_CREATE_VCPU, 0);
	ASSERT_GE(cpu, 0);
	close(cpu);
	/* the id stays taken: a vCPU lives as long as its VM */
	EXPECT_EQ(-EEXIST, tvm_ioctl(vm, KVM_CREATE_VCPU, 0));
	close(vm);
}

TEST_HARNESS_MAIN
