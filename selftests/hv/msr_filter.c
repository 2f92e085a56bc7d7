// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards KVM_X86_SET_MSR_FILTER and KVM_CAP_X86_USER_SPACE_MSR: which accesses are denied, that
 * registers a guest normally reaches without an exit are filtered too, that user space's answer
 * (a value or an error) is what the guest gets, the reasons it is told, and hostile arguments.
 */
#include "kselftest_harness.h"
#include "msr.h"
#include "tvm.h"

#define ALL_REASONS	(KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN |	\
			 KVM_MSR_EXIT_REASON_FILTER)
#define RW		(KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE)
#define MAX_MSRS	(KVM_MSR_FILTER_MAX_BITMAP_SIZE * 8)

FIXTURE(filter) {
	struct tvm vm;
	struct tvcpu cpu;
	struct kvm_run *run;
};

FIXTURE_SETUP(filter)
{
	tvm_start(&self->vm, &self->cpu, TVM_IRQCHIP, g_msr_reader);
	self->run = self->cpu.run;
}

FIXTURE_TEARDOWN(filter)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

static long set_filter(struct tvm *vm, const struct kvm_msr_filter *filter)
{
	return tvm_ioctl_p(vm->fd, KVM_X86_SET_MSR_FILTER, filter);
}

static long user_space_msr(struct tvm *vm, uint64_t reasons)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_USER_SPACE_MSR, .args = { reasons } };

	return tvm_ioctl_p(vm->fd, KVM_ENABLE_CAP, &cap);
}

/* A filter that denies @access of @msr and nothing else. */
static void deny_one(struct tvm *vm, uint32_t msr, uint32_t access)
{
	static uint8_t none[8];
	struct kvm_msr_filter filter = {
		.flags = KVM_MSR_FILTER_DEFAULT_ALLOW,
		.ranges[0] = { .flags = access, .nmsrs = 1, .base = msr, .bitmap = none },
	};

	TVM_MUST(vm->fd, KVM_X86_SET_MSR_FILTER, &filter);
}

static void no_filter(struct tvm *vm)
{
	struct kvm_msr_filter filter = {};

	TVM_MUST(vm->fd, KVM_X86_SET_MSR_FILTER, &filter);
}

static void expect_msr_exit(struct tvcpu *cpu, uint32_t exit, uint32_t msr, uint32_t reason)
{
	tvm_expect_exit(cpu, exit);
	if (cpu->run->msr.index == msr && cpu->run->msr.reason == reason && !cpu->run->msr.error)
		return;
	tvm_die("exit for MSR %#x reason %u error %u, not MSR %#x reason %u", cpu->run->msr.index,
		cpu->run->msr.reason, cpu->run->msr.error, msr, reason);
}

TEST_F(filter, capabilities)
{
	EXPECT_GT(tvm_cap(&self->vm, KVM_CAP_X86_MSR_FILTER), 0);
	EXPECT_GT(tvm_cap(&self->vm, KVM_CAP_X86_USER_SPACE_MSR), 0);
}

/* Registers that are in hardware, one that is emulated: #GP while denied, as ever afterwards. */
TEST_F(filter, denied_is_gp)
{
	static const uint32_t msrs[] = {
		MSR_FS_BASE, MSR_KERNEL_GS_BASE, MSR_IA32_SYSENTER_EIP, MSR_LSTAR,
		MSR_IA32_MISC_ENABLE,
	};
	unsigned int i;

	for (i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
		g_msr_nr = msrs[i];
		deny_one(&self->vm, g_msr_nr, KVM_MSR_FILTER_READ);
		g_msr_faults = 0;
		EXPECT_EQ(1, tvm_sync(&self->cpu));
		EXPECT_EQ(1, g_msr_faults)
			TH_LOG("MSR %#x", g_msr_nr);
		/* the host is not filtered */
		tvcpu_get_msr(&self->cpu, g_msr_nr);
		no_filter(&self->vm);
		EXPECT_EQ(1, tvm_sync(&self->cpu));
		EXPECT_EQ(1, g_msr_faults);
	}
}

TEST_F(filter, kinds_of_access)
{
	g_msr_nr = MSR_KERNEL_GS_BASE;
	deny_one(&self->vm, g_msr_nr, KVM_MSR_FILTER_WRITE);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, g_msr_faults);
	tvcpu_long_mode(&self->cpu, g_msr_writer);
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	EXPECT_EQ(1, g_msr_faults);
	deny_one(&self->vm, g_msr_nr, KVM_MSR_FILTER_READ);
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	EXPECT_EQ(1, g_msr_faults);
}

