/* SPDX-License-Identifier: GPL-2.0-only */
/* Model-specific registers: the shared ones, the lists, the ioctls. */
#ifndef VELLUM_X86_MSR_H
#define VELLUM_X86_MSR_H

#include <linux/kvm.h>

#include "core/vcpu.h"

/* exits: ECX, EDX:EAX of @vcpu; #GP, skip @len, or KVM_EXIT_X86_RDMSR, _WRMSR */
int hv_handle_rdmsr(struct hv_vcpu *vcpu, unsigned int len);
int hv_handle_wrmsr(struct hv_vcpu *vcpu, unsigned int len);

/* ioctls: the number of MSRs processed, or -errno */
int hv_msrs_get(struct hv_vcpu *vcpu, struct kvm_msrs __user *u);	/* loaded */
int hv_msrs_set(struct hv_vcpu *vcpu, struct kvm_msrs __user *u);	/* loaded */
int hv_msrs_get_feature(struct kvm_msrs __user *u);		/* system fd */
int hv_msr_index_list(struct kvm_msr_list __user *u);
int hv_msr_feature_index_list(struct kvm_msr_list __user *u);

/* IA32_APIC_BASE: bits and mode transition; set: of a valid value, by the host */
bool hv_apic_base_valid(struct hv_vcpu *vcpu, u64 value, bool host);
void hv_apic_base_set(struct hv_vcpu *vcpu, u64 value);

void hv_msr_reset(struct hv_vcpu *vcpu, bool init);
int hv_msr_init(void);		/* module load: which of the listed MSRs exist here */

#endif /* VELLUM_X86_MSR_H */
