// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's registers in the VMCS.
 *
 * RIP, RSP, RFLAGS and the bits of CR0 and CR4 that the guest owns are read
 * when somebody asks (vcpu->avail) and written back at the next entry
 * (vcpu->dirty); everything else is written through.
 */
#include <asm/msr-index.h>

#include "vmx/vmx.h"
#include "x86/cpuid.h"

/* An access-rights byte pair of a selector that is not usable (SDM "Guest Register State"). */
#define AR_UNUSABLE	BIT(16)
#define AR_ACCESSED	BIT(0)

/* CR0 bits whose change needs nobody's help; TS, MP and EM only with the FPU loaded. */
#define CR0_HARMLESS	(X86_CR0_WP | X86_CR0_AM)
#define CR0_FPU		(X86_CR0_TS | X86_CR0_MP | X86_CR0_EM)
/* CR4 bits that neither the CPUID leaves, nor our page walker's inputs, nor PDPTEs depend on. */
#define CR4_HARMLESS	(X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PGE | \
			 X86_CR4_PCE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT | X86_CR4_FSGSBASE)

#define PENDING_BS	BIT(14)	/* SDM "Guest Non-Register State": single step pending */

/* VMCS order of segment fields: ES CS SS DS FS GS LDTR TR. */
static unsigned int vmcs_seg(enum hv_seg seg)
{
	if (seg == HV_TR)
		return HV_LDTR;
	if (seg == HV_LDTR)
		return HV_TR;
	return seg;
}

static void cache_cs_ss(struct hv_vcpu *vcpu)
{
	vcpu->cpl = VMX_AR_DPL(vmcs_read32(GUEST_SS_AR_BYTES));
	vcpu->cs_l = vmcs_read32(GUEST_CS_AR_BYTES) & VMX_AR_L_MASK;
}

/* The guest's MOV to CR3 loads them without our help. */
static void read_pdptrs(struct hv_vcpu *vcpu)
{
	vcpu->pdptr[0] = vmcs_read64(GUEST_PDPTR0);
	vcpu->pdptr[1] = vmcs_read64(GUEST_PDPTR1);
	vcpu->pdptr[2] = vmcs_read64(GUEST_PDPTR2);
	vcpu->pdptr[3] = vmcs_read64(GUEST_PDPTR3);
}

void vmx_cache_reg(struct hv_vcpu *vcpu, enum hv_reg reg)
{
	u64 owned;

	vcpu->avail |= BIT(reg);
	switch (reg) {
	case HV_REG_RIP:
		vcpu->rip = vmcs_readl(GUEST_RIP);
		break;
	case HV_REG_RSP:
		vcpu->gpr[HV_RSP] = vmcs_readl(GUEST_RSP);
		break;
	case HV_REG_RFLAGS:
		vcpu->rflags = vmcs_readl(GUEST_RFLAGS);
		break;
	case HV_REG_CR0:
		owned = vcpu->cr0_guest_owned;
		vcpu->cr0 = (vcpu->cr0 & ~owned) | (vmcs_readl(GUEST_CR0) & owned);
		break;
	case HV_REG_CR3:
		vcpu->cr3 = vmcs_readl(GUEST_CR3);
		break;
	case HV_REG_CR4:
		owned = vcpu->cr4_guest_owned;
		vcpu->cr4 = (vcpu->cr4 & ~owned) | (vmcs_readl(GUEST_CR4) & owned);
		break;
	case HV_REG_CS_SS:
		cache_cs_ss(vcpu);
		break;
	case HV_REG_PDPTR:
		read_pdptrs(vcpu);
		break;
	}
}

/*
 * With an interrupt shadow, a pending single step must agree with RFLAGS.TF (SDM
 * "Checks on Guest Non-Register State"). A debugger's own step needs no shadow:
 * the pending step would be taken before the instruction.
 */
static void agree_on_step(struct hv_vmx *vmx)
{
	unsigned long pending;
	bool step;

	if (!vmx_get_interrupt_shadow(&vmx->vcpu))
		return;
	if (vmx->vcpu.rflags_tf_debug) {
		vmx_set_interrupt_shadow(&vmx->vcpu, 0);
		return;
	}
	step = (vmx->vcpu.rflags & X86_EFLAGS_TF) &&
	       !(vmcs_read64(GUEST_IA32_DEBUGCTL) & DEBUGCTLMSR_BTF);
	pending = vmcs_readl(GUEST_PENDING_DBG_EXCEPTIONS) & ~PENDING_BS;
	vmcs_writel(GUEST_PENDING_DBG_EXCEPTIONS, pending | (step ? PENDING_BS : 0));
}

