// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the launcher's device models where a guest's driver depends on them: what 8250 probing and
 * the transmit interrupt expect of the UART, BCD time and setting the clock, PCI BAR sizing and
 * absent functions, S5 and the resets, ports nobody owns.
 */
#include <linux/pci_regs.h>
#include <string.h>
#include <time.h>

#include "kselftest_harness.h"
#include "vellum_types_undef.h"
#include "devices/pci.h"
#include "devices/ports.h"
#include "devices/power.h"
#include "devices/rtc.h"
#include "devices/serial.h"

#define BIG_BAR	0x10000ULL

/* The far end of the serial port: what came out, and how often input was asked for. */
struct wire {
	char sent[64];
	u32 len;
	u32 wanted;
};

FIXTURE(pc)
{
	struct kvm kvm;		/* no VM: interrupt ioctls fail, the line's level is what counts */
	struct stopper stop;
	struct pio_bus bus;
	struct serial serial;
	struct rtc rtc;
	struct power power;
	struct pci_bus pci;
	struct pci_device card;
	struct wire wire;
};

static void transmit(void *ctx, u8 byte)
{
	struct wire *wire = ctx;

	wire->sent[wire->len++ % sizeof(wire->sent)] = (char)byte;
}

static void want_input(void *ctx)
{
	struct wire *wire = ctx;

	wire->wanted++;
}

static const struct serial_port port = { transmit, want_input };

static u64 card_read(struct pci_device *dev, u64 offset, u32 len)
{
	(void)dev;
	(void)len;
	return offset;
}

static void card_write(struct pci_device *dev, u64 offset, u32 len, u64 value)
{
	(void)len;
	(void)offset;
	pci_set(dev, PCI_INTERRUPT_LINE, 1, (u8)value);
}

static const struct pci_ops card_ops = { .bar_read = card_read, .bar_write = card_write };

FIXTURE_SETUP(pc)
{
	const struct pio_range ranges[] = {
		{ PORT_COM1, 8, true, &serial_ops, &self->serial },
		{ PORT_RTC, 2, true, &rtc_ops, &self->rtc },
		{ PORT_PCI_CONFIG, 8, false, &pci_config_ops, &self->pci },
		{ PORT_PM1_CNT, 2, false, &pm1_control_ops, &self->power },
		{ PORT_PM_TIMER, 4, false, &pm_timer_ops, &self->power },
		{ PORT_I8042, 1, true, &i8042_ops, &self->power },
		{ PORT_EXIT_STATUS, 1, true, &exit_status_ops, &self->power },
	};
	const struct pci_identity id = { 0x1234, 0x5678, 0xff0000, 0, 0 };
	struct error err;
	size_t i;

	memset(self, 0, sizeof(*self));
	self->kvm.vm_fd = -1;
	ASSERT_EQ(0, stop_init(&self->stop, &err));
	serial_init(&self->serial, &self->kvm, &port, &self->wire);
	rtc_init(&self->rtc, &self->kvm);
	power_init(&self->power, &self->stop);
	pci_bus_init(&self->pci, &self->power);
	pci_device_init(&self->card, &card_ops, &id);
	self->card.bar_size = BIG_BAR;
	ASSERT_EQ(1, pci_bus_add(&self->pci, &self->card));
	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		pio_bus_add(&self->bus, ranges[i]);
}

FIXTURE_TEARDOWN(pc)
{
	rtc_destroy(&self->rtc);
	stop_destroy(&self->stop);
}

static void out(struct pio_bus *bus, u16 at, u32 len, u32 value)
{
	pio_bus_access(bus, at, (u8 *)&value, len, true);
}

static u32 in(struct pio_bus *bus, u16 at, u32 len)
{
	u32 value = 0;

	pio_bus_access(bus, at, (u8 *)&value, len, false);
	return value;
}

TEST_F(pc, nobody_home)
{
	EXPECT_EQ(0xffffffff, in(&self->bus, 0x1234, 4));
	out(&self->bus, 0x1234, 4, 0);
	/* The last byte of COM1 and one beyond: one is there, one is not. */
	EXPECT_EQ(0xff00, in(&self->bus, PORT_COM1 + 7, 2));
}

