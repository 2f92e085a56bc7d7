// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attributes of the system fd. The one there is, KVM_X86_XCOMP_GUEST_SUPP, says
 * which XSAVE components a VMM may ask permission for and offer its guests.
 */
#include <linux/uaccess.h>

#include "x86/fpu.h"
#include "x86/sys_attr.h"

static long attr_check(const struct kvm_device_attr *attr)
{
	if (attr->flags)
		return -EINVAL;
	return !attr->group && attr->attr == KVM_X86_XCOMP_GUEST_SUPP ? 0 : -ENXIO;
}

static long attr_read(struct kvm_device_attr *attr, const struct kvm_device_attr __user *u)
{
	if (copy_from_user(attr, u, sizeof(*attr)))
		return -EFAULT;
	return attr_check(attr);
}

long hv_sys_attr_has(const struct kvm_device_attr __user *u)
{
	struct kvm_device_attr attr;

	return attr_read(&attr, u);
}

long hv_sys_attr_get(const struct kvm_device_attr __user *u)
{
	struct kvm_device_attr attr;
	long ret = attr_read(&attr, u);

	if (ret)
		return ret;
	return put_user(hv_fpu_supported_xcr0(), (u64 __user *)(unsigned long)attr.addr);
}
