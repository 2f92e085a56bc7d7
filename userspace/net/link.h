/* SPDX-License-Identifier: GPL-2.0-only */
/* The host's network links: taps up, bridges joined. */
#ifndef VELLUM_NET_LINK_H
#define VELLUM_NET_LINK_H

#include "util/error.h"

int link_up(const char *name, const char *option, struct error *err);
int link_join(const char *name, const char *bridge, const char *option, struct error *err);
void link_remove_empty_bridge(const char *bridge);

#endif
