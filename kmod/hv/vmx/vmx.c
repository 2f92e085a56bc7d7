// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VT-x back end: CPUs in and out of VMX operation, and the life of a VMCS.
 *
 * A VMCS is active on at most one CPU, which may keep parts of it in its own
 * caches; before another CPU loads it, VMCLEAR on the first writes it back (SDM
 * volume 3, "Software Use of Virtual-Machine Control Structures"). Each CPU
 * lists its active ones, so that it can leave VMX operation at any time.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <asm/cpufeature.h>
#include <asm/desc.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <asm/perf_event.h>
#include <asm/tlbflush.h>

#include "core/request.h"
#include "vmx/vmx.h"

DEFINE_PER_CPU(struct vmx_cpu, vmx_cpu);

static void *vmcs_alloc(int cpu, gfp_t gfp)
{
	struct page *page = alloc_pages_node(cpu_to_node(cpu), gfp | __GFP_ZERO, 0);
	u32 *vmcs;

	if (!page)
		return NULL;
	vmcs = page_address(page);
	vmcs[0] = vmx_basic_vmcs_revision_id(vmx_caps.basic);
	return vmcs;
}

static void free_vmxon_regions(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		free_page((unsigned long)per_cpu(vmx_cpu, cpu).vmxon);
		per_cpu(vmx_cpu, cpu).vmxon = NULL;
	}
}

static int alloc_vmxon_regions(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct vmx_cpu *c = per_cpu_ptr(&vmx_cpu, cpu);

		INIT_LIST_HEAD(&c->loaded);
		c->vmxon = vmcs_alloc(cpu, GFP_KERNEL);
		if (!c->vmxon) {
			free_vmxon_regions();
			return -ENOMEM;
		}
	}
	return 0;
}

static int vmx_probe(struct hv_caps *caps)
{
	int ret = vmx_caps_probe(caps);

	if (ret)
		return ret;
	ret = alloc_vmxon_regions();
	if (ret)
		return ret;
	ret = vmx_l1d_init();
	if (ret) {
		free_vmxon_regions();
		return ret;
	}
	vmx_host_init();
	return 0;
}

static void vmx_unprobe(void)
{
	vmx_l1d_exit();
	free_vmxon_regions();
}

static bool firmware_allows(void)
{
	u64 control;

	return !rdmsrl_safe(MSR_IA32_FEAT_CTL, &control) && (control & FEAT_CTL_LOCKED) &&
	       (control & (FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX | FEAT_CTL_VMX_ENABLED_INSIDE_SMX));
}

static int vmx_on(struct vmx_cpu *cpu)
{
	/* Tracing and VMX operation may exclude each other. */
	intel_pt_handle_vmx(1);
	cr4_set_bits_irqsoff(X86_CR4_VMXE);
	if (!vmx_vmxon(__pa(cpu->vmxon)))
		return 0;
	cr4_clear_bits_irqsoff(X86_CR4_VMXE);
	intel_pt_handle_vmx(0);
	return -EBUSY;
}

static int vmx_cpu_on(void)
{
	struct vmx_cpu *cpu = this_cpu_ptr(&vmx_cpu);
	int ret;

	if (native_read_cr4() & X86_CR4_VMXE)
		return -EBUSY;
	if (!firmware_allows()) {
		pr_err_ratelimited(pr_hv_fmt("VT-x is disabled by the firmware\n"));
		return -EOPNOTSUPP;
	}
	ret = vmx_caps_check_cpu();
	if (ret)
		return ret;
	cpu->gdt.address = (unsigned long)get_cpu_gdt_ro(smp_processor_id());
	cpu->gdt.size = GDT_SIZE - 1;
	vmx_msr_cpu_on(cpu);
	/* First, so that a crash in between takes the CPU out again. */
	WRITE_ONCE(cpu->on, true);
	ret = vmx_on(cpu);
	if (ret) {
		WRITE_ONCE(cpu->on, false);
		return ret;
	}
	vmx_flush_all();
	return 0;
}

