/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A few words of guest memory and what they held: whoever concluded something from them can ask
 * later whether it would conclude the same. The guest changes its page tables and its code
 * without an exit, so only looking again can tell.
 */
#ifndef VELLUM_MEMORY_WITNESS_H
#define VELLUM_MEMORY_WITNESS_H

#include "core/vcpu.h"

#define HV_WITNESS_WORDS	7	/* five levels of page tables, and 16 bytes of code */

/**
 * struct hv_witness - by its vCPU's own task only
 * @generation: of the memory slots that @word was found in; 0: nothing was seen
 * @as: enum hv_address_space
 * @nr: words
 * @word: user address of eight bytes, the bits of it that matter, and what they were
 */
struct hv_witness {
	u64 generation;
	u8 as;
	u8 nr;
	struct hv_witness_word {
		u64 __user *hva;
		u64 mask;
		u64 value;
	} word[HV_WITNESS_WORDS];
};

/* Forget all. False: guest memory is of a kind that nothing can be remembered of. */
bool hv_witness_begin(struct hv_vcpu *vcpu, struct hv_witness *w);
/*
 * The eight bytes at @gpa, inside a page, had @value in the bits of @mask. False: they are
 * not in a slot, or the slots changed: then @w has forgotten all.
 */
bool hv_witness_add(struct hv_vcpu *vcpu, struct hv_witness *w, u64 gpa, u64 value, u64 mask);
/* All words are where they were and as they were. False also without words. */
bool hv_witness_holds(struct hv_vcpu *vcpu, const struct hv_witness *w);

#endif /* VELLUM_MEMORY_WITNESS_H */
