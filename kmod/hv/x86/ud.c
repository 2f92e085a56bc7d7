// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions that are undefined on this CPU, or that this CPU does not tell us of, and mean
 * something in a virtual machine all the same.
 */
#include <linux/mm.h>

#include "memory/guest.h"
#include "x86/cpuid.h"
#include "x86/emul.h"
#include "x86/emulate.h"
#include "x86/event.h"
#include "x86/regs.h"
#include "x86/smm.h"
#include "x86/ud.h"
#include "x86/walk.h"

/*
 * A guest that was told, or guesses wrongly, whose CPU this is calls with the other vendor's
 * instruction. It is replaced by ours, so that the next call costs no decoding.
 */
static void hypercall_patch(struct hv_vcpu *vcpu, unsigned int len)
{
	struct kvm_segment cs;
	struct hv_walk walk;
	u64 linear;

	hv_ops->get_segment(vcpu, HV_CS, &cs);
	linear = hv_is_64bit(vcpu) ? hv_rip(vcpu) : (u32)(cs.base + hv_rip(vcpu));
	/* With prefixes, or across a page, it stays as it is and works by exits. */
	if (len != HV_HYPERCALL_LEN || offset_in_page(linear) > PAGE_SIZE - len)
		return;
	if (!hv_walk(vcpu, linear, HV_ACCESS_EXEC, &walk))
		hv_guest_write(vcpu, walk.gpa, hv_caps.hypercall_insn, len);
}

static int other_hypercall(struct hv_vcpu *vcpu, unsigned int len)
{
	if (hv_quirk_off(vcpu->vm, KVM_X86_QUIRK_FIX_HYPERCALL_INSN))
		return hv_inject_ud(vcpu);
	/* An application's attempt is refused, and its code is not ours to change. */
	if (!hv_cpl(vcpu))
		hypercall_patch(vcpu, len);
	return hv_handle_hypercall(vcpu, len);
}

int hv_handle_ud(struct hv_vcpu *vcpu)
{
	const struct emul_insn *insn = hv_emul_decode(vcpu);

	switch (insn ? insn->class : EMUL_CLASS_UD) {
	case EMUL_CLASS_VMCALL:
	case EMUL_CLASS_VMMCALL:
		return other_hypercall(vcpu, insn->len);
	case EMUL_CLASS_RSM:
		return hv_handle_rsm(vcpu);
	default:
		return hv_inject_ud(vcpu);
	}
}

/* Without a wait of our own, MONITOR and MWAIT do nothing: waking up early is legal. */
int hv_handle_mwait(struct hv_vcpu *vcpu, unsigned int len)
{
	if (hv_quirk_off(vcpu->vm, KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS) &&
	    !hv_cpuid_has(vcpu, HV_F_MWAIT))
		return hv_inject_ud(vcpu);
	return hv_skip_insn(vcpu, len);
}
