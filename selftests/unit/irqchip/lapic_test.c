// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC: priorities, EOI, IPIs and destinations in every mode, the
 * timer in its three, INIT and SIPI, errors, saved state. Guards against wrong
 * targets, lost or early timers, and registers that take what they must not.
 */
#include "world.h"
#include "x86/tsc.h"

#include "kselftest_harness.h"

#define VEC	0x41
#define ICR_TO(id)	((u32)(id) << 24)

FIXTURE(lapic) {
};

FIXTURE_SETUP(lapic)
{
	unsigned int i;

	world_start(WORLD_FULL, true);
	for (i = 0; i < WORLD_VCPUS; i++)
		apic_enable(cpu(i));
}

FIXTURE_TEARDOWN(lapic)
{
	world_stop();
}

static void send(struct hv_vcpu *from, u32 dest, u32 icr)
{
	apic_write(from, APIC_ICR2, ICR_TO(dest));
	apic_write(from, APIC_ICR, icr);
}

/* Who got VEC: a bit for each vCPU. What they got is taken and ended. */
static u32 who_got(void)
{
	u32 got = 0;
	unsigned int i;

	for (i = 0; i < WORLD_VCPUS; i++) {
		if (world_take(cpu(i)) != VEC)
			continue;
		got |= BIT(i);
		if (cpu(i)->lapic->x2apic)
			x2apic_write(cpu(i), APIC_EOI, 0);
		else
			eoi(cpu(i));
	}
	return got;
}

TEST_F(lapic, reset_state)
{
	struct hv_vcpu *vcpu = cpu(2);

	hv_lapic_reset(vcpu, false);
	EXPECT_EQ(2u << 24, apic_read(vcpu, APIC_ID));
	EXPECT_EQ(0x50014, apic_read(vcpu, APIC_LVR));
	EXPECT_EQ(0xffffffff, apic_read(vcpu, APIC_DFR));
	EXPECT_EQ(0, apic_read(vcpu, APIC_LDR));
	EXPECT_EQ(0xff, apic_read(vcpu, APIC_SPIV));
	EXPECT_EQ(APIC_LVT_MASKED, apic_read(vcpu, APIC_LVTT));
	EXPECT_EQ(APIC_LVT_MASKED, apic_read(vcpu, APIC_LVT0));
	EXPECT_EQ(0, vcpu->msr.apic_base & BIT(8));
}

TEST_F(lapic, nesting_and_eoi)
{
	struct hv_vcpu *vcpu = cpu(0);

	hv_lapic_deliver(vcpu, 0x31, false);
	EXPECT_EQ(0x31, world_take(vcpu));
	hv_lapic_deliver(vcpu, 0x3f, false);
	/* the same class waits */
	EXPECT_EQ(-1, world_take(vcpu));
	hv_lapic_deliver(vcpu, 0x55, false);
	EXPECT_EQ(0x55, world_take(vcpu));
	EXPECT_EQ(0x50, apic_read(vcpu, APIC_PROCPRI));
	eoi(vcpu);
	EXPECT_EQ(0x30, apic_read(vcpu, APIC_PROCPRI));
	EXPECT_EQ(-1, world_take(vcpu));
	eoi(vcpu);
	EXPECT_EQ(0x3f, world_take(vcpu));
	eoi(vcpu);
	EXPECT_EQ(0, apic_read(vcpu, APIC_PROCPRI));
	/* one too many is nothing */
	eoi(vcpu);
	EXPECT_EQ(-1, world_take(vcpu));
}

TEST_F(lapic, tpr_and_cr8)
{
	struct hv_vcpu *vcpu = cpu(0);

	hv_lapic_set_tpr(vcpu, 5);
	EXPECT_EQ(0x50, apic_read(vcpu, APIC_TASKPRI));
	hv_lapic_deliver(vcpu, 0x5f, false);
	EXPECT_EQ(-1, world_take(vcpu));
	vcpu->requests = 0;
	hv_lapic_set_tpr(vcpu, 4);
	/* the vCPU must be told that something became injectable */
	EXPECT_TRUE(test_bit(HV_REQ_EVENT, &vcpu->requests));
	EXPECT_EQ(0x5f, world_take(vcpu));
	EXPECT_EQ(4, hv_lapic_tpr(vcpu));
}

