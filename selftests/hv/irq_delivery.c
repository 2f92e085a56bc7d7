// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the delivery of interrupts by the in-kernel irqchip: KVM_IRQ_LINE through the IOAPIC
 * (edge, level with EOI, masked) and through the 8259 pair, KVM_SIGNAL_MSI, self IPIs, the PIT's
 * channel 0, and KVM_GSI routing changes. Interrupts are counted by the guest, each once, however
 * busy the other CPUs of the host are; an exit in the shadow of STI does not end the shadow, and
 * the end of an interrupt that came by another way is not taken for that of an IOAPIC pin.
 */
#include <pthread.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define VECTOR		0x60
#define PIC_BASE	0x70		/* vectors of the 8259 pair */
#define GSI		20		/* an IOAPIC pin that no PIC input shares */

#define IOAPIC_REDIR(pin)	(0x10 + 2 * (pin))
#define REDIR_MASKED		0x10000
#define REDIR_LEVEL		0x8000

static volatile unsigned int hits, last;
static volatile int lower_in_handler;

static void on_irq(struct g_frame *frame)
{
	hits++;
	last = frame->vector;
	if (lower_in_handler)
		g_outb(0x99, 0);	/* asks the host to lower the line, as a device would */
	g_apic_eoi();
}

static void on_pic_irq(struct g_frame *frame)
{
	hits++;
	last = frame->vector;
	if (frame->vector >= PIC_BASE + 8)
		g_outb(0xa0, 0x20);
	g_outb(0x20, 0x20);
}

static void ioapic_write(uint32_t reg, uint32_t val)
{
	g_writel(IOAPIC_BASE_GPA, reg);
	g_writel(IOAPIC_BASE_GPA + 0x10, val);
}

static void guest_ioapic(uint32_t redir)
{
	g_handlers[VECTOR] = on_irq;
	g_apic_enable();
	ioapic_write(IOAPIC_REDIR(GSI) + 1, 0);
	ioapic_write(IOAPIC_REDIR(GSI), VECTOR | redir);
	g_sync(1);
	for (;;) {
		g_irq_window();
		g_sync(100 + hits);
	}
}

static void guest_edge(void)
{
	guest_ioapic(0);
}

static void guest_level(void)
{
	guest_ioapic(REDIR_LEVEL);
}

static void guest_masked(void)
{
	guest_ioapic(REDIR_MASKED);
}

FIXTURE(irq) {
	struct tvm vm;
	struct tvcpu cpu;
};

FIXTURE_SETUP(irq)
{
	tvm_start(&self->vm, &self->cpu, TVM_PIT, guest_edge);
}

FIXTURE_TEARDOWN(irq)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

static long line(struct tvm *vm, uint32_t gsi, uint32_t level)
{
	struct kvm_irq_level irq = { .irq = gsi, .level = level };

	return tvm_ioctl_p(vm->fd, KVM_IRQ_LINE, &irq);
}

TEST_F(irq, ioapic_edge)
{
	unsigned int i;

	EXPECT_EQ(1, tvm_sync(&self->cpu));
	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(0, line(&self->vm, GSI, 1));
		ASSERT_EQ(0, line(&self->vm, GSI, 0));
		EXPECT_EQ(100 + i, tvm_sync(&self->cpu));
	}
	/* a line that stays up is one edge */
	ASSERT_EQ(0, line(&self->vm, GSI, 1));
	EXPECT_EQ(104, tvm_sync(&self->cpu));
	EXPECT_EQ(104, tvm_sync(&self->cpu));
	EXPECT_EQ(VECTOR, last);
}

/* Level: comes again after each EOI as long as the line is up. */
TEST_F(irq, ioapic_level)
{
	unsigned int before;

	tvcpu_long_mode(&self->cpu, guest_level);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	lower_in_handler = 1;
	ASSERT_EQ(0, line(&self->vm, GSI, 1));
	tvm_expect_exit(&self->cpu, KVM_EXIT_IO);
	EXPECT_EQ(0x99, self->cpu.run->io.port);
	/* still up: EOI brings it again */
	tvm_expect_exit(&self->cpu, KVM_EXIT_IO);
	EXPECT_EQ(0x99, self->cpu.run->io.port);
	ASSERT_EQ(0, line(&self->vm, GSI, 0));
	before = tvm_sync(&self->cpu);
	EXPECT_EQ(102, before);
	EXPECT_EQ(before, tvm_sync(&self->cpu));
}

