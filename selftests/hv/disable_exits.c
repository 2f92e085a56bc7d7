// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards KVM_CAP_X86_DISABLE_EXITS: instructions exit until the VMM disables that and not after,
 * also for a vCPU that is there already. What the CPU cannot do is not offered, and refused:
 * unknown bits, and the capabilities for exits of which no machine of ours has the control. Of
 * KVM_SET_GUEST_DEBUG those flags are taken that are claimed, and no others.
 */

#include "kselftest_harness.h"
#include "tvm.h"

#define TIMES	500

static volatile uint32_t line;

/* MONITOR never waits, and exits with MWAIT. */
static void guest_monitors(void)
{
	int i;

	for (;;) {
		for (i = 0; i < TIMES; i++)
			asm volatile("monitor" : : "a"(&line), "c"(0), "d"(0));
		g_sync(1);
	}
}

FIXTURE(exits) {
	struct tvm vm;
	struct tvcpu cpu;
	long offered;
};

FIXTURE_SETUP(exits)
{
	tvm_start(&self->vm, &self->cpu, TVM_IRQCHIP, guest_monitors);
	self->offered = tvm_cap(&self->vm, KVM_CAP_X86_DISABLE_EXITS);
}

FIXTURE_TEARDOWN(exits)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

static long disable(FIXTURE_DATA(exits) *self, uint64_t exits)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_DISABLE_EXITS, .args = { exits } };

	return tvm_ioctl_p(self->vm.fd, KVM_ENABLE_CAP, &cap);
}

TEST_F(exits, mwait)
{
	uint64_t before, with, without;

	if (!(self->offered & KVM_X86_DISABLE_EXITS_MWAIT)) {
		EXPECT_EQ(-EINVAL, disable(self, KVM_X86_DISABLE_EXITS_MWAIT));
		SKIP(return, "this CPU has no MWAIT that always wakes");
	}
	before = tvcpu_counter(&self->cpu, "exits");
	tvm_sync(&self->cpu);
	with = tvcpu_counter(&self->cpu, "exits") - before;
	EXPECT_GE(with, TIMES);
	ASSERT_EQ(0, disable(self, KVM_X86_DISABLE_EXITS_MWAIT));
	before = tvcpu_counter(&self->cpu, "exits");
	tvm_sync(&self->cpu);
	without = tvcpu_counter(&self->cpu, "exits") - before;
	/* the host's interrupts remain */
	EXPECT_LT(without, TIMES / 2);
}

TEST_F(exits, what_is_not_offered)
{
	unsigned int i;

	EXPECT_TRUE(self->offered & KVM_X86_DISABLE_EXITS_HLT);
	EXPECT_TRUE(self->offered & KVM_X86_DISABLE_EXITS_PAUSE);
	for (i = 0; i < 64; i++)
		if (!(self->offered >> i & 1))
			EXPECT_EQ(-EINVAL, disable(self, 1ULL << i));
	EXPECT_EQ(0, disable(self, self->offered));
}

TEST_F(exits, controls_the_cpu_lacks)
{
	static const uint32_t caps[] = { KVM_CAP_X86_BUS_LOCK_EXIT, KVM_CAP_X86_NOTIFY_VMEXIT };
	unsigned int i;

	for (i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
		struct kvm_enable_cap cap = { .cap = caps[i], .args = { 2 } };

		if (tvm_is_kvm() && tvm_cap(&self->vm, caps[i]))
			continue;
		EXPECT_EQ(0, tvm_cap(&self->vm, caps[i]));
		EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->vm.fd, KVM_ENABLE_CAP, &cap));
	}
}

/* Each flag that is claimed is taken, the others are refused. */
TEST_F(exits, guest_debug_flags)
{
	long claimed = tvm_cap(&self->vm, KVM_CAP_SET_GUEST_DEBUG2);
	const long never_together = KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP;
	unsigned int i;

	EXPECT_TRUE(claimed & KVM_GUESTDBG_BLOCKIRQ);
	for (i = 1; i < 32; i++) {
		struct kvm_guest_debug debug = { .control = KVM_GUESTDBG_ENABLE | 1U << i };

		if (never_together >> i & 1 || (tvm_is_kvm() && !(claimed >> i & 1)))
			continue;
		EXPECT_EQ(claimed >> i & 1 ? 0 : -EINVAL,
			  tvm_ioctl_p(self->cpu.fd, KVM_SET_GUEST_DEBUG, &debug))
			TH_LOG("flag %u", i);
	}
}

TEST_HARNESS_MAIN
