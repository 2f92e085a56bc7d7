// SPDX-License-Identifier: GPL-2.0-only
/*
 * MTRRs (SDM volume 3, "Memory Type Range Registers") and the PAT. Second-level
 * tables decide the effective type, so the MTRRs are only kept and checked.
 */
#include <linux/kernel.h>
#include <linux/nospec.h>
#include <asm/msr-index.h>
#include <asm/mtrr.h>

#include "x86/mtrr.h"

#define VAR_RANGES	8
#define MTRR_VAR_FIRST	0x200
#define MTRR_VAR_LAST	(MTRR_VAR_FIRST + 2 * VAR_RANGES - 1)
#define MTRR_CAP	(VAR_RANGES | BIT(8) | BIT(10))	/* fixed ranges, write combining */
#define DEF_TYPE_KNOWN	(GENMASK_ULL(7, 0) | BIT_ULL(10) | BIT_ULL(11))
#define TYPE_BITS	GENMASK_ULL(7, 0)

/* The eleven fixed-range registers, in the order of hv_msr_state.mtrr_fixed. */
static const u32 fixed_msrs[] = {
	MSR_MTRRfix64K_00000, MSR_MTRRfix16K_80000, MSR_MTRRfix16K_A0000,
	MSR_MTRRfix4K_C0000, MSR_MTRRfix4K_C8000, MSR_MTRRfix4K_D0000, MSR_MTRRfix4K_D8000,
	MSR_MTRRfix4K_E0000, MSR_MTRRfix4K_E8000, MSR_MTRRfix4K_F0000, MSR_MTRRfix4K_F8000,
};

static int fixed_index(u32 msr)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fixed_msrs); i++)
		if (fixed_msrs[i] == msr)
			return i;
	return -1;
}

static bool is_variable(u32 msr)
{
	return msr >= MTRR_VAR_FIRST && msr <= MTRR_VAR_LAST;
}

bool hv_mtrr_owns(u32 msr)
{
	return msr == MSR_MTRRcap || msr == MSR_MTRRdefType || is_variable(msr) ||
	       fixed_index(msr) >= 0;
}

/* UC, WC, WT, WP, WB */
static bool mtrr_type_valid(u64 type)
{
	return type < 8 && (BIT(type) & (BIT(0) | BIT(1) | BIT(4) | BIT(5) | BIT(6)));
}

bool hv_pat_valid(u64 pat)
{
	unsigned int i;

	/* UC- (7) is a PAT type only. */
	for (i = 0; i < 8; i++, pat >>= 8)
		if ((pat & TYPE_BITS) != 7 && !mtrr_type_valid(pat & TYPE_BITS))
			return false;
	return true;
}

static bool fixed_valid(u64 value)
{
	unsigned int i;

	for (i = 0; i < 8; i++, value >>= 8)
		if (!mtrr_type_valid(value & TYPE_BITS))
			return false;
	return true;
}

static bool variable_valid(const struct hv_vcpu *vcpu, u32 msr, u64 value)
{
	bool is_mask = msr & 1;

	if (value & ~GENMASK_ULL(vcpu->maxphyaddr - 1, 0))
		return false;
	if (is_mask)
		return !(value & GENMASK_ULL(10, 0));
	return !(value & GENMASK_ULL(11, 8)) && mtrr_type_valid(value & TYPE_BITS);
}

static u64 *variable(struct hv_vcpu *vcpu, u32 msr)
{
	u32 i = array_index_nospec(msr - MTRR_VAR_FIRST, ARRAY_SIZE(vcpu->msr.mtrr_var));

	return &vcpu->msr.mtrr_var[i];
}

int hv_mtrr_read(struct hv_vcpu *vcpu, u32 msr, u64 *value)
{
	int i = fixed_index(msr);

	if (i >= 0)
		*value = vcpu->msr.mtrr_fixed[i];
	else if (is_variable(msr))
		*value = *variable(vcpu, msr);
	else if (msr == MSR_MTRRdefType)
		*value = vcpu->msr.mtrr_def_type;
	else if (msr == MSR_MTRRcap)
		*value = MTRR_CAP;
	else
		return HV_MSR_INVALID;
	return HV_MSR_OK;
}

int hv_mtrr_write(struct hv_vcpu *vcpu, u32 msr, u64 value)
{
	int i = fixed_index(msr);

	if (i >= 0) {
		if (!fixed_valid(value))
			return HV_MSR_INVALID;
		vcpu->msr.mtrr_fixed[i] = value;
		return HV_MSR_OK;
	}
	if (is_variable(msr)) {
		if (!variable_valid(vcpu, msr, value))
			return HV_MSR_INVALID;
		*variable(vcpu, msr) = value;
		return HV_MSR_OK;
	}
	if (msr != MSR_MTRRdefType || (value & ~DEF_TYPE_KNOWN) ||
	    !mtrr_type_valid(value & TYPE_BITS))
		return HV_MSR_INVALID;
	vcpu->msr.mtrr_def_type = value;
	return HV_MSR_OK;
}
