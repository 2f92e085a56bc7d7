/* SPDX-License-Identifier: GPL-2.0-only */
/* What enter.S and C agree on. */
#ifndef VELLUM_VMX_ENTER_H
#define VELLUM_VMX_ENTER_H

/* struct vmx_entry, for the assembler; vmcs.c checks each. */
#define VMX_ENTRY_HOST_RSP	0
#define VMX_ENTRY_SPEC_CTRL	8
#define VMX_ENTRY_FLAGS		16

#define VMX_ENTRY_LAUNCHED_BIT	0	/* VMRESUME rather than VMLAUNCH */
#define VMX_ENTRY_READ_SPEC_CTRL 2	/* BIT(1): the guest writes SPEC_CTRL itself */

/* Byte offset of register @n in vcpu->gpr (enum hv_gpr order). */
#define VMX_GPR(n)		((n) * 8)

#ifndef __ASSEMBLY__

#include <linux/bits.h>
#include <linux/types.h>

/**
 * struct vmx_entry - what one entry needs besides the VMCS
 * @host_rsp: what HOST_RSP in the VMCS holds
 * @spec_ctrl: the guest's IA32_SPEC_CTRL
 * @flags: VMX_ENTRY_*
 */
struct vmx_entry {
	u64 host_rsp;
	u64 spec_ctrl;
	u32 flags;
};

#define VMX_ENTRY_LAUNCHED	BIT(VMX_ENTRY_LAUNCHED_BIT)

/* Runs the guest. 0 after a VM exit, 1 if VMLAUNCH or VMRESUME itself failed. Irqs off. */
int vmx_enter_guest(u64 *gpr, struct vmx_entry *entry);
/* where VM exits arrive: HOST_RIP */
void vmx_exit_point(void);

#endif /* __ASSEMBLY__ */
#endif /* VELLUM_VMX_ENTER_H */
