// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 8259 pair, the I/O APIC and the 8254, by their data sheets. Guards
 * against wrong priorities, interrupts lost at EOI, stuck levels, and a clock
 * that loses or invents ticks.
 */
#include "world.h"

#include "kselftest_harness.h"

#define MASTER	0x20
#define SLAVE	0xa0
#define EOI	0x20
#define VEC	0x51

static void line(u32 gsi, int level)
{
	hv_gsi_set_level(&world.vm, HV_IRQ_SOURCE_USER, gsi, level);
}

static void pulse(u32 gsi)
{
	line(gsi, 1);
	line(gsi, 0);
}

static int take(void)
{
	return world_take(cpu(0));
}

static void init_chip(u16 port, u8 base, u8 icw3, u8 icw4)
{
	out8(port, 0x11);
	out8(port + 1, base);
	out8(port + 1, icw3);
	out8(port + 1, icw4);
}

FIXTURE(pic) {
};

FIXTURE_SETUP(pic)
{
	world_start(WORLD_FULL, true);
	init_chip(MASTER, 0x20, 4, 1);
	init_chip(SLAVE, 0x28, 2, 1);
}

FIXTURE_TEARDOWN(pic)
{
	world_stop();
}

TEST_F(pic, nested)
{
	pulse(5);
	EXPECT_EQ(0x25, take());
	pulse(6);
	EXPECT_EQ(-1, take());
	pulse(3);
	EXPECT_EQ(0x23, take());
	out8(MASTER, EOI);
	EXPECT_EQ(-1, take());
	out8(MASTER, EOI);
	EXPECT_EQ(0x26, take());
}

TEST_F(pic, cascade)
{
	pulse(12);
	EXPECT_EQ(0x2c, take());
	pulse(9);
	/* the master holds the slave's line in service */
	EXPECT_EQ(-1, take());
	pulse(1);
	EXPECT_EQ(0x21, take());
	out8(MASTER, EOI);
	out8(SLAVE, EOI);
	out8(MASTER, EOI);
	EXPECT_EQ(0x29, take());
	pulse(3);
	EXPECT_EQ(-1, take());
	out8(SLAVE, EOI);
	out8(MASTER, EOI);
	EXPECT_EQ(0x23, take());
}

TEST_F(pic, special_fully_nested)
{
	init_chip(MASTER, 0x20, 4, 0x11);
	pulse(12);
	EXPECT_EQ(0x2c, take());
	pulse(9);
	EXPECT_EQ(0x29, take());
}

TEST_F(pic, mask)
{
	out8(MASTER + 1, BIT(4));
	line(4, 1);
	EXPECT_EQ(-1, take());
	EXPECT_EQ(BIT(4), in8(MASTER + 1));
	out8(MASTER + 1, 0);
	EXPECT_EQ(0x24, take());
}

TEST_F(pic, read_irr_isr)
{
	pulse(4);
	pulse(6);
	out8(MASTER, 0x0a);
	EXPECT_EQ(BIT(4) | BIT(6), in8(MASTER));
	EXPECT_EQ(0x24, take());
	EXPECT_EQ(BIT(6), in8(MASTER));
	out8(MASTER, 0x0b);
	EXPECT_EQ(BIT(4), in8(MASTER));
}

TEST_F(pic, specific_eoi_and_rotation)
{
	pulse(2 + 1);
	EXPECT_EQ(0x23, take());
	out8(MASTER, 0xe3);	/* rotate on specific EOI: 3 is lowest now */
	pulse(3);
	pulse(7);
	EXPECT_EQ(0x27, take());
	out8(MASTER, 0x67);
	EXPECT_EQ(0x23, take());
	out8(MASTER, 0xa0);	/* rotate on non-specific EOI */
	out8(MASTER, 0xc7);	/* set priority: 7 is lowest, the usual order */
	pulse(3);
	pulse(1);
	EXPECT_EQ(0x21, take());
}

