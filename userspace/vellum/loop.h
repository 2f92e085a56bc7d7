/* SPDX-License-Identifier: GPL-2.0-only */
/* The main thread while the guest runs: signals, the keyboard, and the end. */
#ifndef VELLUM_VELLUM_LOOP_H
#define VELLUM_VELLUM_LOOP_H

#include "vellum/machine.h"

int loop_block_signals(struct error *err);
void loop_run(struct machine *m, int signal_fd);

#endif
