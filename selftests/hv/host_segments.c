// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards what a stay in the guest must leave alone of its own task: the bases of FS and GS, data
 * segments out of a local descriptor table, and a table that another thread makes or replaces
 * while the guest runs, after which the old one is freed memory.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define LDT_SELECTOR(n)	((n) << 3 | 4 | 3)
#define FIRST		0
#define FAR		600	/* a table that ends behind it has a second page */

static volatile int inside, go;
static __thread volatile uint64_t own = 0x1dea;

static void guest_waits(void)
{
	inside = 1;
	while (!go)
		asm volatile("pause");
	g_sync(1);
}

static void guest_says(void)
{
	for (;;)
		g_sync(1);
}

/* A data segment of so many bytes. */
static long make_descriptor(unsigned int entry, unsigned int bytes)
{
	struct user_desc desc = {
		.entry_number = entry, .limit = bytes - 1, .seg_32bit = 1,
	};

	return syscall(SYS_modify_ldt, 1, &desc, sizeof(desc));
}

/* The segment's limit as the CPU has it; 0: it knows no such segment. */
static uint32_t limit_of(uint32_t selector)
{
	uint32_t limit = 0;
	uint8_t known;

	asm volatile("lsl %2, %0\n\tsetz %1" : "+r"(limit), "=q"(known) : "r"(selector) : "cc");
	return known ? limit : 0;
}

FIXTURE(segments) {
	struct tvm vm;
	struct tvcpu cpu;
};

FIXTURE_SETUP(segments)
{
	inside = 0;
	go = 0;
	tvm_start(&self->vm, &self->cpu, 0, guest_says);
}

FIXTURE_TEARDOWN(segments)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

TEST_F(segments, bases)
{
	unsigned long gs = 0;

	ASSERT_EQ(0, syscall(SYS_arch_prctl, ARCH_SET_GS, 0x123456789000));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
	EXPECT_EQ(0x123456789000, gs);
	EXPECT_EQ(0x1dea, own);
}

TEST_F(segments, selectors)
{
	uint16_t ds, es;
	uint32_t run;

	ASSERT_EQ(0, make_descriptor(FIRST, 0x100));
	asm volatile("mov %0, %%ds; mov %0, %%es" : : "r"(LDT_SELECTOR(FIRST)));
	run = tvm_sync(&self->cpu);
	asm volatile("mov %%ds, %0; mov %%es, %1" : "=r"(ds), "=r"(es));
	asm volatile("mov %0, %%ds; mov %0, %%es" : : "r"(0));
	EXPECT_EQ(1, run);
	EXPECT_EQ(LDT_SELECTOR(FIRST), ds);
	EXPECT_EQ(LDT_SELECTOR(FIRST), es);
	EXPECT_EQ(0xff, limit_of(LDT_SELECTOR(FIRST)));
	EXPECT_EQ(0, limit_of(LDT_SELECTOR(FIRST + 1)));
}

static void *run_and_look(void *arg)
{
	struct tvcpu *cpu = arg;

	if (tvm_sync(cpu) != 1)
		return NULL;
	return (void *)(uintptr_t)limit_of(LDT_SELECTOR(FAR));
}

/* Runs the vCPU in a thread, makes a descriptor meanwhile; the limit that the thread finds. */
static uintptr_t made_during_a_stay(struct tvcpu *cpu)
{
	pthread_t thread;
	void *limit;

	tvcpu_long_mode(cpu, guest_waits);
	pthread_create(&thread, NULL, run_and_look, cpu);
	while (!inside)
		sched_yield();
	if (make_descriptor(FAR, 0x1000))
		tvm_die("modify_ldt: %m");
	go = 1;
	pthread_join(thread, &limit);
	return (uintptr_t)limit;
}

TEST_F(segments, table_made_by_another_thread)
{
	EXPECT_EQ(0xfff, made_during_a_stay(&self->cpu));
}

TEST_F(segments, table_replaced_by_another_thread)
{
	ASSERT_EQ(0, make_descriptor(FIRST, 0x100));
	EXPECT_EQ(0xfff, made_during_a_stay(&self->cpu));
	EXPECT_EQ(0xff, limit_of(LDT_SELECTOR(FIRST)));
}

TEST_HARNESS_MAIN
