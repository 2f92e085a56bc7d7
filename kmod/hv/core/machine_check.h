/* SPDX-License-Identifier: GPL-2.0-only */
/* A machine check of the host that ended a guest's stay. */
#ifndef VELLUM_CORE_MACHINE_CHECK_H
#define VELLUM_CORE_MACHINE_CHECK_H

#include <asm/mce.h>
#include <asm/processor-flags.h>
#include <asm/ptrace.h>

/* Interrupts are off, on the CPU that it came to. */
static inline void hv_host_machine_check(void)
{
	/* Not the kernel's fault, whatever the guest was running (mce severity). */
	struct pt_regs user = { .cs = 3, .flags = X86_EFLAGS_IF };

	do_machine_check(&user);
}

#endif /* VELLUM_CORE_MACHINE_CHECK_H */
