// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards KVM_CAP_SYNC_REGS: registers go out to the run page where kvm_valid_regs asks for them and
 * come in where kvm_dirty_regs says so, for as long as it says so; what an ioctl would refuse is
 * refused here too and changes nothing, also while another thread scribbles over the page.
 */
#include <pthread.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define ALL_SYNC	KVM_SYNC_X86_VALID_FIELDS
#define ROUNDS		3000

/* RBX counts the rounds. */
static void guest_count(void)
{
	asm volatile("1: outl %%eax, %w1; incq %%rbx; jmp 1b"
		     : : "a"(7), "d"(G_PORT_SYNC) : "rbx");
}

FIXTURE(sync) {
	struct tvm vm;
	struct tvcpu cpu;
	struct kvm_run *run;
};

FIXTURE_SETUP(sync)
{
	tvm_start(&self->vm, &self->cpu, TVM_IRQCHIP, guest_count);
	self->run = self->cpu.run;
}

FIXTURE_TEARDOWN(sync)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

TEST_F(sync, capability)
{
	EXPECT_EQ(ALL_SYNC, tvm_cap(&self->vm, KVM_CAP_SYNC_REGS));
}

TEST_F(sync, out)
{
	struct kvm_vcpu_events events;
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	self->run->kvm_valid_regs = ALL_SYNC;
	EXPECT_EQ(7, tvm_sync(&self->cpu));
	tvcpu_get_regs(&self->cpu, &regs);
	tvcpu_get_sregs(&self->cpu, &sregs);
	TVM_MUST(self->cpu.fd, KVM_GET_VCPU_EVENTS, &events);
	EXPECT_EQ(0, memcmp(&regs, &self->run->s.regs.regs, sizeof(regs)));
	EXPECT_EQ(0, memcmp(&sregs, &self->run->s.regs.sregs, sizeof(sregs)));
	EXPECT_EQ(0, memcmp(&events, &self->run->s.regs.events, sizeof(events)));
	EXPECT_TRUE(self->run->s.regs.sregs.efer & EFER_LMA);
}

TEST_F(sync, only_what_is_asked)
{
	memset(&self->run->s, 0x5a, sizeof(self->run->s));
	self->run->kvm_valid_regs = KVM_SYNC_X86_REGS;
	EXPECT_EQ(7, tvm_sync(&self->cpu));
	EXPECT_EQ(G_PORT_SYNC, self->run->s.regs.regs.rdx);
	EXPECT_EQ(0x5a5a5a5a5a5a5a5a, self->run->s.regs.sregs.cr0);
	self->run->kvm_valid_regs = 0;
	self->run->s.regs.regs.rbx = 0xaaaa;
	EXPECT_EQ(7, tvm_sync(&self->cpu));
	EXPECT_EQ(0xaaaa, self->run->s.regs.regs.rbx);
}

TEST_F(sync, in)
{
	self->run->kvm_valid_regs = ALL_SYNC;
	EXPECT_EQ(7, tvm_sync(&self->cpu));
	self->run->s.regs.regs.rbx = 0xbad1dea;
	self->run->s.regs.sregs.cr2 = 0x1234000;
	self->run->kvm_dirty_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	EXPECT_EQ(7, tvm_sync(&self->cpu));
	EXPECT_EQ(0xbad1dea + 1, self->run->s.regs.regs.rbx);
	EXPECT_EQ(0x1234000, self->run->s.regs.sregs.cr2);
	/* not said to be dirty: not taken */
	self->run->kvm_dirty_regs = 0;
	self->run->s.regs.regs.rbx = 5;
	EXPECT_EQ(7, tvm_sync(&self->cpu));
	EXPECT_EQ(0xbad1dea + 2, self->run->s.regs.regs.rbx);
}

static volatile unsigned int hits;

static void count_hit(struct g_frame *frame)
{
	hits++;
}

TEST_F(sync, events_in)
{
	g_handlers[UD_VECTOR] = count_hit;
	self->run->kvm_valid_regs = ALL_SYNC;
	EXPECT_EQ(7, tvm_sync(&self->cpu));
	self->run->s.regs.events.exception.injected = 1;
	self->run->s.regs.events.exception.nr = UD_VECTOR;
	self->run->kvm_dirty_regs = KVM_SYNC_X86_EVENTS;
	EXPECT_EQ(7, tvm_sync(&self->cpu));
	EXPECT_EQ(1, hits);
}

