// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the machine against any ioctl with any argument: random requests with random bytes, small
 * integers and bad pointers on system, VM and vCPU fds, with a thread that runs and one that
 * changes memory. Whatever they return, the machine must live and a new VM must work afterwards.
 * FUZZ_SEED and FUZZ_MS (time for each test) choose what happens; the seed is printed.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define DEFAULT_SEED	20240611
#define DEFAULT_MS	1500
#define BUF_SIZE	16384

static uint64_t state;
static volatile int stop;

/* xorshift64*: small, and the same everywhere */
static uint64_t rnd(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1dULL;
}

static unsigned long env_number(const char *name, unsigned long def)
{
	const char *s = getenv(name);

	return s && *s ? strtoul(s, NULL, 0) : def;
}

/* What a fuzzer would take long to guess: the numbers that exist. */
static const unsigned long known[] = {
	KVM_GET_API_VERSION, KVM_CREATE_VM, KVM_GET_MSR_INDEX_LIST, KVM_CHECK_EXTENSION,
	KVM_GET_VCPU_MMAP_SIZE, KVM_GET_SUPPORTED_CPUID, KVM_GET_EMULATED_CPUID,
	KVM_GET_MSR_FEATURE_INDEX_LIST, KVM_CREATE_VCPU, KVM_GET_DIRTY_LOG,
	KVM_SET_NR_MMU_PAGES, KVM_SET_USER_MEMORY_REGION, KVM_SET_TSS_ADDR,
	KVM_SET_IDENTITY_MAP_ADDR, KVM_CREATE_IRQCHIP, KVM_IRQ_LINE, KVM_GET_IRQCHIP,
	KVM_SET_IRQCHIP, KVM_CREATE_PIT2, KVM_IRQ_LINE_STATUS, KVM_REGISTER_COALESCED_MMIO,
	KVM_UNREGISTER_COALESCED_MMIO, KVM_SET_GSI_ROUTING, KVM_REINJECT_CONTROL, KVM_IRQFD,
	KVM_SET_BOOT_CPU_ID, KVM_IOEVENTFD, KVM_SET_CLOCK, KVM_GET_CLOCK, KVM_GET_PIT2,
	KVM_SET_PIT2, KVM_SIGNAL_MSI, KVM_CREATE_DEVICE, KVM_GET_REGS, KVM_SET_REGS,
	KVM_GET_SREGS, KVM_SET_SREGS, KVM_TRANSLATE, KVM_INTERRUPT, KVM_GET_MSRS, KVM_SET_MSRS,
	KVM_SET_CPUID, KVM_SET_SIGNAL_MASK, KVM_GET_FPU, KVM_SET_FPU, KVM_GET_LAPIC,
	KVM_SET_LAPIC, KVM_SET_CPUID2, KVM_GET_CPUID2, KVM_TPR_ACCESS_REPORTING,
	KVM_SET_VAPIC_ADDR, KVM_GET_MP_STATE, KVM_SET_MP_STATE, KVM_NMI, KVM_SET_GUEST_DEBUG,
	KVM_X86_SETUP_MCE, KVM_X86_GET_MCE_CAP_SUPPORTED, KVM_X86_SET_MCE,
	KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS,
	KVM_ENABLE_CAP, KVM_GET_XSAVE, KVM_SET_XSAVE, KVM_GET_XCRS, KVM_SET_XCRS,
	KVM_SET_TSC_KHZ, KVM_GET_TSC_KHZ, KVM_KVMCLOCK_CTRL, KVM_GET_SREGS2, KVM_SET_SREGS2,
	KVM_GET_STATS_FD, KVM_GET_XSAVE2, KVM_SMI, KVM_MEMORY_ENCRYPT_OP, KVM_GET_NESTED_STATE,
	KVM_SET_NESTED_STATE, KVM_X86_SET_MSR_FILTER, KVM_SET_PMU_EVENT_FILTER,
};

struct fuzz {
	struct tvm vm;
	struct tvcpu cpu;
	uint8_t *buf;
};

static unsigned long random_request(void)
{
	switch (rnd() % 16) {
	case 0:
		return rnd();
	case 1:
		return _IOC(rnd() % 4, KVMIO, rnd() & 0xff, rnd() % 1024);
	default:
		return known[rnd() % (sizeof(known) / sizeof(known[0]))];
	}
}

/* Numbers at which validation is usually wrong. */
static uint64_t edge_value(struct fuzz *f)
{
	static const uint64_t edge[] = {
		0, 1, 2, 3, 4, 7, 8, 31, 32, 255, 256, 4095, 4096, 4097, 0x7fffffff, 0x80000000,
		0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000, -1ULL, -4096ULL,
		APIC_BASE_GPA, IOAPIC_BASE_GPA, TVM_TEST_GPA, MSR_EFER, MSR_IA32_APICBASE,
	};

	if (rnd() % 8 == 0)
		return (uintptr_t)f->buf + rnd() % BUF_SIZE;
	return edge[rnd() % (sizeof(edge) / sizeof(edge[0]))];
}

static void fill_random(struct fuzz *f)
{
	unsigned int n = rnd() % 5, i, len = 1 << (rnd() % 12);

	if (rnd() % 4 == 0)
		memset(f->buf, 0, BUF_SIZE);
	if (rnd() % 4 == 0)
		for (i = 0; i + 8 <= len; i += 8)
			*(uint64_t *)(f->buf + i) = rnd();
	while (n--)
		*(uint64_t *)(f->buf + (rnd() % 64) * 4) = edge_value(f);
}

