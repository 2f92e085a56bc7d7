// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page-modification logging (SDM volume 3, "Page-Modification Logging"): while a dirty log is
 * kept the CPU notes the address of each page whose leaf it makes dirty, and exits when 512 are
 * noted. They go into the log after every exit, before anybody can take the vCPU for outside the
 * guest: who waits for it to leave has what it wrote.
 */
#include <linux/gfp.h>

#include "memory/dirty.h"
#include "vmx/vmx.h"

#define PML_ENTRIES	512
#define PML_EMPTY	(PML_ENTRIES - 1)	/* the index counts down; beyond 0 it is full */

int vmx_pml_create(struct hv_vmx *vmx)
{
	if (!vmx_has_pml())
		return 0;
	vmx->pml = (void *)__get_free_page(GFP_KERNEL_ACCOUNT);
	return vmx->pml ? 0 : -ENOMEM;
}

void vmx_pml_destroy(struct hv_vmx *vmx)
{
	free_page((unsigned long)vmx->pml);
}

/* The VMCS is current and new. */
void vmx_pml_init(struct hv_vmx *vmx)
{
	if (!vmx->pml)
		return;
	vmcs_write64(PML_ADDRESS, __pa(vmx->pml));
	vmcs_write16(GUEST_PML_INDEX, PML_EMPTY);
}

/* The first log of the VM was begun, or the last ended. */
void vmx_pml_update(struct hv_vmx *vmx)
{
	bool on = vmx->pml && hv_dirty_by_cpu(vmx->vcpu.vm) && hv_dirty_logging(vmx->vcpu.vm);

	vmcs_control_secondary(vmx, SECONDARY_EXEC_ENABLE_PML, on);
	vmx->extra.pml = on;
}

/* After an exit, irqs off. */
void vmx_pml_flush(struct hv_vmx *vmx)
{
	u16 first, index = vmcs_read16(GUEST_PML_INDEX);

	if (index == PML_EMPTY)
		return;
	first = index < PML_ENTRIES ? index + 1 : 0;
	hv_dirty_logged(&vmx->vcpu, vmx->pml + first, PML_ENTRIES - first);
	vmcs_write16(GUEST_PML_INDEX, PML_EMPTY);
}

/* Full: it is empty by now. */
int vmx_handle_pml_full(struct hv_vmx *vmx)
{
	vmx_reblock_nmi(vmx, vmcs_readl(EXIT_QUALIFICATION));
	return HV_RESUME;
}
