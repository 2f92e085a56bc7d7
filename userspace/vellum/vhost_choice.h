/* SPDX-License-Identifier: GPL-2.0-only */
/* Which devices the kernel serves. */
#ifndef VELLUM_VELLUM_VHOST_CHOICE_H
#define VELLUM_VELLUM_VHOST_CHOICE_H

#include "vellum/run_options.h"
#include "virtio/vhost.h"

int vhost_choose(struct vhost *v, const struct run_vhost *how, const char *path,
		 const char *option, struct error *err);

#endif
