/* SPDX-License-Identifier: GPL-2.0-only */
/* The VT-x back end: what its files share. Outside only main.c includes this, for hv_vmx_ops. */
#ifndef VELLUM_VMX_VMX_H
#define VELLUM_VMX_VMX_H

#include <linux/jump_label.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/user-return-notifier.h>
#include <asm/desc_defs.h>

#include "core/ops.h"
#include "core/vcpu.h"
#include "irqchip/lapic.h"
#include "vmx/enter.h"
#include "vmx/vmcs.h"

/**
 * struct vmx_caps - the controls this machine allows, chosen once by caps.c
 *
 * @pin, @cpu, @secondary, @exit, @entry: values every VMCS starts from: all that
 * is required, plus what is optional and there. @secondary_may: optional bits that
 * follow the guest's CPUID or user space's wishes.
 */
struct vmx_caps {
	u64 basic;
	u64 ept_vpid;
	u64 misc;
	u32 pin, cpu, secondary, exit, entry;
	u32 secondary_may;
	u64 cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
	u32 apicv;		/* secondary controls that vmx/apic.c uses; 0: it does nothing */
	bool stale_vectoring;	/* see vmx_apic_vectoring() */
	u8 timer_shift;		/* preemption timer ticks = TSC >> shift */
	u32 timer_bound;	/* ticks that one stay in the guest may last */
};

extern struct vmx_caps vmx_caps;

static inline bool vmx_has_vpid(void)
{
	return vmx_caps.secondary & SECONDARY_EXEC_ENABLE_VPID;
}

static inline bool vmx_has_pml(void)
{
	return vmx_caps.secondary_may & SECONDARY_EXEC_ENABLE_PML;
}

static inline bool vmx_has_timer(void)
{
	return vmx_caps.pin & PIN_BASED_VMX_PREEMPTION_TIMER;
}

/* Interruptibility: an instruction after STI or MOV SS is still to come. */
#define VMX_SHADOW_BITS	(GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS)

/* Qualification of exits in the middle of an instruction. */
#define VMX_QUAL_NMI_UNBLOCKED	BIT(12)

/* MSRs that only user mode uses: the guest's stay until this CPU returns to it. */
enum vmx_user_msr {
	VMX_USER_STAR, VMX_USER_LSTAR, VMX_USER_SFMASK, VMX_USER_TSC_AUX,
	VMX_NR_USER_MSRS,
};

/**
 * struct vmx_cpu - VT-x state of one physical CPU
 * @vmxon: the VMXON region, allocated for every possible CPU at load
 * @on: between VMXON and VMXOFF
 * @current_vmx: whose VMCS is current
 * @loaded: VMCSs active here, for VMCLEAR. Changed with interrupts off; a crash
 *	walks it from NMI context, forwards only
 * @gdt: this CPU's read-only GDT, to reload its limit
 * @notifier, @registered: restores @host when this CPU returns to user mode
 * @host, @hw: what user mode here needs, what is in the registers
 */
struct vmx_cpu {
	void *vmxon;
	bool on;
	bool registered;
	struct hv_vmx *current_vmx;
	struct list_head loaded;
	struct desc_ptr gdt;
	struct user_return_notifier notifier;
	u64 host[VMX_NR_USER_MSRS], hw[VMX_NR_USER_MSRS];
};

DECLARE_PER_CPU(struct vmx_cpu, vmx_cpu);

/** struct vmx_host - host state that VM entries and exits do not switch; see msr.c */
struct vmx_host {
	bool saved;		/* the guest's is in the CPU: from first entry to put */
	bool selectors;		/* one of the selectors below is not null */
	u16 ds, es, fs, gs, ldt;
	u64 fs_base;		/* as in HOST_FS_BASE */
	u64 kernel_gs_base;
	u64 debugctl;
	u64 pebs;		/* IA32_PEBS_ENABLE while the guest runs */
};

/**
 * union vmx_extra - what an entry or exit has to do besides the usual
 * @host: host state is not saved, or the guest's MSRs changed: vmx_host_enter()
 * @deadline: the VMCS holds, or is to hold, a deadline and not the bound
 * @injecting: this entry delivers an event
 * @debugctl: the host's DEBUGCTL is not 0
 * @pml: the CPU logs writes: vmx_pml_flush()
 * @any: one of them
 *
 * Bytes, not bits: preemption sets one while the task may be setting another.
 */
union vmx_extra {
	struct {
		bool host;
		bool deadline;
		bool injecting;
		bool debugctl;
		bool pml;
	};
	u64 any;
};

/**
 * enum vmx_apic_mode - what the CPU does of a LAPIC
 * @VMX_APIC_OFF: nothing
 * @VMX_APIC_TRAPPED: each access to the xAPIC page exits
 * @VMX_APIC_XAPIC: virtual registers in the page, and delivery if the CPU is to
 * @VMX_APIC_X2APIC: virtual registers as MSRs, and delivery if the CPU is to
 */
