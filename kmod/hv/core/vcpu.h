/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtual CPU: its architectural state in vendor-neutral form and the
 * machinery that runs it. Back ends embed it as the first member of their own.
 *
 * Unless a field says otherwise it is touched only by the task that holds
 * @mutex (every vCPU ioctl takes it) or by that vCPU's own run loop.
 */
#ifndef VELLUM_CORE_VCPU_H
#define VELLUM_CORE_VCPU_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcuwait.h>
#include <linux/spinlock.h>
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>

#include "core/hv.h"
#include "core/iobus.h"
#include "core/vm.h"

#define HV_TDP_CACHE	4		/* tables one fault can need: all levels but the root */

struct hv_cpuid;
struct hv_lapic;
struct hv_emul;

/* Register groups that the hardware holds and shared code reads on demand. */
enum hv_reg {
	HV_REG_RIP, HV_REG_RSP, HV_REG_RFLAGS,
	HV_REG_CR0, HV_REG_CR3, HV_REG_CR4,
	HV_REG_CS_SS,		/* vcpu->cpl (SS.DPL), cs_l */
	HV_REG_PDPTR,		/* with PAE paging */
};

/* vcpu->mode: does an IPI interrupt guest code? Written with interrupts off. */
enum hv_vcpu_mode {
	HV_OUTSIDE_GUEST,
	HV_IN_GUEST,
	HV_EXITING_GUEST,	/* kicked: an IPI is on its way */
};

/**
 * struct hv_events - what waits to be, or was being, injected
 *
 * "injected" means: delivery began on hardware and did not finish (IDT
 * vectoring), or user space says so; it goes again before anything else, an interrupt as soon
 * as the guest is open. "pending": not yet tried.
 */
struct hv_events {
	bool delivering;		/* the last exit cut a delivery short */
	struct {
		bool pending, injected;
		bool has_error, has_payload;
		u8 vector;
		u32 error;
		u64 payload;		/* CR2 or DR6 */
	} exception;
	struct {
		bool injected, soft;
		u8 vector;
	} interrupt;
	bool nmi_injected;
	bool nmi_masked;		/* svm; vmx reads its own */
	atomic_t nmi_queued;		/* any task: hv_vcpu_nmi() */
	u8 nmi_pending;			/* 0-2 */
	u8 soft_insn_len;		/* of an injected INT n, INT3, INTO */
};

/** struct hv_debug - debug registers and KVM_SET_GUEST_DEBUG */
struct hv_debug {
	u64 db[4];			/* the guest's DR0-DR3 */
	u64 dr6, dr7;			/* the guest's */
	u64 eff_db[4], eff_dr7;		/* what hardware gets: VMM's if guest_debug uses hw bps */
	u32 guest_debug;		/* KVM_GUESTDBG_* */
	bool loaded;			/* eff_db/dr6 are in hardware */
	bool want;			/* dr7 has a breakpoint enabled: load on entry */
};

/** struct hv_fpu - guest FPU state and where it is at the moment */
struct hv_fpu {
	struct fpu_guest guest;
	bool loaded;			/* current's fpstate is the guest's: between load and put */
	bool owned;			/* back end lets the guest use it (CR0.TS is the guest's) */
	bool special;			/* XCR0, XSS or PKRU of the guest is not the host's */
	u8 streak;			/* KVM_RUNs in a row that used it: then load eagerly */
	u64 xcr0;			/* guest XCR0 */
	u64 xcr0_allowed;		/* from CPUID leaf 0xd */
	u64 xss;
	u32 pkru, host_pkru;
};

/** struct hv_tsc - guest TSC = host TSC * ratio + offset */
struct hv_tsc {
	u64 offset;
	u64 adjust;			/* IA32_TSC_ADJUST */
	u32 khz;			/* guest's rate */
	u64 ratio;			/* hv_caps.tsc_ratio_frac_bits fraction bits; 0: 1:1 */
};

