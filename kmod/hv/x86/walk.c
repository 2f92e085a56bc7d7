// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's page tables, walked in software (SDM volume 3, "Paging"): what an
 * access by the emulator or KVM_TRANSLATE would meet, including the accessed
 * and dirty bits a real CPU sets.
 */
#include <linux/kernel.h>
#include <asm/msr-index.h>
#include <asm/trap_pf.h>

#include "memory/guest.h"
#include "x86/cpuid.h"
#include "x86/regs.h"
#include "x86/walk.h"

enum {
	PTE_P	= BIT(0),
	PTE_W	= BIT(1),
	PTE_U	= BIT(2),
	PTE_A	= BIT(5),
	PTE_D	= BIT(6),
	PTE_PS	= BIT(7),
};

#define PTE_NX		BIT_ULL(63)
#define PTE_FRAME	GENMASK_ULL(51, 12)
#define PTE_PKEY_SHIFT	59
#define PTE_PKEY_MASK	15
#define PSE36_HIGH	GENMASK_ULL(20, 13)	/* address bits 39:32 of a 4-MiB page */
#define PSE36_SHIFT	(32 - 13)
#define PSE36_FRAME	GENMASK_ULL(31, 22)

#define WALK_RETRIES	16

/** struct paging - the mode in force, read once for a walk */
struct paging {
	unsigned int levels;		/* of tables; 0: paging is off */
	unsigned int index_bits;	/* 9, or 10 with 4-byte entries */
	unsigned int entry_size;
	u64 cr0, cr4, root, reserved;
	bool nx, long_mode, pse;
};

/** struct pte - an entry and where it was read from */
struct pte {
	u64 gpa, value;
	unsigned int level;
};

static u64 reserved_bits(const struct hv_vcpu *vcpu, const struct paging *p)
{
	u64 reserved;

	if (p->entry_size == sizeof(u32))
		return 0;
	reserved = PTE_FRAME & ~GENMASK_ULL(vcpu->maxphyaddr - 1, 0);
	if (!p->long_mode)
		reserved |= GENMASK_ULL(62, 52);
	if (!p->nx)
		reserved |= PTE_NX;
	return reserved;
}

static void paging_read(struct hv_vcpu *vcpu, struct paging *p)
{
	u64 cr3;

	p->cr0 = hv_cr0(vcpu);
	p->cr4 = hv_cr4(vcpu);
	p->levels = 0;
	if (!(p->cr0 & X86_CR0_PG))
		return;
	cr3 = hv_cr3(vcpu);
	p->nx = vcpu->efer & EFER_NX;
	p->long_mode = hv_long_mode(vcpu);
	p->pse = true;
	p->index_bits = 9;
	p->entry_size = sizeof(u64);
	if (p->long_mode) {
		p->levels = p->cr4 & X86_CR4_LA57 ? 5 : 4;
		p->root = cr3 & PTE_FRAME;
	} else if (p->cr4 & X86_CR4_PAE) {
		/* The third level is in the PDPTE registers. */
		hv_reg_need(vcpu, HV_REG_PDPTR);
		p->levels = 3;
	} else {
		p->levels = 2;
		p->index_bits = 10;
		p->entry_size = sizeof(u32);
		p->root = cr3 & GENMASK_ULL(31, 12);
		p->pse = p->cr4 & X86_CR4_PSE;
	}
	p->reserved = reserved_bits(vcpu, p);
}

static unsigned int level_shift(const struct paging *p, unsigned int level)
{
	return PAGE_SHIFT + p->index_bits * (level - 1);
}

static int entry_read(struct hv_vcpu *vcpu, const struct paging *p, u64 table, u64 linear,
		      struct pte *pte)
{
	u64 index = (linear >> level_shift(p, pte->level)) & (BIT_ULL(p->index_bits) - 1);

	if (p->levels == 3 && pte->level == 3) {
		pte->value = vcpu->pdptr[index & 3];
		pte->gpa = 0;
		return 0;
	}
	pte->gpa = table + index * p->entry_size;
	return hv_guest_read_once(vcpu, pte->gpa, &pte->value, p->entry_size);
}

static bool is_leaf(const struct paging *p, const struct pte *pte)
{
	if (pte->level == 1)
		return true;
	if (!(pte->value & PTE_PS) || !p->pse)
		return false;
	return pte->level == 2 || (pte->level == 3 && p->long_mode);
}

/* Address bits inside a large page must be zero; bit 12 is PAT there. */
static bool has_reserved(const struct paging *p, const struct pte *pte, bool leaf)
{
	u64 reserved = p->reserved;

	if (p->entry_size == sizeof(u32))
		return leaf && pte->level == 2 && (pte->value & BIT_ULL(21));
	if (p->levels == 3 && pte->level == 3)
		return false;	/* checked when the registers were loaded */
	if (leaf && pte->level > 1)
		reserved |= GENMASK_ULL(level_shift(p, pte->level) - 1, 13);
	else if (pte->level >= 4)
		reserved |= PTE_PS;
	return pte->value & reserved;
}

static u64 leaf_gpa(const struct paging *p, const struct pte *pte, u64 linear)
{
	u64 offset = BIT_ULL(level_shift(p, pte->level)) - 1;
	u64 frame = pte->value & PTE_FRAME & ~offset;

	if (p->entry_size == sizeof(u32) && pte->level == 2) {
		frame = pte->value & PSE36_FRAME;
		frame |= (pte->value & PSE36_HIGH) << PSE36_SHIFT;
	}
	return frame | (linear & offset);
}

