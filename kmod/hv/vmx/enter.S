/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Into the guest and back.
 *
 * VM entries and exits switch RSP, RIP, RFLAGS, control registers and segments
 * (SDM volume 3, "Loading Host State"); the other general registers and the
 * defences against speculation are switched here. The order matters: after
 * the exit no RET and no indirect branch may run before the return stack buffer
 * is filled and the host's SPEC_CTRL is back; before the entry nothing may touch
 * host data between VERW and the entry itself.
 */
#include <linux/linkage.h>
#include <asm/alternative.h>
#include <asm/asm.h>
#include <asm/cpufeatures.h>
#include <asm/frame.h>
#include <asm/msr-index.h>
#include <asm/percpu.h>
#include <asm/unwind_hints.h>

#include "compat/enter.h"
#include "vmx/enter.h"

#define RAX	VMX_GPR(0)
#define RCX	VMX_GPR(1)
#define RDX	VMX_GPR(2)
#define RBX	VMX_GPR(3)
#define RBP	VMX_GPR(5)
#define RSI	VMX_GPR(6)
#define RDI	VMX_GPR(7)
#define R8	VMX_GPR(8)
#define R9	VMX_GPR(9)
#define R10	VMX_GPR(10)
#define R11	VMX_GPR(11)
#define R12	VMX_GPR(12)
#define R13	VMX_GPR(13)
#define R14	VMX_GPR(14)
#define R15	VMX_GPR(15)

#define HOST_RSP_FIELD	0x00006c14	/* HOST_RSP; asm/vmx.h is not for the assembler */

/* On the stack, from RSP up, while the guest runs: @gpr, @entry, what the ABI has us save. */
#define STACK_GPR	0

	.section .noinstr.text, "ax"

/*
 * int vmx_enter_guest(u64 *gpr, struct vmx_entry *entry)
 */
SYM_FUNC_START(vmx_enter_guest)
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rsi
	push	%rdi

	cmp	%rsp, VMX_ENTRY_HOST_RSP(%rsi)
	je	.Lhost_rsp_set
	mov	%rsp, VMX_ENTRY_HOST_RSP(%rsi)
	mov	$HOST_RSP_FIELD, %eax
	vmwrite	%rsp, %rax
.Lhost_rsp_set:

	/* The guest's SPEC_CTRL, if it differs from the host's. */
	ALTERNATIVE "jmp .Lspec_ctrl_loaded", "", X86_FEATURE_MSR_SPEC_CTRL
	mov	VMX_ENTRY_SPEC_CTRL(%rsi), %rax
	cmp	PER_CPU_VAR(x86_spec_ctrl_current), %rax
	je	.Lspec_ctrl_loaded
	mov	%rax, %rdx
	shr	$32, %rdx
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	wrmsr
.Lspec_ctrl_loaded:

	/* CF, which nothing below changes (VERW writes ZF): launched before? */
	btl	$VMX_ENTRY_LAUNCHED_BIT, VMX_ENTRY_FLAGS(%rsi)

	mov	RAX(%rdi), %rax
	mov	RCX(%rdi), %rcx
	mov	RDX(%rdi), %rdx
	mov	RBX(%rdi), %rbx
	mov	RBP(%rdi), %rbp
	mov	RSI(%rdi), %rsi
	mov	R8(%rdi), %r8
	mov	R9(%rdi), %r9
	mov	R10(%rdi), %r10
	mov	R11(%rdi), %r11
	mov	R12(%rdi), %r12
	mov	R13(%rdi), %r13
	mov	R14(%rdi), %r14
	mov	R15(%rdi), %r15
	mov	RDI(%rdi), %rdi

	/* MDS, TAA, RFDS: empty the CPU's buffers of host data. */
	CLEAR_CPU_BUFFERS
	VM_CLEAR_CPU_BUFFERS

	UNWIND_HINT_SAVE
	jnc	.Llaunch
.Lresume:
	vmresume
	jmp	.Lfailed
.Llaunch:
	vmlaunch
	jmp	.Lfailed
	/* Not in VMX operation any more: a reboot took the CPU out of it. */
	_ASM_EXTABLE(.Lresume, .Lfailed)
	_ASM_EXTABLE(.Llaunch, .Lfailed)

SYM_INNER_LABEL(vmx_exit_point, SYM_L_GLOBAL)
	UNWIND_HINT_RESTORE
	ANNOTATE_NOENDBR
	push	%rax
	mov	8 + STACK_GPR(%rsp), %rax
	pop	RAX(%rax)
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
	xor	%edi, %edi

.Lback_in_host:
	/* EDI: what to return. No guest value stays in a register to speculate with. */
	pop	%rax
	pop	%rsi
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	xor	%eax, %eax
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d

	/*
	 * Overwrite what the guest left in the return stack buffer. Straight, where
	 * FILL_RETURN_BUFFER of asm/nospec-branch.h loops: half the instructions, and
	 * no branch to mispredict. Where one entry is enough that macro is used.
	 */
	ALTERNATIVE "jmp .Lrsb_filled", "", X86_FEATURE_RSB_VMEXIT
	.rept RSB_CLEAR_LOOPS
	__FILL_RETURN_SLOT
	.endr
	add	$(8 * RSB_CLEAR_LOOPS), %rsp
	lfence
	CREDIT_CALL_DEPTH
.Lrsb_filled:
	FILL_RETURN_BUFFER %rcx, 2, X86_FEATURE_RSB_VMEXIT_LITE

	ALTERNATIVE "jmp .Lspec_ctrl_restored", "", X86_FEATURE_MSR_SPEC_CTRL
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	testb	$VMX_ENTRY_READ_SPEC_CTRL, VMX_ENTRY_FLAGS(%rsi)
	jz	.Lspec_ctrl_known
	rdmsr
	shl	$32, %rdx
	or	%rdx, %rax
	mov	%rax, VMX_ENTRY_SPEC_CTRL(%rsi)
.Lspec_ctrl_known:
	mov	PER_CPU_VAR(x86_spec_ctrl_current), %rax
	/* With legacy IBRS the write itself is the barrier: never skip it. */
	ALTERNATIVE "", "jmp .Lspec_ctrl_write", X86_FEATURE_KERNEL_IBRS
	cmp	%rax, VMX_ENTRY_SPEC_CTRL(%rsi)
	je	.Lspec_ctrl_same
.Lspec_ctrl_write:
	mov	%rax, %rdx
	shr	$32, %rdx
	wrmsr
.Lspec_ctrl_same:
	/* Do not speculate past the comparison with the guest's value in force. */
	lfence
.Lspec_ctrl_restored:

	CLEAR_BRANCH_HISTORY_VMEXIT

	mov	%edi, %eax
	RET

.Lfailed:
	mov	$1, %edi
	jmp	.Lback_in_host
SYM_FUNC_END(vmx_enter_guest)