/** struct hv_pv - paravirtual per-vCPU areas (x86/pvclock.c, x86/hypercall.c) */
struct hv_pv {
	u64 system_time_msr;		/* MSR_KVM_SYSTEM_TIME(_NEW) as written */
	u64 steal_msr, poll_control_msr, eoi_msr;
	bool eoi_offered;		/* the guest may clear a bit rather than write EOI */
	u64 steal_last_run_delay;
	bool at_boundary;		/* no instruction is half done while the task is away */
	bool preempted_told;		/* "preempted" stands in the steal-time area */
	bool enforce;			/* KVM_CAP_ENFORCE_PV_FEATURE_CPUID */
	bool unhalted;			/* kicked: ends this HLT, or else the next; any task */
	struct {
		u64 rip;
		u8 len;
		bool long_mode;
	} hypercall;			/* the one that user space completes */
	bool stop_guest_request;	/* KVM_KVMCLOCK_CTRL */
	u32 version;
};

/** struct hv_apf - asynchronous page faults (x86/async_pf.c) */
struct hv_apf {
	u64 enable_msr, vector_msr;	/* MSR_KVM_ASYNC_PF_EN and _INT as written */
	u32 last;			/* number of the newest token */
	bool wake_all;			/* tell the guest to look at all of them again */
	spinlock_t lock;		/* the two below: workers */
	u32 generation;			/* workers of an older one are forgotten */
	struct list_head ready;		/* pages that are there, to be told */
};

/** struct hv_poll - halt polling (core/poll.c) */
struct hv_poll {
	u64 ns;				/* how long, next time */
	u64 begin;			/* of the halt at hand */
};

/** struct hv_smm - system management mode (x86/smm.c) */
struct hv_smm {
	u32 base;			/* SMBASE */
	bool active;
	bool inside_nmi;		/* NMIs were masked when it began */
	bool from_halt;			/* if one begins now it interrupts a HLT */
	atomic_t pending;		/* any task: hv_vcpu_smi() */
	u64 count;			/* SMIs since RESET */
};

/** struct hv_msr_state - MSRs that shared code keeps (x86/msr.c) */
struct hv_msr_state {
	u64 apic_base;
	u64 pat;
	u64 misc_enable;
	u64 mtrr_def_type, mtrr_fixed[11], mtrr_var[16];
	u64 mcg_cap, mcg_status, mcg_ctl, mc_bank[32 * 4], mc_ctl2[32];
	u64 arch_capabilities, spec_ctrl, platform_info, misc_features;
	u64 tsc_aux;
	u64 bios_sign, hwcr;
	u64 star, lstar, cstar, sfmask, kernel_gs_base;	/* guest values when not in hardware */
	u64 sysenter_cs, sysenter_esp, sysenter_eip;
};

/** struct hv_dirty_ring - pages this vCPU wrote (memory/dirty_ring.c); indices run freely */
struct hv_dirty_ring {
	struct kvm_dirty_gfn *gfns;	/* user space maps and writes it; NULL: no ring */
	u32 head;			/* next to fill; the vCPU's */
	u32 tail;			/* next to reset; vm->slots_lock */
};

/** struct hv_io_completion - what to do when KVM_RUN comes back after an exit */
typedef int (*hv_complete_fn)(struct hv_vcpu *vcpu);

struct hv_vcpu {
	struct hv_vm *vm;
	int index;			/* in vm->vcpus */
	u32 id;				/* KVM_CREATE_VCPU's; initial APIC id */
	struct mutex mutex;
	struct kvm_run *run;		/* shared with user space: read each field once */
	void *pio_data;			/* page at KVM_PIO_PAGE_OFFSET */

	/* machinery: run.c */
	int cpu;			/* loaded on, or -1 */
	int last_cpu;			/* hardware state was last on; -1: none */
	struct preempt_notifier preempt;
	bool loaded;			/* between hv_vcpu_load() and hv_vcpu_put() */
	atomic_t mode;			/* enum hv_vcpu_mode; any task reads */
	unsigned long requests;		/* BIT(enum hv_request); any task, atomic */
	struct rcuwait wait;		/* HLT in the kernel */
	struct pid __rcu *pid;		/* last task in KVM_RUN, for directed yield */
	bool preempted;
	u32 mp_state;			/* KVM_MP_STATE_* */
	hv_complete_fn complete;	/* pending user-space completion */
	struct {
		u64 rip;
		u8 len;
	} owed;				/* the instruction that @complete finishes */
	u16 bus_hint[HV_NR_BUSES];	/* ranges that this vCPU's accesses met last */
	int external_vector;		/* KVM_INTERRUPT with a split irqchip; -1: none */
	sigset_t sigset;
	bool sigset_active;

