/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * 16-bit guests. Each is copied to TVM_REAL_GPA and started there with IP = 0, so only
 * position-independent code and offsets relative to its own start may be used.
 */
#include "real.h"

	.section .rodata
	.code16

/* Adds AX and BX, reports the sum on G_REAL_PORT, halts. */
	.globl	g_real_add, g_real_add_end
g_real_add:
	movw	$G_REAL_PORT, %dx
	addw	%bx, %ax
	outw	%ax, %dx
	hlt
g_real_add_end:

/* Reads a byte from the BIOS hole, writes it back to a real segment limit, then a far jump. */
	.globl	g_real_segments, g_real_segments_end
g_real_segments:
	movw	$0x2000, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movb	$0x5a, (0x10)
	movw	$0x1ff0, %ax
	movw	%ax, %fs
	movb	%fs:(0x110), %al
	movw	$G_REAL_PORT, %dx
	outb	%al, %dx
	/* INT 0x21 through the IVT: the handler adds one */
	xorw	%cx, %cx
	movw	%cx, %ds
	movw	$(1f - g_real_segments), (0x21 * 4)
	movw	%cs, %bx
	movw	%bx, (0x21 * 4 + 2)
	int	$0x21
	outb	%al, %dx
	hlt
1:	incb	%al
	iretw
g_real_segments_end:

/* OUTs in an endless loop: what the real-mode exit path costs and that it keeps going. */
	.globl	g_real_loop, g_real_loop_end
g_real_loop:
	movw	$G_REAL_PORT, %dx
1:	outw	%ax, %dx
	incw	%ax
	jmp	1b
g_real_loop_end:

/* Real -> protected -> long mode by the guest's own hand; ends in the 64-bit entry in EBX. */
	.globl	g_real_to_long, g_real_to_long_end
g_real_to_long:
	cli
	lgdtl	%cs:(gdt_desc - g_real_to_long)
	movl	$G_PGT_GPA, %eax
	movl	%eax, %cr3
	movl	%cr4, %eax
	orl	$0x620, %eax		/* PAE, OSFXSR, OSXMMEXCPT */
	movl	%eax, %cr4
	movl	$0xc0000080, %ecx	/* EFER */
	rdmsr
	orl	$0x100, %eax		/* LME */
	wrmsr
	movl	%cr0, %eax
	orl	$1, %eax		/* PE alone first: a stop in protected mode */
	movl	%eax, %cr0
	ljmpl	$0x10, $(G_REAL_GPA + 1f - g_real_to_long)
	.code32
1:	movl	$0x18, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	%cr0, %eax
	orl	$0x80000000, %eax
	movl	%eax, %cr0
	ljmpl	$0x08, $(G_REAL_GPA + 2f - g_real_to_long)
	.code64
2:	movl	$G_REAL_STACK, %esp
	movl	%ebx, %eax
	jmpq	*%rax
	.balign	8
gdt:	.quad	0
	.quad	0x00af9b000000ffff	/* 0x08: 64-bit code */
	.quad	0x00cf9b000000ffff	/* 0x10: 32-bit code */
	.quad	0x00cf93000000ffff	/* 0x18: data */
gdt_desc:
	.word	4 * 8 - 1
	.long	G_REAL_GPA + gdt - g_real_to_long
g_real_to_long_end:

/* What INIT/SIPI starts: reports its CS on G_REAL_PORT, then goes on as g_real_to_long. */
	.code16
	.globl	g_real_sipi, g_real_sipi_end
g_real_sipi:
	movw	%cs, %ax
	movw	$G_REAL_PORT, %dx
	outw	%ax, %dx
	hlt
	jmp	g_real_sipi
g_real_sipi_end:

	.section .note.GNU-stack, "", @progbits
