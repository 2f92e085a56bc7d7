// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model-specific registers: how each is switched between host and guest.
 *
 *  in the VMCS, both ways		FS and GS base, SYSENTER, EFER, PAT, DEBUGCTL
 *  from first entry to put		KERNEL_GS_BASE (host.c)
 *  until return to user mode		STAR, LSTAR, SFMASK, TSC_AUX: the kernel itself
 *					does not use them; a user-return notifier
 *					brings the host's back
 *  at each entry and exit		SPEC_CTRL (enter.S)
 *
 * Compatibility-mode SYSCALL does not exist on these CPUs, so CSTAR is only stored.
 */
#include <linux/preempt.h>
#include <asm/apicdef.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>

#include "vmx/vmx.h"
#include "x86/cpuid.h"
#include "x86/msr_filter.h"

static const u32 user_msr[VMX_NR_USER_MSRS] = {
	[VMX_USER_STAR]	   = MSR_STAR,
	[VMX_USER_LSTAR]   = MSR_LSTAR,
	[VMX_USER_SFMASK]  = MSR_SYSCALL_MASK,
	[VMX_USER_TSC_AUX] = MSR_TSC_AUX,
};

#define SYSCALL_MSRS	(BIT(VMX_USER_STAR) | BIT(VMX_USER_LSTAR) | BIT(VMX_USER_SFMASK))

/* The MSR bitmap's four parts (SDM "MSR-Bitmap Address"), in bits. */
#define BITMAP_HIGH	(1024 * 8)
#define BITMAP_WRITE	(2048 * 8)
#define BITMAP_RANGE	0x1fff
#define MSR_HIGH_BASE	0xc0000000

#define X2APIC_STRIDE	16	/* of the page's offsets, one MSR */
#define X2APIC(offset)	(APIC_BASE_MSR + (offset) / X2APIC_STRIDE)

/* How long a core was in a C-state (SDM volume 4); which of them there are depends on the model. */
static const u32 cstate_msr[] = {
	MSR_CORE_C1_RES, MSR_CORE_C3_RESIDENCY, MSR_CORE_C6_RESIDENCY, MSR_CORE_C7_RESIDENCY,
};

enum { PASS_READ = BIT(0), PASS_WRITE = BIT(1), PASS_BOTH = PASS_READ | PASS_WRITE };

static void bitmap_pass(struct hv_vmx *vmx, u32 msr, unsigned int pass)
{
	unsigned long *bitmap = vmx->msr_bitmap;
	unsigned int bit = msr & BITMAP_RANGE;

	if (!hv_msr_filter_allows(&vmx->vcpu, msr, KVM_MSR_FILTER_READ))
		pass &= ~PASS_READ;
	if (!hv_msr_filter_allows(&vmx->vcpu, msr, KVM_MSR_FILTER_WRITE))
		pass &= ~PASS_WRITE;
	if (msr >= MSR_HIGH_BASE)
		bit += BITMAP_HIGH;
	__assign_bit(bit, bitmap, !(pass & PASS_READ));
	__assign_bit(bit + BITMAP_WRITE, bitmap, !(pass & PASS_WRITE));
}

static void pass_switched(struct hv_vmx *vmx)
{
	static const u32 both[] = {
		MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE,
		MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(both); i++)
		bitmap_pass(vmx, both[i], PASS_BOTH);
	/* Hardware applies offset and ratio; a write must reach shared code. */
	bitmap_pass(vmx, MSR_IA32_TSC, PASS_READ);
}

/* Whether the CPU has any of them. */
bool vmx_has_cstate_msrs(void)
{
	u64 value;
	int i;

	for (i = 0; i < ARRAY_SIZE(cstate_msr); i++)
		if (!rdmsrl_safe(cstate_msr[i], &value))
			return true;
	return false;
}

/* KVM_X86_DISABLE_EXITS_CSTATE: one that the CPU lacks is #GP in the guest, as with an exit. */
static void pass_cstates(struct hv_vmx *vmx)
{
	bool pass = vmx->vcpu.vm->disabled_exits & KVM_X86_DISABLE_EXITS_CSTATE;
	int i;

	for (i = 0; i < ARRAY_SIZE(cstate_msr); i++)
		bitmap_pass(vmx, cstate_msr[i], pass ? PASS_READ : 0);
}

void vmx_msr_bitmap_init(struct hv_vmx *vmx)
{
	memset(vmx->msr_bitmap, 0xff, PAGE_SIZE);
	pass_switched(vmx);
}

