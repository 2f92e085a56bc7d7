// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards kvmclock: the structure appears where the guest asks, its time is monotonic, runs at the
 * host's rate and near KVM_GET_CLOCK, a new setting reaches all vCPUs' pages before any vCPU runs,
 * wall clock is the host's, hostile addresses do no harm, and a vCPU that waits for another's page
 * hears signals. It is called stable only while the TSCs of all vCPUs agree, and its rate is that
 * at which the TSC runs, not the one which was asked for.
 */
#include <linux/kvm_para.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define CLOCK_GPA	(TVM_FREE_GPA + 0x20)
#define WALL_GPA	(TVM_FREE_GPA + 0x100)

/* Documentation/virt/kvm/x86/msr.rst */
struct time_info {
	uint32_t version;
	uint32_t pad0;
	uint64_t tsc_timestamp;
	uint64_t system_time;
	uint32_t tsc_to_system_mul;
	int8_t tsc_shift;
	uint8_t flags;
	uint8_t pad[2];
} __attribute__((packed, aligned(4)));

static volatile uint64_t now_ns;

static uint64_t scale(uint64_t delta, uint32_t mul, int8_t shift)
{
	if (shift < 0)
		delta >>= -shift;
	else
		delta <<= shift;
	return (__uint128_t)delta * mul >> 32;
}

static uint64_t read_clock(void)
{
	volatile struct time_info *ti = (void *)CLOCK_GPA;
	uint32_t version;
	uint64_t ns;

	do {
		version = ti->version;
		asm volatile("lfence" : : : "memory");
		ns = ti->system_time + scale(g_rdtsc() - ti->tsc_timestamp,
					     ti->tsc_to_system_mul, ti->tsc_shift);
		asm volatile("lfence" : : : "memory");
	} while (version & 1 || version != ti->version);
	return ns;
}

static void guest_clock(void)
{
	g_wrmsr(MSR_KVM_SYSTEM_TIME_NEW, CLOCK_GPA | 1);
	for (;;) {
		now_ns = read_clock();
		g_sync(1);
	}
}

/* Reads the page of the first vCPU, as Linux's vDSO does. */
static void guest_other_clock(void)
{
	for (;;) {
		now_ns = read_clock();
		g_sync(1);
	}
}

static void guest_monotonic(void)
{
	uint64_t last = 0, now;
	int i;

	g_wrmsr(MSR_KVM_SYSTEM_TIME_NEW, CLOCK_GPA | 1);
	for (i = 0; i < 3000; i++) {
		now = read_clock();
		G_ASSERT(now >= last);
		last = now;
		if (i % 100 == 0)
			g_sync(1);
	}
	g_sync(2);
}

static void guest_wall(void)
{
	g_wrmsr(MSR_KVM_WALL_CLOCK_NEW, WALL_GPA);
	g_sync(1);
}

static volatile uint64_t bad_value;
static volatile unsigned int gp_faults;

static void on_gp(struct g_frame *frame)
{
	gp_faults++;
	frame->rip += 2;
}

static void guest_bad_address(void)
{
	g_handlers[GP_VECTOR] = on_gp;
	for (;;) {
		g_wrmsr(MSR_KVM_SYSTEM_TIME_NEW, bad_value);
		g_sync(1);
		g_wrmsr(MSR_KVM_WALL_CLOCK_NEW, bad_value);
		g_sync(2);
	}
}

FIXTURE(clock) {
	struct tvm vm;
	struct tvcpu cpu;
};

FIXTURE_SETUP(clock)
{
	tvm_start(&self->vm, &self->cpu, TVM_IRQCHIP, guest_clock);
}

FIXTURE_TEARDOWN(clock)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

TEST_F(clock, offered)
{
	struct tvm_cpuid cpuid;
	struct kvm_cpuid_entry2 *e;

	tvm_supported_cpuid(&self->vm, &cpuid);
	e = tvm_cpuid_find(&cpuid, KVM_CPUID_FEATURES, 0);
	ASSERT_NE(NULL, e);
	EXPECT_TRUE(e->eax & 1 << KVM_FEATURE_CLOCKSOURCE2);
}

