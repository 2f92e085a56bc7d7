/* SPDX-License-Identifier: GPL-2.0-only */
/* Load every register from native_state, run one instruction, store every register back. */
#include "native.h"

.macro each_ymm op
	.set n, 0
	.irp r, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	\op \r
	.endr
.endm

.macro load_ymm r
	vmovdqu	native_state + S_YMM + 32 * \r(%rip), %ymm\r
.endm

.macro store_ymm r
	vmovdqu	%ymm\r, native_state + S_YMM + 32 * \r(%rip)
.endm

.macro load_gpr n, r
	mov	native_state + S_GPR + 8 * \n(%rip), %\r
.endm

.macro store_gpr n, r
	mov	%\r, native_state + S_GPR + 8 * \n(%rip)
.endm

/* All but RSP, which is number 4. */
.macro each_gpr op
	\op	0, rax
	\op	1, rcx
	\op	2, rdx
	\op	3, rbx
	\op	5, rbp
	\op	6, rsi
	\op	7, rdi
	\op	8, r8
	\op	9, r9
	\op	10, r10
	\op	11, r11
	\op	12, r12
	\op	13, r13
	\op	14, r14
	\op	15, r15
.endm

	.bss
	.balign	32
	.globl	native_state
native_state:
	.skip	S_YMM + 16 * 32
host_rsp:
	.skip	8
target:
	.skip	8

	.text
	.globl	native_run
native_run:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, host_rsp(%rip)
	mov	%rdi, target(%rip)
	each_ymm load_ymm
	push	native_state + S_FLAGS(%rip)
	popf
	each_gpr load_gpr
	load_gpr 4, rsp
	jmp	*target(%rip)

	.globl	native_exit
native_exit:
	store_gpr 4, rsp
	mov	host_rsp(%rip), %rsp
	each_gpr store_gpr
	pushf
	pop	native_state + S_FLAGS(%rip)
	cld
	each_ymm store_ymm
	vzeroupper
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret

	.section .note.GNU-stack, "", @progbits
