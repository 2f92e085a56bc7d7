// SPDX-License-Identifier: GPL-2.0-only
/*
 * The save area of CPUs with long mode: on both vendors AMD's layout, which is the one that
 * firmware for these virtual machines knows.
 */
#include <linux/build_bug.h>
#include <linux/string.h>

#include "x86/smram.h"

#define REVISION	0x20064		/* AMD64, SMBASE can be moved */

struct smram_seg {
	u16 selector, attributes;
	u32 limit;
	u64 base;
};

/**
 * struct smram64 - APM, table "AMD64 Architecture SMM State-Save Area"
 *
 * Restart of I/O instructions is not offered: its fields are zero.
 */
struct smram64 {
	struct smram_seg es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	u64 io_restart[4];
	u32 io_trap, local_status;
	u8 io_restart_flag, halt_restart_flag, reserved1[6];
	u64 efer;
	u64 svm[3];
	u8 reserved2[12];
	u32 revision;
	u32 smbase;
	u8 reserved3[28];
	u64 svm_state[5];
	u64 cr4, cr3, cr0, dr7, dr6, rflags, rip;
	u64 gpr[HV_NR_GPRS];		/* R15 first */
};

static_assert(offsetof(struct smram64, halt_restart_flag) == 0xc9);
static_assert(offsetof(struct smram64, efer) == 0xd0);
static_assert(offsetof(struct smram64, revision) == 0xfc);
static_assert(offsetof(struct smram64, cr4) == 0x148);
static_assert(offsetof(struct smram64, rip) == 0x178);
static_assert(sizeof(struct smram64) == HV_SMRAM_SIZE);

static void save_seg(struct smram_seg *to, const struct kvm_segment *s)
{
	to->selector = s->selector;
	to->attributes = hv_smram_attributes(s);
	to->limit = s->limit;
	to->base = s->base;
}

static void load_seg(struct kvm_segment *s, const struct smram_seg *from)
{
	s->selector = from->selector;
	s->limit = from->limit;
	s->base = from->base;
	hv_smram_set_attributes(s, from->attributes);
}

static void save_segs(struct smram64 *m, const struct kvm_sregs2 *s)
{
	save_seg(&m->es, &s->es);
	save_seg(&m->cs, &s->cs);
	save_seg(&m->ss, &s->ss);
	save_seg(&m->ds, &s->ds);
	save_seg(&m->fs, &s->fs);
	save_seg(&m->gs, &s->gs);
	save_seg(&m->ldtr, &s->ldt);
	save_seg(&m->tr, &s->tr);
	m->gdtr.base = s->gdt.base;
	m->gdtr.limit = s->gdt.limit;
	m->idtr.base = s->idt.base;
	m->idtr.limit = s->idt.limit;
}

static void load_segs(struct kvm_sregs2 *s, const struct smram64 *m)
{
	load_seg(&s->es, &m->es);
	load_seg(&s->cs, &m->cs);
	load_seg(&s->ss, &m->ss);
	load_seg(&s->ds, &m->ds);
	load_seg(&s->fs, &m->fs);
	load_seg(&s->gs, &m->gs);
	load_seg(&s->ldt, &m->ldtr);
	load_seg(&s->tr, &m->tr);
	s->gdt.base = m->gdtr.base;
	s->gdt.limit = m->gdtr.limit;
	s->idt.base = m->idtr.base;
	s->idt.limit = m->idtr.limit;
}

void hv_smram64_save(void *area, const struct hv_smm_state *state)
{
	const struct kvm_sregs2 *s = &state->sregs;
	struct smram64 *m = area;
	unsigned int n;

	memset(m, 0, sizeof(*m));
	save_segs(m, s);
	m->efer = s->efer;
	m->cr0 = s->cr0;
	m->cr3 = s->cr3;
	m->cr4 = s->cr4;
	m->dr6 = state->dr6;
	m->dr7 = state->dr7;
	m->rip = state->rip;
	m->rflags = state->rflags;
	for (n = 0; n < HV_NR_GPRS; n++)
		m->gpr[HV_NR_GPRS - 1 - n] = state->gpr[n];
	m->smbase = state->smbase;
	m->revision = REVISION;
	m->halt_restart_flag = state->halted;
}

void hv_smram64_load(struct hv_smm_state *state, const void *area)
{
	struct kvm_sregs2 *s = &state->sregs;
	const struct smram64 *m = area;
	unsigned int n;

	memset(state, 0, sizeof(*state));
	load_segs(s, m);
	s->efer = m->efer;
	s->cr0 = m->cr0;
	s->cr3 = m->cr3;
	s->cr4 = m->cr4;
	state->dr6 = (u32)m->dr6;
	state->dr7 = (u32)m->dr7;
	state->rip = m->rip;
	state->rflags = m->rflags;
	for (n = 0; n < HV_NR_GPRS; n++)
		state->gpr[n] = m->gpr[HV_NR_GPRS - 1 - n];
	state->smbase = m->smbase;
	state->halted = m->halt_restart_flag & 1;
}
