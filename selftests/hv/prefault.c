// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards KVM_PRE_FAULT_MEMORY: it faults the host's pages in and maps them, so that the guest then
 * reads without a fault, breaks no copy-on-write, says how far it came, and refuses what it must.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define SEPARATORS	"\n "
#define PAGES	16UL
#define SIZE	(PAGES * TVM_PAGE)
#define GPA	TVM_TEST_GPA
#define SLOT	TVM_SLOT_TEST

static volatile uint32_t sum;

static void guest_read_all(void)
{
	unsigned int i;

	for (;;) {
		g_sync(1);
		sum = 0;
		for (i = 0; i < PAGES; i++)
			sum += g_readl(GPA + i * TVM_PAGE);
		g_sync(2);
	}
}

FIXTURE(prefault) {
	struct tvm vm;
	struct tvcpu cpu;
	uint32_t *mem;
};

FIXTURE_SETUP(prefault)
{
	tvm_start(&self->vm, &self->cpu, 0, guest_read_all);
	if (!tvm_cap(&self->vm, KVM_CAP_PRE_FAULT_MEMORY))
		SKIP(return, "no KVM_CAP_PRE_FAULT_MEMORY");
	self->mem = tvm_mem(SIZE);
	ASSERT_EQ(0, tvm_slot(&self->vm, SLOT, 0, GPA, SIZE, self->mem));
}

FIXTURE_TEARDOWN(prefault)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

static long prefault(FIXTURE_DATA(prefault) *self, struct kvm_pre_fault_memory *range)
{
	return tvm_ioctl_p(self->cpu.fd, KVM_PRE_FAULT_MEMORY, range);
}

/* All of it, in as many calls as it takes; the error of the last. */
static long prefault_all(FIXTURE_DATA(prefault) *self, struct kvm_pre_fault_memory *range)
{
	uint64_t size;
	long ret;

	do {
		size = range->size;
		ret = prefault(self, range);
		if (!ret && range->size >= size)
			tvm_die("success, but nothing was done");
	} while (!ret && range->size);
	return ret;
}

/* Second-level faults of this process's vCPU so far; -1: stock KVM keeps them elsewhere. */
static long faults(void)
{
	char line[512], *save, *word;
	unsigned int i, column = 0;
	long n = -1;
	FILE *f;

	f = fopen("/sys/kernel/debug/vellum/vcpus", "r");
	if (!f)
		return -1;
	if (fgets(line, sizeof(line), f))
		for (word = strtok_r(line, SEPARATORS, &save); word && strcmp(word, "tdp_faults");
		     word = strtok_r(NULL, SEPARATORS, &save))
			column++;
	while (fgets(line, sizeof(line), f)) {
		word = strtok_r(line, SEPARATORS, &save);
		if (!word || atoi(word) != getpid())
			continue;
		for (i = 0; word && i < column; i++)
			word = strtok_r(NULL, SEPARATORS, &save);
		n = word ? atol(word) : -1;
	}
	fclose(f);
	return n;
}

TEST_F(prefault, maps)
{
	struct kvm_pre_fault_memory range = { .gpa = GPA, .size = SIZE };
	unsigned char there[PAGES];
	unsigned int i;
	long before;

	/* once for the pages of the program itself */
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, madvise(self->mem, SIZE, MADV_DONTNEED));
	EXPECT_EQ(0, prefault_all(self, &range));
	EXPECT_EQ(0, range.size);
	EXPECT_EQ(GPA + SIZE, range.gpa);
	ASSERT_EQ(0, mincore(self->mem, SIZE, there));
	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(1, there[i] & 1);
	before = faults();
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	EXPECT_EQ(0, sum);
	EXPECT_EQ(before, faults());
	/* and that the figure is not simply dead */
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	madvise(self->mem, SIZE, MADV_DONTNEED);
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	if (before >= 0)
		EXPECT_LT(before, faults());
}

/* The guest's later write, and the host's, go where they should: it was a read fault. */
TEST_F(prefault, keeps_copy_on_write)
{
	struct kvm_pre_fault_memory range = { .gpa = GPA, .size = SIZE };

	EXPECT_EQ(0, prefault_all(self, &range));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	self->mem[0] = 0x1000;
	self->mem[TVM_PAGE / 4] = 0x234;
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	EXPECT_EQ(0x1234, sum);
}

TEST_F(prefault, stops_where_the_slot_ends)
{
	struct kvm_pre_fault_memory range = { .gpa = GPA, .size = SIZE + 2 * TVM_PAGE };

	EXPECT_EQ(-ENOENT, prefault_all(self, &range));
	EXPECT_EQ(GPA + SIZE, range.gpa);
	EXPECT_EQ(2 * TVM_PAGE, range.size);
}

TEST_F(prefault, nothing_behind)
{
	struct kvm_pre_fault_memory range = { .gpa = GPA, .size = SIZE };

	munmap(self->mem + TVM_PAGE / 4, TVM_PAGE);
	EXPECT_EQ(-EFAULT, prefault_all(self, &range));
	EXPECT_EQ(GPA + TVM_PAGE, range.gpa);
}

TEST_F(prefault, bad_input)
{
	struct kvm_pre_fault_memory bad[] = {
		{ .gpa = GPA, .size = 0 },
		{ .gpa = GPA + 1, .size = SIZE },
		{ .gpa = GPA, .size = SIZE + 1 },
		{ .gpa = GPA, .size = SIZE, .flags = 1 },
		{ .gpa = GPA, .size = SIZE, .flags = 1ULL << 63 },
		{ .gpa = -TVM_PAGE, .size = 2 * TVM_PAGE },
		{ .gpa = GPA, .size = -GPA },
	};
	struct kvm_pre_fault_memory was, hole = { .gpa = TVM_HOLE_GPA, .size = TVM_PAGE };
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		was = bad[i];
		EXPECT_EQ(-EINVAL, prefault(self, &bad[i]))
			TH_LOG("case %u", i);
		EXPECT_EQ(0, memcmp(&was, &bad[i], sizeof(was)));
	}
	EXPECT_EQ(-ENOENT, prefault(self, &hole));
	hole.gpa = 1ULL << 60;
	EXPECT_EQ(-ENOENT, prefault(self, &hole));
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->cpu.fd, KVM_PRE_FAULT_MEMORY, 0x10));
}

TEST_HARNESS_MAIN
