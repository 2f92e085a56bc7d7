// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random guests, random devices and random saved state, on all controllers at
 * once, under ASan and UBSan with every lock checked. Afterwards the machine
 * still works. FUZZ_SEED and FUZZ_STEPS choose another run.
 */
#include <stdio.h>

#include "world.h"

#include "kselftest_harness.h"

#define STEPS	2000000

static u64 state;

static u64 rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static u32 below(u32 n)
{
	return (rnd() >> 11) % n;
}

/* Often something with meaning, else anything. */
static u64 value(void)
{
	switch (below(4)) {
	case 0:
		return below(256);
	case 1:
		return BIT_ULL(below(64));
	case 2:
		return ~BIT_ULL(below(64));
	default:
		return rnd();
	}
}

static void poke_ports(struct hv_vcpu *vcpu)
{
	static const u16 ports[] = {
		0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x40, 0x41, 0x42, 0x43, 0x61,
	};
	u16 port = ports[below(ARRAY_SIZE(ports))];
	u32 v = value();

	if (below(2))
		hv_iobus_write(vcpu, HV_PIO_BUS, port, 1u << below(3), &v);
	else
		hv_iobus_read(vcpu, HV_PIO_BUS, port, 1u << below(3), &v);
}

static void poke_ioapic(struct hv_vcpu *vcpu)
{
	u64 v = below(2) ? below(0x48) : value(), addr = IO_APIC_DEFAULT_PHYS_BASE;

	addr += below(4) ? 0x10 * below(2) : below(0x110);
	if (below(3))
		hv_iobus_write(vcpu, HV_MMIO_BUS, addr, 1u << below(4), &v);
	else
		hv_iobus_read(vcpu, HV_MMIO_BUS, addr, 1u << below(4), &v);
}

static void poke_lapic(struct hv_vcpu *vcpu)
{
	u64 gpa = (vcpu->msr.apic_base & ~0xfffULL) + (below(8) ? below(0x41) * 16 : below(4096));
	u64 v = value();

	if (below(4))
		hv_lapic_mmio_write(vcpu, gpa, below(4) ? 4 : 1u << below(4), &v);
	else
		hv_lapic_mmio_read(vcpu, gpa, below(4) ? 4 : 1u << below(4), &v);
}

static void poke_x2apic(struct hv_vcpu *vcpu)
{
	u32 msr = APIC_BASE_MSR + (below(8) ? below(0x40) : below(0x100));
	u64 v = value();

	if (below(4))
		hv_lapic_x2apic_write(vcpu, msr, v);
	else
		hv_lapic_x2apic_read(vcpu, msr, &v);
}

static void poke_base(struct hv_vcpu *vcpu)
{
	u64 v = below(2) ? vcpu->msr.apic_base ^ BIT(8 + below(4)) : value();

	if (!below(8))
		hv_lapic_base_write(vcpu, v, below(2));
	else
		hv_lapic_base_write(vcpu, APIC_DEFAULT_PHYS_BASE | XAPIC_ENABLE, true);
}

static void poke_state(struct hv_vcpu *vcpu)
{
	struct kvm_irqchip chip = { .chip_id = below(4) };
	struct kvm_pit_state2 pit;
	struct kvm_lapic_state s;
	char *bytes = (char *)&chip.chip;

	hv_irqchip_get(&world.vm, &chip);
	bytes[below(chip.chip_id == 2 ? 216 : 16)] = value();
	hv_irqchip_set(&world.vm, &chip);
	hv_pit_get2(&world.vm, &pit);
	((char *)&pit)[below(sizeof(pit.channels))] = value();
	hv_pit_set2(&world.vm, &pit);
	hv_lapic_get(vcpu, &s);
	s.regs[below(sizeof(s.regs))] = value();
	hv_lapic_set(vcpu, &s);
}

static void poke_routes(void)
{
	struct kvm_irq_routing_entry e[8];
	unsigned int i;

	for (i = 0; i < 8; i++)
		e[i] = (struct kvm_irq_routing_entry){
			.gsi = below(24), .type = 1 + below(2),
			.u = { .pad = { below(3), below(24), value(), value() } },
		};
	hv_routing_set(&world.vm, e, below(9), 0);
	if (!below(3))
		hv_routing_set_default(&world.vm);
}