TEST_F(lapic, software_disable)
{
	struct hv_vcpu *vcpu = cpu(1);

	apic_write(vcpu, APIC_LVTERR, 0x60);
	apic_write(vcpu, APIC_SPIV, 0xff);
	EXPECT_EQ(0x60 | APIC_LVT_MASKED, apic_read(vcpu, APIC_LVTERR));
	apic_write(vcpu, APIC_LVTERR, 0x60);
	EXPECT_EQ(0x60 | APIC_LVT_MASKED, apic_read(vcpu, APIC_LVTERR));
	send(cpu(0), 1, APIC_DM_FIXED | VEC);
	EXPECT_EQ(0, who_got());
	/* NMIs go through */
	send(cpu(0), 1, APIC_DM_NMI);
	EXPECT_EQ(1, world.cpu[1].nmis);
}

TEST_F(lapic, physical)
{
	send(cpu(0), 2, APIC_DM_FIXED | VEC);
	EXPECT_EQ(BIT(2), who_got());
	send(cpu(0), 77, APIC_DM_FIXED | VEC);
	EXPECT_EQ(0, who_got());
	send(cpu(0), 0xff, APIC_DM_FIXED | VEC);
	EXPECT_EQ(0xf, who_got());
}

TEST_F(lapic, shorthands)
{
	apic_write(cpu(1), APIC_ICR, APIC_DEST_SELF | VEC);
	EXPECT_EQ(BIT(1), who_got());
	apic_write(cpu(1), APIC_ICR, APIC_DEST_ALLINC | VEC);
	EXPECT_EQ(0xf, who_got());
	apic_write(cpu(1), APIC_ICR, APIC_DEST_ALLBUT | VEC);
	EXPECT_EQ(0xd, who_got());
}

TEST_F(lapic, logical_flat)
{
	unsigned int i;

	for (i = 0; i < WORLD_VCPUS; i++)
		apic_write(cpu(i), APIC_LDR, SET_APIC_LOGICAL_ID(BIT(i)));
	send(cpu(0), 0x5, APIC_DEST_LOGICAL | VEC);
	EXPECT_EQ(0x5, who_got());
	send(cpu(0), 0xf0, APIC_DEST_LOGICAL | VEC);
	EXPECT_EQ(0, who_got());
	/* two CPUs may share a bit, one may have several */
	apic_write(cpu(3), APIC_LDR, SET_APIC_LOGICAL_ID(0x81u));
	send(cpu(0), 0x1, APIC_DEST_LOGICAL | VEC);
	EXPECT_EQ(0x9, who_got());
	send(cpu(0), 0x80, APIC_DEST_LOGICAL | VEC);
	EXPECT_EQ(0x8, who_got());
}

TEST_F(lapic, logical_cluster)
{
	unsigned int i;

	for (i = 0; i < WORLD_VCPUS; i++) {
		apic_write(cpu(i), APIC_DFR, APIC_DFR_CLUSTER);
		apic_write(cpu(i), APIC_LDR, SET_APIC_LOGICAL_ID((i / 2) << 4 | BIT(i % 2)));
	}
	send(cpu(0), 0x03, APIC_DEST_LOGICAL | VEC);
	EXPECT_EQ(0x3, who_got());
	send(cpu(0), 0x12, APIC_DEST_LOGICAL | VEC);
	EXPECT_EQ(0x8, who_got());
	send(cpu(0), 0xff, APIC_DEST_LOGICAL | VEC);
	EXPECT_EQ(0xf, who_got());
}

TEST_F(lapic, lowest_priority)
{
	u32 got;

	send(cpu(0), 0xff, APIC_DM_LOWEST | VEC);
	got = who_got();
	EXPECT_EQ(1, __builtin_popcount(got));
	/* whoever it was is off now: another one takes it */
	apic_write(cpu(__ffs(got)), APIC_SPIV, 0xff);
	send(cpu(0), 0xff, APIC_DM_LOWEST | VEC);
	EXPECT_EQ(1, __builtin_popcount(who_got() & ~got));
}

