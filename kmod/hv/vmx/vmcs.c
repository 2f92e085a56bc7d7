// SPDX-License-Identifier: GPL-2.0-only
/*
 * A new VMCS: controls, and the host state that never changes or changes only
 * with the CPU. Host state that changes more often is written by run.c
 * (CR3, CR4) and host.c (FS base).
 */
#include <linux/stddef.h>
#include <asm/desc.h>
#include <asm/msr.h>
#include <asm/segment.h>

#include "vmx/vmx.h"

static_assert(offsetof(struct vmx_entry, host_rsp) == VMX_ENTRY_HOST_RSP);
static_assert(offsetof(struct vmx_entry, spec_ctrl) == VMX_ENTRY_SPEC_CTRL);
static_assert(offsetof(struct vmx_entry, flags) == VMX_ENTRY_FLAGS);
static_assert(VMX_GPR(HV_RDI) == 7 * sizeof(u64) && VMX_GPR(HV_R15) == 15 * sizeof(u64));

/* SDM "PAUSE-Loop Exiting": cycles between PAUSEs of one loop, and how long it may go on. */
#define PLE_GAP_CYCLES		128
#define PLE_WINDOW_CYCLES	4096

#define VMCS_LINK_NONE	(~0ull)

void vmcs_failed(unsigned long field, bool write)
{
	/* Expected once a reboot has taken this CPU out of VMX operation. */
	if (!this_cpu_read(vmx_cpu.on))
		return;
	pr_err_ratelimited(pr_hv_fmt("%s of VMCS field 0x%lx failed\n"),
			   write ? "write" : "read", field);
}

void vmcs_control_cpu(struct hv_vmx *vmx, u32 bit, bool on)
{
	u32 value = on ? vmx->cpu_exec | bit : vmx->cpu_exec & ~bit;

	if (value == vmx->cpu_exec)
		return;
	vmx->cpu_exec = value;
	vmcs_write32(CPU_BASED_VM_EXEC_CONTROL, value);
}

void vmcs_control_secondary(struct hv_vmx *vmx, u32 bit, bool on)
{
	u32 value = on ? vmx->secondary | bit : vmx->secondary & ~bit;

	if (value == vmx->secondary)
		return;
	vmx->secondary = value;
	vmcs_write32(SECONDARY_VM_EXEC_CONTROL, value);
}

static void init_controls(struct hv_vmx *vmx)
{
	vmx->cpu_exec = vmx_caps.cpu;
	vmx->secondary = vmx_caps.secondary;
	vmx->entry_controls = vmx_caps.entry;
	if (!vmx->vpid)
		vmx->secondary &= ~SECONDARY_EXEC_ENABLE_VPID;
	if (vmx->vcpu.vm->notify_flags)
		vmx->secondary |= SECONDARY_EXEC_NOTIFY_VM_EXITING;
	vmcs_write32(PIN_BASED_VM_EXEC_CONTROL, vmx_caps.pin);
	vmcs_write32(CPU_BASED_VM_EXEC_CONTROL, vmx->cpu_exec);
	vmcs_write32(SECONDARY_VM_EXEC_CONTROL, vmx->secondary);
	vmcs_write32(VM_EXIT_CONTROLS, vmx_caps.exit);
	vmcs_write32(VM_ENTRY_CONTROLS, vmx->entry_controls);
	vmcs_write32(EXCEPTION_BITMAP, 0);
	/* #PF exits follow bit 14 of the exception bitmap alone, which is 0. */
	vmcs_write32(PAGE_FAULT_ERROR_CODE_MASK, 0);
	vmcs_write32(PAGE_FAULT_ERROR_CODE_MATCH, 0);
	vmcs_write32(CR3_TARGET_COUNT, 0);
	vmcs_write32(VM_EXIT_MSR_STORE_COUNT, 0);
	vmcs_write32(VM_EXIT_MSR_LOAD_COUNT, 0);
	vmcs_write32(VM_ENTRY_MSR_LOAD_COUNT, 0);
	vmcs_write32(VM_ENTRY_INTR_INFO_FIELD, 0);
	vmcs_write64(VMCS_LINK_POINTER, VMCS_LINK_NONE);
	vmcs_write64(TSC_OFFSET, 0);
}

