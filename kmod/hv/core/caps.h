/* SPDX-License-Identifier: GPL-2.0-only */
/* KVM_CHECK_EXTENSION and KVM_ENABLE_CAP (core/caps.c). */
#ifndef VELLUM_CORE_CAPS_H
#define VELLUM_CORE_CAPS_H

struct hv_vm;
struct hv_vcpu;
struct kvm_enable_cap;

long hv_check_extension(struct hv_vm *vm, unsigned long cap);	/* vm may be NULL */
long hv_vm_enable_cap(struct hv_vm *vm, const struct kvm_enable_cap *cap);
long hv_vcpu_enable_cap(struct hv_vcpu *vcpu, const struct kvm_enable_cap *cap);

#endif /* VELLUM_CORE_CAPS_H */
