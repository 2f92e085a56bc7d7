// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards paravirtual end of interrupt (MSR_KVM_PV_EOI_EN): a handler may clear a bit in memory
 * rather than write EOI, and what it did is known wherever it matters (the next interrupt, HLT,
 * EOI writes); there is no offer while another interrupt waits for the end, for
 * level-triggered ones, or after it was switched off; that it ended costs the next interrupt no
 * second look at what is pending; neither saved registers nor saved memory know of an offer, so a
 * guest goes on in another VM; values that are refused.
 * Bad input: reserved bits, addresses without memory, no LAPIC.
 */
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <asm/kvm_para.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define AREA_GPA	(TVM_FREE_GPA + 0x104)
#define LOW_VECTOR	0x41
#define HIGH_VECTOR	0x52
#define ROUNDS		20
#define MSIS		200
#define MSI_BASE	0xfee00000
#define MSI_ASSERT	0x4000
#define MSI_LEVEL	0x8000

static volatile int ignore_offer, leave_in_handler;
static volatile unsigned int taken[2], offers[2], eois, ended;

static volatile uint32_t *area(void)
{
	return (void *)AREA_GPA;
}

static int take_offer(void)
{
	uint8_t was_set;

	asm volatile("btrl $0, %1; setc %0" : "=r"(was_set), "+m"(*area()) : : "memory");
	return was_set;
}

static void end(int which)
{
	taken[which]++;
	if (leave_in_handler)
		g_sync(*area());
	if (ignore_offer) {
		offers[which] += *area() & 1;
	} else if (take_offer()) {
		offers[which]++;
		return;
	}
	eois++;
	g_apic_eoi();
}

static void on_low(struct g_frame *frame)
{
	end(0);
}

static void on_high(struct g_frame *frame)
{
	end(1);
}

static void send(uint8_t vector)
{
	g_apic_write(APIC_ICR, APIC_ICR_SELF | vector);
}

static void prepare(void)
{
	g_handlers[LOW_VECTOR] = on_low;
	g_handlers[HIGH_VECTOR] = on_high;
	*area() = 0;
	g_apic_enable();
	g_wrmsr(MSR_KVM_PV_EOI_EN, AREA_GPA | KVM_MSR_ENABLED);
}

static void guest_self_ipis(void)
{
	int i;

	prepare();
	for (;;) {
		for (i = 0; i < ROUNDS; i++) {
			send(HIGH_VECTOR);
			g_irq_window();
			send(LOW_VECTOR);
			g_irq_window();
		}
		g_sync(eois);
	}
}

/* Both wait before either is taken. */
static void guest_two_at_once(void)
{
	prepare();
	for (;;) {
		send(LOW_VECTOR);
		send(HIGH_VECTOR);
		g_irq_window();
		g_irq_window();
		g_sync(eois);
	}
}

/* The end of the high one is in memory alone when the guest waits for the low one. */
static void guest_halts(void)
{
	prepare();
	send(HIGH_VECTOR);
	g_irq_window();
	g_sync(1);
	while (!taken[0])
		g_sti_hlt();
	g_sync(2);
}

static void guest_waits(void)
{
	prepare();
	g_sync(0);
	for (;;) {
		g_irq_window();
		g_sync(taken[0]);
	}
}

/* Interrupts come between any two instructions, and not by an exit of the guest's own. */
static void guest_spins(void)
{
	prepare();
	g_sync(0);
	asm volatile("sti");
	while (ended < MSIS)
		ended = taken[0];
	g_sync(ended);
}

FIXTURE(pv_eoi) {
	struct tvm vm;
	struct tvcpu cpu;
	int by_hw;		/* the CPU ends interrupts: no offers, all else is the same */
};

FIXTURE_SETUP(pv_eoi)
{
	struct kvm_cpuid_entry2 *e;
	static struct tvm_cpuid cpuid;

	tvm_start(&self->vm, &self->cpu, TVM_IRQCHIP, guest_self_ipis);
	tvm_supported_cpuid(&self->vm, &cpuid);
	e = tvm_cpuid_find(&cpuid, KVM_CPUID_FEATURES, 0);
	ASSERT_NE(NULL, e);
	ASSERT_TRUE(e->eax & (1 << KVM_FEATURE_PV_EOI));
	self->by_hw = tvm_is_kvm() && tvm_host_is_intel();
}

