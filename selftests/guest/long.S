/* SPDX-License-Identifier: GPL-2.0-only */
/* 64-bit guests whose every instruction matters to the test that starts them. */
	.text

/* RAX += RBX, every bit of R15 flips, the sum to G_PORT_SYNC; for ever. */
	.globl	g_long_add
g_long_add:
	addq	%rbx, %rax
	notq	%r15
	movl	$0x5f0, %edx
	outl	%eax, %dx
	jmp	g_long_add

/* Single-byte instructions, a breakpoint and a store between labels the host knows. */
	.globl	g_debug_code, g_debug_hw, g_debug_int3, g_debug_store, g_debug_after_store
g_debug_code:
	nop
	nop
g_debug_hw:
	nop
	xorl	%eax, %eax
g_debug_int3:
	int3
g_debug_store:
	movl	$7, g_debug_watched(%rip)
g_debug_after_store:
	nop
	movl	$0x5f0, %edx
	movl	$9, %eax
	outl	%eax, %dx
	hlt

	.data
	.globl	g_debug_watched
	.balign	8
g_debug_watched:
	.quad	0

	.section .note.GNU-stack, "", @progbits
