// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards several vCPUs: INIT and SIPI start the second one in real mode at the SIPI's page, its
 * mp_state follows, IPIs arrive both ways, and memory is shared and ordered between them.
 */
#include <pthread.h>

#include "kselftest_harness.h"
#include "real.h"
#include "tvm.h"

#define SIPI_PAGE	0x2000
#define VECTOR		0x56
#define ICR_INIT	0x4500
#define ICR_SIPI	0x4600
#define ICR_TO(id)	((uint32_t)(id) << 24)

static volatile unsigned int hits[2];
static volatile int ready, rounds;

static void on_ipi(struct g_frame *frame)
{
	hits[g_apic_read(APIC_ID) >> 24]++;
	g_apic_eoi();
}

static void send(unsigned int to, uint32_t icr)
{
	g_apic_write(APIC_ICR2, ICR_TO(to));
	g_apic_write(APIC_ICR, icr);
}

static void guest_bsp(void)
{
	g_apic_enable();
	send(1, ICR_INIT);
	send(1, ICR_SIPI | SIPI_PAGE >> 12);
	g_sync(1);
	for (;;)
		g_sync(2);
}

/* Answers every IPI with one. */
static void guest_pong(void)
{
	int i;

	g_handlers[VECTOR] = on_ipi;
	g_apic_enable();
	ready = 1;
	for (i = 1; i <= rounds; i++) {
		while (hits[1] < i)
			g_sti_hlt();
		send(0, VECTOR);
	}
	g_sync(hits[1]);
}

static void guest_ping(void)
{
	int i;

	g_handlers[VECTOR] = on_ipi;
	g_apic_enable();
	while (!ready)
		g_irq_window();
	for (i = 1; i <= rounds; i++) {
		send(1, VECTOR);
		while (hits[0] < i)
			g_sti_hlt();
	}
	g_sync(hits[0]);
}

struct runner {
	struct tvcpu cpu;
	uint32_t result;
};

static void *run_to_sync(void *arg)
{
	struct runner *runner = arg;

	runner->result = tvm_sync(&runner->cpu);
	return NULL;
}

/* The run in which a waiting vCPU is started ends with EAGAIN in stock KVM: VMMs run again. */
static long run_ap(struct tvcpu *cpu)
{
	long ret;

	do {
		ret = tvm_run(cpu);
	} while (ret == -EAGAIN);
	return ret;
}

static void *run_ap_thread(void *arg)
{
	return (void *)run_ap(arg);
}

FIXTURE(smp) {
	struct tvm vm;
	struct tvcpu bsp;
	struct runner ap;
};

FIXTURE_SETUP(smp)
{
	tvm_start(&self->vm, &self->bsp, TVM_IRQCHIP, guest_bsp);
	tvcpu_create(&self->ap.cpu, &self->vm, 1);
	memcpy(self->vm.ram + SIPI_PAGE, g_real_sipi, g_real_sipi_end - g_real_sipi);
}

FIXTURE_TEARDOWN(smp)
{
	tvcpu_destroy(&self->ap.cpu);
	tvcpu_destroy(&self->bsp);
	tvm_destroy(&self->vm);
}

static uint32_t mp_state(struct tvcpu *cpu)
{
	struct kvm_mp_state mp;

	TVM_MUST(cpu->fd, KVM_GET_MP_STATE, &mp);
	return mp.mp_state;
}

TEST_F(smp, init_sipi)
{
	struct kvm_sregs sregs;
	struct kvm_run *run = self->ap.cpu.run;

	EXPECT_EQ(KVM_MP_STATE_UNINITIALIZED, mp_state(&self->ap.cpu));
	EXPECT_EQ(1, tvm_sync(&self->bsp));
	EXPECT_EQ(KVM_EXIT_IO, run_ap(&self->ap.cpu));
	EXPECT_EQ(G_REAL_PORT, run->io.port);
	EXPECT_EQ(SIPI_PAGE >> 4, *(uint16_t *)tvm_io_data(&self->ap.cpu));
	EXPECT_EQ(KVM_MP_STATE_RUNNABLE, mp_state(&self->ap.cpu));
	tvcpu_get_sregs(&self->ap.cpu, &sregs);
	EXPECT_EQ(SIPI_PAGE, sregs.cs.base);
	EXPECT_EQ(SIPI_PAGE >> 4, sregs.cs.selector);
	EXPECT_FALSE(sregs.cr0 & X86_CR0_PE);
}

/* Who saves the state of a vCPU that does not run finds it started, not waiting. */
TEST_F(smp, init_sipi_is_saved)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	EXPECT_EQ(1, tvm_sync(&self->bsp));
	EXPECT_EQ(KVM_MP_STATE_RUNNABLE, mp_state(&self->ap.cpu));
	tvcpu_get_sregs(&self->ap.cpu, &sregs);
	EXPECT_EQ(SIPI_PAGE, sregs.cs.base);
	tvcpu_get_regs(&self->ap.cpu, &regs);
	EXPECT_EQ(0, regs.rip);
	EXPECT_EQ(KVM_EXIT_IO, run_ap(&self->ap.cpu));
}

/* The AP waits in KVM_RUN while the BSP sends, as in a real VMM. */
TEST_F(smp, init_sipi_while_waiting)
{
	pthread_t thread;
	long ret;

	ASSERT_EQ(0, pthread_create(&thread, NULL, run_ap_thread, &self->ap.cpu));
	usleep(10000);
	EXPECT_EQ(1, tvm_sync(&self->bsp));
	pthread_join(thread, (void **)&ret);
	EXPECT_EQ(KVM_EXIT_IO, ret);
	EXPECT_EQ(SIPI_PAGE >> 4, *(uint16_t *)tvm_io_data(&self->ap.cpu));
}

/* INIT to a running vCPU puts it back to waiting; only the next SIPI starts it. */
TEST_F(smp, init_again)
{
	EXPECT_EQ(1, tvm_sync(&self->bsp));
	EXPECT_EQ(KVM_EXIT_IO, run_ap(&self->ap.cpu));
	tvcpu_long_mode(&self->bsp, guest_bsp);
	EXPECT_EQ(1, tvm_sync(&self->bsp));
	EXPECT_EQ(KVM_EXIT_IO, run_ap(&self->ap.cpu));
	EXPECT_EQ(SIPI_PAGE >> 4, *(uint16_t *)tvm_io_data(&self->ap.cpu));
}

/*
 * Waiting in HLT, both threads may share one CPU of the machine. The ping side waits for the pong
 * side with interrupts on, or the VT-x machine would never schedule it.
 */
TEST_F(smp, ping_pong)
{
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };
	pthread_t thread;

	rounds = 20;
	TVM_MUST(self->ap.cpu.fd, KVM_SET_MP_STATE, &mp);
	tvcpu_long_mode(&self->ap.cpu, guest_pong);
	tvcpu_long_mode(&self->bsp, guest_ping);
	ASSERT_EQ(0, pthread_create(&thread, NULL, run_to_sync, &self->ap));
	EXPECT_EQ(20, tvm_sync(&self->bsp));
	pthread_join(thread, NULL);
	EXPECT_EQ(20, self->ap.result);
}

TEST_HARNESS_MAIN
