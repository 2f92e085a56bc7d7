/* SPDX-License-Identifier: GPL-2.0-only */
/* Writes that user space wants to learn of later: coalesced MMIO and port I/O. */
#ifndef VELLUM_CORE_COALESCED_H
#define VELLUM_CORE_COALESCED_H

#include <linux/types.h>

#include "core/iobus.h"

struct kvm_coalesced_mmio_zone;

int hv_coalesced_init(struct hv_vm *vm);	/* 0 or -ENOMEM */
void hv_coalesced_destroy(struct hv_vm *vm);
/* KVM_REGISTER_COALESCED_MMIO, KVM_UNREGISTER_COALESCED_MMIO */
int hv_coalesced_register(struct hv_vm *vm, const struct kvm_coalesced_mmio_zone *zone);
int hv_coalesced_unregister(struct hv_vm *vm, const struct kvm_coalesced_mmio_zone *zone);

/*
 * A write that no device here took: 0 if it is in the ring now, -EOPNOTSUPP if user space
 * must see it at once: no zone has it, or the ring is full or not in order.
 */
int hv_coalesced_write(struct hv_vm *vm, enum hv_bus bus, u64 addr, unsigned int len,
		       const void *val);

#endif /* VELLUM_CORE_COALESCED_H */
