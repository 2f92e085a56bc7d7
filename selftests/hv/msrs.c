// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards MSRs: GET/SET_MSRS lists and how far they get, values that must be refused, every MSR of
 * the index list readable, guest and host agreeing on the switched ones (SYSCALL, SYSENTER, GS,
 * TSC_AUX), #GP for what does not exist, and that host MSRs survive a guest that changes its own.
 */
#include <cpuid.h>
#include <sched.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "msr.h"
#include "tvm.h"

#define MSR_DEBUGCTL	0x1d9
#define DEBUGCTL_BTF	BIT64(1)
#define NON_CANONICAL	0x4000000000000000ULL	/* with 4 and with 5 level paging */

FIXTURE(msr) {
	struct tvm vm;
	struct tvcpu cpu;
};

FIXTURE_SETUP(msr)
{
	tvm_start(&self->vm, &self->cpu, TVM_IRQCHIP, g_msr_reader);
}

FIXTURE_TEARDOWN(msr)
{
	EXPECT_EQ(1, tvm_sync(&self->cpu) > 0);
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

/* Values for MSRs the guest owns whole: host sets, guest reads, guest writes, host gets. */
static const struct {
	uint32_t index;
	uint64_t val;
} owned[] = {
	{ MSR_STAR, 0x0023001000000000 },
	{ MSR_LSTAR, 0xffffffff81001234 },
	{ MSR_CSTAR, 0xffffffff81005678 },
	{ MSR_SYSCALL_MASK, 0x47700 },
	{ MSR_KERNEL_GS_BASE, 0xffff888012345000 },
	{ MSR_FS_BASE, 0x00007f0012345000 },
	{ MSR_GS_BASE, 0xffff888000042000 },
	{ MSR_IA32_SYSENTER_CS, 0x10 },
	{ MSR_IA32_SYSENTER_ESP, 0xfffffe0000001000 },
	{ MSR_IA32_SYSENTER_EIP, 0xffffffff81009abc },
	{ MSR_IA32_PAT, 0x0007040600070406 },
};

/* AMD's SYSENTER MSRs hold 32 bits. */
static uint64_t owned_val(unsigned int i)
{
	if (tvm_host_is_intel() || owned[i].index > MSR_IA32_SYSENTER_EIP)
		return owned[i].val;
	return (uint32_t)owned[i].val;
}

TEST_F(msr, host_to_guest)
{
	unsigned int i;
	uint64_t val;

	for (i = 0; i < sizeof(owned) / sizeof(owned[0]); i++) {
		val = owned_val(i);
		EXPECT_EQ(1, tvcpu_msr(&self->cpu, owned[i].index, val));
		EXPECT_EQ(val, tvcpu_get_msr(&self->cpu, owned[i].index));
		g_msr_nr = owned[i].index;
		EXPECT_EQ(1, tvm_sync(&self->cpu));
		EXPECT_EQ(val, g_msr_val)
			TH_LOG("MSR %#x", owned[i].index);
	}
	EXPECT_EQ(0, g_msr_faults);
}

TEST_F(msr, guest_to_host)
{
	unsigned int i;
	uint64_t val;

	tvcpu_long_mode(&self->cpu, g_msr_writer);
	for (i = 0; i < sizeof(owned) / sizeof(owned[0]); i++) {
		val = owned_val(i);
		g_msr_nr = owned[i].index;
		g_msr_val = val;
		EXPECT_EQ(2, tvm_sync(&self->cpu));
		EXPECT_EQ(val, tvcpu_get_msr(&self->cpu, owned[i].index))
			TH_LOG("MSR %#x", owned[i].index);
	}
	EXPECT_EQ(0, g_msr_faults);
	/* the host still has its own SYSCALL entry and GS base: this call proves it */
	EXPECT_EQ(getpid(), syscall(SYS_getpid));
}

static volatile uint32_t guest_aux;

static uint32_t rdtscp(void)
{
	uint32_t aux;

	asm volatile("rdtscp" : "=c"(aux) : : "eax", "edx");
	return aux;
}

static void guest_rdtscp(void)
{
	for (;;) {
		guest_aux = rdtscp();
		g_sync(3);
	}
}

/* RDTSCP reads the register itself: each side finds its own there, the host its CPU's number. */
TEST_F(msr, tsc_aux)
{
	unsigned int cpu = sysconf(_SC_NPROCESSORS_ONLN) - 1;	/* not 0, if there is another */
	cpu_set_t one;

	if (tvcpu_msr(&self->cpu, MSR_TSC_AUX, 0x5678) != 1)
		SKIP(return, "no RDTSCP here");
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
	EXPECT_EQ(cpu, rdtscp() & 0xfff);
	tvcpu_long_mode(&self->cpu, guest_rdtscp);
	EXPECT_EQ(3, tvm_sync(&self->cpu));
	EXPECT_EQ(0x5678, guest_aux);
	EXPECT_EQ(cpu, rdtscp() & 0xfff);
}

TEST_F(msr, guest_unknown_is_gp)
{
	g_msr_nr = MSR_UNKNOWN;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(1, g_msr_faults);
	EXPECT_EQ(G_MSR_FAULTED, g_msr_val);
	tvcpu_long_mode(&self->cpu, g_msr_writer);
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	EXPECT_EQ(2, g_msr_faults);
}

TEST_F(msr, guest_bad_value_is_gp)
{
	static const struct {
		uint32_t index;
		uint64_t val;
		int native;	/* checked by the CPU, and QEMU's AMD-V checks nothing */
	} bad[] = {
		{ MSR_LSTAR, NON_CANONICAL, 1 },
		{ MSR_FS_BASE, NON_CANONICAL, 1 },
		{ MSR_KERNEL_GS_BASE, NON_CANONICAL, 1 },
		{ MSR_EFER, BIT64(63), 0 },
		{ MSR_EFER, 0, 0 },			/* LME off while paging */
		{ MSR_IA32_PAT, 0x0202020202020202, 0 },
		{ MSR_IA32_APICBASE, BIT64(62), 0 },
	};
	unsigned int i;

	tvcpu_long_mode(&self->cpu, g_msr_writer);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (bad[i].native && !tvm_host_is_intel())
			continue;
		g_msr_faults = 0;
		g_msr_nr = bad[i].index;
		g_msr_val = bad[i].val;
		EXPECT_EQ(2, tvm_sync(&self->cpu));
		EXPECT_EQ(1, g_msr_faults)
			TH_LOG("MSR %#x = %#llx", bad[i].index, (long long)bad[i].val);
	}
}

