/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers and structures of the KVM ABI that <linux/kvm.h> of an older kernel lacks. */
#ifndef VELLUM_COMPAT_KVM_ABI_H
#define VELLUM_COMPAT_KVM_ABI_H

#include <linux/kvm.h>

/* 6.8 */
#ifndef KVM_CAP_USER_MEMORY2
#define KVM_CAP_USER_MEMORY2	231
#define KVM_MEM_GUEST_MEMFD	_BITUL(2)

struct kvm_userspace_memory_region2 {
	__u32 slot;
	__u32 flags;
	__u64 guest_phys_addr;
	__u64 memory_size;
	__u64 userspace_addr;
	__u64 guest_memfd_offset;
	__u32 guest_memfd;
	__u32 pad1;
	__u64 pad2[14];
};

#define KVM_SET_USER_MEMORY_REGION2 \
	_IOW(KVMIO, 0x49, struct kvm_userspace_memory_region2)
#endif

#endif /* VELLUM_COMPAT_KVM_ABI_H */
