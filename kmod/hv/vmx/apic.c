// SPDX-License-Identifier: GPL-2.0-only
/*
 * APIC virtualization (SDM volume 3, "APIC Virtualization and Virtual Interrupts").
 *
 * The register page of the LAPIC is the virtual-APIC page: reads of registers and
 * writes of TPR happen without an exit, other writes exit when they are done, and an
 * interrupt that TPR holds back is waited for by the TPR threshold.
 *
 * With virtual-interrupt delivery EOI, self-IPIs and the delivery of what is in IRR
 * need no exit either. Without posted interrupts other CPUs must not touch IRR while
 * the guest runs: they leave vectors in lapic->incoming and kick (irqchip/lapic.c).
 * Bochs 2.7 has it and does it wrong, so that it is not used there: when an interrupt
 * of the host arrives while RFLAGS.IF of the guest is 0, it delivers what is in RVI
 * rather than exit. Guests then run handlers inside their critical sections
 * (selftests/hv/irq_blocked.c).
 *
 * The xAPIC page is reached through a page mapped at its default address for all
 * vCPUs. What lies there is nobody's LAPIC for a vCPU in another mode: as long as
 * there is one, nothing is mapped, and accesses are emulated after an EPT violation.
 */
#include <linux/gfp.h>
#include <asm/apicdef.h>

#include "core/request.h"
#include "irqchip/lapic.h"
#include "memory/tdp.h"
#include "vmx/vmx.h"
#include "x86/emulate.h"

#define APIC_CONTROLS	(SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES |	\
			 SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE |	\
			 SECONDARY_EXEC_APIC_REGISTER_VIRT | SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY)
#define CR8_EXITS	(CPU_BASED_CR8_LOAD_EXITING | CPU_BASED_CR8_STORE_EXITING)

/* Guest interrupt status: highest vector requested, highest in service. */
#define STATUS_RVI	GENMASK(7, 0)
#define STATUS_SVI_SHIFT 8

/* Access types in the qualification of an APIC-access exit. */
#define ACCESS_TYPE_SHIFT	12
enum { LINEAR_READ, LINEAR_WRITE, LINEAR_FETCH };

/* Secondary controls of each mode, as far as vmx_caps.apicv has them. */
static const u32 mode_controls[] = {
	[VMX_APIC_OFF]	   = 0,
	[VMX_APIC_TRAPPED] = SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES,
	[VMX_APIC_XAPIC]   = APIC_CONTROLS & ~SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE,
	[VMX_APIC_X2APIC]  = APIC_CONTROLS & ~SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES,
};

static bool at_default_base(const struct hv_vcpu *vcpu)
{
	return (vcpu->msr.apic_base & PAGE_MASK) == APIC_DEFAULT_PHYS_BASE;
}

/*
 * Hardware knows no software-disabled LAPIC, which refuses new interrupts, and no
 * debugger that holds interrupts back: then software does it all.
 */
static enum vmx_apic_mode wanted_mode(const struct hv_vcpu *vcpu)
{
	const struct hv_lapic *lapic = vcpu->lapic;
	bool on;

	if (!lapic || !vmx_caps.apicv || !lapic->enabled)
		return VMX_APIC_OFF;
	on = lapic->sw_enabled && !(vcpu->debug.guest_debug & KVM_GUESTDBG_BLOCKIRQ);
	if (lapic->x2apic)
		return on ? VMX_APIC_X2APIC : VMX_APIC_OFF;
	if (!at_default_base(vcpu))
		return VMX_APIC_OFF;
	return on ? VMX_APIC_XAPIC : VMX_APIC_TRAPPED;
}

static bool virtualizes(enum vmx_apic_mode mode)
{
	return mode == VMX_APIC_XAPIC || mode == VMX_APIC_X2APIC;
}

static bool delivers(enum vmx_apic_mode mode)
{
	return virtualizes(mode) && (vmx_caps.apicv & SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY);
}