static void init_optional(struct hv_vmx *vmx)
{
	if (vmx->secondary & SECONDARY_EXEC_PAUSE_LOOP_EXITING) {
		vmcs_write32(PLE_GAP, PLE_GAP_CYCLES);
		vmcs_write32(PLE_WINDOW, PLE_WINDOW_CYCLES);
	}
	if (vmx->secondary & SECONDARY_EXEC_NOTIFY_VM_EXITING)
		vmcs_write32(NOTIFY_WINDOW, vmx->vcpu.vm->notify_window);
	if (vmx->secondary & SECONDARY_EXEC_TSC_SCALING)
		vmcs_write64(TSC_MULTIPLIER, BIT_ULL(hv_caps.tsc_ratio_frac_bits));
	if (vmx_caps.secondary_may & VMCS_CONTROL_BIT(XSAVES))
		vmcs_write64(XSS_EXIT_BITMAP, 0);
	if (vmx_has_timer())
		vmcs_write32(VMX_PREEMPTION_TIMER_VALUE, vmx_caps.timer_bound);
	if (vmx->vpid)
		vmcs_write16(VIRTUAL_PROCESSOR_ID, vmx->vpid);
}

static void init_host(void)
{
	struct desc_ptr idt;
	u64 value;

	vmcs_writel(HOST_CR0, read_cr0());
	vmcs_writel(HOST_RIP, (unsigned long)vmx_exit_point);
	vmcs_write16(HOST_CS_SELECTOR, __KERNEL_CS);
	vmcs_write16(HOST_SS_SELECTOR, __KERNEL_DS);
	vmcs_write16(HOST_TR_SELECTOR, GDT_ENTRY_TSS * 8);
	/* Kernel code uses none of these; host.c brings user mode's back. */
	vmcs_write16(HOST_DS_SELECTOR, 0);
	vmcs_write16(HOST_ES_SELECTOR, 0);
	vmcs_write16(HOST_FS_SELECTOR, 0);
	vmcs_write16(HOST_GS_SELECTOR, 0);
	vmcs_writel(HOST_FS_BASE, 0);
	store_idt(&idt);
	vmcs_writel(HOST_IDTR_BASE, idt.address);
	rdmsrl(MSR_EFER, value);
	vmcs_write64(HOST_IA32_EFER, value);
	rdmsrl(MSR_IA32_CR_PAT, value);
	vmcs_write64(HOST_IA32_PAT, value);
	rdmsrl(MSR_IA32_SYSENTER_CS, value);
	vmcs_write32(HOST_IA32_SYSENTER_CS, value);
	rdmsrl(MSR_IA32_SYSENTER_EIP, value);
	vmcs_writel(HOST_IA32_SYSENTER_EIP, value);
}

void vmcs_init(struct hv_vmx *vmx)
{
	init_controls(vmx);
	init_optional(vmx);
	init_host();
	vmx_apic_init(vmx);
	vmx_pml_init(vmx);
	vmcs_write64(EPT_POINTER, vmx->eptp);
	vmcs_write64(MSR_BITMAP, __pa(vmx->msr_bitmap));
	/* Not equal to anything real: the first entry writes them. */
	vmx->host_cr3 = 0;
	vmx->host_cr4 = 0;
	vmcs_writel(HOST_CR3, 0);
	vmcs_writel(HOST_CR4, 0);
	vmx->entry.host_rsp = 0;
}

/* The VMCS moved to @cpu: host fields that differ between CPUs. Runs on it. */
void vmcs_set_cpu(struct hv_vmx *vmx, int cpu)
{
	u64 value;

	vmcs_writel(HOST_TR_BASE, (unsigned long)&get_cpu_entry_area(cpu)->tss.x86_tss);
	vmcs_writel(HOST_GDTR_BASE, (unsigned long)get_cpu_gdt_ro(cpu));
	rdmsrl(MSR_GS_BASE, value);
	vmcs_writel(HOST_GS_BASE, value);
	rdmsrl(MSR_IA32_SYSENTER_ESP, value);
	vmcs_writel(HOST_IA32_SYSENTER_ESP, value);
	vmx->host_cpu = cpu;
}
