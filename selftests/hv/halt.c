// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards HLT and shutdown: with an in-kernel irqchip HLT sleeps in the kernel until an interrupt,
 * an MSI or an NMI comes, and mp_state says so; without one it exits to user space; a triple
 * fault is KVM_EXIT_SHUTDOWN. A halted vCPU polls as KVM_CAP_HALT_POLL and the guest say.
 */
#include <pthread.h>
#include <signal.h>
#include <asm/kvm_para.h>
#include <sys/time.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define MSR_MCG_CAP	0x179
#define MCG_CTL_P	BIT64(8)
#define VECTOR	0x55

static volatile unsigned int hits;

static void on_irq(struct g_frame *frame)
{
	hits++;
	if (frame->vector == VECTOR)
		g_apic_eoi();
}

static void guest_halts(void)
{
	g_handlers[VECTOR] = on_irq;
	g_handlers[2] = on_irq;
	g_apic_enable();
	g_sync(1);
	for (;;) {
		g_sti_hlt();
		g_sync(100 + hits);
	}
}

static void guest_halts_bare(void)
{
	g_sync(1);
	g_hlt();
	g_sync(2);
}

static void guest_triple_fault(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) idt = { 0, 0 };

	g_sync(1);
	asm volatile("lidt %0; ud2" : : "m"(idt));
}

static void *send_msi(void *arg)
{
	struct kvm_msi msi = { .address_lo = APIC_BASE_GPA, .data = VECTOR };
	struct tvcpu *cpu = arg;

	usleep(20000);
	TVM_MUST(cpu->vm->fd, KVM_SIGNAL_MSI, &msi);
	return NULL;
}

static void *send_nmi(void *arg)
{
	struct tvcpu *cpu = arg;

	usleep(20000);
	tvm_ioctl(cpu->fd, KVM_NMI, 0);
	return NULL;
}

static void on_signal(int sig)
{
}

static void alarm_in(unsigned int usec)
{
	struct itimerval timer = { .it_value.tv_usec = usec };
	struct sigaction act = { .sa_handler = on_signal };

	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

TEST(woken_by_msi)
{
	pthread_t thread;
	struct tvcpu cpu;
	struct tvm vm;

	tvm_start(&vm, &cpu, TVM_IRQCHIP, guest_halts);
	EXPECT_EQ(1, tvm_sync(&cpu));
	ASSERT_EQ(0, pthread_create(&thread, NULL, send_msi, &cpu));
	EXPECT_EQ(101, tvm_sync(&cpu));
	pthread_join(thread, NULL);
}

TEST(already_pending)
{
	struct kvm_msi msi = { .address_lo = APIC_BASE_GPA, .data = VECTOR };
	struct tvcpu cpu;
	struct tvm vm;

	tvm_start(&vm, &cpu, TVM_IRQCHIP, guest_halts);
	EXPECT_EQ(1, tvm_sync(&cpu));
	TVM_MUST(vm.fd, KVM_SIGNAL_MSI, &msi);
	EXPECT_EQ(101, tvm_sync(&cpu));
}

TEST(signal_ends_the_sleep)
{
	struct kvm_msi msi = { .address_lo = APIC_BASE_GPA, .data = VECTOR };
	struct kvm_mp_state mp;
	struct tvcpu cpu;
	struct tvm vm;

	tvm_start(&vm, &cpu, TVM_IRQCHIP, guest_halts);
	EXPECT_EQ(1, tvm_sync(&cpu));
	alarm_in(20000);
	EXPECT_EQ(-EINTR, tvm_run(&cpu));
	ASSERT_EQ(0, tvm_ioctl_p(cpu.fd, KVM_GET_MP_STATE, &mp));
	EXPECT_EQ(KVM_MP_STATE_HALTED, mp.mp_state);
	TVM_MUST(vm.fd, KVM_SIGNAL_MSI, &msi);
	EXPECT_EQ(101, tvm_sync(&cpu));
	ASSERT_EQ(0, tvm_ioctl_p(cpu.fd, KVM_GET_MP_STATE, &mp));
	EXPECT_EQ(KVM_MP_STATE_RUNNABLE, mp.mp_state);
}

/* The VMM makes it runnable: HLT is left without an interrupt. */
TEST(made_runnable)
{
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct tvcpu cpu;
	struct tvm vm;

	tvm_start(&vm, &cpu, TVM_IRQCHIP, guest_halts);
	EXPECT_EQ(1, tvm_sync(&cpu));
	alarm_in(20000);
	EXPECT_EQ(-EINTR, tvm_run(&cpu));
	ASSERT_EQ(0, tvm_ioctl_p(cpu.fd, KVM_SET_MP_STATE, &mp));
	EXPECT_EQ(100, tvm_sync(&cpu));
}

TEST(made_halted)
{
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_HALTED };
	struct tvcpu cpu;
	struct tvm vm;

	tvm_start(&vm, &cpu, TVM_IRQCHIP, guest_halts);
	EXPECT_EQ(1, tvm_sync(&cpu));
	ASSERT_EQ(0, tvm_ioctl_p(cpu.fd, KVM_SET_MP_STATE, &mp));
	alarm_in(20000);
	EXPECT_EQ(-EINTR, tvm_run(&cpu));
}

