// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_CHECK_EXTENSION and KVM_ENABLE_CAP.
 *
 * A capability is claimed here only if the code behind it is in this module;
 * whatever is not listed is answered 0, as the ABI has it.
 */
#include <linux/cpumask.h>
#include <uapi/linux/kvm_para.h>

#include "compat/kvm_abi.h"
#include "core/caps.h"
#include "core/ops.h"
#include "core/request.h"
#include "core/vcpu.h"
#include "core/vm.h"
#include "irqchip/irqchip.h"
#include "irqchip/lapic.h"
#include "memory/dirty.h"
#include "memory/gmem.h"
#include "x86/fpu.h"
#include "x86/mce.h"

#define HV_X2APIC_FLAGS \
	(KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)

#define HV_MAX_SPLIT_PINS	240	/* HV_MAX_IRQ_ROUTES and the EOI bitmap allow no more */

/*
 * LAPIC_MMIO_HOLE and SLOT_ZAP_ALL describe what never happens here: switching them off is granted.
 */
#define HV_QUIRKS \
	(KVM_X86_QUIRK_LINT0_REENABLED | KVM_X86_QUIRK_LAPIC_MMIO_HOLE |		\
	 KVM_X86_QUIRK_OUT_7E_INC_RIP | KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT |	\
	 KVM_X86_QUIRK_FIX_HYPERCALL_INSN | KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS |	\
	 KVM_X86_QUIRK_SLOT_ZAP_ALL)

#define HV_MSR_EXIT_REASONS \
	(KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_FILTER)

#define HV_DIRTY_PROTECT_FLAGS \
	(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET)

#define HV_BUS_LOCK_MODES	(KVM_BUS_LOCK_DETECTION_OFF | KVM_BUS_LOCK_DETECTION_EXIT)

#define HV_NOTIFY_FLAGS		(KVM_X86_NOTIFY_VMEXIT_ENABLED | KVM_X86_NOTIFY_VMEXIT_USER)

struct cap_value {
	u16 cap;
	int value;
};

