// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards what KVM_GET/SET_VCPU_EVENTS carry beyond injected events: a pending triple fault, and
 * pending exceptions with their payload (CR2, DR6), which change registers at delivery and not
 * before; that each part is refused while its capability is not enabled; that an INIT latched
 * in system management mode is waited for asleep; and that of several events which are on their way
 * none is lost.
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define FAULT_ADDRESS	0x1234567890ULL
#define PF_ERROR	2		/* a write */
#define OLD_CR2		0x777000ULL
#define DR6_BS		BIT64(14)

static volatile uint64_t seen_cr2, seen_dr6, seen_error;
static volatile unsigned int hits;

static void on_fault(struct g_frame *frame)
{
	uint64_t val;

	asm volatile("movq %%cr2, %0" : "=r"(val));
	seen_cr2 = val;
	asm volatile("movq %%dr6, %0" : "=r"(val));
	seen_dr6 = val;
	seen_error = frame->error;
	hits++;
}

static void guest_loop(void)
{
	g_handlers[PF_VECTOR] = on_fault;
	g_handlers[DB_VECTOR] = on_fault;
	for (;;)
		g_sync(1);
}

FIXTURE(events) {
	struct tvm vm;
	struct tvcpu cpu;
	struct kvm_vcpu_events ev;
};

FIXTURE_SETUP(events)
{
	tvm_start(&self->vm, &self->cpu, TVM_IRQCHIP, guest_loop);
	ASSERT_EQ(1, tvm_sync(&self->cpu));
	TVM_MUST(self->cpu.fd, KVM_GET_VCPU_EVENTS, &self->ev);
}

FIXTURE_TEARDOWN(events)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

static void enable(struct tvm *vm, unsigned int nr)
{
	struct kvm_enable_cap cap = { .cap = nr, .args = { 1 } };

	TVM_MUST(vm->fd, KVM_ENABLE_CAP, &cap);
}

static long set_events(struct tvcpu *cpu, const struct kvm_vcpu_events *ev)
{
	return tvm_ioctl_p(cpu->fd, KVM_SET_VCPU_EVENTS, ev);
}

TEST_F(events, triple_fault)
{
	struct kvm_vcpu_events ev;

	ASSERT_EQ(1, tvm_cap(&self->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT));
	enable(&self->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT);
	TVM_MUST(self->cpu.fd, KVM_GET_VCPU_EVENTS, &ev);
	EXPECT_TRUE(ev.flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT);
	EXPECT_EQ(0, ev.triple_fault.pending);
	ev.triple_fault.pending = 1;
	ASSERT_EQ(0, set_events(&self->cpu, &ev));
	/* it survives a KVM_RUN that enters no guest */
	self->cpu.run->immediate_exit = 1;
	EXPECT_EQ(-EINTR, tvm_run(&self->cpu));
	self->cpu.run->immediate_exit = 0;
	TVM_MUST(self->cpu.fd, KVM_GET_VCPU_EVENTS, &ev);
	EXPECT_EQ(1, ev.triple_fault.pending);
	tvm_expect_exit(&self->cpu, KVM_EXIT_SHUTDOWN);
	TVM_MUST(self->cpu.fd, KVM_GET_VCPU_EVENTS, &ev);
	EXPECT_EQ(0, ev.triple_fault.pending);
}

TEST_F(events, triple_fault_taken_back)
{
	struct kvm_vcpu_events ev;

	enable(&self->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT);
	TVM_MUST(self->cpu.fd, KVM_GET_VCPU_EVENTS, &ev);
	ev.triple_fault.pending = 1;
	ASSERT_EQ(0, set_events(&self->cpu, &ev));
	/* without the flag the field is not looked at */
	ev.flags &= ~KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	ev.triple_fault.pending = 0;
	ASSERT_EQ(0, set_events(&self->cpu, &ev));
	TVM_MUST(self->cpu.fd, KVM_GET_VCPU_EVENTS, &ev);
	EXPECT_EQ(1, ev.triple_fault.pending);
	ev.triple_fault.pending = 0;
	ASSERT_EQ(0, set_events(&self->cpu, &ev));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
}

TEST_F(events, triple_fault_not_enabled)
{
	struct kvm_vcpu_events ev = self->ev;

	EXPECT_FALSE(ev.flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT);
	ev.flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	EXPECT_EQ(-EINVAL, set_events(&self->cpu, &ev));
	ev.triple_fault.pending = 1;
	EXPECT_EQ(-EINVAL, set_events(&self->cpu, &ev));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
}

