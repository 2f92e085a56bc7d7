/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * What Vellum adds to <linux/kvm.h> and <linux/vhost.h>: so far the names alone.
 * The ioctls, numbers and structures of /dev/vellum are those of /dev/kvm, those
 * of /dev/vellum-vhost-net are those of /dev/vhost-net.
 */
#ifndef _UAPI_LINUX_VELLUM_H
#define _UAPI_LINUX_VELLUM_H

#define VELLUM_DEVICE_NAME	"vellum"
#define VELLUM_DEVICE_PATH	"/dev/" VELLUM_DEVICE_NAME

#define VELLUM_VHOST_NET_DEVICE_NAME	"vellum-vhost-net"
#define VELLUM_VHOST_NET_DEVICE_PATH	"/dev/" VELLUM_VHOST_NET_DEVICE_NAME

#endif /* _UAPI_LINUX_VELLUM_H */
