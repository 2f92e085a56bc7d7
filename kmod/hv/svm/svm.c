// SPDX-License-Identifier: GPL-2.0-only
/* AMD-V as a back end: physical CPUs, vCPUs, one stay in the guest. */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <asm/asm.h>
#include <asm/debugreg.h>
#include <asm/mmu.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <asm/segment.h>

#include "compat/compat.h"
#include "core/machine_check.h"
#include "svm/svm.h"
#include "x86/event.h"

DEFINE_PER_CPU(struct svm_cpu, svm_cpu);

static void free_cpu_pages(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct svm_cpu *c = per_cpu_ptr(&svm_cpu, cpu);

		if (c->hsave)
			__free_page(c->hsave);
		if (c->host)
			__free_page(c->host);
		memset(c, 0, sizeof(*c));
	}
}

static int alloc_cpu_pages(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct svm_cpu *c = per_cpu_ptr(&svm_cpu, cpu);

		c->hsave = alloc_pages_node(cpu_to_node(cpu), GFP_KERNEL | __GFP_ZERO, 0);
		c->host = alloc_pages_node(cpu_to_node(cpu), GFP_KERNEL | __GFP_ZERO, 0);
		if (!c->hsave || !c->host) {
			free_cpu_pages();
			return -ENOMEM;
		}
	}
	return 0;
}

static int svm_load(struct hv_caps *caps)
{
	int ret = svm_probe(caps);

	if (ret)
		return ret;
	ret = alloc_cpu_pages();
	if (ret)
		return ret;
	ret = svm_vmcb_init_maps();
	if (ret)
		free_cpu_pages();
	return ret;
}

static void svm_unload(void)
{
	svm_vmcb_free_maps();
	free_cpu_pages();
}

static int svm_cpu_on(void)
{
	struct svm_cpu *cpu = this_cpu_ptr(&svm_cpu);
	u64 efer, aux = 0;

	rdmsrl(MSR_EFER, efer);
	if (efer & EFER_SVME)
		return -EBUSY;
	if (hv_caps.has_rdtscp)
		rdmsrl(MSR_TSC_AUX, aux);
	cpu->tsc_aux = aux;
	wrmsrl(MSR_EFER, efer | EFER_SVME);
	wrmsrl(MSR_VM_HSAVE_PA, page_to_phys(cpu->hsave));
	/* A new round: whatever another user of this CPU left under any ASID is flushed. */
	cpu->asid_generation++;
	cpu->next_asid = svm_max_asid + 1;
	return 0;
}

static void svm_cpu_off(void)
{
	u64 efer;

	rdmsrl(MSR_EFER, efer);
	if (!(efer & EFER_SVME))
		return;
	/* With GIF clear, as in a crash inside the guest, INIT would be lost. */
	asm volatile("stgi" ::: "memory");
	wrmsrl(MSR_VM_HSAVE_PA, 0);
	wrmsrl(MSR_EFER, efer & ~EFER_SVME);
}

static int svm_vcpu_create(struct hv_vcpu *vcpu)
{
	struct hv_svm *svm = to_svm(vcpu);
	int ret = svm_vmcb_create(svm);

	if (ret)
		return ret;
	svm->asid_cpu = -1;
	svm_vmcb_init(svm);
	return 0;
}

static void svm_vcpu_destroy(struct hv_vcpu *vcpu)
{
	struct hv_svm *svm = to_svm(vcpu);
	int cpu;

	/* A new vCPU may come to lie at the same address. */
	for_each_possible_cpu(cpu)
		cmpxchg(&per_cpu(svm_cpu, cpu).last, svm, NULL);
	svm_vmcb_destroy(svm);
}

