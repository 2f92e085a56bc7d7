// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards that every interrupt is handled once, nested by priority, when much happens at a time: two
 * vCPUs send each other IPIs and more to themselves while their timers expire, and the host takes
 * away the pages of their tables and stacks and protects them for its dirty log, so that many a
 * delivery is cut short by an exit. Nothing is periodic: the test ends in a machine of any speed.
 */
#include <pthread.h>
#include <unistd.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define TIMER		0x31
#define LOW		0x41
#define PEER		0x61
#define HIGH		0x91
#define ICR_SELF	0x40000
#define ROUNDS		80
#define TIMER_COUNT	100000		/* ns: some time in the round */
#define RAM_PAGES	(TVM_RAM_SIZE / TVM_PAGE)

/* Of one vCPU; its handlers write it. */
struct counts {
	volatile unsigned int peer, high, low, ticks;
	volatile unsigned int in_peer, in_high;
};

static struct counts counts[2];
static volatile int x2apic, ready, stop;

static uint32_t reg_read(unsigned int off)
{
	return x2apic ? g_rdmsr(X2APIC_MSR(off)) : g_apic_read(off);
}

static void reg_write(unsigned int off, uint32_t val)
{
	if (x2apic)
		g_wrmsr(X2APIC_MSR(off), val);
	else
		g_apic_write(off, val);
}

static void self_ipi(uint32_t vector)
{
	if (x2apic)
		g_wrmsr(X2APIC_MSR(APIC_SELF_IPI), vector);
	else
		g_apic_write(APIC_ICR, ICR_SELF | vector);
}

static unsigned int me(void)
{
	return x2apic ? reg_read(APIC_ID) : reg_read(APIC_ID) >> 24;
}

static void send_to(unsigned int id, uint32_t vector)
{
	if (x2apic) {
		g_wrmsr(X2APIC_MSR(APIC_ICR), (uint64_t)id << 32 | vector);
		return;
	}
	g_apic_write(APIC_ICR2, id << 24);
	g_apic_write(APIC_ICR, vector);
}

static void on_timer(struct g_frame *frame)
{
	struct counts *c = &counts[me()];

	G_ASSERT(frame->rflags & X86_RFLAGS_IF && !c->in_peer && !c->in_high);
	c->ticks++;
	reg_write(APIC_EOI, 0);
}

static void on_high(struct g_frame *frame)
{
	struct counts *c = &counts[me()];

	G_ASSERT(frame->rflags & X86_RFLAGS_IF && c->in_peer && !c->in_high);
	c->in_high = 1;
	c->high++;
	c->in_high = 0;
	reg_write(APIC_EOI, 0);
}

static void on_low(struct g_frame *frame)
{
	struct counts *c = &counts[me()];

	G_ASSERT(frame->rflags & X86_RFLAGS_IF && !c->in_peer && !c->in_high);
	c->low++;
	reg_write(APIC_EOI, 0);
}

/* HIGH comes at once and LOW after the return; a PEER more would be one too many. */
static void on_peer(struct g_frame *frame)
{
	struct counts *c = &counts[me()];
	unsigned int nr = ++c->peer;

	G_ASSERT(frame->rflags & X86_RFLAGS_IF && !c->in_peer);
	c->in_peer = 1;
	self_ipi(LOW);
	self_ipi(HIGH);
	g_irq_window();
	G_ASSERT(c->high == nr && c->low == nr - 1 && c->peer == nr);
	c->in_peer = 0;
	reg_write(APIC_EOI, 0);
}

static void begin(void)
{
	if (x2apic)
		g_wrmsr(MSR_IA32_APICBASE, g_rdmsr(MSR_IA32_APICBASE) | APICBASE_X2APIC);
	g_handlers[TIMER] = on_timer;
	g_handlers[LOW] = on_low;
	g_handlers[PEER] = on_peer;
	g_handlers[HIGH] = on_high;
	reg_write(APIC_SVR, APIC_SVR_ENABLE | 0xff);
	reg_write(APIC_TDCR, 0xb);
	reg_write(APIC_LVTT, TIMER);
}

