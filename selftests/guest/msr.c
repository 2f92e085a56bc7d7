// SPDX-License-Identifier: GPL-2.0-only
/* Guests of the tests about MSRs. */
#include "guest.h"
#include "msr.h"

volatile uint32_t g_msr_nr;
volatile uint64_t g_msr_val;
volatile unsigned int g_msr_faults;

/* RDMSR and WRMSR are two bytes long. */
static void skip_msr_insn(struct g_frame *frame)
{
	g_msr_faults++;
	frame->rip += 2;
	frame->rax = G_MSR_FAULTED;
	frame->rdx = 0;
}

void g_msr_reader(void)
{
	g_handlers[GP_VECTOR] = skip_msr_insn;
	for (;;) {
		g_msr_val = g_rdmsr(g_msr_nr);
		g_sync(1);
	}
}

void g_msr_writer(void)
{
	g_handlers[GP_VECTOR] = skip_msr_insn;
	for (;;) {
		g_wrmsr(g_msr_nr, g_msr_val);
		g_sync(2);
	}
}
