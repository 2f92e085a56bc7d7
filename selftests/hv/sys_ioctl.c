// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the ioctls of the system fd: their results, their answers to unknown numbers, non-zero
 * arguments where none is allowed, short lists (E2BIG) and unmapped pointers (EFAULT).
 * Errnos were verified on stock KVM 6.12, which answers EINVAL to unknown numbers where its
 * document says ENOTTY; Vellum follows the document.
 */
#include "kselftest_harness.h"
#include "tvm.h"

#define BAD_PTR		0x10UL		/* below mmap_min_addr: never mapped */
#define KERNEL_PTR	0xffffffff81000000UL

FIXTURE(sys) {
	int fd;
};

FIXTURE_SETUP(sys)
{
	self->fd = tvm_open();
}

FIXTURE_TEARDOWN(sys)
{
	close(self->fd);
}

TEST_F(sys, api_version)
{
	EXPECT_EQ(KVM_API_VERSION, tvm_ioctl(self->fd, KVM_GET_API_VERSION, 0));
	EXPECT_EQ(-EINVAL, tvm_ioctl(self->fd, KVM_GET_API_VERSION, 1));
}

TEST_F(sys, vcpu_mmap_size)
{
	long size = tvm_ioctl(self->fd, KVM_GET_VCPU_MMAP_SIZE, 0);

	EXPECT_GE(size, sizeof(struct kvm_run));
	EXPECT_EQ(0, size % TVM_PAGE);
	EXPECT_EQ(-EINVAL, tvm_ioctl(self->fd, KVM_GET_VCPU_MMAP_SIZE, 1));
}

TEST_F(sys, unknown_number)
{
	const long unknown = tvm_is_kvm() ? -EINVAL : -ENOTTY;

	EXPECT_EQ(unknown, tvm_ioctl(self->fd, _IO(KVMIO, 0xfe), 0));
	EXPECT_EQ(unknown, tvm_ioctl(self->fd, _IOW(KVMIO, 0xff, long), BAD_PTR));
	/* a foreign type byte, and a number of another kind of fd */
	EXPECT_EQ(unknown, tvm_ioctl(self->fd, _IO('x', 0), 0));
	EXPECT_EQ(unknown, tvm_ioctl(self->fd, KVM_RUN, 0));
	EXPECT_EQ(unknown, tvm_ioctl(self->fd, KVM_CREATE_IRQCHIP, 0));
	/* the right number with the wrong size is an unknown number */
	EXPECT_EQ(unknown, tvm_ioctl(self->fd, _IOWR(KVMIO, 0x05, char[20]), BAD_PTR));
}

TEST_F(sys, unknown_extension)
{
	EXPECT_EQ(0, tvm_ioctl(self->fd, KVM_CHECK_EXTENSION, 0xffffff));
	EXPECT_EQ(0, tvm_ioctl(self->fd, KVM_CHECK_EXTENSION, -1UL));
}

TEST_F(sys, vm_type)
{
	EXPECT_EQ(-EINVAL, tvm_ioctl(self->fd, KVM_CREATE_VM, 0xdead));
	EXPECT_EQ(-EINVAL, tvm_ioctl(self->fd, KVM_CREATE_VM, -1UL));
}

TEST_F(sys, msr_list)
{
	struct {
		struct kvm_msr_list head;
		uint32_t index[1024];
	} list = { .head.nmsrs = 0 };
	uint32_t i, n, found = 0;

	/* too short: E2BIG and the number wanted, nothing else written */
	EXPECT_EQ(-E2BIG, tvm_ioctl_p(self->fd, KVM_GET_MSR_INDEX_LIST, &list));
	n = list.head.nmsrs;
	ASSERT_GT(n, 0);
	ASSERT_LT(n, 1024);
	EXPECT_EQ(0, list.index[0]);
	ASSERT_EQ(0, tvm_ioctl_p(self->fd, KVM_GET_MSR_INDEX_LIST, &list));
	EXPECT_EQ(n, list.head.nmsrs);
	for (i = 0; i < n; i++)
		found += list.index[i] == MSR_STAR || list.index[i] == MSR_LSTAR ||
			 list.index[i] == MSR_IA32_TSC || list.index[i] == MSR_IA32_SYSENTER_EIP;
	EXPECT_EQ(4, found);
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->fd, KVM_GET_MSR_INDEX_LIST, BAD_PTR));
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->fd, KVM_GET_MSR_INDEX_LIST, KERNEL_PTR));
}

TEST_F(sys, feature_msr_list)
{
	struct kvm_msr_list list = { .nmsrs = 0 };

	if (tvm_ioctl(self->fd, KVM_CHECK_EXTENSION, KVM_CAP_GET_MSR_FEATURES) <= 0)
		SKIP(return, "no KVM_CAP_GET_MSR_FEATURES");
	EXPECT_EQ(-E2BIG, tvm_ioctl_p(self->fd, KVM_GET_MSR_FEATURE_INDEX_LIST, &list));
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->fd, KVM_GET_MSR_FEATURE_INDEX_LIST, BAD_PTR));
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->fd, KVM_GET_MSRS, BAD_PTR));
}

TEST_F(sys, supported_cpuid)
{
	struct tvm_cpuid cpuid = { .head.nent = 1 };

	EXPECT_EQ(-E2BIG, tvm_ioctl_p(self->fd, KVM_GET_SUPPORTED_CPUID, &cpuid));
	cpuid.head.nent = 0;
	EXPECT_EQ(-E2BIG, tvm_ioctl_p(self->fd, KVM_GET_SUPPORTED_CPUID, &cpuid));
	cpuid.head.nent = 256;
	ASSERT_EQ(0, tvm_ioctl_p(self->fd, KVM_GET_SUPPORTED_CPUID, &cpuid));
	EXPECT_GT(cpuid.head.nent, 5);
	EXPECT_LT(cpuid.head.nent, 256);
	ASSERT_NE(NULL, tvm_cpuid_find(&cpuid, 1, 0));
	EXPECT_TRUE(tvm_cpuid_find(&cpuid, 1, 0)->ecx & CPUID_1_ECX_X2APIC);
	ASSERT_NE(NULL, tvm_cpuid_find(&cpuid, 0x80000001, 0));
	EXPECT_TRUE(tvm_cpuid_find(&cpuid, 0x80000001, 0)->edx & BIT64(29));	/* long mode */
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->fd, KVM_GET_SUPPORTED_CPUID, BAD_PTR));
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->fd, KVM_GET_SUPPORTED_CPUID, KERNEL_PTR));
}

/* An absurd count must not make the kernel allocate by it. */
TEST_F(sys, supported_cpuid_huge_count)
{
	struct tvm_cpuid cpuid = { .head.nent = 0xffffffff };

	ASSERT_EQ(0, tvm_ioctl_p(self->fd, KVM_GET_SUPPORTED_CPUID, &cpuid));
	EXPECT_LT(cpuid.head.nent, 256);
}

TEST_HARNESS_MAIN
