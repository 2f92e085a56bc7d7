// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards KVM_SET_USER_MEMORY_REGION against hostile arguments: misaligned, overflowing,
 * overlapping, unmapped, out-of-range and undefined ones are refused and change nothing.
 * Errnos were verified on stock KVM 6.12.
 */
#include "kselftest_harness.h"
#include "tvm.h"

#define SIZE	(4 * TVM_PAGE)
#define GPA	TVM_TEST_GPA
#define SLOT	TVM_SLOT_TEST

static volatile uint32_t seen;

/* Reads what is at GPA: proof that the slot there is still the one made first. */
static void guest_peek(void)
{
	for (;;) {
		seen = g_readl(GPA);
		g_sync(1);
	}
}

FIXTURE(slots) {
	struct tvm vm;
	struct tvcpu cpu;
	uint32_t *mem;
};

FIXTURE_SETUP(slots)
{
	tvm_start(&self->vm, &self->cpu, 0, guest_peek);
	self->mem = tvm_mem(2 * SIZE);
	self->mem[0] = 0x600df00d;
	ASSERT_EQ(0, tvm_slot(&self->vm, SLOT, 0, GPA, SIZE, self->mem));
}

FIXTURE_TEARDOWN(slots)
{
	seen = 0;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0x600df00d, seen);
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

TEST_F(slots, misaligned)
{
	struct tvm *vm = &self->vm;
	uint64_t free = GPA + SIZE;

	EXPECT_EQ(-EINVAL, tvm_slot(vm, SLOT + 1, 0, free + 1, SIZE, self->mem));
	EXPECT_EQ(-EINVAL, tvm_slot(vm, SLOT + 1, 0, free + 0x800, SIZE, self->mem));
	EXPECT_EQ(-EINVAL, tvm_slot(vm, SLOT + 1, 0, free, SIZE + 1, self->mem));
	EXPECT_EQ(-EINVAL, tvm_slot(vm, SLOT + 1, 0, free, 0x800, self->mem));
	EXPECT_EQ(-EINVAL, tvm_slot(vm, SLOT + 1, 0, free, SIZE, (char *)self->mem + 1));
}

TEST_F(slots, overflowing)
{
	struct tvm *vm = &self->vm;

	EXPECT_EQ(-EINVAL, tvm_slot(vm, SLOT + 1, 0, -TVM_PAGE, SIZE, self->mem));
	EXPECT_EQ(-EINVAL, tvm_slot(vm, SLOT + 1, 0, GPA + SIZE, -TVM_PAGE, self->mem));
	EXPECT_EQ(-EINVAL, tvm_slot(vm, SLOT + 1, 0, GPA + SIZE, SIZE, (void *)-TVM_PAGE));
	/* more pages than a slot may have: 2^31 - 1 */
	EXPECT_EQ(-EINVAL, tvm_slot(vm, SLOT + 1, 0, GPA + SIZE, 1ULL << 43, self->mem));
}

TEST_F(slots, user_address)
{
	struct tvm *vm = &self->vm;

	/* a kernel address and a non-canonical one */
	EXPECT_EQ(-EINVAL, tvm_slot(vm, SLOT + 1, 0, GPA + SIZE, SIZE,
				    (void *)0xffffffff81000000UL));
	EXPECT_EQ(-EINVAL, tvm_slot(vm, SLOT + 1, 0, GPA + SIZE, SIZE,
				    (void *)0x0100000000000000UL));
}

/* Like mmap, a slot may cover user addresses where nothing is mapped: the access fails later. */
TEST_F(slots, unmapped_user_address)
{
	EXPECT_EQ(0, tvm_slot(&self->vm, SLOT + 1, 0, GPA + SIZE, SIZE, (void *)0x10000));
}

