// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's FPU state: where it is, and the registers around it (XCR0, XSS,
 * PKRU) that follow it into the guest.
 *
 * The kernel keeps one "current fpstate" per task. fpu_swap_kvm_fpstate() makes
 * the guest's the current one; from then on context switches and softirqs save
 * and restore it as they do for any task, and TIF_NEED_FPU_LOAD tells whether
 * the registers still hold it.
 */
#include <linux/kernel.h>
#include <linux/sched.h>
#include <asm/fpu/api.h>
#include <asm/fpu/sched.h>
#include <asm/fpu/xcr.h>
#include <asm/fpu/xstate.h>
#include <asm/pkru.h>

#include "core/ops.h"
#include "core/request.h"
#include "x86/cr.h"
#include "x86/event.h"
#include "x86/fpu.h"
#include "x86/regs.h"

#define FCW_RESET	0x37f	/* as after FNINIT: what KVM guests have always started with */
#define MXCSR_RESET	0x1f80
#define MXCSR_MASK_OLD	0xffbf	/* CPUs that store no mask (SDM volume 1, "MXCSR_MASK") */
#define STREAK_EAGER	4	/* KVM_RUNs in a row with FPU use before loading eagerly */
#define STREAK_MAX	200	/* then look again whether it is still used */

static u64 host_xcr0, host_xss;
static u32 mxcsr_known;
static unsigned int xsave2_size;

/* The kernel says how large the user view of a guest's state is only in a state it made. */
static unsigned int probe_xsave2_size(void)
{
	struct fpu_guest guest = {};
	unsigned int size;

	if (!boot_cpu_has(X86_FEATURE_XSAVE) || !fpu_alloc_guest_fpstate(&guest))
		return 0;
	size = max_t(unsigned int, guest.uabi_size, sizeof(struct kvm_xsave));
	fpu_free_guest_fpstate(&guest);
	return size;
}

unsigned int hv_xsave2_size(void)
{
	return xsave2_size;
}

void hv_fpu_probe(void)
{
	struct fxregs_state *fx = kzalloc(sizeof(*fx), GFP_KERNEL);

	mxcsr_known = MXCSR_MASK_OLD;
	if (fx) {
		kernel_fpu_begin();
		asm volatile("fxsave64 %0" : "=m" (*fx));
		kernel_fpu_end();
		if (fx->mxcsr_mask)
			mxcsr_known = fx->mxcsr_mask;
		kfree(fx);
	}
	xsave2_size = probe_xsave2_size();
	if (boot_cpu_has(X86_FEATURE_XSAVE))
		host_xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	if (boot_cpu_has(X86_FEATURE_XSAVES))
		rdmsrl(MSR_IA32_XSS, host_xss);
}

u64 hv_fpu_supported_xcr0(void)
{
	const u64 known = XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM | XFEATURE_MASK_AVX512 |
			  XFEATURE_MASK_PKRU;

	return host_xcr0 & hv_caps.supported_xcr0 & known;
}

int hv_fpu_init(struct hv_vcpu *vcpu)
{
	if (!fpu_alloc_guest_fpstate(&vcpu->fpu.guest))
		return -ENOMEM;
	vcpu->fpu.xcr0 = XFEATURE_MASK_FP;
	vcpu->fpu.owned = !hv_caps.lazy_fpu;
	return 0;
}

void hv_fpu_destroy(struct hv_vcpu *vcpu)
{
	fpu_free_guest_fpstate(&vcpu->fpu.guest);
}

static void swap_in(struct hv_fpu *fpu)
{
	fpu_swap_kvm_fpstate(&fpu->guest, true);
	fpu->loaded = true;
}

static void swap_out(struct hv_fpu *fpu)
{
	fpu_swap_kvm_fpstate(&fpu->guest, false);
	fpu->loaded = false;
}

static void own(struct hv_vcpu *vcpu, bool owned)
{
	if (vcpu->fpu.owned == owned)
		return;
	vcpu->fpu.owned = owned;
	hv_ops->update(vcpu);
}

void hv_fpu_load(struct hv_vcpu *vcpu)
{
	if (!vcpu->fpu.loaded) {
		swap_in(&vcpu->fpu);
		vcpu->stat.fpu_loads++;
	}
	own(vcpu, true);
}

/* Who owned the FPU last time keeps it: only then is no #NM needed to notice use. */
void hv_fpu_run_begin(struct hv_vcpu *vcpu)
{
	vcpu->fpu.host_pkru = read_pkru();
	if (vcpu->fpu.owned)
		hv_fpu_load(vcpu);
}

void hv_fpu_run_end(struct hv_vcpu *vcpu)
{
	struct hv_fpu *fpu = &vcpu->fpu;

	if (!fpu->loaded) {
		fpu->streak = 0;
		return;
	}
	swap_out(fpu);
	if (!hv_caps.lazy_fpu)
		return;
	fpu->streak = fpu->streak < STREAK_MAX ? fpu->streak + 1 : 0;
	own(vcpu, fpu->streak >= STREAK_EAGER);
}

static bool guest_uses_xcr0(const struct hv_vcpu *vcpu)
{
	return vcpu->cr4 & X86_CR4_OSXSAVE;
}

static bool guest_sees_pkru(const struct hv_vcpu *vcpu)
{
	if (!cpu_feature_enabled(X86_FEATURE_OSPKE))
		return false;
	return (vcpu->cr4 & X86_CR4_PKE) ||
	       (guest_uses_xcr0(vcpu) && (vcpu->fpu.xcr0 & XFEATURE_MASK_PKRU));
}

static bool xcrs_differ(const struct hv_fpu *fpu)
{
	return hv_caps.xsetbv_passes || fpu->xcr0 != host_xcr0 ||
	       (hv_caps.has_xsaves && fpu->xss != host_xss);
}

void hv_fpu_update(struct hv_vcpu *vcpu)
{
	struct hv_fpu *fpu = &vcpu->fpu;

	/* PKRU is the guest's to write without an exit: it is switched whenever it is visible. */
	fpu->special = guest_sees_pkru(vcpu) || (guest_uses_xcr0(vcpu) && xcrs_differ(fpu));
}

void hv_fpu_enter(struct hv_vcpu *vcpu)
{
	const struct hv_fpu *fpu = &vcpu->fpu;

	/* A softirq or another task used the registers meanwhile. */
	if (fpu->loaded && unlikely(test_thread_flag(TIF_NEED_FPU_LOAD)))
		switch_fpu_return();
	if (guest_uses_xcr0(vcpu)) {
		if (fpu->xcr0 != host_xcr0)
			xsetbv(XCR_XFEATURE_ENABLED_MASK, fpu->xcr0);
		if (hv_caps.has_xsaves && fpu->xss != host_xss)
			wrmsrl(MSR_IA32_XSS, fpu->xss);
	}
	if (guest_sees_pkru(vcpu) && fpu->pkru != fpu->host_pkru)
		wrpkru(fpu->pkru);
}

/* What the guest made of XCR0 without an exit is its own only where an exit would allow it. */
static void read_xcr0_back(struct hv_vcpu *vcpu)
{
	u64 value = xgetbv(XCR_XFEATURE_ENABLED_MASK);

	if (value != vcpu->fpu.xcr0)
		hv_xcr_write(vcpu, 0, value);
	if (value != host_xcr0)
		xsetbv(XCR_XFEATURE_ENABLED_MASK, host_xcr0);
}

static void restore_xcrs(struct hv_vcpu *vcpu)
{
	const struct hv_fpu *fpu = &vcpu->fpu;

	if (unlikely(hv_caps.xsetbv_passes))
		read_xcr0_back(vcpu);
	else if (fpu->xcr0 != host_xcr0)
		xsetbv(XCR_XFEATURE_ENABLED_MASK, host_xcr0);
	if (hv_caps.has_xsaves && fpu->xss != host_xss)
		wrmsrl(MSR_IA32_XSS, host_xss);
}

void hv_fpu_exit(struct hv_vcpu *vcpu)
{
	struct hv_fpu *fpu = &vcpu->fpu;

	/* First, because XCR0 read back may say that the guest saw PKRU. */
	if (guest_uses_xcr0(vcpu))
		restore_xcrs(vcpu);
	if (guest_sees_pkru(vcpu)) {
		fpu->pkru = rdpkru();
		if (fpu->pkru != fpu->host_pkru)
			wrpkru(fpu->host_pkru);
	}
}

int hv_handle_nm(struct hv_vcpu *vcpu)
{
	if (!vcpu->fpu.owned) {
		hv_fpu_load(vcpu);
		/* With the FPU there, the guest's own CR0.TS and EM decide again. */
		return HV_RESUME;
	}
	hv_queue_exception(vcpu, HV_NM);
	return HV_RESUME;
}

/* The state in memory, for the length of a get or set. true: put it back afterwards. */
static bool park(struct hv_vcpu *vcpu)
{
	if (!vcpu->fpu.loaded)
		return false;
	swap_out(&vcpu->fpu);
	return true;
}

static void unpark(struct hv_vcpu *vcpu, bool parked)
{
	if (parked)
		swap_in(&vcpu->fpu);
}

static struct fxregs_state *fxregs(struct hv_vcpu *vcpu)
{
	return &vcpu->fpu.guest.fpstate->regs.fxsave;
}

/* Components in their initial state are not written by XSAVES: their memory is stale. */
static u64 components(struct hv_vcpu *vcpu)
{
	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return XFEATURE_MASK_FPSSE;
	return vcpu->fpu.guest.fpstate->regs.xsave.header.xfeatures;
}

static void components_set(struct hv_vcpu *vcpu, u64 mask)
{
	if (boot_cpu_has(X86_FEATURE_XSAVE))
		vcpu->fpu.guest.fpstate->regs.xsave.header.xfeatures = mask;
}

