// SPDX-License-Identifier: GPL-2.0-only
/* Taps are opened with the other things the user names, before there is a VM. */
#include "vellum/nets.h"

#include <linux/vellum.h>

#include "vellum/vhost_choice.h"

static int open_net(struct virtio_net *net, const struct run_net *o, struct error *err)
{
	int r;

	r = o->is_bridge ? tap_open_bridged(&net->tap, o->name, o->option, err) :
			   tap_open_named(&net->tap, o->name, o->option, err);
	return r ? r : vhost_choose(&net->vhost, &o->vhost, VELLUM_VHOST_NET_DEVICE_PATH,
				    o->option, err);
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

/* After machine_stop(). A card with a thread that did not end is left alone. */
void nets_destroy(struct machine *m)
{
	u32 i;

	for (i = 0; i < m->options->net_count; i++)
		if (!m->nets[i].dev.started)
			net_destroy(&m->nets[i]);
}
