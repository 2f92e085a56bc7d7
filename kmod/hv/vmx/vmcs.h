/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Access to the fields of the current VMCS.
 *
 * Bits 14:13 of an encoding tell a field's width (SDM volume 3, "Field Encoding in
 * the VMCS"): an accessor of another width does not compile. The _seg variants
 * take one of eight consecutive segment fields.
 *
 * An instruction that fails, or faults because a reboot took this CPU out of VMX
 * operation, is reported by vmcs_failed() and reads as zero.
 */
#ifndef VELLUM_VMX_VMCS_H
#define VELLUM_VMX_VMCS_H

#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/types.h>
#include <asm/asm.h>
#include <asm/vmx.h>

enum vmcs_width { VMCS_16, VMCS_64, VMCS_32, VMCS_NATURAL };

#define VMCS_WIDTH(field)	(((field) >> 13) & 3)
#define VMCS_SEG_STRIDE		2	/* between the same field of two segments */

#define vmcs_check(field, width)						\
	BUILD_BUG_ON_MSG(!__builtin_constant_p(field) ||			\
			 VMCS_WIDTH(field) != (width),				\
			 "VMCS field of another width")

void vmcs_failed(unsigned long field, bool write);

static __always_inline unsigned long __vmread(unsigned long field)
{
	unsigned long value;
	bool failed;

	asm volatile("1: vmread %[field], %[value]\n"
		     "2:\n"
		     _ASM_EXTABLE_TYPE_REG(1b, 2b, EX_TYPE_ZERO_REG, %[value])
		     : [value] "=r" (value), "=@ccbe" (failed)
		     : [field] "r" (field));
	if (unlikely(failed)) {
		vmcs_failed(field, false);
		return 0;
	}
	return value;
}

static __always_inline void __vmwrite(unsigned long field, unsigned long value)
{
	asm goto("1: vmwrite %[value], %[field]\n\t"
		 "jbe %l[failed]\n"
		 _ASM_EXTABLE(1b, (%l[failed]))
		 : : [field] "r" (field), [value] "rm" (value) : "cc" : failed);
	return;
failed:
	vmcs_failed(field, true);
}

static __always_inline u16 vmcs_read16(unsigned long field)
{
	vmcs_check(field, VMCS_16);
	return __vmread(field);
}

static __always_inline u32 vmcs_read32(unsigned long field)
{
	vmcs_check(field, VMCS_32);
	return __vmread(field);
}

static __always_inline u64 vmcs_read64(unsigned long field)
{
	vmcs_check(field, VMCS_64);
	return __vmread(field);
}

static __always_inline unsigned long vmcs_readl(unsigned long field)
{
	vmcs_check(field, VMCS_NATURAL);
	return __vmread(field);
}

static __always_inline void vmcs_write16(unsigned long field, u16 value)
{
	vmcs_check(field, VMCS_16);
	__vmwrite(field, value);
}

static __always_inline void vmcs_write32(unsigned long field, u32 value)
{
	vmcs_check(field, VMCS_32);
	__vmwrite(field, value);
}

static __always_inline void vmcs_write64(unsigned long field, u64 value)
{
	vmcs_check(field, VMCS_64);
	__vmwrite(field, value);
}

static __always_inline void vmcs_writel(unsigned long field, unsigned long value)
{
	vmcs_check(field, VMCS_NATURAL);
	__vmwrite(field, value);
}

static __always_inline u16 vmcs_read16_seg(unsigned long first, unsigned int n)
{
	vmcs_check(first, VMCS_16);
	return __vmread(first + n * VMCS_SEG_STRIDE);
}

static __always_inline u32 vmcs_read32_seg(unsigned long first, unsigned int n)
{
	vmcs_check(first, VMCS_32);
	return __vmread(first + n * VMCS_SEG_STRIDE);
}

static __always_inline unsigned long vmcs_readl_seg(unsigned long first, unsigned int n)
{
	vmcs_check(first, VMCS_NATURAL);
	return __vmread(first + n * VMCS_SEG_STRIDE);
}

static __always_inline void vmcs_write16_seg(unsigned long first, unsigned int n, u16 value)
{
	vmcs_check(first, VMCS_16);
	__vmwrite(first + n * VMCS_SEG_STRIDE, value);
}

static __always_inline void vmcs_write32_seg(unsigned long first, unsigned int n, u32 value)
{
	vmcs_check(first, VMCS_32);
	__vmwrite(first + n * VMCS_SEG_STRIDE, value);
}

static __always_inline void vmcs_writel_seg(unsigned long first, unsigned int n,
					    unsigned long value)
{
	vmcs_check(first, VMCS_NATURAL);
	__vmwrite(first + n * VMCS_SEG_STRIDE, value);
}

/* The other VMX instructions: 0, or -EIO if the CPU refused. */
static __always_inline int vmx_vmclear(u64 pa)
{
	asm goto("1: vmclear %[pa]\n\t"
		 "jbe %l[failed]\n"
		 _ASM_EXTABLE(1b, (%l[failed]))
		 : : [pa] "m" (pa) : "cc", "memory" : failed);
	return 0;
failed:
	return -EIO;
}

static __always_inline int vmx_vmptrld(u64 pa)
{
	asm goto("1: vmptrld %[pa]\n\t"
		 "jbe %l[failed]\n"
		 _ASM_EXTABLE(1b, (%l[failed]))
		 : : [pa] "m" (pa) : "cc", "memory" : failed);
	return 0;
failed:
	return -EIO;
}

static __always_inline int vmx_vmxon(u64 pa)
{
	asm goto("1: vmxon %[pa]\n\t"
		 "jbe %l[failed]\n"
		 _ASM_EXTABLE(1b, (%l[failed]))
		 : : [pa] "m" (pa) : "cc", "memory" : failed);
	return 0;
failed:
	return -EIO;
}

static __always_inline int vmx_vmxoff(void)
{
	asm goto("1: vmxoff\n"
		 _ASM_EXTABLE(1b, (%l[failed]))
		 : : : "cc", "memory" : failed);
	return 0;
failed:
	return -EIO;
}

struct vmx_inv_descriptor {
	u64 context;		/* EPTP, or VPID in bits 15:0 */
	u64 address;
};

static __always_inline int vmx_invept(unsigned long type, u64 eptp)
{
	struct vmx_inv_descriptor d = { .context = eptp };

	asm goto("1: invept %[d], %[type]\n\t"
		 "jbe %l[failed]\n"
		 _ASM_EXTABLE(1b, (%l[failed]))
		 : : [type] "r" (type), [d] "m" (d) : "cc", "memory" : failed);
	return 0;
failed:
	return -EIO;
}

static __always_inline int vmx_invvpid(unsigned long type, u16 vpid)
{
	struct vmx_inv_descriptor d = { .context = vpid };

	asm goto("1: invvpid %[d], %[type]\n\t"
		 "jbe %l[failed]\n"
		 _ASM_EXTABLE(1b, (%l[failed]))
		 : : [type] "r" (type), [d] "m" (d) : "cc", "memory" : failed);
	return 0;
failed:
	return -EIO;
}

#endif /* VELLUM_VMX_VMCS_H */
