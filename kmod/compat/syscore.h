/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compat.h's part for who has suspend and shutdown callbacks. Its Kbuild says which form this
 * kernel has.
 */
#ifndef VELLUM_COMPAT_SYSCORE_H
#define VELLUM_COMPAT_SYSCORE_H

#include <linux/syscore_ops.h>

/*
 * Suspend and shutdown callbacks take a context since 6.18; stable 6.12
 * kernels have it too, so Kbuild looks into the header.
 */
#ifdef HV_HAVE_REGISTER_SYSCORE
#define HV_SYSCORE_ARG	void *data
#define HV_SYSCORE_CONST	const
#define HV_DEFINE_SYSCORE(name, ops_ptr) \
	static struct syscore name = { .ops = (ops_ptr) }
#else
#define HV_SYSCORE_ARG	void
#define HV_SYSCORE_CONST
#define HV_DEFINE_SYSCORE(name, ops_ptr) \
	static struct syscore_ops *name = (ops_ptr)
static inline void hv_register_syscore(struct syscore_ops **ops)
{
	register_syscore_ops(*ops);
}

static inline void hv_unregister_syscore(struct syscore_ops **ops)
{
	unregister_syscore_ops(*ops);
}

#define register_syscore	hv_register_syscore
#define unregister_syscore	hv_unregister_syscore
#endif

#endif /* VELLUM_COMPAT_SYSCORE_H */
