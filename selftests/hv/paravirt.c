// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards what a guest and its host agree on beside the hardware:
 * KVM_CAP_ENFORCE_PV_FEATURE_CPUID, the "preempted" byte of the steal-time area with the TLB flush
 * that others ask for in it, and KVM_HC_MAP_GPA_RANGE, which user space answers.
 */
#include <linux/kvm_para.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <asm/kvm_para.h>

#include "kselftest_harness.h"
#include "real.h"
#include "tvm.h"

#define STEAL_GPA	TVM_FREE_GPA
#define VECTOR		0x58
#define ICR_NMI		0x400

static volatile long result;
static volatile uint64_t args[4];
static volatile uint32_t msr;
static volatile unsigned int faults;

/* RDMSR and WRMSR are two bytes, VMCALL and VMMCALL three. */
static void on_gp(struct g_frame *frame)
{
	faults++;
	frame->rip += 2;
}

static void guest_msr(void)
{
	g_handlers[GP_VECTOR] = on_gp;
	for (;;) {
		g_rdmsr(msr);
		g_wrmsr(msr, 0);
		g_sync(faults);
	}
}

static void guest_hypercall(void)
{
	for (;;) {
		result = g_hypercall(args[0], args[1], args[2], args[3], 0);
		g_sync(1);
	}
}

static void on_nmi(struct g_frame *frame)
{
}

static void guest_halts(void)
{
	g_handlers[2] = on_nmi;
	g_apic_enable();
	g_sync(1);
	g_cli();
	g_hlt();
	g_sync(2);
}

FIXTURE(pv) {
	struct tvm vm;
	struct tvcpu cpu;
};

FIXTURE_SETUP(pv)
{
	tvm_start(&self->vm, &self->cpu, TVM_IRQCHIP, guest_msr);
	faults = 0;
}

FIXTURE_TEARDOWN(pv)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

static long enforce(struct tvcpu *cpu, uint64_t on, uint32_t flags)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .flags = flags, .args[0] = on,
	};

	return tvm_ioctl_p(cpu->fd, KVM_ENABLE_CAP, &cap);
}

static void set_features(struct tvcpu *cpu, uint32_t features)
{
	static struct tvm_cpuid cpuid;

	tvm_supported_cpuid(cpu->vm, &cpuid);
	tvm_cpuid_find(&cpuid, KVM_CPUID_FEATURES, 0)->eax = features;
	TVM_MUST(cpu->fd, KVM_SET_CPUID2, &cpuid);
}

static const struct {
	uint32_t msr;
	uint32_t feature;
} owners[] = {
	{ MSR_KVM_WALL_CLOCK, KVM_FEATURE_CLOCKSOURCE },
	{ MSR_KVM_SYSTEM_TIME, KVM_FEATURE_CLOCKSOURCE },
	{ MSR_KVM_WALL_CLOCK_NEW, KVM_FEATURE_CLOCKSOURCE2 },
	{ MSR_KVM_SYSTEM_TIME_NEW, KVM_FEATURE_CLOCKSOURCE2 },
	{ MSR_KVM_STEAL_TIME, KVM_FEATURE_STEAL_TIME },
	{ MSR_KVM_POLL_CONTROL, KVM_FEATURE_POLL_CONTROL },
	{ MSR_KVM_PV_EOI_EN, KVM_FEATURE_PV_EOI },
};

#define NR_OWNERS	(sizeof(owners) / sizeof(owners[0]))

/* Without a feature its MSR is not there; with it, and without enforcement, it is. */
TEST_F(pv, enforced_msrs)
{
	unsigned int i;

	ASSERT_EQ(1, tvm_cap(&self->vm, KVM_CAP_ENFORCE_PV_FEATURE_CPUID));
	set_features(&self->cpu, 1 << KVM_FEATURE_CLOCKSOURCE2 | 1 << KVM_FEATURE_STEAL_TIME);
	msr = MSR_KVM_POLL_CONTROL;
	EXPECT_EQ(0, tvm_sync(&self->cpu));
	ASSERT_EQ(0, enforce(&self->cpu, 1, 0));
	for (i = 0; i < NR_OWNERS; i++) {
		int has = owners[i].feature == KVM_FEATURE_CLOCKSOURCE2 ||
			  owners[i].feature == KVM_FEATURE_STEAL_TIME;

		faults = 0;
		msr = owners[i].msr;
		EXPECT_EQ(has ? 0 : 2, tvm_sync(&self->cpu))
			TH_LOG("MSR %#x", msr);
	}
	/* the VMM still saves and restores all of them, other than with stock KVM */
	if (!tvm_is_kvm())
		EXPECT_EQ(1, tvcpu_msr(&self->cpu, MSR_KVM_POLL_CONTROL, 1));
	ASSERT_EQ(0, enforce(&self->cpu, 0, 0));
	faults = 0;
	EXPECT_EQ(0, tvm_sync(&self->cpu));
}

