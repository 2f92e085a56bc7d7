// SPDX-License-Identifier: GPL-2.0-only
/* Why the guest stopped: read the VMCB's exit fields, call the shared handler. */
#include <linux/nospec.h>
#include <asm/msr-index.h>

#include "core/request.h"
#include "core/trace.h"
#include "irqchip/lapic.h"
#include "svm/svm.h"
#include "x86/cpuid.h"
#include "x86/cr.h"
#include "x86/emul.h"
#include "x86/emulate.h"
#include "x86/event.h"
#include "x86/fpu.h"
#include "x86/msr.h"
#include "x86/regs.h"
#include "x86/smm.h"
#include "x86/ud.h"

/*
 * The length of the intercepted instruction: hardware's next RIP if it has one,
 * else by decoding. 0: the instruction is no longer what was intercepted (another
 * vCPU rewrote it): enter again.
 */
static unsigned int insn_len(struct hv_vcpu *vcpu)
{
	const struct emul_insn *insn;

	if (svm_has_nrips && svm_control(vcpu)->next_rip)
		return svm_control(vcpu)->next_rip - hv_rip(vcpu);
	insn = hv_emul_decode(vcpu);
	return insn ? insn->len : 0;
}

static int with_length(struct hv_vcpu *vcpu, int (*handler)(struct hv_vcpu *, unsigned int))
{
	unsigned int len = insn_len(vcpu);

	return len ? handler(vcpu, len) : HV_RESUME;
}

static int handle_cpuid(struct hv_vcpu *vcpu)
{
	return with_length(vcpu, hv_handle_cpuid);
}

static int handle_hlt(struct hv_vcpu *vcpu)
{
	return with_length(vcpu, hv_handle_hlt);
}

static int handle_vmmcall(struct hv_vcpu *vcpu)
{
	return with_length(vcpu, hv_handle_hypercall);
}

static int handle_xsetbv(struct hv_vcpu *vcpu)
{
	return with_length(vcpu, hv_handle_xsetbv);
}

static int handle_msr(struct hv_vcpu *vcpu)
{
	return with_length(vcpu, svm_control(vcpu)->exit_info_1 ? hv_handle_wrmsr :
								  hv_handle_rdmsr);
}

static int handle_mwait(struct hv_vcpu *vcpu)
{
	return with_length(vcpu, hv_handle_mwait);
}

/* Caches are the host's: nothing to do. */
static int handle_skip(struct hv_vcpu *vcpu)
{
	return with_length(vcpu, hv_skip_insn);
}

/* A vCPU spins: whoever holds what it waits for may need this CPU. */
static int handle_pause(struct hv_vcpu *vcpu)
{
	hv_vcpu_spins(vcpu);
	return HV_RESUME;
}

static int handle_ud(struct hv_vcpu *vcpu)
{
	return hv_inject_ud(vcpu);
}

static int handle_rdpmc(struct hv_vcpu *vcpu)
{
	return hv_inject_gp(vcpu);
}

static int handle_io(struct hv_vcpu *vcpu)
{
	const struct vmcb_control_area *control = svm_control(vcpu);
	u32 info = control->exit_info_1;
	struct hv_pio pio = {
		.port = info >> 16,
		.size = (info & SVM_IOIO_SIZE_MASK) >> SVM_IOIO_SIZE_SHIFT,
		.in = info & SVM_IOIO_TYPE_MASK,
	};

	if (info & SVM_IOIO_STR_MASK)
		return hv_handle_string_pio(vcpu);
	/* EXITINFO2 is the next RIP. */
	return hv_handle_pio(vcpu, pio, control->exit_info_2 - hv_rip(vcpu));
}

/*
 * What decoding found is not what exited: another vCPU rewrote it, or the guest's TLB is older than
 * its page tables. Enter again, with fetches that see what we see.
 */
static int look_again(struct hv_vcpu *vcpu)
{
	hv_request(vcpu, HV_REQ_GUEST_FLUSH);
	return HV_RESUME;
}