/* Answers that depend on nothing. */
static const struct cap_value constant_caps[] = {
	{ KVM_CAP_IRQCHIP, 1 },
	{ KVM_CAP_HLT, 1 },
	{ KVM_CAP_USER_MEMORY, 1 },
	{ KVM_CAP_SET_TSS_ADDR, 1 },
	{ KVM_CAP_EXT_CPUID, 1 },
	{ KVM_CAP_EXT_EMUL_CPUID, 1 },
	{ KVM_CAP_CLOCKSOURCE, 1 },
	{ KVM_CAP_NR_MEMSLOTS, HV_MAX_MEMSLOTS },
	{ KVM_CAP_PIT, 1 },
	{ KVM_CAP_NOP_IO_DELAY, 1 },
	{ KVM_CAP_MP_STATE, 1 },
	{ KVM_CAP_COALESCED_MMIO, KVM_COALESCED_MMIO_PAGE_OFFSET },
	{ KVM_CAP_COALESCED_PIO, 1 },
	{ KVM_CAP_SYNC_MMU, 1 },
	{ KVM_CAP_DESTROY_MEMORY_REGION_WORKS, 1 },
	{ KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, 1 },
	{ KVM_CAP_USER_NMI, 1 },
	{ KVM_CAP_SET_GUEST_DEBUG, 1 },
	{ KVM_CAP_SET_GUEST_DEBUG2, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP |
				    KVM_GUESTDBG_USE_HW_BP | KVM_GUESTDBG_USE_SW_BP |
				    KVM_GUESTDBG_INJECT_BP | KVM_GUESTDBG_INJECT_DB |
				    KVM_GUESTDBG_BLOCKIRQ },
	{ KVM_CAP_IRQ_ROUTING, HV_MAX_IRQ_ROUTES },
	{ KVM_CAP_IRQ_INJECT_STATUS, 1 },
	{ KVM_CAP_MCE, HV_MAX_MCE_BANKS },
	{ KVM_CAP_IRQFD, 1 },
	{ KVM_CAP_SET_BOOT_CPU_ID, 1 },
	{ KVM_CAP_IOEVENTFD, 1 },
	{ KVM_CAP_IOEVENTFD_NO_LENGTH, 1 },
	{ KVM_CAP_IOEVENTFD_ANY_LENGTH, 1 },
	{ KVM_CAP_SET_IDENTITY_MAP_ADDR, 1 },
	{ KVM_CAP_ADJUST_CLOCK, KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC },
	{ KVM_CAP_INTERNAL_ERROR_DATA, 1 },
	{ KVM_CAP_ASYNC_PF, 1 },
	{ KVM_CAP_ASYNC_PF_INT, 1 },
	{ KVM_CAP_MULTI_ADDRESS_SPACE, HV_ADDRESS_SPACES },
	{ KVM_CAP_VCPU_EVENTS, 1 },
	{ KVM_CAP_INTR_SHADOW, 1 },
	{ KVM_CAP_DEBUGREGS, 1 },
	{ KVM_CAP_X86_ROBUST_SINGLESTEP, 1 },
	{ KVM_CAP_ENABLE_CAP, 1 },
	{ KVM_CAP_ENABLE_CAP_VM, 1 },
	{ KVM_CAP_CHECK_EXTENSION_VM, 1 },
	{ KVM_CAP_XSAVE, 1 },
	{ KVM_CAP_GET_TSC_KHZ, 1 },
	{ KVM_CAP_TSC_DEADLINE_TIMER, 1 },
	{ KVM_CAP_KVMCLOCK_CTRL, 1 },
	{ KVM_CAP_SIGNAL_MSI, 1 },
	{ KVM_CAP_READONLY_MEM, 1 },
	{ KVM_CAP_IOAPIC_POLARITY_IGNORED, 1 },
	{ KVM_CAP_SPLIT_IRQCHIP, 1 },
	{ KVM_CAP_MAX_VCPUS, HV_MAX_VCPUS },
	{ KVM_CAP_MAX_VCPU_ID, HV_MAX_VCPU_ID },
	{ KVM_CAP_X2APIC_API, HV_X2APIC_FLAGS },
	{ KVM_CAP_IMMEDIATE_EXIT, 1 },
	{ KVM_CAP_GET_MSR_FEATURES, 1 },
	{ KVM_CAP_MSR_PLATFORM_INFO, 1 },
	{ KVM_CAP_EXCEPTION_PAYLOAD, 1 },
	{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, HV_DIRTY_PROTECT_FLAGS },
	{ KVM_CAP_X86_USER_SPACE_MSR, 1 },
	{ KVM_CAP_X86_MSR_FILTER, 1 },
	{ KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1 },
	{ KVM_CAP_VCPU_ATTRIBUTES, 1 },
	{ KVM_CAP_DISABLE_QUIRKS, 1 },
	{ KVM_CAP_DISABLE_QUIRKS2, HV_QUIRKS },
	{ KVM_CAP_X86_SMM, 1 },
	{ KVM_CAP_SYNC_REGS, KVM_SYNC_X86_VALID_FIELDS },
	{ KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1 },
	{ KVM_CAP_HALT_POLL, 1 },
	{ KVM_CAP_EXIT_HYPERCALL, BIT(KVM_HC_MAP_GPA_RANGE) },
	{ KVM_CAP_X86_APIC_BUS_CYCLES_NS, HV_APIC_BUS_CYCLE_NS },
	{ KVM_CAP_BINARY_STATS_FD, 1 },
	{ KVM_CAP_SREGS2, 1 },
	{ KVM_CAP_SYS_ATTRIBUTES, 1 },
	{ KVM_CAP_EXIT_ON_EMULATION_FAILURE, 1 },
	{ KVM_CAP_DIRTY_LOG_RING, HV_DIRTY_RING_MAX_BYTES },
	{ KVM_CAP_DIRTY_LOG_RING_ACQ_REL, HV_DIRTY_RING_MAX_BYTES },
	{ KVM_CAP_MMU_SHADOW_CACHE_CONTROL, 1 },
	{ KVM_CAP_USER_MEMORY2, 1 },
	{ KVM_CAP_MEMORY_FAULT_INFO, 1 },
	{ KVM_CAP_PRE_FAULT_MEMORY, 1 },
	{ KVM_CAP_VM_TYPES, BIT(KVM_X86_DEFAULT_VM) | BIT(KVM_X86_SW_PROTECTED_VM) },
};