FIXTURE_TEARDOWN(pv_eoi)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

TEST_F(pv_eoi, no_eoi_is_written)
{
	uint32_t before;

	if (self->by_hw)
		SKIP(return, "the CPU ends interrupts");
	before = tvm_sync(&self->cpu);
	EXPECT_EQ(before, tvm_sync(&self->cpu));
	EXPECT_EQ(2 * ROUNDS, taken[0]);
	EXPECT_EQ(2 * ROUNDS, taken[1]);
	EXPECT_EQ(0, eois);
	EXPECT_EQ(2 * ROUNDS, offers[0]);
	EXPECT_EQ(2 * ROUNDS, offers[1]);
}

TEST_F(pv_eoi, guest_may_ignore_it)
{
	ignore_offer = 1;
	EXPECT_EQ(2 * ROUNDS, tvm_sync(&self->cpu));
	EXPECT_EQ(4 * ROUNDS, tvm_sync(&self->cpu));
	EXPECT_EQ(2 * ROUNDS, taken[0]);
	EXPECT_EQ(2 * ROUNDS, taken[1]);
	if (!self->by_hw)
		EXPECT_EQ(2 * ROUNDS, offers[1]);
}

TEST_F(pv_eoi, not_while_another_waits)
{
	tvcpu_long_mode(&self->cpu, guest_two_at_once);
	tvm_sync(&self->cpu);
	EXPECT_EQ(1, taken[0]);
	EXPECT_EQ(1, taken[1]);
	EXPECT_EQ(0, offers[1]);
	if (!self->by_hw)
		EXPECT_EQ(1, offers[0]);
}

static void msi(struct tvm *vm, uint32_t vector, int level)
{
	struct kvm_msi m = {
		.address_lo = MSI_BASE,
		.data = vector | (level ? MSI_LEVEL | MSI_ASSERT : 0),
	};

	TVM_MUST(vm->fd, KVM_SIGNAL_MSI, &m);
}

static void *send_msis(void *vm)
{
	unsigned int i;

	for (i = 0; i < MSIS; i++) {
		msi(vm, LOW_VECTOR, 0);
		while (ended <= i)
			sched_yield();
	}
	return NULL;
}

TEST_F(pv_eoi, one_look_for_each)
{
	uint64_t before, requests;
	pthread_t thread;

	if (tvm_is_kvm())
		SKIP(return, "stock KVM does not count requests");
	tvcpu_long_mode(&self->cpu, guest_spins);
	tvm_sync(&self->cpu);
	before = tvcpu_counter(&self->cpu, "requests");
	ASSERT_EQ(0, pthread_create(&thread, NULL, send_msis, &self->vm));
	EXPECT_EQ(MSIS, tvm_sync(&self->cpu));
	pthread_join(thread, NULL);
	requests = tvcpu_counter(&self->cpu, "requests") - before;
	EXPECT_EQ(0, eois);
	EXPECT_GE(requests, MSIS);
	EXPECT_LT(requests, MSIS * 3 / 2);
}

TEST_F(pv_eoi, halt_knows_of_the_end)
{
	tvcpu_long_mode(&self->cpu, guest_halts);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	msi(&self->vm, LOW_VECTOR, 0);
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	EXPECT_EQ(1, taken[0]);
}

TEST_F(pv_eoi, not_for_levels)
{
	tvcpu_long_mode(&self->cpu, guest_waits);
	tvm_sync(&self->cpu);
	msi(&self->vm, LOW_VECTOR, 1);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, offers[0]);
	EXPECT_EQ(1, eois);
	msi(&self->vm, LOW_VECTOR, 0);
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	if (!self->by_hw)
		EXPECT_EQ(1, offers[0]);
}

