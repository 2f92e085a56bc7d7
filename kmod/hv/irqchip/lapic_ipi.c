// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupt messages on their way: from an ICR or a device to the LAPICs they
 * address, and what INIT and start-up messages do to a vCPU (SDM volume 3,
 * "Issuing Interprocessor Interrupts" and "MP Initialization Protocol Algorithm").
 */
#include <linux/bitops.h>
#include <asm/msr-index.h>

#include "core/ops.h"
#include "core/request.h"
#include "irqchip/apic_map.h"
#include "irqchip/lapic_int.h"
#include "x86/regs.h"
#include "x86/smm.h"

#define HV_ICR_SHORTHAND_SHIFT	18

static void accept_init(struct hv_lapic *lapic)
{
	/* an INIT makes earlier start-up messages void */
	clear_bit(HV_APIC_SIPI, &lapic->pending_events);
	set_bit(HV_APIC_INIT, &lapic->pending_events);
	hv_request(lapic->vcpu, HV_REQ_APIC_EVENT);
	hv_vcpu_kick(lapic->vcpu);
}

static void accept_startup(struct hv_lapic *lapic, u8 vector)
{
	WRITE_ONCE(lapic->sipi_vector, vector);
	smp_wmb();	/* the vector is there when the event is seen */
	set_bit(HV_APIC_SIPI, &lapic->pending_events);
	hv_request(lapic->vcpu, HV_REQ_APIC_EVENT);
	hv_vcpu_kick(lapic->vcpu);
}

/* One LAPIC gets @msg. false: it does not take it. */
static bool accept(struct hv_lapic *lapic, const struct hv_apic_msg *msg)
{
	switch (msg->mode) {
	case APIC_DM_FIXED:
	case APIC_DM_LOWEST:
		return lapic_accept(lapic, msg->vector, msg->level);
	case APIC_DM_NMI:
		hv_vcpu_nmi(lapic->vcpu);
		return true;
	case APIC_DM_SMI:
		hv_vcpu_smi(lapic->vcpu);
		return true;
	case APIC_DM_INIT:
		accept_init(lapic);
		return true;
	case APIC_DM_STARTUP:
		accept_startup(lapic, msg->vector);
		return true;
	default:
		/* ExtINT is LINT0's; remote read is gone since the P6 */
		return false;
	}
}

static int accept_all(const struct hv_apic_map *map, struct hv_apic_set *set,
		      const struct hv_apic_msg *msg)
{
	unsigned int i;
	int n = 0;

	for_each_set_bit(i, set->bits, map->words * BITS_PER_LONG)
		n += accept(map->lapic[i], msg);
	return n;
}

/* The @nth member of @set, which has more. */
static unsigned int nth_member(const struct hv_apic_set *set, unsigned int nth)
{
	unsigned int word = 0, n;
	unsigned long bits;

	while ((n = hweight_long(set->bits[word])) <= nth) {
		nth -= n;
		word++;
	}
	for (bits = set->bits[word]; nth; nth--)
		bits &= bits - 1;
	return word * BITS_PER_LONG + __ffs(bits);
}

/*
 * The SDM leaves the choice among equals to the chipset. A vector goes to the
 * same CPU as long as the set is the same: its handler's data is in that cache.
 */
static int accept_one(const struct hv_apic_map *map, struct hv_apic_set *set,
		      const struct hv_apic_msg *msg)
{
	unsigned int i, count = 0;

	for (i = 0; i < map->words; i++)
		count += hweight_long(set->bits[i]);
	if (!count)
		return 0;
	i = nth_member(set, msg->vector % count);
	if (accept(map->lapic[i], msg))
		return 1;
	/* it is software-disabled: anybody else */
	__clear_bit(i, set->bits);
	for_each_set_bit(i, set->bits, map->words * BITS_PER_LONG)
		if (accept(map->lapic[i], msg))
			return 1;
	return 0;
}

static int deliver_to_set(const struct hv_apic_map *map, struct hv_vm *vm, struct hv_lapic *src,
			  const struct hv_apic_msg *msg)
{
	struct hv_apic_set set;

	hv_apic_map_resolve(map, vm, src, msg, &set);
	return msg->lowest ? accept_one(map, &set, msg) : accept_all(map, &set, msg);
}

int hv_apic_deliver(struct hv_vm *vm, struct hv_lapic *src, const struct hv_apic_msg *msg)
{
	const struct hv_apic_map *map;
	struct hv_lapic *single;
	int n = 0;

	rcu_read_lock();
	map = rcu_dereference(vm->apic_map);
	if (map) {
		single = hv_apic_map_single(map, msg);
		n = single ? accept(single, msg) : deliver_to_set(map, vm, src, msg);
	}
	rcu_read_unlock();
	return n;
}

