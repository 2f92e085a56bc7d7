/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The back-end table: everything shared code asks of VT-x or AMD-V.
 *
 * "loaded" below means: called with the vCPU loaded on this CPU (between
 * hv_vcpu_load() and hv_vcpu_put()), preemption possible unless said.
 * "irqs off": on the CPU that is about to enter, interrupts disabled.
 */
#ifndef VELLUM_CORE_OPS_H
#define VELLUM_CORE_OPS_H

#include <linux/static_call.h>

#include "core/hv.h"
#include "core/vcpu.h"
#include "core/vm.h"

struct seq_file;

/**
 * struct hv_caps - what the back end found on this machine, filled by @probe
 */
struct hv_caps {
	u8 hypercall_insn[HV_HYPERCALL_LEN];	/* VMCALL or VMMCALL */
	bool has_tsc_scaling;
	bool has_deadline;		/* @set_deadline works */
	bool lazy_fpu;			/* CPU does not forward FPU registers past #NM (LazyFP) */
	bool xsetbv_passes;		/* the guest's XSETBV may not exit: read XCR0 back */
	unsigned int max_page_level;	/* 1: 4K, 2: 2M, 3: 1G */
	u8 tsc_ratio_frac_bits;
	u64 max_tsc_ratio;
	u64 supported_xcr0, supported_xss;
	bool has_rdtscp, has_invpcid, has_xsaves, has_umip, has_pku;
	bool logs_writes;		/* of pages that are not dirty: hv_dirty_logged() */
	bool has_cmci;			/* machine checks of this vendor may interrupt (CMCI) */
	bool has_bus_lock_exit, has_notify_exit;	/* as the capabilities of these names */
	bool pdptes_in_memory;		/* PAE: walked like other entries, and marked accessed */
	bool has_cstate_msrs;		/* counters of C-states, which a guest may read directly */
	bool has_arch_capabilities;	/* guests get an IA32_ARCH_CAPABILITIES, a host's or not */
	bool amd_leaves;		/* CPUID: AMD's extended leaves, and no leaf 4 */
	u64 bios_sign;			/* IA32_BIOS_SIGN_ID after RESET */
};

struct hv_ops {
	const char *name;		/* "vmx", "svm" */
	size_t vcpu_size;		/* of the struct that embeds struct hv_vcpu first */

	/*
	 * Module load. 0, or -ENODEV (another vendor's CPU, silent), -EOPNOTSUPP
	 * (our vendor, a required feature is missing: it names it in one pr_err).
	 */
	int (*probe)(struct hv_caps *caps);
	void (*unprobe)(void);

	/*
	 * VMXON/EFER.SVME on this CPU, irqs off. -EBUSY if somebody else has it.
	 * cpu_off also serves reboot and the emergency callback: NMI-like context,
	 * no locks, must work on a CPU where cpu_on was never called.
	 */
	int (*cpu_on)(void);
	void (*cpu_off)(void);

	void (*vm_destroy)(struct hv_vm *vm);		/* NULL: keeps nothing for a VM */

	int (*vcpu_create)(struct hv_vcpu *vcpu);	/* allocate; registers come by reset */
	void (*vcpu_destroy)(struct hv_vcpu *vcpu);
	/* Vendor half of RESET/INIT; shared state is already set. Loaded. */
	void (*vcpu_reset)(struct hv_vcpu *vcpu, bool init);

	/* Bind to / unbind from this CPU; irqs off or preemption off. */
	void (*vcpu_load)(struct hv_vcpu *vcpu, int cpu);
	void (*vcpu_put)(struct hv_vcpu *vcpu);

	/*
	 * One stay in the guest. Preemption and irqs off; leaves with irqs off,
	 * host state intact. Reads the exit's reason and IDT vectoring into its own
	 * struct, requeues an interrupted event into vcpu->events, and delivers an
	 * NMI or machine check that caused the exit to the host's handler.
	 * If the entry did not happen (immediate VM-entry failure) handle_exit reports it.
	 */
	void (*enter)(struct hv_vcpu *vcpu);
	/* irqs on, preemption on, loaded. enum hv_disposition or -errno. */
	int (*handle_exit)(struct hv_vcpu *vcpu);

