// SPDX-License-Identifier: GPL-2.0-only
/* The C half of exception and interrupt handling in long-mode guests. */
#include "guest.h"

g_handler_t volatile g_handlers[256];
struct g_frame g_fault;
uint64_t g_fault_cr2;
volatile int g_x2apic;

/* An exception nobody expects: tell the host, which ends the test, and never go on. */
static void g_unexpected(struct g_frame *frame)
{
	const uint64_t *src = (const uint64_t *)frame;
	uint64_t *dst = (uint64_t *)&g_fault;
	unsigned int i;

	for (i = 0; i < sizeof(*frame) / sizeof(*src); i++)
		((volatile uint64_t *)dst)[i] = src[i];
	asm volatile("movq %%cr2, %0" : "=r"(g_fault_cr2));
	for (;;)
		g_outl(G_PORT_FAULT, frame->vector);
}

void g_dispatch(struct g_frame *frame)
{
	g_handler_t handler = g_handlers[frame->vector & 0xff];

	if (!handler)
		g_unexpected(frame);
	handler(frame);
}
