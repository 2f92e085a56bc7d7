// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards coalesced MMIO and port I/O: writes to a zone gather in the ring, in order, without an
 * exit, until it is full; reads and everything outside exit; a doorbell in a zone keeps ringing.
 * The ring is user space's to spoil: whatever it holds, nothing but an exit may come of it.
 */
#include <sys/eventfd.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define PORT		0x510
#define MMIO		TVM_HOLE_GPA
#define MMIO_END	(MMIO + 0x40)
#define RING_MAX	((TVM_PAGE - sizeof(struct kvm_coalesced_mmio_ring)) / \
			 sizeof(struct kvm_coalesced_mmio))

FIXTURE(coalesced) {
	struct tvm vm;
	struct tvcpu cpu;
	struct kvm_coalesced_mmio_ring *ring;
};

static volatile uint32_t writes;

/* @writes to memory and to the port in turn, then a read, then one behind the zone's end. */
static void guest(void)
{
	uint32_t i;

	for (;;) {
		for (i = 0; i < writes; i++) {
			if (i & 1)
				g_outw(PORT, i);
			else
				g_writel(MMIO + 4, i);
		}
		g_sync(1);
		g_readl(MMIO + 4);
		g_writel(MMIO_END - 2, 7);
		g_outw(PORT + 2, 7);
		g_sync(2);
	}
}

static void guest_string(void)
{
	static const uint8_t bytes[8] = "abcdefg";
	const void *from = bytes;
	uint64_t count = sizeof(bytes);

	asm volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(PORT) : "memory");
	g_sync(1);
}

FIXTURE_SETUP(coalesced)
{
	tvm_start(&self->vm, &self->cpu, 0, guest);
	ASSERT_EQ(KVM_COALESCED_MMIO_PAGE_OFFSET, tvm_cap(&self->vm, KVM_CAP_COALESCED_MMIO));
	ASSERT_EQ(1, tvm_cap(&self->vm, KVM_CAP_COALESCED_PIO));
	ASSERT_GE(self->vm.run_size, (KVM_COALESCED_MMIO_PAGE_OFFSET + 1) * TVM_PAGE);
	self->ring = (void *)self->cpu.run + KVM_COALESCED_MMIO_PAGE_OFFSET * TVM_PAGE;
}

FIXTURE_TEARDOWN(coalesced)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

static long zone(struct tvm *vm, unsigned long req, uint64_t addr, uint32_t size, uint32_t pio)
{
	struct kvm_coalesced_mmio_zone z = { .addr = addr, .size = size, .pio = pio };

	return tvm_ioctl_p(vm->fd, req, &z);
}

static long add(struct tvm *vm, uint64_t addr, uint32_t size, uint32_t pio)
{
	return zone(vm, KVM_REGISTER_COALESCED_MMIO, addr, size, pio);
}

static long drop(struct tvm *vm, uint64_t addr, uint32_t size, uint32_t pio)
{
	return zone(vm, KVM_UNREGISTER_COALESCED_MMIO, addr, size, pio);
}

static void add_both(struct tvm *vm)
{
	if (add(vm, MMIO, MMIO_END - MMIO, 0) || add(vm, PORT, 4, 1))
		tvm_die("the zones are refused");
}

TEST_F(coalesced, in_order)
{
	struct kvm_coalesced_mmio *e = self->ring->coalesced_mmio;
	uint32_t i;

	writes = 20;
	add_both(&self->vm);
	EXPECT_EQ(0, tvm_count_exits(&self->cpu));
	ASSERT_EQ(20, self->ring->last);
	EXPECT_EQ(0, self->ring->first);
	for (i = 0; i < 20; i++) {
		EXPECT_EQ(i & 1 ? PORT : MMIO + 4, e[i].phys_addr);
		EXPECT_EQ(i & 1 ? 2 : 4, e[i].len);
		EXPECT_EQ(i & 1, e[i].pio);
		EXPECT_EQ(i, i & 1 ? *(uint16_t *)e[i].data : *(uint32_t *)e[i].data);
	}
	/* the read and the write across the end of the zone exit; the port write is inside */
	EXPECT_EQ(2, tvm_count_exits(&self->cpu));
	EXPECT_EQ(21, self->ring->last);
}

/* One entry stays free; then the write exits, and goes on to do so until there is room. */
TEST_F(coalesced, full)
{
	writes = RING_MAX + 2;
	add_both(&self->vm);
	EXPECT_EQ(3, tvm_count_exits(&self->cpu));
	EXPECT_EQ(RING_MAX - 1, self->ring->last);
	self->ring->first = 2;
	writes = 1;
	tvm_count_exits(&self->cpu);
	EXPECT_EQ(0, self->ring->last);
	EXPECT_EQ(0, tvm_count_exits(&self->cpu));
	EXPECT_EQ(1, self->ring->last);
	tvm_count_exits(&self->cpu);
	EXPECT_EQ(1, tvm_count_exits(&self->cpu));
}

