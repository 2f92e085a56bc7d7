// SPDX-License-Identifier: GPL-2.0-only
/* The modes a guest may start in: long, protected and real. */
#include <stdio.h>
#include <string.h>

#include "tvm.h"

/* Selectors of the GDT below */
#define SEL_CODE		0x08
#define SEL_DATA		0x10
#define SEL_TSS			0x18
/* Of user mode, which loads neither: in no table */
#define SEL_USER_CODE		0x23
#define SEL_USER_DATA		0x2b

#define GDT_CODE64		0x00af9b000000ffffULL
#define GDT_DATA		0x00cf93000000ffffULL
#define GATE_INTR64		0x8e00ULL	/* present, DPL 0, 64-bit interrupt gate */
#define SEG_TYPE_CODE		0xb		/* execute, read, accessed */
#define SEG_TYPE_DATA		0x3		/* read, write, accessed */
#define SEG_TYPE_TSS		0xb		/* busy 32/64-bit TSS */
#define NR_PDS			4		/* one GiB each: 4 GiB identity mapped */
#define PTES			512
#define TSS_RSP0		4
#define RFLAGS_IOPL		(3 << 12)

static void set_gate(uint64_t *idt, unsigned int vector)
{
	uint64_t addr = (uintptr_t)g_vectors + vector * G_STUB_SIZE;

	idt[vector * 2] = (addr & 0xffff) | SEL_CODE << 16 | GATE_INTR64 << 32 |
			  (addr & 0xffff0000) << 32;
	idt[vector * 2 + 1] = addr >> 32;
}

void tvm_long_tables(struct tvm *vm)
{
	uint64_t *gdt = (uint64_t *)(vm->ram + TVM_GDT_GPA);
	uint64_t *pgt = (uint64_t *)(vm->ram + TVM_PGT_GPA);
	uint64_t gpa = TVM_PGT_GPA;
	unsigned int i;

	gdt[SEL_CODE / 8] = GDT_CODE64;
	gdt[SEL_DATA / 8] = GDT_DATA;
	/* 64-bit TSS, present and busy: two entries, base below 64 KiB * 64 Ki */
	gdt[SEL_TSS / 8] = 0x67ULL | (TVM_TSS_GPA & 0xffffff) << 16 | 0x8bULL << 40;
	gdt[SEL_TSS / 8 + 1] = 0;
	for (i = 0; i < 256; i++)
		set_gate((uint64_t *)(vm->ram + TVM_IDT_GPA), i);

	pgt[0] = (gpa + TVM_PAGE) | PTE_P | PTE_W | PTE_U;
	for (i = 0; i < NR_PDS; i++)
		pgt[PTES + i] = (gpa + (2 + i) * TVM_PAGE) | PTE_P | PTE_W | PTE_U;
	for (i = 0; i < NR_PDS * PTES; i++)
		pgt[2 * PTES + i] = (uint64_t)i << 21 | PTE_P | PTE_W | PTE_U | PTE_PS;
}

void tvcpu_get_sregs(struct tvcpu *cpu, struct kvm_sregs *sregs)
{
	TVM_MUST(cpu->fd, KVM_GET_SREGS, sregs);
}

void tvcpu_set_sregs(struct tvcpu *cpu, const struct kvm_sregs *sregs)
{
	TVM_MUST(cpu->fd, KVM_SET_SREGS, sregs);
}

void tvcpu_get_regs(struct tvcpu *cpu, struct kvm_regs *regs)
{
	TVM_MUST(cpu->fd, KVM_GET_REGS, regs);
}

void tvcpu_set_regs(struct tvcpu *cpu, const struct kvm_regs *regs)
{
	TVM_MUST(cpu->fd, KVM_SET_REGS, regs);
}

static struct kvm_segment flat_segment(uint16_t selector, uint8_t type, int code64)
{
	struct kvm_segment seg = {
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.s = 1,
		.g = 1,
		.l = code64,
		.db = !code64,
	};

	return seg;
}

