// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards KVM_SET/GET_CPUID2 and CPUID in the guest: what is set is what the guest reads, dynamic
 * bits (OSXSAVE, APIC id) follow the vCPU, out-of-range leaves, count limits and bad pointers.
 * Errnos were verified on stock KVM 6.12.
 */
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "tvm.h"

static volatile uint32_t leaf, sub;
static volatile uint32_t out[4];

static void guest_cpuid(void)
{
	uint32_t r[4];
	int i;

	for (;;) {
		g_cpuid(leaf, sub, r);
		for (i = 0; i < 4; i++)
			out[i] = r[i];
		g_sync(1);
	}
}

static void guest_osxsave(void)
{
	uint64_t cr4;

	asm volatile("movq %%cr4, %0" : "=r"(cr4));
	asm volatile("movq %0, %%cr4" : : "r"(cr4 | X86_CR4_OSXSAVE));
	guest_cpuid();
}

FIXTURE(cpuid) {
	struct tvm vm;
	struct tvcpu cpu;
	struct tvm_cpuid set;
};

FIXTURE_SETUP(cpuid)
{
	tvm_start(&self->vm, &self->cpu, TVM_IRQCHIP, guest_cpuid);
	tvm_supported_cpuid(&self->vm, &self->set);
}

FIXTURE_TEARDOWN(cpuid)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

TEST_F(cpuid, guest_sees_what_was_set)
{
	struct kvm_cpuid_entry2 *e = tvm_cpuid_find(&self->set, 0x80000002, 0);

	ASSERT_NE(NULL, e);
	e->eax = 0x6c6c6556;		/* "Vell" */
	e->ebx = 0x11223344;
	e->ecx = 0x55667788;
	e->edx = 0x99aabbcc;
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_SET_CPUID2, &self->set));
	leaf = 0x80000002;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0x6c6c6556, out[0]);
	EXPECT_EQ(0x11223344, out[1]);
	EXPECT_EQ(0x55667788, out[2]);
	EXPECT_EQ(0x99aabbcc, out[3]);
}

TEST_F(cpuid, round_trip)
{
	struct tvm_cpuid get = { .head.nent = 256 };

	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_GET_CPUID2, &get));
	EXPECT_EQ(self->set.head.nent, get.head.nent);
	get.head.nent = 1;
	EXPECT_EQ(-E2BIG, tvm_ioctl_p(self->cpu.fd, KVM_GET_CPUID2, &get));
	EXPECT_EQ(1, get.head.nent);
	get.head.nent = 256;
	EXPECT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_GET_CPUID2, &get));
}

TEST_F(cpuid, absent_leaf)
{
	struct kvm_cpuid_entry2 *base = tvm_cpuid_find(&self->set, 0, 0);

	ASSERT_NE(NULL, base);
	/* an index nobody set reads as zero */
	leaf = 4;
	sub = 0x1000;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, out[0] | out[1] | out[3]);
	sub = 0;
	/* a class nobody set: zeroes (AMD), or Intel's answer of the highest basic leaf */
	leaf = 0xc0000000;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
}

/* Subleaves are told apart by ECX where the entry says that the index is significant. */
TEST_F(cpuid, subleaf)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[4];
	} set = {
		.head.nent = 4,
		.entry = {
			{ .function = 0, .eax = 0xb },
			{ .function = 0x80000000, .eax = 0x80000001 },
			{ .function = 4, .index = 0, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
			  .eax = 0x121 },
			{ .function = 4, .index = 1, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
			  .eax = 0x122 },
		},
	};

	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_SET_CPUID2, &set));
	leaf = 4;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0x121, out[0]);
	sub = 1;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0x122, out[0]);
	sub = 2;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, out[0]);
}

TEST_F(cpuid, osxsave_follows_cr4)
{
	if (!(tvm_cpuid_find(&self->set, 1, 0)->ecx & CPUID_1_ECX_XSAVE))
		SKIP(return, "the machine has no XSAVE");
	leaf = 1;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_FALSE(out[2] & BIT64(27));
	tvcpu_long_mode(&self->cpu, guest_osxsave);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_TRUE(out[2] & BIT64(27));
}

TEST_F(cpuid, hypervisor_leaves)
{
	leaf = 0x40000000;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	/* "KVMKVMKVM": the interface is KVM's, whoever implements it */
	EXPECT_EQ(0x4b4d564b, out[1]);
	EXPECT_EQ(0x564b4d56, out[2]);
	EXPECT_EQ(0x4d, out[3]);
}

TEST_F(cpuid, bad_counts)
{
	struct kvm_cpuid2 head = { .nent = 0xffffffff };

	EXPECT_EQ(-E2BIG, tvm_ioctl_p(self->cpu.fd, KVM_SET_CPUID2, &head));
	head.nent = 257;
	EXPECT_EQ(-E2BIG, tvm_ioctl_p(self->cpu.fd, KVM_SET_CPUID2, &head));
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->cpu.fd, KVM_SET_CPUID2, 0x10));
}

/* The first version of the ioctl: entries without subleaves. */
TEST_F(cpuid, old_ioctl)
{
	struct {
		struct kvm_cpuid head;
		struct kvm_cpuid_entry entry[2];
	} old = {
		.head.nent = 2,
		.entry = { { .function = 0, .eax = 1 }, { .function = 1, .eax = 0x12345 } },
	};
	struct tvm_cpuid get = { .head.nent = 256 };

	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_SET_CPUID, &old));
	TVM_MUST(self->cpu.fd, KVM_GET_CPUID2, &get);
	EXPECT_EQ(2, get.head.nent);
	EXPECT_EQ(0x12345, get.entry[1].eax);
	old.head.nent = 257;
	EXPECT_EQ(-E2BIG, tvm_ioctl_p(self->cpu.fd, KVM_SET_CPUID, &old));
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->cpu.fd, KVM_SET_CPUID, 0x10));
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_SET_CPUID2, &self->set));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	old.head.nent = 2;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->cpu.fd, KVM_SET_CPUID, &old));
}

TEST_F(cpuid, entries_beyond_the_mapping)
{
	uint8_t *mem = tvm_mem(2 * TVM_PAGE);
	struct kvm_cpuid2 *head = (void *)(mem + TVM_PAGE - sizeof(*head));

	ASSERT_EQ(0, mprotect(mem + TVM_PAGE, TVM_PAGE, PROT_NONE));
	head->nent = 200;
	EXPECT_EQ(-EFAULT, tvm_ioctl_p(self->cpu.fd, KVM_SET_CPUID2, head));
	leaf = 0;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_NE(0, out[0]);
}

/* CPUID may not change under a vCPU that has run; saying the same again is allowed. */
TEST_F(cpuid, after_run)
{
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	tvm_ioctl_p(self->cpu.fd, KVM_SET_CPUID2, &self->set);
	self->set.head.nent = 1;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->cpu.fd, KVM_SET_CPUID2, &self->set));
	leaf = 1;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_NE(0, out[3]);
}

TEST_HARNESS_MAIN
