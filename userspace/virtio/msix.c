// SPDX-License-Identifier: GPL-2.0-only
/* MSI-X (PCI Local Bus Specification 3.0, "MSI-X Capability and Table Structure"). */
#include "virtio/msix.h"

#include <linux/pci_regs.h>
#include <string.h>

#include "vm/irq.h"

enum { ENTRY_ADDRESS_LOW, ENTRY_ADDRESS_HIGH, ENTRY_DATA, ENTRY_CONTROL };

#define WORD		4

void msix_init(struct msix *m, const struct kvm *kvm, u32 vectors)
{
	u32 i;

	memset(m, 0, sizeof(*m));
	m->kvm = kvm;
	m->vectors = vectors;
	for (i = 0; i < vectors; i++)
		m->table[i][ENTRY_CONTROL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

static bool is_masked(const struct msix *m, u32 vector)
{
	return m->masked || (m->table[vector][ENTRY_CONTROL] & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

/* What a vector sends now; false when it is masked, or MSI-X is off. */
bool msix_message(const struct msix *m, u32 vector, struct msi *message)
{
	const u32 *entry;

	if (vector >= m->vectors || !m->enabled || is_masked(m, vector))
		return false;
	entry = m->table[vector];
	*message = (struct msi){
		.address = (u64)entry[ENTRY_ADDRESS_HIGH] << 32 | entry[ENTRY_ADDRESS_LOW],
		.data = entry[ENTRY_DATA],
	};
	return true;
}

static void send(const struct msix *m, u32 vector)
{
	const u32 *entry = m->table[vector];

	irq_send_msi(m->kvm, (u64)entry[ENTRY_ADDRESS_HIGH] << 32 | entry[ENTRY_ADDRESS_LOW],
		     entry[ENTRY_DATA]);
}

static void send_pending(struct msix *m)
{
	u32 i;

	for (i = 0; i < m->vectors; i++) {
		if (!m->enabled || !(m->pending & BIT(i)) || is_masked(m, i))
			continue;
		m->pending &= ~BIT(i);
		send(m, i);
	}
}

/* The message control word of the capability was written, or the function's right to the bus. */
void msix_set_control(struct msix *m, u16 control, bool master)
{
	m->enabled = control & PCI_MSIX_FLAGS_ENABLE;
	m->masked = !master || (control & PCI_MSIX_FLAGS_MASKALL);
	send_pending(m);
}

void msix_fire(struct msix *m, u32 vector)
{
	if (vector >= m->vectors)
		return;
	if (is_masked(m, vector))
		m->pending |= BIT(vector);
	else
		send(m, vector);
}

static bool table_word(const struct msix *m, u64 offset, u32 len)
{
	return (len == WORD || len == 2 * WORD) && !(offset & (len - 1)) &&
	       offset + len <= (u64)m->vectors * PCI_MSIX_ENTRY_SIZE;
}

/* Aligned dwords and qwords only, as the specification demands of software. */
u64 msix_table_read(const struct msix *m, u64 offset, u32 len)
{
	u64 value = 0;

	if (table_word(m, offset, len))
		memcpy(&value, (const u8 *)m->table + offset, len);
	return value;
}

void msix_table_write(struct msix *m, u64 offset, u32 len, u64 value)
{
	if (!table_word(m, offset, len))
		return;
	memcpy((u8 *)m->table + offset, &value, len);
	send_pending(m);
}

u64 msix_pba_read(const struct msix *m, u64 offset, u32 len)
{
	u64 value = 0;

	if (offset + len <= sizeof(m->pending))
		memcpy(&value, (const u8 *)&m->pending + offset, len);
	return value;
}
