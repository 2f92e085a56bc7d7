// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards KVM_GET/SET_REGS and SREGS: round trips, that the guest really has what was set and the
 * other way round, and that impossible control registers, EFER and segments are refused whole.
 * Errnos were verified on stock KVM 6.12.
 */
#include "kselftest_harness.h"
#include "long.h"
#include "tvm.h"

FIXTURE(regs) {
	struct tvm vm;
	struct tvcpu cpu;
};

FIXTURE_SETUP(regs)
{
	tvm_start(&self->vm, &self->cpu, 0, g_long_add);
}

FIXTURE_TEARDOWN(regs)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

TEST_F(regs, round_trip)
{
	struct kvm_regs set, get;
	unsigned int i;

	for (i = 0; i < 16; i++)
		((uint64_t *)&set)[i] = 0x1111111111111111ULL * i;
	set.rip = (uintptr_t)g_long_add;
	set.rflags = X86_RFLAGS_FIXED | 0x8d5;
	tvcpu_set_regs(&self->cpu, &set);
	tvcpu_get_regs(&self->cpu, &get);
	EXPECT_EQ(0, memcmp(&set, &get, sizeof(set)));
	/* bit 1 of RFLAGS is always one */
	set.rflags = 0;
	tvcpu_set_regs(&self->cpu, &set);
	tvcpu_get_regs(&self->cpu, &get);
	EXPECT_EQ(X86_RFLAGS_FIXED, get.rflags);
}

TEST_F(regs, reach_the_guest)
{
	struct kvm_regs regs;

	tvcpu_get_regs(&self->cpu, &regs);
	regs.rax = 0x100000001ULL;
	regs.rbx = 41;
	regs.r15 = 0x00ff00ff00ff00ffULL;
	tvcpu_set_regs(&self->cpu, &regs);
	EXPECT_EQ(42, tvm_sync(&self->cpu));
	tvcpu_get_regs(&self->cpu, &regs);
	EXPECT_EQ(0x10000002aULL, regs.rax);
	EXPECT_EQ(0xff00ff00ff00ff00ULL, regs.r15);
	/* and again, from what it left */
	regs.rbx = 2;
	tvcpu_set_regs(&self->cpu, &regs);
	EXPECT_EQ(44, tvm_sync(&self->cpu));
}

TEST_F(regs, sregs_round_trip)
{
	struct kvm_sregs set, get;

	tvcpu_get_sregs(&self->cpu, &set);
	set.fs.base = 0x00007fff12345000ULL;
	set.gs.base = 0xffff888000001000ULL;
	set.gdt.limit = 0x123;
	set.cr2 = 0xdeadb000;
	set.cr8 = 5;
	set.ldt.base = 0x9000;
	set.ldt.limit = 0xff;
	set.ldt.selector = 0x28;
	set.ldt.type = 2;
	set.ldt.present = 1;
	set.ldt.unusable = 0;
	tvcpu_set_sregs(&self->cpu, &set);
	tvcpu_get_sregs(&self->cpu, &get);
	EXPECT_EQ(0, memcmp(&set.fs, &get.fs, sizeof(set.fs)));
	EXPECT_EQ(0, memcmp(&set.gs, &get.gs, sizeof(set.gs)));
	EXPECT_EQ(0, memcmp(&set.cs, &get.cs, sizeof(set.cs)));
	EXPECT_EQ(0, memcmp(&set.ss, &get.ss, sizeof(set.ss)));
	EXPECT_EQ(0, memcmp(&set.tr, &get.tr, sizeof(set.tr)));
	EXPECT_EQ(0, memcmp(&set.ldt, &get.ldt, sizeof(set.ldt)));
	EXPECT_EQ(set.gdt.base, get.gdt.base);
	EXPECT_EQ(set.gdt.limit, get.gdt.limit);
	EXPECT_EQ(set.idt.limit, get.idt.limit);
	EXPECT_EQ(set.cr0, get.cr0);
	EXPECT_EQ(set.cr2, get.cr2);
	EXPECT_EQ(set.cr3, get.cr3);
	EXPECT_EQ(set.cr4, get.cr4);
	EXPECT_EQ(set.cr8, get.cr8);
	EXPECT_EQ(set.efer, get.efer);
	EXPECT_EQ(set.apic_base, get.apic_base);
	EXPECT_EQ(0, tvm_sync(&self->cpu));
}

/* Sets @bad, expects a refusal, and that what was there before still is. */
static void refused(struct __test_metadata *_metadata, struct tvcpu *cpu,
		    const struct kvm_sregs *bad, const char *what)
{
	struct kvm_sregs before, after;

	tvcpu_get_sregs(cpu, &before);
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(cpu->fd, KVM_SET_SREGS, bad))
		TH_LOG("%s", what);
	tvcpu_get_sregs(cpu, &after);
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)))
		TH_LOG("%s", what);
}

