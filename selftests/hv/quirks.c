// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards KVM_CAP_DISABLE_QUIRKS and _QUIRKS2: by default the other vendor's hypercall works and is
 * rewritten in the guest's memory, MONITOR and MWAIT do nothing, OUT to port 0x7e exits behind the
 * instruction, LINT0 starts as ExtINT; each switched off does what the document says. Masks with
 * unknown bits are refused.
 */
#include <linux/kvm_para.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define HYPERCALL_LEN	3
#define MISC_MWAIT	BIT64(18)
#define MISC_READ_ONLY	(BIT64(7) | BIT64(11) | BIT64(12))	/* EMON, no BTS, no PEBS */
#define CPUID_MWAIT	BIT64(3)

static volatile long result;
static volatile unsigned int ud_faults;
static volatile uint32_t ecx_seen;

static void skip_three_bytes(struct g_frame *frame)
{
	ud_faults++;
	frame->rip += HYPERCALL_LEN;	/* VMCALL, VMMCALL, MONITOR, MWAIT */
}

static const uint8_t vmcall[] = { 0x0f, 0x01, 0xc1 }, vmmcall[] = { 0x0f, 0x01, 0xd9 };

/* The first call is patched by the host to be the other vendor's. */
extern uint8_t q_insn[];
asm(".pushsection .data; .globl q_insn; q_insn: vmcall; ret; .popsection");

static void guest_calls(void)
{
	g_handlers[UD_VECTOR] = skip_three_bytes;
	for (;;) {
		long ret;

		asm volatile("call q_insn" : "=a"(ret)
			     : "a"((long)KVM_HC_VAPIC_POLL_IRQ), "b"(0L) : "memory");
		result = ret;
		g_sync(1);
	}
}

static void guest_waits(void)
{
	uint32_t regs[4];

	g_handlers[UD_VECTOR] = skip_three_bytes;
	for (;;) {
		asm volatile(".byte 0x0f, 0x01, 0xc8" : : "a"(&result), "c"(0), "d"(0));
		asm volatile(".byte 0x0f, 0x01, 0xc9" : : "a"(0), "c"(0));
		g_cpuid(1, 0, regs);
		ecx_seen = regs[2];
		g_sync(1);
	}
}

static void guest_out(void)
{
	for (;;)
		asm volatile("outb %%al, $0x7e" : : "a"(1));
}

FIXTURE(quirk) {
	struct tvm vm;
	struct tvcpu cpu;
	const uint8_t *own, *other;
};

FIXTURE_SETUP(quirk)
{
	tvm_create(&self->vm, TVM_IRQCHIP);
	self->own = tvm_host_is_intel() ? vmcall : vmmcall;
	self->other = tvm_host_is_intel() ? vmmcall : vmcall;
	memcpy(q_insn, self->other, HYPERCALL_LEN);
}

FIXTURE_TEARDOWN(quirk)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

static long disable(struct tvm *vm, uint64_t quirks)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_DISABLE_QUIRKS2, .args = { quirks } };

	return tvm_ioctl_p(vm->fd, KVM_ENABLE_CAP, &cap);
}

static void start(struct tvm *vm, struct tvcpu *cpu, void (*entry)(void))
{
	tvcpu_create(cpu, vm, 0);
	tvcpu_long_mode(cpu, entry);
}

TEST_F(quirk, hypercall_is_fixed)
{
	start(&self->vm, &self->cpu, guest_calls);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, ud_faults);
	EXPECT_EQ(0, memcmp(q_insn, self->own, HYPERCALL_LEN));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, ud_faults);
}

TEST_F(quirk, hypercall_is_not_fixed)
{
	ASSERT_TRUE(tvm_cap(&self->vm, KVM_CAP_DISABLE_QUIRKS2) & KVM_X86_QUIRK_FIX_HYPERCALL_INSN);
	ASSERT_EQ(0, disable(&self->vm, KVM_X86_QUIRK_FIX_HYPERCALL_INSN));
	start(&self->vm, &self->cpu, guest_calls);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(1, ud_faults);
	EXPECT_EQ(0, memcmp(q_insn, self->other, HYPERCALL_LEN));
}

TEST_F(quirk, mwait_does_nothing)
{
	start(&self->vm, &self->cpu, guest_waits);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, ud_faults);
}

TEST_F(quirk, mwait_is_undefined)
{
	ASSERT_EQ(0, disable(&self->vm, KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS));
	start(&self->vm, &self->cpu, guest_waits);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(2, ud_faults);
}