/* The @nr-th has come, and all that came of it. */
static void wait_for(unsigned int nr)
{
	struct counts *c = &counts[me()];

	reg_write(APIC_TMICT, TIMER_COUNT);
	while (c->peer < nr || c->ticks < nr)
		g_sti_hlt();
	g_irq_window();
	G_ASSERT(c->peer == nr && c->high == nr && c->low == nr && c->ticks == nr);
}

static void guest_ping(void)
{
	unsigned int nr;

	begin();
	while (!ready)
		g_irq_window();
	for (nr = 1; nr <= ROUNDS; nr++) {
		send_to(1, PEER);
		wait_for(nr);
	}
	g_sync(nr);
}

static void guest_pong(void)
{
	unsigned int nr;

	begin();
	ready = 1;
	for (nr = 1; nr <= ROUNDS; nr++) {
		wait_for(nr);
		send_to(0, PEER);
	}
	g_sync(nr);
}

FIXTURE(stress) {
	struct tvm vm;
	struct tvcpu cpu[2];
	uint64_t log[RAM_PAGES / 64];
};

/* Memory of a file: what is unmapped is not lost. */
FIXTURE_SETUP(stress)
{
	int fd = memfd_create("ram", 0), i;
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };

	tvm_create(&self->vm, TVM_IRQCHIP);
	ASSERT_EQ(0, ftruncate(fd, TVM_RAM_SIZE));
	ASSERT_EQ(self->vm.ram, mmap(self->vm.ram, TVM_RAM_SIZE, PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_FIXED, fd, 0));
	close(fd);
	tvm_long_tables(&self->vm);
	ASSERT_EQ(0, tvm_slot(&self->vm, TVM_SLOT_RAM, KVM_MEM_LOG_DIRTY_PAGES, 0, TVM_RAM_SIZE,
			      self->vm.ram));
	for (i = 0; i < 2; i++)
		tvcpu_create(&self->cpu[i], &self->vm, i);
	TVM_MUST(self->cpu[1].fd, KVM_SET_MP_STATE, &mp);
	tvcpu_long_mode(&self->cpu[0], guest_ping);
	tvcpu_long_mode(&self->cpu[1], guest_pong);
}

FIXTURE_TEARDOWN(stress)
{
	tvcpu_destroy(&self->cpu[0]);
	tvcpu_destroy(&self->cpu[1]);
	tvm_destroy(&self->vm);
}

static void *run_vcpu(void *cpu)
{
	return (void *)(uintptr_t)tvm_sync(cpu);
}

static unsigned int handled(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < 2; i++)
		n += counts[i].peer + counts[i].high + counts[i].low + counts[i].ticks;
	return n;
}

/* Each time they have come further, or a slow machine would do nothing but fault. */
static void *disturb(void *arg)
{
	FIXTURE_DATA(stress) *self = arg;
	struct kvm_dirty_log log = { .slot = TVM_SLOT_RAM, .dirty_bitmap = self->log };
	unsigned int i = 0, before = 0;

	for (; !stop; usleep(100)) {
		if (handled() == before)
			continue;
		before = handled();
		if (i++ % 2)
			TVM_MUST(self->vm.fd, KVM_GET_DIRTY_LOG, &log);
		else
			madvise(self->vm.ram, TVM_RAM_SIZE, MADV_DONTNEED);
	}
	return NULL;
}

static void run_both(struct __test_metadata *_metadata, FIXTURE_DATA(stress) *self)
{
	pthread_t other, disturber;
	void *result;

	ASSERT_EQ(0, pthread_create(&disturber, NULL, disturb, self));
	ASSERT_EQ(0, pthread_create(&other, NULL, run_vcpu, &self->cpu[1]));
	EXPECT_EQ(ROUNDS + 1, tvm_sync(&self->cpu[0]));
	pthread_join(other, &result);
	EXPECT_EQ(ROUNDS + 1, (uintptr_t)result);
	stop = 1;
	pthread_join(disturber, NULL);
}

TEST_F(stress, xapic)
{
	run_both(_metadata, self);
}

TEST_F(stress, x2apic)
{
	x2apic = 1;
	run_both(_metadata, self);
}

TEST_HARNESS_MAIN