/* On the CPU it is active on; interrupts off. */
static void vmcs_deactivate(struct vmx_cpu *cpu, struct hv_vmx *vmx)
{
	if (vmx_vmclear(vmx->vmcs_pa) && cpu->on)
		pr_err_ratelimited(pr_hv_fmt("VMCLEAR failed\n"));
	list_del(&vmx->loaded_link);
	if (cpu->current_vmx == vmx)
		cpu->current_vmx = NULL;
	vmx->entry.flags &= ~VMX_ENTRY_LAUNCHED;
	/* pairs with the acquire in vmcs_release() on another CPU */
	smp_store_release(&vmx->loaded_cpu, -1);
}

/*
 * Also in an NMI of a crashing kernel that interrupted anything: no locks, and
 * the list is walked forwards only and not changed, in case it was being changed.
 */
static void vmx_cpu_off(void)
{
	struct vmx_cpu *cpu = this_cpu_ptr(&vmx_cpu);
	struct hv_vmx *vmx, *next;

	if (!READ_ONCE(cpu->on))
		return;
	if (in_nmi() || oops_in_progress) {
		list_for_each_entry(vmx, &cpu->loaded, loaded_link)
			vmx_vmclear(vmx->vmcs_pa);
	} else {
		list_for_each_entry_safe(vmx, next, &cpu->loaded, loaded_link)
			vmcs_deactivate(cpu, vmx);
		vmx_msr_cpu_off(cpu);
	}
	WRITE_ONCE(cpu->on, false);
	vmx_vmxoff();
	cr4_clear_bits_irqsoff(X86_CR4_VMXE);
	if (!in_nmi())
		intel_pt_handle_vmx(0);
}

static void deactivate_ipi(void *arg)
{
	struct vmx_cpu *cpu = this_cpu_ptr(&vmx_cpu);
	struct hv_vmx *vmx = arg;

	/* The CPU may have left VMX operation, and with it the VMCS, meanwhile. */
	if (vmx->loaded_cpu == smp_processor_id())
		vmcs_deactivate(cpu, vmx);
}

static void vmcs_release(struct hv_vmx *vmx)
{
	/* pairs with the release in vmcs_deactivate() */
	int cpu = smp_load_acquire(&vmx->loaded_cpu);

	if (cpu >= 0)
		smp_call_function_single(cpu, deactivate_ipi, vmx, 1);
}

/* @vmx becomes active and current here. */
static void vmcs_activate(struct hv_vmx *vmx, int here)
{
	struct vmx_cpu *cpu = this_cpu_ptr(&vmx_cpu);
	unsigned long flags;

	if (vmx->loaded_cpu != here) {
		vmcs_release(vmx);
		local_irq_save(flags);
		list_add(&vmx->loaded_link, &cpu->loaded);
		vmx->loaded_cpu = here;
		local_irq_restore(flags);
	}
	if (vmx_vmptrld(vmx->vmcs_pa))
		pr_err_ratelimited(pr_hv_fmt("VMPTRLD failed\n"));
	cpu->current_vmx = vmx;
	/* Another guest ran here last: its branch predictions are not for this one. */
	indirect_branch_prediction_barrier();
}

static void vmx_vcpu_load(struct hv_vcpu *vcpu, int cpu)
{
	struct hv_vmx *vmx = to_vmx(vcpu);

	vmx->flush_l1d = true;
	if (likely(this_cpu_read(vmx_cpu.current_vmx) == vmx))
		return;
	vmcs_activate(vmx, cpu);
	if (vmx->host_cpu != cpu) {
		vmcs_set_cpu(vmx, cpu);
		/* Entries of its last stay on this CPU, or of another owner of these tags. */
		vmx_flush_tdp(vcpu);
		vmx_flush_guest(vcpu);
	}
}

static void vmx_vcpu_put(struct hv_vcpu *vcpu)
{
	vmx_host_leave(to_vmx(vcpu));
}

