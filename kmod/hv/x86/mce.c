// SPDX-License-Identifier: GPL-2.0-only
/* Machine-check injection (SDM volume 3, "Machine-Check Architecture"). */
#include <linux/nospec.h>
#include <linux/uaccess.h>
#include <asm/mce.h>

#include "core/ops.h"
#include "core/request.h"
#include "irqchip/lapic.h"
#include "x86/event.h"
#include "x86/mce.h"
#include "x86/msr_int.h"
#include "x86/regs.h"

/* The four MSRs of a bank, in MSR order. */
enum { BANK_CTL, BANK_STATUS, BANK_ADDR, BANK_MISC, BANK_MSRS };

static unsigned int bank_count(const struct hv_vcpu *vcpu)
{
	return vcpu->msr.mcg_cap & MCG_BANKCNT_MASK;
}

static u64 cap_supported(void)
{
	return MCG_CTL_P | MCG_SER_P | (hv_caps.has_cmci ? MCG_CMCI_P : 0);
}

long hv_mce_cap_supported(u64 __user *u)
{
	return put_user(cap_supported(), u);
}

int hv_mce_setup(struct hv_vcpu *vcpu, u64 mcg_cap)
{
	unsigned int banks = mcg_cap & MCG_BANKCNT_MASK;
	unsigned int i;

	if (!banks || banks > HV_MAX_MCE_BANKS)
		return -EINVAL;
	if (mcg_cap & ~(cap_supported() | MCG_BANKCNT_MASK))
		return -EINVAL;
	vcpu->msr.mcg_cap = mcg_cap;
	if (mcg_cap & MCG_CTL_P)
		vcpu->msr.mcg_ctl = ~0ULL;
	for (i = 0; i < banks; i++)
		vcpu->msr.mc_bank[i * BANK_MSRS + BANK_CTL] = ~0ULL;
	memset(vcpu->msr.mc_ctl2, 0, sizeof(vcpu->msr.mc_ctl2));
	hv_lapic_set_cmci(vcpu, mcg_cap & MCG_CMCI_P);
	return 0;
}

static void record(u64 *bank, const struct kvm_x86_mce *mce, u64 extra)
{
	bank[BANK_STATUS] = mce->status | extra;
	bank[BANK_ADDR] = mce->addr;
	bank[BANK_MISC] = mce->misc;
}

static void raise(struct hv_vcpu *vcpu, u64 *bank, const struct kvm_x86_mce *mce)
{
	/* A second one while the first is handled, or with CR4.MCE clear, shuts down. */
	if ((vcpu->msr.mcg_status & MCG_STATUS_MCIP) || !(hv_cr4(vcpu) & X86_CR4_MCE)) {
		hv_request(vcpu, HV_REQ_TRIPLE_FAULT);
		return;
	}
	record(bank, mce, bank[BANK_STATUS] & MCI_STATUS_VAL ? MCI_STATUS_OVER : 0);
	vcpu->msr.mcg_status = mce->mcg_status;
	hv_queue_exception(vcpu, HV_MC);
}

/* SDM, "Uncorrected No Action required": recorded, and told by an interrupt if at all. */
static bool is_ucna(const struct hv_vcpu *vcpu, u64 status)
{
	const u64 needed = MCG_SER_P | MCG_CMCI_P;

	return (vcpu->msr.mcg_cap & needed) == needed &&
	       !(status & (MCI_STATUS_PCC | MCI_STATUS_S | MCI_STATUS_AR));
}

int hv_mce_inject(struct hv_vcpu *vcpu, const struct kvm_x86_mce *mce)
{
	unsigned int banks = bank_count(vcpu);
	unsigned int n;
	u64 *bank;

	if (mce->bank >= banks || !(mce->status & MCI_STATUS_VAL))
		return -EINVAL;
	n = array_index_nospec(mce->bank, HV_MAX_MCE_BANKS);
	bank = &vcpu->msr.mc_bank[n * BANK_MSRS];
	if (!(mce->status & MCI_STATUS_UC)) {
		bool seen = bank[BANK_STATUS] & MCI_STATUS_VAL;

		/* An uncorrected error that is still recorded is not overwritten. */
		if (!seen || !(bank[BANK_STATUS] & MCI_STATUS_UC))
			record(bank, mce, seen ? MCI_STATUS_OVER : 0);
		else
			bank[BANK_STATUS] |= MCI_STATUS_OVER;
		return 0;
	}
	/* Reporting switched off, for all banks or this one. */
	if ((vcpu->msr.mcg_cap & MCG_CTL_P) && vcpu->msr.mcg_ctl != ~0ULL)
		return 0;
	if (bank[BANK_CTL] != ~0ULL)
		return 0;
	if (is_ucna(vcpu, mce->status)) {
		record(bank, mce, 0);
		if (vcpu->msr.mc_ctl2[n] & MCI_CTL2_CMCI_EN)
			hv_lapic_cmci(vcpu);
		return 0;
	}
	raise(vcpu, bank, mce);
	return 0;
}

