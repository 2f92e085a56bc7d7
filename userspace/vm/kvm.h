/* SPDX-License-Identifier: GPL-2.0-only */
/* The hypervisor device and the VM made from it; the same ABI on /dev/vellum and /dev/kvm. */
#ifndef VELLUM_VM_KVM_H
#define VELLUM_VM_KVM_H

#include "util/error.h"
#include "util/types.h"

/**
 * struct kvm - one open hypervisor and at most one VM
 * @path: device, for messages
 * @dev_fd: system descriptor, -1 when closed
 * @vm_fd: VM descriptor, -1 before kvm_create_vm()
 * @run_size: bytes of a vCPU's shared run page
 * @max_vcpus: what the hypervisor allows per VM
 */
struct kvm {
	const char *path;
	int dev_fd;
	int vm_fd;
	size_t run_size;
	u32 max_vcpus;
};

int kvm_open(struct kvm *kvm, const char *path, struct error *err);
int kvm_create_vm(struct kvm *kvm, struct error *err);
void kvm_close(struct kvm *kvm);

int kvm_cap(const struct kvm *kvm, unsigned int cap);
int kvm_fail(const struct kvm *kvm, const char *what, struct error *err);

#endif
