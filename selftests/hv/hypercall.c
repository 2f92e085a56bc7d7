// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the results of hypercalls: an unknown number answers -KVM_ENOSYS and the guest goes on
 * after the instruction; KVM_HC_KICK_CPU and KVM_HC_VAPIC_POLL_IRQ succeed; from user mode every
 * call is -KVM_EPERM.
 */
#include <linux/kvm_para.h>

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
