/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Instructions that user mode can execute: each is a table entry and runs where it lies.
 * RBX and RSI point into the data, RDI to a second place, RBP near the first, RSP to a stack.
 */
#include "native.h"

	.section .rodata
	.balign	8
	.globl	native_insns
native_insns:
	.text

/* T flags-left-undefined, preparation, instruction */
.macro T undef, prep, insn:vararg
	.text
1001:	\insn
1002:	jmp	native_exit
	.section .rodata.str, "aMS", @progbits, 1
1003:	.asciz	"\insn"
	.section .rodata
	.quad	1001b, 1002b - 1001b, \undef, \prep, 1003b
	.text
.endm

/* ALU operations: every form, every size. */
.macro ALU u, op
	T \u, P_ANY, \op %cl, (%rbx)
	T \u, P_ANY, \op %ch, (%rbx)
	T \u, P_ANY, \op %r9b, (%rbx)
	T \u, P_ANY, \op %cx, (%rbx)
	T \u, P_ANY, \op %ecx, (%rbx)
	T \u, P_ANY, \op %rcx, (%rbx)
	T \u, P_ANY, \op (%rbx), %ah
	T \u, P_ANY, \op (%rbx), %sil
	T \u, P_ANY, \op (%rbx), %ax
	T \u, P_ANY, \op (%rbx), %r10d
	T \u, P_ANY, \op (%rbx), %r10
	T \u, P_ANY, \op $0x55, %al
	T \u, P_ANY, \op $0x8765, %ax
	T \u, P_ANY, \op $0x87654321, %eax
	T \u, P_ANY, \op $-0x12345678, %rax
	T \u, P_ANY, \op\()b $0x80, 5(%rbx)
	T \u, P_ANY, \op\()w $0x7fff, 5(%rbx)
	T \u, P_ANY, \op\()l $0x80000000, 5(%rbx)
	T \u, P_ANY, \op\()q $-0x80000000, 5(%rbx)
	T \u, P_ANY, \op\()w $-1, (%rbx)
	T \u, P_ANY, \op\()l $-1, (%rbx)
	T \u, P_ANY, \op\()q $1, (%rbx)
	T \u, P_ANY, \op %eax, %r11d
	T \u, P_ANY, \op %dh, %bl
.endm
	.irp op, add, adc, sub, sbb, cmp
	ALU 0, \op
	.endr
	.irp op, and, or, xor
	ALU F_AF, \op
	.endr
	.irp op, add, adc, sub, sbb
	T 0, P_ANY, lock \op %rcx, (%rbx)
	T 0, P_ANY, lock \op\()l $77, (%rbx)
	.endr
	T F_AF, P_ANY, lock andb $0x0f, (%rbx)
	T F_AF, P_ANY, lock or %r8w, (%rbx)
	T F_AF, P_ANY, lock xor %ecx, (%rbx)

	T F_AF, P_ANY, test %cl, (%rbx)
	T F_AF, P_ANY, test %cx, (%rbx)
	T F_AF, P_ANY, test %ecx, (%rbx)
	T F_AF, P_ANY, test %r15, (%rbx)
	T F_AF, P_ANY, testb $0x81, (%rbx)
	T F_AF, P_ANY, testw $0x8001, (%rbx)
	T F_AF, P_ANY, testl $0x80000001, (%rbx)
	T F_AF, P_ANY, testq $-5, (%rbx)
	T F_AF, P_ANY, test $0x81, %al
	T F_AF, P_ANY, test $0x8001, %ax
	T F_AF, P_ANY, test $0x80000001, %eax

	.irp s, b, w, l, q
	T 0, P_ANY, inc\s (%rbx)
	T 0, P_ANY, dec\s (%rbx)
	T 0, P_ANY, neg\s (%rbx)
	T 0, P_ANY, not\s (%rbx)
	T 0, P_ANY, lock inc\s (%rbx)
	T 0, P_ANY, lock dec\s (%rbx)
	T 0, P_ANY, lock neg\s (%rbx)
	T 0, P_ANY, lock not\s (%rbx)
	.endr
	T 0, P_ANY, inc %ah
	T 0, P_ANY, neg %r9d