TEST_F(pv, enforced_hypercalls)
{
	tvcpu_long_mode(&self->cpu, guest_hypercall);
	set_features(&self->cpu, 0);
	ASSERT_EQ(0, enforce(&self->cpu, 1, 0));
	for (args[0] = KVM_HC_KICK_CPU; args[0] <= KVM_HC_SCHED_YIELD; args[0]++) {
		if (args[0] == KVM_HC_CLOCK_PAIRING || args[0] == 6 || args[0] == 7 ||
		    args[0] == 8)
			continue;
		tvm_sync(&self->cpu);
		EXPECT_EQ(-KVM_ENOSYS, result)
			TH_LOG("hypercall %lu", args[0]);
	}
}

TEST_F(pv, enforce_hostile)
{
	EXPECT_EQ(-EINVAL, enforce(&self->cpu, 1, 1));
}

static uint32_t told_features(struct tvcpu *cpu)
{
	static struct tvm_cpuid cpuid;

	cpuid.head.nent = 256;
	TVM_MUST(cpu->fd, KVM_GET_CPUID2, &cpuid);
	return tvm_cpuid_find(&cpuid, KVM_CPUID_FEATURES, 0)->eax;
}

/* Each half of the mask has as many bits as a register of the caller. */
TEST_F(pv, ipis_of_32_bits)
{
	struct kvm_regs regs;
	struct tvcpu far;

	if (tvm_is_kvm() && !tvm_host_is_intel())
		SKIP(return, "stock KVM does not patch VMCALL in 32-bit code without paging");
	tvcpu_create(&far, &self->vm, 32);
	tvcpu_prot_mode(&self->cpu, g_prot_hypercall);
	tvcpu_get_regs(&self->cpu, &regs);
	regs.rax = KVM_HC_SEND_IPI;
	regs.rbx = 0;
	regs.rcx = 1;
	regs.rdx = 0;
	regs.rsi = ICR_NMI;
	regs.rdi = G_PORT_SYNC;
	tvcpu_set_regs(&self->cpu, &regs);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	tvcpu_destroy(&far);
}

/* A guest that halts without an exit is not told that it can be kicked out of it. */
TEST_F(pv, unhalt_needs_halt_exits)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_X86_DISABLE_EXITS, .args[0] = KVM_X86_DISABLE_EXITS_HLT,
	};

	EXPECT_TRUE(told_features(&self->cpu) & 1 << KVM_FEATURE_PV_UNHALT);
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_ENABLE_CAP, &cap));
	set_features(&self->cpu, 1 << KVM_FEATURE_PV_UNHALT | 1 << KVM_FEATURE_CLOCKSOURCE2);
	EXPECT_EQ(1 << KVM_FEATURE_CLOCKSOURCE2, told_features(&self->cpu));
}

/* Also when the VMM chooses the exits last. */
TEST_F(pv, unhalt_goes_with_halt_exits)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_X86_DISABLE_EXITS, .args[0] = KVM_X86_DISABLE_EXITS_HLT,
	};

	if (tvm_is_kvm())
		SKIP(return, "stock KVM goes by the order of the calls");
	set_features(&self->cpu, 1 << KVM_FEATURE_PV_UNHALT | 1 << KVM_FEATURE_CLOCKSOURCE2);
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_ENABLE_CAP, &cap));
	msr = MSR_KVM_SYSTEM_TIME_NEW;
	EXPECT_EQ(0, tvm_sync(&self->cpu));
	EXPECT_EQ(1 << KVM_FEATURE_CLOCKSOURCE2, told_features(&self->cpu));
}

static volatile struct kvm_steal_time *steal_area(struct tvm *vm)
{
	return (void *)(vm->ram + STEAL_GPA);
}

static void *run_thread(void *arg)
{
	return (void *)(long)tvm_sync(arg);
}

