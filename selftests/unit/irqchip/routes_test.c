// SPDX-License-Identifier: GPL-2.0-only
/*
 * GSI routing, MSIs and the I/O bus. Guards against tables that are half
 * taken, messages to the wrong place, and devices found at others' addresses.
 */
#include "world.h"

#include "kselftest_harness.h"

#define VEC	0x61

FIXTURE(route) {
};

FIXTURE_SETUP(route)
{
	unsigned int i;

	world_start(WORLD_FULL, true);
	for (i = 0; i < WORLD_VCPUS; i++)
		apic_enable(cpu(i));
}

FIXTURE_TEARDOWN(route)
{
	world_stop();
}

static struct kvm_irq_routing_entry pin(u32 gsi, u32 chip, u32 pin)
{
	return (struct kvm_irq_routing_entry){ .gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP,
					       .u.irqchip = { .irqchip = chip, .pin = pin } };
}

static struct kvm_irq_routing_entry msi(u32 gsi, u32 dest, u32 data)
{
	return (struct kvm_irq_routing_entry){ .gsi = gsi, .type = KVM_IRQ_ROUTING_MSI,
					       .u.msi = { .address_lo = 0xfee00000 | dest << 12,
							  .data = data } };
}

static int set(const struct kvm_irq_routing_entry *e, u32 nr)
{
	return hv_routing_set(&world.vm, e, nr, 0);
}

static int trigger(u32 gsi)
{
	return hv_gsi_pulse(&world.vm, HV_IRQ_SOURCE_IRQFD, gsi);
}

TEST_F(route, messages)
{
	struct kvm_irq_routing_entry e[] = {
		msi(4095, 2, VEC), msi(0, 1, VEC + 1), msi(100, 3, VEC | APIC_DM_NMI),
	};

	ASSERT_EQ(0, set(e, 3));
	EXPECT_EQ(1, trigger(4095));
	EXPECT_EQ(VEC, world_take(cpu(2)));
	EXPECT_EQ(1, trigger(0));
	EXPECT_EQ(VEC + 1, world_take(cpu(1)));
	EXPECT_EQ(1, trigger(100));
	EXPECT_EQ(1, world.cpu[3].nmis);
	/* the fall of a message's line is nothing */
	EXPECT_EQ(-1, hv_gsi_set_level(&world.vm, HV_IRQ_SOURCE_USER, 0, 0));
	EXPECT_EQ(-1, trigger(1));
	EXPECT_EQ(-1, trigger(4096));
	ASSERT_EQ(0, set(NULL, 0));
	EXPECT_EQ(-1, trigger(0));
}

TEST_F(route, several_pins_of_a_gsi)
{
	struct kvm_irq_routing_entry e[] = {
		pin(9, KVM_IRQCHIP_IOAPIC, 22), pin(3, KVM_IRQCHIP_IOAPIC, 21),
		pin(9, KVM_IRQCHIP_PIC_SLAVE, 1),
	};

	ASSERT_EQ(0, set(e, 3));
	out8(0xa1, 0);
	ioapic_redir(22, 1ULL << 56 | VEC);
	EXPECT_EQ(2, trigger(9));
	EXPECT_EQ(VEC, world_take(cpu(1)));
	out8(0xa0, 0x0a);
	EXPECT_EQ(BIT(1), in8(0xa0));
}

TEST_F(route, acknowledgment_finds_the_gsi)
{
	struct kvm_irq_routing_entry e[] = { pin(13, KVM_IRQCHIP_IOAPIC, 22) };

	ASSERT_EQ(0, set(e, 1));
	ioapic_redir(22, 1ULL << 56 | VEC);
	trigger(13);
	EXPECT_EQ(VEC, world_take(cpu(1)));
	eoi(cpu(1));
	EXPECT_EQ(1, world.resampled[13]);
	EXPECT_EQ(0, world.resampled[22]);
}

TEST_F(route, refused_tables_change_nothing)
{
	struct kvm_irq_routing_entry good[] = { msi(5, 2, VEC) };
	struct kvm_irq_routing_entry bad[][2] = {
		{ msi(7, 0, VEC), msi(7, 1, VEC) },
		{ msi(7, 0, VEC), pin(7, KVM_IRQCHIP_IOAPIC, 1) },
		{ pin(7, KVM_IRQCHIP_IOAPIC, 2), pin(7, KVM_IRQCHIP_IOAPIC, 1) },
		{ msi(7, 0, VEC), pin(8, KVM_IRQCHIP_IOAPIC, 24) },
		{ msi(7, 0, VEC), pin(8, KVM_IRQCHIP_PIC_MASTER, 8) },
		{ msi(7, 0, VEC), pin(8, 3, 0) },
		{ msi(7, 0, VEC), pin(8, U32_MAX, 0) },
		{ msi(7, 0, VEC), msi(4096, 0, VEC) },
		{ msi(7, 0, VEC), msi(U32_MAX, 0, VEC) },
		{ msi(7, 0, VEC), { .gsi = 8, .type = KVM_IRQ_ROUTING_HV_SINT } },
		{ msi(7, 0, VEC), { .gsi = 8, .type = KVM_IRQ_ROUTING_MSI, .flags = 1 } },
	};
	unsigned int i;

	ASSERT_EQ(0, set(good, 1));
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(-EINVAL, set(bad[i], 2));
	EXPECT_EQ(-EINVAL, hv_routing_set(&world.vm, good, 1, 1));
	EXPECT_EQ(-EINVAL, hv_routing_set(&world.vm, good, 4097, 0));
	EXPECT_EQ(1, trigger(5));
	EXPECT_EQ(VEC, world_take(cpu(2)));
}