/* Moves */
	.irp r, al, ah, cl, dh, sil, r8b, r15b, ax, cx, r9w, eax, ecx, r13d, rax, rdx, r14
	T 0, P_ANY, mov %\r, (%rbx)
	T 0, P_ANY, mov (%rbx), %\r
	T 0, P_ANY, xchg %\r, (%rbx)
	T 0, P_ANY, xadd %\r, (%rbx)
	T 0, P_ANY, lock xadd %\r, (%rbx)
	T 0, P_EQUAL, cmpxchg %\r, (%rbx)
	T 0, P_EQUAL, lock cmpxchg %\r, (%rbx)
	.endr
	T 0, P_ANY, xadd %ecx, %edx
	T 0, P_ANY, xadd %rcx, %rcx
	T 0, P_ANY, xadd %ah, %cl
	T 0, P_ANY, xchg %r8, %rax
	T 0, P_ANY, xchg %ecx, %eax
	T 0, P_ANY, nop
	T 0, P_ANY, xchg %r8d, %eax
	T 0, P_ANY, pause
	T 0, P_ANY, mov %rbx, -8(%rsp)
	T 0, P_ANY, mov 4(%rbx, %rcx, 2), %eax
	T 0, P_COUNT, mov 4(%rbx, %rcx, 1), %eax
	T 0, P_COUNT, mov -4(%rbx, %rcx, 2), %eax
	T 0, P_COUNT, mov 0x100(%rbp, %rcx, 4), %rax
	T 0, P_COUNT, mov (%rsi, %rcx, 8), %rax
	T 0, P_COUNT, mov ARENA_DATA(, %rcx, 8), %rax
	T 0, P_ANY, mov ARENA_DATA, %eax
	T 0, P_ANY, mov 0(%rsp), %eax
	T 0, P_ANY, mov 8(%rbp), %ax
	T 0, P_ANY, mov -3(%rip), %eax
	T 0, P_ANY, mov (%ebx), %eax
	T 0, P_COUNT, mov 4(%ebx, %ecx, 4), %eax
	T 0, P_ANY, movb $0x5a, 7(%rbx)
	T 0, P_ANY, movw $0x5a5b, 7(%rbx)
	T 0, P_ANY, movl $0x5a5b5c5d, 7(%rbx)
	T 0, P_ANY, movq $-0x5a5b5c5d, 7(%rbx)
	T 0, P_ANY, mov $0x77, %bh
	T 0, P_ANY, mov $0x7788, %r9w
	T 0, P_ANY, mov $0x77889900, %ecx
	T 0, P_ANY, movabs $0x7788990011223344, %r12
	T 0, P_ANY, movabs ARENA_DATA + 3, %al
	T 0, P_ANY, movabs ARENA_DATA + 3, %ax
	T 0, P_ANY, movabs ARENA_DATA + 3, %eax
	T 0, P_ANY, movabs ARENA_DATA + 3, %rax
	T 0, P_ANY, movabs %al, ARENA_DATA + 3
	T 0, P_ANY, movabs %ax, ARENA_DATA + 3
	T 0, P_ANY, movabs %eax, ARENA_DATA + 3
	T 0, P_ANY, movabs %rax, ARENA_DATA + 3
	.irp r, cx, ecx, rcx, r9
	T 0, P_ANY, movzxb (%rbx), %\r
	T 0, P_ANY, movsxb (%rbx), %\r
	.endr
	T 0, P_ANY, movzwl (%rbx), %ecx
	T 0, P_ANY, movzwq (%rbx), %rcx
	T 0, P_ANY, movswl (%rbx), %ecx
	T 0, P_ANY, movswq (%rbx), %r11
	T 0, P_ANY, movslq (%rbx), %r11
	T 0, P_ANY, movzbl %ah, %edx
	T 0, P_ANY, movsbw %dil, %dx
	T 0, P_ANY, movnti %ecx, (%rbx)
	T 0, P_ANY, movnti %r9, (%rbx)
	.irp r, cx, ecx, rcx, r8
	T 0, P_ANY, movbe (%rbx), %\r
	T 0, P_ANY, movbe %\r, (%rbx)
	.endr
	T 0, P_ANY, bswap %edx
	T 0, P_ANY, bswap %r13
	T 0, P_ANY, lea 5(%rbx, %rcx, 4), %rdx
	T 0, P_ANY, lea 5(%rbx, %rcx, 4), %edx
	T 0, P_ANY, lea 5(%ebx, %r9d, 8), %dx
	T 0, P_ANY, lea 0x1234(%rip), %r8
	T 0, P_ANY, cbw
	T 0, P_ANY, cwde
	T 0, P_ANY, cdqe
	T 0, P_ANY, cwd
	T 0, P_ANY, cdq
	T 0, P_ANY, cqo
	T 0, P_ANY, cmc
	T 0, P_ANY, clc
	T 0, P_ANY, stc
	T 0, P_ANY, cld
	T 0, P_ANY, std
	.irp cc, o, no, b, ae, e, ne, be, a, s, ns, p, np, l, ge, le, g
	T 0, P_ANY, set\cc (%rbx)
	T 0, P_ANY, set\cc %ah
	T 0, P_ANY, cmov\cc (%rbx), %cx
	T 0, P_ANY, cmov\cc (%rbx), %r8d
	T 0, P_ANY, cmov\cc (%rbx), %rdx
	.endr

