// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of a vCPU fd. Each runs with the vCPU's mutex held and the vCPU
 * loaded, so that handlers may read and write its registers directly.
 */
#include <linux/fs.h>
#include <linux/nospec.h>
#include <linux/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "core/caps.h"
#include "core/ioctl.h"
#include "core/ops.h"
#include "core/request.h"
#include "core/stats.h"
#include "core/vcpu.h"
#include "irqchip/irqchip.h"
#include "irqchip/lapic.h"
#include "memory/tdp.h"
#include "x86/cpuid.h"
#include "x86/event.h"
#include "x86/fpu.h"
#include "x86/mce.h"
#include "x86/msr.h"
#include "x86/regs.h"
#include "x86/smm.h"
#include "x86/tsc.h"

static long get_regs(void *vcpu, void *arg)
{
	hv_regs_get(vcpu, arg);
	return 0;
}

static long set_regs(void *vcpu, void *arg)
{
	return hv_regs_set(vcpu, arg);
}

static long get_sregs(void *vcpu, void *arg)
{
	hv_sregs_get(vcpu, arg);
	return 0;
}

static long set_sregs(void *vcpu, void *arg)
{
	return hv_sregs_set(vcpu, arg);
}

static long get_sregs2(void *vcpu, void *arg)
{
	hv_sregs2_get(vcpu, arg);
	return 0;
}

static long set_sregs2(void *vcpu, void *arg)
{
	return hv_sregs2_set(vcpu, arg);
}

static long get_fpu(void *vcpu, void *arg)
{
	hv_fpu_get(vcpu, arg);
	return 0;
}

static long set_fpu(void *vcpu, void *arg)
{
	return hv_fpu_set(vcpu, arg);
}

static long get_xsave(void *vcpu, void *arg)
{
	return hv_xsave_get(vcpu, arg, sizeof(struct kvm_xsave));
}

static long xsave_size(struct hv_vcpu *vcpu)
{
	return max_t(long, sizeof(struct kvm_xsave), vcpu->fpu.guest.uabi_size);
}

static long get_xsave2(void *object, void *arg)
{
	struct hv_vcpu *vcpu = object;
	long size = xsave_size(vcpu);
	void *buf = kzalloc(size, GFP_KERNEL_ACCOUNT);
	long ret;

	if (!buf)
		return -ENOMEM;
	ret = hv_xsave_get(vcpu, buf, size);
	if (!ret && copy_to_user((void __user *)arg, buf, size))
		ret = -EFAULT;
	kfree(buf);
	return ret;
}

/* Also takes what KVM_GET_XSAVE2 gave, which is larger when dynamic features are on. */
static long set_xsave(void *object, void *arg)
{
	struct hv_vcpu *vcpu = object;
	void *buf = memdup_user((void __user *)arg, xsave_size(vcpu));
	long ret;

	if (IS_ERR(buf))
		return PTR_ERR(buf);
	ret = hv_xsave_set(vcpu, buf);
	kfree(buf);
	return ret;
}

static long get_xcrs(void *vcpu, void *arg)
{
	hv_xcrs_get(vcpu, arg);
	return 0;
}

static long set_xcrs(void *vcpu, void *arg)
{
	return hv_xcrs_set(vcpu, arg);
}

static long get_debugregs(void *vcpu, void *arg)
{
	hv_debugregs_get(vcpu, arg);
	return 0;
}

static long set_debugregs(void *vcpu, void *arg)
{
	return hv_debugregs_set(vcpu, arg);
}

static long set_guest_debug(void *vcpu, void *arg)
{
	return hv_guest_debug_set(vcpu, arg);
}

static long translate(void *vcpu, void *arg)
{
	return hv_translate(vcpu, arg);
}

static long get_msrs(void *vcpu, void *arg)
{
	return hv_msrs_get(vcpu, (void __user *)arg);
}

static long set_msrs(void *vcpu, void *arg)
{
	return hv_msrs_set(vcpu, (void __user *)arg);
}

static long set_cpuid2(void *vcpu, void *arg)
{
	return hv_cpuid_set2(vcpu, (void __user *)arg);
}

static long set_cpuid(void *vcpu, void *arg)
{
	return hv_cpuid_set(vcpu, (void __user *)arg);
}

