// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards KVM_SET_GUEST_DEBUG: single step, hardware breakpoints and watchpoints, software
 * breakpoints, that none of it is visible to the guest, and that hostile values do no harm. Debug
 * registers that the guest was just given are those of KVM_SET_DEBUGREGS, never the machine's, and
 * its DR6 is not found in the machine's afterwards. An INT3 that user space gives back arrives even
 * if its delivery has to wait for memory.
 * QEMU's AMD-V machine does not intercept #DB and #BP: stepping alone works there. Bochs takes
 * the trap of TF and of the monitor trap flag right after VM entry, before any instruction, so a
 * step never gets ahead on the VT-x machine, whoever the hypervisor is.
 */
#include <sched.h>
#include <signal.h>
#include <sys/time.h>

#include "kselftest_harness.h"
#include "long.h"
#include "tvm.h"

FIXTURE(dbg) {
	struct tvm vm;
	struct tvcpu cpu;
};

FIXTURE_SETUP(dbg)
{
	g_debug_watched = 0;
	tvm_start(&self->vm, &self->cpu, TVM_IRQCHIP, g_debug_code);
}

FIXTURE_TEARDOWN(dbg)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

static long debug(struct tvcpu *cpu, uint32_t control, uint64_t addr0, uint64_t dr7)
{
	struct kvm_guest_debug dbg = { .control = control };

	dbg.arch.debugreg[0] = addr0;
	dbg.arch.debugreg[7] = dr7;
	return tvm_ioctl_p(cpu->fd, KVM_SET_GUEST_DEBUG, &dbg);
}

static void skip_int3(struct tvcpu *cpu)
{
	struct kvm_regs regs;

	tvcpu_get_regs(cpu, &regs);
	regs.rip = (uintptr_t)g_debug_store;
	tvcpu_set_regs(cpu, &regs);
}

TEST_F(dbg, single_step)
{
	struct kvm_debug_exit_arch *arch = &self->cpu.run->debug.arch;
	unsigned int i;

	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(0, debug(&self->cpu,
				   KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0, 0));
		tvm_expect_exit(&self->cpu, KVM_EXIT_DEBUG);
		EXPECT_EQ(DB_VECTOR, arch->exception);
		if (tvm_host_is_intel() && arch->pc == (uintptr_t)g_debug_code)
			SKIP(return, "this machine traps before the first instruction");
		EXPECT_EQ((uintptr_t)g_debug_code + i, arch->pc);
		EXPECT_TRUE(arch->dr6 & BIT64(14));	/* BS */
	}
}

/* The trap flag the host uses is the host's: the guest's RFLAGS come back without it. */
TEST_F(dbg, single_step_leaves_no_trace)
{
	struct kvm_regs regs;

	ASSERT_EQ(0, debug(&self->cpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0, 0));
	tvm_expect_exit(&self->cpu, KVM_EXIT_DEBUG);
	tvcpu_get_regs(&self->cpu, &regs);
	EXPECT_FALSE(regs.rflags & X86_RFLAGS_TF);
	ASSERT_EQ(0, debug(&self->cpu, 0, 0, 0));
	skip_int3(&self->cpu);
	EXPECT_EQ(9, tvm_sync(&self->cpu));
}

TEST_F(dbg, hardware_breakpoint)
{
	struct kvm_debug_exit_arch *arch = &self->cpu.run->debug.arch;

	if (!tvm_host_is_intel())
		SKIP(return, "not intercepted by this machine");
	ASSERT_EQ(0, debug(&self->cpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP,
			   (uintptr_t)g_debug_hw, 0x402));
	tvm_expect_exit(&self->cpu, KVM_EXIT_DEBUG);
	EXPECT_EQ(DB_VECTOR, arch->exception);
	EXPECT_EQ((uintptr_t)g_debug_hw, arch->pc);
	EXPECT_EQ(1, arch->dr6 & 0xf);
}

TEST_F(dbg, watchpoint)
{
	struct kvm_debug_exit_arch *arch = &self->cpu.run->debug.arch;

	if (!tvm_host_is_intel())
		SKIP(return, "not intercepted by this machine");
	skip_int3(&self->cpu);
	ASSERT_EQ(0, debug(&self->cpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP,
			   (uintptr_t)&g_debug_watched, 0x402 | 0xd0000));
	tvm_expect_exit(&self->cpu, KVM_EXIT_DEBUG);
	EXPECT_EQ((uintptr_t)g_debug_after_store, arch->pc);
	EXPECT_EQ(1, arch->dr6 & 0xf);
	EXPECT_EQ(7, g_debug_watched);
	ASSERT_EQ(0, debug(&self->cpu, 0, 0, 0));
	EXPECT_EQ(9, tvm_sync(&self->cpu));
}

TEST_F(dbg, software_breakpoint)
{
	struct kvm_debug_exit_arch *arch = &self->cpu.run->debug.arch;

	if (!tvm_host_is_intel())
		SKIP(return, "not intercepted by this machine");
	ASSERT_EQ(0, debug(&self->cpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP, 0, 0));
	tvm_expect_exit(&self->cpu, KVM_EXIT_DEBUG);
	EXPECT_EQ(BP_VECTOR, arch->exception);
	EXPECT_EQ((uintptr_t)g_debug_int3, arch->pc);
	skip_int3(&self->cpu);
	EXPECT_EQ(9, tvm_sync(&self->cpu));
}