/* Asleep in HLT it says so; a flush that is asked for meanwhile is gone when it runs again. */
TEST_F(pv, preempted)
{
	volatile struct kvm_steal_time *st = steal_area(&self->vm);
	pthread_t thread;
	void *ret;
	int i;

	if (tvm_is_kvm())
		SKIP(return, "stock KVM says nothing of a vCPU that sleeps");
	set_features(&self->cpu, 1 << KVM_FEATURE_STEAL_TIME | 1 << KVM_FEATURE_PV_TLB_FLUSH);
	tvcpu_long_mode(&self->cpu, guest_halts);
	ASSERT_EQ(1, tvcpu_msr(&self->cpu, MSR_KVM_STEAL_TIME, STEAL_GPA | KVM_MSR_ENABLED));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, pthread_create(&thread, NULL, run_thread, &self->cpu));
	for (i = 0; i < 1000 && !(st->preempted & KVM_VCPU_PREEMPTED); i++)
		usleep(1000);
	EXPECT_EQ(KVM_VCPU_PREEMPTED, st->preempted);
	__atomic_fetch_or(&st->preempted, KVM_VCPU_FLUSH_TLB, __ATOMIC_SEQ_CST);
	/* an interrupt does not end a HLT with interrupts off, an NMI does */
	TVM_MUST(self->vm.fd, KVM_SIGNAL_MSI,
		 (&(struct kvm_msi){ .address_lo = APIC_BASE_GPA, .data = VECTOR }));
	usleep(1000);
	EXPECT_TRUE(st->preempted & KVM_VCPU_PREEMPTED);
	TVM_MUST(self->vm.fd, KVM_SIGNAL_MSI,
		 (&(struct kvm_msi){ .address_lo = APIC_BASE_GPA, .data = APIC_DM_NMI }));
	pthread_join(thread, &ret);
	EXPECT_EQ(2, (long)ret);
	EXPECT_EQ(0, st->preempted & KVM_VCPU_FLUSH_TLB);
	EXPECT_EQ(0, st->version & 1);
}

/* An area that is not there, or goes away, hurts nobody. */
TEST_F(pv, steal_area_gone)
{
	static uint8_t area[TVM_PAGE] __attribute__((aligned(4096)));

	tvcpu_long_mode(&self->cpu, guest_hypercall);
	ASSERT_EQ(1, tvcpu_msr(&self->cpu, MSR_KVM_STEAL_TIME, TVM_HOLE_GPA | KVM_MSR_ENABLED));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	usleep(10000);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, tvm_slot(&self->vm, TVM_SLOT_TEST, 0, TVM_TEST_GPA, TVM_PAGE, area));
	ASSERT_EQ(1, tvcpu_msr(&self->cpu, MSR_KVM_STEAL_TIME, TVM_TEST_GPA | KVM_MSR_ENABLED));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, tvm_slot(&self->vm, TVM_SLOT_TEST, 0, TVM_TEST_GPA, 0, area));
	usleep(10000);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, tvcpu_msr(&self->cpu, MSR_KVM_STEAL_TIME, STEAL_GPA | 2));
	EXPECT_EQ(1, tvcpu_msr(&self->cpu, MSR_KVM_STEAL_TIME, 0));
}

static long hypercall_exits(struct tvm *vm, uint64_t mask)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_EXIT_HYPERCALL, .args[0] = mask };

	return tvm_ioctl_p(vm->fd, KVM_ENABLE_CAP, &cap);
}

TEST_F(pv, map_gpa_range)
{
	struct kvm_run *run = self->cpu.run;

	ASSERT_EQ(1 << KVM_HC_MAP_GPA_RANGE, tvm_cap(&self->vm, KVM_CAP_EXIT_HYPERCALL));
	tvcpu_long_mode(&self->cpu, guest_hypercall);
	args[0] = KVM_HC_MAP_GPA_RANGE;
	args[1] = 0x5000;
	args[2] = 3;
	args[3] = 16;
	tvm_sync(&self->cpu);
	EXPECT_EQ(-KVM_ENOSYS, result);
	ASSERT_EQ(0, hypercall_exits(&self->vm, 1 << KVM_HC_MAP_GPA_RANGE));
	tvm_expect_exit(&self->cpu, KVM_EXIT_HYPERCALL);
	EXPECT_EQ(KVM_HC_MAP_GPA_RANGE, run->hypercall.nr);
	EXPECT_EQ(0x5000, run->hypercall.args[0]);
	EXPECT_EQ(3, run->hypercall.args[1]);
	EXPECT_EQ(16, run->hypercall.args[2]);
	EXPECT_EQ(1, run->hypercall.longmode);
	run->hypercall.ret = 0x123456789a;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0x123456789a, result);
}

TEST_F(pv, map_gpa_range_hostile)
{
	static const uint64_t bad[][2] = {
		{ 0x5001, 1 }, { 0x5000, 0 }, { -4096ULL, 2 }, { 0x5000, -1ULL },
	};
	unsigned int i;

	EXPECT_EQ(-EINVAL, hypercall_exits(&self->vm, 1));
	EXPECT_EQ(-EINVAL, hypercall_exits(&self->vm, -1ULL));
	ASSERT_EQ(0, hypercall_exits(&self->vm, 1 << KVM_HC_MAP_GPA_RANGE));
	tvcpu_long_mode(&self->cpu, guest_hypercall);
	args[0] = KVM_HC_MAP_GPA_RANGE;
	args[3] = 0;
	/* the last one's end wraps, which stock KVM leaves to user space */
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]) - tvm_is_kvm(); i++) {
		args[1] = bad[i][0];
		args[2] = bad[i][1];
		tvm_sync(&self->cpu);
		EXPECT_EQ(-KVM_EINVAL, result)
			TH_LOG("%#lx, %lu pages", args[1], args[2]);
	}
}

TEST_HARNESS_MAIN