static long constant_cap(unsigned long cap)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(constant_caps); i++)
		if (constant_caps[i].cap == cap)
			return constant_caps[i].value;
	return 0;
}

/* A CPU in the guest's MWAIT must wake as from the host's own: by interrupts and by timers. */
static u64 exits_to_disable(void)
{
	u64 exits = KVM_X86_DISABLE_EXITS_HLT | KVM_X86_DISABLE_EXITS_PAUSE;

	if (boot_cpu_has(X86_FEATURE_MWAIT) && boot_cpu_has(X86_FEATURE_ARAT) &&
	    !boot_cpu_has_bug(X86_BUG_MONITOR))
		exits |= KVM_X86_DISABLE_EXITS_MWAIT;
	if (hv_caps.has_cstate_msrs)
		exits |= KVM_X86_DISABLE_EXITS_CSTATE;
	return exits;
}

/**
 * hv_check_extension() - KVM_CHECK_EXTENSION
 * @vm: the VM asked, or NULL for the system
 * @cap: KVM_CAP_*
 *
 * Return: 0 if there is no such capability here, else its documented value.
 */
long hv_check_extension(struct hv_vm *vm, unsigned long cap)
{
	switch (cap) {
	case KVM_CAP_NR_VCPUS:
		return min_t(unsigned int, num_online_cpus(), HV_MAX_VCPUS);
	case KVM_CAP_XCRS:
		return boot_cpu_has(X86_FEATURE_XSAVE);
	case KVM_CAP_X86_DISABLE_EXITS:
		return exits_to_disable();
	case KVM_CAP_X86_BUS_LOCK_EXIT:
		return hv_caps.has_bus_lock_exit ? HV_BUS_LOCK_MODES : 0;
	case KVM_CAP_X86_NOTIFY_VMEXIT:
		return hv_caps.has_notify_exit;
	case KVM_CAP_XSAVE2:
		return hv_xsave2_size();
	case KVM_CAP_TSC_CONTROL:
	case KVM_CAP_VM_TSC_CONTROL:
		return hv_caps.has_tsc_scaling;
	case KVM_CAP_REINJECT_CONTROL:
	case KVM_CAP_IRQFD_RESAMPLE:
	case KVM_CAP_PIT2:
	case KVM_CAP_PIT_STATE2:
		return !vm || !READ_ONCE(vm->split_irqchip);
	case KVM_CAP_MEMORY_ATTRIBUTES:
		return hv_attributes_supported(vm);
	case KVM_CAP_GUEST_MEMFD:
		return !vm || vm->attributes;
	default:
		return constant_cap(cap);
	}
}

static long enable_split_irqchip(struct hv_vm *vm, u64 pins)
{
	if (pins > HV_MAX_SPLIT_PINS)
		return -EINVAL;
	return hv_irqchip_create_split(vm);
}

static long enable_x2apic_api(struct hv_vm *vm, u64 flags)
{
	if (flags & ~(u64)HV_X2APIC_FLAGS)
		return -EINVAL;
	if (flags & KVM_X2APIC_API_USE_32BIT_IDS)
		vm->x2apic_format = true;
	if (flags & KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)
		vm->x2apic_broadcast_quirk_off = true;
	return 0;
}

