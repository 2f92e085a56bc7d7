// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the local APIC timer of the in-kernel irqchip: one-shot, periodic and TSC-deadline
 * interrupts, in xAPIC and x2APIC mode, counted in the guest; masking, reprogramming, and that
 * a deadline in the past fires at once. The bus clock is as fast, or slow, as KVM_ENABLE_CAP made
 * it. KVM_GET_LAPIC and KVM_SET_LAPIC lose no interrupt, whenever they come.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define VECTOR		0x50
#define SHORT_COUNT	200000		/* APIC clock ticks: 0.2 ms at KVM's 1 GHz */

static volatile unsigned int hits;

static void on_timer(struct g_frame *frame)
{
	hits++;
	g_lapic_write(APIC_EOI, 0);
}

static void apic_setup(void)
{
	g_handlers[VECTOR] = on_timer;
	if (g_x2apic)
		g_wrmsr(MSR_IA32_APICBASE, g_rdmsr(MSR_IA32_APICBASE) | APICBASE_X2APIC);
	g_lapic_write(APIC_SVR, APIC_SVR_ENABLE | 0xff);
	g_lapic_write(APIC_TDCR, APIC_TDR_DIV_1);
}

/* Lets the guest sleep until @n interrupts have come. */
static void wait_hits(unsigned int n)
{
	while (hits < n)
		g_sti_hlt();
}

static void guest_oneshot(void)
{
	unsigned int i;

	apic_setup();
	g_lapic_write(APIC_LVTT, VECTOR);
	for (i = 1; i <= 5; i++) {
		g_lapic_write(APIC_TMICT, SHORT_COUNT);
		wait_hits(i);
		G_ASSERT(g_lapic_read(APIC_TMCCT) == 0);
	}
	g_sync(hits);
}

static void guest_periodic(void)
{
	apic_setup();
	g_lapic_write(APIC_LVTT, VECTOR | APIC_LVT_PERIODIC);
	g_lapic_write(APIC_TMICT, SHORT_COUNT);
	wait_hits(8);
	g_lapic_write(APIC_TMICT, 0);		/* stops it */
	g_sync(1);
	hits = 0;
	g_sti();
	g_sync(2);
	g_cli();
	G_ASSERT(hits <= 1);			/* at most the one that was pending */
	g_sync(3);
}

static void guest_counts_down(void)
{
	uint32_t a, b, i;

	apic_setup();
	g_lapic_write(APIC_LVTT, VECTOR | APIC_LVT_MASKED);
	g_lapic_write(APIC_TMICT, 0xffffffff);
	a = g_lapic_read(APIC_TMCCT);
	for (i = 0; i < 1000; i++)
		g_pause();
	b = g_lapic_read(APIC_TMCCT);
	G_ASSERT(a > b && b > 0);
	g_sync(1);
}

static void guest_deadline(void)
{
	unsigned int i;

	apic_setup();
	g_lapic_write(APIC_LVTT, VECTOR | APIC_LVT_DEADLINE);
	for (i = 1; i <= 5; i++) {
		g_wrmsr(MSR_IA32_TSC_DEADLINE, g_rdtsc() + 100000);
		wait_hits(i);
		G_ASSERT(g_rdmsr(MSR_IA32_TSC_DEADLINE) == 0);
	}
	/* in the past: at once */
	g_wrmsr(MSR_IA32_TSC_DEADLINE, 1);
	wait_hits(6);
	/* zero disarms */
	g_wrmsr(MSR_IA32_TSC_DEADLINE, g_rdtsc() + 50000000);
	g_wrmsr(MSR_IA32_TSC_DEADLINE, 0);
	G_ASSERT(g_rdmsr(MSR_IA32_TSC_DEADLINE) == 0);
	g_sync(hits);
}

/* The guest does not sleep: the interrupt must break into a running loop. */
static void guest_busy(void)
{
	apic_setup();
	g_lapic_write(APIC_LVTT, VECTOR);
	g_lapic_write(APIC_TMICT, SHORT_COUNT);
	g_sti();
	while (!hits)
		g_pause();
	g_cli();
	g_sync(hits);
}

static void guest_masked(void)
{
	uint64_t end;

	apic_setup();
	g_lapic_write(APIC_LVTT, VECTOR | APIC_LVT_MASKED);
	g_lapic_write(APIC_TMICT, 1000);
	end = g_rdtsc() + 3000000;
	g_sti();
	while (g_rdtsc() < end)
		g_pause();
	g_cli();
	g_sync(100 + hits);
}

FIXTURE(timer) {
	struct tvm vm;
	struct tvcpu cpu;
};