	/* registers */
	u64 gpr[HV_NR_GPRS];		/* [HV_RSP] valid if avail */
	u64 rip, rflags;		/* valid if avail */
	unsigned long avail, dirty;	/* BIT(enum hv_reg) */
	u8 cpl;				/* HV_REG_CS_SS: valid if avail */
	bool cs_l;
	bool shadow;			/* an interrupt shadow is in force; back ends keep it */
	u64 cr0, cr2, cr3, cr4, efer;	/* guest-owned bits of cr0, cr4: valid if avail */
	u64 cr8;			/* without an in-kernel LAPIC */
	u64 cr0_guest_owned, cr4_guest_owned;	/* bits a guest changes without exit */
	u64 cr4_reserved;		/* from CPUID */
	u64 pdptr[4];			/* valid if avail */
	bool rflags_tf_debug;		/* TF is ours (KVM_GUESTDBG_SINGLESTEP) */

	struct hv_events events;
	struct hv_debug debug;
	struct hv_fpu fpu;
	struct hv_tsc tsc;
	struct hv_pv pv;
	struct hv_apf apf;
	struct hv_poll poll;
	struct hv_smm smm;
	struct hv_msr_state msr;
	struct hv_cpuid *cpuid;		/* x86/cpuid.h; never NULL */
	u8 maxphyaddr;
	struct hv_lapic *lapic;		/* irqchip/lapic.h; NULL without one */
	struct hv_emul *emul;		/* x86/emulate.h */

	/* memory */
	u8 as;				/* enum hv_address_space; hv_vcpu_set_address_space() */
	struct hv_memslot *last_slot;	/* hint; valid for slots_generation only */
	u64 slots_generation;
	u64 *tdp_cache[HV_TDP_CACHE];	/* zeroed pages to become tables */
	unsigned int tdp_cached;
	struct hv_dirty_ring ring;

	/* debugfs and trace counters; only the run loop writes */
	struct hv_vcpu_stat {
		u64 exits, io_exits, mmio_exits, signal_exits, halt_exits, irq_exits, tdp_faults,
		    halt_successful_poll, insn_emulations, injections, requests,
		    host_state_reloads, fpu_loads, dirty_logged, notify_window_exits;
	} stat;
};

/* The mmapped area of a vCPU fd: the run page, port I/O data, the VM's coalesced-I/O ring. */
#define HV_RUN_MMAP_SIZE	(3 * PAGE_SIZE)

long hv_vcpu_create(struct hv_vm *vm, unsigned long id);	/* an fd or -errno */
void hv_vcpu_destroy(struct hv_vcpu *vcpu);			/* with its VM */
long hv_vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg);	/* vcpu_ioctl.c */

/* Put @vcpu on this physical CPU / take it off; nestable only through preemption. */
void hv_vcpu_load(struct hv_vcpu *vcpu);
void hv_vcpu_put(struct hv_vcpu *vcpu);

/* Make a running @vcpu leave the guest and a halted one look again. Any context. */
void hv_vcpu_kick(struct hv_vcpu *vcpu);
void hv_vcpu_wake(struct hv_vcpu *vcpu);
/* The NMI line: at most two wait. Any context. */
void hv_vcpu_nmi(struct hv_vcpu *vcpu);

void hv_run_init(void);				/* once, when hv_ops is set */
int hv_vcpu_run(struct hv_vcpu *vcpu);		/* KVM_RUN; core/run.c */
/* HLT was executed (rip already advanced): block, or exit without in-kernel irqchip. */
int hv_vcpu_halt(struct hv_vcpu *vcpu);
bool hv_vcpu_runnable(struct hv_vcpu *vcpu);
/* a PAUSE loop exited: let whom it waits for run; core/spin.c */
void hv_vcpu_spins(struct hv_vcpu *vcpu);

#endif /* VELLUM_CORE_VCPU_H */
