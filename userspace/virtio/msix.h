/* SPDX-License-Identifier: GPL-2.0-only */
/* MSI-X table and pending bits of one function. */
#ifndef VELLUM_VIRTIO_MSIX_H
#define VELLUM_VIRTIO_MSIX_H

#include "devices/pci.h"
#include "vm/route.h"

#define MSIX_VECTORS_MAX	17	/* queues and the configuration */
#define MSIX_ENTRY_WORDS	4

/**
 * struct msix - message-signalled interrupts
 * @kvm: where messages go
 * @vectors: entries in use
 * @enabled: MSI-X is on
 * @masked: all of them are masked, or the function may not write to memory, as a message does
 * @table: address low and high, data and control of each entry
 * @pending: a bit for each entry that fired while masked
 *
 * The owner's interrupt lock protects all of it.
 */
struct msix {
	const struct kvm *kvm;
	u32 vectors;
	bool enabled;
	bool masked;
	u32 table[MSIX_VECTORS_MAX][MSIX_ENTRY_WORDS];
	u64 pending;
};

void msix_init(struct msix *m, const struct kvm *kvm, u32 vectors);
void msix_set_control(struct msix *m, u16 control, bool master);
u64 msix_table_read(const struct msix *m, u64 offset, u32 len);
void msix_table_write(struct msix *m, u64 offset, u32 len, u64 value);
u64 msix_pba_read(const struct msix *m, u64 offset, u32 len);
bool msix_message(const struct msix *m, u32 vector, struct msi *message);
void msix_fire(struct msix *m, u32 vector);

#endif
