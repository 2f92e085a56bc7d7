/* SPDX-License-Identifier: GPL-2.0-only */
/* How many kernel threads each user has the module run. */
#ifndef VELLUM_VHOST_THREADS_H
#define VELLUM_VHOST_THREADS_H

#include <linux/uidgid.h>

/*
 * One more for the caller, whose uid is left in @uid. 0; -EAGAIN: RLIMIT_NPROC of them are there
 * and the caller has no CAP_SYS_RESOURCE; -ENOMEM.
 */
int vh_threads_charge(kuid_t *uid);
void vh_threads_uncharge(kuid_t uid);

#endif /* VELLUM_VHOST_THREADS_H */
