// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards memory that changes under a running guest: munmap, MADV_DONTNEED, mprotect, fork and its
 * copy-on-write, remapping with other contents, and slots deleted while the guest faults on them.
 * A guest must never see a page the host has taken away.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <linux/userfaultfd.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define PAGES	64UL
#define SIZE	(PAGES * TVM_PAGE)
#define GPA	TVM_TEST_GPA

static volatile uint32_t seen;
static volatile int stop;

static void guest_peek(void)
{
	for (;;) {
		seen = g_readl(GPA);
		g_sync(1);
	}
}

static void guest_poke(void)
{
	uint32_t i;

	for (i = 1;; i++) {
		g_writel(GPA, i);
		g_sync(i);
	}
}

/* Writes all pages round and round; says so after each round. */
static void guest_sweep(void)
{
	unsigned int i;

	g_sti();
	for (;;) {
		for (i = 0; i < PAGES; i++)
			g_writel(GPA + i * TVM_PAGE, i);
		g_outb(0x123, 0);
	}
}

FIXTURE(race) {
	struct tvm vm;
	struct tvcpu cpu;
	uint32_t *mem;
};

FIXTURE_SETUP(race)
{
	tvm_start(&self->vm, &self->cpu, TVM_IRQCHIP, guest_peek);
	self->mem = tvm_mem(SIZE);
	self->mem[0] = 0x1234;
	ASSERT_EQ(0, tvm_slot(&self->vm, TVM_SLOT_TEST, 0, GPA, SIZE, self->mem));
}

FIXTURE_TEARDOWN(race)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

TEST_F(race, dontneed)
{
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0x1234, seen);
	ASSERT_EQ(0, madvise(self->mem, TVM_PAGE, MADV_DONTNEED));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, seen);
	self->mem[0] = 0x77;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0x77, seen);
}

/* Read first, so that the guest has the zero page; then host and guest must share the real one. */
TEST_F(race, zero_page)
{
	ASSERT_EQ(0, madvise(self->mem, TVM_PAGE, MADV_DONTNEED));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, seen);
	self->mem[0] = 0x99;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0x99, seen);
	tvcpu_long_mode(&self->cpu, guest_poke);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(1, self->mem[0]);
}

