// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards KVM_CAP_X86_BUS_LOCK_EXIT and KVM_CAP_X86_NOTIFY_VMEXIT: they are there if and only if
 * the CPU has the VM-execution controls, each takes its documented arguments and no others, and
 * where they are a bus lock ends KVM_RUN until that is switched off, and a guest with a notify
 * window runs. A guest's lock across two cache lines is no alignment check of the guest's, whether
 * the host forbids such locks or not. No machine of the lab has the controls, or forbids split
 * locks: what needs that skips there.
 */
#include <stdio.h>
#include <string.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define MSR_IA32_VMX_PROCBASED_CTLS2	0x48b
#define MAY_DETECT_BUS_LOCKS		BIT64(32 + 30)
#define MAY_NOTIFY			BIT64(32 + 31)

#define MODES		(KVM_BUS_LOCK_DETECTION_OFF | KVM_BUS_LOCK_DETECTION_EXIT)
#define NOTIFY_FLAGS	(KVM_X86_NOTIFY_VMEXIT_ENABLED | KVM_X86_NOTIFY_VMEXIT_USER)
#define WINDOW(ticks)	((uint64_t)(ticks) << 32)

#define AC_VECTOR	17
#define CACHE_LINE	64
#define XADD_LEN	4

static uint8_t lines[2 * CACHE_LINE] __attribute__((aligned(CACHE_LINE)));
static volatile unsigned int ac_faults;

/* Stock KVM may pass the host's #AC on: then there is no lock, and so no bus lock. */
static void skip_xadd(struct g_frame *frame)
{
	ac_faults++;
	frame->rip += XADD_LEN;
}

static void guest_locks(void)
{
	uint32_t one = 1;

	g_handlers[AC_VECTOR] = skip_xadd;
	for (;;) {
		asm volatile("lock xaddl %0, (%1)"
			     : "+a"(one) : "D"(lines + CACHE_LINE - 2) : "memory");
		g_sync(1);
	}
}

FIXTURE(controls) {
	struct tvm vm;
	struct tvcpu cpu;
	long bus_lock, notify;
};

FIXTURE_SETUP(controls)
{
	tvm_create(&self->vm, TVM_IRQCHIP);
	self->bus_lock = tvm_cap(&self->vm, KVM_CAP_X86_BUS_LOCK_EXIT);
	self->notify = tvm_cap(&self->vm, KVM_CAP_X86_NOTIFY_VMEXIT);
}

FIXTURE_TEARDOWN(controls)
{
	tvm_destroy(&self->vm);
}

static long enable(struct tvm *vm, uint32_t cap, uint64_t arg)
{
	struct kvm_enable_cap enable = { .cap = cap, .args = { arg } };

	return tvm_ioctl_p(vm->fd, KVM_ENABLE_CAP, &enable);
}

static long bus_lock_mode(struct tvm *vm, uint64_t mode)
{
	return enable(vm, KVM_CAP_X86_BUS_LOCK_EXIT, mode);
}

static long notify(struct tvm *vm, uint64_t arg)
{
	return enable(vm, KVM_CAP_X86_NOTIFY_VMEXIT, arg);
}

TEST_F(controls, as_the_cpu_has_them)
{
	uint64_t may = 0;
	int ret = 0;

	if (tvm_host_is_intel())
		ret = tvm_host_msr(MSR_IA32_VMX_PROCBASED_CTLS2, &may);
	if (ret)
		SKIP(return, "the machine does not tell its VMX capabilities: %s", strerror(-ret));
	EXPECT_EQ(may & MAY_DETECT_BUS_LOCKS ? MODES : 0, self->bus_lock);
	EXPECT_EQ(may & MAY_NOTIFY ? 1 : 0, self->notify);
}

/* Stock KVM takes modes without the control, and does nothing. */
TEST_F(controls, not_without_them)
{
	if (!self->bus_lock && !tvm_is_kvm()) {
		EXPECT_EQ(-EINVAL, bus_lock_mode(&self->vm, KVM_BUS_LOCK_DETECTION_OFF));
		EXPECT_EQ(-EINVAL, bus_lock_mode(&self->vm, KVM_BUS_LOCK_DETECTION_EXIT));
	}
	if (!self->notify) {
		EXPECT_EQ(-EINVAL, notify(&self->vm, KVM_X86_NOTIFY_VMEXIT_ENABLED));
		EXPECT_EQ(-EINVAL, notify(&self->vm, WINDOW(1000) | NOTIFY_FLAGS));
	}
}