TEST_F(lapic, x2apic_destinations)
{
	unsigned int i;

	for (i = 0; i < WORLD_VCPUS; i++)
		x2apic_enable(cpu(i));
	EXPECT_EQ(3, x2apic_read(cpu(3), APIC_ID));
	EXPECT_EQ(BIT(3), x2apic_read(cpu(3), APIC_LDR));
	x2apic_write(cpu(0), APIC_ICR, 3ULL << 32 | VEC);
	EXPECT_EQ(BIT(3), who_got());
	x2apic_write(cpu(0), APIC_ICR, 0x6ULL << 32 | APIC_DEST_LOGICAL | VEC);
	EXPECT_EQ(0x6, who_got());
	/* cluster 1 is empty, cluster 0xffff is far off the table */
	x2apic_write(cpu(0), APIC_ICR, 0x10006ULL << 32 | APIC_DEST_LOGICAL | VEC);
	EXPECT_EQ(0, who_got());
	x2apic_write(cpu(0), APIC_ICR, 0xffff000fULL << 32 | APIC_DEST_LOGICAL | VEC);
	EXPECT_EQ(0, who_got());
	x2apic_write(cpu(0), APIC_ICR, 0xffffffffULL << 32 | VEC);
	EXPECT_EQ(0xf, who_got());
	/* 0xff is an id like others to an x2APIC */
	x2apic_write(cpu(0), APIC_ICR, 0xffULL << 32 | VEC);
	EXPECT_EQ(0, who_got());
	EXPECT_EQ(0, x2apic_write(cpu(1), APIC_SELF_IPI, VEC));
	EXPECT_EQ(0x2, who_got());
}

TEST_F(lapic, mixed_modes)
{
	/* a boot processor in x2APIC mode wakes the others, which are not yet */
	x2apic_enable(cpu(0));
	x2apic_write(cpu(0), APIC_ICR, 2ULL << 32 | VEC);
	EXPECT_EQ(BIT(2), who_got());
	apic_write(cpu(1), APIC_LDR, SET_APIC_LOGICAL_ID(2));
	x2apic_write(cpu(0), APIC_ICR, 3ULL << 32 | APIC_DEST_LOGICAL | VEC);
	EXPECT_EQ(0x3, who_got());
}

TEST_F(lapic, broadcast_quirk)
{
	const u64 all = 0xff000, seven = 0x7 << 12 | BIT(2);

	x2apic_enable(cpu(0));
	EXPECT_EQ(4, hv_msi_send(&world.vm, all, VEC));
	EXPECT_EQ(0xf, who_got());
	world.vm.x2apic_broadcast_quirk_off = true;
	EXPECT_EQ(3, hv_msi_send(&world.vm, all, VEC));
	EXPECT_EQ(0xe, who_got());
	EXPECT_EQ(1, hv_msi_send(&world.vm, seven, VEC));
	EXPECT_EQ(0x1, who_got());
}

TEST_F(lapic, init_and_sipi)
{
	struct hv_vcpu *ap = cpu(1);

	/* a start-up message alone is not heard */
	send(cpu(0), 1, APIC_DM_STARTUP | 0x12);
	world_prepare(ap);
	EXPECT_EQ(KVM_MP_STATE_UNINITIALIZED, ap->mp_state);
	send(cpu(0), 1, APIC_DM_INIT | APIC_INT_ASSERT | APIC_INT_LEVELTRIG);
	send(cpu(0), 1, APIC_DM_INIT | APIC_INT_LEVELTRIG);
	world_prepare(ap);
	EXPECT_EQ(KVM_MP_STATE_INIT_RECEIVED, ap->mp_state);
	EXPECT_EQ(1, world.cpu[1].resets);
	send(cpu(0), 1, APIC_DM_STARTUP | 0x9a);
	world_prepare(ap);
	EXPECT_EQ(KVM_MP_STATE_RUNNABLE, ap->mp_state);
	EXPECT_EQ(0x9a00, world.cpu[1].cs.selector);
	EXPECT_EQ(0x9a000, world.cpu[1].cs.base);
	EXPECT_EQ(0, ap->rip);
	/* the second one of the usual pair finds it running */
	send(cpu(0), 1, APIC_DM_STARTUP | 0x12);
	world_prepare(ap);
	EXPECT_EQ(0x9a00, world.cpu[1].cs.selector);
}

