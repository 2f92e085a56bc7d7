// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards private memory: a frame shows the guest_memfd or the user mapping as its attribute says
 * and never a mixture, a hole really takes the pages away, an access that nothing backs is a
 * KVM_EXIT_MEMORY_FAULT, files and slots may go in any order, and bad input is refused.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <linux/userfaultfd.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define PAGES	8UL
#define SIZE	(PAGES * TVM_PAGE)
#define GPA	TVM_TEST_GPA
#define SLOT	TVM_SLOT_TEST
#define ROUNDS	20
#define LARGE	0x200000UL
#define LARGE_GPA	0x40000000UL
#define PUNCH	(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

static volatile uint64_t where;
static volatile uint32_t seen, value;

static void guest_swap(void)
{
	for (;;) {
		seen = g_readl(where);
		if (value)
			g_writel(where, value);
		g_sync(1);
	}
}

FIXTURE(gmem) {
	struct tvm vm;
	struct tvcpu cpu;
	uint32_t *mem;
	int fd;
};

static long create_gmem(struct tvm *vm, uint64_t size, uint64_t flags)
{
	struct kvm_create_guest_memfd args = { .size = size, .flags = flags };

	return tvm_ioctl_p(vm->fd, KVM_CREATE_GUEST_MEMFD, &args);
}

static long set_attr(struct tvm *vm, uint64_t gpa, uint64_t size, uint64_t attributes)
{
	struct kvm_memory_attributes args = {
		.address = gpa, .size = size, .attributes = attributes,
	};

	return tvm_ioctl_p(vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &args);
}

static long set_private(struct tvm *vm, uint64_t gpa, uint64_t size)
{
	return set_attr(vm, gpa, size, KVM_MEMORY_ATTRIBUTE_PRIVATE);
}

static long bind_slot(struct tvm *vm, uint32_t slot, uint32_t flags, uint64_t gpa, uint64_t size,
		      const void *mem, int fd, uint64_t offset)
{
	struct kvm_userspace_memory_region2 r = {
		.slot = slot,
		.flags = KVM_MEM_GUEST_MEMFD | flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)mem,
		.guest_memfd = fd,
		.guest_memfd_offset = offset,
	};

	return tvm_ioctl_p(vm->fd, KVM_SET_USER_MEMORY_REGION2, &r);
}

/* A VM with a slot of both kinds; the file that backs its private side. */
static int start(struct tvm *vm, struct tvcpu *cpu, const void *mem)
{
	int fd;

	tvm_create_type(vm, KVM_X86_SW_PROTECTED_VM, 0);
	tvcpu_create(cpu, vm, 0);
	tvcpu_long_mode(cpu, guest_swap);
	fd = create_gmem(vm, SIZE, 0);
	if (fd < 0 || bind_slot(vm, SLOT, 0, GPA, SIZE, mem, fd, 0))
		tvm_die("no private memory");
	return fd;
}

FIXTURE_SETUP(gmem)
{
	struct tvm plain;

	tvm_create(&plain, TVM_BARE);
	if (!(tvm_cap(&plain, KVM_CAP_VM_TYPES) & 1 << KVM_X86_SW_PROTECTED_VM))
		SKIP(return, "no KVM_X86_SW_PROTECTED_VM");
	tvm_destroy(&plain);
	self->mem = tvm_mem(SIZE);
	self->fd = start(&self->vm, &self->cpu, self->mem);
	where = GPA;
	value = 0;
}

FIXTURE_TEARDOWN(gmem)
{
	close(self->fd);
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

TEST_F(gmem, two_sides_of_a_frame)
{
	int round;

	self->mem[0] = 0x5a;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0x5a, seen);
	ASSERT_EQ(0, set_private(&self->vm, GPA, SIZE));
	value = 0x900d;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, seen);
	EXPECT_EQ(0x5a, self->mem[0]);
	for (round = 1; round < 4; round++) {
		value = 0;
		ASSERT_EQ(0, set_attr(&self->vm, GPA, SIZE, 0));
		EXPECT_EQ(1, tvm_sync(&self->cpu));
		EXPECT_EQ(0x5a, seen);
		/* one page of it is enough */
		ASSERT_EQ(0, set_private(&self->vm, GPA, TVM_PAGE));
		EXPECT_EQ(1, tvm_sync(&self->cpu));
		EXPECT_EQ(0x900d, seen);
	}
	where = GPA + TVM_PAGE;
	value = 0x77;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0x77, self->mem[TVM_PAGE / 4]);
}