TEST_F(clock, close_to_the_host)
{
	struct kvm_clock_data before, after;

	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_GET_CLOCK, &before));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_GET_CLOCK, &after));
	/* 2 ms either way: the two are read by different code at different times */
	EXPECT_GE(now_ns + 2000000, before.clock);
	EXPECT_LE(now_ns, after.clock + 2000000);
}

TEST_F(clock, rate)
{
	struct timespec a, b;
	uint64_t guest, host;

	EXPECT_EQ(1, tvm_sync(&self->cpu));
	clock_gettime(CLOCK_MONOTONIC, &a);
	guest = now_ns;
	usleep(100000);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	clock_gettime(CLOCK_MONOTONIC, &b);
	guest = now_ns - guest;
	host = (b.tv_sec - a.tv_sec) * 1000000000ULL + b.tv_nsec - a.tv_nsec;
	EXPECT_GT(guest, host / 2);
	EXPECT_LT(guest, host * 2);
}

TEST_F(clock, monotonic)
{
	uint32_t ret;

	tvcpu_long_mode(&self->cpu, guest_monotonic);
	do {
		ret = tvm_sync(&self->cpu);
		usleep(200);
	} while (ret == 1);
	EXPECT_EQ(2, ret);
}

/* KVM_SET_CLOCK moves the guest's time. */
TEST_F(clock, set)
{
	struct kvm_clock_data clock = { .clock = 1ULL << 45 };

	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_SET_CLOCK, &clock));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_GE(now_ns, 1ULL << 45);
	EXPECT_LT(now_ns, (1ULL << 45) + 10000000000ULL);
}

/* A guest that was stopped, as QEMU stops it, and goes on without its first vCPU. */
TEST_F(clock, set_for_all_before_any_enters)
{
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_clock_data stopped, later = {};
	struct tvcpu second;

	EXPECT_EQ(1, tvm_sync(&self->cpu));
	tvcpu_create(&second, &self->vm, 1);
	TVM_MUST(second.fd, KVM_SET_MP_STATE, &mp);
	tvcpu_long_mode(&second, guest_other_clock);
	EXPECT_EQ(1, tvm_sync(&second));
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_GET_CLOCK, &stopped));
	EXPECT_LE(now_ns, stopped.clock);
	usleep(200000);
	later.clock = stopped.clock;
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_SET_CLOCK, &later));
	EXPECT_EQ(1, tvm_sync(&second));
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_GET_CLOCK, &later));
	EXPECT_GE(now_ns, stopped.clock);
	EXPECT_LE(now_ns, later.clock);
	tvcpu_destroy(&second);
}

static long tsc_offset(struct tvcpu *cpu, unsigned long req, uint64_t *offset)
{
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t)offset,
	};

	return tvm_ioctl_p(cpu->fd, req, &attr);
}

/* Who may compare the pages of two vCPUs: bit 0, as the guest finds it in both. */
TEST_F(clock, stable_while_tscs_agree)
{
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct time_info *pages[2];
	uint64_t offset, other;
	struct tvcpu second;

	pages[0] = (void *)(self->vm.ram + CLOCK_GPA);
	pages[1] = (void *)(self->vm.ram + WALL_GPA);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	tvcpu_create(&second, &self->vm, 1);
	TVM_MUST(second.fd, KVM_SET_MP_STATE, &mp);
	tvcpu_long_mode(&second, guest_other_clock);
	ASSERT_EQ(1, tvcpu_msr(&second, MSR_KVM_SYSTEM_TIME_NEW, WALL_GPA | 1));
	EXPECT_EQ(1, tvm_sync(&second));
	if (!(pages[0]->flags & 1))
		SKIP(return, "this machine's own TSC is not stable");
	EXPECT_TRUE(pages[1]->flags & 1);
	ASSERT_EQ(0, tsc_offset(&second, KVM_GET_DEVICE_ATTR, &offset));
	other = offset - 1000000;
	ASSERT_EQ(0, tsc_offset(&second, KVM_SET_DEVICE_ATTR, &other));
	EXPECT_EQ(1, tvm_sync(&second));
	EXPECT_FALSE(pages[1]->flags & 1);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_FALSE(pages[0]->flags & 1);
	ASSERT_EQ(0, tsc_offset(&second, KVM_SET_DEVICE_ATTR, &offset));
	EXPECT_EQ(1, tvm_sync(&second));
	EXPECT_TRUE(pages[1]->flags & 1);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_TRUE(pages[0]->flags & 1);
	tvcpu_destroy(&second);
}