FIXTURE_VARIANT(timer) {
	int x2apic;
};

FIXTURE_VARIANT_ADD(timer, xapic) { .x2apic = 0 };
FIXTURE_VARIANT_ADD(timer, x2apic) { .x2apic = 1 };

FIXTURE_SETUP(timer)
{
	g_x2apic = variant->x2apic;
	tvm_start(&self->vm, &self->cpu, TVM_IRQCHIP, guest_oneshot);
}

FIXTURE_TEARDOWN(timer)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

TEST_F(timer, oneshot)
{
	EXPECT_EQ(5, tvm_sync(&self->cpu));
}

TEST_F(timer, periodic)
{
	tvcpu_long_mode(&self->cpu, guest_periodic);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	usleep(5000);
	EXPECT_EQ(3, tvm_sync(&self->cpu));
}

TEST_F(timer, counts_down)
{
	tvcpu_long_mode(&self->cpu, guest_counts_down);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
}

TEST_F(timer, tsc_deadline)
{
	struct tvm_cpuid cpuid;

	if (!tvm_cap(&self->vm, KVM_CAP_TSC_DEADLINE_TIMER))
		SKIP(return, "no KVM_CAP_TSC_DEADLINE_TIMER");
	tvm_supported_cpuid(&self->vm, &cpuid);
	tvm_cpuid_find(&cpuid, 1, 0)->ecx |= CPUID_1_ECX_TSC_DEADLINE;
	TVM_MUST(self->cpu.fd, KVM_SET_CPUID2, &cpuid);
	tvcpu_long_mode(&self->cpu, guest_deadline);
	EXPECT_EQ(6, tvm_sync(&self->cpu));
}

TEST_F(timer, interrupts_a_busy_guest)
{
	tvcpu_long_mode(&self->cpu, guest_busy);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
}

TEST_F(timer, masked)
{
	tvcpu_long_mode(&self->cpu, guest_masked);
	EXPECT_EQ(100, tvm_sync(&self->cpu));
}

static void guest_counts(void)
{
	apic_setup();
	g_lapic_write(APIC_LVTT, APIC_LVT_MASKED);
	g_lapic_write(APIC_TMICT, ~0U);
	g_sync(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static uint32_t timer_count(struct tvcpu *cpu)
{
	struct kvm_lapic_state lapic;

	TVM_MUST(cpu->fd, KVM_GET_LAPIC, &lapic);
	return *(uint32_t *)(lapic.regs + APIC_TMCCT);
}

static long bus_cycle(struct tvm *vm, uint64_t ns)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_APIC_BUS_CYCLES_NS, .args[0] = ns };

	return tvm_ioctl_p(vm->fd, KVM_ENABLE_CAP, &cap);
}

TEST(bus_clock)
{
	const uint64_t cycle = 40;
	uint64_t counted, t[4];
	struct tvcpu cpu;
	struct tvm vm;

	tvm_create(&vm, TVM_IRQCHIP);
	if (!tvm_cap(&vm, KVM_CAP_X86_APIC_BUS_CYCLES_NS))
		SKIP(return, "no KVM_CAP_X86_APIC_BUS_CYCLES_NS");
	EXPECT_EQ(1, tvm_cap(&vm, KVM_CAP_X86_APIC_BUS_CYCLES_NS));
	ASSERT_EQ(0, bus_cycle(&vm, cycle));
	tvcpu_create(&cpu, &vm, 0);
	g_x2apic = 0;
	tvcpu_long_mode(&cpu, guest_counts);
	EXPECT_EQ(1, tvm_sync(&cpu));
	t[0] = now_ns();
	counted = timer_count(&cpu);
	t[1] = now_ns();
	usleep(20000);
	t[2] = now_ns();
	counted = (counted - timer_count(&cpu)) * cycle;
	t[3] = now_ns();
	EXPECT_GT(counted, (t[2] - t[1]) * 9 / 10);
	EXPECT_LT(counted, (t[3] - t[0]) * 11 / 10);
	tvcpu_destroy(&cpu);
	tvm_destroy(&vm);
}

static volatile uint32_t saved_divisor, saved_count;

/* Its state is saved and restored at the first sync. */
static void guest_saved(void)
{
	unsigned int i;

	apic_setup();
	g_lapic_write(APIC_TDCR, saved_divisor);
	g_lapic_write(APIC_LVTT, VECTOR);
	g_lapic_write(APIC_TMICT, saved_count);
	g_sync(1);
	g_sti();
	for (i = 0; i < 1000000 && !hits; i++)
		g_pause();
	g_cli();
	g_sync(100 + hits);
}

