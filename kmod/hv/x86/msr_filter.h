/* SPDX-License-Identifier: GPL-2.0-only */
/* MSR accesses that user space wants for itself or denies (KVM_X86_SET_MSR_FILTER). */
#ifndef VELLUM_X86_MSR_FILTER_H
#define VELLUM_X86_MSR_FILTER_H

#include <linux/jump_label_ratelimit.h>
#include <linux/kvm.h>

#include "core/vcpu.h"

/* On while any VM has a filter, and for a second more: exits of the others do not pay for it. */
extern struct static_key_false_deferred hv_msr_filter_used;

/* May the guest's RDMSR or WRMSR (@access: KVM_MSR_FILTER_READ or _WRITE) reach @msr? */
bool hv_msr_filter_allows(const struct hv_vcpu *vcpu, u32 msr, u32 access);

/* KVM_X86_SET_MSR_FILTER: 0, -EINVAL, -EFAULT, -ENOMEM */
int hv_msr_filter_set(struct hv_vm *vm, const struct kvm_msr_filter *filter);
void hv_msr_filter_free(struct hv_vm *vm);	/* the VM ends */
void hv_msr_filter_exit(void);			/* module unload */

#endif /* VELLUM_X86_MSR_FILTER_H */
