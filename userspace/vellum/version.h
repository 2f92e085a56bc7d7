/* SPDX-License-Identifier: GPL-2.0-only */
/* The launcher's version; the Makefile may give a more exact one. */
#ifndef VELLUM_VELLUM_VERSION_H
#define VELLUM_VELLUM_VERSION_H

#ifndef VELLUM_VERSION
#define VELLUM_VERSION	"0.1.0"
#endif

#endif