static void svm_vcpu_load(struct hv_vcpu *vcpu, int cpu)
{
	struct hv_svm *svm = to_svm(vcpu);

	svm->host_pa = page_to_phys(per_cpu(svm_cpu, cpu).host);
	svm->host_tsc_aux = per_cpu(svm_cpu, cpu).tsc_aux;
	/*
	 * What VMRUN does not keep: this task's FS and GS bases among it. If a reboot has just
	 * switched AMD-V off here, there is nothing to save: nobody will enter.
	 */
	asm volatile("1: vmsave %%rax\n2:" _ASM_EXTABLE(1b, 2b) : : "a"(svm->host_pa) : "memory");
	/* Clean bits speak of the VMCB's copy in one CPU only. */
	if (vcpu->last_cpu != cpu)
		svm->vmcb->control.clean = 0;
	if (this_cpu_read(svm_cpu.last) == svm)
		return;
	this_cpu_write(svm_cpu.last, svm);
	/* Another guest ran here last: its branch predictions are not for this one. */
	indirect_branch_prediction_barrier();
}

/*
 * Each VMLOAD after a stay brought back LDTR as it was when the vCPU was loaded. Another thread may
 * have given the process a new LDT since, and its old one is freed memory: the descriptor in the
 * GDT, which that change wrote, is the one that is true.
 */
static void reload_ldt(void)
{
#ifdef CONFIG_MODIFY_LDT_SYSCALL
	if (unlikely(current->mm && READ_ONCE(current->mm->context.ldt)))
		asm volatile("lldt %w0" : : "r"(GDT_ENTRY_LDT * 8));
#endif
}

/* VMSAVE in svm_enter_guest() left nothing of the guest in the CPU. */
static void svm_vcpu_put(struct hv_vcpu *vcpu)
{
	reload_ldt();
	hv_ibpb_before_user();
}

static void switch_msr(u32 msr, u64 from, u64 to)
{
	if (from != to)
		wrmsrl(msr, to);
}

/* With V_SPEC_CTRL hardware switches it; else around the entry, interrupts off. */
static void enter_with_spec_ctrl(struct hv_svm *svm)
{
	u64 guest = svm->vcpu.msr.spec_ctrl;
	u64 host = 0;

	if (boot_cpu_has(X86_FEATURE_V_SPEC_CTRL)) {
		svm->vmcb->save.spec_ctrl = guest;
	} else if (boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL)) {
		host = this_cpu_read(x86_spec_ctrl_current);
		switch_msr(MSR_IA32_SPEC_CTRL, host, guest);
	}
	svm_enter_guest(svm->vmcb_pa, svm->vcpu.gpr, svm->host_pa);
	if (!boot_cpu_has(X86_FEATURE_V_SPEC_CTRL) && boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL))
		switch_msr(MSR_IA32_SPEC_CTRL, guest, host);
}

/* The event that was programmed for an entry that did not happen may be gone since. */
static void recheck_injection(struct hv_svm *svm)
{
	const struct hv_events *ev = &svm->vcpu.events;
	bool interrupt = hv_interrupt_goes(&svm->vcpu);

	if (svm->virq && !interrupt)
		svm_forget_interrupt(&svm->vcpu);
	if (!ev->exception.injected && !ev->nmi_injected && !interrupt)
		svm->vmcb->control.event_inj = 0;
}

/* What cannot wait until interrupts are on again. */
static noinline void after_rare_exit(u32 code)
{
	/* The intercept took the exception away: it does not come again after STGI. */
	if (code == SVM_EXIT_EXCP_BASE + HV_MC)
		hv_host_machine_check();
	/* VMRUN gave up, perhaps before it did the flush that a new round of ASIDs begins with. */
	else
		this_cpu_write(svm_cpu.next_asid, svm_max_asid + 1);
}

/* VMRUN loads it whether the guest's debug registers are in use or not. */
static void load_dr6(struct hv_vcpu *vcpu)
{
	u64 dr6 = vcpu->debug.want ? vcpu->debug.dr6 : DR6_RESERVED;

	if (likely(svm_save(vcpu)->dr6 == dr6))
		return;
	svm_save(vcpu)->dr6 = dr6;
	svm_mark_dirty(vcpu, SVM_CLEAN_DR);
}

/* #VMEXIT leaves the guest's in the CPU. If it was in use, it is read there before it goes. */
static void drop_dr6(struct hv_vcpu *vcpu)
{
	if (unlikely(!vcpu->debug.loaded && svm_save(vcpu)->dr6 != DR6_RESERVED))
		set_debugreg(DR6_RESERVED, 6);
}