TEST_F(lapic, init_keeps_mode_and_id)
{
	struct hv_vcpu *vcpu = cpu(2);

	x2apic_enable(vcpu);
	hv_lapic_reset(vcpu, true);
	EXPECT_TRUE(vcpu->lapic->x2apic);
	EXPECT_EQ(2, x2apic_read(vcpu, APIC_ID));
	EXPECT_EQ(0xff, x2apic_read(vcpu, APIC_SPIV));
}

TEST_F(lapic, errors)
{
	struct hv_vcpu *vcpu = cpu(0);

	apic_write(vcpu, APIC_LVTERR, VEC);
	apic_write(vcpu, APIC_ICR, APIC_DEST_SELF | 3);
	EXPECT_EQ(VEC, world_take(vcpu));
	eoi(vcpu);
	EXPECT_EQ(0, apic_read(vcpu, APIC_ESR));
	apic_write(vcpu, APIC_ESR, 0);
	EXPECT_EQ(APIC_ESR_SENDILL, apic_read(vcpu, APIC_ESR));
	apic_write(vcpu, 0x40, 0);
	EXPECT_EQ(VEC, world_take(vcpu));
	apic_write(vcpu, APIC_ESR, 0);
	EXPECT_EQ(APIC_ESR_ILLREGA, apic_read(vcpu, APIC_ESR));
	apic_write(vcpu, APIC_ESR, 0);
	EXPECT_EQ(0, apic_read(vcpu, APIC_ESR));
}

TEST_F(lapic, x2apic_faults)
{
	struct hv_vcpu *vcpu = cpu(0);
	u64 value;

	EXPECT_EQ(1, x2apic_write(vcpu, APIC_EOI, 0));
	x2apic_enable(vcpu);
	EXPECT_EQ(1, x2apic_write(vcpu, APIC_EOI, 1));
	EXPECT_EQ(1, x2apic_write(vcpu, APIC_ESR, 1));
	EXPECT_EQ(1, x2apic_write(vcpu, APIC_ID, 0));
	EXPECT_EQ(1, x2apic_write(vcpu, APIC_LDR, 0));
	EXPECT_EQ(1, x2apic_write(vcpu, APIC_DFR, 0));
	EXPECT_EQ(1, x2apic_write(vcpu, APIC_ICR2, 0));
	EXPECT_EQ(1, x2apic_write(vcpu, APIC_LVTT, BIT(13)));
	EXPECT_EQ(1, x2apic_write(vcpu, APIC_SPIV, BIT(12)));
	EXPECT_EQ(1, x2apic_write(vcpu, APIC_TASKPRI, 0x100));
	EXPECT_EQ(1, x2apic_write(vcpu, APIC_TMICT, BIT_ULL(32)));
	EXPECT_EQ(1, x2apic_write(vcpu, APIC_ICR, BIT(16)));
	EXPECT_EQ(1, x2apic_write(vcpu, APIC_SELF_IPI, 0x100));
	EXPECT_EQ(1, hv_lapic_x2apic_read(vcpu, APIC_BASE_MSR + APIC_DFR / 16, &value));
	EXPECT_EQ(1, hv_lapic_x2apic_read(vcpu, APIC_BASE_MSR + APIC_SELF_IPI / 16, &value));
	EXPECT_EQ(1, hv_lapic_x2apic_read(vcpu, APIC_BASE_MSR + 0xff, &value));
	EXPECT_EQ(-EOPNOTSUPP, hv_lapic_mmio_read(vcpu, APIC_DEFAULT_PHYS_BASE, 4, &value));
}

