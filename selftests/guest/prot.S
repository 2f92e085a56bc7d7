/* SPDX-License-Identifier: GPL-2.0-only */
/* 32-bit guests, flat and without paging: they run where they are linked. */
#include "real.h"

	.text
	.code32

/* EAX += EBX, 32-bit report on G_REAL_PORT, a memory round trip on the stack, again, HLT. */
	.globl	g_prot_add
g_prot_add:
	movl	$G_REAL_PORT, %edx
	addl	%ebx, %eax
	outl	%eax, %dx
	pushl	%eax
	popl	%ecx
	leal	1(%ecx), %eax
	outl	%eax, %dx
	hlt

	.code64
	.section .note.GNU-stack, "", @progbits
