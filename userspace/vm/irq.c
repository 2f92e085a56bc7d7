// SPDX-License-Identifier: GPL-2.0-only
/* Interrupt lines and message-signalled interrupts. */
#include "vm/irq.h"

#include <linux/kvm.h>
#include <sys/ioctl.h>

static void set_gsi(const struct irq_line *line)
{
	struct kvm_irq_level irq = { .irq = line->gsi, .level = line->level };

	(void)ioctl(line->kvm->vm_fd, KVM_IRQ_LINE, &irq);
}

/* The hypervisor keeps one level for all of user space: the last line to fall lowers it. */
static void set_shared(const struct irq_line *line)
{
	struct irq_pin *pin = line->pin;
	bool alone;

	pthread_mutex_lock(&pin->lock);
	alone = line->level ? !pin->raised++ : !--pin->raised;
	if (alone)
		set_gsi(line);
	pthread_mutex_unlock(&pin->lock);
}

void irq_line_set(struct irq_line *line, bool level)
{
	if (line->level == level)
		return;
	line->level = level;
	if (line->pin)
		set_shared(line);
	else
		set_gsi(line);
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
