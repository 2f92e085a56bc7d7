/* SPDX-License-Identifier: GPL-2.0-only */
/* Guest RAM: one host mapping, seen by the guest below and above the hole under 4 GiB. */
#ifndef VELLUM_VM_RAM_H
#define VELLUM_VM_RAM_H

#include "vm/kvm.h"

/**
 * struct guest_ram - the guest's memory
 * @host: mapping of @size bytes, 2 MiB aligned, or as the pages of its file are
 * @size: all of it
 * @low: how much of it lies from address 0; the rest starts at 4 GiB
 */
struct guest_ram {
	u8 *host;
	u64 size;
	u64 low;
};

int ram_create(struct guest_ram *ram, u64 size, const char *mem_path, struct error *err);
int ram_merge(const struct guest_ram *ram, struct error *err);
int ram_attach(const struct guest_ram *ram, const struct kvm *kvm, struct error *err);
void ram_destroy(struct guest_ram *ram);

void *ram_ptr(const struct guest_ram *ram, u64 gpa, u64 len);
u64 ram_end(const struct guest_ram *ram);

#endif
