/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's FPU state.
 *
 * It is loaded lazily where the CPU allows (hv_caps.lazy_fpu): CR0.TS is forced
 * and #NM brings it in; otherwise KVM_RUN loads it on entry. Either way the
 * VMM's own state is back before KVM_RUN returns.
 */
#ifndef VELLUM_X86_FPU_H
#define VELLUM_X86_FPU_H

#include <linux/kvm.h>

#include "core/vcpu.h"

void hv_fpu_probe(void);			/* module load, before any vCPU */
u64 hv_fpu_supported_xcr0(void);		/* host, back end and we support it */
int hv_fpu_init(struct hv_vcpu *vcpu);
void hv_fpu_destroy(struct hv_vcpu *vcpu);
void hv_fpu_reset(struct hv_vcpu *vcpu, bool init);

void hv_fpu_run_begin(struct hv_vcpu *vcpu);	/* start of KVM_RUN: eager load if due */
void hv_fpu_run_end(struct hv_vcpu *vcpu);	/* before KVM_RUN returns */
void hv_fpu_load(struct hv_vcpu *vcpu);		/* now; sets loaded, owned, hv_ops->update() */
/*
 * irqs off, around hv_ops->enter: registers really there; XCR0, XSS and PKRU switched.
 * Needed only if hv_fpu_switches(), afterwards only if fpu.special.
 */
void hv_fpu_enter(struct hv_vcpu *vcpu);
void hv_fpu_exit(struct hv_vcpu *vcpu);
/* CR4, XCR0 or XSS changed: recompute fpu.special */
void hv_fpu_update(struct hv_vcpu *vcpu);

static inline bool hv_fpu_switches(const struct hv_vcpu *vcpu)
{
	return vcpu->fpu.loaded || vcpu->fpu.special;
}

/* #NM exit while not owned: load and resume; else reflect */
int hv_handle_nm(struct hv_vcpu *vcpu);

void hv_fpu_get(struct hv_vcpu *vcpu, struct kvm_fpu *fpu);
int hv_fpu_set(struct hv_vcpu *vcpu, const struct kvm_fpu *fpu);
int hv_xsave_get(struct hv_vcpu *vcpu, void *buf, unsigned int size);
int hv_xsave_set(struct hv_vcpu *vcpu, const void *buf);
unsigned int hv_xsave2_size(void);	/* KVM_CAP_XSAVE2: bytes, at least 4096; 0 without XSAVE */
void hv_xcrs_get(struct hv_vcpu *vcpu, struct kvm_xcrs *xcrs);
int hv_xcrs_set(struct hv_vcpu *vcpu, const struct kvm_xcrs *xcrs);
/* emulated vector moves; loads the FPU if need be. n: 0-15, len: 16 or 32 */
void hv_vec_read(struct hv_vcpu *vcpu, unsigned int n, void *buf, unsigned int len);
void hv_vec_write(struct hv_vcpu *vcpu, unsigned int n, const void *buf, unsigned int len);

#endif /* VELLUM_X86_FPU_H */