static void svm_enter(struct hv_vcpu *vcpu)
{
	struct hv_svm *svm = to_svm(vcpu);
	const bool shadow = vcpu->shadow;
	const u64 rip = vcpu->rip;
	u32 code, event;

	svm_flush_regs(vcpu);
	svm_take_asid(svm);
	if (unlikely(svm->vmcb->control.event_inj || svm->virq))
		recheck_injection(svm);
	if (unlikely(svm->nmi_wanted || svm->iret_begun))
		svm_nmi_before_entry(vcpu);
	load_dr6(vcpu);
	/* RDTSCP and RDPID read the host's register, which is its CPU number. */
	if (hv_caps.has_rdtscp)
		switch_msr(MSR_TSC_AUX, svm->host_tsc_aux, vcpu->msr.tsc_aux);
	event = svm->vmcb->control.event_inj;
	enter_with_spec_ctrl(svm);
	if (hv_caps.has_rdtscp)
		switch_msr(MSR_TSC_AUX, vcpu->msr.tsc_aux, svm->host_tsc_aux);
	code = svm->vmcb->control.exit_code;
	if (unlikely(code == SVM_EXIT_EXCP_BASE + HV_MC || code == (u32)SVM_EXIT_ERR))
		after_rare_exit(code);
	svm_fetch_regs(vcpu);
	drop_dr6(vcpu);
	/* It lasts until its instruction is done, but QEMU's VMRUN forgets it. */
	if (unlikely(shadow && vcpu->rip == rip))
		svm_set_interrupt_shadow(vcpu, KVM_X86_SHADOW_INT_STI);
	if (unlikely(svm->dr_passed))
		svm_take_debug_registers(vcpu);
	svm->vmcb->control.clean = SVM_CLEAN_ALL;
	svm->vmcb->control.event_inj = 0;
	svm_requeue(vcpu, event, vcpu->rip != rip);
	if (unlikely(svm->step.active))
		svm_step_exited(vcpu);
}

const struct hv_ops hv_svm_ops = {
	.name = "svm",
	.vcpu_size = sizeof(struct hv_svm),
	.probe = svm_load,
	.unprobe = svm_unload,
	.cpu_on = svm_cpu_on,
	.cpu_off = svm_cpu_off,
	.vcpu_create = svm_vcpu_create,
	.vcpu_destroy = svm_vcpu_destroy,
	.vcpu_reset = svm_reset,
	.vcpu_load = svm_vcpu_load,
	.vcpu_put = svm_vcpu_put,
	.enter = svm_enter,
	.handle_exit = svm_handle_exit,
	.inject_exception = svm_inject_exception,
	.inject_interrupt = svm_inject_interrupt,
	.inject_nmi = svm_inject_nmi,
	.interrupt_allowed = svm_interrupt_allowed,
	.nmi_allowed = svm_nmi_allowed,
	.want_interrupt_window = svm_want_interrupt_window,
	.want_nmi_window = svm_want_nmi_window,
	.get_interrupt_shadow = svm_get_interrupt_shadow,
	.set_interrupt_shadow = svm_set_interrupt_shadow,
	.get_nmi_mask = svm_get_nmi_mask,
	.set_nmi_mask = svm_set_nmi_mask,
	.cache_reg = svm_cache_reg,
	.get_segment = svm_get_segment,
	.set_segment = svm_set_segment,
	.get_dtable = svm_get_dtable,
	.set_dtable = svm_set_dtable,
	.set_cr0 = svm_set_cr0,
	.set_cr3 = svm_set_cr3,
	.set_cr4 = svm_set_cr4,
	.set_efer = svm_set_efer,
	.get_msr = svm_get_msr,
	.set_msr = svm_set_msr,
	.update = svm_update,
	.update_msr_maps = svm_update_msr_maps,
	.write_tsc_offset = svm_write_tsc_offset,
	.flush_tdp = svm_flush_tdp,
	.flush_guest = svm_flush_guest,
	.describe_exit = svm_describe_exit,
	.insn_bytes = svm_insn_bytes,
};
