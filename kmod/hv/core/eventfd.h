/* SPDX-License-Identifier: GPL-2.0-only */
/* Doorbells: ioeventfd (guest to host) and irqfd (host to guest). */
#ifndef VELLUM_CORE_EVENTFD_H
#define VELLUM_CORE_EVENTFD_H

#include <linux/types.h>

struct hv_vm;
struct kvm_ioeventfd;
struct kvm_irqfd;

int hv_ioeventfd(struct hv_vm *vm, const struct kvm_ioeventfd *args);
void hv_ioeventfd_release_all(struct hv_vm *vm);
int hv_irqfd(struct hv_vm *vm, const struct kvm_irqfd *args);
/* The VM fd was closed, or the VM ends: idempotent; waits until none is left. */
void hv_irqfd_release_all(struct hv_vm *vm);
/* The guest acknowledged @gsi: lower it and signal its resamplefds. Inside vm->irq_srcu. */
void hv_irqfd_resample(struct hv_vm *vm, u32 gsi);
int hv_irqfd_init(void);
void hv_irqfd_exit(void);

#endif /* VELLUM_CORE_EVENTFD_H */