TEST_F(lapic, base_transitions)
{
	struct hv_vcpu *vcpu = cpu(1);
	u64 xapic = vcpu->msr.apic_base, x2apic = xapic | X2APIC_ENABLE;

	EXPECT_EQ(0, hv_lapic_base_write(vcpu, x2apic, false));
	EXPECT_EQ(1, hv_lapic_base_write(vcpu, xapic, false));
	EXPECT_EQ(0, hv_lapic_base_write(vcpu, xapic & ~(u64)XAPIC_ENABLE, true));
	EXPECT_EQ(1, hv_lapic_base_write(vcpu, x2apic, false));
	EXPECT_EQ(1, hv_lapic_base_write(vcpu, (x2apic & ~(u64)XAPIC_ENABLE), true));
	EXPECT_EQ(1, hv_lapic_base_write(vcpu, xapic | BIT(9), true));
	EXPECT_EQ(1, hv_lapic_base_write(vcpu, xapic | BIT_ULL(40), true));
	EXPECT_EQ(0, hv_lapic_base_write(vcpu, xapic, false));
	EXPECT_EQ(1u << 24, apic_read(vcpu, APIC_ID));
	/* the page moves with the base */
	EXPECT_EQ(0, hv_lapic_base_write(vcpu, 0xd0000000 | XAPIC_ENABLE, false));
	EXPECT_TRUE(hv_lapic_owns(vcpu, 0xd0000080));
	EXPECT_FALSE(hv_lapic_owns(vcpu, APIC_DEFAULT_PHYS_BASE));
}

TEST_F(lapic, disabled_is_a_wire)
{
	struct hv_vcpu *vcpu = cpu(1);

	EXPECT_EQ(0, hv_lapic_base_write(vcpu, vcpu->msr.apic_base & ~(u64)XAPIC_ENABLE, false));
	send(cpu(0), 1, VEC);
	send(cpu(0), 1, APIC_DM_NMI);
	EXPECT_EQ(-1, world_take(vcpu));
	EXPECT_EQ(0, world.cpu[1].nmis);
}

TEST_F(lapic, odd_accesses)
{
	struct hv_vcpu *vcpu = cpu(0);
	u64 value = 0x1122334455667788, base = APIC_DEFAULT_PHYS_BASE;
	u8 bytes[8];

	EXPECT_EQ(0, hv_lapic_mmio_write(vcpu, base + APIC_TASKPRI, 8, &value));
	EXPECT_EQ(0, hv_lapic_mmio_write(vcpu, base + APIC_TASKPRI + 2, 4, &value));
	EXPECT_EQ(0, apic_read(vcpu, APIC_TASKPRI));
	EXPECT_EQ(0, hv_lapic_mmio_read(vcpu, base + APIC_LVR + 2, 1, bytes));
	EXPECT_EQ(5, bytes[0]);
	EXPECT_EQ(0, hv_lapic_mmio_read(vcpu, base + APIC_LVR + 3, 8, bytes));
	EXPECT_EQ(0, bytes[0]);
	EXPECT_EQ(0, hv_lapic_mmio_read(vcpu, base + 0xffc, 4, bytes));
}

FIXTURE(timer) {
	struct hv_vcpu *vcpu;
};

FIXTURE_VARIANT(timer) {
	bool hw;
};

FIXTURE_VARIANT_ADD(timer, hrtimer) { .hw = false };
FIXTURE_VARIANT_ADD(timer, back_end) { .hw = true };

FIXTURE_SETUP(timer)
{
	world_start(WORLD_FULL, variant->hw);
	self->vcpu = cpu(0);
	apic_enable(self->vcpu);
	apic_write(self->vcpu, APIC_TDCR, APIC_TDR_DIV_1);
}

FIXTURE_TEARDOWN(timer)
{
	world_stop();
}

TEST_F(timer, oneshot)
{
	apic_write(self->vcpu, APIC_LVTT, VEC);
	apic_write(self->vcpu, APIC_TMICT, 1000000);
	world_pass(400000);
	EXPECT_EQ(600000, apic_read(self->vcpu, APIC_TMCCT));
	EXPECT_EQ(-1, world_take(self->vcpu));
	world_pass(600000);
	EXPECT_EQ(VEC, world_take(self->vcpu));
	eoi(self->vcpu);
	EXPECT_EQ(0, apic_read(self->vcpu, APIC_TMCCT));
	world_pass(5000000);
	EXPECT_EQ(-1, world_take(self->vcpu));
	EXPECT_EQ(variant->hw, world.cpu[0].kicks == 0);
}

TEST_F(timer, stopped_by_zero)
{
	apic_write(self->vcpu, APIC_LVTT, VEC);
	apic_write(self->vcpu, APIC_TMICT, 1000);
	apic_write(self->vcpu, APIC_TMICT, 0);
	world_pass(5000);
	EXPECT_EQ(-1, world_take(self->vcpu));
}

