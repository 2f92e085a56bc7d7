// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drivers reach devices by few instructions, over and over, and nearly all are plain moves in
 * 64-bit code. Each vCPU remembers some of them, decoded.
 *
 * Is it still the same instruction? The guest rewrites code and page tables without an exit, so
 * they are looked at again: the page-table entries that the fetch went through and the bytes
 * of the instruction, all compared with what they were. With the same CR3, CR4, EFER and CPL
 * a walk, a fetch and a decode would have the same outcome, but cost ten times as much.
 *
 * May the access be made? The CPU reports a second-level violation only after its own checks of
 * segments and page tables (SDM volume 3, "EPT Violations"; a fault of those goes before). They
 * hold for all of the page and this kind of access, so an operand that begins at the reported
 * address and ends in its page needs no other check, whichever instruction it belongs to.
 */
#include <linux/hash.h>
#include <linux/string.h>

#include "x86/emulate_int.h"
#include "x86/regs.h"

#define CODE_SIZE	(2 * sizeof(u64))	/* the longest instruction has 15 bytes */

static struct hv_mmio_mov *mov_slot(struct hv_vcpu *vcpu, u64 rip)
{
	return &vcpu->emul->mov[hash_64(rip, HV_MMIO_MOV_BITS)];
}

/* The bits that a guest changes without an exit mean nothing to a page walk. */
static u64 walk_cr4(const struct hv_vcpu *vcpu)
{
	return vcpu->cr4 & ~vcpu->cr4_guest_owned;
}

/* The code: sixteen bytes of its page that hold it all, of which it alone matters. */
static bool see_code(struct hv_vcpu *vcpu, struct hv_witness *w, u64 page)
{
	const struct emul_ctxt *c = &vcpu->emul->c;
	unsigned int at = offset_in_page(c->rip), i;
	u8 bytes[CODE_SIZE] = { 0 }, mask[CODE_SIZE] = { 0 };
	unsigned int first = min_t(unsigned int, at, PAGE_SIZE - CODE_SIZE);
	u64 value, bits;

	memcpy(bytes + at - first, c->bytes, c->insn.len);
	memset(mask + at - first, U8_MAX, c->insn.len);
	for (i = 0; i < CODE_SIZE; i += sizeof(u64)) {
		memcpy(&value, bytes + i, sizeof(u64));
		memcpy(&bits, mask + i, sizeof(u64));
		if (bits && !hv_witness_add(vcpu, w, page + first + i, value, bits))
			return false;
	}
	return true;
}

static bool see_fetch(struct hv_vcpu *vcpu, struct hv_witness *w)
{
	const struct hv_walk *fetch = &vcpu->emul->fetch;
	unsigned int i;

	if (!hv_witness_begin(vcpu, w))
		return false;
	for (i = 0; i < fetch->nr; i++)
		if (!hv_witness_add(vcpu, w, fetch->entry[i].gpa, fetch->entry[i].value, ~0ULL))
			return false;
	return see_code(vcpu, w, fetch->gpa & PAGE_MASK);
}

void hv_mmio_mov_remember(struct hv_vcpu *vcpu)
{
	const struct emul_ctxt *c = &vcpu->emul->c;
	struct hv_mmio_mov *m = mov_slot(vcpu, c->rip);
	struct emul_mov mov;

	/* Of two pages of code only the second walk is known. */
	if (!vcpu->emul->fetch.nr || offset_in_page(c->rip) + c->insn.len > PAGE_SIZE ||
	    !emul_mov_info(c, &mov) || !see_fetch(vcpu, &m->seen))
		return;
	m->rip = c->rip;
	m->cr3 = hv_cr3(vcpu);
	m->cr4 = walk_cr4(vcpu);
	m->efer = vcpu->efer;
	m->cpl = c->cpl;
	m->maxphyaddr = vcpu->maxphyaddr;
	m->mov = mov;
}

/* A debugger's steps, and the flags that concern the next instruction, go the long way. */
static bool ordinary(const struct hv_vcpu *vcpu)
{
	return !vcpu->debug.guest_debug && !(vcpu->rflags & (X86_EFLAGS_TF | X86_EFLAGS_RF));
}

static bool still_there(struct hv_vcpu *vcpu, const struct hv_mmio_mov *m)
{
	return m->rip == hv_rip(vcpu) && m->efer == vcpu->efer && m->cr4 == walk_cr4(vcpu) &&
	       m->maxphyaddr == vcpu->maxphyaddr && m->cr3 == hv_cr3(vcpu) &&
	       m->cpl == hv_cpl(vcpu) && hv_is_64bit(vcpu) && hv_witness_holds(vcpu, &m->seen);
}

static bool makes_access(struct hv_vcpu *vcpu, const struct emul_mov *mov,
			 const struct hv_tdp_violation *v)
{
	if (mov->store != v->write || offset_in_page(v->gva) + mov->size > PAGE_SIZE)
		return false;
	hv_reg_need(vcpu, HV_REG_RSP);
	return emul_mov_address(mov, vcpu->gpr) == v->gva;
}

static int finish_load(struct hv_vcpu *vcpu, const struct emul_mov *mov, u64 raw)
{
	hv_set_gpr(vcpu, mov->reg, emul_mov_loaded(mov, hv_gpr(vcpu, mov->reg), raw));
	return hv_skip_insn(vcpu, mov->len);
}

/* KVM_RUN is back. With another RIP user space replaced the vCPU, and nothing is left to do. */
static int complete_load(struct hv_vcpu *vcpu)
{
	const struct hv_mmio_mov *m = vcpu->emul->loading;
	u64 raw = 0;

	if (hv_rip(vcpu) != m->rip)
		return HV_RESUME;
	memcpy(&raw, vcpu->run->mmio.data, m->mov.size);
	return finish_load(vcpu, &m->mov, raw);
}

static int load(struct hv_vcpu *vcpu, const struct hv_mmio_mov *m, u64 gpa)
{
	u64 raw = 0;

	if (!hv_mmio_access(vcpu, gpa, m->mov.size, &raw, false))
		return finish_load(vcpu, &m->mov, raw);
	hv_mmio_exit(vcpu, gpa, m->mov.size, NULL);
	vcpu->emul->loading = m;
	vcpu->complete = complete_load;
	return HV_USERSPACE;
}

/* The instruction is over before user space sees it: nothing is left for its return. */
static int store(struct hv_vcpu *vcpu, const struct emul_mov *mov, u64 gpa)
{
	u64 value = emul_mov_value(mov, vcpu->gpr);
	bool taken = !hv_mmio_access(vcpu, gpa, mov->size, &value, true);

	if (!taken)
		hv_mmio_exit(vcpu, gpa, mov->size, &value);
	hv_skip_insn(vcpu, mov->len);
	return taken ? HV_RESUME : HV_USERSPACE;
}

int hv_mmio_mov(struct hv_vcpu *vcpu, const struct hv_tdp_violation *v)
{
	struct hv_mmio_mov *m = mov_slot(vcpu, hv_rip(vcpu));
	u64 gpa = (v->gpa & PAGE_MASK) | offset_in_page(v->gva);

	hv_reg_need(vcpu, HV_REG_RFLAGS);
	if (!v->gva_valid || v->exec || !ordinary(vcpu) || !still_there(vcpu, m) ||
	    !makes_access(vcpu, &m->mov, v))
		return -EAGAIN;
	vcpu->stat.insn_emulations++;
	return m->mov.store ? store(vcpu, &m->mov, gpa) : load(vcpu, m, gpa);
}
