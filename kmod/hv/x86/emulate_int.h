/* SPDX-License-Identifier: GPL-2.0-only */
/* Between emulate.c (run an instruction) and emulate_ops.c (its memory and ports). */
#ifndef VELLUM_X86_EMULATE_INT_H
#define VELLUM_X86_EMULATE_INT_H

#include "core/vcpu.h"
#include "x86/emul.h"
#include "x86/mmio_mov.h"
#include "x86/walk.h"

/* Most an instruction makes: POP of a memory operand, both accesses across a page. Doubled. */
#define HV_EMUL_ACCESSES	8
/* KVM_EXIT_MMIO carries this much */
#define HV_EMUL_MMIO_MAX	8

enum hv_emul_kind { HV_EMUL_READ, HV_EMUL_WRITE, HV_EMUL_PIO_IN, HV_EMUL_PIO_OUT };

/**
 * struct hv_emul_access - one access of the instruction, within a page
 * @addr: linear address or port
 * @len: bytes
 * @done: bytes that have taken effect; the rest waits for user space
 * @kind: enum hv_emul_kind
 * @data: what was read or is to be written; port data is in hv_emul.pio_buf
 */
struct hv_emul_access {
	u64 addr;
	u16 len;
	u16 done;
	u8 kind;
	u8 data[EMUL_MAX_VEC];
};

/**
 * struct hv_emul - the emulator of one vCPU; under vcpu->mutex
 * @c: context of the instruction at hand; kept while user space completes an access
 * @log: accesses since the last commit, replayed when the instruction runs again
 * @nr: entries in @log
 * @pos: the next access is @log[@pos]
 * @pending: the read that user space is completing, or NULL
 * @pending_len: how many bytes of it
 * @posted: a write was handed to user space in this KVM_RUN; nothing else may be
 * @error: why an op said EMUL_UNHANDLED, as -errno; 0: unknown instruction or access
 * @stepped: the instruction is over but for the single-step exit of a debugger
 * @fetch: how the instruction was fetched; no entries: not from memory
 * @hint_valid: @hint_gva (page) maps to @hint_gpa for reads, with @hint_write for writes
 * @pio: the simple IN that user space is completing
 * @pio_buf: data of the one port access in @log
 * @mov: moves to and from devices that were decoded before
 * @loading: the one of them that user space is completing
 */
struct hv_emul {
	struct emul_ctxt c;
	struct hv_emul_access log[HV_EMUL_ACCESSES];
	unsigned int nr, pos;
	struct hv_emul_access *pending;
	unsigned int pending_len;
	bool posted;
	bool stepped;
	int error;
	struct hv_walk fetch;
	bool hint_valid, hint_write;
	u64 hint_gva, hint_gpa;
	struct {
		u64 rip;
		u8 size;
		u8 len;
	} pio;
	u8 pio_buf[EMUL_MAX_BATCH];
	struct hv_mmio_mov mov[HV_MMIO_MOVS];
	const struct hv_mmio_mov *loading;
};

extern const struct emul_ops hv_emul_ops;

/* emulate_ops.c: devices in the kernel, LAPIC included; 0 or -EOPNOTSUPP */
int hv_mmio_access(struct hv_vcpu *vcpu, u64 gpa, unsigned int len, void *data, bool write);
/* likewise: fill run->mmio; @data: what is written, or NULL for a read */
void hv_mmio_exit(struct hv_vcpu *vcpu, u64 gpa, unsigned int len, const void *data);

/* x86/pio.c: fill run->io for @count elements at vcpu->pio_data */
void hv_pio_exit(struct hv_vcpu *vcpu, u16 port, unsigned int size, unsigned int count, bool in);

#endif /* VELLUM_X86_EMULATE_INT_H */
