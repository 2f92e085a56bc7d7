// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards how KVM_RUN is interrupted: signals end it with EINTR and KVM_EXIT_INTR, immediate_exit
 * ends it before the guest runs, KVM_SET_SIGNAL_MASK decides which signals do, and a guest that
 * never exits by itself is stopped. Spinning guests keep interrupts on: with them off the VT-x
 * machine's stock KVM could not be interrupted (see ../../Documentation/testing.md).
 */
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include "kselftest_harness.h"
#include "tvm.h"

static volatile uint64_t spins;
static volatile sig_atomic_t caught;

static void guest_spin(void)
{
	g_sync(1);
	g_sti();
	for (;;)
		spins++;
}

static void guest_spin_if_off(void)
{
	g_sync(1);
	for (;;)
		spins++;
}

static void guest_sync_loop(void)
{
	for (;;)
		g_sync(2);
}

static void on_signal(int sig)
{
	caught++;
}

static void catch_signal(int sig)
{
	struct sigaction act = { .sa_handler = on_signal };

	sigaction(sig, &act, NULL);
}

static void alarm_in(unsigned int usec)
{
	struct itimerval timer = { .it_value.tv_usec = usec };

	setitimer(ITIMER_REAL, &timer, NULL);
}

FIXTURE(sig) {
	struct tvm vm;
	struct tvcpu cpu;
};

FIXTURE_SETUP(sig)
{
	tvm_start(&self->vm, &self->cpu, 0, guest_spin);
	catch_signal(SIGALRM);
	catch_signal(SIGUSR1);
}

FIXTURE_TEARDOWN(sig)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

TEST_F(sig, stops_a_spinning_guest)
{
	uint64_t before;

	EXPECT_EQ(1, tvm_sync(&self->cpu));
	alarm_in(50000);
	EXPECT_EQ(-EINTR, tvm_run(&self->cpu));
	EXPECT_EQ(KVM_EXIT_INTR, self->cpu.run->exit_reason);
	EXPECT_EQ(1, caught);
	before = spins;
	EXPECT_GT(before, 0);
	/* and it goes on where it was */
	alarm_in(50000);
	EXPECT_EQ(-EINTR, tvm_run(&self->cpu));
	EXPECT_GT(spins, before);
}

/* Vellum promises it even where the CPU holds host interrupts back from a guest with IF = 0. */
TEST_F(sig, stops_a_guest_with_interrupts_off)
{
	if (tvm_is_kvm() && tvm_host_is_intel())
		SKIP(return, "stock KVM hangs the one-CPU VT-x machine here");
	tvcpu_long_mode(&self->cpu, guest_spin_if_off);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	alarm_in(50000);
	EXPECT_EQ(-EINTR, tvm_run(&self->cpu));
	EXPECT_GT(spins, 0);
}

TEST_F(sig, pending_signal)
{
	sigset_t set;

	tvcpu_long_mode(&self->cpu, guest_sync_loop);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	/* blocked: it does not stop the guest */
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	EXPECT_EQ(0, caught);
}

static long set_mask(struct tvcpu *cpu, const sigset_t *set, uint32_t len)
{
	struct {
		struct kvm_signal_mask head;
		uint8_t bits[8];
	} mask = { .head.len = len };

	memcpy(mask.bits, set, sizeof(mask.bits));
	return tvm_ioctl_p(cpu->fd, KVM_SET_SIGNAL_MASK, &mask);
}

static volatile unsigned int delivered;

static void on_vector(struct g_frame *frame)
{
	delivered++;
}

/*
 * Armed for an entry that a signal then prevented, and withdrawn by user space: as QEMU's loadvm
 * does to whatever was on its way. It must not arrive.
 */
TEST_F(sig, withdrawn_event)
{
	struct kvm_vcpu_events events;
	sigset_t block, none;

	tvcpu_long_mode(&self->cpu, guest_sync_loop);
	g_handlers[0x40] = on_vector;
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, NULL);
	ASSERT_EQ(0, set_mask(&self->cpu, &none, 8));
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_GET_VCPU_EVENTS, &events));
	events.interrupt.injected = 1;
	events.interrupt.nr = 0x40;
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_SET_VCPU_EVENTS, &events));
	raise(SIGUSR1);
	EXPECT_EQ(-EINTR, tvm_run(&self->cpu));
	sigprocmask(SIG_UNBLOCK, &block, NULL);
	EXPECT_EQ(0, delivered);
	events.interrupt.injected = 0;
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_SET_VCPU_EVENTS, &events));
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	EXPECT_EQ(0, delivered);
}