/* Bits and shifts */
	.irp op, bt, bts, btr, btc
	T F_OF + F_SF + F_AF + F_PF, P_SMALL, \op %cx, (%rbx)
	T F_OF + F_SF + F_AF + F_PF, P_SMALL, \op %ecx, (%rbx)
	T F_OF + F_SF + F_AF + F_PF, P_SMALL, \op %rdx, (%rbx)
	T F_OF + F_SF + F_AF + F_PF, P_ANY, \op %r9, %r10
	T F_OF + F_SF + F_AF + F_PF, P_ANY, \op %r9w, %r10w
	T F_OF + F_SF + F_AF + F_PF, P_ANY, \op\()w $27, (%rbx)
	T F_OF + F_SF + F_AF + F_PF, P_ANY, \op\()l $37, (%rbx)
	T F_OF + F_SF + F_AF + F_PF, P_ANY, \op\()q $47, (%rbx)
	.endr
	T F_OF + F_SF + F_AF + F_PF, P_SMALL, lock bts %rcx, (%rbx)
	T F_OF + F_SF + F_AF + F_PF, P_ANY, lock btrl $5, (%rbx)
.macro SHIFTS u, op
	.irp s, b, w, l, q
	T \u, P_ANY, \op\s (%rbx)
	T \u + F_OF, P_ANY, \op\s $5, (%rbx)
	T \u + F_OF, P_ANY, \op\s $33, (%rbx)
	T \u + F_OF, P_ANY, \op\s %cl, (%rbx)
	.endr
	T \u + F_OF, P_ANY, \op %cl, %ah
	T \u + F_OF, P_ANY, \op %cl, %r9d
	T \u, P_ANY, \op\()l $0, (%rbx)
	T \u, P_ANY, \op\()l $32, %r9d
