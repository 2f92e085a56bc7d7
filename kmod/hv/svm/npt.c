// SPDX-License-Identifier: GPL-2.0-only
/* Nested page faults, and TLBs by address space identifier (APM volume 2, "Nested Paging"). */
#include <asm/svm.h>

#include "svm/svm.h"
#include "x86/emulate.h"

/* EXITINFO1 of a nested page fault: a page-fault error code and two bits more. */
enum npf_error {
	NPF_PRESENT	= BIT(0),
	NPF_WRITE	= BIT(1),
	NPF_FETCH	= BIT(4),
};

#define NPF_TABLE	BIT_ULL(33)	/* the guest's own page walk faulted */

void svm_flush_tdp(struct hv_vcpu *vcpu)
{
	struct hv_svm *svm = to_svm(vcpu);
	u64 root = vcpu->vm->tdp.root_pa[vcpu->as];

	if (svm->vmcb->control.nested_cr3 != root) {
		svm->vmcb->control.nested_cr3 = root;
		svm_mark_dirty(vcpu, SVM_CLEAN_NPT);
	}
	/* A new ASID has no translations; the old one's are never used again. */
	svm->asid_generation = 0;
}

void svm_flush_guest(struct hv_vcpu *vcpu)
{
	to_svm(vcpu)->asid_generation = 0;
}

void svm_take_asid(struct hv_svm *svm)
{
	struct svm_cpu *cpu = this_cpu_ptr(&svm_cpu);
	struct vmcb_control_area *control = &svm->vmcb->control;

	control->tlb_ctl = TLB_CONTROL_DO_NOTHING;
	if (likely(svm->asid_generation == cpu->asid_generation &&
		   svm->asid_cpu == smp_processor_id()))
		return;
	if (cpu->next_asid > svm_max_asid) {
		cpu->asid_generation++;
		cpu->next_asid = 1;
		control->tlb_ctl = TLB_CONTROL_FLUSH_ALL_ASID;
	}
	svm->asid_generation = cpu->asid_generation;
	svm->asid_cpu = smp_processor_id();
	control->asid = cpu->next_asid++;
	svm_mark_dirty(&svm->vcpu, SVM_CLEAN_ASID);
}

int svm_handle_npf(struct hv_vcpu *vcpu)
{
	const struct vmcb_control_area *control = svm_control(vcpu);
	u64 error = control->exit_info_1;
	struct hv_tdp_violation v = {
		.gpa = control->exit_info_2,
		.write = error & NPF_WRITE,
		.exec = error & NPF_FETCH,
		.present = error & NPF_PRESENT,
		.gva_is_walk = error & NPF_TABLE,
	};

	v.read = !v.write && !v.exec;
	return hv_handle_tdp_violation(vcpu, &v);
}
