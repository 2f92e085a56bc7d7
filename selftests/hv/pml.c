// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the dirty log where the CPU keeps it (page-modification logging): the CPU does keep
 * it, so that writes after the first reading fault no more; the log is exact, also when more
 * pages were written than the CPU can note at once, when it is read while the guest runs, in a
 * ring, and in a ring that is too small for it; nothing is lost when logging begins and ends under
 * a running guest. Where the CPU has no such thing the same holds, but for the faults.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define PAGES		2048UL
#define SIZE		(PAGES * TVM_PAGE)
#define GPA		TVM_TEST_GPA
#define SLOT		TVM_SLOT_TEST
#define FEW		100
#define BIG_RING	65536		/* bytes: 4096 entries */
#define SMALL_RING	4096
#define PATIENCE	100000UL

static volatile uint32_t pages = PAGES, stride = 1, stop;
static volatile uint64_t rounds;

/* Every @stride-th page of the first @pages. */
static void guest_writes(void)
{
	uint32_t i;

	for (;;) {
		for (i = 0; i < pages; i += stride)
			g_writel(GPA + i * TVM_PAGE, ++rounds);
		g_sync(1);
	}
}

/* Until told to stop, without an exit of its own. */
static void guest_spins(void)
{
	for (;;) {
		while (!stop) {
			g_writel(GPA + 7 * TVM_PAGE, 1);
			rounds++;
		}
		g_sync(2);
	}
}

FIXTURE(pml) {
	struct tvm vm;
	struct tvcpu cpu;
	uint8_t *mem;
	uint8_t map[PAGES / 8];
	int by_cpu;
};

/* The CPU has it, and it is not stock KVM, whose counter has another name. */
static int cpu_logs(void)
{
	char line[4096];
	int found = 0;
	FILE *f = fopen("/proc/cpuinfo", "r");

	while (f && !found && fgets(line, sizeof(line), f))
		found = !strncmp(line, "vmx flags", 9) && strstr(line, " pml");
	if (f)
		fclose(f);
	return found && !tvm_is_kvm();
}

static void start(FIXTURE_DATA(pml) *self, unsigned long ring)
{
	tvm_create(&self->vm, TVM_IRQCHIP);
	if (ring) {
		struct kvm_enable_cap cap = { .cap = KVM_CAP_DIRTY_LOG_RING, .args = { ring } };

		TVM_MUST(self->vm.fd, KVM_ENABLE_CAP, &cap);
	}
	tvcpu_create(&self->cpu, &self->vm, 0);
	tvcpu_long_mode(&self->cpu, guest_writes);
}

FIXTURE_SETUP(pml)
{
	self->by_cpu = cpu_logs();
	self->mem = tvm_mem(SIZE);
	madvise(self->mem, SIZE, MADV_NOHUGEPAGE);
	memset(self->mem, 1, SIZE);
	start(self, 0);
}

static void finish(FIXTURE_DATA(pml) *self)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

FIXTURE_TEARDOWN(pml)
{
	finish(self);
	munmap(self->mem, SIZE);
}

static long set_log(FIXTURE_DATA(pml) *self, int on)
{
	return tvm_slot(&self->vm, SLOT, on ? KVM_MEM_LOG_DIRTY_PAGES : 0, GPA, SIZE, self->mem);
}

static unsigned int read_log(FIXTURE_DATA(pml) *self)
{
	struct kvm_dirty_log log = { .slot = SLOT, .dirty_bitmap = self->map };
	unsigned int i, n = 0;

	TVM_MUST(self->vm.fd, KVM_GET_DIRTY_LOG, &log);
	for (i = 0; i < PAGES; i++)
		n += self->map[i / 8] >> (i % 8) & 1;
	return n;
}

TEST_F(pml, no_faults)
{
	uint64_t faults, logged;
	int round;

	if (tvm_is_kvm())
		SKIP(return, "counters have other names");
	ASSERT_EQ(0, set_log(self, 1));
	tvm_sync(&self->cpu);
	EXPECT_EQ(PAGES, read_log(self));
	faults = tvcpu_counter(&self->cpu, "tdp_faults");
	logged = tvcpu_counter(&self->cpu, "dirty_logged");
	for (round = 0; round < 3; round++) {
		tvm_sync(&self->cpu);
		EXPECT_EQ(PAGES, read_log(self));
	}
	faults = tvcpu_counter(&self->cpu, "tdp_faults") - faults;
	logged = tvcpu_counter(&self->cpu, "dirty_logged") - logged;
	if (self->by_cpu) {
		EXPECT_LT(faults, FEW);
		EXPECT_GE(logged, 3 * PAGES);
	} else {
		EXPECT_GE(faults, 3 * PAGES);
		EXPECT_EQ(0, logged);
	}
}

