// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards that 512 frames in a row, which the host maps one by one, become one leaf of 2 MiB: what
 * the guest reads and writes through it is right, it goes when one of the pages does, and pages
 * that are not in a row, or not writable, get none. The row is a chunk of vellumfs (huge=always).
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define CHUNK		0x200000UL
#define PAGES		(CHUNK / TVM_PAGE)
#define GPA		TVM_TEST_GPA
#define GAP		100UL	/* the page that is punched */
#define FOLDER		"/tmp/chunk"

static volatile uint32_t sum;

/* Adds one to each page, and reads what is there then. */
static void guest_count(void)
{
	unsigned int i;

	for (;;) {
		sum = 0;
		for (i = 0; i < PAGES; i++) {
			g_writel(GPA + i * TVM_PAGE, g_readl(GPA + i * TVM_PAGE) + 1);
			sum += g_readl(GPA + i * TVM_PAGE);
		}
		g_sync(1);
	}
}

FIXTURE(chunk) {
	struct tvm vm;
	struct tvcpu cpu;
	uint8_t *area;
	uint8_t *mem;
	int fd;
	int stats;
};

FIXTURE_SETUP(chunk)
{
	if (access("/sys/fs/vellumfs", F_OK))
		ASSERT_EQ(0, system("modprobe vellumfs"));
	mkdir(FOLDER, 0700);
	ASSERT_EQ(0, mount("none", FOLDER, "vellumfs", 0, "size=16m,huge=always,merge=off"));
	self->fd = open(FOLDER, O_TMPFILE | O_RDWR, 0600);
	ASSERT_EQ(0, ftruncate(self->fd, CHUNK));
	self->area = tvm_mem(2 * CHUNK);
	self->mem = (uint8_t *)(((uintptr_t)self->area + CHUNK - 1) & ~(CHUNK - 1));
	ASSERT_EQ(self->mem, mmap(self->mem, CHUNK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
				  self->fd, 0));
	tvm_start(&self->vm, &self->cpu, 0, guest_count);
	self->stats = tvm_ioctl(self->vm.fd, KVM_GET_STATS_FD, 0);
	ASSERT_LE(0, self->stats);
	ASSERT_EQ(0, tvm_slot(&self->vm, TVM_SLOT_TEST, 0, GPA, CHUNK, self->mem));
}

FIXTURE_TEARDOWN(chunk)
{
	close(self->stats);
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
	munmap(self->area, 2 * CHUNK);
	close(self->fd);
	EXPECT_EQ(0, umount(FOLDER));
}

/* Leaves of 2 MiB; stock KVM makes none of such a row. */
static uint64_t large(FIXTURE_DATA(chunk) *self)
{
	return tvm_stat(self->stats, "pages_2m");
}

static uint64_t wanted(void)
{
	return !tvm_is_kvm();
}

TEST_F(chunk, is_one_leaf)
{
	unsigned int i;

	self->mem[GAP * TVM_PAGE] = 5;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(PAGES + 5, sum);
	EXPECT_EQ(wanted(), large(self));
	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(i == GAP ? 6 : 1, self->mem[i * TVM_PAGE]);
}

TEST_F(chunk, goes_with_any_page)
{
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, fallocate(self->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       GAP * TVM_PAGE, TVM_PAGE));
	EXPECT_EQ(0, large(self));
	/* The page in the gap has another frame now. */
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(2 * PAGES - 1, sum);
	EXPECT_EQ(0, large(self));
}

/* What may not be written as a whole is not mapped as a whole. */
TEST_F(chunk, not_half_of_it)
{
	self->mem[0] = 1;
	ASSERT_EQ(0, mprotect(self->mem, TVM_PAGE, PROT_READ));
	self->cpu.run->exit_reason = 0;
	EXPECT_NE(0, tvm_ioctl(self->cpu.fd, KVM_RUN, 0));
	EXPECT_EQ(0, large(self));
	ASSERT_EQ(0, mprotect(self->mem, TVM_PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(PAGES + 1, sum);
}

TEST_HARNESS_MAIN