static void on_level(struct g_frame *frame)
{
	hits++;
	g_sync(50);
	g_apic_eoi();
}

/* On another CPU, where the vector comes by IPI. */
static void guest_ipi(void)
{
	g_apic_enable();
	g_apic_write(APIC_ICR, APIC_ICR_SELF | VECTOR);
	g_irq_window();
	g_sync(200);
}

static int remote_irr(struct tvm *vm)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	TVM_MUST(vm->fd, KVM_GET_IRQCHIP, &chip);
	return chip.chip.ioapic.redirtbl[GSI].fields.remote_irr;
}

TEST_F(irq, ioapic_level_and_ipi)
{
	struct tvcpu second;

	tvcpu_long_mode(&self->cpu, guest_level);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	g_handlers[VECTOR] = on_level;
	ASSERT_EQ(0, line(&self->vm, GSI, 1));
	EXPECT_EQ(50, tvm_sync(&self->cpu));
	EXPECT_EQ(1, remote_irr(&self->vm));

	g_handlers[VECTOR] = on_irq;
	tvcpu_create(&second, &self->vm, 1);
	TVM_MUST(second.fd, KVM_SET_MP_STATE, &(struct kvm_mp_state){ KVM_MP_STATE_RUNNABLE });
	tvcpu_long_mode(&second, guest_ipi);
	EXPECT_EQ(200, tvm_sync(&second));
	EXPECT_EQ(2, hits);
	EXPECT_EQ(1, remote_irr(&self->vm));

	ASSERT_EQ(0, line(&self->vm, GSI, 0));
	EXPECT_EQ(102, tvm_sync(&self->cpu));
	EXPECT_EQ(0, remote_irr(&self->vm));
	tvcpu_destroy(&second);
}

TEST_F(irq, ioapic_masked)
{
	tvcpu_long_mode(&self->cpu, guest_masked);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, line(&self->vm, GSI, 1));
	ASSERT_EQ(0, line(&self->vm, GSI, 0));
	EXPECT_EQ(100, tvm_sync(&self->cpu));
}

static void guest_pic(void)
{
	unsigned int i;

	for (i = 0; i < 16; i++)
		g_handlers[PIC_BASE + i] = on_pic_irq;
	g_apic_enable();
	g_apic_write(APIC_LVT0, APIC_DM_EXTINT);
	g_outb(0x20, 0x11);		/* ICW1: edge, cascade, ICW4 */
	g_outb(0x21, PIC_BASE);
	g_outb(0x21, 4);
	g_outb(0x21, 1);
	g_outb(0xa0, 0x11);
	g_outb(0xa1, PIC_BASE + 8);
	g_outb(0xa1, 2);
	g_outb(0xa1, 1);
	g_outb(0x21, 0xd3);		/* 2, 3 and 5 open */
	g_outb(0xa1, 0xfb);		/* 10 open */
	G_ASSERT(g_inb(0x21) == 0xd3 && g_inb(0xa1) == 0xfb);
	g_sync(1);
	for (;;) {
		g_irq_window();
		g_sync(100 + hits);
	}
}

TEST_F(irq, pic)
{
	tvcpu_long_mode(&self->cpu, guest_pic);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, line(&self->vm, 5, 1));
	ASSERT_EQ(0, line(&self->vm, 5, 0));
	EXPECT_EQ(101, tvm_sync(&self->cpu));
	EXPECT_EQ(PIC_BASE + 5, last);
	/* the slave, through the cascade */
	ASSERT_EQ(0, line(&self->vm, 10, 1));
	ASSERT_EQ(0, line(&self->vm, 10, 0));
	EXPECT_EQ(102, tvm_sync(&self->cpu));
	EXPECT_EQ(PIC_BASE + 10, last);
	/* masked by the IMR */
	ASSERT_EQ(0, line(&self->vm, 4, 1));
	ASSERT_EQ(0, line(&self->vm, 4, 0));
	EXPECT_EQ(102, tvm_sync(&self->cpu));
}

