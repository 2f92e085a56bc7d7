// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the state ioctls of the in-kernel irqchip: KVM_GET/SET_IRQCHIP, LAPIC, PIT2 and CLOCK
 * round trips, the order of creation, and hostile arguments. Errnos are stock KVM 6.12's.
 */
#include "kselftest_harness.h"
#include "tvm.h"

#define IOAPIC_MASKED	BIT64(16)

FIXTURE(chip) {
	struct tvm vm;
	struct tvcpu cpu;
};

static void guest_idle(void)
{
	for (;;)
		g_sync(1);
}

FIXTURE_SETUP(chip)
{
	tvm_start(&self->vm, &self->cpu, TVM_PIT, guest_idle);
}

FIXTURE_TEARDOWN(chip)
{
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

TEST_F(chip, ids)
{
	struct kvm_irqchip chip;
	unsigned int id;

	for (id = 0; id < 3; id++) {
		memset(&chip, 0x5a, sizeof(chip));
		chip.chip_id = id;
		ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_GET_IRQCHIP, &chip));
		EXPECT_EQ(id, chip.chip_id);
		EXPECT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_SET_IRQCHIP, &chip));
	}
	chip.chip_id = 3;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->vm.fd, KVM_GET_IRQCHIP, &chip));
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->vm.fd, KVM_SET_IRQCHIP, &chip));
	chip.chip_id = 0xffffffff;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->vm.fd, KVM_GET_IRQCHIP, &chip));
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->vm.fd, KVM_GET_IRQCHIP, 0x10));
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->vm.fd, KVM_SET_IRQCHIP, 0x10));
}

TEST_F(chip, pic_round_trip)
{
	struct kvm_irqchip set = { .chip_id = KVM_IRQCHIP_PIC_SLAVE }, get = set;

	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_GET_IRQCHIP, &set));
	set.chip.pic.imr = 0xa5;
	set.chip.pic.irq_base = 0x78;
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_SET_IRQCHIP, &set));
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_GET_IRQCHIP, &get));
	EXPECT_EQ(0, memcmp(&set.chip.pic, &get.chip.pic, sizeof(set.chip.pic)));
}

TEST_F(chip, ioapic_round_trip)
{
	struct kvm_irqchip set = { .chip_id = KVM_IRQCHIP_IOAPIC }, get = set;
	unsigned int i;

	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_GET_IRQCHIP, &set));
	EXPECT_EQ(IOAPIC_BASE_GPA, set.chip.ioapic.base_address);
	for (i = 0; i < KVM_IOAPIC_NUM_PINS; i++)
		EXPECT_TRUE(set.chip.ioapic.redirtbl[i].bits & IOAPIC_MASKED);
	set.chip.ioapic.redirtbl[7].bits = 0x0100000000010055ULL;
	set.chip.ioapic.id = 3;
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_SET_IRQCHIP, &set));
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_GET_IRQCHIP, &get));
	EXPECT_EQ(set.chip.ioapic.redirtbl[7].bits, get.chip.ioapic.redirtbl[7].bits);
	EXPECT_EQ(3, get.chip.ioapic.id);
}

/* Whatever a hostile VMM writes there, the machine and the guest must stand it. */
TEST_F(chip, garbage)
{
	struct kvm_irqchip chip, good[3];
	unsigned int id, fill;

	for (id = 0; id < 3; id++) {
		good[id].chip_id = id;
		ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_GET_IRQCHIP, &good[id]));
	}
	for (fill = 1; fill < 256; fill += 61) {
		for (id = 0; id < 3; id++) {
			memset(&chip, fill, sizeof(chip));
			chip.chip_id = id;
			tvm_ioctl_p(self->vm.fd, KVM_SET_IRQCHIP, &chip);
			tvm_ioctl_p(self->vm.fd, KVM_GET_IRQCHIP, &chip);
		}
	}
	for (id = 0; id < 3; id++)
		EXPECT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_SET_IRQCHIP, &good[id]));
	tvcpu_long_mode(&self->cpu, guest_idle);
}

static uint32_t lapic_reg(struct kvm_lapic_state *lapic, unsigned int off)
{
	uint32_t val;

	memcpy(&val, lapic->regs + off, sizeof(val));
	return val;
}