void vmx_update_msr_maps(struct hv_vcpu *vcpu)
{
	struct hv_vmx *vmx = to_vmx(vcpu);

	pass_switched(vmx);
	vmx_msr_update(vmx);
}

/*
 * x2APIC registers that are memory, as offsets from the first (SDM "x2APIC Register
 * Address Space"): all readable ones but the timer's current count and PPR.
 */
static const u8 x2apic_readable[] = {
	0x02, 0x03, 0x08, 0x0d, 0x0f,
	0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
	0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f,
	0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27,
	0x28, 0x30, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x3e,
};

void vmx_msr_pass_x2apic(struct hv_vmx *vmx, bool on)
{
	u8 written = vmx_caps.apicv & SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY ? PASS_WRITE : 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(x2apic_readable); i++)
		bitmap_pass(vmx, APIC_BASE_MSR + x2apic_readable[i],
			    on ? PASS_READ : 0);
	/* The CPU checks their reserved bits itself. It keeps PPR when it delivers. */
	bitmap_pass(vmx, X2APIC(APIC_TASKPRI), on ? PASS_BOTH : 0);
	bitmap_pass(vmx, X2APIC(APIC_PROCPRI), on && written ? PASS_READ : 0);
	bitmap_pass(vmx, X2APIC(APIC_EOI), on ? written : 0);
	bitmap_pass(vmx, X2APIC(APIC_SELF_IPI), on ? written : 0);
}

static void user_return(struct user_return_notifier *notifier)
{
	struct vmx_cpu *cpu = container_of(notifier, struct vmx_cpu, notifier);
	unsigned long flags;
	int i;

	/* cpu_off() calls this too, from an interrupt. */
	local_irq_save(flags);
	if (cpu->registered) {
		cpu->registered = false;
		user_return_notifier_unregister(notifier);
	}
	for (i = 0; i < VMX_NR_USER_MSRS; i++) {
		if (cpu->hw[i] == cpu->host[i])
			continue;
		native_wrmsrl(user_msr[i], cpu->host[i]);
		cpu->hw[i] = cpu->host[i];
	}
	local_irq_restore(flags);
}

void vmx_msr_cpu_on(struct vmx_cpu *cpu)
{
	int i;

	cpu->notifier.on_user_return = user_return;
	for (i = 0; i < VMX_NR_USER_MSRS; i++) {
		/* TSC_AUX may not exist; then no guest has it either. */
		if (rdmsrl_safe(user_msr[i], &cpu->host[i]))
			cpu->host[i] = 0;
		cpu->hw[i] = cpu->host[i];
	}
}

void vmx_msr_cpu_off(struct vmx_cpu *cpu)
{
	if (cpu->registered)
		user_return(&cpu->notifier);
}

static __always_inline u64 guest_user_msr(const struct hv_vcpu *vcpu, enum vmx_user_msr which)
{
	switch (which) {
	case VMX_USER_STAR:
		return vcpu->msr.star;
	case VMX_USER_LSTAR:
		return vcpu->msr.lstar;
	case VMX_USER_SFMASK:
		return vcpu->msr.sfmask;
	default:
		return vcpu->msr.tsc_aux;
	}
}

static noinline void set_user_msr(struct vmx_cpu *cpu, enum vmx_user_msr which, u64 value)
{
	/* Values were checked. Were one refused, the host's would stay, and not be taken for it. */
	if (WARN_ON_ONCE(wrmsrl_safe(user_msr[which], value)))
		return;
	cpu->hw[which] = value;
	if (!cpu->registered) {
		cpu->registered = true;
		user_return_notifier_register(&cpu->notifier);
	}
}

static __always_inline void load_user_msr(struct hv_vmx *vmx, struct vmx_cpu *cpu,
					  enum vmx_user_msr which)
{
	u64 value = guest_user_msr(&vmx->vcpu, which);

	if (value != cpu->hw[which] && (vmx->user_msrs & BIT(which)))
		set_user_msr(cpu, which, value);
}

/* Once per KVM_RUN, and nearly always all are there already: no loop. */
void vmx_msr_load_user(struct hv_vmx *vmx)
{
	struct vmx_cpu *cpu = this_cpu_ptr(&vmx_cpu);

	BUILD_BUG_ON(VMX_NR_USER_MSRS != 4);
	load_user_msr(vmx, cpu, VMX_USER_STAR);
	load_user_msr(vmx, cpu, VMX_USER_LSTAR);
	load_user_msr(vmx, cpu, VMX_USER_SFMASK);
	load_user_msr(vmx, cpu, VMX_USER_TSC_AUX);
}