static long get_cpuid2(void *vcpu, void *arg)
{
	return hv_cpuid_get2(vcpu, (void __user *)arg);
}

static long get_vcpu_events(void *vcpu, void *arg)
{
	hv_vcpu_events_get(vcpu, arg);
	return 0;
}

static long set_vcpu_events(void *vcpu, void *arg)
{
	return hv_vcpu_events_set(vcpu, arg);
}

static long get_lapic(void *object, void *arg)
{
	struct hv_vcpu *vcpu = object;

	return vcpu->lapic ? hv_lapic_get(vcpu, arg) : -EINVAL;
}

static long set_lapic(void *object, void *arg)
{
	struct hv_vcpu *vcpu = object;

	return vcpu->lapic ? hv_lapic_set(vcpu, arg) : -EINVAL;
}

static long get_mp_state(void *object, void *arg)
{
	struct hv_vcpu *vcpu = object;
	struct kvm_mp_state *state = arg;

	/* What the next KVM_RUN would begin with: there is nowhere else to say that it came. */
	if (vcpu->lapic && vcpu->lapic->pending_events)
		hv_lapic_events(vcpu);
	state->mp_state = vcpu->mp_state;
	/* A kick is not part of the state: its effect is. */
	if (vcpu->mp_state == KVM_MP_STATE_HALTED && READ_ONCE(vcpu->pv.unhalted))
		state->mp_state = KVM_MP_STATE_RUNNABLE;
	return 0;
}

static bool mp_state_valid(struct hv_vcpu *vcpu, u32 state)
{
	switch (state) {
	case KVM_MP_STATE_RUNNABLE:
		return true;
	case KVM_MP_STATE_UNINITIALIZED:
	case KVM_MP_STATE_INIT_RECEIVED:
	case KVM_MP_STATE_HALTED:
	case KVM_MP_STATE_SIPI_RECEIVED:
		/* without a LAPIC nothing could bring it back */
		return vcpu->lapic;
	default:
		return false;
	}
}

static long set_mp_state(void *object, void *arg)
{
	struct hv_vcpu *vcpu = object;
	u32 state = ((struct kvm_mp_state *)arg)->mp_state;

	if (!mp_state_valid(vcpu, state))
		return -EINVAL;
	if (state == KVM_MP_STATE_SIPI_RECEIVED) {
		state = KVM_MP_STATE_INIT_RECEIVED;
		set_bit(HV_APIC_SIPI, &vcpu->lapic->pending_events);
		hv_request(vcpu, HV_REQ_APIC_EVENT);
	}
	vcpu->mp_state = state;
	hv_request(vcpu, HV_REQ_EVENT);
	return 0;
}

/* KVM_INTERRUPT: an acknowledged external interrupt from a PIC in user space. */
static long interrupt(void *object, void *arg)
{
	struct hv_vcpu *vcpu = object;
	u32 vector = ((struct kvm_interrupt *)arg)->irq;

	if (vector >= 256)
		return -EINVAL;
	/* pairs with the release that publishes a finished irqchip */
	if (smp_load_acquire(&vcpu->vm->irqchip))
		return -ENXIO;
	if (vcpu->lapic) {
		if (vcpu->external_vector >= 0)
			return -EEXIST;
		vcpu->external_vector = vector;
	} else {
		vcpu->events.interrupt.injected = true;
		vcpu->events.interrupt.soft = false;
		vcpu->events.interrupt.vector = vector;
	}
	hv_request(vcpu, HV_REQ_EVENT);
	return 0;
}

static long nmi(void *vcpu, void *unused)
{
	hv_vcpu_nmi(vcpu);
	return 0;
}

static long smi(void *vcpu, void *unused)
{
	hv_vcpu_smi(vcpu);
	return 0;
}