static long disable_exits(struct hv_vm *vm, u64 exits)
{
	if (exits & ~exits_to_disable())
		return -EINVAL;
	vm->disabled_exits |= exits;
	hv_vm_request_all(vm, HV_REQ_INTERCEPTS);
	return 0;
}

/* The modes exclude each other. */
static long bus_lock_exits(struct hv_vm *vm, u64 mode)
{
	if (!hv_caps.has_bus_lock_exit || (mode & ~(u64)HV_BUS_LOCK_MODES) ||
	    mode == HV_BUS_LOCK_MODES)
		return -EINVAL;
	vm->bus_lock_exits = mode & KVM_BUS_LOCK_DETECTION_EXIT;
	hv_vm_request_all(vm, HV_REQ_INTERCEPTS);
	return 0;
}

/* The window is in the upper half. */
static long notify_exits(struct hv_vm *vm, u64 arg)
{
	u32 flags = lower_32_bits(arg);

	if (!hv_caps.has_notify_exit || (flags & ~HV_NOTIFY_FLAGS) ||
	    !(flags & KVM_X86_NOTIFY_VMEXIT_ENABLED) || vm->created_vcpus)
		return -EINVAL;
	vm->notify_flags = flags;
	vm->notify_window = upper_32_bits(arg);
	return 0;
}

/* The slowest: 32 bits of count by 128 are 52 days, which fit in any clock's 64 bits of ticks. */
#define HV_APIC_BUS_CYCLE_NS_MAX	BIT(13)

static long apic_bus_cycle(struct hv_vm *vm, u64 ns)
{
	if (!ns || ns > HV_APIC_BUS_CYCLE_NS_MAX || vm->created_vcpus)
		return -EINVAL;
	if (!hv_vm_irqchip_in_kernel(vm))
		return -ENXIO;
	vm->apic_bus_cycle_ns = ns;
	return 0;
}

static long halt_poll(struct hv_vm *vm, u64 ns)
{
	if (ns > U32_MAX)
		return -EINVAL;
	WRITE_ONCE(vm->halt_poll_ns, ns);
	smp_wmb();	/* the time before what says to use it */
	WRITE_ONCE(vm->halt_poll_set, true);
	return 0;
}

static long hypercall_exits(struct hv_vm *vm, u64 mask)
{
	if (mask & ~(u64)BIT(KVM_HC_MAP_GPA_RANGE))
		return -EINVAL;
	vm->hypercall_exits = mask;
	return 0;
}

/* The older capability came before the list of quirks: what it names beyond that is ignored. */
static long disable_quirks(struct hv_vm *vm, u64 quirks, bool strict)
{
	if (strict && (quirks & ~(u64)HV_QUIRKS))
		return -EINVAL;
	WRITE_ONCE(vm->disabled_quirks, vm->disabled_quirks | (quirks & HV_QUIRKS));
	return 0;
}

static long enable_user_space_msr(struct hv_vm *vm, u64 reasons)
{
	if (reasons & ~(u64)HV_MSR_EXIT_REASONS)
		return -EINVAL;
	WRITE_ONCE(vm->user_space_msr, reasons);
	return 0;
}

static long manual_dirty_protect(struct hv_vm *vm, u64 flags)
{
	if (flags & ~(u64)HV_DIRTY_PROTECT_FLAGS)
		return -EINVAL;
	if (flags == KVM_DIRTY_LOG_INITIALLY_SET)
		return -EINVAL;
	/* not while a log is switched on: its bitmap and what it protects go by one answer */
	mutex_lock(&vm->slots_lock);
	vm->dirty_manual_protect = flags & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE;
	vm->dirty_initially_set = flags & KVM_DIRTY_LOG_INITIALLY_SET;
	mutex_unlock(&vm->slots_lock);
	return 0;
}

/* Once, and before there are vCPUs; 0 is no limit. */
static long limit_vcpu_ids(struct hv_vm *vm, u64 limit)
{
	if (limit > HV_MAX_VCPU_ID || (limit && limit < vm->bsp_id))
		return -EINVAL;
	if (vm->created_vcpus || vm->max_vcpu_id)
		return -EINVAL;
	vm->max_vcpu_id = limit;
	return 0;
}

