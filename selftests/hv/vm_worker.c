// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the whole at work: a VM with two vCPUs, an irqchip, a PIT, a periodic timer, doorbells
 * and 8 MiB of memory which the guest keeps touching comes round 20 times. leak.sh and hotplug.sh
 * use it too: "vm_worker N" ends after N rounds, "vm_worker forever" when it is killed.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "tvm.h"

#define MEM_SIZE	(8UL << 20)
#define DEFAULT_ROUNDS	20
#define PORT		0x510
#define TIMER_VECTOR	0x50

static volatile unsigned int ticks;

static void on_timer(struct g_frame *frame)
{
	ticks++;
	g_apic_eoi();
}

/* Touches all memory, rings, sleeps until the timer, again. */
static void guest_main(void)
{
	uint64_t gpa;

	g_handlers[TIMER_VECTOR] = on_timer;
	g_apic_enable();
	g_apic_write(APIC_TDCR, APIC_TDR_DIV_1);
	g_apic_write(APIC_LVTT, TIMER_VECTOR | APIC_LVT_PERIODIC);
	g_apic_write(APIC_TMICT, 2000000);
	for (;;) {
		for (gpa = TVM_TEST_GPA; gpa < TVM_TEST_GPA + MEM_SIZE; gpa += TVM_PAGE)
			g_writel(gpa, ticks);
		g_outw(PORT, 1);
		g_sti_hlt();
		g_sync(1);
	}
}

static void guest_second(void)
{
	for (;;) {
		g_irq_window();
		g_sync(1);
	}
}

static void *run_second(void *arg)
{
	for (;;)
		tvm_sync(arg);
	return NULL;
}

static void add_doorbells(struct tvm *vm)
{
	struct kvm_ioeventfd io = { .addr = PORT, .len = 2, .flags = KVM_IOEVENTFD_FLAG_PIO };
	struct kvm_irqfd irq = { .gsi = 20 };

	io.fd = eventfd(0, EFD_NONBLOCK);
	irq.fd = eventfd(0, EFD_NONBLOCK);
	TVM_MUST(vm->fd, KVM_IOEVENTFD, &io);
	TVM_MUST(vm->fd, KVM_IRQFD, &irq);
}

int main(int argc, char **argv)
{
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };
	unsigned long rounds = DEFAULT_ROUNDS;
	struct tvcpu cpu, second;
	pthread_t thread;
	struct tvm vm;

	if (argc > 1)
		rounds = strcmp(argv[1], "forever") ? strtoul(argv[1], NULL, 0) : -1UL;
	printf("TAP version 13\n1..1\n");
	fflush(stdout);
	tvm_start(&vm, &cpu, TVM_PIT, guest_main);
	if (tvm_slot(&vm, TVM_SLOT_TEST, 0, TVM_TEST_GPA, MEM_SIZE, tvm_mem(MEM_SIZE)))
		tvm_die("memory slot");
	add_doorbells(&vm);
	tvcpu_create(&second, &vm, 1);
	TVM_MUST(second.fd, KVM_SET_MP_STATE, &runnable);
	tvcpu_long_mode(&second, guest_second);
	if (pthread_create(&thread, NULL, run_second, &second))
		tvm_die("pthread_create");
	while (rounds--)
		tvm_sync(&cpu);
	printf("ok 1 the guest came round\n");
	return 0;
}
