/* SPDX-License-Identifier: GPL-2.0-only */
/* Attributes of the system fd, KVM_CAP_SYS_ATTRIBUTES. */
#ifndef VELLUM_X86_SYS_ATTR_H
#define VELLUM_X86_SYS_ATTR_H

#include <linux/kvm.h>

/*
 * KVM_HAS_DEVICE_ATTR and KVM_GET_DEVICE_ATTR: -EINVAL for flags, -ENXIO for an
 * attribute that is not KVM_X86_XCOMP_GUEST_SUPP, -EFAULT
 */
long hv_sys_attr_has(const struct kvm_device_attr __user *u);
long hv_sys_attr_get(const struct kvm_device_attr __user *u);

#endif /* VELLUM_X86_SYS_ATTR_H */
