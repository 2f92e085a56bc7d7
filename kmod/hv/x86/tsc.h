/* SPDX-License-Identifier: GPL-2.0-only */
/* Guest time: TSC offset, kvmclock, steal time. */
#ifndef VELLUM_X86_TSC_H
#define VELLUM_X86_TSC_H

#include <linux/kvm.h>

#include "core/vcpu.h"

/* a new vCPU joins its VM's clock */
void hv_tsc_init(struct hv_vcpu *vcpu);
u64 hv_tsc_guest(struct hv_vcpu *vcpu, u64 host_tsc);		/* scaled and offset */
u64 hv_tsc_host(struct hv_vcpu *vcpu, u64 guest_tsc);		/* the inverse, U64_MAX if beyond */
void hv_tsc_write(struct hv_vcpu *vcpu, u64 guest_tsc, bool host);	/* MSR_IA32_TSC */
void hv_tsc_offset_write(struct hv_vcpu *vcpu, u64 offset);	/* KVM_VCPU_TSC_OFFSET */
void hv_tsc_adjust_write(struct hv_vcpu *vcpu, u64 adjust, bool host);
u32 hv_tsc_rate(const struct hv_vcpu *vcpu);			/* kHz, as it really runs */
bool hv_tscs_agree(struct hv_vm *vm);				/* all vCPUs' show the same */
int hv_tsc_khz_set(struct hv_vcpu *vcpu, u32 khz);		/* KVM_SET_TSC_KHZ: 0 or -EINVAL */

void hv_clock_init(struct hv_vm *vm);
/* HV_REQ_CLOCK_UPDATE; loaded, may sleep */
void hv_clock_update(struct hv_vcpu *vcpu);
/* MSRs: enum hv_msr_result */
int hv_clock_system_time_write(struct hv_vcpu *vcpu, u64 value, bool host);
int hv_clock_wall_write(struct hv_vcpu *vcpu, u64 value);
void hv_clock_get(struct hv_vm *vm, struct kvm_clock_data *data);
int hv_clock_set(struct hv_vm *vm, const struct kvm_clock_data *data);
/* x86/steal.c */
int hv_steal_write(struct hv_vcpu *vcpu, u64 value);		/* MSR: enum hv_msr_result */
void hv_steal_update(struct hv_vcpu *vcpu);			/* HV_REQ_STEAL_UPDATE */
void hv_steal_load(struct hv_vcpu *vcpu);			/* preemption off; as the next */
void hv_steal_preempted(struct hv_vcpu *vcpu);			/* sched-out notifier: atomic */
int hv_clock_kvmclock_ctrl(struct hv_vcpu *vcpu);

#endif /* VELLUM_X86_TSC_H */
