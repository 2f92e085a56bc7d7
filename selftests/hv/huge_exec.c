// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards that code in a huge page costs no fault for each of its other pages. Where a CPU can be
 * brought down by code in huge pages (the row vtx-icelake: ITLB multihit, INTEL-SA-00210) they
 * are mapped without the right to execute, and a fetch gives that right to its own small page
 * alone. The rest must stay mapped, with what is in it, and code must run in any page of it.
 */
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define PAGES		512U
#define HUGE		(PAGES * TVM_PAGE)
#define GPA		TVM_TEST_GPA
#define SLOT		TVM_SLOT_TEST
#define FEW		32		/* faults, those in the program's own pages too */
#define RET		0xc3

static volatile uint32_t code_page;
static volatile uint64_t sum;

static void guest(void)
{
	uint32_t i;

	g_writel(GPA + 8, 1);
	for (;;) {
		((void (*)(void))(GPA + code_page * TVM_PAGE))();
		for (sum = 0, i = 0; i < PAGES; i++)
			sum += g_readl(GPA + i * TVM_PAGE + 4);
		for (i = 0; i < PAGES; i++)
			g_writel(GPA + i * TVM_PAGE + 8, i);
		g_sync(1);
	}
}

FIXTURE(huge_exec) {
	struct tvm vm;
	struct tvcpu cpu;
	uint8_t *mem;
};

FIXTURE_SETUP(huge_exec)
{
	uintptr_t mem = (uintptr_t)tvm_mem(2 * HUGE);
	uint32_t i;

	tvm_start(&self->vm, &self->cpu, 0, guest);
	self->mem = (uint8_t *)((mem + HUGE - 1) & ~(HUGE - 1));
	madvise(self->mem, HUGE, MADV_HUGEPAGE);
	for (i = 0; i < PAGES; i++) {
		self->mem[i * TVM_PAGE] = RET;
		memcpy(self->mem + i * TVM_PAGE + 4, &i, sizeof(i));
	}
	if (tvm_slot(&self->vm, SLOT, 0, GPA, HUGE, self->mem))
		tvm_die("no slot");
}

FIXTURE_TEARDOWN(huge_exec)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

/* Every page was read, and written, once more. */
static int all_there(FIXTURE_DATA(huge_exec) *self)
{
	uint32_t i, got;

	for (i = 0; i < PAGES; i++) {
		memcpy(&got, self->mem + i * TVM_PAGE + 8, sizeof(got));
		if (got != i)
			return 0;
	}
	return sum == (uint64_t)PAGES * (PAGES - 1) / 2;
}

TEST_F(huge_exec, few_faults)
{
	if (tvm_is_kvm())
		SKIP(return, "stock KVM's counters have other names");
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_TRUE(all_there(self));
	EXPECT_LT(tvcpu_counter(&self->cpu, "tdp_faults"), FEW);
}

TEST_F(huge_exec, code_in_any_page)
{
	for (code_page = 0; code_page < PAGES; code_page += PAGES / 8 - 1) {
		memset(self->mem + code_page * TVM_PAGE + 8, 0xff, 4);
		EXPECT_EQ(1, tvm_sync(&self->cpu));
		EXPECT_TRUE(all_there(self));
	}
}

/* What the host does to the huge page afterwards reaches the small ones. */
TEST_F(huge_exec, discarded)
{
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, madvise(self->mem + HUGE / 2, HUGE / 2, MADV_DONTNEED));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ((PAGES / 2) * (PAGES / 2 - 1) / 2, sum);
}

TEST_HARNESS_MAIN
