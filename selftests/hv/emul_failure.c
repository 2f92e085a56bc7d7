// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards what becomes of an instruction on a device that the emulator does not know: at CPL 0 it
 * ends KVM_RUN with the instruction's bytes, so that the VMM can carry it out or skip it; an
 * application gets #UD, unless KVM_CAP_EXIT_ON_EMULATION_FAILURE asks for that exit, too.
 */
#include "kselftest_harness.h"
#include "tvm.h"

#define FLDS_LEN	2		/* flds (%rax) */
#define SKIPPED		1
#define UNDEFINED	2

static volatile unsigned int uds;
extern const char ef_insn[];

static void guest_fld(void)
{
	for (;;) {
		asm volatile(".globl ef_insn\n"
			     "ef_insn: flds (%0)" : : "a"(TVM_HOLE_GPA));
		g_sync(SKIPPED);
	}
}

static void on_ud(struct g_frame *frame)
{
	uds++;
	g_sync(frame->rip == (uintptr_t)ef_insn ? UNDEFINED : 0);
}

FIXTURE(fail) {
	struct tvm vm;
	struct tvcpu cpu;
};

FIXTURE_SETUP(fail)
{
	tvm_start(&self->vm, &self->cpu, 0, guest_fld);
	g_handlers[UD_VECTOR] = on_ud;
}

FIXTURE_TEARDOWN(fail)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

static long exit_on_failure(struct tvm *vm, uint64_t on)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_EXIT_ON_EMULATION_FAILURE, .args = { on },
	};

	return tvm_ioctl_p(vm->fd, KVM_ENABLE_CAP, &cap);
}

static void skip(struct tvcpu *cpu)
{
	struct kvm_regs regs;

	tvcpu_get_regs(cpu, &regs);
	regs.rip += FLDS_LEN;
	tvcpu_set_regs(cpu, &regs);
}

static void expect_failure(struct __test_metadata *_metadata, struct tvcpu *cpu)
{
	const struct kvm_run *run = cpu->run;
	struct kvm_regs regs;

	tvm_expect_exit(cpu, KVM_EXIT_INTERNAL_ERROR);
	EXPECT_EQ(KVM_INTERNAL_ERROR_EMULATION, run->emulation_failure.suberror);
	EXPECT_TRUE(run->emulation_failure.flags &
		    KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES);
	ASSERT_GE(run->emulation_failure.insn_size, FLDS_LEN);
	EXPECT_EQ(0, memcmp(run->emulation_failure.insn_bytes, ef_insn, FLDS_LEN));
	tvcpu_get_regs(cpu, &regs);
	EXPECT_EQ((uintptr_t)ef_insn, regs.rip);
}

TEST_F(fail, kernel)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		expect_failure(_metadata, &self->cpu);
		skip(&self->cpu);
		EXPECT_EQ(SKIPPED, tvm_sync(&self->cpu));
	}
	EXPECT_EQ(0, uds);
}

TEST_F(fail, application)
{
	tvcpu_user_mode(&self->cpu);
	EXPECT_EQ(UNDEFINED, tvm_sync(&self->cpu));
	EXPECT_EQ(1, uds);
}

TEST_F(fail, application_asked_for)
{
	ASSERT_EQ(0, exit_on_failure(&self->vm, 1));
	tvcpu_user_mode(&self->cpu);
	expect_failure(_metadata, &self->cpu);
	skip(&self->cpu);
	EXPECT_EQ(SKIPPED, tvm_sync(&self->cpu));
	EXPECT_EQ(0, uds);
	/* and back */
	ASSERT_EQ(0, exit_on_failure(&self->vm, 0));
	EXPECT_EQ(UNDEFINED, tvm_sync(&self->cpu));
}

TEST_F(fail, bad_argument)
{
	EXPECT_EQ(-EINVAL, exit_on_failure(&self->vm, 2));
	EXPECT_EQ(-EINVAL, exit_on_failure(&self->vm, BIT64(63)));
	/* nothing was switched on */
	tvcpu_user_mode(&self->cpu);
	EXPECT_EQ(UNDEFINED, tvm_sync(&self->cpu));
}

TEST_HARNESS_MAIN