TEST_F(slots, overlapping)
{
	struct tvm *vm = &self->vm;

	EXPECT_EQ(-EEXIST, tvm_slot(vm, SLOT + 1, 0, GPA, SIZE, self->mem));
	EXPECT_EQ(-EEXIST, tvm_slot(vm, SLOT + 1, 0, GPA + SIZE - TVM_PAGE, SIZE, self->mem));
	EXPECT_EQ(-EEXIST, tvm_slot(vm, SLOT + 1, 0, GPA - TVM_PAGE, SIZE, self->mem));
	EXPECT_EQ(-EEXIST, tvm_slot(vm, SLOT + 1, 0, GPA - TVM_PAGE, 2 * SIZE, self->mem));
	EXPECT_EQ(-EEXIST, tvm_slot(vm, SLOT + 1, 0, GPA + TVM_PAGE, TVM_PAGE, self->mem));
	/* touching is not overlapping */
	EXPECT_EQ(0, tvm_slot(vm, SLOT + 1, 0, GPA + SIZE, TVM_PAGE, self->mem));
	EXPECT_EQ(0, tvm_slot(vm, SLOT + 2, 0, GPA - TVM_PAGE, TVM_PAGE, self->mem));
	/* nor is the same host memory twice */
	EXPECT_EQ(0, tvm_slot(vm, SLOT + 3, 0, GPA + 2 * SIZE, SIZE, self->mem));
}

TEST_F(slots, move_onto_another)
{
	struct tvm *vm = &self->vm;

	ASSERT_EQ(0, tvm_slot(vm, SLOT + 1, 0, GPA + SIZE, SIZE, self->mem));
	EXPECT_EQ(-EEXIST, tvm_slot(vm, SLOT + 1, 0, GPA + TVM_PAGE, SIZE, self->mem));
}

TEST_F(slots, resize_or_rebase)
{
	struct tvm *vm = &self->vm;

	/* a slot that exists may move or change flags, never its size or its memory */
	EXPECT_EQ(-EINVAL, tvm_slot(vm, SLOT, 0, GPA, 2 * SIZE, self->mem));
	EXPECT_EQ(-EINVAL, tvm_slot(vm, SLOT, 0, GPA, TVM_PAGE, self->mem));
	EXPECT_EQ(-EINVAL, tvm_slot(vm, SLOT, 0, GPA, SIZE, (char *)self->mem + SIZE));
	EXPECT_EQ(-EINVAL, tvm_slot(vm, SLOT, KVM_MEM_READONLY, GPA, SIZE, self->mem));
	/* saying the same again is no error */
	EXPECT_EQ(0, tvm_slot(vm, SLOT, 0, GPA, SIZE, self->mem));
}

TEST_F(slots, numbers)
{
	struct tvm *vm = &self->vm;
	long max = tvm_cap(vm, KVM_CAP_NR_MEMSLOTS);

	EXPECT_EQ(-EINVAL, tvm_slot(vm, max, 0, GPA + SIZE, SIZE, self->mem));
	EXPECT_EQ(-EINVAL, tvm_slot(vm, 0xffff, 0, GPA + SIZE, SIZE, self->mem));
	EXPECT_EQ(-EINVAL, tvm_slot(vm, 1 << 16 | max, 0, GPA + SIZE, SIZE, self->mem));
	EXPECT_EQ(-EINVAL, tvm_slot(vm, 2 << 16, 0, GPA + SIZE, SIZE, self->mem));
	EXPECT_EQ(-EINVAL, tvm_slot(vm, 0x7fff0000, 0, GPA + SIZE, SIZE, self->mem));
	EXPECT_EQ(-EINVAL, tvm_slot(vm, 0xffffffff, 0, GPA + SIZE, SIZE, self->mem));
	EXPECT_EQ(0, tvm_slot(vm, max - 1, 0, GPA + SIZE, SIZE, self->mem));
}

