// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the smaller vCPU states: mp_state, vcpu_events, debug registers, TSC frequency and
 * KVM_INTERRUPT/KVM_NMI without an irqchip: round trips, effect in the guest, hostile values.
 * Errnos were verified on stock KVM 6.12.
 */
#include "kselftest_harness.h"
#include "tvm.h"

static volatile unsigned int hits, vector_seen;

static void count_hit(struct g_frame *frame)
{
	hits++;
	vector_seen = frame->vector;
}

static void guest_wait(void)
{
	g_handlers[0x40] = count_hit;
	g_handlers[2] = count_hit;
	g_handlers[UD_VECTOR] = count_hit;
	g_sync(1);
	g_sti();
	for (;;)
		g_sync(100 + hits);
}

static void guest_if_off(void)
{
	for (;;)
		g_sync(1);
}

FIXTURE(state) {
	struct tvm vm;
	struct tvcpu cpu;
};

FIXTURE_SETUP(state)
{
	tvm_start(&self->vm, &self->cpu, 0, guest_wait);
}

FIXTURE_TEARDOWN(state)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

TEST_F(state, mp_state)
{
	struct kvm_mp_state mp;

	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_GET_MP_STATE, &mp));
	EXPECT_EQ(KVM_MP_STATE_RUNNABLE, mp.mp_state);
	EXPECT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_SET_MP_STATE, &mp));
	mp.mp_state = 0xff;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->cpu.fd, KVM_SET_MP_STATE, &mp));
	/* without an irqchip in the kernel nothing could ever wake these */
	mp.mp_state = KVM_MP_STATE_UNINITIALIZED;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->cpu.fd, KVM_SET_MP_STATE, &mp));
	mp.mp_state = KVM_MP_STATE_SIPI_RECEIVED;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->cpu.fd, KVM_SET_MP_STATE, &mp));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
}

TEST_F(state, interrupt)
{
	struct kvm_interrupt irq = { .irq = 0x40 };

	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(100, tvm_sync(&self->cpu));
	EXPECT_EQ(1, self->cpu.run->if_flag);
	EXPECT_EQ(1, self->cpu.run->ready_for_interrupt_injection);
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_INTERRUPT, &irq));
	EXPECT_EQ(101, tvm_sync(&self->cpu));
	EXPECT_EQ(0x40, vector_seen);
	irq.irq = 256;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->cpu.fd, KVM_INTERRUPT, &irq));
	irq.irq = 0xffffffff;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->cpu.fd, KVM_INTERRUPT, &irq));
	EXPECT_EQ(101, tvm_sync(&self->cpu));
}

/* The VMM asks to be told when an interrupt could be taken. */
TEST_F(state, interrupt_window)
{
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, self->cpu.run->ready_for_interrupt_injection);
	self->cpu.run->request_interrupt_window = 1;
	tvm_expect_exit(&self->cpu, KVM_EXIT_IRQ_WINDOW_OPEN);
	EXPECT_EQ(1, self->cpu.run->ready_for_interrupt_injection);
	self->cpu.run->request_interrupt_window = 0;
	EXPECT_EQ(100, tvm_sync(&self->cpu));
}

TEST_F(state, nmi)
{
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(100, tvm_sync(&self->cpu));
	ASSERT_EQ(0, tvm_ioctl(self->cpu.fd, KVM_NMI, 0));
	EXPECT_EQ(101, tvm_sync(&self->cpu));
	EXPECT_EQ(2, vector_seen);
}

/* An NMI is taken with interrupts off, too. */
TEST_F(state, nmi_with_if_off)
{
	tvcpu_long_mode(&self->cpu, guest_if_off);
	g_handlers[2] = count_hit;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, tvm_ioctl(self->cpu.fd, KVM_NMI, 0));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(1, hits);
}

TEST_F(state, events_round_trip)
{
	struct kvm_vcpu_events ev;

	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_GET_VCPU_EVENTS, &ev));
	EXPECT_EQ(0, ev.exception.injected);
	EXPECT_EQ(0, ev.interrupt.injected);
	EXPECT_EQ(0, ev.nmi.injected);
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_SET_VCPU_EVENTS, &ev));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
}

/* An exception injected by the host arrives in the guest's handler. */
TEST_F(state, events_inject)
{
	struct kvm_vcpu_events ev;

	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(100, tvm_sync(&self->cpu));
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_GET_VCPU_EVENTS, &ev));
	ev.exception.injected = 1;
	ev.exception.nr = UD_VECTOR;
	ev.exception.has_error_code = 0;
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_SET_VCPU_EVENTS, &ev));
	EXPECT_EQ(101, tvm_sync(&self->cpu));
	EXPECT_EQ(UD_VECTOR, vector_seen);
}

