// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a VM exit costs: a long-mode guest with one vCPU does one thing in a loop and reads the TSC
 * around it; the ticks of an empty loop are taken off, and the median of some rounds is taken.
 * Prints "exit.NAME TICKS" for every case.
 * On the VT-x machine a tick is an instruction, so the figures repeat.
 *
 * usage: exit_bench [-n ITERATIONS] [NAME...]
 */
#include <getopt.h>
#include <linux/kvm_para.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tvm.h"

#define WARM_UP		500		/* iterations before the measured ones */
#define MIN_ITERATIONS	5000
#define ROUNDS		3		/* of which the middle one counts: others work, too */
#define BELL_PORT	0x510		/* an ioeventfd */
#define USER_PORT	0x520		/* a port of user space */
#define IPI_VECTOR	0x50
#define ANSWER_VECTOR	0x51
#define SELF_IPI_MSR	X2APIC_MSR(APIC_SELF_IPI)
#define EOI_MSR		X2APIC_MSR(APIC_EOI)
#define ICR_MSR		X2APIC_MSR(APIC_ICR)
#define ICR_TO(id)	((uint64_t)(id) << 32)
#define FRESH_GPA	TVM_TEST_GPA

static volatile uint32_t iterations;
static volatile uint64_t ticks, empty_ticks;

/*
 * Runs @body WARM_UP times, then @iterations times between two readings of the TSC.
 * The body may use the loop's counter i, which goes down.
 */
#define MEASURE(result, body)					\
	do {							\
		uint32_t i;					\
		uint64_t start;					\
								\
		for (i = WARM_UP; i; i--)			\
			body;					\
		start = g_rdtsc();				\
		for (i = iterations; i; i--)			\
			body;					\
		result = g_rdtsc() - start;			\
	} while (0)

#define GUEST(name, setup, body)				\
static void guest_##name(void)					\
{								\
	setup;							\
	MEASURE(empty_ticks, asm volatile("" : : : "memory"));	\
	for (;;) {						\
		MEASURE(ticks, body);				\
		g_sync(1);					\
	}							\
}

static inline void no_setup(void)
{
}

/* RAX, RCX and RDX are loaded anew by every body, as a real caller would. */
static inline void cpuid_leaf_0(void)
{
	uint32_t eax = 0, ecx = 0;

	asm volatile("cpuid" : "+a"(eax), "+c"(ecx) : : "rbx", "rdx", "memory");
}

static inline void vmcall(void)
{
	uint64_t rax = KVM_HC_VAPIC_POLL_IRQ;

	asm volatile("vmcall" : "+a"(rax) : : "memory");
}

static inline void vmmcall(void)
{
	uint64_t rax = KVM_HC_VAPIC_POLL_IRQ;

	asm volatile("vmmcall" : "+a"(rax) : : "memory");
}

static void eoi_x2apic(struct g_frame *frame)
{
	g_wrmsr(EOI_MSR, 0);
}

static void setup_x2apic(void)
{
	g_handlers[IPI_VECTOR] = eoi_x2apic;
	g_wrmsr(MSR_IA32_APICBASE, g_rdmsr(MSR_IA32_APICBASE) | APICBASE_X2APIC);
	g_wrmsr(X2APIC_MSR(APIC_SVR), APIC_SVR_ENABLE | 0xff);
}

/* The interrupt is taken after the NOP in STI's shadow; its handler writes the EOI. */
static inline void self_ipi(void)
{
	g_wrmsr(SELF_IPI_MSR, IPI_VECTOR);
	asm volatile("sti; nop; cli" : : : "memory");
}

/*
 * A round trip between two vCPUs, each of which waits in HLT, so that one CPU of the machine is
 * enough: what counts is two IPIs, two halts and two wake-ups.
 */
static volatile uint32_t asked, answered;
static volatile int peer_ready;

static void on_question(struct g_frame *frame)
{
	asked++;
	g_wrmsr(EOI_MSR, 0);
}

static void on_answer(struct g_frame *frame)
{
	answered++;
	g_wrmsr(EOI_MSR, 0);
}

static void guest_ipi_peer(void)
{
	uint32_t served = 0;

	setup_x2apic();
	g_handlers[IPI_VECTOR] = on_question;
	g_handlers[ANSWER_VECTOR] = on_answer;
	peer_ready = 1;
	for (;;) {
		while (asked == served)
			g_sti_hlt();
		served++;
		g_wrmsr(ICR_MSR, ICR_TO(0) | ANSWER_VECTOR);
	}
}

static void setup_ipi(void)
{
	while (!peer_ready)
		g_irq_window();
	g_wrmsr(MSR_IA32_APICBASE, g_rdmsr(MSR_IA32_APICBASE) | APICBASE_X2APIC);
	g_wrmsr(X2APIC_MSR(APIC_SVR), APIC_SVR_ENABLE | 0xff);
}