TEST_F(gmem, holes)
{
	ASSERT_EQ(0, set_private(&self->vm, GPA, SIZE));
	value = 0x1234;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	where = GPA + 3 * TVM_PAGE;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, fallocate(self->fd, PUNCH, 0, TVM_PAGE));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0x1234, seen);
	where = GPA;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, seen);
	ASSERT_EQ(0, fallocate(self->fd, PUNCH, 0, SIZE));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, seen);
}

/* The hypervisor reads and writes where the guest does. */
TEST_F(gmem, hypervisor_access)
{
	ASSERT_EQ(0, set_private(&self->vm, GPA, SIZE));
	ASSERT_EQ(1, tvcpu_msr(&self->cpu, 0x4b564d00, GPA));	/* wall clock */
	EXPECT_EQ(0, self->mem[0]);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(2, seen);					/* its version */
}

static void expect_memory_fault(struct tvcpu *cpu, uint64_t gpa, uint64_t flags)
{
	long ret = tvm_run(cpu);

	if (ret != -EFAULT || cpu->run->exit_reason != KVM_EXIT_MEMORY_FAULT ||
	    TVM_MEMORY_FAULT(cpu->run)->gpa != gpa ||
	    TVM_MEMORY_FAULT(cpu->run)->size != TVM_PAGE ||
	    TVM_MEMORY_FAULT(cpu->run)->flags != flags)
		tvm_die("KVM_RUN: %ld, exit %u, gpa %#llx flags %#llx", ret,
			cpu->run->exit_reason, TVM_MEMORY_FAULT(cpu->run)->gpa,
			TVM_MEMORY_FAULT(cpu->run)->flags);
}

TEST_F(gmem, nothing_private_there)
{
	ASSERT_EQ(0, tvm_slot(&self->vm, SLOT + 1, 0, GPA + SIZE, SIZE, tvm_mem(SIZE)));
	ASSERT_EQ(0, set_private(&self->vm, GPA, 4 * SIZE));
	/* a slot without a file, and no slot at all */
	where = GPA + SIZE + TVM_PAGE;
	expect_memory_fault(&self->cpu, where, KVM_MEMORY_EXIT_FLAG_PRIVATE);
	where = GPA + 3 * SIZE;
	ASSERT_EQ(0, set_attr(&self->vm, GPA + SIZE, SIZE, 0));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	expect_memory_fault(&self->cpu, where, KVM_MEMORY_EXIT_FLAG_PRIVATE);
}

/* The slot keeps what it is bound to; deleting it gives the range free. */
TEST_F(gmem, lifetimes)
{
	int fd = dup(self->fd);

	ASSERT_EQ(0, set_private(&self->vm, GPA, SIZE));
	value = 0x42;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	close(self->fd);
	ASSERT_EQ(-EEXIST, bind_slot(&self->vm, SLOT + 1, 0, GPA + SIZE, SIZE, self->mem, fd, 0));
	ASSERT_EQ(0, tvm_slot(&self->vm, SLOT, 0, GPA, 0, NULL));
	expect_memory_fault(&self->cpu, GPA, KVM_MEMORY_EXIT_FLAG_PRIVATE);
	/* at another address, from another offset: what was written is there */
	ASSERT_EQ(0, bind_slot(&self->vm, SLOT, 0, GPA - TVM_PAGE, SIZE, self->mem, fd, 0));
	ASSERT_EQ(0, set_private(&self->vm, GPA - TVM_PAGE, SIZE));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, seen);
	where = GPA - TVM_PAGE;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0x42, seen);
	self->fd = fd;
}

/* Takes pages away and gives them back until the pipe is closed. */
static void punch_until_told(int fd, int pipe_end)
{
	struct pollfd told = { .fd = pipe_end, .events = POLLIN };

	while (!poll(&told, 1, 0)) {
		fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, SIZE);
		fallocate(fd, PUNCH, 0, SIZE);
	}
	_exit(0);
}