static bool has_spec_ctrl(const struct hv_vcpu *vcpu)
{
	return boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL) &&
	       (hv_cpuid_has(vcpu, HV_F_SPEC_CTRL) || hv_cpuid_has(vcpu, HV_F_STIBP) ||
		hv_cpuid_has(vcpu, HV_F_SSBD));
}

static bool has_ibpb(const struct hv_vcpu *vcpu)
{
	return boot_cpu_has(X86_FEATURE_IBPB) &&
	       (hv_cpuid_has(vcpu, HV_F_IBPB) || hv_cpuid_has(vcpu, HV_F_SPEC_CTRL));
}

static bool has_flush_l1d(const struct hv_vcpu *vcpu)
{
	return boot_cpu_has(X86_FEATURE_FLUSH_L1D) && hv_cpuid_has(vcpu, HV_F_FLUSH_L1D);
}

static void update_spec_ctrl(struct hv_vmx *vmx)
{
	bool pass = vmx->spec_ctrl_passed && has_spec_ctrl(&vmx->vcpu);

	bitmap_pass(vmx, MSR_IA32_SPEC_CTRL, pass ? PASS_BOTH : 0);
	if (pass)
		vmx->entry.flags |= VMX_ENTRY_READ_SPEC_CTRL;
	else
		vmx->entry.flags &= ~VMX_ENTRY_READ_SPEC_CTRL;
}

/* CPUID, EFER or what is passed through changed. */
void vmx_msr_update(struct hv_vmx *vmx)
{
	struct hv_vcpu *vcpu = &vmx->vcpu;
	u32 need = 0;

	if ((vcpu->efer & EFER_LMA) && (vcpu->efer & EFER_SCE))
		need |= SYSCALL_MSRS;
	if (hv_caps.has_rdtscp && (hv_cpuid_has(vcpu, HV_F_RDTSCP) ||
				   hv_cpuid_has(vcpu, HV_F_RDPID)))
		need |= BIT(VMX_USER_TSC_AUX);
	vmx->user_msrs = need;
	vmx->extra.host = true;
	update_spec_ctrl(vmx);
	bitmap_pass(vmx, MSR_IA32_PRED_CMD, has_ibpb(vcpu) ? PASS_WRITE : 0);
	bitmap_pass(vmx, MSR_IA32_FLUSH_CMD, has_flush_l1d(vcpu) ? PASS_WRITE : 0);
	pass_cstates(vmx);
}

/* Where a register of user mode is kept; NULL: not one of them. */
static u64 *kept_user_msr(struct hv_vcpu *vcpu, u32 msr)
{
	switch (msr) {
	case MSR_STAR:
		return &vcpu->msr.star;
	case MSR_LSTAR:
		return &vcpu->msr.lstar;
	case MSR_SYSCALL_MASK:
		return &vcpu->msr.sfmask;
	case MSR_TSC_AUX:
		return &vcpu->msr.tsc_aux;
	default:
		return NULL;
	}
}

/* In the CPU between the first entry and put, else in memory; a preemption would move it. */
static u64 kernel_gs_base_get(struct hv_vmx *vmx)
{
	u64 value;

	preempt_disable();
	if (vmx->host.saved)
		value = __rdmsr(MSR_KERNEL_GS_BASE);
	else
		value = vmx->guest_kernel_gs_base;
	preempt_enable();
	return value;
}

static void kernel_gs_base_set(struct hv_vmx *vmx, u64 value)
{
	preempt_disable();
	if (vmx->host.saved)
		native_wrmsrl(MSR_KERNEL_GS_BASE, value);
	vmx->guest_kernel_gs_base = value;
	preempt_enable();
}

