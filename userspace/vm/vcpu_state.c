// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers at the start of the guest: what firmware would leave behind, and for the first vCPU
 * what "64-bit Boot Protocol" in Documentation/arch/x86/boot.rst demands.
 */
#include "vm/vcpu_state.h"

#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

/* Selectors the boot protocol fixes: __BOOT_CS and __BOOT_DS. */
#define BOOT_CS			0x10
#define BOOT_DS			0x18

#define CR0_PE			BIT(0)
#define CR0_ET			BIT(4)
#define CR0_PG			BIT(31)
#define CR4_PAE			BIT(5)
#define EFER_LME		BIT(8)
#define EFER_LMA		BIT(10)
#define RFLAGS_FIXED		BIT(1)

#define SEG_TYPE_CODE		0xb	/* execute, read, accessed */
#define SEG_TYPE_DATA		0x3	/* read, write, accessed */

#define MSR_MISC_ENABLE		0x1a0
#define MISC_ENABLE_FAST_STRING	BIT(0)
#define MSR_MTRR_DEF_TYPE	0x2ff
#define MTRR_ENABLE		BIT(11)
#define MTRR_TYPE_WB		6

/* Local APIC registers (SDM "Local Vector Table"). */
#define APIC_LVT0		0x350
#define APIC_LVT1		0x360
#define APIC_MODE_NMI		(4U << 8)
#define APIC_MODE_EXTINT	(7U << 8)

static void set_segment(struct kvm_segment *seg, u16 selector, u8 type, bool code)
{
	memset(seg, 0, sizeof(*seg));
	seg->selector = selector;
	seg->type = type;
	seg->limit = 0xffffffff;
	seg->present = 1;
	seg->s = 1;
	seg->g = 1;
	seg->l = code;
	seg->db = !code;
}

static void set_boot_segments(struct kvm_sregs *sregs)
{
	set_segment(&sregs->cs, BOOT_CS, SEG_TYPE_CODE, true);
	set_segment(&sregs->ds, BOOT_DS, SEG_TYPE_DATA, false);
	sregs->es = sregs->ds;
	sregs->fs = sregs->ds;
	sregs->gs = sregs->ds;
	sregs->ss = sregs->ds;
}

/**
 * vcpu_set_boot_state() - point a vCPU at the kernel's 64-bit entry
 * @vcpu: the first vCPU, freshly created
 * @boot: addresses
 * @err: filled in on failure
 *
 * Return: 0 or -1.
 */
int vcpu_set_boot_state(struct vcpu *vcpu, const struct boot_state *boot, struct error *err)
{
	struct kvm_regs regs = {
		.rip = boot->entry,
		.rsi = boot->boot_params,
		.rflags = RFLAGS_FIXED,
	};
	struct kvm_sregs sregs;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		return kvm_fail(vcpu->kvm, "KVM_GET_SREGS", err);
	set_boot_segments(&sregs);
	sregs.gdt.base = boot->gdt;
	sregs.gdt.limit = boot->gdt_limit;
	sregs.idt.limit = 0;
	sregs.cr3 = boot->page_tables;
	sregs.cr4 |= CR4_PAE;
	sregs.cr0 = CR0_PE | CR0_ET | CR0_PG;
	sregs.efer |= EFER_LME | EFER_LMA;
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs))
		return kvm_fail(vcpu->kvm, "KVM_SET_SREGS", err);
	if (ioctl(vcpu->fd, KVM_SET_REGS, &regs))
		return kvm_fail(vcpu->kvm, "KVM_SET_REGS", err);
	return 0;
}

/*
 * Firmware enables fast strings and write-back memory; Linux gives up "rep movs" and complains
 * without them. A CPU that lacks one of the MSRs refuses it, which is fine.
 */
int vcpu_set_reset_msrs(struct vcpu *vcpu, struct error *err)
{
	static const struct kvm_msr_entry wanted[] = {
		{ .index = MSR_MISC_ENABLE, .data = MISC_ENABLE_FAST_STRING },
		{ .index = MSR_MTRR_DEF_TYPE, .data = MTRR_ENABLE | MTRR_TYPE_WB },
	};
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msr;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wanted); i++) {
		memset(&msr, 0, sizeof(msr));
		msr.head.nmsrs = 1;
		msr.entry.index = wanted[i].index;
		/* Keep what is there: MISC_ENABLE has read-only bits that must be written back. */
		if (ioctl(vcpu->fd, KVM_GET_MSRS, &msr) != 1)
			continue;
		msr.entry.data |= wanted[i].data;
		if (ioctl(vcpu->fd, KVM_SET_MSRS, &msr) < 0)
			return kvm_fail(vcpu->kvm, "KVM_SET_MSRS", err);
	}
	return 0;
}

static void lapic_write(struct kvm_lapic_state *lapic, u32 reg, u32 value)
{
	memcpy(lapic->regs + reg, &value, sizeof(value));
}

/* LINT0 takes the 8259's interrupts, LINT1 the NMI, as the MADT promises. */
int vcpu_set_lapic(struct vcpu *vcpu, struct error *err)
{
	struct kvm_lapic_state lapic;

	if (ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic))
		return kvm_fail(vcpu->kvm, "KVM_GET_LAPIC", err);
	lapic_write(&lapic, APIC_LVT0, APIC_MODE_EXTINT);
	lapic_write(&lapic, APIC_LVT1, APIC_MODE_NMI);
	if (ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic))
		return kvm_fail(vcpu->kvm, "KVM_SET_LAPIC", err);
	return 0;
}