/* The debug kernel tells if a hole reaches a VM that is being taken apart. */
TEST_F(gmem, holes_while_its_vm_goes)
{
	int round, ends[2];
	pid_t child;

	for (round = 0; round < ROUNDS; round++) {
		ASSERT_EQ(0, set_private(&self->vm, GPA, SIZE));
		ASSERT_EQ(0, pipe(ends));
		child = fork();
		if (!child) {
			close(ends[1]);
			tvcpu_destroy(&self->cpu);
			tvm_destroy(&self->vm);
			punch_until_told(self->fd, ends[0]);
		}
		EXPECT_EQ(1, tvm_sync(&self->cpu));
		/* What the child has of the file outlives the VM. */
		close(self->fd);
		tvcpu_destroy(&self->cpu);
		tvm_destroy(&self->vm);
		close(ends[1]);
		close(ends[0]);
		ASSERT_EQ(child, waitpid(child, NULL, 0));
		self->fd = start(&self->vm, &self->cpu, self->mem);
	}
}

TEST_F(gmem, bad_binding)
{
	struct tvm *vm = &self->vm, other;
	uint64_t gpa = GPA + 16 * SIZE;
	int fd = create_gmem(vm, SIZE, 0), memfd = memfd_create("x", 0), theirs;

	ASSERT_EQ(0, ftruncate(memfd, SIZE));
	EXPECT_EQ(-EINVAL, bind_slot(vm, SLOT + 1, 0, gpa, SIZE, self->mem, memfd, 0));
	EXPECT_EQ(-EINVAL, bind_slot(vm, SLOT + 1, 0, gpa, SIZE, self->mem, vm->fd, 0));
	EXPECT_EQ(-EBADF, bind_slot(vm, SLOT + 1, 0, gpa, SIZE, self->mem, 999, 0));
	EXPECT_EQ(-EINVAL, bind_slot(vm, SLOT + 1, 0, gpa, SIZE, self->mem, fd, 1));
	EXPECT_EQ(-EINVAL, bind_slot(vm, SLOT + 1, 0, gpa, SIZE, self->mem, fd, TVM_PAGE));
	EXPECT_EQ(-EINVAL, bind_slot(vm, SLOT + 1, 0, gpa, SIZE, self->mem, fd, -TVM_PAGE));
	EXPECT_EQ(-EINVAL, bind_slot(vm, SLOT + 1, 0, gpa, 2 * SIZE, self->mem, fd, 0));
	EXPECT_EQ(-EINVAL, bind_slot(vm, SLOT + 1, KVM_MEM_READONLY, gpa, SIZE, self->mem, fd, 0));
	EXPECT_EQ(-EINVAL, bind_slot(vm, SLOT + 1, KVM_MEM_LOG_DIRTY_PAGES, gpa, SIZE, self->mem,
				     fd, 0));
	/* immutable: neither flags nor place */
	EXPECT_EQ(-EINVAL, tvm_slot(vm, SLOT, 0, GPA, SIZE, self->mem));
	EXPECT_EQ(-EINVAL, bind_slot(vm, SLOT, 0, gpa, SIZE, self->mem, self->fd, 0));
	tvm_create(&other, TVM_BARE);
	theirs = create_gmem(&other, SIZE, 0);
	EXPECT_GE(theirs, 0);
	EXPECT_EQ(-EINVAL, bind_slot(vm, SLOT + 1, 0, gpa, SIZE, self->mem, theirs, 0));
	/* and a VM of the default type has no private memory */
	EXPECT_EQ(-EINVAL, bind_slot(&other, 0, 0, gpa, SIZE, self->mem, theirs, 0));
	EXPECT_EQ(-EINVAL, set_private(&other, GPA, SIZE));
	EXPECT_EQ(0, bind_slot(vm, SLOT + 1, 0, gpa, SIZE, self->mem, fd, 0));
}

