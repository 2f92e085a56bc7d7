/* SPDX-License-Identifier: GPL-2.0-only */
/* The guests in long.S and the addresses in them that tests refer to. */
#ifndef SELFTESTS_GUEST_LONG_H
#define SELFTESTS_GUEST_LONG_H

#include <stdint.h>

void g_long_add(void);
void g_debug_code(void);
extern const char g_debug_hw[], g_debug_int3[], g_debug_store[], g_debug_after_store[];
extern volatile uint32_t g_debug_watched;

#endif
