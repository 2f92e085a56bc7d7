/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * 256 IDT stubs, G_STUB_SIZE bytes apart, all ending in g_dispatch(struct g_frame *).
 * Long mode only. The CPU aligns RSP to 16 before it pushes its five or six words.
 */
	.text
	.globl	g_vectors
	.balign	16
g_vectors:
	.set	vec, 0
	.rept	256
	.balign	16
	/* Where the CPU pushes an error code: #DF #TS #NP #SS #GP #PF #AC #CP #VC #SX */
	.if	!((vec == 8) | ((vec >= 10) & (vec <= 14)) | (vec == 17) | (vec == 21) | \
		  (vec == 29) | (vec == 30))
	pushq	$0
	.endif
	pushq	$vec
	jmp	g_common
	.set	vec, vec + 1
	.endr

g_common:
	pushq	%rax
	pushq	%rbx
	pushq	%rcx
	pushq	%rdx
	pushq	%rsi
	pushq	%rdi
	pushq	%rbp
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	cld
	movq	%rsp, %rdi
	/* 5 words by the CPU, vector, error and 15 registers: 22 words, RSP is 16-aligned here. */
	call	g_dispatch
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rbp
	popq	%rdi
	popq	%rsi
	popq	%rdx
	popq	%rcx
	popq	%rbx
	popq	%rax
	addq	$16, %rsp
	iretq

	.section .note.GNU-stack, "", @progbits
