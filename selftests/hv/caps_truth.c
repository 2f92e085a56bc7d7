// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards that KVM_CHECK_EXTENSION tells the truth: what a kvmtool-class VMM needs is claimed, and
 * for every claimed capability the ioctl behind it exists and works on a fresh VM.
 */
#include <sys/eventfd.h>

#include "kselftest_harness.h"
#include "tvm.h"

FIXTURE(caps) {
	struct tvm vm;
	struct tvcpu cpu;
};

FIXTURE_SETUP(caps)
{
	tvm_create(&self->vm, TVM_PIT);
	tvcpu_create(&self->cpu, &self->vm, 0);
}

FIXTURE_TEARDOWN(caps)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

TEST_F(caps, required)
{
	static const unsigned int need[] = {
		KVM_CAP_IRQCHIP, KVM_CAP_HLT, KVM_CAP_USER_MEMORY, KVM_CAP_EXT_CPUID,
		KVM_CAP_SET_TSS_ADDR, KVM_CAP_MP_STATE, KVM_CAP_DESTROY_MEMORY_REGION_WORKS,
		KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, KVM_CAP_SET_GUEST_DEBUG, KVM_CAP_PIT2,
		KVM_CAP_IRQ_ROUTING, KVM_CAP_IRQFD, KVM_CAP_IOEVENTFD, KVM_CAP_READONLY_MEM,
		KVM_CAP_IMMEDIATE_EXIT, KVM_CAP_SIGNAL_MSI, KVM_CAP_NR_VCPUS, KVM_CAP_NR_MEMSLOTS,
		KVM_CAP_MAX_VCPUS, KVM_CAP_XSAVE, KVM_CAP_DEBUGREGS,
		KVM_CAP_VCPU_EVENTS, KVM_CAP_ADJUST_CLOCK, KVM_CAP_TSC_DEADLINE_TIMER,
		KVM_CAP_SYNC_MMU,
	};
	struct tvm_cpuid cpuid;
	unsigned int i;
	long cap;

	for (i = 0; i < sizeof(need) / sizeof(need[0]); i++) {
		cap = tvm_cap(&self->vm, need[i]);
		EXPECT_GT(cap, 0)
			TH_LOG("capability %u", need[i]);
	}
	/* stock kernels switch XSAVE off on some models of the VT-x machine */
	tvm_supported_cpuid(&self->vm, &cpuid);
	if (tvm_cpuid_find(&cpuid, 1, 0)->ecx & CPUID_1_ECX_XSAVE)
		EXPECT_GT(tvm_cap(&self->vm, KVM_CAP_XCRS), 0);
}

TEST_F(caps, limits)
{
	long nr = tvm_cap(&self->vm, KVM_CAP_NR_VCPUS);
	long max = tvm_cap(&self->vm, KVM_CAP_MAX_VCPUS);
	long id = tvm_cap(&self->vm, KVM_CAP_MAX_VCPU_ID);

	EXPECT_LE(nr, max);
	if (id)
		EXPECT_GE(id, max);
	EXPECT_GE(tvm_cap(&self->vm, KVM_CAP_NR_MEMSLOTS), 32);
}

/* The VM fd answers too where KVM_CAP_CHECK_EXTENSION_VM says so. */
TEST_F(caps, on_vm_fd)
{
	if (!tvm_cap(&self->vm, KVM_CAP_CHECK_EXTENSION_VM))
		SKIP(return, "no KVM_CAP_CHECK_EXTENSION_VM");
	EXPECT_GT(tvm_ioctl(self->vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_IRQCHIP), 0);
	EXPECT_EQ(0, tvm_ioctl(self->vm.fd, KVM_CHECK_EXTENSION, 0xffffff));
}

/* One GET for each capability that names one: a claim means that it succeeds. */
TEST_F(caps, vcpu_gets)
{
	static uint8_t buf[16384];
	static const struct {
		unsigned int cap;
		unsigned long req;
	} get[] = {
		{ KVM_CAP_MP_STATE, KVM_GET_MP_STATE },
		{ KVM_CAP_VCPU_EVENTS, KVM_GET_VCPU_EVENTS },
		{ KVM_CAP_DEBUGREGS, KVM_GET_DEBUGREGS },
		{ KVM_CAP_XSAVE, KVM_GET_XSAVE },
		{ KVM_CAP_XSAVE2, KVM_GET_XSAVE2 },
		{ KVM_CAP_XCRS, KVM_GET_XCRS },
		{ KVM_CAP_IRQCHIP, KVM_GET_LAPIC },
		{ KVM_CAP_SREGS2, KVM_GET_SREGS2 },
		{ KVM_CAP_GET_TSC_KHZ, KVM_GET_TSC_KHZ },
	};
	unsigned int i;

	for (i = 0; i < sizeof(get) / sizeof(get[0]); i++) {
		if (tvm_cap(&self->vm, get[i].cap) <= 0)
			continue;
		EXPECT_GE(tvm_ioctl_p(self->cpu.fd, get[i].req, buf), 0)
			TH_LOG("capability %u is claimed", get[i].cap);
	}
}

