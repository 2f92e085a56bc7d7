// SPDX-License-Identifier: GPL-2.0-only
/* Which layout the save area has, and what both layouts have in common. */
#include "x86/cpuid.h"
#include "x86/smram.h"

void hv_smram_save(const struct hv_vcpu *vcpu, void *area, const struct hv_smm_state *state)
{
	if (hv_cpuid_has(vcpu, HV_F_LM))
		hv_smram64_save(area, state);
	else
		hv_smram32_save(area, state);
}

void hv_smram_load(const struct hv_vcpu *vcpu, struct hv_smm_state *state, const void *area)
{
	if (hv_cpuid_has(vcpu, HV_F_LM))
		hv_smram64_load(state, area);
	else
		hv_smram32_load(state, area);
}

u16 hv_smram_attributes(const struct kvm_segment *s)
{
	if (s->unusable)
		return 0;
	return s->type | s->s << 4 | s->dpl << 5 | s->present << 7 | s->avl << 8 |
	       s->l << 9 | s->db << 10 | s->g << 11;
}

void hv_smram_set_attributes(struct kvm_segment *s, u16 attributes)
{
	s->type = attributes & 15;
	s->s = attributes >> 4 & 1;
	s->dpl = attributes >> 5 & 3;
	s->present = attributes >> 7 & 1;
	s->avl = attributes >> 8 & 1;
	s->l = attributes >> 9 & 1;
	s->db = attributes >> 10 & 1;
	s->g = attributes >> 11 & 1;
	s->unusable = !s->present;
}
