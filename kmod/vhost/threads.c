// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kernel threads that a user has made: workers, and what runs the slow requests of an open disk.
 *
 * The kernel counts its own threads for nobody, so they are counted here, and held to
 * RLIMIT_NPROC by themselves: the user's processes do not count.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/xarray.h>

#include "threads.h"

static DEFINE_XARRAY(counts);		/* by uid */
static DEFINE_MUTEX(counts_lock);

static unsigned long count_of(kuid_t uid)
{
	void *entry = xa_load(&counts, __kuid_val(uid));

	return entry ? xa_to_value(entry) : 0;
}

int vh_threads_charge(kuid_t *uid)
{
	unsigned long n;
	int ret = -EAGAIN;

	*uid = current_uid();
	mutex_lock(&counts_lock);
	n = count_of(*uid);
	if (n < rlimit(RLIMIT_NPROC) || capable(CAP_SYS_RESOURCE))
		ret = xa_err(xa_store(&counts, __kuid_val(*uid), xa_mk_value(n + 1),
				      GFP_KERNEL_ACCOUNT));
	mutex_unlock(&counts_lock);
	return ret;
}

void vh_threads_uncharge(kuid_t uid)
{
	unsigned long n;

	mutex_lock(&counts_lock);
	n = count_of(uid);
	/* takes no memory: the entry is there */
	if (n > 1)
		xa_store(&counts, __kuid_val(uid), xa_mk_value(n - 1), GFP_KERNEL);
	else
		xa_erase(&counts, __kuid_val(uid));
	mutex_unlock(&counts_lock);
}