/* The protection key of a user page: SDM, "Protection Keys" */
static bool pkey_denies(struct hv_vcpu *vcpu, const struct paging *p, u64 leaf, u32 access)
{
	unsigned int key = (leaf >> PTE_PKEY_SHIFT) & PTE_PKEY_MASK;
	u32 rights = vcpu->fpu.pkru >> (key * 2);

	if (!p->long_mode || !(p->cr4 & X86_CR4_PKE) || (access & HV_ACCESS_EXEC))
		return false;
	if (rights & 1)
		return true;
	if (!(rights & 2) || !(access & HV_ACCESS_WRITE))
		return false;
	return (access & HV_ACCESS_USER) || (p->cr0 & X86_CR0_WP);
}

static bool smap_denies(struct hv_vcpu *vcpu, const struct paging *p, u32 access)
{
	if (!(p->cr4 & X86_CR4_SMAP) || (access & HV_ACCESS_EXEC))
		return false;
	return (access & HV_ACCESS_IMPLICIT) || !(hv_rflags(vcpu) & X86_EFLAGS_AC);
}

/* SDM, "Determination of Access Rights": the error bits of a refusal, or 0 */
static u32 denied(struct hv_vcpu *vcpu, const struct paging *p, u64 rights, u64 leaf, u32 access)
{
	bool user_page = rights & PTE_U, user = access & HV_ACCESS_USER;

	if (user && !user_page)
		return X86_PF_PROT;
	if ((access & HV_ACCESS_WRITE) && !(rights & PTE_W) && (user || p->cr0 & X86_CR0_WP))
		return X86_PF_PROT;
	if (access & HV_ACCESS_EXEC) {
		if (rights & PTE_NX)
			return X86_PF_PROT;
		if (!user && user_page && (p->cr4 & X86_CR4_SMEP))
			return X86_PF_PROT;
	}
	if (!user && user_page && !(access & HV_ACCESS_PROBE) && smap_denies(vcpu, p, access))
		return X86_PF_PROT;
	if (user_page && pkey_denies(vcpu, p, leaf, access))
		return X86_PF_PROT | X86_PF_PK;
	return 0;
}

/* 0; -EAGAIN: the entry changed under us, walk again; -EFAULT */
static int mark(struct hv_vcpu *vcpu, const struct paging *p, const struct pte *pte, u64 bits)
{
	u64 old = pte->value, new = old | bits;

	if (old == new || !pte->gpa)
		return 0;
	return hv_guest_cmpxchg(vcpu, pte->gpa, &old, &new, p->entry_size);
}

static int page_fault(const struct paging *p, struct hv_walk *walk, u32 access, u32 error)
{
	if (access & HV_ACCESS_WRITE)
		error |= X86_PF_WRITE;
	if (access & HV_ACCESS_USER)
		error |= X86_PF_USER;
	if ((access & HV_ACCESS_EXEC) && (p->nx || p->cr4 & X86_CR4_SMEP))
		error |= X86_PF_INSTR;
	walk->error = error;
	return 1;
}

static int finish(struct hv_vcpu *vcpu, const struct paging *p, const struct pte *leaf,
		  u64 linear, u64 rights, u32 access, struct hv_walk *walk)
{
	u32 error = denied(vcpu, p, rights, leaf->value, access);
	int ret = 0;

	if (error)
		return page_fault(p, walk, access, error);
	if (!(access & HV_ACCESS_PROBE))
		ret = mark(vcpu, p, leaf, access & HV_ACCESS_WRITE ? PTE_A | PTE_D : PTE_A);
	walk->gpa = leaf_gpa(p, leaf, linear);
	walk->writable = rights & PTE_W;
	walk->user = rights & PTE_U;
	return ret;
}

static void remember(struct hv_walk *walk, const struct pte *pte)
{
	walk->entry[walk->nr].gpa = pte->gpa;
	walk->entry[walk->nr].value = pte->value;
	walk->nr++;
}

static int walk_once(struct hv_vcpu *vcpu, const struct paging *p, u64 linear, u32 access,
		     struct hv_walk *walk)
{
	u64 rights = PTE_W | PTE_U, table = p->root;
	struct pte pte;
	int ret;

	walk->nr = 0;
	for (pte.level = p->levels; ; pte.level--) {
		bool leaf, pdpte = p->levels == 3 && pte.level == 3;

		if (entry_read(vcpu, p, table, linear, &pte))
			return -EFAULT;
		remember(walk, &pte);
		if (!(pte.value & PTE_P))
			return page_fault(p, walk, access, 0);
		leaf = is_leaf(p, &pte);
		if (has_reserved(p, &pte, leaf))
			return page_fault(p, walk, access, X86_PF_PROT | X86_PF_RSVD);
		if (!pdpte) {
			rights &= pte.value | PTE_NX;
			rights |= p->nx ? pte.value & PTE_NX : 0;
		}
		if (leaf)
			return finish(vcpu, p, &pte, linear, rights, access, walk);
		if (!(access & HV_ACCESS_PROBE)) {
			ret = mark(vcpu, p, &pte, PTE_A);
			if (ret)
				return ret;
		}
		table = pte.value & PTE_FRAME;
	}
}

int hv_walk(struct hv_vcpu *vcpu, u64 linear, u32 access, struct hv_walk *walk)
{
	unsigned int tries = WALK_RETRIES;
	struct paging p = {};
	int ret;

	paging_read(vcpu, &p);
	if (!p.long_mode)
		linear = (u32)linear;
	if (!p.levels) {
		*walk = (struct hv_walk){ .gpa = linear, .writable = true, .user = true };
		return 0;
	}
	do {
		ret = walk_once(vcpu, &p, linear, access, walk);
	} while (ret == -EAGAIN && --tries);
	return ret == -EAGAIN ? -EFAULT : ret;
}
