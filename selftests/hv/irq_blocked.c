// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards code that runs with interrupts off: what its LAPIC holds ready stays there until RFLAGS.IF
 * is set, whatever interrupts the host meanwhile. (Bochs lets an interrupt of the host pass the
 * guest's own one, see vmx/apic.c: guests then ran handlers inside their critical sections.)
 */
#include "kselftest_harness.h"
#include "tvm.h"

#define LOW		0x41
#define HIGH		0x91
/* Together long enough for many of the host's timer interrupts, in either machine. */
#define ROUNDS		200
#define SPINS		6000

static volatile unsigned int low, high, inside;

/* Without exits. */
static void critical_section(void)
{
	volatile unsigned int spins = SPINS;

	inside = 1;
	while (spins)
		spins--;
	inside = 0;
}

static void on_low(struct g_frame *frame)
{
	G_ASSERT(!inside && frame->rflags & X86_RFLAGS_IF);
	low++;
	g_lapic_write(APIC_EOI, 0);
}

/* LOW is requested, too, and may come from the EOI on; but not before IRET. */
static void on_high(struct g_frame *frame)
{
	G_ASSERT(!inside && frame->rflags & X86_RFLAGS_IF);
	high++;
	g_lapic_write(APIC_EOI, 0);
	critical_section();
}

static void requested(void)
{
	unsigned int i;

	for (i = 1; i <= ROUNDS; i++) {
		g_self_ipi(LOW);
		critical_section();
		G_ASSERT(low == i - 1);
		g_irq_window();
		G_ASSERT(low == i);
	}
}

static void after_eoi(void)
{
	unsigned int i;

	for (i = 1; i <= ROUNDS; i++) {
		g_self_ipi(LOW);
		g_self_ipi(HIGH);
		g_irq_window();
		G_ASSERT(high == i && low == i);
	}
}

static void begin(void (*what)(void))
{
	g_handlers[LOW] = on_low;
	g_handlers[HIGH] = on_high;
	g_apic_enable();
	low = 0;
	high = 0;
	what();
	g_sync(1);
	g_wrmsr(MSR_IA32_APICBASE, g_rdmsr(MSR_IA32_APICBASE) | APICBASE_X2APIC);
	g_x2apic = 1;
	low = 0;
	high = 0;
	what();
	g_sync(2);
}

static void guest_requested(void)
{
	begin(requested);
}

static void guest_after_eoi(void)
{
	begin(after_eoi);
}

FIXTURE(blocked) {
	struct tvm vm;
	struct tvcpu cpu;
};

FIXTURE_SETUP(blocked)
{
	tvm_create(&self->vm, TVM_IRQCHIP);
	tvcpu_create(&self->cpu, &self->vm, 0);
}

FIXTURE_TEARDOWN(blocked)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

TEST_F(blocked, requested)
{
	tvcpu_long_mode(&self->cpu, guest_requested);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(2, tvm_sync(&self->cpu));
}

TEST_F(blocked, after_eoi)
{
	tvcpu_long_mode(&self->cpu, guest_after_eoi);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(2, tvm_sync(&self->cpu));
}

TEST_HARNESS_MAIN