/* Before an entry: what shared code changed. */
void vmx_flush_regs(struct hv_vmx *vmx)
{
	struct hv_vcpu *vcpu = &vmx->vcpu;

	if (vcpu->dirty & BIT(HV_REG_RIP))
		vmcs_writel(GUEST_RIP, vcpu->rip);
	if (vcpu->dirty & BIT(HV_REG_RSP))
		vmcs_writel(GUEST_RSP, vcpu->gpr[HV_RSP]);
	if (unlikely(vcpu->dirty & BIT(HV_REG_RFLAGS))) {
		vmcs_writel(GUEST_RFLAGS, vcpu->rflags);
		agree_on_step(vmx);
		/* Registers that user space or an SMI gave a guest that halted without an exit. */
		if (!(vmx->cpu_exec & CPU_BASED_HLT_EXITING))
			vmcs_write32(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
	}
	vcpu->dirty = 0;
}

void vmx_get_segment(struct hv_vcpu *vcpu, enum hv_seg seg, struct kvm_segment *s)
{
	unsigned int n = vmcs_seg(seg);
	u32 ar = vmcs_read32_seg(GUEST_ES_AR_BYTES, n);

	s->base = vmcs_readl_seg(GUEST_ES_BASE, n);
	s->limit = vmcs_read32_seg(GUEST_ES_LIMIT, n);
	s->selector = vmcs_read16_seg(GUEST_ES_SELECTOR, n);
	s->unusable = !!(ar & AR_UNUSABLE);
	s->type = ar & VMX_AR_TYPE_MASK;
	s->s = !!(ar & VMX_AR_S_MASK);
	s->dpl = VMX_AR_DPL(ar);
	/* An unusable segment's other rights are undefined; it is not present. */
	s->present = !s->unusable && (ar & VMX_AR_P_MASK);
	s->avl = (ar >> 12) & 1;
	s->l = !!(ar & VMX_AR_L_MASK);
	s->db = !!(ar & VMX_AR_DB_MASK);
	s->g = !!(ar & VMX_AR_G_MASK);
	s->padding = 0;
}

static u32 access_rights(enum hv_seg seg, const struct kvm_segment *s)
{
	u32 type = s->type;

	/* The DPL of an unusable SS is still the CPL. */
	if (s->unusable || !s->present)
		return AR_UNUSABLE | (u32)s->dpl << VMX_AR_DPL_SHIFT;
	/* Loading a register sets the accessed bit, and VM entry insists on it. */
	if (seg != HV_LDTR)
		type |= AR_ACCESSED;
	return type | (u32)s->s << 4 | (u32)s->dpl << VMX_AR_DPL_SHIFT | VMX_AR_P_MASK |
	       (u32)s->avl << 12 | (u32)s->l << 13 | (u32)s->db << 14 | (u32)s->g << 15;
}

void vmx_set_segment(struct hv_vcpu *vcpu, enum hv_seg seg, const struct kvm_segment *s)
{
	unsigned int n = vmcs_seg(seg);

	vmcs_writel_seg(GUEST_ES_BASE, n, s->base);
	vmcs_write32_seg(GUEST_ES_LIMIT, n, s->limit);
	vmcs_write16_seg(GUEST_ES_SELECTOR, n, s->selector);
	vmcs_write32_seg(GUEST_ES_AR_BYTES, n, access_rights(seg, s));
	vcpu->avail &= ~BIT(HV_REG_CS_SS);
}

void vmx_get_dtable(struct hv_vcpu *vcpu, enum hv_dtable which, struct hv_dtable_reg *r)
{
	if (which == HV_GDTR) {
		r->base = vmcs_readl(GUEST_GDTR_BASE);
		r->limit = vmcs_read32(GUEST_GDTR_LIMIT);
	} else {
		r->base = vmcs_readl(GUEST_IDTR_BASE);
		r->limit = vmcs_read32(GUEST_IDTR_LIMIT);
	}
}

void vmx_set_dtable(struct hv_vcpu *vcpu, enum hv_dtable which, const struct hv_dtable_reg *r)
{
	if (which == HV_GDTR) {
		vmcs_writel(GUEST_GDTR_BASE, r->base);
		vmcs_write32(GUEST_GDTR_LIMIT, r->limit);
	} else {
		vmcs_writel(GUEST_IDTR_BASE, r->base);
		vmcs_write32(GUEST_IDTR_LIMIT, r->limit);
	}
}

static u64 hw_cr0(const struct hv_vcpu *vcpu)
{
	/* Unrestricted guest: PE and PG are free (SDM "Restrictions on VMX Operation"). */
	u64 fixed = vmx_caps.cr0_fixed0 & ~(u64)(X86_CR0_PE | X86_CR0_PG);
	u64 cr0 = (vcpu->cr0 | fixed | X86_CR0_NE) & vmx_caps.cr0_fixed1;

	/* VM entry ignores them, but they would read as the guest's in the VMCS. */
	cr0 &= ~(u64)(X86_CR0_CD | X86_CR0_NW);
	/* Somebody else's FPU state is in the registers: using it is #NM, which exits. */
	return vcpu->fpu.owned ? cr0 : cr0 | X86_CR0_TS;
}

static void store_cr0(struct hv_vcpu *vcpu)
{
	vcpu->cr0_guest_owned = CR0_HARMLESS | (vcpu->fpu.owned ? CR0_FPU : 0);
	vmcs_writel(CR0_GUEST_HOST_MASK, ~vcpu->cr0_guest_owned);
	vmcs_writel(CR0_READ_SHADOW, vcpu->cr0);
	vmcs_writel(GUEST_CR0, hw_cr0(vcpu));
}

void vmx_set_cr0(struct hv_vcpu *vcpu, u64 cr0)
{
	vcpu->cr0 = cr0;
	vcpu->avail |= BIT(HV_REG_CR0);
	store_cr0(vcpu);
}

static void write_pdptrs(const struct hv_vcpu *vcpu)
{
	vmcs_write64(GUEST_PDPTR0, vcpu->pdptr[0]);
	vmcs_write64(GUEST_PDPTR1, vcpu->pdptr[1]);
	vmcs_write64(GUEST_PDPTR2, vcpu->pdptr[2]);
	vmcs_write64(GUEST_PDPTR3, vcpu->pdptr[3]);
}

void vmx_set_cr3(struct hv_vcpu *vcpu, u64 cr3)
{
	vcpu->cr3 = cr3;
	vcpu->avail |= BIT(HV_REG_CR3);
	vmcs_writel(GUEST_CR3, cr3);
	/* Entries check them only with PAE paging; x86/cr.c sets CR3 after it loads them. */
	if (vcpu->avail & BIT(HV_REG_PDPTR))
		write_pdptrs(vcpu);
}

static void store_cr4(struct hv_vcpu *vcpu)
{
	u64 hw = vcpu->cr4 | vmx_caps.cr4_fixed0;

	/* A machine check in the guest must reach the host rather than shut it down. */
	hw |= native_read_cr4() & X86_CR4_MCE;
	vcpu->cr4_guest_owned = CR4_HARMLESS & ~vcpu->cr4_reserved;
	vmcs_writel(CR4_GUEST_HOST_MASK, ~vcpu->cr4_guest_owned);
	vmcs_writel(CR4_READ_SHADOW, vcpu->cr4);
	vmcs_writel(GUEST_CR4, hw & vmx_caps.cr4_fixed1);
}

void vmx_set_cr4(struct hv_vcpu *vcpu, u64 cr4)
{
	vcpu->cr4 = cr4;
	vcpu->avail |= BIT(HV_REG_CR4);
	store_cr4(vcpu);
}

void vmx_set_efer(struct hv_vcpu *vcpu, u64 efer)
{
	struct hv_vmx *vmx = to_vmx(vcpu);
	u32 controls = vmx->entry_controls & ~VM_ENTRY_IA32E_MODE;

	vcpu->efer = efer;
	if (efer & EFER_LMA)
		controls |= VM_ENTRY_IA32E_MODE;
	if (controls != vmx->entry_controls) {
		vmx->entry_controls = controls;
		vmcs_write32(VM_ENTRY_CONTROLS, controls);
	}
	vmcs_write64(GUEST_IA32_EFER, efer);
	vmx_msr_update(vmx);
}

static void update_exceptions(struct hv_vmx *vmx)
{
	struct hv_vcpu *vcpu = &vmx->vcpu;
	/*
	 * #DB and #AC exit always: a guest can arrange to raise either while it
	 * is being delivered, for ever (CVE-2015-8104, CVE-2015-5307). #UD may be AMD's
	 * hypercall.
	 */
	u32 bitmap = BIT(HV_DB) | BIT(HV_AC) | BIT(HV_MC) | BIT(HV_UD);

	if (vcpu->debug.guest_debug & KVM_GUESTDBG_USE_SW_BP)
		bitmap |= BIT(HV_BP);
	if (!vcpu->fpu.owned)
		bitmap |= BIT(HV_NM);
	if (bitmap == vmx->exception_bitmap)
		return;
	vmx->exception_bitmap = bitmap;
	vmcs_write32(EXCEPTION_BITMAP, bitmap);
}

static void update_instructions(struct hv_vmx *vmx)
{
	struct hv_vcpu *vcpu = &vmx->vcpu;
	u64 disabled = vcpu->vm->disabled_exits;

	vmcs_control_secondary(vmx, SECONDARY_EXEC_ENABLE_RDTSCP,
			       hv_caps.has_rdtscp && (hv_cpuid_has(vcpu, HV_F_RDTSCP) ||
						      hv_cpuid_has(vcpu, HV_F_RDPID)));
	vmcs_control_secondary(vmx, SECONDARY_EXEC_ENABLE_INVPCID,
			       hv_caps.has_invpcid && hv_cpuid_has(vcpu, HV_F_INVPCID));
	vmcs_control_secondary(vmx, VMCS_CONTROL_BIT(XSAVES),
			       hv_caps.has_xsaves && hv_cpuid_has(vcpu, HV_F_XSAVES));
	vmcs_control_secondary(vmx, SECONDARY_EXEC_BUS_LOCK_DETECTION, vcpu->vm->bus_lock_exits);
	vmcs_control_cpu(vmx, CPU_BASED_HLT_EXITING, !(disabled & KVM_X86_DISABLE_EXITS_HLT));
	vmcs_control_cpu(vmx, CPU_BASED_MWAIT_EXITING | CPU_BASED_MONITOR_EXITING,
			 !(disabled & KVM_X86_DISABLE_EXITS_MWAIT));
	if (disabled & KVM_X86_DISABLE_EXITS_PAUSE)
		vmcs_control_secondary(vmx, SECONDARY_EXEC_PAUSE_LOOP_EXITING, false);
}

static void update_tsc_ratio(struct hv_vmx *vmx)
{
	u64 ratio = vmx->vcpu.tsc.ratio;

	if (vmx->secondary & SECONDARY_EXEC_TSC_SCALING)
		vmcs_write64(TSC_MULTIPLIER, ratio ?: BIT_ULL(hv_caps.tsc_ratio_frac_bits));
}

/* Something that decides about intercepts changed: CPUID, guest debug, FPU, TSC rate. */
void vmx_update(struct hv_vcpu *vcpu)
{
	struct hv_vmx *vmx = to_vmx(vcpu);

	/* Take the guest-owned bits out of the VMCS before ownership changes. */
	if (!(vcpu->avail & BIT(HV_REG_CR0)))
		vmx_cache_reg(vcpu, HV_REG_CR0);
	if (!(vcpu->avail & BIT(HV_REG_CR4)))
		vmx_cache_reg(vcpu, HV_REG_CR4);
	store_cr0(vcpu);
	store_cr4(vcpu);
	update_exceptions(vmx);
	update_instructions(vmx);
	update_tsc_ratio(vmx);
	vmx_pml_update(vmx);
	vmcs_writel(GUEST_DR7, vcpu->debug.eff_dr7 | BIT(10));
	vmx_msr_update(vmx);
	vmx_update_apic(vcpu);
}

void vmx_write_tsc_offset(struct hv_vcpu *vcpu, u64 offset)
{
	vmcs_write64(TSC_OFFSET, offset);
}

/* What shared code does not reset; segments and control registers it sets itself. */
void vmx_reset(struct hv_vcpu *vcpu, bool init)
{
	struct hv_vmx *vmx = to_vmx(vcpu);

	vmcs_write32(GUEST_SYSENTER_CS, 0);
	vmcs_writel(GUEST_SYSENTER_ESP, 0);
	vmcs_writel(GUEST_SYSENTER_EIP, 0);
	vmcs_write64(GUEST_IA32_DEBUGCTL, 0);
	vmcs_writel(GUEST_PENDING_DBG_EXCEPTIONS, 0);
	vmx_set_interruptibility(vmx, 0);
	vmcs_write32(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
	vmcs_write32(VM_ENTRY_INTR_INFO_FIELD, 0);
	vmx->extra.injecting = false;
	vmx->nmi_after_sti = false;
	if (!init) {
		vmx->entry.spec_ctrl = 0;
		vmx->spec_ctrl_passed = false;
		vmx->guest_kernel_gs_base = 0;
	}
	vmx_update(vcpu);
	vmx_flush_guest(vcpu);
}