TEST_F(pic, automatic_eoi)
{
	init_chip(MASTER, 0x20, 4, 3);
	pulse(5);
	EXPECT_EQ(0x25, take());
	pulse(6);
	EXPECT_EQ(0x26, take());
	out8(MASTER, 0x80);	/* rotate in automatic EOI mode */
	pulse(1);
	EXPECT_EQ(0x21, take());
	pulse(1);
	pulse(6);
	EXPECT_EQ(0x26, take());
	EXPECT_EQ(0x21, take());
}

TEST_F(pic, special_mask)
{
	pulse(3);
	EXPECT_EQ(0x23, take());
	out8(MASTER, 0x68);
	out8(MASTER + 1, BIT(3));
	pulse(6);
	EXPECT_EQ(0x26, take());
	out8(MASTER, 0x48);
	pulse(7);
	EXPECT_EQ(-1, take());
}

TEST_F(pic, poll)
{
	out8(MASTER, 0x0c);
	EXPECT_EQ(0x07, in8(MASTER));
	pulse(5);
	out8(MASTER, 0x0c);
	EXPECT_EQ(0x85, in8(MASTER));
	EXPECT_EQ(-1, take());
	out8(MASTER, 0x0b);
	EXPECT_EQ(BIT(5), in8(MASTER));
}

TEST_F(pic, level_by_elcr)
{
	out8(0x4d0, 0xff);
	out8(0x4d1, 0xff);
	EXPECT_EQ(0xf8, in8(0x4d0));
	EXPECT_EQ(0xde, in8(0x4d1));
	line(5, 1);
	EXPECT_EQ(0x25, take());
	out8(MASTER, EOI);
	/* still up */
	EXPECT_EQ(0x25, take());
	line(5, 0);
	out8(MASTER, EOI);
	EXPECT_EQ(-1, take());
	/* two hold it */
	line(5, 1);
	hv_gsi_set_level(&world.vm, HV_IRQ_SOURCE_RESAMPLE, 5, 1);
	line(5, 0);
	EXPECT_EQ(0x25, take());
}

TEST_F(pic, an_edge_counts_once)
{
	line(5, 1);
	EXPECT_EQ(0x25, take());
	out8(MASTER, EOI);
	line(5, 1);
	EXPECT_EQ(-1, take());
	line(5, 0);
	line(5, 1);
	EXPECT_EQ(0x25, take());
}

TEST_F(pic, lint0)
{
	unsigned int before = world.cpu[0].nmis;

	apic_enable(cpu(0));
	apic_write(cpu(0), APIC_LVT0, APIC_DM_NMI);
	pulse(1);
	EXPECT_EQ(-1, take());
	EXPECT_EQ(before + 1, world.cpu[0].nmis);
	apic_write(cpu(0), APIC_LVT0, VEC);
	pulse(3);
	EXPECT_EQ(VEC, take());
	eoi(cpu(0));
	apic_write(cpu(0), APIC_LVT0, APIC_DM_EXTINT);
	EXPECT_EQ(0x21, take());
}

TEST_F(pic, wakes_who_listens)
{
	world.cpu[0].kicks = 0;
	pulse(5);
	EXPECT_EQ(1, world.cpu[0].kicks);
	EXPECT_TRUE(test_bit(HV_REQ_EVENT, &cpu(0)->requests));
	EXPECT_EQ(0, world.cpu[1].kicks);
}

TEST_F(pic, status)
{
	EXPECT_GT(hv_gsi_set_level(&world.vm, HV_IRQ_SOURCE_USER, 5, 1), 0);
	EXPECT_EQ(0, hv_gsi_set_level(&world.vm, HV_IRQ_SOURCE_USER, 5, 1));
	out8(MASTER + 1, BIT(6));
	EXPECT_EQ(-1, hv_gsi_set_level(&world.vm, HV_IRQ_SOURCE_USER, 6, 1));
	EXPECT_EQ(-1, hv_gsi_set_level(&world.vm, HV_IRQ_SOURCE_USER, 4095, 1));
	EXPECT_EQ(-1, hv_gsi_set_level(&world.vm, HV_IRQ_SOURCE_USER, U32_MAX, 1));
}

FIXTURE(ioapic) {
};