static inline void round_trip(void)
{
	uint32_t before = answered;

	g_wrmsr(ICR_MSR, ICR_TO(1) | IPI_VECTOR);
	while (answered == before)
		g_sti_hlt();
}

static volatile uint64_t cr0;

static void setup_cr0(void)
{
	uint64_t val;

	asm volatile("movq %%cr0, %0" : "=r"(val));
	cr0 = val;
}

/*
 * CR0.CD toggles: VM entry cannot load CD, so a hypervisor has to intercept it (Intel SDM,
 * "Loading Guest Control Registers, Debug Registers, and MSRs").
 */
static inline void write_cr0(uint32_t i)
{
	asm volatile("movq %0, %%cr0" : : "r"(i & 1 ? cr0 | X86_CR0_CD : cr0) : "memory");
}

/* Each iteration touches the next page; the warm-up has the first ones. */
static uint64_t fresh = FRESH_GPA;

static inline void touch_fresh(void)
{
	asm volatile("movb $1, (%0)" : : "r"(fresh) : "memory");
	fresh += TVM_PAGE;
}

GUEST(cpuid, no_setup(), cpuid_leaf_0())
GUEST(vmcall, no_setup(), vmcall())
GUEST(vmmcall, no_setup(), vmmcall())
GUEST(rdmsr, no_setup(), g_rdmsr(MSR_IA32_APICBASE))
GUEST(wrmsr, no_setup(), g_wrmsr(MSR_IA32_TSC_ADJUST, 0))
GUEST(cr_write, setup_cr0(), write_cr0(i))
GUEST(port_in, no_setup(), g_inb(0x21))
GUEST(port_out, no_setup(), g_outb(0x21, 0xff))
GUEST(lapic_mmio_read, g_apic_enable(), g_apic_read(APIC_ID))
GUEST(lapic_mmio_write, g_apic_enable(), g_apic_write(APIC_TPR, 0))
GUEST(x2apic_self_ipi, setup_x2apic(), self_ipi())
GUEST(ipi, setup_ipi(), round_trip())
GUEST(ept_fault, no_setup(), touch_fresh())
GUEST(ioeventfd, no_setup(), g_outw(BELL_PORT, 1))
GUEST(user_pio, no_setup(), g_outb(USER_PORT, 1))
GUEST(user_mmio, no_setup(), g_writel(TVM_HOLE_GPA, 1))
GUEST(user_hlt, g_sti(), g_hlt())

static const struct bench_case {
	const char *name;
	void (*guest)(void);
	unsigned int flags;		/* of tvm_create() */
	uint32_t exit;			/* what user space serves, 0: nothing */
} cases[] = {
	{ "cpuid", guest_cpuid, TVM_IRQCHIP, 0 },
	{ "vmcall", guest_vmcall, TVM_IRQCHIP, 0 },
	{ "rdmsr", guest_rdmsr, TVM_IRQCHIP, 0 },
	{ "wrmsr", guest_wrmsr, TVM_IRQCHIP, 0 },
	{ "cr_write", guest_cr_write, TVM_IRQCHIP, 0 },
	{ "port_in", guest_port_in, TVM_IRQCHIP, 0 },
	{ "port_out", guest_port_out, TVM_IRQCHIP, 0 },
	{ "lapic_mmio_read", guest_lapic_mmio_read, TVM_IRQCHIP, 0 },
	{ "lapic_mmio_write", guest_lapic_mmio_write, TVM_IRQCHIP, 0 },
	{ "x2apic_self_ipi", guest_x2apic_self_ipi, TVM_IRQCHIP, 0 },
	{ "ipi", guest_ipi, TVM_IRQCHIP, 0 },
	{ "ept_fault", guest_ept_fault, TVM_IRQCHIP, 0 },
	{ "ioeventfd", guest_ioeventfd, TVM_IRQCHIP, 0 },
	{ "user_pio", guest_user_pio, TVM_IRQCHIP, KVM_EXIT_IO },
	{ "user_mmio", guest_user_mmio, TVM_IRQCHIP, KVM_EXIT_MMIO },
	/* HLT reaches user space only without an irqchip in the kernel; KVM_RUN goes on after it */
	{ "user_hlt", guest_user_hlt, 0, KVM_EXIT_HLT },
};

#define NR_CASES	(sizeof(cases) / sizeof(cases[0]))

