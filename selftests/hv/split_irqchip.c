// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the split irqchip: LAPICs in the kernel, everything else in user space. The VMM's 8259s
 * hear when the guest takes an interrupt, asleep in HLT or not, and one at a time; a LAPIC that
 * takes none of them is no reason to stop the guest; an IOAPIC's message comes by KVM_SIGNAL_MSI
 * and its EOI as an exit; capabilities and ioctls of what is not in the kernel say so.
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define PINS		24
#define VECTOR		0x60
#define GSI		5
#define LVT_EXTINT	0x700
#define LVT_MASKED	0x10000
#define MSI_LEVEL	0x8000		/* of the data: level-triggered */
#define MSI_INIT	0x500

static volatile unsigned int hits;
static volatile uint32_t lvt0;

static void on_irq(struct g_frame *frame)
{
	hits++;
}

static void on_level_irq(struct g_frame *frame)
{
	hits++;
	g_apic_eoi();
}

static void begin(g_handler_t handler)
{
	g_handlers[VECTOR] = handler;
	g_apic_enable();
	g_apic_write(APIC_LVT0, lvt0);
	g_sync(1);
}

static void guest_window(void)
{
	begin(on_irq);
	for (;;) {
		g_irq_window();
		g_sync(100 + hits);
	}
}

static void guest_halt(void)
{
	begin(on_irq);
	for (;;) {
		g_sti_hlt();
		g_cli();
		g_sync(100 + hits);
	}
}

static void guest_level(void)
{
	begin(on_level_irq);
	for (;;) {
		g_irq_window();
		g_sync(100 + hits);
	}
}

FIXTURE(split) {
	struct tvm vm;
	struct tvcpu cpu;
};

static long enable(struct tvm *vm, uint64_t pins)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args[0] = pins };

	return tvm_ioctl_p(vm->fd, KVM_ENABLE_CAP, &cap);
}

FIXTURE_SETUP(split)
{
	hits = 0;
	lvt0 = LVT_EXTINT;
	tvm_create(&self->vm, 0);
	ASSERT_EQ(0, enable(&self->vm, PINS));
	tvcpu_create(&self->cpu, &self->vm, 0);
}

FIXTURE_TEARDOWN(split)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

static long interrupt(struct tvcpu *cpu, uint32_t vector)
{
	struct kvm_interrupt irq = { .irq = vector };

	return tvm_ioctl_p(cpu->fd, KVM_INTERRUPT, &irq);
}

/* As a VMM does whose 8259s have something and are told "not now". */
static void deliver(struct __test_metadata *_metadata, struct tvcpu *cpu)
{
	EXPECT_EQ(0, cpu->run->ready_for_interrupt_injection);
	cpu->run->request_interrupt_window = 1;
	tvm_expect_exit(cpu, KVM_EXIT_IRQ_WINDOW_OPEN);
	EXPECT_EQ(1, cpu->run->ready_for_interrupt_injection);
	cpu->run->request_interrupt_window = 0;
	EXPECT_EQ(0, interrupt(cpu, VECTOR));
	EXPECT_EQ(-EEXIST, interrupt(cpu, VECTOR));
	EXPECT_EQ(-EINVAL, interrupt(cpu, 256));
}

TEST_F(split, window)
{
	tvcpu_long_mode(&self->cpu, guest_window);
	ASSERT_EQ(1, tvm_sync(&self->cpu));
	deliver(_metadata, &self->cpu);
	EXPECT_EQ(101, tvm_sync(&self->cpu));
	EXPECT_EQ(101, tvm_sync(&self->cpu));
}

TEST_F(split, window_in_halt)
{
	tvcpu_long_mode(&self->cpu, guest_halt);
	ASSERT_EQ(1, tvm_sync(&self->cpu));
	deliver(_metadata, &self->cpu);
	EXPECT_EQ(101, tvm_sync(&self->cpu));
}

TEST_F(split, a_lapic_that_takes_none)
{
	lvt0 = LVT_EXTINT | LVT_MASKED;
	tvcpu_long_mode(&self->cpu, guest_window);
	self->cpu.run->request_interrupt_window = 1;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(100, tvm_sync(&self->cpu));
	EXPECT_EQ(0, self->cpu.run->ready_for_interrupt_injection);
}

