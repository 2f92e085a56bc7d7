/* SPDX-License-Identifier: GPL-2.0-only */
/* The user's terminal: raw while the guest runs, as it was afterwards. */
#ifndef VELLUM_VELLUM_TERMINAL_H
#define VELLUM_VELLUM_TERMINAL_H

#include <stdbool.h>

bool terminal_is_ours(void);
bool terminal_is_anothers(void);
void terminal_make_raw(void);
void terminal_restore(void);
void terminal_guard_crashes(void);

#endif
