/* SPDX-License-Identifier: GPL-2.0-only */
/* What CPUID tells the guest. */
#ifndef VELLUM_VM_CPUID_H
#define VELLUM_VM_CPUID_H

#include "vm/kvm.h"

struct kvm_cpuid2;

struct kvm_cpuid2 *cpuid_supported(const struct kvm *kvm, struct error *err);
void cpuid_set_topology(struct kvm_cpuid2 *cpuid, u32 cpu, u32 cpus, bool deadline_timer);
u32 cpuid_phys_bits(struct kvm_cpuid2 *cpuid);

#endif
