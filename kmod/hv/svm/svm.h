/* SPDX-License-Identifier: GPL-2.0-only */
/* The AMD-V back end: what its files share. Nothing outside svm/ but main.c includes this. */
#ifndef VELLUM_SVM_SVM_H
#define VELLUM_SVM_SVM_H

#include <linux/percpu.h>
#include <asm/svm.h>

#include "core/ops.h"
#include "core/vcpu.h"

struct emul_insn;

extern const struct hv_ops hv_svm_ops;

/**
 * struct svm_cpu - AMD-V state of one physical CPU
 * @hsave: VM_HSAVE_PA page: VMRUN keeps host state here
 * @host: VMSAVE area for what VMRUN does not switch (FS, GS, TR, LDTR, syscall MSRs)
 * @asid_generation: counts the rounds through all ASIDs; a vCPU of an older one takes a new ASID
 * @next_asid: the next unused one of this round
 * @tsc_aux: TSC_AUX as this CPU's kernel set it, once; 0 without RDTSCP
 * @last: the vCPU that was loaded here last, to be compared only
 */
struct svm_cpu {
	struct page *hsave;
	struct page *host;
	const struct hv_svm *last;
	u64 asid_generation;
	u32 next_asid;
	u32 tsc_aux;
};

DECLARE_PER_CPU(struct svm_cpu, svm_cpu);

/* Found by the probe. */
extern u32 svm_max_asid;
extern bool svm_has_nrips, svm_has_decode_assists, svm_has_pause_filter;

/** struct hv_svm - a vCPU on AMD-V */
struct hv_svm {
	struct hv_vcpu vcpu;		/* first */
	struct vmcb *vmcb;
	u64 vmcb_pa;
	void *msrpm;			/* MSR permission map, two pages */
	u64 host_pa;			/* this CPU's svm_cpu.host */
	u32 host_tsc_aux;		/* this CPU's svm_cpu.tsc_aux */
	u64 asid_generation;		/* 0: take a new ASID at the next entry */
	int asid_cpu;
	bool nmi_wanted;		/* want_nmi_window(true) since the last entry */
	bool iret_begun;		/* at iret_rip is the IRET that unmasks NMIs */
	bool irq_window;		/* V_IRQ asks for an exit when the guest opens */
	bool virq;			/* V_IRQ is events.interrupt.vector, for the next entry */
	bool window_later;		/* want_interrupt_window(true) came when V_IRQ was taken */
	bool dr_passed;			/* the guest has the debug registers for this stay */
	u64 iret_rip;
	struct {			/* an entry that runs one instruction; nmi.c */
		bool active;
		bool tf;		/* the guest, or its debugger, steps too */
		bool own_trap;		/* the #DB that ended it is ours alone */
		bool refused;		/* not at the next entry */
		u32 exceptions;		/* the intercepts there were */
		u64 rip;
	} step;
};

static inline struct hv_svm *to_svm(struct hv_vcpu *vcpu)
{
	return container_of(vcpu, struct hv_svm, vcpu);
}

static inline struct vmcb_control_area *svm_control(struct hv_vcpu *vcpu)
{
	return &to_svm(vcpu)->vmcb->control;
}

static inline struct vmcb_save_area *svm_save(struct hv_vcpu *vcpu)
{
	return &to_svm(vcpu)->vmcb->save;
}

/* VMCB clean bits: hardware may keep what software did not touch (APM "VMCB State Caching"). */
enum svm_clean {
	SVM_CLEAN_INTERCEPTS = BIT(0), SVM_CLEAN_PERM_MAP = BIT(1), SVM_CLEAN_ASID = BIT(2),
	SVM_CLEAN_INTR = BIT(3), SVM_CLEAN_NPT = BIT(4), SVM_CLEAN_CR = BIT(5),
	SVM_CLEAN_DR = BIT(6), SVM_CLEAN_DT = BIT(7), SVM_CLEAN_SEG = BIT(8),
	SVM_CLEAN_CR2 = BIT(9),
	SVM_CLEAN_ALL = GENMASK(9, 0),
};

static inline void svm_mark_dirty(struct hv_vcpu *vcpu, enum svm_clean bits)
{
	svm_control(vcpu)->clean &= ~bits;
}

static inline void svm_intercept(struct hv_vcpu *vcpu, unsigned int bit, bool on)
{
	u32 *word = &svm_control(vcpu)->intercepts[bit / 32];
	u32 value = on ? *word | BIT(bit % 32) : *word & ~BIT(bit % 32);

	if (value == *word)
		return;
	*word = value;
	svm_mark_dirty(vcpu, SVM_CLEAN_INTERCEPTS);
}