/* A reset is a new start for the CPU: what the 8259s had said is gone. */
TEST_F(split, init_forgets)
{
	struct kvm_msi init = { .address_lo = APIC_BASE_GPA, .data = MSI_INIT };
	struct kvm_mp_state mp;

	tvcpu_long_mode(&self->cpu, guest_window);
	ASSERT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, interrupt(&self->cpu, VECTOR));
	ASSERT_EQ(1, tvm_ioctl_p(self->vm.fd, KVM_SIGNAL_MSI, &init));
	TVM_MUST(self->cpu.fd, KVM_GET_MP_STATE, &mp);
	ASSERT_EQ(KVM_MP_STATE_RUNNABLE, mp.mp_state);
	tvcpu_long_mode(&self->cpu, guest_window);
	ASSERT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(100, tvm_sync(&self->cpu));
}

TEST_F(split, message_and_eoi)
{
	struct kvm_msi msi = { .address_lo = APIC_BASE_GPA, .data = VECTOR | MSI_LEVEL };
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry;
	} routes = {
		.head.nr = 1,
		.entry = {
			.gsi = GSI, .type = KVM_IRQ_ROUTING_MSI,
			.u.msi = { .address_lo = APIC_BASE_GPA, .data = VECTOR | MSI_LEVEL },
		},
	};

	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_SET_GSI_ROUTING, &routes));
	tvcpu_long_mode(&self->cpu, guest_level);
	ASSERT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(1, tvm_ioctl_p(self->vm.fd, KVM_SIGNAL_MSI, &msi));
	tvm_expect_exit(&self->cpu, KVM_EXIT_IOAPIC_EOI);
	EXPECT_EQ(VECTOR, self->cpu.run->eoi.vector);
	EXPECT_EQ(101, tvm_sync(&self->cpu));
}

static void guest_ends_irq(void)
{
	g_apic_enable();
	g_sync(1);
	g_apic_eoi();
	g_sync(2);
}

/* A guest that was in the handler of a level-triggered interrupt when it was saved. */
TEST_F(split, restored_interrupt_and_eoi)
{
	struct kvm_lapic_state apic;
	uint32_t at = VECTOR / 32 * 0x10;

	tvcpu_long_mode(&self->cpu, guest_ends_irq);
	ASSERT_EQ(1, tvm_sync(&self->cpu));
	TVM_MUST(self->cpu.fd, KVM_GET_LAPIC, &apic);
	*(uint32_t *)(apic.regs + APIC_ISR + at) |= 1U << VECTOR % 32;
	*(uint32_t *)(apic.regs + APIC_TMR + at) |= 1U << VECTOR % 32;
	TVM_MUST(self->cpu.fd, KVM_SET_LAPIC, &apic);
	tvm_expect_exit(&self->cpu, KVM_EXIT_IOAPIC_EOI);
	EXPECT_EQ(VECTOR, self->cpu.run->eoi.vector);
	EXPECT_EQ(2, tvm_sync(&self->cpu));
}

TEST_F(split, what_is_not_in_the_kernel)
{
	static const unsigned int absent[] = {
		KVM_CAP_PIT2, KVM_CAP_PIT_STATE2, KVM_CAP_REINJECT_CONTROL, KVM_CAP_IRQFD_RESAMPLE,
	};
	struct kvm_pit_config pit = { 0 };
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	int fd = eventfd(0, 0), resample = eventfd(0, 0);
	struct kvm_irqfd irqfd = {
		.fd = fd, .gsi = GSI, .flags = KVM_IRQFD_FLAG_RESAMPLE, .resamplefd = resample,
	};
	unsigned int i;

	for (i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
		EXPECT_NE(0, tvm_cap(&self->vm, absent[i]));
		/* of this VM, not of the system; stock KVM says the same of both */
		if (!tvm_is_kvm())
			EXPECT_EQ(0, tvm_ioctl(self->vm.fd, KVM_CHECK_EXTENSION, absent[i]))
				TH_LOG("capability %u", absent[i]);
	}
	EXPECT_GT(0, tvm_ioctl_p(self->vm.fd, KVM_CREATE_PIT2, &pit));
	EXPECT_GT(0, tvm_ioctl_p(self->vm.fd, KVM_GET_IRQCHIP, &chip));
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->vm.fd, KVM_IRQFD, &irqfd));
	EXPECT_EQ(-EEXIST, tvm_ioctl(self->vm.fd, KVM_CREATE_IRQCHIP, 0));
	EXPECT_EQ(-EEXIST, enable(&self->vm, PINS));
	close(fd);
	close(resample);
}

TEST(bad_input)
{
	struct tvm vm;
	struct tvcpu cpu;

	tvm_create(&vm, 0);
	EXPECT_EQ(-EINVAL, enable(&vm, 1 << 20));
	tvcpu_create(&cpu, &vm, 0);
	EXPECT_EQ(-EINVAL, enable(&vm, PINS));
	tvcpu_destroy(&cpu);
	tvm_destroy(&vm);
}

TEST_HARNESS_MAIN
