// SPDX-License-Identifier: GPL-2.0-only
/*
 * Work a task has to do before it enters a guest: signals, rescheduling, task work.
 *
 * The kernel's helper wants KVM's own vCPU. On x86 it only notes a signal there, in the
 * run page and in a counter, so every caller may share one that nobody reads.
 */
#include <linux/kvm_host.h>

#include "compat/compat.h"

static struct kvm_run nobody_run;
static struct kvm_vcpu nobody = { .run = &nobody_run };

/**
 * hv_handle_task_work() - do what is pending for this task
 *
 * Context: may sleep, interrupts on.
 *
 * Return: 0, or -EINTR when a signal is pending.
 */
int hv_handle_task_work(void)
{
	return xfer_to_guest_mode_handle_work(&nobody);
}
