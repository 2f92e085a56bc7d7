// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extended page tables and VPIDs as the CPU sees them. The tables themselves
 * belong to memory/tdp.c.
 *
 * A TLB entry is tagged with VPID and EPTP (SDM volume 3, "Caching Translation
 * Information"). A vCPU flushes both when it comes to another CPU, which also
 * takes care of tags that an earlier vCPU or VM used there.
 */
#include <linux/bitmap.h>
#include <linux/spinlock.h>

#include "vmx/vmx.h"
#include "x86/emulate.h"

#define VPID_NONE	0	/* the host's own tag */

#define EPT_QUAL_ADVANCED	BIT(9)	/* with advanced information: user-mode address */
#define EPT_CAP_ADVANCED	BIT_ULL(22)

static DEFINE_SPINLOCK(vpid_lock);
static DECLARE_BITMAP(vpids, VMX_NR_VPIDS);	/* vpid_lock */

/* Without a free VPID the vCPU runs without: every entry and exit then flushes. */
int vmx_vpid_alloc(struct hv_vmx *vmx)
{
	unsigned int vpid;

	vmx->vpid = VPID_NONE;
	if (!vmx_has_vpid())
		return 0;
	spin_lock(&vpid_lock);
	vpid = find_next_zero_bit(vpids, VMX_NR_VPIDS, VPID_NONE + 1);
	if (vpid < VMX_NR_VPIDS) {
		__set_bit(vpid, vpids);
		vmx->vpid = vpid;
	}
	spin_unlock(&vpid_lock);
	return 0;
}

void vmx_vpid_free(struct hv_vmx *vmx)
{
	if (vmx->vpid == VPID_NONE)
		return;
	spin_lock(&vpid_lock);
	__clear_bit(vmx->vpid, vpids);
	spin_unlock(&vpid_lock);
	vmx->vpid = VPID_NONE;
}

u64 vmx_eptp(struct hv_vcpu *vcpu)
{
	u64 eptp = vcpu->vm->tdp.root_pa[vcpu->as] | VMX_EPTP_MT_WB | VMX_EPTP_PWL_4;

	if (vmx_caps.ept_vpid & VMX_EPT_AD_BIT)
		eptp |= VMX_EPTP_AD_ENABLE_BIT;
	return eptp;
}

void vmx_flush_tdp(struct hv_vcpu *vcpu)
{
	struct hv_vmx *vmx = to_vmx(vcpu);
	u64 eptp = vmx_eptp(vcpu);
	int ret;

	/* Another address space: what was cached of it when it was last used is old. */
	if (eptp != vmx->eptp) {
		vmx->eptp = eptp;
		vmcs_write64(EPT_POINTER, eptp);
	}
	if (vmx_caps.ept_vpid & VMX_EPT_EXTENT_CONTEXT_BIT)
		ret = vmx_invept(VMX_EPT_EXTENT_CONTEXT, eptp);
	else
		ret = vmx_invept(VMX_EPT_EXTENT_GLOBAL, 0);
	if (ret)
		vmcs_failed(EPT_POINTER, true);
}

void vmx_flush_guest(struct hv_vcpu *vcpu)
{
	struct hv_vmx *vmx = to_vmx(vcpu);
	int ret;

	if (vmx->vpid == VPID_NONE)
		return;
	if ((vmx_caps.ept_vpid >> 32) & VMX_VPID_EXTENT_SINGLE_CONTEXT_BIT)
		ret = vmx_invvpid(VMX_VPID_EXTENT_SINGLE_CONTEXT, vmx->vpid);
	else
		ret = vmx_invvpid(VMX_VPID_EXTENT_ALL_CONTEXT, VPID_NONE);
	if (ret)
		vmcs_failed(VIRTUAL_PROCESSOR_ID, true);
}

/* An earlier owner's translations (SDM "Guidelines for Use of the INVEPT Instruction"). */
void vmx_flush_all(void)
{
	if (vmx_caps.ept_vpid & VMX_EPT_EXTENT_GLOBAL_BIT)
		vmx_invept(VMX_EPT_EXTENT_GLOBAL, 0);
	if ((vmx_caps.ept_vpid >> 32) & VMX_VPID_EXTENT_GLOBAL_CONTEXT_BIT)
		vmx_invvpid(VMX_VPID_EXTENT_ALL_CONTEXT, VPID_NONE);
}

int vmx_handle_ept_violation(struct hv_vmx *vmx)
{
	unsigned long qual = vmcs_readl(EXIT_QUALIFICATION);
	struct hv_tdp_violation v = {
		.gpa = vmcs_read64(GUEST_PHYSICAL_ADDRESS),
		.read = qual & EPT_VIOLATION_ACC_READ,
		.write = qual & EPT_VIOLATION_ACC_WRITE,
		.exec = qual & EPT_VIOLATION_ACC_INSTR,
		.gva_valid = qual & EPT_VIOLATION_GVA_IS_VALID,
		.present = qual & EPT_VIOLATION_RWX_MASK,
	};

	vmx_reblock_nmi(vmx, qual);
	if (v.gva_valid) {
		v.gva = vmcs_readl(GUEST_LINEAR_ADDRESS);
		v.gva_is_walk = !(qual & EPT_VIOLATION_GVA_TRANSLATED);
		v.user = (vmx_caps.ept_vpid & EPT_CAP_ADVANCED) && !v.gva_is_walk &&
			 (qual & EPT_QUAL_ADVANCED);
	}
	if (unlikely(vmx_map_apic_page(vmx, v.gpa)))
		return HV_RESUME;
	return hv_handle_tdp_violation(&vmx->vcpu, &v);
}

/* Our tables never hold an entry that is a misconfiguration: something is broken. */
int vmx_handle_ept_misconfig(struct hv_vmx *vmx)
{
	pr_err_ratelimited(pr_hv_fmt("EPT misconfiguration at guest physical 0x%llx\n"),
			   vmcs_read64(GUEST_PHYSICAL_ADDRESS));
	return hv_internal_error(&vmx->vcpu, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON);
}