static unsigned long random_argument(struct fuzz *f)
{
	switch (rnd() % 10) {
	case 0:
		return rnd();
	case 1:
		return rnd() % 64;
	case 2:
		return 0xffffffff81000000UL + rnd() % 4096;
	case 3:		/* the structure ends where the mapping does */
		return (uintptr_t)f->buf + BUF_SIZE - rnd() % 64;
	default:
		return (uintptr_t)f->buf;
	}
}

static void guest_spin(void)
{
	g_sti();
	for (;;)
		g_outb(0x80, 0);
}

static void fuzz_create(struct fuzz *f)
{
	tvm_start(&f->vm, &f->cpu, rnd() & (TVM_IRQCHIP | TVM_PIT), guest_spin);
}

static void on_signal(int sig)
{
}

/* KVM_RUN must come back whatever state the guest was put into: a timer sees to it. */
static void run_a_little(struct fuzz *f)
{
	struct itimerval off = { 0 }, timer = {
		.it_value.tv_usec = 2000,
		.it_interval.tv_usec = 2000,	/* the first may come before KVM_RUN */
	};

	tvm_ioctl(f->cpu.fd, KVM_SET_SIGNAL_MASK, 0);
	setitimer(ITIMER_REAL, &timer, NULL);
	tvm_ioctl(f->cpu.fd, KVM_RUN, 0);
	setitimer(ITIMER_REAL, &off, NULL);
}

static void one_call(struct fuzz *f)
{
	const int fds[] = { f->vm.dev, f->vm.fd, f->cpu.fd };
	unsigned long req = random_request();
	long ret;

	if (req == KVM_RUN || (rnd() % 32 == 0)) {
		run_a_little(f);
		return;
	}
	fill_random(f);
	ret = tvm_ioctl(fds[rnd() % 3], req, random_argument(f));
	/* a new fd: of a VM, a vCPU, a device or statistics */
	if (ret > f->cpu.fd && ret < 1024)
		close(ret);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

static void fuzz_init(struct fuzz *f)
{
	struct sigaction act = { .sa_handler = on_signal };
	uint8_t *mem = tvm_mem(BUF_SIZE + TVM_PAGE);

	sigaction(SIGALRM, &act, NULL);
	state = env_number("FUZZ_SEED", DEFAULT_SEED);
	printf("# FUZZ_SEED=%lu\n", (unsigned long)state);
	fflush(stdout);
	mprotect(mem + BUF_SIZE, TVM_PAGE, PROT_NONE);
	f->buf = mem;
}

static void guest_ok(void)
{
	g_sync(77);
}

/* After all that, a fresh VM must work. */
static uint32_t fresh_vm_works(void)
{
	struct tvcpu cpu;
	struct tvm vm;

	tvm_start(&vm, &cpu, TVM_IRQCHIP, guest_ok);
	return tvm_sync(&cpu);
}

TEST(sequential)
{
	uint64_t end = now_ms() + env_number("FUZZ_MS", DEFAULT_MS);
	unsigned long calls = 0;
	struct fuzz f;

	fuzz_init(&f);
	while (now_ms() < end) {
		unsigned int i;

		fuzz_create(&f);
		for (i = 0; i < 400 && now_ms() < end; i++, calls++)
			one_call(&f);
		tvcpu_destroy(&f.cpu);
		tvm_destroy(&f.vm);
	}
	printf("# %lu calls\n", calls);
	fflush(stdout);
	EXPECT_EQ(77, fresh_vm_works());
}

static void *run_thread(void *arg)
{
	struct fuzz *f = arg;

	while (!stop) {
		tvm_ioctl(f->cpu.fd, KVM_RUN, 0);
		sched_yield();
	}
	return NULL;
}

static void *memory_thread(void *arg)
{
	struct fuzz *f = arg;

	while (!stop) {
		madvise(f->vm.ram, TVM_RAM_SIZE, MADV_DONTNEED);
		usleep(500);
	}
	return NULL;
}

static void end_threads(struct fuzz *f, pthread_t *thread)
{
	stop = 1;
	f->cpu.run->immediate_exit = 1;
	pthread_kill(thread[0], SIGALRM);
	pthread_join(thread[0], NULL);
	pthread_join(thread[1], NULL);
	stop = 0;
}

/* The same under a running vCPU whose memory is taken away. */
TEST(under_a_running_guest)
{
	uint64_t end = now_ms() + env_number("FUZZ_MS", DEFAULT_MS);
	pthread_t thread[2];
	struct fuzz f;

	fuzz_init(&f);
	while (now_ms() < end) {
		unsigned int i;

		fuzz_create(&f);
		if (pthread_create(&thread[0], NULL, run_thread, &f) ||
		    pthread_create(&thread[1], NULL, memory_thread, &f))
			tvm_die("pthread_create");
		for (i = 0; i < 100 && now_ms() < end; i++) {
			unsigned long req = random_request();

			/* vCPU calls would wait for the runner: the VM's fd only */
			fill_random(&f);
			if (req != KVM_CREATE_VCPU)
				tvm_ioctl(f.vm.fd, req, random_argument(&f));
		}
		end_threads(&f, thread);
		tvcpu_destroy(&f.cpu);
		tvm_destroy(&f.vm);
	}
	EXPECT_EQ(77, fresh_vm_works());
}

TEST_HARNESS_MAIN