/* MISC_ENABLE[18] is then what CPUID says, and what MWAIT follows. */
TEST_F(quirk, mwait_by_misc_enable)
{
	struct tvm_cpuid cpuid;
	uint64_t misc;

	ASSERT_EQ(0, disable(&self->vm, KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT |
					KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS));
	start(&self->vm, &self->cpu, guest_waits);
	tvm_supported_cpuid(&self->vm, &cpuid);
	TVM_MUST(self->cpu.fd, KVM_SET_CPUID2, &cpuid);
	misc = tvcpu_get_msr(&self->cpu, MSR_IA32_MISC_ENABLE);
	ASSERT_EQ(1, tvcpu_msr(&self->cpu, MSR_IA32_MISC_ENABLE, misc | MISC_MWAIT));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, ud_faults);
	EXPECT_TRUE(ecx_seen & CPUID_MWAIT);
	ASSERT_EQ(1, tvcpu_msr(&self->cpu, MSR_IA32_MISC_ENABLE, misc & ~MISC_MWAIT));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(2, ud_faults);
	EXPECT_FALSE(ecx_seen & CPUID_MWAIT);
}

/* Read-only bits are the VMM's to choose, and what it wrote is what it reads. */
TEST_F(quirk, misc_enable_reads_back)
{
	uint64_t val;

	tvcpu_create(&self->cpu, &self->vm, 0);
	for (val = 0; val < BIT64(24); val = val * 2 + 1) {
		ASSERT_EQ(1, tvcpu_msr(&self->cpu, MSR_IA32_MISC_ENABLE, val));
		EXPECT_EQ(val, tvcpu_get_msr(&self->cpu, MSR_IA32_MISC_ENABLE));
	}
}

static void guest_misc_enable(void)
{
	g_wrmsr(MSR_IA32_MISC_ENABLE, MISC_READ_ONLY);
	g_sync(g_rdmsr(MSR_IA32_MISC_ENABLE) & MISC_READ_ONLY);
	g_wrmsr(MSR_IA32_MISC_ENABLE, 0);
	g_sync(g_rdmsr(MSR_IA32_MISC_ENABLE) & MISC_READ_ONLY);
}

TEST_F(quirk, misc_enable_read_only)
{
	start(&self->vm, &self->cpu, guest_misc_enable);
	ASSERT_EQ(1, tvcpu_msr(&self->cpu, MSR_IA32_MISC_ENABLE, BIT64(11)));
	EXPECT_EQ(BIT64(11), tvm_sync(&self->cpu));
	EXPECT_EQ(BIT64(11), tvm_sync(&self->cpu));
}

static long rip_moves(struct tvcpu *cpu)
{
	struct kvm_regs before, after;

	tvcpu_get_regs(cpu, &before);
	tvm_expect_exit(cpu, KVM_EXIT_IO);
	tvcpu_get_regs(cpu, &after);
	return after.rip - before.rip;
}

TEST_F(quirk, out_7e)
{
	start(&self->vm, &self->cpu, guest_out);
	tvm_expect_exit(&self->cpu, KVM_EXIT_IO);
	EXPECT_EQ(0x7e, self->cpu.run->io.port);
	/* RIP is behind an OUT: from there one round leads to the same place */
	EXPECT_EQ(0, rip_moves(&self->cpu));
	ASSERT_EQ(0, disable(&self->vm, KVM_X86_QUIRK_OUT_7E_INC_RIP));
	EXPECT_EQ(-2, rip_moves(&self->cpu));
	EXPECT_EQ(0, rip_moves(&self->cpu));
}

TEST_F(quirk, lint0)
{
	struct kvm_lapic_state lapic;

	start(&self->vm, &self->cpu, guest_calls);
	TVM_MUST(self->cpu.fd, KVM_GET_LAPIC, &lapic);
	EXPECT_EQ(APIC_DM_EXTINT, *(uint32_t *)(lapic.regs + APIC_LVT0));
}

TEST_F(quirk, lint0_masked)
{
	struct kvm_lapic_state lapic;

	ASSERT_EQ(0, disable(&self->vm, KVM_X86_QUIRK_LINT0_REENABLED));
	start(&self->vm, &self->cpu, guest_calls);
	TVM_MUST(self->cpu.fd, KVM_GET_LAPIC, &lapic);
	EXPECT_EQ(APIC_LVT_MASKED, *(uint32_t *)(lapic.regs + APIC_LVT0));
}

TEST_F(quirk, masks)
{
	uint64_t mask = tvm_cap(&self->vm, KVM_CAP_DISABLE_QUIRKS2);
	unsigned int bit;

	start(&self->vm, &self->cpu, guest_calls);
	EXPECT_GT(tvm_cap(&self->vm, KVM_CAP_DISABLE_QUIRKS), 0);
	for (bit = 0; bit < 64; bit++)
		EXPECT_EQ(mask & BIT64(bit) ? 0 : -EINVAL, disable(&self->vm, BIT64(bit)));
	EXPECT_EQ(-EINVAL, disable(&self->vm, ~0ULL));
}

TEST_HARNESS_MAIN
