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

/* EAX to the port in DX, for ever. */
	.globl	g_prot_report
g_prot_report:
	outl	%eax, %dx
	jmp	g_prot_report

/* To the tables in EBX: reports EAX = 1, reads at ESI, reports that, adds one to it, halts. */
	.globl	g_prot_tables
g_prot_tables:
	movl	%ebx, %cr3
	movl	$1, %eax
	outl	%eax, %dx
	movl	(%esi), %eax
	outl	%eax, %dx
	addl	$1, (%esi)
	hlt

/* The hypercall in EAX, EBX and so on; its answer to the port in EDI, for ever. */
	.globl	g_prot_hypercall
g_prot_hypercall:
	vmcall
	movl	%edi, %edx
	jmp	g_prot_report

/* HLT, which only an SMI ends, then as above. */
	.globl	g_prot_halt
g_prot_halt:
	hlt
	jmp	g_prot_report

	.code64
	.section .note.GNU-stack, "", @progbits