TEST_F(timer, masked_counts_in_silence)
{
	apic_write(self->vcpu, APIC_LVTT, VEC | APIC_LVT_MASKED);
	apic_write(self->vcpu, APIC_TMICT, 1000);
	world_pass(2000);
	EXPECT_EQ(-1, world_take(self->vcpu));
	apic_write(self->vcpu, APIC_LVTT, VEC);
	EXPECT_EQ(-1, world_take(self->vcpu));
}

TEST_F(timer, periodic)
{
	unsigned int i;

	apic_write(self->vcpu, APIC_LVTT, VEC | APIC_LVT_TIMER_PERIODIC);
	apic_write(self->vcpu, APIC_TMICT, 1000000);
	for (i = 0; i < 5; i++) {
		world_pass(1000000);
		ASSERT_EQ(VEC, world_take(self->vcpu));
		eoi(self->vcpu);
		EXPECT_EQ(-1, world_take(self->vcpu));
	}
	/* a vCPU that was away for long gets one, and the rhythm goes on */
	world_pass(10500000);
	EXPECT_EQ(VEC, world_take(self->vcpu));
	eoi(self->vcpu);
	EXPECT_EQ(-1, world_take(self->vcpu));
	world_pass(1000000);
	EXPECT_EQ(VEC, world_take(self->vcpu));
}

TEST_F(timer, a_flood_is_slowed_down)
{
	unsigned int taken = 0, i;

	apic_write(self->vcpu, APIC_LVTT, VEC | APIC_LVT_TIMER_PERIODIC);
	apic_write(self->vcpu, APIC_TMICT, 1);
	for (i = 0; i < 1000; i++) {
		world_pass(1000);
		if (world_take(self->vcpu) == VEC)
			taken++;
		eoi(self->vcpu);
	}
	EXPECT_LE(taken, 6);
	EXPECT_GE(taken, 3);
}

TEST_F(timer, divisor)
{
	static const struct { u32 tdcr, by; } cases[] = {
		{ APIC_TDR_DIV_1, 1 }, { APIC_TDR_DIV_2, 2 }, { APIC_TDR_DIV_4, 4 },
		{ APIC_TDR_DIV_8, 8 }, { APIC_TDR_DIV_16, 16 }, { APIC_TDR_DIV_32, 32 },
		{ APIC_TDR_DIV_64, 64 }, { APIC_TDR_DIV_128, 128 },
	};
	unsigned int i;

	apic_write(self->vcpu, APIC_LVTT, VEC);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		apic_write(self->vcpu, APIC_TDCR, cases[i].tdcr);
		apic_write(self->vcpu, APIC_TMICT, 10000);
		world_pass(9999 * cases[i].by);
		ASSERT_EQ(-1, world_take(self->vcpu));
		ASSERT_EQ(1, apic_read(self->vcpu, APIC_TMCCT));
		world_pass(cases[i].by);
		ASSERT_EQ(VEC, world_take(self->vcpu));
		eoi(self->vcpu);
	}
}

TEST_F(timer, divisor_changes_under_way)
{
	apic_write(self->vcpu, APIC_LVTT, VEC);
	apic_write(self->vcpu, APIC_TMICT, 1000);
	world_pass(500);
	apic_write(self->vcpu, APIC_TDCR, APIC_TDR_DIV_4);
	EXPECT_EQ(500, apic_read(self->vcpu, APIC_TMCCT));
	world_pass(1999);
	EXPECT_EQ(-1, world_take(self->vcpu));
	world_pass(1);
	EXPECT_EQ(VEC, world_take(self->vcpu));
}

