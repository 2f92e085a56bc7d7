/* SPDX-License-Identifier: GPL-2.0-only */
/* Asynchronous page faults: the guest runs on while the host waits for a page. */
#ifndef VELLUM_X86_ASYNC_PF_H
#define VELLUM_X86_ASYNC_PF_H

#include "core/vcpu.h"

int hv_async_pf_init(void);			/* module load: 0 or -ENOMEM */
void hv_async_pf_exit(void);
void hv_async_pf_create(struct hv_vcpu *vcpu);
/* RESET, INIT and the end: nothing is outstanding after it. */
void hv_async_pf_reset(struct hv_vcpu *vcpu);

/* May the access that just exited be told "not present"? Cheap while the guest has it off. */
bool hv_async_pf_possible(struct hv_vcpu *vcpu);
/*
 * The host would have to wait for the page of @gpa. true: a worker does, and a page fault is
 * queued; false: wait here. May sleep.
 */
bool hv_async_pf_begin(struct hv_vcpu *vcpu, u64 gpa, bool write);
void hv_async_pf_ready(struct hv_vcpu *vcpu);	/* HV_REQ_ASYNC_PF */
/* System management mode ends: what could not be told in it makes that request again. */
void hv_async_pf_look_again(struct hv_vcpu *vcpu);

/* Writes of the three MSRs: enum hv_msr_result */
int hv_async_pf_enable_write(struct hv_vcpu *vcpu, u64 value, bool host);
int hv_async_pf_vector_write(struct hv_vcpu *vcpu, u64 value);
int hv_async_pf_ack(struct hv_vcpu *vcpu, u64 value);

#endif /* VELLUM_X86_ASYNC_PF_H */
