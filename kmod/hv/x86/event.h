/* SPDX-License-Identifier: GPL-2.0-only */
/* Exceptions, NMIs and interrupts on their way into the guest. */
#ifndef VELLUM_X86_EVENT_H
#define VELLUM_X86_EVENT_H

#include <linux/kvm.h>

#include "core/vcpu.h"

/* Queue an exception; a second one becomes #DF or a triple fault (SDM "Double Fault"). */
void hv_queue_exception(struct hv_vcpu *vcpu, u8 vector);
void hv_queue_exception_error(struct hv_vcpu *vcpu, u8 vector, u32 error);
void hv_queue_page_fault(struct hv_vcpu *vcpu, u64 address, u32 error);
void hv_queue_db(struct hv_vcpu *vcpu, u64 dr6_bits);
/* CR2 or DR6 of a pending exception, unless the VMM carries payloads itself */
void hv_exception_payload_sync(struct hv_vcpu *vcpu);
/* for exit handlers: queue #GP(0)/#UD and resume */
int hv_inject_gp(struct hv_vcpu *vcpu);
int hv_inject_ud(struct hv_vcpu *vcpu);

/*
 * Choose and program what the next entry delivers, and windows for the rest.
 * Called when HV_REQ_EVENT was taken; preemption on, loaded.
 */
void hv_events_inject(struct hv_vcpu *vcpu);

/* Back ends: after an entry that injected: the first of what was on its way is over. */
void hv_event_delivered(struct hv_vcpu *vcpu);
/* An interrupt is on its way, and the guest is open for it. INT n needs no open guest. */
bool hv_interrupt_goes(struct hv_vcpu *vcpu);

bool hv_event_pending(struct hv_vcpu *vcpu);	/* exception or NMI: a halted vCPU runs */

/* neutral handlers of exception exits (vector as exited; error valid if has_error) */
int hv_handle_db(struct hv_vcpu *vcpu, u64 dr6_bits);	/* guest debug or reflect */
int hv_handle_bp(struct hv_vcpu *vcpu, unsigned int insn_len);

void hv_vcpu_events_get(struct hv_vcpu *vcpu, struct kvm_vcpu_events *ev);
int hv_vcpu_events_set(struct hv_vcpu *vcpu, const struct kvm_vcpu_events *ev);

#endif /* VELLUM_X86_EVENT_H */