TEST_F(pv_eoi, not_when_switched_off)
{
	tvcpu_long_mode(&self->cpu, guest_waits);
	tvm_sync(&self->cpu);
	ASSERT_EQ(1, tvcpu_msr(&self->cpu, MSR_KVM_PV_EOI_EN, 0));
	msi(&self->vm, LOW_VECTOR, 0);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, offers[0]);
	EXPECT_EQ(1, eois);
}

static int in_service(const struct kvm_lapic_state *lapic, uint32_t vector)
{
	uint32_t word;

	memcpy(&word, lapic->regs + APIC_ISR + vector / 32 * 0x10, sizeof(word));
	return word >> vector % 32 & 1;
}

/* In the handler, out in user space: no offer stands in memory, and none is owed. */
TEST_F(pv_eoi, goes_along_to_another_vm)
{
	struct kvm_lapic_state lapic;
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	struct tvcpu cpu;
	struct tvm vm;

	leave_in_handler = 1;
	tvm_sync(&self->cpu);
	EXPECT_EQ(0, *(uint32_t *)(self->vm.ram + AREA_GPA));
	ASSERT_EQ(AREA_GPA | KVM_MSR_ENABLED, tvcpu_get_msr(&self->cpu, MSR_KVM_PV_EOI_EN));
	TVM_MUST(self->cpu.fd, KVM_GET_LAPIC, &lapic);
	EXPECT_TRUE(in_service(&lapic, HIGH_VECTOR));
	tvcpu_get_regs(&self->cpu, &regs);
	tvcpu_get_sregs(&self->cpu, &sregs);

	tvm_create(&vm, TVM_IRQCHIP);
	memcpy(vm.ram, self->vm.ram, TVM_RAM_SIZE);
	tvcpu_create(&cpu, &vm, 0);
	tvcpu_set_sregs(&cpu, &sregs);
	tvcpu_set_regs(&cpu, &regs);
	ASSERT_EQ(1, tvcpu_msr(&cpu, MSR_KVM_PV_EOI_EN, AREA_GPA | KVM_MSR_ENABLED));
	TVM_MUST(cpu.fd, KVM_SET_LAPIC, &lapic);
	leave_in_handler = 0;
	tvm_sync(&cpu);
	EXPECT_EQ(ROUNDS, taken[0]);
	EXPECT_EQ(ROUNDS, taken[1]);
	TVM_MUST(cpu.fd, KVM_GET_LAPIC, &lapic);
	EXPECT_FALSE(in_service(&lapic, HIGH_VECTOR));
	EXPECT_FALSE(in_service(&lapic, LOW_VECTOR));
	tvcpu_destroy(&cpu);
	tvm_destroy(&vm);
}

TEST_F(pv_eoi, values)
{
	struct tvcpu *cpu = &self->cpu;

	EXPECT_EQ(0, tvcpu_get_msr(cpu, MSR_KVM_PV_EOI_EN));
	EXPECT_EQ(0, tvcpu_msr(cpu, MSR_KVM_PV_EOI_EN, AREA_GPA | 3));
	EXPECT_EQ(0, tvcpu_msr(cpu, MSR_KVM_PV_EOI_EN, TVM_HOLE_GPA | KVM_MSR_ENABLED));
	EXPECT_EQ(0, tvcpu_msr(cpu, MSR_KVM_PV_EOI_EN, (~0ULL << 2) | KVM_MSR_ENABLED));
	EXPECT_EQ(1, tvcpu_msr(cpu, MSR_KVM_PV_EOI_EN, AREA_GPA));
	EXPECT_EQ(AREA_GPA, tvcpu_get_msr(cpu, MSR_KVM_PV_EOI_EN));
}

TEST(needs_a_lapic)
{
	struct tvcpu cpu;
	struct tvm vm;

	tvm_create(&vm, 0);
	tvcpu_create(&cpu, &vm, 0);
	if (!tvm_is_kvm())
		EXPECT_EQ(0, tvcpu_msr(&cpu, MSR_KVM_PV_EOI_EN, AREA_GPA | KVM_MSR_ENABLED));
	EXPECT_EQ(1, tvcpu_msr(&cpu, MSR_KVM_PV_EOI_EN, 0));
	tvcpu_destroy(&cpu);
	tvm_destroy(&vm);
}

TEST_HARNESS_MAIN
