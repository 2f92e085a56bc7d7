// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coalesced MMIO and port I/O: a write to a registered zone goes into a ring that
 * the VM's vCPU fds map, and the guest goes on. User space empties the ring before
 * it looks at the next exit.
 *
 * A zone is asked only about writes that would leave for user space, so a device or
 * doorbell in the kernel keeps its addresses whatever a zone covers. User space
 * may write the ring as it likes: nothing read from there is believed.
 */
#include <linux/kvm.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/string.h>

#include "core/coalesced.h"
#include "core/vm.h"

#define HV_MAX_ZONES	100

/**
 * struct hv_zones - the zones of a VM: immutable, published under vm->srcu
 * @count: of them
 * @zone: in the order of their registration
 */
struct hv_zones {
	unsigned int count;
	struct kvm_coalesced_mmio_zone zone[];
};

int hv_coalesced_init(struct hv_vm *vm)
{
	spin_lock_init(&vm->ring_lock);
	vm->ring = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	return vm->ring ? 0 : -ENOMEM;
}

void hv_coalesced_destroy(struct hv_vm *vm)
{
	kfree(rcu_dereference_protected(vm->zones, true));
	free_page((unsigned long)vm->ring);
}

static bool zone_has(const struct kvm_coalesced_mmio_zone *zone, enum hv_bus bus, u64 addr,
		     unsigned int len)
{
	return zone->pio == (bus == HV_PIO_BUS) && addr >= zone->addr && len <= zone->size &&
	       addr - zone->addr <= zone->size - len;
}

static bool zones_have(struct hv_vm *vm, enum hv_bus bus, u64 addr, unsigned int len)
{
	int idx = srcu_read_lock(&vm->srcu);
	const struct hv_zones *zones = srcu_dereference(vm->zones, &vm->srcu);
	unsigned int i = 0, n = zones ? zones->count : 0;

	while (i < n && !zone_has(&zones->zone[i], bus, addr, len))
		i++;
	srcu_read_unlock(&vm->srcu, idx);
	return i < n;
}

/* One entry stays free, so that first == last means empty. */
static int ring_put(struct kvm_coalesced_mmio_ring *ring, enum hv_bus bus, u64 addr,
		    unsigned int len, const void *val)
{
	u32 last = READ_ONCE(ring->last), next = (last + 1) % KVM_COALESCED_MMIO_MAX;
	struct kvm_coalesced_mmio *entry;

	if (last >= KVM_COALESCED_MMIO_MAX || next == READ_ONCE(ring->first))
		return -EOPNOTSUPP;
	entry = &ring->coalesced_mmio[array_index_nospec(last, KVM_COALESCED_MMIO_MAX)];
	entry->phys_addr = addr;
	entry->len = len;
	entry->pio = bus == HV_PIO_BUS;
	memcpy(entry->data, val, len);
	/* whoever sees the new index sees the entry */
	smp_store_release(&ring->last, next);
	return 0;
}

int hv_coalesced_write(struct hv_vm *vm, enum hv_bus bus, u64 addr, unsigned int len,
		       const void *val)
{
	int ret;

	if (len > sizeof_field(struct kvm_coalesced_mmio, data) || !zones_have(vm, bus, addr, len))
		return -EOPNOTSUPP;
	spin_lock(&vm->ring_lock);
	ret = ring_put(vm->ring, bus, addr, len, val);
	spin_unlock(&vm->ring_lock);
	return ret;
}

static struct hv_zones *zones_locked(struct hv_vm *vm)
{
	return rcu_dereference_protected(vm->zones, lockdep_is_held(&vm->slots_lock));
}

/* Room for as many as there are and @more. */
static struct hv_zones *zones_alloc(const struct hv_zones *old, unsigned int more)
{
	unsigned int n = (old ? old->count : 0) + more;
	struct hv_zones *new;

	return kzalloc(struct_size(new, zone, n), GFP_KERNEL_ACCOUNT);
}

static void zones_publish(struct hv_vm *vm, struct hv_zones *new)
{
	struct hv_zones *old = zones_locked(vm);

	rcu_assign_pointer(vm->zones, new);
	synchronize_srcu_expedited(&vm->srcu);
	kfree(old);
}

static int register_locked(struct hv_vm *vm, const struct kvm_coalesced_mmio_zone *zone)
{
	const struct hv_zones *old = zones_locked(vm);
	struct hv_zones *new;

	if (old && old->count >= HV_MAX_ZONES)
		return -ENOSPC;
	new = zones_alloc(old, 1);
	if (!new)
		return -ENOMEM;
	if (old)
		memcpy(new, old, struct_size(old, zone, old->count));
	new->zone[new->count++] = *zone;
	zones_publish(vm, new);
	return 0;
}

/* Another zone that holds the same address stays: only what was registered goes. */
static int unregister_locked(struct hv_vm *vm, const struct kvm_coalesced_mmio_zone *zone)
{
	const struct hv_zones *old = zones_locked(vm);
	struct hv_zones *new;
	unsigned int i;

	if (!old)
		return 0;
	new = zones_alloc(old, 0);
	if (!new)
		return -ENOMEM;
	for (i = 0; i < old->count; i++)
		if (memcmp(&old->zone[i], zone, sizeof(*zone)))
			new->zone[new->count++] = old->zone[i];
	if (!new->count) {
		/* no zones at all cost nothing */
		kfree(new);
		new = NULL;
	}
	zones_publish(vm, new);
	return 0;
}

static bool zone_valid(const struct kvm_coalesced_mmio_zone *zone)
{
	u64 end;

	return zone->pio <= 1 && !check_add_overflow(zone->addr, (u64)zone->size, &end);
}

/**
 * hv_coalesced_register() - KVM_REGISTER_COALESCED_MMIO
 * @vm: the VM
 * @zone: @zone->size bytes from @zone->addr, of ports if @zone->pio
 *
 * Return: 0; -EINVAL for a pio that is neither 0 nor 1 and for a zone that wraps;
 * -ENOSPC beyond HV_MAX_ZONES; -ENOMEM.
 */
int hv_coalesced_register(struct hv_vm *vm, const struct kvm_coalesced_mmio_zone *zone)
{
	int ret;

	if (!zone_valid(zone))
		return -EINVAL;
	mutex_lock(&vm->slots_lock);
	ret = register_locked(vm, zone);
	mutex_unlock(&vm->slots_lock);
	return ret;
}

/**
 * hv_coalesced_unregister() - KVM_UNREGISTER_COALESCED_MMIO
 * @vm: the VM
 * @zone: as it was registered
 *
 * Return: 0, also if there is none such; -EINVAL as above; -ENOMEM.
 */
int hv_coalesced_unregister(struct hv_vm *vm, const struct kvm_coalesced_mmio_zone *zone)
{
	int ret;

	if (!zone_valid(zone))
		return -EINVAL;
	mutex_lock(&vm->slots_lock);
	ret = unregister_locked(vm, zone);
	mutex_unlock(&vm->slots_lock);
	return ret;
}
