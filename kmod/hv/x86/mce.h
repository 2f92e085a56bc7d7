/* SPDX-License-Identifier: GPL-2.0-only */
/* Machine checks that user space injects. The bank MSRs are in msr.c. */
#ifndef VELLUM_X86_MCE_H
#define VELLUM_X86_MCE_H

#include <linux/kvm.h>

#include "core/vcpu.h"

#define HV_MAX_MCE_BANKS	32

long hv_mce_cap_supported(u64 __user *u);		/* KVM_X86_GET_MCE_CAP_SUPPORTED */
/* KVM_X86_SETUP_MCE: -EINVAL for no or too many banks or unknown capability bits */
int hv_mce_setup(struct hv_vcpu *vcpu, u64 mcg_cap);
/* KVM_X86_SET_MCE: -EINVAL for a bank beyond mcg_cap or a status without VAL */
int hv_mce_inject(struct hv_vcpu *vcpu, const struct kvm_x86_mce *mce);

#endif /* VELLUM_X86_MCE_H */