static void set_flat_segments(struct kvm_sregs *sregs, int code64)
{
	struct kvm_segment data = flat_segment(SEL_DATA, SEG_TYPE_DATA, 0);

	sregs->cs = flat_segment(SEL_CODE, SEG_TYPE_CODE, code64);
	sregs->ds = data;
	sregs->es = data;
	sregs->fs = data;
	sregs->gs = data;
	sregs->ss = data;
	sregs->tr = (struct kvm_segment) {
		.base = TVM_TSS_GPA,
		.limit = 0x67,
		.selector = SEL_TSS,
		.type = SEG_TYPE_TSS,
		.present = 1,
	};
	sregs->gdt.base = TVM_GDT_GPA;
	sregs->gdt.limit = 5 * 8 - 1;
	sregs->idt.base = TVM_IDT_GPA;
	sregs->idt.limit = 256 * 16 - 1;
}

static void start_at(struct tvcpu *cpu, uint64_t rip, uint64_t rsp)
{
	struct kvm_regs regs = {
		.rip = rip,
		.rsp = rsp,
		.rflags = X86_RFLAGS_FIXED,
	};

	tvcpu_set_regs(cpu, &regs);
}

void tvcpu_long_mode(struct tvcpu *cpu, void (*entry)(void))
{
	uint64_t stack = TVM_STACK_GPA + (cpu->id + 1) * TVM_STACK_SIZE;
	struct kvm_sregs sregs;

	tvcpu_get_sregs(cpu, &sregs);
	set_flat_segments(&sregs, 1);
	sregs.cr0 = X86_CR0_PE | X86_CR0_MP | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | X86_CR0_PG;
	sregs.cr3 = TVM_PGT_GPA;
	sregs.cr4 = X86_CR4_PAE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;
	sregs.efer = EFER_LME | EFER_LMA;
	tvcpu_set_sregs(cpu, &sregs);
	/* As if called: RSP + 8 is 16-aligned at a function's first instruction. */
	start_at(cpu, (uintptr_t)entry, stack - 8);
}

void tvm_start(struct tvm *vm, struct tvcpu *cpu, unsigned int flags, void (*entry)(void))
{
	tvm_create(vm, flags);
	tvcpu_create(cpu, vm, 0);
	tvcpu_long_mode(cpu, entry);
}

void tvcpu_prot_mode(struct tvcpu *cpu, const void *entry)
{
	uint64_t stack = TVM_STACK_GPA + (cpu->id + 1) * TVM_STACK_SIZE;
	struct kvm_sregs sregs;

	tvcpu_get_sregs(cpu, &sregs);
	set_flat_segments(&sregs, 0);
	sregs.cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_NE;
	sregs.cr3 = 0;
	sregs.cr4 = 0;
	sregs.efer = 0;
	tvcpu_set_sregs(cpu, &sregs);
	start_at(cpu, (uintptr_t)entry, stack);
}

void tvcpu_real_mode(struct tvcpu *cpu, const void *code, size_t size)
{
	struct kvm_sregs sregs;

	memcpy(cpu->vm->ram + TVM_REAL_GPA, code, size);
	tvcpu_get_sregs(cpu, &sregs);
	sregs.cs.selector = TVM_REAL_GPA >> 4;
	sregs.cs.base = TVM_REAL_GPA;
	tvcpu_set_sregs(cpu, &sregs);
	start_at(cpu, 0, 0x8000);
}

uint64_t tvcpu_get_msr(struct tvcpu *cpu, uint32_t msr)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry.index = msr };

	if (TVM_MUST(cpu->fd, KVM_GET_MSRS, &msrs) != 1)
		tvm_die("MSR %#x cannot be read", msr);
	return msrs.entry.data;
}

long tvcpu_msr(struct tvcpu *cpu, uint32_t msr, uint64_t val)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry.index = msr, .entry.data = val };

	return tvm_ioctl_p(cpu->fd, KVM_SET_MSRS, &msrs);
}

void tvcpu_user_mode(struct tvcpu *cpu)
{
	uint64_t *rsp0 = (uint64_t *)(cpu->vm->ram + TVM_TSS_GPA + TSS_RSP0);
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	*rsp0 = TVM_STACK_GPA + 2 * TVM_STACK_SIZE;
	tvcpu_get_sregs(cpu, &sregs);
	sregs.cs.selector = SEL_USER_CODE;
	sregs.cs.dpl = 3;
	sregs.ss.selector = SEL_USER_DATA;
	sregs.ss.dpl = 3;
	sregs.ds = sregs.ss;
	sregs.es = sregs.ss;
	tvcpu_set_sregs(cpu, &sregs);
	tvcpu_get_regs(cpu, &regs);
	regs.rflags |= RFLAGS_IOPL;
	tvcpu_set_regs(cpu, &regs);
}