static void set_mode(struct hv_vmx *vmx, enum vmx_apic_mode mode)
{
	u32 change = mode_controls[mode] ^ mode_controls[vmx->apic_mode];
	bool on = virtualizes(mode);

	vmcs_control_cpu(vmx, CPU_BASED_TPR_SHADOW, on);
	vmcs_control_cpu(vmx, CR8_EXITS, !on);
	vmcs_control_secondary(vmx, APIC_CONTROLS & ~mode_controls[mode], false);
	vmcs_control_secondary(vmx, mode_controls[mode] & vmx_caps.apicv, true);
	if (delivers(mode) != delivers(vmx->apic_mode))
		hv_lapic_set_by_hw(&vmx->vcpu, delivers(mode));
	if (change & SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE)
		vmx_msr_pass_x2apic(vmx, mode == VMX_APIC_X2APIC);
	/* Translations of the page were cached without, or with, what makes it special. */
	if (change & SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES)
		hv_request(&vmx->vcpu, HV_REQ_TDP_FLUSH);
	vmx->apic_mode = mode;
}

/* Counted before the page goes, so that no fault maps it again. */
static void set_inhibit(struct hv_vmx *vmx, bool on)
{
	struct hv_vm *vm = vmx->vcpu.vm;

	if (vmx->apic_inhibits == on)
		return;
	vmx->apic_inhibits = on;
	if (!on) {
		atomic_dec(&vm->apic_inhibits);
		return;
	}
	atomic_inc(&vm->apic_inhibits);
	hv_tdp_unmap_apic_page(vm);
}

static void write_eoi_exits(struct hv_vmx *vmx)
{
	const u64 *want = vmx->vcpu.lapic->eoi_exits;

	if (!memcmp(want, vmx->eoi_exits, sizeof(vmx->eoi_exits)))
		return;
	memcpy(vmx->eoi_exits, want, sizeof(vmx->eoi_exits));
	vmcs_write64(EOI_EXIT_BITMAP0, want[0]);
	vmcs_write64(EOI_EXIT_BITMAP1, want[1]);
	vmcs_write64(EOI_EXIT_BITMAP2, want[2]);
	vmcs_write64(EOI_EXIT_BITMAP3, want[3]);
}

static void write_status(struct hv_vcpu *vcpu)
{
	int rvi = max(hv_lapic_requested(vcpu), 0), svi = max(hv_lapic_in_service(vcpu), 0);

	vmcs_write16(GUEST_INTR_STATUS, rvi | svi << STATUS_SVI_SHIFT);
	write_eoi_exits(to_vmx(vcpu));
}

/* The LAPIC's mode, base or software enable changed, or software changed IRR and ISR. */
void vmx_update_apic(struct hv_vcpu *vcpu)
{
	struct hv_vmx *vmx = to_vmx(vcpu);
	enum vmx_apic_mode mode = wanted_mode(vcpu);

	if (!vcpu->lapic || !vmx_caps.apicv)
		return;
	set_inhibit(vmx, !vcpu->lapic->enabled || vcpu->lapic->x2apic || !at_default_base(vcpu));
	if (mode != vmx->apic_mode)
		set_mode(vmx, mode);
	if (delivers(mode))
		write_status(vcpu);
	else
		vmx_apic_threshold(vmx);
}

/*
 * Exit when TPR no longer holds back what is pending. Never above TPR: in x2APIC mode VM entry
 * refuses that (SDM, "VM-Execution Control Fields").
 */
void vmx_apic_threshold(struct hv_vmx *vmx)
{
	u8 class;

	if (!virtualizes(vmx->apic_mode) || delivers(vmx->apic_mode))
		return;
	class = hv_lapic_held_back(&vmx->vcpu);
	if (class == vmx->tpr_threshold)
		return;
	vmcs_write32(TPR_THRESHOLD, class);
	vmx->tpr_threshold = class;
}

/* IRR has new bits, @vector is the highest of all: the CPU looks at RVI only. */
void vmx_apic_irr(struct hv_vcpu *vcpu, int vector)
{
	u16 old = vmcs_read16(GUEST_INTR_STATUS), new = (old & ~STATUS_RVI) | vector;

	if (new != old)
		vmcs_write16(GUEST_INTR_STATUS, new);
	write_eoi_exits(to_vmx(vcpu));
}

/* With vm->lock held. */
static int alloc_page_of_vm(struct hv_vm *vm)
{
	if (!vm->apic_page)
		vm->apic_page = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	return vm->apic_page ? 0 : -ENOMEM;
}