/* caps.c */
int svm_probe(struct hv_caps *caps);

/* vmcb.c */
int svm_vmcb_init_maps(void);		/* module load */
void svm_vmcb_free_maps(void);
int svm_vmcb_create(struct hv_svm *svm);
void svm_vmcb_destroy(struct hv_svm *svm);
void svm_vmcb_init(struct hv_svm *svm);
void svm_update_exits(struct hv_svm *svm);
void svm_update_msr_maps(struct hv_vcpu *vcpu);

/* state.c */
void svm_reset(struct hv_vcpu *vcpu, bool init);
void svm_cache_reg(struct hv_vcpu *vcpu, enum hv_reg reg);
void svm_flush_regs(struct hv_vcpu *vcpu);
void svm_fetch_regs(struct hv_vcpu *vcpu);
void svm_get_segment(struct hv_vcpu *vcpu, enum hv_seg seg, struct kvm_segment *s);
void svm_set_segment(struct hv_vcpu *vcpu, enum hv_seg seg, const struct kvm_segment *s);
void svm_get_dtable(struct hv_vcpu *vcpu, enum hv_dtable which, struct hv_dtable_reg *r);
void svm_set_dtable(struct hv_vcpu *vcpu, enum hv_dtable which, const struct hv_dtable_reg *r);
void svm_set_cr0(struct hv_vcpu *vcpu, u64 cr0);
void svm_set_cr3(struct hv_vcpu *vcpu, u64 cr3);
void svm_set_cr4(struct hv_vcpu *vcpu, u64 cr4);
void svm_set_efer(struct hv_vcpu *vcpu, u64 efer);
void svm_update(struct hv_vcpu *vcpu);
void svm_write_tsc_offset(struct hv_vcpu *vcpu, u64 offset);

void svm_pass_debug_registers(struct hv_vcpu *vcpu);
void svm_take_debug_registers(struct hv_vcpu *vcpu);

/* msr.c */
int svm_get_msr(struct hv_vcpu *vcpu, u32 msr, u64 *value);
int svm_set_msr(struct hv_vcpu *vcpu, u32 msr, u64 value, bool host);

/* inject.c */
void svm_inject_exception(struct hv_vcpu *vcpu);
void svm_inject_interrupt(struct hv_vcpu *vcpu);
bool svm_interrupt_allowed(struct hv_vcpu *vcpu);
void svm_forget_interrupt(struct hv_vcpu *vcpu);
void svm_inject_by_event(struct hv_vcpu *vcpu);
void svm_want_interrupt_window(struct hv_vcpu *vcpu, bool on);
u32 svm_get_interrupt_shadow(struct hv_vcpu *vcpu);
void svm_set_interrupt_shadow(struct hv_vcpu *vcpu, u32 shadow);
/* After an exit: what was being delivered? @event: EVENTINJ at entry. @moved: RIP has changed */
void svm_requeue(struct hv_vcpu *vcpu, u32 event, bool moved);

/* nmi.c */
void svm_inject_nmi(struct hv_vcpu *vcpu);
bool svm_nmi_allowed(struct hv_vcpu *vcpu);
void svm_want_nmi_window(struct hv_vcpu *vcpu, bool on);
bool svm_get_nmi_mask(struct hv_vcpu *vcpu);
void svm_set_nmi_mask(struct hv_vcpu *vcpu, bool masked);
void svm_nmi_reset(struct hv_vcpu *vcpu);
void svm_nmi_before_entry(struct hv_vcpu *vcpu);
void svm_step_exited(struct hv_vcpu *vcpu);
bool svm_step_trapped(struct hv_vcpu *vcpu, u64 *dr6);
int svm_refuse_step(struct hv_vcpu *vcpu);
int svm_handle_pushf(struct hv_vcpu *vcpu);
int svm_handle_iret(struct hv_vcpu *vcpu);

/* npt.c */
void svm_flush_tdp(struct hv_vcpu *vcpu);
void svm_flush_guest(struct hv_vcpu *vcpu);
void svm_take_asid(struct hv_svm *svm);		/* before entry, irqs off */
int svm_handle_npf(struct hv_vcpu *vcpu);

/* exit.c */
int svm_handle_exit(struct hv_vcpu *vcpu);
unsigned int svm_describe_exit(struct hv_vcpu *vcpu, u64 *data);
unsigned int svm_insn_bytes(struct hv_vcpu *vcpu, u8 *bytes);

/* enter.S: VMLOAD, VMRUN, VMSAVE with the guest's registers. GIF clear inside; irqs off. */
void svm_enter_guest(u64 vmcb_pa, u64 *gpr, u64 host_pa);

#endif /* VELLUM_SVM_SVM_H */