.endm
	.irp op, rol, ror, rcl, rcr
	SHIFTS 0, \op
	.endr
	/* Counts above the width of the operand leave CF undefined for SHL and SHR. */
	.irp op, sal, sar, shr
	T F_AF, P_ANY, \op\()b (%rbx)
	T F_AF, P_ANY, \op\()w (%rbx)
	T F_AF + F_OF, P_ANY, \op\()b $5, (%rbx)
	T F_AF + F_OF + F_CF, P_ANY, \op\()b $29, (%rbx)
	T F_AF + F_OF, P_ANY, \op\()w $15, (%rbx)
	T F_AF + F_OF + F_CF, P_ANY, \op\()w %cl, (%rbx)
	T F_AF + F_OF + F_CF, P_ANY, \op %cl, %ah
	T F_AF, P_ANY, \op\()l (%rbx)
	T F_AF, P_ANY, \op\()q (%rbx)
	T F_AF + F_OF, P_ANY, \op\()l $31, (%rbx)
	T F_AF + F_OF, P_ANY, \op\()q $63, (%rbx)
	T F_AF + F_OF, P_ANY, \op\()l %cl, (%rbx)
	T F_AF + F_OF, P_ANY, \op\()q %cl, (%rbx)
	T F_AF + F_OF, P_ANY, \op %cl, %r10d
	.endr
	.irp op, shld, shrd
	T F_AF, P_ANY, \op $1, %cx, (%rbx)
	T F_AF, P_ANY, \op $1, %edx, (%rbx)
	T F_AF + F_OF, P_ANY, \op $11, %cx, (%rbx)
	T F_AF + F_OF, P_ANY, \op $31, %edx, (%rbx)
	T F_AF + F_OF, P_ANY, \op $63, %rdx, (%rbx)
	T F_AF + F_OF, P_ANY, \op %cl, %edx, (%rbx)
	T F_AF + F_OF, P_ANY, \op %cl, %r9, (%rbx)
	T F_AF + F_OF, P_ANY, \op %cl, %r9d, %r10d
	.endr

/* Multiplication and division */
	.irp s, b, w, l, q
	T F_SF + F_ZF + F_AF + F_PF, P_ANY, mul\s (%rbx)
	T F_SF + F_ZF + F_AF + F_PF, P_ANY, imul\s (%rbx)
	T F_CF + F_OF + F_SF + F_ZF + F_AF + F_PF, P_ANY, div\s (%rbx)
	T F_CF + F_OF + F_SF + F_ZF + F_AF + F_PF, P_ANY, idiv\s (%rbx)
	T F_CF + F_OF + F_SF + F_ZF + F_AF + F_PF, P_WIDE, div\s (%rbx)
	T F_CF + F_OF + F_SF + F_ZF + F_AF + F_PF, P_WIDE, idiv\s (%rbx)
	.endr
	.irp r, cx, ecx, rcx, r9
	T F_SF + F_ZF + F_AF + F_PF, P_ANY, imul (%rbx), %\r
	T F_SF + F_ZF + F_AF + F_PF, P_ANY, imul $-77, (%rbx), %\r
	T F_SF + F_ZF + F_AF + F_PF, P_ANY, imul $0x4567, (%rbx), %\r
	.endr
	T 0, P_EQUAL, cmpxchg8b (%rbx)
	T 0, P_EQUAL, lock cmpxchg8b (%rbx)
	T 0, P_EQUAL, cmpxchg16b 8(%rbx)
	T 0, P_EQUAL, lock cmpxchg16b (%rbx)
	T 0, P_ANY, lock cmpxchg16b 5(%rbx)

/* Strings */
	.irp s, b, w, l, q
	T 0, P_ANY, movs\s
	T 0, P_ANY, stos\s
	T 0, P_ANY, lods\s
	T 0, P_ANY, scas\s
	T 0, P_ANY, cmps\s
	T 0, P_COUNT, rep movs\s
	T 0, P_COUNT, rep stos\s
	T 0, P_COUNT, rep lods\s
	T 0, P_COUNT, repe cmps\s
	T 0, P_COUNT, repne cmps\s
	T 0, P_COUNT, repe scas\s
	T 0, P_COUNT, repne scas\s
	.endr
	T 0, P_COUNT, rep movsb (%esi), (%edi)
	T 0, P_COUNT, rep stosl %eax, (%edi)