TEST_F(pc, uart_sends)
{
	out(&self->bus, PORT_COM1, 1, 'A');
	EXPECT_EQ(1, self->wire.len);
	EXPECT_EQ('A', self->wire.sent[0]);
	EXPECT_EQ(0x60, in(&self->bus, PORT_COM1 + 5, 1));
}

TEST_F(pc, uart_divisor_is_not_data)
{
	out(&self->bus, PORT_COM1 + 3, 1, 0x83);
	out(&self->bus, PORT_COM1, 1, 0x0c);
	out(&self->bus, PORT_COM1 + 1, 1, 0x55);
	EXPECT_EQ(0x0c, in(&self->bus, PORT_COM1, 1));
	EXPECT_EQ(0x55, in(&self->bus, PORT_COM1 + 1, 1));
	out(&self->bus, PORT_COM1 + 3, 1, 0x03);
	EXPECT_EQ(0, self->wire.len);
	EXPECT_EQ(0, in(&self->bus, PORT_COM1 + 1, 1));
}

TEST_F(pc, uart_is_16550a)
{
	out(&self->bus, PORT_COM1 + 2, 1, 0x01);
	EXPECT_EQ(0xc1, in(&self->bus, PORT_COM1 + 2, 1));
	out(&self->bus, PORT_COM1 + 1, 1, 0xff);
	EXPECT_EQ(0x0f, in(&self->bus, PORT_COM1 + 1, 1));
	out(&self->bus, PORT_COM1 + 4, 1, 0x1a);
	EXPECT_EQ(0x90, in(&self->bus, PORT_COM1 + 6, 1) & 0xf0);
}

TEST_F(pc, uart_transmit_interrupt)
{
	out(&self->bus, PORT_COM1 + 4, 1, 0x08);
	EXPECT_FALSE(self->serial.irq.level);
	out(&self->bus, PORT_COM1 + 1, 1, 0x02);
	EXPECT_TRUE(self->serial.irq.level);
	EXPECT_EQ(0x02, in(&self->bus, PORT_COM1 + 2, 1));
	EXPECT_FALSE(self->serial.irq.level);
	EXPECT_EQ(0x01, in(&self->bus, PORT_COM1 + 2, 1));
	out(&self->bus, PORT_COM1, 1, 'x');
	EXPECT_TRUE(self->serial.irq.level);
	/* Switching it off and on again raises it once more: the driver tests for that. */
	EXPECT_EQ(0x02, in(&self->bus, PORT_COM1 + 2, 1));
	out(&self->bus, PORT_COM1 + 1, 1, 0x00);
	out(&self->bus, PORT_COM1 + 1, 1, 0x02);
	EXPECT_EQ(0x02, in(&self->bus, PORT_COM1 + 2, 1));
}

/* Probing switches all interrupts on for a moment, before the driver clears the FIFO. */
TEST_F(pc, uart_keeps_input_until_driver_is_up)
{
	EXPECT_EQ(0, serial_room(&self->serial));
	out(&self->bus, PORT_COM1 + 1, 1, 0x0f);
	EXPECT_EQ(0, serial_room(&self->serial));
	out(&self->bus, PORT_COM1 + 1, 1, 0x00);
	EXPECT_EQ(0, self->wire.wanted);
	out(&self->bus, PORT_COM1 + 4, 1, 0x0b);
	out(&self->bus, PORT_COM1 + 1, 1, 0x01);
	EXPECT_EQ(1, self->wire.wanted);
	EXPECT_EQ(SERIAL_FIFO, serial_room(&self->serial));
	/* Linux switches the FIFO on only now: what came just before must stay. */
	serial_receive(&self->serial, (const u8 *)"k", 1);
	out(&self->bus, PORT_COM1 + 2, 1, 0x01);
	out(&self->bus, PORT_COM1 + 2, 1, 0x81);
	EXPECT_EQ('k', in(&self->bus, PORT_COM1, 1));
}

