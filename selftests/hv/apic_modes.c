// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards what hardware that runs a local APIC by itself must not change: modes (disabled, xAPIC,
 * x2APIC, moved, software-disabled) entered and left with interrupts requested and in service,
 * also by one vCPU of two; TPR that holds interrupts back; nesting by priority; odd accesses to
 * the page; state that user space reads and writes meanwhile; a delivery that an exit cuts short.
 */
#include "kselftest_harness.h"
#include "tvm.h"

#define LOW		0x41
#define MIDDLE		0x61
#define HIGH		0x91
#define MOVED_BASE	0xfea00000UL
#define MAX_TAKEN	8
#define ELSEWHERE	0x1234

#define BIT_OF(vector)	(1u << (vector) % 32)
#define REG_OF(group, vector)	((group) + 0x10 * ((vector) / 32))

static volatile unsigned int taken[MAX_TAKEN], nr_taken;
static volatile int on_kvm;

static int is_set(unsigned int group, uint32_t vector)
{
	return !!(g_lapic_read(REG_OF(group, vector)) & BIT_OF(vector));
}

static void on_irq(struct g_frame *frame)
{
	taken[nr_taken++ % MAX_TAKEN] = frame->vector;
	g_lapic_write(APIC_EOI, 0);
}

static void begin(void)
{
	nr_taken = 0;
	g_x2apic = 0;
	g_handlers[LOW] = on_irq;
	g_handlers[MIDDLE] = on_irq;
	g_handlers[HIGH] = on_irq;
	g_apic_enable();
}

static void set_base(uint64_t base)
{
	g_wrmsr(MSR_IA32_APICBASE, base | APICBASE_BSP);
}

FIXTURE(modes) {
	struct tvm vm;
	struct tvcpu cpu;
};

FIXTURE_SETUP(modes)
{
	on_kvm = tvm_is_kvm();
	tvm_create(&self->vm, TVM_IRQCHIP);
	tvcpu_create(&self->cpu, &self->vm, 0);
}

FIXTURE_TEARDOWN(modes)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

/* What an access to the page in another mode reads: stock KVM keeps it, as all ones, by a quirk. */
static int is_elsewhere(uint32_t val)
{
	return val == ELSEWHERE || (val == ~0u && on_kvm);
}

/* The guest reads @gpa, which is not its LAPIC now. */
static void serve_elsewhere(struct __test_metadata *_metadata, struct tvcpu *cpu, uint64_t gpa)
{
	struct kvm_run *run = cpu->run;
	uint32_t value = ELSEWHERE;

	if (on_kvm)
		return;
	tvm_expect_exit(cpu, KVM_EXIT_MMIO);
	EXPECT_EQ(gpa, run->mmio.phys_addr);
	EXPECT_EQ(0, run->mmio.is_write);
	memcpy(run->mmio.data, &value, sizeof(value));
}

static void guest_disable(void)
{
	begin();
	g_lapic_write(APIC_TPR, 0x20);
	G_ASSERT(g_lapic_read(APIC_TPR) == 0x20);
	set_base(APIC_BASE_GPA);
	G_ASSERT(is_elsewhere(g_apic_read(APIC_TPR)));
	set_base(APIC_BASE_GPA | APICBASE_ENABLE);
	/* as after a reset */
	G_ASSERT(g_lapic_read(APIC_TPR) == 0 && g_lapic_read(APIC_SVR) == 0xff);
	begin();
	g_self_ipi(LOW);
	g_irq_window();
	g_sync(nr_taken);
}

TEST_F(modes, disabled_and_enabled)
{
	if (on_kvm)
		SKIP(return, "stock KVM keeps the registers of a disabled LAPIC");
	tvcpu_long_mode(&self->cpu, guest_disable);
	serve_elsewhere(_metadata, &self->cpu, APIC_BASE_GPA + APIC_TPR);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
}

static void guest_move(void)
{
	uint32_t version;

	begin();
	version = g_lapic_read(APIC_VERSION);
	g_lapic_write(APIC_TPR, 0x30);
	set_base(MOVED_BASE | APICBASE_ENABLE);
	G_ASSERT(g_readl(MOVED_BASE + APIC_TPR) == 0x30);
	G_ASSERT(g_readl(MOVED_BASE + APIC_VERSION) == version);
	G_ASSERT(is_elsewhere(g_apic_read(APIC_VERSION)));
	g_writel(MOVED_BASE + APIC_TPR, 0);
	g_writel(MOVED_BASE + APIC_ICR, APIC_ICR_SELF | LOW);
	set_base(APIC_BASE_GPA | APICBASE_ENABLE);
	G_ASSERT(g_lapic_read(APIC_VERSION) == version && is_set(APIC_IRR, LOW));
	g_irq_window();
	g_sync(nr_taken);
}

