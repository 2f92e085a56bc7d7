/* SPDX-License-Identifier: GPL-2.0-only */
/* The machine's network cards, and which devices the kernel serves. */
#ifndef VELLUM_VELLUM_NETS_H
#define VELLUM_VELLUM_NETS_H

#include "vellum/machine.h"

int vhost_choose(struct vhost *v, const struct run_vhost *how, const char *path,
		 const char *option, struct error *err);

int nets_open(struct machine *m, struct error *err);
int nets_wire(struct machine *m, struct error *err);
void nets_destroy(struct machine *m);

#endif