static void poke_devices(void)
{
	struct kvm_msi m = { .address_lo = value(), .address_hi = value(), .data = value() };

	switch (below(3)) {
	case 0:
		hv_gsi_set_level(&world.vm, below(4), below(32), below(2));
		break;
	case 1:
		hv_gsi_pulse(&world.vm, HV_IRQ_SOURCE_IRQFD, below(32));
		break;
	default:
		hv_signal_msi(&world.vm, &m);
	}
}

static void run(struct hv_vcpu *vcpu)
{
	if (!below(16)) {
		hv_lapic_timer_block(vcpu);
		world_pass(below(1000000));
		hv_lapic_timer_expired(vcpu);
		hv_lapic_timer_unblock(vcpu);
	}
	world_take(vcpu);
	hv_lapic_set_tpr(vcpu, below(4) ? 0 : below(16));
	hv_lapic_deadline_write(vcpu, below(2) ? rdtsc() + below(100000) : value());
	world_pass(below(8) ? below(10000) : below(100000000));
}

static void step(void)
{
	struct hv_vcpu *vcpu = cpu(below(WORLD_VCPUS));

	switch (below(16)) {
	case 0 ... 1:
		poke_ports(vcpu);
		break;
	case 2 ... 3:
		poke_ioapic(vcpu);
		break;
	case 4 ... 6:
		poke_lapic(vcpu);
		break;
	case 7 ... 8:
		poke_x2apic(vcpu);
		break;
	case 9:
		if (!below(8))
			poke_base(vcpu);
		break;
	case 10:
		if (!below(8))
			poke_state(vcpu);
		break;
	case 11:
		if (!below(16))
			poke_routes();
		break;
	case 12 ... 13:
		poke_devices();
		break;
	default:
		run(vcpu);
	}
}

/* What always holds of a LAPIC, whatever was written. */
static bool consistent(struct hv_vcpu *vcpu)
{
	u32 tpr, ppr;
	struct kvm_lapic_state s;

	hv_lapic_get(vcpu, &s);
	memcpy(&tpr, s.regs + APIC_TASKPRI, 4);
	memcpy(&ppr, s.regs + APIC_PROCPRI, 4);
	return tpr <= 0xff && ppr <= 0xff && (ppr & 0xf0) >= (tpr & 0xf0) &&
	       hv_lapic_pending(vcpu) < 256;
}

static unsigned long from_env(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

FIXTURE(fuzz) {
};

FIXTURE_VARIANT(fuzz) {
	enum world_chip chip;
	bool hw;
};

FIXTURE_VARIANT_ADD(fuzz, full_back_end) { .chip = WORLD_FULL, .hw = true };
FIXTURE_VARIANT_ADD(fuzz, full_hrtimer) { .chip = WORLD_FULL, .hw = false };
FIXTURE_VARIANT_ADD(fuzz, split) { .chip = WORLD_SPLIT, .hw = true };

FIXTURE_SETUP(fuzz)
{
	struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };

	world_start(variant->chip, variant->hw);
	if (variant->chip == WORLD_FULL)
		assert(!hv_pit_create(&world.vm, &config));
}

FIXTURE_TEARDOWN(fuzz)
{
	world_stop();
}

TEST_F_TIMEOUT(fuzz, guest, 240)
{
	unsigned long steps = from_env("FUZZ_STEPS", STEPS), i;

	state = from_env("FUZZ_SEED", 0x9e3779b97f4a7c15);
	for (i = 0; i < steps; i++) {
		step();
		if (!(i % 64))
			ASSERT_TRUE(consistent(cpu(below(WORLD_VCPUS))));
	}
	/* and it works as if nothing had been */
	hv_lapic_reset(cpu(1), false);
	apic_enable(cpu(1));
	EXPECT_TRUE(hv_lapic_deliver(cpu(1), 0x77, false));
	EXPECT_EQ(0x77, world_take(cpu(1)));
}

TEST_HARNESS_MAIN
