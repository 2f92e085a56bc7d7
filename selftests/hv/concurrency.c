// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards calls made while a vCPU runs in another thread: VM ioctls go on, vCPU ioctls wait for the
 * run to end, two threads in KVM_RUN of one vCPU exclude each other, and fds may be closed in any
 * order under a running guest. The guest spins with interrupts on (see signals.c).
 */
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "kselftest_harness.h"
#include "tvm.h"

static volatile uint64_t spins;
static volatile int stop;

static void guest_spin(void)
{
	g_sti();
	for (;;)
		spins++;
}

static void guest_busy_exits(void)
{
	for (;;) {
		spins++;
		g_outb(0x123, 1);
	}
}

static void on_signal(int sig)
{
}

FIXTURE(conc) {
	struct tvm vm;
	struct tvcpu cpu;
	pthread_t thread;
};

FIXTURE_SETUP(conc)
{
	struct sigaction act = { .sa_handler = on_signal };

	sigaction(SIGUSR1, &act, NULL);
	tvm_start(&self->vm, &self->cpu, TVM_IRQCHIP, guest_spin);
}

FIXTURE_TEARDOWN(conc)
{
}

/* Runs the guest until told to stop; exits of the guest do not end it. */
static void *runner(void *arg)
{
	struct tvcpu *cpu = arg;
	long ret;

	do {
		ret = tvm_run(cpu);
	} while (!stop && (ret >= 0 || ret == -EINTR));
	return (void *)ret;
}

static void start(struct tvcpu *cpu, pthread_t *thread)
{
	uint64_t before = spins;

	stop = 0;
	if (pthread_create(thread, NULL, runner, cpu))
		tvm_die("pthread_create");
	while (spins == before)
		usleep(1000);
}

static long finish(struct tvcpu *cpu, pthread_t thread)
{
	long ret;

	stop = 1;
	cpu->run->immediate_exit = 1;
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, (void **)&ret);
	cpu->run->immediate_exit = 0;
	return ret;
}

TEST_F(conc, vm_ioctls_go_on)
{
	struct kvm_irq_level irq = { .irq = 20, .level = 1 };
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct kvm_clock_data clock;
	uint8_t *mem = tvm_mem(16 * TVM_PAGE);
	unsigned int i;
	uint64_t before;

	start(&self->cpu, &self->thread);
	for (i = 0; i < 20; i++) {
		EXPECT_EQ(0, tvm_slot(&self->vm, TVM_SLOT_TEST, 0, TVM_TEST_GPA, 16 * TVM_PAGE,
				      mem));
		EXPECT_EQ(0, tvm_slot(&self->vm, TVM_SLOT_TEST, 0, TVM_TEST_GPA, 0, NULL));
		EXPECT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_IRQ_LINE, &irq));
		EXPECT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_GET_IRQCHIP, &chip));
		EXPECT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_GET_CLOCK, &clock));
	}
	EXPECT_GE(tvm_ioctl(self->vm.fd, KVM_CREATE_VCPU, 3), 0);
	before = spins;
	usleep(20000);
	EXPECT_GT(spins, before);
	EXPECT_EQ(-EINTR, finish(&self->cpu, self->thread));
}

static void *get_regs(void *arg)
{
	struct tvcpu *cpu = arg;
	static struct kvm_regs regs;

	return (void *)tvm_ioctl_p(cpu->fd, KVM_GET_REGS, &regs);
}

/* A vCPU ioctl from another thread waits; it neither fails nor reads half a state. */
TEST_F(conc, vcpu_ioctl_waits)
{
	pthread_t getter;
	long ret;

	start(&self->cpu, &self->thread);
	ASSERT_EQ(0, pthread_create(&getter, NULL, get_regs, &self->cpu));
	usleep(20000);
	EXPECT_EQ(-EINTR, finish(&self->cpu, self->thread));
	pthread_join(getter, (void **)&ret);
	EXPECT_EQ(0, ret);
}

/* A waiting vCPU ioctl gives up when its thread is signalled. */
TEST_F(conc, waiting_ioctl_is_killable)
{
	pthread_t getter;
	long ret;

	start(&self->cpu, &self->thread);
	ASSERT_EQ(0, pthread_create(&getter, NULL, get_regs, &self->cpu));
	usleep(10000);
	pthread_kill(getter, SIGUSR1);
	usleep(10000);
	EXPECT_EQ(-EINTR, finish(&self->cpu, self->thread));
	pthread_join(getter, (void **)&ret);
	/* killable or interruptible, both are fine; stuck is not */
	EXPECT_TRUE(ret == 0 || ret == -EINTR);
}

TEST_F(conc, two_runners_of_one_vcpu)
{
	pthread_t other;
	uint64_t before;
	long ret;

	tvcpu_long_mode(&self->cpu, guest_busy_exits);
	start(&self->cpu, &self->thread);
	ASSERT_EQ(0, pthread_create(&other, NULL, runner, &self->cpu));
	before = spins;
	usleep(30000);
	EXPECT_GT(spins, before);
	stop = 1;
	pthread_kill(other, SIGUSR1);
	pthread_join(other, (void **)&ret);
	EXPECT_TRUE(ret >= 0 || ret == -EINTR);
	finish(&self->cpu, self->thread);
}

/* Every fd closed while the guest runs; the thread keeps its own reference and ends on a signal. */
TEST_F(conc, close_while_running)
{
	start(&self->cpu, &self->thread);
	close(self->vm.fd);
	close(self->vm.dev);
	close(self->cpu.fd);
	usleep(10000);
	EXPECT_TRUE(finish(&self->cpu, self->thread) < 0);
}

TEST_F(conc, close_the_vcpu_first)
{
	uint64_t before;

	start(&self->cpu, &self->thread);
	close(self->cpu.fd);
	before = spins;
	usleep(10000);
	EXPECT_GT(spins, before);
	finish(&self->cpu, self->thread);
	/* the VM is alive without it */
	EXPECT_GE(tvm_ioctl(self->vm.fd, KVM_CREATE_VCPU, 2), 0);
}

/* The guest's thread dies with its process: nothing may be left (the leak test looks). */
TEST_F(conc, exit_while_running)
{
	int status;
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid) {
		struct tvcpu cpu;
		pthread_t thread;
		struct tvm vm;

		tvm_start(&vm, &cpu, TVM_IRQCHIP, guest_spin);
		spins = 0;
		pthread_create(&thread, NULL, runner, &cpu);
		while (!spins)
			usleep(1000);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

static void *ring(void *arg)
{
	int *fd = arg;
	uint64_t one = 1;

	while (!stop)
		if (write(*fd, &one, sizeof(one)) < 0)
			break;
	return NULL;
}

/* irqfds come and go while they are signalled and the guest runs. */
TEST_F(conc, irqfd_storm)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	struct kvm_irqfd irqfd = { .fd = fd, .gsi = 22 };
	pthread_t ringer;
	unsigned int i;

	start(&self->cpu, &self->thread);
	ASSERT_EQ(0, pthread_create(&ringer, NULL, ring, &fd));
	for (i = 0; i < 200; i++) {
		irqfd.flags = 0;
		EXPECT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_IRQFD, &irqfd));
		irqfd.flags = KVM_IRQFD_FLAG_DEASSIGN;
		EXPECT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_IRQFD, &irqfd));
	}
	finish(&self->cpu, self->thread);
	pthread_join(ringer, NULL);
}

TEST_HARNESS_MAIN
