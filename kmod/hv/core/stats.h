/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What each vCPU did so far: for people in debugfs vellum/vcpus (core/stats.c), for programs
 * behind a file descriptor (core/stats_fd.c).
 */
#ifndef VELLUM_CORE_STATS_H
#define VELLUM_CORE_STATS_H

#include <linux/types.h>

struct hv_vm;
struct hv_vcpu;

/* A counter: what is at @offset in struct hv_vcpu, a u64, or struct hv_vm */
struct hv_counter {
	const char *name;
	size_t offset;
};

extern const struct hv_counter hv_vcpu_counters[];
extern const unsigned int hv_nr_vcpu_counters;

void hv_stats_init(void);
void hv_stats_exit(void);
void hv_stats_add(struct hv_vm *vm);
void hv_stats_remove(struct hv_vm *vm);		/* before its vCPUs go */

int hv_stats_vm_fd(struct hv_vm *vm);
int hv_stats_vcpu_fd(struct hv_vcpu *vcpu);

#endif /* VELLUM_CORE_STATS_H */