int vmx_get_msr(struct hv_vcpu *vcpu, u32 msr, u64 *value)
{
	struct hv_vmx *vmx = to_vmx(vcpu);

	switch (msr) {
	case MSR_FS_BASE:
		*value = vmcs_readl(GUEST_FS_BASE);
		return HV_MSR_OK;
	case MSR_GS_BASE:
		*value = vmcs_readl(GUEST_GS_BASE);
		return HV_MSR_OK;
	case MSR_KERNEL_GS_BASE:
		*value = kernel_gs_base_get(vmx);
		return HV_MSR_OK;
	case MSR_IA32_SYSENTER_CS:
		*value = vmcs_read32(GUEST_SYSENTER_CS);
		return HV_MSR_OK;
	case MSR_IA32_SYSENTER_ESP:
		*value = vmcs_readl(GUEST_SYSENTER_ESP);
		return HV_MSR_OK;
	case MSR_IA32_SYSENTER_EIP:
		*value = vmcs_readl(GUEST_SYSENTER_EIP);
		return HV_MSR_OK;
	case MSR_IA32_DEBUGCTLMSR:
		*value = vmcs_read64(GUEST_IA32_DEBUGCTL);
		return HV_MSR_OK;
	case MSR_IA32_SPEC_CTRL:
		*value = vmx->entry.spec_ctrl;
		return has_spec_ctrl(vcpu) ? HV_MSR_OK : HV_MSR_UNKNOWN;
	case MSR_IA32_FEAT_CTL:
		/* Locked, without VMX or SMX: there is no nesting. */
		*value = FEAT_CTL_LOCKED;
		return HV_MSR_OK;
	default:
		return HV_MSR_UNKNOWN;
	}
}

static int set_spec_ctrl(struct hv_vmx *vmx, u64 value, bool host)
{
	struct hv_vcpu *vcpu = &vmx->vcpu;
	u64 known = SPEC_CTRL_IBRS | SPEC_CTRL_STIBP;

	if (boot_cpu_has(X86_FEATURE_SSBD) || boot_cpu_has(X86_FEATURE_SPEC_CTRL_SSBD))
		known |= SPEC_CTRL_SSBD;
	if (!has_spec_ctrl(vcpu) || (value & ~known))
		return host && !value ? HV_MSR_OK : HV_MSR_INVALID;
	vmx->entry.spec_ctrl = value;
	vcpu->msr.spec_ctrl = value;
	/* A guest that sets it once sets it often: from now on without exit. */
	if (value && !vmx->spec_ctrl_passed) {
		vmx->spec_ctrl_passed = true;
		update_spec_ctrl(vmx);
	}
	return HV_MSR_OK;
}

static int set_debugctl(struct hv_vcpu *vcpu, u64 value)
{
	/* Guests switch branch records on without looking whether there are any. */
	value &= ~(u64)DEBUGCTLMSR_LBR;
	if (value & ~(u64)DEBUGCTLMSR_BTF)
		return HV_MSR_INVALID;
	vmcs_write64(GUEST_IA32_DEBUGCTL, value);
	return HV_MSR_OK;
}

static int set_command(u64 value, u64 bit, u32 msr, bool present)
{
	if (!present || (value & ~bit))
		return HV_MSR_INVALID;
	if (value)
		native_wrmsrl(msr, bit);
	return HV_MSR_OK;
}

/* Addresses are canonical: x86/msr_misc.c looked. */
int vmx_set_msr(struct hv_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	struct hv_vmx *vmx = to_vmx(vcpu);
	u64 *kept = kept_user_msr(vcpu, msr);

	if (kept) {
		*kept = value;
		vmx->extra.host = true;
		return HV_MSR_OK;
	}
	switch (msr) {
	case MSR_FS_BASE:
		vmcs_writel(GUEST_FS_BASE, value);
		return HV_MSR_OK;
	case MSR_GS_BASE:
		vmcs_writel(GUEST_GS_BASE, value);
		return HV_MSR_OK;
	case MSR_KERNEL_GS_BASE:
		kernel_gs_base_set(vmx, value);
		return HV_MSR_OK;
	case MSR_IA32_SYSENTER_CS:
		vmcs_write32(GUEST_SYSENTER_CS, value);
		return HV_MSR_OK;
	case MSR_IA32_SYSENTER_ESP:
		vmcs_writel(GUEST_SYSENTER_ESP, value);
		return HV_MSR_OK;
	case MSR_IA32_SYSENTER_EIP:
		vmcs_writel(GUEST_SYSENTER_EIP, value);
		return HV_MSR_OK;
	case MSR_IA32_DEBUGCTLMSR:
		return set_debugctl(vcpu, value);
	case MSR_IA32_SPEC_CTRL:
		return set_spec_ctrl(vmx, value, host);
	case MSR_IA32_PRED_CMD:
		return set_command(value, PRED_CMD_IBPB, msr, has_ibpb(vcpu));
	case MSR_IA32_FLUSH_CMD:
		return set_command(value, L1D_FLUSH, msr, has_flush_l1d(vcpu));
	case MSR_IA32_FEAT_CTL:
		return host && !(value & ~(u64)FEAT_CTL_LOCKED) ? HV_MSR_OK : HV_MSR_INVALID;
	default:
		return HV_MSR_UNKNOWN;
	}
}