/* A frequency near enough to the host's is taken without scaling: then the TSC is the host's. */
TEST_F(clock, rate_of_the_tsc)
{
	struct time_info *page = (void *)(self->vm.ram + CLOCK_GPA);
	const uint32_t wanted = KVM_CLOCK_HOST_TSC | KVM_CLOCK_TSC_STABLE;
	struct kvm_clock_data clock;
	uint64_t offset, ns;
	long khz;

	if (tvm_cap(&self->vm, KVM_CAP_TSC_CONTROL))
		SKIP(return, "this machine scales the TSC");
	khz = TVM_MUST(self->cpu.fd, KVM_GET_TSC_KHZ, 0);
	TVM_MUST(self->cpu.fd, KVM_SET_TSC_KHZ, khz + khz / 5000);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	usleep(500000);
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_GET_CLOCK, &clock));
	if ((clock.flags & wanted) != wanted)
		SKIP(return, "KVM_GET_CLOCK does not say when");
	ASSERT_EQ(0, tsc_offset(&self->cpu, KVM_GET_DEVICE_ATTR, &offset));
	ns = page->system_time + scale(clock.host_tsc + offset - page->tsc_timestamp,
				       page->tsc_to_system_mul, page->tsc_shift);
	/* 200 ppm of half a second would be 100 us */
	EXPECT_LE(labs((int64_t)(ns - clock.clock)), 5000);
}

TEST_F(clock, wall)
{
	struct {
		uint32_t version, sec, nsec;
	} *wall = (void *)(self->vm.ram + WALL_GPA);
	struct kvm_clock_data clock;
	int64_t boot;

	tvcpu_long_mode(&self->cpu, guest_wall);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, wall->version & 1);
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_GET_CLOCK, &clock));
	boot = time(NULL) - clock.clock / 1000000000;
	EXPECT_LE(labs((int64_t)wall->sec - boot), 2);
}

TEST_F(clock, hostile_addresses)
{
	static const uint64_t bad[] = {
		TVM_HOLE_GPA | 1, (BIT64(51) - 4096) | 1, TVM_RAM_SIZE - 4 + 1, -1ULL, 0x2003,
	};
	unsigned int i;

	tvcpu_long_mode(&self->cpu, guest_bad_address);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		bad_value = bad[i];
		EXPECT_EQ(1, tvm_sync(&self->cpu));
		EXPECT_EQ(2, tvm_sync(&self->cpu));
	}
}

static void guest_runs(void)
{
	for (;;)
		g_sync(1);
}

static void *run(void *cpu)
{
	return (void *)tvm_run(cpu);
}

static void ignore_signal(int sig)
{
}

/* One signal may come before KVM_RUN. The harness ends a test that does not return from here. */
static long end_by_signals(pthread_t thread)
{
	void *ret;

	do {
		usleep(200000);
		pthread_kill(thread, SIGUSR1);
	} while (pthread_tryjoin_np(thread, &ret));
	return (long)ret;
}

/* One vCPU waits for memory that does not come, to write a page of the clock, and one for it. */
TEST(signal_while_a_page_is_waited_for)
{
	struct sigaction action = { .sa_handler = ignore_signal };
	struct kvm_clock_data clock = { .clock = 1000000000 };
	void *page = tvm_mem(TVM_PAGE), *ret;
	struct uffd_msg msg;
	struct tvcpu cpus[3];
	pthread_t first, second;
	struct tvm vm;
	int i, uffd;

	tvm_create(&vm, TVM_IRQCHIP);
	ASSERT_EQ(0, tvm_slot(&vm, TVM_SLOT_TEST, 0, TVM_TEST_GPA, TVM_PAGE, page));
	for (i = 0; i < 3; i++) {
		tvcpu_create(&cpus[i], &vm, i);
		TVM_MUST(cpus[i].fd, KVM_SET_MP_STATE,
			 &(struct kvm_mp_state){ KVM_MP_STATE_RUNNABLE });
		tvcpu_long_mode(&cpus[i], guest_runs);
		ASSERT_EQ(1, tvcpu_msr(&cpus[i], MSR_KVM_SYSTEM_TIME_NEW,
				       (i ? TVM_FREE_GPA + i * 0x40 : TVM_TEST_GPA) | 1));
		EXPECT_EQ(1, tvm_sync(&cpus[i]));
	}
	ASSERT_EQ(0, madvise(page, TVM_PAGE, MADV_DONTNEED));
	uffd = tvm_uffd(page, TVM_PAGE, 0);
	TVM_MUST(vm.fd, KVM_SET_CLOCK, &clock);
	sigaction(SIGUSR1, &action, NULL);
	ASSERT_EQ(0, pthread_create(&first, NULL, run, &cpus[1]));
	ASSERT_EQ(sizeof(msg), read(uffd, &msg, sizeof(msg)));
	ASSERT_EQ(0, pthread_create(&second, NULL, run, &cpus[2]));
	EXPECT_EQ(-EINTR, end_by_signals(second));
	close(uffd);
	pthread_join(first, &ret);
	EXPECT_EQ(KVM_EXIT_IO, (long)ret);
	EXPECT_EQ(1, tvm_sync(&cpus[2]));
	for (i = 0; i < 3; i++)
		tvcpu_destroy(&cpus[i]);
	tvm_destroy(&vm);
}

