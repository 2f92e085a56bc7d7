/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The contracts between the parts of vellum.ko.
 *
 * Vendor code (vmx/, svm/) reads hardware; shared code decides. A back end
 * offers one const struct hv_ops (core/ops.h). Its exit handlers read their
 * own fields, fill a neutral struct declared here and call the shared handler.
 */
#ifndef VELLUM_CORE_HV_H
#define VELLUM_CORE_HV_H

#include <linux/bits.h>
#include <linux/kvm.h>
#include <linux/types.h>

struct hv_vm;
struct hv_vcpu;

#define HV_HYPERCALL_LEN	3	/* VMCALL, VMMCALL */
#define HV_MAX_VCPUS	512
#define HV_MAX_VCPU_ID	(HV_MAX_VCPUS * 4)
#define HV_MAX_MEMSLOTS	512	/* in each address space */
#define HV_ADDRESS_SPACES	2	/* HV_AS_* */

#define pr_hv_fmt(fmt)	"vellum: " fmt

/*
 * What every exit handler returns:
 *   HV_RESUME     the exit is dealt with, enter the guest again;
 *   HV_USERSPACE  run->exit_reason is filled, KVM_RUN returns 0;
 *   < 0           an errno that KVM_RUN returns.
 */
enum hv_disposition {
	HV_USERSPACE	= 0,
	HV_RESUME	= 1,
};

/* What a guest-physical address means; numbers of the ABI (bits 31:16 of a slot number). */
enum hv_address_space {
	HV_AS_NORMAL	= 0,
	HV_AS_SMM	= 1,		/* while the vCPU is in system management mode */
};

/* General registers in the order in which instructions encode them. */
enum hv_gpr {
	HV_RAX, HV_RCX, HV_RDX, HV_RBX, HV_RSP, HV_RBP, HV_RSI, HV_RDI,
	HV_R8, HV_R9, HV_R10, HV_R11, HV_R12, HV_R13, HV_R14, HV_R15,
	HV_NR_GPRS,
};

/* Segment registers in the order in which instructions encode them. */
enum hv_seg {
	HV_ES, HV_CS, HV_SS, HV_DS, HV_FS, HV_GS, HV_NR_DATA_SEGS,
	HV_TR = HV_NR_DATA_SEGS, HV_LDTR, HV_NR_SEGS,
};

/*
 * How an MSR access ends; all but HV_MSR_OK and HV_MSR_AGAIN are #GP, or an exit if user space
 * asked for it.
 */
enum hv_msr_result {
	HV_MSR_OK,
	HV_MSR_INVALID,		/* this vCPU does not have it, or not such a value */
	HV_MSR_UNKNOWN,		/* no MSR we know of */
	HV_MSR_AGAIN,		/* a signal came first, so KVM_RUN ends at the instruction */
};

enum hv_dtable { HV_GDTR, HV_IDTR };

/* Exception vectors (SDM volume 3, "Exception and Interrupt Reference"). */
enum hv_vector {
	HV_DE = 0, HV_DB = 1, HV_NMI = 2, HV_BP = 3, HV_OF = 4, HV_BR = 5,
	HV_UD = 6, HV_NM = 7, HV_DF = 8, HV_TS = 10, HV_NP = 11, HV_SS_FAULT = 12,
	HV_GP = 13, HV_PF = 14, HV_MF = 16, HV_AC = 17, HV_MC = 18, HV_XM = 19,
	HV_VE = 20, HV_CP = 21,
};

/* Neutral intercepts: the vendor extracts, shared code acts. */

/**
 * struct hv_pio - an IN or OUT that is not a string instruction
 * @port: I/O port
 * @size: 1, 2 or 4 bytes
 * @in: true for IN
 */
struct hv_pio {
	u16 port;
	u8 size;
	bool in;
};

/**
 * struct hv_tdp_violation - a guest-physical access that second-level
 * translation refused
 * @gpa: guest physical address, bytes
 * @gva: linear address, valid if @gva_valid
 * @read: a data read
 * @write: a data write
 * @exec: an instruction fetch
 * @user: user-mode access, where the hardware tells
 * @gva_valid: @gva holds the linear address
 * @gva_is_walk: the access was the guest page walk itself, not the final one
 * @present: a leaf was there and its permissions refused the access
 */
struct hv_tdp_violation {
	u64 gpa;
	u64 gva;
	bool read : 1;
	bool write : 1;
	bool exec : 1;
	bool user : 1;
	bool gva_valid : 1;
	bool gva_is_walk : 1;
	bool present : 1;
};

enum hv_cr_op { HV_CR_READ, HV_CR_WRITE, HV_CR_CLTS, HV_CR_LMSW };

/**
 * struct hv_cr - a control-register access
 * @op: what the instruction does
 * @cr: 0, 3, 4 or 8
 * @gpr: the general register operand of HV_CR_READ and HV_CR_WRITE
 * @lmsw: source operand of HV_CR_LMSW
 */
struct hv_cr {
	enum hv_cr_op op;
	u8 cr;
	u8 gpr;
	u16 lmsw;
};

/** struct hv_dr - MOV to or from debug register @dr through register @gpr */
struct hv_dr {
	u8 dr;
	u8 gpr;
	bool read;
};

/** struct hv_dtable_reg - GDTR or IDTR */
struct hv_dtable_reg {
	u64 base;
	u16 limit;
};

#endif /* VELLUM_CORE_HV_H */