TEST_F(modes, moved)
{
	if (on_kvm)
		SKIP(return, "stock KVM does not move the page");
	tvcpu_long_mode(&self->cpu, guest_move);
	serve_elsewhere(_metadata, &self->cpu, APIC_BASE_GPA + APIC_VERSION);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
}

static void to_x2apic(void)
{
	g_wrmsr(MSR_IA32_APICBASE, g_rdmsr(MSR_IA32_APICBASE) | APICBASE_X2APIC);
	g_x2apic = 1;
}

/* MIDDLE is in service and LOW and HIGH are requested when the mode changes. */
static void on_change(struct g_frame *frame)
{
	taken[nr_taken++] = frame->vector;
	g_self_ipi(LOW);
	g_self_ipi(HIGH);
	to_x2apic();
	G_ASSERT(is_set(APIC_ISR, MIDDLE) && is_set(APIC_IRR, LOW) && is_set(APIC_IRR, HIGH));
	G_ASSERT(g_rdmsr(X2APIC_MSR(APIC_PPR)) == (MIDDLE & 0xf0));
	g_lapic_write(APIC_EOI, 0);
	G_ASSERT(!is_set(APIC_ISR, MIDDLE));
}

static void guest_x2apic(void)
{
	begin();
	g_handlers[MIDDLE] = on_change;
	g_self_ipi(MIDDLE);
	g_irq_window();
	/* the page is nobody's now */
	G_ASSERT(is_elsewhere(g_apic_read(APIC_VERSION)));
	g_self_ipi(LOW);
	G_ASSERT(is_set(APIC_IRR, LOW));
	g_irq_window();
	g_sync(nr_taken);
}

TEST_F(modes, x2apic_with_interrupts_under_way)
{
	static const unsigned int order[] = { MIDDLE, HIGH, LOW, LOW };
	unsigned int i;

	tvcpu_long_mode(&self->cpu, guest_x2apic);
	serve_elsewhere(_metadata, &self->cpu, APIC_BASE_GPA + APIC_VERSION);
	EXPECT_EQ(4, tvm_sync(&self->cpu));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(order[i], taken[i]);
}

/* 0 if WRMSR went through. */
static volatile int faulted;

static void on_gp(struct g_frame *frame)
{
	faulted = 1;
	frame->rip += 2;	/* WRMSR, RDMSR */
}

static int wrmsr_faults(uint32_t msr, uint64_t val)
{
	faulted = 0;
	g_wrmsr(msr, val);
	return faulted;
}

static int rdmsr_faults(uint32_t msr)
{
	faulted = 0;
	g_rdmsr(msr);
	return faulted;
}

static void guest_x2apic_bad(void)
{
	begin();
	to_x2apic();
	g_handlers[13] = on_gp;
	G_ASSERT(wrmsr_faults(X2APIC_MSR(APIC_TPR), 0x100));
	G_ASSERT(wrmsr_faults(X2APIC_MSR(APIC_EOI), 1));
	G_ASSERT(wrmsr_faults(X2APIC_MSR(APIC_SELF_IPI), 0x100));
	G_ASSERT(wrmsr_faults(X2APIC_MSR(APIC_VERSION), 0));
	G_ASSERT(wrmsr_faults(X2APIC_MSR(APIC_IRR), 0));
	G_ASSERT(rdmsr_faults(X2APIC_MSR(APIC_EOI)) && rdmsr_faults(X2APIC_MSR(APIC_SELF_IPI)));
	G_ASSERT(rdmsr_faults(X2APIC_MSR(APIC_ICR2)) && rdmsr_faults(X2APIC_MSR(0x0e0)));
	/* an illegal vector is an error of the LAPIC, not of the instruction */
	G_ASSERT(!wrmsr_faults(X2APIC_MSR(APIC_SELF_IPI), 5));
	G_ASSERT(!wrmsr_faults(X2APIC_MSR(0x280), 0) && !is_set(APIC_IRR, 5));
	G_ASSERT(!rdmsr_faults(X2APIC_MSR(APIC_TMCCT)));
	g_irq_window();
	g_sync(nr_taken);
}

