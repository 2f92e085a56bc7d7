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

/* What CPUID leaf 0xD tells about XCR0 is what the attribute says. */
TEST_F(sys, xcomp_attribute)
{
	struct tvm_cpuid cpuid = { .head.nent = 256 };
	struct kvm_cpuid_entry2 *e;
	uint64_t told, mask = 0;
	struct kvm_device_attr attr = {
		.attr = KVM_X86_XCOMP_GUEST_SUPP,
		.addr = (unsigned long)&mask,
	};

	ASSERT_EQ(1, tvm_ioctl(self->fd, KVM_CHECK_EXTENSION, KVM_CAP_SYS_ATTRIBUTES));
	EXPECT_EQ(0, tvm_ioctl_p(self->fd, KVM_HAS_DEVICE_ATTR, &attr));
	ASSERT_EQ(0, tvm_ioctl_p(self->fd, KVM_GET_DEVICE_ATTR, &attr));
	ASSERT_EQ(0, tvm_ioctl_p(self->fd, KVM_GET_SUPPORTED_CPUID, &cpuid));
	e = tvm_cpuid_find(&cpuid, 0xd, 0);
	told = e ? e->eax | (uint64_t)e->edx << 32 : 0;
	/* KVM's may have more: what CPUID tells only after permission was asked for */
	EXPECT_EQ(told, tvm_is_kvm() ? mask & told : mask);
}

TEST_F(sys, bad_attribute)
{
	uint64_t mask;
	const struct kvm_device_attr good = {
		.attr = KVM_X86_XCOMP_GUEST_SUPP,
		.addr = (unsigned long)&mask,
	};
	struct kvm_device_attr attr = good;

	attr.attr = 77;
	EXPECT_EQ(-ENXIO, tvm_ioctl_p(self->fd, KVM_HAS_DEVICE_ATTR, &attr));
	EXPECT_EQ(-ENXIO, tvm_ioctl_p(self->fd, KVM_GET_DEVICE_ATTR, &attr));
	attr = good;
	attr.group = 77;
	EXPECT_EQ(-ENXIO, tvm_ioctl_p(self->fd, KVM_HAS_DEVICE_ATTR, &attr));
	EXPECT_EQ(-ENXIO, tvm_ioctl_p(self->fd, KVM_GET_DEVICE_ATTR, &attr));
	attr = good;
	attr.addr = BAD_PTR;
	EXPECT_EQ(-EFAULT, tvm_ioctl_p(self->fd, KVM_GET_DEVICE_ATTR, &attr));
	attr.addr = KERNEL_PTR;
	EXPECT_EQ(-EFAULT, tvm_ioctl_p(self->fd, KVM_GET_DEVICE_ATTR, &attr));
	attr = good;
	attr.flags = 1;
	if (!tvm_is_kvm()) {
		EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->fd, KVM_HAS_DEVICE_ATTR, &attr));
		EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->fd, KVM_GET_DEVICE_ATTR, &attr));
	}
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->fd, KVM_HAS_DEVICE_ATTR, BAD_PTR));
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->fd, KVM_GET_DEVICE_ATTR, KERNEL_PTR));
	/* it cannot be set */
	EXPECT_GT(0, tvm_ioctl_p(self->fd, KVM_SET_DEVICE_ATTR, &good));
}

/* An absurd count must not make the kernel allocate by it. */
TEST_F(sys, supported_cpuid_huge_count)
{
	struct tvm_cpuid cpuid = { .head.nent = 0xffffffff };

	ASSERT_EQ(0, tvm_ioctl_p(self->fd, KVM_GET_SUPPORTED_CPUID, &cpuid));
	EXPECT_LT(cpuid.head.nent, 256);
}

TEST_HARNESS_MAIN