static long enable_cap_locked(struct hv_vm *vm, const struct kvm_enable_cap *cap)
{
	u64 arg = cap->args[0];

	lockdep_assert_held(&vm->lock);
	switch (cap->cap) {
	case KVM_CAP_X2APIC_API:
		return enable_x2apic_api(vm, arg);
	case KVM_CAP_X86_DISABLE_EXITS:
		return disable_exits(vm, arg);
	case KVM_CAP_X86_BUS_LOCK_EXIT:
		return bus_lock_exits(vm, arg);
	case KVM_CAP_X86_NOTIFY_VMEXIT:
		return notify_exits(vm, arg);
	case KVM_CAP_MAX_VCPU_ID:
		return limit_vcpu_ids(vm, arg);
	case KVM_CAP_X86_APIC_BUS_CYCLES_NS:
		return apic_bus_cycle(vm, arg);
	case KVM_CAP_HALT_POLL:
		return halt_poll(vm, arg);
	case KVM_CAP_EXIT_HYPERCALL:
		return hypercall_exits(vm, arg);
	case KVM_CAP_EXCEPTION_PAYLOAD:
		vm->exception_payload = arg;
		return 0;
	case KVM_CAP_X86_TRIPLE_FAULT_EVENT:
		vm->triple_fault_event = arg;
		return 0;
	case KVM_CAP_MSR_PLATFORM_INFO:
		vm->platform_info_hidden = !arg;
		return 0;
	case KVM_CAP_EXIT_ON_EMULATION_FAILURE:
		if (arg > 1)
			return -EINVAL;
		vm->exit_on_emulation_failure = arg;
		return 0;
	case KVM_CAP_DISABLE_QUIRKS:
		return disable_quirks(vm, arg, false);
	case KVM_CAP_DISABLE_QUIRKS2:
		return disable_quirks(vm, arg, true);
	case KVM_CAP_X86_USER_SPACE_MSR:
		return enable_user_space_msr(vm, arg);
	case KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2:
		return manual_dirty_protect(vm, arg);
	case KVM_CAP_DIRTY_LOG_RING:
	case KVM_CAP_DIRTY_LOG_RING_ACQ_REL:
		return hv_dirty_ring_enable(vm, arg);
	default:
		return -EINVAL;
	}
}

/**
 * hv_vm_enable_cap() - KVM_ENABLE_CAP on a VM fd
 * @vm: the VM
 * @cap: which one, with arguments
 *
 * Return: 0; -EINVAL for an unknown capability, non-zero flags or a bad argument;
 * -EEXIST if an irqchip is there already.
 */
long hv_vm_enable_cap(struct hv_vm *vm, const struct kvm_enable_cap *cap)
{
	long ret;

	if (cap->flags)
		return -EINVAL;
	if (cap->cap == KVM_CAP_SPLIT_IRQCHIP)
		return enable_split_irqchip(vm, cap->args[0]);
	mutex_lock(&vm->lock);
	ret = enable_cap_locked(vm, cap);
	mutex_unlock(&vm->lock);
	return ret;
}

/**
 * hv_vcpu_enable_cap() - KVM_ENABLE_CAP on a vCPU fd
 * @vcpu: loaded, its mutex held
 * @cap: which one, with arguments
 *
 * Return: 0; -EINVAL for an unknown capability or non-zero flags.
 */
long hv_vcpu_enable_cap(struct hv_vcpu *vcpu, const struct kvm_enable_cap *cap)
{
	if (cap->flags)
		return -EINVAL;
	switch (cap->cap) {
	case KVM_CAP_ENFORCE_PV_FEATURE_CPUID:
		vcpu->pv.enforce = cap->args[0];
		return 0;
	default:
		return -EINVAL;
	}
}
