// SPDX-License-Identifier: GPL-2.0-only
/* Interrupt lines and message-signalled interrupts. */
#include "vm/irq.h"

#include <linux/kvm.h>
#include <sys/ioctl.h>

void irq_line_set(struct irq_line *line, bool level)
{
	struct kvm_irq_level irq = { .irq = line->gsi, .level = level };

	if (line->level == level)
		return;
	line->level = level;
	(void)ioctl(line->kvm->vm_fd, KVM_IRQ_LINE, &irq);
}

/* Address and data are the guest's: an impossible message is lost, as on a real bus. */
void irq_send_msi(const struct kvm *kvm, u64 address, u32 data)
{
	struct kvm_msi msi = {
		.address_lo = (u32)address,
		.address_hi = (u32)(address >> 32),
		.data = data,
	};

	(void)ioctl(kvm->vm_fd, KVM_SIGNAL_MSI, &msi);
}