/* Stack and branches */
	.irp r, ax, rax, rsp, r12, r9w
	T 0, P_ANY, push %\r
	T 0, P_ANY, pop %\r
	.endr
	T 0, P_ANY, pushq (%rbx)
	T 0, P_ANY, pushw (%rbx)
	T 0, P_ANY, popq (%rbx)
	T 0, P_ANY, popw (%rbx)
	T 0, P_ANY, pushq 8(%rsp)
	T 0, P_ANY, popq 8(%rsp)
	T 0, P_ANY, popw 8(%rsp)
	T 0, P_ANY, pushq $-3
	T 0, P_ANY, pushq $0x12345678
	T 0, P_ANY, leave
	T 0, P_BRANCH, jmp *%rax
	T 0, P_BRANCH, jmp *(%rbx)
	T 0, P_BRANCH, call *%rax
	T 0, P_BRANCH, call *(%rbx)
	T 0, P_BRANCH, call *(%rsp)
	T 0, P_BRANCH, ret
	T 0, P_BRANCH, ret $0x18
	T 0, P_BRANCH, call native_exit

/* No effect */
	T 0, P_ANY, clflush (%rbx)
	T 0, P_ANY, prefetcht0 (%rbx)
	T 0, P_ANY, prefetchw (%rbx)
	T 0, P_ANY, nopw 0x1234(%rbx, %rcx, 8)
	T 0, P_ANY, mfence
	T 0, P_ANY, lfence
	T 0, P_ANY, sfence
	T 0, P_ANY, ud2

/* Vector moves: legacy at aligned and odd addresses, VEX with 128 and 256 bits. */
.macro VLOAD op
	T 0, P_ANY, \op (%rbx), %xmm3
	T 0, P_ANY, \op 7(%rbx), %xmm12
	T 0, P_ANY, v\op (%rbx), %xmm3
	T 0, P_ANY, v\op 7(%rbx), %xmm12
.endm
.macro VSTORE op
	T 0, P_ANY, \op %xmm3, (%rbx)
	T 0, P_ANY, \op %xmm12, 7(%rbx)
	T 0, P_ANY, v\op %xmm3, (%rbx)
	T 0, P_ANY, v\op %xmm12, 7(%rbx)
.endm
	.irp op, movups, movupd, movaps, movapd, movdqa, movdqu
	VLOAD \op
	VSTORE \op
	T 0, P_ANY, v\op (%rbx), %ymm9
	T 0, P_ANY, v\op 16(%rbx), %ymm9
	T 0, P_ANY, v\op %ymm9, (%rbx)
	T 0, P_ANY, v\op %ymm9, 16(%rbx)
	.endr
	.irp op, movntps, movntpd, movntdq
	VSTORE \op
	T 0, P_ANY, v\op %ymm9, (%rbx)
	T 0, P_ANY, v\op %ymm9, 16(%rbx)
	.endr
	.irp op, lddqu, movntdqa
	VLOAD \op
	.endr
	T 0, P_ANY, vlddqu 3(%rbx), %ymm15
	.irp op, movss, movsd, movd, movq
	VLOAD \op
	VSTORE \op
	.endr
	T 0, P_ANY, rex.W movd (%rbx), %xmm5
	T 0, P_ANY, rex.W movd %xmm5, (%rbx)
	.irp op, movlps, movhps, movlpd, movhpd
	T 0, P_ANY, \op (%rbx), %xmm3
	T 0, P_ANY, \op 7(%rbx), %xmm12
	T 0, P_ANY, v\op (%rbx), %xmm3, %xmm4
	T 0, P_ANY, v\op 7(%rbx), %xmm13, %xmm14
	VSTORE \op
	.endr

	.section .rodata
	.globl	native_insns_end
native_insns_end:
	.section .note.GNU-stack, "", @progbits
