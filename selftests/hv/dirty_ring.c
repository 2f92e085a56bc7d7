// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the dirty ring: each page the guest or the hypervisor writes appears in the ring once,
 * again only after a reset, a full ring stops the vCPU and loses nothing, and a user who scribbles
 * over the ring harms nobody but himself.
 */
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define ENTRIES		256UL			/* one page of them: the least there is on Vellum */
#define PAGES		512UL
#define SIZE		(PAGES * TVM_PAGE)
#define GPA		TVM_TEST_GPA
#define SLOT		TVM_SLOT_TEST
#define RING_OFFSET	64			/* KVM_DIRTY_LOG_PAGE_OFFSET of x86 */

static volatile uint32_t first, count;
static volatile uint64_t clock_gpa;

static void guest_write(void)
{
	uint32_t i;

	for (;;) {
		for (i = first; i < first + count; i++)
			g_writel(GPA + i * TVM_PAGE, i + 1);
		g_sync(1);
	}
}

/* The hypervisor writes for the guest: MSR_KVM_WALL_CLOCK_NEW */
static void guest_clock(void)
{
	for (;;) {
		g_wrmsr(0x4b564d00, clock_gpa);
		g_sync(1);
	}
}

FIXTURE(ring) {
	struct tvm vm;
	struct tvcpu cpu;
	uint32_t *mem;
	struct kvm_dirty_gfn *gfn;
	unsigned long entries;
	unsigned int next;		/* to harvest */
	uint8_t seen[PAGES];
};

static long enable_ring(struct tvm *vm, uint64_t bytes)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_DIRTY_LOG_RING, .args = { bytes } };

	return tvm_ioctl_p(vm->fd, KVM_ENABLE_CAP, &cap);
}

static void *map_ring(struct tvcpu *cpu, size_t size, int prot, int flags)
{
	return mmap(NULL, size, prot, flags, cpu->fd, RING_OFFSET * TVM_PAGE);
}

FIXTURE_SETUP(ring)
{
	struct tvm *vm = &self->vm;

	tvm_create(vm, 0);
	if (!tvm_cap(vm, KVM_CAP_DIRTY_LOG_RING))
		SKIP(return, "no KVM_CAP_DIRTY_LOG_RING");
	/* stock KVM keeps a larger reserve */
	self->entries = tvm_is_kvm() ? 1024 : ENTRIES;
	ASSERT_EQ(0, enable_ring(vm, self->entries * sizeof(*self->gfn)));
	tvcpu_create(&self->cpu, vm, 0);
	tvcpu_long_mode(&self->cpu, guest_write);
	self->gfn = map_ring(&self->cpu, self->entries * sizeof(*self->gfn),
			     PROT_READ | PROT_WRITE, MAP_SHARED);
	ASSERT_NE(MAP_FAILED, self->gfn);
	self->mem = tvm_mem(SIZE);
	ASSERT_EQ(0, tvm_slot(vm, SLOT, KVM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, self->mem));
}

