// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards what QEMU does at every reset: KVM_SET_VAPIC_ADDR with no address. Without an in-kernel
 * TPR page any other address must be refused, and KVM_CAP_VAPIC and KVM_TPR_ACCESS_REPORTING, which
 * lead a VMM to give one, must not be claimed.
 */
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "tvm.h"

FIXTURE(vapic) {
	struct tvm vm;
	struct tvcpu cpu;
};

FIXTURE_SETUP(vapic)
{
	tvm_create(&self->vm, TVM_IRQCHIP);
	tvcpu_create(&self->cpu, &self->vm, 0);
}

FIXTURE_TEARDOWN(vapic)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

TEST_F(vapic, none)
{
	struct kvm_vapic_addr addr = {};

	EXPECT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_SET_VAPIC_ADDR, &addr));
}

TEST_F(vapic, some)
{
	struct kvm_tpr_access_ctl control = { .enabled = 1 };
	struct kvm_vapic_addr addr = { .vapic_addr = TVM_FREE_GPA };

	if (tvm_cap(&self->vm, KVM_CAP_VAPIC))
		SKIP(return, "the TPR page is there");
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->cpu.fd, KVM_SET_VAPIC_ADDR, &addr));
	addr.vapic_addr = -1ULL;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->cpu.fd, KVM_SET_VAPIC_ADDR, &addr));
	EXPECT_EQ(-ENOTTY, tvm_ioctl_p(self->cpu.fd, KVM_TPR_ACCESS_REPORTING, &control));
}

TEST_F(vapic, unreadable)
{
	void *hole = mmap(NULL, TVM_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, hole);
	EXPECT_EQ(-EFAULT, tvm_ioctl_p(self->cpu.fd, KVM_SET_VAPIC_ADDR, hole));
}

TEST_HARNESS_MAIN
