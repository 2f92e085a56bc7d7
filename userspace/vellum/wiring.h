/* SPDX-License-Identifier: GPL-2.0-only */
/* Which device sits where, and how accesses and console bytes find their way. */
#ifndef VELLUM_VELLUM_WIRING_H
#define VELLUM_VELLUM_WIRING_H

#include "vellum/machine.h"

extern const struct vcpu_io machine_vcpu_io;

int machine_wire(struct machine *m, struct error *err);

#endif
