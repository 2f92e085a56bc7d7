// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 and KVM_CLEAR_DIRTY_LOG: reading the log clears nothing,
 * clearing takes exactly the named pages out of it and their next write puts them back, with
 * KVM_DIRTY_LOG_INITIALLY_SET every page is dirty at first, and bad ranges, slots and addresses
 * change nothing.
 */
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define PAGES		1000U		/* the last run of 64 is not whole */
#define RUN		64U
#define LAST_RUN	(PAGES / RUN * RUN)
#define SIZE		(PAGES * TVM_PAGE)
#define MAP_BYTES	((PAGES + 63) / 64 * 8)
#define SLOT		TVM_SLOT_TEST
#define MANUAL		KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE

static const unsigned int touched[] = { 3, 63, 64, 500, PAGES - 1 };

#define NR_TOUCHED	(sizeof(touched) / sizeof(touched[0]))

static void guest_touch(void)
{
	unsigned int i, round;

	for (round = 1;; round++) {
		for (i = 0; i < NR_TOUCHED; i++)
			g_writel(TVM_TEST_GPA + touched[i] * TVM_PAGE, round);
		g_sync(round);
	}
}

FIXTURE(clear) {
	struct tvm vm;
	struct tvcpu cpu;
	uint8_t *mem;
	uint8_t map[MAP_BYTES];
};

FIXTURE_SETUP(clear)
{
	tvm_start(&self->vm, &self->cpu, 0, guest_touch);
	self->mem = tvm_mem(SIZE);
}

FIXTURE_TEARDOWN(clear)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

static long manual(FIXTURE_DATA(clear) *self, uint64_t flags)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, .args = { flags } };

	return tvm_ioctl_p(self->vm.fd, KVM_ENABLE_CAP, &cap);
}

static long set_slot(FIXTURE_DATA(clear) *self, uint32_t flags)
{
	return tvm_slot(&self->vm, SLOT, flags, TVM_TEST_GPA, SIZE, self->mem);
}

static unsigned int dirty(FIXTURE_DATA(clear) *self, unsigned int page)
{
	return self->map[page / 8] >> page % 8 & 1;
}

/* Reads the log: how many pages are in it */
static unsigned int count(FIXTURE_DATA(clear) *self)
{
	struct kvm_dirty_log log = { .slot = SLOT, .dirty_bitmap = self->map };
	unsigned int i, n = 0;

	TVM_MUST(self->vm.fd, KVM_GET_DIRTY_LOG, &log);
	for (i = 0; i < PAGES; i++)
		n += dirty(self, i);
	return n;
}

static long clear(FIXTURE_DATA(clear) *self, uint64_t first, uint32_t n, const void *bits)
{
	struct kvm_clear_dirty_log log = {
		.slot = SLOT, .first_page = first, .num_pages = n,
		.dirty_bitmap = (void *)bits,
	};

	return tvm_ioctl_p(self->vm.fd, KVM_CLEAR_DIRTY_LOG, &log);
}

static void start(FIXTURE_DATA(clear) *self, uint64_t flags)
{
	if (manual(self, flags) || set_slot(self, KVM_MEM_LOG_DIRTY_PAGES))
		tvm_die("no manual dirty log");
}

TEST_F(clear, reading_clears_nothing)
{
	start(self, MANUAL);
	EXPECT_EQ(0, count(self));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(NR_TOUCHED, count(self));
	EXPECT_EQ(NR_TOUCHED, count(self));
	ASSERT_EQ(0, clear(self, 0, PAGES, self->map));
	EXPECT_EQ(0, count(self));
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	EXPECT_EQ(NR_TOUCHED, count(self));
}

