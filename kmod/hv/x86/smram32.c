// SPDX-License-Identifier: GPL-2.0-only
/*
 * The save area of CPUs without long mode. Intel documents where the registers are that a
 * handler may want, and reserves the rest: there is what else a CPU needs to go on.
 */
#include <linux/build_bug.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "x86/smram.h"

#define REVISION	0x20000		/* SMBASE can be moved */
#define NR_GPRS		(HV_RDI + 1)

/* The hidden part of a segment register */
struct smram_cache {
	u32 base, limit, attributes;
};

struct smram_table {
	u32 base, limit;
};

/**
 * struct smram32 - SDM volume 3, table "SMRAM State Save Map", from SMBASE + 8000H + 7E00H
 *
 * Restart of I/O instructions is not offered: its fields are zero. Up to @smbase the area is
 * reserved, and its use ours.
 */
struct smram32 {
	struct smram_cache cache[HV_NR_SEGS];	/* in the order of @selector */
	struct smram_table gdtr, idtr;
	u32 cr4, efer;
	u8 reserved1[128];
	u32 smbase, revision;
	u16 io_restart, halt_restart;
	u8 reserved2[156];
	u32 io_address, io_state;
	u32 selector[HV_NR_SEGS];		/* the upper halves are reserved */
	u32 dr7, dr6;
	u32 gpr[NR_GPRS];			/* in the order of enum hv_gpr */
	u32 eip, eflags, cr3, cr0;
};

static_assert(offsetof(struct smram32, smbase) == 0xf8);
static_assert(offsetof(struct smram32, halt_restart) == 0x102);
static_assert(offsetof(struct smram32, selector) == 0x1a8);
static_assert(offsetof(struct smram32, dr7) == 0x1c8);
static_assert(offsetof(struct smram32, gpr) == 0x1d0);
static_assert(offsetof(struct smram32, cr0) == 0x1fc);
static_assert(sizeof(struct smram32) == HV_SMRAM_SIZE);

/* Where the segment registers are among all, in the order of the area. */
static const u16 segments[HV_NR_SEGS] = {
	offsetof(struct kvm_sregs2, es), offsetof(struct kvm_sregs2, cs),
	offsetof(struct kvm_sregs2, ss), offsetof(struct kvm_sregs2, ds),
	offsetof(struct kvm_sregs2, fs), offsetof(struct kvm_sregs2, gs),
	offsetof(struct kvm_sregs2, ldt), offsetof(struct kvm_sregs2, tr),
};

static void save_segs(struct smram32 *m, const struct kvm_sregs2 *sregs)
{
	const struct kvm_segment *s;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(segments); i++) {
		s = (const void *)sregs + segments[i];
		m->selector[i] = s->selector;
		m->cache[i].base = s->base;
		m->cache[i].limit = s->limit;
		m->cache[i].attributes = hv_smram_attributes(s);
	}
	m->gdtr.base = sregs->gdt.base;
	m->gdtr.limit = sregs->gdt.limit;
	m->idtr.base = sregs->idt.base;
	m->idtr.limit = sregs->idt.limit;
}

static void load_segs(struct kvm_sregs2 *sregs, const struct smram32 *m)
{
	struct kvm_segment *s;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(segments); i++) {
		s = (void *)sregs + segments[i];
		s->selector = m->selector[i];
		s->base = m->cache[i].base;
		s->limit = m->cache[i].limit;
		hv_smram_set_attributes(s, m->cache[i].attributes);
	}
	sregs->gdt.base = m->gdtr.base;
	sregs->gdt.limit = m->gdtr.limit;
	sregs->idt.base = m->idtr.base;
	sregs->idt.limit = m->idtr.limit;
}

void hv_smram32_save(void *area, const struct hv_smm_state *state)
{
	const struct kvm_sregs2 *s = &state->sregs;
	struct smram32 *m = area;
	unsigned int n;

	memset(m, 0, sizeof(*m));
	save_segs(m, s);
	m->efer = s->efer;
	m->cr0 = s->cr0;
	m->cr3 = s->cr3;
	m->cr4 = s->cr4;
	m->dr6 = state->dr6;
	m->dr7 = state->dr7;
	m->eip = state->rip;
	m->eflags = state->rflags;
	for (n = 0; n < NR_GPRS; n++)
		m->gpr[n] = state->gpr[n];
	m->smbase = state->smbase;
	m->revision = REVISION;
	m->halt_restart = state->halted;
}

void hv_smram32_load(struct hv_smm_state *state, const void *area)
{
	struct kvm_sregs2 *s = &state->sregs;
	const struct smram32 *m = area;
	unsigned int n;

	memset(state, 0, sizeof(*state));
	load_segs(s, m);
	s->efer = m->efer;
	s->cr0 = m->cr0;
	s->cr3 = m->cr3;
	s->cr4 = m->cr4;
	state->dr6 = m->dr6;
	state->dr7 = m->dr7;
	state->rip = m->eip;
	state->rflags = m->eflags;
	for (n = 0; n < NR_GPRS; n++)
		state->gpr[n] = m->gpr[n];
	state->smbase = m->smbase;
	state->halted = m->halt_restart & 1;
}
