/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory types as the guest sets them: MTRRs and the PAT. */
#ifndef VELLUM_X86_MTRR_H
#define VELLUM_X86_MTRR_H

#include "core/vcpu.h"

bool hv_mtrr_owns(u32 msr);
/* enum hv_msr_result */
int hv_mtrr_read(struct hv_vcpu *vcpu, u32 msr, u64 *value);
int hv_mtrr_write(struct hv_vcpu *vcpu, u32 msr, u64 value);
bool hv_pat_valid(u64 pat);

#endif /* VELLUM_X86_MTRR_H */
