// SPDX-License-Identifier: GPL-2.0-only
/*
 * Vellum: a hypervisor in a module.
 *
 * The composition root. It asks each back end whether this CPU is its own,
 * keeps the one that says yes and offers it to user space as /dev/vellum, which
 * speaks the KVM ioctl ABI of <linux/kvm.h>.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/vellum.h>

#include "core/caps.h"
#include "core/eventfd.h"
#include "core/hw.h"
#include "core/ops.h"
#include "core/stats.h"
#include "core/vcpu.h"
#include "core/vm.h"
#include "memory/gmem.h"
#include "svm/svm.h"
#include "vmx/vmx.h"
#include "x86/async_pf.h"
#include "x86/cpuid.h"
#include "x86/mce.h"
#include "x86/msr.h"
#include "x86/msr_filter.h"
#include "x86/sys_attr.h"

#define CREATE_TRACE_POINTS
#include "core/trace.h"

static bool kvm_node;
module_param(kvm_node, bool, 0444);
MODULE_PARM_DESC(kvm_node, "also offer /dev/kvm; kvm must not be loaded (default: false)");

const struct hv_ops *hv_ops;
struct hv_caps hv_caps;

static const struct hv_ops *const back_ends[] = {
	&hv_vmx_ops,
	&hv_svm_ops,
};

static long system_ioctl(struct file *file, unsigned int ioctl, unsigned long arg)
{
	void __user *u = (void __user *)arg;

	switch (ioctl) {
	case KVM_GET_API_VERSION:
		return arg ? -EINVAL : KVM_API_VERSION;
	case KVM_CREATE_VM:
		return hv_vm_create(arg);
	case KVM_CHECK_EXTENSION:
		return hv_check_extension(NULL, arg);
	case KVM_GET_VCPU_MMAP_SIZE:
		return arg ? -EINVAL : HV_RUN_MMAP_SIZE;
	case KVM_GET_SUPPORTED_CPUID:
		return hv_cpuid_supported(u, false);
	case KVM_GET_EMULATED_CPUID:
		return hv_cpuid_supported(u, true);
	case KVM_GET_MSR_INDEX_LIST:
		return hv_msr_index_list(u);
	case KVM_GET_MSR_FEATURE_INDEX_LIST:
		return hv_msr_feature_index_list(u);
	case KVM_GET_MSRS:
		return hv_msrs_get_feature(u);
	case KVM_X86_GET_MCE_CAP_SUPPORTED:
		return hv_mce_cap_supported(u);
	case KVM_HAS_DEVICE_ATTR:
		return hv_sys_attr_has(u);
	case KVM_GET_DEVICE_ATTR:
		return hv_sys_attr_get(u);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations system_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = system_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice vellum_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = VELLUM_DEVICE_NAME,
	.fops = &system_fops,
	.mode = 0660,
};

static struct miscdevice kvm_device = {
	.minor = KVM_MINOR,
	.name = "kvm",
	.fops = &system_fops,
	.mode = 0660,
};

static int choose_back_end(void)
{
	int i, ret = -ENODEV;

	for (i = 0; i < ARRAY_SIZE(back_ends); i++) {
		ret = back_ends[i]->probe(&hv_caps);
		if (!ret) {
			hv_ops = back_ends[i];
			hv_run_init();
			return 0;
		}
		if (ret != -ENODEV)
			return ret;
	}
	pr_err(pr_hv_fmt("this CPU offers neither VT-x nor AMD-V\n"));
	return ret;
}

static int register_devices(void)
{
	int ret = misc_register(&vellum_device);

	if (ret || !kvm_node)
		return ret;
	ret = misc_register(&kvm_device);
	if (!ret)
		return 0;
	pr_err(pr_hv_fmt("kvm_node=1: /dev/kvm is taken, unload kvm first\n"));
	misc_deregister(&vellum_device);
	return ret;
}

static int __init vellum_init(void)
{
	int ret = choose_back_end();

	if (ret)
		return ret;
	ret = hv_msr_init();
	if (ret)
		goto unprobe;
	ret = hv_irqfd_init();
	if (ret)
		goto unprobe;
	ret = hv_gmem_init();
	if (ret)
		goto irqfd;
	ret = hv_async_pf_init();
	if (ret)
		goto gmem;
	ret = hv_hw_init();
	if (ret)
		goto async_pf;
	/* For the module's life rather than a VM's: each change patches the scheduler's code. */
	preempt_notifier_inc();
	ret = register_devices();
	if (ret)
		goto hw;
	hv_stats_init();
	pr_info(pr_hv_fmt("ready on %s\n"), hv_ops->name);
	return 0;
hw:
	preempt_notifier_dec();
	hv_hw_exit();
async_pf:
	hv_async_pf_exit();
gmem:
	hv_gmem_exit();
irqfd:
	hv_irqfd_exit();
unprobe:
	hv_ops->unprobe();
	return ret;
}

static void __exit vellum_exit(void)
{
	hv_stats_exit();
	if (kvm_node)
		misc_deregister(&kvm_device);
	misc_deregister(&vellum_device);
	preempt_notifier_dec();
	hv_hw_exit();
	hv_msr_filter_exit();
	hv_async_pf_exit();
	hv_gmem_exit();
	hv_irqfd_exit();
	hv_ops->unprobe();
}

module_init(vellum_init);
module_exit(vellum_exit);

MODULE_AUTHOR("The Vellum developers");
MODULE_DESCRIPTION("Vellum hypervisor (VT-x, AMD-V) with the KVM ioctl ABI");
MODULE_LICENSE("GPL");