#define LEVEL	BIT_ULL(15)
#define MASKED	BIT_ULL(16)
#define REMOTE	BIT_ULL(14)
#define TO(id)	((u64)(id) << 56)
#define PIN	20

FIXTURE_SETUP(ioapic)
{
	unsigned int i;

	world_start(WORLD_FULL, true);
	for (i = 0; i < WORLD_VCPUS; i++)
		apic_enable(cpu(i));
}

FIXTURE_TEARDOWN(ioapic)
{
	world_stop();
}

TEST_F(ioapic, registers)
{
	EXPECT_EQ(0x170011, ioapic_read(1));
	ioapic_write(0, 0xffffffff);
	EXPECT_EQ(0x0f000000, ioapic_read(0));
	EXPECT_EQ(MASKED, ioapic_entry(23));
	ioapic_redir(23, U64_MAX & ~MASKED);
	EXPECT_EQ(0xff0000000000afffULL, ioapic_entry(23));
	ioapic_write(0x40, 1);
	EXPECT_EQ(0, ioapic_read(0x40));
	EXPECT_EQ(0, ioapic_read(0xff));
}

TEST_F(ioapic, edge)
{
	ioapic_redir(PIN, TO(2) | VEC);
	pulse(PIN);
	EXPECT_EQ(VEC, world_take(cpu(2)));
	eoi(cpu(2));
	EXPECT_EQ(-1, world_take(cpu(2)));
	line(PIN, 1);
	line(PIN, 1);
	EXPECT_EQ(VEC, world_take(cpu(2)));
	eoi(cpu(2));
	EXPECT_EQ(-1, world_take(cpu(2)));
	line(PIN, 0);
	/* an edge on a masked pin is gone */
	ioapic_redir(PIN, TO(2) | VEC | MASKED);
	pulse(PIN);
	ioapic_redir(PIN, TO(2) | VEC);
	EXPECT_EQ(-1, world_take(cpu(2)));
}

TEST_F(ioapic, level)
{
	ioapic_redir(PIN, TO(1) | VEC | LEVEL);
	line(PIN, 1);
	EXPECT_TRUE(ioapic_entry(PIN) & REMOTE);
	EXPECT_EQ(VEC, world_take(cpu(1)));
	line(PIN, 1);
	EXPECT_EQ(-1, world_take(cpu(1)));
	eoi(cpu(1));
	/* still up: again */
	EXPECT_EQ(VEC, world_take(cpu(1)));
	line(PIN, 0);
	eoi(cpu(1));
	EXPECT_EQ(-1, world_take(cpu(1)));
	EXPECT_FALSE(ioapic_entry(PIN) & REMOTE);
}

TEST_F(ioapic, unmasking_a_level)
{
	ioapic_redir(PIN, TO(1) | VEC | LEVEL | MASKED);
	line(PIN, 1);
	EXPECT_EQ(-1, world_take(cpu(1)));
	ioapic_redir(PIN, TO(1) | VEC | LEVEL);
	EXPECT_EQ(VEC, world_take(cpu(1)));
}

TEST_F(ioapic, edge_mode_clears_a_stuck_remote_irr)
{
	ioapic_redir(PIN, TO(1) | VEC | LEVEL);
	line(PIN, 1);
	line(PIN, 0);
	/* software cannot write it */
	ioapic_redir(PIN, TO(1) | VEC | LEVEL | MASKED);
	EXPECT_TRUE(ioapic_entry(PIN) & REMOTE);
	ioapic_redir(PIN, TO(1) | VEC | MASKED);
	ioapic_redir(PIN, TO(1) | VEC | LEVEL);
	EXPECT_FALSE(ioapic_entry(PIN) & REMOTE);
	ioapic_redir(PIN, TO(1) | VEC | LEVEL | REMOTE);
	EXPECT_FALSE(ioapic_entry(PIN) & REMOTE);
}

TEST_F(ioapic, resample)
{
	ioapic_redir(PIN, TO(0) | VEC | LEVEL);
	world.lower_on_ack = BIT(PIN);
	hv_gsi_set_level(&world.vm, HV_IRQ_SOURCE_RESAMPLE, PIN, 1);
	EXPECT_EQ(VEC, take());
	EXPECT_EQ(0, world.resampled[PIN]);
	eoi(cpu(0));
	EXPECT_EQ(1, world.resampled[PIN]);
	EXPECT_EQ(-1, take());
}