TEST_F(coalesced, string_output)
{
	uint32_t i;

	tvcpu_long_mode(&self->cpu, guest_string);
	ASSERT_EQ(0, add(&self->vm, PORT, 1, 1));
	EXPECT_EQ(0, tvm_count_exits(&self->cpu));
	ASSERT_EQ(8, self->ring->last);
	for (i = 0; i < 7; i++)
		EXPECT_EQ('a' + i, self->ring->coalesced_mmio[i].data[0]);
}

TEST_F(coalesced, unregistered)
{
	writes = 10;
	add_both(&self->vm);
	EXPECT_EQ(0, drop(&self->vm, MMIO, MMIO_END - MMIO, 0));
	EXPECT_EQ(5, tvm_count_exits(&self->cpu));
	EXPECT_EQ(5, self->ring->last);
	EXPECT_EQ(0, drop(&self->vm, PORT, 4, 1));
	tvm_count_exits(&self->cpu);
	EXPECT_EQ(10, tvm_count_exits(&self->cpu));
	/* what is not there is no error */
	EXPECT_EQ(0, drop(&self->vm, PORT, 4, 1));
}

TEST_F(coalesced, doorbell_inside)
{
	struct kvm_ioeventfd io = {
		.fd = eventfd(0, EFD_NONBLOCK), .addr = PORT, .len = 2,
		.flags = KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH, .datamatch = 3,
	};
	uint64_t n = 0;

	writes = 6;
	add_both(&self->vm);
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_IOEVENTFD, &io));
	EXPECT_EQ(0, tvm_count_exits(&self->cpu));
	EXPECT_EQ(5, self->ring->last);
	EXPECT_EQ(sizeof(n), read(io.fd, &n, sizeof(n)));
	EXPECT_EQ(1, n);
	close(io.fd);
}

/* Every vCPU fd maps the same ring. */
TEST_F(coalesced, one_ring)
{
	struct kvm_coalesced_mmio_ring *ring;
	struct tvcpu other;

	tvcpu_create(&other, &self->vm, 1);
	ring = (void *)other.run + KVM_COALESCED_MMIO_PAGE_OFFSET * TVM_PAGE;
	writes = 4;
	add_both(&self->vm);
	EXPECT_EQ(0, tvm_count_exits(&self->cpu));
	EXPECT_EQ(4, ring->last);
	tvcpu_destroy(&other);
}

TEST_F(coalesced, hostile_ring)
{
	static const uint32_t indices[] = { RING_MAX, RING_MAX + 1, 0x7fffffff, 0x80000000,
					    0xfffffffe, 0xffffffff };
	unsigned int i, j;

	writes = 4;
	add_both(&self->vm);
	for (i = 0; i < sizeof(indices) / sizeof(indices[0]); i++) {
		self->ring->last = indices[i];
		self->ring->first = 0;
		EXPECT_EQ(4, tvm_count_exits(&self->cpu));
		EXPECT_EQ(indices[i], self->ring->last);
		tvm_count_exits(&self->cpu);
		/* a wild first is a ring that is never full */
		self->ring->last = 0;
		self->ring->first = indices[i];
		EXPECT_EQ(0, tvm_count_exits(&self->cpu));
		EXPECT_EQ(4, self->ring->last);
		tvm_count_exits(&self->cpu);
	}
	for (j = 0; j < TVM_PAGE; j++)
		((uint8_t *)self->ring)[j] = 0xff;
	EXPECT_EQ(4, tvm_count_exits(&self->cpu));
}

TEST_F(coalesced, hostile_arguments)
{
	struct tvm *vm = &self->vm;

	EXPECT_EQ(-EINVAL, add(vm, MMIO, 4, 2));
	EXPECT_EQ(-EINVAL, add(vm, MMIO, 4, 0xffffffff));
	EXPECT_EQ(-EINVAL, drop(vm, MMIO, 4, 2));
	EXPECT_EQ(-EFAULT, tvm_ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, 0x10));
	EXPECT_EQ(-EFAULT, tvm_ioctl(vm->fd, KVM_UNREGISTER_COALESCED_MMIO, 0x10));
	if (!tvm_is_kvm())
		EXPECT_EQ(-EINVAL, add(vm, -4ULL, 8, 0));
	/* a zone without bytes has nothing in it */
	writes = 4;
	EXPECT_EQ(0, add(vm, MMIO + 4, 0, 0));
	EXPECT_EQ(4, tvm_count_exits(&self->cpu));
}

/* There are only so many: the limit is an errno. */
TEST_F(coalesced, many)
{
	unsigned int i;
	long ret = 0;

	for (i = 0; i < 2000 && !ret; i++)
		ret = add(&self->vm, MMIO + 0x1000 + 8 * i, 8, 0);
	EXPECT_GE(i, 100);
	EXPECT_TRUE(!ret || ret == -ENOSPC)
		TH_LOG("after %u: %ld", i, ret);
	writes = 4;
	EXPECT_EQ(4, tvm_count_exits(&self->cpu));
}

TEST_HARNESS_MAIN