/* Fresh guest memory, mapped by the host beforehand and in small pages: only EPT is empty. */
static void add_fresh_memory(struct tvm *vm, uint32_t n)
{
	size_t size = ROUNDS * (n + WARM_UP) * TVM_PAGE;
	void *mem = tvm_mem(size);
	long ret;

	madvise(mem, size, MADV_NOHUGEPAGE);
	memset(mem, 1, size);
	ret = tvm_slot(vm, TVM_SLOT_TEST, 0, FRESH_GPA, size, mem);
	if (ret)
		tvm_die("slot of %zu bytes: %s", size, strerror(-ret));
}

static void add_bell(struct tvm *vm)
{
	struct kvm_ioeventfd io = {
		.addr = BELL_PORT,
		.len = 2,
		.flags = KVM_IOEVENTFD_FLAG_PIO,
		.fd = eventfd(0, EFD_NONBLOCK),
	};

	TVM_MUST(vm->fd, KVM_IOEVENTFD, &io);
}

/* The measured loop of user space: as short as it can be. */
static void serve(struct tvcpu *cpu, uint32_t reason)
{
	struct kvm_run *run = cpu->run;
	int fd = cpu->fd;

	for (;;) {
		if (ioctl(fd, KVM_RUN, 0))
			tvm_die("KVM_RUN: %s", strerror(errno));
		if (run->exit_reason != reason)
			break;
		if (reason == KVM_EXIT_IO && run->io.port != USER_PORT)
			break;
	}
	if (run->exit_reason == KVM_EXIT_IO && run->io.port == G_PORT_SYNC)
		return;
	tvm_dump(cpu);
	tvm_die("an exit nobody expects");
}

struct peer {
	struct tvcpu cpu;
	pthread_t thread;
};

static volatile int peer_stop;

static void on_signal(int sig)
{
}

static void *run_peer(void *arg)
{
	struct peer *peer = arg;

	while (!peer_stop)
		if (ioctl(peer->cpu.fd, KVM_RUN, 0) && errno != EINTR && errno != EAGAIN)
			tvm_die("KVM_RUN of the peer: %s", strerror(errno));
	return NULL;
}

static void start_peer(struct peer *peer, struct tvm *vm)
{
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct sigaction action = { .sa_handler = on_signal };

	tvcpu_create(&peer->cpu, vm, 1);
	tvcpu_long_mode(&peer->cpu, guest_ipi_peer);
	TVM_MUST(peer->cpu.fd, KVM_SET_MP_STATE, &mp);
	sigaction(SIGUSR1, &action, NULL);
	peer_stop = 0;
	peer_ready = 0;
	if (pthread_create(&peer->thread, NULL, run_peer, peer))
		tvm_die("no thread for the peer");
}

/* It sleeps in HLT by now: the signal finds it there. */
static void stop_peer(struct peer *peer)
{
	peer_stop = 1;
	usleep(1000);
	pthread_kill(peer->thread, SIGUSR1);
	pthread_join(peer->thread, NULL);
	tvcpu_destroy(&peer->cpu);
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void measure(const struct bench_case *c, uint32_t n)
{
	void (*guest)(void) = c->guest;
	uint64_t result[ROUNDS];
	struct tvcpu cpu;
	struct peer peer;
	struct tvm vm;
	int i;

	if (guest == guest_vmcall && !tvm_host_is_intel())
		guest = guest_vmmcall;
	iterations = n;
	tvm_start(&vm, &cpu, c->flags, guest);
	if (guest == guest_ept_fault)
		add_fresh_memory(&vm, n);
	if (guest == guest_ioeventfd)
		add_bell(&vm);
	if (guest == guest_ipi)
		start_peer(&peer, &vm);
	for (i = 0; i < ROUNDS; i++) {
		serve(&cpu, c->exit);
		result[i] = ticks - empty_ticks;
	}
	qsort(result, ROUNDS, sizeof(result[0]), compare);
	printf("exit.%s %lu\n", c->name, (unsigned long)((result[ROUNDS / 2] + n / 2) / n));
	fflush(stdout);
	if (guest == guest_ipi)
		stop_peer(&peer);
	tvcpu_destroy(&cpu);
	tvm_destroy(&vm);
}

static int wanted(const char *name, char **names)
{
	if (!*names)
		return 1;
	for (; *names; names++)
		if (!strcmp(name, *names))
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	long n = MIN_ITERATIONS;
	unsigned int i;
	int opt;

	while ((opt = getopt(argc, argv, "n:")) == 'n')
		n = atol(optarg);
	if (opt != -1 || n < 1 || n > 1000000) {
		fprintf(stderr, "usage: exit_bench [-n ITERATIONS] [NAME...]\n");
		return 2;
	}
	for (i = 0; i < NR_CASES; i++)
		if (wanted(cases[i].name, argv + optind))
			measure(&cases[i], n);
	return 0;
}
