// SPDX-License-Identifier: GPL-2.0-only
/*
 * IN and OUT that the hardware decoded: in-kernel devices, else KVM_EXIT_IO.
 */
#include <linux/string.h>

#include "core/iobus_fast.h"
#include "x86/emulate.h"
#include "x86/emulate_int.h"
#include "x86/regs.h"

/* Firmware reports by it; VMMs expect RIP behind the OUT or, by choice, at it. */
#define PORT_7E		0x7e

/* The low bytes of RAX are read: a 32-bit IN clears the upper half, narrower ones leave it. */
static void finish_rax(struct hv_vcpu *vcpu, unsigned int size)
{
	if (size == sizeof(u32))
		vcpu->gpr[HV_RAX] = (u32)vcpu->gpr[HV_RAX];
}

void hv_pio_exit(struct hv_vcpu *vcpu, u16 port, unsigned int size, unsigned int count, bool in)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = size;
	run->io.port = port;
	run->io.count = count;
	run->io.data_offset = KVM_PIO_PAGE_OFFSET * PAGE_SIZE;
}

/*
 * KVM_RUN is back. A changed RIP means that user space reset or replaced the vCPU in between; then
 * there is nothing left to finish.
 */
static int complete_out(struct hv_vcpu *vcpu)
{
	struct hv_emul *e = vcpu->emul;

	return hv_rip(vcpu) == e->pio.rip ? hv_skip_insn(vcpu, e->pio.len) : HV_RESUME;
}

static int complete_in(struct hv_vcpu *vcpu)
{
	struct hv_emul *e = vcpu->emul;

	if (hv_rip(vcpu) != e->pio.rip)
		return HV_RESUME;
	memcpy(&vcpu->gpr[HV_RAX], vcpu->pio_data, e->pio.size);
	finish_rax(vcpu, e->pio.size);
	return hv_skip_insn(vcpu, e->pio.len);
}

static void complete_later(struct hv_vcpu *vcpu, hv_complete_fn fn, unsigned int size,
			   unsigned int len)
{
	struct hv_emul *e = vcpu->emul;

	e->pio.rip = hv_rip(vcpu);
	e->pio.size = size;
	e->pio.len = len;
	vcpu->complete = fn;
}

static noinline int pio_in(struct hv_vcpu *vcpu, struct hv_pio pio, unsigned int len)
{
	if (!hv_iobus_access(vcpu, HV_PIO_BUS, pio.port, pio.size, &vcpu->gpr[HV_RAX], false)) {
		finish_rax(vcpu, pio.size);
		return hv_skip_insn(vcpu, len);
	}
	hv_pio_exit(vcpu, pio.port, pio.size, 1, true);
	complete_later(vcpu, complete_in, pio.size, len);
	return HV_USERSPACE;
}

/*
 * The instruction is over before user space sees it, so nothing is left for its return. Only a
 * single-stepping debugger wants an exit of its own for the step, and that needs a second one.
 */
static noinline int pio_out(struct hv_vcpu *vcpu, struct hv_pio pio, unsigned int len)
{
	const u64 *rax = &vcpu->gpr[HV_RAX];

	if (!hv_iobus_write(vcpu, HV_PIO_BUS, pio.port, pio.size, rax))
		return hv_skip_insn(vcpu, len);
	if ((vcpu->debug.guest_debug & KVM_GUESTDBG_SINGLESTEP) ||
	    (pio.port == PORT_7E && hv_quirk_off(vcpu->vm, KVM_X86_QUIRK_OUT_7E_INC_RIP)))
		complete_later(vcpu, complete_out, pio.size, len);
	else
		hv_skip_insn(vcpu, len);
	hv_pio_exit(vcpu, pio.port, pio.size, 1, false);
	memcpy(vcpu->pio_data, rax, pio.size);
	return HV_USERSPACE;
}

/* The two are kept apart: in one function both would save the registers that either needs. */
int hv_handle_pio(struct hv_vcpu *vcpu, struct hv_pio pio, unsigned int len)
{
	vcpu->stat.io_exits++;
	return pio.in ? pio_in(vcpu, pio, len) : pio_out(vcpu, pio, len);
}