TEST_F(gmem, bad_file_use)
{
	struct tvm *vm = &self->vm;
	struct stat st;
	char c = 0;
	int bit;

	EXPECT_EQ(-EINVAL, create_gmem(vm, 0, 0));
	EXPECT_EQ(-EINVAL, create_gmem(vm, TVM_PAGE + 1, 0));
	EXPECT_EQ(-EINVAL, create_gmem(vm, 1ULL << 63, 0));
	for (bit = 0; bit < 64; bit++)
		EXPECT_EQ(-EINVAL, create_gmem(vm, TVM_PAGE, 1ULL << bit));
	EXPECT_EQ(-1, read(self->fd, &c, 1));
	EXPECT_EQ(-1, pwrite(self->fd, &c, 1, 0));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SIZE, PROT_READ, MAP_SHARED, self->fd, 0));
	EXPECT_EQ(-1, ftruncate(self->fd, 2 * SIZE));
	ASSERT_EQ(0, fstat(self->fd, &st));
	EXPECT_EQ(SIZE, st.st_size);
	EXPECT_EQ(-1, fallocate(self->fd, 0, 0, SIZE));
	EXPECT_EQ(-1, fallocate(self->fd, FALLOC_FL_KEEP_SIZE, 0, 2 * SIZE));
	EXPECT_EQ(-1, fallocate(self->fd, PUNCH, 1, TVM_PAGE));
	EXPECT_EQ(0, fallocate(self->fd, PUNCH, SIZE, TVM_PAGE));
	EXPECT_EQ(0, fallocate(self->fd, FALLOC_FL_KEEP_SIZE, 0, SIZE));
}

TEST_F(gmem, bad_attributes)
{
	struct kvm_memory_attributes a = { .address = GPA, .size = SIZE, .flags = 1 };
	struct tvm *vm = &self->vm;

	EXPECT_EQ(-EINVAL, tvm_ioctl_p(vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &a));
	EXPECT_EQ(-EINVAL, set_attr(vm, GPA, SIZE, 1));
	EXPECT_EQ(-EINVAL, set_attr(vm, GPA, SIZE, ~0ULL));
	EXPECT_EQ(-EINVAL, set_private(vm, GPA + 1, SIZE));
	EXPECT_EQ(-EINVAL, set_private(vm, GPA, SIZE + 1));
	EXPECT_EQ(-EINVAL, set_private(vm, GPA, 0));
	EXPECT_EQ(-EINVAL, set_private(vm, -TVM_PAGE, 2 * TVM_PAGE));
	EXPECT_EQ(-EFAULT, tvm_ioctl(vm->fd, KVM_SET_MEMORY_ATTRIBUTES, 0x10));
	/* all there is, in one call */
	EXPECT_EQ(0, set_private(vm, 1ULL << 40, -(1ULL << 41)));
}

/* The host has one page where the guest has two kinds of them. */
TEST_F(gmem, large_page_with_a_private_frame)
{
	uint8_t *mem = (void *)(((uintptr_t)tvm_mem(2 * LARGE) + LARGE - 1) & -LARGE);
	int fd = create_gmem(&self->vm, LARGE, 0);

	madvise(mem, LARGE, MADV_HUGEPAGE);
	memset(mem, 0x5a, LARGE);
	ASSERT_EQ(0, bind_slot(&self->vm, SLOT + 1, 0, LARGE_GPA, LARGE, mem, fd, 0));
	ASSERT_EQ(0, set_private(&self->vm, LARGE_GPA + 5 * TVM_PAGE, TVM_PAGE));
	where = LARGE_GPA;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0x5a5a5a5a, seen);
	where = LARGE_GPA + 5 * TVM_PAGE;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, seen);
	close(fd);
}

static void *run(void *cpu)
{
	return (void *)tvm_run(cpu);
}

/* User space may drop the shared page as soon as the frame is private. */
TEST_F(gmem, made_private_in_a_fault)
{
	struct uffd_msg msg;
	pthread_t thread;
	void *ret;
	int uffd;

	madvise(self->mem, SIZE, MADV_DONTNEED);
	uffd = tvm_uffd(self->mem, SIZE, 0);
	ASSERT_EQ(0, pthread_create(&thread, NULL, run, &self->cpu));
	ASSERT_EQ(sizeof(msg), read(uffd, &msg, sizeof(msg)));
	ASSERT_EQ(0, set_private(&self->vm, GPA, SIZE));
	munmap(self->mem, SIZE);
	close(uffd);
	pthread_join(thread, &ret);
	EXPECT_EQ(KVM_EXIT_IO, (long)ret);
	EXPECT_EQ(0, seen);
}

/* So many ranges that their tree has several levels; the end of the VM is the test. */
TEST_F(gmem, many_ranges)
{
	unsigned long i;

	for (i = 0; i < 4000; i++)
		ASSERT_EQ(0, set_private(&self->vm, GPA + SIZE + 2 * i * TVM_PAGE, TVM_PAGE));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
}

TEST_HARNESS_MAIN