/* As a migration carries it. Does the state hold the interrupt, or what is left of its time? */
static int save_and_restore(struct tvcpu *cpu)
{
	struct kvm_lapic_state lapic;
	uint32_t count, irr;

	TVM_MUST(cpu->fd, KVM_GET_LAPIC, &lapic);
	memcpy(&count, lapic.regs + APIC_TMCCT, sizeof(count));
	memcpy(&irr, lapic.regs + APIC_IRR + VECTOR / 32 * 0x10, sizeof(irr));
	TVM_MUST(cpu->fd, KVM_SET_LAPIC, &lapic);
	return count || irr & 1 << VECTOR % 32;
}

TEST_F(timer, saved_after_its_time)
{
	saved_divisor = APIC_TDR_DIV_1;
	saved_count = 1000000;
	tvcpu_long_mode(&self->cpu, guest_saved);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	usleep(5000);
	EXPECT_TRUE(save_and_restore(&self->cpu));
	EXPECT_EQ(101, tvm_sync(&self->cpu));
}

/* A tick of a millisecond, so that there is time to find the last one under way. */
TEST(saved_in_its_last_tick)
{
	struct tvcpu cpu;
	struct tvm vm;

	tvm_create(&vm, TVM_IRQCHIP);
	if (!tvm_cap(&vm, KVM_CAP_X86_APIC_BUS_CYCLES_NS))
		SKIP(return, "no KVM_CAP_X86_APIC_BUS_CYCLES_NS");
	ASSERT_EQ(0, bus_cycle(&vm, 8192));
	tvcpu_create(&cpu, &vm, 0);
	g_x2apic = 0;
	saved_divisor = APIC_TDR_DIV_128;
	saved_count = 1;
	tvcpu_long_mode(&cpu, guest_saved);
	EXPECT_EQ(1, tvm_sync(&cpu));
	EXPECT_TRUE(save_and_restore(&cpu));
	EXPECT_EQ(101, tvm_sync(&cpu));
	tvcpu_destroy(&cpu);
	tvm_destroy(&vm);
}

static void guest_counts_longest(void)
{
	apic_setup();
	g_lapic_write(APIC_TDCR, APIC_TDR_DIV_128);
	g_lapic_write(APIC_LVTT, VECTOR);
	g_lapic_write(APIC_TMICT, ~0U);
	g_irq_window();
	g_sync(hits);
}

/* Neither the time nor the host's ticks in it overflow: none of it is over so soon. */
TEST(bus_clock_slowest)
{
	uint64_t cycle = 1ULL << 32;
	struct tvcpu cpu;
	struct tvm vm;

	tvm_create(&vm, TVM_IRQCHIP);
	if (!tvm_cap(&vm, KVM_CAP_X86_APIC_BUS_CYCLES_NS))
		SKIP(return, "no KVM_CAP_X86_APIC_BUS_CYCLES_NS");
	while (cycle > 1 && bus_cycle(&vm, cycle))
		cycle >>= 1;
	if (!tvm_is_kvm())
		EXPECT_EQ(8192, cycle);
	tvcpu_create(&cpu, &vm, 0);
	g_x2apic = 0;
	tvcpu_long_mode(&cpu, guest_counts_longest);
	EXPECT_EQ(0, tvm_sync(&cpu));
	EXPECT_GT(timer_count(&cpu), ~0U - 100000000U);
	tvcpu_destroy(&cpu);
	tvm_destroy(&vm);
}

TEST(bus_clock_hostile)
{
	struct tvcpu cpu;
	struct tvm vm;

	tvm_create(&vm, 0);
	if (!tvm_cap(&vm, KVM_CAP_X86_APIC_BUS_CYCLES_NS))
		SKIP(return, "no KVM_CAP_X86_APIC_BUS_CYCLES_NS");
	EXPECT_EQ(-ENXIO, bus_cycle(&vm, 40));
	tvm_destroy(&vm);
	tvm_create(&vm, TVM_IRQCHIP);
	EXPECT_EQ(-EINVAL, bus_cycle(&vm, 0));
	EXPECT_EQ(-EINVAL, bus_cycle(&vm, -1ULL));
	EXPECT_EQ(-EINVAL, bus_cycle(&vm, 1ULL << 32));
	tvcpu_create(&cpu, &vm, 0);
	EXPECT_EQ(-EINVAL, bus_cycle(&vm, 40));
	tvcpu_destroy(&cpu);
	tvm_destroy(&vm);
}

TEST_HARNESS_MAIN
