// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opening taps. One that does not exist yet is made and gone again with its descriptor; one that
 * exists, because the administrator made it for us, is used as it is.
 */
#include "net/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TUN_DEVICE	"/dev/net/tun"
/* The kernel fills in the first free number. */
#define TAP_PATTERN	"vellum%d"
/* More than a tap has room for, unless somebody gave it a queue that long. */
#define DRAIN_MAX	4096

static int tap_fail(const struct tap *tap, struct error *err)
{
	switch (errno) {
	case EPERM:
	case EACCES:
		return error_set(err, STATUS_NOPERM,
				 "%s: %s (become root, or have a tap made for you: ip tuntap add)",
				 tap->option, strerror(errno));
	case EINVAL:
		return error_set(err, STATUS_NOINPUT,
				 "%s: exists and is no tap for one queue (name another)",
				 tap->option);
	case EBUSY:
		return error_set(err, STATUS_NOINPUT,
				 "%s: in use by another program (name another)", tap->option);
	default:
		return error_set(err, STATUS_UNAVAILABLE, "%s: %s (is the module tun loaded?)",
				 tap->option, strerror(errno));
	}
}

/* Return: 0 or -1 with errno. */
static int attach(struct tap *tap, const char *pattern)
{
	struct ifreq req = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int header = sizeof(struct virtio_net_hdr_mrg_rxbuf);

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", pattern);
	if (ioctl(tap->fd, TUNSETIFF, &req) || ioctl(tap->fd, TUNSETVNETHDRSZ, &header))
		return -1;
	memcpy(tap->name, req.ifr_name, sizeof(tap->name));
	return tap_set_offloads(tap, (struct tap_offloads){ 0 });
}

static int tap_open(struct tap *tap, const char *pattern, struct error *err)
{
	tap->fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (tap->fd < 0)
		return error_set(err, errno == EACCES ? STATUS_NOPERM : STATUS_UNAVAILABLE,
				 "%s: %s: %s (is the module tun loaded?)", tap->option, TUN_DEVICE,
				 strerror(errno));
	if (!attach(tap, pattern))
		return 0;
	tap_fail(tap, err);
	tap_close(tap);
	return -1;
}

/**
 * tap_open_named() - open a tap by name, or make it
 * @tap: filled in
 * @name: 1 to 15 characters
 * @option: the option that asks for it, kept by reference
 * @err: filled in on failure
 *
 * Return: 0 or -1.
 */
int tap_open_named(struct tap *tap, const char *name, const char *option, struct error *err)
{
	bool exists = if_nametoindex(name);

	*tap = (struct tap){ .fd = -1, .option = option };
	if (tap_open(tap, name, err))
		return -1;
	if (exists || !link_up(tap->name, option, err))
		return 0;
	tap_close(tap);
	return -1;
}

/**
 * tap_open_bridged() - make a tap and plug it into a bridge
 * @tap: filled in
 * @bridge: the bridge, which is made if there is none of that name
 * @option: the option that asks for it, kept by reference
 * @err: filled in on failure
 *
 * Return: 0 or -1.
 */
int tap_open_bridged(struct tap *tap, const char *bridge, const char *option, struct error *err)
{
	*tap = (struct tap){ .fd = -1, .option = option };
	if (tap_open(tap, TAP_PATTERN, err))
		return -1;
	if (!link_join(&tap->bridge, tap->name, bridge, option, err))
		return 0;
	tap_close(tap);
	return -1;
}

/* Harmless when it is not open. */
void tap_close(struct tap *tap)
{
	if (!tap->option || tap->fd < 0)
		return;
	close(tap->fd);
	tap->fd = -1;
	link_leave(&tap->bridge);
}

int tap_set_offloads(const struct tap *tap, struct tap_offloads o)
{
	unsigned long flags = 0;

	/* Segments come without a checksum: the guest must take both or neither. */
	if (o.checksum)
		flags = TUN_F_CSUM | (o.tso4 ? TUN_F_TSO4 : 0) | (o.tso6 ? TUN_F_TSO6 : 0) |
			(o.ecn && (o.tso4 || o.tso6) ? TUN_F_TSO_ECN : 0);
	return ioctl(tap->fd, TUNSETOFFLOAD, flags);
}

/* Does an error of a tap's mean that somebody removed it? */
bool tap_is_gone(int error)
{
	return error == EBADFD || error == ENODEV || error == EBADF;
}

/* Lose the packets that wait in the tap, as a card does that is switched on. */
void tap_drain(const struct tap *tap)
{
	u8 head[sizeof(struct virtio_net_hdr_mrg_rxbuf)];
	u32 i;

	/* The rest of a packet goes with its head. Whoever sends all the time does not keep us. */
	for (i = 0; i < DRAIN_MAX && read(tap->fd, head, sizeof(head)) > 0; i++)
		;
}