/* Hardware has checked the privilege of what exited only, and SMSW needs none. */
static bool exits_by_cr(struct hv_vcpu *vcpu, const struct emul_insn *insn, u32 code)
{
	bool read = code < SVM_EXIT_WRITE_CR0;

	switch (insn->class) {
	case EMUL_CLASS_SMSW:
		return read;
	case EMUL_CLASS_MOV_FROM_CR:
		return read && hv_cpl(vcpu) == 0;
	case EMUL_CLASS_MOV_TO_CR:
	case EMUL_CLASS_CLTS:
	case EMUL_CLASS_LMSW:
		return !read && hv_cpl(vcpu) == 0;
	default:
		return false;
	}
}

static int cr_access(struct hv_vcpu *vcpu, const struct emul_insn *insn, u8 number)
{
	struct hv_cr cr = { .cr = number, .gpr = insn->rm };

	switch (insn->class) {
	case EMUL_CLASS_MOV_TO_CR:
		cr.op = HV_CR_WRITE;
		break;
	case EMUL_CLASS_MOV_FROM_CR:
		cr.op = HV_CR_READ;
		break;
	case EMUL_CLASS_CLTS:
		cr.op = HV_CR_CLTS;
		break;
	default:
		/* LMSW and SMSW may use memory: they are executed. */
		return hv_emulate_insn(vcpu);
	}
	return hv_handle_cr(vcpu, &cr, insn->len);
}

static int handle_cr(struct hv_vcpu *vcpu)
{
	const struct emul_insn *insn = hv_emul_decode(vcpu);
	u32 code = svm_control(vcpu)->exit_code;

	if (!insn || !exits_by_cr(vcpu, insn, code))
		return look_again(vcpu);
	if (code == SVM_EXIT_CR0_SEL_WRITE)
		return cr_access(vcpu, insn, 0);
	return cr_access(vcpu, insn, code & 0xf);
}

static int handle_dr(struct hv_vcpu *vcpu)
{
	u32 code = svm_control(vcpu)->exit_code;
	const struct emul_insn *insn;
	struct hv_dr dr;

	/* While a debugger has them, every access must be told apart. */
	if (!vcpu->debug.guest_debug) {
		svm_pass_debug_registers(vcpu);
		return HV_RESUME;
	}
	insn = hv_emul_decode(vcpu);
	dr.read = code < SVM_EXIT_WRITE_DR0;
	if (!insn || insn->class != (dr.read ? EMUL_CLASS_MOV_FROM_DR : EMUL_CLASS_MOV_TO_DR))
		return look_again(vcpu);
	dr.dr = code & 7;
	dr.gpr = insn->rm;
	return hv_handle_dr(vcpu, &dr, insn->len);
}

static int handle_db(struct hv_vcpu *vcpu)
{
	/* RTM is active low, and so set in what stands for "nothing happened". */
	u64 dr6 = svm_save(vcpu)->dr6 ^ DR6_RESERVED;

	if (unlikely(svm_step_trapped(vcpu, &dr6)))
		return HV_RESUME;
	return hv_handle_db(vcpu, dr6);
}

static int handle_bp(struct hv_vcpu *vcpu)
{
	return with_length(vcpu, hv_handle_bp);
}

static int handle_of(struct hv_vcpu *vcpu)
{
	vcpu->events.soft_insn_len = insn_len(vcpu);
	hv_queue_exception(vcpu, HV_OF);
	return HV_RESUME;
}

static int handle_nm(struct hv_vcpu *vcpu)
{
	return hv_handle_nm(vcpu);
}

static int handle_pf(struct hv_vcpu *vcpu)
{
	const struct vmcb_control_area *control = svm_control(vcpu);

	hv_queue_page_fault(vcpu, control->exit_info_2, control->exit_info_1);
	return HV_RESUME;
}

static int handle_exception(struct hv_vcpu *vcpu)
{
	hv_queue_exception(vcpu, svm_control(vcpu)->exit_code - SVM_EXIT_EXCP_BASE);
	return HV_RESUME;
}