enum vmx_apic_mode { VMX_APIC_OFF, VMX_APIC_TRAPPED, VMX_APIC_XAPIC, VMX_APIC_X2APIC };

/** struct hv_vmx - a vCPU on VT-x */
struct hv_vmx {
	struct hv_vcpu vcpu;		/* first */

	/* on every entry */
	struct vmx_entry entry;
	u64 host_cr3, host_cr4;		/* as in the VMCS */
	u64 deadline;			/* host TSC; U64_MAX: none */
	union vmx_extra extra;
	bool nmi_after_sti;		/* the interrupt window is where an NMI gets in */
	bool flush_l1d;			/* secrets may be in the L1 data cache */
	struct vmx_host host;

	/* of the last exit */
	u32 exit_reason;
	u32 entry_failure;		/* of a failed entry: what user space is told */
	u32 intr_info;			/* valid after an exception or NMI exit */
	u32 vectoring;			/* IDT-vectoring information, 0: none */
	u32 interruptibility;		/* GUEST_INTERRUPTIBILITY_INFO, always */

	/* where the VMCS is */
	struct list_head loaded_link;
	int loaded_cpu;			/* active on it, -1: nowhere */
	int host_cpu;			/* whose per-CPU host fields the VMCS holds */
	u64 vmcs_pa;
	void *vmcs;
	unsigned long *msr_bitmap;
	u64 *pml;			/* what the CPU logged; NULL without PML */
	u16 vpid;			/* 0: without VPID */
	u64 eptp;

	/* apic.c */
	enum vmx_apic_mode apic_mode;
	bool apic_inhibits;		/* counted in vm->apic_inhibits */
	u64 eoi_exits[HV_APIC_WORDS];	/* as in the VMCS */
	u8 tpr_threshold;		/* as in the VMCS */

	/* cached VMCS fields */
	u32 cpu_exec, secondary, entry_controls, exception_bitmap;
	u64 pat;			/* as in GUEST_IA32_PAT */
	u64 guest_kernel_gs_base;	/* valid while !host.saved */
	u32 user_msrs;			/* BIT(enum vmx_user_msr) the guest needs */
	bool spec_ctrl_passed;		/* the guest writes SPEC_CTRL without exit */
};

static inline struct hv_vmx *to_vmx(struct hv_vcpu *vcpu)
{
	return container_of(vcpu, struct hv_vmx, vcpu);
}

/* caps.c */
int vmx_caps_probe(struct hv_caps *caps);
int vmx_caps_check_cpu(void);		/* this CPU agrees with the one probed; irqs off */

/* vmx.c: VMCS life */
extern const struct hv_ops hv_vmx_ops;

/* vmcs.c; the VMCS is current */
void vmcs_init(struct hv_vmx *vmx);
void vmcs_set_cpu(struct hv_vmx *vmx, int cpu);
void vmcs_control_cpu(struct hv_vmx *vmx, u32 bit, bool on);
void vmcs_control_secondary(struct hv_vmx *vmx, u32 bit, bool on);

/* state.c */
void vmx_reset(struct hv_vcpu *vcpu, bool init);
void vmx_cache_reg(struct hv_vcpu *vcpu, enum hv_reg reg);
void vmx_flush_regs(struct hv_vmx *vmx);
void vmx_get_segment(struct hv_vcpu *vcpu, enum hv_seg seg, struct kvm_segment *s);
void vmx_set_segment(struct hv_vcpu *vcpu, enum hv_seg seg, const struct kvm_segment *s);
void vmx_get_dtable(struct hv_vcpu *vcpu, enum hv_dtable which, struct hv_dtable_reg *r);
void vmx_set_dtable(struct hv_vcpu *vcpu, enum hv_dtable which, const struct hv_dtable_reg *r);
void vmx_set_cr0(struct hv_vcpu *vcpu, u64 cr0);
void vmx_set_cr3(struct hv_vcpu *vcpu, u64 cr3);
void vmx_set_cr4(struct hv_vcpu *vcpu, u64 cr4);
void vmx_set_efer(struct hv_vcpu *vcpu, u64 efer);
void vmx_update(struct hv_vcpu *vcpu);
void vmx_write_tsc_offset(struct hv_vcpu *vcpu, u64 offset);

/* msr.c */
bool vmx_has_cstate_msrs(void);
void vmx_msr_cpu_on(struct vmx_cpu *cpu);
void vmx_msr_cpu_off(struct vmx_cpu *cpu);
void vmx_msr_bitmap_init(struct hv_vmx *vmx);
void vmx_msr_update(struct hv_vmx *vmx);
void vmx_msr_pass_x2apic(struct hv_vmx *vmx, bool on);
void vmx_update_msr_maps(struct hv_vcpu *vcpu);
void vmx_msr_load_user(struct hv_vmx *vmx);	/* irqs off */
int vmx_get_msr(struct hv_vcpu *vcpu, u32 msr, u64 *value);
int vmx_set_msr(struct hv_vcpu *vcpu, u32 msr, u64 value, bool host);

