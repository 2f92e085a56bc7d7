/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The protected-mode half of a bzImage whose kernel is not compressed: unpacking a stock kernel
 * costs Bochs ten seconds of every boot. Entered by the kernel's own real-mode half as its
 * decompressor would be ("32-bit boot protocol"), it does what remains of that one's work: long
 * mode with the first 4 GiB mapped one to one, the kernel moved to where it is linked, startup_64
 * entered with the boot parameters ("64-bit boot protocol"). Loaded and linked at 1 MiB; the
 * kernel's bytes follow it.
 */
#define CR0_PG		0x80000000
#define CR4_PAE		0x20
#define MSR_EFER	0xc0000080
#define EFER_LME	0x100
#define PTE_TABLE	0x3	/* present, writable */
#define PTE_2M		0x83	/* the same, large */
#define CODE64		0x10	/* the selectors the boot protocol asks for */
#define DATA		0x18
#define TABLES		4	/* page directories, a GiB each */

	.section .text
	.code32
	.globl _start
_start:
	cld
	cli
	/* page directories, one entry per 2 MiB */
	movl	$directories, %edi
	movl	$PTE_2M, %eax
	movl	$(TABLES * 512), %ecx
1:	movl	%eax, (%edi)
	movl	$0, 4(%edi)
	addl	$0x200000, %eax
	addl	$8, %edi
	loop	1b
	/* the two levels above are zero in the file but for these */
	movl	$(pointers + PTE_TABLE), top
	movl	$pointers, %edi
	movl	$(directories + PTE_TABLE), %eax
	movl	$TABLES, %ecx
2:	movl	%eax, (%edi)
	addl	$4096, %eax
	addl	$8, %edi
	loop	2b

	movl	%cr4, %eax
	orl	$CR4_PAE, %eax
	movl	%eax, %cr4
	movl	$top, %eax
	movl	%eax, %cr3
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$EFER_LME, %eax
	wrmsr
	lgdt	gdt_pointer
	movl	%cr0, %eax
	orl	$CR0_PG, %eax
	movl	%eax, %cr0
	ljmp	$CODE64, $long_mode

	.code64
long_mode:
	movl	$DATA, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	%esi, %ebx
	/* source and destination overlap, the destination is above: from the end down */
	movq	$(kernel + KERNEL_SIZE - 8), %rsi
	movq	$(KERNEL_BASE + KERNEL_SIZE - 8), %rdi
	movq	$(KERNEL_SIZE / 8), %rcx
	std
	rep movsq
	cld
	movl	%ebx, %esi
	movl	$KERNEL_ENTRY, %eax
	jmp	*%rax

	.balign	8
gdt:	.quad	0, 0
	.quad	0x00af9a000000ffff	/* CODE64 */
	.quad	0x00cf92000000ffff	/* DATA */
gdt_pointer:
	.word	. - gdt - 1
	.long	gdt

	.balign	4096
top:	.fill	512, 8, 0
pointers:
	.fill	512, 8, 0
directories:
	.fill	TABLES * 512, 8, 0
kernel:
