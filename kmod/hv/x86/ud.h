/* SPDX-License-Identifier: GPL-2.0-only */
/* #UD exits and instructions that are there or not by the VMM's choice. */
#ifndef VELLUM_X86_UD_H
#define VELLUM_X86_UD_H

#include "core/vcpu.h"

/* exits: enum hv_disposition */
int hv_handle_ud(struct hv_vcpu *vcpu);		/* #UD: the other vendor's hypercall, or reflect */
int hv_handle_mwait(struct hv_vcpu *vcpu, unsigned int len);	/* MONITOR too */

#endif /* VELLUM_X86_UD_H */