/* Two neighbours of a denied MSR within one bitmap, and the default for what no range covers. */
TEST_F(filter, bitmap_and_default)
{
	uint8_t bits[8] = { 0xfb };	/* the third one is denied */
	struct kvm_msr_filter filter = {
		.flags = KVM_MSR_FILTER_DEFAULT_DENY,
		.ranges[3] = { .flags = RW, .nmsrs = 8, .base = MSR_STAR - 1, .bitmap = bits },
	};

	EXPECT_EQ(0, set_filter(&self->vm, &filter));
	g_msr_nr = MSR_STAR;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, g_msr_faults);
	g_msr_nr = MSR_LSTAR;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(1, g_msr_faults);
	g_msr_nr = MSR_CSTAR;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(1, g_msr_faults);
	g_msr_nr = MSR_IA32_PAT;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(2, g_msr_faults);
	/* the bitmap was copied when the filter was set */
	memset(bits, 0xff, sizeof(bits));
	g_msr_nr = MSR_LSTAR;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(3, g_msr_faults);
}

/* Where two ranges overlap the first decides. */
TEST_F(filter, first_range_wins)
{
	uint8_t yes[8] = { 1 }, no[8] = {};
	struct kvm_msr_filter filter = {
		.ranges[0] = { .flags = RW, .nmsrs = 1, .base = MSR_LSTAR, .bitmap = yes },
		.ranges[1] = { .flags = RW, .nmsrs = 1, .base = MSR_LSTAR, .bitmap = no },
	};

	EXPECT_EQ(0, set_filter(&self->vm, &filter));
	g_msr_nr = MSR_LSTAR;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, g_msr_faults);
}

TEST_F(filter, x2apic_is_not_filtered)
{
	uint64_t base = tvcpu_get_msr(&self->cpu, MSR_IA32_APICBASE);
	struct tvm_cpuid cpuid;

	tvm_supported_cpuid(&self->vm, &cpuid);
	TVM_MUST(self->cpu.fd, KVM_SET_CPUID2, &cpuid);
	ASSERT_EQ(1, tvcpu_msr(&self->cpu, MSR_IA32_APICBASE, base | APICBASE_X2APIC));
	g_msr_nr = X2APIC_MSR(APIC_VERSION);
	deny_one(&self->vm, g_msr_nr, RW);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, g_msr_faults);
}

TEST_F(filter, user_space_reads)
{
	ASSERT_EQ(0, user_space_msr(&self->vm, ALL_REASONS));
	g_msr_nr = MSR_GS_BASE;
	deny_one(&self->vm, g_msr_nr, KVM_MSR_FILTER_READ);
	expect_msr_exit(&self->cpu, KVM_EXIT_X86_RDMSR, g_msr_nr, KVM_MSR_EXIT_REASON_FILTER);
	self->run->msr.data = 0x123456789abcdef0;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0x123456789abcdef0, g_msr_val);
	expect_msr_exit(&self->cpu, KVM_EXIT_X86_RDMSR, g_msr_nr, KVM_MSR_EXIT_REASON_FILTER);
	self->run->msr.error = 1;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(1, g_msr_faults);
}

TEST_F(filter, user_space_writes)
{
	ASSERT_EQ(0, user_space_msr(&self->vm, KVM_MSR_EXIT_REASON_FILTER));
	tvcpu_long_mode(&self->cpu, g_msr_writer);
	g_msr_nr = MSR_LSTAR;
	g_msr_val = 0xffffffff81234567;
	deny_one(&self->vm, g_msr_nr, KVM_MSR_FILTER_WRITE);
	expect_msr_exit(&self->cpu, KVM_EXIT_X86_WRMSR, g_msr_nr, KVM_MSR_EXIT_REASON_FILTER);
	EXPECT_EQ(0xffffffff81234567, self->run->msr.data);
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	EXPECT_EQ(0, tvcpu_get_msr(&self->cpu, g_msr_nr));
	expect_msr_exit(&self->cpu, KVM_EXIT_X86_WRMSR, g_msr_nr, KVM_MSR_EXIT_REASON_FILTER);
	self->run->msr.error = 7;
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	EXPECT_EQ(1, g_msr_faults);
}

