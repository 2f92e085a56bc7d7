// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards KVM_CAP_X86_DISABLE_EXITS: instructions exit until the VMM disables that and not after,
 * also for a vCPU that is there already, and new registers end a HLT that did not exit; counters of
 * C-states that an MSR filter denies go on exiting. What the CPU cannot do is not offered, and
 * refused, as unknown bits are. Of KVM_SET_GUEST_DEBUG those flags are taken that are claimed, and
 * no others.
 */
#include <signal.h>
#include <sys/time.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define TIMES	500

#define NR_CSTATES	4

/* How long a core was in C1, C3, C6, C7 */
static const uint32_t cstate_msrs[NR_CSTATES] = { 0x660, 0x3fc, 0x3fd, 0x3fe };

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

/* A CPU has some of them: the others are #GP, with an exit or without. */
static void skip_rdmsr(struct g_frame *frame)
{
	frame->rip += 2;
}

static void guest_reads_cstates(void)
{
	int i;

	g_handlers[GP_VECTOR] = skip_rdmsr;
	for (;;) {
		for (i = 0; i < TIMES; i++)
			g_rdmsr(cstate_msrs[i % NR_CSTATES]);
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

/* Exits to the guest's next g_sync() */
static uint64_t exits_of_round(struct tvcpu *cpu)
{
	uint64_t before = tvcpu_counter(cpu, "exits");

	tvm_sync(cpu);
	return tvcpu_counter(cpu, "exits") - before;
}

TEST_F(exits, mwait)
{
	if (!(self->offered & KVM_X86_DISABLE_EXITS_MWAIT)) {
		ASSERT_EQ(-EINVAL, disable(self, KVM_X86_DISABLE_EXITS_MWAIT));
		SKIP(return, "this CPU has no MWAIT that always wakes");
	}
	EXPECT_GE(exits_of_round(&self->cpu), TIMES);
	ASSERT_EQ(0, disable(self, KVM_X86_DISABLE_EXITS_MWAIT));
	if (tvm_is_kvm())
		SKIP(return, "stock KVM heeds it in later vCPUs only");
	/* the host's interrupts remain */
	EXPECT_LT(exits_of_round(&self->cpu), TIMES / 2);
}

/* -1: the machine does not tell */
static int host_has_cstates(void)
{
	uint64_t value;
	int i, ret = 0;

	for (i = 0; i < NR_CSTATES; i++) {
		ret = tvm_host_msr(cstate_msrs[i], &value);
		if (!ret)
			return 1;
	}
	return ret == -EIO ? 0 : -1;
}

static void deny_reads(struct tvm *vm, uint32_t msr)
{
	static uint8_t none[8];
	struct kvm_msr_filter filter = {
		.ranges[0] = {
			.flags = KVM_MSR_FILTER_READ, .nmsrs = 1, .base = msr, .bitmap = none,
		},
	};

	TVM_MUST(vm->fd, KVM_X86_SET_MSR_FILTER, &filter);
}

TEST_F(exits, cstates)
{
	uint64_t filtered;

	if (!tvm_host_is_intel()) {
		if (!tvm_is_kvm())
			ASSERT_EQ(0, self->offered & KVM_X86_DISABLE_EXITS_CSTATE);
		SKIP(return, "AMD's CPUs have no such MSRs");
	}
	if (!(self->offered & KVM_X86_DISABLE_EXITS_CSTATE)) {
		ASSERT_NE(1, host_has_cstates());
		ASSERT_EQ(-EINVAL, disable(self, KVM_X86_DISABLE_EXITS_CSTATE));
		SKIP(return, "this CPU has none of the MSRs");
	}
	tvcpu_long_mode(&self->cpu, guest_reads_cstates);
	ASSERT_EQ(0, disable(self, self->offered & ~KVM_X86_DISABLE_EXITS_CSTATE));
	EXPECT_GE(exits_of_round(&self->cpu), TIMES);
	ASSERT_EQ(0, disable(self, KVM_X86_DISABLE_EXITS_CSTATE));
	if (tvm_is_kvm())
		SKIP(return, "stock KVM heeds it in later vCPUs only");
	EXPECT_LT(exits_of_round(&self->cpu), TIMES / 2 / NR_CSTATES);
	deny_reads(&self->vm, cstate_msrs[1]);
	filtered = exits_of_round(&self->cpu);
	EXPECT_GE(filtered, TIMES / NR_CSTATES);
	EXPECT_LT(filtered, TIMES);
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

static void guest_halts(void)
{
	g_sync(1);
	for (;;)
		g_sti_hlt();
}

static void guest_is_awake(void)
{
	g_sync(2);
}

static void ignore_signal(int sig)
{
}

/* A reset, for instance: the CPU is not left halted with registers that know nothing of it. */
TEST_F(exits, registers_end_a_halt)
{
	struct itimerval soon = { .it_value = { .tv_usec = 20000 } };
	struct sigaction action = { .sa_handler = ignore_signal };

	if (tvm_is_kvm())
		SKIP(return, "stock KVM heeds it in later vCPUs only");
	ASSERT_EQ(0, disable(self, KVM_X86_DISABLE_EXITS_HLT));
	tvcpu_long_mode(&self->cpu, guest_halts);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	EXPECT_EQ(-EINTR, tvm_run(&self->cpu));
	tvcpu_long_mode(&self->cpu, guest_is_awake);
	EXPECT_EQ(2, tvm_sync(&self->cpu));
}

TEST_HARNESS_MAIN
