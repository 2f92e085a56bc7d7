/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the MSR code share. */
#ifndef VELLUM_X86_MSR_INT_H
#define VELLUM_X86_MSR_INT_H

#include "core/vcpu.h"

/* All return enum hv_msr_result. */

/* x86/msr_misc.c: registers off every hot path */
int hv_msr_misc_read(struct hv_vcpu *vcpu, u32 msr, u64 *value, bool host);
int hv_msr_misc_write(struct hv_vcpu *vcpu, u32 msr, u64 value, bool host);
/* x86/mce.c: banks and MCG registers */
bool hv_mce_owns(const struct hv_vcpu *vcpu, u32 msr);
int hv_mce_read(struct hv_vcpu *vcpu, u32 msr, u64 *value);
int hv_mce_write(struct hv_vcpu *vcpu, u32 msr, u64 value, bool host);

/* x86/msr_lists.c: the value a feature MSR has on this host; HV_MSR_UNKNOWN: not a feature MSR */
int hv_msr_feature(u32 msr, u64 *value);

#endif /* VELLUM_X86_MSR_INT_H */
