// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the dirty log: the pages the guest wrote since the last KVM_GET_DIRTY_LOG are reported,
 * pages it did not touch are not, the log is cleared by reading, and turning it on and off while
 * the guest has the memory mapped loses nothing. The slot is large enough for large host pages.
 * A page that is read for the first time may be reported (stock KVM maps it writable at once),
 * but not when it is read again.
 */
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define PAGES	1024UL			/* two large pages */
#define SIZE	(PAGES * TVM_PAGE)
#define GPA	TVM_TEST_GPA
#define SLOT	TVM_SLOT_TEST

static volatile uint32_t sum;

/* Writes pages 3, 64, 1023 with each round, reads pages 5 and 600. */
static void guest_touch(void)
{
	uint32_t i;

	for (i = 1;; i++) {
		g_writel(GPA + 3 * TVM_PAGE + 8, i);
		g_writel(GPA + 64 * TVM_PAGE, i);
		g_writel(GPA + (PAGES - 1) * TVM_PAGE + 4092, i);
		sum = g_readl(GPA + 5 * TVM_PAGE) + g_readl(GPA + 600 * TVM_PAGE);
		g_sync(i);
	}
}

static void guest_only_read(void)
{
	for (;;) {
		sum = g_readl(GPA) + g_readl(GPA + 3 * TVM_PAGE);
		g_sync(1);
	}
}

FIXTURE(dirty) {
	struct tvm vm;
	struct tvcpu cpu;
	uint8_t *mem;
	uint8_t map[PAGES / 8];
};

FIXTURE_SETUP(dirty)
{
	uintptr_t mem = (uintptr_t)tvm_mem(2 * SIZE);

	tvm_start(&self->vm, &self->cpu, 0, guest_touch);
	self->mem = (uint8_t *)((mem + 0x1fffff) & ~0x1fffffUL);
	madvise(self->mem, SIZE, MADV_HUGEPAGE);
	memset(self->mem, 1, SIZE);
}

FIXTURE_TEARDOWN(dirty)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

static long set_slot(FIXTURE_DATA(dirty) *self, uint32_t flags)
{
	return tvm_slot(&self->vm, SLOT, flags, GPA, SIZE, self->mem);
}

static long get_log(FIXTURE_DATA(dirty) *self)
{
	struct kvm_dirty_log log = { .slot = SLOT, .dirty_bitmap = self->map };

	return tvm_ioctl_p(self->vm.fd, KVM_GET_DIRTY_LOG, &log);
}

static unsigned int count_dirty(FIXTURE_DATA(dirty) *self)
{
	unsigned int i, n = 0;

	for (i = 0; i < PAGES; i++)
		n += self->map[i / 8] >> (i % 8) & 1;
	return n;
}

static int is_dirty(FIXTURE_DATA(dirty) *self, unsigned int page)
{
	return self->map[page / 8] >> (page % 8) & 1;
}

/* Of the two pages guest_touch() only reads */
static unsigned int read_dirty(FIXTURE_DATA(dirty) *self)
{
	return is_dirty(self, 5) + is_dirty(self, 600);
}

TEST_F(dirty, exact)
{
	unsigned int round;

	ASSERT_EQ(0, set_slot(self, KVM_MEM_LOG_DIRTY_PAGES));
	for (round = 1; round <= 3; round++) {
		EXPECT_EQ(round, tvm_sync(&self->cpu));
		ASSERT_EQ(0, get_log(self));
		EXPECT_EQ(3, count_dirty(self) - (round == 1 ? read_dirty(self) : 0));
		EXPECT_TRUE(is_dirty(self, 3));
		EXPECT_TRUE(is_dirty(self, 64));
		EXPECT_TRUE(is_dirty(self, PAGES - 1));
	}
	/* nothing ran since: the log is empty */
	ASSERT_EQ(0, get_log(self));
	EXPECT_EQ(0, count_dirty(self));
}

TEST_F(dirty, reads_do_not_count)
{
	tvcpu_long_mode(&self->cpu, guest_only_read);
	ASSERT_EQ(0, set_slot(self, KVM_MEM_LOG_DIRTY_PAGES));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, get_log(self));
	EXPECT_LE(count_dirty(self), 2);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, get_log(self));
	EXPECT_EQ(0, count_dirty(self));
}

/* The memory is mapped writable, perhaps large, before the log starts. */
TEST_F(dirty, enabled_late)
{
	ASSERT_EQ(0, set_slot(self, 0));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(-ENOENT, get_log(self));
	ASSERT_EQ(0, set_slot(self, KVM_MEM_LOG_DIRTY_PAGES));
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	ASSERT_EQ(0, get_log(self));
	EXPECT_EQ(3, count_dirty(self) - read_dirty(self));
}

TEST_F(dirty, off_and_on_again)
{
	ASSERT_EQ(0, set_slot(self, KVM_MEM_LOG_DIRTY_PAGES));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, set_slot(self, 0));
	EXPECT_EQ(-ENOENT, get_log(self));
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	ASSERT_EQ(0, set_slot(self, KVM_MEM_LOG_DIRTY_PAGES));
	EXPECT_EQ(3, tvm_sync(&self->cpu));
	ASSERT_EQ(0, get_log(self));
	EXPECT_EQ(3, count_dirty(self) - read_dirty(self));
	EXPECT_EQ(3, *(uint32_t *)(self->mem + 64 * TVM_PAGE));
}

TEST_HARNESS_MAIN
