/* SPDX-License-Identifier: GPL-2.0-only */
/* Network device on a tap, served by the launcher or by a vhost device of the kernel. */
#ifndef VELLUM_VIRTIO_NET_H
#define VELLUM_VIRTIO_NET_H

#include "net/tap.h"
#include "virtio/device.h"
#include "virtio/net_ring.h"
#include "virtio/vhost.h"

enum { NET_QUEUE_RECEIVE, NET_QUEUE_TRANSMIT, NET_QUEUES };

/**
 * struct virtio_net - a network card
 * @dev: virtio part
 * @tap: its cable
 * @vhost: who serves the queues, when it is open
 * @config: device configuration
 * @receiver: receive side, when the launcher serves the queues
 */
struct virtio_net {
	struct virtio_device dev;
	struct tap tap;
	struct vhost vhost;
	struct virtio_net_config config;
	struct net_receiver receiver;
};

int net_init(struct virtio_net *net, const u8 *mac, const struct kvm *kvm,
	     const struct guest_ram *ram, struct error *err);
void net_destroy(struct virtio_net *net);

/* Shared by both ways of serving, in virtio/net.c and virtio/net_vhost.c. */
int net_apply_offloads(struct virtio_net *net);
void net_lose_link(struct virtio_net *net);
int net_init_vhost(struct virtio_net *net, const struct kvm *kvm, const struct guest_ram *ram,
		   struct error *err);

#define NET_CLASS_ETHERNET	0x020000
#define NET_FEATURES		(FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_CSUM) | \
				 FEATURE(VIRTIO_NET_F_MAC) | FEATURE(VIRTIO_NET_F_STATUS) | \
				 FEATURE(VIRTIO_NET_F_GUEST_TSO4) | \
				 FEATURE(VIRTIO_NET_F_GUEST_TSO6) | \
				 FEATURE(VIRTIO_NET_F_GUEST_ECN) | \
				 FEATURE(VIRTIO_NET_F_HOST_TSO4) | \
				 FEATURE(VIRTIO_NET_F_HOST_TSO6) | \
				 FEATURE(VIRTIO_NET_F_HOST_ECN) | \
				 FEATURE(VIRTIO_NET_F_MRG_RXBUF))
#define NET_CONFIG_SIZE		offsetof(struct virtio_net_config, max_virtqueue_pairs)

#endif
