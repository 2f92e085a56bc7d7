/* SPDX-License-Identifier: GPL-2.0-only */
/* The host's network links: taps up, bridges joined. */
#ifndef VELLUM_NET_LINK_H
#define VELLUM_NET_LINK_H

#include "util/error.h"

#include <net/if.h>

struct nl_sock;

/**
 * struct link_bridge - a bridge that was joined, with all it takes to leave it
 * @sk: netlink, or NULL when there is nothing to leave
 * @lock: held while somebody joins or leaves, or -1
 * @name: of the bridge
 */
struct link_bridge {
	struct nl_sock *sk;
	int lock;
	char name[IFNAMSIZ];
};

int link_up(const char *name, const char *option, struct error *err);
int link_join(struct link_bridge *b, const char *name, const char *bridge, const char *option,
	      struct error *err);
void link_leave(struct link_bridge *b);

#endif
