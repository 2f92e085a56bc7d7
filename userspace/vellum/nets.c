// SPDX-License-Identifier: GPL-2.0-only
/* Taps are opened with the other things the user names, before there is a VM. */
#include "vellum/nets.h"

static int refuse_packed(const char *option, struct error *err)
{
	return error_set(err, STATUS_UNAVAILABLE,
			 "%s: packed=on: only the kernel serves packed rings (use vhost=on)",
			 option);
}

/**
 * vhost_choose() - open the vhost device that is to serve a disk or card, if any
 * @v: zeroed; left closed when the launcher is to serve it
 * @how: what was asked for
 * @path: Vellum's vhost device for this type
 * @option: the option, kept by reference
 * @err: filled in on failure
 *
 * Return: 0 or -1.
 */
int vhost_choose(struct vhost *v, const struct run_vhost *how, const char *path,
		 const char *option, struct error *err)
{
	v->packed = how->packed;
	if (how->mode == VHOST_ON)
		return vhost_open(v, how->path ? how->path : path, option, err);
	if (how->mode == VHOST_AUTO && !vhost_open(v, path, option, err))
		return 0;
	return how->packed ? refuse_packed(option, err) : 0;
}

static int open_net(struct virtio_net *net, const struct run_net *o, struct error *err)
{
	int r;

	r = o->is_bridge ? tap_open_bridged(&net->tap, o->name, o->option, err) :
			   tap_open_named(&net->tap, o->name, o->option, err);
	return r ? r : vhost_choose(&net->vhost, &o->vhost, VHOST_NET_DEVICE, o->option, err);
}

int nets_open(struct machine *m, struct error *err)
{
	u32 i;

	for (i = 0; i < m->options->net_count; i++)
		if (open_net(&m->nets[i], &m->options->nets[i], err))
			return -1;
	return 0;
}

int nets_wire(struct machine *m, struct error *err)
{
	u32 i;

	for (i = 0; i < m->options->net_count; i++) {
		const struct run_net *o = &m->options->nets[i];
		struct virtio_net *net = &m->nets[i];

		net->vhost.routes = &m->routes;
		if (net_init(net, o->has_mac ? o->mac : NULL, &m->kvm, &m->ram, err) ||
		    virtio_plug(&net->dev, &m->pci, err))
			return -1;
	}
	return 0;
}

void nets_destroy(struct machine *m)
{
	u32 i;

	for (i = 0; i < m->options->net_count; i++)
		net_destroy(&m->nets[i]);
}