static void guest_pit(void)
{
	unsigned int i;

	g_handlers[VECTOR] = on_irq;
	g_apic_enable();
	g_outb(0x21, 0xff);		/* not through the 8259, too */
	/* the default routing is the identity: the PIT's GSI 0 is pin 0 */
	ioapic_write(IOAPIC_REDIR(0) + 1, 0);
	ioapic_write(IOAPIC_REDIR(0), VECTOR);
	g_outb(0x43, 0x34);		/* channel 0, both bytes, rate generator */
	g_outb(0x40, 0x20);		/* 20000 ticks, 17 ms: the debug kernel must keep up */
	g_outb(0x40, 0x4e);
	for (i = 0; i < 5; i++)
		g_sti_hlt();
	g_sync(hits);
}

TEST_F(irq, pit)
{
	tvcpu_long_mode(&self->cpu, guest_pit);
	EXPECT_GE(tvm_sync(&self->cpu), 5);
	EXPECT_EQ(VECTOR, last);
}

static void guest_pit_read(void)
{
	unsigned int a, b, i;

	g_outb(0x43, 0x34);
	g_outb(0x40, 0xff);
	g_outb(0x40, 0xff);
	g_outb(0x43, 0);		/* latch */
	a = g_inb(0x40);
	a |= g_inb(0x40) << 8;
	for (i = 0; i < 20000; i++)
		g_pause();
	g_outb(0x43, 0);
	b = g_inb(0x40);
	b |= g_inb(0x40) << 8;
	G_ASSERT(a != b);
	/* channel 2 through port 0x61: the output follows the gate and the count */
	g_outb(0x61, 1);
	g_outb(0x43, 0xb0);		/* one-shot */
	g_outb(0x42, 0x20);
	g_outb(0x42, 0);
	for (i = 0; !(g_inb(0x61) & 0x20); i++)
		G_ASSERT(i < 1000000);
	g_sync(1);
}

TEST_F(irq, pit_counters)
{
	tvcpu_long_mode(&self->cpu, guest_pit_read);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
}

TEST_F(irq, msi)
{
	struct kvm_msi msi = { .address_lo = APIC_BASE_GPA, .data = VECTOR };
	unsigned int i;

	EXPECT_EQ(1, tvm_sync(&self->cpu));
	for (i = 1; i <= 3; i++) {
		EXPECT_GT(tvm_ioctl_p(self->vm.fd, KVM_SIGNAL_MSI, &msi), 0);
		EXPECT_EQ(100 + i, tvm_sync(&self->cpu));
	}
	/* nobody at APIC id 7 */
	msi.address_lo = APIC_BASE_GPA | 7 << 12;
	EXPECT_LE(tvm_ioctl_p(self->vm.fd, KVM_SIGNAL_MSI, &msi), 0);
	EXPECT_EQ(103, tvm_sync(&self->cpu));
}

/* Long enough for something to happen between its first instruction and its EOI. */
static void on_slow_irq(struct g_frame *frame)
{
	volatile unsigned int spins = 10000;

	while (spins)
		spins--;
	on_irq(frame);
}

static void guest_slow(void)
{
	g_handlers[VECTOR] = on_slow_irq;
	g_apic_enable();
	g_sync(1);
	for (;;) {
		g_irq_window();
		g_sync(100 + hits);
	}
}

static volatile int disturb;

/* Timer interrupts and wake-ups on another CPU, if there is one. */
static void *disturber(void *unused)
{
	(void)unused;
	while (disturb)
		usleep(100);
	return NULL;
}

TEST_F(irq, msi_once)
{
	struct kvm_msi msi = { .address_lo = APIC_BASE_GPA, .data = VECTOR };
	pthread_t thread;
	unsigned int i;

	tvcpu_long_mode(&self->cpu, guest_slow);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	disturb = 1;
	ASSERT_EQ(0, pthread_create(&thread, NULL, disturber, NULL));
	for (i = 1; i <= 300; i++) {
		ASSERT_GT(tvm_ioctl_p(self->vm.fd, KVM_SIGNAL_MSI, &msi), 0);
		ASSERT_EQ(100 + i, tvm_sync(&self->cpu));
	}
	disturb = 0;
	pthread_join(thread, NULL);
}

/*
 * STI at the end of a page, HLT at the begin of the next, which is not mapped yet: an exit in the
 * shadow of STI, with an interrupt that waits. It comes after HLT, or nothing ends the sleep.
 */