TEST_F(timer, tsc_deadline)
{
	struct hv_vcpu *vcpu = self->vcpu;
	u64 now;

	vcpu->tsc.offset = -123456789;
	hv_lapic_deadline_write(vcpu, 1);
	EXPECT_EQ(0, hv_lapic_deadline_read(vcpu));
	apic_write(vcpu, APIC_LVTT, VEC | APIC_LVT_TIMER_TSCDEADLINE);
	now = hv_tsc_guest(vcpu, rdtsc());
	hv_lapic_deadline_write(vcpu, now + 2000000);
	EXPECT_EQ(now + 2000000, hv_lapic_deadline_read(vcpu));
	apic_write(vcpu, APIC_TMICT, 5);
	EXPECT_EQ(0, apic_read(vcpu, APIC_TMICT));
	world_pass(999999);
	EXPECT_EQ(-1, world_take(vcpu));
	world_pass(1);
	EXPECT_EQ(VEC, world_take(vcpu));
	EXPECT_EQ(0, hv_lapic_deadline_read(vcpu));
	eoi(vcpu);
	/* one that has passed is now */
	hv_lapic_deadline_write(vcpu, 1);
	EXPECT_EQ(VEC, world_take(vcpu));
	eoi(vcpu);
	/* disarmed */
	hv_lapic_deadline_write(vcpu, hv_tsc_guest(vcpu, rdtsc()) + 1000);
	hv_lapic_deadline_write(vcpu, 0);
	world_pass(5000);
	EXPECT_EQ(-1, world_take(vcpu));
	/* never, without overflow */
	hv_lapic_deadline_write(vcpu, U64_MAX);
	world_pass(50000);
	EXPECT_EQ(-1, world_take(vcpu));
}

/* What the host's TSC never reaches is no deadline for hardware; an hrtimer looks again. */
TEST_F(timer, deadline_out_of_reach)
{
	struct hv_vcpu *vcpu = self->vcpu;

	apic_write(vcpu, APIC_LVTT, VEC | APIC_LVT_TIMER_TSCDEADLINE);
	hv_lapic_deadline_write(vcpu, U64_MAX);
	EXPECT_FALSE(vcpu->lapic->timer.hw);
	EXPECT_TRUE(vcpu->lapic->timer.hrtimer.active);
}

TEST_F(timer, mode_change_disarms)
{
	struct hv_vcpu *vcpu = self->vcpu;

	apic_write(vcpu, APIC_LVTT, VEC);
	apic_write(vcpu, APIC_TMICT, 1000);
	apic_write(vcpu, APIC_LVTT, VEC | APIC_LVT_TIMER_TSCDEADLINE);
	world_pass(2000);
	EXPECT_EQ(-1, world_take(vcpu));
	hv_lapic_deadline_write(vcpu, hv_tsc_guest(vcpu, rdtsc()) + 2000);
	apic_write(vcpu, APIC_LVTT, VEC);
	world_pass(2000);
	EXPECT_EQ(-1, world_take(vcpu));
}

TEST_F(timer, blocked)
{
	struct hv_vcpu *vcpu = self->vcpu;

	apic_write(vcpu, APIC_LVTT, VEC);
	apic_write(vcpu, APIC_TMICT, 10000);
	hv_lapic_timer_block(vcpu);
	EXPECT_EQ(U64_MAX, world.cpu[0].deadline);
	world_pass(5000);
	hv_lapic_timer_unblock(vcpu);
	EXPECT_EQ(variant->hw, world.cpu[0].deadline != U64_MAX);
	hv_lapic_timer_block(vcpu);
	world_pass(5000);
	/* the hrtimer woke it; it looks */
	EXPECT_EQ(1, world.cpu[0].kicks);
	EXPECT_FALSE(hv_lapic_timer_expired(vcpu));
	EXPECT_TRUE(hv_irq_pending(vcpu));
	hv_lapic_timer_unblock(vcpu);
	EXPECT_EQ(VEC, world_take(vcpu));
	EXPECT_EQ(-1, world_take(vcpu));
}

/* The hrtimer is early by the TSC, whose deadline passes while it is armed again: no sleep then. */
TEST_F(timer, blocked_early)
{
	struct hv_vcpu *vcpu = self->vcpu;

	apic_write(vcpu, APIC_LVTT, VEC | APIC_LVT_TIMER_TSCDEADLINE);
	hv_lapic_deadline_write(vcpu, hv_tsc_guest(vcpu, rdtsc()) + 2000);
	hv_lapic_timer_block(vcpu);
	world_pass(1000);
	EXPECT_EQ(1, world.cpu[0].kicks);
	world.tsc_late = 100;
	EXPECT_FALSE(hv_lapic_timer_expired(vcpu));
	EXPECT_EQ(0, world.tsc_late);
	EXPECT_TRUE(hv_irq_pending(vcpu));
}

