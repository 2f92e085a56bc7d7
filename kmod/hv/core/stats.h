/* SPDX-License-Identifier: GPL-2.0-only */
/* What each vCPU did so far, for people: debugfs vellum/vcpus (core/stats.c). */
#ifndef VELLUM_CORE_STATS_H
#define VELLUM_CORE_STATS_H

struct hv_vm;

void hv_stats_init(void);
void hv_stats_exit(void);
void hv_stats_add(struct hv_vm *vm);
void hv_stats_remove(struct hv_vm *vm);		/* before its vCPUs go */

#endif /* VELLUM_CORE_STATS_H */