TEST_F(caps, vm_gets)
{
	static uint8_t buf[4096];

	if (tvm_cap(&self->vm, KVM_CAP_PIT_STATE2) > 0)
		EXPECT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_GET_PIT2, buf));
	if (tvm_cap(&self->vm, KVM_CAP_ADJUST_CLOCK) > 0)
		EXPECT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_GET_CLOCK, buf));
	if (tvm_cap(&self->vm, KVM_CAP_SET_BOOT_CPU_ID) > 0)
		/* vCPU 0 exists: too late */
		EXPECT_EQ(-EBUSY, tvm_ioctl(self->vm.fd, KVM_SET_BOOT_CPU_ID, 0));
	if (tvm_cap(&self->vm, KVM_CAP_SET_IDENTITY_MAP_ADDR) > 0) {
		uint64_t addr = 0xfffbc000;

		EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->vm.fd, KVM_SET_IDENTITY_MAP_ADDR, &addr));
	}
}

TEST_F(caps, irqfd_and_ioeventfd)
{
	struct kvm_irqfd irqfd = { .gsi = 5 };
	struct kvm_ioeventfd io = {
		.addr = 0x500, .len = 2, .flags = KVM_IOEVENTFD_FLAG_PIO,
	};

	irqfd.fd = eventfd(0, 0);
	io.fd = irqfd.fd;
	if (tvm_cap(&self->vm, KVM_CAP_IRQFD) > 0)
		EXPECT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_IRQFD, &irqfd));
	if (tvm_cap(&self->vm, KVM_CAP_IOEVENTFD) > 0)
		EXPECT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_IOEVENTFD, &io));
	if (tvm_cap(&self->vm, KVM_CAP_IOEVENTFD_ANY_LENGTH) > 0) {
		io.addr = TVM_HOLE_GPA;
		io.len = 0;
		io.flags = 0;
		EXPECT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_IOEVENTFD, &io));
	}
}

/* KVM_ENABLE_CAP refuses what does not exist and flags nobody defined. */
TEST_F(caps, enable_unknown)
{
	struct kvm_enable_cap cap = { .cap = 0xfffff };

	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->vm.fd, KVM_ENABLE_CAP, &cap));
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->cpu.fd, KVM_ENABLE_CAP, &cap));
	cap.flags = 1;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->vm.fd, KVM_ENABLE_CAP, &cap));
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->vm.fd, KVM_ENABLE_CAP, 0x10));
}

static long enable(struct tvm *vm, unsigned int cap, uint64_t arg)
{
	struct kvm_enable_cap c = { .cap = cap, .args = { arg } };

	return tvm_ioctl_p(vm->fd, KVM_ENABLE_CAP, &c);
}

/* Switches take 0 and 1; what KVM 6.12 does with more differs by capability. */
TEST_F(caps, emulation_failure_switch)
{
	if (!tvm_cap(&self->vm, KVM_CAP_EXIT_ON_EMULATION_FAILURE))
		SKIP(return, "no KVM_CAP_EXIT_ON_EMULATION_FAILURE");
	EXPECT_EQ(0, enable(&self->vm, KVM_CAP_EXIT_ON_EMULATION_FAILURE, 1));
	EXPECT_EQ(0, enable(&self->vm, KVM_CAP_EXIT_ON_EMULATION_FAILURE, 0));
	EXPECT_EQ(-EINVAL, enable(&self->vm, KVM_CAP_EXIT_ON_EMULATION_FAILURE, 2));
}

/* The rate of future vCPUs cannot change once there is one; reading it always works. */
TEST_F(caps, vm_tsc_khz)
{
	long khz = tvm_ioctl(self->vm.fd, KVM_GET_TSC_KHZ, 0);

	if (!tvm_cap(&self->vm, KVM_CAP_VM_TSC_CONTROL))
		SKIP(return, "no KVM_CAP_VM_TSC_CONTROL");
	EXPECT_GT(khz, 0);
	EXPECT_EQ(-EINVAL, tvm_ioctl(self->vm.fd, KVM_SET_TSC_KHZ, khz));
}

TEST_HARNESS_MAIN
