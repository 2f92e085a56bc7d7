/* SPDX-License-Identifier: GPL-2.0-only */
/* Physical CPUs in and out of virtualization mode (core/hw.c). */
#ifndef VELLUM_CORE_HW_H
#define VELLUM_CORE_HW_H

#include <linux/percpu.h>
#include <linux/types.h>

struct hv_vm;

/* This CPU is in virtualization mode. Written on it with interrupts off. */
DECLARE_PER_CPU(bool, hv_cpu_on);

/*
 * The first get switches every online CPU to virtualization, the last put switches them back.
 * -EBUSY: another hypervisor has it, nothing was changed.
 */
int hv_hw_get(struct hv_vm *vm);
void hv_hw_put(struct hv_vm *vm);

/* Before its vCPUs go: a reboot looks at them no more. */
void hv_hw_hide(struct hv_vm *vm);

int hv_hw_init(void);		/* module load */
void hv_hw_exit(void);

#endif /* VELLUM_CORE_HW_H */
