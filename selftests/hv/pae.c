// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards PAE paging of a guest that moves to other tables by itself, which no exit tells: what
 * KVM_TRANSLATE and KVM_GET_SREGS2 say, and the hypervisor's own accesses for the guest, go by the
 * new ones; KVM_SET_SREGS2 of what was got changes nothing; and entries that the CPU would refuse
 * are refused.
 */
#include "kselftest_harness.h"
#include "real.h"
#include "tvm.h"

#define NR_PDS		4
#define PLAIN_GPA	TVM_FREE_GPA			/* page directory pointers: one to one */
#define FOLDED_GPA	(TVM_FREE_GPA + TVM_PAGE)	/* the last GiB is the first again */
#define DATA_GPA	(TVM_FREE_GPA + 2 * TVM_PAGE)
#define VA		(0xc0000000UL + DATA_GPA)	/* RAM when folded, MMIO when plain */
#define MAGIC		0x5afe5afeU

FIXTURE(pae) {
	struct tvm vm;
	struct tvcpu cpu;
	uint32_t *data;
};

static uint64_t pd(unsigned int i)
{
	return (TVM_PGT_GPA + (2 + i) * TVM_PAGE) | PTE_P;
}

static void write_tables(struct tvm *vm)
{
	uint64_t *plain = (uint64_t *)(vm->ram + PLAIN_GPA);
	uint64_t *folded = (uint64_t *)(vm->ram + FOLDED_GPA);
	unsigned int i;

	for (i = 0; i < NR_PDS; i++) {
		plain[i] = pd(i);
		folded[i] = pd(i % (NR_PDS - 1));
	}
}

static void start(struct tvcpu *cpu, uint64_t from, uint64_t to)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	tvcpu_prot_mode(cpu, g_prot_tables);
	tvcpu_get_sregs(cpu, &sregs);
	sregs.cr0 |= X86_CR0_PG | X86_CR0_WP;
	sregs.cr3 = from;
	sregs.cr4 = X86_CR4_PAE;
	tvcpu_set_sregs(cpu, &sregs);
	tvcpu_get_regs(cpu, &regs);
	regs.rbx = to;
	regs.rsi = VA;
	regs.rdx = G_PORT_SYNC;
	tvcpu_set_regs(cpu, &regs);
}

FIXTURE_SETUP(pae)
{
	tvm_create(&self->vm, 0);
	tvcpu_create(&self->cpu, &self->vm, 0);
	write_tables(&self->vm);
	self->data = (uint32_t *)(self->vm.ram + DATA_GPA);
	*self->data = MAGIC;
}

FIXTURE_TEARDOWN(pae)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

TEST_F(pae, follows_the_guest_to_ram)
{
	struct kvm_translation tr = { .linear_address = VA };
	struct kvm_sregs2 sregs;

	start(&self->cpu, PLAIN_GPA, FOLDED_GPA);
	ASSERT_EQ(1, tvm_sync(&self->cpu));
	TVM_MUST(self->cpu.fd, KVM_TRANSLATE, &tr);
	EXPECT_TRUE(tr.valid);
	EXPECT_EQ(DATA_GPA, tr.physical_address);
	TVM_MUST(self->cpu.fd, KVM_GET_SREGS2, &sregs);
	EXPECT_EQ(FOLDED_GPA, sregs.cr3);
	EXPECT_EQ(KVM_SREGS2_FLAGS_PDPTRS_VALID, sregs.flags);
	EXPECT_EQ(pd(0), sregs.pdptrs[NR_PDS - 1]);
	TVM_MUST(self->cpu.fd, KVM_SET_SREGS2, &sregs);
	EXPECT_EQ(MAGIC, tvm_sync(&self->cpu));
	tvm_run(&self->cpu);
	EXPECT_EQ(MAGIC + 1, *self->data);
}

/* An addition to memory is carried out by the hypervisor, which looks for the address itself. */
TEST_F(pae, follows_the_guest_to_mmio)
{
	struct kvm_run *run = self->cpu.run;
	uint32_t value = MAGIC;

	start(&self->cpu, FOLDED_GPA, PLAIN_GPA);
	ASSERT_EQ(1, tvm_sync(&self->cpu));
	tvm_expect_mmio(&self->cpu, VA, sizeof(value), 0);
	memcpy(run->mmio.data, &value, sizeof(value));
	EXPECT_EQ(MAGIC, tvm_sync(&self->cpu));
	tvm_expect_mmio(&self->cpu, VA, sizeof(value), 0);
	memcpy(run->mmio.data, &value, sizeof(value));
	tvm_expect_mmio(&self->cpu, VA, sizeof(value), 1);
	memcpy(&value, run->mmio.data, sizeof(value));
	EXPECT_EQ(MAGIC + 1, value);
	EXPECT_EQ(MAGIC, *self->data);
}

TEST_F(pae, refuses_impossible_entries)
{
	struct kvm_sregs2 sregs;

	start(&self->cpu, PLAIN_GPA, FOLDED_GPA);
	TVM_MUST(self->cpu.fd, KVM_GET_SREGS2, &sregs);
	sregs.pdptrs[1] |= BIT64(1);
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->cpu.fd, KVM_SET_SREGS2, &sregs));
	sregs.pdptrs[1] = pd(1);
	sregs.flags |= BIT64(1);
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->cpu.fd, KVM_SET_SREGS2, &sregs));
	ASSERT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(MAGIC, tvm_sync(&self->cpu));
}

TEST_HARNESS_MAIN
