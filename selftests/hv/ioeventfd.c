// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards KVM_IOEVENTFD: port and memory doorbells with and without datamatch and with any length,
 * deassignment, what does not match still reaching user space, and hostile arguments.
 * Errnos are stock KVM 6.12's.
 */
#include <sys/eventfd.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define PORT	0x510
#define MMIO	TVM_HOLE_GPA

FIXTURE(bell) {
	struct tvm vm;
	struct tvcpu cpu;
	int fd;
};

static void guest_ports(void)
{
	for (;;) {
		g_outw(PORT, 0x11);
		g_outw(PORT, 0x22);
		g_outb(PORT, 0x11);
		g_sync(1);
	}
}

static void guest_mmio(void)
{
	for (;;) {
		g_writel(MMIO, 0x11);
		g_writel(MMIO, 0x22);
		asm volatile("movw %0, (%1)" : : "r"((uint16_t)0x33), "r"(MMIO));
		g_writel(MMIO + 4, 0x11);
		g_sync(1);
	}
}

FIXTURE_SETUP(bell)
{
	tvm_start(&self->vm, &self->cpu, 0, guest_ports);
	self->fd = eventfd(0, EFD_NONBLOCK);
}

FIXTURE_TEARDOWN(bell)
{
	close(self->fd);
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

static long bell(struct tvm *vm, int fd, uint64_t addr, uint32_t len, uint32_t flags,
		 uint64_t match)
{
	struct kvm_ioeventfd io = {
		.fd = fd, .addr = addr, .len = len, .flags = flags, .datamatch = match,
	};

	return tvm_ioctl_p(vm->fd, KVM_IOEVENTFD, &io);
}

static uint64_t rings(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

TEST_F(bell, port)
{
	ASSERT_EQ(0, bell(&self->vm, self->fd, PORT, 2, KVM_IOEVENTFD_FLAG_PIO, 0));
	/* both words ring; the byte is not of that length */
	EXPECT_EQ(1, tvm_count_exits(&self->cpu));
	EXPECT_EQ(2, rings(self->fd));
}

TEST_F(bell, port_datamatch)
{
	const uint32_t flags = KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH;

	ASSERT_EQ(0, bell(&self->vm, self->fd, PORT, 2, flags, 0x22));
	EXPECT_EQ(2, tvm_count_exits(&self->cpu));
	EXPECT_EQ(1, rings(self->fd));
}

TEST_F(bell, mmio)
{
	tvcpu_long_mode(&self->cpu, guest_mmio);
	ASSERT_EQ(0, bell(&self->vm, self->fd, MMIO, 4, 0, 0));
	EXPECT_EQ(2, tvm_count_exits(&self->cpu));
	EXPECT_EQ(2, rings(self->fd));
}

TEST_F(bell, mmio_datamatch_twice)
{
	const uint32_t flags = KVM_IOEVENTFD_FLAG_DATAMATCH;
	int other = eventfd(0, EFD_NONBLOCK);

	tvcpu_long_mode(&self->cpu, guest_mmio);
	ASSERT_EQ(0, bell(&self->vm, self->fd, MMIO, 4, flags, 0x11));
	ASSERT_EQ(0, bell(&self->vm, other, MMIO, 4, flags, 0x22));
	EXPECT_EQ(2, tvm_count_exits(&self->cpu));
	EXPECT_EQ(1, rings(self->fd));
	EXPECT_EQ(1, rings(other));
	close(other);
}

TEST_F(bell, mmio_any_length)
{
	if (!tvm_cap(&self->vm, KVM_CAP_IOEVENTFD_ANY_LENGTH))
		SKIP(return, "no KVM_CAP_IOEVENTFD_ANY_LENGTH");
	tvcpu_long_mode(&self->cpu, guest_mmio);
	ASSERT_EQ(0, bell(&self->vm, self->fd, MMIO, 0, 0, 0));
	EXPECT_EQ(1, tvm_count_exits(&self->cpu));
	EXPECT_EQ(3, rings(self->fd));
	EXPECT_EQ(0, bell(&self->vm, self->fd, MMIO, 0, KVM_IOEVENTFD_FLAG_DEASSIGN, 0));
	EXPECT_EQ(4, tvm_count_exits(&self->cpu));
	EXPECT_EQ(0, rings(self->fd));
}

TEST_F(bell, deassign)
{
	const uint32_t pio = KVM_IOEVENTFD_FLAG_PIO, off = KVM_IOEVENTFD_FLAG_DEASSIGN | pio;

	ASSERT_EQ(0, bell(&self->vm, self->fd, PORT, 2, pio, 0));
	EXPECT_EQ(-ENOENT, bell(&self->vm, self->fd, PORT, 4, off, 0));
	EXPECT_EQ(-ENOENT, bell(&self->vm, self->fd, PORT + 2, 2, off, 0));
	EXPECT_EQ(1, tvm_count_exits(&self->cpu));
	EXPECT_EQ(0, bell(&self->vm, self->fd, PORT, 2, off, 0));
	EXPECT_EQ(-ENOENT, bell(&self->vm, self->fd, PORT, 2, off, 0));
	rings(self->fd);
	EXPECT_EQ(3, tvm_count_exits(&self->cpu));
	EXPECT_EQ(0, rings(self->fd));
}

TEST_F(bell, closed_eventfd_keeps_ringing_safely)
{
	int fd = dup(self->fd);

	ASSERT_EQ(0, bell(&self->vm, fd, PORT, 2, KVM_IOEVENTFD_FLAG_PIO, 0));
	close(fd);
	EXPECT_EQ(1, tvm_count_exits(&self->cpu));
	EXPECT_EQ(2, rings(self->fd));
}

TEST_F(bell, hostile)
{
	struct tvm *vm = &self->vm;
	int fd = self->fd;

	EXPECT_EQ(-EBADF, bell(vm, -1, PORT, 2, KVM_IOEVENTFD_FLAG_PIO, 0));
	EXPECT_EQ(-EINVAL, bell(vm, vm->dev, PORT, 2, KVM_IOEVENTFD_FLAG_PIO, 0));
	EXPECT_EQ(-EINVAL, bell(vm, fd, PORT, 3, KVM_IOEVENTFD_FLAG_PIO, 0));
	EXPECT_EQ(-EINVAL, bell(vm, fd, PORT, 16, KVM_IOEVENTFD_FLAG_PIO, 0));
	EXPECT_EQ(-EINVAL, bell(vm, fd, PORT, 0xffffffff, KVM_IOEVENTFD_FLAG_PIO, 0));
	EXPECT_EQ(-EINVAL, bell(vm, fd, PORT, 2, 1 << 31, 0));
	/* no length and a datamatch contradict each other */
	EXPECT_EQ(-EINVAL, bell(vm, fd, MMIO, 0, KVM_IOEVENTFD_FLAG_DATAMATCH, 1));
	/* wraps around the end of memory */
	EXPECT_EQ(-EINVAL, bell(vm, fd, -2ULL, 8, 0, 0));
	EXPECT_EQ(-EFAULT, tvm_ioctl(vm->fd, KVM_IOEVENTFD, 0x10));
	/* the same doorbell twice, and one that would swallow it */
	EXPECT_EQ(0, bell(vm, fd, MMIO, 4, 0, 0));
	EXPECT_EQ(-EEXIST, bell(vm, fd, MMIO, 4, 0, 0));
	EXPECT_EQ(-EEXIST, bell(vm, fd, MMIO, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, 7));
	EXPECT_EQ(3, tvm_count_exits(&self->cpu));
}

/* A bus has room for so many doorbells: the limit is an errno, not a crash. */
TEST_F(bell, many)
{
	unsigned int i, made = 0;
	long ret = 0;

	for (i = 0; i < 1200 && !ret; i++) {
		ret = bell(&self->vm, self->fd, MMIO + 0x1000 + 4 * i, 4, 0, 0);
		made += !ret;
	}
	EXPECT_GE(made, 200);
	EXPECT_TRUE(ret == 0 || ret == -ENOSPC)
		TH_LOG("after %u: %ld", made, ret);
	EXPECT_EQ(3, tvm_count_exits(&self->cpu));
}

TEST_HARNESS_MAIN
