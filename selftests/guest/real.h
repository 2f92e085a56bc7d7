/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers shared by the guests in real.S and prot.S and the tests that start them. */
#ifndef SELFTESTS_GUEST_REAL_H
#define SELFTESTS_GUEST_REAL_H

#define G_REAL_PORT	0x580
#define G_REAL_GPA	0x1000		/* = TVM_REAL_GPA */
#define G_REAL_STACK	0x33ff8		/* = top of vCPU 0's stack - 8 */
#define G_PGT_GPA	0x20000		/* = TVM_PGT_GPA */

#ifndef __ASSEMBLER__
extern const char g_real_add[], g_real_add_end[];
extern const char g_real_segments[], g_real_segments_end[];
extern const char g_real_loop[], g_real_loop_end[];
extern const char g_real_to_long[], g_real_to_long_end[];
extern const char g_real_sipi[], g_real_sipi_end[];
extern const char g_prot_add[], g_prot_report[], g_prot_halt[];	/* in prot.S */
extern const char g_prot_tables[], g_prot_hypercall[];
#endif

#endif
