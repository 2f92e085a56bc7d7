/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copies to and from guest-physical memory as a vCPU sees it: in the address space it is
 * in. By its own task only, in a vCPU ioctl or the run loop. May sleep; take vm->srcu themselves.
 * All return 0 or -EFAULT (no slot, read-only slot on write, user fault).
 */
#ifndef VELLUM_MEMORY_GUEST_H
#define VELLUM_MEMORY_GUEST_H

#include "core/vm.h"

int hv_guest_read(struct hv_vcpu *vcpu, u64 gpa, void *buf, unsigned long len);
int hv_guest_read_once(struct hv_vcpu *vcpu, u64 gpa, u64 *val, unsigned int size);
int hv_guest_write(struct hv_vcpu *vcpu, u64 gpa, const void *buf, unsigned long len);
/*
 * Atomic compare-and-exchange of 1, 2, 4, 8 or 16 aligned bytes: 0,
 * -EAGAIN (differed; *old updated), -EFAULT
 */
int hv_guest_cmpxchg(struct hv_vcpu *vcpu, u64 gpa, void *old, const void *new, unsigned int len);
/* What takes more than one of these, at once: @update returns 0 or -EFAULT */
typedef int (*hv_guest_update_fn)(void __user *area, void *arg);
int hv_guest_update(struct hv_vcpu *vcpu, u64 gpa, unsigned long len, hv_guest_update_fn update,
		    void *arg);
/* true if the whole range lies in slots (writable ones for @write) */
bool hv_guest_backed(struct hv_vcpu *vcpu, u64 gpa, unsigned long len, bool write);

#endif /* VELLUM_MEMORY_GUEST_H */