/* host.c */
void vmx_host_init(void);
DECLARE_STATIC_KEY_FALSE(vmx_pebs);
void vmx_host_enter(struct hv_vmx *vmx);	/* irqs off, before the first entry since load */
void vmx_host_leave(struct hv_vmx *vmx);	/* preemption off, at put */

/* l1d.c */
int vmx_l1d_init(void);
void vmx_l1d_exit(void);
void vmx_l1d_before_entry(struct hv_vmx *vmx);
DECLARE_STATIC_KEY_FALSE(vmx_l1d_needed);

/* run.c */
void vmx_enter(struct hv_vcpu *vcpu);
int vmx_set_deadline(struct hv_vcpu *vcpu, u64 deadline);

/* inject.c */
void vmx_inject_exception(struct hv_vcpu *vcpu);
void vmx_inject_interrupt(struct hv_vcpu *vcpu);
void vmx_inject_nmi(struct hv_vcpu *vcpu);
bool vmx_interrupt_allowed(struct hv_vcpu *vcpu);
bool vmx_nmi_allowed(struct hv_vcpu *vcpu);
void vmx_want_interrupt_window(struct hv_vcpu *vcpu, bool on);
void vmx_want_nmi_window(struct hv_vcpu *vcpu, bool on);
u32 vmx_get_interrupt_shadow(struct hv_vcpu *vcpu);
void vmx_set_interruptibility(struct hv_vmx *vmx, u32 state);
void vmx_set_interrupt_shadow(struct hv_vcpu *vcpu, u32 shadow);
bool vmx_get_nmi_mask(struct hv_vcpu *vcpu);
void vmx_set_nmi_mask(struct hv_vcpu *vcpu, bool masked);
void vmx_requeue(struct hv_vmx *vmx);		/* after an exit: what was being delivered? */

/* ept.c */
int vmx_vpid_alloc(struct hv_vmx *vmx);
void vmx_vpid_free(struct hv_vmx *vmx);
u64 vmx_eptp(struct hv_vcpu *vcpu);
void vmx_flush_tdp(struct hv_vcpu *vcpu);
void vmx_flush_guest(struct hv_vcpu *vcpu);
void vmx_flush_all(void);		/* this CPU, just after VMXON */
int vmx_handle_ept_violation(struct hv_vmx *vmx);
int vmx_handle_ept_misconfig(struct hv_vmx *vmx);

/* exit.c */
int vmx_handle_exit(struct hv_vcpu *vcpu);
unsigned int vmx_describe_exit(struct hv_vcpu *vcpu, u64 *data);

/* apic.c */
int vmx_apic_create(struct hv_vmx *vmx);
void vmx_apic_destroy(struct hv_vmx *vmx);
void vmx_apic_init(struct hv_vmx *vmx);
void vmx_vm_destroy(struct hv_vm *vm);
void vmx_update_apic(struct hv_vcpu *vcpu);
void vmx_apic_irr(struct hv_vcpu *vcpu, int vector);
void vmx_apic_threshold(struct hv_vmx *vmx);
bool vmx_map_apic_page(struct hv_vmx *vmx, u64 gpa);
u32 vmx_apic_vectoring(struct hv_vmx *vmx, u32 info);
int vmx_handle_apic_access(struct hv_vmx *vmx);
int vmx_handle_apic_write(struct hv_vmx *vmx);
int vmx_handle_eoi(struct hv_vmx *vmx);
int vmx_handle_tpr(struct hv_vmx *vmx);

/* pml.c */
int vmx_pml_create(struct hv_vmx *vmx);
void vmx_pml_destroy(struct hv_vmx *vmx);
void vmx_pml_init(struct hv_vmx *vmx);
void vmx_pml_update(struct hv_vmx *vmx);
void vmx_pml_flush(struct hv_vmx *vmx);
int vmx_handle_pml_full(struct hv_vmx *vmx);

/* dump.c */
void vmcs_dump(struct hv_vmx *vmx);

static inline unsigned int vmx_insn_len(void)
{
	return vmcs_read32(VM_EXIT_INSTRUCTION_LEN);
}

/*
 * @qual is the qualification of an exit in the middle of an instruction. If that was the IRET of an
 * NMI, NMIs are still blocked (SDM "NMI Unblocking Due to IRET").
 */
static inline void vmx_reblock_nmi(struct hv_vmx *vmx, unsigned long qual)
{
	if ((qual & VMX_QUAL_NMI_UNBLOCKED) && !vmx->vectoring)
		vmx_set_nmi_mask(&vmx->vcpu, true);
}

#endif /* VELLUM_VMX_VMX_H */