TEST_F(ioapic, nmi_and_nobody)
{
	ioapic_redir(PIN, TO(3) | APIC_DM_NMI);
	pulse(PIN);
	EXPECT_EQ(1, world.cpu[3].nmis);
	ioapic_redir(PIN, TO(99) | VEC | LEVEL);
	EXPECT_EQ(-1, hv_gsi_set_level(&world.vm, HV_IRQ_SOURCE_USER, PIN, 1));
	EXPECT_FALSE(ioapic_entry(PIN) & REMOTE);
	/* a destination at last */
	ioapic_redir(PIN, TO(0) | VEC | LEVEL);
	EXPECT_EQ(VEC, take());
}

TEST_F(ioapic, state)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	ioapic_redir(PIN, TO(1) | VEC);
	line(PIN, 1);
	hv_irqchip_get(&world.vm, &chip);
	EXPECT_EQ(TO(1) | VEC, chip.chip.ioapic.redirtbl[PIN].bits);
	/* this edge was delivered: it is not once more at the destination */
	EXPECT_EQ(0, chip.chip.ioapic.irr);
	EXPECT_EQ(VEC, world_take(cpu(1)));
	eoi(cpu(1));
	chip.chip.ioapic.irr = BIT(PIN);
	EXPECT_EQ(0, hv_irqchip_set(&world.vm, &chip));
	EXPECT_EQ(VEC, world_take(cpu(1)));
	chip.chip.ioapic.base_address = 0;
	EXPECT_EQ(-EINVAL, hv_irqchip_set(&world.vm, &chip));
}

FIXTURE(pit) {
};

#define HZ_COUNT	11932u	/* 100 Hz */
#define TICK_NS		10000151u

FIXTURE_SETUP(pit)
{
	struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };

	world_start(WORLD_FULL, true);
	assert(!hv_pit_create(&world.vm, &config));
	init_chip(MASTER, 0x20, 4, 1);
}

FIXTURE_TEARDOWN(pit)
{
	world_stop();
}

static void program(unsigned int channel, u8 mode, u16 count)
{
	out8(0x43, channel << 6 | 0x30 | mode << 1);
	out8(0x40 + channel, count);
	out8(0x40 + channel, count >> 8);
}

static u16 read_count(unsigned int channel)
{
	u16 low = in8(0x40 + channel);

	return low | in8(0x40 + channel) << 8;
}

TEST_F(pit, rate)
{
	unsigned int i;

	program(0, 2, HZ_COUNT);
	for (i = 0; i < 5; i++) {
		world_pass(TICK_NS);
		ASSERT_EQ(0x20, take());
		ASSERT_EQ(-1, take());
		out8(MASTER, EOI);
	}
}

TEST_F(pit, oneshot)
{
	program(0, 0, HZ_COUNT);
	world_pass(TICK_NS);
	EXPECT_EQ(0x20, take());
	out8(MASTER, EOI);
	world_pass(10 * TICK_NS);
	EXPECT_EQ(-1, take());
}

TEST_F(pit, no_tick_is_lost)
{
	unsigned int i;

	program(0, 2, HZ_COUNT);
	world_pass(7 * TICK_NS);
	out8(0x43, 0x30);	/* stopped: what waits is gone with it */
	EXPECT_EQ(0x20, take());
	out8(MASTER, EOI);
	EXPECT_EQ(-1, take());
	program(0, 2, HZ_COUNT);
	world_pass(7 * TICK_NS);
	for (i = 0; i < 7; i++) {
		ASSERT_EQ(0x20, take());
		out8(MASTER, EOI);
	}
	EXPECT_EQ(-1, take());
}

TEST_F(pit, no_reinjection)
{
	EXPECT_EQ(0, hv_pit_reinject(&world.vm, false));
	program(0, 2, HZ_COUNT);
	world_pass(7 * TICK_NS);
	EXPECT_EQ(0x20, take());
	out8(MASTER, EOI);
	EXPECT_EQ(-1, take());
}