TEST_F(modes, x2apic_reserved)
{
	if (on_kvm)
		SKIP(return, "stock KVM takes some of them where the CPU does not look");
	tvcpu_long_mode(&self->cpu, guest_x2apic_bad);
	EXPECT_EQ(0, tvm_sync(&self->cpu));
}

static void check_software_disable(void)
{
	g_self_ipi(LOW);
	g_lapic_write(APIC_SVR, 0xff);
	/* what is requested stays, new ones are refused */
	g_self_ipi(HIGH);
	G_ASSERT(is_set(APIC_IRR, LOW) && !is_set(APIC_IRR, HIGH));
	G_ASSERT(g_lapic_read(APIC_LVTT) & APIC_LVT_MASKED);
	g_lapic_write(APIC_LVTT, LOW);
	G_ASSERT(g_lapic_read(APIC_LVTT) & APIC_LVT_MASKED);
	g_irq_window();
	g_lapic_write(APIC_SVR, APIC_SVR_ENABLE | 0xff);
	g_self_ipi(HIGH);
	g_irq_window();
}

static void guest_software_disable(void)
{
	begin();
	check_software_disable();
	to_x2apic();
	check_software_disable();
	g_sync(nr_taken);
}

TEST_F(modes, software_disabled)
{
	tvcpu_long_mode(&self->cpu, guest_software_disable);
	EXPECT_EQ(4, tvm_sync(&self->cpu));
	EXPECT_EQ(LOW, taken[0]);
	EXPECT_EQ(HIGH, taken[1]);
	EXPECT_EQ(LOW, taken[2]);
	EXPECT_EQ(HIGH, taken[3]);
}

static void write_cr8(uint64_t val)
{
	asm volatile("movq %0, %%cr8" : : "r"(val) : "memory");
}

static uint64_t read_cr8(void)
{
	uint64_t val;

	asm volatile("movq %%cr8, %0" : "=r"(val));
	return val;
}

/* The host requests LOW and HIGH between the syncs. */
static void check_tpr(void)
{
	nr_taken = 0;
	write_cr8(MIDDLE >> 4);
	G_ASSERT(g_lapic_read(APIC_TPR) == (MIDDLE & 0xf0) && read_cr8() == MIDDLE >> 4);
	G_ASSERT(g_lapic_read(APIC_PPR) == (MIDDLE & 0xf0));
	g_sync(1);
	g_irq_window();
	G_ASSERT(nr_taken == 1 && taken[0] == HIGH && is_set(APIC_IRR, LOW));
	/* of the same class: still held back */
	write_cr8(LOW >> 4);
	g_irq_window();
	G_ASSERT(nr_taken == 1);
	g_sync(2);
	g_sti();
	g_lapic_write(APIC_TPR, 0);
	g_irq_window();
	g_sync(nr_taken);
}

/* Lowered twice, each time to what still holds LOW back: then it waits for TPR again. */
static void check_tpr_steps(void)
{
	nr_taken = 0;
	g_lapic_write(APIC_TPR, HIGH & 0xf0);
	g_self_ipi(LOW);
	g_self_ipi(MIDDLE);
	g_irq_window();
	G_ASSERT(nr_taken == 0 && g_lapic_read(APIC_PPR) == (HIGH & 0xf0));
	write_cr8((MIDDLE >> 4) - 1);
	g_irq_window();
	G_ASSERT(nr_taken == 1 && taken[0] == MIDDLE);
	write_cr8(LOW >> 4);
	g_irq_window();
	G_ASSERT(nr_taken == 1);
	/* without interrupts, TPR goes down and up again: nothing may remain of it */
	write_cr8(0);
	G_ASSERT(g_lapic_read(APIC_PPR) == 0);
	write_cr8(LOW >> 4);
	g_irq_window();
	G_ASSERT(nr_taken == 1);
	write_cr8(0);
	g_sti_hlt();
	G_ASSERT(nr_taken == 2 && taken[1] == LOW);
}

static void guest_tpr(void)
{
	begin();
	check_tpr();
	check_tpr_steps();
	to_x2apic();
	check_tpr();
	check_tpr_steps();
	g_sync(nr_taken);
}

static void send_msi(struct __test_metadata *_metadata, struct tvm *vm, uint32_t vector)
{
	struct kvm_msi msi = { .address_lo = APIC_BASE_GPA, .data = vector };

	EXPECT_EQ(1, tvm_ioctl_p(vm->fd, KVM_SIGNAL_MSI, &msi));
}