#define REFUSED(change)							\
	do {								\
		struct kvm_sregs s = good;				\
									\
		change;							\
		refused(_metadata, &self->cpu, &s, #change);		\
	} while (0)

TEST_F(regs, bad_control_registers)
{
	struct tvm_cpuid cpuid;
	struct kvm_sregs good;

	tvm_supported_cpuid(&self->vm, &cpuid);
	tvm_cpuid_find(&cpuid, 1, 0)->ecx &= ~CPUID_1_ECX_VMX;
	TVM_MUST(self->cpu.fd, KVM_SET_CPUID2, &cpuid);
	tvcpu_get_sregs(&self->cpu, &good);
	REFUSED(s.cr4 |= BIT64(63));
	REFUSED(s.cr4 |= BIT64(31));
	REFUSED(s.cr4 |= X86_CR4_VMXE);		/* not in this vCPU's CPUID */
	REFUSED(s.cr0 |= BIT64(32));
	REFUSED(s.cr0 = (s.cr0 | X86_CR0_NW) & ~X86_CR0_CD);
	REFUSED(s.cr0 &= ~X86_CR0_PE);		/* PG without PE */
	REFUSED(s.cr4 &= ~X86_CR4_PAE);		/* long mode without PAE */
	REFUSED(s.cr3 |= BIT64(62));		/* beyond any physical address */
	REFUSED((s.cr4 |= BIT64(17), s.cr3 |= BIT64(63)));	/* PCID: MOV's operand, no CR3 */
	REFUSED(s.efer &= ~EFER_LMA);		/* LME and PG without LMA */
	REFUSED(s.efer |= BIT64(5));
	REFUSED(s.efer |= BIT64(63));
	EXPECT_EQ(0, tvm_sync(&self->cpu));
}

TEST_F(regs, bad_apic_base)
{
	struct kvm_sregs good;

	tvcpu_get_sregs(&self->cpu, &good);
	REFUSED(s.apic_base |= BIT64(62));
	REFUSED(s.apic_base |= 1);
	EXPECT_EQ(0, tvm_sync(&self->cpu));
}

/* Bits of an interrupt bitmap: at most one vector is pending. */
TEST_F(regs, interrupt_bitmap)
{
	struct kvm_sregs sregs;

	tvcpu_get_sregs(&self->cpu, &sregs);
	sregs.interrupt_bitmap[0] = BIT64(40);
	EXPECT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_SET_SREGS, &sregs));
	tvcpu_get_sregs(&self->cpu, &sregs);
	EXPECT_EQ(BIT64(40), sregs.interrupt_bitmap[0]);
}

/*
 * A state which the set accepts but VM entry cannot take: KVM_RUN reports a failed entry or an
 * emulation error, and setting good state brings the vCPU back.
 */
TEST_F(regs, impossible_guest_state)
{
	struct kvm_sregs good, bad;
	long ret;

	tvcpu_get_sregs(&self->cpu, &good);
	bad = good;
	bad.tr.present = 0;
	bad.cs.type = 0;
	bad.cs.s = 0;
	ret = tvm_ioctl_p(self->cpu.fd, KVM_SET_SREGS, &bad);
	if (!ret) {
		ret = tvm_run(&self->cpu);
		/* QEMU's AMD-V forgives it and runs */
		EXPECT_TRUE(ret == KVM_EXIT_FAIL_ENTRY || ret == KVM_EXIT_INTERNAL_ERROR ||
			    ret == KVM_EXIT_SHUTDOWN || !tvm_host_is_intel())
			TH_LOG("exit %ld", ret);
	} else {
		EXPECT_EQ(-EINVAL, ret);
	}
	tvcpu_set_sregs(&self->cpu, &good);
	tvcpu_long_mode(&self->cpu, g_long_add);
	EXPECT_EQ(0, tvm_sync(&self->cpu));
}

TEST_F(regs, non_canonical_rip)
{
	struct kvm_regs regs;
	long ret;

	tvcpu_get_regs(&self->cpu, &regs);
	regs.rip = 0x8000000000000000ULL;
	tvcpu_set_regs(&self->cpu, &regs);
	ret = tvm_run(&self->cpu);
	/* VM entry fails or the guest takes #GP at once (AMD); nothing else can happen */
	EXPECT_TRUE(ret == KVM_EXIT_FAIL_ENTRY || ret == KVM_EXIT_IO ||
		    ret == KVM_EXIT_SHUTDOWN || ret == KVM_EXIT_INTERNAL_ERROR)
		TH_LOG("exit %ld", ret);
	tvcpu_long_mode(&self->cpu, g_long_add);
	EXPECT_EQ(0, tvm_sync(&self->cpu));
}

TEST_F(regs, pointers)
{
	static const unsigned long req[] = {
		KVM_GET_REGS, KVM_SET_REGS, KVM_GET_SREGS, KVM_SET_SREGS, KVM_GET_FPU,
		KVM_SET_FPU, KVM_GET_MP_STATE, KVM_SET_MP_STATE, KVM_GET_VCPU_EVENTS,
		KVM_SET_VCPU_EVENTS, KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, KVM_GET_XSAVE,
		KVM_SET_XSAVE, KVM_GET_MSRS, KVM_SET_MSRS, KVM_SET_CPUID2, KVM_GET_CPUID2,
		KVM_TRANSLATE, KVM_INTERRUPT, KVM_SET_SIGNAL_MASK, KVM_SET_GUEST_DEBUG,
	};
	static const unsigned long bad[] = { 0x10, 0x00007ffffffff000, 0x8000000000000000,
					     0xffffffff81000000, -8UL };
	const unsigned int nr_bad = sizeof(bad) / sizeof(bad[0]);
	unsigned int i;
	long ret;

	for (i = 0; i < sizeof(req) / sizeof(req[0]) * nr_bad; i++) {
		ret = tvm_ioctl(self->cpu.fd, req[i / nr_bad], bad[i % nr_bad]);
		EXPECT_EQ(-EFAULT, ret)
			TH_LOG("ioctl %#lx with %#lx", req[i / nr_bad], bad[i % nr_bad]);
	}
	EXPECT_EQ(0, tvm_sync(&self->cpu));
}

TEST_F(regs, translate)
{
	struct kvm_translation tr = { .linear_address = (uintptr_t)g_long_add };

	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_TRANSLATE, &tr));
	EXPECT_TRUE(tr.valid);
	EXPECT_EQ((uintptr_t)g_long_add, tr.physical_address);
	tr.linear_address = 5ULL << 30;		/* the identity map ends at 4 GiB */
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_TRANSLATE, &tr));
	EXPECT_FALSE(tr.valid);
}

TEST_HARNESS_MAIN
