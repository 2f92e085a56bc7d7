// SPDX-License-Identifier: GPL-2.0-only
/* Whether words of guest memory are still what they were; see witness.h. */
#include <linux/uaccess.h>

#include "memory/memslot.h"
#include "memory/witness.h"

bool hv_witness_begin(struct hv_vcpu *vcpu, struct hv_witness *w)
{
	struct hv_vm *vm = vcpu->vm;
	int idx;

	w->nr = 0;
	w->generation = 0;
	w->as = vcpu->as;
	/* a private page has no user address */
	if (vm->attributes)
		return false;
	idx = srcu_read_lock(&vm->srcu);
	w->generation = hv_memslots(vm, vcpu->as)->generation;
	srcu_read_unlock(&vm->srcu, idx);
	return true;
}

static bool add_word(struct hv_vcpu *vcpu, struct hv_witness *w, u64 gpa, u64 value, u64 mask)
{
	struct hv_memslot *slot = hv_vcpu_memslot(vcpu, gpa >> PAGE_SHIFT);
	unsigned long hva;

	if (!slot || w->nr == HV_WITNESS_WORDS ||
	    hv_memslots(vcpu->vm, vcpu->as)->generation != w->generation)
		return false;
	hva = hv_memslot_hva(slot, gpa >> PAGE_SHIFT) + offset_in_page(gpa);
	w->word[w->nr++] = (struct hv_witness_word){
		.hva = (u64 __user *)hva, .mask = mask, .value = value & mask,
	};
	return true;
}

bool hv_witness_add(struct hv_vcpu *vcpu, struct hv_witness *w, u64 gpa, u64 value, u64 mask)
{
	int idx = srcu_read_lock(&vcpu->vm->srcu);
	bool added = add_word(vcpu, w, gpa, value, mask);

	srcu_read_unlock(&vcpu->vm->srcu, idx);
	if (!added)
		w->generation = 0;
	return added;
}

/* The addresses lie in slots, which were checked by access_ok() when they were made. */
static bool words_hold(const struct hv_witness *w)
{
	const struct hv_witness_word *word = w->word, *end = word + w->nr;
	u64 value, differs = 0;

	if (word == end || !user_access_begin(word->hva, sizeof(u64)))
		return false;
	do {
		unsafe_get_user(value, word->hva, fault);
		differs |= (value & word->mask) ^ word->value;
	} while (++word < end);
	user_access_end();
	return !differs;
fault:
	user_access_end();
	return false;
}

bool hv_witness_holds(struct hv_vcpu *vcpu, const struct hv_witness *w)
{
	struct hv_vm *vm = vcpu->vm;
	int idx = srcu_read_lock(&vm->srcu);
	bool holds = w->as == vcpu->as && !vm->attributes &&
		     w->generation == hv_memslots(vm, vcpu->as)->generation && words_hold(w);

	srcu_read_unlock(&vm->srcu, idx);
	return holds;
}