static int vmx_vcpu_create(struct hv_vcpu *vcpu)
{
	struct hv_vmx *vmx = to_vmx(vcpu);

	vmx->loaded_cpu = -1;
	vmx->host_cpu = -1;
	vmx->deadline = U64_MAX;
	vmx->extra.host = true;
	vmx->vmcs = vmcs_alloc(raw_smp_processor_id(), GFP_KERNEL_ACCOUNT);
	if (!vmx->vmcs)
		return -ENOMEM;
	vmx->msr_bitmap = (unsigned long *)__get_free_page(GFP_KERNEL_ACCOUNT);
	if (!vmx->msr_bitmap || vmx_pml_create(vmx) || vmx_apic_create(vmx)) {
		vmx_pml_destroy(vmx);
		free_page((unsigned long)vmx->msr_bitmap);
		free_page((unsigned long)vmx->vmcs);
		return -ENOMEM;
	}
	vmx->vmcs_pa = __pa(vmx->vmcs);
	vmx->eptp = vmx_eptp(vcpu);
	vmx_msr_bitmap_init(vmx);
	vmx_vpid_alloc(vmx);
	/* A new VMCS must be cleared once before it is loaded. */
	preempt_disable();
	vmx_vmclear(vmx->vmcs_pa);
	vmx_vcpu_load(vcpu, smp_processor_id());
	vmcs_init(vmx);
	preempt_enable();
	return 0;
}

static void vmx_vcpu_destroy(struct hv_vcpu *vcpu)
{
	struct hv_vmx *vmx = to_vmx(vcpu);

	vmcs_release(vmx);
	vmx_apic_destroy(vmx);
	vmx_vpid_free(vmx);
	vmx_pml_destroy(vmx);
	free_page((unsigned long)vmx->msr_bitmap);
	free_page((unsigned long)vmx->vmcs);
}

const struct hv_ops hv_vmx_ops = {
	.name = "vmx",
	.vcpu_size = sizeof(struct hv_vmx),
	.probe = vmx_probe,
	.unprobe = vmx_unprobe,
	.cpu_on = vmx_cpu_on,
	.cpu_off = vmx_cpu_off,
	.vm_destroy = vmx_vm_destroy,
	.vcpu_create = vmx_vcpu_create,
	.vcpu_destroy = vmx_vcpu_destroy,
	.vcpu_reset = vmx_reset,
	.vcpu_load = vmx_vcpu_load,
	.vcpu_put = vmx_vcpu_put,
	.enter = vmx_enter,
	.handle_exit = vmx_handle_exit,
	.inject_exception = vmx_inject_exception,
	.inject_interrupt = vmx_inject_interrupt,
	.inject_nmi = vmx_inject_nmi,
	.interrupt_allowed = vmx_interrupt_allowed,
	.nmi_allowed = vmx_nmi_allowed,
	.want_interrupt_window = vmx_want_interrupt_window,
	.want_nmi_window = vmx_want_nmi_window,
	.get_interrupt_shadow = vmx_get_interrupt_shadow,
	.set_interrupt_shadow = vmx_set_interrupt_shadow,
	.get_nmi_mask = vmx_get_nmi_mask,
	.set_nmi_mask = vmx_set_nmi_mask,
	.cache_reg = vmx_cache_reg,
	.get_segment = vmx_get_segment,
	.set_segment = vmx_set_segment,
	.get_dtable = vmx_get_dtable,
	.set_dtable = vmx_set_dtable,
	.set_cr0 = vmx_set_cr0,
	.set_cr3 = vmx_set_cr3,
	.set_cr4 = vmx_set_cr4,
	.set_efer = vmx_set_efer,
	.get_msr = vmx_get_msr,
	.set_msr = vmx_set_msr,
	.update = vmx_update,
	.update_msr_maps = vmx_update_msr_maps,
	.write_tsc_offset = vmx_write_tsc_offset,
	.set_deadline = vmx_set_deadline,
	.update_apic = vmx_update_apic,
	.apic_irr = vmx_apic_irr,
	.flush_tdp = vmx_flush_tdp,
	.flush_guest = vmx_flush_guest,
	.describe_exit = vmx_describe_exit,
};