static int handle_exception_error(struct hv_vcpu *vcpu)
{
	hv_queue_exception_error(vcpu, svm_control(vcpu)->exit_code - SVM_EXIT_EXCP_BASE,
				 svm_control(vcpu)->exit_info_1);
	return HV_RESUME;
}

/* The host took it when STGI and STI let it in. */
static int handle_host_event(struct hv_vcpu *vcpu)
{
	vcpu->stat.irq_exits++;
	return HV_RESUME;
}

/*
 * QEMU opens a window in a shadow that was there at VMRUN. Between STI and HLT an interrupt would
 * wake a guest that does not sleep yet: HLT goes first. Any other instruction can do without.
 */
static int window_in_shadow(struct hv_vcpu *vcpu)
{
	const struct emul_insn *insn = hv_emul_decode(vcpu);

	svm_set_interrupt_shadow(vcpu, 0);
	if (insn && insn->class == EMUL_CLASS_HLT && hv_cpl(vcpu) == 0)
		return hv_handle_hlt(vcpu, insn->len);
	return HV_RESUME;
}

static int handle_vintr(struct hv_vcpu *vcpu)
{
	svm_want_interrupt_window(vcpu, false);
	hv_request(vcpu, HV_REQ_EVENT);
	return unlikely(vcpu->shadow) ? window_in_shadow(vcpu) : HV_RESUME;
}

static int handle_shutdown(struct hv_vcpu *vcpu)
{
	/* The VMCB's state is undefined now. INIT, so that what user space has set up stays. */
	hv_smm_set_active(vcpu, false);
	vcpu->smm.inside_nmi = false;
	hv_vcpu_reset(vcpu, true);
	vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
	return HV_USERSPACE;
}

typedef int (*exit_handler)(struct hv_vcpu *vcpu);

/* enum hv_disposition or -errno; see core/hv.h */
static const exit_handler handlers[] = {
	[SVM_EXIT_READ_CR0] = handle_cr,
	[SVM_EXIT_READ_CR4] = handle_cr,
	[SVM_EXIT_READ_CR8] = handle_cr,
	[SVM_EXIT_WRITE_CR0] = handle_cr,
	[SVM_EXIT_WRITE_CR4] = handle_cr,
	[SVM_EXIT_WRITE_CR8] = handle_cr,
	[SVM_EXIT_CR0_SEL_WRITE] = handle_cr,
	[SVM_EXIT_READ_DR0 ... SVM_EXIT_READ_DR7] = handle_dr,
	[SVM_EXIT_WRITE_DR0 ... SVM_EXIT_WRITE_DR7] = handle_dr,
	[SVM_EXIT_EXCP_BASE + HV_DB] = handle_db,
	[SVM_EXIT_EXCP_BASE + HV_BP] = handle_bp,
	[SVM_EXIT_EXCP_BASE + HV_UD] = hv_handle_ud,
	[SVM_EXIT_EXCP_BASE + HV_NM] = handle_nm,
	[SVM_EXIT_EXCP_BASE + HV_AC] = handle_exception_error,
	/* intercepted in a step only (nmi.c) */
	[SVM_EXIT_EXCP_BASE + HV_DE] = handle_exception,
	[SVM_EXIT_EXCP_BASE + HV_OF] = handle_of,
	[SVM_EXIT_EXCP_BASE + HV_BR] = handle_exception,
	[SVM_EXIT_EXCP_BASE + HV_DF] = handle_exception_error,
	[SVM_EXIT_EXCP_BASE + HV_TS ... SVM_EXIT_EXCP_BASE + HV_GP] = handle_exception_error,
	[SVM_EXIT_EXCP_BASE + HV_PF] = handle_pf,
	[SVM_EXIT_EXCP_BASE + HV_MF] = handle_exception,
	[SVM_EXIT_EXCP_BASE + HV_XM] = handle_exception,
	[SVM_EXIT_EXCP_BASE + HV_CP] = handle_exception_error,
	[SVM_EXIT_EXCP_BASE + HV_MC] = handle_host_event,
	[SVM_EXIT_INTR] = handle_host_event,
	[SVM_EXIT_NMI] = handle_host_event,
	[SVM_EXIT_SMI] = handle_host_event,
	[SVM_EXIT_INIT] = handle_host_event,
	[SVM_EXIT_VINTR] = handle_vintr,
	[SVM_EXIT_PUSHF] = svm_handle_pushf,
	[SVM_EXIT_POPF] = svm_refuse_step,
	[SVM_EXIT_SWINT] = svm_refuse_step,
	[SVM_EXIT_ICEBP] = svm_refuse_step,
	[SVM_EXIT_IRET] = svm_handle_iret,
	[SVM_EXIT_CPUID] = handle_cpuid,
	[SVM_EXIT_INVD] = handle_skip,
	[SVM_EXIT_WBINVD] = handle_skip,
	[SVM_EXIT_PAUSE] = handle_pause,
	[SVM_EXIT_HLT] = handle_hlt,
	[SVM_EXIT_RDPMC] = handle_rdpmc,
	[SVM_EXIT_RDPRU] = handle_ud,
	[SVM_EXIT_MONITOR] = handle_mwait,
	[SVM_EXIT_MWAIT] = handle_mwait,
	[SVM_EXIT_INVLPGA] = handle_ud,
	[SVM_EXIT_RSM] = hv_handle_rsm,
	[SVM_EXIT_VMRUN] = handle_ud,
	[SVM_EXIT_VMLOAD] = handle_ud,
	[SVM_EXIT_VMSAVE] = handle_ud,
	[SVM_EXIT_STGI] = handle_ud,
	[SVM_EXIT_CLGI] = handle_ud,
	[SVM_EXIT_SKINIT] = handle_ud,
	[SVM_EXIT_VMMCALL] = handle_vmmcall,
	[SVM_EXIT_IOIO] = handle_io,
	[SVM_EXIT_MSR] = handle_msr,
	[SVM_EXIT_SHUTDOWN] = handle_shutdown,
	[SVM_EXIT_XSETBV] = handle_xsetbv,
	[SVM_EXIT_NPF] = svm_handle_npf,
};