/* Blocked for the thread, open while the guest runs: EINTR, and the handler did not run. */
TEST_F(sig, mask_opens_for_the_guest)
{
	sigset_t block, none;

	tvcpu_long_mode(&self->cpu, guest_sync_loop);
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, NULL);
	ASSERT_EQ(0, set_mask(&self->cpu, &none, 8));
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	raise(SIGUSR1);
	EXPECT_EQ(-EINTR, tvm_run(&self->cpu));
	EXPECT_EQ(-EINTR, tvm_run(&self->cpu));
	EXPECT_EQ(0, caught);
	sigprocmask(SIG_UNBLOCK, &block, NULL);
	EXPECT_EQ(1, caught);
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	/* no mask any more */
	ASSERT_EQ(0, tvm_ioctl(self->cpu.fd, KVM_SET_SIGNAL_MASK, 0));
	sigprocmask(SIG_BLOCK, &block, NULL);
	raise(SIGUSR1);
	EXPECT_EQ(2, tvm_sync(&self->cpu));
}

struct kicked {
	pthread_t thread;
	volatile int done;
};

static void *kick_thread(void *arg)
{
	struct kicked *who = arg;

	while (!who->done) {
		usleep(10000);
		pthread_kill(who->thread, SIGUSR2);
	}
	return NULL;
}

/* A signal without a handler, sent while it is open: it ends KVM_RUN, not the process. */
TEST_F(sig, mask_spares_the_process)
{
	struct kicked who = { .thread = pthread_self() };
	pthread_t thread;
	sigset_t block, none;

	signal(SIGUSR2, SIG_DFL);
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &block, NULL);
	ASSERT_EQ(0, set_mask(&self->cpu, &none, 8));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, pthread_create(&thread, NULL, kick_thread, &who));
	EXPECT_EQ(-EINTR, tvm_run(&self->cpu));
	EXPECT_GT(spins, 0);
	who.done = 1;
	pthread_join(thread, NULL);
	EXPECT_EQ(SIGUSR2, sigwaitinfo(&block, NULL));
}

TEST_F(sig, mask_length)
{
	sigset_t none;

	sigemptyset(&none);
	EXPECT_EQ(-EINVAL, set_mask(&self->cpu, &none, 0));
	EXPECT_EQ(-EINVAL, set_mask(&self->cpu, &none, 4));
	EXPECT_EQ(-EINVAL, set_mask(&self->cpu, &none, 16));
	EXPECT_EQ(-EINVAL, set_mask(&self->cpu, &none, 0xffffffff));
}

TEST_F(sig, immediate_exit)
{
	uint64_t before;

	EXPECT_EQ(1, tvm_sync(&self->cpu));
	before = spins;
	self->cpu.run->immediate_exit = 1;
	EXPECT_EQ(-EINTR, tvm_run(&self->cpu));
	EXPECT_EQ(-EINTR, tvm_run(&self->cpu));
	EXPECT_EQ(before, spins);
	tvcpu_long_mode(&self->cpu, guest_sync_loop);
	self->cpu.run->immediate_exit = 0;
	EXPECT_EQ(2, tvm_sync(&self->cpu));
}

/* Set from a signal handler's thread while the guest runs: the pair every VMM uses to kick. */
static void *kick(void *arg)
{
	struct tvcpu *cpu = arg;

	usleep(30000);
	cpu->run->immediate_exit = 1;
	kill(getpid(), SIGUSR1);
	return NULL;
}

TEST_F(sig, kick_from_another_thread)
{
	pthread_t thread;

	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, pthread_create(&thread, NULL, kick, &self->cpu));
	while (tvm_run(&self->cpu) != -EINTR)
		;
	pthread_join(thread, NULL);
	EXPECT_EQ(-EINTR, tvm_run(&self->cpu));
	self->cpu.run->immediate_exit = 0;
}

TEST_HARNESS_MAIN
