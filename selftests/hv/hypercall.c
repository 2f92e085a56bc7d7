// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the results of hypercalls: an unknown number answers -KVM_ENOSYS and the guest goes on
 * after the instruction; KVM_HC_KICK_CPU and KVM_HC_VAPIC_POLL_IRQ succeed, and a kick ends the HLT
 * that comes after it; from user mode every call is -KVM_EPERM.
 */
#include <linux/kvm_para.h>
#include <signal.h>
#include <sys/time.h>

#include "kselftest_harness.h"
#include "tvm.h"

static volatile long result;

static void guest_unknown(void)
{
	result = g_hypercall(0x7fff, 1, 2, 3, 4);
	g_sync(1);
}

TEST(unknown_number)
{
	struct tvcpu cpu;
	struct tvm vm;

	tvm_start(&vm, &cpu, TVM_IRQCHIP, guest_unknown);
	EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_EQ(-KVM_ENOSYS, result);
}

static void guest_poll_irq(void)
{
	result = g_hypercall(KVM_HC_VAPIC_POLL_IRQ, 0, 0, 0, 0);
	g_sync(1);
}

TEST(vapic_poll_irq)
{
	struct tvcpu cpu;
	struct tvm vm;

	tvm_start(&vm, &cpu, TVM_IRQCHIP, guest_poll_irq);
	EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_EQ(0, result);
}

static void guest_kick(void)
{
	result = g_hypercall(KVM_HC_KICK_CPU, 0, 0, 0, 0);
	g_sync(1);
	result = g_hypercall(KVM_HC_KICK_CPU, 0, 0xffff, 0, 0);	/* no such APIC id: harmless */
	g_sync(2);
}

TEST(kick_cpu)
{
	struct tvm_cpuid cpuid;
	struct tvcpu cpu;
	struct tvm vm;

	tvm_start(&vm, &cpu, TVM_IRQCHIP, guest_kick);
	tvm_supported_cpuid(&vm, &cpuid);
	if (!tvm_cpuid_find(&cpuid, KVM_CPUID_FEATURES, 0) ||
	    !(tvm_cpuid_find(&cpuid, KVM_CPUID_FEATURES, 0)->eax & (1 << KVM_FEATURE_PV_UNHALT)))
		SKIP(return, "PV_UNHALT is not offered");
	EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_EQ(0, result);
	EXPECT_EQ(2, tvm_sync(&cpu));
}

static void guest_halts(void)
{
	g_apic_enable();
	g_sync(1);
	g_cli();
	g_hlt();
	g_sync(2);
	g_hlt();
	g_sync(3);
}

static void guest_kicks_first(void)
{
	for (;;) {
		result = g_hypercall(KVM_HC_KICK_CPU, 0, 0, 0, 0);
		g_sync(1);
	}
}

static void ignore_signal(int sig)
{
}

/* A kick that comes before the HLT it is meant for is not lost, and ends one only. */
TEST(kick_before_halt)
{
	struct itimerval ticks = {
		.it_value = { .tv_usec = 50000 }, .it_interval = { .tv_usec = 50000 },
	};
	struct itimerval late = { .it_value = { .tv_sec = 2 } };
	struct sigaction action = { .sa_handler = ignore_signal };
	struct tvcpu cpu, other;
	struct tvm vm;

	tvm_start(&vm, &cpu, TVM_IRQCHIP, guest_halts);
	tvcpu_create(&other, &vm, 1);
	tvcpu_long_mode(&other, guest_kicks_first);
	TVM_MUST(other.fd, KVM_SET_MP_STATE, &(struct kvm_mp_state){ KVM_MP_STATE_RUNNABLE });
	EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_EQ(1, tvm_sync(&other));
	ASSERT_EQ(0, result);
	/* ends the test if the vCPU sleeps */
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &late, NULL);
	EXPECT_EQ(2, tvm_sync(&cpu));
	setitimer(ITIMER_REAL, &ticks, NULL);
	EXPECT_EQ(-EINTR, tvm_run(&cpu));
	setitimer(ITIMER_REAL, &(struct itimerval){}, NULL);
	EXPECT_EQ(1, tvm_sync(&other));
	EXPECT_EQ(3, tvm_sync(&cpu));
	tvcpu_destroy(&other);
	tvcpu_destroy(&cpu);
	tvm_destroy(&vm);
}

static void guest_user(void)
{
	result = g_hypercall(KVM_HC_VAPIC_POLL_IRQ, 0, 0, 0, 0);
	g_sync(1);
	result = g_hypercall(0x7fff, 0, 0, 0, 0);
	g_sync(2);
}

/* CPL 3, with an IOPL that lets it talk to the host. */
static void user_mode(struct tvcpu *cpu)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	tvcpu_get_sregs(cpu, &sregs);
	sregs.cs.selector |= 3;
	sregs.cs.dpl = 3;
	sregs.ss.selector |= 3;
	sregs.ss.dpl = 3;
	tvcpu_set_sregs(cpu, &sregs);
	tvcpu_get_regs(cpu, &regs);
	regs.rflags |= 3 << 12;
	tvcpu_set_regs(cpu, &regs);
}

TEST(from_user_mode)
{
	struct tvcpu cpu;
	struct tvm vm;

	tvm_start(&vm, &cpu, TVM_IRQCHIP, guest_user);
	user_mode(&cpu);
	EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_EQ(-KVM_EPERM, result);
	EXPECT_EQ(2, tvm_sync(&cpu));
	EXPECT_EQ(-KVM_EPERM, result);
}

TEST_HARNESS_MAIN
