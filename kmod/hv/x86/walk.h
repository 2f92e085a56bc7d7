/* SPDX-License-Identifier: GPL-2.0-only */
/* The guest's own page tables, walked in software (for the emulator and KVM_TRANSLATE). */
#ifndef VELLUM_X86_WALK_H
#define VELLUM_X86_WALK_H

#include "core/vcpu.h"

enum hv_access {
	HV_ACCESS_WRITE	 = BIT(0),
	HV_ACCESS_USER	 = BIT(1),	/* CPL 3 */
	HV_ACCESS_EXEC	 = BIT(2),
	/* supervisor regardless of CPL (descriptor tables); SMAP ignores AC */
	HV_ACCESS_IMPLICIT = BIT(3),
	HV_ACCESS_PROBE	 = BIT(4),	/* do not set accessed and dirty bits */
};

#define HV_WALK_LEVELS	5

/**
 * struct hv_walk - the outcome of a walk: @gpa, or the page fault to raise
 * @gpa: guest-physical address
 * @error: page-fault error code if the walk failed
 * @writable: what all levels allow
 * @user: likewise
 * @nr: entries that were read in memory, the root's first
 * @entry: where they are, and what they held before accessed and dirty bits were set
 */
struct hv_walk {
	u64 gpa;
	u32 error;
	bool writable, user;
	u8 nr;
	struct {
		u64 gpa, value;
	} entry[HV_WALK_LEVELS];
};

/* 0; 1: page fault with @walk->error; -EFAULT: the tables are not in memory */
int hv_walk(struct hv_vcpu *vcpu, u64 linear, u32 access, struct hv_walk *walk);

#endif /* VELLUM_X86_WALK_H */