TEST_F(race, munmap)
{
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	munmap(self->mem, TVM_PAGE);
	EXPECT_EQ(-EFAULT, tvm_run(&self->cpu));
	ASSERT_EQ(self->mem, mmap(self->mem, TVM_PAGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, seen);
}

TEST_F(race, mprotect)
{
	tvcpu_long_mode(&self->cpu, guest_poke);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, mprotect(self->mem, TVM_PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, tvm_run(&self->cpu));
	EXPECT_EQ(1, self->mem[0]);
	ASSERT_EQ(0, mprotect(self->mem, TVM_PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	EXPECT_EQ(2, self->mem[0]);
}

/* After fork the guest's writes are the parent's: the child keeps what was there. */
TEST_F(race, fork_and_copy_on_write)
{
	int pipefd[2], status;
	char c = 0;
	pid_t pid;

	tvcpu_long_mode(&self->cpu, guest_poke);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, pipe(pipefd));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (read(pipefd[0], &c, 1) != 1)
			_exit(2);
		_exit(self->mem[0] != 1);
	}
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	EXPECT_EQ(2, self->mem[0]);
	ASSERT_EQ(1, write(pipefd[1], &c, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

static void *run(void *cpu)
{
	return (void *)tvm_run(cpu);
}

/* Gone before its memory was: an access there is the VMM's, as anywhere without a slot. */
TEST_F(race, slot_deleted_in_a_fault)
{
	struct uffd_msg msg;
	pthread_t thread;
	void *ret;
	int uffd;

	ASSERT_EQ(0, madvise(self->mem, SIZE, MADV_DONTNEED));
	uffd = tvm_uffd(self->mem, SIZE, 0);
	ASSERT_EQ(0, pthread_create(&thread, NULL, run, &self->cpu));
	ASSERT_EQ(sizeof(msg), read(uffd, &msg, sizeof(msg)));
	ASSERT_EQ(0, tvm_slot(&self->vm, TVM_SLOT_TEST, 0, GPA, 0, NULL));
	munmap(self->mem, SIZE);
	close(uffd);
	pthread_join(thread, &ret);
	EXPECT_EQ(KVM_EXIT_MMIO, (long)ret);
	EXPECT_EQ(GPA, self->cpu.run->mmio.phys_addr);
}

/* mremap moves the pages away: the guest must not keep them. */
TEST_F(race, mremap)
{
	uint32_t *new;

	EXPECT_EQ(1, tvm_sync(&self->cpu));
	new = mremap(self->mem, TVM_PAGE, TVM_PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		     tvm_mem(TVM_PAGE));
	ASSERT_NE(MAP_FAILED, new);
	EXPECT_EQ(0x1234, new[0]);
	EXPECT_EQ(-EFAULT, tvm_run(&self->cpu));
}

static void on_signal(int sig)
{
}

/* Serves the sweeping guest until @stop; EFAULT is what a page taken away gives. */
static void *sweeper(void *arg)
{
	struct tvcpu *cpu = arg;
	uintptr_t faults = 0;
	long ret;

	while (!stop) {
		ret = tvm_run(cpu);
		if (ret == -EFAULT || ret == KVM_EXIT_MMIO)
			faults++;
		else if (ret < 0 && ret != -EINTR)
			tvm_die("KVM_RUN: %ld", ret);
		else if (ret >= 0 && ret != KVM_EXIT_IO)
			tvm_die("exit %ld", ret);
	}
	return (void *)faults;
}

static void sweep(struct tvcpu *cpu, void *mem, void (*disturb)(struct tvm *vm, void *mem))
{
	struct sigaction act = { .sa_handler = on_signal };
	pthread_t thread;
	int i;

	sigaction(SIGUSR1, &act, NULL);
	tvcpu_long_mode(cpu, guest_sweep);
	if (pthread_create(&thread, NULL, sweeper, cpu))
		tvm_die("pthread_create");
	for (i = 0; i < 50; i++) {
		disturb(cpu->vm, mem);
		if (i % 5 == 0)
			usleep(1000);
	}
	stop = 1;
	cpu->run->immediate_exit = 1;
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	cpu->run->immediate_exit = 0;
}

static void do_dontneed(struct tvm *vm, void *mem)
{
	madvise(mem, SIZE, MADV_DONTNEED);
}

TEST_F(race, sweep_dontneed)
{
	sweep(&self->cpu, self->mem, do_dontneed);
}

static void do_remap(struct tvm *vm, void *mem)
{
	munmap(mem, SIZE / 2);
	mmap(mem, SIZE / 2, PROT_READ | PROT_WRITE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

TEST_F(race, sweep_munmap)
{
	sweep(&self->cpu, self->mem, do_remap);
}

static void do_slots(struct tvm *vm, void *mem)
{
	tvm_slot(vm, TVM_SLOT_TEST, 0, GPA, 0, NULL);
	tvm_slot(vm, TVM_SLOT_TEST, 0, GPA, SIZE, mem);
}

TEST_F(race, sweep_slot_delete)
{
	sweep(&self->cpu, self->mem, do_slots);
}

static void do_dirty(struct tvm *vm, void *mem)
{
	uint64_t bitmap;
	struct kvm_dirty_log log = { .slot = TVM_SLOT_TEST, .dirty_bitmap = &bitmap };

	tvm_slot(vm, TVM_SLOT_TEST, KVM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, mem);
	TVM_MUST(vm->fd, KVM_GET_DIRTY_LOG, &log);
	tvm_slot(vm, TVM_SLOT_TEST, 0, GPA, SIZE, mem);
}

TEST_F(race, sweep_dirty_log)
{
	sweep(&self->cpu, self->mem, do_dirty);
}

static void do_fork(struct tvm *vm, void *mem)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
}

TEST_F(race, sweep_fork)
{
	sweep(&self->cpu, self->mem, do_fork);
}

TEST_HARNESS_MAIN
