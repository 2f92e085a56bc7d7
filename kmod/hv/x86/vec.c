// SPDX-License-Identifier: GPL-2.0-only
/* The guest's vector registers one by one, for emulated MMIO moves. */
#include <linux/kernel.h>
#include <linux/nospec.h>
#include <linux/sched.h>
#include <asm/fpu/api.h>

#include "core/ops.h"
#include "x86/fpu.h"

#define VEC_XMM	16
#define VEC_YMM	32

/* Instructions name their register in the opcode: four functions for each. */
#define DEFINE_VEC(n)								\
static void xmm_read_##n(void *buf)						\
{										\
	asm volatile("movdqu %%xmm" #n ", %0" : "=m" (*(u8 (*)[VEC_XMM])buf));	\
}										\
										\
static void xmm_write_##n(const void *buf)					\
{										\
	asm volatile("movdqu %0, %%xmm" #n : : "m" (*(const u8 (*)[VEC_XMM])buf));	\
}										\
										\
static void ymm_read_##n(void *buf)						\
{										\
	asm volatile("vmovdqu %%ymm" #n ", %0" : "=m" (*(u8 (*)[VEC_YMM])buf));	\
}										\
										\
static void ymm_write_##n(const void *buf)					\
{										\
	asm volatile("vmovdqu %0, %%ymm" #n : : "m" (*(const u8 (*)[VEC_YMM])buf));	\
}

DEFINE_VEC(0)
DEFINE_VEC(1)
DEFINE_VEC(2)
DEFINE_VEC(3)
DEFINE_VEC(4)
DEFINE_VEC(5)
DEFINE_VEC(6)
DEFINE_VEC(7)
DEFINE_VEC(8)
DEFINE_VEC(9)
DEFINE_VEC(10)
DEFINE_VEC(11)
DEFINE_VEC(12)
DEFINE_VEC(13)
DEFINE_VEC(14)
DEFINE_VEC(15)

#define VEC_ROW(n) { xmm_read_##n, xmm_write_##n, ymm_read_##n, ymm_write_##n }

static const struct {
	void (*xmm_read)(void *buf);
	void (*xmm_write)(const void *buf);
	void (*ymm_read)(void *buf);
	void (*ymm_write)(const void *buf);
} vec[] = {
	VEC_ROW(0), VEC_ROW(1), VEC_ROW(2), VEC_ROW(3),
	VEC_ROW(4), VEC_ROW(5), VEC_ROW(6), VEC_ROW(7),
	VEC_ROW(8), VEC_ROW(9), VEC_ROW(10), VEC_ROW(11),
	VEC_ROW(12), VEC_ROW(13), VEC_ROW(14), VEC_ROW(15),
};

/* The guest's registers in the CPU, and nobody else until fpregs_unlock(). */
static void registers_lock(struct hv_vcpu *vcpu)
{
	hv_fpu_load(vcpu);
	fpregs_lock();
	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		switch_fpu_return();
}

void hv_vec_read(struct hv_vcpu *vcpu, unsigned int n, void *buf, unsigned int len)
{
	n = array_index_nospec(n, ARRAY_SIZE(vec));
	registers_lock(vcpu);
	if (len == VEC_YMM && boot_cpu_has(X86_FEATURE_AVX))
		vec[n].ymm_read(buf);
	else
		vec[n].xmm_read(buf);
	fpregs_unlock();
}

void hv_vec_write(struct hv_vcpu *vcpu, unsigned int n, const void *buf, unsigned int len)
{
	n = array_index_nospec(n, ARRAY_SIZE(vec));
	registers_lock(vcpu);
	if (len == VEC_YMM && boot_cpu_has(X86_FEATURE_AVX))
		vec[n].ymm_write(buf);
	else
		vec[n].xmm_write(buf);
	fpregs_unlock();
}