TEST_F(controls, bad_arguments)
{
	struct kvm_enable_cap flagged = { .cap = KVM_CAP_X86_BUS_LOCK_EXIT, .flags = 1 };
	unsigned int bit;

	EXPECT_EQ(-EINVAL, bus_lock_mode(&self->vm, MODES));
	for (bit = 2; bit < 64; bit++)
		EXPECT_EQ(-EINVAL, bus_lock_mode(&self->vm, BIT64(bit)));
	EXPECT_EQ(-EINVAL, notify(&self->vm, 0));
	EXPECT_EQ(-EINVAL, notify(&self->vm, WINDOW(1000)));
	EXPECT_EQ(-EINVAL, notify(&self->vm, KVM_X86_NOTIFY_VMEXIT_USER));
	for (bit = 2; bit < 32; bit++)
		EXPECT_EQ(-EINVAL, notify(&self->vm, KVM_X86_NOTIFY_VMEXIT_ENABLED | BIT64(bit)));
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->vm.fd, KVM_ENABLE_CAP, &flagged));
	flagged.cap = KVM_CAP_X86_NOTIFY_VMEXIT;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->vm.fd, KVM_ENABLE_CAP, &flagged));
}

static void start(FIXTURE_DATA(controls) *self)
{
	tvcpu_create(&self->cpu, &self->vm, 0);
	tvcpu_long_mode(&self->cpu, guest_locks);
}

TEST_F(controls, bus_lock)
{
	long reason;

	if (!self->bus_lock)
		SKIP(return, "this CPU does not detect bus locks");
	ASSERT_EQ(0, bus_lock_mode(&self->vm, KVM_BUS_LOCK_DETECTION_EXIT));
	start(self);
	reason = tvm_run(&self->cpu);
	if (ac_faults)
		SKIP(return, "the host forbids split locks (split_lock_detect)");
	ASSERT_EQ(KVM_EXIT_X86_BUS_LOCK, reason);
	EXPECT_TRUE(self->cpu.run->flags & KVM_RUN_X86_BUS_LOCK);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, self->cpu.run->flags & KVM_RUN_X86_BUS_LOCK);
	if (tvm_is_kvm())
		return;		/* it has no way back */
	ASSERT_EQ(0, bus_lock_mode(&self->vm, KVM_BUS_LOCK_DETECTION_OFF));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
}

/* Which instructions close all event windows for how long is the CPU's secret: at worst none. */
TEST_F(controls, notify_window)
{
	long reason;

	if (!self->notify)
		SKIP(return, "this CPU does not look whether the guest can be interrupted");
	ASSERT_EQ(0, notify(&self->vm, NOTIFY_FLAGS));
	start(self);
	EXPECT_EQ(-EINVAL, notify(&self->vm, NOTIFY_FLAGS));
	reason = tvm_run(&self->cpu);
	if (reason != KVM_EXIT_NOTIFY) {
		EXPECT_EQ(KVM_EXIT_IO, reason);
		EXPECT_EQ(0, tvcpu_counter(&self->cpu, "notify_window_exits"));
		return;
	}
	EXPECT_EQ(0, self->cpu.run->notify.flags & ~KVM_NOTIFY_CONTEXT_INVALID);
	EXPECT_EQ(1, tvcpu_counter(&self->cpu, "notify_window_exits"));
}

static int host_forbids_split_locks(void)
{
	FILE *cpuinfo = fopen("/proc/cpuinfo", "r");
	char line[4096];
	int found = 0;

	while (cpuinfo && !found && fgets(line, sizeof(line), cpuinfo))
		found = !strncmp(line, "flags", 5) && strstr(line, " split_lock_detect");
	if (cpuinfo)
		fclose(cpuinfo);
	return found;
}

/* With split_lock_detect=fatal the host sends SIGBUS, as it does to its own programs. */
TEST_F(controls, split_lock)
{
	if (!host_forbids_split_locks())
		SKIP(return, "the host does not detect split locks");
	start(self);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, ac_faults);
}

TEST_F(controls, counter)
{
	start(self);
	EXPECT_EQ(0, tvcpu_counter(&self->cpu, "notify_window_exits"));
}

TEST_HARNESS_MAIN
