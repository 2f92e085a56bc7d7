// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards FPU and vector state: GET/SET_FPU and XSAVE round trips, that guest registers survive
 * exits and preemption by other users of the FPU, that guest and host never see each other's
 * registers, and that hostile MXCSR, XSTATE_BV and XCR0 values are refused.
 */
#include <stdbool.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define FPU_ROUNDS	50

static volatile uint64_t xmm_lo, xmm_hi;
static uint64_t pattern[2] __attribute__((aligned(16)));

static void load_xmm5(uint64_t a, uint64_t b)
{
	pattern[0] = a;
	pattern[1] = b;
	asm volatile("movdqu %0, %%xmm5" : : "m"(pattern));
}

static void store_xmm5(void)
{
	uint64_t out[2] __attribute__((aligned(16)));

	asm volatile("movdqu %%xmm5, %0" : "=m"(out));
	xmm_lo = out[0];
	xmm_hi = out[1];
}

/* Keeps a counter in XMM5 only: exits and the host's own use must not disturb it. */
static void guest_counter(void)
{
	uint32_t i;

	load_xmm5(0, 0x1122334455667788);
	for (i = 0;; i++) {
		load_xmm5(i, ~(uint64_t)i);
		g_sync(i);
		store_xmm5();
		G_ASSERT(xmm_lo == i && xmm_hi == ~(uint64_t)i);
	}
}

static void guest_show(void)
{
	/*
	 * Both parts in use: stock KVM's KVM_SET_FPU changes only what XINUSE already has,
	 * and its KVM_GET_FPU leaves mxcsr alone.
	 */
	load_xmm5(1, 1);
	asm volatile("fld1");
	for (;;) {
		g_sync(1);
		store_xmm5();
	}
}

/* XCR0, then AVX registers, with exits in between; the caller knows that the vCPU has both. */
static void guest_avx(void)
{
	static uint64_t out[4] __attribute__((aligned(32)));
	uint32_t xcr0;

	asm volatile("mov %%cr4, %%rax; bts $18, %%rax; mov %%rax, %%cr4" : : : "rax", "cc");
	asm volatile("xsetbv" : : "c"(0), "a"(7), "d"(0));
	asm volatile("fninit");
	g_sync(1);
	asm volatile("xgetbv" : "=a"(xcr0) : "c"(0) : "edx");
	G_ASSERT(xcr0 == 7);
	pattern[0] = 0x5a5a;
	pattern[1] = ~0UL;
	asm volatile("vbroadcastf128 %0, %%ymm5" : : "m"(pattern));
	g_sync(2);
	asm volatile("vmovdqu %%ymm5, %0" : "=m"(out));
	G_ASSERT(out[0] == 0x5a5a && out[1] == ~0UL && out[2] == 0x5a5a && out[3] == ~0UL);
	g_sync(3);
}

#define XSAVE_AREA_QWORDS	512	/* more than any component set of these machines takes */
#define XSAVE_XMM5_QWORD	30
#define XSAVE_BV_QWORD		64
#define XSAVE_SSE		2
static uint64_t xsave_area[XSAVE_AREA_QWORDS] __attribute__((aligned(64)));

static void save_all(void)
{
	asm volatile("xsave %0" : "+m"(xsave_area) : "a"(XSAVE_SSE), "d"(0));
}

static void restore_all(void)
{
	asm volatile("xrstor %0" : : "m"(xsave_area), "a"(XSAVE_SSE), "d"(0));
}

/* As a kernel switches tasks: after an exit only XSAVE and XRSTOR touch the registers. */
static void guest_switches_tasks(void)
{
	uint32_t i;

	asm volatile("mov %%cr4, %%rax; bts $18, %%rax; mov %%rax, %%cr4" : : : "rax", "cc");
	asm volatile("xsetbv" : : "c"(0), "a"(3), "d"(0));
	load_xmm5(0, 0x7777);
	for (i = 0;; i++) {
		g_sync(i);		/* a stay in the guest that leaves the FPU alone ends */
		save_all();
		G_ASSERT(xsave_area[XSAVE_BV_QWORD] & XSAVE_SSE);
		G_ASSERT(xsave_area[XSAVE_XMM5_QWORD] == i);
		xsave_area[XSAVE_XMM5_QWORD] = i + 1;
		restore_all();
		g_sync(i);
	}
}

FIXTURE(fpu) {
	struct tvm vm;
	struct tvcpu cpu;
};

FIXTURE_SETUP(fpu)
{
	tvm_start(&self->vm, &self->cpu, 0, guest_counter);
}

FIXTURE_TEARDOWN(fpu)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