static void icr_decode(const struct hv_lapic *lapic, u32 icr, u32 dest, struct hv_apic_msg *msg)
{
	*msg = (struct hv_apic_msg){
		.dest = dest,
		.mode = icr & APIC_DM_FIXED_MASK,
		.vector = icr & APIC_VECTOR_MASK,
		.shorthand = (icr >> HV_ICR_SHORTHAND_SHIFT) & 3,
		.logical = icr & APIC_DEST_LOGICAL,
		.wide = lapic->x2apic,
		.lowest = (icr & APIC_DM_FIXED_MASK) == APIC_DM_LOWEST,
	};
}

/* The ICR was written. All IPIs but INIT de-assert are edges on CPUs since the P4. */
void lapic_send_icr(struct hv_lapic *lapic, u32 icr, u32 dest)
{
	struct hv_apic_msg msg;

	icr_decode(lapic, icr, dest, &msg);
	if (msg.mode == APIC_DM_FIXED || msg.mode == APIC_DM_LOWEST) {
		if (msg.vector < HV_LAPIC_FIRST_VECTOR) {
			lapic_error(lapic, APIC_ESR_SENDILL);
			return;
		}
	}
	if (msg.mode == APIC_DM_INIT && (icr & APIC_INT_LEVELTRIG) && !(icr & APIC_INT_ASSERT))
		return;
	if (msg.shorthand == HV_APIC_SELF)
		accept(lapic, &msg);
	else
		hv_apic_deliver(lapic->vcpu->vm, lapic, &msg);
}

static int send_mask(struct hv_vcpu *vcpu, unsigned long mask, u64 first, u32 icr)
{
	struct hv_apic_msg msg;
	unsigned int bit;
	int n = 0;

	for_each_set_bit(bit, &mask, BITS_PER_LONG) {
		if (first + bit >= HV_MAX_VCPU_ID)
			break;
		icr_decode(vcpu->lapic, icr, first + bit, &msg);
		msg.wide = true;
		msg.logical = false;
		msg.lowest = false;
		msg.shorthand = HV_APIC_DEST;
		n += hv_apic_deliver(vcpu->vm, vcpu->lapic, &msg);
	}
	return n;
}

int hv_lapic_send_ipi_mask(struct hv_vcpu *vcpu, u64 mask_lo, u64 mask_hi, unsigned int bits,
			   u32 min, u32 icr)
{
	u32 mode = icr & APIC_DM_FIXED_MASK;

	if (!vcpu->lapic || (mode != APIC_DM_FIXED && mode != APIC_DM_NMI))
		return 0;
	return send_mask(vcpu, mask_lo, min, icr) +
	       send_mask(vcpu, mask_hi, (u64)min + bits, icr);
}

/* SDM, "Typical AP Initialization Sequence": real mode at vector * 4 KiB */
static void start_at(struct hv_vcpu *vcpu, u8 vector)
{
	struct kvm_segment cs;

	hv_ops->get_segment(vcpu, HV_CS, &cs);
	cs.selector = vector << 8;
	cs.base = vector << 12;
	hv_ops->set_segment(vcpu, HV_CS, &cs);
	hv_set_rip(vcpu, 0);
	vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
}

static bool is_bsp(const struct hv_vcpu *vcpu)
{
	return vcpu->msr.apic_base & MSR_IA32_APICBASE_BSP;
}

void hv_lapic_events(struct hv_vcpu *vcpu)
{
	struct hv_lapic *lapic = vcpu->lapic;

	/* System management mode holds INIT off until RSM. */
	if (vcpu->smm.active)
		return;
	if (test_and_clear_bit(HV_APIC_INIT, &lapic->pending_events)) {
		hv_vcpu_reset(vcpu, true);
		vcpu->mp_state = is_bsp(vcpu) ? KVM_MP_STATE_RUNNABLE :
						KVM_MP_STATE_INIT_RECEIVED;
	}
	if (test_and_clear_bit(HV_APIC_SIPI, &lapic->pending_events)) {
		smp_rmb();	/* pairs with accept_startup() */
		/* only a CPU that waits for it listens */
		if (vcpu->mp_state == KVM_MP_STATE_INIT_RECEIVED)
			start_at(vcpu, READ_ONCE(lapic->sipi_vector));
	}
}