/* KVM_SET_MSRS stops at the first refusal and says how many were done. */
TEST_F(msr, lists)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[3];
	} list = {
		.head.nmsrs = 3,
		.entry = {
			{ .index = MSR_LSTAR, .data = 0x1000 },
			{ .index = MSR_UNKNOWN, .data = 1 },
			{ .index = MSR_CSTAR, .data = 0x2000 },
		},
	};
	uint64_t cstar = tvcpu_get_msr(&self->cpu, MSR_CSTAR);

	EXPECT_EQ(1, tvm_ioctl_p(self->cpu.fd, KVM_SET_MSRS, &list));
	EXPECT_EQ(0x1000, tvcpu_get_msr(&self->cpu, MSR_LSTAR));
	EXPECT_EQ(cstar, tvcpu_get_msr(&self->cpu, MSR_CSTAR));
	EXPECT_EQ(1, tvm_ioctl_p(self->cpu.fd, KVM_GET_MSRS, &list));
	list.head.nmsrs = 0;
	EXPECT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_SET_MSRS, &list));
	EXPECT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_GET_MSRS, &list));
	list.head.nmsrs = 0xffffffff;
	EXPECT_EQ(-E2BIG, tvm_ioctl_p(self->cpu.fd, KVM_GET_MSRS, &list));
	EXPECT_EQ(-E2BIG, tvm_ioctl_p(self->cpu.fd, KVM_SET_MSRS, &list));
}

TEST_F(msr, host_bad_values)
{
	EXPECT_EQ(0, tvcpu_msr(&self->cpu, MSR_LSTAR, NON_CANONICAL));
	EXPECT_EQ(0, tvcpu_msr(&self->cpu, MSR_GS_BASE, NON_CANONICAL));
	/* stock KVM leaves it to VMRUN */
	if (tvm_host_is_intel() || !tvm_is_kvm())
		EXPECT_EQ(0, tvcpu_msr(&self->cpu, MSR_SYSCALL_MASK, BIT64(32)));
	EXPECT_EQ(0, tvcpu_msr(&self->cpu, MSR_EFER, BIT64(63)));
	EXPECT_EQ(0, tvcpu_msr(&self->cpu, MSR_IA32_PAT, 0x02));
	EXPECT_EQ(0, tvcpu_msr(&self->cpu, MSR_IA32_APICBASE, BIT64(62)));
	EXPECT_EQ(0, tvcpu_msr(&self->cpu, MSR_UNKNOWN, 0));
}

static int host_has_la57(void)
{
	uint32_t eax, ebx, ecx, edx;

	return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && ecx & CPUID_7_ECX_LA57;
}