TEST_F(modes, tpr_holds_back)
{
	struct kvm_sregs sregs;
	int round;

	tvcpu_long_mode(&self->cpu, guest_tpr);
	for (round = 0; round < 2; round++) {
		EXPECT_EQ(1, tvm_sync(&self->cpu));
		send_msi(_metadata, &self->vm, LOW);
		send_msi(_metadata, &self->vm, HIGH);
		EXPECT_EQ(2, tvm_sync(&self->cpu));
		tvcpu_get_sregs(&self->cpu, &sregs);
		EXPECT_EQ(LOW >> 4, sregs.cr8);
		EXPECT_EQ(2, tvm_sync(&self->cpu));
		EXPECT_EQ(LOW, taken[1]);
	}
	EXPECT_EQ(2, tvm_sync(&self->cpu));
}

static void guest_tpr_host(void)
{
	begin();
	to_x2apic();
	write_cr8(HIGH >> 4);
	g_self_ipi(LOW);
	g_irq_window();
	G_ASSERT(nr_taken == 0);
	g_sync(1);
	G_ASSERT(read_cr8() == 1);
	g_irq_window();
	g_sync(nr_taken);
}

/* User space lowers TPR while an interrupt waits for that. */
TEST_F(modes, tpr_lowered_by_user_space)
{
	struct kvm_sregs sregs;

	tvcpu_long_mode(&self->cpu, guest_tpr_host);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	tvcpu_get_sregs(&self->cpu, &sregs);
	sregs.cr8 = 1;
	tvcpu_set_sregs(&self->cpu, &sregs);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(LOW, taken[0]);
}

/* HIGH interrupts MIDDLE, LOW waits for both. */
static void on_middle(struct g_frame *frame)
{
	taken[nr_taken++] = 0x1000 | frame->vector;
	g_self_ipi(LOW);
	g_self_ipi(HIGH);
	g_irq_window();
	G_ASSERT(is_set(APIC_ISR, MIDDLE) && !is_set(APIC_ISR, HIGH) && is_set(APIC_IRR, LOW));
	taken[nr_taken++] = frame->vector;
	g_lapic_write(APIC_EOI, 0);
	g_irq_window();
	taken[nr_taken++] = 0x2000 | frame->vector;
}

static void check_nesting(void)
{
	nr_taken = 0;
	g_handlers[MIDDLE] = on_middle;
	g_self_ipi(MIDDLE);
	g_irq_window();
}

static void guest_nesting(void)
{
	begin();
	check_nesting();
	g_sync(nr_taken);
	to_x2apic();
	check_nesting();
	g_sync(nr_taken);
}

TEST_F(modes, nesting)
{
	static const unsigned int order[] = {
		0x1000 | MIDDLE, HIGH, MIDDLE, LOW, 0x2000 | MIDDLE,
	};
	unsigned int i, round;

	tvcpu_long_mode(&self->cpu, guest_nesting);
	for (round = 0; round < 2; round++) {
		EXPECT_EQ(5, tvm_sync(&self->cpu));
		for (i = 0; i < 5; i++)
			EXPECT_EQ(order[i], taken[i]);
	}
}

/* What hardware does not virtualize comes to the emulator. */
static void guest_odd(void)
{
	uint32_t version, buf[4] = { 0 }, val;
	uint64_t wide;

	begin();
	version = g_lapic_read(APIC_VERSION);
	asm volatile("cld; movsl" : : "S"(APIC_BASE_GPA + APIC_VERSION), "D"(buf) : "memory");
	G_ASSERT(buf[0] == version);
	asm volatile("movl $0x20, %0; xchgl %0, (%1)"
		     : "=&r"(val) : "r"(APIC_BASE_GPA + APIC_TPR) : "memory");
	G_ASSERT(val == 0 && g_lapic_read(APIC_TPR) == 0x20);
	asm volatile("orl $0x10, (%0)" : : "r"(APIC_BASE_GPA + APIC_TPR) : "memory");
	G_ASSERT(g_lapic_read(APIC_TPR) == 0x30);
	asm volatile("andl $0, (%0)" : : "r"(APIC_BASE_GPA + APIC_TPR) : "memory");
	asm volatile("pushq (%1); popq %0" : "=r"(wide) : "r"(APIC_BASE_GPA + APIC_VERSION)
		     : "memory");
	asm volatile("movb (%1), %b0" : "=q"(val) : "r"(APIC_BASE_GPA + APIC_VERSION));
	G_ASSERT((val & 0xff) == (version & 0xff));
	/* across registers, of none, of read-only ones, wide: no effect but perhaps an error */
	val = g_readl(APIC_BASE_GPA + APIC_VERSION + 2);
	val = g_readl(APIC_BASE_GPA + 0x3fc) | g_readl(APIC_BASE_GPA + 0xff8);
	g_writel(APIC_BASE_GPA + APIC_VERSION, ~version);
	g_writel(APIC_BASE_GPA + REG_OF(APIC_IRR, LOW), ~0u);
	g_writel(APIC_BASE_GPA + 0x800, ~0u);
	g_writel(APIC_BASE_GPA + APIC_TPR + 6, ~0u);
	G_ASSERT(g_lapic_read(APIC_VERSION) == version && !is_set(APIC_IRR, LOW));
	G_ASSERT(g_lapic_read(APIC_TPR) == 0);
	g_irq_window();
	g_sync(nr_taken);
}