static void guest_idles(void)
{
	g_handlers[VECTOR] = on_irq;
	g_apic_enable();
	g_apic_write(APIC_ICR, 0x40000 | VECTOR);	/* shorthand self */
	((void (*)(void))(TVM_TEST_GPA + TVM_PAGE - 1))();
	g_cli();
	g_sync(100 + hits);
}

static void *late_waker(void *vm)
{
	struct kvm_msi msi = { .address_lo = APIC_BASE_GPA, .data = VECTOR };
	unsigned int ms;

	for (ms = 0; disturb && ms < 1000; ms++)
		usleep(1000);
	tvm_ioctl_p(((struct tvm *)vm)->fd, KVM_SIGNAL_MSI, &msi);
	return NULL;
}

TEST_F(irq, shadow_of_sti_before_hlt)
{
	static const uint8_t sti_hlt_ret[] = { 0xfb, 0xf4, 0xc3 };
	uint8_t *code = tvm_mem(2 * TVM_PAGE);
	pthread_t thread;

	memcpy(code + TVM_PAGE - 1, sti_hlt_ret, sizeof(sti_hlt_ret));
	ASSERT_EQ(0, tvm_slot(&self->vm, TVM_SLOT_TEST, 0, TVM_TEST_GPA, 2 * TVM_PAGE, code));
	tvcpu_long_mode(&self->cpu, guest_idles);
	disturb = 1;
	ASSERT_EQ(0, pthread_create(&thread, NULL, late_waker, &self->vm));
	EXPECT_EQ(101, tvm_sync(&self->cpu));
	disturb = 0;
	pthread_join(thread, NULL);
}

TEST_F(irq, msi_hostile)
{
	struct kvm_msi msi = { .address_lo = APIC_BASE_GPA, .data = VECTOR };

	msi.flags = BIT64(31);
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->vm.fd, KVM_SIGNAL_MSI, &msi));
	msi.flags = 0;
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->vm.fd, KVM_SIGNAL_MSI, 0x10));
	/* an illegal vector and every odd delivery mode: no effect that lasts */
	for (msi.data = 0; msi.data < 0x10; msi.data++)
		tvm_ioctl_p(self->vm.fd, KVM_SIGNAL_MSI, &msi);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(100, tvm_sync(&self->cpu));
}

TEST_F(irq, line_hostile)
{
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->vm.fd, KVM_IRQ_LINE, 0x10));
	/* a GSI without a route goes nowhere */
	line(&self->vm, 1000, 1);
	line(&self->vm, 0xffffffff, 1);
	line(&self->vm, GSI, 0xffffffff);
	line(&self->vm, GSI, 0);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
}

static void guest_self_ipi(void)
{
	unsigned int i;

	g_handlers[VECTOR] = on_irq;
	g_apic_enable();
	for (i = 0; i < 3; i++) {
		g_apic_write(APIC_ICR, 0x40000 | VECTOR);	/* shorthand self */
		G_ASSERT(g_apic_read(APIC_IRR + 0x10 * (VECTOR / 32)) & 1 << VECTOR % 32);
		g_irq_window();
	}
	/* TPR holds it back, then lets it through */
	g_apic_write(APIC_TPR, VECTOR);
	g_apic_write(APIC_ICR, 0x40000 | VECTOR);
	g_irq_window();
	G_ASSERT(hits == 3);
	g_apic_write(APIC_TPR, 0);
	g_irq_window();
	g_sync(hits);
}

TEST_F(irq, self_ipi_and_tpr)
{
	tvcpu_long_mode(&self->cpu, guest_self_ipi);
	EXPECT_EQ(4, tvm_sync(&self->cpu));
}

/* Two vectors pending: the higher one is served first, the lower one after its EOI. */
static volatile unsigned int order[2];

static void on_ordered(struct g_frame *frame)
{
	order[hits & 1] = frame->vector;
	hits++;
	g_apic_eoi();
}

static void guest_priority(void)
{
	g_handlers[0x41] = on_ordered;
	g_handlers[0x91] = on_ordered;
	g_apic_enable();
	g_apic_write(APIC_ICR, 0x40000 | 0x41);
	g_apic_write(APIC_ICR, 0x40000 | 0x91);
	g_irq_window();
	g_sync(hits);
}

TEST_F(irq, priority)
{
	tvcpu_long_mode(&self->cpu, guest_priority);
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	EXPECT_EQ(0x91, order[0]);
	EXPECT_EQ(0x41, order[1]);
}

TEST_HARNESS_MAIN
