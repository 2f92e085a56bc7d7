/* SPDX-License-Identifier: GPL-2.0-only */
/* What the launcher may still ask of the host once a guest runs. */
#ifndef VELLUM_VELLUM_SANDBOX_H
#define VELLUM_VELLUM_SANDBOX_H

#include "util/error.h"

int sandbox_enter(struct error *err);

#endif