static void registers_reset(struct hv_vcpu *vcpu)
{
	struct fxregs_state *fx = fxregs(vcpu);
	u32 mask = fx->mxcsr_mask;
	bool parked = park(vcpu);

	memset(fx, 0, sizeof(*fx));
	fx->cwd = FCW_RESET;
	fx->mxcsr = MXCSR_RESET;
	fx->mxcsr_mask = mask;
	components_set(vcpu, XFEATURE_MASK_FPSSE);
	unpark(vcpu, parked);
}

void hv_fpu_reset(struct hv_vcpu *vcpu, bool init)
{
	struct hv_fpu *fpu = &vcpu->fpu;

	/* INIT leaves the FPU, XCR0 and PKRU as they are. */
	if (init)
		return;
	fpu->xcr0 = XFEATURE_MASK_FP;
	fpu->xss = 0;
	fpu->pkru = 0;
	registers_reset(vcpu);
}

void hv_fpu_get(struct hv_vcpu *vcpu, struct kvm_fpu *out)
{
	bool parked = park(vcpu);
	const struct fxregs_state *fx = fxregs(vcpu);
	u64 present = components(vcpu);

	memset(out, 0, sizeof(*out));
	out->fcw = FCW_RESET;
	if (present & XFEATURE_MASK_FP) {
		memcpy(out->fpr, fx->st_space, sizeof(out->fpr));
		out->fcw = fx->cwd;
		out->fsw = fx->swd;
		out->ftwx = fx->twd;
		out->last_opcode = fx->fop;
		out->last_ip = fx->rip;
		out->last_dp = fx->rdp;
	}
	if (present & XFEATURE_MASK_SSE)
		memcpy(out->xmm, fx->xmm_space, sizeof(out->xmm));
	/* MXCSR belongs to SSE and AVX: it is there if either is. */
	out->mxcsr = present & (XFEATURE_MASK_SSE | XFEATURE_MASK_YMM) ? fx->mxcsr : MXCSR_RESET;
	unpark(vcpu, parked);
}

int hv_fpu_set(struct hv_vcpu *vcpu, const struct kvm_fpu *in)
{
	struct fxregs_state *fx;
	bool parked;

	/* Loading a reserved bit would fault in the host. */
	if (in->mxcsr & ~mxcsr_known)
		return -EINVAL;
	parked = park(vcpu);
	fx = fxregs(vcpu);
	memcpy(fx->st_space, in->fpr, sizeof(in->fpr));
	fx->cwd = in->fcw;
	fx->swd = in->fsw;
	fx->twd = in->ftwx;
	fx->fop = in->last_opcode;
	fx->rip = in->last_ip;
	fx->rdp = in->last_dp;
	memcpy(fx->xmm_space, in->xmm, sizeof(in->xmm));
	fx->mxcsr = in->mxcsr;
	components_set(vcpu, components(vcpu) | XFEATURE_MASK_FPSSE);
	unpark(vcpu, parked);
	return 0;
}

int hv_xsave_get(struct hv_vcpu *vcpu, void *buf, unsigned int size)
{
	u64 mask = hv_fpu_supported_xcr0() | XFEATURE_MASK_FPSSE;
	bool parked = park(vcpu);

	fpu_copy_guest_fpstate_to_uabi(&vcpu->fpu.guest, buf, size, mask, vcpu->fpu.pkru);
	unpark(vcpu, parked);
	return 0;
}

int hv_xsave_set(struct hv_vcpu *vcpu, const void *buf)
{
	u64 mask = hv_fpu_supported_xcr0() | XFEATURE_MASK_FPSSE;
	u32 mxcsr = ((const struct fxregs_state *)buf)->mxcsr;
	bool parked;
	int ret;

	if (mxcsr & ~mxcsr_known)
		return -EINVAL;
	parked = park(vcpu);
	ret = fpu_copy_uabi_to_guest_fpstate(&vcpu->fpu.guest, buf, mask, &vcpu->fpu.pkru);
	unpark(vcpu, parked);
	return ret;
}

void hv_xcrs_get(struct hv_vcpu *vcpu, struct kvm_xcrs *xcrs)
{
	memset(xcrs, 0, sizeof(*xcrs));
	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return;
	xcrs->nr_xcrs = 1;
	xcrs->xcrs[0].xcr = XCR_XFEATURE_ENABLED_MASK;
	xcrs->xcrs[0].value = vcpu->fpu.xcr0;
}

int hv_xcrs_set(struct hv_vcpu *vcpu, const struct kvm_xcrs *xcrs)
{
	unsigned int i;

	if (!boot_cpu_has(X86_FEATURE_XSAVE) || xcrs->nr_xcrs > KVM_MAX_XCRS || xcrs->flags)
		return -EINVAL;
	/* Only XCR0 exists; others in the list are not ours to judge. */
	for (i = 0; i < xcrs->nr_xcrs; i++)
		if (xcrs->xcrs[i].xcr == XCR_XFEATURE_ENABLED_MASK)
			return hv_xcr_write(vcpu, 0, xcrs->xcrs[i].value) ? -EINVAL : 0;
	return 0;
}