static void pending_page_fault(struct tvcpu *cpu)
{
	struct kvm_vcpu_events ev;

	TVM_MUST(cpu->fd, KVM_GET_VCPU_EVENTS, &ev);
	ev.flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	ev.exception.pending = 1;
	ev.exception.nr = PF_VECTOR;
	ev.exception.has_error_code = 1;
	ev.exception.error_code = PF_ERROR;
	ev.exception_has_payload = 1;
	ev.exception_payload = FAULT_ADDRESS;
	TVM_MUST(cpu->fd, KVM_SET_VCPU_EVENTS, &ev);
}

/* The address reaches CR2 with the exception, not when user space looks. */
TEST_F(events, page_fault_payload)
{
	struct kvm_vcpu_events ev;
	struct kvm_sregs sregs;

	enable(&self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	tvcpu_get_sregs(&self->cpu, &sregs);
	sregs.cr2 = OLD_CR2;
	tvcpu_set_sregs(&self->cpu, &sregs);
	pending_page_fault(&self->cpu);
	tvcpu_get_sregs(&self->cpu, &sregs);
	EXPECT_EQ(OLD_CR2, sregs.cr2);
	TVM_MUST(self->cpu.fd, KVM_GET_VCPU_EVENTS, &ev);
	EXPECT_TRUE(ev.flags & KVM_VCPUEVENT_VALID_PAYLOAD);
	EXPECT_EQ(1, ev.exception.pending);
	EXPECT_EQ(0, ev.exception.injected);
	EXPECT_EQ(1, ev.exception_has_payload);
	EXPECT_EQ(FAULT_ADDRESS, ev.exception_payload);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(1, hits);
	EXPECT_EQ(FAULT_ADDRESS, seen_cr2);
	EXPECT_EQ(PF_ERROR, seen_error);
}

TEST_F(events, debug_payload)
{
	struct kvm_vcpu_events ev = self->ev;
	struct kvm_debugregs regs;

	enable(&self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	ev.flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	ev.exception.pending = 1;
	ev.exception.nr = DB_VECTOR;
	ev.exception_has_payload = 1;
	ev.exception_payload = DR6_BS;
	ASSERT_EQ(0, set_events(&self->cpu, &ev));
	TVM_MUST(self->cpu.fd, KVM_GET_DEBUGREGS, &regs);
	EXPECT_EQ(0, regs.dr6 & DR6_BS);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(1, hits);
	EXPECT_TRUE(seen_dr6 & DR6_BS);
}

/* An exception is either being delivered or waiting. */
TEST_F(events, payload_refused)
{
	struct kvm_vcpu_events ev = self->ev;

	ev.flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	EXPECT_EQ(-EINVAL, set_events(&self->cpu, &ev));
	enable(&self->vm, KVM_CAP_EXCEPTION_PAYLOAD);
	EXPECT_EQ(0, set_events(&self->cpu, &ev));
	ev.exception.nr = PF_VECTOR;
	ev.exception.pending = 1;
	ev.exception.injected = 1;
	EXPECT_EQ(-EINVAL, set_events(&self->cpu, &ev));
	ev.exception.injected = 0;
	ev.exception.nr = 2;
	EXPECT_EQ(-EINVAL, set_events(&self->cpu, &ev));
	ev.exception.nr = 255;
	EXPECT_EQ(-EINVAL, set_events(&self->cpu, &ev));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, hits);
}

static void ignore_signal(int sig)
{
}

/* Waits for an event that does not come, until a signal does. */
static void expect_sleeps(struct __test_metadata *_metadata, struct tvcpu *cpu)
{
	struct itimerval ticks = {
		.it_value = { .tv_usec = 20000 }, .it_interval = { .tv_usec = 20000 },
	};
	struct sigaction action = { .sa_handler = ignore_signal };
	struct rusage before, after;

	sigaction(SIGALRM, &action, NULL);
	getrusage(RUSAGE_SELF, &before);
	setitimer(ITIMER_REAL, &ticks, NULL);
	EXPECT_EQ(-EINTR, tvm_run(cpu));
	setitimer(ITIMER_REAL, &(struct itimerval){}, NULL);
	getrusage(RUSAGE_SELF, &after);
	EXPECT_GT(after.ru_nvcsw, before.ru_nvcsw);
}

/* INIT and start-up wait for the end of system management mode, and so does a vCPU for them. */
TEST_F(events, init_waits_in_smm)
{
	struct kvm_vcpu_events ev;
	struct kvm_mp_state mp;
	struct tvcpu ap;

	if (tvm_is_kvm())
		SKIP(return, "stock KVM does not wait in KVM_RUN");
	tvcpu_create(&ap, &self->vm, 1);
	TVM_MUST(ap.fd, KVM_GET_MP_STATE, &mp);
	ASSERT_EQ(KVM_MP_STATE_UNINITIALIZED, mp.mp_state);
	TVM_MUST(ap.fd, KVM_GET_VCPU_EVENTS, &ev);
	ev.flags |= KVM_VCPUEVENT_VALID_SMM;
	ev.smi.smm = 1;
	ev.smi.latched_init = 1;
	ASSERT_EQ(0, set_events(&ap, &ev));
	expect_sleeps(_metadata, &ap);
	ev.smi.latched_init = 0;
	ASSERT_EQ(0, set_events(&ap, &ev));
	mp.mp_state = KVM_MP_STATE_SIPI_RECEIVED;
	TVM_MUST(ap.fd, KVM_SET_MP_STATE, &mp);
	expect_sleeps(_metadata, &ap);
	tvcpu_destroy(&ap);
}

#define IRQ_VECTOR	0x61

static volatile unsigned int nmis, irqs;

static void on_nmi(struct g_frame *frame)
{
	nmis++;
}

static void on_irq(struct g_frame *frame)
{
	irqs++;
}

static void guest_open(void)
{
	g_handlers[NMI_VECTOR] = on_nmi;
	g_handlers[IRQ_VECTOR] = on_irq;
	g_sti();
	for (;;)
		g_sync(1);
}

/* A vCPU without interrupt controllers, open for interrupts, into which an NMI is on its way. */
static void start_with_nmi(struct tvm *vm, struct tvcpu *cpu)
{
	struct kvm_vcpu_events ev;

	tvm_start(vm, cpu, 0, guest_open);
	tvm_sync(cpu);
	TVM_MUST(cpu->fd, KVM_GET_VCPU_EVENTS, &ev);
	ev.nmi.injected = 1;
	TVM_MUST(cpu->fd, KVM_SET_VCPU_EVENTS, &ev);
}

static void enter_nothing(struct tvcpu *cpu)
{
	cpu->run->immediate_exit = 1;
	tvm_run(cpu);
	cpu->run->immediate_exit = 0;
}

static long interrupt(struct tvcpu *cpu)
{
	struct kvm_interrupt irq = { .irq = IRQ_VECTOR };

	return tvm_ioctl_p(cpu->fd, KVM_INTERRUPT, &irq);
}

TEST(not_ready_behind_an_nmi)
{
	struct tvcpu cpu;
	struct tvm vm;
	int i;

	start_with_nmi(&vm, &cpu);
	enter_nothing(&cpu);
	EXPECT_EQ(0, cpu.run->ready_for_interrupt_injection);
	cpu.run->request_interrupt_window = 1;
	for (i = 0; i < 10 && !cpu.run->ready_for_interrupt_injection; i++)
		tvm_run(&cpu);
	cpu.run->request_interrupt_window = 0;
	ASSERT_EQ(1, cpu.run->ready_for_interrupt_injection);
	ASSERT_EQ(0, interrupt(&cpu));
	EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_EQ(1, nmis);
	EXPECT_EQ(1, irqs);
	tvcpu_destroy(&cpu);
	tvm_destroy(&vm);
}

/* User space that does not look whether the vCPU is ready: the interrupt waits until it is. */
TEST(interrupt_behind_an_nmi)
{
	struct tvcpu cpu;
	struct tvm vm;
	int i;

	start_with_nmi(&vm, &cpu);
	ASSERT_EQ(0, interrupt(&cpu));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_EQ(1, nmis);
	if (!tvm_is_kvm())
		EXPECT_EQ(1, irqs);
	tvcpu_destroy(&cpu);
	tvm_destroy(&vm);
}

static void guest_closed(void)
{
	g_handlers[IRQ_VECTOR] = on_irq;
	g_sync(1);
	/* An access that is emulated is not taken for one of the interrupt's delivery. */
	*(volatile uint32_t *)TVM_HOLE_GPA = 1;
	g_sync(2);
	G_ASSERT(!irqs);
	g_sti();
	for (;;)
		g_sync(3);
}

TEST(interrupt_while_closed)
{
	struct tvcpu cpu;
	struct tvm vm;

	if (tvm_is_kvm())
		SKIP(return, "stock KVM enters with what user space gave it");
	tvm_start(&vm, &cpu, 0, guest_closed);
	EXPECT_EQ(1, tvm_sync(&cpu));
	ASSERT_EQ(0, interrupt(&cpu));
	tvm_expect_exit(&cpu, KVM_EXIT_MMIO);
	EXPECT_EQ(2, tvm_sync(&cpu));
	EXPECT_EQ(0, irqs);
	EXPECT_EQ(3, tvm_sync(&cpu));
	EXPECT_EQ(3, tvm_sync(&cpu));
	EXPECT_EQ(1, irqs);
	tvcpu_destroy(&cpu);
	tvm_destroy(&vm);
}

TEST_HARNESS_MAIN