static volatile unsigned int breakpoints;

static void on_bp(struct g_frame *frame)
{
	breakpoints++;
}

/* Without KVM_GUESTDBG_USE_SW_BP an INT3 is the guest's. */
TEST_F(dbg, guest_keeps_its_int3)
{
	g_handlers[BP_VECTOR] = on_bp;
	EXPECT_EQ(9, tvm_sync(&self->cpu));
	EXPECT_EQ(1, breakpoints);
}

static volatile uint64_t bp_rip;

static void on_given_bp(struct g_frame *frame)
{
	bp_rip = frame->rip;
	breakpoints++;
}

/* The stack is a page that nobody has touched: there the delivery meets a fault of the host's. */
TEST_F(dbg, int3_given_back)
{
	struct kvm_regs regs;

	g_handlers[BP_VECTOR] = on_given_bp;
	ASSERT_EQ(0, tvm_slot(&self->vm, TVM_SLOT_TEST, 0, TVM_TEST_GPA, TVM_PAGE,
			      tvm_mem(TVM_PAGE)));
	tvcpu_get_regs(&self->cpu, &regs);
	regs.rip = (uintptr_t)g_debug_int3;
	regs.rsp = TVM_TEST_GPA + TVM_PAGE;
	tvcpu_set_regs(&self->cpu, &regs);
	ASSERT_EQ(0, debug(&self->cpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_BP, 0, 0));
	EXPECT_EQ(9, tvm_sync(&self->cpu));
	EXPECT_EQ(1, breakpoints);
	EXPECT_EQ((uintptr_t)g_debug_store, bp_rip);
}

TEST_F(dbg, hostile)
{
	/* stock KVM ignores control bits it does not know */
	debug(&self->cpu, KVM_GUESTDBG_ENABLE | BIT64(31), 0, 0);
	debug(&self->cpu, BIT64(14), 0, 0);
	/* a breakpoint address in the kernel's half must not reach the host's own registers */
	debug(&self->cpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, 0x8000000000000000,
	      -1ULL);
	debug(&self->cpu, 0, 0, 0);
	skip_int3(&self->cpu);
	EXPECT_EQ(9, tvm_sync(&self->cpu));
}

#define DB0		0x123456789000UL
#define DR7_OFF		0x400
#define INTERRUPTS	500

static volatile uint64_t want, wrong;

/* Half of its exits are for debug registers, which it may go on with until the next exit. */
static void guest_reads_registers(void)
{
	uint64_t dr7, dr0, wanted;
	uint32_t eax, ecx;

	for (;;) {
		wanted = want;
		asm volatile("mov %%dr7, %0; mov %%dr0, %1" : "=r"(dr7), "=r"(dr0));
		if (dr0 != wanted && wanted == want)
			wrong = dr0 | 1;
		asm volatile("cpuid" : "=a"(eax), "=c"(ecx) : "a"(0), "c"(0) : "ebx", "edx");
	}
}

static void ignore_signal(int sig)
{
}

TEST_F(dbg, registers_set_in_between)
{
	struct timeval period = { .tv_usec = 3000 };
	struct itimerval often = { .it_value = period, .it_interval = period };
	struct sigaction action = { .sa_handler = ignore_signal };
	struct kvm_debugregs regs = { .dr6 = 0xffff0ff0, .dr7 = DR7_OFF };
	struct kvm_debugregs got;
	int i;

	wrong = 0;
	tvcpu_long_mode(&self->cpu, guest_reads_registers);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (i = 0; i < INTERRUPTS; i++) {
		want = DB0 + i;
		regs.db[0] = want;
		TVM_MUST(self->cpu.fd, KVM_SET_DEBUGREGS, &regs);
		ASSERT_EQ(-EINTR, tvm_run(&self->cpu));
		TVM_MUST(self->cpu.fd, KVM_GET_DEBUGREGS, &got);
		ASSERT_EQ(want, got.db[0]);
	}
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	EXPECT_EQ(0, wrong);
}

#define DR6_BS		BIT64(14)

/* Its breakpoint is armed, at an address that it never comes to. */
static void guest_stepped(void)
{
	asm volatile("mov %0, %%dr0; mov %1, %%dr7; mov %2, %%dr6"
		     : : "r"(TVM_HOLE_GPA), "r"(BIT64(10) | BIT64(0)), "r"(0xffff0ff0 | DR6_BS));
	for (;;)
		g_sync(1);
}

static volatile int trap_code;

static void on_trap(int sig, siginfo_t *info, void *context)
{
	trap_code = info->si_code;
}

/* INT1 changes nothing in DR6: the kernel reads there what was there before. */
TEST_F(dbg, dr6_stays_the_guests)
{
	struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	cpu_set_t one;

	if (!tvm_host_is_intel())
		SKIP(return, "this machine has no INT1, and brings DR6 back itself");
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
	tvcpu_long_mode(&self->cpu, guest_stepped);
	sigaction(SIGTRAP, &action, NULL);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	asm volatile(".byte 0xf1" : : : "memory");
	EXPECT_EQ(TRAP_BRKPT, trap_code);
}

TEST_HARNESS_MAIN
