/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's side of a test: one-instruction wrappers and the conversation with the host.
 *
 * A guest talks to the host side by a 32-bit OUT to one of the ports below, which tvm.c
 * understands. Globals are shared (the program's image is guest memory), so whatever does not
 * fit in 32 bits goes through a volatile global.
 */
#ifndef SELFTESTS_GUEST_GUEST_H
#define SELFTESTS_GUEST_GUEST_H

#include <stdint.h>
#include "../lib/x86.h"

#define G_PORT_SYNC		0x5f0	/* g_sync(): a value for tvm_sync() */
#define G_PORT_ASSERT		0x5f4	/* a failed G_ASSERT: the line number */
#define G_PORT_FAULT		0x5f8	/* an unexpected exception: see g_fault */

/* What vectors.S leaves on the stack; the handler may change it (rip, say) before it returns. */
struct g_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

typedef void (*g_handler_t)(struct g_frame *frame);

/* The handler of each vector, filled by the host before the guest runs or by the guest itself. */
extern g_handler_t volatile g_handlers[256];
/* The last unexpected exception, and CR2 then. */
extern struct g_frame g_fault;
extern uint64_t g_fault_cr2;
/* Entry points of the 256 IDT stubs, G_STUB_SIZE apart. */
extern const char g_vectors[];
#define G_STUB_SIZE		16

void g_dispatch(struct g_frame *frame);

#define G_ASSERT(cond)						\
	do {							\
		if (!(cond))					\
			g_outl(G_PORT_ASSERT, __LINE__);	\
	} while (0)

static inline void g_outb(uint16_t port, uint8_t val)
{
	asm volatile("outb %0, %w1" : : "a"(val), "d"(port) : "memory");
}

static inline void g_outw(uint16_t port, uint16_t val)
{
	asm volatile("outw %0, %w1" : : "a"(val), "d"(port) : "memory");
}

static inline void g_outl(uint16_t port, uint32_t val)
{
	asm volatile("outl %0, %w1" : : "a"(val), "d"(port) : "memory");
}

static inline uint8_t g_inb(uint16_t port)
{
	uint8_t val;

	asm volatile("inb %w1, %0" : "=a"(val) : "d"(port) : "memory");
	return val;
}

/* Hands @val to the host's tvm_sync(). */
static inline void g_sync(uint32_t val)
{
	g_outl(G_PORT_SYNC, val);
}

static inline uint64_t g_rdtsc(void)
{
	uint32_t lo, hi;

	asm volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return lo | (uint64_t)hi << 32;
}

static inline uint64_t g_rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr) : "memory");
	return lo | (uint64_t)hi << 32;
}

static inline void g_wrmsr(uint32_t msr, uint64_t val)
{
	asm volatile("wrmsr"
		     : : "c"(msr), "a"((uint32_t)val), "d"((uint32_t)(val >> 32)) : "memory");
}

static inline void g_cpuid(uint32_t leaf, uint32_t sub, uint32_t out[4])
{
	asm volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
		     : "a"(leaf), "c"(sub) : "memory");
}

static inline int g_is_amd(void)
{
	uint32_t r[4];

	g_cpuid(0, 0, r);
	return r[2] == 0x444d4163;	/* "cAMD" ends "AuthenticAMD" */
}

/* VMCALL on Intel, VMMCALL on AMD: nothing may have to patch the guest. */
static inline long g_hypercall(long nr, long a0, long a1, long a2, long a3)
{
	long ret = nr;

	if (g_is_amd())
		asm volatile("vmmcall"
			     : "+a"(ret) : "b"(a0), "c"(a1), "d"(a2), "S"(a3) : "memory");
	else
		asm volatile("vmcall"
			     : "+a"(ret) : "b"(a0), "c"(a1), "d"(a2), "S"(a3) : "memory");
	return ret;
}

static inline void g_sti(void)
{
	asm volatile("sti" : : : "memory");
}

static inline void g_cli(void)
{
	asm volatile("cli" : : : "memory");
}

static inline void g_hlt(void)
{
	asm volatile("hlt" : : : "memory");
}

/* Waits for one interrupt: STI shadows HLT, so none is lost between the two. */
static inline void g_sti_hlt(void)
{
	asm volatile("sti; hlt; cli" : : : "memory");
}

static inline void g_pause(void)
{
	asm volatile("pause" : : : "memory");
}

/*
 * Interrupts on for long enough that one which is pending arrives on any machine: QEMU looks at
 * jumps only.
 */
static inline void g_irq_window(void)
{
	int i;

	g_sti();
	for (i = 0; i < 32; i++)
		g_pause();
	g_cli();
}

static inline void g_invlpg(void *addr)
{
	asm volatile("invlpg (%0)" : : "r"(addr) : "memory");
}

static inline uint32_t g_readl(uint64_t addr)
{
	uint32_t val;

	asm volatile("movl (%1), %0" : "=r"(val) : "r"(addr) : "memory");
	return val;
}

static inline void g_writel(uint64_t addr, uint32_t val)
{
	asm volatile("movl %0, (%1)" : : "r"(val), "r"(addr) : "memory");
}

static inline uint32_t g_apic_read(unsigned int off)
{
	return g_readl(APIC_BASE_GPA + off);
}

static inline void g_apic_write(unsigned int off, uint32_t val)
{
	g_writel(APIC_BASE_GPA + off, val);
}

static inline void g_apic_eoi(void)
{
	g_apic_write(APIC_EOI, 0);
}

/* The same in the mode the guest says its local APIC is in: x2APIC if g_x2apic is set. */
extern volatile int g_x2apic;

static inline uint32_t g_lapic_read(unsigned int off)
{
	return g_x2apic ? g_rdmsr(X2APIC_MSR(off)) : g_apic_read(off);
}

static inline void g_lapic_write(unsigned int off, uint32_t val)
{
	if (g_x2apic)
		g_wrmsr(X2APIC_MSR(off), val);
	else
		g_apic_write(off, val);
}

static inline void g_self_ipi(uint32_t vector)
{
	if (g_x2apic)
		g_wrmsr(X2APIC_MSR(APIC_SELF_IPI), vector);
	else
		g_apic_write(APIC_ICR, APIC_ICR_SELF | vector);
}

/* Software-enables the local APIC with spurious vector 255. */
static inline void g_apic_enable(void)
{
	g_apic_write(APIC_SVR, APIC_SVR_ENABLE | 0xff);
}

#endif