TEST_F(filter, reasons)
{
	ASSERT_EQ(0, user_space_msr(&self->vm, ALL_REASONS));
	g_msr_nr = MSR_UNKNOWN;
	expect_msr_exit(&self->cpu, KVM_EXIT_X86_RDMSR, g_msr_nr, KVM_MSR_EXIT_REASON_UNKNOWN);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	tvcpu_long_mode(&self->cpu, g_msr_writer);
	expect_msr_exit(&self->cpu, KVM_EXIT_X86_WRMSR, g_msr_nr, KVM_MSR_EXIT_REASON_UNKNOWN);
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	g_msr_nr = MSR_IA32_PAT;
	g_msr_val = ~0ULL;		/* no such memory types */
	expect_msr_exit(&self->cpu, KVM_EXIT_X86_WRMSR, g_msr_nr, KVM_MSR_EXIT_REASON_INVAL);
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	/* each reason is asked for by itself */
	ASSERT_EQ(0, user_space_msr(&self->vm, KVM_MSR_EXIT_REASON_UNKNOWN));
	g_msr_faults = 0;
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	EXPECT_EQ(1, g_msr_faults);
	ASSERT_EQ(0, user_space_msr(&self->vm, 0));
	g_msr_nr = MSR_UNKNOWN;
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	EXPECT_EQ(2, g_msr_faults);
}

/* User space moved the vCPU elsewhere instead of answering: nothing is finished there. */
TEST_F(filter, replaced_while_pending)
{
	ASSERT_EQ(0, user_space_msr(&self->vm, ALL_REASONS));
	g_msr_nr = MSR_UNKNOWN;
	tvm_expect_exit(&self->cpu, KVM_EXIT_X86_RDMSR);
	self->run->msr.error = 1;
	tvcpu_long_mode(&self->cpu, g_msr_writer);
	g_msr_nr = MSR_LSTAR;
	g_msr_val = 0x1000;
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	EXPECT_EQ(0, g_msr_faults);
	EXPECT_EQ(0x1000, tvcpu_get_msr(&self->cpu, MSR_LSTAR));
}

TEST_F(filter, bad_arguments)
{
	static uint8_t bits[KVM_MSR_FILTER_MAX_BITMAP_SIZE + 8];
	struct kvm_msr_filter filter = { .flags = KVM_MSR_FILTER_DEFAULT_DENY };
	unsigned int bit;

	/* a filter without ranges may not deny everything */
	EXPECT_EQ(-EINVAL, set_filter(&self->vm, &filter));
	filter.flags = 0;
	filter.ranges[0] = (struct kvm_msr_filter_range) {
		.flags = RW, .nmsrs = MAX_MSRS, .bitmap = bits,
	};
	EXPECT_EQ(0, set_filter(&self->vm, &filter));
	filter.ranges[0].nmsrs = MAX_MSRS + 1;
	EXPECT_EQ(-EINVAL, set_filter(&self->vm, &filter));
	filter.ranges[0].nmsrs = -1;
	EXPECT_EQ(-EINVAL, set_filter(&self->vm, &filter));
	filter.ranges[0].nmsrs = 1;
	for (bit = 1; bit < 32; bit++) {
		filter.flags = 1U << bit;
		EXPECT_EQ(-EINVAL, set_filter(&self->vm, &filter));
	}
	filter.flags = 0;
	for (bit = 2; bit < 32; bit++) {
		filter.ranges[0].flags = RW | 1U << bit;
		EXPECT_EQ(-EINVAL, set_filter(&self->vm, &filter));
	}
	filter.ranges[0].flags = RW;
	filter.ranges[15] = (struct kvm_msr_filter_range) {
		.flags = RW, .nmsrs = 64, .bitmap = (void *)0x10,
	};
	EXPECT_EQ(-EFAULT, set_filter(&self->vm, &filter));
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->vm.fd, KVM_X86_SET_MSR_FILTER, 0x10));
	/* what was refused changed nothing: the whole low range is still denied */
	g_msr_nr = MSR_IA32_PAT;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(1, g_msr_faults);
}

TEST_F(filter, bad_reasons)
{
	unsigned int bit;

	for (bit = 3; bit < 64; bit++)
		EXPECT_EQ(-EINVAL, user_space_msr(&self->vm, BIT64(bit)));
}

/* The end of the MSR space: a range that would wrap covers nothing at its beginning. */
TEST_F(filter, wrapping_range)
{
	static uint8_t bits[KVM_MSR_FILTER_MAX_BITMAP_SIZE];
	struct kvm_msr_filter filter = {
		.ranges[0] = { .flags = RW, .nmsrs = 64, .base = -8U, .bitmap = bits },
	};

	EXPECT_EQ(0, set_filter(&self->vm, &filter));
	ASSERT_EQ(0, user_space_msr(&self->vm, KVM_MSR_EXIT_REASON_FILTER));
	g_msr_nr = -4U;
	expect_msr_exit(&self->cpu, KVM_EXIT_X86_RDMSR, g_msr_nr, KVM_MSR_EXIT_REASON_FILTER);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	g_msr_nr = MSR_IA32_TSC;		/* 0x10, below -8 + 64 */
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, g_msr_faults);
}

TEST_HARNESS_MAIN
