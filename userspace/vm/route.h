/* SPDX-License-Identifier: GPL-2.0-only */
/* Interrupts that the kernel raises by itself: irqfds and the routing table behind them. */
#ifndef VELLUM_VM_ROUTE_H
#define VELLUM_VM_ROUTE_H

#include "util/error.h"
#include "vm/kvm.h"

#include <pthread.h>

#define ROUTES_MAX	512	/* at most one for each queue of each device */

/* A message-signalled interrupt, as a driver wrote it into an MSI-X table. */
struct msi {
	u64 address;
	u32 data;
};

/**
 * struct irq_routes - the VM's interrupt routing table
 * @lock: protects it; innermost
 * @kvm: the VM
 * @count: messages in use, behind the pins of the interrupt controllers
 * @messages: what each of them sends
 */
struct irq_routes {
	pthread_mutex_t lock;
	const struct kvm *kvm;
	u32 count;
	struct msi messages[ROUTES_MAX];
};

void routes_init(struct irq_routes *r, const struct kvm *kvm);
int routes_add(struct irq_routes *r, u32 *gsi, struct error *err);
int routes_set(struct irq_routes *r, u32 gsi, struct msi message);
int irqfd_assign(const struct kvm *kvm, int fd, u32 gsi);
void irqfd_deassign(const struct kvm *kvm, int fd, u32 gsi);

#endif
