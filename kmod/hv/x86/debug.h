/* SPDX-License-Identifier: GPL-2.0-only */
/* The bits of DR6 and DR7 (SDM volume 3, "Debug Registers"). */
#ifndef VELLUM_X86_DEBUG_H
#define VELLUM_X86_DEBUG_H

#include <linux/bits.h>
#include <asm/debugreg.h>

#define HV_DR6_FIXED_1		0xfffe0ff0ULL
#define HV_DR6_RTM		BIT_ULL(16)	/* active low */
#define HV_DR6_INIT		(HV_DR6_FIXED_1 | HV_DR6_RTM)
#define HV_DR6_BD		BIT_ULL(13)
#define HV_DR6_BT		BIT_ULL(15)
#define HV_DR6_EVENTS		(DR_TRAP_BITS | HV_DR6_BD | DR_STEP | HV_DR6_BT)

#define HV_DR7_FIXED_1		BIT_ULL(10)
#define HV_DR7_RTM		BIT_ULL(11)
#define HV_DR7_GD		BIT_ULL(13)
#define HV_DR7_ENABLE		GENMASK_ULL(7, 0)	/* L0, G0 ... L3, G3 */
#define HV_DR7_VOLATILE		0xffff2bffULL

#endif /* VELLUM_X86_DEBUG_H */