static long set_signal_mask(void *object, void *arg)
{
	struct kvm_signal_mask __user *u = (void __user *)arg;
	struct hv_vcpu *vcpu = object;
	struct kvm_signal_mask head;
	sigset_t set;

	if (!u) {
		vcpu->sigset_active = false;
		return 0;
	}
	if (copy_from_user(&head, u, sizeof(head)))
		return -EFAULT;
	if (head.len != sizeof(set))
		return -EINVAL;
	if (copy_from_user(&set, u->sigset, sizeof(set)))
		return -EFAULT;
	sigdelsetmask(&set, sigmask(SIGKILL) | sigmask(SIGSTOP));
	vcpu->sigset = set;
	vcpu->sigset_active = true;
	return 0;
}

static long set_tsc_khz(void *vcpu, void *khz)
{
	if ((unsigned long)khz > U32_MAX)
		return -EINVAL;
	return hv_tsc_khz_set(vcpu, (unsigned long)khz);
}

static long get_tsc_khz(void *object, void *unused)
{
	struct hv_vcpu *vcpu = object;

	return vcpu->tsc.khz;
}

static long kvmclock_ctrl(void *vcpu, void *unused)
{
	return hv_clock_kvmclock_ctrl(vcpu);
}

static long setup_mce(void *vcpu, void *arg)
{
	return hv_mce_setup(vcpu, *(u64 *)arg);
}

static long set_mce(void *vcpu, void *arg)
{
	return hv_mce_inject(vcpu, arg);
}

static long pre_fault_memory(void *vcpu, void *arg)
{
	return hv_pre_fault(vcpu, arg);
}

/*
 * Where guest and hypervisor would share the TPR in memory, for guests patched to spare
 * the exits of TPR writes. Nothing is shared here, so the only address is 0, "none":
 * QEMU sets that at every reset and gives up where it cannot. It asks for another
 * only after KVM_EXIT_TPR_ACCESS, and that is never sent either.
 */
static long set_vapic_addr(void *vcpu, void *arg)
{
	return ((struct kvm_vapic_addr *)arg)->vapic_addr ? -EINVAL : 0;
}

/* The one attribute of a vCPU: how far its TSC is from the host's. */
static long attr_check(const struct kvm_device_attr *attr)
{
	if (attr->flags)
		return -EINVAL;
	return attr->group == KVM_VCPU_TSC_CTRL && attr->attr == KVM_VCPU_TSC_OFFSET ? 0 : -ENXIO;
}

static long has_device_attr(void *vcpu, void *arg)
{
	return attr_check(arg);
}

static long get_device_attr(void *object, void *arg)
{
	const struct kvm_device_attr *attr = arg;
	struct hv_vcpu *vcpu = object;
	long ret = attr_check(attr);

	return ret ?: put_user(vcpu->tsc.offset, (u64 __user *)attr->addr);
}

static long set_device_attr(void *vcpu, void *arg)
{
	const struct kvm_device_attr *attr = arg;
	long ret = attr_check(attr);
	u64 offset;

	if (!ret)
		ret = get_user(offset, (u64 __user *)attr->addr);
	if (!ret)
		hv_tsc_offset_write(vcpu, offset);
	return ret;
}

static long enable_cap(void *vcpu, void *arg)
{
	return hv_vcpu_enable_cap(vcpu, arg);
}

