/* SPDX-License-Identifier: GPL-2.0-only */
/* A guest that reads or writes the MSR the host names, for ever; after each access a g_sync(). */
#ifndef SELFTESTS_GUEST_MSR_H
#define SELFTESTS_GUEST_MSR_H

#include <stdint.h>

#define G_MSR_FAULTED	0xbad		/* what a read that ends in #GP leaves in g_msr_val */

extern volatile uint32_t g_msr_nr;
extern volatile uint64_t g_msr_val;
extern volatile unsigned int g_msr_faults;	/* #GPs so far */

/* Entry points of long-mode guests, which say g_sync(1) and g_sync(2). */
void g_msr_reader(void);
void g_msr_writer(void);

#endif