TEST_F(state, events_hostile)
{
	struct kvm_vcpu_events good, bad;

	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_GET_VCPU_EVENTS, &good));
	bad = good;
	bad.flags = BIT64(31);
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->cpu.fd, KVM_SET_VCPU_EVENTS, &bad));
	bad = good;
	bad.exception.injected = 1;
	bad.exception.nr = 32;		/* not an exception */
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->cpu.fd, KVM_SET_VCPU_EVENTS, &bad));
	bad.exception.nr = 2;		/* NMI is no exception either */
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->cpu.fd, KVM_SET_VCPU_EVENTS, &bad));
	bad.exception.nr = 255;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->cpu.fd, KVM_SET_VCPU_EVENTS, &bad));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
}

TEST_F(state, debugregs)
{
	struct kvm_debugregs set, get;

	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_GET_DEBUGREGS, &set));
	EXPECT_EQ(0x400, set.dr7);
	EXPECT_EQ(0xffff0ff0, set.dr6);
	set.db[0] = 0x1000;
	set.db[3] = 0xffff800000004000;
	set.dr7 = 0x400;
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_SET_DEBUGREGS, &set));
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_GET_DEBUGREGS, &get));
	EXPECT_EQ(0, memcmp(set.db, get.db, sizeof(set.db)));
	set.dr7 |= BIT64(40);
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->cpu.fd, KVM_SET_DEBUGREGS, &set));
	set.dr7 = 0x400;
	set.dr6 |= BIT64(40);
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->cpu.fd, KVM_SET_DEBUGREGS, &set));
	set.dr6 = get.dr6;
	set.flags = 1;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->cpu.fd, KVM_SET_DEBUGREGS, &set));
}

static volatile uint64_t dr0, dr7;

static void guest_drs(void)
{
	uint64_t val;

	asm volatile("movq %%dr0, %0" : "=r"(val));
	dr0 = val;
	asm volatile("movq %%dr7, %0" : "=r"(val));
	dr7 = val;
	asm volatile("movq %0, %%dr1" : : "r"(0x5678UL));
	g_sync(1);
}

TEST_F(state, debugregs_in_the_guest)
{
	struct kvm_debugregs regs;

	tvcpu_long_mode(&self->cpu, guest_drs);
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_GET_DEBUGREGS, &regs));
	regs.db[0] = 0x1234;
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_SET_DEBUGREGS, &regs));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0x1234, dr0);
	EXPECT_EQ(0x400, dr7);
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_GET_DEBUGREGS, &regs));
	EXPECT_EQ(0x5678, regs.db[1]);
}

/* The guest's own hardware breakpoint works and is gone from the host. */
static void on_db(struct g_frame *frame)
{
	uint64_t dr6;

	asm volatile("movq %%dr6, %0" : "=r"(dr6));
	vector_seen = frame->vector;
	hits += dr6 & 1;
	asm volatile("movq %0, %%dr7" : : "r"(0x400UL));
}

static void guest_breaks(void)
{
	static volatile uint32_t watched;

	g_handlers[DB_VECTOR] = on_db;
	asm volatile("movq %0, %%dr0" : : "r"(&watched));
	asm volatile("movq %0, %%dr7" : : "r"(0x400UL | 1 | 0xd0000));	/* L0, write, 4 bytes */
	g_sync(1);
	watched = 5;
	g_sync(2);
}

TEST_F(state, guest_watchpoint)
{
	tvcpu_long_mode(&self->cpu, guest_breaks);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	EXPECT_EQ(1, hits);
	EXPECT_EQ(DB_VECTOR, vector_seen);
}

TEST_F(state, tsc_khz)
{
	long khz;

	if (!tvm_cap(&self->vm, KVM_CAP_GET_TSC_KHZ))
		SKIP(return, "no KVM_CAP_GET_TSC_KHZ");
	khz = tvm_ioctl(self->cpu.fd, KVM_GET_TSC_KHZ, 0);
	EXPECT_GT(khz, 1000);
	if (!tvm_cap(&self->vm, KVM_CAP_TSC_CONTROL))
		return;
	EXPECT_EQ(-EINVAL, tvm_ioctl(self->cpu.fd, KVM_SET_TSC_KHZ, -1UL));
	EXPECT_EQ(0, tvm_ioctl(self->cpu.fd, KVM_SET_TSC_KHZ, khz));
}

TEST_HARNESS_MAIN