TEST_F(modes, odd_accesses)
{
	tvcpu_long_mode(&self->cpu, guest_odd);
	EXPECT_EQ(0, tvm_sync(&self->cpu));
}

/* An EOI that a string instruction stores ends the interrupt, too. */
static void on_string_eoi(struct g_frame *frame)
{
	uint32_t zero = 0;

	taken[nr_taken++] = frame->vector;
	asm volatile("cld; movsl" : : "S"(&zero), "D"(APIC_BASE_GPA + APIC_EOI) : "memory");
	G_ASSERT(!is_set(APIC_ISR, frame->vector));
}

static void guest_string_eoi(void)
{
	begin();
	g_handlers[HIGH] = on_string_eoi;
	g_self_ipi(HIGH);
	g_self_ipi(LOW);
	g_irq_window();
	g_sync(nr_taken);
}

TEST_F(modes, string_eoi)
{
	tvcpu_long_mode(&self->cpu, guest_string_eoi);
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	EXPECT_EQ(LOW, taken[1]);
}

static uint32_t state_reg(struct kvm_lapic_state *s, unsigned int off)
{
	uint32_t val;

	memcpy(&val, s->regs + off, sizeof(val));
	return val;
}

/* In MIDDLE's handler, with LOW and HIGH requested. */
static void on_show(struct g_frame *frame)
{
	taken[nr_taken++] = frame->vector;
	g_self_ipi(LOW);
	g_sync(2);
	G_ASSERT(is_set(APIC_ISR, MIDDLE) && is_set(APIC_IRR, LOW));
	g_lapic_write(APIC_EOI, 0);
}

static void guest_state(void)
{
	begin();
	g_handlers[MIDDLE] = on_show;
	g_self_ipi(MIDDLE);
	g_irq_window();
	g_sync(nr_taken);
	g_irq_window();
	g_sync(nr_taken);
}

TEST_F(modes, state_meanwhile)
{
	static struct kvm_lapic_state s;
	uint32_t val;

	tvcpu_long_mode(&self->cpu, guest_state);
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	send_msi(_metadata, &self->vm, HIGH);
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_GET_LAPIC, &s));
	EXPECT_EQ(BIT_OF(MIDDLE), state_reg(&s, REG_OF(APIC_ISR, MIDDLE)));
	EXPECT_EQ(BIT_OF(LOW), state_reg(&s, REG_OF(APIC_IRR, LOW)));
	EXPECT_EQ(BIT_OF(HIGH), state_reg(&s, REG_OF(APIC_IRR, HIGH)));
	EXPECT_EQ(MIDDLE & 0xf0, state_reg(&s, APIC_PPR));
	/* HIGH is taken back */
	val = 0;
	memcpy(s.regs + REG_OF(APIC_IRR, HIGH), &val, sizeof(val));
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_SET_LAPIC, &s));
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	EXPECT_EQ(LOW, taken[1]);
	/* and asked for by the state alone */
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_GET_LAPIC, &s));
	EXPECT_EQ(0, state_reg(&s, REG_OF(APIC_ISR, MIDDLE)));
	val = BIT_OF(HIGH);
	memcpy(s.regs + REG_OF(APIC_IRR, HIGH), &val, sizeof(val));
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_SET_LAPIC, &s));
	EXPECT_EQ(3, tvm_sync(&self->cpu));
	EXPECT_EQ(HIGH, taken[2]);
}

