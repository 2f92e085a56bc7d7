/* SPDX-License-Identifier: GPL-2.0-only */
/* A tap, the host's end of a guest's network cable. */
#ifndef VELLUM_NET_TAP_H
#define VELLUM_NET_TAP_H

#include "net/link.h"
#include "util/error.h"
#include "util/types.h"

/**
 * struct tap - an open tap
 * @fd: non-blocking; reads and writes are packets with a virtio header in front
 * @name: the host's name of it
 * @option: "--net tap=NAME" or "--net bridge=NAME", for messages
 * @bridge: bridge it is a port of, removed when it was made for guests and no port is left
 */
struct tap {
	int fd;
	char name[IFNAMSIZ];
	const char *option;
	struct link_bridge bridge;
};

/* What the guest can take in one piece, beside whole checksums. */
struct tap_offloads {
	bool checksum;
	bool tso4;
	bool tso6;
	bool ecn;
};

int tap_open_named(struct tap *tap, const char *name, const char *option, struct error *err);
int tap_open_bridged(struct tap *tap, const char *bridge, const char *option, struct error *err);
void tap_close(struct tap *tap);
int tap_set_offloads(const struct tap *tap, struct tap_offloads o);
void tap_drain(const struct tap *tap);
bool tap_is_gone(int error);

#endif