TEST_F(pc, uart_receives)
{
	out(&self->bus, PORT_COM1 + 4, 1, 0x0b);
	out(&self->bus, PORT_COM1 + 1, 1, 0x01);
	/* Nobody waits, nobody is told. */
	EXPECT_EQ(0, self->wire.wanted);
	serial_receive(&self->serial, (const u8 *)"hi", 2);
	EXPECT_TRUE(self->serial.irq.level);
	EXPECT_EQ(0, serial_room(&self->serial));
	EXPECT_EQ(0x04, in(&self->bus, PORT_COM1 + 2, 1));
	EXPECT_EQ('h', in(&self->bus, PORT_COM1, 1));
	EXPECT_EQ(0, self->wire.wanted);
	EXPECT_EQ('i', in(&self->bus, PORT_COM1, 1));
	EXPECT_EQ(1, self->wire.wanted);
	EXPECT_FALSE(self->serial.irq.level);
	EXPECT_EQ(0, in(&self->bus, PORT_COM1, 1));
	EXPECT_EQ(1, self->wire.wanted);
}

static u8 cmos(struct pio_bus *bus, u8 reg)
{
	out(bus, PORT_RTC, 1, reg);
	return (u8)in(bus, PORT_RTC + 1, 1);
}

static int bcd(u8 value)
{
	return (value >> 4) * 10 + (value & 15);
}

TEST_F(pc, rtc_tells_utc)
{
	time_t now = time(NULL);
	struct tm tm;

	/* The hour may turn between the two looks: look again. */
	gmtime_r(&now, &tm);
	if (tm.tm_min == 59 && tm.tm_sec > 57)
		SKIP(return, "the hour is turning");
	EXPECT_EQ(tm.tm_hour, bcd(cmos(&self->bus, 0x04)));
	EXPECT_EQ(tm.tm_mday, bcd(cmos(&self->bus, 0x07)));
	EXPECT_EQ(tm.tm_mon + 1, bcd(cmos(&self->bus, 0x08)));
	EXPECT_EQ(tm.tm_year % 100, bcd(cmos(&self->bus, 0x09)));
	EXPECT_EQ(19 + tm.tm_year / 100, bcd(cmos(&self->bus, 0x32)));
	EXPECT_EQ(0x80, cmos(&self->bus, 0x0d));
	EXPECT_EQ(0x02, cmos(&self->bus, 0x0b));
}

TEST_F(pc, rtc_can_be_set)
{
	out(&self->bus, PORT_RTC, 1, 0x07);
	out(&self->bus, PORT_RTC + 1, 1, 0x01);
	out(&self->bus, PORT_RTC, 1, 0x09);
	out(&self->bus, PORT_RTC + 1, 1, 0x42);
	EXPECT_EQ(0x01, cmos(&self->bus, 0x07));
	EXPECT_EQ(0x42, cmos(&self->bus, 0x09));
	/* 0xff is no BCD digit pair and no date: any answer but a crash will do */
	out(&self->bus, PORT_RTC + 1, 1, 0xff);
	cmos(&self->bus, 0x09);
}

static void set_cmos(struct pio_bus *bus, u8 reg, u8 value)
{
	out(bus, PORT_RTC, 1, reg);
	out(bus, PORT_RTC + 1, 1, value);
}