TEST_F(pit, masked_ticks_do_not_wait)
{
	out8(MASTER + 1, 1);
	program(0, 2, HZ_COUNT);
	world_pass(7 * TICK_NS);
	out8(MASTER + 1, 0);
	take();
	out8(MASTER, EOI);
	EXPECT_EQ(-1, take());
	world_pass(TICK_NS);
	EXPECT_EQ(0x20, take());
}

TEST_F(pit, a_flood_is_slowed_down)
{
	struct hrtimer *t;

	program(0, 2, 1);
	for (t = world.timers; t && !t->active; t = t->next)
		;
	ASSERT_NE(NULL, t);
	EXPECT_GE((u64)t->expires - world.now, 200000);
}

TEST_F(pit, counts_down)
{
	program(2, 0, 1000);
	world_pass(500 * 1000000000ULL / PIT_TICK_RATE + 100);
	EXPECT_EQ(500, read_count(2));
	out8(0x43, 0x80);	/* latch */
	world_pass(100 * 1000000000ULL / PIT_TICK_RATE + 100);
	EXPECT_EQ(500, read_count(2));
	EXPECT_EQ(400, read_count(2));
	EXPECT_FALSE(in8(0x61) & 0x20);
	world_pass(400 * 1000000000ULL / PIT_TICK_RATE + 1000);
	EXPECT_TRUE(in8(0x61) & 0x20);
}

TEST_F(pit, read_back)
{
	program(2, 3, 1000);
	out8(0x43, 0xc8);	/* status and count of channel 2 */
	EXPECT_EQ(0x80 | 0x30 | 3 << 1, in8(0x42));
	EXPECT_EQ(1000, read_count(2));
}

TEST_F(pit, bcd)
{
	out8(0x43, 0xb1);
	out8(0x42, 0x00);
	out8(0x42, 0x10);
	EXPECT_EQ(0x1000, read_count(2));
	world_pass(1 * 1000000000ULL / PIT_TICK_RATE + 100);
	EXPECT_EQ(0x0999, read_count(2));
}

TEST_F(pit, gate)
{
	out8(0x61, 0);
	EXPECT_FALSE(in8(0x61) & 1);
	program(2, 2, 1000);
	world_pass(1000000);
	out8(0x61, 3);
	EXPECT_EQ(3, in8(0x61) & 3);
	EXPECT_EQ(1000, read_count(2));
}

TEST_F(pit, state)
{
	struct kvm_pit_state2 s, t;

	program(0, 2, HZ_COUNT);
	EXPECT_EQ(0, hv_pit_get2(&world.vm, &s));
	EXPECT_EQ(HZ_COUNT, s.channels[0].count);
	t = s;
	t.flags = 4;
	EXPECT_EQ(-EINVAL, hv_pit_set2(&world.vm, &t));
	t = s;
	t.channels[1].mode = 6;
	EXPECT_EQ(-EINVAL, hv_pit_set2(&world.vm, &t));
	t = s;
	t.channels[1].count = 0x10001;
	EXPECT_EQ(-EINVAL, hv_pit_set2(&world.vm, &t));
	s.flags = KVM_PIT_FLAGS_HPET_LEGACY;
	EXPECT_EQ(0, hv_pit_set2(&world.vm, &s));
	world_pass(5 * TICK_NS);
	EXPECT_EQ(-1, take());
	s.flags = 0;
	EXPECT_EQ(0, hv_pit_set2(&world.vm, &s));
	world_pass(TICK_NS);
	EXPECT_EQ(0x20, take());
}

TEST_F(pit, creation)
{
	struct kvm_pit_config config = { .flags = 2 };

	EXPECT_EQ(-EINVAL, hv_pit_create(&world.vm, &config));
	config.flags = 0;
	EXPECT_EQ(-EEXIST, hv_pit_create(&world.vm, &config));
	EXPECT_EQ(-EEXIST, hv_irqchip_create(&world.vm));
	EXPECT_EQ(-EEXIST, hv_irqchip_create_split(&world.vm));
}

TEST_HARNESS_MAIN