int vmx_apic_create(struct hv_vmx *vmx)
{
	if (!vmx_caps.apicv || !vmx->vcpu.lapic)
		return 0;
	return alloc_page_of_vm(vmx->vcpu.vm);
}

/* A vCPU that could not be created leaves its VM behind. */
void vmx_apic_destroy(struct hv_vmx *vmx)
{
	if (vmx->apic_inhibits)
		atomic_dec(&vmx->vcpu.vm->apic_inhibits);
}

/* The VMCS is current and new. */
void vmx_apic_init(struct hv_vmx *vmx)
{
	struct hv_vcpu *vcpu = &vmx->vcpu;

	if (!vmx_caps.apicv || !vcpu->lapic)
		return;
	vmcs_write64(VIRTUAL_APIC_PAGE_ADDR, __pa(vcpu->lapic->regs));
	vmcs_write64(APIC_ACCESS_ADDR, __pa(vcpu->vm->apic_page));
	vmcs_write32(TPR_THRESHOLD, 0);
	vmx->tpr_threshold = 0;
	vmcs_write16(GUEST_INTR_STATUS, 0);
	vmcs_write64(EOI_EXIT_BITMAP0, 0);
	vmcs_write64(EOI_EXIT_BITMAP1, 0);
	vmcs_write64(EOI_EXIT_BITMAP2, 0);
	vmcs_write64(EOI_EXIT_BITMAP3, 0);
}

void vmx_vm_destroy(struct hv_vm *vm)
{
	free_page((unsigned long)vm->apic_page);
}

/* An EPT violation at @gpa: is it that the APIC-access page is not mapped (yet)? */
bool vmx_map_apic_page(struct hv_vmx *vmx, u64 gpa)
{
	if ((gpa & PAGE_MASK) != APIC_DEFAULT_PHYS_BASE)
		return false;
	if (!(mode_controls[vmx->apic_mode] & SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES))
		return false;
	return hv_tdp_map_apic_page(&vmx->vcpu);
}

/*
 * Bochs 2.7 does not note in the IDT-vectoring information which virtual interrupt an
 * exit cut short, either: an older event is still there. The one that was being
 * delivered is in service, and it could only be with RFLAGS.IF set, which a handler that has
 * not ended its interrupt yet hardly ever does.
 */
u32 vmx_apic_vectoring(struct hv_vmx *vmx, u32 info)
{
	u8 svi;

	if (!delivers(vmx->apic_mode) || !(vmx->vcpu.rflags & X86_EFLAGS_IF))
		return info;
	svi = vmcs_read16(GUEST_INTR_STATUS) >> STATUS_SVI_SHIFT;
	return svi ? VECTORING_INFO_VALID_MASK | INTR_TYPE_EXT_INTR | svi : info;
}

/* An access that the CPU does not virtualize: odd, or of a register that is not memory. */
int vmx_handle_apic_access(struct hv_vmx *vmx)
{
	unsigned long qual = vmcs_readl(EXIT_QUALIFICATION);
	unsigned int type = (qual & APIC_ACCESS_TYPE) >> ACCESS_TYPE_SHIFT;
	struct hv_tdp_violation v = {
		.gpa = APIC_DEFAULT_PHYS_BASE | (qual & APIC_ACCESS_OFFSET),
		.read = type == LINEAR_READ,
		.write = type == LINEAR_WRITE,
		.exec = type == LINEAR_FETCH,
	};

	return hv_handle_tdp_violation(&vmx->vcpu, &v);
}

/* These come after the instruction: RIP is behind it. */
int vmx_handle_tpr(struct hv_vmx *vmx)
{
	vmx_apic_threshold(vmx);
	hv_request(&vmx->vcpu, HV_REQ_EVENT);
	return HV_RESUME;
}

int vmx_handle_apic_write(struct hv_vmx *vmx)
{
	return hv_lapic_written(&vmx->vcpu, vmcs_readl(EXIT_QUALIFICATION) & APIC_ACCESS_OFFSET);
}

int vmx_handle_eoi(struct hv_vmx *vmx)
{
	hv_lapic_eoi_vector(&vmx->vcpu, vmcs_readl(EXIT_QUALIFICATION));
	return HV_RESUME;
}