TEST_F(route, full_table)
{
	static struct kvm_irq_routing_entry e[4096];
	unsigned int i;

	for (i = 0; i < 4096; i++)
		e[i] = msi(4095 - i, i % WORLD_VCPUS, VEC);
	ASSERT_EQ(0, set(e, 4096));
	for (i = 0; i < 4096; i += 97) {
		ASSERT_EQ(1, trigger(i));
		ASSERT_EQ(VEC, world_take(cpu((4095 - i) % WORLD_VCPUS)));
		eoi(cpu((4095 - i) % WORLD_VCPUS));
	}
}

TEST_F(route, wide_ids)
{
	struct kvm_msi m = { .address_lo = 0xfee02000, .address_hi = 0x100, .data = VEC };
	struct kvm_irq_routing_entry e = msi(5, 2, VEC);

	/* ignored, unless asked for */
	EXPECT_EQ(1, hv_signal_msi(&world.vm, &m));
	EXPECT_EQ(VEC, world_take(cpu(2)));
	world.vm.x2apic_format = true;
	EXPECT_EQ(0, hv_signal_msi(&world.vm, &m));
	m.address_hi = 1;
	EXPECT_EQ(-EINVAL, hv_signal_msi(&world.vm, &m));
	e.u.msi.address_hi = 1;
	EXPECT_EQ(-EINVAL, set(&e, 1));
	m.address_hi = 0;
	m.flags = KVM_MSI_VALID_DEVID;
	EXPECT_EQ(-EINVAL, hv_signal_msi(&world.vm, &m));
}

TEST_F(route, redirection_hint)
{
	struct kvm_msi m = { .address_lo = 0xfeeff000 | BIT(3), .data = VEC };
	unsigned int i, got = 0;

	EXPECT_EQ(1, hv_signal_msi(&world.vm, &m));
	for (i = 0; i < WORLD_VCPUS; i++)
		got += world_take(cpu(i)) == VEC;
	EXPECT_EQ(1, got);
}

FIXTURE(split) {
};

FIXTURE_SETUP(split)
{
	world_start(WORLD_SPLIT, true);
}

FIXTURE_TEARDOWN(split)
{
	world_stop();
}

TEST_F(split, has_no_chips)
{
	struct kvm_irq_routing_entry e = pin(5, KVM_IRQCHIP_IOAPIC, 5);
	struct kvm_pit_config config = {};
	struct kvm_irqchip chip = {};
	struct kvm_pit_state2 pit;
	u32 value;

	EXPECT_EQ(-EINVAL, set(&e, 1));
	EXPECT_EQ(-ENXIO, hv_irqchip_get(&world.vm, &chip));
	EXPECT_EQ(-ENXIO, hv_irqchip_set(&world.vm, &chip));
	EXPECT_EQ(-ENOENT, hv_pit_create(&world.vm, &config));
	EXPECT_EQ(-ENXIO, hv_pit_get2(&world.vm, &pit));
	EXPECT_EQ(-EOPNOTSUPP, hv_iobus_read(cpu(0), HV_MMIO_BUS, IO_APIC_DEFAULT_PHYS_BASE, 4,
					     &value));
	e = msi(5, 1, VEC);
	EXPECT_EQ(0, set(&e, 1));
}

/* The bus, with devices that remember who was asked. */
struct device {
	struct hv_iodev dev;
	unsigned int writes, destroyed;
	bool refuses;
};

static int dev_write(struct hv_vcpu *vcpu, struct hv_iodev *dev, u64 addr, unsigned int len,
		     const void *val)
{
	struct device *d = container_of(dev, struct device, dev);

	if (d->refuses)
		return -EOPNOTSUPP;
	d->writes++;
	return 0;
}

static void dev_destroy(struct hv_iodev *dev)
{
	container_of(dev, struct device, dev)->destroyed++;
}

static const struct hv_iodev_ops plain = { .write = dev_write, .destroy = dev_destroy };
static const struct hv_iodev_ops shared = { .write = dev_write, .destroy = dev_destroy,
					    .shared = true };