	/* Injection; loaded. Each programs the next entry. */
	void (*inject_exception)(struct hv_vcpu *vcpu);	/* vcpu->events.exception */
	void (*inject_interrupt)(struct hv_vcpu *vcpu);	/* vcpu->events.interrupt */
	void (*inject_nmi)(struct hv_vcpu *vcpu);
	bool (*interrupt_allowed)(struct hv_vcpu *vcpu);/* RFLAGS.IF and no shadow */
	bool (*nmi_allowed)(struct hv_vcpu *vcpu);
	void (*want_interrupt_window)(struct hv_vcpu *vcpu, bool on);
	void (*want_nmi_window)(struct hv_vcpu *vcpu, bool on);
	/* KVM_X86_SHADOW_INT_{MOV_SS,STI}; set: 0 clears */
	u32 (*get_interrupt_shadow)(struct hv_vcpu *vcpu);
	void (*set_interrupt_shadow)(struct hv_vcpu *vcpu, u32 shadow);
	bool (*get_nmi_mask)(struct hv_vcpu *vcpu);
	void (*set_nmi_mask)(struct hv_vcpu *vcpu, bool masked);

	/* Registers; loaded. cache_reg fills one group of vcpu->* and sets its avail bit. */
	void (*cache_reg)(struct hv_vcpu *vcpu, enum hv_reg reg);
	void (*get_segment)(struct hv_vcpu *vcpu, enum hv_seg seg, struct kvm_segment *s);
	void (*set_segment)(struct hv_vcpu *vcpu, enum hv_seg seg, const struct kvm_segment *s);
	void (*get_dtable)(struct hv_vcpu *vcpu, enum hv_dtable which, struct hv_dtable_reg *r);
	void (*set_dtable)(struct hv_vcpu *vcpu, enum hv_dtable which,
			   const struct hv_dtable_reg *r);
	/* Values are validated by x86/cr.c; also stores them in vcpu->cr0/cr3/cr4/efer. */
	void (*set_cr0)(struct hv_vcpu *vcpu, u64 cr0);
	void (*set_cr3)(struct hv_vcpu *vcpu, u64 cr3);
	void (*set_cr4)(struct hv_vcpu *vcpu, u64 cr4);
	void (*set_efer)(struct hv_vcpu *vcpu, u64 efer);
	/* enum hv_msr_result, HV_MSR_UNKNOWN: not a vendor MSR */
	int (*get_msr)(struct hv_vcpu *vcpu, u32 msr, u64 *value);
	int (*set_msr)(struct hv_vcpu *vcpu, u32 msr, u64 value, bool host);
	/*
	 * Recompute what is intercepted and what the guest owns: called after changes
	 * of CPUID, guest debug, fpu.owned, effective debug registers, TSC, APIC mode.
	 */
	void (*update)(struct hv_vcpu *vcpu);
	/* The VM's MSR filter changed: which MSRs the guest reaches without an exit. */
	void (*update_msr_maps)(struct hv_vcpu *vcpu);
	void (*write_tsc_offset)(struct hv_vcpu *vcpu, u64 offset);
	/*
	 * Make the guest exit no later than host TSC @deadline (U64_MAX: none).
	 * -EOPNOTSUPP: caller uses an hrtimer. handle_exit calls hv_lapic_deadline_hit().
	 * NULL: never with hv_caps.has_deadline.
	 */
	int (*set_deadline)(struct hv_vcpu *vcpu, u64 deadline);

	/*
	 * LAPICs that hardware runs (NULL: it cannot); loaded. update_apic: mode, base,
	 * software enable or ISR of vcpu->lapic changed: decides, tells by
	 * hv_lapic_set_by_hw(). apic_irr: IRR has new bits, @vector is the highest.
	 */
	void (*update_apic)(struct hv_vcpu *vcpu);
	void (*apic_irr)(struct hv_vcpu *vcpu, int vector);

	/*
	 * TLBs; loaded, before entry. flush_tdp: take the root of vcpu->as, then INVEPT /
	 * new ASID; flush_guest: INVVPID.
	 */
	void (*flush_tdp)(struct hv_vcpu *vcpu);
	void (*flush_guest)(struct hv_vcpu *vcpu);

	/* Current exit for internal errors and traces: length of data filled, at most 8 words */
	unsigned int (*describe_exit)(struct hv_vcpu *vcpu, u64 *data);
	/* Instruction bytes of this exit if hardware recorded them: count, 0-15; NULL: never */
	unsigned int (*insn_bytes)(struct hv_vcpu *vcpu, u8 *bytes);
};

extern const struct hv_ops *hv_ops;	/* set once, at load, by main.c */
extern struct hv_caps hv_caps;

/* hv_ops->cache_reg, which most exits need, without a call through the table. */
DECLARE_STATIC_CALL(hv_cache_reg, *hv_ops->cache_reg);

#endif /* VELLUM_CORE_OPS_H */