static void guest_moves_its_page(void)
{
	g_sync(1);
	g_wrmsr(MSR_KVM_SYSTEM_TIME_NEW, WALL_GPA | 1);
	g_sync(2);
}

/* As above, but the second wants to say where its page is. It says so again after the signal. */
TEST(signal_while_a_page_moves)
{
	struct sigaction action = { .sa_handler = ignore_signal };
	void *page = tvm_mem(TVM_PAGE), *ret;
	struct kvm_regs before, after;
	struct uffd_msg msg;
	struct tvcpu cpus[2];
	pthread_t first, second;
	struct tvm vm;
	int i, uffd;

	tvm_create(&vm, TVM_IRQCHIP);
	ASSERT_EQ(0, tvm_slot(&vm, TVM_SLOT_TEST, 0, TVM_TEST_GPA, TVM_PAGE, page));
	for (i = 0; i < 2; i++) {
		tvcpu_create(&cpus[i], &vm, i);
		TVM_MUST(cpus[i].fd, KVM_SET_MP_STATE,
			 &(struct kvm_mp_state){ KVM_MP_STATE_RUNNABLE });
		tvcpu_long_mode(&cpus[i], i ? guest_moves_its_page : guest_runs);
		EXPECT_EQ(1, tvm_sync(&cpus[i]));
	}
	ASSERT_EQ(1, tvcpu_msr(&cpus[0], MSR_KVM_SYSTEM_TIME_NEW, TVM_TEST_GPA | 1));
	uffd = tvm_uffd(page, TVM_PAGE, 0);
	sigaction(SIGUSR1, &action, NULL);
	ASSERT_EQ(0, pthread_create(&first, NULL, run, &cpus[0]));
	ASSERT_EQ(sizeof(msg), read(uffd, &msg, sizeof(msg)));
	/* completes the OUT, and enters no guest */
	cpus[1].run->immediate_exit = 1;
	EXPECT_EQ(-EINTR, tvm_run(&cpus[1]));
	cpus[1].run->immediate_exit = 0;
	tvcpu_get_regs(&cpus[1], &before);
	ASSERT_EQ(0, pthread_create(&second, NULL, run, &cpus[1]));
	EXPECT_EQ(-EINTR, end_by_signals(second));
	EXPECT_EQ(0, tvcpu_get_msr(&cpus[1], MSR_KVM_SYSTEM_TIME_NEW));
	tvcpu_get_regs(&cpus[1], &after);
	EXPECT_EQ(MSR_KVM_SYSTEM_TIME_NEW, after.rcx);
	EXPECT_GT(after.rip, before.rip);
	close(uffd);
	pthread_join(first, &ret);
	EXPECT_EQ(KVM_EXIT_IO, (long)ret);
	EXPECT_EQ(2, tvm_sync(&cpus[1]));
	EXPECT_EQ(WALL_GPA | 1, tvcpu_get_msr(&cpus[1], MSR_KVM_SYSTEM_TIME_NEW));
	for (i = 0; i < 2; i++)
		tvcpu_destroy(&cpus[i]);
	tvm_destroy(&vm);
}

TEST_HARNESS_MAIN
