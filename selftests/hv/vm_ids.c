// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards creation: vCPU ids out of range or taken, as many vCPUs as are claimed, several VMs at
 * once, ioctls of the VM and vCPU fds with unknown numbers, and what may no longer be done once a
 * vCPU exists. Errnos were verified on stock KVM 6.12.
 */
#include <sys/resource.h>
#include <unistd.h>

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

/* As many as are claimed, at the upper end of the ids that are claimed, and not one more. */
TEST_F(ids, all)
{
	long max = tvm_cap(&self->vm, KVM_CAP_MAX_VCPUS);
	long first = tvm_cap(&self->vm, KVM_CAP_MAX_VCPU_ID) - max;
	long i;

	ASSERT_GE(max, 512);
	ASSERT_GE(first, 1);
	/* stock KVM claims so many that it takes minutes here */
	if (tvm_is_kvm())
		max = 16;
	TVM_MUST(self->vm.fd, KVM_CREATE_IRQCHIP, 0);
	for (i = 0; i < max; i++)
		ASSERT_GE(tvm_ioctl(self->vm.fd, KVM_CREATE_VCPU, first + i), 0);
	if (!tvm_is_kvm())
		EXPECT_EQ(-EINVAL, tvm_ioctl(self->vm.fd, KVM_CREATE_VCPU, 0));
}

static long limit_ids(struct tvm *vm, uint64_t limit)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_MAX_VCPU_ID, .args[0] = limit };

	return tvm_ioctl_p(vm->fd, KVM_ENABLE_CAP, &cap);
}

TEST_F(ids, limited)
{
	long max = tvm_cap(&self->vm, KVM_CAP_MAX_VCPU_ID);

	EXPECT_EQ(-EINVAL, limit_ids(&self->vm, max + 1));
	EXPECT_EQ(-EINVAL, limit_ids(&self->vm, 1ULL << 32));
	EXPECT_EQ(0, limit_ids(&self->vm, 0));
	EXPECT_EQ(0, tvm_ioctl(self->vm.fd, KVM_SET_BOOT_CPU_ID, 2));
	EXPECT_EQ(-EINVAL, limit_ids(&self->vm, 1));
	EXPECT_EQ(0, limit_ids(&self->vm, 3));
	EXPECT_EQ(-EINVAL, limit_ids(&self->vm, 4));
	EXPECT_EQ(-EINVAL, tvm_ioctl(self->vm.fd, KVM_CREATE_VCPU, 3));
	EXPECT_GE(tvm_ioctl(self->vm.fd, KVM_CREATE_VCPU, 2), 0);
}

TEST_F(ids, limited_too_late)
{
	EXPECT_GE(tvm_ioctl(self->vm.fd, KVM_CREATE_VCPU, 0), 0);
	EXPECT_EQ(-EINVAL, limit_ids(&self->vm, 3));
}

#define HIGH_ID		300
#define VECTOR		0x61

static uint32_t irr_word(int cpu, unsigned int vector)
{
	struct kvm_lapic_state lapic;

	TVM_MUST(cpu, KVM_GET_LAPIC, &lapic);
	return *(uint32_t *)(lapic.regs + APIC_IRR + vector / 32 * 0x10) >> vector % 32 & 1;
}

static void software_enable(int cpu)
{
	struct kvm_lapic_state lapic;

	TVM_MUST(cpu, KVM_GET_LAPIC, &lapic);
	*(uint32_t *)(lapic.regs + APIC_SVR) |= APIC_SVR_ENABLE;
	TVM_MUST(cpu, KVM_SET_LAPIC, &lapic);
}

/* An id beyond the xAPIC's 8 bits is reached by its 32, whatever mode its LAPIC is in. */
TEST_F(ids, messages_to_high_ids)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_X2APIC_API, .args[0] = KVM_X2APIC_API_USE_32BIT_IDS,
	};
	struct kvm_msi msi = {
		.address_lo = APIC_BASE_GPA | (HIGH_ID & 0xff) << 12,
		.address_hi = HIGH_ID & ~0xff,
		.data = VECTOR,
	};
	int low, high;

	TVM_MUST(self->vm.fd, KVM_ENABLE_CAP, &cap);
	TVM_MUST(self->vm.fd, KVM_CREATE_IRQCHIP, 0);
	low = TVM_MUST(self->vm.fd, KVM_CREATE_VCPU, HIGH_ID & 0xff);
	high = TVM_MUST(self->vm.fd, KVM_CREATE_VCPU, HIGH_ID);
	software_enable(low);
	software_enable(high);
	EXPECT_EQ(1, tvm_ioctl_p(self->vm.fd, KVM_SIGNAL_MSI, &msi));
	EXPECT_EQ(0, irr_word(low, VECTOR));
	EXPECT_EQ(1, irr_word(high, VECTOR));
	msi.address_hi = 0;
	msi.data++;
	EXPECT_LE(1, tvm_ioctl_p(self->vm.fd, KVM_SIGNAL_MSI, &msi));
	EXPECT_EQ(1, irr_word(low, VECTOR + 1));
	/* nobody has this one, but it must not become somebody else's */
	msi.address_hi = 0x7fffff00;
	msi.data++;
	EXPECT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_SIGNAL_MSI, &msi));
	EXPECT_EQ(0, irr_word(low, VECTOR + 2));
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

/* A vCPU that could not be made is none: what has to come first still may. */
TEST_F(ids, no_descriptor_left)
{
	int next = dup(self->vm.fd);
	struct rlimit limit, none;

	ASSERT_GE(next, 0);
	close(next);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	none = (struct rlimit){ .rlim_cur = next, .rlim_max = limit.rlim_max };
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	EXPECT_EQ(-EMFILE, tvm_ioctl(self->vm.fd, KVM_CREATE_VCPU, 0));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	if (!tvm_is_kvm())
		EXPECT_EQ(0, tvm_ioctl(self->vm.fd, KVM_CREATE_IRQCHIP, 0));
}

TEST_HARNESS_MAIN