FIXTURE_TEARDOWN(ring)
{
	if (self->gfn)
		munmap(self->gfn, self->entries * sizeof(*self->gfn));
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

/* Harvests what is there, counting it in @seen. */
static unsigned int harvest(FIXTURE_DATA(ring) *self)
{
	unsigned int n = 0;

	for (;; n++) {
		struct kvm_dirty_gfn *e = &self->gfn[self->next % self->entries];

		if (__atomic_load_n(&e->flags, __ATOMIC_ACQUIRE) != KVM_DIRTY_GFN_F_DIRTY)
			return n;
		if (e->slot != SLOT || e->offset >= PAGES)
			tvm_die("entry %u: slot %#x offset %#llx", self->next, e->slot,
				e->offset);
		self->seen[e->offset]++;
		__atomic_store_n(&e->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
		self->next++;
	}
}

static long reset_rings(FIXTURE_DATA(ring) *self)
{
	return tvm_ioctl(self->vm.fd, KVM_RESET_DIRTY_RINGS, 0);
}

static unsigned int seen_pages(FIXTURE_DATA(ring) *self)
{
	unsigned int i, n = 0;

	for (i = 0; i < PAGES; i++)
		n += !!self->seen[i];
	return n;
}

TEST_F(ring, once_until_reset)
{
	first = 7;
	count = 3;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(3, harvest(self));
	EXPECT_EQ(1, self->seen[7]);
	EXPECT_EQ(1, self->seen[8]);
	EXPECT_EQ(1, self->seen[9]);
	EXPECT_EQ(3, reset_rings(self));
	EXPECT_EQ(0, reset_rings(self));
	EXPECT_EQ(0, harvest(self));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(3, harvest(self));
	EXPECT_EQ(2, self->seen[8]);
	EXPECT_EQ(3, reset_rings(self));
}

/* Only what was harvested is reset. */
TEST_F(ring, half_harvested)
{
	first = 0;
	count = 4;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, reset_rings(self));
	self->gfn[0].flags = KVM_DIRTY_GFN_F_RESET;
	EXPECT_EQ(1, reset_rings(self));
	EXPECT_EQ(0, self->gfn[0].flags);
	self->next = 1;
	EXPECT_EQ(3, harvest(self));
	EXPECT_EQ(3, reset_rings(self));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(4, harvest(self));
}

TEST_F(ring, full)
{
	unsigned int rounds = 0;
	long exit;

	first = 0;
	count = self->entries < PAGES ? PAGES : self->entries;
	if (count > PAGES)
		SKIP(return, "the ring is larger than the slot");
	while ((exit = tvm_run(&self->cpu)) == KVM_EXIT_DIRTY_RING_FULL) {
		/* nothing goes on while it is full */
		EXPECT_EQ(KVM_EXIT_DIRTY_RING_FULL, tvm_run(&self->cpu));
		EXPECT_GT(harvest(self), 0);
		EXPECT_EQ(KVM_EXIT_DIRTY_RING_FULL, tvm_run(&self->cpu));
		EXPECT_GT(reset_rings(self), 0);
		ASSERT_LT(rounds++, PAGES);
	}
	EXPECT_EQ(KVM_EXIT_IO, exit);
	EXPECT_GT(rounds, 0);
	harvest(self);
	EXPECT_EQ(PAGES, seen_pages(self));
}

TEST_F(ring, hypervisor_writes)
{
	tvcpu_long_mode(&self->cpu, guest_clock);
	clock_gpa = GPA + 5 * TVM_PAGE;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	harvest(self);
	EXPECT_LE(1, self->seen[5]);
	EXPECT_EQ(1, seen_pages(self));
}

/* The ring is full and nobody runs: what writes then is refused, or has room. */
TEST_F(ring, writes_outside_of_run)
{
	unsigned int i, n = 0;

	if (tvm_is_kvm())
		SKIP(return, "stock KVM relies on its reserve");
	for (i = 0; i < PAGES; i++) {
		tvcpu_msr(&self->cpu, 0x4b564d00, GPA + i * TVM_PAGE);
		n += !!self->mem[i * TVM_PAGE / 4];
	}
	/* not a page written that is not in the ring, not an entry for one that is not */
	EXPECT_LE(n, self->entries);
	harvest(self);
	EXPECT_EQ(n, seen_pages(self));
	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(!!self->mem[i * TVM_PAGE / 4], self->seen[i]);
}

/* Every flag set, slots and offsets from nowhere: resets end, the guest runs, the log works. */
TEST_F(ring, forged_entries)
{
	uint32_t slots[] = { SLOT, 0, 0xffff, 1 << 16, 0xffffffff, 77 };
	uint64_t offsets[] = { 0, PAGES, ~0ULL, 1ULL << 63, PAGES - 1, 0x123456789a };
	unsigned int i;
	long n;

	if (tvm_is_kvm())
		SKIP(return, "stock KVM trusts the flags and warns later");
	first = 0;
	count = 16;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	for (i = 0; i < self->entries; i++) {
		self->gfn[i].slot = slots[i % 6];
		self->gfn[i].offset = offsets[i / 6 % 6];
		self->gfn[i].flags = ~0U;
	}
	n = reset_rings(self);
	EXPECT_EQ(16, n);
	EXPECT_EQ(0, reset_rings(self));
	/* what was forged away is lost, what the guest writes from now on is not */
	memset(self->gfn, 0, self->entries * sizeof(*self->gfn));
	self->next = n;
	first = 100;
	count = 20;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(20, harvest(self));
	EXPECT_EQ(20, reset_rings(self));
}

/* A slot that is gone when its pages are reset */
TEST_F(ring, deleted_slot)
{
	first = 0;
	count = 10;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(10, harvest(self));
	ASSERT_EQ(0, tvm_slot(&self->vm, SLOT, 0, GPA, 0, NULL));
	EXPECT_EQ(10, reset_rings(self));
	ASSERT_EQ(0, tvm_slot(&self->vm, SLOT, KVM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, self->mem));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(10, harvest(self));
}

TEST_F(ring, bitmaps_are_off)
{
	static uint8_t bitmap[PAGES / 8];
	struct kvm_dirty_log log = { .slot = SLOT, .dirty_bitmap = bitmap };
	struct kvm_clear_dirty_log clear = {
		.slot = SLOT, .num_pages = 64, .dirty_bitmap = bitmap,
	};

	EXPECT_EQ(-ENXIO, tvm_ioctl_p(self->vm.fd, KVM_GET_DIRTY_LOG, &log));
	EXPECT_EQ(-ENXIO, tvm_ioctl_p(self->vm.fd, KVM_CLEAR_DIRTY_LOG, &clear));
}

TEST_F(ring, mappings)
{
	size_t size = self->entries * sizeof(*self->gfn);

	EXPECT_EQ(MAP_FAILED, map_ring(&self->cpu, size, PROT_READ, MAP_PRIVATE));
	EXPECT_EQ(MAP_FAILED, map_ring(&self->cpu, size, PROT_READ | PROT_EXEC, MAP_SHARED));
	if (!tvm_is_kvm())
		EXPECT_EQ(MAP_FAILED, map_ring(&self->cpu, size + TVM_PAGE, PROT_READ,
					       MAP_SHARED));
}

/* After once enabled, with a vCPU there, the size is what it is. */
TEST_F(ring, enable_late)
{
	EXPECT_EQ(-EINVAL, enable_ring(&self->vm, self->entries * sizeof(*self->gfn)));
}

TEST(enable_bad)
{
	struct tvcpu cpu;
	struct tvm vm;
	long max;

	tvm_create(&vm, 0);
	max = tvm_cap(&vm, KVM_CAP_DIRTY_LOG_RING);
	if (!max)
		SKIP(return, "no KVM_CAP_DIRTY_LOG_RING");
	EXPECT_EQ(max, tvm_cap(&vm, KVM_CAP_DIRTY_LOG_RING_ACQ_REL));
	EXPECT_EQ(-EINVAL, tvm_ioctl(vm.fd, KVM_RESET_DIRTY_RINGS, 0));
	EXPECT_EQ(-EINVAL, enable_ring(&vm, 0));
	EXPECT_EQ(-EINVAL, enable_ring(&vm, 1));
	EXPECT_EQ(-EINVAL, enable_ring(&vm, 2048));
	EXPECT_EQ(-EINVAL, enable_ring(&vm, max - 1));
	EXPECT_EQ(-E2BIG, enable_ring(&vm, 2 * max));
	EXPECT_EQ(-EINVAL, enable_ring(&vm, ~0ULL));
	tvcpu_create(&cpu, &vm, 0);
	EXPECT_EQ(-EINVAL, enable_ring(&vm, max));
	EXPECT_EQ(-EINVAL, tvm_ioctl(vm.fd, KVM_RESET_DIRTY_RINGS, 0));
	/* stock KVM maps what then faults */
	if (!tvm_is_kvm())
		EXPECT_EQ(MAP_FAILED, map_ring(&cpu, TVM_PAGE, PROT_READ, MAP_SHARED));
}

TEST_HARNESS_MAIN