TEST_F(fpu, survives_exits_and_the_host)
{
	uint32_t i;

	for (i = 0; i < FPU_ROUNDS; i++) {
		EXPECT_EQ(i, tvm_sync(&self->cpu));
		/* after the exit the host's XMM5 is the host's own business: change it */
		asm volatile("pcmpeqd %%xmm5, %%xmm5; pxor %%xmm0, %%xmm0" : : : "memory");
		if (i % 8 == 0)
			usleep(1000);
	}
}

/* KVM_RUN; was XMM5 kept? The system call is made here, so no libc code intervenes. */
static long run_with_xmm5(struct tvcpu *cpu, bool *kept)
{
	const uint64_t in[2] = { 0xfeedfacecafebeef, 0x0123456789abcdef };
	uint64_t out[2] = { 0, 0 };
	long ret;

	asm volatile("movdqu %2, %%xmm5\n\t"
		     "syscall\n\t"
		     "movdqu %%xmm5, %1"
		     : "=a"(ret), "=m"(out)
		     : "m"(in), "0"(16L), "D"((long)cpu->fd), "S"((long)KVM_RUN), "d"(0L)
		     : "rcx", "r11", "memory");
	*kept = !memcmp(in, out, sizeof(in));
	return ret;
}

/* Host registers live across KVM_RUN. */
TEST_F(fpu, host_registers_survive)
{
	bool kept;
	int i;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, run_with_xmm5(&self->cpu, &kept));
		EXPECT_TRUE(kept);
	}
}

/* XSAVE and XRSTOR alone are use of the FPU, too: QEMU's AMD-V raises no #NM for them. */
TEST_F(fpu, guest_switches_tasks)
{
	struct tvm_cpuid cpuid;
	uint32_t i;
	bool kept;

	tvm_supported_cpuid(&self->vm, &cpuid);
	if (!(tvm_cpuid_find(&cpuid, 1, 0)->ecx & CPUID_1_ECX_XSAVE))
		SKIP(return, "the machine has no XSAVE");
	tvcpu_long_mode(&self->cpu, guest_switches_tasks);
	for (i = 0; i < FPU_ROUNDS; i++) {
		EXPECT_EQ(i, tvm_sync(&self->cpu));
		ASSERT_EQ(0, run_with_xmm5(&self->cpu, &kept));
		EXPECT_TRUE(kept);
	}
}

TEST_F(fpu, get_sees_the_guest)
{
	struct kvm_fpu fpu;
	uint64_t lo;

	EXPECT_EQ(0, tvm_sync(&self->cpu));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_GET_FPU, &fpu));
	memcpy(&lo, fpu.xmm[5], sizeof(lo));
	EXPECT_EQ(1, lo);
}

TEST_F(fpu, set_reaches_the_guest)
{
	uint64_t val[2] = { 0xaaaabbbbccccdddd, 0x1111222233334444 };
	struct kvm_fpu fpu, get;

	tvcpu_long_mode(&self->cpu, guest_show);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_GET_FPU, &fpu));
	EXPECT_EQ(0x37f, fpu.fcw);
	memcpy(fpu.xmm[5], val, sizeof(val));
	fpu.fcw = 0x27f;
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_SET_FPU, &fpu));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(val[0], xmm_lo);
	EXPECT_EQ(val[1], xmm_hi);
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_GET_FPU, &get));
	EXPECT_EQ(0, memcmp(fpu.xmm, get.xmm, sizeof(fpu.xmm)));
	EXPECT_EQ(0x27f, get.fcw);
}

/* Offsets in the XSAVE area: Intel SDM, "XSAVE Area" */
#define XSAVE_MXCSR		6	/* in 32-bit words */
#define XSAVE_XMM5		60
#define XSAVE_XSTATE_BV		128

TEST_F(fpu, xsave_round_trip)
{
	static struct kvm_xsave area, again;
	uint64_t lo = 0x5151515162626262;

	tvcpu_long_mode(&self->cpu, guest_show);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_GET_XSAVE, &area));
	memcpy(&area.region[XSAVE_XMM5], &lo, sizeof(lo));
	area.region[XSAVE_XSTATE_BV] |= 3;
	area.region[XSAVE_MXCSR] = 0x1f80;
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_SET_XSAVE, &area));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(lo, xmm_lo);
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_GET_XSAVE, &again));
	EXPECT_EQ(0, memcmp(&area.region[XSAVE_XMM5], &again.region[XSAVE_XMM5], 16));
}