/* The bank register @msr names, or NULL. */
static u64 *bank_register(struct hv_vcpu *vcpu, u32 msr)
{
	u32 i = msr - MSR_IA32_MC0_CTL, count = bank_count(vcpu) * BANK_MSRS;

	if (i >= count)
		return NULL;
	return &vcpu->msr.mc_bank[array_index_nospec(i, count)];
}

/* MCi_CTL2, which is there with CMCI only; or NULL */
static u64 *ctl2_register(struct hv_vcpu *vcpu, u32 msr)
{
	u32 i = msr - MSR_IA32_MC0_CTL2, count = bank_count(vcpu);

	if (i >= count || !(vcpu->msr.mcg_cap & MCG_CMCI_P))
		return NULL;
	return &vcpu->msr.mc_ctl2[array_index_nospec(i, count)];
}

bool hv_mce_owns(const struct hv_vcpu *vcpu, u32 msr)
{
	if (msr - MSR_IA32_MC0_CTL2 < HV_MAX_MCE_BANKS)
		return true;
	if (msr >= MSR_IA32_MCG_CAP && msr <= MSR_IA32_MCG_CTL)
		return true;
	return msr - MSR_IA32_MC0_CTL < bank_count(vcpu) * BANK_MSRS;
}

int hv_mce_read(struct hv_vcpu *vcpu, u32 msr, u64 *value)
{
	const u64 *bank = bank_register(vcpu, msr);
	const u64 *ctl2 = ctl2_register(vcpu, msr);

	if (bank)
		*value = *bank;
	else if (ctl2)
		*value = *ctl2;
	else if (msr == MSR_IA32_MCG_CAP)
		*value = vcpu->msr.mcg_cap;
	else if (msr == MSR_IA32_MCG_STATUS)
		*value = vcpu->msr.mcg_status;
	else if (msr == MSR_IA32_MCG_CTL && (vcpu->msr.mcg_cap & MCG_CTL_P))
		*value = vcpu->msr.mcg_ctl;
	else
		return HV_MSR_INVALID;
	return HV_MSR_OK;
}

static bool all_or_nothing(u64 value)
{
	return !value || value == ~0ULL;
}

static bool bank_value_valid(const struct hv_vcpu *vcpu, u32 msr, u64 value)
{
	const u64 status_writable = BIT_ULL(18);	/* AMD HWCR.McStatusWrEn */

	switch ((msr - MSR_IA32_MC0_CTL) % BANK_MSRS) {
	case BANK_CTL:
		/* Old AMD systems clear bit 10 of bank 4, to mask GART errors; some clear bit 0. */
		return all_or_nothing(value | BIT_ULL(10) | BIT_ULL(0)) || !value;
	case BANK_STATUS:
		return !value || (vcpu->msr.hwcr & status_writable);
	default:
		return true;
	}
}

int hv_mce_write(struct hv_vcpu *vcpu, u32 msr, u64 value, bool host)
{
	u64 *bank = bank_register(vcpu, msr);
	u64 *ctl2 = ctl2_register(vcpu, msr);

	if (ctl2) {
		if (value & ~(u64)(MCI_CTL2_CMCI_EN | MCI_CTL2_CMCI_THRESHOLD_MASK))
			return HV_MSR_INVALID;
		*ctl2 = value;
	} else if (bank) {
		if (!host && !bank_value_valid(vcpu, msr, value))
			return HV_MSR_INVALID;
		*bank = value;
	} else if (msr == MSR_IA32_MCG_STATUS) {
		if (!host && value)
			return HV_MSR_INVALID;
		vcpu->msr.mcg_status = value;
	} else if (msr == MSR_IA32_MCG_CTL && (vcpu->msr.mcg_cap & MCG_CTL_P)) {
		if (!all_or_nothing(value))
			return HV_MSR_INVALID;
		vcpu->msr.mcg_ctl = value;
	} else {
		return HV_MSR_INVALID;
	}
	return HV_MSR_OK;
}