static int add(u64 addr, u64 len, struct device *d)
{
	int ret;

	mutex_lock(&world.vm.slots_lock);
	ret = hv_iobus_add(&world.vm, HV_MMIO_BUS, addr, len, &d->dev);
	mutex_unlock(&world.vm.slots_lock);
	return ret;
}

static void remove_dev(struct device *d)
{
	mutex_lock(&world.vm.slots_lock);
	hv_iobus_remove(&world.vm, HV_MMIO_BUS, &d->dev);
	mutex_unlock(&world.vm.slots_lock);
}

static int put(u64 addr, unsigned int len)
{
	u64 value = 0;

	return hv_iobus_write(cpu(0), HV_MMIO_BUS, addr, len, &value);
}

TEST_F(split, bus_bounds)
{
	struct device a = { .dev.ops = &plain }, b = { .dev.ops = &plain };
	struct device end = { .dev.ops = &plain };
	u32 value;

	ASSERT_EQ(0, add(0x1000, 0x100, &a));
	ASSERT_EQ(0, add(0x1100, 4, &b));
	ASSERT_EQ(0, add(U64_MAX - 7, 8, &end));
	EXPECT_EQ(-EEXIST, add(0xfff, 2, &b));
	EXPECT_EQ(-EEXIST, add(0x10ff, 1, &b));
	EXPECT_EQ(-EEXIST, add(0x1080, 0, &b));
	EXPECT_EQ(0, put(0x1000, 4));
	EXPECT_EQ(0, put(0x10fc, 4));
	EXPECT_EQ(2, a.writes);
	EXPECT_EQ(-EOPNOTSUPP, put(0x10fd, 4));
	EXPECT_EQ(-EOPNOTSUPP, put(0xffe, 4));
	EXPECT_EQ(0, put(0x1103, 1));
	EXPECT_EQ(1, b.writes);
	EXPECT_EQ(-EOPNOTSUPP, put(0x1104, 1));
	EXPECT_EQ(0, put(U64_MAX - 7, 8));
	EXPECT_EQ(-EOPNOTSUPP, put(U64_MAX - 3, 8));
	EXPECT_EQ(-EOPNOTSUPP, hv_iobus_read(cpu(0), HV_MMIO_BUS, 0x1000, 4, &value));
	EXPECT_EQ(-EOPNOTSUPP, hv_iobus_write(cpu(0), HV_PIO_BUS, 0x1000, 4, &value));
	remove_dev(&a);
	EXPECT_EQ(1, a.destroyed);
	EXPECT_EQ(-EOPNOTSUPP, put(0x1000, 4));
	EXPECT_EQ(0, put(0x1100, 4));
	remove_dev(&b);
	remove_dev(&end);
}

TEST_F(split, doorbells_share)
{
	struct device one = { .dev.ops = &shared, .refuses = true };
	struct device two = { .dev.ops = &shared }, any = { .dev.ops = &shared };
	struct device plain_one = { .dev.ops = &plain };

	ASSERT_EQ(0, add(0x2000, 4, &one));
	ASSERT_EQ(0, add(0x2000, 4, &two));
	ASSERT_EQ(0, add(0x2002, 0, &any));
	EXPECT_EQ(-EEXIST, add(0x2001, 1, &plain_one));
	EXPECT_EQ(0, put(0x2000, 4));
	EXPECT_EQ(1, two.writes);
	EXPECT_EQ(0, put(0x2002, 1));
	EXPECT_EQ(0, put(0x2002, 8));
	EXPECT_EQ(2, any.writes);
	/* before the instruction is decoded, only what rings at any length */
	EXPECT_EQ(-EOPNOTSUPP, hv_iobus_write(cpu(0), HV_MMIO_BUS, 0x2000, 0, NULL));
	EXPECT_EQ(0, hv_iobus_write(cpu(0), HV_MMIO_BUS, 0x2002, 0, NULL));
	two.refuses = true;
	EXPECT_EQ(-EOPNOTSUPP, put(0x2000, 4));
	remove_dev(&one);
	remove_dev(&two);
	remove_dev(&any);
	EXPECT_EQ(3, one.destroyed + two.destroyed + any.destroyed);
}

TEST_F(split, bus_is_finite)
{
	static struct device d = { .dev.ops = &shared };
	unsigned int i;

	for (i = 0; i < HV_IOBUS_MAX; i++)
		ASSERT_EQ(0, add(0x1000 + 16 * i, 4, &d));
	EXPECT_EQ(-ENOSPC, add(0x10, 4, &d));
	EXPECT_EQ(0, put(0x1000 + 16 * 777, 4));
	remove_dev(&d);
	EXPECT_EQ(1, d.destroyed);
	EXPECT_EQ(-EOPNOTSUPP, put(0x1000, 4));
}

TEST_HARNESS_MAIN