TEST(woken_by_nmi)
{
	pthread_t thread;
	struct tvcpu cpu;
	struct tvm vm;

	tvm_start(&vm, &cpu, TVM_IRQCHIP, guest_halts);
	EXPECT_EQ(1, tvm_sync(&cpu));
	/* a vCPU ioctl waits for KVM_RUN to end, so this NMI comes after the alarm */
	ASSERT_EQ(0, pthread_create(&thread, NULL, send_nmi, &cpu));
	alarm_in(60000);
	EXPECT_EQ(-EINTR, tvm_run(&cpu));
	pthread_join(thread, NULL);
	EXPECT_EQ(101, tvm_sync(&cpu));
}

TEST(without_irqchip)
{
	struct kvm_regs regs;
	struct tvcpu cpu;
	struct tvm vm;

	tvm_start(&vm, &cpu, 0, guest_halts_bare);
	EXPECT_EQ(1, tvm_sync(&cpu));
	tvm_expect_exit(&cpu, KVM_EXIT_HLT);
	tvcpu_get_regs(&cpu, &regs);
	EXPECT_EQ(0xf4, *(uint8_t *)(regs.rip - 1));	/* after the HLT */
	EXPECT_EQ(2, tvm_sync(&cpu));
}

TEST(triple_fault)
{
	uint64_t banks = MCG_CTL_P | 10;
	struct tvcpu cpu;
	struct tvm vm;

	tvm_start(&vm, &cpu, TVM_IRQCHIP, guest_triple_fault);
	EXPECT_EQ(1, tvm_sync(&cpu));
	TVM_MUST(cpu.fd, KVM_X86_SETUP_MCE, &banks);
	tvm_expect_exit(&cpu, KVM_EXIT_SHUTDOWN);
	/* what the VMM has set up stays */
	EXPECT_EQ(banks, tvcpu_get_msr(&cpu, MSR_MCG_CAP));
	/* the VMM may give it a new start, as a reset does */
	tvcpu_long_mode(&cpu, guest_halts);
	EXPECT_EQ(1, tvm_sync(&cpu));
}

#define ROUNDS	40

/* Halts ROUNDS times, each for as long as the timer takes. */
static void guest_naps(void)
{
	int i;

	g_handlers[VECTOR] = on_irq;
	g_apic_enable();
	g_apic_write(APIC_TDCR, APIC_TDR_DIV_1);
	g_apic_write(APIC_LVTT, VECTOR);
	for (;;) {
		for (i = 0; i < ROUNDS; i++) {
			g_apic_write(APIC_TMICT, 300000);
			g_sti_hlt();
		}
		g_sync(1);
	}
}

static long poll_for(struct tvm *vm, uint64_t ns)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_HALT_POLL, .args[0] = ns };

	return tvm_ioctl_p(vm->fd, KVM_ENABLE_CAP, &cap);
}

/* Polling serves halts that are short against its limit, and none when it is off. */
TEST(polled)
{
	struct tvcpu cpu;
	struct tvm vm;
	uint64_t polls;

	tvm_start(&vm, &cpu, TVM_IRQCHIP, guest_naps);
	ASSERT_EQ(1, tvm_cap(&vm, KVM_CAP_HALT_POLL));
	ASSERT_EQ(0, poll_for(&vm, 0));
	EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_EQ(0, tvcpu_counter(&cpu, "halt_successful_poll"));
	ASSERT_EQ(0, poll_for(&vm, 1000000000));
	EXPECT_EQ(1, tvm_sync(&cpu));
	polls = tvcpu_counter(&cpu, "halt_successful_poll");
	EXPECT_GT(polls, 0);
	/* a guest that polls for itself */
	ASSERT_EQ(1, tvcpu_msr(&cpu, MSR_KVM_POLL_CONTROL, 0));
	EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_EQ(polls, tvcpu_counter(&cpu, "halt_successful_poll"));
	EXPECT_EQ(0, tvcpu_msr(&cpu, MSR_KVM_POLL_CONTROL, 2));
	EXPECT_EQ(-EINVAL, poll_for(&vm, 1ULL << 32));
}

/* A signal ends a poll as it ends a sleep. */
TEST(poll_interrupted)
{
	struct tvcpu cpu;
	struct tvm vm;

	tvm_start(&vm, &cpu, TVM_IRQCHIP, guest_naps);
	ASSERT_EQ(0, poll_for(&vm, 0xffffffff));
	EXPECT_EQ(1, tvm_sync(&cpu));
	tvcpu_long_mode(&cpu, guest_halts);
	EXPECT_EQ(1, tvm_sync(&cpu));
	alarm_in(20000);
	EXPECT_EQ(-EINTR, tvm_run(&cpu));
}

TEST_HARNESS_MAIN