TEST_F(timer, saved_state_goes_on)
{
	struct hv_vcpu *from = self->vcpu, *to = cpu(1);
	struct kvm_lapic_state s;

	apic_write(from, APIC_LVTT, VEC | APIC_LVT_TIMER_PERIODIC);
	apic_write(from, APIC_TMICT, 1000000);
	world_pass(700000);
	hv_lapic_get(from, &s);
	EXPECT_EQ(0, hv_lapic_set(to, &s));
	world_pass(299999);
	EXPECT_EQ(-1, world_take(to));
	world_pass(1);
	EXPECT_EQ(VEC, world_take(to));
	/* an expiry that nobody took yet is in the state */
	hv_lapic_get(from, &s);
	EXPECT_EQ(2, s.regs[APIC_IRR + 0x20] & 2);
}

FIXTURE(state) {
};

FIXTURE_SETUP(state)
{
	world_start(WORLD_SPLIT, true);
}

FIXTURE_TEARDOWN(state)
{
	world_stop();
}

TEST_F(state, id_formats)
{
	struct hv_vcpu *vcpu = cpu(3);
	struct kvm_lapic_state s;

	hv_lapic_get(vcpu, &s);
	EXPECT_EQ(3, s.regs[APIC_ID + 3]);
	x2apic_enable(vcpu);
	hv_lapic_get(vcpu, &s);
	EXPECT_EQ(3, s.regs[APIC_ID + 3]);
	EXPECT_EQ(0, hv_lapic_set(vcpu, &s));
	world.vm.x2apic_format = true;
	hv_lapic_get(vcpu, &s);
	EXPECT_EQ(3, s.regs[APIC_ID]);
	EXPECT_EQ(0, hv_lapic_set(vcpu, &s));
	s.regs[APIC_ID] = 2;
	EXPECT_EQ(-EINVAL, hv_lapic_set(vcpu, &s));
	EXPECT_EQ(3, x2apic_read(vcpu, APIC_ID));
}

TEST_F(state, icr_of_64_bits)
{
	struct hv_vcpu *vcpu = cpu(0);
	struct kvm_lapic_state s;
	u32 high;

	x2apic_enable(vcpu);
	x2apic_write(vcpu, APIC_ICR, 0x12345678ULL << 32 | VEC);
	hv_lapic_get(vcpu, &s);
	memcpy(&high, s.regs + APIC_ICR2, 4);
	EXPECT_EQ(0x12345678, high);
	x2apic_write(vcpu, APIC_ICR, 0);
	EXPECT_EQ(0, hv_lapic_set(vcpu, &s));
	EXPECT_EQ(0x12345678ULL << 32 | VEC, x2apic_read(vcpu, APIC_ICR));
}

/* The IOAPIC in user space learns of level-triggered EOIs, and only of those. */
TEST_F(state, split_eoi_exit)
{
	struct hv_vcpu *vcpu = cpu(0);

	apic_enable(vcpu);
	hv_lapic_deliver(vcpu, VEC, false);
	EXPECT_EQ(VEC, world_take(vcpu));
	eoi(vcpu);
	EXPECT_FALSE(test_bit(HV_REQ_IOAPIC_EOI, &vcpu->requests));
	hv_lapic_deliver(vcpu, VEC, true);
	EXPECT_EQ(VEC, world_take(vcpu));
	eoi(vcpu);
	EXPECT_TRUE(test_bit(HV_REQ_IOAPIC_EOI, &vcpu->requests));
	EXPECT_EQ(HV_USERSPACE, hv_lapic_eoi_exit(vcpu));
	EXPECT_EQ(KVM_EXIT_IOAPIC_EOI, vcpu->run->exit_reason);
	EXPECT_EQ(VEC, vcpu->run->eoi.vector);
}

TEST_F(state, external_vector_of_a_split_chip)
{
	struct hv_vcpu *vcpu = cpu(0);

	apic_enable(vcpu);
	vcpu->external_vector = 0x20;
	EXPECT_EQ(0x20, world_take(vcpu));
	EXPECT_EQ(-1, world_take(vcpu));
	apic_write(vcpu, APIC_LVT0, APIC_DM_EXTINT | APIC_LVT_MASKED);
	vcpu->external_vector = 0x21;
	EXPECT_EQ(-1, world_take(vcpu));
}

TEST_HARNESS_MAIN