/* As Linux does it: the month is set before the day, and there is no 31 February. */
TEST_F(pc, rtc_is_set_in_one_go)
{
	set_cmos(&self->bus, 0x0b, 0x82);
	EXPECT_EQ(0x82, cmos(&self->bus, 0x0b));
	set_cmos(&self->bus, 0x32, 0x20);
	set_cmos(&self->bus, 0x09, 0x30);
	set_cmos(&self->bus, 0x08, 0x01);
	set_cmos(&self->bus, 0x07, 0x31);
	set_cmos(&self->bus, 0x04, 0x12);
	set_cmos(&self->bus, 0x02, 0x00);
	set_cmos(&self->bus, 0x00, 0x00);
	set_cmos(&self->bus, 0x0b, 0x02);
	EXPECT_EQ(0x31, cmos(&self->bus, 0x07));
	EXPECT_EQ(0x12, cmos(&self->bus, 0x04));
	/* It stands still, and has no update to tell of. */
	set_cmos(&self->bus, 0x0b, 0x92);
	EXPECT_EQ(0x82, cmos(&self->bus, 0x0b));
	set_cmos(&self->bus, 0x00, 0x59);
	set_cmos(&self->bus, 0x08, 0x02);
	self->rtc.offset += 1000;
	EXPECT_EQ(0x59, cmos(&self->bus, 0x00));
	EXPECT_EQ(0x02, cmos(&self->bus, 0x08));
	EXPECT_EQ(0x31, cmos(&self->bus, 0x07));
	set_cmos(&self->bus, 0x00, 0x00);
	set_cmos(&self->bus, 0x07, 0x15);
	set_cmos(&self->bus, 0x0b, 0x02);
	EXPECT_EQ(0x20, cmos(&self->bus, 0x32));
	EXPECT_EQ(0x30, cmos(&self->bus, 0x09));
	EXPECT_EQ(0x02, cmos(&self->bus, 0x08));
	EXPECT_EQ(0x15, cmos(&self->bus, 0x07));
	EXPECT_EQ(0x12, cmos(&self->bus, 0x04));
	EXPECT_EQ(0x00, cmos(&self->bus, 0x02));
	/* A Friday. */
	EXPECT_EQ(0x06, cmos(&self->bus, 0x06));
}

/* However often a field overflows, the clock stays where it can be told. */
TEST_F(pc, rtc_keeps_to_its_years)
{
	u32 i;

	out(&self->bus, PORT_RTC, 1, 0x0b);
	out(&self->bus, PORT_RTC + 1, 1, 0x06);		/* 24 hours, binary */
	out(&self->bus, PORT_RTC, 1, 0x32);
	for (i = 0; i < 256; i++) {
		out(&self->bus, PORT_RTC + 1, 1, i);
		EXPECT_LE(19, cmos(&self->bus, 0x32));
		EXPECT_GE(99, cmos(&self->bus, 0x32));
	}
	EXPECT_EQ(99, cmos(&self->bus, 0x32));
	for (i = 0; i < 1000; i++) {
		out(&self->bus, PORT_RTC, 1, 0x07);
		out(&self->bus, PORT_RTC + 1, 1, 255);
	}
	EXPECT_EQ(99, cmos(&self->bus, 0x32));
	EXPECT_EQ(99, cmos(&self->bus, 0x09));
	/* A host's clock beyond all bounds */
	self->rtc.offset = 1LL << 60;
	EXPECT_EQ(0, cmos(&self->bus, 0x07));
	EXPECT_EQ(0, cmos(&self->bus, 0x09));
}

static void config_address(struct pio_bus *bus, u32 slot, u32 reg)
{
	out(bus, PORT_PCI_CONFIG, 4, 0x80000000u | slot << 11 | reg);
}

TEST_F(pc, pci_absent)
{
	config_address(&self->bus, 5, 0);
	EXPECT_EQ(0xffffffff, in(&self->bus, 0xcfc, 4));
	config_address(&self->bus, 1, 0x100 | 0);	/* function 1 */
	EXPECT_EQ(0xffffffff, in(&self->bus, 0xcfc, 4));
	out(&self->bus, PORT_PCI_CONFIG, 4, 1 << 11);	/* not enabled */
	EXPECT_EQ(0xffffffff, in(&self->bus, 0xcfc, 4));
	out(&self->bus, PORT_PCI_CONFIG, 4, 0x80010000u);	/* bus 1 */
	EXPECT_EQ(0xffffffff, in(&self->bus, 0xcfc, 4));
}

TEST_F(pc, pci_identity_and_widths)
{
	config_address(&self->bus, 1, 0);
	EXPECT_EQ(0x56781234, in(&self->bus, 0xcfc, 4));
	EXPECT_EQ(0x5678, in(&self->bus, 0xcfe, 2));
	EXPECT_EQ(0x12, in(&self->bus, 0xcfd, 1));
	out(&self->bus, 0xcfc, 4, 0);
	EXPECT_EQ(0x56781234, in(&self->bus, 0xcfc, 4));
}

