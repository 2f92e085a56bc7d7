/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Architectural bits and numbers the tests need, named as in the Intel SDM.
 * <asm/msr-index.h> and friends are not part of the uapi, so they are listed here.
 */
#ifndef SELFTESTS_LIB_X86_H
#define SELFTESTS_LIB_X86_H

#define BIT64(n)		(1ULL << (n))

#define X86_CR0_PE		BIT64(0)
#define X86_CR0_MP		BIT64(1)
#define X86_CR0_ET		BIT64(4)
#define X86_CR0_NE		BIT64(5)
#define X86_CR0_WP		BIT64(16)
#define X86_CR0_NW		BIT64(29)
#define X86_CR0_CD		BIT64(30)
#define X86_CR0_PG		BIT64(31)

#define X86_CR4_PAE		BIT64(5)
#define X86_CR4_PGE		BIT64(7)
#define X86_CR4_OSFXSR		BIT64(9)
#define X86_CR4_OSXMMEXCPT	BIT64(10)
#define X86_CR4_VMXE		BIT64(13)
#define X86_CR4_OSXSAVE		BIT64(18)

#define EFER_SCE		BIT64(0)
#define EFER_LME		BIT64(8)
#define EFER_LMA		BIT64(10)
#define EFER_NX			BIT64(11)

#define X86_RFLAGS_FIXED	BIT64(1)
#define X86_RFLAGS_TF		BIT64(8)
#define X86_RFLAGS_IF		BIT64(9)
#define X86_RFLAGS_RF		BIT64(16)

#define PTE_P			BIT64(0)
#define PTE_W			BIT64(1)
#define PTE_U			BIT64(2)
#define PTE_PS			BIT64(7)

#define DB_VECTOR		1
#define NMI_VECTOR		2
#define BP_VECTOR		3
#define UD_VECTOR		6
#define GP_VECTOR		13
#define PF_VECTOR		14

#define MSR_IA32_TSC		0x10
#define MSR_IA32_APICBASE	0x1b
#define MSR_IA32_TSC_ADJUST	0x3b
#define MSR_IA32_SYSENTER_CS	0x174
#define MSR_IA32_SYSENTER_ESP	0x175
#define MSR_IA32_SYSENTER_EIP	0x176
#define MSR_IA32_MISC_ENABLE	0x1a0
#define MSR_IA32_PAT		0x277
#define MSR_IA32_TSC_DEADLINE	0x6e0
#define MSR_EFER		0xc0000080
#define MSR_STAR		0xc0000081
#define MSR_LSTAR		0xc0000082
#define MSR_CSTAR		0xc0000083
#define MSR_SYSCALL_MASK	0xc0000084
#define MSR_FS_BASE		0xc0000100
#define MSR_GS_BASE		0xc0000101
#define MSR_KERNEL_GS_BASE	0xc0000102
#define MSR_TSC_AUX		0xc0000103
#define MSR_UNKNOWN		0x12345	/* in no range any CPU or hypervisor defines */

#define APICBASE_ENABLE		BIT64(11)
#define APICBASE_X2APIC		BIT64(10)
#define APICBASE_BSP		BIT64(8)

#define APIC_BASE_GPA		0xfee00000UL
#define IOAPIC_BASE_GPA		0xfec00000UL

/* Offsets in the xAPIC page; (offset >> 4) + 0x800 is the x2APIC MSR. */
#define APIC_ID			0x020
#define APIC_VERSION		0x030
#define APIC_TPR		0x080
#define APIC_PPR		0x0a0
#define APIC_EOI		0x0b0
#define APIC_SVR		0x0f0
#define APIC_ISR		0x100
#define APIC_TMR		0x180
#define APIC_IRR		0x200
#define APIC_ICR		0x300
#define APIC_ICR2		0x310
#define APIC_ICR_SELF		0x40000		/* destination shorthand */
#define APIC_LVTT		0x320
#define APIC_LVT0		0x350
#define APIC_LVT1		0x360
#define APIC_TMICT		0x380
#define APIC_TMCCT		0x390
#define APIC_TDCR		0x3e0
#define APIC_SELF_IPI		0x3f0
#define X2APIC_MSR(off)		(0x800 + ((off) >> 4))

#define APIC_SVR_ENABLE		0x100
#define APIC_LVT_MASKED		0x10000
#define APIC_LVT_PERIODIC	0x20000
#define APIC_LVT_DEADLINE	0x40000
#define APIC_DM_EXTINT		0x700
#define APIC_DM_NMI		0x400
#define APIC_TDR_DIV_1		0xb
#define APIC_TDR_DIV_128	0xa

#define CPUID_1_ECX_VMX		BIT64(5)
#define CPUID_1_ECX_XSAVE	BIT64(26)
#define CPUID_1_ECX_AVX	BIT64(28)
#define CPUID_1_ECX_TSC_DEADLINE BIT64(24)
#define CPUID_1_ECX_X2APIC	BIT64(21)
#define CPUID_7_ECX_LA57	BIT64(16)

#endif