/* Bits without a meaning, alone and among good ones, in either mask: nothing happens. */
TEST_F(sync, unknown_bits)
{
	static const uint64_t bad[] = { 8, BIT64(31), BIT64(31) | ALL_SYNC };
	struct kvm_regs regs;
	unsigned int i;

	self->run->kvm_valid_regs = ALL_SYNC;
	EXPECT_EQ(7, tvm_sync(&self->cpu));
	self->run->s.regs.regs.rbx = 99;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		self->run->kvm_valid_regs = bad[i];
		EXPECT_EQ(-EINVAL, tvm_run(&self->cpu));
		self->run->kvm_valid_regs = 0;
		self->run->kvm_dirty_regs = bad[i];
		EXPECT_EQ(-EINVAL, tvm_run(&self->cpu));
		self->run->kvm_dirty_regs = 0;
	}
	tvcpu_get_regs(&self->cpu, &regs);
	EXPECT_NE(99, regs.rbx);
	EXPECT_EQ(7, tvm_sync(&self->cpu));
}

/* What KVM_SET_SREGS and KVM_SET_VCPU_EVENTS refuse. */
TEST_F(sync, bad_values)
{
	struct kvm_sync_regs good;
	struct kvm_sregs sregs;

	self->run->kvm_valid_regs = ALL_SYNC;
	EXPECT_EQ(7, tvm_sync(&self->cpu));
	good = self->run->s.regs;
	self->run->s.regs.sregs.cr4 &= ~X86_CR4_PAE;
	self->run->kvm_dirty_regs = KVM_SYNC_X86_SREGS;
	self->run->kvm_valid_regs = 0;
	EXPECT_EQ(-EINVAL, tvm_run(&self->cpu));
	tvcpu_get_sregs(&self->cpu, &sregs);
	EXPECT_TRUE(sregs.cr4 & X86_CR4_PAE);
	self->run->s.regs = good;
	self->run->s.regs.events.exception.injected = 1;
	self->run->s.regs.events.exception.nr = 255;
	self->run->kvm_dirty_regs = KVM_SYNC_X86_EVENTS;
	EXPECT_EQ(-EINVAL, tvm_run(&self->cpu));
	self->run->s.regs = good;
	self->run->kvm_dirty_regs = ALL_SYNC;
	EXPECT_EQ(7, tvm_sync(&self->cpu));
}

static void *scribble(void *arg)
{
	struct kvm_run *run = arg;
	volatile uint64_t *cr4 = (volatile uint64_t *)&run->s.regs.sregs.cr4;
	volatile uint8_t *nr = &run->s.regs.events.exception.nr;
	uint64_t good = *cr4;

	for (;;) {
		*(volatile uint64_t *)&run->kvm_dirty_regs = KVM_SYNC_X86_SREGS;
		*cr4 = good & ~X86_CR4_PAE;
		*nr = 255;
		*cr4 = good;
		*nr = UD_VECTOR;
		pthread_testcancel();
	}
	return NULL;
}

/* Values that change between check and use: every KVM_RUN is refused or runs a valid vCPU. */
TEST_F(sync, race)
{
	pthread_t thread;
	unsigned int i;

	self->run->kvm_valid_regs = KVM_SYNC_X86_SREGS;
	EXPECT_EQ(7, tvm_sync(&self->cpu));
	self->run->kvm_valid_regs = 0;
	ASSERT_EQ(0, pthread_create(&thread, NULL, scribble, self->run));
	for (i = 0; i < ROUNDS; i++) {
		long ret = tvm_run(&self->cpu);

		ASSERT_TRUE(ret == -EINVAL || ret == KVM_EXIT_IO)
			TH_LOG("KVM_RUN: %ld", ret);
	}
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	self->run->kvm_dirty_regs = 0;
	EXPECT_EQ(7, tvm_sync(&self->cpu));
}

TEST_HARNESS_MAIN