static int unknown_exit(struct hv_vcpu *vcpu, u32 code)
{
	if (code == SVM_EXIT_ERR) {
		vcpu->run->exit_reason = KVM_EXIT_FAIL_ENTRY;
		vcpu->run->fail_entry.hardware_entry_failure_reason = code;
		vcpu->run->fail_entry.cpu = vcpu->last_cpu;
		return HV_USERSPACE;
	}
	return hv_internal_error(vcpu, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON);
}

int svm_handle_exit(struct hv_vcpu *vcpu)
{
	const struct vmcb_control_area *control = svm_control(vcpu);
	u32 code = control->exit_code;

	trace_vellum_exit(vcpu->id, code, vcpu->rip, control->exit_info_1);
	if (likely(code < ARRAY_SIZE(handlers))) {
		exit_handler handler = handlers[array_index_nospec(code, ARRAY_SIZE(handlers))];

		if (likely(handler))
			return handler(vcpu);
	}
	return unknown_exit(vcpu, code);
}

unsigned int svm_describe_exit(struct hv_vcpu *vcpu, u64 *data)
{
	const struct vmcb_control_area *control = svm_control(vcpu);

	data[0] = control->exit_code;
	data[1] = vcpu->last_cpu;
	data[2] = control->exit_info_1;
	data[3] = control->exit_info_2;
	return 4;
}

unsigned int svm_insn_bytes(struct hv_vcpu *vcpu, u8 *bytes)
{
	const struct vmcb_control_area *control = svm_control(vcpu);
	unsigned int n;

	/* Recorded for nested page faults and intercepted #PF only. */
	if (!svm_has_decode_assists || control->exit_code != SVM_EXIT_NPF)
		return 0;
	n = min_t(unsigned int, control->insn_len, sizeof(control->insn_bytes));
	memcpy(bytes, control->insn_bytes, n);
	return n;
}