static void guest_blocked(void)
{
	begin();
	g_self_ipi(LOW);
	g_sync(1);
	g_irq_window();
	g_sync(100 + nr_taken);
	g_irq_window();
	g_sync(100 + nr_taken);
}

/* A debugger that holds interrupts back holds back those in IRR, too. */
TEST_F(modes, blocked_by_debugger)
{
	struct kvm_guest_debug debug = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_BLOCKIRQ };

	tvcpu_long_mode(&self->cpu, guest_blocked);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_SET_GUEST_DEBUG, &debug));
	send_msi(_metadata, &self->vm, HIGH);
	EXPECT_EQ(100, tvm_sync(&self->cpu));
	debug.control = 0;
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_SET_GUEST_DEBUG, &debug));
	EXPECT_EQ(102, tvm_sync(&self->cpu));
	EXPECT_EQ(HIGH, taken[0]);
}

/* Nothing is written to the stack between the sync and the interrupt. */
static void guest_cut_short(void)
{
	begin();
	for (;;) {
		/* QEMU takes it at a jump */
		asm volatile("outl %0, %w1; sti; jmp 1f; 1: jmp 2f; 2: cli"
			     : : "a"(100 + nr_taken), "d"(G_PORT_SYNC) : "memory");
	}
}

/*
 * The dirty log makes the first push to the stack a second-level fault: the interrupt that the
 * guest was taking is taken again, and it is the same one.
 */
TEST_F(modes, delivery_cut_short)
{
	static const unsigned int vectors[] = { LOW, HIGH, MIDDLE, LOW };
	static unsigned long bitmap[TVM_RAM_SIZE / TVM_PAGE / 64];
	struct kvm_dirty_log log = { .slot = TVM_SLOT_RAM, .dirty_bitmap = bitmap };
	unsigned int i;

	tvcpu_long_mode(&self->cpu, guest_cut_short);
	ASSERT_EQ(0, tvm_slot(&self->vm, TVM_SLOT_RAM, KVM_MEM_LOG_DIRTY_PAGES, 0, TVM_RAM_SIZE,
			      self->vm.ram));
	EXPECT_EQ(100, tvm_sync(&self->cpu));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_GET_DIRTY_LOG, &log));
		send_msi(_metadata, &self->vm, vectors[i]);
		EXPECT_EQ(101 + i, tvm_sync(&self->cpu));
		EXPECT_EQ(vectors[i], taken[i]);
	}
}

static void guest_second(void)
{
	g_wrmsr(MSR_IA32_APICBASE, g_rdmsr(MSR_IA32_APICBASE) | APICBASE_X2APIC);
	g_wrmsr(X2APIC_MSR(APIC_SVR), APIC_SVR_ENABLE | 0xff);
	G_ASSERT(g_rdmsr(X2APIC_MSR(APIC_ID)) == 1);
	/* the page is the other's */
	G_ASSERT(is_elsewhere(g_apic_read(APIC_VERSION)));
	g_wrmsr(X2APIC_MSR(APIC_ICR), LOW);
	g_sync(1);
}

static void guest_first(void)
{
	begin();
	g_lapic_write(APIC_TPR, 0x10);
	G_ASSERT(g_lapic_read(APIC_TPR) == 0x10);
	g_sync(1);
	G_ASSERT(g_lapic_read(APIC_TPR) == 0x10 && g_lapic_read(APIC_ID) == 0);
	G_ASSERT(is_set(APIC_IRR, LOW));
	g_lapic_write(APIC_TPR, 0);
	g_self_ipi(HIGH);
	g_irq_window();
	g_sync(nr_taken);
}

/* One vCPU uses the page while it is nothing special for the other. */
TEST_F(modes, one_of_two_in_x2apic_mode)
{
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct tvcpu second;

	tvcpu_create(&second, &self->vm, 1);
	tvcpu_long_mode(&self->cpu, guest_first);
	tvcpu_long_mode(&second, guest_second);
	TVM_MUST(second.fd, KVM_SET_MP_STATE, &mp);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	serve_elsewhere(_metadata, &second, APIC_BASE_GPA + APIC_VERSION);
	EXPECT_EQ(1, tvm_sync(&second));
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	EXPECT_EQ(HIGH, taken[0]);
	EXPECT_EQ(LOW, taken[1]);
	tvcpu_destroy(&second);
}

TEST_HARNESS_MAIN