TEST_F(pml, exact)
{
	unsigned int i;

	ASSERT_EQ(0, set_log(self, 0));
	tvm_sync(&self->cpu);
	ASSERT_EQ(0, set_log(self, 1));
	tvm_sync(&self->cpu);
	EXPECT_EQ(PAGES, read_log(self));
	EXPECT_EQ(0, read_log(self));
	stride = 3;
	tvm_sync(&self->cpu);
	EXPECT_EQ((PAGES + 2) / 3, read_log(self));
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(i % 3 == 0, self->map[i / 8] >> (i % 8) & 1)
			TH_LOG("page %u", i);
	EXPECT_EQ(0, read_log(self));
}

static void *run_spinning(void *arg)
{
	tvm_sync(arg);
	return NULL;
}

static void wait_rounds(uint64_t more)
{
	uint64_t until = rounds + more;
	unsigned long i;

	for (i = 0; rounds < until && i < PATIENCE; i++)
		usleep(100);
}

/* The guest never exits: what it writes is known all the same, each time. */
TEST_F(pml, read_while_it_runs)
{
	pthread_t thread;
	int i;

	tvcpu_long_mode(&self->cpu, guest_spins);
	ASSERT_EQ(0, set_log(self, 1));
	ASSERT_EQ(0, pthread_create(&thread, NULL, run_spinning, &self->cpu));
	for (i = 0; i < 5; i++) {
		wait_rounds(1000);
		EXPECT_EQ(1, read_log(self));
		EXPECT_EQ(1 << 7, self->map[0]);
	}
	/* logging ends and begins under the running guest */
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, set_log(self, 0));
		ASSERT_EQ(0, set_log(self, 1));
		wait_rounds(1000);
		EXPECT_EQ(1, read_log(self));
	}
	stop = 1;
	pthread_join(thread, NULL);
	read_log(self);
	EXPECT_EQ(0, read_log(self));
}

/* Harvest all entries of the ring that are there; the pages of the slot among them. */
static unsigned int harvest(FIXTURE_DATA(pml) *self, struct kvm_dirty_gfn *ring, uint32_t entries,
			    uint32_t *at)
{
	unsigned int n = 0;

	for (; ring[*at % entries].flags & KVM_DIRTY_GFN_F_DIRTY; (*at)++) {
		struct kvm_dirty_gfn *gfn = &ring[*at % entries];

		if (gfn->slot == SLOT) {
			self->map[gfn->offset / 8] |= 1 << gfn->offset % 8;
			n++;
		}
		__atomic_store_n(&gfn->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
	}
	TVM_MUST(self->vm.fd, KVM_RESET_DIRTY_RINGS, 0);
	return n;
}

static void check_ring(struct __test_metadata *_metadata, FIXTURE_DATA(pml) *self, uint32_t bytes)
{
	uint32_t entries = bytes / sizeof(struct kvm_dirty_gfn), at = 0;
	struct kvm_dirty_gfn *ring;
	unsigned int n = 0, i;
	int round;
	long ret;

	finish(self);
	start(self, bytes);
	ring = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, self->cpu.fd,
		    KVM_DIRTY_LOG_PAGE_OFFSET * TVM_PAGE);
	ASSERT_NE(MAP_FAILED, ring);
	ASSERT_EQ(0, set_log(self, 1));
	for (round = 0; round < 3; round++) {
		memset(self->map, 0, sizeof(self->map));
		n = 0;
		while ((ret = tvm_run(&self->cpu)) == KVM_EXIT_DIRTY_RING_FULL)
			n += harvest(self, ring, entries, &at);
		ASSERT_EQ(KVM_EXIT_IO, ret);
		n += harvest(self, ring, entries, &at);
		/* a page that is harvested while its round lasts may come again */
		EXPECT_GE(n, PAGES);
		for (i = 0; i < PAGES; i++)
			ASSERT_TRUE(self->map[i / 8] >> (i % 8) & 1)
				TH_LOG("page %u of round %d", i, round);
	}
	munmap(ring, bytes);
	ASSERT_EQ(0, set_log(self, 0));
}

TEST_F(pml, ring)
{
	check_ring(_metadata, self, BIG_RING);
	if (self->by_cpu)
		EXPECT_GE(tvcpu_counter(&self->cpu, "dirty_logged"), 2 * PAGES);
}

TEST_F(pml, small_ring)
{
	check_ring(_metadata, self, SMALL_RING);
	EXPECT_EQ(0, tvcpu_counter(&self->cpu, "dirty_logged"));
}

TEST_HARNESS_MAIN
