/* SPDX-License-Identifier: GPL-2.0-only */
/* The machine's network cards. */
#ifndef VELLUM_VELLUM_NETS_H
#define VELLUM_VELLUM_NETS_H

#include "vellum/machine.h"

int nets_open(struct machine *m, struct error *err);
int nets_wire(struct machine *m, struct error *err);
void nets_destroy(struct machine *m);

#endif