TEST_F(pc, pci_bar_sizing)
{
	u32 saved;

	config_address(&self->bus, 1, PCI_BASE_ADDRESS_0);
	saved = in(&self->bus, 0xcfc, 4);
	EXPECT_EQ(PCI_BASE_ADDRESS_MEM_TYPE_64, saved & 0xf);
	out(&self->bus, 0xcfc, 4, 0xffffffff);
	EXPECT_EQ((u32)~(BIG_BAR - 1) | PCI_BASE_ADDRESS_MEM_TYPE_64, in(&self->bus, 0xcfc, 4));
	out(&self->bus, 0xcfc, 4, saved);
	config_address(&self->bus, 1, PCI_BASE_ADDRESS_1);
	out(&self->bus, 0xcfc, 4, 0xffffffff);
	EXPECT_EQ(0xffffffff, in(&self->bus, 0xcfc, 4));
	/* A BAR at the very end of the address space must not wrap around. */
	config_address(&self->bus, 1, PCI_BASE_ADDRESS_0);
	out(&self->bus, 0xcfc, 4, 0xffffffff);
	config_address(&self->bus, 1, PCI_COMMAND);
	out(&self->bus, 0xcfc, 2, PCI_COMMAND_MEMORY);
	EXPECT_FALSE(pci_mmio(&self->pci, 0, (u8 *)&saved, 4, false));
	EXPECT_TRUE(pci_mmio(&self->pci, ~(BIG_BAR - 1), (u8 *)&saved, 4, false));
	EXPECT_EQ(0, saved);
	EXPECT_FALSE(pci_mmio(&self->pci, ~0ULL - 1, (u8 *)&saved, 4, false));
}

TEST_F(pc, pci_decoding_needs_the_command_bit)
{
	u64 base;
	u32 value;

	config_address(&self->bus, 1, PCI_COMMAND);
	out(&self->bus, 0xcfc, 2, PCI_COMMAND_MEMORY);
	base = pci_bar_address(&self->card);
	EXPECT_NE(0, base);
	EXPECT_TRUE(pci_mmio(&self->pci, base + 0x44, (u8 *)&value, 4, false));
	EXPECT_EQ(0x44, value);
	out(&self->bus, 0xcfc, 2, 0);
	EXPECT_FALSE(pci_mmio(&self->pci, base + 0x44, (u8 *)&value, 4, false));
}

TEST_F(pc, power_off_with_status)
{
	out(&self->bus, PORT_EXIT_STATUS, 1, 42);
	out(&self->bus, PORT_PM1_CNT, 2, 4 << 10 | 1 << 13);	/* S4 is not declared */
	EXPECT_FALSE(stop_requested(&self->stop));
	out(&self->bus, PORT_PM1_CNT, 2, 5 << 10 | 1 << 13);
	ASSERT_TRUE(stop_requested(&self->stop));
	EXPECT_EQ(42, self->stop.why.status);
	EXPECT_EQ('\0', self->stop.why.text[0]);
	EXPECT_EQ(1, in(&self->bus, PORT_PM1_CNT, 2) & 1);
}

TEST_F(pc, reset_by_keyboard_controller)
{
	out(&self->bus, PORT_I8042, 1, 0xd1);
	EXPECT_FALSE(stop_requested(&self->stop));
	out(&self->bus, PORT_I8042, 1, 0xfe);
	EXPECT_EQ(STATUS_RESET, self->stop.why.status);
}

TEST_F(pc, reset_by_register)
{
	out(&self->bus, PORT_RESET, 1, 0x02);
	EXPECT_FALSE(stop_requested(&self->stop));
	out(&self->bus, PORT_RESET, 1, 0x06);
	EXPECT_EQ(STATUS_RESET, self->stop.why.status);
}

TEST_F(pc, pm_timer_runs_at_its_rate)
{
	struct timespec pause = { .tv_nsec = 50000000 };
	u32 start = in(&self->bus, PORT_PM_TIMER, 4);
	u32 ticks;

	nanosleep(&pause, NULL);
	ticks = in(&self->bus, PORT_PM_TIMER, 4) - start;
	EXPECT_GE(ticks, 3579545 / 20);
	EXPECT_LT(ticks, 3579545 * 5);
}

TEST_HARNESS_MAIN