/* Only what is asked for, in the range and in the mask; the guest's next write is seen again. */
TEST_F(clear, exactly_these)
{
	uint64_t bits = BIT64(3) | BIT64(5);

	start(self, MANUAL);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, clear(self, 0, RUN, &bits));
	EXPECT_EQ(NR_TOUCHED - 1, count(self));
	EXPECT_FALSE(dirty(self, 3));
	EXPECT_TRUE(dirty(self, 63));
	bits = ~0ULL;
	ASSERT_EQ(0, clear(self, RUN, RUN, &bits));
	EXPECT_EQ(NR_TOUCHED - 2, count(self));
	EXPECT_FALSE(dirty(self, 64));
	ASSERT_EQ(0, clear(self, LAST_RUN, PAGES - LAST_RUN, &bits));
	EXPECT_EQ(NR_TOUCHED - 3, count(self));
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	EXPECT_EQ(NR_TOUCHED, count(self));
	EXPECT_EQ(2, *(uint32_t *)(self->mem + 3 * TVM_PAGE));
}

TEST_F(clear, initially_set)
{
	ASSERT_EQ(0, manual(self, MANUAL | KVM_DIRTY_LOG_INITIALLY_SET));
	/* mapped and writable before the log begins */
	ASSERT_EQ(0, set_slot(self, 0));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, set_slot(self, KVM_MEM_LOG_DIRTY_PAGES));
	EXPECT_EQ(PAGES, count(self));
	ASSERT_EQ(0, clear(self, 0, PAGES, self->map));
	EXPECT_EQ(0, count(self));
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	EXPECT_EQ(NR_TOUCHED, count(self));
}

TEST_F(clear, bad_ranges)
{
	uint64_t all[MAP_BYTES / 8];

	memset(all, 0xff, sizeof(all));
	start(self, MANUAL);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(-EINVAL, clear(self, 1, RUN, all));
	EXPECT_EQ(-EINVAL, clear(self, 0, RUN - 1, all));
	EXPECT_EQ(-EINVAL, clear(self, LAST_RUN, PAGES - LAST_RUN - 1, all));
	EXPECT_EQ(-EINVAL, clear(self, LAST_RUN, RUN, all));
	EXPECT_EQ(-EINVAL, clear(self, 0, PAGES + 1, all));
	EXPECT_EQ(-EINVAL, clear(self, LAST_RUN + RUN, RUN, all));
	EXPECT_EQ(-EINVAL, clear(self, -(uint64_t)RUN, RUN, all));
	EXPECT_EQ(-EINVAL, clear(self, -(uint64_t)RUN, 2 * RUN, all));
	EXPECT_EQ(NR_TOUCHED, count(self));
}

TEST_F(clear, bad_slots)
{
	struct kvm_clear_dirty_log log = { .num_pages = RUN, .dirty_bitmap = self->map };

	start(self, MANUAL);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	log.slot = TVM_SLOT_RAM;		/* has no log */
	EXPECT_EQ(-ENOENT, tvm_ioctl_p(self->vm.fd, KVM_CLEAR_DIRTY_LOG, &log));
	log.slot = SLOT + 1;
	EXPECT_EQ(-ENOENT, tvm_ioctl_p(self->vm.fd, KVM_CLEAR_DIRTY_LOG, &log));
	log.slot = 0xffff;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->vm.fd, KVM_CLEAR_DIRTY_LOG, &log));
	log.slot = 7 << 16 | SLOT;		/* no such address space */
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->vm.fd, KVM_CLEAR_DIRTY_LOG, &log));
	EXPECT_EQ(-EFAULT, clear(self, 0, RUN, (void *)0x10));
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->vm.fd, KVM_CLEAR_DIRTY_LOG, 0x10));
	EXPECT_EQ(NR_TOUCHED, count(self));
}

TEST_F(clear, bad_flags)
{
	EXPECT_EQ(-EINVAL, manual(self, KVM_DIRTY_LOG_INITIALLY_SET));
	EXPECT_EQ(-EINVAL, manual(self, BIT64(2)));
	EXPECT_EQ(-EINVAL, manual(self, MANUAL | BIT64(63)));
	/* none of them switched anything on */
	ASSERT_EQ(0, set_slot(self, KVM_MEM_LOG_DIRTY_PAGES));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(NR_TOUCHED, count(self));
	EXPECT_EQ(0, count(self));
}

TEST_HARNESS_MAIN
