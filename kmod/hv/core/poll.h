/* SPDX-License-Identifier: GPL-2.0-only */
/* Halt polling (core/poll.c). */
#ifndef VELLUM_CORE_POLL_H
#define VELLUM_CORE_POLL_H

struct hv_vcpu;

/* @vcpu halted and is where wake-ups find it; returns when it should look whether to sleep. */
void hv_poll_begin(struct hv_vcpu *vcpu);
/* The halt is over: how long it was says how long to poll next time. */
void hv_poll_end(struct hv_vcpu *vcpu);

#endif /* VELLUM_CORE_POLL_H */
