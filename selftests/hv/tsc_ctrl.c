// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards KVM_VCPU_TSC_CTRL: the offset between a vCPU's TSC and the host's is what user space
 * wrote, two vCPUs with one offset agree, MSR_IA32_TSC writes show in it, and hostile attributes;
 * and MSR_IA32_TSC as user space writes it: a time restored early in a VM's life is taken for what
 * it is, vCPUs restored one after the other agree, and one that comes late joins them.
 */
#include <time.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define FAR	BIT64(52)

static volatile uint64_t guest_tsc;

static void guest_clock(void)
{
	for (;;) {
		guest_tsc = g_rdtsc();
		g_sync(1);
	}
}

FIXTURE(tsc) {
	struct tvm vm;
	struct tvcpu cpu;
};

FIXTURE_SETUP(tsc)
{
	tvm_start(&self->vm, &self->cpu, TVM_IRQCHIP, guest_clock);
}

FIXTURE_TEARDOWN(tsc)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

static long attr(struct tvcpu *cpu, unsigned long req, uint64_t *offset)
{
	struct kvm_device_attr a = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t)offset,
	};

	return tvm_ioctl_p(cpu->fd, req, &a);
}

/* Run to the next sync: what the guest read lies between what the host reads before and after. */
static int in_step(struct tvcpu *cpu, uint64_t offset)
{
	uint64_t before = g_rdtsc() + offset, after;

	if (tvm_sync(cpu) != 1)
		return 0;
	after = g_rdtsc() + offset;
	return before <= guest_tsc && guest_tsc <= after;
}

TEST_F(tsc, offsets)
{
	uint64_t offsets[] = { 0, FAR, -FAR, 12345 }, got;
	unsigned int i;

	ASSERT_EQ(1, tvm_ioctl(self->vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_VCPU_ATTRIBUTES));
	ASSERT_EQ(0, attr(&self->cpu, KVM_HAS_DEVICE_ATTR, NULL));
	for (i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		EXPECT_EQ(0, attr(&self->cpu, KVM_SET_DEVICE_ATTR, &offsets[i]));
		EXPECT_TRUE(in_step(&self->cpu, offsets[i]))
			TH_LOG("offset %#lx", (unsigned long)offsets[i]);
		EXPECT_EQ(0, attr(&self->cpu, KVM_GET_DEVICE_ATTR, &got));
		EXPECT_EQ(offsets[i], got);
	}
}

/* Another name of what MSR_IA32_TSC sets; TSC_ADJUST is the guest's and stays. */
TEST_F(tsc, follows_the_msr)
{
	uint64_t offset;

	ASSERT_EQ(1, tvcpu_msr(&self->cpu, MSR_IA32_TSC, FAR));
	EXPECT_EQ(0, attr(&self->cpu, KVM_GET_DEVICE_ATTR, &offset));
	EXPECT_TRUE(in_step(&self->cpu, offset));
	EXPECT_EQ(0, tvcpu_get_msr(&self->cpu, MSR_IA32_TSC_ADJUST));
}

TEST_F(tsc, two_vcpus)
{
	uint64_t offset = FAR, other;
	struct tvcpu second;

	tvcpu_create(&second, &self->vm, 1);
	EXPECT_EQ(0, attr(&self->cpu, KVM_SET_DEVICE_ATTR, &offset));
	EXPECT_EQ(0, attr(&second, KVM_SET_DEVICE_ATTR, &offset));
	EXPECT_EQ(0, attr(&second, KVM_GET_DEVICE_ATTR, &other));
	EXPECT_EQ(offset, other);
	/* a third one joins the clock the first two share */
	tvcpu_destroy(&second);
	tvcpu_create(&second, &self->vm, 2);
	EXPECT_EQ(0, attr(&second, KVM_GET_DEVICE_ATTR, &other));
	if (!tvm_is_kvm())
		EXPECT_EQ(offset, other);
	tvcpu_destroy(&second);
}

static uint64_t tsc_offset(struct tvcpu *cpu)
{
	uint64_t offset = 0;

	attr(cpu, KVM_GET_DEVICE_ATTR, &offset);
	return offset;
}

static time_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Half a second is not what the VM's own clock, which has just begun, was going to show. */
TEST_F(tsc, restored_early)
{
	uint64_t saved = TVM_MUST(self->cpu.fd, KVM_GET_TSC_KHZ, 0) * 500ULL;
	struct tvcpu second;
	time_t begin;

	tvcpu_create(&second, &self->vm, 1);
	/* Writes that are a second apart are not for one moment. */
	do {
		begin = seconds();
		ASSERT_EQ(1, tvcpu_msr(&self->cpu, MSR_IA32_TSC, saved));
		ASSERT_EQ(1, tvcpu_msr(&second, MSR_IA32_TSC, saved));
	} while (seconds() > begin);
	EXPECT_GE(tvcpu_get_msr(&self->cpu, MSR_IA32_TSC), saved);
	EXPECT_EQ(tsc_offset(&self->cpu), tsc_offset(&second));
	tvcpu_destroy(&second);
}

/* QEMU writes the 0 of RESET to a vCPU that is plugged in. */
TEST_F(tsc, late_vcpu_joins)
{
	struct tvcpu second;

	ASSERT_EQ(1, tvcpu_msr(&self->cpu, MSR_IA32_TSC, BIT64(50)));
	tvcpu_create(&second, &self->vm, 1);
	ASSERT_EQ(1, tvcpu_msr(&second, MSR_IA32_TSC, 0));
	EXPECT_EQ(tsc_offset(&self->cpu), tsc_offset(&second));
	EXPECT_GE(tvcpu_get_msr(&second, MSR_IA32_TSC), BIT64(50));
	tvcpu_destroy(&second);
}

TEST_F(tsc, hostile)
{
	struct kvm_device_attr a = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET };
	struct kvm_device_attr bad = a;

	bad.attr = 1;
	EXPECT_EQ(-ENXIO, tvm_ioctl_p(self->cpu.fd, KVM_HAS_DEVICE_ATTR, &bad));
	EXPECT_EQ(-ENXIO, tvm_ioctl_p(self->cpu.fd, KVM_SET_DEVICE_ATTR, &bad));
	bad = a;
	bad.group = 77;
	EXPECT_EQ(-ENXIO, tvm_ioctl_p(self->cpu.fd, KVM_GET_DEVICE_ATTR, &bad));
	a.addr = 0x10;
	EXPECT_EQ(-EFAULT, tvm_ioctl_p(self->cpu.fd, KVM_GET_DEVICE_ATTR, &a));
	EXPECT_EQ(-EFAULT, tvm_ioctl_p(self->cpu.fd, KVM_SET_DEVICE_ATTR, &a));
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->cpu.fd, KVM_SET_DEVICE_ATTR, 0x10));
	a.addr = 0xffffffff81000000;
	EXPECT_EQ(-EFAULT, tvm_ioctl_p(self->cpu.fd, KVM_GET_DEVICE_ATTR, &a));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
}

TEST_HARNESS_MAIN