static const struct hv_ioctl vcpu_ioctls[] = {
	{ KVM_GET_REGS, HV_ARG_OUT, get_regs },
	{ KVM_SET_REGS, HV_ARG_IN, set_regs },
	{ KVM_GET_SREGS, HV_ARG_OUT, get_sregs },
	{ KVM_SET_SREGS, HV_ARG_IN, set_sregs },
	{ KVM_GET_SREGS2, HV_ARG_OUT, get_sregs2 },
	{ KVM_SET_SREGS2, HV_ARG_IN, set_sregs2 },
	{ KVM_INTERRUPT, HV_ARG_IN, interrupt },
	{ KVM_NMI, HV_ARG_VALUE, nmi },
	{ KVM_SMI, HV_ARG_VALUE, smi },
	{ KVM_GET_MSRS, HV_ARG_USER, get_msrs },
	{ KVM_SET_MSRS, HV_ARG_USER, set_msrs },
	{ KVM_SET_CPUID, HV_ARG_USER, set_cpuid },
	{ KVM_SET_CPUID2, HV_ARG_USER, set_cpuid2 },
	{ KVM_GET_CPUID2, HV_ARG_USER, get_cpuid2 },
	{ KVM_GET_FPU, HV_ARG_OUT, get_fpu },
	{ KVM_SET_FPU, HV_ARG_IN, set_fpu },
	{ KVM_GET_XSAVE, HV_ARG_OUT, get_xsave },
	{ KVM_GET_XSAVE2, HV_ARG_USER, get_xsave2 },
	{ KVM_SET_XSAVE, HV_ARG_USER, set_xsave },
	{ KVM_GET_XCRS, HV_ARG_OUT, get_xcrs },
	{ KVM_SET_XCRS, HV_ARG_IN, set_xcrs },
	{ KVM_GET_DEBUGREGS, HV_ARG_OUT, get_debugregs },
	{ KVM_SET_DEBUGREGS, HV_ARG_IN, set_debugregs },
	{ KVM_SET_GUEST_DEBUG, HV_ARG_IN, set_guest_debug },
	{ KVM_TRANSLATE, HV_ARG_IN | HV_ARG_OUT, translate },
	{ KVM_GET_VCPU_EVENTS, HV_ARG_OUT, get_vcpu_events },
	{ KVM_SET_VCPU_EVENTS, HV_ARG_IN, set_vcpu_events },
	{ KVM_GET_LAPIC, HV_ARG_OUT, get_lapic },
	{ KVM_SET_LAPIC, HV_ARG_IN, set_lapic },
	{ KVM_GET_MP_STATE, HV_ARG_OUT, get_mp_state },
	{ KVM_SET_MP_STATE, HV_ARG_IN, set_mp_state },
	{ KVM_SET_SIGNAL_MASK, HV_ARG_USER, set_signal_mask },
	{ KVM_SET_TSC_KHZ, HV_ARG_VALUE, set_tsc_khz },
	{ KVM_GET_TSC_KHZ, HV_ARG_VALUE, get_tsc_khz },
	{ KVM_KVMCLOCK_CTRL, HV_ARG_VALUE, kvmclock_ctrl },
	{ KVM_SET_VAPIC_ADDR, HV_ARG_IN, set_vapic_addr },
	{ KVM_X86_SETUP_MCE, HV_ARG_IN, setup_mce },
	{ KVM_X86_SET_MCE, HV_ARG_IN, set_mce },
	{ KVM_PRE_FAULT_MEMORY, HV_ARG_IN | HV_ARG_OUT, pre_fault_memory },
	{ KVM_ENABLE_CAP, HV_ARG_IN, enable_cap },
	{ KVM_HAS_DEVICE_ATTR, HV_ARG_IN, has_device_attr },
	{ KVM_GET_DEVICE_ATTR, HV_ARG_IN, get_device_attr },
	{ KVM_SET_DEVICE_ATTR, HV_ARG_IN, set_device_attr },
};

static long dispatch(struct hv_vcpu *vcpu, unsigned int cmd, unsigned long arg)
{
	if (likely(cmd == KVM_RUN))
		return arg ? -EINVAL : hv_vcpu_run(vcpu);
	return hv_ioctl_dispatch(vcpu_ioctls, ARRAY_SIZE(vcpu_ioctls), vcpu, cmd, arg);
}

long hv_vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct hv_vcpu *vcpu = file->private_data;
	struct hv_vm *vm = vcpu->vm;
	long ret;

	if (unlikely(current->mm != vm->mm || READ_ONCE(vm->dead)))
		return -EIO;
	if (unlikely(_IOC_TYPE(cmd) != KVMIO))
		return -EINVAL;
	/* Counters are read while the vCPU runs, so this does not wait for it. */
	if (unlikely(cmd == KVM_GET_STATS_FD))
		return arg ? -EINVAL : hv_stats_vcpu_fd(vcpu);
	if (mutex_lock_killable(&vcpu->mutex))
		return -EINTR;
	/* Again, under the mutex: hw_reboot() waits for it after it killed the VM. */
	if (likely(!READ_ONCE(vm->dead))) {
		hv_vcpu_load(vcpu);
		ret = dispatch(vcpu, cmd, arg);
		hv_vcpu_put(vcpu);
	} else {
		ret = -EIO;
	}
	mutex_unlock(&vcpu->mutex);
	return ret;
}