TEST_F(chip, lapic_round_trip)
{
	static struct kvm_lapic_state set, get;
	uint32_t val = 0x55, svr = 0x1ff;

	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_GET_LAPIC, &set));
	EXPECT_EQ(0, lapic_reg(&set, APIC_ID));
	EXPECT_EQ(0xff, lapic_reg(&set, APIC_SVR));
	EXPECT_TRUE(lapic_reg(&set, APIC_LVTT) & APIC_LVT_MASKED);
	memcpy(set.regs + APIC_TPR, &val, sizeof(val));
	memcpy(set.regs + APIC_SVR, &svr, sizeof(svr));
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_SET_LAPIC, &set));
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_GET_LAPIC, &get));
	EXPECT_EQ(0x55, lapic_reg(&get, APIC_TPR));
	EXPECT_EQ(0x1ff, lapic_reg(&get, APIC_SVR));
	EXPECT_EQ(lapic_reg(&set, APIC_VERSION), lapic_reg(&get, APIC_VERSION));
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->cpu.fd, KVM_GET_LAPIC, 0x10));
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->cpu.fd, KVM_SET_LAPIC, 0x10));
}

TEST_F(chip, lapic_garbage)
{
	static struct kvm_lapic_state bad, good;
	unsigned int fill;

	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_GET_LAPIC, &good));
	for (fill = 1; fill < 256; fill += 61) {
		memset(&bad, fill, sizeof(bad));
		tvm_ioctl_p(self->cpu.fd, KVM_SET_LAPIC, &bad);
	}
	EXPECT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_SET_LAPIC, &good));
	tvcpu_long_mode(&self->cpu, guest_idle);
}

TEST_F(chip, pit2)
{
	struct kvm_pit_state2 set, get;

	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_GET_PIT2, &set));
	set.channels[2].count = 0x1234;
	set.channels[2].mode = 3;
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_SET_PIT2, &set));
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_GET_PIT2, &get));
	EXPECT_EQ(0x1234, get.channels[2].count);
	EXPECT_EQ(3, get.channels[2].mode);
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->vm.fd, KVM_GET_PIT2, 0x10));
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->vm.fd, KVM_SET_PIT2, 0x10));
	/* counts and modes nobody could program */
	memset(&set, 0xff, sizeof(set));
	tvm_ioctl_p(self->vm.fd, KVM_SET_PIT2, &set);
	memset(&set, 0, sizeof(set));
	tvm_ioctl_p(self->vm.fd, KVM_SET_PIT2, &set);
}

/* The old ioctls have the channels and leave the flags alone. */
TEST_F(chip, pit_old)
{
	struct kvm_pit_state2 state2;
	struct kvm_pit_state state;

	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_GET_PIT2, &state2));
	state2.channels[2].count = 0x4321;
	state2.channels[2].mode = 2;
	state2.flags = KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_SET_PIT2, &state2));
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_GET_PIT, &state));
	EXPECT_EQ(0x4321, state.channels[2].count);
	EXPECT_EQ(2, state.channels[2].mode);
	state.channels[2].count = 0x777;
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_SET_PIT, &state));
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_GET_PIT2, &state2));
	EXPECT_EQ(0x777, state2.channels[2].count);
	EXPECT_EQ(KVM_PIT_FLAGS_SPEAKER_DATA_ON, state2.flags);
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->vm.fd, KVM_GET_PIT, 0x10));
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->vm.fd, KVM_SET_PIT, 0x10));
	if (!tvm_is_kvm()) {
		memset(&state, 0xff, sizeof(state));
		EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->vm.fd, KVM_SET_PIT, &state));
	}
}

TEST(pit_old_without_pit)
{
	struct kvm_pit_state state = {};
	struct tvm vm;

	tvm_create(&vm, TVM_IRQCHIP | TVM_BARE);
	EXPECT_EQ(-ENXIO, tvm_ioctl_p(vm.fd, KVM_GET_PIT, &state));
	EXPECT_EQ(-ENXIO, tvm_ioctl_p(vm.fd, KVM_SET_PIT, &state));
	tvm_destroy(&vm);
}

TEST_F(chip, clock)
{
	struct kvm_clock_data clock, later;

	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_GET_CLOCK, &clock));
	usleep(2000);
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_GET_CLOCK, &later));
	EXPECT_GE(later.clock, clock.clock + 1000000);
	EXPECT_LT(later.clock, clock.clock + 10000000000ULL);
	clock.clock = 1ULL << 50;
	clock.flags = 0;
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_SET_CLOCK, &clock));
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_GET_CLOCK, &later));
	EXPECT_GE(later.clock, 1ULL << 50);
	EXPECT_LT(later.clock, (1ULL << 50) + 10000000000ULL);
	clock.flags = BIT64(31);
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(self->vm.fd, KVM_SET_CLOCK, &clock));
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->vm.fd, KVM_SET_CLOCK, 0x10));
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->vm.fd, KVM_GET_CLOCK, 0x10));
}

TEST_HARNESS_MAIN