TEST_F(fpu, xsave_hostile)
{
	static struct kvm_xsave good, bad;

	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_GET_XSAVE, &good));
	bad = good;
	bad.region[XSAVE_MXCSR] = 0xffffffff;
	bad.region[XSAVE_XSTATE_BV] |= 3;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->cpu.fd, KVM_SET_XSAVE, &bad));
	if (tvm_cap(&self->vm, KVM_CAP_XCRS) > 0) {
		bad = good;
		bad.region[XSAVE_XSTATE_BV + 1] = 0x40000000;	/* an undefined component */
		EXPECT_NE(0, tvm_ioctl_p(self->cpu.fd, KVM_SET_XSAVE, &bad));
	}
	EXPECT_EQ(0, tvm_sync(&self->cpu));
	/* nothing changed */
	EXPECT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_SET_XSAVE, &good));
}

TEST_F(fpu, xcrs)
{
	struct kvm_xcrs xcrs = { .nr_xcrs = 0 }, bad;
	struct tvm_cpuid cpuid;

	tvm_supported_cpuid(&self->vm, &cpuid);
	if (!(tvm_cpuid_find(&cpuid, 1, 0)->ecx & CPUID_1_ECX_XSAVE))
		SKIP(return, "the machine has no XSAVE");
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_GET_XCRS, &xcrs));
	EXPECT_EQ(1, xcrs.nr_xcrs);
	EXPECT_EQ(0, xcrs.xcrs[0].xcr);
	EXPECT_EQ(1, xcrs.xcrs[0].value & 1);	/* x87 cannot be off */
	EXPECT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_SET_XCRS, &xcrs));

	bad = xcrs;
	bad.xcrs[0].value = 0;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->cpu.fd, KVM_SET_XCRS, &bad));
	bad.xcrs[0].value = 5;			/* AVX without SSE */
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->cpu.fd, KVM_SET_XCRS, &bad));
	bad.xcrs[0].value = BIT64(62) | 3;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->cpu.fd, KVM_SET_XCRS, &bad));
	bad = xcrs;
	bad.nr_xcrs = KVM_MAX_XCRS + 1;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->cpu.fd, KVM_SET_XCRS, &bad));
	bad = xcrs;
	bad.flags = 1;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->cpu.fd, KVM_SET_XCRS, &bad));
}

/* What a VMM reads it may write, also when it hides XSAVE, as QEMU's older CPU models do. */
TEST_F(fpu, xcrs_without_xsave)
{
	struct kvm_xcrs xcrs;
	struct tvcpu bare;

	if (!tvm_cap(&self->vm, KVM_CAP_XCRS))
		SKIP(return, "the machine has no XSAVE");
	bare = (struct tvcpu){ .fd = ioctl(self->vm.fd, KVM_CREATE_VCPU, 7) };
	ASSERT_LE(0, bare.fd);
	ASSERT_EQ(0, tvm_ioctl_p(bare.fd, KVM_GET_XCRS, &xcrs));
	EXPECT_EQ(1, xcrs.xcrs[0].value);
	EXPECT_EQ(0, tvm_ioctl_p(bare.fd, KVM_SET_XCRS, &xcrs));
	xcrs.xcrs[0].value = 3;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(bare.fd, KVM_SET_XCRS, &xcrs));
	close(bare.fd);
}

TEST_F(fpu, guest_enables_avx)
{
	struct kvm_xcrs xcrs;
	struct tvm_cpuid cpuid;
	uint32_t i;

	tvm_supported_cpuid(&self->vm, &cpuid);
	if (!(tvm_cpuid_find(&cpuid, 1, 0)->ecx & CPUID_1_ECX_AVX))
		SKIP(return, "the machine has no AVX");
	/* QEMU's AMD-V does not intercept XSETBV; stock KVM then goes on with the old XCR0. */
	if (tvm_is_kvm() && !tvm_host_is_intel())
		SKIP(return, "stock KVM does not see XSETBV here");
	tvcpu_long_mode(&self->cpu, guest_avx);
	for (i = 1; i <= 3; i++) {
		EXPECT_EQ(i, tvm_sync(&self->cpu));
		ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_GET_XCRS, &xcrs));
		EXPECT_EQ(7, xcrs.xcrs[0].value);
	}
}

/* Two vCPUs on one thread take turns: each keeps its own registers. */
TEST_F(fpu, two_vcpus)
{
	struct tvcpu other;
	uint32_t i;

	tvcpu_create(&other, &self->vm, 1);
	tvcpu_long_mode(&other, guest_counter);
	EXPECT_EQ(0, tvm_sync(&self->cpu));
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(i, tvm_sync(&other));
		EXPECT_EQ(i + 1, tvm_sync(&self->cpu));
	}
}

TEST_HARNESS_MAIN