/* Addresses are as wide as the CPU's, whatever CPUID says. */
TEST_F(msr, la57_that_the_cpu_lacks)
{
	static const uint32_t address[] = {
		MSR_LSTAR, MSR_CSTAR, MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE,
		MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
	};
	static struct tvm_cpuid cpuid;
	unsigned int i;

	if (host_has_la57())
		SKIP(return, "this CPU has LA57");
	if (tvm_is_kvm())
		SKIP(return, "stock KVM believes CPUID");
	tvm_supported_cpuid(&self->vm, &cpuid);
	ASSERT_NE(NULL, tvm_cpuid_find(&cpuid, 7, 0));
	tvm_cpuid_find(&cpuid, 7, 0)->ecx |= CPUID_7_ECX_LA57;
	TVM_MUST(self->cpu.fd, KVM_SET_CPUID2, &cpuid);
	for (i = 0; i < sizeof(address) / sizeof(address[0]); i++)
		EXPECT_EQ(0, tvcpu_msr(&self->cpu, address[i], BIT64(50)))
			TH_LOG("MSR %#x", address[i]);
}

TEST_F(msr, every_listed_one_is_readable)
{
	struct {
		struct kvm_msr_list head;
		uint32_t index[1024];
	} list = { .head.nmsrs = 1024 };
	uint32_t i;

	ASSERT_EQ(0, tvm_ioctl_p(self->vm.dev, KVM_GET_MSR_INDEX_LIST, &list));
	for (i = 0; i < list.head.nmsrs; i++) {
		struct {
			struct kvm_msrs head;
			struct kvm_msr_entry entry;
		} one = { .head.nmsrs = 1, .entry.index = list.index[i] };

		EXPECT_EQ(1, tvm_ioctl_p(self->cpu.fd, KVM_GET_MSRS, &one))
			TH_LOG("MSR %#x", list.index[i]);
	}
}

static void save_and_restore(struct __test_metadata *_metadata, struct tvcpu *cpu)
{
	struct {
		struct kvm_msr_list head;
		uint32_t index[1024];
	} list = { .head.nmsrs = 1024 };
	uint32_t i;
	long ret;

	ASSERT_EQ(0, tvm_ioctl_p(cpu->vm->dev, KVM_GET_MSR_INDEX_LIST, &list));
	for (i = 0; i < list.head.nmsrs; i++) {
		ret = tvcpu_msr(cpu, list.index[i], tvcpu_get_msr(cpu, list.index[i]));
		EXPECT_EQ(1, ret)
			TH_LOG("MSR %#x", list.index[i]);
	}
}

/* What is read can be written back: save and restore by the list must work. */
TEST_F(msr, save_and_restore)
{
	save_and_restore(_metadata, &self->cpu);
}

TEST(save_and_restore_without_irqchip)
{
	struct tvcpu cpu;
	struct tvm vm;

	tvm_create(&vm, 0);
	tvcpu_create(&cpu, &vm, 0);
	save_and_restore(_metadata, &cpu);
	tvcpu_destroy(&cpu);
	tvm_destroy(&vm);
}

/* What a guest can set is in the list: branch single-stepping, here. */
TEST_F(msr, what_is_set_is_listed)
{
	struct {
		struct kvm_msr_list head;
		uint32_t index[1024];
	} list = { .head.nmsrs = 1024 };
	uint32_t i;

	EXPECT_EQ(1, tvcpu_msr(&self->cpu, MSR_DEBUGCTL, DEBUGCTL_BTF));
	EXPECT_EQ(DEBUGCTL_BTF, tvcpu_get_msr(&self->cpu, MSR_DEBUGCTL));
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.dev, KVM_GET_MSR_INDEX_LIST, &list));
	for (i = 0; i < list.head.nmsrs && list.index[i] != MSR_DEBUGCTL; i++)
		;
	EXPECT_NE(i, list.head.nmsrs);
}

TEST_F(msr, tsc)
{
	uint64_t before, now;

	g_msr_nr = MSR_IA32_TSC;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	before = g_msr_val;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_GT(g_msr_val, before);
	/* a large step set by the host is seen by the guest */
	EXPECT_EQ(1, tvcpu_msr(&self->cpu, MSR_IA32_TSC, before + (1ULL << 50)));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_GE(g_msr_val, before + (1ULL << 50));
	now = tvcpu_get_msr(&self->cpu, MSR_IA32_TSC);
	EXPECT_GE(now, g_msr_val);
	EXPECT_LT(now - g_msr_val, 1ULL << 40);
}

TEST_F(msr, tsc_adjust)
{
	uint64_t tsc;

	g_msr_nr = MSR_IA32_TSC;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	tsc = g_msr_val;
	tvcpu_long_mode(&self->cpu, g_msr_writer);
	g_msr_nr = MSR_IA32_TSC_ADJUST;
	g_msr_val = 1ULL << 48;
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	tvcpu_long_mode(&self->cpu, g_msr_reader);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(1ULL << 48, g_msr_val);
	g_msr_nr = MSR_IA32_TSC;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_GE(g_msr_val, tsc + (1ULL << 48));
}

TEST_HARNESS_MAIN
