// SPDX-License-Identifier: GPL-2.0-only
/* Who serves a disk or card: the kernel's vhost device, if it is to and can, or the launcher. */
#include "vellum/vhost_choice.h"

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
