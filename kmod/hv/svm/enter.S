/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Into the guest and back (APM volume 2, "VMRUN and #VMEXIT").
 *
 * VMRUN switches RAX, RSP, RIP and RFLAGS; the rest of the general registers is
 * switched here. With the global interrupt flag clear nothing can come between
 * VMLOAD and VMLOAD: what arrives meanwhile is taken by the host after STGI.
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/cpufeatures.h>

#include "compat/enter.h"

#define GPR(n)	((n) * 8)
#define RCX	GPR(1)
#define RDX	GPR(2)
#define RBX	GPR(3)
#define RBP	GPR(5)
#define RSI	GPR(6)
#define RDI	GPR(7)
#define R8	GPR(8)
#define R9	GPR(9)
#define R10	GPR(10)
#define R11	GPR(11)
#define R12	GPR(12)
#define R13	GPR(13)
#define R14	GPR(14)
#define R15	GPR(15)

/* Stack, from RSP up, while the guest runs; the VMCB is on top. */
#define STACK_GPR	8
#define STACK_HOST	16

	.section .noinstr.text, "ax"

/*
 * void svm_enter_guest(u64 vmcb_pa, u64 *gpr, u64 host_pa)
 */
SYM_FUNC_START(svm_enter_guest)
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rdx
	push	%rsi
	push	%rdi

	clgi
	/* Physical interrupts end the stay if the host's IF was set at VMRUN. */
	sti
	mov	%rdi, %rax
	vmload	%rax

	mov	RCX(%rsi), %rcx
	mov	RDX(%rsi), %rdx
	mov	RBX(%rsi), %rbx
	mov	RBP(%rsi), %rbp
	mov	RDI(%rsi), %rdi
	mov	R8(%rsi), %r8
	mov	R9(%rsi), %r9
	mov	R10(%rsi), %r10
	mov	R11(%rsi), %r11
	mov	R12(%rsi), %r12
	mov	R13(%rsi), %r13
	mov	R14(%rsi), %r14
	mov	R15(%rsi), %r15
	mov	RSI(%rsi), %rsi

	/* What the host left in the CPU's buffers is not for the guest to infer. */
	VM_CLEAR_CPU_BUFFERS
	vmrun	%rax

	cli
	/* RAX is the host's again: the VMCB. */
	vmsave	%rax
	mov	STACK_GPR(%rsp), %rax
	mov	%rcx, RCX(%rax)
	mov	%rdx, RDX(%rax)
	mov	%rbx, RBX(%rax)
	mov	%rbp, RBP(%rax)
	mov	%rsi, RSI(%rax)
	mov	%rdi, RDI(%rax)
	mov	%r8, R8(%rax)
	mov	%r9, R9(%rax)
	mov	%r10, R10(%rax)
	mov	%r11, R11(%rax)
	mov	%r12, R12(%rax)
	mov	%r13, R13(%rax)
	mov	%r14, R14(%rax)
	mov	%r15, R15(%rax)

	/* The host's GS base, before anything per-CPU. */
	mov	STACK_HOST(%rsp), %rax
	vmload	%rax

	/* No guest value stays in a register to speculate with. */
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%ebx, %ebx
	xor	%ebp, %ebp
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	xor	%r12d, %r12d
	xor	%r13d, %r13d
	xor	%r14d, %r14d
	xor	%r15d, %r15d

	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT
	UNTRAIN_RET_VM

	stgi
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	RET
SYM_FUNC_END(svm_enter_guest)