TEST_F(slots, flags)
{
	struct tvm *vm = &self->vm;

	EXPECT_EQ(-EINVAL, tvm_slot(vm, SLOT + 1, 1 << 8, GPA + SIZE, SIZE, self->mem));
	EXPECT_EQ(-EINVAL, tvm_slot(vm, SLOT + 1, 0xffffffff, GPA + SIZE, SIZE, self->mem));
	EXPECT_EQ(-EINVAL, tvm_slot(vm, SLOT, 1U << 31, GPA, SIZE, self->mem));
}

TEST_F(slots, delete_absent)
{
	EXPECT_EQ(-EINVAL, tvm_slot(&self->vm, SLOT + 7, 0, GPA + SIZE, 0, self->mem));
	EXPECT_EQ(-EINVAL, tvm_slot(&self->vm, 0xfffffff0, 0, 0, 0, NULL));
}

TEST_F(slots, pointer)
{
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->vm.fd, KVM_SET_USER_MEMORY_REGION, 0x10));
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->vm.fd, KVM_SET_USER_MEMORY_REGION, -4096UL));
}

/* KVM_SET_USER_MEMORY_REGION2 checks the same, and the shorter one knows no newer flags. */
TEST_F(slots, region2)
{
	struct kvm_userspace_memory_region2 good = {
		.slot = SLOT + 1, .guest_phys_addr = GPA + SIZE, .memory_size = SIZE,
		.userspace_addr = (uintptr_t)self->mem,
	}, r;
	int fd = self->vm.fd;

	if (!tvm_cap(&self->vm, KVM_CAP_USER_MEMORY2))
		SKIP(return, "no KVM_CAP_USER_MEMORY2");
	EXPECT_EQ(-EINVAL, tvm_slot(&self->vm, SLOT + 1, KVM_MEM_GUEST_MEMFD, GPA + SIZE, SIZE,
				    self->mem));
	r = good;
	r.flags = 1 << 8;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(fd, KVM_SET_USER_MEMORY_REGION2, &r));
	r = good;
	r.guest_phys_addr++;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(fd, KVM_SET_USER_MEMORY_REGION2, &r));
	r = good;
	r.guest_phys_addr = GPA;
	EXPECT_EQ(-EEXIST, tvm_ioctl_p(fd, KVM_SET_USER_MEMORY_REGION2, &r));
	EXPECT_EQ(-EFAULT, tvm_ioctl(fd, KVM_SET_USER_MEMORY_REGION2, 0x10));
	EXPECT_EQ(0, tvm_ioctl_p(fd, KVM_SET_USER_MEMORY_REGION2, &good));
}

TEST_F(slots, dirty_log_arguments)
{
	static uint8_t bitmap[64];
	struct kvm_dirty_log log = { .slot = SLOT, .dirty_bitmap = bitmap };
	int fd = self->vm.fd;

	/* not enabled on this slot; absent; out of range */
	EXPECT_EQ(-ENOENT, tvm_ioctl_p(fd, KVM_GET_DIRTY_LOG, &log));
	log.slot = SLOT + 9;
	EXPECT_EQ(-ENOENT, tvm_ioctl_p(fd, KVM_GET_DIRTY_LOG, &log));
	log.slot = 0xffff;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(fd, KVM_GET_DIRTY_LOG, &log));
	log.slot = 0xffffffff;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(fd, KVM_GET_DIRTY_LOG, &log));
	ASSERT_EQ(0, tvm_slot(&self->vm, SLOT, KVM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, self->mem));
	log.slot = SLOT;
	log.dirty_bitmap = (void *)0x10;
	EXPECT_EQ(-EFAULT, tvm_ioctl_p(fd, KVM_GET_DIRTY_LOG, &log));
	log.dirty_bitmap = bitmap;
	EXPECT_EQ(0, tvm_ioctl_p(fd, KVM_GET_DIRTY_LOG, &log));
	EXPECT_EQ(-EFAULT, tvm_ioctl(fd, KVM_GET_DIRTY_LOG, 0x10));
}

TEST_HARNESS_MAIN
